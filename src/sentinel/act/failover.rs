//! A failover, from the first vote to the last replica: one function for each state.
//!
//! ```text
//! No ──begin──▶ WaitStart ──elected──▶ SelectReplica ──▶ SendNoOne ──▶ WaitPromotion
//!                   │                        │               │              │
//!                   └────────── abort ◀──────┴───────────────┴──────────────┤ it is a master
//!                                 │                                         ▼
//!                                 ▼      UpdateConfig ◀──────────── ReconfReplicas
//!                                 No ◀───────┘ the replica is called the master
//! ```

use log::Level;

use super::abort::abort;
use super::election::{self, Standing};
use super::handover;
use super::links::{announce_soon, ask_info};
use super::reconf;
use super::select::{self, Choice};
use super::slaveof::send_slaveof;
use super::switch::{reconfigure_clients, switch_to_promoted};
use crate::base::local_time::LocalTime;
use crate::sentinel::action::Action;
use crate::sentinel::context::Cx;
use crate::sentinel::failover::{Attempt, Failover, Reason};
use crate::sentinel::ids::{InstanceId, LinkId};
use crate::sentinel::instance::{Master, Reconf, ServerRole};

/// After a failed or lost try, the next comes after so many times the failover timeout.
const TIMEOUTS_BETWEEN_TRIES: u64 = 2;
/// A replica that still is one so long after it was told otherwise is told again.
const TELL_AGAIN_MS: u64 = 1000;

/// Begins a failover where one is needed and may be begun.
pub fn begin_if_due(master: &mut Master, cx: &mut Cx<'_>) {
    if master.odown_since_ms.is_none() || master.is_failing_over() {
        return;
    }
    if cx.saves.is_failing() {
        // Others do it better: they can write down what comes of it.
        return;
    }
    if let Some(tried_ms) = master.failover_tried_ms {
        let next_ms = tried_ms + master.options.failover_timeout_ms * TIMEOUTS_BETWEEN_TRIES;
        if cx.now_ms < next_ms {
            cx.wake_at(next_ms);
            tell_delay(master, tried_ms, next_ms, cx);
            return;
        }
    }
    if let Some(start_ms) = master.may_start_ms
        && cx.now_ms < start_ms
    {
        cx.wake_at(start_ms);
        return;
    }
    begin(master, Reason::Down, cx);
}

fn tell_delay(master: &mut Master, tried_ms: u64, next_ms: u64, cx: &mut Cx<'_>) {
    if master.delay_told_ms == Some(tried_ms) {
        return;
    }
    master.delay_told_ms = Some(tried_ms);
    let in_us = (next_ms - cx.now_ms) as i64 * 1000;
    let at = LocalTime::new(cx.now.unix_us + in_us, cx.own.ahead_of_utc_s);
    cx.out.push(Action::Log(
        Level::Info,
        format!(
            "Next failover delay: I will not start a failover before {}",
            at.as_ctime()
        ),
    ));
}

/// Begins a failover, with our own vote.
pub fn begin(master: &mut Master, reason: Reason, cx: &mut Cx<'_>) {
    let is_new = !cx.may_share_epoch(master);
    if is_new {
        *cx.epoch += 1;
        *cx.begun_epoch = Some((cx.now_ms, *cx.epoch));
    }
    let epoch = *cx.epoch;
    cx.saves.want();
    master.failover = Failover::WaitStart(Attempt {
        epoch,
        reason,
        begun_ms: cx.now_ms,
        since_ms: cx.now_ms,
    });
    for replica in &mut master.replicas {
        replica.reconf = Reconf::No;
    }
    if is_new {
        cx.tell_epoch(master);
    }
    cx.warn_master("+try-failover", master);
    master.failover_tried_ms = Some(cx.now_ms);
    let id = cx.id;
    election::vote(master, epoch, id, cx);
    for peer in &mut master.peers {
        peer.verdict.asked_ms = 0;
    }
    cx.touched.insert(master.id);
}

/// Does the next step of a failover, if it can be done. Whether the state has changed.
pub fn step(master: &mut Master, cx: &mut Cx<'_>) -> bool {
    match master.failover {
        Failover::No => false,
        Failover::WaitStart(attempt) => wait_start(master, attempt, cx),
        Failover::SelectReplica(attempt) => select_replica(master, attempt, cx),
        Failover::SendNoOne(attempt, id) => send_no_one(master, attempt, id, cx),
        Failover::WaitPromotion(attempt, id) => wait_promotion(master, attempt, id, cx),
        Failover::ReconfReplicas(attempt, id) => {
            promote_again(master, attempt, id, cx);
            if reconf::step(master, attempt, id, cx) {
                master.failover = Failover::UpdateConfig(now_in(attempt, cx), id);
                return true;
            }
            false
        }
        Failover::UpdateConfig(_, id) => {
            switch_to_promoted(master, id, cx);
            true
        }
    }
}

fn now_in(attempt: Attempt, cx: &Cx<'_>) -> Attempt {
    Attempt {
        since_ms: cx.now_ms,
        ..attempt
    }
}

// ---- The states ----

fn wait_start(master: &mut Master, attempt: Attempt, cx: &mut Cx<'_>) -> bool {
    if give_up_if_back(master, attempt, cx) {
        return true;
    }
    let standing = match attempt.reason {
        Reason::Down => election::standing(master, &attempt, cx),
        // Nobody else is asked, but the epoch has to be ours after a crash, too.
        Reason::Forced | Reason::Coordinated(_) => {
            match election::has_voted(master, &attempt, cx) {
                true => Standing::Won,
                false => Standing::Open,
            }
        }
    };
    let patience_ms = cx
        .timing
        .election_timeout
        .min(master.options.failover_timeout_ms);
    match standing {
        Standing::Won => {}
        Standing::Split => {
            abort(master, "-failover-abort-not-elected", cx);
            // Nobody acts in this epoch, so nobody is disturbed by another try.
            let delay_ms = election::again_delay_ms(master, cx);
            master.failover_tried_ms = None;
            master.may_start_ms = Some(cx.now_ms + delay_ms);
            cx.wake_at(cx.now_ms + delay_ms);
            return true;
        }
        Standing::Open if cx.is_past(attempt.begun_ms, patience_ms + 1) => {
            abort(master, "-failover-abort-not-elected", cx);
            return true;
        }
        Standing::Open => {
            cx.wake_at(attempt.begun_ms + patience_ms + 1);
            return false;
        }
    }
    cx.warn_master("+elected-leader", master);
    if cx.simulate.after_election {
        crash(cx);
    }
    master.failover = Failover::SelectReplica(now_in(attempt, cx));
    cx.warn_master("+failover-state-select-slave", master);
    select::ask_all(master, cx);
    true
}

/// Gives a failover up that is not needed any more, as its master answers again. Only as long as
/// nobody was promoted.
fn give_up_if_back(master: &mut Master, attempt: Attempt, cx: &mut Cx<'_>) -> bool {
    if attempt.reason != Reason::Down || master.base.is_down() {
        return false;
    }
    abort(master, "-failover-abort-master-is-back", cx);
    // Nobody acts in this epoch, so another try need not wait if the master goes again.
    master.failover_tried_ms = None;
    true
}

fn select_replica(master: &mut Master, attempt: Attempt, cx: &mut Cx<'_>) -> bool {
    if give_up_if_back(master, attempt, cx) {
        return true;
    }
    match select::select(master, &attempt, cx) {
        Choice::NotYet(at_ms) => {
            cx.wake_at(at_ms);
            false
        }
        Choice::Nobody => {
            abort(master, "-failover-abort-no-good-slave", cx);
            true
        }
        Choice::Replica(id) => {
            let replica = master.replica(id).expect("it was just chosen");
            cx.tell_replica(Level::Warn, "+selected-slave", master, replica);
            master.failover = Failover::SendNoOne(now_in(attempt, cx), id);
            true
        }
    }
}

/// The chosen replica, unless it has been forgotten meanwhile.
fn chosen(master: &mut Master, id: InstanceId, cx: &mut Cx<'_>) -> Option<LinkId> {
    let link = master.replica(id).map(|replica| replica.base.link);
    if link.is_none() {
        abort(master, "-failover-abort-no-good-slave", cx);
    }
    link
}

fn send_no_one(master: &mut Master, attempt: Attempt, id: InstanceId, cx: &mut Cx<'_>) -> bool {
    let Some(link) = chosen(master, id, cx) else {
        return true;
    };
    if give_up_if_back(master, attempt, cx) {
        return true;
    }
    if let Reason::Coordinated(_) = attempt.reason {
        return handover::send(master, attempt, id, cx);
    }
    if !cx.links.get(link).can_send() {
        return give_up_in_time(master, attempt, cx);
    }
    let replica = master.replica(id).expect("it was just chosen");
    cx.tell_replica(
        Level::Info,
        "+failover-state-send-slaveof-noone",
        master,
        replica,
    );
    send_slaveof(master, link, None, cx);
    ask_promoted(master, id, link, cx);
    let replica = master.replica(id).expect("it was just chosen");
    cx.tell_replica(
        Level::Info,
        "+failover-state-wait-promotion",
        master,
        replica,
    );
    master.failover = Failover::WaitPromotion(now_in(attempt, cx), id);
    true
}

fn give_up_in_time(master: &mut Master, attempt: Attempt, cx: &mut Cx<'_>) -> bool {
    let patience_ms = master.options.failover_timeout_ms;
    if cx.is_past(attempt.since_ms, patience_ms + 1) {
        if let Reason::Coordinated(_) = attempt.reason {
            handover::call_off(master, cx);
        }
        abort(master, "-failover-abort-slave-timeout", cx);
        return true;
    }
    cx.wake_at(attempt.since_ms + patience_ms + 1);
    false
}

fn ask_promoted(master: &mut Master, id: InstanceId, link: LinkId, cx: &mut Cx<'_>) {
    ask_info(master, link, cx);
    if let Some(replica) = master.replica_mut(id) {
        replica.view.info_asked_ms = cx.now_ms;
    }
}

fn wait_promotion(master: &mut Master, attempt: Attempt, id: InstanceId, cx: &mut Cx<'_>) -> bool {
    let Some(link) = chosen(master, id, cx) else {
        return true;
    };
    let replica = master.replica(id).expect("it was just chosen");
    let is_fresh = replica.view.info_as_of_ms >= attempt.since_ms;
    if !is_fresh || replica.view.role != ServerRole::Master {
        // Not told once more first: by now others may have led it back to its master.
        if give_up_in_time(master, attempt, cx) {
            return true;
        }
        let replica = master.replica(id).expect("it was just chosen");
        let told_ms = replica.corrected_ms.max(attempt.since_ms);
        let forgot = is_fresh && replica.view.info_as_of_ms >= told_ms + TELL_AGAIN_MS;
        if forgot
            && !matches!(attempt.reason, Reason::Coordinated(_))
            && cx.links.get(link).can_send()
        {
            send_slaveof(master, link, None, cx);
            ask_promoted(master, id, link, cx);
            if let Some(replica) = master.replica_mut(id) {
                replica.corrected_ms = cx.now_ms;
            }
        }
        return false;
    }
    // The others take over what has the newer epoch.
    master.config_epoch = attempt.epoch;
    master.failover = Failover::ReconfReplicas(now_in(attempt, cx), id);
    cx.saves.want();
    let replica = master.replica(id).expect("it was just chosen");
    let to = replica.base.address.clone();
    cx.tell_replica(Level::Warn, "+promoted-slave", master, replica);
    if cx.simulate.after_promotion {
        crash(cx);
    }
    cx.warn_master("+failover-state-reconf-slaves", master);
    reconfigure_clients(master, "leader", &master.base.address.clone(), &to, cx);
    announce_soon(master);
    cx.touched.insert(master.id);
    if let Reason::Coordinated(_) = attempt.reason {
        handover::settle(master, id, cx);
    }
    true
}

/// Somebody who did not know better may have told the new master to follow the old one.
fn promote_again(master: &mut Master, attempt: Attempt, id: InstanceId, cx: &mut Cx<'_>) {
    let Some(replica) = master.replica(id) else {
        return;
    };
    let (view, link) = (&replica.view, replica.base.link);
    let told_ms = replica.corrected_ms.max(attempt.since_ms);
    let is_replica = view.role == ServerRole::Replica && view.info_as_of_ms > told_ms;
    if is_replica && cx.links.get(link).can_send() {
        send_slaveof(master, link, None, cx);
        ask_promoted(master, id, link, cx);
        if let Some(replica) = master.replica_mut(id) {
            replica.corrected_ms = cx.now_ms;
        }
    }
}

/// Somebody wants to see what becomes of a failover that loses its leader.
fn crash(cx: &mut Cx<'_>) {
    let text = "Sentinel CRASH because of SENTINEL simulate-failure";
    cx.out.push(Action::Log(Level::Warn, text.to_owned()));
    cx.out.push(Action::EndProcess { status: 99 });
}
