//! Which commands took long, the latest first.

use std::collections::VecDeque;

/// A command that took long.
#[derive(Debug, Clone)]
pub struct SlowCommand {
    /// When it ran, in seconds since the epoch.
    pub unix_s: i64,
    /// How long it took, in microseconds.
    pub spent_us: u64,
    /// Its words, shortened.
    pub words: Vec<Box<[u8]>>,
    /// Where its client is.
    pub addr: String,
    /// How its client is called.
    pub name: Vec<u8>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// With their numbers, the latest first.
    commands: VecDeque<(u64, SlowCommand)>,
    next_number: u64,
}

impl SlowLog {
    /// Enters a command, and forgets the oldest beyond `kept`.
    pub fn note(&mut self, command: SlowCommand, kept: usize) {
        self.commands.push_front((self.next_number, command));
        self.next_number += 1;
        self.shorten(kept);
    }

    /// Forgets the oldest beyond `kept`.
    pub fn shorten(&mut self, kept: usize) {
        self.commands.truncate(kept);
    }

    /// Forgets all of them; numbers go on.
    pub fn clear(&mut self) {
        self.commands = VecDeque::new();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The commands with their numbers, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &(u64, SlowCommand)> {
        self.commands.iter()
    }
}
