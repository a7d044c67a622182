//! The data set of a simulated server: a digest of everything that was ever written to it.
//!
//! Every write stirs the digest together with the database and the value, so two servers have the
//! same data exactly if the same writes were run in the same order; a write lost, doubled, moved
//! or run in the wrong database shows for ever.

use crate::replication::{ReplId, SavedIdentity};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Data {
    digest: u64,
    writes: u64,
}

impl Data {
    pub fn is_empty(&self) -> bool {
        self.writes == 0
    }

    pub fn write(&mut self, db: u32, value: &[u8]) {
        for byte in db.to_le_bytes().iter().chain(value) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.writes += 1;
    }
}

/// A snapshot file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub data: Data,
    pub saved: Option<SavedIdentity>,
    /// Bytes that make it as large as a snapshot is.
    pub filler: usize,
}

impl Snapshot {
    pub fn to_bytes(self) -> Vec<u8> {
        let saved = self.saved.map_or("-".to_owned(), |saved| {
            format!("{} {} {}", saved.id, saved.offset, saved.stream_db)
        });
        let head = format!("{} {} {saved}\n", self.data.digest, self.data.writes);
        [head.as_bytes(), &vec![b'f'; self.filler]].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; anything else is a bug of the transfer.
    pub fn parse(bytes: &[u8]) -> Snapshot {
        let text = str::from_utf8(bytes).expect("a snapshot is ASCII");
        let (head, filler) = text.split_once('\n').expect("a snapshot has a head");
        assert!(
            filler.bytes().all(|byte| byte == b'f'),
            "foreign bytes in a snapshot"
        );
        let words: Vec<&str> = head.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        let data = Data {
            digest: number(0),
            writes: number(1),
        };
        let saved = (words[2] != "-").then(|| SavedIdentity {
            id: ReplId::parse(words[2].as_bytes()).expect("an id"),
            offset: number(3),
            stream_db: number(4) as u32,
        });
        Snapshot {
            data,
            saved,
            filler: filler.len(),
        }
    }
}
