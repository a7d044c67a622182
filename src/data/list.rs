//! Lists: one listpack while small, a quicklist beyond.
//!
//! A list grows into a quicklist *before* elements are added that would exceed the limit, reckoned
//! from their texts alone; it goes back *after* it was made smaller, when all of it is one listpack
//! within half of the limit, so that it does not go back and forth at the border. Commands call
//! [`List::make_room`] and [`List::settle_shrunk`] where the reference does, since
//! `OBJECT ENCODING` shows it; the changes themselves convert nothing.

use super::listpack::{Element, Listpack, ListpackRef, Pos};
use super::quicklist::{Quicklist, collect_places};
use std::ops::ControlFlow;

pub use super::quicklist::{End, ListLimits, Side};

/// A list.
#[derive(Clone, Debug)]
pub enum List {
    /// In one listpack.
    Packed(Listpack),
    /// In a list of listpacks.
    Quick(Box<Quicklist>),
}

/// A list. Borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// In one listpack.
    Packed(ListpackRef<'a>),
    /// In a list of listpacks.
    Quick(&'a Quicklist),
}

impl Default for List {
    fn default() -> Self {
        List::new()
    }
}

impl List {
    /// An empty list.
    pub fn new() -> List {
        List::Packed(Listpack::new())
    }

    /// The view that all reading goes through.
    #[inline]
    pub fn as_ref(&self) -> ListRef<'_> {
        match self {
            List::Packed(pack) => ListRef::Packed(pack.as_ref()),
            List::Quick(quick) => ListRef::Quick(quick),
        }
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

    /// Becomes a quicklist if `count` more elements of `bytes` bytes of text would be too much for
    /// a listpack.
    #[inline]
    pub fn make_room(&mut self, bytes: usize, count: usize, limits: &ListLimits) {
        let List::Packed(pack) = self else { return };
        let bytes = pack.framed_len().saturating_add(bytes);
        if limits.listpack().is_exceeded_by(bytes, pack.len() + count) {
            let mut quick = Quicklist::new(limits);
            quick.push_pack(std::mem::take(pack));
            *self = List::Quick(Box::new(quick));
        }
    }

    /// Becomes one listpack again if it shrank enough.
    #[inline]
    pub fn settle_shrunk(&mut self, limits: &ListLimits) {
        if let List::Quick(quick) = self
            && quick.fits_one_pack(limits.listpack(), true)
        {
            self.unwrap_pack();
        }
    }

    /// Takes the form that a list just built ought to have.
    pub fn settle_built(&mut self, limits: &ListLimits) {
        match self {
            List::Packed(_) => self.make_room(0, 0, limits),
            List::Quick(quick) if quick.fits_one_pack(limits.listpack(), false) => {
                self.unwrap_pack();
            }
            List::Quick(_) => {}
        }
    }

    fn unwrap_pack(&mut self) {
        let List::Quick(quick) = std::mem::replace(self, List::Packed(Listpack::new())) else {
            unreachable!("only a quicklist has a listpack to unwrap");
        };
        let pack = quick.into_single_pack();
        *self = List::Packed(pack.expect("a quicklist of one listpack"));
    }

    /// Adds an element at one end.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &ListLimits) {
        match (self, end) {
            (List::Packed(pack), End::Head) => {
                pack.push_front(text);
            }
            (List::Packed(pack), End::Tail) => {
                pack.push_back(text);
            }
            (List::Quick(quick), end) => quick.push(end, text, limits.plain_from_bytes),
        }
    }

    /// Removes the element at one end, after lending it to `read`.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            List::Packed(pack) => {
                let view = pack.as_ref();
                let pos = match end {
                    End::Head => view.first()?,
                    End::Tail => view.last()?,
                };
                let result = read(view.get(pos));
                pack.remove(pos);
                Some(result)
            }
            List::Quick(quick) => quick.pop(end, read),
        }
    }

    /// Adds an element beside the one with this index, which there must be.
    pub fn insert(&mut self, index: usize, side: Side, text: &[u8], limits: &ListLimits) {
        match self {
            List::Packed(pack) => {
                let pos = place(pack.as_ref(), index);
                match side {
                    Side::Before => pack.insert_before(pos, text),
                    Side::After => pack.insert_after(pos, text),
                };
            }
            List::Quick(quick) => quick.insert(index, side, text, limits.plain_from_bytes),
        }
    }

    /// Puts another element in the place of the one with this index, which there must be.
    pub fn replace(&mut self, index: usize, text: &[u8], limits: &ListLimits) {
        match self {
            List::Packed(pack) => {
                let pos = place(pack.as_ref(), index);
                pack.replace(pos, text);
            }
            List::Quick(quick) => quick.replace(index, text, limits.plain_from_bytes),
        }
    }

    /// Removes up to `count` elements from the one with this index on; returns how many there were.
    pub fn remove_range(&mut self, index: usize, count: usize) -> usize {
        match self {
            List::Packed(pack) => match i64::try_from(index) {
                Ok(index) => pack.remove_range(index, count),
                Err(_) => 0,
            },
            List::Quick(quick) => quick.remove_range(index, count),
        }
    }

    /// Removes up to `max` elements that are equal to `text`, the ones nearest to `from`; returns
    /// how many there were.
    pub fn remove_equal(&mut self, text: &[u8], from: End, max: usize) -> usize {
        match self {
            List::Packed(pack) => {
                let wanted = Element::from(text);
                let mut places = Vec::new();
                let entries = pack.as_ref().entries();
                let equal = entries.filter(|(_, element)| *element == wanted);
                collect_places(equal, from, max, &mut places);
                pack.remove_all(&places);
                places.len()
            }
            List::Quick(quick) => quick.remove_equal(text, from, max),
        }
    }
}

/// The place of an element that there must be.
fn place(pack: ListpackRef<'_>, index: usize) -> Pos {
    pack.seek(index as i64).expect("an index within the list")
}

impl<'a> ListRef<'a> {
    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListRef::Packed(pack) => pack.len(),
            ListRef::Quick(quick) => quick.len(),
        }
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self {
            ListRef::Packed(pack) => pack.is_empty(),
            ListRef::Quick(quick) => quick.is_empty(),
        }
    }

    /// Lends the element with this index to `read`.
    #[inline]
    pub fn with_index<R>(self, index: usize, read: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            ListRef::Packed(pack) => pack.index(i64::try_from(index).ok()?).map(read),
            ListRef::Quick(quick) => quick.with_index(index, read),
        }
    }

    /// Shows the elements from `index` on to `read`, toward the tail or, with [`Side::Before`],
    /// toward the head, until it has seen enough.
    #[inline]
    pub fn visit(
        self,
        index: usize,
        toward: Side,
        mut read: impl FnMut(Element<'_>) -> ControlFlow<()>,
    ) {
        let _ = match (self, toward) {
            (ListRef::Packed(pack), Side::After) => match pack.seek(index as i64) {
                Some(pos) => pack.entries_from(pos).try_for_each(|(_, e)| read(e)),
                None => return,
            },
            (ListRef::Packed(pack), Side::Before) => match pack.seek(index as i64) {
                Some(pos) => pack.entries_to(pos).rev().try_for_each(|(_, e)| read(e)),
                None => return,
            },
            (ListRef::Quick(quick), toward) => quick.visit(index, toward, read),
        };
    }

    /// Shows all elements to `read`.
    pub fn for_each(self, mut read: impl FnMut(Element<'_>)) {
        self.visit(0, Side::After, |element| {
            read(element);
            ControlFlow::Continue(())
        });
    }

    /// How many allocations freeing it gives back, roughly.
    pub fn free_effort(self) -> usize {
        match self {
            ListRef::Packed(_) => 1,
            ListRef::Quick(quick) => quick.nodes().len(),
        }
    }

    /// Bytes of memory, estimated from `samples` nodes.
    pub fn allocated_bytes(self, samples: usize) -> usize {
        match self {
            ListRef::Packed(pack) => pack.body().len(),
            ListRef::Quick(quick) => quick.allocated_bytes(samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_listpack_size: i32) -> ListLimits {
        ListLimits {
            max_listpack_size,
            ..ListLimits::default()
        }
    }

    fn is_quick(list: &List) -> bool {
        matches!(list, List::Quick(_))
    }

    fn texts(list: &List) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        list.as_ref()
            .for_each(|element| texts.push(element.to_vec()));
        texts
    }

    #[test]
    fn a_list_grows_before_it_is_too_large_and_shrinks_at_half_of_that() {
        let limits = limits(4);
        let mut list = List::new();
        for text in [b"a", b"b", b"c", b"d"] {
            list.make_room(1, 1, &limits);
            list.push(End::Tail, text, &limits);
            assert!(!is_quick(&list));
        }
        list.make_room(1, 1, &limits);
        assert!(is_quick(&list));
        list.push(End::Head, b"e", &limits);
        for (removed, still_quick) in [(1, true), (2, true), (3, false)] {
            list.pop(End::Head, |_| ());
            list.settle_shrunk(&limits);
            assert_eq!((list.len(), is_quick(&list)), (5 - removed, still_quick));
        }
        assert_eq!(texts(&list), [b"c", b"d"]);
    }

    #[test]
    fn a_list_just_built_needs_no_distance_to_the_limit() {
        let mut list = List::new();
        for text in [b"a", b"b", b"c"] {
            list.push(End::Tail, text, &limits(4));
        }
        list.settle_built(&limits(2));
        assert!(is_quick(&list));
        list.settle_shrunk(&limits(3));
        assert!(is_quick(&list));
        list.settle_built(&limits(3));
        assert!(!is_quick(&list));
        assert_eq!(texts(&list), [b"a", b"b", b"c"]);
    }

    #[test]
    fn both_forms_do_the_same() {
        let limits = limits(3);
        for packed in [true, false] {
            let mut list = match packed {
                true => List::new(),
                false => List::Quick(Box::new(Quicklist::new(&limits))),
            };
            for text in [b"a", b"7", b"a", b"b", b"a", b"c"] {
                list.push(End::Tail, text, &limits);
            }
            list.insert(1, Side::Before, b"new", &limits);
            list.insert(6, Side::After, b"last", &limits);
            list.replace(2, b"8", &limits);
            assert_eq!(list.remove_equal(b"a", End::Tail, 2), 2);
            let expected = ["a", "new", "8", "b", "c", "last"];
            assert_eq!(texts(&list), expected.map(|text| text.as_bytes()));
            let mut backwards = Vec::new();
            list.as_ref().visit(2, Side::Before, |element| {
                backwards.push(element.to_vec());
                ControlFlow::Continue(())
            });
            assert_eq!(backwards, ["8", "new", "a"].map(|text| text.as_bytes()));
            assert_eq!(list.remove_range(4, 9), 2);
            assert_eq!(list.pop(End::Head, |e| e.to_vec()).unwrap(), b"a");
            assert_eq!(list.pop(End::Tail, |e| e.to_vec()).unwrap(), b"b");
            assert_eq!(list.as_ref().with_index(1, |e| e.to_vec()).unwrap(), b"8");
            assert_eq!(list.as_ref().with_index(2, |_| ()), None);
            assert_eq!(list.remove_range(0, 2), 2);
            assert!(list.is_empty() && list.pop(End::Head, |_| ()).is_none());
        }
    }
}
