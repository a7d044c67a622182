//! Judging bytes that claim to be a listpack.
//!
//! They come from `RESTORE` and from files, so from anybody. What passes here can be walked in both
//! directions without leaving the slice: each entry lies within it, and the size behind the entry
//! agrees with the one before.

use super::ListpackRef;
use super::encoding::{END, backlen_bytes, entry_size, read_backlen};
use super::frame::{COUNT_BYTES, COUNT_UNKNOWN, FRAME_BYTES, SIZE_BYTES};
use thiserror::Error;

/// Why bytes are not a listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ListpackError {
    /// Not even a header and an end.
    #[error("shorter than an empty listpack")]
    Short,
    /// The header tells another size.
    #[error("size in the header differs from the real one")]
    Size,
    /// The last byte is not the end mark.
    #[error("no end mark")]
    End,
    /// An entry is of no known form, or reaches over the end.
    #[error("broken entry at byte {0}")]
    Entry(usize),
    /// The header tells another number of elements.
    #[error("count in the header differs from the real one")]
    Count,
}

impl<'a> ListpackRef<'a> {
    /// Checks every byte that a later walk relies on.
    pub fn validate(bytes: &'a [u8]) -> Result<ListpackRef<'a>, ListpackError> {
        if bytes.len() < FRAME_BYTES + COUNT_BYTES {
            return Err(ListpackError::Short);
        }
        let told = u32::from_le_bytes(bytes[..SIZE_BYTES].try_into().expect("four bytes"));
        if told as usize != bytes.len() {
            return Err(ListpackError::Size);
        }
        if bytes[bytes.len() - 1] != END {
            return Err(ListpackError::End);
        }
        let view = ListpackRef::from_framed(bytes);
        let (body, end) = (view.body(), view.end());
        let (mut at, mut count) = (COUNT_BYTES, 0usize);
        while at < end {
            at = checked_skip(body, at, end).ok_or(ListpackError::Entry(at + SIZE_BYTES))?;
            count += 1;
        }
        match view.told_count() {
            COUNT_UNKNOWN => Ok(view),
            told if usize::from(told) == count => Ok(view),
            _ => Err(ListpackError::Count),
        }
    }
}

/// Where the entry behind the one at `at` begins, which is at most at `end`.
fn checked_skip(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let size = entry_size(bytes, at)?;
    let next = at.checked_add(size)?.checked_add(backlen_bytes(size))?;
    (next <= end && read_backlen(bytes, next) == Some(size)).then_some(next)
}
