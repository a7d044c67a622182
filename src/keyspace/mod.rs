//! Floor 1: where keys and values live.
//!
//! Reading order, from the bottom:
//!
//! * [`value`]: types, encodings, values on their way in and out.
//! * [`entry`]: a key and its value in one allocation; [`size_class`] and [`access`] beside it.
//! * [`table`]: the hash table; [`hash`] places keys in it, [`prefetch`] brings it near.
//! * [`db`]: one database, two tables over the same entries.
//! * [`databases`]: all of them.
//! * [`eviction`]: which key goes when memory is short.
//! * [`expiry`]: the cycle that finds expired keys that nobody asks for.
//!
//! This is one of the two places with unsafe code: entries, the table, and the database that ties
//! them together. Nothing here knows of clients, commands, the wire or the clock.

pub mod access;
pub mod boxed;
pub mod collection;
pub mod databases;
pub mod db;
pub mod edit;
pub mod entry;
pub mod eviction;
pub mod expiry;
pub mod hash;
pub mod prefetch;
pub mod size_class;
pub mod table;
pub mod value;

pub use collection::{Collection, Object};
pub use databases::Keyspace;
pub use db::{Db, DetachedDb, Overhead, WrongType};
pub use edit::Edit;
pub use entry::{Entry, EntryMut, OwnedEntry};
pub use hash::KeyHasher;
pub use value::{Encoding, NewValue, StringRef, Type, ValueRef};
