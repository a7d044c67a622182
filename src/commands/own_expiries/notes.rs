//! The notes on keys that expire by our own decision: names and times, kept in databases of their
//! own.

use crate::keyspace::expiry::{ExpiryClock, ExpiryCycle, Pace};
use crate::keyspace::{Keyspace, NewValue, OwnedEntry};

/// The notes, and how far the cycle has come that looks for those that are due.
pub struct OwnExpiries {
    notes: Keyspace,
    cycle: ExpiryCycle,
}

impl OwnExpiries {
    /// No notes on the keys of `keyspace`.
    pub fn new(keyspace: &Keyspace) -> OwnExpiries {
        OwnExpiries {
            notes: keyspace.new_like(),
            cycle: ExpiryCycle::default(),
        }
    }

    /// How many keys are noted.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Has a key looked at when `at_ms` has passed.
    pub fn note(&mut self, db: usize, key: &[u8], at_ms: i64) {
        let notes = self.notes.db_mut(db);
        notes.set(key, NewValue::Int(0), Some(at_ms));
    }

    /// Takes out the notes that are due, as many as there is time for.
    pub fn take_due(&mut self, pace: Pace, effort: u8, clock: ExpiryClock<'_>) -> Vec<Due> {
        let mut due = Vec::new();
        let mut take = |db, note| due.push(Due { db, note });
        self.cycle
            .run(&mut self.notes, pace, effort, clock, &mut take);
        due
    }

    /// Two databases were swapped.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.notes.swap(a, b);
    }

    /// All data has gone.
    pub fn clear(&mut self) {
        if !self.is_empty() {
            self.notes.clear();
        }
    }
}

/// A note that is due.
pub struct Due {
    /// The database of the key.
    pub db: usize,
    /// An entry of the same name.
    pub note: OwnedEntry,
}
