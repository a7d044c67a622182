//! RDB: the snapshot format, as a file and as the first thing that a replica receives.
//!
//! ```text
//! stream   = REDIS0011 (AUX name value)* (FUNCTION2 code)* database* EOF crc64
//! database = SELECTDB n RESIZEDB keys expires key*
//! key      = [EXPIRETIME_MS t] [IDLE s | FREQ f] type name value
//! ```
//!
//! One decoder serves the start from a file, the snapshot that comes over a socket, and the file
//! checker; one encoder serves `SAVE`, the forked child, and the pipe to replicas. Both are free
//! of I/O of their own: the encoder writes to any `Write`, and the decoder is pushed slices of any
//! length and hands out items that borrow from them.
//!
//! In reading order: [`mod@format`] names the bytes, [`dialect`] says what newer servers mean by
//! them; [`encoder`] writes them, `value` says how each
//! type is written, and [`save`] walks the keyspace with both; `cursor` reads the small parts
//! (lengths, strings), `structure` knows the shape of every value type, [`build`] makes values,
//! [`decoder`] puts them together, [`load`] feeds it with what comes in pieces, and [`fill`] makes
//! keys of what comes out; [`mod@file`] and [`check`] stand on top. [`head`] tells without
//! any of that whether there is a key. [`payload`] has both directions for the one value of a
//! `DUMP`.

pub mod build;
pub mod check;
pub mod decoder;
pub mod dialect;
pub mod encoder;
pub mod file;
pub mod fill;
pub mod format;
pub mod head;
pub mod item;
pub mod load;
pub mod payload;
pub mod save;

mod cursor;
mod error;
mod structure;
mod value;
mod ziplist;
mod zipmap;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod keyspace_tests;

pub use error::{RdbError, RdbErrorKind, Stage};
