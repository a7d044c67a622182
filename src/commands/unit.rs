//! The execution unit: what one command causes leaves whole.
//!
//! The deletion of a key found expired, then the write itself; every write of a transaction: each
//! is an *operation*, a database and the bytes of a command. A unit collects them in [`Unit`] and
//! yields them when it ends, one alone as it is, several wrapped in `MULTI` and `EXEC`, to all who
//! take changes (`Env::hand_over`). Each of those keeps its own account of the database that it has
//! selected. The common case, one command whose own arguments are what the others need, is
//! collected nowhere: its bytes go from the input buffer to who takes them.
//!
//! **Marks.** A command says that it changed something ([`Ctx::changed`]) and what is to be sent
//! instead of its own arguments ([`Ctx::propagate_instead`]). That is noted in the unit, of the
//! command that is running, and taken back when it ends.
//!
//! **Nesting.** `EXEC` runs commands within itself ([`Ctx::nested`]), and a command within those
//! may do so again. Every command has its own mark; the unit ends with the outermost one.
//!
//! ```text
//!              depth   mark                                      operations so far
//! EXEC           0     -
//!   SET a 1      1     changed                                   SET a 1
//!   SPOP s 5     1     changed, instead: DEL s                   SET a 1, DEL s
//!   GET a        1     -                                         SET a 1, DEL s
//! end of EXEC    0     instead: it is not propagated itself      MULTI SET a 1, DEL s EXEC
//! ```

use bitflags::bitflags;

use super::context::{Ctx, Env};
use super::row::Flags;
use crate::resp::args::{Args, array_header, bulk, encode_command};

/// What the running unit has to say when it ends, and what the running command says of itself.
#[derive(Debug, Default)]
pub struct Unit {
    /// The bytes of all operations, one behind the other.
    bytes: Vec<u8>,
    ops: Vec<Operation>,
    /// Of the running command.
    mark: Mark,
    /// How many commands the running one runs within.
    depth: u32,
}

/// A command to be run elsewhere, too.
#[derive(Debug)]
struct Operation {
    db: usize,
    /// Where its bytes end; they begin where those of the one before it end.
    end: usize,
}

bitflags! {
    /// What a command says of itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    struct Mark: u8 {
        /// It has changed something.
        const CHANGED = 1;
        /// Its own arguments are left out.
        const INSTEAD = 1 << 1;
    }
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
    pub(super) fn note_change(&mut self) {
        self.mark.insert(Mark::CHANGED);
    }

    /// Whether no command is running that has said anything of itself.
    #[inline]
    pub(super) fn is_unmarked(&self) -> bool {
        self.mark == Mark::default()
    }

    /// The bytes that were added to it last are an operation.
    fn close_operation(&mut self, db: usize) {
        let end = self.bytes.len();
        self.ops.push(Operation { db, end });
    }
}

/// With which command a key that was deleted here is deleted elsewhere.
pub fn deletion_verb(lazily: bool) -> &'static [u8] {
    if lazily { b"UNLINK" } else { b"DEL" }
}

/// How the operations of a unit belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bond {
    /// All or none of them are to be seen.
    Transaction,
    /// They have nothing to do with each other.
    None,
}

impl Env {
    /// Whether anybody takes changes: their bytes need not be made otherwise.
    #[inline]
    pub fn wants_changes(&self) -> bool {
        self.replication.wants_feed()
    }

    /// Hands an operation to everybody who takes changes. What stands around operations (`MULTI`
    /// and `EXEC`) is in no database.
    #[inline]
    fn hand_over(&mut self, db: Option<usize>, bytes: &[u8]) {
        self.replication.feed(db.map(|db| db as u32), bytes);
    }

    /// Hands the unit over that has ended.
    fn hand_over_unit(&mut self, bond: Bond) {
        assert!(
            !self.unit.is_nested(),
            "a unit ends with its outermost command"
        );
        let mut bytes = std::mem::take(&mut self.unit.bytes);
        let mut ops = std::mem::take(&mut self.unit.ops);
        let wrapped = bond == Bond::Transaction && ops.len() > 1;
        if wrapped {
            self.hand_over(None, b"*1\r\n$5\r\nMULTI\r\n");
        }
        let mut start = 0;
        for Operation { db, end } in ops.drain(..) {
            self.hand_over(Some(db), &bytes[start..end]);
            start = end;
        }
        if wrapped {
            self.hand_over(None, b"*1\r\n$4\r\nEXEC\r\n");
        }
        bytes.clear();
        self.unit.bytes = bytes;
        self.unit.ops = ops;
    }

    /// Ends a unit of what the server did by itself, not in a command.
    #[inline]
    pub fn end_unit(&mut self) {
        if !self.unit.ops.is_empty() {
            self.hand_over_unit(Bond::Transaction);
        }
    }

    /// The same for a unit whose operations have nothing to do with each other: deletions of keys
    /// that were met by the way.
    pub fn end_unit_in_parts(&mut self) {
        if !self.unit.ops.is_empty() {
            self.hand_over_unit(Bond::None);
        }
    }

    /// Ends a command that was run in a database. If it changed something and did not say
    /// otherwise, its own arguments come last, where they are `wanted`. The outermost command ends
    /// the unit.
    #[inline]
    pub(super) fn end_command(&mut self, db: usize, args: &Args<'_>, wanted: bool, flags: Flags) {
        let mark = std::mem::take(&mut self.unit.mark);
        let with_own_argv = wanted && mark == Mark::CHANGED;
        if self.unit.ops.is_empty() && !self.unit.is_nested() {
            if !with_own_argv {
                return;
            }
            if let Some(raw) = args.raw() {
                return self.hand_over(Some(db), raw);
            }
        }
        self.end_among_others(db, args, with_own_argv, mark, flags);
    }

    /// Ends a command that runs within another, that caused more than its own arguments say, or
    /// whose arguments are not there as they have to be sent.
    #[inline(never)]
    fn end_among_others(
        &mut self,
        db: usize,
        args: &Args<'_>,
        with_own_argv: bool,
        mark: Mark,
        flags: Flags,
    ) {
        if with_own_argv {
            args.encode(&mut self.unit.bytes);
            self.unit.close_operation(db);
        }
        if self.unit.is_nested() {
            return;
        }
        // A command that looked at keys at random only met what it found expired.
        let by_the_way =
            !mark.contains(Mark::CHANGED) && flags.contains(Flags::TOUCHES_ARBITRARY_KEYS);
        match by_the_way {
            true => self.end_unit_in_parts(),
            false => self.end_unit(),
        }
    }

    /// Adds an operation to the unit that is running.
    pub fn propagate(&mut self, db: usize, argv: &[&[u8]]) {
        if self.wants_changes() {
            encode_command(argv, &mut self.unit.bytes);
            self.unit.close_operation(db);
        }
    }

    /// Adds the deletion of a key that the server deleted by itself.
    pub fn propagate_deletion(&mut self, db: usize, key: &[u8], lazily: bool) {
        self.propagate(db, &[deletion_verb(lazily), key]);
    }
}

impl Ctx<'_> {
    /// Runs commands within the one that is running. What they change leaves with the unit that
    /// it began; it is not propagated itself.
    pub fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let unit = &mut self.env.unit;
        let outer = std::mem::take(&mut unit.mark);
        unit.depth += 1;
        let depth = unit.depth;
        let result = run(self);
        let unit = &mut self.env.unit;
        assert_eq!(unit.depth, depth, "whatever began within has ended within");
        assert!(unit.is_unmarked(), "every command within has ended");
        unit.depth -= 1;
        unit.mark = outer;
        unit.mark.insert(Mark::INSTEAD);
        result
    }

    /// Propagates this command in place of the one that runs. May be called several times.
    pub fn propagate_instead(&mut self, argv: &[&[u8]]) {
        self.env.unit.mark.insert(Mark::INSTEAD);
        self.env.propagate(self.session.db, argv);
    }

    /// Keeps the command's own arguments from others, even if nothing is propagated in their place.
    pub fn propagate_nothing(&mut self) {
        self.env.unit.mark.insert(Mark::INSTEAD);
    }

    /// Propagates the command's own arguments with some of them, by index, replaced.
    pub fn propagate_with(&mut self, args: &Args<'_>, replaced: &[(usize, &[u8])]) {
        self.env.unit.mark.insert(Mark::INSTEAD);
        if !self.env.wants_changes() {
            return;
        }
        let unit = &mut self.env.unit;
        array_header(args.len(), &mut unit.bytes);
        for (at, word) in args.iter().enumerate() {
            let other = replaced.iter().find(|(index, _)| *index == at);
            bulk(other.map_or(word, |(_, other)| other), &mut unit.bytes);
        }
        unit.close_operation(self.session.db);
    }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
