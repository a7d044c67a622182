//! All that a Sentinel knows, and how it is lent to those who work with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use log::Level;

use super::act::members;
use super::action::Action;
use super::address::Address;
use super::context::{Cx, Touched};
use super::failover::Failover;
use super::hello::Double;
use super::ids::{LinkId, MasterId};
use super::instance::{Master, ServerRole, ServerView};
use super::link::Links;
use super::planted::Planted;
use super::save::Saves;
use super::scripts::Scripts;
use super::settings::{Own, SimulatedFailure};
use super::tilt::Tilt;
use super::timing::Timing;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterConfig, SentinelConfig};

/// A Sentinel; see the head of [`super`].
#[derive(Debug)]
pub struct Sentinel {
    pub(super) id: String,
    pub(super) id_is_new: bool,
    pub(super) epoch: u64,
    pub(super) begun_epoch: Option<(u64, u64)>,
    pub(super) common: CommonOptions,
    pub(super) own: Own,
    pub(super) timing: Timing,
    pub(super) masters: BTreeMap<MasterId, Master>,
    pub(super) names: HashMap<String, MasterId>,
    pub(super) links: Links,
    pub(super) peer_links: HashMap<String, LinkId>,
    pub(super) saves: Saves,
    pub(super) scripts: Scripts,
    pub(super) tilt: Tilt,
    pub(super) simulate: SimulatedFailure,
    pub(super) planted: Planted,
    /// Who uses our id beside us.
    pub(super) double: Option<Double>,
    pub(super) rng: Rng,
    pub(super) next_master: u64,
    pub(super) next_instance: u64,
    pub(super) out: Vec<Action>,
    pub(super) touched: Touched,
    pub(super) due: BTreeSet<(u64, MasterId)>,
}

impl Sentinel {
    /// A Sentinel with what its file says. `start` sets it going.
    pub fn new(config: SentinelConfig, own: Own, mut rng: Rng, now: Now) -> Sentinel {
        let id_is_new = config.id.is_none();
        let id = config
            .id
            .unwrap_or_else(|| String::from_utf8_lossy(&rng.hex_id()).into_owned());
        let newest = config
            .masters
            .iter()
            .map(|master| master.config_epoch)
            .max();
        let mut sentinel = Sentinel {
            id,
            id_is_new,
            epoch: config.current_epoch.max(newest.unwrap_or(0)),
            begun_epoch: None,
            common: config.common,
            own,
            timing: Timing::default(),
            masters: BTreeMap::new(),
            names: HashMap::new(),
            links: Links::default(),
            peer_links: HashMap::new(),
            saves: Saves::default(),
            scripts: Scripts::default(),
            tilt: Tilt::default(),
            simulate: SimulatedFailure::default(),
            planted: Planted::default(),
            double: None,
            rng,
            next_master: 0,
            next_instance: 0,
            out: Vec::new(),
            touched: Touched::new(),
            due: BTreeSet::new(),
        };
        for master in config.masters {
            sentinel.add_master(master, now);
        }
        sentinel
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its file had no id yet.
    pub fn id_is_new(&self) -> bool {
        self.id_is_new
    }

    /// What is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.out)
    }

    /// The server around it is set to something else.
    pub fn set_own(&mut self, own: Own) {
        self.own = own;
    }

    pub(super) fn tell(&mut self, event: &'static str, text: &str, now: Now) {
        let (_, mut cx) = self.parts(now);
        cx.event_text(Level::Warn, event, None, text.to_owned());
    }

    // ---- What the parts share ----

    pub(super) fn master_id(&self, name: &[u8]) -> Option<MasterId> {
        let name = std::str::from_utf8(name).ok()?;
        self.names.get(name).copied()
    }

    /// The masters, and everything else.
    pub(super) fn parts(&mut self, now: Now) -> (&mut BTreeMap<MasterId, Master>, Cx<'_>) {
        let cx = Cx {
            now,
            now_ms: now.mono_ms(),
            id: &self.id,
            epoch: &mut self.epoch,
            begun_epoch: &mut self.begun_epoch,
            common: &self.common,
            own: &self.own,
            timing: &self.timing,
            links: &mut self.links,
            peer_links: &mut self.peer_links,
            saves: &mut self.saves,
            scripts: &mut self.scripts,
            rng: &mut self.rng,
            next_instance: &mut self.next_instance,
            touched: &mut self.touched,
            simulate: self.simulate,
            planted: self.planted,
            tilt: self.tilt.is_on(),
            due_ms: u64::MAX,
            out: &mut self.out,
        };
        (&mut self.masters, cx)
    }

    /// A master with what is known of it.
    pub(super) fn add_master(&mut self, config: MasterConfig, now: Now) -> MasterId {
        self.next_master += 1;
        let id = MasterId(self.next_master);
        let (_, mut cx) = self.parts(now);
        let address = Address::new(config.host, config.port);
        let base = members::master_instance(address, id, &mut cx);
        let mut master = Master {
            id,
            name: config.name,
            options: config.options,
            base,
            view: ServerView::new(ServerRole::Master, now.mono_ms()),
            replicas: Vec::new(),
            before_reset: Vec::new(),
            lost_data_since_ms: None,
            has_lost_data: false,
            peers: Vec::new(),
            config_epoch: config.config_epoch,
            leader: None,
            leader_epoch: config.leader_epoch,
            vote_number: 0,
            newer: None,
            tie_since_ms: None,
            asked_about: false,
            odown_since_ms: None,
            failover: Failover::No,
            failover_tried_ms: None,
            delay_told_ms: None,
            switched_ms: 0,
            may_start_ms: None,
            due_ms: 0,
        };
        for (host, port) in &config.replicas {
            members::know_replica(&mut master, host, *port, &mut cx);
        }
        for peer in &config.peers {
            if peer.id != cx.id {
                members::add_peer(&mut master, &peer.id, &peer.host, peer.port, &mut cx);
            }
        }
        cx.touched.insert(id);
        self.names.insert(master.name.clone(), id);
        self.masters.insert(id, master);
        id
    }

    /// Plants a fault, or takes it away.
    #[cfg(test)]
    pub fn plant(&mut self, bug: Option<super::planted::Bug>) {
        self.planted = Planted::of(bug);
    }
}
