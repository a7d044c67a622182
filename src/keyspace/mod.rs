//! Where keys and values live.
//!
//! Reading order, from the bottom:
//!
//! * [`kind`]: types and encodings; [`value`]: values on their way in and out.
//! * [`entry`]: a key and its value in one allocation; [`access`] beside it.
//! * [`collection`]: how each data type is kept under its key, [`boxed`] if it is large.
//! * [`db`]: one database, two tables over the same entries; [`edit`]: collections in change.
//! * [`databases`]: all of them.
//! * [`eviction`]: which key goes when memory is short.
//! * [`expiry`]: the cycle that finds expired keys that nobody asks for.
//!
//! This is one of the places with unsafe code: entries, boxes, and the database that owns them. The
//! hash table and the data types are on the floors below. Nothing here knows of clients, commands,
//! the wire or the clock.

pub mod access;
pub mod boxed;
pub mod collection;
pub mod databases;
pub mod db;
pub mod edit;
pub mod entry;
pub mod eviction;
pub mod expiry;
pub mod kind;
pub mod value;

pub use collection::{Collection, Object};
pub use databases::Keyspace;
pub use db::{Db, DetachedDb, Overhead, WrongType};
pub use edit::Edit;
pub use entry::{Entry, EntryMut, OwnedEntry};
pub use kind::{Encoding, Type};
pub use value::{NewValue, StringRef, ValueRef};
