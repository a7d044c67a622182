//! Floor 4: the Sentinel, free of sockets, files, processes and clocks.
//!
//! It watches masters and their replicas, agrees with its peers on which of them are down, and has
//! a replica take over. [`Sentinel`] is a plain value that events go into and [`Action`]s come out
//! of. It has two halves:
//!
//! - **observe**: every event (`on_…`) only notes what is now known, and which masters that
//!   concerns;
//! - **act**: [`Sentinel::act`] looks at those masters, and at those for which the time has come to
//!   do something, and decides. Only here does a state change, and while our sense of time is not
//!   to be trusted (`tilt.rs`) this half rests.
//!
//! So no step waits for a period: what comes in during a tick is acted on at its end.
//!
//! | file | holds |
//! |---|---|
//! | `instance.rs` | what is known of masters, replicas, peers |
//! | `link.rs`, `address.rs` | the connections to them, and where they are |
//! | `observe/` | replies, `INFO`, announcements |
//! | `act/` | pings and questions, down states, votes, the failover, corrections |
//! | `failover.rs` | how far a failover is |
//! | `save.rs` | what has to be durable before somebody hears of it |
//! | `scripts.rs` | programs that are told of events |
//! | `tilt.rs` | a sense of time that is not to be trusted |
//! | `orders.rs` | what users ask for |
//! | `describe.rs` | what users are shown |
//! | `event.rs` | events: log, subscribers, scripts |
//! | `timing.rs` | periods and limits |
//! | `action.rs` | what it asks of its driver, and what it is told |
//!
//! # The contract
//!
//! The driver calls [`act`](Sentinel::act) at the end of each tick, and a tick comes no later than
//! [`due_ms`](Sentinel::due_ms). Then it carries out what
//! [`take_actions`](Sentinel::take_actions) gives, in order; commands may have added to that, too.
//! [`Action`] tells which events answer which action. A connection that was closed, by either
//! side, is not heard of again.
//!
//! A vote binds: whoever votes twice in an epoch may cause two masters. So a vote is told, to the
//! peer that asked for it or by counting it ourselves, only when [`Action::Save`] has been answered
//! for a state that has it. The driver writes down what [`saved_form`](Sentinel::saved_form) gives
//! when it carries the action out, and returns the number that came with it.

mod act;
pub mod action;
pub mod address;
mod context;
pub mod describe;
pub mod event;
pub mod failover;
pub mod instance;
pub mod link;
pub mod observe;
pub mod orders;
#[cfg(test)]
mod rig;
mod save;
pub mod scripts;
pub mod testing;
#[cfg(test)]
mod tests;
mod tilt;
pub mod timing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use log::Level;

use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterConfig, PeerConfig, SentinelConfig};
use act::members;
pub use action::{Action, Answer, ConnId, Ends, LinkEnd, ScriptEnd, ScriptId, Verdict};
use context::Cx;
use failover::Failover;
use instance::{Master, MasterId, ServerRole, ServerView};
use link::{LinkId, Links};
use orders::SimulatedFailure;
use save::{Released, Saves};
use scripts::{ScriptNews, Scripts};
use tilt::Tilt;
pub use timing::{TIMING_ROWS, Timing};

/// Masters to be looked at.
type Touched = BTreeSet<MasterId>;

/// We are called this often in any case: otherwise nobody could tell that we were held up.
const TURN_PERIOD_MS: u64 = 500;
/// What one turn leads to may lead to more at once; so often.
const ROUNDS_MAX: usize = 8;

/// What the server around it is set to, as far as that matters to peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The port that it listens on.
    pub port: u16,
    /// `requirepass`: peers that share it are spoken to with it, unless they have one of their own.
    pub password: Vec<u8>,
    /// How many seconds local time is ahead of UTC.
    pub ahead_of_utc_s: i32,
}

/// A Sentinel; see the module's head.
#[derive(Debug)]
pub struct Sentinel {
    id: String,
    id_is_new: bool,
    epoch: u64,
    begun_epoch: Option<(u64, u64)>,
    common: CommonOptions,
    own: Own,
    timing: Timing,
    masters: BTreeMap<MasterId, Master>,
    names: HashMap<String, MasterId>,
    links: Links,
    peer_links: HashMap<String, LinkId>,
    saves: Saves,
    scripts: Scripts,
    tilt: Tilt,
    simulate: SimulatedFailure,
    rng: Rng,
    next_master: u64,
    next_instance: u64,
    out: Vec<Action>,
    touched: Touched,
    due: BTreeSet<(u64, MasterId)>,
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

    /// Says who it is and what it watches, and begins.
    pub fn start(&mut self, now: Now) {
        if self.id_is_new {
            // Peers know us by it, so it has to be the same after a restart.
            self.saves.want();
        }
        self.out.push(Action::Log(
            Level::Info,
            format!("Sentinel ID is {}", self.id),
        ));
        for of in self.masters.keys().copied().collect::<Vec<_>>() {
            self.tell_monitored(of, now);
        }
    }

    fn tell_monitored(&mut self, of: MasterId, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let master = &masters[&of];
        let subject = cx.of_master(master);
        let more = format!(" quorum {}", master.options.quorum);
        cx.event(Level::Warn, "+monitor", master, &subject, &more);
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it has to be called again if nothing happens before, in monotonic milliseconds.
    pub fn due_ms(&self) -> u64 {
        let turn_ms = self.tilt.last_ms() + TURN_PERIOD_MS;
        let master_ms = self.due.first().map(|(due_ms, _)| *due_ms);
        let save_ms = self.saves.due_ms();
        let script_ms = self.scripts.due_ms(self.timing.script_max_runtime);
        let others = [master_ms, save_ms, script_ms];
        others.into_iter().flatten().fold(turn_ms, u64::min)
    }

    /// The acting half; see the module's head.
    pub fn act(&mut self, now: Now) {
        self.watch_time(now);
        for _ in 0..ROUNDS_MAX {
            let due = self.take_due(now.mono_ms());
            if due.is_empty() {
                break;
            }
            for of in due {
                self.act_on(of, now);
            }
        }
        self.run_scripts(now);
        if self.saves.begin(now.mono_ms()) {
            self.out.push(Action::Save);
        }
    }

    /// The masters whose facts have changed, or whose time has come.
    fn take_due(&mut self, now_ms: u64) -> Touched {
        let mut due = std::mem::take(&mut self.touched);
        while let Some((at_ms, of)) = self.due.first().copied()
            && at_ms <= now_ms
        {
            self.due.pop_first();
            due.insert(of);
        }
        due
    }

    fn act_on(&mut self, of: MasterId, now: Now) {
        let (masters, mut cx) = self.parts(now);
        let Some(master) = masters.get_mut(&of) else {
            return;
        };
        let was_due = (master.due_ms, of);
        act::act_on(master, &mut cx);
        let due = (master.due_ms, of);
        self.due.remove(&was_due);
        self.due.insert(due);
    }

    fn run_scripts(&mut self, now: Now) {
        let (actions, news) = self
            .scripts
            .act(now.mono_ms(), self.timing.script_max_runtime);
        self.tell_of_scripts(news, now);
        self.out.extend(actions);
    }

    fn tell_of_scripts(&mut self, news: Vec<ScriptNews>, now: Now) {
        let (_, mut cx) = self.parts(now);
        for news in news {
            let (level, event, text) = match news {
                ScriptNews::Failed(path, signal, status) => (
                    Level::Warn,
                    "-script-error",
                    format!("{path} {signal} {status}"),
                ),
                ScriptNews::TimedOut(path, pid) => {
                    (Level::Warn, "-script-timeout", format!("{path} {pid}"))
                }
                ScriptNews::Ended(pid, status, signal) => (
                    Level::Trace,
                    "-script-child",
                    format!("{pid} {status} {signal}"),
                ),
            };
            cx.event_text(level, event, None, text);
        }
    }

    /// What is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.out)
    }

    /// The server around it is set to something else.
    pub fn set_own(&mut self, own: Own) {
        self.own = own;
    }

    /// Its state as it is to be written down, and the number by which that is known.
    pub fn saved_form(&self) -> (u64, SentinelConfig) {
        let config = SentinelConfig {
            id: Some(self.id.clone()),
            current_epoch: self.epoch,
            common: self.common.clone(),
            masters: self
                .masters
                .values()
                .map(|master| self.saved_master(master))
                .collect(),
        };
        (self.saves.wanted(), config)
    }

    fn saved_master(&self, master: &Master) -> MasterConfig {
        let current = master.current_address();
        // Where names are not looked up, a file with names in it would not load.
        let by_name = self.common.resolve_hostnames;
        let place = |address: &address::Address| (address.shown(by_name), address.port);
        // While a replica has taken over already, its predecessor stands in its place.
        let replicas = master
            .replicas
            .iter()
            .map(|replica| match &replica.base.address {
                address if address.is_same(current) => place(&master.base.address),
                address => place(address),
            });
        let peers = master.peers.iter().map(|peer| PeerConfig {
            host: peer.base.address.shown(by_name),
            port: peer.base.address.port,
            id: peer.run_id.clone(),
        });
        let (host, port) = place(current);
        MasterConfig {
            name: master.name.clone(),
            host,
            port,
            options: master.options.clone(),
            config_epoch: master.config_epoch,
            leader_epoch: master.leader_epoch,
            replicas: replicas.collect(),
            peers: peers.collect(),
        }
    }

    // ---- What happens ----

    /// The state of this number was written down, or could not be; the reason.
    pub fn on_saved(&mut self, number: u64, result: Result<(), String>, now: Now) {
        let released = match result {
            Ok(()) => {
                let text = "Sentinel new configuration saved on disk";
                self.out.push(Action::Log(Level::Info, text.to_owned()));
                let (was_failing, released) = self.saves.succeeded(number);
                if was_failing {
                    self.tell("-config-not-saved", "#votes can be written down again", now);
                }
                released
            }
            Err(reason) => {
                let (is_news, released) = self.saves.failed(now.mono_ms());
                if is_news {
                    self.out.push(Action::Log(
                        Level::Warn,
                        format!(
                            "WARNING: Sentinel was not able to save the new configuration on \
                             disk!!!: {reason}"
                        ),
                    ));
                    self.tell("+config-not-saved", "#no votes until it can be saved", now);
                }
                released
            }
        };
        let (masters, mut cx) = self.parts(now);
        for released in released {
            match released {
                Released::Action(action) => cx.out.push(action),
                Released::Voted { master, text } => {
                    if let Some(master) = masters.get(&master) {
                        act::election::tell_vote(master, text, &mut cx);
                    }
                    cx.touched.insert(master);
                }
            }
        }
    }

    fn tell(&mut self, event: &'static str, text: &str, now: Now) {
        let (_, mut cx) = self.parts(now);
        cx.event_text(Level::Warn, event, None, text.to_owned());
    }

    /// A program is a process now.
    pub fn on_script_started(&mut self, script: ScriptId, pid: i32, now: Now) {
        self.scripts.on_started(script, pid);
        let (_, mut cx) = self.parts(now);
        cx.event_text(Level::Trace, "+script-child", None, pid.to_string());
    }

    /// A program has ended.
    pub fn on_script_ended(&mut self, script: ScriptId, end: ScriptEnd, now: Now) {
        let delay_ms = self.timing.script_retry_delay;
        let news = self.scripts.on_ended(script, &end, now.mono_ms(), delay_ms);
        self.tell_of_scripts(news, now);
    }

    // ---- What the parts share ----

    fn master_id(&self, name: &[u8]) -> Option<MasterId> {
        let name = std::str::from_utf8(name).ok()?;
        self.names.get(name).copied()
    }

    /// The masters, and everything else.
    fn parts(&mut self, now: Now) -> (&mut BTreeMap<MasterId, Master>, Cx<'_>) {
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
            tilt: self.tilt.is_on(),
            due_ms: u64::MAX,
            out: &mut self.out,
        };
        (&mut self.masters, cx)
    }

    /// A master with what is known of it.
    fn add_master(&mut self, config: MasterConfig, now: Now) -> MasterId {
        self.next_master += 1;
        let id = MasterId(self.next_master);
        let (_, mut cx) = self.parts(now);
        let address = address::Address::new(config.host, config.port);
        let base = members::master_instance(address, id, &mut cx);
        let mut master = Master {
            id,
            name: config.name,
            options: config.options,
            base,
            view: ServerView::new(ServerRole::Master, now.mono_ms()),
            replicas: Vec::new(),
            peers: Vec::new(),
            config_epoch: config.config_epoch,
            leader: None,
            leader_epoch: config.leader_epoch,
            vote_number: 0,
            newer: None,
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
}
