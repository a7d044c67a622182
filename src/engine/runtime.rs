//! Everything of a server that has a peer or a deadline: clients, the link to our master, the
//! child that saves, the load, the shutdown; and the world they live in.
//!
//! It is the half of the engine that commands do not see; they reach it through
//! [`Host`](crate::commands::host::Host) (`host.rs`). It holds no data of users. Each part is a
//! value of its own with its methods in its own file; what stands here is only what several of
//! them do together.

use super::aof::Aof;
use super::arriving::set::Arriving;
use super::clients::Clients;
use super::file_sends::FileSends;
use super::link::MasterLink;
use super::loading::Loader;
use super::lost::tail::Lost;
use super::metrics::Metrics;
use super::migrate::Peers;
use super::outgoing::Outgoings;
use super::pacing::Pacing;
use super::pause::Pauses;
use super::put_off::PutOff;
use super::rates::Rates;
use super::sentinel::state::SentinelDriver;
use super::shutdown::Shutdown;
use super::snapshot::Snapshots;
use super::spool::{Kind, Spool};
use super::world::{Jobs, ProcessRole, World};
use crate::base::disk::Disk;
use crate::commands::context::CommandTable;
use crate::commands::env::Env;
use crate::commands::garbage::Garbage;
use crate::replication::Action;
use crate::sys::memory::MemoryStats;

/// The file of a world's disk.
pub type FileOf<W> = <<W as Jobs>::Disk as Disk>::File;

/// See the module's head.
pub struct Runtime<W: World> {
    /// Clock, sockets, disk, children, workers.
    pub world: W,
    /// Listeners that may have more connections than one turn takes.
    pub to_accept: Vec<usize>,
    /// Listeners that could not accept, to be tried again by periodic work.
    pub to_accept_later: Vec<usize>,
    /// Connections that were accepted and are not open yet.
    pub(super) arriving: Arriving<W::Socket>,
    /// Clients and replicas.
    pub clients: Clients<W::Socket>,
    /// Those who want metrics.
    pub metrics: Metrics<W::Socket>,
    /// Connections that we make.
    pub outgoing: Outgoings<W::Socket>,
    /// Our side of the link to our master.
    pub link: MasterLink<FileOf<W>>,
    /// What belongs to the Sentinel, if this is one.
    pub sentinel: SentinelDriver,
    /// Snapshot files on their way to replicas.
    pub file_sends: FileSends<FileOf<W>>,
    /// How fast snapshots are sent.
    pub pacing: Pacing,
    /// What is on disk of the stream, for replicas that sync.
    pub stream_spool: Spool<FileOf<W>>,
    /// Snapshots that are made.
    pub snapshots: Snapshots,
    /// The append-only file.
    pub aof: Aof<FileOf<W>>,
    /// Writes that a new master may lack.
    pub(super) lost: Lost<FileOf<W>>,
    /// The load that is running.
    pub loader: Option<Loader<FileOf<W>>>,
    /// Connections for `MIGRATE`.
    pub peers: Peers<W::Socket>,
    /// What has to wait for the end of a script that takes long.
    pub put_off: PutOff,
    /// Why the server must not go on, found in the middle of a script.
    pub fatal: Option<String>,
    /// What holds commands back.
    pub pauses: Pauses,
    /// Measured rates.
    pub rates: Rates,
    /// What is known of a shutdown that was asked for.
    pub shutdown: Shutdown,
    /// All commands.
    pub table: &'static CommandTable,
    /// A random id of this run.
    pub run_id: String,
    /// When the server started, in monotonic milliseconds.
    pub started_mono_ms: u64,
    /// Memory right after the start, in bytes.
    pub startup_memory: usize,
    /// The allocator's figures as of the last round of periodic work.
    pub memory: MemoryStats,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    pub active_expire: bool,
    /// `DEBUG PAUSE-CRON`.
    pub cron_paused: bool,
    /// Actions of the replication machines; kept for its allocation.
    pub(super) actions: Vec<Action>,
    /// Replicas with something to read; kept for its allocation.
    pub(super) readers: Vec<u64>,
}

impl<W: World> Runtime<W> {
    /// With nothing connected.
    pub fn new(world: W, run_id: String, table: &'static CommandTable) -> Runtime<W> {
        let started_mono_ms = world.now().mono_ms();
        let memory = world.memory();
        Runtime {
            world,
            to_accept: Vec::new(),
            to_accept_later: Vec::new(),
            arriving: Arriving::default(),
            // The first id is that of the session that runs our master's stream.
            clients: Clients::new(2),
            metrics: Metrics::default(),
            outgoing: Outgoings::default(),
            link: MasterLink::new(1),
            sentinel: SentinelDriver::default(),
            file_sends: FileSends::default(),
            pacing: Pacing::default(),
            stream_spool: Spool::new(Kind::STREAM),
            snapshots: Snapshots::default(),
            aof: Aof::default(),
            lost: Lost::default(),
            loader: None,
            peers: Peers::default(),
            put_off: PutOff::default(),
            fatal: None,
            pauses: Pauses::default(),
            rates: Rates::default(),
            shutdown: Shutdown::default(),
            table,
            run_id,
            started_mono_ms,
            startup_memory: memory.used,
            memory,
            active_expire: true,
            cron_paused: false,
            actions: Vec::new(),
            readers: Vec::new(),
        }
    }

    /// Whether the server is to end: its data is saved, and nothing may change any more.
    pub fn is_over(&self) -> bool {
        self.shutdown == Shutdown::Done
    }

    /// Serves those who wait for keys that are ready now. What they run begins now, and not with
    /// the command that made the keys ready, which may have taken long.
    pub fn serve_waiters(&mut self, env: &mut Env) {
        // Nobody runs anything in the middle of a script.
        if env.waiters.has_ready() && env.gates.busy.is_none() {
            env.set_now(self.world.now());
            crate::commands::blocking::serve(env, self);
        }
    }

    /// Makes everybody forget the clients whose connections are over, the replication machines
    /// included. From here on they count nowhere.
    pub fn forget_gone(&mut self, env: &mut Env) {
        for client in self.clients.forget_gone(env) {
            self.drive(env, |r, e, out| r.on_client_closed(client, e, out));
            self.file_sends.forget(client);
            // It may have been the one that the others were waiting for.
            self.snapshots.want_forwarding();
        }
    }

    /// Empties all databases and forgets all libraries; what they held is freed like any garbage.
    pub fn empty_all(&mut self, env: &mut Env, lazily: bool) {
        env.functions.clear();
        env.emptying_all();
        for db in env.keyspace.clear() {
            self.free_garbage(Garbage::Db(Box::new(db)), lazily);
        }
    }

    /// Frees what is not needed any more, on another thread if `lazily` and worth it.
    pub fn free_garbage(&mut self, garbage: Garbage, lazily: bool) {
        if lazily && garbage.is_large() {
            self.world.submit(super::world::Job::Free(garbage));
        }
    }

    /// Looks again at what the gates depend on.
    pub fn refresh_gates(&mut self, env: &mut Env) {
        let replica = env.replication.is_replica();
        env.gates.replica = replica;
        env.gates.read_only = replica && env.config.replica_read_only;
        env.gates.stale =
            replica && !env.config.replica_serve_stale_data && !env.replication.is_link_up();
        env.gates.replicas_missing = !env.replication.has_enough_replicas();
        env.gates.snapshots_fail = env.config.stop_writes_on_bgsave_error
            && !env.config.save.0.is_empty()
            && !env.persistence.last_bgsave_ok;
        let failure = self.aof.refusal();
        env.gates.aof_fails = failure.is_some();
        env.persistence.aof_failure = failure.unwrap_or_default().to_owned();
        env.gates.pause = self.pauses.mode();
    }
}

/// The part that this server plays.
pub fn role_of(env: &Env) -> ProcessRole {
    if env.sentinel.is_some() {
        ProcessRole::Sentinel
    } else if env.replication.is_replica() {
        ProcessRole::Replica
    } else {
        ProcessRole::Master
    }
}
