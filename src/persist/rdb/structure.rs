//! The shape of every value type, as data, and a walk along it.
//!
//! A value is a sequence of small parts (lengths, strings, fixed bytes), some of them repeated as
//! often as a length before them says. The rows below write that down per type; [`Walk`] follows
//! a row part by part, and can stop between any two parts for want of bytes and go on later. So a
//! sorted set of a million members needs no more of the stream at once than its largest member.
//!
//! What a walk comes by is handed on as a [`Token`] that says what it is, so whoever makes a value
//! of tokens ([`super::build`]) needs no map of its own. The walk knows that the parts are there,
//! not what they mean: whether a listpack inside a string is sound is for that one to say.

use super::cursor::{Cursor, RawString, Stop};
use super::error::{Flaw, RdbErrorKind};
use super::format::{ValueType, module_opcode};
use crate::base::numbers::parse_f64;
use crate::data::stream::StreamId;

/// One part of a value.
enum Part {
    Number(Number),
    Text(Text),
    /// Sixteen bytes: an id that is pending or owned.
    Id(Of),
    /// Eight bytes.
    Time,
    /// Whether and when a field expires, as a length; 0 is never.
    FieldTtl,
    /// The same in eight bytes; -1 is never.
    FieldTime,
    /// Eight bytes.
    Score,
    /// A score of old sorted sets: length byte and text, or one byte for the three non-numbers.
    TextScore,
    /// A length, and so many times these parts.
    Repeat(Of, &'static [Part]),
    /// A length that says nothing that is not found out anyway.
    Skipped,
    /// A module's id, as a length.
    ModuleId,
    /// What a module wrote: opcode and thing, up to the opcode that ends it.
    ModuleData,
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// An element of a list, a member of a set or of a sorted set.
    Member,
    /// A field of a hash.
    Field,
    /// The value of a field.
    FieldValue,
    /// Fields with their values, and when they expire, in a listpack.
    FieldPack,
    /// A node of a list.
    ListNode,
    /// The id of a stream's node.
    NodeId,
    /// A stream's node.
    Node,
    /// The name of a consumer group.
    Group,
    /// The name of a consumer.
    Consumer,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Whether a node of a list is a listpack or an element alone.
    Container,
    /// The number of a stream's entries.
    Entries,
    /// Milliseconds of an id.
    IdMs,
    /// Sequence number of an id.
    IdSeq,
    /// The number of entries ever added to a stream.
    EntriesAdded,
    /// The number of entries that a group has read.
    EntriesRead,
    /// How often a pending entry was delivered.
    Deliveries,
}

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Members, pairs or nodes that are the whole value.
    Members,
    /// Nodes of a stream.
    Nodes,
    /// Consumer groups.
    Groups,
    /// Pending entries of a group.
    Pending,
    /// Consumers of a group.
    Consumers,
    /// Pending entries of a consumer.
    Owned,
}

use Part::{ModuleData, ModuleId, Repeat, Skipped, TextScore};

/// From this first byte on, a score is one of the three that are no numbers.
const TEXT_SCORE_SPECIAL: u8 = 253;
/// No row nests repetitions deeper: consumers' pending entries in a stream, inside the row itself.
const DEPTH_MAX: usize = 4;

const MEMBER: Part = Part::Text(Text::Member);
const FIELD: Part = Part::Text(Text::Field);
const FIELD_VALUE: Part = Part::Text(Text::FieldValue);
const FIELD_PACK: Part = Part::Text(Text::FieldPack);
const FIELDS_WITH_TTL: Part = Repeat(Of::Members, &[Part::FieldTtl, FIELD, FIELD_VALUE]);
const ID_MS: Part = Part::Number(Number::IdMs);
const ID_SEQ: Part = Part::Number(Number::IdSeq);
const ENTRIES: Part = Part::Number(Number::Entries);
const ENTRIES_ADDED: Part = Part::Number(Number::EntriesAdded);
const ENTRIES_READ: Part = Part::Number(Number::EntriesRead);
const DELIVERIES: Part = Part::Number(Number::Deliveries);
const GROUP: Part = Part::Text(Text::Group);
const CONSUMER: Part = Part::Text(Text::Consumer);
const NODES: Part = Repeat(
    Of::Nodes,
    &[Part::Text(Text::NodeId), Part::Text(Text::Node)],
);
const PENDING: Part = Repeat(
    Of::Pending,
    &[Part::Id(Of::Pending), Part::Time, DELIVERIES],
);
const OWNED: Part = Repeat(Of::Owned, &[Part::Id(Of::Owned)]);

/// Entries, last id, groups. A group has the last id that was delivered.
const STREAM: &[Part] = &[
    NODES,
    ENTRIES,
    ID_MS,
    ID_SEQ,
    Repeat(
        Of::Groups,
        &[
            GROUP,
            ID_MS,
            ID_SEQ,
            PENDING,
            Repeat(Of::Consumers, &[CONSUMER, Part::Time, OWNED]),
        ],
    ),
];

/// Between type 15 and this one came the first id (which is found anyway), the largest deleted id,
/// the entries ever added, and the entries a group has read.
const STREAM_2: &[Part] = &[
    NODES,
    ENTRIES,
    ID_MS,
    ID_SEQ,
    Skipped,
    Skipped,
    ID_MS,
    ID_SEQ,
    ENTRIES_ADDED,
    Repeat(
        Of::Groups,
        &[
            GROUP,
            ID_MS,
            ID_SEQ,
            ENTRIES_READ,
            PENDING,
            Repeat(Of::Consumers, &[CONSUMER, Part::Time, OWNED]),
        ],
    ),
];

/// Between type 19 and this one came the time at which a consumer was last active.
const STREAM_3: &[Part] = &[
    NODES,
    ENTRIES,
    ID_MS,
    ID_SEQ,
    Skipped,
    Skipped,
    ID_MS,
    ID_SEQ,
    ENTRIES_ADDED,
    Repeat(
        Of::Groups,
        &[
            GROUP,
            ID_MS,
            ID_SEQ,
            ENTRIES_READ,
            PENDING,
            Repeat(Of::Consumers, &[CONSUMER, Part::Time, Part::Time, OWNED]),
        ],
    ),
];

/// The name of the import, and the first and the last slot of each range.
const SLOT_IMPORT: &[Part] = &[MEMBER, Repeat(Of::Members, &[Skipped, Skipped])];

/// Module id, then the data.
const MODULE: &[Part] = &[ModuleId, ModuleData];

/// The parts of a type; none for those that are one string, and for the one that nobody can read.
fn parts_of(value_type: ValueType) -> Option<&'static [Part]> {
    use ValueType as T;
    Some(match value_type {
        T::List | T::Set => &[Repeat(Of::Members, &[MEMBER])],
        T::ListQuicklist => &[Repeat(Of::Members, &[Part::Text(Text::ListNode)])],
        T::Zset => &[Repeat(Of::Members, &[MEMBER, TextScore])],
        T::Zset2 => &[Repeat(Of::Members, &[MEMBER, Part::Score])],
        T::Hash => &[Repeat(Of::Members, &[FIELD, FIELD_VALUE])],
        T::HashTtlPreGa => &[FIELDS_WITH_TTL],
        T::HashTtl => &[Part::Time, FIELDS_WITH_TTL],
        T::HashListpackTtlPreGa => &[FIELD_PACK],
        T::HashListpackTtl => &[Part::Time, FIELD_PACK],
        T::HashTtlValkey => &[Repeat(Of::Members, &[FIELD, FIELD_VALUE, Part::FieldTime])],
        T::ListQuicklist2 => &[Repeat(
            Of::Members,
            &[Part::Number(Number::Container), Part::Text(Text::ListNode)],
        )],
        T::Stream => STREAM,
        T::Stream2 => STREAM_2,
        T::Stream3 => STREAM_3,
        T::Module2 => MODULE,
        T::String
        | T::HashZipmap
        | T::ListZiplist
        | T::SetIntset
        | T::ZsetZiplist
        | T::HashZiplist
        | T::HashListpack
        | T::ZsetListpack
        | T::SetListpack
        | T::ModulePreGa => return None,
    })
}

/// What a walk comes by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'a> {
    /// So many of these follow, it says.
    Repeat(Of, u64),
    /// A number.
    Number(Number, u64),
    /// A string.
    Text(Text, RawString<'a>),
    /// The id of an entry that is pending, or owned.
    Id(Of, StreamId),
    /// A time in milliseconds since the epoch.
    Time(i64),
    /// Whether a field expires.
    FieldExpires(bool),
    /// A score.
    Score(f64),
    /// A string of a module.
    ModuleString(RawString<'a>),
    /// Something that nobody needs.
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
    /// The start of a value; none of a type that is one string, or that nobody can read.
    pub(super) fn of_value(value_type: ValueType) -> Option<Walk> {
        parts_of(value_type).map(Walk::along)
    }

    /// The start of module data that belongs to no key.
    pub(super) fn of_module_aux() -> Walk {
        Walk::along(&[ModuleData])
    }

    /// The start of what says which slots are being imported.
    pub(super) fn of_slot_import() -> Walk {
        Walk::along(SLOT_IMPORT)
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
        let token = match *part {
            Part::Number(number) => Token::Number(number, cursor.length()?),
            Part::Text(text) => Token::Text(text, cursor.string()?),
            Part::Id(of) => Token::Id(of, StreamId::from_bytes(cursor.array()?)),
            Part::Time => Token::Time(i64::from_le_bytes(cursor.array()?)),
            Part::FieldTtl => Token::FieldExpires(cursor.length()? != 0),
            Part::FieldTime => Token::FieldExpires(i64::from_le_bytes(cursor.array()?) != -1),
            Part::Score => Token::Score(f64::from_le_bytes(cursor.array()?)),
            TextScore => Token::Score(read_text_score(cursor)?),
            Skipped | ModuleId => {
                cursor.length()?;
                Token::Other
            }
            Repeat(of, parts) => {
                let rounds = cursor.length()?;
                self.pass();
                self.levels[self.depth] = Level {
                    parts,
                    at: 0,
                    rounds,
                };
                self.depth += 1;
                return Ok(Some(Token::Repeat(of, rounds)));
            }
            ModuleData => match read_module_item(cursor)? {
                Some(item) => return Ok(Some(item)),
                None => Token::Other,
            },
        };
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

/// Reads a score of old sorted sets.
fn read_text_score(cursor: &mut Cursor<'_>) -> Result<f64, Stop> {
    Ok(match cursor.byte()? {
        TEXT_SCORE_SPECIAL => f64::NAN,
        254 => f64::INFINITY,
        255 => f64::NEG_INFINITY,
        count => {
            let text = cursor.take(u64::from(count))?;
            parse_f64(text).ok_or(RdbErrorKind::Flaw(Flaw::Score))?
        }
    })
}

/// Reads one opcode of a module's data and what it announces; none at the end of the data.
fn read_module_item<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Token<'a>>, Stop> {
    match cursor.length()? {
        module_opcode::EOF => return Ok(None),
        module_opcode::SINT | module_opcode::UINT => drop(cursor.length()?),
        module_opcode::FLOAT => drop(cursor.take(4)?),
        module_opcode::DOUBLE => drop(cursor.take(8)?),
        module_opcode::STRING => return Ok(Some(Token::ModuleString(cursor.string()?))),
        unknown => return Err(RdbErrorKind::UnknownModuleOpcode(unknown).into()),
    }
    Ok(Some(Token::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(parts: &[Part]) -> usize {
        let inner = parts.iter().map(|part| match part {
            Repeat(_, parts) => depth(parts),
            _ => 0,
        });
        1 + inner.max().unwrap_or(0)
    }

    /// Walks `bytes`, handing over one byte more whenever the walk asks for more.
    fn walk(value_type: ValueType, bytes: &[u8]) -> Result<(usize, usize), RdbErrorKind> {
        let mut walk = Walk::of_value(value_type).unwrap();
        let (mut at, mut given, mut strings) = (0, 0, 0);
        loop {
            let mut cursor = Cursor::new(&bytes[..given], at);
            match walk.next(&mut cursor) {
                Ok(None) => return Ok((at, strings)),
                Ok(Some(Token::Text(..) | Token::ModuleString(_))) => strings += 1,
                Ok(Some(_)) => {}
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
        assert!(Walk::of_value(ValueType::ModulePreGa).is_none());
        assert_eq!(
            walk(ValueType::Zset, b"\x01\x01a\x031x5"),
            Err(RdbErrorKind::Flaw(Flaw::Score))
        );
        assert_eq!(
            walk(ValueType::Module2, b"\x01\x09"),
            Err(RdbErrorKind::UnknownModuleOpcode(9))
        );
    }
}
