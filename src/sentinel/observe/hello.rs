//! Announcements: how Sentinels that watch the same master find each other, and how a new master
//! is made known.
//!
//! `ip,port,id,epoch,name,master ip,master port,config epoch`, published on a channel of each
//! server, and sent to each peer.

use log::Level;

use crate::base::time::Now;
use crate::sentinel::Sentinel;
use crate::sentinel::act::links::announce_soon;
use crate::sentinel::act::members::{add_peer, remove_peer};
use crate::sentinel::context::Cx;
use crate::sentinel::instance::{Master, NewerConfig};

/// The channel.
pub const CHANNEL: &[u8] = b"__sentinel__:hello";

/// Epochs above this are nonsense: counting on from there would end.
pub const EPOCH_MAX: u64 = 1 << 62;

/// An announcement.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Where the Sentinel is.
    pub host: &'a str,
    /// And at which port.
    pub port: u16,
    /// Its id.
    pub id: &'a str,
    /// The newest epoch that it has heard of.
    pub epoch: u64,
    /// The master that this is about.
    pub name: &'a str,
    /// Where it takes that to be.
    pub master_host: &'a str,
    /// And at which port.
    pub master_port: u16,
    /// The epoch since when it is there.
    pub config_epoch: u64,
}

impl<'a> Hello<'a> {
    /// Reads an announcement, if it is one.
    pub fn read(text: &'a [u8]) -> Option<Hello<'a>> {
        let text = std::str::from_utf8(text).ok()?;
        let parts: Vec<&str> = text.split(',').collect();
        let [
            host,
            port,
            id,
            epoch,
            name,
            master_host,
            master_port,
            config_epoch,
        ] = parts[..]
        else {
            return None;
        };
        let epoch_of = |text: &str| text.parse().ok().filter(|epoch| *epoch <= EPOCH_MAX);
        let hello = Hello {
            host,
            port: port.parse().ok()?,
            id,
            epoch: epoch_of(epoch)?,
            name,
            master_host,
            master_port: master_port.parse().ok()?,
            config_epoch: epoch_of(config_epoch)?,
        };
        let is_whole = !host.is_empty() && !master_host.is_empty() && !id.is_empty();
        let has_blank = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_clean = ![host, id, master_host].into_iter().any(has_blank);
        (is_whole && is_clean && hello.port != 0 && hello.master_port != 0).then_some(hello)
    }
}

impl Sentinel {
    /// A peer announces itself and what it takes for the master (`PUBLISH`, or by way of a server).
    pub fn on_hello(&mut self, hello: &[u8], now: Now) {
        let Some(hello) = Hello::read(hello) else {
            return;
        };
        // We hear ourselves, too.
        if hello.id == self.id {
            return;
        }
        let Some(of) = self.master_id(hello.name.as_bytes()) else {
            return;
        };
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
        }
        note_config(master, &hello, &mut cx);
    }

    /// Makes sure that the peer is known, and known to be where it says.
    fn meet(&mut self, of: crate::sentinel::instance::MasterId, hello: &Hello<'_>, now: Now) {
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
    fn move_peer(&mut self, of: crate::sentinel::instance::MasterId, hello: &Hello<'_>, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let address = crate::sentinel::address::Address::new(hello.host, hello.port);
        let mut link = None;
        for master in masters.values_mut() {
            let id = master.id;
            let Some(peer) = master.peer_mut(hello.id) else {
                continue;
            };
            peer.base.address = address.clone();
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
    fn forget_whoever_was_at(
        &mut self,
        of: crate::sentinel::instance::MasterId,
        hello: &Hello<'_>,
        now: Now,
    ) {
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get(&of) else {
            return;
        };
        let is_there =
            |at: &&crate::sentinel::instance::Peer| at.base.address.is(hello.host, hello.port);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_has_eight_parts_that_make_sense() {
        let text = b"10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379,6";
        let hello = Hello::read(text).expect("an announcement");
        assert_eq!(
            (hello.host, hello.port, hello.id, hello.epoch),
            ("10.0.0.1", 26379, "abc", 7)
        );
        assert_eq!((hello.name, hello.master_host), ("mymaster", "10.0.0.2"));
        assert_eq!((hello.master_port, hello.config_epoch), (6379, 6));
        for bad in [
            "",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379,6,8",
            "10.0.0.1,x,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,70000,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,0,abc,7,mymaster,10.0.0.2,6379,6",
            ",26379,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,-7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,18446744073709551615,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,a c,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2\n,6379,6",
        ] {
            assert_eq!(Hello::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Hello::read(b"\xff,1,a,1,m,h,1,1"), None);
    }
}
