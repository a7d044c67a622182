//! What is kept on disk of the stream, for replicas that sync.
//!
//! The log says which bytes may leave memory, the driver has the files, and here stands what
//! follows from it: while it works, no limit of memory concerns a replica that syncs, since its
//! memory is bounded already; when the disk is full or fails, `client-output-buffer-limit` is what
//! bounds it, as it is with `repl-spill-max-size 0`. The disk is tried again when what it holds has
//! been given up, or some seconds later.
//!
//! Before it sleeps, and after it has fed the replicas, the driver takes what
//! [`spillable`](Replication::spillable) shows until that is nothing, and reports each time with
//! [`on_spilled`](Replication::on_spilled) or [`on_spill_failed`](Replication::on_spill_failed);
//! it serves replicas that have a [`cold_range`](Replication::cold_range) from its files, and gives
//! up what stands before [`cold_first`](Replication::cold_first).

use std::ops::Range;

use super::action::{Action, ClientId, Facts};
use super::log::ReplLog;
use super::spill_state::Spill;
use super::{Parts, Replication};
use crate::base::time::Now;

/// A disk that has refused is tried again after this time.
const RETRY_MS: u64 = 10_000;

impl Replication {
    /// Whether the stream may be moved to disk for replicas that sync.
    fn spills(&self) -> bool {
        self.settings.spill_bytes_max > 0 && self.spill == Spill::Works
    }

    /// Bytes of the log that are to be moved to disk, and the offset of the first of them.
    #[inline]
    pub fn spillable(&self) -> Option<(u64, &[u8])> {
        let log = self.history.log().filter(|_| self.spills())?;
        log.spillable(self.settings.sync_memory_bytes)
    }

    /// What [`spillable`](Self::spillable) has shown was written, and can be read.
    pub fn on_spilled(&mut self) {
        self.history
            .log_mut()
            .expect("it has shown a block")
            .on_spilled();
    }

    /// That could not be written; `reason` goes to the log.
    pub fn on_spill_failed(&mut self, reason: &str, facts: Facts, out: &mut Vec<Action>) {
        let until_ms = facts.now.mono_ms() + RETRY_MS;
        self.spill = Spill::Failed { until_ms };
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        cx.warning(format!(
            "Cannot keep the stream on disk for replicas that sync: {reason}. Until that works, \
             client-output-buffer-limit holds for them, too, and may drop them."
        ));
        source.drop_kept(&mut cx);
    }

    /// Whether the place of a replica that has gone may be kept in the log: only where that costs
    /// no memory.
    pub(super) fn may_keep_place(&self) -> bool {
        self.spills()
    }

    /// The disk is tried again when it is time, or when nothing is kept there any more.
    pub(super) fn retry_spill(&mut self, now_ms: u64) {
        if let Spill::Failed { until_ms } = self.spill
            && (now_ms >= until_ms || self.cold_bytes() == 0)
        {
            self.spill = Spill::Works;
        }
    }

    /// The offset of the first byte that somebody needs of what is on disk; none if nobody needs
    /// anything.
    #[inline]
    pub fn cold_first(&self) -> Option<u64> {
        let log = self.history.log()?;
        (log.cold_first() < log.first()).then(|| log.cold_first())
    }

    /// Bytes of the stream that are on disk for somebody.
    pub fn cold_bytes(&self) -> u64 {
        let on_disk = |log: &ReplLog| log.first() - log.cold_first();
        self.history.log().map_or(0, on_disk)
    }

    /// What a replica has to read next, if that is on disk: to be sent from there.
    pub fn cold_range(&self, client: ClientId) -> Option<Range<u64>> {
        let log = self.history.log()?;
        log.cold_range(self.source.reading_cursor(client)?)
    }

    /// What a replica has to read next cannot be read from disk: it has to begin anew.
    pub fn on_cold_lost(
        &mut self,
        client: ClientId,
        reason: &str,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        cx.warning(format!(
            "What was kept of the stream for a replica cannot be read from disk: {reason}"
        ));
        source.close_client(&mut cx, client);
    }

    /// A replica, or another client, is about to be dropped, since it is over its limit.
    pub fn note_over_limit(&mut self, client: ClientId, now: Now) {
        self.source.note_over_limit(client, now.mono_ms());
    }

    /// What of the memory that lies before a replica its output buffer limit applies to.
    pub fn replica_limited_bytes(&self, client: ClientId) -> usize {
        match self.spills() && self.source.is_syncing(&self.history, client) {
            true => 0,
            false => self.replica_memory_bytes(client),
        }
    }
}
