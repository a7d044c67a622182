//! The data types and their encodings. Knows nothing of keys.

pub mod bits;
mod element;
pub mod element_table;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod quicklist;
pub mod ranked;
pub mod set;
pub mod stream;
pub mod zset;
