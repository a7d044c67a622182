//! Floor 0: numbers, glob patterns, LZF, random numbers, time types. Knows nothing of ours.

pub mod glob;
pub mod lzf;
pub mod numbers;
pub mod rng;
pub mod time;
