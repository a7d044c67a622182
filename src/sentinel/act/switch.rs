//! The master is another server from now on: the promoted replica, or whom a peer has promoted.

use log::Level;

use super::abort::{abort, give_up_quietly};
use super::links::announce_soon;
use super::members::{know_replica, master_instance};
use crate::sentinel::action::Answer;
use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::event::host_of;
use crate::sentinel::failover::{Attempt, Failover, Reason};
use crate::sentinel::ids::InstanceId;
use crate::sentinel::instance::{Master, Reconf, ServerRole, ServerView};
use crate::sentinel::link::Owner;

/// Takes over a newer configuration that a peer has announced.
pub fn adopt_newer(master: &mut Master, cx: &mut Cx<'_>) {
    let Some(newer) = master.newer.take() else {
        return;
    };
    if newer.epoch <= master.config_epoch {
        return;
    }
    let is_here = master.base.address.is(&newer.host, newer.port);
    let named = newer.host.parse::<std::net::IpAddr>().is_err();
    if !is_here && named && !cx.common.resolve_hostnames {
        // We cannot go there, and do not say that the master is here as of that epoch.
        return;
    }
    master.config_epoch = newer.epoch;
    cx.saves.want();
    if is_here {
        // It was made the master again while we, cut off, were replacing it. Our failover must not
        // end as if that newer epoch were its own.
        let is_older = |attempt: &Attempt| attempt.epoch < newer.epoch;
        if master.failover.attempt().is_some_and(is_older) {
            give_up_quietly(master, cx);
            announce_soon(master);
        }
        return;
    }
    if let Some(Attempt {
        reason: Reason::Coordinated(client),
        ..
    }) = master.failover.attempt()
    {
        let text = "ERR Another Sentinel has failed the master over".to_owned();
        cx.answer(*client, Answer::Error(text));
    }
    if let Some(peer) = master.peers.iter().find(|peer| peer.run_id == newer.from) {
        cx.tell_peer(Level::Warn, "+config-update-from", master, peer);
    }
    let from = master.base.address.clone();
    let to = Address::new(newer.host, newer.port);
    switch(master, to.clone(), cx);
    reconfigure_clients(master, "observer", &from, &to, cx);
}

/// Ends our failover: the promoted replica is the master.
pub fn switch_to_promoted(master: &mut Master, id: InstanceId, cx: &mut Cx<'_>) {
    let Some(replica) = master.replica(id) else {
        return abort(master, "-failover-abort-no-good-slave", cx);
    };
    let to = replica.base.address.clone();
    switch(master, to, cx);
}

fn switch(master: &mut Master, to: Address, cx: &mut Cx<'_>) {
    let from = master.base.address.clone();
    let text = format!(
        "{} {} {} {} {}",
        master.name,
        host_of(&from, cx.common),
        from.port,
        host_of(&to, cx.common),
        to.port
    );
    cx.event_text(Level::Warn, "+switch-master", Some(master), text);
    let known = master
        .replicas
        .iter()
        .position(|r| r.base.address.is_same(&to));
    match known {
        Some(at) => {
            // Its links stay open: only who it is to us changes.
            let replica = master.replicas.remove(at);
            cx.release(master.base.link, master.id);
            cx.links.get_mut(replica.base.link).owner = Owner::Master(master.id);
            master.base = replica.base;
            master.view = replica.view;
        }
        None => {
            cx.release(master.base.link, master.id);
            master.base = master_instance(to, master.id, cx);
            master.view = ServerView::new(ServerRole::Master, cx.now_ms);
        }
    }
    master.switched_ms = cx.now_ms;
    begin_anew(master, cx);
    know_replica(master, &from.host, from.port, cx);
    for replica in &mut master.replicas {
        // One that plays a master was promoted by somebody who was not heard of, and has been
        // passed over.
        let plays_master = replica.view.role == ServerRole::Master;
        if plays_master || replica.base.address.is_same(&from) {
            replica.demoted_ms = Some(cx.now_ms);
            replica.has_come_back = false;
        }
        // What it has had so far was of the old one.
        replica.view.has_synced = false;
        replica.reconf = Reconf::No;
    }
    for replica in &master.replicas {
        cx.tell_replica(Level::Info, "+slave", master, replica);
    }
    cx.saves.want();
    announce_soon(master);
    cx.touched.insert(master.id);
}

/// What was known of the old master's trouble does not hold for the new one.
fn begin_anew(master: &mut Master, cx: &Cx<'_>) {
    master.failover = Failover::No;
    master.failover_tried_ms = None;
    master.delay_told_ms = None;
    master.odown_since_ms = None;
    master.lost_data_since_ms = None;
    master.has_lost_data = false;
    master.may_start_ms = None;
    if master.view.role != ServerRole::Master {
        // It may not have said so yet.
        master.view.role = ServerRole::Master;
        master.view.role_since_ms = cx.now_ms;
    }
    master.view.rebooted_since_ms = None;
    master.view.info_asked_ms = 0;
    master.view.info_at_ms = None;
    for peer in &mut master.peers {
        peer.verdict = crate::sentinel::instance::PeerVerdict {
            leader: peer.verdict.leader.take(),
            leader_epoch: peer.verdict.leader_epoch,
            ..Default::default()
        };
        peer.named = None;
    }
}

/// Has the script run that tells clients of a new master.
pub fn reconfigure_clients(
    master: &Master,
    role: &str,
    from: &Address,
    to: &Address,
    cx: &mut Cx<'_>,
) {
    let Some(path) = &master.options.client_reconfig_script else {
        return;
    };
    let args = vec![
        master.name.clone(),
        role.to_owned(),
        "start".to_owned(),
        host_of(from, cx.common),
        from.port.to_string(),
        host_of(to, cx.common),
        to.port.to_string(),
    ];
    cx.scripts.schedule(path.clone(), args, cx.now_ms);
}
