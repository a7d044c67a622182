//! Who belongs to a master: replicas and peers come and go.

use log::Level;

use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::ids::{InstanceId, LinkId, MasterId};
use crate::sentinel::instance::{
    Instance, Master, Peer, PeerVerdict, Reconf, Replica, ServerRole, ServerView,
};
use crate::sentinel::link::Owner;

/// Replicas of one master that are kept; more is somebody's mistake, or bad intent.
const REPLICAS_MAX: usize = 10_000;
/// The same of peers.
const PEERS_MAX: usize = 1000;

fn new_instance(address: Address, link: LinkId, now_ms: u64) -> Instance {
    Instance {
        address,
        link,
        down_since_ms: None,
        up_since_ms: now_ms,
        hello_sent_ms: 0,
    }
}

/// The first instance of a master: itself.
pub fn master_instance(address: Address, of: MasterId, cx: &mut Cx<'_>) -> Instance {
    let link = cx
        .links
        .add(Owner::Master(of), address.clone(), of, cx.now_ms);
    new_instance(address, link, cx.now_ms)
}

/// A replica is known from now on, if it was not before. Whether it is new.
pub fn know_replica(master: &mut Master, host: &str, port: u16, cx: &mut Cx<'_>) -> bool {
    let address = Address::new(host, port);
    let is_known = |replica: &Replica| replica.base.address.is_same(&address);
    let by_name = address.is_named() && !cx.common.resolve_hostnames;
    if by_name || master.replicas.len() >= REPLICAS_MAX || master.replicas.iter().any(is_known) {
        return false;
    }
    *cx.next_instance += 1;
    let id = InstanceId(*cx.next_instance);
    let link = cx.links.add(
        Owner::Replica(master.id, id),
        address.clone(),
        master.id,
        cx.now_ms,
    );
    master.replicas.push(Replica {
        id,
        base: new_instance(address, link, cx.now_ms),
        view: ServerView::new(ServerRole::Replica, cx.now_ms),
        reconf: Reconf::No,
        demoted_ms: None,
        has_come_back: false,
        corrected_ms: 0,
    });
    true
}

/// A replica was found.
pub fn add_replica(master: &mut Master, host: &str, port: u16, cx: &mut Cx<'_>) {
    if know_replica(master, host, port, cx)
        && let Some(replica) = master.replicas.last()
    {
        cx.tell_replica(Level::Info, "+slave", master, replica);
        cx.saves.want();
        cx.touched.insert(master.id);
    }
}

/// A master that was reset is gone before it has named its replicas: those of before are known
/// again, so that one of them can take over.
pub fn recall_replicas(master: &mut Master, cx: &mut Cx<'_>) {
    for address in std::mem::take(&mut master.before_reset) {
        add_replica(master, &address.host, address.port, cx);
    }
}

/// A peer is known from now on. Its link serves all masters that we both watch.
pub fn add_peer(master: &mut Master, run_id: &str, host: &str, port: u16, cx: &mut Cx<'_>) {
    if master.peers.len() >= PEERS_MAX {
        return;
    }
    let address = Address::new(host, port);
    let link = match cx.peer_links.get(run_id) {
        Some(link) => {
            let users = &mut cx.links.get_mut(*link).users;
            users.push(master.id);
            *link
        }
        None => {
            let link = cx
                .links
                .add(Owner::Peer, address.clone(), master.id, cx.now_ms);
            cx.peer_links.insert(run_id.to_owned(), link);
            link
        }
    };
    *cx.next_instance += 1;
    master.peers.push(Peer {
        id: InstanceId(*cx.next_instance),
        run_id: run_id.to_owned(),
        base: new_instance(address, link, cx.now_ms),
        hello_at_ms: cx.now_ms,
        said: None,
        left: None,
        verdict: PeerVerdict::default(),
        named: None,
        named_asked_ms: 0,
    });
}

/// A peer is forgotten. Whether it was known.
pub fn remove_peer(master: &mut Master, run_id: &str, cx: &mut Cx<'_>) -> bool {
    let Some(at) = master.peers.iter().position(|peer| peer.run_id == run_id) else {
        return false;
    };
    let peer = master.peers.remove(at);
    release_peer(&peer, master.id, cx);
    true
}

/// A master needs the link to a peer no more.
pub fn release_peer(peer: &Peer, master: MasterId, cx: &mut Cx<'_>) {
    if cx.links.get(peer.base.link).users == [master] {
        cx.peer_links.remove(&peer.run_id);
    }
    cx.release(peer.base.link, master);
}

/// All links of a master are closed; it is watched no more.
pub fn release_all(master: &mut Master, cx: &mut Cx<'_>) {
    cx.release(master.base.link, master.id);
    for replica in std::mem::take(&mut master.replicas) {
        cx.release(replica.base.link, master.id);
    }
    for peer in std::mem::take(&mut master.peers) {
        release_peer(&peer, master.id, cx);
    }
}

/// Forgets those who were down for longer than the operator wants to remember them.
pub fn forget_long_gone(master: &mut Master, cx: &mut Cx<'_>) {
    let now_ms = cx.now_ms;
    let gone = |base: &Instance, after_s: u64| {
        let down_ms = base
            .down_since_ms
            .map(|since_ms| now_ms.saturating_sub(since_ms));
        after_s > 0 && down_ms.is_some_and(|down_ms| down_ms >= after_s.saturating_mul(1000))
    };
    let after_s = master.options.forget_replicas_after_s;
    if after_s > 0 && !master.is_failing_over() {
        while let Some(at) = master.replicas.iter().position(|r| gone(&r.base, after_s)) {
            remove_replica_at(master, at, cx);
        }
    }
    let after_s = master.options.forget_sentinels_after_s;
    if after_s > 0 && !master.is_failing_over() {
        while let Some(at) = master.peers.iter().position(|p| gone(&p.base, after_s)) {
            remove_peer_at(master, at, cx);
        }
    }
}

/// Forgets a replica.
pub fn remove_replica_at(master: &mut Master, at: usize, cx: &mut Cx<'_>) {
    cx.tell_replica(Level::Info, "-slave", master, &master.replicas[at]);
    let replica = master.replicas.remove(at);
    cx.release(replica.base.link, master.id);
    cx.saves.want();
}

/// Forgets a peer.
pub fn remove_peer_at(master: &mut Master, at: usize, cx: &mut Cx<'_>) {
    cx.tell_peer(Level::Info, "-sentinel", master, &master.peers[at]);
    let peer = master.peers.remove(at);
    release_peer(&peer, master.id, cx);
    cx.saves.want();
}
