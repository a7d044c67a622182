//! What stands around the entries of a listpack, and where an entry stands.

/// Bytes of the size in front of all.
pub(super) const SIZE_BYTES: usize = 4;
/// Bytes of size and end mark together.
pub(super) const FRAME_BYTES: usize = SIZE_BYTES + 1;
/// Bytes of the count, behind which the first entry begins.
pub(super) const COUNT_BYTES: usize = 2;
/// As the count: count the elements yourself.
pub(super) const COUNT_UNKNOWN: u16 = u16::MAX;
/// No listpack may become larger with its frame, long before that could not tell the size.
pub(super) const SIZE_MAX_BYTES: usize = 1 << 30;

/// Where an entry begins, in bytes from the start of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(pub(super) usize);
