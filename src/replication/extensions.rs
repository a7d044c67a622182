//! What two servers of ours can do with each other that stock servers cannot.
//!
//! A replica that introduces itself says what it understands with `REPLCONF capa eof capa psync2`.
//! One of ours adds `capa tanist:WORD,WORD`, which other masters pass over, as they do with every
//! capability that they do not know; they answer `+OK`. A master of ours answers with its own words
//! behind it, `+OK tanist:WORD,WORD`, and only if it was asked so. What both have named may be used
//! on this connection, and nothing that a stock peer would not understand is said otherwise.
//!
//! | word | what it lets the replica say |
//! |---|---|
//! | `lag` | `REPLCONF origin-time ?`, later `LAG MS`; it gets marks of time ([`super::lag`]) |
//! | `sum` | `REPLCONF stream-sum ID:OFFSET:SUM`: what the stream comes to there ([`StreamSum`]) |
//! | `fork` | `REPLCONF lineage ?`: which histories the master's grew out of |
//! | `resume` | `REPLCONF snapshot-part NAME:BYTES`: so much it has of that snapshot file |
//!
//! With `resume` the line before a snapshot file names it, `$BYTES NAME`, and where not all of it
//! follows, from which byte on it does: `$BYTES NAME FROM`.

use bitflags::bitflags;

use super::identity::{OFFSET_MAX, ReplId};
use crate::base::numbers::parse_u64;

/// What stands before the words.
const PREFIX: &[u8] = b"tanist:";

bitflags! {
    /// What a server can do beyond what stock servers can.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Extensions: u16 {
        /// It compares checksums of the stream before it lets a replica continue.
        const SUM = 1;
        /// It knows marks of time between the commands of the stream, and tells its lag.
        const LAG = 1 << 1;
        /// It tells which histories its own grew out of.
        const FORK = 1 << 2;
        /// It can send the rest of a snapshot file, and keeps what has come of one.
        const RESUME = 1 << 3;
    }
}

/// The words of the flags.
const WORDS: [(Extensions, &[u8]); 4] = [
    (Extensions::SUM, b"sum"),
    (Extensions::LAG, b"lag"),
    (Extensions::FORK, b"fork"),
    (Extensions::RESUME, b"resume"),
];

impl Extensions {
    /// What this server can do.
    pub const OURS: Extensions = Extensions::all();

    /// Reads `tanist:WORD,WORD`; words that nobody knows are passed over. `None` if it is
    /// something else.
    pub fn parse(text: &[u8]) -> Option<Extensions> {
        let words = text.strip_prefix(PREFIX)?;
        let known = |word: &[u8]| WORDS.iter().find(|(_, known)| *known == word);
        let flags = words.split(|byte| *byte == b',').filter_map(known);
        Some(flags.fold(Extensions::empty(), |all, (flag, _)| all | *flag))
    }

    /// The same as text.
    pub fn text(self) -> Vec<u8> {
        let words: Vec<&[u8]> = WORDS
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, word)| *word)
            .collect();
        [PREFIX, &words.join(&b","[..])].concat()
    }
}

/// What a replica says that the stream comes to at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSum {
    /// The history.
    pub id: ReplId,
    /// The offset in it.
    pub offset: u64,
    /// The checksum of the stream up to there.
    pub sum: u64,
}

impl StreamSum {
    /// The values of `REPLCONF stream-sum` as text: one word, since options come in pairs.
    pub fn text(&self) -> String {
        format!("{}:{}:{:016x}", self.id, self.offset, self.sum)
    }

    /// Reads them.
    pub fn parse(text: &[u8]) -> Option<StreamSum> {
        let mut parts = text.splitn(3, |byte| *byte == b':');
        let id = parts.next().and_then(ReplId::parse)?;
        let offset = parts.next().and_then(parse_u64)?;
        let sum = parts.next().filter(|digits| digits.len() == 16)?;
        let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
        (offset <= OFFSET_MAX).then_some(StreamSum { id, offset, sum })
    }
}

/// What a snapshot file is called: random letters, which no other one has.
pub type SnapshotName = [u8; 40];

/// What a replica has of a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Of which.
    pub name: SnapshotName,
    /// So many bytes, from its front.
    pub bytes: u64,
}

impl SnapshotPart {
    /// The value of `REPLCONF snapshot-part`.
    pub fn text(&self) -> Vec<u8> {
        [&self.name[..], format!(":{}", self.bytes).as_bytes()].concat()
    }

    /// Reads it.
    pub fn parse(text: &[u8]) -> Option<SnapshotPart> {
        let (name, rest) = text.split_first_chunk()?;
        let bytes = parse_u64(rest.strip_prefix(b":")?)?;
        let name = *name;
        Some(SnapshotPart { name, bytes })
    }
}

/// The line before a snapshot file, and what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// Bytes of the whole file, as they are written; not always a number that makes sense.
    pub size: Option<i64>,
    /// Its name, if it has one.
    pub name: Option<SnapshotName>,
    /// The first byte that follows.
    pub from: u64,
}

impl FileHead {
    /// The line as `peer` understands it, with its end.
    pub fn text(size: u64, name: &SnapshotName, from: u64, peer: Extensions) -> Vec<u8> {
        let mut text = format!("${size}").into_bytes();
        if peer.contains(Extensions::RESUME) {
            text.push(b' ');
            text.extend_from_slice(name);
            if from > 0 {
                text.extend_from_slice(format!(" {from}").as_bytes());
            }
        }
        text.extend_from_slice(b"\r\n");
        text
    }

    /// Reads what stands behind the `$`.
    pub fn parse(text: &[u8]) -> FileHead {
        let mut words = text.split(|byte| *byte == b' ').skip(1);
        FileHead {
            size: super::wire::leading_number(text),
            name: words.next().and_then(|word| word.try_into().ok()),
            from: words.next().and_then(parse_u64).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_and_unknown_ones_passed_over() {
        assert_eq!(Extensions::SUM.text(), b"tanist:sum");
        let both = Extensions::SUM | Extensions::RESUME;
        assert_eq!(both.text(), b"tanist:sum,resume");
        assert_eq!(Extensions::parse(b"tanist:sum"), Some(Extensions::SUM));
        let read = Extensions::parse(b"tanist:flying,sum,");
        assert_eq!(read, Some(Extensions::SUM));
        let none = Some(Extensions::empty());
        assert_eq!(Extensions::parse(b"tanist:"), none);
        assert_eq!(Extensions::parse(b"psync2"), None);
        assert_eq!(
            Extensions::parse(&Extensions::OURS.text()),
            Some(Extensions::OURS)
        );
    }

    #[test]
    fn a_part_of_a_snapshot_is_one_word() {
        let part = SnapshotPart {
            name: [b'n'; 40],
            bytes: 12,
        };
        assert_eq!(SnapshotPart::parse(&part.text()), Some(part));
        for bad in [&b""[..], b"n:12", &part.text()[1..], &[b'n'; 41]] {
            assert_eq!(SnapshotPart::parse(bad), None);
        }
    }

    #[test]
    fn the_line_before_a_file_says_no_more_than_the_peer_understands() {
        let name = [b'n'; 40];
        let text = |from, peer| {
            let text = FileHead::text(700, &name, from, peer);
            String::from_utf8(text).expect("ASCII")
        };
        assert_eq!(text(0, Extensions::SUM), "$700\r\n");
        let named = format!("$700 {}", "n".repeat(40));
        assert_eq!(text(0, Extensions::RESUME), format!("{named}\r\n"));
        assert_eq!(text(5, Extensions::RESUME), format!("{named} 5\r\n"));
        let head = |line: &str| FileHead::parse(&line.as_bytes()[1..]);
        let want = FileHead {
            size: Some(700),
            name: None,
            from: 0,
        };
        assert_eq!(head("$700"), want);
        assert_eq!(head("$700 odd"), want);
        let name = Some(name);
        assert_eq!(head(&named), FileHead { name, ..want });
        let from = 5;
        let want = FileHead { name, from, ..want };
        assert_eq!(head(&format!("{named} 5")), want);
    }

    #[test]
    fn a_sum_is_one_word() {
        let sum = StreamSum {
            id: ReplId::NONE,
            offset: 12,
            sum: 0xab,
        };
        let text = sum.text();
        assert_eq!(text, format!("{}:12:00000000000000ab", ReplId::NONE));
        assert_eq!(StreamSum::parse(text.as_bytes()), Some(sum));
        for bad in ["", "x", ":1:0", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(StreamSum::parse(bad.as_bytes()), None, "{bad}");
        }
        let far = format!("{}:9223372036854775807:00000000000000ab", ReplId::NONE);
        assert_eq!(StreamSum::parse(far.as_bytes()), None);
    }
}
