//! What is done for our replicas once a second: they are pinged, who is silent is dropped, and a
//! log that nobody needs is given up.

use super::replica::State;
use super::{Source, settle};
use crate::replication::action::Action;
use crate::replication::context::Context;

impl Source {
    pub(in crate::replication) fn on_second(
        &mut self,
        cx: &mut Context,
        is_master: bool,
        may_ping: bool,
    ) {
        let period = cx.settings.ping_period_s.max(1);
        if is_master
            && may_ping
            && !self.replicas.is_empty()
            && self.cron_rounds.is_multiple_of(period)
        {
            self.ping(cx);
        }
        self.cron_rounds += 1;
        self.note_second(cx.history, cx.now_ms());
        self.ping_waiting(cx);
        self.settle_readers(cx);
        // The limit may have been raised.
        self.send_files(cx);
        self.drop_silent(cx);
        self.expire_kept(cx);
        if is_master {
            self.drop_idle_log(cx);
        }
        self.refresh_tail(cx);
        self.start_snapshot_if_due(cx);
        self.refresh_good(cx.settings, cx.now_ms());
    }

    /// A lone newline tells a replica that waits for its snapshot that we are alive.
    fn ping_waiting(&mut self, cx: &mut Context) {
        let to_sockets = self.job.is_some_and(|job| job.to_sockets);
        for replica in &self.replicas {
            let waits = replica.is_waiting() || replica.waits_for_file();
            if waits || (replica.is_in_snapshot() && !to_sockets) {
                cx.push(Action::SendReplica {
                    client: replica.client,
                    bytes: b"\n".to_vec(),
                });
            }
        }
    }

    /// Who reads the log and is close to its end, syncs no more.
    fn settle_readers(&mut self, cx: &mut Context) {
        for replica in &self.replicas {
            settle(replica, cx.history);
        }
    }

    fn drop_silent(&mut self, cx: &mut Context) {
        let mut at = 0;
        while let Some(replica) = self.replicas.get(at) {
            let doing = match replica.state {
                State::Online { .. } if !replica.old_protocol => {
                    cx.timed_out(replica.heard_ms).then_some("streaming sync")
                }
                State::InSnapshot {
                    stalled_since_ms: Some(since),
                    ..
                } => cx.timed_out(since).then_some("full sync"),
                _ => None,
            };
            let Some(doing) = doing else {
                at += 1;
                continue;
            };
            let name = replica.name();
            cx.warning(format!("Disconnecting timedout replica ({doing}): {name}"));
            self.close(cx, at);
        }
    }

    /// A master that has had no replica for long gives the log's memory back. From then on it
    /// counts nothing, so nobody may continue from before: the history ends.
    fn drop_idle_log(&mut self, cx: &mut Context) {
        let ttl_s = cx.settings.backlog_ttl_s;
        let idle_ms = cx.now_ms().saturating_sub(self.empty_since_ms);
        if !self.replicas.is_empty() || ttl_s == 0 || cx.history.log().is_none() {
            return;
        }
        if idle_ms > ttl_s * 1000 {
            self.drop_kept(cx);
            cx.history.begin_anew(cx.rng);
            self.tail.forget(cx.history);
            cx.history.drop_log();
            cx.notice(format!(
                "Replication backlog freed after {ttl_s} seconds without connected replicas."
            ));
        }
    }

    /// Counts the time without replicas from now on.
    pub(in crate::replication) fn restart_idle_time(&mut self, now_ms: u64) {
        self.empty_since_ms = now_ms;
    }
}
