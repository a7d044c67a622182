//! Bit strings: any bytes, read as a row of bits from left to right.
//!
//! Bit 0 is the most significant bit of the first byte, so a field that begins and ends at byte
//! boundaries is a big-endian integer. Strings may be half a gigabyte long; whatever walks over
//! one does so in words of 64 bits and leaves it to the compiler to make vectors of them.
//!
//! Behind its last byte a string goes on with zeros for whoever reads a field.

use std::ops::Range;

/// The widest field, in bits.
pub const FIELD_BITS_MAX: u32 = 64;

/// A field of 64 bits that begins within a byte touches nine.
const FIELD_BYTES_MAX: usize = 9;

/// How many bits are set in all.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let ones = |word: &[u8; 8]| u64::from(u64::from_ne_bytes(*word).count_ones());
    let in_tail: u32 = tail.iter().map(|byte| byte.count_ones()).sum();
    words.iter().map(ones).sum::<u64>() + u64::from(in_tail)
}

/// How many of some bits, which must lie within the string, are set.
pub fn count_ones_in(bytes: &[u8], bits: Range<u64>) -> u64 {
    if bits.is_empty() {
        return 0;
    }
    let last_bit = bits.end - 1;
    let (first, last) = ((bits.start / 8) as usize, (last_bit / 8) as usize);
    let before = bytes[first] & !(0xff >> (bits.start % 8));
    let behind = bytes[last] & (0x7f >> (last_bit % 8));
    let outside = before.count_ones() + behind.count_ones();
    count_ones(&bytes[first..=last]) - u64::from(outside)
}

/// The first of some bits, which must lie within the string, that is set, or that is clear.
pub fn find(bytes: &[u8], bits: Range<u64>, set: bool) -> Option<u64> {
    if bits.is_empty() {
        return None;
    }
    let other = if set { 0 } else { 0xff };
    let bytes = &bytes[..bits.end.div_ceil(8) as usize];
    let first = (bits.start / 8) as usize;
    let head = (bytes[first] ^ other) & (0xff >> (bits.start % 8));
    let (at, byte) = if head != 0 {
        (first, head)
    } else {
        let at = first + 1 + first_unlike(&bytes[first + 1..], other)?;
        (at, bytes[at] ^ other)
    };
    let position = at as u64 * 8 + u64::from(byte.leading_zeros());
    (position < bits.end).then_some(position)
}

/// Where the first byte is that differs from `other`.
fn first_unlike(bytes: &[u8], other: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let alike = words.iter().take_while(|word| **word == [other; 8]).count() * 8;
    let differs = bytes[alike..].iter().position(|byte| *byte != other)?;
    Some(alike + differs)
}

/// The field of `width` bits (1 to [`FIELD_BITS_MAX`]) at bit `offset`.
pub fn read_field(bytes: &[u8], offset: u64, width: u32) -> u64 {
    let window = window(bytes, (offset / 8) as usize);
    (window << (offset % 8) >> (u128::BITS - width)) as u64
}

/// Stores the low `width` bits of a value as the field at bit `offset`, which must lie within the
/// string.
pub fn write_field(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let first = (offset / 8) as usize;
    let touched = ((offset % 8) as u32 + width).div_ceil(8) as usize;
    let low = u128::BITS - width - (offset % 8) as u32;
    let mask = (u128::MAX >> (u128::BITS - width)) << low;
    let field = (u128::from(value) << low) & mask;
    let changed = (window(bytes, first) & !mask) | field;
    bytes[first..first + touched].copy_from_slice(&changed.to_be_bytes()[..touched]);
}

/// The bytes from `first` on that a field may touch, left-aligned, with zeros behind the end.
fn window(bytes: &[u8], first: usize) -> u128 {
    let there = bytes.get(first..).unwrap_or_default();
    let len = there.len().min(FIELD_BYTES_MAX);
    let mut window = [0; 16];
    window[..len].copy_from_slice(&there[..len]);
    u128::from_be_bytes(window)
}

/// How two bit strings are combined, bit by bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    /// Set in both.
    And,
    /// Set in either.
    Or,
    /// Set in one of the two.
    Xor,
}

/// Combines a string with another one; the shorter counts as followed by zeros, and the result is
/// as long as the longer.
pub fn combine(result: &mut Vec<u8>, with: &[u8], how: Combine) {
    if result.len() < with.len() {
        result.resize(with.len(), 0);
    }
    let (both, rest) = result.split_at_mut(with.len());
    let pairs = both.iter_mut().zip(with);
    match how {
        Combine::And => {
            pairs.for_each(|(mine, theirs)| *mine &= theirs);
            rest.fill(0);
        }
        Combine::Or => pairs.for_each(|(mine, theirs)| *mine |= theirs),
        Combine::Xor => pairs.for_each(|(mine, theirs)| *mine ^= theirs),
    }
}

/// Turns every bit of a string.
pub fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn bit(bytes: &[u8], at: u64) -> bool {
        let byte = bytes.get((at / 8) as usize).copied().unwrap_or(0);
        byte >> (7 - at % 8) & 1 == 1
    }

    /// Strings with long runs of equal bits, as well as noise.
    fn random_string(rng: &mut Rng) -> Vec<u8> {
        let len = rng.below(40) as usize;
        let mut bytes = vec![[0, 0xff][rng.below(2) as usize]; len];
        for _ in 0..rng.below(4) {
            if len > 0 {
                bytes[rng.below(len as u64) as usize] = rng.next_u64() as u8;
            }
        }
        bytes
    }

    #[test]
    fn counting_and_finding_agree_with_looking_bit_by_bit() {
        let mut rng = Rng::from_seed(11);
        for _ in 0..20_000 {
            let bytes = random_string(&mut rng);
            let end = rng.below(bytes.len() as u64 * 8 + 1);
            let start = rng.below(end + 1);
            let ones = (start..end).filter(|at| bit(&bytes, *at)).count() as u64;
            assert_eq!(count_ones_in(&bytes, start..end), ones);
            for set in [true, false] {
                let first = (start..end).find(|at| bit(&bytes, *at) == set);
                assert_eq!(
                    find(&bytes, start..end, set),
                    first,
                    "{bytes:?} {start}..{end}"
                );
            }
        }
    }

    #[test]
    fn fields_are_read_and_written_bit_by_bit() {
        let mut rng = Rng::from_seed(12);
        for _ in 0..20_000 {
            let mut bytes = random_string(&mut rng);
            let offset = rng.below(200);
            let width = 1 + rng.below(u64::from(FIELD_BITS_MAX)) as u32;
            let value = (0..u64::from(width)).fold(0, |value, at| {
                value << 1 | u64::from(bit(&bytes, offset + at))
            });
            assert_eq!(read_field(&bytes, offset, width), value);

            let needed = (offset + u64::from(width)).div_ceil(8) as usize;
            bytes.resize(bytes.len().max(needed), 0);
            let mut model = bytes.clone();
            let new = rng.next_u64();
            for at in 0..u64::from(width) {
                let place = offset + at;
                let mask = 0x80 >> (place % 8);
                let byte = &mut model[(place / 8) as usize];
                *byte &= !mask;
                if new >> (u64::from(width) - 1 - at) & 1 == 1 {
                    *byte |= mask;
                }
            }
            write_field(&mut bytes, offset, width, new);
            assert_eq!(bytes, model, "{offset} {width} {new:x}");
        }
    }

    #[test]
    fn the_shorter_string_goes_on_with_zeros() {
        for (how, result) in [
            (Combine::And, [0x0f, 0, 0]),
            (Combine::Or, [0xff, 0xaa, 0x55]),
            (Combine::Xor, [0xf0, 0xaa, 0x55]),
        ] {
            let mut short = vec![0x0f];
            combine(&mut short, &[0xff, 0xaa, 0x55], how);
            assert_eq!(short, result);
            let mut long = vec![0xff, 0xaa, 0x55];
            combine(&mut long, &[0x0f], how);
            assert_eq!(long, result);
        }
        let mut turned = [0x0f, 0xaa];
        invert(&mut turned);
        assert_eq!(turned, [0xf0, 0x55]);
    }
}
