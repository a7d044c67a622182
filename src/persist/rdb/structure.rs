//! The shape of every value type, as data, and a walk along it.
//!
//! A value is a sequence of small parts (lengths, strings, fixed bytes), some of them repeated as
//! often as a length before them says. The rows below write that down per type; [`Walk`] follows
//! a row part by part, and can stop between any two parts for want of bytes and go on later. So a
//! sorted set of a million members needs no more memory to be read than its largest member.
//!
//! A walk checks that the parts are there, not what they mean: whether a listpack inside a string
//! is sound is for the loader of that type to say.

use super::cursor::{Cursor, RawString, Stop};
use super::error::RdbErrorKind;
use super::format::{ValueType, module_opcode};

/// One part of a value.
enum Part {
    Length,
    String,
    Bytes(u64),
    /// A score of old sorted sets: length byte and text, or one byte for the three non-numbers.
    TextScore,
    /// A length, and so many times these parts.
    Repeat(&'static [Part]),
    /// What a module wrote: opcode and thing, up to the opcode that ends it.
    ModuleData,
}

use Part::*;

/// From this first byte on, a score is one of the three that are no numbers.
const TEXT_SCORE_SPECIAL: u8 = 253;
/// No row nests repetitions deeper: consumers' pending entries in a stream, inside the row itself.
const DEPTH_MAX: usize = 4;

const ID: Part = Bytes(16);
const TIME: Part = Bytes(8);

const STREAM: &[Part] = &[
    Repeat(&[String, String]),
    Length, // entries
    Length, // last id
    Length,
    Repeat(&[
        String, // group
        Length, // last delivered id
        Length,
        Repeat(&[ID, TIME, Length]),
        Repeat(&[String, TIME, Repeat(&[ID])]),
    ]),
];

/// Between type 15 and this one came the first id, the largest deleted id, the entries ever added,
/// and the entries a group has read.
const STREAM_2: &[Part] = &[
    Repeat(&[String, String]),
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Repeat(&[
        String,
        Length,
        Length,
        Length,
        Repeat(&[ID, TIME, Length]),
        Repeat(&[String, TIME, Repeat(&[ID])]),
    ]),
];

/// Between type 19 and this one came the time at which a consumer was last active.
const STREAM_3: &[Part] = &[
    Repeat(&[String, String]),
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Length,
    Repeat(&[
        String,
        Length,
        Length,
        Length,
        Repeat(&[ID, TIME, Length]),
        Repeat(&[String, TIME, TIME, Repeat(&[ID])]),
    ]),
];

/// Module id, then the data.
const MODULE: &[Part] = &[Length, ModuleData];

/// The parts of a type; none for the one that cannot be walked.
fn parts_of(value_type: ValueType) -> Option<&'static [Part]> {
    use ValueType as T;
    Some(match value_type {
        T::String => &[String],
        T::List | T::Set | T::ListQuicklist => &[Repeat(&[String])],
        T::Zset => &[Repeat(&[String, TextScore])],
        T::Zset2 => &[Repeat(&[String, Bytes(8)])],
        T::Hash => &[Repeat(&[String, String])],
        T::ListQuicklist2 => &[Repeat(&[Length, String])],
        T::HashZipmap
        | T::ListZiplist
        | T::SetIntset
        | T::ZsetZiplist
        | T::HashZiplist
        | T::HashListpack
        | T::ZsetListpack
        | T::SetListpack => &[String],
        T::Stream => STREAM,
        T::Stream2 => STREAM_2,
        T::Stream3 => STREAM_3,
        T::Module2 => MODULE,
        T::ModulePreGa => return None,
    })
}

/// What a walk comes by.
pub(super) enum Token<'a> {
    /// A string, which the walk has not looked into.
    String(RawString<'a>),
    /// Anything else; it is known to be sound.
    Other,
}

/// A sequence of parts being walked: `rounds` times, now at part `at` of the current round.
#[derive(Clone, Copy)]
struct Level {
    parts: &'static [Part],
    at: usize,
    rounds: u64,
}

/// A position in a value.
pub(super) struct Walk {
    levels: [Level; DEPTH_MAX],
    depth: usize,
}

impl Walk {
    /// The start of a value.
    pub(super) fn of_value(value_type: ValueType) -> Result<Walk, RdbErrorKind> {
        parts_of(value_type)
            .map(Walk::along)
            .ok_or(RdbErrorKind::PreReleaseModule)
    }

    /// The start of module data that belongs to no key.
    pub(super) fn of_module_aux() -> Walk {
        Walk::along(&[ModuleData])
    }

    fn along(parts: &'static [Part]) -> Walk {
        Walk {
            levels: [Level {
                parts,
                at: 0,
                rounds: 1,
            }; DEPTH_MAX],
            depth: 1,
        }
    }

    /// Walks one part on, or says that the value is complete. A part that cannot be read whole
    /// leaves the walk where it is.
    pub(super) fn next<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Option<Token<'a>>, Stop> {
        let Some(part) = self.part_ahead() else {
            return Ok(None);
        };
        let mut token = Token::Other;
        match *part {
            Length => drop(cursor.length()?),
            String => token = Token::String(cursor.string()?),
            Bytes(count) => drop(cursor.take(count)?),
            TextScore => match cursor.byte()? {
                TEXT_SCORE_SPECIAL.. => {}
                count => drop(cursor.take(u64::from(count))?),
            },
            Repeat(parts) => {
                let rounds = cursor.length()?;
                self.pass();
                self.levels[self.depth] = Level {
                    parts,
                    at: 0,
                    rounds,
                };
                self.depth += 1;
                return Ok(Some(token));
            }
            ModuleData => {
                if let Some(item) = read_module_item(cursor)? {
                    return Ok(Some(item));
                }
            }
        }
        self.pass();
        Ok(Some(token))
    }

    /// The part to read next; steps out of sequences that are through.
    fn part_ahead(&mut self) -> Option<&'static Part> {
        while self.depth > 0 {
            let level = &mut self.levels[self.depth - 1];
            if level.at == level.parts.len() {
                level.at = 0;
                level.rounds -= 1;
            }
            if level.rounds > 0 {
                return Some(&level.parts[level.at]);
            }
            self.depth -= 1;
        }
        None
    }

    fn pass(&mut self) {
        self.levels[self.depth - 1].at += 1;
    }
}

/// Reads one opcode of a module's data and what it announces; none at the end of the data.
fn read_module_item<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Token<'a>>, Stop> {
    match cursor.length()? {
        module_opcode::EOF => return Ok(None),
        module_opcode::SINT | module_opcode::UINT => drop(cursor.length()?),
        module_opcode::FLOAT => drop(cursor.take(4)?),
        module_opcode::DOUBLE => drop(cursor.take(8)?),
        module_opcode::STRING => return Ok(Some(Token::String(cursor.string()?))),
        unknown => return Err(RdbErrorKind::UnknownModuleOpcode(unknown).into()),
    }
    Ok(Some(Token::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(parts: &[Part]) -> usize {
        let inner = parts.iter().map(|part| match part {
            Repeat(parts) => depth(parts),
            _ => 0,
        });
        1 + inner.max().unwrap_or(0)
    }

    /// Walks `bytes`, handing over one byte more whenever the walk asks for more.
    fn walk(value_type: ValueType, bytes: &[u8]) -> Result<(usize, usize), RdbErrorKind> {
        let mut walk = Walk::of_value(value_type)?;
        let (mut at, mut given, mut strings) = (0, 0, 0);
        loop {
            let mut cursor = Cursor::new(&bytes[..given], at);
            match walk.next(&mut cursor) {
                Ok(None) => return Ok((at, strings)),
                Ok(Some(token)) => strings += usize::from(matches!(token, Token::String(_))),
                Err(Stop::Short { missing }) => {
                    assert!(missing > 0);
                    given += 1;
                    continue;
                }
                Err(Stop::Bad(kind)) => return Err(*kind),
            }
            at = cursor.at();
        }
    }

    #[test]
    fn no_row_is_deeper_than_the_stack() {
        for value_type in ValueType::ALL {
            assert!(parts_of(value_type).is_none_or(|parts| depth(parts) <= DEPTH_MAX));
        }
    }

    #[test]
    fn collections_are_walked_to_their_last_byte() {
        for (value_type, bytes, strings) in [
            (ValueType::List, &b"\x02\x01a\xc0\x05"[..], 2),
            (ValueType::Set, b"\x00", 0),
            (ValueType::Hash, b"\x01\x01a\x01b", 2),
            (ValueType::Zset, b"\x03\x01a\x031.5\x01b\xfe\x01c\xfd", 3),
            (ValueType::Zset2, b"\x01\x01a12345678", 1),
            (ValueType::ListQuicklist2, b"\x02\x02\x01a\x01\x01b", 2),
            (ValueType::HashListpack, b"\x01x", 1),
            (
                ValueType::Module2,
                b"\x05\x02\x07\x05\x01a\x03ffff\x04dddddddd\x00",
                1,
            ),
        ] {
            assert_eq!(
                walk(value_type, bytes),
                Ok((bytes.len(), strings)),
                "{value_type:?}"
            );
        }
    }

    #[test]
    fn streams_are_walked_through_groups_and_consumers() {
        let id = b"0123456789abcdef";
        for (value_type, counters, group_counters, times) in [
            (ValueType::Stream, 3, 2, 1),
            (ValueType::Stream2, 8, 3, 1),
            (ValueType::Stream3, 8, 3, 2),
        ] {
            let mut bytes = b"\x01\x01k\x01v".to_vec();
            bytes.extend(vec![1; counters]);
            bytes.extend(b"\x02");
            for _ in 0..2 {
                bytes.extend(b"\x01g");
                bytes.extend(vec![1; group_counters]);
                bytes.extend(b"\x01");
                bytes.extend(id);
                bytes.extend(b"12345678\x01");
                bytes.extend(b"\x01\x01c");
                bytes.extend(vec![9; 8 * times]);
                bytes.extend(b"\x01");
                bytes.extend(id);
            }
            assert_eq!(walk(value_type, &bytes), Ok((bytes.len(), 6)));
        }
    }

    #[test]
    fn what_cannot_be_walked_is_refused() {
        assert_eq!(
            walk(ValueType::ModulePreGa, b""),
            Err(RdbErrorKind::PreReleaseModule)
        );
        assert_eq!(
            walk(ValueType::Module2, b"\x01\x09"),
            Err(RdbErrorKind::UnknownModuleOpcode(9))
        );
    }
}
