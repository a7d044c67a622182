//! One entry of a listpack: how a value becomes bytes and bytes a value.
//!
//! ```text
//! 0vvvvvvv                                 integer 0..=127
//! 10LLLLLL data                            string of L bytes, L < 64
//! 110vvvvv vvvvvvvv                        13-bit signed integer, high byte first
//! 1110LLLL LLLLLLLL data                   string of L bytes, L < 4096, high byte first
//! 11110000 LLLLLLLL x4 data                string of L bytes, low byte first
//! 111100nn vvvvvvvv x2, x3, x4, x8         signed integer, low byte first, nn-th of these widths
//! 11111111                                 not an entry: the end
//! ```
//!
//! Behind each entry stands its size once more, so that the entry can be found from its end: seven
//! bits a byte, the most significant first, a set top bit meaning that more bytes stand before.
//!
//! Functions that take a position trust it: they are for listpacks we made or have checked. On
//! anything else they may panic, but they cannot read outside of the slice.

use super::Element;

/// Marks the end of a listpack.
pub(super) const END: u8 = 0xff;

const STRING_6: u8 = 0x80;
const INT_13: u8 = 0xc0;
const STRING_12: u8 = 0xe0;
const STRING_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// The longest form of an integer, and of what stands before a string.
const HEAD_BYTES_MAX: usize = 9;
/// The most bytes that the size behind an entry takes.
const BACKLEN_BYTES_MAX: usize = 5;

/// The most bytes that an entry takes beside the text of its element.
pub const ENTRY_BYTES_MAX: usize = HEAD_BYTES_MAX + BACKLEN_BYTES_MAX;

/// The most bytes that an entry takes beside its text; an integer takes no more in all.
pub(super) const ENTRY_OVERHEAD_BYTES_MAX: usize = HEAD_BYTES_MAX + BACKLEN_BYTES_MAX;

/// A value ready to be written as an entry.
pub(super) struct Encoded<'e> {
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    body: &'e [u8],
}

impl<'e> Encoded<'e> {
    #[inline]
    pub(super) fn new(element: Element<'e>) -> Encoded<'e> {
        let mut head = [0; HEAD_BYTES_MAX];
        let (head_len, body): (usize, &[u8]) = match element {
            Element::Int(value) => (encode_int(value, &mut head), &[]),
            Element::Bytes(text) => (encode_length(text.len(), &mut head), text),
        };
        Encoded {
            head,
            head_len,
            body,
        }
    }

    /// Bytes of the entry without the size behind it.
    #[inline]
    fn size(&self) -> usize {
        self.head_len + self.body.len()
    }

    /// Bytes of the whole entry.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.size() + backlen_bytes(self.size())
    }

    /// Writes the entry over `room`, which is exactly as long.
    #[inline]
    pub(super) fn write(&self, room: &mut [u8]) {
        let (head, rest) = room.split_at_mut(self.head_len);
        let (body, backlen) = rest.split_at_mut(self.body.len());
        head.copy_from_slice(&self.head[..self.head_len]);
        body.copy_from_slice(self.body);
        write_backlen(self.size(), backlen);
    }
}

/// Writes the shortest form of `value`; returns its length.
#[inline]
fn encode_int(value: i64, head: &mut [u8; HEAD_BYTES_MAX]) -> usize {
    let bytes = value.to_le_bytes();
    let (tag, width) = match value {
        0..=127 => {
            head[0] = value as u8;
            return 1;
        }
        -4096..=4095 => {
            head[0] = INT_13 | (bytes[1] & 0x1f);
            head[1] = bytes[0];
            return 2;
        }
        -0x8000..=0x7fff => (INT_16, 2),
        -0x80_0000..=0x7f_ffff => (INT_24, 3),
        -0x8000_0000..=0x7fff_ffff => (INT_32, 4),
        _ => (INT_64, 8),
    };
    head[0] = tag;
    head[1..=width].copy_from_slice(&bytes[..width]);
    width + 1
}

/// Writes what stands before a string of `len` bytes; returns how many bytes that takes.
#[inline]
fn encode_length(len: usize, head: &mut [u8; HEAD_BYTES_MAX]) -> usize {
    if len < 64 {
        head[0] = STRING_6 | len as u8;
        1
    } else if len < 4096 {
        head[0] = STRING_12 | (len >> 8) as u8;
        head[1] = len as u8;
        2
    } else {
        let len = u32::try_from(len).expect("strings of a listpack are shorter than 4 GiB");
        head[0] = STRING_32;
        head[1..5].copy_from_slice(&len.to_le_bytes());
        5
    }
}

/// How many bytes the size behind an entry of `size` bytes takes. The steps are the reference's:
/// from two bytes on it leaves the largest number of each length to the next one.
#[inline]
pub(super) fn backlen_bytes(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => BACKLEN_BYTES_MAX,
    }
}

#[inline]
fn write_backlen(size: usize, room: &mut [u8]) {
    let mut rest = size;
    for byte in room.iter_mut().rev() {
        *byte = (rest & 127) as u8 | 128;
        rest >>= 7;
    }
    room[0] &= 127;
}

/// Reads the size that ends just before `end`; none when it is longer than any may be.
#[inline]
pub(super) fn read_backlen(bytes: &[u8], end: usize) -> Option<usize> {
    let mut size = 0;
    for nth in 0..BACKLEN_BYTES_MAX {
        let byte = *bytes.get(end.checked_sub(nth + 1)?)?;
        size |= usize::from(byte & 127) << (7 * nth);
        if byte & 128 == 0 {
            return Some(size);
        }
    }
    None
}

/// The entry at `at`, and its size without the size behind it.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let tag = bytes[at];
    match tag {
        0..STRING_6 => (Element::Int(i64::from(tag)), 1),
        STRING_6..INT_13 => string(bytes, at + 1, usize::from(tag & 0x3f), 1),
        INT_13..STRING_12 => {
            let raw = i64::from(tag & 0x1f) << 8 | i64::from(bytes[at + 1]);
            let value = if raw >= 1 << 12 { raw - (1 << 13) } else { raw };
            (Element::Int(value), 2)
        }
        STRING_12..STRING_32 => {
            let len = usize::from(tag & 0x0f) << 8 | usize::from(bytes[at + 1]);
            string(bytes, at + 2, len, 2)
        }
        STRING_32 => string(bytes, at + 5, long_length(bytes, at), 5),
        INT_16 => (Element::Int(int::<2>(bytes, at + 1)), 3),
        INT_24 => (Element::Int(int::<3>(bytes, at + 1)), 4),
        INT_32 => (Element::Int(int::<4>(bytes, at + 1)), 5),
        INT_64 => (Element::Int(int::<8>(bytes, at + 1)), 9),
        _ => panic!("no entry of a listpack begins with {tag:#x}"),
    }
}

/// The size of the entry at `at` without the size behind it; none when no entry begins like that
/// or its length is not within the slice.
#[inline]
pub(super) fn entry_size(bytes: &[u8], at: usize) -> Option<usize> {
    let tag = *bytes.get(at)?;
    Some(match tag {
        0..STRING_6 => 1,
        STRING_6..INT_13 => 1 + usize::from(tag & 0x3f),
        INT_13..STRING_12 => 2,
        STRING_12..STRING_32 => {
            2 + (usize::from(tag & 0x0f) << 8 | usize::from(*bytes.get(at + 1)?))
        }
        STRING_32 if at + 5 <= bytes.len() => 5 + long_length(bytes, at),
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

/// Where the entry behind the one at `at` begins.
#[inline]
pub(super) fn skip(bytes: &[u8], at: usize) -> usize {
    let size = entry_size(bytes, at).expect("an entry of a listpack");
    at + size + backlen_bytes(size)
}

/// Where the entry that ends just before `end` begins.
#[inline]
pub(super) fn skip_back(bytes: &[u8], end: usize) -> usize {
    let size = read_backlen(bytes, end).expect("an entry of a listpack");
    end - size - backlen_bytes(size)
}

#[inline]
fn string(bytes: &[u8], from: usize, len: usize, head_len: usize) -> (Element<'_>, usize) {
    (Element::Bytes(&bytes[from..from + len]), head_len + len)
}

#[inline]
fn long_length(bytes: &[u8], at: usize) -> usize {
    let raw = bytes[at + 1..at + 5].try_into().expect("four bytes");
    u32::from_le_bytes(raw) as usize
}

/// A signed integer of `WIDTH` bytes, the lowest first.
#[inline]
fn int<const WIDTH: usize>(bytes: &[u8], at: usize) -> i64 {
    let mut wide = [0; 8];
    wide[8 - WIDTH..].copy_from_slice(&bytes[at..at + WIDTH]);
    i64::from_le_bytes(wide) >> (64 - 8 * WIDTH as u32)
}
