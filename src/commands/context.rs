//! What a running command may touch, and how it reports what it did.
//!
//! [`Env`] wires the subsystems that commands work on; the server owns it and lends it out.
//! [`Ctx`] adds the client, its reply and the [`Host`]. A command reports a change with
//! [`Ctx::changed`]; by that alone its own words go to the backlog and to replicas. A command
//! whose words would not give the same result elsewhere (a relative expiry, a random choice)
//! says what to send instead with [`Ctx::propagate_instead`]; see [`super::unit`].

use std::path::PathBuf;

use super::blocking::Waiters;
use super::error::CmdError;
use super::events::Class;
use super::eviction::Eviction;
use super::host::{Garbage, Host, PauseMode};
pub use super::lookup::Access;
use super::own_expiries::OwnExpiries;
use super::pubsub::outbox::Outbox;
use super::pubsub::registry::Registry;
use super::session::Session;
use super::stats::Stats;
use super::table::CommandTable;
use super::unit::Unit;
use super::watch::Watches;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::Settings;
use crate::data::hash::{Hash, HashRef};
use crate::data::list::{List, ListLimits, ListRef};
use crate::data::set::{Set, SetRef};
use crate::data::stream::Stream;
use crate::data::zset::{ZSet, ZSetRef};
use crate::keyspace::{Collection, Db, Edit, Entry, Keyspace, OwnedEntry, Type};
use crate::replication::Replication;
use crate::resp::writer::Reply;
use crate::sys::clock::CycleClock;
use crate::sys::collation::Collation;

/// Time is told by the millisecond, so what takes less is no time at all.
const INSTANT_NS: u64 = 1_000_000;

/// What a handler returns: done and replied, or why not.
pub type CmdResult = Result<(), CmdError>;

/// Whether a data set is being loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loading {
    /// No.
    No,
    /// Yes, and nothing can be served.
    Exclusive,
    /// Yes, into a second keyspace, while the old one is served.
    Aside,
}

/// Conditions under which some commands are refused. The server keeps them true; the dispatcher
/// looks at them one by one only when [`Gates::all_open`] is false.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gates {
    /// This server is a replica.
    pub replica: bool,
    /// It takes writes from its master only.
    pub read_only: bool,
    /// Its link is down and it must not serve stale data.
    pub stale: bool,
    /// Fewer good replicas than writes require.
    pub replicas_missing: bool,
    /// The last snapshot failed and writes must stop.
    pub snapshots_fail: bool,
    /// `CLIENT PAUSE`, or a shutdown that waits for replicas, holds commands back: nothing changes.
    pub pause: Option<PauseMode>,
    /// A load is running.
    pub loading: Loading,
}

impl Gates {
    /// Nothing is refused.
    pub const OPEN: Gates = Gates {
        replica: false,
        read_only: false,
        stale: false,
        replicas_missing: false,
        snapshots_fail: false,
        pause: None,
        loading: Loading::No,
    };

    /// Whether nothing is refused.
    #[inline]
    pub fn all_open(&self) -> bool {
        *self == Gates::OPEN
    }
}

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
    /// Keys loaded at the last load.
    pub last_load_keys_loaded: u64,
    /// Keys found expired at the last load.
    pub last_load_keys_expired: u64,
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
    /// The configuration file, absolute, if there is one.
    pub config_file: Option<PathBuf>,
    /// All counters.
    pub stats: Stats,
    /// Role, identity, stream, replicas.
    pub replication: Replication,
    /// What was saved and what not.
    pub persistence: Persistence,
    /// What is refused at present.
    pub gates: Gates,
    /// All commands.
    pub table: &'static CommandTable,
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
    /// In what order `SORT` puts texts.
    pub collation: Collation,
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
    /// These subsystems, with nothing going on and nobody there yet.
    pub fn new(
        now: Now,
        clock: CycleClock,
        rng: Rng,
        config: Settings,
        keyspace: Keyspace,
        replication: Replication,
        table: &'static CommandTable,
    ) -> Env {
        Env {
            now,
            rng,
            own_expiries: OwnExpiries::new(&keyspace),
            keyspace,
            config,
            config_file: None,
            stats: Stats::new(table.counted()),
            replication,
            persistence: Persistence::new(now),
            gates: Gates::OPEN,
            table,
            unit: Unit::default(),
            watches: Watches::default(),
            garbage: Vec::new(),
            eviction: Eviction::default(),
            waiters: Waiters::default(),
            pubsub: Registry::default(),
            outbox: Outbox::default(),
            collation: Collation::Bytes,
            skip_checksums: false,
            list_plain_from_bytes: ListLimits::PLAIN_FROM_BYTES,
            hold_access_times: false,
            clock,
            last_command_end_ns: 0,
            now_read_at_ns: clock.ns(),
        }
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

    /// Deletes a key whose time has come and tells replicas.
    pub fn expire_key(&mut self, db: usize, key: &[u8]) {
        let removed = self.keyspace.db_mut(db).remove(key);
        self.on_expired(db, key);
        self.discard(removed, self.config.lazyfree_lazy_expire);
    }

    /// Gets rid of a value; when `lazily`, the server hands it to the helper thread if that is
    /// worth it.
    pub fn discard(&mut self, removed: Option<OwnedEntry>, lazily: bool) {
        if lazily && let Some(entry) = removed {
            self.garbage.push(Garbage::Entry(entry));
        }
    }

    /// Bytes that do not count towards `maxmemory`: what replicas have still to be sent beyond the
    /// backlog.
    pub fn memory_not_counted(&self) -> u64 {
        let log = self.replication.log_memory_bytes() as u64;
        log.saturating_sub(self.config.repl_backlog_size)
    }
}

/// A running command's view of everything.
pub struct Ctx<'a> {
    /// The subsystems.
    pub env: &'a mut Env,
    /// In whose name and in which database it runs.
    pub session: &'a mut Session,
    /// Its reply.
    pub reply: &'a mut Reply,
    /// The server.
    pub host: &'a mut dyn Host,
}

impl Ctx<'_> {
    /// The client's database.
    #[inline]
    pub fn db(&mut self) -> &mut Db {
        self.env.keyspace.db_mut(self.session.db)
    }

    /// Looks a list up.
    #[inline]
    pub fn list(&mut self, key: &[u8], access: Access) -> Result<Option<ListRef<'_>>, CmdError> {
        self.env.collection::<List>(self.session, key, access)
    }

    /// Looks a set up.
    #[inline]
    pub fn set(&mut self, key: &[u8], access: Access) -> Result<Option<SetRef<'_>>, CmdError> {
        self.env.collection::<Set>(self.session, key, access)
    }

    /// Looks a sorted set up.
    #[inline]
    pub fn zset(&mut self, key: &[u8], access: Access) -> Result<Option<ZSetRef<'_>>, CmdError> {
        self.env.collection::<ZSet>(self.session, key, access)
    }

    /// Looks a hash up.
    #[inline]
    pub fn hash(&mut self, key: &[u8], access: Access) -> Result<Option<HashRef<'_>>, CmdError> {
        self.env.collection::<Hash>(self.session, key, access)
    }

    /// Looks a stream up.
    #[inline]
    pub fn stream(&mut self, key: &[u8], access: Access) -> Result<Option<&Stream>, CmdError> {
        self.env
            .collection::<Box<Stream>>(self.session, key, access)
    }

    /// Takes a collection to change it, see [`Env::edit`].
    #[inline]
    pub fn edit<'a, T: Collection>(
        &'a mut self,
        key: &'a [u8],
    ) -> Result<Option<Edit<'a, T>>, CmdError> {
        self.env.edit(self.session, key)
    }

    /// Takes a collection to change it, a new one if there is none.
    #[inline]
    pub fn edit_or_new<'a, T: Collection>(
        &'a mut self,
        key: &'a [u8],
    ) -> Result<Edit<'a, T>, CmdError> {
        self.env.edit_or_new(self.session, key)
    }

    /// Before a key gets a new value: a large collection under it goes to the helper thread, where
    /// `lazyfree-lazy-server-del` asks for that.
    #[inline]
    pub fn clear_for_overwrite(&mut self, key: &[u8]) {
        if self.env.config.lazyfree_lazy_server_del {
            let db = self.db();
            let is_large = |entry: Entry<'_>| entry.type_() != Type::String;
            let removed = db.get(key).is_some_and(is_large).then(|| db.remove(key));
            self.env.discard(removed.flatten(), true);
        }
    }

    /// Deletes the key that a result was meant for, since there is nothing in it.
    pub fn store_nothing(&mut self, key: &[u8]) {
        if let Some(removed) = self.db().remove(key) {
            let lazily = self.env.config.lazyfree_lazy_server_del;
            self.env.discard(Some(removed), lazily);
            self.wrote(Class::GENERIC, "del", key);
        }
    }

    /// Milliseconds since the epoch at this tick.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.env.now.unix_ms()
    }

    /// Reports `n` changes to the data set: they count towards save points, and the command is
    /// propagated. (That it changed something stands in the unit as well, since a save within the
    /// command takes the count back to nothing.)
    #[inline]
    pub fn changed(&mut self, n: u64) {
        self.env.persistence.dirty += n;
        if n > 0 {
            self.env.unit.note_change();
        }
    }

    /// Whether the client may be left without a reply for now. Who runs a command within another
    /// waits for the reply, and so does our master, and a file that is replayed.
    pub fn may_block(&self) -> bool {
        !self.env.unit.is_nested() && !self.session.must_be_obeyed()
    }
}
