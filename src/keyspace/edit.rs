//! Changing a collection under its key.
//!
//! A collection is taken out of its entry, changed as the owned value that it is, and put back when
//! the [`Edit`] ends. Taking out costs no allocation: boxes and vectors move, and what is embedded
//! in the entry is copied to a scratch buffer that the database keeps for that.
//!
//! Two rules hold by construction: a collection that became empty takes its key along, and one that
//! never got a member gets no key.

use std::ops::{Deref, DerefMut};

use super::collection::Collection;
use super::db::{Db, Place};

/// Why an edit has its value.
const HELD: &str = "only the end of the edit takes the value";

/// A collection under change; it goes back to its key when this is dropped.
pub struct Edit<'a, T: Collection> {
    db: &'a mut Db,
    place: Place<'a>,
    /// There until the edit ends.
    value: Option<T>,
}

impl<'a, T: Collection> Edit<'a, T> {
    pub(super) fn new(db: &'a mut Db, place: Place<'a>, value: T) -> Edit<'a, T> {
        Edit {
            db,
            place,
            value: Some(value),
        }
    }

    /// Puts the collection back. Returns whether there is no such key any more, since nothing was
    /// left in it.
    pub fn finish(self) -> bool {
        self.is_vacant()
    }
}

impl<T: Collection> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.db.put_back(&self.place, value);
        }
    }
}

impl<T: Collection> Deref for Edit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_ref().expect(HELD)
    }
}

impl<T: Collection> DerefMut for Edit<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(HELD)
    }
}
