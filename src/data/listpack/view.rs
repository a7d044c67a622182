//! Reading a listpack, wherever its bytes lie.

use super::Element;
use super::encoding::{END, backlen_bytes, decode, skip, skip_back};
use super::frame::{COUNT_BYTES, COUNT_UNKNOWN, FRAME_BYTES, Pos, SIZE_BYTES, SIZE_MAX_BYTES};

/// A listpack that lies in somebody else's memory.
#[derive(Clone, Copy)]
pub struct ListpackRef<'a> {
    /// What is between size and end mark.
    body: &'a [u8],
}

impl<'a> ListpackRef<'a> {
    /// A view of bytes that are known to be a listpack; see [`ListpackRef::validate`] for others.
    #[inline]
    pub fn from_framed(bytes: &'a [u8]) -> ListpackRef<'a> {
        ListpackRef::from_body(&bytes[SIZE_BYTES..bytes.len() - 1])
    }

    /// A view of bytes that come from [`ListpackRef::body`] or [`super::Listpack::into_body`].
    #[inline]
    pub fn from_body(body: &'a [u8]) -> ListpackRef<'a> {
        ListpackRef { body }
    }

    /// All that has to be kept of it.
    #[inline]
    pub fn body(self) -> &'a [u8] {
        self.body
    }

    /// How many bytes it has in files and payloads, frame included. Limits are in these, too.
    #[inline]
    pub fn framed_len(self) -> usize {
        self.body.len() + FRAME_BYTES
    }

    /// Appends it to `out` as it is in files and payloads.
    pub fn write_framed(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.framed_len() as u32).to_le_bytes());
        out.extend_from_slice(self.body);
        out.push(END);
    }

    /// It as it is in files and payloads.
    pub fn to_framed(self) -> Vec<u8> {
        let mut framed = Vec::with_capacity(self.framed_len());
        self.write_framed(&mut framed);
        framed
    }

    /// How many elements there are. Up to 65534 are on record, more have to be counted.
    #[inline]
    pub fn len(self) -> usize {
        match self.told_count() {
            COUNT_UNKNOWN => self.entries().count(),
            count => usize::from(count),
        }
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.body.len() == COUNT_BYTES
    }

    /// Whether `added` more bytes of elements keep it below the size that none may exceed.
    #[inline]
    pub fn fits(self, added: usize) -> bool {
        self.framed_len().saturating_add(added) <= SIZE_MAX_BYTES
    }

    #[inline]
    pub(super) fn told_count(self) -> u16 {
        u16::from_le_bytes([self.body[0], self.body[1]])
    }

    /// Where a next element would go.
    #[inline]
    pub(super) fn end(self) -> usize {
        self.body.len()
    }

    #[inline]
    fn pos(self, at: usize) -> Option<Pos> {
        (at < self.end()).then_some(Pos(at))
    }

    /// The element at `pos`.
    #[inline]
    pub fn get(self, pos: Pos) -> Element<'a> {
        decode(self.body, pos.0).0
    }

    /// The first element's place.
    #[inline]
    pub fn first(self) -> Option<Pos> {
        self.pos(COUNT_BYTES)
    }

    /// The last element's place.
    #[inline]
    pub fn last(self) -> Option<Pos> {
        (!self.is_empty()).then(|| Pos(skip_back(self.body, self.end())))
    }

    /// The place behind `pos`.
    #[inline]
    pub fn next(self, pos: Pos) -> Option<Pos> {
        self.pos(skip(self.body, pos.0))
    }

    /// The place before `pos`.
    #[inline]
    pub fn prev(self, pos: Pos) -> Option<Pos> {
        (pos.0 > COUNT_BYTES).then(|| Pos(skip_back(self.body, pos.0)))
    }

    /// The place of the element with this index, -1 being the last one; walks from the nearer end.
    pub fn seek(self, index: i64) -> Option<Pos> {
        let index = match self.told_count() {
            COUNT_UNKNOWN => index,
            count => {
                let count = i64::from(count);
                let from_head = if index < 0 { index + count } else { index };
                if !(0..count).contains(&from_head) {
                    return None;
                }
                if from_head > count / 2 {
                    from_head - count
                } else {
                    from_head
                }
            }
        };
        if index >= 0 {
            let mut at = COUNT_BYTES;
            for _ in 0..index {
                self.pos(at)?;
                at = skip(self.body, at);
            }
            self.pos(at)
        } else {
            let mut at = self.end();
            for _ in 0..index.unsigned_abs() {
                if at == COUNT_BYTES {
                    return None;
                }
                at = skip_back(self.body, at);
            }
            Some(Pos(at))
        }
    }

    /// The element with this index, -1 being the last one.
    pub fn index(self, index: i64) -> Option<Element<'a>> {
        self.seek(index).map(|pos| self.get(pos))
    }

    /// The first place from `from` on that holds `text`, if `skipped` elements are passed over
    /// after each one that is compared: 1 finds the fields of a hash among its values.
    pub fn find(self, from: Pos, text: &[u8], skipped: usize) -> Option<Pos> {
        let wanted = Element::from(text);
        let mut at = from.0;
        while at < self.end() {
            let (element, size) = decode(self.body, at);
            let found = match (element, wanted) {
                (Element::Int(a), Element::Int(b)) => a == b,
                (Element::Bytes(a), _) => a == text,
                _ => false,
            };
            if found {
                return Some(Pos(at));
            }
            at += size + backlen_bytes(size);
            for _ in 0..skipped {
                if at >= self.end() {
                    return None;
                }
                at = skip(self.body, at);
            }
        }
        None
    }

    /// The elements, from both ends.
    #[inline]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Element<'a>> + Clone {
        self.entries().map(|(_, element)| element)
    }

    /// The elements with their places, from both ends.
    #[inline]
    pub fn entries(self) -> Entries<'a> {
        self.between(COUNT_BYTES, self.end())
    }

    /// The elements from `pos` on.
    #[inline]
    pub fn entries_from(self, pos: Pos) -> Entries<'a> {
        self.between(pos.0, self.end())
    }

    /// The elements up to and with the one at `pos`; to be read in reverse.
    #[inline]
    pub fn entries_to(self, pos: Pos) -> Entries<'a> {
        self.between(COUNT_BYTES, skip(self.body, pos.0))
    }

    #[inline]
    fn between(self, front: usize, back: usize) -> Entries<'a> {
        Entries {
            body: self.body,
            front,
            back,
        }
    }
}

impl std::fmt::Debug for ListpackRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Elements of a listpack with their places.
#[derive(Clone)]
pub struct Entries<'a> {
    body: &'a [u8],
    /// Where the next element begins.
    front: usize,
    /// Where the last one ends; not before `front`.
    back: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Pos, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<(Pos, Element<'a>)> {
        if self.front >= self.back {
            return None;
        }
        let pos = Pos(self.front);
        let (element, size) = decode(self.body, self.front);
        self.front += size + backlen_bytes(size);
        Some((pos, element))
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = skip_back(self.body, self.back);
        Some((Pos(self.back), decode(self.body, self.back).0))
    }
}
