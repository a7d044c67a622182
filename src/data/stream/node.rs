//! One node of a stream: a listpack that holds some tens of entries next to each other.
//!
//! ```text
//! live  deleted  fields  field ... field  0            what the node knows of itself
//! flags  ms  seq  value ... value  count               an entry with the very same fields
//! flags  ms  seq  fields  field value ...  count       an entry with fields of its own
//! ```
//!
//! The node's id is that of its first entry, and entries only write how far they are from it. The
//! fields at the head are those of the first entry; entries that have the same ones do not repeat
//! them, which is what makes a stream of records small. An entry ends with the number of elements
//! that it is made of, so that the node can also be walked from its end; the `0` behind the head is
//! that number, too, and stops such a walk.
//!
//! Deleting an entry only sets a flag and moves it from one counter to the other; the bytes go when
//! the node goes.
//!
//! Reading trusts the structure: nodes are ours or have passed [`validate`].

use super::id::StreamId;
use crate::data::listpack::{Element, Entries, Listpack, ListpackRef, Pos};

/// The entry is deleted.
const DELETED: i64 = 1;
/// The entry has the fields at the head of the node.
const SAME_FIELDS: i64 = 2;

/// Elements of an entry before what it says: flags and id.
const PREFIX: usize = 3;

/// What a node knows of itself.
#[derive(Clone)]
pub(super) struct Head<'a> {
    /// Entries that are there.
    pub live: u64,
    /// Entries that were, and still take room.
    pub deleted: u64,
    /// How many fields the first entry has.
    fields: usize,
    /// The rest of the node, from the first of these fields on.
    names: Entries<'a>,
    pack: ListpackRef<'a>,
}

/// An entry as it stands in its node, deleted or not.
#[derive(Clone)]
pub(super) struct Record<'a> {
    /// Where it begins.
    pub at: Pos,
    /// Whether it is deleted.
    pub deleted: bool,
    /// What it says.
    pub entry: Entry<'a>,
}

/// An entry of a stream.
#[derive(Clone)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    len: usize,
    /// The fields, where they do not stand among the values.
    names: Option<Entries<'a>>,
    body: Entries<'a>,
}

impl<'a> Entry<'a> {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no fields, which only files can contain.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fields and their values, in the order in which they were given.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + 'a {
        let (mut names, mut body) = (self.names.clone(), self.body.clone());
        (0..self.len).map_while(move |_| {
            let name = match &mut names {
                Some(names) => names.next()?.1,
                None => body.next()?.1,
            };
            Some((name, body.next()?.1))
        })
    }
}

/// A new node for entries with the fields of `words`, a field and a value alternating.
pub(super) fn create<'w>(words: impl Iterator<Item = &'w [u8]> + Clone) -> Listpack {
    let fields = words.clone().step_by(2);
    let mut pack = Listpack::new();
    pack.push_back(0i64);
    pack.push_back(0i64);
    pack.push_back(fields.clone().count() as i64);
    for field in fields {
        pack.push_back(field);
    }
    pack.push_back(0i64);
    pack
}

/// Adds an entry behind the last one of the node with id `node_id`. Its words have `bytes` bytes.
pub(super) fn append<'w>(
    pack: &mut Listpack,
    node_id: StreamId,
    id: StreamId,
    words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
    bytes: usize,
) {
    let fields = words.len() / 2;
    let head = Head::read(pack.as_ref());
    let same = head.has_fields(words.clone().step_by(2), fields);
    let live = head.live as i64 + 1;
    let elements = PREFIX + if same { fields } else { 1 + 2 * fields };
    set_counter(pack, 0, live);

    let prefix = [
        if same { SAME_FIELDS } else { 0 },
        id.ms.wrapping_sub(node_id.ms) as i64,
        id.seq.wrapping_sub(node_id.seq) as i64,
        fields as i64,
    ];
    let prefix = prefix[..if same { PREFIX } else { PREFIX + 1 }].iter();
    let (first, step) = if same { (1, 2) } else { (0, 1) };
    let said = words.skip(first).step_by(step).map(Element::from);
    let entry = (prefix.map(|number| Element::Int(*number)).chain(said))
        .chain([Element::Int(elements as i64)]);
    pack.extend_back(entry, elements + 1, bytes);
}

/// Marks the entries at `places` as deleted. The counters follow; says how many are left.
pub(super) fn mark_deleted(pack: &mut Listpack, places: &[Pos]) -> u64 {
    // From the end on, so that the places before stay good whatever a write does.
    for &at in places.iter().rev() {
        let flags = pack.as_ref().get(at).as_int().unwrap_or(0);
        pack.replace(at, flags | DELETED);
    }
    let head = Head::read(pack.as_ref());
    let (live, deleted) = (head.live, head.deleted);
    let marked = places.len() as u64;
    set_counter(pack, 1, (deleted + marked) as i64);
    set_counter(pack, 0, (live - marked) as i64);
    live - marked
}

fn set_counter(pack: &mut Listpack, nth: usize, value: i64) {
    let place = pack.as_ref().entries().nth(nth).map(|(place, _)| place);
    pack.replace(place.expect("a node has counters"), value);
}

impl<'a> Head<'a> {
    /// Reads the head of a node.
    #[inline]
    pub(super) fn read(pack: ListpackRef<'a>) -> Head<'a> {
        let mut names = pack.entries();
        let mut counter = || names.next().and_then(|(_, e)| e.as_int()).unwrap_or(0);
        let [live, deleted, fields] = [counter(), counter(), counter()];
        Head {
            live: live as u64,
            deleted: deleted as u64,
            fields: fields as usize,
            names,
            pack,
        }
    }

    #[inline]
    fn has_fields<'w>(&self, mut fields: impl Iterator<Item = &'w [u8]>, len: usize) -> bool {
        len == self.fields
            && self
                .names
                .clone()
                .take(len)
                .all(|(_, name)| fields.next().is_some_and(|field| name == field))
    }

    /// The entries, from both ends.
    pub(super) fn records(self, node_id: StreamId) -> Records<'a> {
        let mut rest = self.names.clone();
        for _ in 0..=self.fields {
            rest.next();
        }
        Records {
            node_id,
            head: self,
            rest,
        }
    }
}

/// The entries of a node, deleted ones included.
#[derive(Clone)]
pub(super) struct Records<'a> {
    node_id: StreamId,
    head: Head<'a>,
    rest: Entries<'a>,
}

impl<'a> Records<'a> {
    /// Reads an entry; `elements` is left behind its end.
    #[inline]
    fn read(&self, elements: &mut Entries<'a>) -> Option<Record<'a>> {
        let (at, flags) = elements.next()?;
        let flags = flags.as_int()?;
        let ms = elements.next()?.1.as_int()?;
        let seq = elements.next()?.1.as_int()?;
        let (len, names) = if flags & SAME_FIELDS != 0 {
            (self.head.fields, Some(self.head.names.clone()))
        } else {
            (elements.next()?.1.as_int()? as usize, None)
        };
        let body = elements.clone();
        // What it says, and the number of its elements.
        let words = if names.is_some() { len } else { 2 * len };
        elements.nth(words)?;
        Some(Record {
            at,
            deleted: flags & DELETED != 0,
            entry: Entry {
                id: away_from(self.node_id, ms, seq),
                len,
                names,
                body,
            },
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let mut elements = self.rest.clone();
        let record = self.read(&mut elements)?;
        self.rest = elements;
        Some(record)
    }
}

impl DoubleEndedIterator for Records<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (mut at, count) = self.rest.next_back()?;
        for _ in 0..count.as_int()? {
            at = self.rest.next_back()?.0;
        }
        self.read(&mut self.head.pack.entries_from(at))
    }
}

/// The id that is `ms` and `seq` away from that of the node.
#[inline]
fn away_from(node_id: StreamId, ms: i64, seq: i64) -> StreamId {
    StreamId {
        ms: node_id.ms.wrapping_add(ms as u64),
        seq: node_id.seq.wrapping_add(seq as u64),
    }
}

/// What a check found in a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    /// Entries that are there.
    pub live: u64,
    /// The first and the last of them.
    pub bounds: Option<(StreamId, StreamId)>,
}

/// Checks that a listpack is a node, so that reading it can neither go astray nor come to
/// nonsense: all elements have their place, the counters are right, and the ids of entries grow.
pub(super) fn validate(node_id: StreamId, bytes: &[u8]) -> Option<Summary> {
    let pack = ListpackRef::validate(bytes).ok()?;
    let mut unread = Unread(pack.entries());
    let live = unread.count()?;
    let deleted = unread.count()?;
    let fields = unread.count()?;
    unread.skip(fields)?;
    require(unread.number()? == 0)?;

    let mut summary = Summary::default();
    let mut deleted_found = 0;
    while !unread.is_at_end() {
        let flags = unread.number()?;
        let id = away_from(node_id, unread.number()?, unread.number()?);
        let words = if flags & SAME_FIELDS != 0 {
            unread.skip(fields)?;
            fields
        } else {
            let own = unread.count()?;
            unread.skip(own)?;
            unread.skip(own)?;
            1 + 2 * own
        };
        require(unread.count()? == PREFIX as u64 + words)?;
        if flags & DELETED != 0 {
            deleted_found += 1;
            continue;
        }
        let first = match summary.bounds {
            Some((_, last)) if last >= id => return None,
            Some((first, _)) => first,
            None => id,
        };
        summary.bounds = Some((first, id));
        summary.live += 1;
    }
    require((summary.live, deleted_found) == (live, deleted))?;
    Some(summary)
}

fn require(holds: bool) -> Option<()> {
    holds.then_some(())
}

/// The elements of a node that has not been judged yet.
struct Unread<'a>(Entries<'a>);

impl Unread<'_> {
    fn is_at_end(&self) -> bool {
        self.0.clone().next().is_none()
    }

    fn number(&mut self) -> Option<i64> {
        match self.0.next()?.1 {
            Element::Int(value) => Some(value),
            Element::Bytes(_) => None,
        }
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.number()?).ok()
    }

    /// Passes over elements; none when there are not so many.
    fn skip(&mut self, count: u64) -> Option<()> {
        for _ in 0..count {
            self.0.next()?;
        }
        Some(())
    }
}
