//! Up to where a sorted set stays small.

use crate::table::KeyHasher;

/// Up to where a sorted set is a listpack, and what places its members when it is not.
#[derive(Clone, Debug)]
pub struct ZSetLimits {
    /// The most members.
    pub max_listpack_entries: usize,
    /// The longest member.
    pub max_listpack_value: usize,
    /// For new tables.
    pub hasher: KeyHasher,
}
