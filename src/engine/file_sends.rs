//! The snapshot files that are open for replicas, and how far each has been sent.

use std::collections::HashMap;

/// A snapshot file for a replica.
pub struct FileSend<F> {
    /// The file.
    pub file: F,
    /// The byte to be read next.
    pub at: u64,
    /// Bytes that were not read.
    pub left: u64,
    /// Whether it is the replica's turn.
    pub begun: bool,
}

/// Snapshot files for replicas.
pub struct FileSends<F> {
    /// By the ids of the replicas.
    sends: HashMap<u64, FileSend<F>>,
    /// One whose replica is gone, and may come back.
    kept: Option<FileSend<F>>,
}

impl<F> Default for FileSends<F> {
    fn default() -> FileSends<F> {
        FileSends {
            sends: HashMap::new(),
            kept: None,
        }
    }
}

impl<F> FileSends<F> {
    /// Adds the file of a replica, `size` bytes long, whose turn it is not yet.
    pub fn open(&mut self, client: u64, file: F, size: u64) {
        let send = FileSend {
            file,
            at: 0,
            left: size,
            begun: false,
        };
        self.sends.insert(client, send);
    }

    /// The file of a replica.
    pub fn get_mut(&mut self, client: u64) -> Option<&mut FileSend<F>> {
        self.sends.get_mut(&client)
    }

    /// Whether there is one for this replica.
    pub fn has(&self, client: u64) -> bool {
        self.sends.contains_key(&client)
    }

    /// A replica is gone, and its file is kept.
    pub fn keep(&mut self, client: u64) {
        self.kept = self.sends.remove(&client);
    }

    /// A replica has come for the rest of the file that was kept, from this byte on.
    pub fn take(&mut self, client: u64, from: u64) {
        if let Some(mut send) = self.kept.take() {
            send.left = (send.at + send.left).saturating_sub(from);
            (send.at, send.begun) = (from, false);
            self.sends.insert(client, send);
        }
    }

    /// Nobody comes for the file that was kept.
    pub fn drop_kept(&mut self) {
        self.kept = None;
    }

    /// A client is gone.
    pub fn forget(&mut self, client: u64) {
        self.sends.remove(&client);
    }
}
