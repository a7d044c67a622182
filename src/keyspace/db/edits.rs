//! The database's part of an [`Edit`]: taking a collection out of its entry and putting it back.

use std::mem;

use super::{Db, EntryPtr, Found, Place, WrongType, find};
use crate::keyspace::collection::Collection;
use crate::keyspace::edit::Edit;
use crate::keyspace::entry::{Entry, OwnedEntry};
use crate::keyspace::value::NewValue;

impl Db {
    /// Takes the collection of a key for changing it; `on_found` sees the entry before that.
    ///
    /// # Errors
    ///
    /// The key holds a value of another type.
    #[inline]
    pub fn edit<'a, T: Collection>(
        &'a mut self,
        key: &'a [u8],
        on_found: impl FnOnce(Entry<'_>),
    ) -> Result<Option<Edit<'a, T>>, WrongType> {
        let hash = self.hasher.hash(key);
        match find(&self.keys, hash, key) {
            Some(found) => self.edit_found(hash, key, found, on_found).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Db::edit`]; a key that does not exist is made, if the collection is given a member.
    ///
    /// # Errors
    ///
    /// The key holds a value of another type.
    #[inline]
    pub fn edit_or_new<'a, T: Collection>(
        &'a mut self,
        key: &'a [u8],
        on_found: impl FnOnce(Entry<'_>),
    ) -> Result<Edit<'a, T>, WrongType> {
        let hash = self.hasher.hash(key);
        match find(&self.keys, hash, key) {
            Some(found) => self.edit_found(hash, key, found, on_found),
            None => {
                let found = None;
                Ok(Edit::new(self, Place { hash, key, found }, T::empty()))
            }
        }
    }

    #[inline]
    fn edit_found<'a, T: Collection>(
        &'a mut self,
        hash: u64,
        key: &'a [u8],
        found: Found<EntryPtr>,
        on_found: impl FnOnce(Entry<'_>),
    ) -> Result<Edit<'a, T>, WrongType> {
        // SAFETY: the entry is in our table, we are borrowed exclusively, and what is borrowed
        // here is let go of before anything else looks at the table.
        let mut entry = unsafe { found.handle.entry_mut() };
        on_found(entry.entry());
        if entry.entry().type_() != T::TYPE {
            return Err(WrongType);
        }
        let value = entry.take(&mut self.scratch);
        let found = Some(found);
        Ok(Edit::new(self, Place { hash, key, found }, value))
    }

    /// Ends an edit.
    #[inline]
    pub(in crate::keyspace) fn put_back<T: Collection>(&mut self, place: &Place<'_>, value: T) {
        let vacant = value.is_vacant();
        match place.found {
            Some(found) if vacant => drop(self.remove_found(place.hash, found)),
            Some(found) => {
                let mut scratch = mem::take(&mut self.scratch);
                self.rewrite(place.hash, found, |entry| {
                    entry.with_collection(value, &mut scratch)
                });
                self.scratch = scratch;
            }
            None if vacant => {}
            None => {
                let value = NewValue::Object(value.into());
                let entry = OwnedEntry::new(place.key, value, None, self.new_access);
                self.add(place.hash, entry);
            }
        }
    }
}
