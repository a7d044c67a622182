//! Sets.
//!
//! A set of few integers is an intset, another small one a listpack; from the thresholds of
//! [`SetLimits`] on a set is a [`SetTable`]. When it changes from one to the other shows in
//! `OBJECT ENCODING`, in `DUMP` and in memory, so it happens where the reference makes it happen:
//!
//! * A new set takes the form that suits its first member and the number of members to come
//!   ([`Set::with_room_for`]); one that is there becomes a table when too many are announced
//!   ([`Set::expect`]).
//! * A member that does not fit turns the set into a table, or an intset into a listpack
//!   ([`Set::insert`]).
//! * A set never goes back, but for results of intersections, which become intsets where they can
//!   ([`Set::compact`]), and for the rest that is left when most members are popped at once
//!   ([`Set::pop_many`]).

#[cfg(test)]
mod tests;

pub use super::element_table::SetTable;
use super::element_table::{self, Member};
use super::intset::{Intset, IntsetRef};
use super::listpack::{Element, Listpack, ListpackRef, entry_bytes};
use crate::base::rng::Rng;
use crate::table::KeyHasher;

/// No intset gets longer, whatever the limits say.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

/// To pop many members, a new set is made of those that stay if there are at least so many times as
/// many that go.
const POP_REBUILD_FACTOR: usize = 5;

/// Up to where a set is an intset or a listpack, and what places its members when it is neither.
#[derive(Clone, Debug)]
pub struct SetLimits {
    /// The most members of an intset.
    pub max_intset_entries: usize,
    /// The most members of a listpack.
    pub max_listpack_entries: usize,
    /// The longest member of a listpack.
    pub max_listpack_value: usize,
    /// For new tables.
    pub hasher: KeyHasher,
}

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers, in one piece and in order.
    Ints(Intset),
    /// In one piece.
    Packed(Listpack),
    /// In a table.
    Table(Box<SetTable>),
}

impl Default for Set {
    fn default() -> Self {
        Set::new()
    }
}

impl Set {
    /// An empty set.
    pub fn new() -> Set {
        Set::Ints(Intset::new())
    }

    /// An empty set in the form that suits some `count` members of which this is one.
    pub fn with_room_for(count: usize, member: &[u8], limits: &SetLimits) -> Set {
        if count <= limits.max_intset_entries && Element::Bytes(member).as_int().is_some() {
            Set::Ints(Intset::new())
        } else if count <= limits.max_listpack_entries {
            Set::Packed(Listpack::new())
        } else {
            let table = SetTable::with_capacity(count, limits.hasher.clone());
            Set::Table(Box::new(table))
        }
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> SetRef<'_> {
        match self {
            Set::Ints(intset) => SetRef::Ints(intset.as_ref()),
            Set::Packed(listpack) => SetRef::Packed(listpack.as_ref()),
            Set::Table(table) => SetRef::Table(table),
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Prepares for so many members that are about to be added, all of them new perhaps.
    pub fn expect(&mut self, count: usize, limits: &SetLimits) {
        let max = match self {
            Set::Ints(_) => limits.max_intset_entries,
            Set::Packed(_) => limits.max_listpack_entries,
            Set::Table(_) => return,
        };
        if count > max {
            self.convert(count, &limits.hasher);
        }
    }

    /// Adds a member. Returns whether it is new.
    #[inline]
    pub fn insert(&mut self, member: Element<'_>, limits: &SetLimits) -> bool {
        match self {
            Set::Table(table) => member.with_bytes(|text| table.insert(text)),
            Set::Packed(_) => member.with_bytes(|text| self.insert_packed(text, limits)),
            Set::Ints(_) => self.insert_into_intset(member, limits),
        }
    }

    fn insert_packed(&mut self, member: &[u8], limits: &SetLimits) -> bool {
        let Set::Packed(listpack) = self else {
            unreachable!("the caller saw a listpack");
        };
        let view = listpack.as_ref();
        if contains_packed(view, member) {
            return false;
        }
        let has_room = view.len() < limits.max_listpack_entries
            && member.len() <= limits.max_listpack_value
            && view.fits(member.len());
        if has_room {
            listpack.push_back(member);
        } else {
            self.convert(0, &limits.hasher).insert(member);
        }
        true
    }

    fn insert_into_intset(&mut self, member: Element<'_>, limits: &SetLimits) -> bool {
        let Set::Ints(intset) = self else {
            unreachable!("the caller saw an intset");
        };
        if let Some(int) = member.as_int() {
            let is_new = intset.insert(int);
            if is_new && intset.len() > limits.max_intset_entries.min(INTSET_ENTRIES_MAX) {
                self.convert(0, &limits.hasher);
            }
            return is_new;
        }
        let ints = intset.as_ref();
        if member.with_bytes(|text| fits_listpack(ints, text, limits)) {
            let mut listpack = Listpack::new();
            for int in ints.iter() {
                listpack.push_back(int);
            }
            listpack.push_back(member);
            *self = Set::Packed(listpack);
        } else {
            let table = self.convert(0, &limits.hasher);
            member.with_bytes(|text| table.insert(text));
        }
        true
    }

    /// Removes a member. Returns whether there was one.
    #[inline]
    pub fn remove(&mut self, member: Element<'_>) -> bool {
        match self {
            Set::Table(table) => member.with_bytes(|text| table.remove(text)),
            Set::Ints(intset) => member.as_int().is_some_and(|int| intset.remove(int)),
            Set::Packed(listpack) => {
                let view = listpack.as_ref();
                let found = view
                    .first()
                    .and_then(|first| member.with_bytes(|text| view.find(first, text, 0)));
                if let Some(pos) = found {
                    listpack.remove(pos);
                }
                found.is_some()
            }
        }
    }

    /// Removes a member chosen at random and gives it.
    pub fn pop(&mut self, rng: &mut Rng) -> Option<Vec<u8>> {
        match self {
            Set::Table(table) => table.pop_random(rng),
            Set::Ints(intset) => {
                let int = random_int(intset.as_ref(), rng)?;
                intset.remove(int);
                Some(Element::Int(int).to_vec())
            }
            Set::Packed(listpack) => {
                let pos = listpack.as_ref().random(1, rng)?;
                let member = listpack.as_ref().get(pos).to_vec();
                listpack.remove(pos);
                Some(member)
            }
        }
    }

    /// Removes so many members chosen at random, fewer than there are, and visits them.
    pub fn pop_many(
        &mut self,
        count: usize,
        limits: &SetLimits,
        rng: &mut Rng,
        visit: &mut dyn FnMut(Element<'_>),
    ) {
        let stay = self.len().checked_sub(count);
        let stay = stay.expect("not more than there are");
        if stay.saturating_mul(POP_REBUILD_FACTOR) <= count {
            return self.pop_most(stay, limits, rng, visit);
        }
        if let Set::Packed(listpack) = self {
            let places = listpack.as_ref().random_distinct(1, count, rng);
            for pos in &places {
                visit(listpack.as_ref().get(*pos));
            }
            listpack.remove_all(&places);
            return;
        }
        for _ in 0..count {
            let member = self.pop(rng).expect("not more than there are");
            visit(Element::Bytes(&member));
        }
    }

    /// Makes a new set of those that stay.
    fn pop_most(
        &mut self,
        stay: usize,
        limits: &SetLimits,
        rng: &mut Rng,
        visit: &mut dyn FnMut(Element<'_>),
    ) {
        let mut rest = match self {
            Set::Ints(_) => Set::new(),
            Set::Packed(_) | Set::Table(_) => Set::Packed(Listpack::new()),
        };
        let view = self.as_ref();
        view.sample(stay, rng, &mut |member| {
            rest.insert(member, limits);
        });
        let kept = rest.as_ref();
        view.iter()
            .filter(|member| !kept.contains(*member))
            .for_each(visit);
        *self = rest;
    }

    /// Makes a set whose members are all integers an intset, if it may be one.
    pub fn compact(&mut self, limits: &SetLimits) {
        let is_intset = matches!(self, Set::Ints(_));
        if is_intset || self.len() > limits.max_intset_entries.min(INTSET_ENTRIES_MAX) {
            return;
        }
        let mut intset = Intset::new();
        for member in self.as_ref().iter() {
            let Some(int) = member.as_int() else {
                return;
            };
            intset.insert(int);
        }
        *self = Set::Ints(intset);
    }

    /// Makes it a table, with room for so many members at least.
    pub fn convert(&mut self, room: usize, hasher: &KeyHasher) -> &mut SetTable {
        if !matches!(self, Set::Table(_)) {
            let view = self.as_ref();
            let mut table = SetTable::with_capacity((view.len() + 1).max(room), hasher.clone());
            for member in view.iter() {
                member.with_bytes(|text| table.insert(text));
            }
            *self = Set::Table(Box::new(table));
        }
        match self {
            Set::Table(table) => table,
            Set::Ints(_) | Set::Packed(_) => unreachable!("it was made a table"),
        }
    }
}

/// Whether an intset with one more member that is no integer may be a listpack. Its integers count
/// as long as the longer of the outermost ones.
fn fits_listpack(intset: IntsetRef<'_>, member: &[u8], limits: &SetLimits) -> bool {
    let ends = [intset.min(), intset.max()];
    let ends = || ends.into_iter().flatten().map(Element::Int);
    let longest = ends().map(Element::text_len).max().unwrap_or(0);
    let bytes = ends().map(entry_bytes).max().unwrap_or(0);
    let empty = Listpack::new();
    intset.len() < limits.max_listpack_entries
        && member.len().max(longest) <= limits.max_listpack_value
        && empty.as_ref().fits(bytes * intset.len() + member.len())
}

fn random_int(intset: IntsetRef<'_>, rng: &mut Rng) -> Option<i64> {
    let len = intset.len() as u64;
    (len > 0).then(|| intset.get(rng.below(len) as usize))?
}

#[inline]
fn contains_packed(listpack: ListpackRef<'_>, member: &[u8]) -> bool {
    let found = |first| listpack.find(first, member, 0);
    listpack.first().and_then(found).is_some()
}

/// A set, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// Integers, in one piece and in order.
    Ints(IntsetRef<'a>),
    /// In one piece.
    Packed(ListpackRef<'a>),
    /// In a table.
    Table(&'a SetTable),
}

/// A member of a table.
#[inline]
fn element(member: Member<'_>) -> Element<'_> {
    Element::Bytes(member.name())
}

impl<'a> SetRef<'a> {
    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(intset) => intset.len(),
            SetRef::Packed(listpack) => listpack.len(),
            SetRef::Table(table) => table.len(),
        }
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether this is a member.
    #[inline]
    pub fn contains(self, member: Element<'_>) -> bool {
        match self {
            SetRef::Ints(intset) => member.as_int().is_some_and(|int| intset.contains(int)),
            SetRef::Packed(listpack) => member.with_bytes(|text| contains_packed(listpack, text)),
            SetRef::Table(table) => member.with_bytes(|text| table.contains(text)),
        }
    }

    /// All members; integers of an intset in order.
    pub fn iter(self) -> Members<'a> {
        match self {
            SetRef::Ints(intset) => Members::Ints { intset, next: 0 },
            SetRef::Packed(listpack) => Members::Packed(listpack.entries()),
            SetRef::Table(table) => Members::Table(table.iter()),
        }
    }

    /// Visits members from `cursor` on, some `count` of them or, where it is no table, all; returns
    /// the cursor to go on from. See [`element_table::ElementTable::scan`].
    pub fn scan(self, cursor: u64, count: usize, visit: &mut dyn FnMut(Element<'_>)) -> u64 {
        match self {
            SetRef::Ints(_) | SetRef::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            SetRef::Table(table) => table.scan(cursor, count, &mut |member| visit(element(member))),
        }
    }

    /// A member chosen at random.
    pub fn random(self, rng: &mut Rng) -> Option<Element<'a>> {
        match self {
            SetRef::Ints(intset) => random_int(intset, rng).map(Element::Int),
            SetRef::Packed(listpack) => listpack.random(1, rng).map(|pos| listpack.get(pos)),
            SetRef::Table(table) => table.random(rng).map(element),
        }
    }

    /// Visits so many members chosen at random, each time from all of them. There must be one.
    pub fn draw(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Element<'a>)) {
        let SetRef::Packed(listpack) = self else {
            let mut draw = || visit(self.random(rng).expect("there is a member"));
            return (0..count).for_each(|_| draw());
        };
        for pos in listpack.random_repeating(1, count, rng) {
            visit(listpack.get(pos));
        }
    }

    /// Visits so many different members chosen at random, or all where there are no more.
    pub fn sample(self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Element<'a>)) {
        match self {
            SetRef::Ints(_) => rng.choose(count, self.len(), self.iter(), visit),
            SetRef::Packed(listpack) => {
                for pos in listpack.random_distinct(1, count, rng) {
                    visit(listpack.get(pos));
                }
            }
            SetRef::Table(table) => table.sample(count, rng, &mut |member| visit(element(member))),
        }
    }

    /// Bytes that it takes, without room to spare.
    pub fn memory(self) -> usize {
        match self {
            SetRef::Ints(intset) => intset.bytes().len(),
            SetRef::Packed(listpack) => listpack.body().len(),
            SetRef::Table(table) => table.memory(),
        }
    }

    /// How many allocations there are to free, about.
    pub fn free_effort(self) -> usize {
        match self {
            SetRef::Ints(_) | SetRef::Packed(_) => 1,
            SetRef::Table(table) => table.len(),
        }
    }
}

/// See [`SetRef::iter`].
pub enum Members<'a> {
    /// Of an intset.
    Ints {
        /// The intset.
        intset: IntsetRef<'a>,
        /// The index of the next member.
        next: usize,
    },
    /// Of a listpack.
    Packed(super::listpack::Entries<'a>),
    /// Of a table.
    Table(element_table::Iter<'a, false>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Members::Ints { intset, next } => {
                let int = intset.get(*next)?;
                *next += 1;
                Some(Element::Int(int))
            }
            Members::Packed(entries) => entries.next().map(|(_, member)| member),
            Members::Table(table) => table.next().map(element),
        }
    }
}
