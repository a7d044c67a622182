//! What online replicas read from the log, and what they say they have run.

use super::replica::{Replica, State};
use super::{Source, log_of, settle};
use crate::replication::LaggingReplica;
use crate::replication::action::ClientId;
use crate::replication::history::History;
use crate::replication::log::Cursor;
use crate::replication::settings::ReplicationSettings;

impl Source {
    /// Replicas that have something to read from the log.
    pub fn readers<'a>(&'a self, history: &'a History) -> impl Iterator<Item = ClientId> + 'a {
        self.replicas
            .iter()
            .filter(|replica| self.has_more(replica, history))
            .map(|replica| replica.client)
    }

    fn has_more(&self, replica: &Replica, history: &History) -> bool {
        match (&replica.state, history.log()) {
            (
                State::Online {
                    cursor,
                    held: false,
                },
                Some(log),
            ) => log.pending_bytes(cursor) > 0 || self.bytes_to_mark(replica, history) == 0,
            _ => false,
        }
    }

    /// The cursor of a replica that reads the log.
    pub(in crate::replication) fn reading_cursor(&self, client: ClientId) -> Option<&Cursor> {
        match &self.replicas[self.index_of(client)?].state {
            State::Online {
                cursor,
                held: false,
            } => Some(cursor),
            _ => None,
        }
    }

    /// Whether a replica needs a full sync, or comes from one and has not caught up yet.
    pub(in crate::replication) fn is_syncing(&self, history: &History, client: ClientId) -> bool {
        let cursor = self
            .index_of(client)
            .and_then(|at| self.replicas[at].cursor());
        match (history.log(), cursor) {
            (Some(log), Some(cursor)) => log.is_syncing(cursor),
            _ => false,
        }
    }

    /// What a replica has to read next, in order, in pieces, up to the next mark of time.
    pub(in crate::replication) fn chunks<'a>(
        &'a self,
        history: &'a History,
        client: ClientId,
    ) -> impl Iterator<Item = &'a [u8]> + 'a {
        let replica = self.index_of(client).map(|at| &self.replicas[at]);
        let mut left = replica.map_or(0, |replica| self.bytes_to_mark(replica, history));
        let log = history.log();
        self.reading_cursor(client)
            .into_iter()
            .flat_map(move |cursor| log.into_iter().flat_map(|l| l.chunks(cursor)))
            .map_while(move |chunk| {
                let count = left.min(chunk.len() as u64);
                left -= count;
                (count > 0).then(|| &chunk[..count as usize])
            })
    }

    /// A replica was sent `bytes` bytes of what [`chunks`](Self::chunks) showed.
    pub(in crate::replication) fn on_sent(
        &mut self,
        history: &mut History,
        client: ClientId,
        bytes: usize,
    ) {
        let at = self.index_of(client).expect("only a replica reads the log");
        let cursor = self.replicas[at]
            .cursor()
            .expect("only an online replica reads the log");
        log_of(history).advance(cursor, bytes);
        settle(&self.replicas[at], history);
    }

    /// Memory of the log that lies before a replica.
    pub(in crate::replication) fn memory_bytes(
        &self,
        history: &History,
        client: ClientId,
    ) -> usize {
        let cursor = self
            .index_of(client)
            .and_then(|at| self.replicas[at].cursor());
        match (history.log(), cursor) {
            (Some(log), Some(cursor)) => log.cursor_memory_bytes(cursor),
            _ => 0,
        }
    }

    // ---- Acknowledgements ----

    /// Replicas that have run the stream up to `offset`.
    pub fn count_acked(&self, offset: u64) -> usize {
        self.count_online(|replica| replica.ack_offset >= offset)
    }

    /// Replicas that have not run all of the stream up to `offset`. Where there is no stream yet,
    /// one that still waits for its snapshot is not behind.
    pub fn lagging_replicas(&self, offset: u64, now_ms: u64) -> Vec<LaggingReplica> {
        let lags = |replica: &&Replica| replica.ack_offset < offset;
        let describe = |replica: &Replica| LaggingReplica {
            name: replica.name(),
            behind: offset.saturating_sub(replica.ack_offset),
            lag_s: replica.shown_lag_s(now_ms),
            state: replica.state_name(),
        };
        self.replicas.iter().filter(lags).map(describe).collect()
    }

    /// Whether no replica needs a snapshot any more.
    pub fn all_online(&self) -> bool {
        self.replicas.iter().all(Replica::is_online)
    }

    /// Replicas whose append-only file holds the stream up to `offset`.
    pub fn count_fsynced(&self, offset: u64) -> usize {
        self.count_online(|replica| replica.fsynced_offset >= offset)
    }

    /// The offset up to which so many replicas have run the stream; none if there are not as many.
    pub fn acked_by(&self, count: usize) -> Option<u64> {
        self.nth_largest(count, |replica| replica.ack_offset)
    }

    /// The offset up to which the append-only files of so many replicas hold the stream.
    pub fn fsynced_by(&self, count: usize) -> Option<u64> {
        self.nth_largest(count, |replica| replica.fsynced_offset)
    }

    /// The largest offset that so many online replicas have reached.
    fn nth_largest(&self, count: usize, offset: impl Fn(&Replica) -> u64) -> Option<u64> {
        let Some(at) = count.checked_sub(1) else {
            return Some(u64::MAX);
        };
        let online = self.replicas.iter().filter(|replica| replica.is_online());
        let mut offsets: Vec<u64> = online.map(offset).collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        offsets.get(at).copied()
    }

    /// Whether the replica at this address, as it is known to others, is online; none if there is
    /// no such replica.
    pub fn is_online_at(&self, host: &[u8], port: i64) -> Option<bool> {
        let mut replicas = self.replicas.iter();
        let replica = replicas.find(|replica| replica.is_at(host, port))?;
        Some(replica.is_online())
    }

    /// Whether a replica at this address has run the stream up to `offset`.
    pub fn has_acked_at(&self, host: &[u8], port: i64, offset: u64) -> bool {
        self.count_online(|replica| replica.is_at(host, port) && replica.ack_offset >= offset) > 0
    }

    /// The address of the first replica that has run the stream up to `offset` and can be reached.
    pub fn first_acked(&self, offset: u64) -> Option<(String, u16)> {
        let has_all = |replica: &&Replica| replica.is_online() && replica.ack_offset >= offset;
        let mut replicas = self.replicas.iter().filter(has_all);
        replicas.find_map(|replica| {
            let port = u16::try_from(replica.options.listening_port);
            let port = port.ok().filter(|port| *port != 0)?;
            Some((replica.ip()?.to_owned(), port))
        })
    }

    /// Grows whenever the answers of the functions above may have become larger.
    pub fn ack_changes(&self) -> u64 {
        self.ack_changes
    }

    fn count_online(&self, accept: impl Fn(&Replica) -> bool) -> usize {
        self.replicas
            .iter()
            .filter(|replica| replica.is_online() && accept(replica))
            .count()
    }

    /// Replicas that were heard of recently enough for `min-replicas-to-write`, when that was
    /// looked at last.
    pub fn count_good(&self) -> usize {
        self.good
    }

    /// Looks at that again, if there is such a rule.
    pub(in crate::replication) fn refresh_good(
        &mut self,
        settings: &ReplicationSettings,
        now_ms: u64,
    ) {
        if settings.wants_good_replicas() {
            let is_good = |replica: &&Replica| replica.is_good(settings, now_ms);
            self.good = self.replicas.iter().filter(is_good).count();
        }
    }

    /// Asks all replicas, once before the server sleeps, how far they are.
    pub fn request_acks(&mut self) {
        self.acks_wanted = true;
    }

    /// Whether [`request_acks`](Self::request_acks) asked for a `REPLCONF GETACK`, which is seen
    /// to from now on.
    pub(in crate::replication) fn take_ack_request(&mut self) -> bool {
        std::mem::take(&mut self.acks_wanted)
    }
}
