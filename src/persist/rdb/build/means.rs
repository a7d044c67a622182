//! What values are built with: the limits of small forms, and how much may still come.

use crate::data::hash::HashLimits;
use crate::data::list::ListLimits;
use crate::data::set::SetLimits;
use crate::data::zset::ZSetLimits;
use crate::table::KeyHasher;

/// Up to where loaded collections take their small forms.
#[derive(Debug, Clone)]
pub struct BuildLimits {
    /// Lists.
    pub list: ListLimits,
    /// Hashes.
    pub hash: HashLimits,
    /// Sets.
    pub set: SetLimits,
    /// Sorted sets.
    pub zset: ZSetLimits,
}

impl BuildLimits {
    /// Limits of a server that was not configured, for values that nobody keeps.
    pub fn usual() -> BuildLimits {
        const VALUE_BYTES: usize = 64;
        let hasher = KeyHasher::from_seed([0, 0]);
        BuildLimits {
            list: ListLimits::default(),
            hash: HashLimits {
                max_listpack_entries: 512,
                max_listpack_value: VALUE_BYTES,
                hasher: hasher.clone(),
            },
            set: SetLimits {
                max_intset_entries: 512,
                max_listpack_entries: 128,
                max_listpack_value: VALUE_BYTES,
                hasher: hasher.clone(),
            },
            zset: ZSetLimits {
                max_listpack_entries: 128,
                max_listpack_value: VALUE_BYTES,
                hasher,
            },
        }
    }
}

/// What a builder works with.
pub(in super::super) struct Means<'a> {
    pub limits: &'a BuildLimits,
    /// Bytes of the stream that may still come.
    pub ahead: u64,
    pub scratch: &'a mut Vec<u8>,
}

impl Means<'_> {
    /// How many of `told` members to make room for, each of which takes so many bytes at least.
    pub(super) fn room(&self, told: u64, member_bytes: u64) -> usize {
        usize::try_from(told.min(self.ahead / member_bytes)).unwrap_or(usize::MAX)
    }
}
