//! Replicas that were dropped for their output limit, so that this does not go on for ever.
//!
//! A replica in step is held to `client-output-buffer-limit`, as users expect. Where bursts of
//! writes exceed that, it is dropped, and if the backlog does not reach back so far, it needs
//! another full sync; and the next burst does it again. So a replica that was dropped for its limit
//! and comes back for a full sync within an hour is held to it no more: what it has not read goes
//! to disk, as while it syncs, for as long as it stays. One that takes nothing at all still ends by
//! `repl-timeout`.

use super::Source;
use super::replica::{Dropped, Replica};
use crate::replication::action::ClientId;
use crate::replication::context::Context;

/// So many of them are remembered, the last.
const REMEMBERED_MAX: usize = 16;
/// They are remembered for so long, in milliseconds.
const REMEMBERED_MS: u64 = 3_600_000;

impl Source {
    /// A replica is about to be dropped, since what it has not read is over its limit.
    pub(in crate::replication) fn note_over_limit(&mut self, client: ClientId, now_ms: u64) {
        let Some(at) = self.index_of(client) else {
            return;
        };
        let replica = &self.replicas[at];
        let port = replica.options.listening_port;
        // Many may connect from one address without a port of their own.
        let Some(ip) = replica.ip().filter(|_| port != 0) else {
            return;
        };
        self.over_limit.retain(|dropped| !dropped.is(replica));
        if self.over_limit.len() == REMEMBERED_MAX {
            self.over_limit.pop_front();
        }
        self.over_limit.push_back(Dropped {
            ip: ip.to_owned(),
            port,
            at_ms: now_ms,
        });
    }

    /// A replica needs a full sync: whether it may leave unread what it likes, since it was dropped
    /// for that before.
    pub(super) fn is_spared(&self, cx: &mut Context, replica: &Replica) -> bool {
        let now_ms = cx.now_ms();
        let is_recent = |d: &Dropped| now_ms.saturating_sub(d.at_ms) < REMEMBERED_MS;
        let is_it = |dropped: &Dropped| dropped.is(replica) && is_recent(dropped);
        if cx.settings.spill_bytes_max == 0 || !self.over_limit.iter().any(is_it) {
            return false;
        }
        cx.notice(format!(
            "Replica {} was dropped for its output buffer limit and needs a full sync again. \
             From now on what it has not read goes to disk, up to repl-spill-max-size",
            replica.name()
        ));
        true
    }
}
