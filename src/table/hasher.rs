//! The keyed hash that places keys in tables.
//!
//! foldhash (quality variant) under 128 bits of seed that the server draws once per process: fast
//! on short keys, all 64 bits usable, and unpredictable to somebody who chooses keys. All
//! databases share one seed, so an entry's hash stays right when it moves between them or when
//! two databases are swapped.

use std::fmt;
use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// A seeded hash function for keys. Cheap to clone; clones agree with one another.
#[derive(Clone)]
pub struct KeyHasher {
    own: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    /// The hash function of this seed.
    pub fn from_seed(seed: [u64; 2]) -> KeyHasher {
        KeyHasher {
            own: seed[0],
            shared: SharedSeed::from_u64(seed[1]),
        }
    }

    /// The hash of `key`.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.own, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}

impl fmt::Debug for KeyHasher {
    /// Says nothing of the seed, which must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_change_everything_and_clones_nothing() {
        let one = KeyHasher::from_seed([1, 2]);
        let other = KeyHasher::from_seed([1, 3]);
        let third = KeyHasher::from_seed([2, 2]);
        assert_eq!(one.hash(b"key"), one.clone().hash(b"key"));
        assert_ne!(one.hash(b"key"), other.hash(b"key"));
        assert_ne!(one.hash(b"key"), third.hash(b"key"));
    }

    #[test]
    fn top_bits_spread_evenly_over_similar_keys() {
        let hasher = KeyHasher::from_seed([7, 11]);
        let mut counts = [0u32; 256];
        for i in 0..256 * 400 {
            let hash = hasher.hash(format!("key:{i:012}").as_bytes());
            counts[(hash >> 56) as usize] += 1;
        }
        for count in counts {
            assert!((280..=520).contains(&count), "{count}");
        }
    }
}
