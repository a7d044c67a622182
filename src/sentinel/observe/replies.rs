//! Replies, each handed to what it is about.

use super::info::{Of, on_info};
use crate::base::time::Now;
use crate::resp::reply::Value;
use crate::sentinel::act::handover::on_failover_reply;
use crate::sentinel::act::slaveof::on_orders_reply;
use crate::sentinel::action::{Action, ConnId};
use crate::sentinel::hello::CHANNEL;
use crate::sentinel::ids::{LinkId, MasterId};
use crate::sentinel::instance::{Master, Named, Peer};
use crate::sentinel::link::{Ask, Owner, Pending, Which};
use crate::sentinel::state::Sentinel;

/// An announcement that was refused is made again this soon.
const AGAIN_MS: u64 = 100;

impl Sentinel {
    /// A reply, or a message that nobody asked for, has come.
    pub fn on_value(&mut self, conn: ConnId, value: Value, now: Now) {
        let Some((id, which)) = self.links.of_conn(conn) else {
            return;
        };
        let now_ms = now.mono_ms();
        let Some(at) = self.links.get_mut(id).conn_mut(which) else {
            return;
        };
        let pending = match at.pending.front() {
            Some(pending) if pending.ask == Ask::Subscribe => Some(*pending),
            Some(_) => at.pending.pop_front(),
            None => None,
        };
        let Some(pending) = pending else {
            return;
        };
        match pending.ask {
            Ask::Subscribe => self.on_message(id, value, now),
            Ask::Discard => {}
            Ask::Ping => self.on_ping_reply(id, &value, now),
            Ask::Info(asked_ms) => self.on_info_reply(id, value, asked_ms, now),
            Ask::Hello => self.on_hello_reply(id, pending, &value, now),
            Ask::IsDown(master) => self.on_verdict(id, master, &value, now_ms),
            Ask::MasterAddress(master) => self.on_master_named(id, master, &value, now_ms),
            Ask::Failover(master) => {
                let (masters, mut cx) = self.parts(now);
                if let Some(master) = masters.get_mut(&master) {
                    on_failover_reply(master, &value, &mut cx);
                }
            }
            Ask::Orders(master) => {
                let (masters, mut cx) = self.parts(now);
                if let Some(master) = masters.get(&master) {
                    on_orders_reply(master, id, &value, &mut cx);
                }
            }
        }
    }

    /// Something has come over the connection that listens.
    fn on_message(&mut self, id: LinkId, value: Value, now: Now) {
        let (_, mut cx) = self.parts(now);
        let later_ms = cx.now_ms + cx.timing.ping_period;
        if value.error().is_some() {
            // Without the channel this connection is of no use.
            cx.close(id, Which::Messages, later_ms);
            return;
        }
        if let Some(conn) = &mut cx.links.get_mut(id).messages {
            conn.heard_ms = now.mono_ms();
        }
        let Some([kind, channel, payload]) = value.array() else {
            return;
        };
        if channel.text() != Some(CHANNEL) {
            return;
        }
        match kind.text() {
            Some(b"message") => {
                let payload = payload.text().unwrap_or_default().to_vec();
                self.on_hello(&payload, now);
            }
            Some(b"subscribe") => self.announce_over(id, now),
            _ => {}
        }
    }

    /// We hear who announces himself over a link from now on; whoever hears us there does so, too.
    fn announce_over(&mut self, id: LinkId, now: Now) {
        let (masters, cx) = self.parts(now);
        for user in cx.links.get(id).users.clone() {
            if let Some(base) = masters.get_mut(&user).and_then(|m| m.at_link_mut(id)) {
                base.hello_sent_ms = 0;
                cx.touched.insert(user);
            }
        }
    }

    fn on_ping_reply(&mut self, id: LinkId, value: &Value, now: Now) {
        let (masters, cx) = self.parts(now);
        let now_ms = cx.now_ms;
        let text = value.text().or(value.error()).unwrap_or_default();
        let says = |word: &[u8]| text.starts_with(word);
        let works = says(b"PONG") || says(b"LOADING") || says(b"MASTERDOWN");
        let link = cx.links.get_mut(id);
        link.answered_ms = now_ms;
        if works {
            link.ok_ms = now_ms;
            link.was_ok = true;
            link.ping_waits_since_ms = None;
        }
        let (owner, users) = (link.owner, link.users.clone());
        for user in users {
            let Some(master) = masters.get_mut(&user) else {
                continue;
            };
            let has_news = note_ping(master, owner, id, says(b"PONG"), says(b"BUSY"));
            if has_news {
                cx.touched.insert(user);
            }
        }
    }

    fn on_info_reply(&mut self, id: LinkId, value: Value, asked_ms: u64, now: Now) {
        let owner = self.links.get(id).owner;
        let (masters, mut cx) = self.parts(now);
        let (Value::Bulk(info) | Value::Simple(info)) = value else {
            return;
        };
        let (master, of) = match owner {
            Owner::Master(master) => (master, Of::Master),
            Owner::Replica(master, replica) => (master, Of::Replica(replica)),
            Owner::Peer => return,
        };
        if let Some(master) = masters.get_mut(&master) {
            on_info(master, of, info, asked_ms, &mut cx);
        }
    }

    /// An announcement that was refused is made again soon.
    fn on_hello_reply(&mut self, id: LinkId, pending: Pending, value: &Value, now: Now) {
        if value.error().is_none() {
            return;
        }
        let (masters, cx) = self.parts(now);
        let again_ms = cx.now_ms.saturating_sub(cx.timing.publish_period) + AGAIN_MS;
        let master = pending.master.and_then(|master| masters.get_mut(&master));
        if let Some(base) = master.and_then(|master| master.at_link_mut(id)) {
            base.hello_sent_ms = again_ms.max(1);
        }
    }

    /// A peer says whether it sees a master down, and for whom it has voted.
    fn on_verdict(&mut self, id: LinkId, of: MasterId, value: &Value, now_ms: u64) {
        let Some([down, leader, epoch]) = value.array() else {
            return;
        };
        let (Some(down), Some(leader), Some(epoch)) = (down.int(), leader.text(), epoch.int())
        else {
            return;
        };
        let leader = std::str::from_utf8(leader)
            .ok()
            .filter(|leader| *leader != "*");
        let mut told = None;
        if let Some(peer) = self.peer_mut(of, id) {
            let run_id = peer.run_id.clone();
            let verdict = &mut peer.verdict;
            verdict.down = down == 1;
            verdict.at_ms = now_ms;
            verdict.first_down.get_or_insert(down == 1);
            if let (Some(leader), Ok(epoch)) = (leader, u64::try_from(epoch)) {
                if verdict.leader_epoch != epoch {
                    told = Some(format!("{run_id} voted for {leader} {epoch}"));
                }
                verdict.leader = Some(leader.to_owned());
                verdict.leader_epoch = epoch;
            }
            self.touched.insert(of);
        }
        if let Some(text) = told {
            self.out.push(Action::Log(log::Level::Info, text));
        }
    }

    /// A peer says where it takes a master to be.
    fn on_master_named(&mut self, id: LinkId, of: MasterId, value: &Value, now_ms: u64) {
        let Some([host, port]) = value.array() else {
            return;
        };
        let host = host.text().and_then(|host| std::str::from_utf8(host).ok());
        let port = port.text().and_then(|port| std::str::from_utf8(port).ok());
        let (Some(host), Some(port)) = (host, port.and_then(|port| port.parse().ok())) else {
            return;
        };
        let host = host.to_owned();
        if let Some(peer) = self.peer_mut(of, id) {
            peer.named = Some(Named {
                host,
                port,
                at_ms: now_ms,
            });
            self.touched.insert(of);
        }
    }

    fn peer_mut(&mut self, of: MasterId, link: LinkId) -> Option<&mut Peer> {
        let master = self.masters.get_mut(&of)?;
        master.peers.iter_mut().find(|peer| peer.base.link == link)
    }
}

/// Notes what the answer to a ping says beside that somebody is there; whether that is news.
fn note_ping(master: &mut Master, owner: Owner, link: LinkId, pong: bool, busy: bool) -> bool {
    let view = match owner {
        Owner::Master(_) => Some(&mut master.view),
        Owner::Replica(_, id) => master.replica_mut(id).map(|replica| &mut replica.view),
        Owner::Peer => None,
    };
    let mut has_news = busy;
    if let Some(view) = view {
        view.busy = busy;
        has_news |= pong && view.rebooted_since_ms.take().is_some();
    }
    has_news || master.at_link(link).is_some_and(|base| base.is_down())
}
