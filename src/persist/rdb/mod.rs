//! RDB: the snapshot format, as a file and as the first thing that a replica receives.
//!
//! ```text
//! REDIS0011  (AUX name value)*  (FUNCTION2 code)*
//!            (SELECTDB n  RESIZEDB keys expires  ([EXPIRETIME_MS t] [IDLE s | FREQ f] type key value)*)*
//! EOF crc64
//! ```
//!
//! One decoder serves the start from a file, the snapshot that comes over a socket, and the file
//! checker; one encoder serves `SAVE`, the forked child, and the pipe to replicas. Both are free
//! of I/O of their own: the encoder writes to any `Write`, and the decoder is pushed slices of any
//! length and hands out items that borrow from them.
//!
//! In reading order: [`format`] names the bytes, [`encoder`] writes them and `save` walks the
//! keyspace with it; `cursor` reads the small parts (lengths, strings), `structure` knows the
//! shape of every value type, [`decoder`] puts them together and `load` fills a keyspace;
//! [`file`] and [`check`] stand on top.

pub mod check;
pub mod decoder;
pub mod encoder;
pub mod file;
pub mod format;
pub mod load;

mod checksum;
mod cursor;
mod error;
mod structure;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod fixture_tests;

pub use error::{RdbError, RdbErrorKind, Stage};
