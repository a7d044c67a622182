//! The listpack: a small collection as one run of bytes.
//!
//! Hundreds of short strings are cheaper to walk in one block than to hold apart, so every small
//! list, hash, set and sorted set is one of these, and so is each node of a long list and of a
//! stream. The format is the reference's to the byte, since `DUMP`, RDB files and sizes that
//! decide about conversions all show it:
//!
//! ```text
//! size (4 bytes)  count (2 bytes)  entry entry entry ...  0xff
//! ```
//!
//! Both numbers have their low byte first. A count of 65535 means that nobody knows and the
//! elements have to be counted. `encoding` tells what an entry looks like.
//!
//! Size and end mark, the frame, say only where it ends. Whoever holds a listpack in memory knows
//! that, so the frame is there in files and payloads alone; kept is the body between. A small
//! collection is five bytes smaller by that, which is a size class now and then.
//!
//! [`ListpackRef`] reads bytes wherever they lie, also inside an entry of the keyspace.
//! [`Listpack`] owns them and writes. Its body may begin some way into its buffer: taking from the
//! head then moves the count instead of everything else, and so does adding there once
//! [`Listpack::reserve_front`] has made room, which nodes of long lists ask for.
//!
//! A place is where an entry begins ([`Pos`]) and holds until the next write; writes return the
//! place to go on from. Both are for bytes that we made or have checked
//! ([`ListpackRef::validate`]); on others they may panic, never read astray.

mod element;
mod encoding;
mod frame;
mod random;
#[cfg(test)]
mod tests;
mod validate;
mod view;

pub use element::Element;
pub use encoding::ENTRY_BYTES_MAX;
pub use frame::Pos;
pub use validate::ListpackError;
pub use view::{Entries, ListpackRef};

use crate::base::size_class::size_class;
use encoding::{ENTRY_OVERHEAD_BYTES_MAX, Encoded, skip};
use frame::{COUNT_BYTES, COUNT_UNKNOWN, SIZE_BYTES};

/// Up to this size everything behind a change is moved: to look for the shorter side does not pay.
const SMALL_BYTES: usize = 256;
const EMPTY: [u8; COUNT_BYTES] = [0; COUNT_BYTES];

/// The bytes that `element` takes in a listpack.
pub fn entry_bytes<'e>(element: impl Into<Element<'e>>) -> usize {
    Encoded::new(element.into()).total()
}

/// A listpack of our own.
pub struct Listpack {
    buffer: Vec<u8>,
    /// Where in the buffer the body begins; it ends where the buffer ends.
    start: usize,
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Listpack {
    /// An empty one.
    pub fn new() -> Listpack {
        Listpack::from_body(EMPTY.to_vec())
    }

    /// An empty one with room for a body of `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Listpack {
        let mut body = Vec::with_capacity(bytes.max(EMPTY.len()));
        body.extend_from_slice(&EMPTY);
        Listpack::from_body(body)
    }

    /// Takes bytes that are known to be a listpack.
    pub fn from_framed(mut bytes: Vec<u8>) -> Listpack {
        debug_assert!(ListpackRef::validate(&bytes).is_ok(), "{bytes:?}");
        bytes.pop();
        Listpack {
            buffer: bytes,
            start: SIZE_BYTES,
        }
    }

    /// Takes what [`Listpack::into_body`] gave away.
    #[inline]
    pub fn from_body(body: Vec<u8>) -> Listpack {
        Listpack {
            buffer: body,
            start: 0,
        }
    }

    /// Gives the body away.
    #[inline]
    pub fn into_body(mut self) -> Vec<u8> {
        self.buffer.drain(..self.start);
        self.buffer
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> ListpackRef<'_> {
        ListpackRef::from_body(self.body())
    }

    #[inline]
    fn body(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// How many bytes it has in files and payloads, frame included. Limits are in these, too.
    #[inline]
    pub fn framed_len(&self) -> usize {
        self.as_ref().framed_len()
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Bytes of memory that the elements take, spare room included.
    pub fn allocated_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives spare room back to the allocator.
    pub fn shrink_to_fit(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.shrink_to(size_class(self.buffer.len()));
    }

    /// Adds an element behind the last one.
    #[inline]
    pub fn push_back<'e>(&mut self, element: impl Into<Element<'e>>) -> Pos {
        let end = self.as_ref().end();
        self.write_new(end, &Encoded::new(element.into()))
    }

    /// Adds elements behind the last one, making room for all of them at once: they are at most
    /// `count`, with texts of at most `text_bytes` together.
    #[inline]
    pub fn extend_back<'e>(
        &mut self,
        elements: impl Iterator<Item = Element<'e>>,
        count: usize,
        text_bytes: usize,
    ) {
        let end = self.as_ref().end();
        self.make_room(end, 0, text_bytes + count * ENTRY_OVERHEAD_BYTES_MAX);
        let mut at = self.start + end;
        let mut len = usize::from(self.as_ref().told_count());
        for element in elements {
            let new = Encoded::new(element);
            let next = at + new.total();
            new.write(&mut self.buffer[at..next]);
            at = next;
            len += 1;
        }
        self.buffer.truncate(at);
        self.set_count(len);
    }

    /// Adds an element before the first one.
    #[inline]
    pub fn push_front<'e>(&mut self, element: impl Into<Element<'e>>) -> Pos {
        self.write_new(COUNT_BYTES, &Encoded::new(element.into()))
    }

    /// Adds an element before the one at `pos`; returns the new one's place.
    pub fn insert_before<'e>(&mut self, pos: Pos, element: impl Into<Element<'e>>) -> Pos {
        self.write_new(pos.0, &Encoded::new(element.into()))
    }

    /// Adds an element behind the one at `pos`; returns the new one's place.
    pub fn insert_after<'e>(&mut self, pos: Pos, element: impl Into<Element<'e>>) -> Pos {
        let at = skip(self.body(), pos.0);
        self.write_new(at, &Encoded::new(element.into()))
    }

    /// Puts another element in the place of the one at `pos`; the place stays.
    pub fn replace<'e>(&mut self, pos: Pos, element: impl Into<Element<'e>>) -> Pos {
        let old = skip(self.body(), pos.0) - pos.0;
        let new = Encoded::new(element.into());
        self.write(pos.0, old, &new);
        pos
    }

    /// Removes the element at `pos`; returns the place of the one behind it.
    #[inline]
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        self.remove_many(pos, 1)
    }

    /// Removes up to `count` elements from `pos` on; returns the place of the one behind them.
    pub fn remove_many(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        let view = self.as_ref();
        let (mut to, mut removed) = (pos.0, 0);
        while removed < count && to < view.end() {
            to = skip(view.body(), to);
            removed += 1;
        }
        self.cut(pos.0, to, removed)
    }

    /// Removes up to `count` elements from the one with this index on (-1 is the last one); returns
    /// how many there were.
    pub fn remove_range(&mut self, index: i64, count: usize) -> usize {
        let Some(pos) = self.as_ref().seek(index) else {
            return 0;
        };
        let before = self.len();
        let from = if index < 0 {
            before - index.unsigned_abs() as usize
        } else {
            index as usize
        };
        if count >= before - from {
            let end = self.as_ref().end();
            self.cut(pos.0, end, before - from);
        } else {
            self.remove_many(pos, count);
        }
        count.min(before - from)
    }

    /// Removes the elements at `places`, which stand in order.
    pub fn remove_all(&mut self, places: &[Pos]) {
        let Some(first) = places.first() else {
            return;
        };
        // What lies between two removed elements moves down once.
        let end = self.buffer.len();
        let mut to = self.start + first.0;
        for (nth, pos) in places.iter().enumerate() {
            let keep_from = self.start + skip(self.body(), pos.0);
            let keep_to = places.get(nth + 1).map_or(end, |next| self.start + next.0);
            self.buffer.copy_within(keep_from..keep_to, to);
            to += keep_to - keep_from;
        }
        self.buffer.truncate(to);
        self.finish_removal(places.len());
    }

    /// Appends all elements of `other`.
    pub fn append(&mut self, other: ListpackRef<'_>) {
        let count = self.len() + other.len();
        let entries = &other.body()[COUNT_BYTES..];
        let end = self.as_ref().end();
        self.make_room(end, 0, entries.len());
        let at = self.start + end;
        self.buffer[at..at + entries.len()].copy_from_slice(entries);
        self.set_count(count);
    }

    /// Takes the elements from `pos` on away into a listpack of their own.
    pub fn split_off(&mut self, pos: Pos) -> Listpack {
        let view = self.as_ref();
        let entries = &view.body()[pos.0..];
        let mut tail = Listpack::with_capacity(size_class(entries.len() + EMPTY.len()));
        tail.make_room(COUNT_BYTES, 0, entries.len());
        tail.buffer[COUNT_BYTES..COUNT_BYTES + entries.len()].copy_from_slice(entries);
        let moved = view.entries_from(pos).count();
        tail.set_count(moved);
        let end = view.end();
        self.cut(pos.0, end, moved);
        tail
    }

    /// Removes the bytes of `removed` elements; returns the place of the one behind them.
    fn cut(&mut self, from: usize, to: usize, removed: usize) -> Option<Pos> {
        self.make_room(from, to - from, 0);
        self.finish_removal(removed);
        (from < self.as_ref().end()).then_some(Pos(from))
    }

    fn finish_removal(&mut self, removed: usize) {
        match self.as_ref().told_count() {
            // Elements take two bytes at least: the first time that so few bytes are left that
            // the count can be on record again, it is worth a walk.
            COUNT_UNKNOWN if self.body().len() < COUNT_BYTES + 2 * usize::from(COUNT_UNKNOWN) => {
                self.set_count(self.as_ref().entries().count());
            }
            COUNT_UNKNOWN => {}
            count => self.set_count(usize::from(count) - removed),
        }
    }

    #[inline]
    fn write_new(&mut self, at: usize, new: &Encoded<'_>) -> Pos {
        self.write(at, 0, new);
        let count = self.as_ref().told_count();
        self.set_count(usize::from(count) + 1);
        Pos(at)
    }

    /// Writes an entry over the `old` bytes at `at`.
    #[inline]
    fn write(&mut self, at: usize, old: usize, new: &Encoded<'_>) {
        let total = new.total();
        self.make_room(at, old, total);
        let from = self.start + at;
        new.write(&mut self.buffer[from..from + total]);
    }

    /// Sees to it that up to `bytes` bytes of elements can be added at the head without moving the
    /// others. Small listpacks do without.
    #[inline]
    pub fn reserve_front(&mut self, bytes: usize) {
        let len = self.buffer.len() - self.start;
        if self.start < bytes && len > SMALL_BYTES {
            self.make_front_room(bytes);
        }
    }

    /// Moves everything to the end of a buffer that has this much room before it, and as much more
    /// as the allocator gives anyway.
    #[cold]
    fn make_front_room(&mut self, bytes: usize) {
        let len = self.buffer.len() - self.start;
        let capacity = size_class(len + bytes);
        let mut buffer = Vec::with_capacity(capacity);
        buffer.resize(capacity - len, 0);
        buffer.extend_from_slice(self.body());
        self.start = capacity - len;
        self.buffer = buffer;
    }

    /// Turns the `old` bytes at `at` into `new` ones of any content. The count's side is moved if
    /// it is the shorter one and there is room, else the other.
    #[inline]
    fn make_room(&mut self, at: usize, old: usize, new: usize) {
        let (start, end) = (self.start, self.buffer.len());
        let len = end - start;
        let head_is_shorter = len > SMALL_BYTES && at < len - at;
        if new > old {
            let added = new - old;
            if head_is_shorter && added <= start {
                self.buffer.copy_within(start..start + at, start - added);
                self.start -= added;
            } else if end + added <= self.buffer.capacity() {
                self.buffer.resize(end + added, 0);
                let tail = start + at + old;
                self.buffer.copy_within(tail..end, tail + added);
            } else {
                self.lay_out_anew(at, old, new);
            }
        } else if new < old {
            let removed = old - new;
            if head_is_shorter {
                self.buffer.copy_within(start..start + at, start + removed);
                self.start += removed;
            } else {
                let tail = start + at + old;
                self.buffer.copy_within(tail..end, tail - removed);
                self.buffer.truncate(end - removed);
            }
        }
    }

    /// As [`Self::make_room`] when there is no room behind: lays the bytes out anew from the
    /// beginning of the buffer, or of a larger one.
    #[cold]
    fn lay_out_anew(&mut self, at: usize, old: usize, new: usize) {
        let (start, end) = (self.start, self.buffer.len());
        let len = end - start - old + new;
        assert!(
            u32::try_from(len).is_ok(),
            "a listpack may not grow past 4 GiB"
        );
        let (head, tail) = (start..start + at, start + at + old..end);
        self.start = 0;
        if len <= self.buffer.capacity() {
            self.buffer.resize(end.max(len), 0);
            self.buffer.copy_within(head, 0);
            self.buffer.copy_within(tail, at + new);
            self.buffer.truncate(len);
        } else {
            let mut buffer = Vec::with_capacity(size_class(len));
            buffer.extend_from_slice(&self.buffer[head]);
            buffer.resize(at + new, 0);
            buffer.extend_from_slice(&self.buffer[tail]);
            self.buffer = buffer;
        }
    }

    #[inline]
    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.buffer[self.start..self.start + COUNT_BYTES].copy_from_slice(&count.to_le_bytes());
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Listpack {
        Listpack {
            buffer: self.body().to_vec(),
            start: 0,
        }
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        self.body() == other.body()
    }
}

impl Eq for Listpack {}
