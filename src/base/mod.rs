//! Floor 0: numbers, glob patterns, LZF, random numbers, time types. Knows nothing of ours.

pub mod lzf;
