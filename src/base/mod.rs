//! The ground floor: numbers, glob patterns, LZF, random numbers, size classes, time types. Knows
//! nothing of ours.

pub mod bytes;
pub mod crc64;
pub mod disk;
pub mod errno;
pub mod geo;
pub mod glob;
pub mod line;
pub mod local_time;
pub mod longdouble;
pub mod lzf;
pub mod memsize;
pub mod numbers;
pub mod partial_sort;
pub mod quoting;
pub mod replace;
pub mod rng;
pub mod size_class;
pub mod time;
pub mod version;
