//! Marks of time for our replicas, and when what was written ([`super::super::lag`]).

use super::Source;
use super::replica::Replica;
use crate::base::time::Now;
use crate::replication::action::ClientId;
use crate::replication::context::Context;
use crate::replication::history::History;
use crate::replication::lag::mark::{Mark, PERIOD_MS, PlacedMark};
use crate::replication::wire;

impl Source {
    /// Whether a replica reads marks.
    fn has_mark_readers(&self) -> bool {
        self.replicas.iter().any(Replica::reads_marks)
    }

    /// The stream ends there at the end of a tick: puts a mark of the time `mark_us` there, where
    /// one is due and somebody reads it.
    pub(in crate::replication) fn mark_writes(
        &mut self,
        history: &History,
        mark_us: Option<i64>,
        now: Now,
    ) {
        let now_ms = now.mono_ms();
        self.marker.note_end(history.identity().offset());
        if let Some(mark_us) = mark_us
            && self.marker.is_due(now_ms)
            && self.has_mark_readers()
        {
            let mark = Mark::new(mark_us, history.identity().id());
            self.place_mark(history, mark, now);
            self.marker.on_marked(now_ms);
        }
    }

    /// Puts a mark at the end of the stream, for those who read marks.
    pub(in crate::replication) fn place_mark(&mut self, history: &History, mark: Mark, now: Now) {
        if self.has_mark_readers() {
            self.marks.push(PlacedMark {
                before: history.identity().offset() + 1,
                placed_ms: now.mono_ms(),
                mark,
            });
        }
    }

    /// The mark that a replica is to be sent next, and how many bytes of the stream before it.
    fn next_mark(&self, replica: &Replica, history: &History) -> Option<(u64, PlacedMark)> {
        let reads = replica.reads_marks() && !replica.is_held();
        let cursor = replica.cursor().filter(|_| reads)?;
        let position = history.log()?.position(cursor);
        let placed = self.marks.next(replica.marked_before, position)?;
        Some((placed.before - position, *placed))
    }

    /// How many bytes of the stream a replica may be sent before something else has to come.
    pub(super) fn bytes_to_mark(&self, replica: &Replica, history: &History) -> u64 {
        let next = self.next_mark(replica, history);
        next.map_or(u64::MAX, |(bytes, _)| bytes)
    }

    /// The mark that a replica has come to, if it has come to one. It is taken to be sent. `now_us`
    /// is the time, if this is the origin: who has read all is told that.
    pub(in crate::replication) fn take_mark(
        &mut self,
        history: &History,
        client: ClientId,
        now_us: Option<i64>,
        now: Now,
    ) -> Option<Mark> {
        // Usually there is none.
        let at = self.index_of(client).filter(|_| !self.marks.is_empty())?;
        let (0, placed) = self.next_mark(&self.replicas[at], history)? else {
            return None;
        };
        self.replicas[at].marked_before = placed.before;
        let is_old = now.mono_ms().saturating_sub(placed.placed_ms) >= PERIOD_MS;
        if placed.before <= history.identity().offset() || !is_old {
            return Some(placed.mark);
        }
        // Nothing is missing, and so it was all the time since then.
        now_us.map(|now_us| Mark::new(now_us, history.identity().id()))
    }

    /// The regular ping.
    pub(super) fn ping(&mut self, cx: &mut Context) {
        cx.history.feed(None, &wire::command(&[b"ping"]));
    }

    /// The stream ends there now, at the end of a tick.
    #[inline]
    pub(in crate::replication) fn note_stream_end(&mut self, offset: u64, now_ms: u64) {
        self.feed_times.note(offset, now_ms);
    }

    /// A second is over.
    pub(super) fn note_second(&mut self, history: &History, now_ms: u64) {
        let online = self.replicas.iter().filter(|replica| replica.is_online());
        if let Some(offset) = online.map(Replica::has_offset).min() {
            self.feed_times.forget_before(offset);
        }
        self.forget_marks(history);
        for replica in &mut self.replicas {
            if !replica.is_online() {
                replica.sending.note_rate(now_ms);
            }
        }
    }

    fn forget_marks(&mut self, history: &History) {
        let reads = |replica: &&Replica| replica.reads_marks();
        let cursors = self
            .replicas
            .iter()
            .filter(reads)
            .filter_map(Replica::cursor);
        let positions = cursors.filter_map(|cursor| Some(history.log()?.position(cursor)));
        match positions.min() {
            Some(position) => self.marks.forget_before(position),
            None => self.marks.clear(),
        }
    }

    /// A replica was sent so many bytes of a snapshot.
    pub(in crate::replication) fn on_snapshot_sent(&mut self, client: ClientId, bytes: u64) {
        if let Some(at) = self.index_of(client) {
            self.replicas[at].sending.sent_bytes += bytes;
        }
    }
}
