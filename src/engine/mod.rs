//! Floor 6: the whole server without the world: bytes of a connection in, bytes out.
//!
//! [`Engine`] is two halves: the [`Env`] that commands work on, and the [`Runtime`] with everything
//! that has a peer or a deadline. What it needs of the operating system it asks of a
//! [`World`](world::World), and what happens there it is told as [`Event`]s; so the simulator
//! (`sim/`) runs the very code that serves. A tick is
//!
//! ```text
//! begin_tick(now) → connections to be continued → events, one by one (read + parse + execute,
//! accept, children, link) → end_tick: run our master's stream · load a slice · timers · expire ·
//! wake waiters · failover · write phase: file → replicas → replies · sweep
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `world.rs` | what the engine asks of the world, and what it is told |
//! | `runtime.rs` | the half that commands do not see |
//! | `clients.rs`, `conn.rs`, `accepting.rs` | the set of clients, one of them, how they get in |
//! | `input.rs`, `output.rs` | its buffers |
//! | `reading.rs`, `batch.rs`, `look_ahead.rs` | from bytes to parsed commands |
//! | `running.rs`, `writing.rs` | from commands to bytes |
//! | `waiting.rs`, `pause.rs` | clients whose commands wait, or are held back |
//! | `busy.rs`, `put_off.rs` | serving others while a script runs that does not end |
//! | `describe.rs`, `client_memory.rs`, `peak.rs` | clients described and measured |
//! | `metrics/` | those who want metrics |
//! | `outgoing.rs` | connections that we make |
//! | `sentinel/` | the driver of the Sentinel |
//! | `link.rs`, `incoming.rs`, `master_stream.rs` | our link to our master and what it sends |
//! | `waiting_stream.rs` | what of its stream waits on disk |
//! | `replicas.rs`, `transfer.rs` | the driver of the machines; what replicas are sent |
//! | `snapshot.rs`, `snapshot_work.rs`, `sync_file.rs` | saving, and files that only serve a sync |
//! | `aof/` | the append-only file |
//! | `sending.rs`, `file_sends.rs`, `pacing.rs` | snapshot files sent to replicas; how fast |
//! | `spilling.rs` | the stream on disk, for replicas that sync |
//! | `lost/` | writes that a new master may lack, and the files of those that it did |
//! | `spool.rs` | parts of streams that are kept on disk for a while |
//! | `loading.rs`, `load_delay.rs` | loading, a slice at a time; pauses in it, for tests |
//! | `host.rs`, `apply.rs`, `debug.rs`, `migrate.rs` | what commands and directives ask for |
//! | `cron.rs`, `rates.rs` | periodic work |
//! | `shutdown.rs` | leaving |

mod accepting;
mod aof;
mod apply;
mod arriving;
mod batch;
mod busy;
mod client_memory;
mod clients;
mod conn;
mod cron;
mod debug;
mod describe;
mod file_sends;
mod host;
mod incoming;
mod input;
mod link;
mod load_delay;
mod loading;
mod look_ahead;
mod lost;
mod master_stream;
mod metrics;
mod migrate;
mod outgoing;
mod output;
mod pacing;
mod pause;
mod peak;
mod put_off;
mod rates;
mod reading;
mod replicas;
mod reply_room;
mod restoring;
mod running;
mod runtime;
mod sending;
mod sentinel;
mod shutdown;
#[cfg(test)]
mod sim;
mod snapshot;
pub mod snapshot_work;
mod spilling;
mod spool;
mod sync_file;
mod transfer;
mod waiting;
mod waiting_stream;
pub mod world;
mod writing;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::acl::Users;
use crate::base::rng::Rng;
use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::eviction::make_room;
use crate::config::Settings;
use crate::config::sentinel::SentinelConfig;
use crate::keyspace::Keyspace;
use crate::keyspace::expiry::{ExpiryCycle, Pace};
use crate::replication::Replication;
use crate::sentinel::Sentinel;
use crate::sys::clock::CycleClock;
use crate::sys::collation::Collation;
pub use apply::watchdog_period_ms;
use cron::Cron;
use outgoing::ConnectProgress;
use runtime::Runtime;
pub use runtime::role_of;
use sentinel::state::own_of;
use world::{Event, Socket, Wake, World};

/// The path that a directive's bytes are.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// What an engine is made of, beside its world.
pub struct EngineParts {
    /// All settings.
    pub settings: Settings,
    /// The configuration file, absolute, if there is one.
    pub config_file: Option<PathBuf>,
    /// All commands.
    pub table: &'static CommandTable,
    /// What a Sentinel is to watch, and what it knows; none for a server.
    pub sentinel: Option<SentinelConfig>,
    /// All users.
    pub users: Users,
    /// The source of all chance.
    pub rng: Rng,
    /// Measures how long commands run.
    pub clock: CycleClock,
}

/// The whole server; see the module's head.
pub struct Engine<W: World> {
    env: Env,
    runtime: Runtime<W>,
    cron: Cron,
    cycle: ExpiryCycle,
    tick: Tick,
}

/// What is remembered from the begin of a tick to its end.
#[derive(Debug, Default)]
struct Tick {
    started_us: u64,
    commands_before: u64,
}

impl<W: World> Engine<W> {
    /// A server at its start, with nothing loaded and nobody connected.
    ///
    /// # Errors
    ///
    /// The settings name a locale that this machine does not have.
    pub fn new(parts: EngineParts, world: W) -> Result<Engine<W>, &'static str> {
        let EngineParts {
            settings,
            config_file,
            table,
            mut rng,
            clock,
            sentinel,
            users,
        } = parts;
        let now = world.now();
        let collation = Collation::named(&settings.locale_collate)
            .ok_or("Failed to configure LOCALE for invalid locale name.")?;
        let replication_rng = Rng::from_seed(rng.next_u64());
        let mut replication =
            Replication::new(apply::replication_settings(&settings), replication_rng, now);
        if let Some(master) = &settings.replicaof {
            replication.start_as_replica_of(&master.host, master.port);
        }
        let run_id = String::from_utf8_lossy(&rng.hex_id()).into_owned();
        let hash_seed = [rng.next_u64(), rng.next_u64()];
        let keyspace = Keyspace::new(settings.databases as usize, hash_seed);
        let commands = table.counted();
        let mut env = Env::new(now, clock, rng, settings, keyspace, replication, commands);
        if let Some(config) = sentinel {
            let own = own_of(&env.config, &world);
            let rng = Rng::from_seed(env.rng.next_u64());
            env.sentinel = Some(Box::new(Sentinel::new(config, own, rng, now)));
        }
        env.config_file = config_file;
        env.users = users;
        env.collation = collation;
        let mut runtime = Runtime::new(world, run_id, table);
        runtime.world.set_role(role_of(&env), &env.config);
        runtime.refresh_gates(&mut env);
        Ok(Engine {
            env,
            runtime,
            cron: Cron::default(),
            cycle: ExpiryCycle::default(),
            tick: Tick::default(),
        })
    }

    /// Begins to load the data set of the start, if there is one; sets a Sentinel going.
    ///
    /// # Errors
    ///
    /// There is one, and it cannot be opened; the text says why.
    pub fn begin(&mut self) -> Result<(), String> {
        if self.env.sentinel.is_some() {
            return self.runtime.begin_as_sentinel(&mut self.env);
        }
        self.runtime.load_at_start(&mut self.env)
    }

    /// What commands work on.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The world.
    pub fn world(&self) -> &W {
        &self.runtime.world
    }

    /// The world, to let time pass in it between two ticks.
    pub fn world_mut(&mut self) -> &mut W {
        &mut self.runtime.world
    }

    /// How many connections there are, replicas included.
    pub fn connections(&self) -> usize {
        self.runtime.clients.len()
    }

    /// Whether the server is to end: its data is saved, and nothing may change any more.
    pub fn is_over(&self) -> bool {
        self.runtime.is_over()
    }

    /// Leaves the data to the kernel, which takes all memory back at once when the process ends; to
    /// free it key by key would make the end of a large server last for many seconds.
    pub fn leave_keys(&mut self) {
        let empty = self.env.keyspace.new_like();
        std::mem::forget(std::mem::replace(&mut self.env.keyspace, empty));
    }

    // ---- A tick ----

    /// A tick begins: the clock is read, and what the last one left over goes on.
    pub fn begin_tick(&mut self) {
        self.env.set_now(self.runtime.world.now());
        self.tick = Tick {
            started_us: self.env.now.mono_us,
            commands_before: self.env.stats.commands_processed,
        };
        self.runtime.link.stream.begin_tick();
        self.runtime.put_off.begin_tick();
        self.catch_up();
        self.go_on();
    }

    /// Handles something that happened.
    pub fn on_event(&mut self, event: Event) {
        if self.is_over() {
            return;
        }
        self.catch_up();
        let Engine { env, runtime, .. } = self;
        runtime.forget_gone(env);
        match event {
            Event::Ready {
                wake,
                readable,
                writable,
                ended,
            } => self.on_ready(wake, readable, writable, ended),
            Event::Resolved { request, answer } => {
                let resolved = runtime
                    .outgoing
                    .on_resolved(request, answer, &mut runtime.world);
                for (key, progress) in resolved {
                    self.on_outgoing(key, progress, false);
                }
            }
            Event::Synced { request, result } => runtime.on_synced(env, request, result),
            Event::Replaced { request, result } => runtime.on_replaced(env, request, result),
            Event::ChildReport { pid, report } => {
                runtime.snapshots.on_report(pid, report, env.now);
            }
            Event::ChildExited { pid, exit } => {
                if !runtime.on_script_exited(env, pid, exit) {
                    runtime.on_child_exited(env, pid, exit);
                }
            }
            Event::Signal(signal) => runtime.shutdown_by_signal(env, signal),
        }
    }

    /// Handles what had to wait for the end of a script that took long.
    #[inline]
    fn catch_up(&mut self) {
        if !self.runtime.put_off.is_empty() {
            for event in self.runtime.put_off.take() {
                self.on_event(event);
            }
        }
    }

    /// The end of a tick: what is due is done, and what the tick changed goes out.
    ///
    /// # Errors
    ///
    /// The server must not go on; the text says why.
    pub fn end_tick(&mut self) -> Result<(), String> {
        if let Some(fatal) = self.runtime.fatal.take() {
            return Err(fatal);
        }
        if self.is_over() {
            // The data set is saved, so nothing may change it any more.
            return self.runtime.write_phase(&mut self.env);
        }
        self.runtime.step_load(&mut self.env)?;
        self.run_stream();
        self.give_slow_connections_up();
        self.run_cron();
        if !self.is_over() {
            self.finish_changes();
        }
        self.runtime.write_phase(&mut self.env)?;
        self.clear_up();
        let commands_now = self.env.stats.commands_processed;
        let commands = commands_now.saturating_sub(self.tick.commands_before);
        let now_us = self.runtime.world.mono_ns() / 1000;
        let stats = &mut self.env.stats;
        stats.note_turn(self.tick.started_us, now_us, commands);
        self.watch_loop_if_late(now_us);
        Ok(())
    }

    /// The last changes of a tick: keys expire and are evicted, clients that wait are served.
    fn finish_changes(&mut self) {
        if self.env.keyspace.expires_len() > 0 && !self.runtime.cron_paused {
            self.expire_keys(Pace::Fast);
        }
        let Engine { env, runtime, .. } = self;
        if env.eviction.is_going_on() {
            runtime.clients.evict(env);
            make_room(env, runtime);
        }
        self.act_and_wake();
        self.go_on_with_failover();
    }

    /// Gets rid of what the tick has left behind.
    fn clear_up(&mut self) {
        let Engine { env, runtime, .. } = self;
        runtime.clients.evict(env);
        for garbage in env.garbage.drain(..) {
            runtime.free_garbage(garbage, true);
        }
        runtime.forget_gone(env);
        runtime.clients.remove_forgotten(&mut runtime.world);
    }

    /// Goes on with what had more to do than one turn takes, or waited for a pause to end.
    fn go_on(&mut self) {
        for key in std::mem::take(&mut self.runtime.clients.to_continue) {
            if !self.is_over() {
                self.runtime.on_readable(&mut self.env, key);
            }
        }
        for listener in std::mem::take(&mut self.runtime.to_accept) {
            self.runtime.accept(&mut self.env, listener);
        }
        if std::mem::take(&mut self.runtime.link.has_more) {
            self.read_master();
        }
        let Engine { env, runtime, .. } = self;
        if runtime.sentinel.is_busy() {
            runtime.go_on_as_sentinel(env);
        }
        if runtime.pacing.is_due(&env.config, env.now) {
            runtime.go_on_sending(env);
        }
        if runtime.pauses.end_overdue(env.now.mono_ms()) {
            runtime.refresh_gates(env);
        }
        if runtime.pauses.take_eased() {
            // What our master sent meanwhile comes before what clients ask.
            runtime.link.stream.on_pause_eased();
            self.run_stream();
            for key in self.runtime.clients.take_held() {
                self.runtime.run_held(&mut self.env, key);
            }
        }
    }

    // ---- Events ----

    fn on_ready(&mut self, wake: Wake, readable: bool, writable: bool, ended: bool) {
        match wake {
            Wake::Client(key) => {
                self.runtime.note_client(key, writable, ended);
                if readable {
                    self.runtime.on_readable(&mut self.env, key);
                }
            }
            Wake::Listener(index) => self.runtime.accept(&mut self.env, index),
            Wake::Metrics(key) => self.runtime.metrics.on_ready(key, readable, writable),
            Wake::Outgoing(key) => {
                let Runtime {
                    outgoing, world, ..
                } = &mut self.runtime;
                let progress = outgoing.on_ready(key, world);
                self.on_outgoing(key, progress, readable);
            }
            Wake::Arriving(key) => self.runtime.go_on_arriving(&mut self.env, key),
            Wake::ChildData => self.runtime.snapshots.want_forwarding(),
        }
    }

    /// Connections that take too long fail, or try their next address.
    fn give_slow_connections_up(&mut self) {
        let Runtime {
            outgoing, world, ..
        } = &mut self.runtime;
        let now_ms = self.env.now.mono_ms();
        if outgoing.deadline_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            for (key, error) in outgoing.give_up_overdue(now_ms, world) {
                self.on_outgoing(key, ConnectProgress::Failed(error), false);
            }
        }
        self.runtime.give_slow_arriving_up(&self.env);
    }

    /// A connection that we made has got on: whose it is knows what that means.
    fn on_outgoing(&mut self, key: usize, progress: ConnectProgress, readable: bool) {
        let Engine { env, runtime, .. } = self;
        let socket = runtime.outgoing.socket(key);
        let readable = readable || socket.is_some_and(|socket| socket.has_more());
        if !runtime.link.is_on(key) {
            return runtime.on_sentinel_progress(env, key, progress, readable);
        }
        let open = matches!(
            progress,
            ConnectProgress::Opened | ConnectProgress::Readable
        );
        runtime.on_master_progress(env, progress);
        if open && readable {
            self.read_master();
        }
    }
}
