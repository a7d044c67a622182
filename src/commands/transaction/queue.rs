//! What a session keeps of a transaction that was begun: the commands that wait for `EXEC`.

use crate::commands::row::Flags;
use crate::resp::args::OwnedArgs;

/// A transaction that was begun.
#[derive(Debug)]
pub struct Transaction {
    queue: Vec<Queued>,
    /// What at least one of the commands is.
    any: Flags,
    /// What all of them are.
    all: Flags,
    /// A command was refused.
    spoilt: bool,
    bytes: usize,
}

/// A command that waits.
#[derive(Debug)]
pub struct Queued {
    /// Its place in the table of commands.
    pub id: usize,
    /// Its words.
    pub argv: OwnedArgs,
}

impl Default for Transaction {
    fn default() -> Transaction {
        Transaction {
            queue: Vec::new(),
            any: Flags::empty(),
            all: Flags::all(),
            spoilt: false,
            bytes: 0,
        }
    }
}

impl Transaction {
    /// Has a command wait.
    pub fn push(&mut self, queued: Queued, flags: Flags) {
        self.any |= flags;
        self.all &= flags;
        self.bytes += queued.argv.held_bytes();
        self.queue.push(queued);
    }

    /// The commands that wait.
    pub fn commands(&self) -> &[Queued] {
        &self.queue
    }

    /// What at least one of them is.
    pub fn any(&self) -> Flags {
        self.any
    }

    /// What all of them are.
    pub fn all(&self) -> Flags {
        self.all
    }

    /// A command was refused; `EXEC` will give up.
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Whether a command was refused.
    pub fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Memory held for the commands that wait.
    pub fn argv_bytes(&self) -> usize {
        self.bytes
    }

    /// All memory held.
    pub fn memory(&self) -> usize {
        self.bytes + self.queue.capacity() * size_of::<Queued>()
    }
}
