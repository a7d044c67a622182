//! Connections are made, and what is asked again and again is asked.

use crate::sentinel::action::Action;
use crate::sentinel::context::{Cx, renamed};
use crate::sentinel::event::host_of;
use crate::sentinel::failover::Failover;
use crate::sentinel::hello::CHANNEL;
use crate::sentinel::ids::LinkId;
use crate::sentinel::instance::{Master, Reconf, Replica, ServerRole};
use crate::sentinel::link::{Ask, Owner, Pending, Stage, Which};

/// A connection is given up after this time at the earliest and at the latest.
const CONNECT_MS_MIN: u64 = 1000;
const CONNECT_MS_MAX: u64 = 5000;
/// Questions that may be open on a link, for each master that needs it.
const PENDING_MAX: usize = 100;
/// A server of which something is to be known soon is asked this often.
const SOON_MS: u64 = 1000;
/// A replica of which the next step of a failover is expected is asked this often.
const AT_ONCE_MS: u64 = 20;
/// That is for this time; afterwards it is asked less often.
const AT_ONCE_FOR_MS: u64 = 2000;
const LATER_MS: u64 = 200;
/// The replicas of a master that was started again are asked every second for so long.
const WATCHED_ANEW_MS: u64 = 15_000;
/// Pings of an instance that is to be taken for down soon are so much closer together.
const PINGS_IN_DOWN_AFTER: u64 = 8;
const PING_PERIOD_MS_MIN: u64 = 100;

/// Makes connections and asks what is due, for a master and all that belongs to it.
pub fn tend(master: &mut Master, cx: &mut Cx<'_>) {
    tend_link(master, master.base.link, cx);
    for at in 0..master.replicas.len() {
        tend_link(master, master.replicas[at].base.link, cx);
    }
    for at in 0..master.peers.len() {
        tend_link(master, master.peers[at].base.link, cx);
    }
    ask_info_if_due(master, cx);
    announce_if_due(master, cx);
}

fn tend_link(master: &Master, link: LinkId, cx: &mut Cx<'_>) {
    connect(master, link, Which::Commands, cx);
    if cx.links.get(link).can_send() {
        connect(master, link, Which::Messages, cx);
        ping_if_due(master, link, cx);
    }
}

/// Begins to connect, if it is time.
fn connect(master: &Master, id: LinkId, which: Which, cx: &mut Cx<'_>) {
    let now_ms = cx.now_ms;
    let link = cx.links.get_mut(id);
    let (host, port) = (link.address.host.clone(), link.address.port);
    let Some(conn) = link.conn_mut(which) else {
        return;
    };
    if conn.stage != Stage::Closed || port == 0 {
        return;
    }
    if now_ms < conn.retry_at_ms {
        let retry_at_ms = conn.retry_at_ms;
        cx.wake_at(retry_at_ms);
        return;
    }
    let id = cx.links.begin_conn(id, which);
    cx.links.begun(id, now_ms);
    let timeout_ms = master
        .options
        .down_after_ms
        .clamp(CONNECT_MS_MIN, CONNECT_MS_MAX);
    cx.out.push(Action::Connect {
        conn: id,
        host,
        port,
        timeout_ms,
    });
}

/// The first words on a connection.
pub fn greet(master: &Master, id: LinkId, which: Which, cx: &mut Cx<'_>) {
    let discard = Pending {
        ask: Ask::Discard,
        master: None,
    };
    let owner = cx.links.get(id).owner;
    let (user, password) = match owner {
        Owner::Peer => match &cx.common.peer_password {
            Some(password) => (cx.common.peer_user.clone(), password.clone()),
            None => (None, cx.own.password.clone()),
        },
        _ => {
            let options = &master.options;
            (
                options.user.clone(),
                options.password.clone().unwrap_or_default(),
            )
        }
    };
    if !password.is_empty() {
        let auth = renamed(master, b"AUTH");
        let args = match &user {
            Some(user) => vec![auth, user, &password],
            None => vec![auth, &password[..]],
        };
        cx.ask(id, which, discard, &args);
    }
    let what = match which {
        Which::Commands => "cmd",
        Which::Messages => "pubsub",
    };
    let short = cx.id.get(..8).unwrap_or(cx.id);
    let name = format!("sentinel-{short}-{what}");
    let client = renamed(master, b"CLIENT");
    cx.ask(id, which, discard, &[client, b"SETNAME", name.as_bytes()]);
    match which {
        Which::Commands => ping(master, id, cx),
        Which::Messages => {
            let pending = Pending {
                ask: Ask::Subscribe,
                master: None,
            };
            cx.ask(
                id,
                which,
                pending,
                &[renamed(master, b"SUBSCRIBE"), CHANNEL],
            );
        }
    }
    if which == Which::Commands && owner != Owner::Peer {
        ask_info(master, id, cx);
    }
}

// ---- Pings ----

/// How often the instances of a master are pinged.
pub fn ping_period_ms(master: &Master, cx: &Cx<'_>) -> u64 {
    let close_ms = (master.options.down_after_ms / PINGS_IN_DOWN_AFTER).max(PING_PERIOD_MS_MIN);
    cx.timing.ping_period.min(close_ms)
}

fn ping_if_due(master: &Master, id: LinkId, cx: &mut Cx<'_>) {
    let period_ms = ping_period_ms(master, cx);
    let link = cx.links.get(id);
    let due_ms = (link.answered_ms + period_ms).max(link.ping_sent_ms + period_ms / 2 + 1);
    let is_full = link.pending() >= PENDING_MAX * link.users.len();
    if cx.now_ms < due_ms {
        cx.wake_at(due_ms);
    } else if !is_full {
        ping(master, id, cx);
    }
}

fn ping(master: &Master, id: LinkId, cx: &mut Cx<'_>) {
    let pending = Pending {
        ask: Ask::Ping,
        master: Some(master.id),
    };
    if cx.ask(id, Which::Commands, pending, &[renamed(master, b"PING")]) {
        let now_ms = cx.now_ms;
        let link = cx.links.get_mut(id);
        link.ping_sent_ms = now_ms;
        // The first that is not answered counts.
        link.ping_waits_since_ms.get_or_insert(now_ms);
    }
}

// ---- INFO ----

/// Asks a server for all that it says of itself.
pub fn ask_info(master: &Master, id: LinkId, cx: &mut Cx<'_>) {
    let now_ms = cx.now_ms;
    cx.ask_server(master, id, Ask::Info(now_ms), &[b"INFO"]);
}

fn ask_info_if_due(master: &mut Master, cx: &mut Cx<'_>) {
    let usual_ms = cx.timing.info_period;
    let own_period_ms = match master.lost_data_since_ms {
        Some(_) => SOON_MS.min(usual_ms),
        None => usual_ms,
    };
    let view = &master.view;
    let due_ms = info_due_ms(view.info_at_ms, view.info_asked_ms, own_period_ms);
    if is_info_due(master.base.link, due_ms, cx) {
        master.view.info_asked_ms = cx.now_ms;
        ask_info(master, master.base.link, cx);
    }
    for at in 0..master.replicas.len() {
        let period_ms = replica_period_ms(master, at, cx);
        let replica = &master.replicas[at];
        let (view, link) = (&replica.view, replica.base.link);
        let due_ms = info_due_ms(view.info_at_ms, view.info_asked_ms, period_ms);
        if is_info_due(link, due_ms, cx) {
            master.replicas[at].view.info_asked_ms = cx.now_ms;
            ask_info(master, link, cx);
        }
    }
}

fn is_info_due(link: LinkId, due_ms: u64, cx: &mut Cx<'_>) -> bool {
    let link = cx.links.get(link);
    if !link.can_send() || link.pending() >= PENDING_MAX {
        return false;
    }
    if cx.now_ms < due_ms {
        cx.wake_at(due_ms);
        return false;
    }
    true
}

/// An answer that is still to come is not asked for again too soon.
fn info_due_ms(at_ms: Option<u64>, asked_ms: u64, period_ms: u64) -> u64 {
    let next_ms = at_ms.map_or(0, |at_ms| at_ms + period_ms);
    let again_ms = match asked_ms {
        0 => 0,
        asked_ms => asked_ms + period_ms.min(SOON_MS),
    };
    next_ms.max(again_ms)
}

fn replica_period_ms(master: &Master, at: usize, cx: &Cx<'_>) -> u64 {
    let replica = &master.replicas[at];
    let usual_ms = cx.timing.info_period;
    let is_expected = match master.failover {
        Failover::WaitPromotion(_, id) => id == replica.id,
        Failover::ReconfReplicas(..) => {
            matches!(replica.reconf, Reconf::Sent(_) | Reconf::InProgress)
        }
        _ => false,
    };
    let is_watched = master.odown_since_ms.is_some()
        || master.is_failing_over()
        || replica.view.link_down_ms != 0
        || has_lost_link(replica)
        || has_started_anew(master, cx);
    if is_expected {
        let since_ms = master
            .failover
            .attempt()
            .map_or(0, |attempt| attempt.since_ms);
        let at_once = !cx.is_past(since_ms, AT_ONCE_FOR_MS);
        usual_ms.min(if at_once { AT_ONCE_MS } else { LATER_MS })
    } else if is_watched {
        SOON_MS.min(usual_ms)
    } else {
        usual_ms
    }
}

/// Whether a replica has said that its link to its master is not up, though it may have been a
/// moment ago.
fn has_lost_link(replica: &Replica) -> bool {
    let view = &replica.view;
    view.info_at_ms.is_some() && view.role == ServerRole::Replica && !view.link_up
}

/// Whether the master is another process than a moment ago: its replicas are about to find out
/// what it has brought back.
fn has_started_anew(master: &Master, cx: &Cx<'_>) -> bool {
    let started_ms = master.view.started_anew_ms;
    started_ms.is_some_and(|at_ms| !cx.is_past(at_ms, WATCHED_ANEW_MS))
}

// ---- Announcements ----

/// Has us announced to everybody at once: what is announced has changed.
pub fn announce_soon(master: &mut Master) {
    master.base.hello_sent_ms = 0;
    for replica in &mut master.replicas {
        replica.base.hello_sent_ms = 0;
    }
    for peer in &mut master.peers {
        peer.base.hello_sent_ms = 0;
    }
}

fn announce_if_due(master: &mut Master, cx: &mut Cx<'_>) {
    let now_ms = cx.now_ms;
    if announce(master, master.base.link, master.base.hello_sent_ms, cx) {
        master.base.hello_sent_ms = now_ms;
    }
    for at in 0..master.replicas.len() {
        let base = &master.replicas[at].base;
        if announce(master, base.link, base.hello_sent_ms, cx) {
            master.replicas[at].base.hello_sent_ms = now_ms;
        }
    }
    for at in 0..master.peers.len() {
        let base = &master.peers[at].base;
        if announce(master, base.link, base.hello_sent_ms, cx) {
            master.peers[at].base.hello_sent_ms = now_ms;
        }
    }
}

/// Announces us over a link, if it is time.
fn announce(master: &Master, id: LinkId, sent_ms: u64, cx: &mut Cx<'_>) -> bool {
    let link = cx.links.get(id);
    if !link.can_send() || link.pending() >= PENDING_MAX * link.users.len() {
        return false;
    }
    let due_ms = match sent_ms {
        0 => 0,
        sent_ms => sent_ms + cx.timing.publish_period,
    };
    if cx.now_ms < due_ms {
        cx.wake_at(due_ms);
        return false;
    }
    let Some(host) = cx
        .common
        .announce_ip
        .clone()
        .or(link.local_ip.map(|ip| ip.to_string()))
    else {
        return false;
    };
    let port = cx.common.announce_port.unwrap_or(cx.own.port);
    let current = master.current_address();
    let hello = format!(
        "{host},{port},{},{},{},{},{},{}",
        cx.id,
        cx.epoch,
        master.name,
        host_of(current, cx.common),
        current.port,
        master.config_epoch
    );
    let pending = Pending {
        ask: Ask::Hello,
        master: Some(master.id),
    };
    let args = [renamed(master, b"PUBLISH"), CHANNEL, hello.as_bytes()];
    cx.ask(id, Which::Commands, pending, &args)
}
