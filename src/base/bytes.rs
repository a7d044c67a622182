//! Comparing short byte strings.
//!
//! A lookup in a hash table ends with one comparison of names, and names are short. The library's
//! comparison is a call for every length; here the lengths that names mostly have are a few loads.

/// Whether two byte strings are equal.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        17..=32 => {
            a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk()
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_length_counts() {
        for len in 0..70 {
            let a: Vec<u8> = (0..len).collect();
            assert!(equal(&a, &a.clone()));
            for at in 0..a.len() {
                let mut b = a.clone();
                b[at] ^= 1;
                assert!(!equal(&a, &b), "{len} {at}");
            }
            assert!(!equal(&a, &[&a[..], b"x"].concat()));
        }
    }
}
