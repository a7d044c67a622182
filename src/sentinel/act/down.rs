//! Who is down: for us alone, and for enough of us.

use log::Level;

use super::election::rank_delay_ms;
use super::emptied;
use super::members;
use super::place::{HELLO_PERIODS, is_successor};
use crate::sentinel::context::{Cx, renamed};
use crate::sentinel::event::host_of;
use crate::sentinel::failover::Failover;
use crate::sentinel::ids::LinkId;
use crate::sentinel::instance::{Instance, Master, ServerRole, ServerView};
use crate::sentinel::link::{Ask, Pending, Which};

/// What a peer has said is believed for so many periods of asking.
const VERDICT_PERIODS: u64 = 5;
/// A peer that may see a master down by now is asked again this soon.
const ASK_AGAIN_MS: u64 = 20;
/// Announcements that do not come for so many periods are a sign of a dead connection.
const SILENT_HELLOS: u64 = 3;

/// Looks who is down.
pub fn check(master: &mut Master, cx: &mut Cx<'_>) {
    check_master(master, cx);
    for at in 0..master.replicas.len() {
        check_replica(master, at, cx);
    }
    for at in 0..master.peers.len() {
        check_peer(master, at, cx);
    }
    check_objectively(master, cx);
}

// ---- For us ----

/// Since when an instance has given no sign of working, if it should have.
fn silent_since_ms(link: LinkId, cx: &Cx<'_>) -> Option<u64> {
    let link = cx.links.get(link);
    match link.ping_waits_since_ms {
        Some(since_ms) => Some(since_ms),
        None => (!link.can_send()).then_some(link.ok_ms),
    }
}

/// Whether an instance that is silent, or where nobody listens, is down by now.
fn is_silent(master: &Master, link: LinkId, cx: &mut Cx<'_>) -> bool {
    let options = &master.options;
    let mut down_at_ms = u64::MAX;
    if let Some(since_ms) = silent_since_ms(link, cx) {
        down_at_ms = since_ms + options.down_after_ms + 1;
    }
    let refused_since_ms = cx.links.get(link).refused_since_ms;
    if let Some(since_ms) = refused_since_ms
        && options.down_after_refused_ms > 0
    {
        let grace_ms = options.down_after_refused_ms.min(options.down_after_ms);
        down_at_ms = down_at_ms.min(since_ms + grace_ms);
    }
    if cx.now_ms < down_at_ms {
        cx.wake_at(down_at_ms);
        return false;
    }
    true
}

/// Connections that look open and are not, as far as one can tell, are made anew.
fn renew_dead_connections(master: &Master, id: LinkId, cx: &mut Cx<'_>) {
    let now_ms = cx.now_ms;
    let half_ms = master.options.down_after_ms / 2;
    let old_ms = cx.timing.min_link_reconnect_period;
    let silent_ms = cx.timing.publish_period * SILENT_HELLOS;
    let link = cx.links.get(id);
    let is_old = |begun_ms: u64| now_ms.saturating_sub(begun_ms) > old_ms;
    let waits = |since_ms: u64| now_ms.saturating_sub(since_ms) > half_ms;
    let commands = link.can_send()
        && is_old(link.commands.begun_ms)
        && link.ping_waits_since_ms.is_some_and(waits)
        && waits(link.answered_ms);
    let messages = link.messages.as_ref().is_some_and(|conn| {
        let is_silent = now_ms.saturating_sub(conn.heard_ms) > silent_ms;
        conn.open().is_some() && is_old(conn.begun_ms) && is_silent
    });
    if commands {
        cx.close(id, Which::Commands, now_ms);
    }
    if messages {
        cx.close(id, Which::Messages, now_ms);
    }
    if commands || messages {
        cx.touched.insert(master.id);
    }
}

/// Sets whether an instance is down. `None`: as it was.
fn note(base: &mut Instance, is_down: bool, now_ms: u64) -> Option<&'static str> {
    match (base.is_down(), is_down) {
        (false, true) => {
            base.down_since_ms = Some(now_ms);
            Some("+sdown")
        }
        (true, false) => {
            base.down_since_ms = None;
            base.up_since_ms = now_ms;
            Some("-sdown")
        }
        _ => None,
    }
}

fn check_master(master: &mut Master, cx: &mut Cx<'_>) {
    let link = master.base.link;
    renew_dead_connections(master, link, cx);
    let is_down = is_silent(master, link, cx)
        | plays_replica(master, cx)
        | loads_too_long(master, cx)
        | emptied::check(master, cx);
    if let Some(event) = note(&mut master.base, is_down, cx.now_ms) {
        cx.warn_master(event, master);
        if is_down {
            members::recall_replicas(master, cx);
        }
        master.view.script_kill_sent &= is_down;
        // What peers said before does not count: they are asked at once.
        for peer in &mut master.peers {
            peer.verdict.asked_ms = 0;
            peer.verdict.down = false;
            peer.verdict.first_down = None;
        }
    }
    if is_down && end_script(&mut master.view) {
        cx.ask_server(master, link, Ask::Discard, &[b"SCRIPT", b"KILL"]);
    }
}

/// A master that says for long that it is a replica is none. If it has handed over to one of its
/// replicas, all that is waited for is that somebody announces it.
fn plays_replica(master: &Master, cx: &mut Cx<'_>) -> bool {
    let view = &master.view;
    if view.role != ServerRole::Replica {
        return false;
    }
    let has_handed_over = master.replicas.iter().any(|r| is_successor(master, r));
    let patience_ms = match has_handed_over {
        true => cx.timing.publish_period * HELLO_PERIODS,
        false => master.options.down_after_ms + cx.timing.info_period * 2,
    };
    let down_at_ms = view.role_since_ms + patience_ms + 1;
    cx.wake_at(down_at_ms);
    cx.now_ms >= down_at_ms
}

/// A master that was started anew and does not serve for long, where that counts.
fn loads_too_long(master: &Master, cx: &mut Cx<'_>) -> bool {
    let Some(since_ms) = master.view.rebooted_since_ms else {
        return false;
    };
    let down_at_ms = since_ms + master.options.reboot_down_after_ms + 1;
    cx.wake_at(down_at_ms);
    cx.now_ms >= down_at_ms
}

/// Whether a script that keeps a server busy is to be ended; once.
fn end_script(view: &mut ServerView) -> bool {
    view.busy && !std::mem::replace(&mut view.script_kill_sent, true)
}

fn check_replica(master: &mut Master, at: usize, cx: &mut Cx<'_>) {
    let link = master.replicas[at].base.link;
    renew_dead_connections(master, link, cx);
    let is_down = is_silent(master, link, cx);
    let replica = &mut master.replicas[at];
    let event = note(&mut replica.base, is_down, cx.now_ms);
    replica.view.script_kill_sent &= is_down;
    let end_script = is_down && end_script(&mut replica.view);
    if let Some(event) = event {
        cx.tell_replica(Level::Warn, event, master, &master.replicas[at]);
    }
    if end_script {
        cx.ask_server(master, link, Ask::Discard, &[b"SCRIPT", b"KILL"]);
    }
}

fn check_peer(master: &mut Master, at: usize, cx: &mut Cx<'_>) {
    let link = master.peers[at].base.link;
    renew_dead_connections(master, link, cx);
    let is_down = is_silent(master, link, cx);
    if let Some(event) = note(&mut master.peers[at].base, is_down, cx.now_ms) {
        cx.tell_peer(Level::Warn, event, master, &master.peers[at]);
    }
}

// ---- For enough of us ----

fn check_objectively(master: &mut Master, cx: &mut Cx<'_>) {
    let believed_ms = cx.timing.ask_period * VERDICT_PERIODS;
    for peer in &mut master.peers {
        let verdict = &mut peer.verdict;
        if cx.now_ms.saturating_sub(verdict.at_ms) > believed_ms {
            verdict.down = false;
            verdict.leader = None;
        }
    }
    let agree = master.peers.iter().filter(|peer| peer.verdict.down).count() + 1;
    let quorum = master.options.quorum as usize;
    let is_down = master.base.is_down() && agree >= quorum;
    match (master.odown_since_ms.is_some(), is_down) {
        (false, true) => {
            master.odown_since_ms = Some(cx.now_ms);
            let subject = cx.of_master(master);
            let more = format!(" #quorum {agree}/{quorum}");
            cx.event(Level::Warn, "+odown", master, &subject, &more);
            master.may_start_ms = Some(cx.now_ms + rank_delay_ms(master, cx));
        }
        (true, false) => {
            master.odown_since_ms = None;
            master.may_start_ms = None;
            cx.warn_master("-odown", master);
        }
        _ => {}
    }
}

/// Asks peers whether they see the master down, and for their votes.
pub fn ask_peers(master: &mut Master, cx: &mut Cx<'_>) {
    let may_have_news = std::mem::take(&mut master.asked_about);
    let wants_votes = matches!(master.failover, Failover::WaitStart(_));
    if !master.base.is_down() && !wants_votes {
        return;
    }
    let candidate = if wants_votes { cx.id } else { "*" };
    let port = master.base.address.port.to_string();
    let host = host_of(&master.base.address, cx.common);
    let epoch = match &master.failover {
        Failover::WaitStart(attempt) => attempt.epoch,
        _ => *cx.epoch,
    };
    let epoch = epoch.to_string();
    for at in 0..master.peers.len() {
        let verdict = &master.peers[at].verdict;
        let link = master.peers[at].base.link;
        if !cx.links.get(link).can_send() {
            continue;
        }
        let period_ms = match may_have_news && !verdict.down {
            true => ASK_AGAIN_MS,
            false => cx.timing.ask_period,
        };
        let due_ms = match verdict.asked_ms {
            0 => 0,
            asked_ms => asked_ms + period_ms,
        };
        if cx.now_ms < due_ms {
            cx.wake_at(due_ms);
            master.asked_about |= may_have_news && !verdict.down;
            continue;
        }
        let command = renamed(master, b"SENTINEL");
        let pending = Pending {
            ask: Ask::IsDown(master.id),
            master: Some(master.id),
        };
        let args = [
            command,
            b"is-master-down-by-addr",
            host.as_bytes(),
            port.as_bytes(),
            epoch.as_bytes(),
            candidate.as_bytes(),
        ];
        let sent = cx.ask(link, Which::Commands, pending, &args);
        if sent {
            master.peers[at].verdict.asked_ms = cx.now_ms;
            cx.wake_at(cx.now_ms + cx.timing.ask_period);
        }
    }
}
