//! The decoding of one slice: steps of the decoder, and the items that come of them.

use super::{Decoder, State, Step};
use crate::persist::rdb::build::packed::{self, Verdict};
use crate::persist::rdb::cursor::{Cursor, RawString, Stop};
use crate::persist::rdb::error::{RdbError, RdbErrorKind};
use crate::persist::rdb::format::{ValueType, module_type_name};
use crate::persist::rdb::item::{ChecksumVerdict, Item, KeyItem, Value};

/// The decoding of one slice. [`Feed::finish`] tells how much of it was used up.
#[must_use = "the decoder must be told where the slice was left: call finish"]
pub struct Feed<'d, 'i> {
    decoder: &'d mut Decoder,
    input: &'i [u8],
    at: usize,
    /// Up to where the checksum has seen the slice.
    hashed: usize,
}

impl Decoder {
    /// Starts to decode `input`, which begins where the last slice was used up.
    pub fn feed<'d, 'i>(&'d mut self, input: &'i [u8]) -> Feed<'d, 'i> {
        if !matches!(self.state, State::Walking(..) | State::Building(..)) {
            self.current.known = None;
        }
        Feed {
            decoder: self,
            input,
            at: 0,
            hashed: 0,
        }
    }
}

impl<'i> Feed<'_, 'i> {
    /// The next item; none if the slice holds no further whole one, or after the end.
    #[allow(clippy::should_implement_trait)] // the item borrows from self
    #[inline]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, RdbError> {
        let step = loop {
            let mut cursor = Cursor::new(self.input, self.at);
            match self.decoder.step(&mut cursor) {
                Ok(step) => {
                    self.at = cursor.at();
                    match step {
                        Step::Silent => {}
                        Step::Finished => return Ok(None),
                        Step::EndMark => {
                            self.hash();
                            if self.decoder.is_done() {
                                return Ok(Some(Item::End(ChecksumVerdict::Absent)));
                            }
                        }
                        item => break item,
                    }
                }
                Err(stop) => return self.stopped(stop, cursor.at()).map(|()| None),
            }
        };
        self.item(step).map(Some)
    }

    /// Bytes of the stream used up so far.
    pub fn offset(&self) -> u64 {
        self.decoder.offset + self.at as u64
    }

    /// Ends the decoding of this slice; the rest of it, from the returned position on, belongs in
    /// front of the next one.
    pub fn finish(mut self) -> usize {
        self.hash();
        self.decoder.offset += self.at as u64;
        self.at
    }

    /// A fault that the caller found in the item it was given last.
    pub fn fault(&self, kind: RdbErrorKind) -> RdbError {
        RdbError {
            kind,
            offset: self.offset(),
            stage: self.decoder.stage,
        }
    }

    fn hash(&mut self) {
        if self.decoder.options.verify_checksum {
            self.decoder
                .checksum
                .update(&self.input[self.hashed..self.at]);
        }
        self.hashed = self.at;
    }

    #[cold]
    fn stopped(&mut self, stop: Stop, at: usize) -> Result<(), RdbError> {
        let reached = self.decoder.offset + at as u64;
        match stop {
            Stop::Short { missing } => {
                let have = self.input.len() - self.at;
                self.decoder.wanted = have.saturating_add(missing);
                self.decoder.reached = reached;
                Ok(())
            }
            Stop::Bad(kind) => Err(RdbError {
                kind: *kind,
                offset: reached,
                stage: self.decoder.stage,
            }),
        }
    }

    #[inline]
    fn item(&mut self, step: Step<'i>) -> Result<Item<'_>, RdbError> {
        match step {
            Step::Key { key, value } => return self.key_item(key, value),
            Step::PackedKey {
                value_type,
                key,
                value,
            } => return self.packed_item(value_type, key, value),
            _ => {}
        }
        let (offset, stage) = (self.offset(), self.decoder.stage);
        let fault = |kind| RdbError {
            kind,
            offset,
            stage,
        };
        let decoder = &mut *self.decoder;
        Ok(match step {
            Step::Aux(name, value) => Item::Aux {
                name: name.resolve(&mut decoder.current.name).map_err(fault)?,
                value: value.resolve(&mut decoder.value_scratch).map_err(fault)?,
            },
            Step::SelectDb(db) => Item::SelectDb(db),
            Step::ResizeDb { keys, expires } => Item::ResizeDb { keys, expires },
            Step::Function(code) => {
                Item::Function(code.resolve(&mut decoder.value_scratch).map_err(fault)?)
            }
            Step::ModuleAux { id } => Item::ModuleAux {
                module: module_type_name(id),
            },
            Step::BuiltKey(value) => {
                decoder.current_item(value.map_or(Value::Empty, Value::Object))
            }
            Step::ModuleKey => decoder.current_item(Value::Module),
            Step::ExpiringHash => decoder.current_item(Value::ExpiringHash),
            Step::SlotImport => Item::SlotImport,
            Step::StoredChecksum(stored) => {
                self.hashed = self.at;
                Item::End(decoder.verdict(stored).map_err(fault)?)
            }
            Step::Silent | Step::Finished | Step::EndMark => unreachable!("no item comes of it"),
            Step::Key { .. } | Step::PackedKey { .. } => unreachable!("these were made above"),
        })
    }

    #[inline]
    fn key_item(&mut self, key: RawString<'i>, value: RawString<'i>) -> Result<Item<'_>, RdbError> {
        let (offset, stage) = (self.offset(), self.decoder.stage);
        let fault = |kind| RdbError {
            kind,
            offset,
            stage,
        };
        let decoder = &mut *self.decoder;
        let attributes = std::mem::take(&mut decoder.attributes);
        let value = match value {
            RawString::Int(value) => Value::Int(value),
            text => match text.resolve(&mut decoder.value_scratch) {
                Ok(bytes) => Value::Bytes(bytes),
                Err(kind) => {
                    decoder
                        .current
                        .remember(ValueType::String, key)
                        .map_err(fault)?;
                    return Err(fault(kind));
                }
            },
        };
        let key = key.resolve(&mut decoder.current.name).map_err(fault)?;
        Ok(Item::Key(KeyItem {
            key,
            value,
            attributes,
        }))
    }

    #[inline]
    fn packed_item(
        &mut self,
        value_type: ValueType,
        key: RawString<'i>,
        value: RawString<'i>,
    ) -> Result<Item<'_>, RdbError> {
        let (offset, stage) = (self.offset(), self.decoder.stage);
        let fault = |kind| RdbError {
            kind,
            offset,
            stage,
        };
        let decoder = &mut *self.decoder;
        let attributes = std::mem::take(&mut decoder.attributes);
        let judged = value.resolve(&mut decoder.value_scratch).and_then(|bytes| {
            let verdict = packed::judge(value_type, bytes, &decoder.options.limits)?;
            Ok((verdict, bytes))
        });
        let value = match judged {
            Ok((Verdict::AsItIs(type_, encoding), bytes)) => Value::Packed {
                type_,
                encoding,
                bytes: packed::kept(encoding, bytes),
            },
            Ok((Verdict::Made(object), _)) => Value::Object(object),
            Ok((Verdict::Empty, _)) => Value::Empty,
            Err(kind) => {
                decoder.current.remember(value_type, key).map_err(fault)?;
                return Err(fault(kind));
            }
        };
        let key = key.resolve(&mut decoder.current.name).map_err(fault)?;
        Ok(Item::Key(KeyItem {
            key,
            value,
            attributes,
        }))
    }
}
