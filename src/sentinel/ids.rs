//! Numbers of what belongs to the Sentinel. None is used twice.

/// A master.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MasterId(pub u64);

/// A replica or peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstanceId(pub u64);

/// A link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// A map by one of these numbers. They are ours, so nobody can choose them to collide.
pub type IdMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
