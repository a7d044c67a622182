//! What registers are, whatever their form: how many there are, where they begin, what is asked of
//! one, and what may be wrong with them.

/// How many registers there are.
pub const REGISTERS: usize = 1 << INDEX_BITS;

/// Bits of a hash that choose the register.
pub(super) const INDEX_BITS: u32 = 14;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 16;

/// Why a string was not worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HllError {
    /// It does not begin as a HyperLogLog does, or has not the length of one.
    NotOne,
    /// Its runs do not add up to the number of registers.
    Corrupt,
}

/// The register that an element belongs to, and what it asks of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) register: usize,
    pub(super) value: u8,
}
