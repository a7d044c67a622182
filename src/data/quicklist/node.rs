//! One node of a quicklist: a listpack, or one large element alone; either may be compressed.

use std::borrow::Cow;

use crate::base::lzf::{self, Compressor};
use crate::data::listpack::{Element, Listpack, ListpackRef};

/// Nodes smaller than this are not worth compressing.
const COMPRESS_FROM_BYTES: usize = 48;
/// Compression has to save more than this.
const COMPRESS_GAIN_BYTES: usize = 8;

/// A node and how many elements are in it.
#[derive(Clone)]
pub(super) struct Node {
    count: u32,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Packed(Listpack),
    Plain(Vec<u8>),
    Compressed(Compressed),
}

#[derive(Clone)]
struct Compressed {
    lzf: Box<[u8]>,
    /// What it becomes: so many bytes of a listpack or of an element.
    bytes: u32,
    is_plain: bool,
}

/// What a node is made of, as a snapshot stores it.
#[derive(Clone, Copy)]
pub enum NodeRef<'a> {
    /// A listpack.
    Packed(ListpackRef<'a>),
    /// An element alone.
    Plain(&'a [u8]),
    /// One of these, compressed.
    Compressed {
        /// The compressed form.
        lzf: &'a [u8],
        /// How many bytes it stands for.
        bytes: usize,
        /// Whether these are an element alone.
        is_plain: bool,
    },
}

/// What a node holds, decompressed.
pub(super) enum Contents<'a> {
    Packed(ListpackRef<'a>),
    Plain(&'a [u8]),
}

impl<'a> Contents<'a> {
    fn new(bytes: &'a [u8], is_plain: bool) -> Contents<'a> {
        if is_plain {
            Contents::Plain(bytes)
        } else {
            Contents::Packed(ListpackRef::from_framed(bytes))
        }
    }

    /// The element with this index.
    pub(super) fn get(&self, index: usize) -> Option<Element<'a>> {
        match *self {
            Contents::Packed(pack) => pack.index(index as i64),
            Contents::Plain(text) => (index == 0).then_some(Element::Bytes(text)),
        }
    }
}

impl Node {
    pub(super) fn packed(pack: Listpack) -> Node {
        Node {
            count: u32::try_from(pack.len()).expect("less than 2^32 elements fit in a listpack"),
            body: Body::Packed(pack),
        }
    }

    /// A node with one element.
    pub(super) fn single(text: &[u8]) -> Node {
        let mut pack = Listpack::new();
        pack.push_back(text);
        Node {
            count: 1,
            body: Body::Packed(pack),
        }
    }

    pub(super) fn plain(text: Vec<u8>) -> Node {
        Node {
            count: 1,
            body: Body::Plain(text),
        }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether it is one large element alone.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        match &self.body {
            Body::Packed(_) => false,
            Body::Plain(_) => true,
            Body::Compressed(compressed) => compressed.is_plain,
        }
    }

    /// The size of the listpack or of the element alone, uncompressed.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.framed_len(),
            Body::Plain(text) => text.len(),
            Body::Compressed(compressed) => compressed.bytes as usize,
        }
    }

    /// Bytes of memory behind the node.
    pub(super) fn allocated_bytes(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.allocated_bytes(),
            Body::Plain(text) => text.capacity(),
            Body::Compressed(compressed) => compressed.lzf.len(),
        }
    }

    pub(super) fn as_ref(&self) -> NodeRef<'_> {
        match &self.body {
            Body::Packed(pack) => NodeRef::Packed(pack.as_ref()),
            Body::Plain(text) => NodeRef::Plain(text),
            Body::Compressed(compressed) => NodeRef::Compressed {
                lzf: &compressed.lzf,
                bytes: compressed.bytes as usize,
                is_plain: compressed.is_plain,
            },
        }
    }

    /// What it holds; decompressed into `scratch` if need be, for reading changes nothing.
    #[inline]
    pub(super) fn contents<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Contents<'a> {
        match &self.body {
            Body::Packed(pack) => Contents::Packed(pack.as_ref()),
            Body::Plain(text) => Contents::Plain(text),
            Body::Compressed(compressed) => {
                scratch.clear();
                compressed.decompress(scratch);
                Contents::new(scratch, compressed.is_plain)
            }
        }
    }

    /// The listpack for changing; none in a node of one large element. Call
    /// [`Node::set_count`] when its number of elements has changed.
    #[inline]
    pub(super) fn pack_mut(&mut self) -> Option<&mut Listpack> {
        self.decompress();
        match &mut self.body {
            Body::Packed(pack) => Some(pack),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn set_count(&mut self, count: usize) {
        self.count = count as u32;
    }

    /// Takes the listpack out of a node that is done with.
    pub(super) fn into_pack(mut self) -> Option<Listpack> {
        self.decompress();
        match self.body {
            Body::Packed(pack) => Some(pack),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn decompress(&mut self) {
        if let Body::Compressed(compressed) = &self.body {
            let mut bytes = Vec::with_capacity(compressed.bytes as usize);
            compressed.decompress(&mut bytes);
            self.body = if compressed.is_plain {
                Body::Plain(bytes)
            } else {
                Body::Packed(Listpack::from_framed(bytes))
            };
        }
    }

    /// Compresses it if that saves anything.
    pub(super) fn compress(&mut self) {
        let Ok(len) = u32::try_from(self.bytes()) else {
            return;
        };
        if self.bytes() < COMPRESS_FROM_BYTES {
            return;
        }
        let (bytes, is_plain) = match &self.body {
            Body::Packed(pack) => (Cow::Owned(pack.as_ref().to_framed()), false),
            Body::Plain(text) => (Cow::Borrowed(&text[..]), true),
            Body::Compressed(_) => return,
        };
        let mut lzf = Vec::new();
        let smaller = Compressor::new().compress(&bytes, &mut lzf);
        if smaller && lzf.len() + COMPRESS_GAIN_BYTES < bytes.len() {
            self.body = Body::Compressed(Compressed {
                lzf: lzf.into_boxed_slice(),
                bytes: len,
                is_plain,
            });
        }
    }
}

impl Compressed {
    fn decompress(&self, out: &mut Vec<u8>) {
        lzf::decompress(&self.lzf, self.bytes as usize, out).expect("we compressed this ourselves");
    }
}
