//! The ziplist: what versions before 7.0 packed small lists, hashes and sorted sets into.
//!
//! ```text
//! bytes (4)  offset of last (4)  count (2)  entry entry entry ...  0xff
//! entry = size of the one before (1, or 0xfe and 4)  encoding (1 to 5)  content
//! ```
//!
//! Numbers have their low byte first, but for lengths of strings. A count of 65535 means that
//! nobody knows. Ziplists are read once, when they are loaded, so there is one function: it checks
//! everything while it shows the elements, and trusts nothing.

use crate::data::listpack::Element;

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// In front of the size of the entry before: the size takes four more bytes.
const LONG_SIZE: u8 = 0xfe;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Shows all elements, in order, to `visit`, which may refuse one; none if any is refused or if
/// this is no ziplist.
pub(super) fn visit<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(Element<'a>) -> Option<()>,
) -> Option<()> {
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [b0, b1, b2, b3, l0, l1, l2, l3, c0, c1] = *header;
    let told_bytes = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
    let told_last = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let told_count = u16::from_le_bytes([c0, c1]);
    let (&end, mut rest) = body.split_last()?;
    if told_bytes != bytes.len() || end != END {
        return None;
    }
    let (mut count, mut size_before, mut last) = (0usize, 0, HEADER_BYTES);
    while !rest.is_empty() {
        let before = rest.len();
        last = HEADER_BYTES + (body.len() - 1 - before);
        if read_size(&mut rest)? != size_before {
            return None;
        }
        visit(read_content(&mut rest)?)?;
        size_before = before - rest.len();
        count += 1;
    }
    let right = told_last == last && (told_count == COUNT_UNKNOWN || told_count as usize == count);
    right.then_some(())
}

/// Reads the size of the entry before.
fn read_size(rest: &mut &[u8]) -> Option<usize> {
    match byte(rest)? {
        END => None,
        LONG_SIZE => Some(u32::from_le_bytes(array(rest)?) as usize),
        size => Some(usize::from(size)),
    }
}

/// Reads the encoding and the content.
fn read_content<'a>(rest: &mut &'a [u8]) -> Option<Element<'a>> {
    let encoding = byte(rest)?;
    let length = match encoding >> 6 {
        0b00 => usize::from(encoding),
        0b01 => usize::from(u16::from_be_bytes([encoding & 0x3f, byte(rest)?])),
        0b10 if encoding == 0x80 => u32::from_be_bytes(array(rest)?) as usize,
        0b10 => return None,
        _ => return read_int(encoding, rest).map(Element::Int),
    };
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Element::from(text))
}

fn read_int(encoding: u8, rest: &mut &[u8]) -> Option<i64> {
    Some(match encoding {
        0xc0 => i64::from(i16::from_le_bytes(array(rest)?)),
        0xd0 => i64::from(i32::from_le_bytes(array(rest)?)),
        0xe0 => i64::from_le_bytes(array(rest)?),
        0xf0 => {
            let [low, middle, high] = array(rest)?;
            // The sign comes down with the shift.
            i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)
        }
        0xfe => i64::from(byte(rest)? as i8),
        // From 0 to 12, in the encoding itself.
        0xf1..=0xfd => i64::from(encoding - 0xf1),
        _ => return None,
    })
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*array)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes a ziplist of entries that are given with their encodings.
    pub(in super::super) fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let (mut before, mut last) = (0, HEADER_BYTES);
        for entry in entries {
            last = bytes.len();
            match u8::try_from(before) {
                Ok(size) if size < LONG_SIZE => bytes.push(size),
                _ => {
                    bytes.push(LONG_SIZE);
                    bytes.extend((before as u32).to_le_bytes());
                }
            }
            bytes.extend(*entry);
            before = bytes.len() - last;
        }
        bytes.push(END);
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    fn texts(bytes: &[u8]) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        visit(bytes, |element| {
            texts.push(String::from_utf8_lossy(&element.to_vec()).into_owned());
            Some(())
        })?;
        Some(texts)
    }

    fn long() -> Vec<u8> {
        [&b"\x41\x2c"[..], &[b'x'; 300]].concat()
    }

    fn sample() -> Vec<u8> {
        ziplist(&[
            b"\x00",
            b"\x03abc",
            &long(),
            b"\x80\x00\x00\x00\x02de",
            b"\xc0\xff\xff",
            b"\xd0\x00\x00\x00\x80",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xf0\x00\x00\x80",
            b"\xf0\xff\xff\x7f",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
        ])
    }

    #[test]
    fn every_encoding_is_read() {
        let expected = [
            "",
            "abc",
            &"x".repeat(300),
            "de",
            "-1",
            "-2147483648",
            "9223372036854775807",
            "-8388608",
            "8388607",
            "-128",
            "0",
            "12",
        ];
        assert_eq!(texts(&sample()).unwrap(), expected);
        assert_eq!(texts(&ziplist(&[])).unwrap(), [""; 0]);
    }

    #[test]
    fn a_flipped_byte_is_noticed_or_changes_a_text() {
        let right = texts(&sample()).unwrap();
        for at in 0..sample().len() {
            for flip in [1, 0x40, 0xff] {
                let mut bytes = sample();
                bytes[at] ^= flip;
                assert_ne!(texts(&bytes).as_ref(), Some(&right), "byte {at}");
            }
        }
        for cut in 0..sample().len() {
            assert_eq!(texts(&sample()[..cut]), None);
        }
    }

    #[test]
    fn a_count_that_is_not_known_is_right() {
        let mut bytes = sample();
        bytes[8..10].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(texts(&bytes).unwrap().len(), 12);
    }
}
