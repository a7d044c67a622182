//! Sentinels with one id: somebody has copied a configuration file. They have one voice in
//! elections, and do not know each other, which nobody would notice who is not told.

use log::Level;

use crate::base::time::Now;
use crate::sentinel::hello::{Double, Hello};
use crate::sentinel::ids::MasterId;
use crate::sentinel::state::Sentinel;

/// A peer that has announced itself within so many periods is where it was.
const DOUBLE_PERIODS: u64 = 3;
const EVENT: &str = "+sentinel-duplicate-id";

impl Sentinel {
    /// Whether somebody uses the id of a peer that is somewhere else, and announces itself there,
    /// too. We would go from one to the other and back for ever.
    pub(super) fn is_double(&mut self, of: MasterId, hello: &Hello<'_>, now: Now) -> bool {
        let (masters, mut cx) = self.parts(now);
        let believed_ms = cx.timing.publish_period * DOUBLE_PERIODS;
        let Some(master) = masters.get_mut(&of) else {
            return false;
        };
        let now_ms = cx.now_ms;
        let Some(peer) = master.peer_mut(hello.id) else {
            return false;
        };
        let is_recent = now_ms.saturating_sub(peer.hello_at_ms) <= believed_ms;
        let is_here = is_recent && !peer.base.is_down() && cx.links.get(peer.base.link).can_send();
        let was_told = match &mut peer.left {
            Some((left, told)) if is_here && left.is(hello.host, hello.port) => {
                std::mem::replace(told, true)
            }
            _ => return false,
        };
        if !was_told {
            let at = master.peers.iter().position(|peer| peer.run_id == hello.id);
            let subject = cx.of_peer(master, &master.peers[at.expect("it was just found")]);
            let more = format!(" #the same id is at {} {}", hello.host, hello.port);
            cx.event(Level::Warn, EVENT, master, &subject, &more);
        }
        true
    }

    /// Our id is announced. What we have said ourselves a moment ago, before we were told to
    /// announce another address, comes only once.
    pub(super) fn note_double_of_us(&mut self, of: MasterId, hello: &Hello<'_>, now: Now) {
        let now_ms = now.mono_ms();
        let port = self.common.announce_port.unwrap_or(self.own.port);
        let is_our_host = match &self.common.announce_ip {
            Some(ip) => ip == hello.host,
            None => self.links.is_local(hello.host),
        };
        if hello.port == port && is_our_host {
            return;
        }
        let is_known = |d: &&mut Double| d.host == hello.host && d.port == hello.port;
        let Some(double) = self.double.as_mut().filter(is_known) else {
            self.double = Some(Double {
                host: hello.host.to_owned(),
                port: hello.port,
                since_ms: now_ms,
                told: false,
            });
            return;
        };
        let is_news = now_ms.saturating_sub(double.since_ms) >= self.timing.publish_period / 2;
        if double.told || !is_news {
            return;
        }
        double.told = true;
        let (masters, mut cx) = self.parts(now);
        if let Some(master) = masters.get(&of) {
            let subject = cx.of_master(master);
            let more = format!(" #our id is at {} {}, too", hello.host, hello.port);
            cx.event(Level::Warn, EVENT, master, &subject, &more);
        }
    }
}
