//! Whether we have a master, and the ways to get one, another one, or none.
//!
//! An operator says so (`REPLICAOF`), or our master does: it hands over to us by asking for the
//! stream with `PSYNC id offset FAILOVER`, as our replica to be.
//!
//! In turn, we hand over to one of our replicas when an operator wants us to (`FAILOVER`); how that
//! goes is told in [`super::failover`].
//!
//! No change of role throws data away. A master that gets a master offers its own history there,
//! in case the two have one in common; its replicas stay until it turns out that they cannot be
//! served any more. A replica that becomes a master goes on where it is under a new name, and its
//! replicas are sent away only to come back at once and learn it.

use super::failover::{FailoverRequest, FailoverTarget, Step};
use super::history::StreamPlace;
use super::identity::OFFSET_MAX;
use super::link::{HandoverAnswer, Link};
use super::log::ReplLog;
use super::{Action, Facts, Parts, Replication, Retraced, SavedIdentity, wire};

/// What who asks for the stream is told while we hand over.
pub(super) const FAILING_OVER: &str = "NOMASTERLINK Can't SYNC while failing over";

/// What `REPLICAOF host port` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicaof {
    /// We follow that master from now on.
    Following,
    /// We did already: `+OK Already connected to specified master`.
    AlreadyFollowing,
}

/// Whether we have a master.
#[derive(Debug)]
pub(super) enum Role {
    Master,
    Replica(Box<Link>),
}

impl Replication {
    /// The configuration names a master. To be called at start only, before [`restore`]; the
    /// first attempt to connect is made by the first tick.
    ///
    /// [`restore`]: Replication::restore
    pub fn start_as_replica_of(&mut self, host: &str, port: u16) {
        self.role = Role::Replica(Box::new(Link::at_start(host.to_owned(), port)));
        self.source.tail_mut().set_frozen(true);
    }

    /// The data set was loaded at start from a snapshot that says where in which history it is.
    /// One that says what cannot be is not believed.
    pub fn restore(&mut self, saved: SavedIdentity, facts: Facts, out: &mut Vec<Action>) {
        self.restore_with(saved, None, facts, out);
    }

    /// The same from an append-only file, which has the last bytes of the stream as well.
    pub fn restore_retraced(&mut self, found: Retraced, facts: Facts, out: &mut Vec<Action>) {
        self.restore_with(found.place, Some(found.log), facts, out);
    }

    fn restore_with(
        &mut self,
        saved: SavedIdentity,
        log: Option<ReplLog>,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        if saved.offset > OFFSET_MAX {
            return;
        }
        let Parts {
            role,
            source,
            mut cx,
            ..
        } = self.parts(facts, out);
        match role {
            Role::Replica(link) => {
                let place = StreamPlace {
                    db: Some(saved.stream_db),
                    sum: saved.sum,
                };
                cx.history.adopt(saved.id, saved.offset, place);
                cx.history.learn(&saved.ancestors);
                if let Some(log) = log {
                    cx.history.install_log(log);
                }
                link.on_restored(&mut cx);
            }
            Role::Master => {
                cx.history.learn(&saved.ancestors);
                cx.history
                    .restore_as_master(saved.id, saved.offset, saved.sum);
                match log {
                    Some(log) => cx.history.install_log(log),
                    None => cx.history.keep_log(cx.settings.backlog_bytes),
                }
                source.restart_idle_time(cx.now_ms());
            }
        }
    }

    /// `REPLICAOF host port`; `requested_by` describes the client for the log.
    pub fn replicaof(
        &mut self,
        host: &str,
        port: u16,
        requested_by: &str,
        facts: Facts,
        out: &mut Vec<Action>,
    ) -> Replicaof {
        let Parts {
            role,
            source,
            mut cx,
            ..
        } = self.parts(facts, out);
        match role {
            Role::Replica(link) if link.leads_to(host, port) => {
                cx.notice(
                    "REPLICAOF would result into synchronization with the master we are already \
                     connected with. No operation performed.",
                );
                return Replicaof::AlreadyFollowing;
            }
            Role::Replica(link) => link.retarget(&mut cx, host.to_owned(), port),
            Role::Master => {
                cx.push(Action::RoleChanged);
                source.tail_mut().set_frozen(true);
                let base = source.tail().base();
                let mut link = Link::of_former_master(&mut cx, base, host.to_owned(), port);
                link.connect_anew(&mut cx);
                *role = Role::Replica(Box::new(link));
            }
        }
        cx.notice(format!(
            "REPLICAOF {host}:{port} enabled (user request from '{requested_by}')"
        ));
        Replicaof::Following
    }

    /// An operator wants the data of our master, whatever they are: the next sync is let through.
    pub fn open_lineage_guard(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.open_guard(&mut cx);
        }
    }

    /// Whether we refuse what our master offers.
    pub fn refuses_lineage(&self) -> bool {
        matches!(&self.role, Role::Replica(link) if link.guard().is_refusing())
    }

    /// `REPLICAOF NO ONE`; `requested_by` describes the client for the log.
    pub fn replicaof_no_one(&mut self, requested_by: &str, facts: Facts, out: &mut Vec<Action>) {
        let mut parts = self.parts(facts, out);
        if let Role::Master = parts.role {
            return;
        }
        parts.become_master();
        parts.cx.notice(format!(
            "MASTER MODE enabled (user request from '{requested_by}')"
        ));
    }

    /// Our master hands over the history `id` to us, which must be the one that our data is of.
    /// `requested_by` describes the client that says so for the log.
    ///
    /// # Errors
    ///
    /// The error reply, without the leading `-`, if we do not become a master by this.
    pub(super) fn take_over(
        &mut self,
        id: &[u8],
        requested_by: &str,
        facts: Facts,
        out: &mut Vec<Action>,
    ) -> Result<(), &'static str> {
        let mut parts = self.parts(facts, out);
        let asked = wire::printable(id);
        parts
            .cx
            .notice(format!("Failover request received for replid {asked}."));
        if let Role::Master = parts.role {
            return Err("ERR PSYNC FAILOVER can't be sent to a master.");
        }
        if !parts.cx.history.identity().id().is(id) {
            return Err("ERR PSYNC FAILOVER replid must match my replid.");
        }
        if !parts.failover.is_none() {
            // We are handing over ourselves, and our target has not answered yet.
            return Err(FAILING_OVER);
        }
        parts.become_master();
        parts.cx.notice(format!(
            "MASTER MODE enabled (failover request from '{requested_by}')"
        ));
        Ok(())
    }

    // ---- Handing over ----

    /// Whether a failover is going on.
    pub fn is_failing_over(&self) -> bool {
        !self.failover.is_none()
    }

    /// When a failover stops waiting, in monotonic milliseconds.
    pub fn failover_deadline_ms(&self) -> Option<u64> {
        self.failover.deadline_ms()
    }

    /// `FAILOVER`: begins to hand over to a replica.
    ///
    /// # Errors
    ///
    /// Why not, without the code word.
    pub fn begin_failover(
        &mut self,
        request: FailoverRequest,
        facts: Facts,
        out: &mut Vec<Action>,
    ) -> Result<(), &'static str> {
        let is_replica = self.is_replica();
        let mut parts = self.parts(facts, out);
        let (failover, source) = (parts.failover, parts.source);
        failover.begin(&mut parts.cx, source, is_replica, request)
    }

    /// `FAILOVER ABORT`; `false` if there is none.
    pub fn abort_failover(&mut self, facts: Facts, out: &mut Vec<Action>) -> bool {
        self.give_failover_up("Failover manually aborted", facts, out)
    }

    /// Goes on with a failover that waits. To be called when the last command of a tick has run,
    /// and before [`readers`](Self::readers); `may_ask` says that nobody else holds writes back.
    pub fn go_on_with_failover(&mut self, may_ask: bool, facts: Facts, out: &mut Vec<Action>) {
        let mut parts = self.parts(facts, out);
        let step = parts.failover.next_step(&mut parts.cx, parts.source);
        match step {
            Some(Step::HandOver(target)) => parts.hand_over(target),
            Some(Step::GiveUp(why)) => {
                self.give_failover_up(why, facts, out);
            }
            Some(Step::Ask) if may_ask => {
                let begin = self.offset();
                self.request_acks_now();
                let end = self.offset();
                self.failover.note_question(begin, end);
            }
            Some(Step::Ask) | None => {}
        }
    }

    /// Something has happened to the link to our master, who may be our target.
    pub(super) fn settle_failover(&mut self, facts: Facts, out: &mut Vec<Action>) {
        let mut parts = self.parts(facts, out);
        let Role::Replica(link) = parts.role else {
            return;
        };
        match link.handover_answer() {
            None => {}
            Some(HandoverAnswer::Accepted) => {
                link.end_handover();
                parts.failover.end(&mut parts.cx);
            }
            Some(HandoverAnswer::Refused) => {
                self.give_failover_up("Failover target rejected psync request", facts, out);
            }
        }
    }

    /// Ends a failover; we are a master then. `false` if there is none.
    fn give_failover_up(&mut self, why: &str, facts: Facts, out: &mut Vec<Action>) -> bool {
        let mut parts = self.parts(facts, out);
        if !parts.failover.give_up(&mut parts.cx, why) {
            return false;
        }
        if let Role::Replica(_) = parts.role {
            parts.become_master();
        }
        parts.cx.push(Action::HoldWrites(false));
        true
    }

    /// Tries a target again that could not be reached, more often than a master.
    pub(super) fn retry_target(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if self.failover.retry_is_due(facts.now.mono_ms())
            && let Some((link, _, mut cx)) = self.link(facts, out)
        {
            link.on_second(&mut cx);
        }
    }

    // ---- Facts ----

    /// Begins a history that continues none, so that every replica needs a snapshot.
    pub fn begin_history(&mut self) {
        self.history.begin_anew(&mut self.rng);
    }

    /// Whether we have a master.
    pub fn is_replica(&self) -> bool {
        matches!(self.role, Role::Replica(_))
    }

    /// The name and port of our master.
    pub fn master_address(&self) -> Option<(&str, u16)> {
        match &self.role {
            Role::Master => None,
            Role::Replica(link) => Some((link.host(), link.port())),
        }
    }

    /// Whether we have a master and its stream runs.
    pub fn is_link_up(&self) -> bool {
        matches!(&self.role, Role::Replica(link) if link.is_up())
    }

    /// Whether a snapshot of our master is arriving or being loaded.
    pub fn is_syncing(&self) -> bool {
        matches!(&self.role, Role::Replica(link) if link.is_syncing())
    }
}

impl Parts<'_> {
    /// Becomes the replica of the target to be.
    fn hand_over(&mut self, target: FailoverTarget) {
        let cx = &mut self.cx;
        assert!(
            matches!(self.role, Role::Master),
            "only a master hands over"
        );
        let FailoverTarget { host, port } = target.clone();
        self.failover.hand_over(target, cx.now_ms());
        cx.push(Action::RoleChanged);
        self.source.tail_mut().set_frozen(true);
        let base = self.source.tail().base();
        let mut link = Link::to_target(cx, base, host, port);
        link.connect_anew(cx);
        *self.role = Role::Replica(Box::new(link));
    }

    /// Leaves our master and goes on where we are, under a name of our own.
    fn become_master(&mut self) {
        let Role::Replica(link) = &mut *self.role else {
            unreachable!("a master is one already");
        };
        let cx = &mut self.cx;
        // The log shows the new role from the first line of the change on.
        cx.push(Action::RoleChanged);
        link.leave(cx);
        if link.matches_identity() {
            cx.notice("Discarding previously cached master state.");
        }
        *self.role = Role::Master;
        cx.history.shift(cx.rng);
        let identity = cx.history.identity();
        let previous = identity
            .previous()
            .expect("the history before the promotion");
        let text = format!(
            "Setting secondary replication ID to {}, valid up to offset: {}. \
             New replication ID is {}",
            previous.id,
            previous.second_offset,
            identity.id()
        );
        cx.notice(text);
        // Our replicas come back at once and continue under the new name; until then they are gone.
        self.source.tail_mut().set_frozen(false);
        self.source.close_all(cx);
        self.source.restart_idle_time(cx.now_ms());
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
