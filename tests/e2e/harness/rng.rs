//! A seeded random source for tests that print their seed, so that a failure can be replayed.

const ORDINARY_SEED: u64 = 20_261_122;

/// SplitMix64: one word of state, good enough to vary a test.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The source of a test, with the seed to print. The ordinary run repeats itself, so that a
    /// failure is about the change at hand. `TANIST_TEST_SEED=random` goes where none has been, and
    /// a number there replays what failed.
    pub fn from_env() -> (Rng, u64) {
        let seed = match std::env::var("TANIST_TEST_SEED").as_deref() {
            Ok("random") => {
                let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
                since.as_micros() as u64
            }
            Ok(text) => text
                .parse()
                .expect("TANIST_TEST_SEED is a number or random"),
            Err(_) => ORDINARY_SEED,
        };
        (Rng::new(seed), seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
