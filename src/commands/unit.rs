//! The execution unit: what one command causes reaches replicas whole.
//!
//! The deletion of a key found expired, then the write itself; every write of a transaction: they
//! are collected in [`Unit`] and leave in one go, alone as it is, several wrapped in `MULTI` and
//! `EXEC`. The common case, one command whose own words are what replicas need, is collected
//! nowhere: its bytes go from the input buffer to the log.

use super::context::{Ctx, Env};
use crate::resp::args::{Args, array_header, bulk, encode_command};

/// What goes to replicas when the running unit ends.
#[derive(Debug, Default)]
pub struct Unit {
    /// Encoded commands, one behind the other.
    bytes: Vec<u8>,
    /// The database and the end in `bytes` of each.
    ops: Vec<(usize, usize)>,
    /// Whether the running command's own words are left out.
    instead: bool,
    /// Whether the running command is part of a transaction, which ends the unit.
    nested: bool,
}

impl Unit {
    /// Begins to collect what the commands of a transaction cause.
    pub fn nest(&mut self) {
        assert!(!self.nested, "transactions do not contain transactions");
        self.nested = true;
    }

    /// Ends that. The command that ran them is not to be propagated itself.
    pub fn unnest(&mut self) {
        self.nested = false;
        self.instead = true;
    }

    /// Whether the running command is part of a transaction.
    #[inline]
    pub fn is_nested(&self) -> bool {
        self.nested
    }
}

/// With which command replicas delete a key that was deleted here.
pub fn deletion_verb(lazily: bool) -> &'static [u8] {
    if lazily { b"UNLINK" } else { b"DEL" }
}

impl Env {
    /// Adds a command to the unit that is running.
    pub fn propagate(&mut self, db: usize, words: &[&[u8]]) {
        if !self.streams_writes() {
            return;
        }
        encode_command(words, &mut self.unit.bytes);
        self.unit.ops.push((db, self.unit.bytes.len()));
    }

    /// Whether writes made here go to anybody.
    #[inline]
    pub fn streams_writes(&self) -> bool {
        self.replication.wants_feed()
    }

    /// Ends an execution unit: what it collected goes to the backlog and thereby to every
    /// replica, as one.
    #[inline]
    pub fn end_unit(&mut self) {
        match self.unit.ops.len() {
            0 => self.unit.instead = false,
            1 => self.end_unit_in_parts(),
            _ => self.end_unit_as_transaction(),
        }
    }

    fn end_unit_as_transaction(&mut self) {
        // The transaction itself is in no database; `SELECT`, where needed, stands inside.
        self.replication.feed(None, b"*1\r\n$5\r\nMULTI\r\n");
        self.end_unit_in_parts();
        self.replication.feed(None, b"*1\r\n$4\r\nEXEC\r\n");
    }

    /// Ends an execution unit whose commands have nothing to do with each other: deletions of
    /// keys that were met by the way.
    pub(super) fn end_unit_in_parts(&mut self) {
        self.unit.instead = false;
        let mut start = 0;
        for (db, end) in &self.unit.ops {
            self.replication
                .feed(Some(*db as u32), &self.unit.bytes[start..*end]);
            start = *end;
        }
        self.unit.bytes.clear();
        self.unit.ops.clear();
    }

    /// Ends a command within a transaction. If it changed something, its own words go last, unless
    /// it said otherwise.
    pub(super) fn end_nested_command(&mut self, db: usize, args: &Args<'_>, changed: bool) {
        let instead = std::mem::replace(&mut self.unit.instead, false);
        if changed && !instead && self.streams_writes() {
            args.encode(&mut self.unit.bytes);
            self.unit.ops.push((db, self.unit.bytes.len()));
        }
    }

    /// Ends the unit of a command that changed something: its own words go last, unless it said
    /// otherwise.
    pub(super) fn end_command_unit(&mut self, db: usize, args: &Args<'_>) {
        if self.unit.instead || !self.streams_writes() {
            return self.end_unit();
        }
        match args.raw() {
            Some(raw) if self.unit.ops.is_empty() => self.replication.feed(Some(db as u32), raw),
            _ => {
                args.encode(&mut self.unit.bytes);
                self.unit.ops.push((db, self.unit.bytes.len()));
                self.end_unit();
            }
        }
    }

    /// Tells replicas that a key was deleted by the server itself.
    pub fn propagate_deletion(&mut self, db: usize, key: &[u8], lazily: bool) {
        self.propagate(db, &[deletion_verb(lazily), key]);
    }
}

impl Ctx<'_> {
    /// Sends these words to replicas in place of the command's own. May be called several times.
    pub fn propagate_instead(&mut self, words: &[&[u8]]) {
        self.env.unit.instead = true;
        self.env.propagate(self.session.db, words);
    }

    /// Keeps the command's own words from replicas, even if nothing is sent in their place.
    pub fn propagate_nothing(&mut self) {
        self.env.unit.instead = true;
    }

    /// Sends the command's own words to replicas with some of them, by index, replaced.
    pub fn propagate_with(&mut self, args: &Args<'_>, replaced: &[(usize, &[u8])]) {
        self.env.unit.instead = true;
        if !self.env.streams_writes() {
            return;
        }
        let unit = &mut self.env.unit;
        array_header(args.len(), &mut unit.bytes);
        for (at, word) in args.iter().enumerate() {
            let other = replaced.iter().find(|(index, _)| *index == at);
            bulk(other.map_or(word, |(_, other)| other), &mut unit.bytes);
        }
        unit.ops.push((self.session.db, unit.bytes.len()));
    }
}
