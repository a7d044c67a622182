//! The other replicas are told of the new master, a few at a time.

use log::Level;

use super::links::ask_info;
use super::place::keeps_its_place;
use super::slaveof::send_slaveof;
use crate::sentinel::context::Cx;
use crate::sentinel::failover::Attempt;
use crate::sentinel::ids::InstanceId;
use crate::sentinel::instance::{Master, Reconf, ServerRole};

/// Does what can be done. Whether all is done that will be done.
pub fn step(master: &mut Master, attempt: Attempt, promoted: InstanceId, cx: &mut Cx<'_>) -> bool {
    for at in 0..master.replicas.len() {
        advance(master, at, promoted, cx);
    }
    tell_next(master, promoted, cx);
    is_over(master, attempt, promoted, cx)
}

/// What a replica says shows how far it is.
fn advance(master: &mut Master, at: usize, promoted: InstanceId, cx: &mut Cx<'_>) {
    let Some(target) = master.replica(promoted).map(|r| r.base.address.clone()) else {
        return;
    };
    let replica = &master.replicas[at];
    let view = &replica.view;
    let host = view.master_host.as_deref().unwrap_or_default();
    let follows = view.role == ServerRole::Replica && target.is(host, view.master_port);
    if let Reconf::Sent(sent_ms) = replica.reconf {
        if follows && view.info_as_of_ms >= sent_ms {
            master.replicas[at].reconf = Reconf::InProgress;
            cx.tell_replica(
                Level::Info,
                "+slave-reconf-inprog",
                master,
                &master.replicas[at],
            );
        } else if cx.is_past(sent_ms, cx.timing.slave_reconf_timeout + 1) {
            master.replicas[at].reconf = Reconf::Done;
            let replica = &master.replicas[at];
            cx.tell_replica(Level::Info, "-slave-reconf-sent-timeout", master, replica);
        } else {
            cx.wake_at(sent_ms + cx.timing.slave_reconf_timeout + 1);
        }
    }
    let replica = &master.replicas[at];
    if replica.reconf == Reconf::InProgress && follows && replica.view.link_up {
        master.replicas[at].reconf = Reconf::Done;
        cx.tell_replica(
            Level::Info,
            "+slave-reconf-done",
            master,
            &master.replicas[at],
        );
    }
}

/// Tells as many as may be on their way at once.
fn tell_next(master: &mut Master, promoted: InstanceId, cx: &mut Cx<'_>) {
    let Some(target) = master.replica(promoted).map(|r| r.base.address.clone()) else {
        return;
    };
    let on_way = |reconf: Reconf| matches!(reconf, Reconf::Sent(_) | Reconf::InProgress);
    let mut busy = master.replicas.iter().filter(|r| on_way(r.reconf)).count();
    for at in 0..master.replicas.len() {
        if busy >= master.options.parallel_syncs as usize {
            return;
        }
        let replica = &master.replicas[at];
        let link = replica.base.link;
        if replica.id == promoted || replica.reconf != Reconf::No || replica.base.is_down() {
            continue;
        }
        if keeps_its_place(master, at, &target) {
            master.replicas[at].reconf = Reconf::Done;
            continue;
        }
        if !cx.links.get(link).can_send() {
            continue;
        }
        send_slaveof(master, link, Some(&target), cx);
        ask_info(master, link, cx);
        let replica = &mut master.replicas[at];
        replica.view.info_asked_ms = cx.now_ms;
        replica.reconf = Reconf::Sent(cx.now_ms);
        busy += 1;
        cx.tell_replica(
            Level::Info,
            "+slave-reconf-sent",
            master,
            &master.replicas[at],
        );
    }
}

/// Whether every replica follows the new master, or the time for that is over.
fn is_over(master: &mut Master, attempt: Attempt, promoted: InstanceId, cx: &mut Cx<'_>) -> bool {
    // Without the new master nothing can be said of the others.
    if master
        .replica(promoted)
        .is_none_or(|replica| replica.base.is_down())
    {
        return false;
    }
    let is_left = |at: &usize| {
        let replica = &master.replicas[*at];
        replica.id != promoted && replica.reconf != Reconf::Done && !replica.base.is_down()
    };
    let left: Vec<usize> = (0..master.replicas.len()).filter(is_left).collect();
    if left.is_empty() {
        cx.warn_master("+failover-end", master);
        return true;
    }
    let patience_ms = master.options.failover_timeout_ms;
    if !cx.is_past(attempt.since_ms, patience_ms + 1) {
        cx.wake_at(attempt.since_ms + patience_ms + 1);
        return false;
    }
    cx.warn_master("+failover-end-for-timeout", master);
    cx.warn_master("+failover-end", master);
    tell_the_rest(master, promoted, &left, cx);
    true
}

/// Those who are late are told once more, for what it is worth.
fn tell_the_rest(master: &mut Master, promoted: InstanceId, left: &[usize], cx: &mut Cx<'_>) {
    let Some(target) = master.replica(promoted).map(|r| r.base.address.clone()) else {
        return;
    };
    for at in left {
        let replica = &master.replicas[*at];
        let link = replica.base.link;
        if matches!(replica.reconf, Reconf::No) && cx.links.get(link).can_send() {
            send_slaveof(master, link, Some(&target), cx);
            cx.tell_replica(
                Level::Info,
                "+slave-reconf-sent-be",
                master,
                &master.replicas[*at],
            );
        }
    }
}
