//! What users and peers ask of the Sentinel by commands.

use log::Level;

use super::act::{abort, election, failover, members, select};
use super::action::{Action, Verdict};
use super::address::Address;
use super::failover::Reason;
use super::ids::{LinkId, MasterId};
use super::instance::{Master, ServerRole, ServerView};
use super::link::Link;
use super::scripts::Script;
use super::settings::SimulatedFailure;
use super::state::Sentinel;
use super::timing::Timing;
use crate::base::glob::glob_match;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterConfig, MasterOptions};

/// A master that was reset is not connected to for this time, so that who has reset it sees that
/// nothing is known any more.
const RESET_PAUSE_MS: u64 = 50;

/// Why an order is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderError {
    /// No master has that name.
    NoSuchMaster,
    /// A failover is going on already.
    InProgress,
    /// There is no replica that could take over.
    NoGoodReplica,
    /// A master has that name already.
    DuplicateName,
    /// The host is neither an address nor, where those are allowed, a name.
    BadHost,
    /// The master is down, so that it cannot hand over.
    MasterDown,
    /// The instance is not known.
    NoSuchInstance,
}

/// Whether a failover could be agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuorumCheck {
    /// Sentinels that can be reached, us included.
    pub usable: usize,
    /// Enough of them to call the master down.
    pub has_quorum: bool,
    /// Enough of them to elect a leader.
    pub has_majority: bool,
}

impl Sentinel {
    // ---- To look at ----

    /// All masters, in the order in which they came.
    pub fn masters(&self) -> impl Iterator<Item = &Master> {
        self.masters.values()
    }

    /// How many masters there are.
    pub fn masters_len(&self) -> usize {
        self.masters.len()
    }

    /// The master of this name.
    pub fn master(&self, name: &[u8]) -> Option<&Master> {
        self.masters.get(&self.master_id(name)?)
    }

    /// What holds for all masters.
    pub fn common(&self) -> &CommonOptions {
        &self.common
    }

    /// Periods and limits.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// A link to an instance.
    pub fn link(&self, id: LinkId) -> &Link {
        self.links.get(id)
    }

    /// Scripts that wait or run.
    pub fn scripts(&self) -> &[Script] {
        self.scripts.all()
    }

    /// How many scripts run.
    pub fn running_scripts(&self) -> usize {
        self.scripts.running()
    }

    /// Since when we only observe, in monotonic milliseconds, if we do.
    pub fn tilt_since_ms(&self) -> Option<u64> {
        self.tilt.since_ms()
    }

    /// On which occasions the process is to end.
    pub fn simulated_failure(&self) -> SimulatedFailure {
        self.simulate
    }

    /// Could a failover of this master be agreed on?
    pub fn check_quorum(&self, master: &Master) -> QuorumCheck {
        let reachable = master.peers.iter().filter(|peer| !peer.base.is_down());
        let usable = reachable.count() + 1;
        QuorumCheck {
            usable,
            has_quorum: usable >= master.options.quorum as usize,
            has_majority: usable > master.voters() / 2,
        }
    }

    // ---- To change something ----
    //
    // Where the answer depends on what is durable, the client's number is given along, and
    // `Action::Answer` comes for it later.

    /// A peer asks whether we see a master down, and for our vote if it names a candidate. The
    /// answer comes later where it has to be written down before.
    pub fn is_master_down(
        &mut self,
        client: u64,
        host: &str,
        port: u16,
        epoch: u64,
        candidate: Option<&str>,
        now: Now,
    ) -> Option<Verdict> {
        let tilt = self.tilt.is_on();
        let (masters, mut cx) = self.parts(now);
        let is_it = |master: &&mut Master| master.base.address.is(host, port);
        let Some(master) = masters.values_mut().find(is_it) else {
            return Some(Verdict::default());
        };
        // Whoever asks sees it down.
        master.asked_about = true;
        cx.touched.insert(master.id);
        let mut verdict = election::verdict_without_vote(master, tilt);
        let Some(candidate) = candidate else {
            return Some(verdict);
        };
        election::vote(master, epoch, candidate, &mut cx);
        let vote = election::told_vote(master);
        if vote.is_none() || cx.saves.has(master.vote_number) {
            verdict.vote = vote;
            return Some(verdict);
        }
        let number = master.vote_number;
        if cx.saves.is_failing() {
            return Some(verdict);
        }
        verdict.vote = vote;
        cx.saves.hold_vote(number, client, verdict);
        None
    }

    /// Has the state written down, and the client answered when that is done or has failed.
    pub fn answer_when_saved(&mut self, client: u64) {
        self.saves.want();
        self.saves.hold_client(client);
    }

    /// A failover without asking anybody.
    pub fn force_failover(&mut self, name: &[u8], now: Now) -> Result<(), OrderError> {
        self.begin_failover(name, Reason::Forced, now)
    }

    /// A failover in which the master hands over, so that no write is lost. The client is answered
    /// when it has agreed or refused.
    pub fn coordinate_failover(
        &mut self,
        name: &[u8],
        client: u64,
        now: Now,
    ) -> Result<(), OrderError> {
        self.begin_failover(name, Reason::Coordinated(client), now)
    }

    fn begin_failover(&mut self, name: &[u8], reason: Reason, now: Now) -> Result<(), OrderError> {
        let id = self.master_id(name).ok_or(OrderError::NoSuchMaster)?;
        let (masters, mut cx) = self.parts(now);
        let master = masters.get_mut(&id).ok_or(OrderError::NoSuchMaster)?;
        if master.is_failing_over() {
            return Err(OrderError::InProgress);
        }
        if !select::has_candidate(master, &cx) {
            return Err(OrderError::NoGoodReplica);
        }
        let can_hand_over = !master.base.is_down() && cx.links.get(master.base.link).can_send();
        if matches!(reason, Reason::Coordinated(_)) && !can_hand_over {
            return Err(OrderError::MasterDown);
        }
        let text = format!("Executing user requested FAILOVER of '{}'", master.name);
        cx.out.push(Action::Log(Level::Info, text));
        failover::begin(master, reason, &mut cx);
        Ok(())
    }

    /// Forgets replicas, peers and state of all masters whose names match. How many those are.
    pub fn reset(&mut self, pattern: &[u8], now: Now) -> usize {
        let matching: Vec<MasterId> = (self.masters.values())
            .filter(|master| glob_match(pattern, master.name.as_bytes(), false))
            .map(|master| master.id)
            .collect();
        for id in &matching {
            self.reset_one(*id, now);
        }
        if !matching.is_empty() {
            self.saves.want();
        }
        matching.len()
    }

    fn reset_one(&mut self, id: MasterId, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let master = masters.get_mut(&id).expect("it was just found");
        // A replica that was promoted already is the master, whatever else is forgotten.
        let current = master.current_address();
        let address = Address::new(current.host.clone(), current.port);
        abort::give_up_quietly(master, &mut cx);
        if !master.replicas.is_empty() {
            let addresses = master.replicas.iter().map(|r| r.base.address.clone());
            master.before_reset = addresses.collect();
        }
        members::release_all(master, &mut cx);
        master.base = members::master_instance(address, id, &mut cx);
        let link = cx.links.get_mut(master.base.link);
        link.commands.retry_at_ms = cx.now_ms + RESET_PAUSE_MS;
        master.view = ServerView::new(ServerRole::Master, cx.now_ms);
        master.leader = None;
        master.newer = None;
        master.odown_since_ms = None;
        master.lost_data_since_ms = None;
        master.has_lost_data = false;
        master.may_start_ms = None;
        master.failover_tried_ms = None;
        master.delay_told_ms = None;
        cx.warn_master("+reset-master", master);
        cx.touched.insert(id);
    }

    /// Watches a master from now on.
    pub fn monitor(
        &mut self,
        name: &str,
        host: &str,
        port: u16,
        quorum: u32,
        now: Now,
    ) -> Result<(), OrderError> {
        if self.names.contains_key(name) {
            return Err(OrderError::DuplicateName);
        }
        if Address::new(host, port).is_named() && !self.common.resolve_hostnames {
            return Err(OrderError::BadHost);
        }
        let mut options = MasterOptions::new(quorum);
        options.down_after_ms = self.timing.default_down_after;
        options.failover_timeout_ms = self.timing.default_failover_timeout;
        let config = MasterConfig {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            options,
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            peers: Vec::new(),
        };
        let id = self.add_master(config, now);
        self.tell_monitored(id, now);
        self.saves.want();
        Ok(())
    }

    /// Watches a master no more.
    pub fn remove(&mut self, name: &[u8], now: Now) -> Result<(), OrderError> {
        let id = self.master_id(name).ok_or(OrderError::NoSuchMaster)?;
        let mut master = self.masters.remove(&id).ok_or(OrderError::NoSuchMaster)?;
        self.names.remove(&master.name);
        self.due.remove(&(master.due_ms, id));
        let (_, mut cx) = self.parts(now);
        cx.warn_master("-monitor", &master);
        abort::give_up_quietly(&mut master, &mut cx);
        members::release_all(&mut master, &mut cx);
        self.saves.want();
        Ok(())
    }

    /// Forgets a replica or a peer.
    pub fn forget(
        &mut self,
        name: &[u8],
        host: &str,
        port: u16,
        now: Now,
    ) -> Result<(), OrderError> {
        let id = self.master_id(name).ok_or(OrderError::NoSuchMaster)?;
        let (masters, mut cx) = self.parts(now);
        let master = masters.get_mut(&id).ok_or(OrderError::NoSuchMaster)?;
        if master.is_failing_over() {
            return Err(OrderError::InProgress);
        }
        let replica = master
            .replicas
            .iter()
            .position(|r| r.base.address.is(host, port));
        if let Some(at) = replica {
            members::remove_replica_at(master, at, &mut cx);
            return Ok(());
        }
        let peer = master
            .peers
            .iter()
            .position(|p| p.base.address.is(host, port));
        if let Some(at) = peer {
            members::remove_peer_at(master, at, &mut cx);
            return Ok(());
        }
        Err(OrderError::NoSuchInstance)
    }

    /// Options of a master to be changed; tell of each change with `option_set`.
    pub fn options_mut(&mut self, name: &[u8]) -> Option<&mut MasterOptions> {
        let id = self.master_id(name)?;
        self.masters.get_mut(&id).map(|master| &mut master.options)
    }

    /// An option was changed: the event with what was set, and whether connections have to be made
    /// anew for it.
    pub fn option_set(&mut self, name: &[u8], shown: &str, reconnect: bool, now: Now) {
        let Some(id) = self.master_id(name) else {
            return;
        };
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get(&id) else {
            return;
        };
        let subject = cx.of_master(master);
        cx.event(Level::Warn, "+set", master, &subject, &format!(" {shown}"));
        if reconnect {
            cx.reconnect(master.base.link);
            for replica in &master.replicas {
                cx.reconnect(replica.base.link);
            }
        }
        cx.touched.insert(id);
    }

    /// Changes what holds for all masters. `reconnect`: peers have to be connected to anew.
    pub fn set_common(&mut self, common: CommonOptions, reconnect: bool, now: Now) {
        self.common = common;
        self.touched.extend(self.masters.keys().copied());
        let peers: Vec<LinkId> = self.peer_links.values().copied().collect();
        let (_, mut cx) = self.parts(now);
        if reconnect {
            for link in peers {
                cx.reconnect(link);
            }
        }
    }

    /// Changes periods and limits.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
        self.touched.extend(self.masters.keys().copied());
    }

    /// Has the process end on these occasions.
    pub fn simulate_failure(&mut self, when: SimulatedFailure) {
        self.simulate = when;
    }
}
