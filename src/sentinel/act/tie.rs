//! Two masters in one configuration epoch.
//!
//! A Sentinel that was elected is the only leader of its epoch. One that fails over because an
//! operator wants it asks for no votes: two Sentinels that do not hear each other may both do so in
//! one epoch, or one of them while another is elected. A configuration gives way to one with a
//! newer epoch only, so each side would keep its master for ever, and turn the other one back.
//!
//! So when announcements have disagreed for some time, the side with the majority of the Sentinels
//! gives its master a newer epoch, and the others adopt that. If one of the two servers has become
//! a replica already, the side of the other one does so instead. If both sides have as many
//! Sentinels, and all of these are heard, it is the side of the smallest id. Should both sides give
//! a newer epoch, that is another tie, which ends the same way.

use std::cmp::Reverse;

use log::Level;

use super::links::announce_soon;
use crate::sentinel::action::Action;
use crate::sentinel::address::Address;
use crate::sentinel::context::Cx;
use crate::sentinel::event::host_of;
use crate::sentinel::hello::EPOCH_MAX;
use crate::sentinel::instance::{Master, Peer, Said, ServerRole};

/// What a peer has announced is believed for so many periods.
const HEARD_PERIODS: u64 = 3;
/// So many pass before anybody acts: by then all have announced what they have.
const WAIT_PERIODS: u64 = 2;

/// Ends a tie, if there is one, and it is for us to do.
pub fn settle(master: &mut Master, cx: &mut Cx<'_>) {
    let period_ms = cx.timing.publish_period;
    if !has_rival(master, cx.now_ms, period_ms) {
        master.tie_since_ms = None;
        return;
    }
    let since_ms = *master.tie_since_ms.get_or_insert(cx.now_ms);
    let due_ms = since_ms + period_ms * WAIT_PERIODS;
    if cx.now_ms < due_ms {
        return cx.wake_at(due_ms);
    }
    let may_act = !master.is_failing_over() && !cx.saves.is_failing() && *cx.epoch < EPOCH_MAX;
    if !may_act || !prevails(master, cx) {
        return;
    }
    *cx.epoch += 1;
    cx.tell_epoch(master);
    let text = format!(
        "There are two masters '{}' in epoch {}. We stay with {}:{}, as of epoch {}",
        master.name,
        master.config_epoch,
        host_of(&master.base.address, cx.common),
        master.base.address.port,
        cx.epoch
    );
    cx.out.push(Action::Log(Level::Warn, text));
    master.config_epoch = *cx.epoch;
    master.tie_since_ms = None;
    cx.saves.want();
    announce_soon(master);
    cx.touched.insert(master.id);
}

/// What a peer has announced of our epoch, if that is not long ago.
fn said_now<'a>(
    master: &Master,
    peer: &'a Peer,
    now_ms: u64,
    period_ms: u64,
) -> Option<&'a Address> {
    let is_recent = |said: &&Said| now_ms.saturating_sub(said.at_ms) <= period_ms * HEARD_PERIODS;
    let said = peer.said.as_ref().filter(is_recent)?;
    (said.epoch == master.config_epoch).then_some(&said.address)
}

/// Whether somebody has another master in our epoch. Addresses that are names may be two of one
/// server, and before the first failover so may others.
fn has_rival(master: &Master, now_ms: u64, period_ms: u64) -> bool {
    let ours = &master.base.address;
    let is_rival = |address: &Address| !address.is_named() && !address.is_same(ours);
    let mut said = (master.peers.iter())
        .filter_map(|peer| said_now(master, peer, now_ms, period_ms))
        .filter(|address| is_rival(address));
    master.config_epoch > 0 && !ours.is_named() && said.next().is_some()
}

/// Whether more of us have the master that we have than any other one.
fn prevails(master: &Master, cx: &Cx<'_>) -> bool {
    let said = |peer| said_now(master, peer, cx.now_ms, cx.timing.publish_period);
    let ours = &master.base.address;
    let all = || {
        let peers = master.peers.iter();
        let peers = peers.filter_map(|peer| Some((said(peer)?, &*peer.run_id)));
        peers.chain([(ours, cx.id)])
    };
    let support = |of: &Address| {
        let ids = all().filter_map(|(address, id)| address.is_same(of).then_some(id));
        (
            plays_master(master, of),
            ids.clone().count(),
            Reverse(ids.min()),
        )
    };
    let own = support(ours);
    if own.0 && own.1 > master.voters() / 2 {
        return true;
    }
    let are_all_heard = all().count() == master.voters();
    let is_less = |address: &Address| address.is_same(ours) || support(address) < own;
    are_all_heard && all().all(|(address, _)| is_less(address))
}

/// Whether a server says that it is a master, as far as we know.
fn plays_master(master: &Master, address: &Address) -> bool {
    let replica = (master.replicas.iter()).find(|replica| replica.base.address.is_same(address));
    let view = replica.map_or(&master.view, |replica| &replica.view);
    view.role == ServerRole::Master
}
