//! Announcements of peers become facts.

use log::Level;

use crate::base::time::Now;
use crate::sentinel::act::links::announce_soon;
use crate::sentinel::act::members::{add_peer, remove_peer};
use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::hello::Hello;
use crate::sentinel::ids::MasterId;
use crate::sentinel::instance::{Master, NewerConfig, Peer, Said};
use crate::sentinel::state::Sentinel;

impl Sentinel {
    /// A peer announces itself and what it takes for the master (`PUBLISH`, or by way of a server).
    pub fn on_hello(&mut self, hello: &[u8], now: Now) {
        let Some(hello) = Hello::read(hello) else {
            return;
        };
        let Some(of) = self.master_id(hello.name.as_bytes()) else {
            return;
        };
        // We hear ourselves, too.
        if hello.id == self.id {
            return self.note_double_of_us(of, &hello, now);
        }
        if self.is_double(of, &hello, now) {
            return;
        }
        self.meet(of, &hello, now);
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get_mut(&of) else {
            return;
        };
        if hello.epoch > *cx.epoch {
            *cx.epoch = hello.epoch;
            cx.saves.want();
            cx.tell_epoch(master);
        }
        if let Some(peer) = master.peer_mut(hello.id) {
            peer.hello_at_ms = cx.now_ms;
            peer.said = Some(Said {
                epoch: hello.config_epoch,
                address: Address::new(hello.master_host, hello.master_port),
                at_ms: cx.now_ms,
            });
        }
        note_config(master, &hello, &mut cx);
    }

    /// Makes sure that the peer is known, and known to be where it says.
    fn meet(&mut self, of: MasterId, hello: &Hello<'_>, now: Now) {
        let master = &self.masters[&of];
        let known = master.peers.iter().find(|peer| peer.run_id == hello.id);
        if known.is_some_and(|peer| peer.base.address.is(hello.host, hello.port)) {
            return;
        }
        let was_known = known.is_some();
        if !was_known {
            self.forget_whoever_was_at(of, hello, now);
        }
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get_mut(&of) else {
            return;
        };
        if was_known {
            let subject = cx.of_master(master);
            let more = format!(" ip {} port {} for {}", hello.host, hello.port, hello.id);
            cx.event(
                Level::Info,
                "+sentinel-address-switch",
                master,
                &subject,
                &more,
            );
            self.move_peer(of, hello, now);
        } else {
            add_peer(master, hello.id, hello.host, hello.port, &mut cx);
            let peer = master.peers.last().expect("it was just added");
            cx.tell_peer(Level::Info, "+sentinel", master, peer);
            cx.saves.want();
            // It may not know us yet.
            announce_soon(master);
            cx.touched.insert(of);
        }
    }

    /// A peer has another address now, for all masters.
    fn move_peer(&mut self, of: MasterId, hello: &Hello<'_>, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let address = Address::new(hello.host, hello.port);
        let mut link = None;
        for master in masters.values_mut() {
            let id = master.id;
            let Some(peer) = master.peer_mut(hello.id) else {
                continue;
            };
            let left = std::mem::replace(&mut peer.base.address, address.clone());
            peer.left = Some((left, false));
            link = Some(peer.base.link);
            if id != of {
                let at = master.peers.iter().position(|peer| peer.run_id == hello.id);
                let peer = &master.peers[at.expect("it is there")];
                cx.tell_peer(Level::Info, "+sentinel-address-update", master, peer);
            }
            cx.touched.insert(id);
        }
        if let Some(link) = link {
            cx.links.get_mut(link).address = address;
            cx.reconnect(link);
        }
        cx.saves.want();
    }

    /// Whoever was said to be where this peer is now has left: two cannot be in one place.
    fn forget_whoever_was_at(&mut self, of: MasterId, hello: &Hello<'_>, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get(&of) else {
            return;
        };
        let is_there = |at: &&Peer| at.base.address.is(hello.host, hello.port);
        let Some(other) = master.peers.iter().find(is_there) else {
            return;
        };
        let id = other.run_id.clone();
        cx.tell_peer(Level::Info, "+sentinel-invalid-addr", master, other);
        for master in masters.values_mut() {
            remove_peer(master, &id, &mut cx);
        }
    }
}

/// A newer configuration is noted; the acting half takes it over.
fn note_config(master: &mut Master, hello: &Hello<'_>, cx: &mut Cx<'_>) {
    let newest = master
        .newer
        .as_ref()
        .map_or(master.config_epoch, |newer| newer.epoch);
    if hello.config_epoch > newest {
        master.newer = Some(NewerConfig {
            epoch: hello.config_epoch,
            host: hello.master_host.to_owned(),
            port: hello.master_port,
            from: hello.id.to_owned(),
        });
        cx.touched.insert(master.id);
    }
}
