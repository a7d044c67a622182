//! What the halves of the Sentinel work with, beside the master at hand.

use std::collections::{BTreeSet, HashMap};

use super::action::{Action, Answer, ConnId};
use super::ids::{LinkId, MasterId};
use super::instance::Master;
use super::link::{Ask, Link, Links, Pending, Stage, Which};
use super::planted::Planted;
use super::save::Saves;
use super::scripts::Scripts;
use super::settings::{Own, SimulatedFailure};
use super::timing::Timing;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::CommonOptions;
use crate::resp::writer::{Protocol, Reply};

/// Masters to be looked at.
pub(super) type Touched = BTreeSet<MasterId>;

/// Everything but the masters, borrowed for one event.
pub(super) struct Cx<'a> {
    pub now: Now,
    /// Monotonic milliseconds.
    pub now_ms: u64,
    /// Our id.
    pub id: &'a str,
    /// The newest epoch that we have heard of.
    pub epoch: &'a mut u64,
    /// When we last began an epoch, and which.
    pub begun_epoch: &'a mut Option<(u64, u64)>,
    pub common: &'a CommonOptions,
    pub own: &'a Own,
    pub timing: &'a Timing,
    pub links: &'a mut Links,
    /// The link to each peer, by its id.
    pub peer_links: &'a mut HashMap<String, LinkId>,
    pub saves: &'a mut Saves,
    pub scripts: &'a mut Scripts,
    pub rng: &'a mut Rng,
    pub next_instance: &'a mut u64,
    pub touched: &'a mut Touched,
    pub simulate: SimulatedFailure,
    pub planted: Planted,
    /// Only observe.
    pub tilt: bool,
    /// When the master at hand has to be looked at again.
    pub due_ms: u64,
    pub out: &'a mut Vec<Action>,
}

impl Cx<'_> {
    /// Whether so much time has passed since then.
    pub fn is_past(&self, since_ms: u64, period_ms: u64) -> bool {
        self.now_ms.saturating_sub(since_ms) >= period_ms
    }

    /// The master at hand has to be looked at by then.
    pub fn wake_at(&mut self, at_ms: u64) {
        self.due_ms = self.due_ms.min(at_ms);
    }

    /// Whether a failover may have the epoch that we have just begun for another master: peers
    /// vote for each master by itself, and stock ones in no epoch but the newest that they know.
    pub fn may_share_epoch(&self, master: &Master) -> bool {
        let begun = *self.begun_epoch == Some((self.now_ms, *self.epoch));
        begun && master.leader_epoch < *self.epoch && master.config_epoch < *self.epoch
    }

    /// A random number below `bound`, which is not zero.
    pub fn chance(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// Sends a command over a connection of a link, if that is open. `false`: it is not.
    pub fn ask(&mut self, link: LinkId, which: Which, pending: Pending, args: &[&[u8]]) -> bool {
        let bytes = command(args);
        let Some(conn) = self.links.get_mut(link).conn_mut(which) else {
            return false;
        };
        let Some(id) = conn.open() else {
            return false;
        };
        conn.pending.push_back(pending);
        self.send(id, bytes);
        true
    }

    /// Bytes that go out together are one piece.
    fn send(&mut self, conn: ConnId, bytes: Vec<u8>) {
        if let Some(Action::Send {
            conn: last,
            bytes: before,
        }) = self.out.last_mut()
            && *last == conn
        {
            before.extend_from_slice(&bytes);
            return;
        }
        self.out.push(Action::Send { conn, bytes });
    }

    /// Sends a command to a server, under the name that it has there.
    pub fn ask_server(&mut self, master: &Master, link: LinkId, ask: Ask, args: &[&[u8]]) -> bool {
        let name = renamed(master, args[0]);
        let args = [&[name], &args[1..]].concat();
        let pending = Pending {
            ask,
            master: Some(master.id),
        };
        self.ask(link, Which::Commands, pending, &args)
    }

    /// Answers a client whose command has waited. 0 is nobody.
    pub fn answer(&mut self, client: u64, answer: Answer) {
        if client != 0 {
            self.out.push(Action::Answer { client, answer });
        }
    }

    /// Closes one of the connections of a link.
    pub fn close(&mut self, link: LinkId, which: Which, retry_at_ms: u64) {
        let Some(conn) = self.links.get_mut(link).conn_mut(which) else {
            return;
        };
        let open = conn.id();
        conn.stage = Stage::Closed;
        conn.pending.clear();
        conn.retry_at_ms = retry_at_ms;
        if let Some(id) = open {
            self.links.end_conn(id);
            self.out.push(Action::Close { conn: id });
        }
    }

    /// Has both connections of a link made anew.
    pub fn reconnect(&mut self, link: LinkId) {
        self.close(link, Which::Commands, self.now_ms);
        self.close(link, Which::Messages, self.now_ms);
    }

    /// A master needs a link no more.
    pub fn release(&mut self, link: LinkId, user: MasterId) {
        if let Some(link) = self.links.release(link, user) {
            self.drop_link(link);
        }
    }

    fn drop_link(&mut self, link: Link) {
        let conns = [Some(&link.commands), link.messages.as_ref()];
        for conn in conns.into_iter().flatten() {
            if let Some(conn) = conn.id() {
                self.out.push(Action::Close { conn });
            }
        }
    }
}

/// What a command is called at the servers of a master.
pub(super) fn renamed<'a>(master: &'a Master, name: &'a [u8]) -> &'a [u8] {
    if master.options.renamed.is_empty() {
        return name;
    }
    match master.options.renamed.get(&name.to_ascii_lowercase()) {
        Some(other) => other,
        None => name,
    }
}

/// A command as bytes.
fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut reply = Reply::new(Protocol::Resp2);
    reply.array(args.len());
    for arg in args {
        reply.bulk(arg);
    }
    reply.take_buf()
}
