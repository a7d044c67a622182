//! Floor 1: the data types and their encodings.

mod element;
pub mod intset;
pub mod listpack;
pub mod stream;
pub mod table;
