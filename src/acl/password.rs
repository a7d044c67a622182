//! Passwords are known by their hashes only.

use sha2::{Digest as _, Sha256};

use super::error::RuleError;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The SHA-256 of a password, in lower-case hexadecimal digits.
pub type Hash = [u8; 64];

/// The hash of a password.
pub fn hash(password: &[u8]) -> Hash {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_mut(2).zip(Sha256::digest(password)) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    digits
}

/// A hash that somebody has spelled.
pub fn parse(digits: &[u8]) -> Result<Hash, RuleError> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let hash = Hash::try_from(digits).map_err(|_| RuleError::BadHash)?;
    match hash.iter().all(is_digit) {
        true => Ok(hash),
        false => Err(RuleError::BadHash),
    }
}

/// Compares without telling by its duration where the first difference is.
pub fn same(a: &Hash, b: &Hash) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// So many hexadecimal digits that nobody can guess, drawn with a number that is never used twice
/// from a secret.
pub fn generate(secret: &[u8; 32], number: u64, digits: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(digits);
    for block in 0u64.. {
        if text.len() >= digits {
            break;
        }
        let seed = [&secret[..], &number.to_le_bytes(), &block.to_le_bytes()].concat();
        text.extend(hash(&seed));
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_with_sha256() {
        let known = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(b"abc"), *known);
        assert_eq!(parse(known), Ok(*known));
        assert!(same(&hash(b"abc"), known) && !same(&hash(b"abd"), known));
        for bad in [&known[1..], b"", &[b'A'; 64], &[b'g'; 64]] {
            assert_eq!(parse(bad), Err(RuleError::BadHash));
        }
    }

    #[test]
    fn generated_passwords_have_the_length_asked_for_and_differ() {
        let secret = [7; 32];
        assert_eq!(generate(&secret, 1, 5).len(), 5);
        assert_eq!(generate(&secret, 1, 200).len(), 200);
        assert_ne!(generate(&secret, 1, 64), generate(&secret, 2, 64));
        assert_ne!(
            generate(&secret, 1, 64),
            generate(&secret, 1, 128)[64..].to_vec()
        );
    }
}
