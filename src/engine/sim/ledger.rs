//! Ledgers of lost writes on a server's disk, and what must hold of them.

use std::collections::BTreeSet;
use std::path::Path;

use super::disk::SimDisk;
use super::node::Node;
use super::oracle::Oracle;
use crate::base::disk::Disk;
use crate::persist::aof::records::{End, Item, Records};
use crate::persist::ledger::{Head, Tail, is_ledger_name};
use crate::replication::ReplId;

/// No ledger says that a write is lost which its new master's history has.
pub fn check_all(nodes: &[Node], oracle: &Oracle) {
    let ledgers = nodes.iter().flat_map(|node| Ledger::all_of(&node.disk));
    ledgers.for_each(|ledger| ledger.check_no_inventions(oracle));
}

/// A ledger, as it is read.
pub struct Ledger {
    pub head: Head,
    pub tail: Tail,
    /// Keys that the oracle follows and that a `SET` in it names, with their databases.
    pub keys: BTreeSet<(usize, Vec<u8>)>,
}

impl Ledger {
    /// All that are on a disk.
    pub fn all_of(disk: &SimDisk) -> Vec<Ledger> {
        let paths = disk.clone().files_in(Path::new("")).expect("the folder");
        let is_one = |path: &&std::path::PathBuf| path.to_str().is_some_and(is_ledger_name);
        let texts = paths.iter().filter(is_one).map(|path| disk.content(path));
        texts.map(|text| Ledger::read(&text)).collect()
    }

    /// # Panics
    ///
    /// It is not what a ledger is: a file is there as a whole, or not at all.
    fn read(text: &[u8]) -> Ledger {
        let mut records = Records::new(0);
        records.push(text);
        let (mut head, mut tail, mut db) = (None, None, 0);
        let mut keys = BTreeSet::new();
        while let Some(item) = records.next_item().expect("a file of commands") {
            let Item::Command { args, .. } = item else {
                panic!("a comment");
            };
            let words: Vec<&[u8]> = args.iter().collect();
            match &words[..] {
                [name, text] if name == b"ECHO" && head.is_none() => head = Head::parse(text),
                [name, text] if name == b"ECHO" => tail = Tail::parse(text),
                [name, number] if name == b"SELECT" => {
                    let number = str::from_utf8(number).ok().and_then(|n| n.parse().ok());
                    db = number.expect("a database");
                }
                [name, key, ..] if name.eq_ignore_ascii_case(b"set") && key[0] == b'w' => {
                    keys.insert((db, key.to_vec()));
                }
                _ => {}
            }
        }
        assert_eq!(records.end(), End::Whole);
        let (head, tail) = (head.expect("a head"), tail.expect("an end"));
        assert!(tail.commands > 0, "an empty ledger");
        Ledger { head, tail, keys }
    }

    /// The history of the new master has nothing of what stands here, if it says so.
    fn check_no_inventions(&self, oracle: &Oracle) {
        let Some(id) = ReplId::parse(self.head.new_id.as_bytes()) else {
            return;
        };
        // A master may even have come back to an earlier place of its own history.
        let up_to = match self.head.new_id == self.head.id {
            true => self.head.after,
            false => u64::MAX,
        };
        for (db, key) in self.keys.iter().filter(|_| self.head.is_exact) {
            oracle.check_lost((id, up_to), *db, key);
        }
    }
}
