//! Servers that play another part than they should: told what they are.
//!
//! A Sentinel that was cut off for a while may be the one that is wrong, and what it takes for a
//! stray replica the master. So it waits for the announcements of its peers before it corrects
//! anybody. Where the server in question was the master before, there is no need to wait: most of
//! the peers, asked at once, say who it is now.

use log::Level;

use super::links::ask_info;
use super::place::{HELLO_PERIODS, follows, is_astray, keeps_its_place};
use super::slaveof::send_slaveof;
use crate::sentinel::context::{Cx, renamed};
use crate::sentinel::instance::{Master, Peer, Replica, ServerRole};
use crate::sentinel::link::{Ask, Pending, Which};

/// Whoever has promoted a replica may see that only when he asks it the next time, a second later,
/// and announce it then.
const PROMOTION_KNOWN_MS: u64 = 2500;
/// What a master has said is believed for so many periods.
const INFO_PERIODS: u64 = 2;
/// Who was told and has not changed is told again after this time.
const TELL_AGAIN_MS: u64 = 2000;
/// A master that was down is not relied on for so long.
const STEADY_MS: u64 = 1000;
/// What peers have said of the master is believed for so long.
const NAMED_MS: u64 = 1000;
/// And they are asked again this soon.
const ASK_AGAIN_MS: u64 = 500;

/// Corrects replicas.
pub fn correct(master: &mut Master, cx: &mut Cx<'_>) {
    // Whom we would correct now may be the one whom we promote in a moment.
    if master.is_failing_over() || !looks_sane(master, cx) {
        return;
    }
    for at in 0..master.replicas.len() {
        if let Some(event) = fault(master, at, cx) {
            correct_one(master, at, event, cx);
        }
    }
}

/// Whether the master is one, and says so, and does so now.
fn looks_sane(master: &Master, cx: &Cx<'_>) -> bool {
    let view = &master.view;
    let believed_ms = cx.timing.info_period * INFO_PERIODS;
    let is_recent = |at_ms: u64| cx.now_ms.saturating_sub(at_ms) < believed_ms;
    view.role == ServerRole::Master
        && !master.base.is_down()
        && master.odown_since_ms.is_none()
        && view.info_at_ms.is_some_and(is_recent)
}

/// What is wrong with a replica, and is to be corrected now.
fn fault(master: &mut Master, at: usize, cx: &mut Cx<'_>) -> Option<&'static str> {
    let replica = &master.replicas[at];
    let view = &replica.view;
    view.info_at_ms?;
    // What it said before its link was lost may not hold any more.
    let link = cx.links.get(replica.base.link);
    if !link.can_send() || replica.base.is_down() || view.info_as_of_ms < link.commands.begun_ms {
        return None;
    }
    let (event, wait_ms, since_ms) = match view.role {
        // The master may have handed over to it since it was last asked.
        ServerRole::Master if master.view.info_as_of_ms <= view.role_since_ms => {
            if master.view.info_asked_ms <= view.role_since_ms {
                master.view.info_asked_ms = cx.now_ms;
                ask_info(master, master.base.link, cx);
            }
            return None;
        }
        ServerRole::Master => {
            let hellos_ms = cx.timing.publish_period * HELLO_PERIODS;
            let wait_ms = hellos_ms.max(PROMOTION_KNOWN_MS);
            ("+convert-to-slave", wait_ms, view.role_since_ms)
        }
        ServerRole::Replica => {
            if keeps_its_place(master, at, &master.base.address) {
                let has_come_back = follows(replica, &master.base.address) && view.has_synced;
                master.replicas[at].has_come_back |= has_come_back;
                return None;
            }
            (
                "+fix-slave-config",
                master.options.failover_timeout_ms,
                view.master_since_ms,
            )
        }
    };
    if !cx.is_past(replica.corrected_ms, TELL_AGAIN_MS) && replica.corrected_ms != 0 {
        cx.wake_at(replica.corrected_ms + TELL_AGAIN_MS);
        return None;
    }
    // Whoever led the failover has the same time as the server itself.
    let patient_since_ms = since_ms
        .max(replica.base.up_since_ms)
        .max(master.switched_ms);
    if cx.is_past(patient_since_ms, wait_ms + 1) {
        return Some(event);
    }
    cx.wake_at(patient_since_ms + wait_ms + 1);
    if !is_left_behind(master, at) || may_be_replaced(master, cx) {
        return None;
    }
    peers_agree(master, cx).then_some(event)
}

/// Whether somebody may be about to promote a replica: we have voted since the last failover that
/// we know of, or the master was down just now.
fn may_be_replaced(master: &Master, cx: &Cx<'_>) -> bool {
    let voted = master.leader_epoch > master.config_epoch;
    voted || !cx.is_past(master.base.up_since_ms, STEADY_MS)
}

/// Whether a replica is, or follows, what was the master before and has not come back.
fn is_left_behind(master: &Master, at: usize) -> bool {
    let replica = &master.replicas[at];
    let view = &replica.view;
    let was_master = |other: &Replica| {
        let host = view.master_host.as_deref().unwrap_or_default();
        let is_it = other.base.address.is(host, view.master_port);
        is_it
            && other
                .demoted_ms
                .is_some_and(|at_ms| view.master_since_ms <= at_ms)
    };
    match view.role {
        ServerRole::Master => replica.demoted_ms.is_some(),
        // Whoever led the failover tells those that were up then, a few at a time.
        ServerRole::Replica => {
            let was_away = replica.base.up_since_ms > master.switched_ms;
            is_astray(replica) || was_away && master.replicas.iter().any(was_master)
        }
    }
}

/// Whether most of us, asked just now, take the same server for the master. Asks them if need be.
fn peers_agree(master: &mut Master, cx: &mut Cx<'_>) -> bool {
    let majority = master.voters() / 2 + 1;
    let address = master.base.address.clone();
    let agrees = |peer: &Peer| {
        let named = peer.named.as_ref();
        let named = named.filter(|named| cx.now_ms.saturating_sub(named.at_ms) <= NAMED_MS);
        named.is_some_and(|named| address.is(&named.host, named.port))
    };
    if master.peers.iter().filter(|peer| agrees(peer)).count() + 1 >= majority {
        return true;
    }
    for at in 0..master.peers.len() {
        let peer = &master.peers[at];
        let (link, asked_ms) = (peer.base.link, peer.named_asked_ms);
        if asked_ms != 0 && !cx.is_past(asked_ms, ASK_AGAIN_MS) {
            cx.wake_at(asked_ms + ASK_AGAIN_MS);
            continue;
        }
        let pending = Pending {
            ask: Ask::MasterAddress(master.id),
            master: Some(master.id),
        };
        let command = renamed(master, b"SENTINEL");
        let name = master.name.clone();
        let args = [command, b"get-master-addr-by-name", name.as_bytes()];
        if cx.ask(link, Which::Commands, pending, &args) {
            master.peers[at].named_asked_ms = cx.now_ms;
            cx.wake_at(cx.now_ms + ASK_AGAIN_MS);
        }
    }
    false
}

fn correct_one(master: &mut Master, at: usize, event: &'static str, cx: &mut Cx<'_>) {
    let link = master.replicas[at].base.link;
    let to = master.base.address.clone();
    send_slaveof(master, link, Some(&to), cx);
    ask_info(master, link, cx);
    let replica = &mut master.replicas[at];
    replica.view.info_asked_ms = cx.now_ms;
    replica.corrected_ms = cx.now_ms;
    cx.tell_replica(Level::Info, event, master, &master.replicas[at]);
}
