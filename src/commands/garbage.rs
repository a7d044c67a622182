//! What is not needed any more, on its way to be freed.
//!
//! To free a large value takes long. So whoever removes one may hand it on, and the server frees it
//! on another thread where that is worth it.

use crate::keyspace::{DetachedDb, OwnedEntry};

/// Something that is not needed any more.
pub enum Garbage {
    /// All that was in a database.
    Db(Box<DetachedDb>),
    /// A key and its value.
    Entry(OwnedEntry),
}

impl Garbage {
    /// A value of up to so many parts is freed as fast as it is handed to another thread.
    const SMALL_EFFORT: usize = 64;

    /// How many objects it is, for `INFO`.
    pub fn objects(&self) -> usize {
        match self {
            Garbage::Db(db) => db.len(),
            Garbage::Entry(_) => 1,
        }
    }

    /// Whether freeing it takes so long that another thread should.
    pub fn is_large(&self) -> bool {
        match self {
            Garbage::Db(db) => !db.is_empty(),
            Garbage::Entry(entry) => entry.entry().free_effort() > Garbage::SMALL_EFFORT,
        }
    }
}
