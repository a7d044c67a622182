//! The execution unit: what one command causes leaves whole.
//!
//! The deletion of a key found expired, then the write itself; every write of a transaction: each
//! is an *operation*, a database and the bytes of a command. A unit collects them in
//! [`operations::Unit`] and yields them when it ends, one alone as it is, several wrapped in
//! `MULTI` and `EXEC`, to all who take changes (`Env::hand_over`). Each of those keeps its own
//! account of the database that it has selected. The common case, one command whose own arguments
//! are what the others need, is collected nowhere: its bytes go from the input buffer to who takes
//! them.
//!
//! **Marks.** A command says that it changed something (`Ctx::changed`) and what is to be sent
//! instead of its own arguments (`Ctx::propagate_instead`, both in [`super::report`]). That is
//! noted in the unit, of the command that is running, and taken back when it ends.
//!
//! **Nesting.** `EXEC` runs commands within itself (`Ctx::nested`), and a command within those
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

pub mod operations;

use self::operations::{Audience, Mark};
use super::env::Env;
use super::row::Flags;
use crate::resp::args::{Args, encode_command};

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
        (self.replication.wants_feed() || self.aof.is_on()) && !self.is_replaying
    }

    /// Hands an operation to everybody who takes changes and shall have this one. What stands
    /// around operations (`MULTI` and `EXEC`) is in no database.
    #[inline]
    fn hand_over(&mut self, db: Option<usize>, bytes: &[u8], audience: Audience) {
        if self.is_replaying {
            return;
        }
        self.file_what_the_stream_has();
        let followed_end = self.aof.followed_end();
        if audience.contains(Audience::REPLICAS) {
            self.replication.feed(db.map(|db| db as u32), bytes);
        }
        if self.aof.is_on() && audience.contains(Audience::FILE) {
            let second = self.aof_second();
            match followed_end {
                None => self.aof.append(db, bytes, second),
                Some(end) => {
                    let grown = self.replication.offset() - end;
                    self.aof.append_followed(db, bytes, second, grown);
                }
            }
        }
    }

    /// Hands the unit over that has ended.
    fn hand_over_unit(&mut self, bond: Bond) {
        let operations = self.unit.take_operations();
        let wrapped = bond == Bond::Transaction && operations.count() > 1;
        let around = operations
            .iter()
            .fold(Audience::NOBODY, |all, (.., who)| all.union(who));
        if wrapped {
            self.hand_over(None, b"*1\r\n$5\r\nMULTI\r\n", around);
        }
        for (db, bytes, audience) in operations.iter() {
            self.hand_over(Some(db), bytes, audience);
        }
        if wrapped {
            self.hand_over(None, b"*1\r\n$4\r\nEXEC\r\n", around);
        }
        self.unit.give_back(operations);
    }

    /// Ends a unit of what the server did by itself, not in a command.
    #[inline]
    pub fn end_unit(&mut self) {
        if !self.unit.is_empty() {
            self.hand_over_unit(Bond::Transaction);
        }
    }

    /// The same for a unit whose operations have nothing to do with each other: deletions of keys
    /// that were met by the way.
    pub fn end_unit_in_parts(&mut self) {
        if !self.unit.is_empty() {
            self.hand_over_unit(Bond::None);
        }
    }

    /// Ends a command that was run in a database. If it changed something and did not say
    /// otherwise, its own arguments come last, where they are `wanted`. The outermost command ends
    /// the unit.
    #[inline]
    pub(super) fn end_command(&mut self, db: usize, args: &Args<'_>, wanted: bool, flags: Flags) {
        let mark = self.unit.take_mark();
        let with_own_argv = wanted && mark == Mark::CHANGED;
        if self.unit.is_empty() && !self.unit.is_nested() {
            if !with_own_argv {
                return;
            }
            if let Some(raw) = args.raw() {
                return self.hand_over(Some(db), raw, Audience::ALL);
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
            self.unit.add(db, Audience::ALL, |out| args.encode(out));
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
            self.unit
                .add(db, Audience::ALL, |out| encode_command(argv, out));
        }
    }

    /// The same for what is no change of the data: replicas alone are to hear of it.
    pub fn propagate_to_replicas(&mut self, db: usize, argv: &[&[u8]]) {
        if self.replication.wants_feed() {
            self.unit
                .add(db, Audience::REPLICAS, |out| encode_command(argv, out));
        }
    }

    /// Adds the deletion of a key that the server deleted by itself.
    pub fn propagate_deletion(&mut self, db: usize, key: &[u8], lazily: bool) {
        self.propagate(db, &[deletion_verb(lazily), key]);
    }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
