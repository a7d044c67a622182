//! The intset: a small set of integers as one sorted array.
//!
//! Each member takes two, four or eight bytes, the same for all: as many as the widest one has ever
//! needed. Sorted, so that membership is a binary search; the width never goes back. The format is
//! the reference's, since `DUMP` and RDB files show it, all numbers with their low byte first:
//!
//! ```text
//! width (4 bytes: 2, 4 or 8)  count (4 bytes)  member member member ...
//! ```
//!
//! [`IntsetRef`] reads bytes wherever they lie, [`Intset`] owns them and writes. Both are for bytes
//! that we made or have checked ([`IntsetRef::validate`]); on others they may panic, never read
//! astray.

use thiserror::Error;

use crate::base::size_class::size_class;

/// Bytes before the first member.
const HEADER_BYTES: usize = 8;

/// Why bytes are not an intset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IntsetError {
    /// Not even a header.
    #[error("shorter than a header")]
    Short,
    /// Members of no known width.
    #[error("members of {0} bytes")]
    Width(u32),
    /// The header tells another number of members than there is room for.
    #[error("count in the header differs from the real one")]
    Count,
    /// No members at all, which no set in the keyspace has.
    #[error("no members")]
    Empty,
    /// A member is not larger than the one before it.
    #[error("members out of order")]
    Order,
}

/// Bytes that a member needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two,
    Four,
    Eight,
}

impl Width {
    #[inline]
    fn of(value: i64) -> Width {
        if i16::try_from(value).is_ok() {
            Width::Two
        } else if i32::try_from(value).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }

    fn from_bytes(bytes: usize) -> Option<Width> {
        match bytes {
            2 => Some(Width::Two),
            4 => Some(Width::Four),
            8 => Some(Width::Eight),
            _ => None,
        }
    }

    #[inline]
    fn bytes(self) -> usize {
        match self {
            Width::Two => 2,
            Width::Four => 4,
            Width::Eight => 8,
        }
    }
}

/// An intset that lies in somebody else's memory.
#[derive(Clone, Copy)]
pub struct IntsetRef<'a> {
    bytes: &'a [u8],
    width: Width,
}

impl<'a> IntsetRef<'a> {
    /// A view of bytes that are known to be an intset; see [`IntsetRef::validate`] for others.
    #[inline]
    pub fn from_bytes(bytes: &'a [u8]) -> IntsetRef<'a> {
        let width = Width::from_bytes(usize::from(bytes[0])).expect("the bytes of an intset");
        IntsetRef { bytes, width }
    }

    /// Checks every byte that a later search relies on.
    pub fn validate(bytes: &'a [u8]) -> Result<IntsetRef<'a>, IntsetError> {
        let (header, members) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(IntsetError::Short)?;
        let [w0, w1, w2, w3, c0, c1, c2, c3] = *header;
        let told_width = u32::from_le_bytes([w0, w1, w2, w3]);
        let told_count = u32::from_le_bytes([c0, c1, c2, c3]);
        let width = Width::from_bytes(told_width as usize).ok_or(IntsetError::Width(told_width))?;
        if (told_count as usize).checked_mul(width.bytes()) != Some(members.len()) {
            return Err(IntsetError::Count);
        }
        if told_count == 0 {
            return Err(IntsetError::Empty);
        }
        let view = IntsetRef { bytes, width };
        if !view.iter().is_sorted_by(|a, b| a < b) {
            return Err(IntsetError::Order);
        }
        Ok(view)
    }

    /// All bytes, header included.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        (self.bytes.len() - HEADER_BYTES) / self.width.bytes()
    }

    /// Whether there are no members.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.bytes.len() == HEADER_BYTES
    }

    /// The member with this index, the smallest one having 0.
    #[inline]
    pub fn get(self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    #[inline]
    fn at(self, index: usize) -> i64 {
        let width = self.width.bytes();
        let raw = &self.bytes[HEADER_BYTES + index * width..][..width];
        match self.width {
            Width::Two => i64::from(i16::from_le_bytes(raw.try_into().expect("two bytes"))),
            Width::Four => i64::from(i32::from_le_bytes(raw.try_into().expect("four bytes"))),
            Width::Eight => i64::from_le_bytes(raw.try_into().expect("eight bytes")),
        }
    }

    /// The index of `value`, or the index it would get.
    #[inline]
    fn search(self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Sets that grow in order are frequent.
        if high > 0 && self.at(high - 1) < value {
            return Err(high);
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Whether `value` is a member.
    #[inline]
    pub fn contains(self, value: i64) -> bool {
        Width::of(value) <= self.width && self.search(value).is_ok()
    }

    /// The smallest member.
    pub fn min(self) -> Option<i64> {
        self.get(0)
    }

    /// The largest member.
    pub fn max(self) -> Option<i64> {
        self.get(self.len().wrapping_sub(1))
    }

    /// The members in order.
    #[inline]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + 'a {
        (0..self.len()).map(move |index| self.at(index))
    }
}

impl std::fmt::Debug for IntsetRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// An intset of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset {
    bytes: Vec<u8>,
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl Intset {
    /// An empty one.
    pub fn new() -> Intset {
        Intset {
            bytes: vec![2, 0, 0, 0, 0, 0, 0, 0],
        }
    }

    /// Takes bytes that are known to be an intset.
    pub fn from_bytes(bytes: Vec<u8>) -> Intset {
        debug_assert!(
            matches!(IntsetRef::validate(&bytes), Ok(_) | Err(IntsetError::Empty)),
            "{bytes:?}"
        );
        Intset { bytes }
    }

    /// Gives the bytes away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> IntsetRef<'_> {
        IntsetRef::from_bytes(&self.bytes)
    }

    /// All bytes, header included.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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

    /// Bytes of memory that the members take, spare room included.
    pub fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds `value`; false if it is a member already.
    pub fn insert(&mut self, value: i64) -> bool {
        if Width::of(value) > self.as_ref().width {
            self.widen(Width::of(value));
        }
        let view = self.as_ref();
        let Err(index) = view.search(value) else {
            return false;
        };
        let width = view.width.bytes();
        let at = HEADER_BYTES + index * width;
        let end = self.bytes.len();
        self.lengthen(end + width);
        self.bytes.copy_within(at..end, at + width);
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_count();
        true
    }

    /// Removes `value`; false if it is no member.
    pub fn remove(&mut self, value: i64) -> bool {
        let view = self.as_ref();
        if Width::of(value) > view.width {
            return false;
        }
        let Ok(index) = view.search(value) else {
            return false;
        };
        let width = view.width.bytes();
        let at = HEADER_BYTES + index * width;
        self.bytes.drain(at..at + width);
        self.set_count();
        true
    }

    /// Gives every member `width`. The last ones move first: none overwrites one not yet moved.
    fn widen(&mut self, width: Width) {
        let (old, len) = (self.as_ref().width.bytes(), self.len());
        let new = width.bytes();
        self.lengthen(HEADER_BYTES + len * new);
        for index in (0..len).rev() {
            let old = IntsetRef {
                bytes: &self.bytes[..HEADER_BYTES + len * old],
                width: Width::from_bytes(old).expect("the width it had"),
            };
            let value = old.at(index);
            let at = HEADER_BYTES + index * new;
            self.bytes[at..at + new].copy_from_slice(&value.to_le_bytes()[..new]);
        }
        self.bytes[0] = new as u8;
    }

    /// Appends zeros. What is allocated is the size class that fits, and not twice of what was
    /// there: sets of some hundred integers are many, and classes leave room enough to grow.
    fn lengthen(&mut self, len: usize) {
        if len > self.bytes.capacity() {
            self.bytes.reserve_exact(size_class(len) - self.bytes.len());
        }
        self.bytes.resize(len, 0);
    }

    fn set_count(&mut self) {
        let count = u32::try_from(self.len()).expect("an intset has less than 2^32 members");
        self.bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_ref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(values: &[i64]) -> Intset {
        let mut set = Intset::new();
        for &value in values {
            set.insert(value);
        }
        set
    }

    #[test]
    fn members_are_sorted_and_the_width_follows_the_widest_one() {
        let vectors: &[(&[i64], &[u8])] = &[
            (&[], &[2, 0, 0, 0, 0, 0, 0, 0]),
            (&[3, 1, 3], &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 3, 0]),
            (
                &[-1, 32768],
                &[4, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255, 0, 128, 0, 0],
            ),
            (
                &[1, -2_147_483_649],
                &[
                    8, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 127, 255, 255, 255, 255, 1, 0, 0, 0, 0,
                    0, 0, 0,
                ],
            ),
        ];
        for (values, bytes) in vectors {
            assert_eq!(set(values).bytes(), *bytes, "{values:?}");
        }
        let mut narrow_again = set(&[1, 70_000]);
        assert!(narrow_again.remove(70_000) && !narrow_again.remove(70_000));
        assert_eq!(narrow_again.bytes()[0], 4);
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let judge = |bytes: &[u8]| IntsetRef::validate(bytes).map(IntsetRef::len);
        assert_eq!(judge(&[2, 0, 0, 0, 1, 0, 0]), Err(IntsetError::Short));
        assert_eq!(
            judge(&[3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]),
            Err(IntsetError::Width(3))
        );
        assert_eq!(
            judge(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0]),
            Err(IntsetError::Count)
        );
        assert_eq!(judge(Intset::new().bytes()), Err(IntsetError::Empty));
        assert_eq!(
            judge(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0]),
            Err(IntsetError::Order)
        );
        assert_eq!(judge(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0]), Ok(2));
    }

    fn value() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => -20i64..20,
            2 => any::<i16>().prop_map(i64::from),
            1 => any::<i32>().prop_map(i64::from),
            1 => any::<i64>(),
        ]
    }

    proptest! {
        #[test]
        fn any_history_gives_what_a_tree_gives(
            steps in proptest::collection::vec((any::<bool>(), value()), 0..200)
        ) {
            let mut set = Intset::new();
            let mut model = BTreeSet::new();
            for (add, value) in steps {
                if add {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert_eq!(set.as_ref().contains(value), add);
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert!(model.is_empty() || IntsetRef::validate(set.bytes()).is_ok());
            }
            prop_assert!(set.as_ref().iter().eq(model.iter().copied()));
            prop_assert_eq!(set.as_ref().min(), model.first().copied());
            prop_assert_eq!(set.as_ref().max(), model.last().copied());
            prop_assert_eq!(set.as_ref().get(model.len()), None);
        }
    }
}
