//! Hashes, field by field.

use super::means::Means;
use super::unique::all_differ;
use crate::data::hash::{Hash, HashLimits, HashTable};
use crate::data::listpack::ListpackRef;
use crate::keyspace::Object;
use crate::persist::rdb::cursor::RawString;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};
use crate::persist::rdb::structure::Text;

/// The shortest field in a stream: a byte of text, nothing as its value, and their lengths.
const PAIR_BYTES: u64 = 3;

/// A hash in the making.
#[derive(Default)]
pub(in super::super) struct HashBuilder {
    hash: Hash,
    /// The field whose value comes next.
    field: Vec<u8>,
    /// Fields to make room for.
    room: usize,
}

impl HashBuilder {
    pub(super) fn start(&mut self, told: u64, means: &Means<'_>) {
        let limits = &means.limits.hash;
        self.room = means.room(told, PAIR_BYTES);
        if told > limits.max_listpack_entries as u64 {
            let table = HashTable::with_capacity(self.room, limits.hasher.clone());
            self.hash = Hash::Table(Box::new(table));
        }
    }

    #[inline]
    pub(super) fn text(
        &mut self,
        text: Text,
        raw: RawString<'_>,
        means: &mut Means<'_>,
    ) -> Result<(), RdbErrorKind> {
        if text == Text::Field {
            self.field.clear();
            let field = raw.resolve(means.scratch)?;
            self.field.extend_from_slice(field);
            return Ok(());
        }
        let value = raw.resolve(means.scratch)?;
        let limits = &means.limits.hash;
        if let Hash::Packed(pack) = &mut self.hash {
            let longest = self.field.len().max(value.len());
            if longest <= limits.max_listpack_value
                && pack.as_ref().fits(self.field.len() + value.len())
            {
                pack.push_back(&self.field);
                pack.push_back(value);
                return Ok(());
            }
            let table = tabled(pack.as_ref(), self.room, limits).ok_or(Flaw::DuplicateField)?;
            self.hash = Hash::Table(Box::new(table));
        }
        let Hash::Table(table) = &mut self.hash else {
            unreachable!("it was made a table");
        };
        if table.set(&self.field, value) {
            Ok(())
        } else {
            Err(Flaw::DuplicateField.into())
        }
    }

    pub(super) fn finish(self) -> Result<Option<Object>, RdbErrorKind> {
        if let Hash::Packed(pack) = &self.hash
            && !all_differ(pack.as_ref().iter().step_by(2), pack.len() / 2)
        {
            return Err(Flaw::DuplicateField.into());
        }
        Ok((!self.hash.is_empty()).then(|| Object::from(self.hash)))
    }
}

/// A listpack of fields and values as a table; none if a field comes twice.
pub(super) fn tabled(pack: ListpackRef<'_>, room: usize, limits: &HashLimits) -> Option<HashTable> {
    let room = room.max(pack.len() / 2);
    let mut table = HashTable::with_capacity(room, limits.hasher.clone());
    let mut elements = pack.iter();
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        let is_new = field.with_bytes(|field| value.with_bytes(|value| table.set(field, value)));
        if !is_new {
            return None;
        }
    }
    Some(table)
}
