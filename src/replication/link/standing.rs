//! How the link stands: how far we are behind, and what `INFO` and `ROLE` say of it.

use super::{Link, Stage};
use crate::replication::context::Context;
use crate::replication::extensions::Extensions;
use crate::replication::info::{MasterInfo, SyncStage};
use crate::replication::lag::clock::Skew;
use crate::replication::lag::mark::{self, Mark};
use crate::replication::lag::meter::Lag;
use crate::replication::settings::ReplicationSettings;

/// A master that was not heard of for its ping period and so much longer has something to say that
/// does not come.
const SILENT_MS: u64 = 1000;

impl Link {
    // ---- Lag ----

    /// Whether marks come between the commands of the stream.
    pub(in crate::replication) fn gets_marks(&self) -> bool {
        self.peer.contains(Extensions::LAG)
    }

    /// The stream has been run up to a mark, which has come as so many bytes.
    pub(in crate::replication) fn on_mark(&mut self, cx: &mut Context, mark: Mark, bytes: u64) {
        if let Stage::Streaming(streaming) = &mut self.stage {
            let left = streaming.unapplied.checked_sub(bytes);
            streaming.unapplied = left.expect("only what was received can be a mark");
            streaming.waits_since_ms = None;
        }
        if !self.is_up() || !mark.is_of(cx.history.identity().id()) {
            return;
        }
        if self.meter.on_mark(mark, cx.clock_us(), cx.now_ms()) {
            self.send_ack(cx);
        }
    }

    /// How far the clock of the origin is ahead of ours, if that is known and the link is up.
    pub(in crate::replication) fn skew(&self) -> Option<Skew> {
        self.meter.skew().filter(|_| self.is_up())
    }

    /// How far we are behind the origin, in time, if that is known.
    pub(in crate::replication) fn lag(
        &self,
        settings: &ReplicationSettings,
        now_ms: u64,
    ) -> Option<Lag> {
        if self.is_up() && self.meter.skew().is_none() {
            return None;
        }
        self.meter
            .lag(self.missing_since_ms(settings, now_ms), now_ms)
    }

    /// Since when something is missing, as far as we know: the link is down, or the master was not
    /// heard of when it should have been, or what has come is not run.
    fn missing_since_ms(&self, settings: &ReplicationSettings, now_ms: u64) -> Option<u64> {
        let Stage::Streaming(streaming) = &self.stage else {
            return self.down_since_ms;
        };
        let silent_ms_max = settings.ping_period_s * 1000 + SILENT_MS;
        if now_ms.saturating_sub(streaming.heard_ms) > silent_ms_max {
            return Some(streaming.heard_ms);
        }
        let waits = streaming.waits_since_ms.filter(|_| streaming.unapplied > 0);
        waits.filter(|since_ms| now_ms.saturating_sub(*since_ms) > mark::PERIOD_MS)
    }

    /// Bytes of the stream that have come and were not run.
    pub(in crate::replication) fn unapplied(&self) -> u64 {
        match &self.stage {
            Stage::Streaming(streaming) => streaming.unapplied,
            Stage::Loading(load) => load.unapplied(),
            _ => 0,
        }
    }

    // ---- Facts ----

    /// The stage as `ROLE` names it.
    pub fn stage_name(&self) -> &'static str {
        match self.stage {
            Stage::Idle => "connect",
            Stage::Connecting { .. } => "connecting",
            Stage::Handshake(_) => "handshake",
            Stage::Receiving(_) | Stage::Loading(_) => "sync",
            Stage::Streaming(_) => "connected",
        }
    }

    /// The stage as the fields about lag name it: in finer steps.
    fn sync_stage(&self) -> SyncStage {
        match &self.stage {
            Stage::Idle => SyncStage::Idle,
            Stage::Connecting { .. } => SyncStage::Connecting,
            Stage::Handshake(_) => SyncStage::Handshake,
            Stage::Receiving(incoming) => incoming.sync_stage(),
            Stage::Loading(load) => load.sync_stage(),
            Stage::Streaming(_) => SyncStage::Streaming,
        }
    }

    /// The facts of `INFO`; `applied` is the stream's offset.
    pub(in crate::replication) fn info(
        &self,
        now_ms: u64,
        applied: u64,
        settings: &ReplicationSettings,
    ) -> MasterInfo {
        let rule = settings.lineage_guard;
        let seconds_since = |then_ms: u64| now_ms.saturating_sub(then_ms) / 1000;
        let (last_io_s, unapplied) = match &self.stage {
            Stage::Streaming(streaming) => (
                seconds_since(streaming.heard_ms) as i64,
                streaming.unapplied,
            ),
            _ => (-1, 0),
        };
        let sync = match &self.stage {
            Stage::Receiving(incoming) => Some(incoming.info(now_ms)),
            Stage::Loading(load) => Some(load.info(now_ms)),
            _ => None,
        };
        // While our data has no place in the history, the offsets say so.
        let shown = if self.is_up() || self.matches_identity() {
            applied
        } else {
            1
        };
        MasterInfo {
            host: self.host.clone(),
            port: self.port,
            link_up: self.is_up(),
            last_io_s,
            sync,
            read_offset: shown + unapplied,
            applied_offset: shown,
            down_since_s: (!self.is_up()).then(|| {
                self.down_since_ms
                    .map_or(-1, |since| seconds_since(since) as i64)
            }),
            stage: self.sync_stage(),
            lag_bytes: self.unapplied(),
            lag: self.lag(settings, now_ms),
            guard: self.guard.info(rule, self.was_up, now_ms),
        }
    }
}
