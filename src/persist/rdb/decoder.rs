//! A push decoder: slices in, items out.
//!
//! The bytes of a snapshot come from a file in large pieces, or from a socket in whatever pieces
//! the network makes of them, and a server that loads them must do so in slices of time. So the
//! decoder does no I/O and keeps no bytes that it was given: it is fed a slice, hands out the items
//! that are whole in it, and says how much of the slice is used up. The caller keeps the rest and
//! feeds it again with more behind it ([`super::load::StreamLoader`] does).
//!
//! ```text
//! Header ──> Records <──> Building       (a collection that comes in parts)
//!              │  ^─────> Walking        (what is passed over, such as data of modules)
//!              └──> Trailer ──> Done     (eight bytes of checksum)
//! ```
//!
//! Invariants:
//! - An item borrows from the slice, or from one of two scratch buffers if it was compressed or
//!   written as an integer; only a collection is made anew. No announced length reserves more
//!   memory than the rest of the stream could fill: a scratch grows by what the input really
//!   contains (LZF bounds its own expansion).
//! - A record (opcode, key and value that is one string) or a part of a collection is taken whole
//!   or not at all, so being fed one byte at a time gives the same items as one large slice.
//!   [`Decoder::wanted`] keeps the caller from trying again too early.
//! - The checksum runs over the used part of each slice at once, not item by item.

mod feed;

pub use feed::Feed;

use super::build::{BuildLimits, Builder, Means};
use super::cursor::{Cursor, RawString, Stop};
use super::dialect::Dialect;
use super::error::{RdbError, RdbErrorKind, Stage};
use super::format::{
    HEADER_BYTES, VERSION_WITH_CHECKSUM, ValueType, module_opcode, module_type_name, opcode,
};
use super::item::{ChecksumVerdict, Item, KeyAttributes, KeyItem, Value};
use super::structure::{Token, Walk};
use crate::base::crc64::Crc64;
use crate::keyspace::Object;

/// What is believed of the length of a stream that nobody knows: room is made ahead for what that
/// many bytes can hold.
const UNKNOWN_STREAM_BYTES: u64 = 1 << 20;

/// What to do about data of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To load: it is an error, since nothing can be made of it.
    Load,
    /// To check: it is walked and passed over.
    Check,
}

/// What to do about data that have no counterpart in this server, but whose end can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They are a fault.
    Refuse,
    /// They are passed over, and the items say so (`rdb-skip-unknown`).
    Skip,
}

/// How a stream is to be decoded.
#[derive(Debug, Clone)]
pub struct DecoderOptions {
    /// Loading or checking.
    pub purpose: Purpose,
    /// What to do about data that have no counterpart.
    pub unknown: Unknown,
    /// Whether a wrong checksum is an error (`rdbchecksum`).
    pub verify_checksum: bool,
    /// Up to where collections take their small forms.
    pub limits: BuildLimits,
    /// The length of the stream, where it is known.
    pub stream_bytes: Option<u64>,
}

impl DecoderOptions {
    /// With limits of a server that was not configured.
    pub fn usual(purpose: Purpose) -> DecoderOptions {
        DecoderOptions {
            purpose,
            unknown: Unknown::Refuse,
            verify_checksum: true,
            limits: BuildLimits::usual(),
            stream_bytes: None,
        }
    }
}

enum State {
    Header,
    Records,
    /// Inside a collection.
    Building(Walk, Builder),
    /// Inside data of a module, of the current key or of none.
    Walking(Walk, Walked),
    Trailer,
    Done,
}

/// What a walk is through.
#[derive(Clone, Copy)]
enum Walked {
    Value,
    ModuleAux,
    SlotImport,
}

/// What one step of the machine gives. Borrows from the input alone, so that the machine can go
/// on stepping; what needs a scratch buffer is resolved when it is handed out.
enum Step<'a> {
    Silent,
    Finished,
    EndMark,
    Aux(RawString<'a>, RawString<'a>),
    SelectDb(u64),
    ResizeDb {
        keys: u64,
        expires: u64,
    },
    Function(RawString<'a>),
    ModuleAux {
        id: u64,
    },
    Key {
        key: RawString<'a>,
        value: RawString<'a>,
    },
    /// A collection in one string.
    PackedKey {
        value_type: ValueType,
        key: RawString<'a>,
        value: RawString<'a>,
    },
    /// The value of the current key.
    BuiltKey(Option<Object>),
    ModuleKey,
    /// The current key is a hash with fields that expire.
    ExpiringHash,
    SlotImport,
    StoredChecksum(u64),
}

/// The decoder of one stream.
pub struct Decoder {
    options: DecoderOptions,
    state: State,
    version: i64,
    dialect: Dialect,
    /// Bytes used up in all earlier slices.
    offset: u64,
    checksum: Crc64,
    attributes: KeyAttributes,
    current: CurrentKey,
    value_scratch: Vec<u8>,
    /// Least length of the next slice that can make a difference.
    wanted: usize,
    stage: Stage,
    /// Up to where the last slice could be made sense of, for the report of a sudden end.
    reached: u64,
}

impl Decoder {
    /// A decoder at the first byte of a stream.
    pub fn new(options: DecoderOptions) -> Decoder {
        Decoder {
            options,
            state: State::Header,
            version: 0,
            dialect: Dialect::Common,
            offset: 0,
            checksum: Crc64::default(),
            attributes: KeyAttributes::default(),
            current: CurrentKey::default(),
            value_scratch: Vec::new(),
            wanted: HEADER_BYTES,
            stage: Stage::Start,
            reached: 0,
        }
    }

    /// How long the next slice must be at least to give anything new.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Bytes used up by all slices so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the end was reached.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The fault to report if no more bytes come.
    pub fn unexpected_end(&self) -> RdbError {
        RdbError {
            kind: RdbErrorKind::UnexpectedEnd,
            offset: self.reached,
            stage: self.stage,
        }
    }

    /// Type of the value that was being read at the last fault or shortage.
    pub fn unfinished_type(&self) -> Option<ValueType> {
        self.current.known.map(|(value_type, _)| value_type)
    }

    /// The key whose value was being read at the last fault or shortage.
    pub fn unfinished_key(&self) -> Option<&[u8]> {
        self.current
            .known
            .filter(|(_, named)| *named)
            .map(|_| &*self.current.name)
    }

    fn step<'i>(&mut self, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        match &mut self.state {
            State::Records => self.record(cursor),
            State::Header => self.header(cursor),
            State::Building(walk, builder) => match walk.next(cursor)? {
                Some(token) => {
                    let used = self.offset + cursor.at() as u64;
                    let mut means = Means {
                        limits: &self.options.limits,
                        ahead: match self.options.stream_bytes {
                            Some(bytes) => bytes.saturating_sub(used),
                            None => UNKNOWN_STREAM_BYTES,
                        },
                        scratch: &mut self.value_scratch,
                    };
                    builder.take(token, &mut means)?;
                    Ok(Step::Silent)
                }
                None => self.built(),
            },
            State::Walking(walk, walked) => {
                let walked = *walked;
                match walk.next(cursor)? {
                    Some(Token::ModuleString(string)) => {
                        string.resolve(&mut self.value_scratch)?;
                        Ok(Step::Silent)
                    }
                    Some(_) => Ok(Step::Silent),
                    None => Ok(self.walked(walked)),
                }
            }
            State::Trailer => {
                self.stage = Stage::CheckSum;
                let stored = u64::from_le_bytes(cursor.array()?);
                self.state = State::Done;
                Ok(Step::StoredChecksum(stored))
            }
            State::Done => Ok(Step::Finished),
        }
    }

    fn header<'i>(&mut self, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        (self.dialect, self.version) = Dialect::of_header(cursor.array()?)?;
        self.state = State::Records;
        Ok(Step::Silent)
    }

    #[inline]
    fn record<'i>(&mut self, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        self.stage = Stage::ReadType;
        let first = cursor.byte()?;
        match ValueType::from_id(first) {
            Some(value_type) => self.key(value_type, cursor),
            None => self.no_key(first, cursor),
        }
    }

    #[inline]
    fn key<'i>(
        &mut self,
        value_type: ValueType,
        cursor: &mut Cursor<'i>,
    ) -> Result<Step<'i>, Stop> {
        self.stage = Stage::ReadKey;
        let key = cursor
            .string()
            .inspect_err(|_| self.current.known = Some((value_type, false)))?;
        self.stage = Stage::ReadValue;
        if let Some(walk) = Walk::of_value(value_type) {
            return self.enter_value(value_type, walk, key, cursor);
        }
        if value_type == ValueType::ModulePreGa {
            return Err(RdbErrorKind::PreReleaseModule.into());
        }
        match cursor.string() {
            Ok(value) if value_type == ValueType::String => Ok(Step::Key { key, value }),
            Ok(value) => Ok(Step::PackedKey {
                value_type,
                key,
                value,
            }),
            Err(stop) => {
                self.current.remember(value_type, key)?;
                Err(stop)
            }
        }
    }

    /// A value begins that comes in parts.
    fn enter_value<'i>(
        &mut self,
        value_type: ValueType,
        walk: Walk,
        key: RawString<'i>,
        cursor: &mut Cursor<'i>,
    ) -> Result<Step<'i>, Stop> {
        self.current.remember(value_type, key)?;
        self.state = match Builder::new(value_type, &self.options.limits) {
            Some(builder) => State::Building(walk, builder),
            None if self.refuses_modules() => {
                let module = module_type_name(cursor.length()?);
                let key = Some(self.current.name.clone());
                return Err(RdbErrorKind::NoModuleForValue { module, key }.into());
            }
            None => State::Walking(walk, Walked::Value),
        };
        Ok(Step::Silent)
    }

    /// A collection is complete.
    fn built<'i>(&mut self) -> Result<Step<'i>, Stop> {
        let state = std::mem::replace(&mut self.state, State::Records);
        let State::Building(_, builder) = state else {
            unreachable!("a collection was being built");
        };
        if builder.has_given_up() {
            if self.options.unknown == Unknown::Refuse {
                let key = self.current.name.clone();
                return Err(RdbErrorKind::FieldExpiry { key }.into());
            }
            self.current.known = None;
            return Ok(Step::ExpiringHash);
        }
        let value = builder.finish(&self.options.limits)?;
        self.current.known = None;
        Ok(Step::BuiltKey(value))
    }

    /// A walk is through.
    fn walked<'i>(&mut self, walked: Walked) -> Step<'i> {
        self.state = State::Records;
        match walked {
            Walked::Value => {
                self.current.known = None;
                Step::ModuleKey
            }
            Walked::ModuleAux => Step::Silent,
            Walked::SlotImport => Step::SlotImport,
        }
    }

    /// A record that begins with an opcode.
    fn no_key<'i>(&mut self, first: u8, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        match first {
            opcode::EXPIRETIME_MS => {
                self.stage = Stage::ReadExpire;
                self.expires_at(i64::from_le_bytes(cursor.array()?));
            }
            opcode::EXPIRETIME => {
                self.stage = Stage::ReadExpire;
                self.expires_at(i64::from(i32::from_le_bytes(cursor.array()?)) * 1000);
            }
            opcode::IDLE => self.attributes.idle_s = Some(cursor.length()?),
            opcode::FREQ => self.attributes.frequency = Some(cursor.byte()?),
            opcode::SELECTDB => {
                self.stage = Stage::ReadLength;
                return Ok(Step::SelectDb(cursor.length()?));
            }
            opcode::RESIZEDB => {
                self.stage = Stage::ReadLength;
                let keys = cursor.length()?;
                return Ok(Step::ResizeDb {
                    keys,
                    expires: cursor.length()?,
                });
            }
            opcode::AUX => {
                self.stage = Stage::ReadAux;
                return Ok(Step::Aux(cursor.string()?, cursor.string()?));
            }
            opcode::FUNCTION2 => {
                self.stage = Stage::ReadFunctions;
                return Ok(Step::Function(cursor.string()?));
            }
            opcode::FUNCTION_PRE_GA => return Err(RdbErrorKind::PreReleaseFunction.into()),
            opcode::MODULE_AUX => return self.module_aux(cursor),
            opcode::EOF => {
                self.state = match self.version {
                    VERSION_WITH_CHECKSUM.. => State::Trailer,
                    _ => State::Done,
                };
                return Ok(Step::EndMark);
            }
            other => return self.newer(other, cursor),
        }
        Ok(Step::Silent)
    }

    /// A record that begins with a byte that the common format does not know.
    #[cold]
    fn newer<'i>(&mut self, first: u8, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        if let Some(value_type) = self.dialect.newer_type(first) {
            return self.key(value_type, cursor);
        }
        match first {
            opcode::SLOT_INFO if self.dialect.has_opcode(first) => {
                self.stage = Stage::ReadLength;
                for _ in ["slot", "keys", "expires"] {
                    cursor.length()?;
                }
                Ok(Step::Silent)
            }
            opcode::SLOT_IMPORT if self.dialect.has_opcode(first) => {
                if self.options.unknown == Unknown::Refuse {
                    return Err(RdbErrorKind::SlotImport.into());
                }
                self.state = State::Walking(Walk::of_slot_import(), Walked::SlotImport);
                Ok(Step::Silent)
            }
            unknown => Err(RdbErrorKind::UnknownType(unknown).into()),
        }
    }

    /// Whether data of modules are a fault.
    fn refuses_modules(&self) -> bool {
        self.options.purpose == Purpose::Load && self.options.unknown == Unknown::Refuse
    }

    /// Writers have always used -1 for "never".
    fn expires_at(&mut self, time_ms: i64) {
        self.attributes.expire_at_ms = (time_ms != -1).then_some(time_ms);
    }

    fn module_aux<'i>(&mut self, cursor: &mut Cursor<'i>) -> Result<Step<'i>, Stop> {
        self.stage = Stage::ReadModuleAux;
        let id = cursor.length()?;
        let when_opcode = cursor.length()?;
        cursor.length()?;
        if when_opcode != module_opcode::UINT {
            return Err(RdbErrorKind::ModuleAuxWithoutWhen.into());
        }
        if self.refuses_modules() {
            return Err(RdbErrorKind::NoModuleForAux(module_type_name(id)).into());
        }
        self.state = State::Walking(Walk::of_module_aux(), Walked::ModuleAux);
        Ok(Step::ModuleAux { id })
    }

    fn verdict(&self, stored: u64) -> Result<ChecksumVerdict, RdbErrorKind> {
        let computed = self.checksum.value();
        match stored {
            _ if !self.options.verify_checksum => Ok(ChecksumVerdict::NotVerified),
            0 => Ok(ChecksumVerdict::Disabled),
            _ if stored == computed => Ok(ChecksumVerdict::Correct),
            _ => Err(RdbErrorKind::WrongChecksum { computed, stored }),
        }
    }
}

impl Decoder {
    /// The current key with its value.
    fn current_item<'s>(&'s mut self, value: Value<'s>) -> Item<'s> {
        Item::Key(KeyItem {
            key: &self.current.name,
            value,
            attributes: std::mem::take(&mut self.attributes),
        })
    }
}

/// The key that is being decoded, where a report may need it: not in the middle of plain strings,
/// which come and go by the million.
#[derive(Default)]
struct CurrentKey {
    /// The type of its value, and whether `name` holds its name.
    known: Option<(ValueType, bool)>,
    name: Vec<u8>,
}

impl CurrentKey {
    #[cold]
    fn remember(&mut self, value_type: ValueType, key: RawString<'_>) -> Result<(), RdbErrorKind> {
        self.known = Some((value_type, false));
        if let RawString::Plain(bytes) = key {
            self.name.clear();
            self.name.extend_from_slice(bytes);
        } else {
            key.resolve(&mut self.name)?;
        }
        self.known = Some((value_type, true));
        Ok(())
    }
}
