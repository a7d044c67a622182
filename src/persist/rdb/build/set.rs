//! Sets, member by member.

use super::means::Means;
use crate::data::element_table::SetTable;
use crate::data::intset::Intset;
use crate::data::listpack::{Element, Listpack};
use crate::data::set::{Set, SetLimits};
use crate::keyspace::Object;
use crate::persist::rdb::cursor::RawString;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};

/// The shortest member in a stream: a length of one byte, and a byte.
const MEMBER_BYTES: u64 = 2;
/// No intset gets longer, whatever the limits say.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

/// A set in the making. A set of integers alone stays an intset if it is short enough; the first
/// member that is none makes it a listpack or a table.
#[derive(Default)]
pub(in super::super) struct SetBuilder {
    set: Set,
    /// Members to make room for.
    room: usize,
    /// Length of the longest member, and of all together.
    longest: usize,
    bytes: usize,
}

impl SetBuilder {
    pub(super) fn start(&mut self, told: u64, means: &Means<'_>) {
        let limits = &means.limits.set;
        self.room = means.room(told, MEMBER_BYTES);
        if told > limits.max_intset_entries.min(INTSET_ENTRIES_MAX) as u64 {
            let table = SetTable::with_capacity(self.room, limits.hasher.clone());
            self.set = Set::Table(Box::new(table));
        }
    }

    #[inline]
    pub(super) fn member(
        &mut self,
        raw: RawString<'_>,
        means: &mut Means<'_>,
    ) -> Result<(), RdbErrorKind> {
        let member = raw.resolve(means.scratch)?;
        let is_new = match &mut self.set {
            Set::Table(table) => table.insert(member),
            _ => self.insert_small(member, &means.limits.set),
        };
        if is_new {
            Ok(())
        } else {
            Err(Flaw::DuplicateMember.into())
        }
    }

    /// Adds a member to what is not a table yet. Returns whether it is new.
    fn insert_small(&mut self, member: &[u8], limits: &SetLimits) -> bool {
        self.longest = self.longest.max(member.len());
        self.bytes += member.len();
        if let Set::Ints(intset) = &mut self.set {
            if let Element::Int(int) = Element::from(member) {
                return intset.insert(int);
            }
            let small = intset.len() < limits.max_listpack_entries
                && self.longest <= limits.max_listpack_value
                && Listpack::new().as_ref().fits(self.bytes);
            if small {
                self.set = Set::Packed(unpacked(intset));
            }
        }
        match &mut self.set {
            Set::Packed(pack)
                if pack.len() < limits.max_listpack_entries
                    && member.len() <= limits.max_listpack_value
                    && pack.as_ref().fits(member.len()) =>
            {
                let view = pack.as_ref();
                let found = view.first().and_then(|first| view.find(first, member, 0));
                if found.is_none() {
                    pack.push_back(member);
                }
                found.is_none()
            }
            set => set.convert(self.room, &limits.hasher).insert(member),
        }
    }

    pub(super) fn finish(self) -> Option<Object> {
        (!self.set.is_empty()).then(|| Object::from(self.set))
    }
}

fn unpacked(intset: &Intset) -> Listpack {
    let mut pack = Listpack::new();
    for int in intset.as_ref().iter() {
        pack.push_back(int);
    }
    pack
}
