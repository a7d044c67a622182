//! Comments in an increment that tell which place in the replication stream its commands bring the
//! data to.
//!
//! A server that is killed comes back with what its append-only file holds. To go on in its
//! replication history it has to know exactly which byte of the stream the file ends at; a guess
//! that is one byte off makes two servers differ for ever. So a file that belongs to a history says
//! where it is, and what stands behind that *is* the stream, byte for byte, but for what is marked:
//!
//! ```text
//! #RP:ID:1000:0:SUM               here the data are at offset 1000 of history ID; database 0
//! #RL:ID:1000:=,OLD:700:=         which grew out of OLD, whose offset 700 is the last in common
//! #RB:0000004b:000000000000041a   75 bytes of file follow, and bring it to offset 1050
//! #RO:23                          of these, 23 belong to the file alone
//! *2 $6 SELECT $1 0               (the file's own SELECT)
//! *3 $3 SET $1 k $1 v             stream
//! #RS:*1\r\n$4\r\nPING\r\n        stream that changes no data, so it is a comment
//! #RP:-                           from here on the data have no place in any history
//! ```
//!
//! Every loader of this format passes over comments (lines that begin with `#`, at most 1,023 bytes
//! long). A *batch* (`#RB`) announces what one write puts into the file. Within it the place is
//! counted, so a write that was cut off in the middle still tells exactly how far the data got.
//! What no batch announces was written by somebody else, a stock server perhaps, and has no place.
//! The sum is that of the stream up to there, which whoever loads the file computes as well.
//!
//! | mark | fields |
//! |---|---|
//! | `RP` | id, 40 characters; offset; database selected, or `-`; sum in 16 hex digits, or `-` |
//! | `RL` | the lineage of the history whose place was told, as servers tell it to each other |
//! | `RB` | bytes of the file behind the mark, 8 hex digits; offset behind them, 16 |
//! | `RO` | bytes of the file behind the mark |
//! | `RS` | bytes of the stream, whole commands, escaped: `\r`, `\n`, `\\`, `\xHH` |
//! | `RM` | the same, if more of them stand in the next comment |

use crate::base::numbers;

use super::records::LINE_BYTES_MAX;

/// Bytes of a batch's mark. It has one length, so room can be left for it.
pub const BATCH_MARK_BYTES: usize = 4 + 8 + 1 + 16 + 2;

/// The most bytes of file in one batch.
pub const BATCH_BYTES_MAX: usize = u32::MAX as usize;

/// The most bytes of the stream in one comment; each may take four characters.
const SENT_BYTES_MAX: usize = (LINE_BYTES_MAX - 6) / 4;

/// A place in a replication history, and what the stream has come to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the history.
    pub id: [u8; 40],
    /// The offset in it.
    pub offset: u64,
    /// The database that is selected there.
    pub db: Option<u32>,
    /// The sum of the stream up to there, if it is known.
    pub sum: Option<u64>,
}

/// A comment of this kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMark {
    /// Here the data are at this place.
    Place(Place),
    /// From here on they have none.
    NoPlace,
    /// The history at whose place the data are, and those that it grew out of.
    Lineage(Vec<u8>),
    /// So many bytes of file follow, which bring the data to this offset.
    Batch {
        /// Bytes behind the mark.
        bytes: u64,
        /// The offset behind them.
        offset: u64,
    },
    /// So many bytes of what follows belong to the file alone.
    Own(u64),
    /// Bytes of the stream that change no data.
    Sent {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether they go on in the next comment of this kind.
        more: bool,
    },
}

impl StreamMark {
    /// Reads the text of a comment, without its `#` and line end. `None` if it is no such mark, or
    /// one that makes no sense.
    pub fn parse(text: &[u8]) -> Option<StreamMark> {
        let (kind, rest) = text.split_at_checked(3)?;
        match kind {
            b"RP:" if rest == b"-" => Some(StreamMark::NoPlace),
            b"RP:" => parse_place(rest).map(StreamMark::Place),
            b"RL:" => Some(StreamMark::Lineage(rest.to_vec())),
            b"RB:" => {
                let (bytes, offset) = rest.split_at_checked(8)?;
                Some(StreamMark::Batch {
                    bytes: parse_hex(bytes)?,
                    offset: parse_hex(offset.strip_prefix(b":")?)?,
                })
            }
            b"RO:" => numbers::parse_u64(rest).map(StreamMark::Own),
            b"RS:" => Some(StreamMark::Sent {
                bytes: unescape(rest)?,
                more: false,
            }),
            b"RM:" => Some(StreamMark::Sent {
                bytes: unescape(rest)?,
                more: true,
            }),
            _ => None,
        }
    }
}

fn parse_hex(digits: &[u8]) -> Option<u64> {
    let is_plain = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_plain)?;
    u64::from_str_radix(text, 16).ok()
}

fn parse_place(text: &[u8]) -> Option<Place> {
    let (id, rest) = text.split_first_chunk::<40>()?;
    let mut fields = rest.strip_prefix(b":")?.split(|byte| *byte == b':');
    let offset = fields.next().and_then(numbers::parse_u64)?;
    let db = match fields.next()? {
        b"-" => None,
        db => Some(u32::try_from(numbers::parse_u64(db)?).ok()?),
    };
    let sum = match fields.next()? {
        b"-" => None,
        sum if sum.len() == 16 => Some(parse_hex(sum)?),
        _ => return None,
    };
    fields.next().is_none().then_some(Place {
        id: *id,
        offset,
        db,
        sum,
    })
}

/// Appends the mark of a place, or of none.
pub fn push_place(place: Option<&Place>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"#RP:");
    let Some(place) = place else {
        out.extend_from_slice(b"-\r\n");
        return;
    };
    out.extend_from_slice(&place.id);
    out.push(b':');
    numbers::format_u64(place.offset, out);
    out.push(b':');
    match place.db {
        Some(db) => numbers::format_u64(u64::from(db), out),
        None => out.push(b'-'),
    }
    out.push(b':');
    match place.sum {
        Some(sum) => out.extend_from_slice(format!("{sum:016x}").as_bytes()),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the mark of a lineage, which stands behind that of a place.
pub fn push_lineage(lineage: &str, out: &mut Vec<u8>) {
    debug_assert!(
        lineage.len() + 6 <= LINE_BYTES_MAX,
        "a loader takes the line"
    );
    out.extend_from_slice(b"#RL:");
    out.extend_from_slice(lineage.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends room for the mark of a batch, to be filled in with [`fill_batch`].
pub fn push_room_for_batch(out: &mut Vec<u8>) {
    out.extend_from_slice(b"#RB:00000000:0000000000000000\r\n");
}

/// Fills the mark of a batch in: so many bytes of file follow it, and bring the data to `offset`.
pub fn fill_batch(mark: &mut [u8], bytes: usize, offset: u64) {
    put_hex(&mut mark[4..12], bytes as u64);
    put_hex(&mut mark[13..29], offset);
}

fn put_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// Appends the mark that so many bytes of what follows belong to the file alone.
pub fn push_own(bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"#RO:");
    numbers::format_u64(bytes as u64, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends bytes of the stream that change no data, in as many comments as it takes.
pub fn push_sent(bytes: &[u8], out: &mut Vec<u8>) {
    let pieces = bytes.chunks(SENT_BYTES_MAX);
    let last = pieces.len().saturating_sub(1);
    for (at, piece) in pieces.enumerate() {
        out.extend_from_slice(if at == last { b"#RS:" } else { b"#RM:" });
        for &byte in piece {
            match byte {
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b' '..=b'~' => out.push(byte),
                _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The database that a stream selects which begins with a `SELECT`, and the bytes of that.
pub fn leading_select(stream: &[u8]) -> Option<(u32, usize)> {
    let rest = stream.strip_prefix(b"*2\r\n$6\r\n")?;
    let (name, rest) = rest.split_at_checked(6)?;
    if !name.eq_ignore_ascii_case(b"select") {
        return None;
    }
    let rest = rest.strip_prefix(b"\r\n$")?;
    let line_end = memchr::memchr(b'\r', rest)?;
    let count = usize::try_from(numbers::parse_u64(&rest[..line_end])?).ok()?;
    let digits = rest[line_end..].strip_prefix(b"\r\n")?.get(..count)?;
    let db = u32::try_from(numbers::parse_u64(digits)?).ok()?;
    let end = stream.len() - rest.len() + line_end + 2 + count;
    let behind = stream.get(end..)?.strip_prefix(b"\r\n")?;
    Some((db, stream.len() - behind.len()))
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, behind) = rest.split_first()?;
        rest = behind;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b'\\' => b'\\',
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::try_from(parse_hex(digits)?).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place {
        id: [b'a'; 40],
        offset: 1000,
        db: Some(3),
        sum: Some(0xab),
    };

    /// Reads what was written, line by line.
    fn read(bytes: &[u8]) -> Vec<StreamMark> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
        let text = |line: &[u8]| {
            let line = line.strip_prefix(b"#").and_then(|l| l.strip_suffix(b"\r"));
            StreamMark::parse(line.expect("a comment")).expect("a mark")
        };
        lines.map(text).collect()
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        let mut out = Vec::new();
        push_place(Some(&PLACE), &mut out);
        let none = Place {
            db: None,
            sum: None,
            offset: u64::MAX / 2,
            ..PLACE
        };
        push_place(Some(&none), &mut out);
        push_place(None, &mut out);
        let at = out.len();
        push_room_for_batch(&mut out);
        assert_eq!(out.len() - at, BATCH_MARK_BYTES);
        fill_batch(&mut out[at..], 75, 1050);
        push_own(23, &mut out);
        let want = [
            StreamMark::Place(PLACE),
            StreamMark::Place(none),
            StreamMark::NoPlace,
            StreamMark::Batch {
                bytes: 75,
                offset: 1050,
            },
            StreamMark::Own(23),
        ];
        assert_eq!(read(&out), want);
    }

    #[test]
    fn what_makes_no_sense_is_no_mark() {
        let a = "a".repeat(40);
        for text in [
            "",
            "RP",
            "RP:",
            "TS:12",
            &format!("RP:{a}"),
            &format!("RP:{a}:1:0"),
            &format!("RP:{a}:-1:0:-"),
            &format!("RP:{a}:1:x:-"),
            &format!("RP:{a}:1:0:12"),
            &format!("RP:{a}:1:0:-:"),
            "RB:0000001:00000000000000001",
            "RB:00000001",
            "RB:+0000001:0000000000000001",
            "RO:",
            "RO:x",
            r"RS:\",
            r"RS:\q",
            r"RS:\x1",
            r"RS:\xgg",
        ] {
            assert_eq!(StreamMark::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_selection_is_seen_at_the_beginning_only() {
        let select = b"*2\r\n$6\r\nSelect\r\n$2\r\n11\r\n";
        assert_eq!(leading_select(select), Some((11, select.len())));
        let more = [&select[..], b"*1\r\n$4\r\nPING\r\n"].concat();
        assert_eq!(leading_select(&more), Some((11, select.len())));
        for count in 0..select.len() {
            assert_eq!(leading_select(&select[..count]), None, "{count} bytes");
        }
        assert_eq!(leading_select(b"*2\r\n$6\r\nselect\r\n$1\r\nx\r\n"), None);
        assert_eq!(leading_select(b"*2\r\n$6\r\nUNLINK\r\n$1\r\n1\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_of_the_stream_come_back(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let mut out = Vec::new();
            push_sent(&bytes, &mut out);
            for line in out.split_inclusive(|byte| *byte == b'\n') {
                prop_assert!(line.len() <= LINE_BYTES_MAX);
            }
            let marks = read(&out);
            let last = marks.len().saturating_sub(1);
            let pieces = marks.into_iter().enumerate().map(|(at, mark)| match mark {
                StreamMark::Sent { bytes, more } => {
                    assert_eq!(more, at != last);
                    bytes
                }
                mark => panic!("{mark:?}"),
            });
            prop_assert_eq!(pieces.collect::<Vec<_>>().concat(), bytes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = StreamMark::parse(&text);
            let _ = leading_select(&[b"*2\r\n$6\r\nSELECT\r\n$", &text[..]].concat());
            let _ = StreamMark::parse(&[b"RS:", &text[..]].concat());
            let _ = StreamMark::parse(&[b"RP:", &text[..]].concat());
            let _ = StreamMark::parse(&[b"RB:", &text[..]].concat());
        }
    }
}
