//! Seeded random numbers.
//!
//! Sampling for eviction and `RANDOMKEY`, jitter and run ids need chance, and tests need it to
//! repeat. So the generator is a value, created in `server/` from the kernel's entropy and handed
//! down as `&mut Rng`; a simulation creates it from a number it prints on failure.
//!
//! The algorithm is xoshiro256++ (Blackman and Vigna): 32 bytes of state, a few instructions per
//! number, no detectable bias. It is not a cryptographic generator: seeds of identifiers come
//! from the kernel, and nothing here protects a secret.

/// A deterministic generator: equal seeds give equal sequences.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator seeded by one number, which SplitMix64 spreads over the whole state.
    pub fn from_seed(seed: u64) -> Rng {
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Rng { state }
    }

    /// A generator seeded by 256 bits, as the kernel gives them at start.
    pub fn from_seed_bytes(seed: [u8; 32]) -> Rng {
        let mut state = [0u64; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        // The all-zero state is the one fixed point of the generator.
        if state == [0; 4] {
            Rng::from_seed(0)
        } else {
            Rng { state }
        }
    }

    /// A generator of its own, seeded by this one: for use while this one cannot be borrowed.
    pub fn fork(&mut self) -> Rng {
        Rng::from_seed(self.next_u64())
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A uniform number in `0..n`. `n` must not be zero.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below zero");
        // Lemire: the high half of a 128-bit product is uniform once the few low halves that
        // would favour small results are thrown away.
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// A uniform number in `[0, 1)` with all 53 bits of precision.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Visits `count` of the `len` things that `from` yields, or all where there are no more; each
    /// choice has the same chance. The order stays.
    pub fn choose<T>(
        &mut self,
        count: usize,
        len: usize,
        from: impl Iterator<Item = T>,
        mut visit: impl FnMut(T),
    ) {
        let mut unseen = len;
        let mut wanted = count.min(len);
        // Each is taken with the chance that it is among those still wanted.
        for thing in from.take(len) {
            if wanted == 0 {
                break;
            }
            if self.below(unseen as u64) < wanted as u64 {
                visit(thing);
                wanted -= 1;
            }
            unseen -= 1;
        }
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    /// Forty lowercase hexadecimal characters: the form of run ids and replication ids.
    pub fn hex_id(&mut self) -> [u8; 40] {
        let mut raw = [0u8; 20];
        self.fill(&mut raw);
        let mut id = [0u8; 40];
        for (pair, byte) in id.chunks_exact_mut(2).zip(raw) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences() {
        let mut a = Rng::from_seed(7);
        let mut b = Rng::from_seed(7);
        let mut c = Rng::from_seed(8);
        let first: Vec<u64> = (0..32).map(|_| a.next_u64()).collect();
        assert_eq!(first, (0..32).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(first, (0..32).map(|_| c.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn the_published_reference_sequence_is_reproduced() {
        // First outputs of xoshiro256++ from the state {1, 2, 3, 4}.
        let mut seed = [0u8; 32];
        for (i, word) in seed.chunks_exact_mut(8).enumerate() {
            word[0] = i as u8 + 1;
        }
        let mut rng = Rng::from_seed_bytes(seed);
        let got: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(
            got,
            [41943041, 58720359, 3588806011781223, 3591011842654386]
        );
    }

    #[test]
    fn a_zero_seed_still_moves() {
        let mut rng = Rng::from_seed_bytes([0; 32]);
        assert_ne!(rng.next_u64() | rng.next_u64() | rng.next_u64(), 0);
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = Rng::from_seed(1);
        let mut seen = [0u32; 6];
        for _ in 0..6000 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }

    #[test]
    fn every_choice_has_the_same_chance() {
        let mut rng = Rng::from_seed(2);
        let mut seen = [0u32; 10];
        for _ in 0..1000 {
            let mut chosen = Vec::new();
            rng.choose(3, 10, 0..10, |n| chosen.push(n));
            assert!(chosen.len() == 3 && chosen.is_sorted());
            chosen.iter().for_each(|n| seen[*n as usize] += 1);
        }
        assert!(seen.iter().all(|&n| (240..360).contains(&n)), "{seen:?}");
        rng.choose(0, 10, 0..10, |_| unreachable!("none is wanted"));
        let mut all = Vec::new();
        rng.choose(9, 4, 0..4, |n| all.push(n));
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[test]
    fn unit_numbers_stay_below_one() {
        let mut rng = Rng::from_seed(3);
        assert!(
            (0..1000)
                .map(|_| rng.unit_f64())
                .all(|x| (0.0..1.0).contains(&x))
        );
    }

    #[test]
    fn ids_are_forty_hex_digits_and_differ() {
        let mut rng = Rng::from_seed(9);
        let (a, b) = (rng.hex_id(), rng.hex_id());
        assert_ne!(a, b);
        assert!(a.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
    }

    #[test]
    fn fill_covers_lengths_that_are_no_multiple_of_eight() {
        let mut rng = Rng::from_seed(4);
        let mut buf = [0u8; 13];
        rng.fill(&mut buf);
        assert!(buf.iter().any(|&b| b != 0) && buf[8..].iter().any(|&b| b != 0));
    }
}
