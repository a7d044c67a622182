//! Hashes: fields with values.
//!
//! Small ones are a listpack, field and value in turn; from the thresholds of [`HashLimits`] on
//! they are a [`HashTable`], and stay one. When exactly that happens shows in `OBJECT ENCODING`,
//! in `DUMP` and in memory, so it happens where the reference makes it happen: before a command's
//! pairs go in, if there are too many of them or one is too long ([`Hash::expect`]), and after a
//! pair that is one too many has gone in ([`Hash::set`]).

#[cfg(test)]
mod tests;

pub use super::element_table::HashTable;
use super::element_table::{self, Field};
use super::listpack::{Element, Listpack, ListpackRef, Pos};
use crate::base::rng::Rng;
use crate::table::KeyHasher;

/// In a listpack, a value stands between two fields.
const GROUP: usize = 2;

/// Up to where a hash is a listpack, and what places its fields when it is not.
#[derive(Clone, Debug)]
pub struct HashLimits {
    /// The most fields.
    pub max_listpack_entries: usize,
    /// The longest field or value.
    pub max_listpack_value: usize,
    /// For new tables.
    pub hasher: KeyHasher,
}

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// In one piece.
    Packed(Listpack),
    /// In a table.
    Table(Box<HashTable>),
}

impl Default for Hash {
    fn default() -> Self {
        Hash::new()
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Hash {
        Hash::Packed(Listpack::new())
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> HashRef<'_> {
        match self {
            Hash::Packed(listpack) => HashRef::Packed(listpack.as_ref()),
            Hash::Table(table) => HashRef::Table(table),
        }
    }

    /// How many fields there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there are no fields.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Prepares for fields and values that are about to be set, all of them new perhaps.
    pub fn expect<'w>(
        &mut self,
        mut words: impl ExactSizeIterator<Item = &'w [u8]>,
        limits: &HashLimits,
    ) {
        let Hash::Packed(listpack) = self else {
            return;
        };
        let pairs = words.len() / GROUP;
        if pairs > limits.max_listpack_entries {
            return self.convert(pairs, &limits.hasher);
        }
        let short = |sum: usize, word: &[u8]| {
            (word.len() <= limits.max_listpack_value).then_some(sum + word.len())
        };
        let sum = words.try_fold(0, short);
        if !sum.is_some_and(|sum| listpack.as_ref().fits(sum)) {
            self.convert(0, &limits.hasher);
        }
    }

    /// Gives a field a value. Returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        let too_long = field.len().max(value.len()) > limits.max_listpack_value;
        if too_long {
            self.convert(0, &limits.hasher);
        }
        let listpack = match self {
            Hash::Table(table) => return table.set(field, value),
            Hash::Packed(listpack) => listpack,
        };
        let view = listpack.as_ref();
        let old = find(view, field).map(|pos| value_pos(view, pos));
        if let Some(pos) = old {
            listpack.replace(pos, value);
        } else {
            listpack.push_back(field);
            listpack.push_back(value);
        }
        if listpack.len() > GROUP.saturating_mul(limits.max_listpack_entries) {
            self.convert(0, &limits.hasher);
        }
        old.is_none()
    }

    /// Removes a field. Returns whether there was one.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Table(table) => table.remove(field),
            Hash::Packed(listpack) => {
                let found = find(listpack.as_ref(), field);
                if let Some(pos) = found {
                    listpack.remove_many(pos, GROUP);
                }
                found.is_some()
            }
        }
    }

    /// Makes it a table, with room for so many fields at least.
    pub fn convert(&mut self, room: usize, hasher: &KeyHasher) {
        let Hash::Packed(_) = self else {
            return;
        };
        let view = self.as_ref();
        let mut table = HashTable::with_capacity(view.len().max(room), hasher.clone());
        for (field, value) in view.iter() {
            field.with_bytes(|field| value.with_bytes(|value| table.set(field, value)));
        }
        *self = Hash::Table(Box::new(table));
    }
}

/// The place of a field.
#[inline]
fn find(listpack: ListpackRef<'_>, field: &[u8]) -> Option<Pos> {
    listpack.find(listpack.first()?, field, GROUP - 1)
}

/// The place of the value behind a field.
#[inline]
fn value_pos(listpack: ListpackRef<'_>, field: Pos) -> Pos {
    listpack.next(field).expect("behind a field stands a value")
}

/// A hash, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// In one piece.
    Packed(ListpackRef<'a>),
    /// In a table.
    Table(&'a HashTable),
}

/// A field and its value.
pub type Pair<'a> = (Element<'a>, Element<'a>);

/// A field of a table with its value.
#[inline]
fn pair(field: Field<'_>) -> Pair<'_> {
    (Element::Bytes(field.name()), Element::Bytes(field.value()))
}

/// A field of a listpack with its value.
#[inline]
fn pair_at(listpack: ListpackRef<'_>, pos: Pos) -> Pair<'_> {
    let value = value_pos(listpack, pos);
    (listpack.get(pos), listpack.get(value))
}

impl<'a> HashRef<'a> {
    /// How many fields there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            HashRef::Packed(listpack) => listpack.len() / GROUP,
            HashRef::Table(table) => table.len(),
        }
    }

    /// Whether there are no fields.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self {
            HashRef::Packed(listpack) => listpack.is_empty(),
            HashRef::Table(table) => table.is_empty(),
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self {
            HashRef::Packed(listpack) => {
                let pos = find(listpack, field)?;
                Some(listpack.get(value_pos(listpack, pos)))
            }
            HashRef::Table(table) => table.get(field).map(|found| Element::Bytes(found.value())),
        }
    }

    /// Whether there is such a field.
    #[inline]
    pub fn contains(self, field: &[u8]) -> bool {
        match self {
            HashRef::Packed(listpack) => find(listpack, field).is_some(),
            HashRef::Table(table) => table.contains(field),
        }
    }

    /// All fields with their values.
    pub fn iter(self) -> Pairs<'a> {
        match self {
            HashRef::Packed(listpack) => Pairs::Packed {
                listpack,
                next: listpack.first(),
            },
            HashRef::Table(table) => Pairs::Table(table.iter()),
        }
    }

    /// Visits fields from `cursor` on, some `count` of them or, of a listpack, all; returns the
    /// cursor to go on from. See [`element_table::ElementTable::scan`].
    pub fn scan(self, cursor: u64, count: usize, visit: &mut dyn FnMut(Pair<'_>)) -> u64 {
        match self {
            HashRef::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            HashRef::Table(table) => table.scan(cursor, count, &mut |field| visit(pair(field))),
        }
    }

    /// A field chosen at random.
    pub fn random(self, rng: &mut Rng) -> Option<Pair<'a>> {
        match self {
            HashRef::Packed(listpack) => {
                let pos = listpack.random(GROUP, rng)?;
                Some(pair_at(listpack, pos))
            }
            HashRef::Table(table) => table.random(rng).map(pair),
        }
    }

    /// Visits so many fields chosen at random, each time from all of them. There must be one.
    pub fn draw(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Pair<'a>)) {
        match self {
            HashRef::Packed(listpack) => {
                for pos in listpack.random_repeating(GROUP, count, rng) {
                    visit(pair_at(listpack, pos));
                }
            }
            HashRef::Table(table) => {
                (0..count).for_each(|_| visit(pair(table.random(rng).expect("there is a field"))));
            }
        }
    }

    /// Visits so many different fields chosen at random, or all where there are no more.
    pub fn sample(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Pair<'a>)) {
        match self {
            HashRef::Packed(listpack) => {
                for pos in listpack.random_distinct(GROUP, count, rng) {
                    visit(pair_at(listpack, pos));
                }
            }
            HashRef::Table(table) => table.sample(count, rng, &mut |field| visit(pair(field))),
        }
    }

    /// Bytes that it takes, without room to spare.
    pub fn memory(self) -> usize {
        match self {
            HashRef::Packed(listpack) => listpack.body().len(),
            HashRef::Table(table) => table.memory(),
        }
    }

    /// How many allocations there are to free, about.
    pub fn free_effort(self) -> usize {
        match self {
            HashRef::Packed(_) => 1,
            HashRef::Table(table) => table.len(),
        }
    }
}

/// See [`HashRef::iter`].
pub enum Pairs<'a> {
    /// Of a listpack.
    Packed {
        /// The listpack.
        listpack: ListpackRef<'a>,
        /// The next field.
        next: Option<Pos>,
    },
    /// Of a table.
    Table(element_table::Iter<'a, true>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        match self {
            Pairs::Packed { listpack, next } => {
                let field = (*next)?;
                let value = value_pos(*listpack, field);
                *next = listpack.next(value);
                Some((listpack.get(field), listpack.get(value)))
            }
            Pairs::Table(table) => table.next().map(pair),
        }
    }
}
