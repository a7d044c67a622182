//! Hashes, field by field.

use super::listpack::judge_listpack;
use super::means::Means;
use super::unique::all_differ;
use crate::data::hash::{Hash, HashLimits, HashTable};
use crate::data::listpack::{Element, ListpackRef};
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
    /// It has a field that expires.
    has_given_up: bool,
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
        if self.has_given_up {
            return Ok(());
        }
        match text {
            Text::Field => {
                self.field.clear();
                let field = raw.resolve(means.scratch)?;
                self.field.extend_from_slice(field);
                Ok(())
            }
            Text::FieldPack => self.pack(raw, means),
            _ => {
                let value = raw.resolve(means.scratch)?;
                add(
                    &mut self.hash,
                    &self.field,
                    value,
                    self.room,
                    &means.limits.hash,
                )
            }
        }
    }

    /// Takes a listpack of fields, values, and when these expire, where 0 is never.
    fn pack(&mut self, raw: RawString<'_>, means: &mut Means<'_>) -> Result<(), RdbErrorKind> {
        let bytes = raw.into_vec()?;
        let pack = judge_listpack(&bytes, Flaw::HashListpack)?;
        if !pack.len().is_multiple_of(3) {
            return Err(Flaw::HashListpack.into());
        }
        self.start(pack.len() as u64 / 3, means);
        let mut elements = pack.iter();
        while let (Some(field), Some(value), Some(expiry)) =
            (elements.next(), elements.next(), elements.next())
        {
            match expiry {
                Element::Int(0) => field.with_bytes(|field| {
                    value.with_bytes(|value| {
                        add(&mut self.hash, field, value, self.room, &means.limits.hash)
                    })
                })?,
                Element::Int(_) => self.give_up(),
                Element::Bytes(_) => return Err(Flaw::HashListpack.into()),
            }
        }
        Ok(())
    }

    /// Nothing is made of a hash with fields that expire; the rest of it is passed over.
    pub(super) fn give_up(&mut self) {
        self.hash = Hash::default();
        self.has_given_up = true;
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up
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

#[inline]
fn add(
    hash: &mut Hash,
    field: &[u8],
    value: &[u8],
    room: usize,
    limits: &HashLimits,
) -> Result<(), RdbErrorKind> {
    if let Hash::Packed(pack) = hash {
        let longest = field.len().max(value.len());
        if longest <= limits.max_listpack_value && pack.as_ref().fits(field.len() + value.len()) {
            pack.push_back(field);
            pack.push_back(value);
            return Ok(());
        }
        let table = tabled(pack.as_ref(), room, limits).ok_or(Flaw::DuplicateField)?;
        *hash = Hash::Table(Box::new(table));
    }
    let Hash::Table(table) = hash else {
        unreachable!("it was made a table");
    };
    if table.set(field, value) {
        Ok(())
    } else {
        Err(Flaw::DuplicateField.into())
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
