//! What commands work on: the subsystems, wired together.
//!
//! The engine owns the one [`Env`] and lends it out. Here is what it is made of. What the
//! subsystems do together stands in files above this one, each an `impl Env` of its own:
//! [`super::unit`] has changes sent on, [`super::events`] has them heard of, [`super::lookup`]
//! finds keys.

use std::path::PathBuf;

use super::acl::request::Scratch;
use super::aof_feed::AofFeed;
use super::blocking::Waiters;
use super::eviction::progress::Eviction;
use super::functions::libraries::Libraries;
use super::garbage::Garbage;
use super::gates::{Gates, Loading};
use super::observers::Observers;
use super::own_expiries::notes::OwnExpiries;
use super::pubsub::outbox::Outbox;
use super::pubsub::registry::Registry;
use super::scripting::cache::Scripts;
use super::stats::Stats;
use super::tracking::registry::Tracking;
use super::unit::operations::Unit;
use super::watch::Watches;
use crate::acl::Users;
use crate::acl::log::Log;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::Settings;
use crate::data::list::ListLimits;
use crate::keyspace::{Entry, Keyspace, OwnedEntry};
use crate::replication::Replication;
use crate::sentinel::Sentinel;
use crate::sys::clock::CycleClock;
use crate::sys::collation::Collation;

/// Time is told by the millisecond, so what takes less is no time at all.
const INSTANT_NS: u64 = 1_000_000;

/// Persistence as commands see it.
#[derive(Clone, Debug)]
pub struct Persistence {
    /// Changes since the last successful save.
    pub dirty: u64,
    /// The value of `dirty` when the running snapshot child was forked.
    pub dirty_before_fork: u64,
    /// When the last save succeeded, in seconds since the epoch.
    pub last_save_unix_s: i64,
    /// When a snapshot was last tried, in seconds since the epoch.
    pub last_try_unix_s: i64,
    /// Whether the last background save succeeded.
    pub last_bgsave_ok: bool,
    /// How long the last background save took, in seconds; -1 before the first.
    pub last_bgsave_duration_s: i64,
    /// Copy-on-write bytes of the last background save.
    pub last_cow_bytes: u64,
    /// Saves since the start.
    pub saves: u64,
    /// The place in our stream up to which our append-only file is on disk; none while there is no
    /// such file.
    pub fsynced_offset: Option<u64>,
    /// Why the append-only file cannot be written, in the system's words; empty if it can.
    pub aof_failure: String,
    /// Writes that were lost to a new master.
    pub lost: LostFigures,
    /// Keys loaded at the last load.
    pub last_load_keys_loaded: u64,
    /// Keys found expired at the last load.
    pub last_load_keys_expired: u64,
}

/// Writes that were lost to a new master, as far as they were kept.
#[derive(Clone, Debug, Default)]
pub struct LostFigures {
    /// Ledgers that are there.
    pub ledgers: u64,
    /// Commands kept since the start.
    pub commands: u64,
    /// Keys that they named, counted for each ledger.
    pub keys: u64,
    /// The last ledger that was written since the start; empty if none was.
    pub last_file: String,
}

impl Persistence {
    /// At the start, with nothing saved yet.
    pub fn new(now: Now) -> Persistence {
        Persistence {
            dirty: 0,
            dirty_before_fork: 0,
            last_save_unix_s: now.unix_s(),
            last_try_unix_s: 0,
            last_bgsave_ok: true,
            last_bgsave_duration_s: -1,
            last_cow_bytes: 0,
            saves: 0,
            fsynced_offset: None,
            lost: LostFigures::default(),
            aof_failure: String::new(),
            last_load_keys_loaded: 0,
            last_load_keys_expired: 0,
        }
    }
}

/// The subsystems that commands work on.
pub struct Env {
    /// The present instant. It stands still while a command or a transaction runs.
    pub now: Now,
    /// The only source of chance.
    pub rng: Rng,
    /// All databases.
    pub keyspace: Keyspace,
    /// Keys that a writable replica lets expire by itself.
    pub own_expiries: OwnExpiries,
    /// All settings.
    pub config: Settings,
    /// All users.
    pub users: Users,
    /// What was refused to them of late.
    pub acl_log: Log,
    /// The keys of a command that is asked about; kept for their allocations.
    pub acl_scratch: Scratch,
    /// The configuration file, absolute, if there is one.
    pub config_file: Option<PathBuf>,
    /// All counters.
    pub stats: Stats,
    /// Role, identity, stream, replicas.
    pub replication: Replication,
    /// The Sentinel that this server is, if it is one.
    pub sentinel: Option<Box<Sentinel>>,
    /// What the append-only file has still to be given.
    pub aof: AofFeed,
    /// What was saved and what not.
    pub persistence: Persistence,
    /// What is refused at present.
    pub gates: Gates,
    /// Propagation of the running unit.
    pub unit: Unit,
    /// Who watches which keys.
    pub watches: Watches,
    /// Values that the helper thread may free.
    pub garbage: Vec<Garbage>,
    /// Where evictions stand.
    pub eviction: Eviction,
    /// Who waits for which keys.
    pub waiters: Waiters,
    /// Who is subscribed to what.
    pub pubsub: Registry,
    /// Messages that wait for the end of the running command.
    pub outbox: Outbox,
    /// Who keeps which keys, and is to be told when these change.
    pub tracking: Tracking,
    /// Who looks at the commands that are run.
    pub observers: Observers,
    /// Scripts, and the interpreter that runs them.
    pub scripts: Scripts,
    /// Libraries of functions, and the interpreter that runs them.
    pub functions: Libraries,
    /// In what order `SORT` puts texts.
    pub collation: Collation,
    /// Changes that were made before are made again, from a file: nobody is to hear of them.
    pub is_replaying: bool,
    /// Checksums of payloads and snapshots are not compared; tests ask for that (`DEBUG`).
    pub skip_checksums: bool,
    /// Elements of lists from this size on stand alone; tests make it smaller (`DEBUG`).
    pub list_plain_from_bytes: usize,
    /// Use of keys is not recorded: a child shares the memory, and touching pages copies them.
    pub hold_access_times: bool,
    /// Measures run times; read for statistics only.
    pub clock: CycleClock,
    /// When the last command ended, by `clock`.
    pub last_command_end_ns: u64,
    /// When `now` was read, by `clock`.
    now_read_at_ns: u64,
}

impl Env {
    /// These subsystems, with nothing going on and nobody there yet, and counters for so many
    /// commands.
    pub fn new(
        now: Now,
        clock: CycleClock,
        rng: Rng,
        config: Settings,
        keyspace: Keyspace,
        replication: Replication,
        commands: usize,
    ) -> Env {
        let mut env = Env {
            now,
            rng,
            own_expiries: OwnExpiries::new(&keyspace),
            keyspace,
            users: Users::new(config.requirepass.as_deref(), [0; 32]),
            acl_log: Log::default(),
            acl_scratch: Scratch::default(),
            config,
            config_file: None,
            stats: Stats::new(commands),
            replication,
            sentinel: None,
            aof: AofFeed::default(),
            persistence: Persistence::new(now),
            gates: Gates::OPEN,
            unit: Unit::default(),
            watches: Watches::default(),
            garbage: Vec::new(),
            eviction: Eviction::default(),
            waiters: Waiters::default(),
            pubsub: Registry::default(),
            outbox: Outbox::default(),
            tracking: Tracking::default(),
            observers: Observers::default(),
            scripts: Scripts::default(),
            functions: Libraries::default(),
            collation: Collation::Bytes,
            is_replaying: false,
            skip_checksums: false,
            list_plain_from_bytes: ListLimits::PLAIN_FROM_BYTES,
            hold_access_times: false,
            clock,
            last_command_end_ns: 0,
            now_read_at_ns: clock.ns(),
        };
        env.renew_observers();
        env
    }

    /// Sets the instant that commands see.
    pub fn set_now(&mut self, now: Now) {
        self.now = now;
        self.now_read_at_ns = self.clock.ns();
    }

    /// Whether commands before this one have taken so long that another instant has come.
    #[inline]
    pub fn is_now_past(&self) -> bool {
        self.last_command_end_ns.saturating_sub(self.now_read_at_ns) >= INSTANT_NS
    }

    /// Whether an entry's time has come. Nothing expires while data is loaded.
    #[inline]
    pub fn is_due(&self, entry: Entry<'_>) -> bool {
        let due = |at| at < self.now.unix_ms() && self.gates.loading != Loading::Exclusive;
        entry.expire_at_ms().is_some_and(due)
    }

    /// Gets rid of a value; when `lazily`, the server hands it to the helper thread if that is
    /// worth it.
    pub fn discard(&mut self, removed: Option<OwnedEntry>, lazily: bool) {
        if lazily && let Some(entry) = removed {
            self.garbage.push(Garbage::Entry(entry));
        }
    }

    /// Whether memory is above the limit with nothing to evict, as of the last command of a client.
    pub fn is_out_of_room(&self) -> bool {
        self.config.maxmemory > 0 && self.eviction.is_out_of_room()
    }

    /// Bytes that do not count towards `maxmemory`: what replicas have still to be sent beyond the
    /// backlog, what the append-only file has still to be given, and what is on its way to clients
    /// that are told of a change: evicting a key is one, and would call for the next.
    pub fn memory_not_counted(&self) -> u64 {
        let log = self.replication.log_memory_bytes() as u64;
        let on_its_way = self.aof.memory() + self.outbox.memory();
        log.saturating_sub(self.config.repl_backlog_size) + on_its_way as u64
    }
}
