//! What an element says: a hash, split into the register's number and a count of zeros.
//!
//! The hash is MurmurHash64A with the reference's seed; registers of equal elements must be equal
//! whichever server filled them.

use super::register::{INDEX_BITS, Mark, REGISTERS};

const SEED: u64 = 0xadc8_3b19;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// What an element asks for.
pub(super) fn mark(element: &[u8]) -> Mark {
    let hash = murmur_hash_64a(element, SEED);
    // A bit beyond the hash ends the run of zeros at the latest.
    let rest = hash >> INDEX_BITS | 1 << (u64::BITS - INDEX_BITS);
    Mark {
        register: hash as usize & (REGISTERS - 1),
        value: rest.trailing_zeros() as u8 + 1,
    }
}

/// MurmurHash2 in its 64-bit form for 64-bit machines, by Austin Appleby.
fn murmur_hash_64a(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}
