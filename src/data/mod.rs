//! Floor 1: the data types and their encodings.

pub mod bits;
mod element;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod quicklist;
pub mod ranked;
pub mod set;
pub mod stream;
pub mod table;
pub mod zset;
