//! What a unit collects until it ends: operations, and what the running command says of itself.

use bitflags::bitflags;

/// What the running unit has to say when it ends, and what the running command says of itself; see
/// the head of [`super`].
#[derive(Debug, Default)]
pub struct Unit {
    operations: Operations,
    /// Of the running command.
    mark: Mark,
    /// How many commands the running one runs within.
    depth: u32,
    /// Nobody else gets what is added.
    audience: Audience,
}

bitflags! {
    /// Who shall have an operation.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Audience: u8 {
        /// The append-only file.
        const FILE = 1;
        /// Replicas. What changes no data is for them alone.
        const REPLICAS = 1 << 1;
        /// Everybody who takes changes.
        const ALL = Self::FILE.bits() | Self::REPLICAS.bits();
        /// Nobody.
        const NOBODY = 0;
    }
}

impl Default for Audience {
    fn default() -> Audience {
        Audience::ALL
    }
}

bitflags! {
    /// What a command says of itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Mark: u8 {
        /// It has changed something.
        const CHANGED = 1;
        /// Its own arguments are left out.
        const INSTEAD = 1 << 1;
    }
}

/// The mark of a command that others run within, and how deep it stands itself.
#[must_use = "what begins within a command ends within it"]
pub struct Outer {
    mark: Mark,
    depth: u32,
}

impl Unit {
    /// Whether the running command runs within another.
    #[inline]
    pub fn is_nested(&self) -> bool {
        self.depth > 0
    }

    /// Whether the running command has changed something by now.
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.mark.contains(Mark::CHANGED)
    }

    /// The running command has changed something.
    #[inline]
    pub fn note_change(&mut self) {
        self.mark.insert(Mark::CHANGED);
    }

    /// The running command's own arguments are not what others need.
    #[inline]
    pub fn note_instead(&mut self) {
        self.mark.insert(Mark::INSTEAD);
    }

    /// Whether no command is running that has said anything of itself.
    #[inline]
    pub fn is_unmarked(&self) -> bool {
        self.mark == Mark::default()
    }

    /// The running command has ended.
    #[inline]
    pub fn take_mark(&mut self) -> Mark {
        std::mem::take(&mut self.mark)
    }

    /// The running command begins to run others within itself.
    pub fn begin_within(&mut self) -> Outer {
        let mark = self.take_mark();
        let depth = self.depth;
        self.depth += 1;
        Outer { mark, depth }
    }

    /// The commands within the running one have ended; they speak for it.
    pub fn end_within(&mut self, outer: Outer) {
        let depth = outer.depth + 1;
        assert_eq!(self.depth, depth, "whatever began within has ended within");
        assert!(self.is_unmarked(), "every command within has ended");
        self.depth = outer.depth;
        self.mark = outer.mark.union(Mark::INSTEAD);
    }

    /// Whether there are no operations.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.operations.ends.is_empty()
    }

    /// Adds the operation that is written.
    pub fn add(&mut self, db: usize, audience: Audience, write: impl FnOnce(&mut Vec<u8>)) {
        let Operations { bytes, ends } = &mut self.operations;
        let audience = audience.intersection(self.audience);
        write(bytes);
        let end = bytes.len();
        ends.push(End { db, end, audience });
    }

    /// Says who may get what is added from now on: all, unless a script decides otherwise.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// All operations of a unit that ends. They are to be given back.
    pub fn take_operations(&mut self) -> Operations {
        assert!(!self.is_nested(), "a unit ends with its outermost command");
        std::mem::take(&mut self.operations)
    }

    /// Takes operations back that are done with, for their allocations.
    pub fn give_back(&mut self, mut operations: Operations) {
        operations.bytes.clear();
        operations.ends.clear();
        self.operations = operations;
    }
}

/// Commands to be run elsewhere, too, in order.
#[derive(Debug, Default)]
pub struct Operations {
    /// The bytes of all, one behind the other.
    bytes: Vec<u8>,
    ends: Vec<End>,
}

#[derive(Debug)]
struct End {
    db: usize,
    /// Where the operation's bytes end; they begin where those of the one before it end.
    end: usize,
    audience: Audience,
}

impl Operations {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Each with the database that it is for, and who shall have it.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8], Audience)> {
        let mut start = 0;
        self.ends.iter().map(move |End { db, end, audience }| {
            let bytes = &self.bytes[start..*end];
            start = *end;
            (*db, bytes, *audience)
        })
    }
}
