//! CRC-64 with the Jones polynomial, reflected, started at 0: the checksum at the end of snapshots
//! and of payloads, and that of the replication stream.
//!
//! It is computed with carry-less multiplication (`crc-fast`). The table-driven `crc64` is what
//! tests compare it with; ARCHITECTURE.md has the speed of both.

use crc_fast::{CrcAlgorithm, Digest};

/// A running checksum.
#[derive(Debug, Clone)]
pub struct Crc64(Digest);

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64(Digest::new(CrcAlgorithm::Crc64Redis))
    }
}

impl Crc64 {
    /// Takes in the next bytes. Large pieces are cheaper by the byte.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of `bytes` behind bytes whose checksum is `sum`.
pub fn extend(sum: u64, bytes: &[u8]) -> u64 {
    // Nothing is added at the ends, so the state of the computation is the checksum itself.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sum_is_that_of_an_implementation_by_tables(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            let mut checksum = Crc64::default();
            checksum.update(&bytes[..cut]);
            prop_assert_eq!(checksum.value(), crc64::crc64(0, &bytes[..cut]));
            checksum.update(&bytes[cut..]);
            prop_assert_eq!(checksum.value(), crc64::crc64(0, &bytes));
            let front = extend(0, &bytes[..cut]);
            prop_assert_eq!(extend(front, &bytes[cut..]), checksum.value());
        }
    }

    #[test]
    fn the_polynomial_is_that_of_redis() {
        let mut checksum = Crc64::default();
        assert_eq!(checksum.value(), 0);
        checksum.update(b"12345");
        checksum.update(b"");
        checksum.update(b"6789");
        assert_eq!(checksum.value(), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn pieces_of_any_size_give_the_same_sum() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| ((n * n) >> 3) as u8).collect();
        let mut whole = Crc64::default();
        whole.update(&bytes);
        for size in [1, 7, 16, 100, 257, 4096] {
            let mut pieces = Crc64::default();
            bytes.chunks(size).for_each(|piece| pieces.update(piece));
            assert_eq!(pieces.value(), whole.value());
        }
    }
}
