//! How large things in a list may become.

/// What the operator set for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// How much a listpack may hold: a number of elements, or from -1 to -5 a number of KiB, 4 to
    /// 64.
    pub max_listpack_size: i32,
    /// How many nodes at each end of a long list stay uncompressed; 0 leaves all of them so.
    pub compress_depth: u32,
    /// Elements of this many bytes and more get a node of their own.
    pub plain_from_bytes: usize,
}

impl ListLimits {
    /// Where elements are too large for a listpack unless a test wants otherwise.
    pub const PLAIN_FROM_BYTES: usize = 1 << 30;

    /// What a listpack may hold.
    pub fn listpack(&self) -> Limit {
        Limit::of(self.max_listpack_size)
    }
}

impl Default for ListLimits {
    fn default() -> ListLimits {
        ListLimits {
            max_listpack_size: -2,
            compress_depth: 0,
            plain_from_bytes: ListLimits::PLAIN_FROM_BYTES,
        }
    }
}

/// What one listpack of a list may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many bytes.
    Bytes(usize),
    /// So many elements, while they are small together.
    Count(usize),
}

/// Bytes that a listpack limited by its number of elements may take all the same.
const COUNTED_BYTES_MAX: usize = 8192;

impl Limit {
    /// The meaning of a `list-max-listpack-size`.
    #[inline]
    pub fn of(max_listpack_size: i32) -> Limit {
        match max_listpack_size {
            0 => Limit::Count(1),
            1.. => Limit::Count(max_listpack_size as usize),
            _ => Limit::Bytes(2048 << max_listpack_size.unsigned_abs().min(5)),
        }
    }

    /// Whether a listpack of this size would be too large.
    #[inline]
    pub fn is_exceeded_by(self, bytes: usize, count: usize) -> bool {
        match self {
            Limit::Bytes(max) => bytes > max,
            Limit::Count(max) => bytes > COUNTED_BYTES_MAX || count > max,
        }
    }

    /// Whether what is in the only node of a list may live without a list around it. A list that
    /// shrinks has to stay below half of the limit, or it would go back and forth.
    pub fn takes_back(self, bytes: usize, count: usize, shrinking: bool) -> bool {
        let share = if shrinking { 2 } else { 1 };
        match self {
            Limit::Bytes(max) => bytes <= max / share,
            Limit::Count(max) => count <= max / share,
        }
    }
}
