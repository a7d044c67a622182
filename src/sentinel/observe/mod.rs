//! The observing half: what happens on connections becomes facts.

mod double;
mod hello;
mod info;
mod replies;

use super::act::links::greet;
use super::action::{ConnId, Ends, LinkEnd};
use super::context::Cx;
use super::ids::LinkId;
use super::instance::{Instance, Master};
use super::link::{Link, Owner, Stage, Which};
use super::state::Sentinel;
use crate::base::time::Now;

/// A server that lets nobody in may be asked again this soon.
const AGAIN_MS: u64 = 100;
/// A connection that was open for less is not worth making at once again.
const SHORT_LIFE_MS: u64 = 1000;
/// Where nobody listens is asked again this soon, until it is known to be down.
const REFUSED_AGAIN_MS: u64 = 25;
/// And this soon afterwards.
const REFUSED_LATER_MS: u64 = 250;

impl Sentinel {
    /// A connection is open.
    pub fn on_connected(&mut self, conn: ConnId, ends: Ends, now: Now) {
        let Some((id, which)) = self.links.of_conn(conn) else {
            return;
        };
        let (masters, mut cx) = self.parts(now);
        let link = cx.links.get_mut(id);
        link.local_ip = Some(ends.local);
        link.refused_since_ms = None;
        if which == Which::Commands {
            // It may be another process.
            link.takes_one_by_one = false;
        }
        if let Some(at) = link.conn_mut(which) {
            at.stage = Stage::Open(conn);
            at.heard_ms = cx.now_ms;
        }
        let moved = link.address.ip != Some(ends.peer);
        if moved {
            link.address.ip = Some(ends.peer);
        }
        let users = link.users.clone();
        let mut greeted = false;
        for user in users {
            let Some(master) = masters.get_mut(&user) else {
                continue;
            };
            if moved && let Some(base) = master.at_link_mut(id) {
                base.address.ip = Some(ends.peer);
            }
            if !greeted {
                greet(master, id, which, &mut cx);
                greeted = true;
                let view = master.view_at_link_mut(id);
                if let Some(view) = view.filter(|_| which == Which::Commands) {
                    // That was among the first words.
                    view.info_asked_ms = cx.now_ms;
                }
            }
        }
        touch_users(id, &mut cx);
    }

    /// A connection was not made, or is no more.
    pub fn on_closed(&mut self, conn: ConnId, why: LinkEnd, now: Now) {
        let Some((id, which)) = self.links.of_conn(conn) else {
            return;
        };
        self.links.end_conn(conn);
        let (masters, mut cx) = self.parts(now);
        let link = cx.links.get(id);
        let user = link.users.first().and_then(|user| masters.get(user));
        let known_down = user
            .and_then(|master| master.at_link(id))
            .is_some_and(Instance::is_down);
        let later_ms = cx.timing.ping_period;
        let now_ms = cx.now_ms;
        let link = cx.links.get_mut(id);
        note_closed(link, which, &why, (now_ms, later_ms, known_down));
        if let Some(master) = user {
            tell_closed(master, id, which, &why, &mut cx);
        }
        touch_users(id, &mut cx);
    }
}

/// Notes that a connection is over, and when the next is worth making.
fn note_closed(
    link: &mut Link,
    which: Which,
    why: &LinkEnd,
    (now_ms, later_ms, known_down): (u64, u64, bool),
) {
    let retry_in_ms = match why {
        LinkEnd::Refused if known_down => REFUSED_LATER_MS.min(later_ms),
        LinkEnd::Refused => REFUSED_AGAIN_MS,
        LinkEnd::Closed => {
            let begun_ms = link.conn_mut(which).map_or(0, |conn| conn.begun_ms);
            let was_short = now_ms.saturating_sub(begun_ms) < SHORT_LIFE_MS;
            if was_short { AGAIN_MS } else { 0 }
        }
        LinkEnd::Failed(_) => later_ms,
    };
    if *why == LinkEnd::Refused {
        link.refused_since_ms.get_or_insert(now_ms);
    }
    if let Some(conn) = link.conn_mut(which) {
        conn.stage = Stage::Closed;
        conn.pending.clear();
        conn.retry_at_ms = now_ms + retry_in_ms;
    }
}

/// For those who look for a fault.
fn tell_closed(master: &Master, id: LinkId, which: Which, why: &LinkEnd, cx: &mut Cx<'_>) {
    let subject = match cx.links.get(id).owner {
        Owner::Master(_) => Some(cx.of_master(master)),
        Owner::Replica(_, of) => master
            .replica(of)
            .map(|replica| cx.of_replica(master, replica)),
        Owner::Peer => {
            let peer = master.peers.iter().find(|peer| peer.base.link == id);
            peer.map(|peer| cx.of_peer(master, peer))
        }
    };
    let reason = match why {
        LinkEnd::Refused => "Connection refused",
        LinkEnd::Closed => "Connection closed",
        LinkEnd::Failed(reason) => reason,
    };
    let event = match which {
        Which::Commands => "-cmd-link-reconnection",
        Which::Messages => "-pubsub-link-reconnection",
    };
    if let Some(subject) = subject {
        cx.event(
            log::Level::Trace,
            event,
            master,
            &subject,
            &format!(" #{reason}"),
        );
    }
}

/// Has all masters looked at that need this link.
fn touch_users(id: LinkId, cx: &mut Cx<'_>) {
    let users = cx.links.get(id).users.iter();
    cx.touched.extend(users.copied());
}
