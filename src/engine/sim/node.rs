//! A server of the simulated tree: the engine that runs, around it what survives its death.

use std::net::SocketAddr;
use std::sync::OnceLock;

use super::disk::SimDisk;
use super::net::{HostId, SharedNet};
use super::world::{SimWorld, terminate};
use crate::base::rng::Rng;
use crate::commands::FAMILIES;
use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::gates::Loading;
use crate::config::{MasterAddress, ReplDisklessLoad, SavePoints, Settings};
use crate::engine::world::Network;
use crate::engine::{Engine, EngineParts};
use crate::sys::clock::CycleClock;

/// Ticks that a server may take without time passing; more of them mean that it spins.
const TICKS_AT_ONCE_MAX: usize = 2000;

/// See the module's head.
pub struct Node {
    /// Its number in the network.
    pub host: HostId,
    /// What it is started with.
    pub settings: Settings,
    /// Its disk.
    pub disk: SimDisk,
    /// Names that it looks up have these addresses before the right one.
    pub decoys: Vec<SocketAddr>,
    /// Its children fail at times.
    pub children_fail: bool,
    /// It does nothing until then, in microseconds.
    pub frozen_until_us: u64,
    /// Whom it wrote to in its last tick, in order.
    pub written: Vec<HostId>,
    engine: Option<Engine<SimWorld>>,
    wakes_at_us: u64,
}

fn table() -> &'static CommandTable {
    static TABLE: OnceLock<CommandTable> = OnceLock::new();
    TABLE.get_or_init(|| CommandTable::build(FAMILIES, &[]).expect("rows make a table"))
}

/// Settings with which replication has little time and little room.
pub fn settings(rng: &mut Rng) -> Settings {
    let mut save = SavePoints::default();
    if rng.below(2) == 0 {
        save.0.clear();
    }
    Settings {
        databases: 4,
        latency_tracking: false,
        save,
        rdbcompression: rng.below(2) == 0,
        rdb_del_sync_files: rng.below(4) == 0,
        // Children fail at random. A server that then refuses writes, and even pings of replicas,
        // until somebody saves would never come together with the others.
        stop_writes_on_bgsave_error: false,
        key_load_delay: match rng.below(3) {
            0 => rng.below(20_000) as i32,
            _ => 0,
        },
        repl_timeout: 5,
        repl_ping_replica_period: 1 + rng.below(3) as u32,
        repl_backlog_size: (16 * 1024) << rng.below(4),
        repl_backlog_ttl: rng.below(3) * 10,
        repl_diskless_sync: rng.below(2) == 0,
        repl_diskless_sync_delay: rng.below(2) as u32,
        repl_diskless_load: match rng.below(3) {
            0 => ReplDisklessLoad::Disabled,
            1 => ReplDisklessLoad::OnEmptyDb,
            _ => ReplDisklessLoad::Swapdb,
        },
        ..Settings::default()
    }
}

impl Node {
    /// A server that does not run yet.
    pub fn new(host: HostId, settings: Settings) -> Node {
        Node {
            host,
            settings,
            disk: SimDisk::default(),
            decoys: Vec::new(),
            children_fail: false,
            frozen_until_us: 0,
            written: Vec::new(),
            engine: None,
            wakes_at_us: 0,
        }
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    /// What its commands work on, if it runs.
    pub fn env(&self) -> Option<&Env> {
        self.engine.as_ref().map(Engine::env)
    }

    /// Whether it loads a data set.
    pub fn is_loading(&self) -> bool {
        self.env()
            .is_some_and(|env| env.gates.loading != Loading::No)
    }

    /// Starts it, as a replica of `master` or as a master.
    pub fn start(&mut self, net: &SharedNet, master: Option<HostId>, mut rng: Rng) {
        if self.is_up() {
            return;
        }
        let mut settings = self.settings.clone();
        settings.replicaof = master.map(|master| MasterAddress {
            host: format!("n{master}"),
            port: 6379,
        });
        let mut world = SimWorld::new(self.host, net, self.disk.clone(), rng.fork());
        world.decoys.clone_from(&self.decoys);
        world.children_fail = self.children_fail;
        let parts = EngineParts {
            settings: settings.clone(),
            config_file: None,
            table: table(),
            rng,
            clock: CycleClock::stopped(),
        };
        let mut engine = Engine::new(parts, world).expect("plain settings");
        engine.world_mut().listen(&settings).expect("it may listen");
        match engine.begin() {
            Ok(()) => self.engine = Some(engine),
            Err(e) => panic!("server {} does not start: {e}", self.host),
        }
        self.wakes_at_us = net.borrow().now_us;
        self.frozen_until_us = 0;
    }

    /// It is gone from one instant to the next; what the process had on disk stays.
    pub fn kill(&mut self, net: &SharedNet) {
        if self.engine.take().is_some() {
            net.borrow_mut().take_down(self.host);
            self.disk.set_full(false);
        }
    }

    /// It is asked to leave, and does: with a snapshot, if it has save points.
    pub fn terminate(&mut self, net: &SharedNet) {
        if let Some(engine) = &mut self.engine {
            engine.begin_tick();
            engine.on_event(terminate());
            if engine.end_tick().is_ok() && !engine.is_over() {
                // It waits for its replicas, and nobody waits for it.
                self.wakes_at_us = 0;
                return;
            }
        }
        self.kill(net);
    }

    /// When it wants to run again, in microseconds; none if it does not run.
    pub fn wakes_at_us(&self, net: &SharedNet) -> Option<u64> {
        let engine = self.engine.as_ref()?;
        let mut at = self.wakes_at_us;
        if let Some(next) = engine.world().next_us() {
            at = at.min(next);
        }
        if net.borrow().has_events(self.host) {
            at = 0;
        }
        Some(at.max(self.frozen_until_us))
    }

    /// Lets it run until it has nothing more to do at this instant.
    ///
    /// # Panics
    ///
    /// It spins.
    pub fn run(&mut self, net: &SharedNet) {
        for _ in 0..TICKS_AT_ONCE_MAX {
            if !self.tick(net) {
                return;
            }
        }
        panic!("server {} spins at {} us", self.host, net.borrow().now_us);
    }

    /// One turn of its loop. Whether it has more to do at this instant.
    ///
    /// # Panics
    ///
    /// It writes to a socket before the end of the tick.
    pub fn tick(&mut self, net: &SharedNet) -> bool {
        let now_us = net.borrow().now_us;
        let Some(engine) = &mut self.engine else {
            return false;
        };
        log::trace!("{now_us} us: server {}", self.host);
        engine.world_mut().ahead_us = 0;
        let events = engine.world_mut().take_events();
        net.borrow_mut().take_written();
        engine.begin_tick();
        for event in events {
            engine.on_event(event);
        }
        let early = net.borrow_mut().take_written();
        assert!(
            early.is_empty(),
            "server {} writes to {early:?} before the end of a tick",
            self.host
        );
        let ended = engine.end_tick();
        self.written = net.borrow_mut().take_written();
        let engine = match (ended, &mut self.engine) {
            (Ok(()), Some(engine)) if !engine.is_over() => engine,
            (ended, _) => {
                if ended.is_err() {
                    // The snapshot of the start was damaged, which only lost power can do to it;
                    // its owner puts it out of the way.
                    self.disk = SimDisk::default();
                }
                self.kill(net);
                return false;
            }
        };
        engine.world_mut().pass_disk_time();
        let ahead_us = engine.world().ahead_us;
        let sleep_us = engine.time_to_sleep().as_micros() as u64;
        self.wakes_at_us = now_us + ahead_us + sleep_us;
        if ahead_us > 0 {
            self.frozen_until_us = now_us + ahead_us;
            return false;
        }
        sleep_us == 0 || net.borrow().has_events(self.host)
    }
}
