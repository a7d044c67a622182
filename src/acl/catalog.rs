//! What rules have to know of the commands.

use std::ops::Range;

/// One command or subcommand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number.
    pub id: usize,
    /// Its name, `get` or `client|list`, whatever it may have been renamed to.
    pub name: &'static str,
    /// The categories that it belongs to, a bit for each.
    pub categories: u32,
    /// The numbers of its subcommands.
    pub members: Range<usize>,
}

impl Entry {
    /// Whether it is a subcommand.
    pub fn is_member(&self) -> bool {
        self.name.contains('|')
    }
}

/// All commands, numbered from 0.
pub trait Catalog {
    /// How many there are.
    fn count(&self) -> usize;

    /// The command of a number below that.
    fn entry(&self, id: usize) -> Entry;

    /// The category of this name, in any case.
    fn category(&self, name: &[u8]) -> Option<u32>;

    /// The command of this name, in any case.
    fn find(&self, name: &[u8]) -> Option<Entry> {
        let mut all = (0..self.count()).map(|id| self.entry(id));
        all.find(|entry| entry.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A few commands for tests of rules.
#[cfg(test)]
pub mod testing {
    use super::{Catalog, Entry};
    use std::ops::Range;

    /// Reads.
    pub const READ: u32 = 1;
    /// Writes.
    pub const WRITE: u32 = 2;

    /// A catalog of ten commands.
    #[derive(Debug)]
    pub struct Few;

    /// Their names, categories and subcommands.
    const ALL: [(&str, u32, Range<usize>); 10] = [
        ("get", READ, 0..0),
        ("mget", READ, 0..0),
        ("set", WRITE, 0..0),
        ("copy", WRITE, 0..0),
        ("select", 0, 0..0),
        ("publish", 0, 0..0),
        ("psubscribe", 0, 0..0),
        ("config", 0, 8..10),
        ("config|get", READ, 0..0),
        ("config|set", WRITE, 0..0),
    ];

    impl Catalog for Few {
        fn count(&self) -> usize {
            ALL.len()
        }

        fn entry(&self, id: usize) -> Entry {
            let (name, categories, members) = ALL[id].clone();
            Entry {
                id,
                name,
                categories,
                members,
            }
        }

        fn category(&self, name: &[u8]) -> Option<u32> {
            let all = [(READ, "read"), (WRITE, "write")];
            let named = |(_, known): &&(u32, &str)| known.as_bytes().eq_ignore_ascii_case(name);
            all.iter().find(named).map(|(bit, _)| *bit)
        }
    }

    /// The number of a command.
    pub fn id(name: &str) -> usize {
        Few.find(name.as_bytes()).expect("one of the few").id
    }
}
