//! The checksum at the end of a file: CRC-64 with the Jones polynomial, reflected, started at 0.

/// A running checksum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Checksum(u64);

impl Checksum {
    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0 = crc64::crc64(self.0, bytes);
    }

    /// The checksum of all bytes so far.
    pub(super) fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_is_that_of_redis() {
        let mut checksum = Checksum::default();
        checksum.update(b"12345");
        checksum.update(b"");
        checksum.update(b"6789");
        assert_eq!(checksum.value(), 0xe9c6_d914_c4b8_d9ca);
    }
}
