//! A server of the simulated tree: the engine that runs, around it what survives its death.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::OnceLock;

use super::disk::{ProcessEnded, SimDisk};
use super::net::{HostId, SharedNet};
use super::oracle::Oracle;
use super::programs::Programs;
use super::survival::{Death, FileState, Observed, Survival};
use super::world::{SimWorld, terminate};
use crate::acl::Users;
use crate::base::rng::Rng;
use crate::commands::FAMILIES;
use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::gates::Loading;
use crate::commands::table::Mode;
use crate::config::sentinel::SentinelConfig;
use crate::config::{
    Appendfsync, Config, MasterAddress, ReplDisklessLoad, ReplicaLineageGuard, SavePoints,
    Settings, Sources,
};
use crate::engine::world::Network;
use crate::engine::{Engine, EngineParts};
use crate::sentinel::planted::Bug;
use crate::sentinel::{Answer, Sentinel};
use crate::sys::clock::CycleClock;

/// The configuration file of a Sentinel.
pub const SENTINEL_FILE: &str = "/sim/sentinel.conf";
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
    /// It is a Sentinel, and starts with the file that is on its disk.
    pub is_sentinel: bool,
    /// The programs that it can start.
    pub programs: Programs,
    /// It does nothing until then, in microseconds.
    pub frozen_until_us: u64,
    /// What it must bring back when it starts again.
    pub survival: Survival,
    /// Whether it is held to that.
    pub keeps_journal: bool,
    /// Somebody empties it now and then.
    pub is_emptied: bool,
    /// Whether its end in the middle of a call is that of its machine.
    pub loses_power: bool,
    /// How far its wall clock is ahead, in microseconds.
    skew_us: i64,
    /// A fault that is planted in it, if it is a Sentinel.
    pub bug: Option<Bug>,
    rng: Rng,
    /// Whom it wrote to in its last tick, in order.
    pub written: Vec<HostId>,
    /// What it finds is no file that a server has left.
    pub may_fail_to_start: bool,
    /// Why it ended by itself the last time.
    pub last_words: String,
    /// How often its disk had refused something when it was started.
    refusals_before: u64,
    /// It has not loaded all that it is to load at its start.
    starts: bool,
    /// It has loaded what a master has sent since its survival was last told of a tick.
    has_loaded: bool,
    engine: Option<Engine<SimWorld>>,
    wakes_at_us: u64,
}

fn table(mode: Mode) -> &'static CommandTable {
    static SERVER: OnceLock<CommandTable> = OnceLock::new();
    static SENTINEL: OnceLock<CommandTable> = OnceLock::new();
    let table = match mode {
        Mode::Server => &SERVER,
        Mode::Sentinel => &SENTINEL,
    };
    table.get_or_init(|| CommandTable::build(mode, FAMILIES, &[]).expect("rows make a table"))
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
        lost_writes_max_size: 1 << 20,
        // What replicas that sync need goes to disk at once.
        repl_sync_memory: 0,
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

/// The same with an append-only file, which is soon due for a rewrite.
pub fn settings_with_file(rng: &mut Rng) -> Settings {
    Settings {
        appendonly: true,
        appendfsync: match rng.below(3) {
            0 => Appendfsync::Always,
            1 => Appendfsync::Everysec,
            _ => Appendfsync::No,
        },
        aof_use_rdb_preamble: rng.below(2) == 0,
        aof_timestamp_enabled: rng.below(3) == 0,
        aof_stream_marks: rng.below(4) > 0,
        no_appendfsync_on_rewrite: rng.below(4) == 0,
        auto_aof_rewrite_min_size: 1000 + rng.below(10_000),
        ..settings(rng)
    }
}

/// Whose full syncs the servers of a run refuse.
pub fn guard_by(seed: u64) -> ReplicaLineageGuard {
    match seed % 7 {
        1 => ReplicaLineageGuard::No,
        2 => ReplicaLineageGuard::Strict,
        _ => ReplicaLineageGuard::Yes,
    }
}

/// Whether a server has an append-only file.
fn file_state(engine: &Engine<SimWorld>) -> FileState {
    let aof = &engine.runtime.aof;
    match (aof.is_wanted(), aof.is_on()) {
        (false, _) => FileState::Off,
        (true, false) => FileState::Waiting,
        (true, true) => FileState::On,
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
            is_sentinel: false,
            programs: Programs::default(),
            frozen_until_us: 0,
            survival: Survival::default(),
            keeps_journal: false,
            is_emptied: false,
            loses_power: false,
            skew_us: 0,
            bug: None,
            rng: Rng::from_seed(host as u64),
            written: Vec::new(),
            may_fail_to_start: false,
            last_words: String::new(),
            refusals_before: 0,
            starts: false,
            has_loaded: false,
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

    /// The machine of a Sentinel that runs.
    pub fn machine(&self) -> Option<&Sentinel> {
        self.env()?.sentinel.as_deref()
    }

    /// What a Sentinel has logged since the last call.
    pub fn take_told(&mut self) -> Vec<String> {
        let told =
            |engine: &mut Engine<SimWorld>| std::mem::take(&mut engine.runtime.sentinel.told);
        self.engine.as_mut().map(told).unwrap_or_default()
    }

    /// Sets its wall clock: so far ahead of everybody else's, in microseconds.
    pub fn set_skew(&mut self, us: i64) {
        self.skew_us = us;
        if let Some(engine) = &mut self.engine {
            engine.world_mut().skew_us = us;
        }
    }

    /// Whether it loads a data set.
    pub fn is_loading(&self) -> bool {
        self.env()
            .is_some_and(|env| env.gates.loading != Loading::No)
    }

    /// Bytes of its master's stream that it keeps on disk until it can run them.
    pub fn stream_spilled_bytes(&self) -> u64 {
        let engine = self.engine.as_ref();
        engine.map_or(0, |engine| engine.runtime.link.waiting.bytes())
    }

    /// Its children do their work, or none of them does.
    pub fn set_children_die(&mut self, die: bool) {
        let engine = self.engine.as_mut().expect("it runs");
        engine.world_mut().children_die = die;
    }

    /// Whether it has an append-only file that counts.
    pub fn has_aof(&self) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.runtime.aof.is_on())
    }

    /// Whether it runs, has the append-only file that it is to have, and takes writes.
    pub fn is_in_order(&self) -> bool {
        let Some(engine) = &self.engine else {
            return false;
        };
        let aof = &engine.runtime.aof;
        let env = engine.env();
        !self.is_loading()
            && aof.refusal().is_none()
            && aof.is_on() == env.config.appendonly
            && env.aof.bytes().is_empty()
    }

    /// What the file of a Sentinel says.
    ///
    /// # Panics
    ///
    /// It says nothing that a Sentinel can be started with.
    fn read_sentinel_file(&mut self) -> (Settings, Option<SentinelConfig>) {
        let sources = Sources {
            options: self.disk.content(Path::new(SENTINEL_FILE)),
            ..Sources::default()
        };
        let loaded = Config::load_sentinel(&sources, Path::new("/"), std::io::empty());
        let config = loaded.unwrap_or_else(|e| panic!("{e}"));
        (config.settings, config.sentinel)
    }

    /// Gives a client that waits an answer, as the Sentinel does.
    pub fn answer(&mut self, client: u64, answer: &Answer) {
        let Engine { env, runtime, .. } = self.engine.as_mut().expect("it runs");
        runtime.answer_waiting(env, client, answer);
    }

    /// The one client that waits, which waits for an answer from now on.
    pub fn expect_answer(&mut self) -> u64 {
        let engine = self.engine.as_mut().expect("it runs");
        let client = engine.env.waiters.clients()[0];
        engine.env.waiters.expect_answer(client);
        client
    }

    /// Starts it, as a replica of `master` or as a master.
    pub fn start(&mut self, net: &SharedNet, master: Option<HostId>, mut rng: Rng) {
        if self.is_up() {
            return;
        }
        let (mode, (mut settings, sentinel)) = match self.is_sentinel {
            true => (Mode::Sentinel, self.read_sentinel_file()),
            false => (Mode::Server, (self.settings.clone(), None)),
        };
        if let Some(master) = master {
            settings.replicaof = Some(MasterAddress {
                host: format!("n{master}"),
                port: 6379,
            });
        }
        let mut world = SimWorld::new(self.host, net, self.disk.clone(), rng.fork());
        self.rng = rng.fork();
        world.decoys.clone_from(&self.decoys);
        world.children_fail = self.children_fail;
        world.skew_us = self.skew_us;
        world.programs = self.programs.clone();
        let parts = EngineParts {
            settings: settings.clone(),
            config_file: self.is_sentinel.then(|| SENTINEL_FILE.into()),
            table: table(mode),
            rng,
            clock: CycleClock::stopped(),
            sentinel,
            users: Users::new(settings.requirepass.as_deref(), [0; 32]),
        };
        let mut engine = Engine::new(parts, world).expect("plain settings");
        engine.world_mut().listen(&settings).expect("it may listen");
        if let Some(sentinel) = &mut engine.env.sentinel {
            sentinel.plant(self.bug);
        }
        self.disk.forget_lost_syncs();
        self.refusals_before = self.disk.refusals();
        self.starts = true;
        self.engine = Some(engine);
        self.wakes_at_us = net.borrow().now_us;
        self.frozen_until_us = 0;
        if let Some(Err(e)) = self.unless_it_ends(net, |engine, _| engine.begin()) {
            self.on_fatal(net, e);
        }
        self.note_started(net.borrow().now_us);
    }

    /// Looks at what it has when it has loaded all. Whether that is so since this tick.
    fn note_started(&mut self, now_us: u64) -> bool {
        let Some(engine) = self.engine.as_ref().filter(|_| self.starts) else {
            return false;
        };
        self.starts = engine.env().gates.loading != Loading::No;
        self.has_loaded = false;
        if self.keeps_journal && !self.starts {
            let file = file_state(engine);
            let env = engine.env();
            self.survival.check_start(self.host, env, file, now_us);
        }
        !self.starts
    }

    /// What it has done in a tick was told to clients. Once there is an append-only file that
    /// counts, it is in the configuration that the server is started with.
    fn note_told(&mut self, now_us: u64) {
        self.settings.appendonly |= self.keeps_journal && self.has_aof();
        let Some(engine) = self.engine.as_mut().filter(|_| self.keeps_journal) else {
            return;
        };
        let rewritten = engine.world_mut().rewritten.take();
        let env = engine.env();
        if env.gates.loading != Loading::No {
            self.has_loaded = true;
            return;
        }
        let saved = env.replication.saved_identity();
        let observed = Observed {
            now_us,
            file: file_state(engine),
            starts_with_file: self.settings.appendonly,
            has_loaded: std::mem::take(&mut self.has_loaded),
            is_refused: engine.runtime.aof.refusal().is_some(),
            unwritten: env.aof.bytes().len(),
            is_syncing: engine.world().is_syncing(),
            has_child: engine.world().has_child(),
            rewritten,
            place: saved.map(|saved| (saved.id, saved.offset)),
        };
        self.survival.end_tick(env, observed);
    }

    /// Says that it has brought back what its file had promised, and goes on from there.
    pub fn tell_restored(&mut self, oracle: &mut Oracle) {
        if let Some(place) = self.survival.take_restored()
            && let Some(env) = self.env()
        {
            oracle.on_restored(self.host, env, place);
        }
    }

    /// Whether what is in its memory may be in a file that it will start with.
    fn may_be_kept(&self) -> bool {
        let Some(engine) = &self.engine else {
            return false;
        };
        let has_file = file_state(engine) != FileState::Off || !self.settings.appendonly;
        has_file && !self.starts && engine.env().gates.loading == Loading::No
    }

    /// Has the engine do something; none if the process ends in the middle of that.
    fn unless_it_ends<T>(
        &mut self,
        net: &SharedNet,
        work: impl FnOnce(&mut Engine<SimWorld>, &mut Survival) -> T,
    ) -> Option<T> {
        let (engine, survival) = (self.engine.as_mut()?, &mut self.survival);
        match catch_unwind(AssertUnwindSafe(|| work(engine, survival))) {
            Ok(done) => Some(done),
            Err(ended) if ended.is::<ProcessEnded>() => {
                log::info!("server {} ends in the middle of a call", self.host);
                self.kill(net);
                if self.loses_power {
                    self.lose_power(net);
                }
                None
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// The server says that it must not go on.
    ///
    /// # Panics
    ///
    /// It does so at its start, for the sake of its append-only file, though its disk has done all
    /// that it was asked: that file must load, whatever happened before.
    fn on_fatal(&mut self, net: &SharedNet, words: String) {
        let refused = self.disk.refusals() > self.refusals_before;
        log::info!("server {} ends: {words}", self.host);
        if !self.settings.appendonly && !self.keeps_journal {
            // The snapshot of the start was damaged, which only lost power can do to it; its owner
            // puts it out of the way.
            self.disk = SimDisk::default();
        } else {
            assert!(
                refused || !self.starts || self.may_fail_to_start,
                "server {} does not start: {words}",
                self.host
            );
        }
        self.last_words = words;
        self.kill(net);
    }

    /// It is gone from one instant to the next; what the process had on disk stays.
    pub fn kill(&mut self, net: &SharedNet) {
        let may_be_kept = self.keeps_journal && self.may_be_kept();
        if let Some(engine) = self.engine.take() {
            if may_be_kept {
                self.survival.see(engine.env());
            }
            self.survival.die(Death::OfProcess);
            net.borrow_mut().take_down(self.host);
            self.disk.mend();
            self.disk.end_process_after(None);
        }
    }

    /// Its machine loses power.
    pub fn lose_power(&mut self, net: &SharedNet) {
        self.kill(net);
        self.survival.die(Death::OfMachine);
        self.disk.lose_power(&mut self.rng);
    }

    /// It is asked to leave, and does: with a snapshot, if it has save points.
    pub fn terminate(&mut self, net: &SharedNet) {
        let over = self.unless_it_ends(net, |engine, _| {
            engine.begin_tick();
            engine.on_event(terminate());
            engine.end_tick().is_err() || engine.is_over()
        });
        match over {
            // It waits for its replicas, and nobody waits for it.
            Some(false) => self.wakes_at_us = 0,
            _ => self.kill(net),
        }
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
        let host = self.host;
        let looks = self.is_emptied && self.may_be_kept();
        let Some(ended) = self.unless_it_ends(net, |engine, survival| {
            log::trace!("{now_us} us: server {host}");
            engine.world_mut().ahead_us = 0;
            let events = engine.world_mut().take_events();
            net.borrow_mut().take_written();
            engine.begin_tick();
            for event in events {
                engine.on_event(event);
                if looks {
                    survival.see_journal(engine.env());
                }
            }
            let early = net.borrow_mut().take_written();
            assert!(
                early.is_empty(),
                "server {host} writes to {early:?} before the end of a tick",
            );
            engine.end_tick()
        }) else {
            return false;
        };
        self.written = net.borrow_mut().take_written();
        if let Err(words) = ended {
            self.on_fatal(net, words);
            return false;
        }
        let has_started = self.note_started(now_us);
        self.note_told(now_us);
        let Some(engine) = self.engine.as_mut().filter(|engine| !engine.is_over()) else {
            self.kill(net);
            return false;
        };
        engine.world_mut().pass_disk_time();
        let ahead_us = engine.world().ahead_us;
        let sleep_us = engine.time_to_sleep().as_micros() as u64;
        self.wakes_at_us = now_us + ahead_us + sleep_us;
        if ahead_us > 0 {
            self.frozen_until_us = now_us + ahead_us;
            return false;
        }
        // Others look at what it has loaded before it does anything with that.
        !has_started && (sleep_us == 0 || net.borrow().has_events(self.host))
    }
}
