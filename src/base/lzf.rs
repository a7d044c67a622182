//! LZF, the compression of strings inside RDB files and of list nodes.
//!
//! The format is Marc Lehmann's: a stream of literal runs and back references, told apart by the
//! top three bits of a control byte.
//!
//! ```text
//! 000LLLLL                    L+1 literal bytes follow             (1..=32)
//! LLLooooo oooooooo           copy L+2 bytes from o+1 bytes back   (L 1..=6, o 0..=8191)
//! 111ooooo LLLLLLLL oooooooo  copy L+9 bytes from o+1 bytes back   (9..=264)
//! ```
//!
//! Any stream of that form decodes here, and what [`Compressor`] makes decodes everywhere; its
//! bytes need not equal those of another compressor. A save runs it once per value, mostly on
//! values of some tens of bytes, so its table of past positions is never cleared between inputs:
//! positions are stamped with a base that grows from input to input, and a stamp below the base of
//! the current input is simply a miss. Short inputs use only a few slots for each byte, so
//! the hot part of the table stays in the first-level cache.
//!
//! Decompression trusts nothing: the announced length is checked against the most the input could
//! possibly expand to before a byte is reserved, and each run against both ends.

use thiserror::Error;

/// Longest literal run one control byte can announce.
const LITERAL_MAX: usize = 32;
/// Shortest and longest copy a back reference can express.
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
/// A back reference reaches at most this many bytes back.
const DISTANCE_MAX: usize = 1 << 13;
/// Most output bytes one input byte can yield: three bytes make a copy of 264.
const EXPANSION_MAX: usize = MATCH_MAX / 3;
/// Compression is a success only if it saves at least this many bytes.
const GAIN_MIN: usize = 4;

const TABLE_BITS_MIN: u32 = 7;
const TABLE_BITS_MAX: u32 = 14;
const TABLE_SLOTS: usize = 1 << TABLE_BITS_MAX;
/// After this many misses (as a power of two) the search begins to skip positions.
const SKIP_AFTER_BITS: usize = 6;

/// Why a compressed string cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LzfError {
    /// The input ends inside a run.
    #[error("compressed data is cut short")]
    Truncated,
    /// A back reference points before the first output byte.
    #[error("back reference before the start")]
    BadReference,
    /// The input decodes to more or fewer bytes than announced.
    #[error("decompressed length differs from the announced one")]
    WrongLength,
}

/// Compresses inputs one after the other, reusing one table of positions.
pub struct Compressor {
    /// By the hash of three bytes, where such bytes were last seen.
    table: Box<[Seen; TABLE_SLOTS]>,
    /// Stamp of position 0 of the current input; every older stamp is smaller.
    base: u32,
}

/// Three bytes that were seen, and the stamp of their position. With the bytes at hand, a slot that
/// something else has left is told apart by one comparison that nearly always fails, which is what
/// a processor can predict.
#[derive(Clone, Copy)]
struct Seen {
    key: u32,
    stamp: u32,
}

/// No position has this stamp.
const NOT_SEEN: Seen = Seen { key: 0, stamp: 0 };

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    /// A compressor with an empty table (128 KiB).
    pub fn new() -> Compressor {
        Compressor {
            table: Box::new([NOT_SEEN; TABLE_SLOTS]),
            base: 1,
        }
    }

    /// Appends the compressed form of `input` to `out` and returns true, or leaves `out` as it
    /// was and returns false if that would not save at least four bytes.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let stamps = match u32::try_from(input.len()) {
            Ok(n) if n < u32::MAX / 2 && input.len() > GAIN_MIN => n,
            _ => return false,
        };
        if self.base > u32::MAX - stamps {
            self.table.fill(NOT_SEEN);
            self.base = 1;
        }
        let start = out.len();
        let limit = start + input.len() - GAIN_MIN;
        let done = self.encode(input, out, limit);
        self.base += stamps;
        if !done {
            out.truncate(start);
        }
        done
    }

    /// The search loop. False as soon as `out` would grow past `limit`.
    fn encode(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> bool {
        let base = self.base;
        let bits = input.len().ilog2() + 2;
        let shift = 32 - bits.clamp(TABLE_BITS_MIN, TABLE_BITS_MAX);
        let (mut at, mut literals_from, mut misses) = (0, 0, 0usize);
        // Words of four bytes are loaded, of which three count.
        while let Some(key) = three_bytes_at(input, at) {
            let slot = &mut self.table[hash(key, shift)];
            let seen = std::mem::replace(
                slot,
                Seen {
                    key,
                    stamp: base + at as u32,
                },
            );
            let from = seen.stamp.wrapping_sub(base) as usize;
            if seen.key != key || seen.stamp < base || at - from > DISTANCE_MAX {
                misses += 1;
                at += 1 + (misses >> SKIP_AFTER_BITS);
                continue;
            }
            misses = 0;
            let length = match_length(input, from, at);
            if !put_literals(&input[literals_from..at], out, limit)
                || !put_reference(at - from - 1, length, out, limit)
            {
                return false;
            }
            at += length;
            literals_from = at;
            if let Some(key) = three_bytes_at(input, at - 2) {
                self.table[hash(key, shift)] = Seen {
                    key,
                    stamp: base + (at - 2) as u32,
                };
            }
        }
        put_literals(&input[literals_from..], out, limit)
    }
}

/// The three bytes at `at` as a number, if a fourth follows.
#[inline(always)]
fn three_bytes_at(input: &[u8], at: usize) -> Option<u32> {
    let word = input.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word) & 0x00ff_ffff)
}

#[inline(always)]
fn hash(key: u32, shift: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> shift) as usize & (TABLE_SLOTS - 1)
}

/// How many bytes at `from` and `at` agree, given that the first three do.
fn match_length(input: &[u8], from: usize, at: usize) -> usize {
    let max = MATCH_MAX.min(input.len() - at);
    let (old, new) = (&input[from..from + max], &input[at..at + max]);
    let mut length = MATCH_MIN;
    while let (Some(a), Some(b)) = (old[length..].first_chunk(), new[length..].first_chunk()) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return length + differing.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    while length < max && old[length] == new[length] {
        length += 1;
    }
    length
}

#[inline]
fn put_literals(literals: &[u8], out: &mut Vec<u8>, limit: usize) -> bool {
    if out.len() + literals.len() + literals.len().div_ceil(LITERAL_MAX) > limit {
        return false;
    }
    for run in literals.chunks(LITERAL_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
    true
}

#[inline]
fn put_reference(offset: usize, length: usize, out: &mut Vec<u8>, limit: usize) -> bool {
    let (high, low) = ((offset >> 8) as u8, offset as u8);
    let code = length - 2;
    if code < 7 {
        out.extend_from_slice(&[(code as u8) << 5 | high, low]);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (code - 7) as u8, low]);
    }
    out.len() <= limit
}

/// Appends the `length` bytes that `input` decodes to. On an error `out` is left as it was.
pub fn decompress(input: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    if length > input.len().saturating_mul(EXPANSION_MAX) {
        return Err(LzfError::WrongLength);
    }
    let start = out.len();
    out.resize(start + length, 0);
    let result = decompress_into(input, &mut out[start..]);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn decompress_into(input: &[u8], out: &mut [u8]) -> Result<(), LzfError> {
    let (mut at, mut filled) = (0, 0);
    while let Some(&control) = input.get(at) {
        at += 1;
        let class = usize::from(control >> 5);
        if class == 0 {
            let count = usize::from(control) + 1;
            copy_literals(&input[at..], count, &mut out[filled..])?;
            at += count;
            filled += count;
            continue;
        }
        let mut length = class + 2;
        if class == 7 {
            length += usize::from(*input.get(at).ok_or(LzfError::Truncated)?);
            at += 1;
        }
        let low = usize::from(*input.get(at).ok_or(LzfError::Truncated)?);
        at += 1;
        let distance = (usize::from(control & 0x1f) << 8 | low) + 1;
        if distance > filled {
            return Err(LzfError::BadReference);
        }
        if length > out.len() - filled {
            return Err(LzfError::WrongLength);
        }
        copy_back(out, filled, distance, length);
        filled += length;
    }
    if filled == out.len() {
        Ok(())
    } else {
        Err(LzfError::WrongLength)
    }
}

#[inline]
fn copy_literals(input: &[u8], count: usize, out: &mut [u8]) -> Result<(), LzfError> {
    // With room at both ends a whole run is copied, so that the length is a constant; the bytes
    // past `count` are overwritten by what follows.
    if let (Some(from), Some(to)) = (
        input.first_chunk::<LITERAL_MAX>(),
        out.first_chunk_mut::<LITERAL_MAX>(),
    ) {
        *to = *from;
        return Ok(());
    }
    let from = input.get(..count).ok_or(LzfError::Truncated)?;
    out.get_mut(..count)
        .ok_or(LzfError::WrongLength)?
        .copy_from_slice(from);
    Ok(())
}

/// Repeats in `out[at..at + length]` what lies `distance` bytes before it; the two may overlap.
#[inline]
fn copy_back(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at - distance;
    if distance >= length {
        out.copy_within(from..from + length, at);
        return;
    }
    if distance == 1 {
        let byte = out[from];
        out[at..at + length].fill(byte);
        return;
    }
    // The source grows by what was copied, so each round may copy twice as much.
    let mut done = 0;
    while done < length {
        let round = (distance + done).min(length - done);
        out.copy_within(from..from + round, at + done);
        done += round;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> Option<usize> {
        let mut packed = b"before".to_vec();
        if !compressor.compress(input, &mut packed) {
            assert_eq!(packed, b"before");
            return None;
        }
        let packed = &packed[6..];
        assert!(packed.len() + GAIN_MIN <= input.len());
        let mut out = b"kept".to_vec();
        decompress(packed, input.len(), &mut out).unwrap();
        assert_eq!(&out[..4], b"kept");
        assert_eq!(&out[4..], input);
        Some(packed.len())
    }

    #[test]
    fn repetitive_text_shrinks_and_comes_back() {
        let mut compressor = Compressor::new();
        let a = vec![b'a'; 100_000];
        assert!(round_trip(&mut compressor, &a).unwrap() < 1_300);
        let text = b"the quick brown fox jumps over the lazy dog; ".repeat(200);
        assert!(round_trip(&mut compressor, &text).unwrap() < text.len() / 10);
        assert!(round_trip(&mut compressor, &[b'x'; 21]).unwrap() <= 6);
    }

    #[test]
    fn what_does_not_shrink_is_refused() {
        let mut compressor = Compressor::new();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(round_trip(&mut compressor, &all), None);
        for short in [&b""[..], b"a", b"aaaa"] {
            assert_eq!(round_trip(&mut compressor, short), None);
        }
    }

    #[test]
    fn stamps_of_earlier_inputs_are_never_matched() {
        let mut compressor = Compressor::new();
        let text = b"one two three one two three one two three";
        let first = round_trip(&mut compressor, text);
        for _ in 0..1000 {
            assert_eq!(round_trip(&mut compressor, text), first);
        }
        compressor.base = u32::MAX - 50;
        for _ in 0..3 {
            assert_eq!(round_trip(&mut compressor, text), first);
        }
    }

    #[test]
    fn a_stream_made_by_the_reference_decodes() {
        // Redis 7.2.4's bytes for 30 times 'a' and for "abcabc…" of 24 bytes.
        let mut out = Vec::new();
        decompress(b"\x01aa\xe0\x11\x00\x01aa", 30, &mut out).unwrap();
        assert_eq!(out, [b'a'; 30]);
        out.clear();
        decompress(b"\x03abca\xe0\x0a\x02\x00c", 24, &mut out).unwrap();
        assert_eq!(out, b"abc".repeat(8));
    }

    #[test]
    fn damaged_streams_are_told_apart() {
        let mut out = Vec::new();
        let mut fails = |input: &[u8], length| decompress(input, length, &mut out).unwrap_err();
        assert_eq!(fails(b"\x05ab", 6), LzfError::Truncated);
        assert_eq!(fails(b"\x00a\x20", 4), LzfError::Truncated);
        assert_eq!(fails(b"\x00a\xe0\x01", 12), LzfError::Truncated);
        assert_eq!(fails(b"\x00a\x20\x01", 4), LzfError::BadReference);
        assert_eq!(fails(b"\x00a\x20\x00", 3), LzfError::WrongLength);
        assert_eq!(fails(b"\x00a\x20\x00", 5), LzfError::WrongLength);
        assert_eq!(fails(b"\x00a", usize::MAX), LzfError::WrongLength);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn any_input_round_trips(parts in prop::collection::vec(
            (prop::collection::vec(0u8..4, 0..20), 1usize..30), 0..40))
        {
            let input: Vec<u8> = parts.iter().flat_map(|(part, n)| part.repeat(*n)).collect();
            round_trip(&mut Compressor::new(), &input);
        }

        #[test]
        fn any_bytes_decode_or_fail_cleanly(
            input in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..2000)
        {
            let mut out = Vec::new();
            match decompress(&input, length, &mut out) {
                Ok(()) => prop_assert_eq!(out.len(), length),
                Err(_) => prop_assert!(out.is_empty()),
            }
        }
    }
}
