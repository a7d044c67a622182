//! What commands ask of the server.
//!
//! A handler knows no socket, no child process and no timer. Where a command is about those, it
//! asks through this trait, which the server implements; the server carries the wish out and
//! answers with a value, and the handler words the reply. Tests stand in with a host of their own.

use std::time::Duration;

use super::env::Env;
use super::error::CmdError;
use super::garbage::Garbage;
use super::gates::PauseMode;
use super::scripting::busy::Verdict;
use super::session::{Kind, Session};
use crate::base::time::Now;
use crate::config::{Apply, MasterAddress, Reason, Settings};
use crate::replication::FailoverRequest;
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use crate::sys::memory::MemoryStats;

/// How `SHUTDOWN` is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownOptions {
    /// `SAVE` or `NOSAVE`; none leaves it to the save points.
    pub save: Option<bool>,
    /// Do not wait for replicas that lag.
    pub now: bool,
    /// Go on where the final save fails.
    pub force: bool,
}

/// When the server leaves that was told to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaving {
    /// As soon as the running command ends.
    Now,
    /// When the replicas have caught up, or the time for that is over.
    AfterReplicas,
}

/// Which clients `CLIENT LIST` and `CLIENT KILL` mean; every given condition must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientFilter {
    /// These ids.
    pub ids: Option<Vec<u64>>,
    /// The peer's `ip:port`.
    pub addr: Option<Vec<u8>>,
    /// Our `ip:port`.
    pub local_addr: Option<Vec<u8>>,
    /// This kind of client.
    pub class: Option<ClientClass>,
    /// This user.
    pub user: Option<Vec<u8>>,
    /// Not the client that asks.
    pub skip_me: bool,
}

/// The classes that `TYPE` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientClass {
    /// `normal`.
    Normal,
    /// `replica` or `slave`.
    Replica,
    /// `pubsub`.
    Pubsub,
    /// `master`.
    Master,
}

impl ClientClass {
    /// Whether a session belongs to it.
    pub fn matches(self, session: &Session) -> bool {
        match self {
            ClientClass::Normal => {
                let is_client = matches!(session.kind, Kind::Normal | Kind::Monitor);
                is_client && session.subscriptions.is_none()
            }
            ClientClass::Replica => session.kind == Kind::Replica,
            ClientClass::Master => session.kind == Kind::Master,
            ClientClass::Pubsub => {
                let is_client = matches!(session.kind, Kind::Normal | Kind::Monitor);
                is_client && session.subscriptions.is_some()
            }
        }
    }
}

/// When the largest use of a client's reply buffer is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeakReset {
    /// Never.
    Never,
    /// After the usual time.
    Default,
    /// After so many milliseconds.
    AfterMs(u64),
}

/// What `DEBUG` asks of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DebugRequest {
    /// Stop the loop for so many microseconds.
    Sleep(u64),
    /// Save (unless told not to) and load the data set again.
    Reload {
        /// Write the file first.
        save: bool,
        /// Empty the keyspace before loading.
        flush: bool,
        /// Let loaded keys replace those that are there; else such a key is an error.
        merge: bool,
    },
    /// Load the data set again from the append-only file.
    LoadAof,
    /// Let each write of the append-only file take so many microseconds longer.
    AofFlushSleep(u64),
    /// Let keys expire by themselves, or only when they are looked up.
    ActiveExpire(bool),
    /// Hold back periodic work, or let it go on.
    PauseCron(bool),
    /// After which time a client's reply buffer forgets how large it had to be.
    ReplyBufferPeakReset(PeakReset),
    /// Fit the reply buffers of clients to their use, or leave them.
    ReplyBufferResizing(bool),
    /// Crash by a bad memory access.
    Segfault,
    /// Crash by a panic.
    Panic,
    /// Crash by a failed assertion.
    Assert,
    /// Crash by asking for more memory than there is.
    OutOfMemory,
    /// Leave at once, with status 1.
    Exit,
    /// Start again from the executable, after so many milliseconds.
    Restart {
        /// Save and close first.
        graceful: bool,
        /// How long to wait.
        delay_ms: u64,
    },
}

/// Clients that take about as much memory as each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientSizes {
    /// Each takes less than this.
    pub bytes_below: u64,
    /// How many they are.
    pub clients: usize,
    /// What they take together.
    pub bytes: u64,
}

/// What the server knows that `INFO` shows.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// The path of the executable.
    pub executable: String,
    /// The absolute path of the configuration file; empty for none.
    pub config_file: String,
    /// A random id of this run.
    pub run_id: String,
    /// Each way of listening as `INFO` shows it: `name=tcp,bind=*,port=6379`.
    pub listeners: Vec<String>,
    /// The port listened on.
    pub tcp_port: u16,
    /// When the process started, in milliseconds of the monotonic clock.
    pub started_mono_ms: u64,
    /// `standalone` or `sentinel`.
    pub mode: &'static str,
    /// How the process is supervised: `no`, `systemd`, `upstart`.
    pub supervised: &'static str,
    /// How long a shutdown will wait for replicas yet, if one does.
    pub shutdown_in_ms: Option<i64>,
    /// Clients that are not replicas.
    pub connected_clients: usize,
    /// The largest input buffer seen lately.
    pub max_input_buffer: usize,
    /// The largest output buffer seen lately.
    pub max_output_buffer: usize,
    /// Clients waiting in a blocking command.
    pub blocked_clients: usize,
    /// Connections that were accepted and are not open yet, so are no clients.
    pub handshakes_pending: usize,
    /// Connections that did not open, since the start.
    pub handshakes_failed: u64,
    /// Memory of ordinary clients, in bytes.
    pub clients_memory: usize,
    /// Memory of replica connections, in bytes, the shared log excluded.
    pub replicas_memory: usize,
    /// Bytes of our master's stream that wait on disk.
    pub stream_spilled_bytes: u64,
    /// What is going on with snapshots.
    pub snapshot: SnapshotStats,
    /// What there is to say of the append-only file.
    pub aof: AofFacts,
    /// What is being loaded, if anything.
    pub loading: Option<LoadingFacts>,
    /// Commands a second of late.
    pub ops_per_second: u64,
    /// Bytes read a second of late.
    pub input_bytes_per_second: f64,
    /// Bytes written a second of late.
    pub output_bytes_per_second: f64,
    /// Bytes a second read from the master of late.
    pub input_repl_bytes_per_second: f64,
    /// Bytes a second written to replicas of late.
    pub output_repl_bytes_per_second: f64,
    /// Event loop turns a second of late.
    pub loop_cycles_per_second: u64,
    /// Microseconds a turn of late.
    pub loop_duration_us: u64,
    /// Databases waiting to be freed by the helper thread.
    pub lazy_free_pending: usize,
    /// Objects freed by the helper thread.
    pub lazy_freed: u64,
    /// Connections kept for `MIGRATE`.
    pub migrate_connections: usize,
    /// What the allocator says at this moment.
    pub memory: MemoryStats,
    /// Memory right after the start, in bytes.
    pub startup_memory: usize,
}

/// The snapshot child, as `INFO persistence` shows it.
#[derive(Clone, Debug, Default)]
pub struct SnapshotStats {
    /// A child is writing one now.
    pub in_progress: bool,
    /// When the running one began, in milliseconds of the monotonic clock.
    pub started_mono_ms: u64,
    /// Copy-on-write bytes of the running child.
    pub current_cow: u64,
    /// The most copy-on-write bytes of the running child.
    pub current_cow_peak: u64,
    /// How long ago the child reported that, in milliseconds.
    pub current_cow_age_ms: u64,
    /// Keys written by the running child.
    pub current_keys: u64,
    /// Keys that the running child will write.
    pub current_keys_total: u64,
}

/// The append-only file, as `INFO persistence` shows it.
#[derive(Clone, Debug, Default)]
pub struct AofFacts {
    /// It is switched on.
    pub enabled: bool,
    /// When the rewrite that runs began, in milliseconds of the monotonic clock.
    pub rewriting_since_mono_ms: Option<u64>,
    /// A rewrite will be begun when that is possible.
    pub scheduled: bool,
    /// How long the last rewrite took, in seconds; -1 before the first.
    pub last_rewrite_s: i64,
    /// Whether the last rewrite succeeded.
    pub last_rewrite_ok: bool,
    /// Rewrites since the start.
    pub rewrites: u64,
    /// Rewrites that have failed since one succeeded.
    pub failures_in_a_row: u64,
    /// Whether nothing keeps it from being written.
    pub last_write_ok: bool,
    /// Copy-on-write bytes of the last rewrite.
    pub last_cow_bytes: u64,
    /// Bytes of all its files.
    pub current_bytes: u64,
    /// Bytes of all its files after the last rewrite, or at the start.
    pub base_bytes: u64,
    /// Bytes that were not written yet.
    pub buffer_bytes: usize,
    /// Syncs that run on another thread.
    pub pending_syncs: u64,
    /// How often a write did not wait for a sync any longer.
    pub delayed_syncs: u64,
}

/// What becomes of a request for a rewrite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RewriteRequest {
    /// It runs.
    Started,
    /// It will be begun when that is possible.
    Scheduled,
    /// One runs already.
    Running,
    /// It could not be begun; the log says why.
    Failed,
}

/// A running load, as `INFO persistence` shows it.
#[derive(Clone, Debug, Default)]
pub struct LoadingFacts {
    /// When it began, in seconds since the epoch.
    pub started_unix_s: i64,
    /// Bytes in all; 0 when unknown.
    pub total_bytes: u64,
    /// Bytes read.
    pub loaded_bytes: u64,
    /// When it began, in milliseconds of the monotonic clock.
    pub started_mono_ms: u64,
}

/// What `MIGRATE` sends to another server, and how it gets there.
#[derive(Clone, Copy, Debug)]
pub struct Migration<'a> {
    /// The other server.
    pub host: &'a [u8],
    /// Its port.
    pub port: &'a [u8],
    /// How long each step may take.
    pub timeout: Duration,
    /// The command that logs in; empty for none.
    pub login: &'a [u8],
    /// The database that the keys shall be in.
    pub db: i64,
    /// One command for each key.
    pub commands: &'a [u8],
    /// How many of them.
    pub count: usize,
}

/// What became of a migration.
#[derive(Debug, Default)]
pub struct MigrationOutcome {
    /// What the other server answered, key by key: that it has taken the key, or its error. Fewer
    /// than keys if the connection broke.
    pub answers: Vec<Result<(), Vec<u8>>>,
    /// Why not all was answered.
    pub failure: Option<MigrationFailure>,
}

/// At which step a migration failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationFailure {
    /// Connecting.
    Connect,
    /// Sending.
    Write,
    /// Waiting for an answer.
    Read,
}

/// The server, as commands see it.
pub trait Host {
    /// The instant now; see [`Env::is_now_past`].
    fn now(&self, env: &Env) -> Now;
    /// What `INFO` needs.
    fn facts(&mut self, env: &Env) -> ServerFacts;
    /// `SAVE`: writes the snapshot in this process.
    fn save(&mut self, env: &mut Env) -> Result<(), CmdError>;
    /// `BGSAVE`: the reply line on success.
    fn bgsave(&mut self, env: &mut Env, schedule: bool) -> Result<&'static str, CmdError>;
    /// `BGREWRITEAOF`.
    fn rewrite_aof(&mut self, env: &mut Env) -> RewriteRequest;
    /// `SHUTDOWN` of a client. If it has to wait, so has the client: it is told if nothing comes of
    /// it.
    fn shutdown(
        &mut self,
        env: &mut Env,
        client: u64,
        options: ShutdownOptions,
    ) -> Result<Leaving, CmdError>;
    /// `SHUTDOWN ABORT`.
    fn abort_shutdown(&mut self, env: &mut Env) -> Result<(), CmdError>;
    /// `CONFIG RESETSTAT`: what was measured "of late" begins anew.
    fn reset_rates(&mut self);
    /// Makes a directive just set take effect; `settings` are those that shall hold afterwards.
    fn apply_config(
        &mut self,
        env: &mut Env,
        hook: Apply,
        settings: &Settings,
    ) -> Result<(), Reason>;
    /// The settings have changed, and every hook was carried out.
    fn config_changed(&mut self, env: &mut Env);
    /// The lines of `CLIENT LIST` for the clients that match.
    fn describe_clients(&self, env: &Env, current: &Session, filter: &ClientFilter) -> Vec<u8>;
    /// `CLIENT KILL`: how many were closed. The current client is marked, not closed.
    fn kill_clients(
        &mut self,
        env: &mut Env,
        current: &mut Session,
        filter: &ClientFilter,
    ) -> usize;
    /// Closes the connections of clients that are so. The current client is marked, not closed.
    fn close_clients(
        &mut self,
        env: &mut Env,
        current: &mut Session,
        is_so: &dyn Fn(&Session) -> bool,
    );
    /// `CLIENT PAUSE` until this time of the monotonic clock in milliseconds. Of several pauses the
    /// latest end holds, and the stricter mode.
    fn pause(&mut self, env: &mut Env, mode: PauseMode, until_mono_ms: u64);
    /// `CLIENT UNPAUSE`.
    fn unpause(&mut self, env: &mut Env);
    /// `REPLICAOF`: the reply line on success.
    fn replicaof(
        &mut self,
        env: &mut Env,
        current: &Session,
        target: Option<MasterAddress>,
    ) -> Result<&'static str, CmdError>;
    /// `FAILOVER`: begins to hand over to a replica.
    fn failover(&mut self, env: &mut Env, request: FailoverRequest<'_>) -> Result<(), CmdError>;
    /// `FAILOVER ABORT`; `false` if there is nothing to abort.
    fn abort_failover(&mut self, env: &mut Env) -> bool;
    /// `PSYNC` and `SYNC`: the connection becomes a replica's.
    fn psync(
        &mut self,
        env: &mut Env,
        session: &mut Session,
        reply: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError>;
    /// `REPLCONF`.
    fn replconf(
        &mut self,
        env: &mut Env,
        session: &mut Session,
        reply: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError>;
    /// `DEBUG`.
    fn debug(&mut self, env: &mut Env, request: DebugRequest) -> Result<(), CmdError>;
    /// `FLUSHALL` removed every key: a snapshot that is being written is given up, and where there
    /// are save points an empty one is written at once.
    fn flushed_all(&mut self, env: &mut Env);
    /// `MIGRATE`: sends keys to another server and waits for its answers.
    fn migrate(&mut self, env: &Env, migration: &Migration<'_>) -> MigrationOutcome;
    /// Takes something to be freed, on the helper thread when `lazily` and if that is worth it.
    fn free(&mut self, garbage: Garbage, lazily: bool);
    /// Objects that the helper thread has still to free.
    fn lazy_free_pending(&self) -> usize;
    /// Frees what is only kept to be used again, and is large.
    fn give_up_buffers(&mut self);
    /// The clients that may be closed to save memory, by size, the smallest first; none if there is
    /// no limit to what clients take.
    fn client_sizes(&self, env: &Env) -> Option<Vec<ClientSizes>>;
    /// Bytes of memory in use.
    fn used_memory(&self, env: &Env) -> usize;
    /// Runs the command of a client that waits again; see [`super::blocking`].
    fn resume(&mut self, env: &mut Env, client: u64);
    /// `CLIENT UNBLOCK`: ends the wait of a client, as if its time had run out or with an error.
    /// `false` if there is no such client, or it does not wait.
    fn unblock(&mut self, env: &mut Env, client: u64, refusal: Option<&CmdError>) -> bool;
    /// Serves other clients for a moment, in the middle of a script that takes long: what its rows
    /// allow then is run, all else refused. The script has to stop if the server cannot go on.
    fn serve_while_busy(&mut self, env: &mut Env) -> Verdict;
    /// Hands out the messages that wait in the outbox. Those to the client whose command has just
    /// run go behind its reply.
    fn deliver(&mut self, env: &mut Env, current: &Session, reply: &mut Reply);
    /// Writes a line to the log, at a level from debug to warning.
    fn log(&self, level: log::Level, text: &str);
}
