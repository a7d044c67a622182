//! Marks of time in the stream to our replicas, and when what was written ([`super::super::lag`]).

use super::Source;
use super::replica::Replica;
use crate::base::time::Now;
use crate::replication::action::ClientId;
use crate::replication::context::Context;
use crate::replication::history::History;
use crate::replication::lag::mark;
use crate::replication::wire;

impl Source {
    /// Whether a replica reads marks.
    fn has_mark_readers(&self) -> bool {
        self.replicas.iter().any(Replica::reads_marks)
    }

    /// Writes a mark of the time `mark_us` behind what was written in this tick, where that was
    /// something, somebody reads it, and the last mark is old enough.
    pub(in crate::replication) fn mark_writes(
        &mut self,
        history: &mut History,
        mark_us: Option<i64>,
        now: Now,
    ) {
        let has_writes = self.marker.take_writes(history.identity().offset());
        let Some(mark_us) = mark_us else { return };
        if has_writes && self.marker.may_mark(now.mono_ms()) && self.has_mark_readers() {
            self.write_mark(history, mark_us, now);
        }
    }

    fn write_mark(&mut self, history: &mut History, mark_us: i64, now: Now) {
        let id = history.identity().id();
        history.feed(None, &mark::command(mark_us, id));
        self.marker.on_marked(now.mono_ms());
    }

    /// The regular ping; a mark where somebody reads it.
    pub(super) fn ping(&mut self, cx: &mut Context) {
        if self.has_mark_readers() {
            let mark_us = cx.clock_us();
            return self.write_mark(cx.history, mark_us, cx.facts.now);
        }
        cx.history.feed(None, &wire::command(&[b"ping"]));
    }

    /// The stream ends there now, at the end of a tick.
    #[inline]
    pub(in crate::replication) fn note_stream_end(&mut self, offset: u64, now_ms: u64) {
        self.marker.take_writes(offset);
        self.feed_times.note(offset, now_ms);
    }

    /// A second is over.
    pub(super) fn note_second(&mut self, now_ms: u64) {
        let online = self.replicas.iter().filter(|replica| replica.is_online());
        if let Some(offset) = online.map(Replica::has_offset).min() {
            self.feed_times.forget_before(offset);
        }
        for replica in &mut self.replicas {
            if !replica.is_online() {
                replica.sending.note_rate(now_ms);
            }
        }
    }

    /// A replica was sent so many bytes of a snapshot.
    pub(in crate::replication) fn on_snapshot_sent(&mut self, client: ClientId, bytes: u64) {
        if let Some(at) = self.index_of(client) {
            self.replicas[at].sending.sent_bytes += bytes;
        }
    }
}
