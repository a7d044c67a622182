//! What a running command may touch, and how it reports what it did.
//!
//! [`Env`] wires the subsystems that commands work on; the server owns it and lends it out.
//! [`Ctx`] adds the client, its reply and the [`Host`]. A command reports a change with
//! [`Ctx::changed`]; by that alone its own words go to the backlog and to replicas. A command
//! whose words would not give the same result elsewhere (a relative expiry, a random choice)
//! says what to send instead with [`Ctx::propagate_instead`].
//!
//! **Execution unit.** What one command causes (the deletion of a key found expired, then the
//! write itself) must reach replicas whole. It is collected in [`Unit`] and leaves in one go:
//! alone as it is, several wrapped in `MULTI` and `EXEC`.

use std::path::PathBuf;

use super::error::CmdError;
use super::eviction::Eviction;
use super::host::{Garbage, Host};
pub use super::lookup::Access;
use super::pubsub::outbox::Outbox;
use super::pubsub::registry::Registry;
use super::session::Session;
use super::stats::Stats;
use super::table::CommandTable;
use super::watch::Watches;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::Settings;
use crate::data::hash::{Hash, HashRef};
use crate::data::list::{List, ListRef};
use crate::data::set::{Set, SetRef};
use crate::data::stream::Stream;
use crate::data::zset::{ZSet, ZSetRef};

use crate::keyspace::{Collection, Db, Edit, Entry, Keyspace, OwnedEntry, Type};
use crate::replication::Replication;
use crate::resp::args::{Args, encode_command};
use crate::resp::writer::Reply;
use crate::sys::clock::CycleClock;

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

/// What goes to replicas when the running unit ends.
#[derive(Debug, Default)]
pub struct Unit {
    /// Encoded commands, one behind the other.
    bytes: Vec<u8>,
    /// The database and the end in `bytes` of each.
    ops: Vec<(usize, usize)>,
    /// Whether the running command's own words are left out.
    instead: bool,
    /// Whether the running command is part of a transaction, which ends the unit.
    nested: bool,
}

impl Unit {
    /// Begins to collect what the commands of a transaction cause.
    pub fn nest(&mut self) {
        assert!(!self.nested, "transactions do not contain transactions");
        self.nested = true;
    }

    /// Ends that. The command that ran them is not to be propagated itself.
    pub fn unnest(&mut self) {
        self.nested = false;
        self.instead = true;
    }

    /// Whether the running command is part of a transaction.
    #[inline]
    pub fn is_nested(&self) -> bool {
        self.nested
    }
}

/// The subsystems that commands work on.
pub struct Env {
    /// The instant of this tick.
    pub now: Now,
    /// The only source of chance.
    pub rng: Rng,
    /// All databases.
    pub keyspace: Keyspace,
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
    /// Who is subscribed to what.
    pub pubsub: Registry,
    /// Messages that wait for the end of the running command.
    pub outbox: Outbox,
    /// Use of keys is not recorded: a child shares the memory, and touching pages copies them.
    pub hold_access_times: bool,
    /// Measures run times; read for statistics only.
    pub clock: CycleClock,
    /// When the last command ended, by `clock`.
    pub last_command_end_ns: u64,
}

impl Env {
    /// Adds a command to the unit that is running.
    pub fn propagate(&mut self, db: usize, words: &[&[u8]]) {
        if !self.streams_writes() {
            return;
        }
        encode_command(words, &mut self.unit.bytes);
        self.unit.ops.push((db, self.unit.bytes.len()));
    }

    /// Whether writes made here go to anybody.
    #[inline]
    pub fn streams_writes(&self) -> bool {
        self.replication.wants_feed()
    }

    /// Ends an execution unit: what it collected goes to the backlog and thereby to every
    /// replica, as one.
    #[inline]
    pub fn end_unit(&mut self) {
        match self.unit.ops.len() {
            0 => self.unit.instead = false,
            1 => self.end_unit_in_parts(),
            _ => self.end_unit_as_transaction(),
        }
    }

    fn end_unit_as_transaction(&mut self) {
        // The transaction itself is in no database; `SELECT`, where needed, stands inside.
        self.replication.feed(None, b"*1\r\n$5\r\nMULTI\r\n");
        self.end_unit_in_parts();
        self.replication.feed(None, b"*1\r\n$4\r\nEXEC\r\n");
    }

    /// Ends an execution unit whose commands have nothing to do with each other: deletions of
    /// keys that were met by the way.
    pub(super) fn end_unit_in_parts(&mut self) {
        self.unit.instead = false;
        let mut start = 0;
        for (db, end) in &self.unit.ops {
            self.replication
                .feed(Some(*db as u32), &self.unit.bytes[start..*end]);
            start = *end;
        }
        self.unit.bytes.clear();
        self.unit.ops.clear();
    }

    /// Ends a command within a transaction. If it changed something, its own words go last, unless
    /// it said otherwise.
    pub(super) fn end_nested_command(&mut self, db: usize, args: &Args<'_>, changed: bool) {
        let instead = std::mem::replace(&mut self.unit.instead, false);
        if changed && !instead && self.streams_writes() {
            args.encode(&mut self.unit.bytes);
            self.unit.ops.push((db, self.unit.bytes.len()));
        }
    }

    /// Ends the unit of a command that changed something: its own words go last, unless it said
    /// otherwise.
    pub(super) fn end_command_unit(&mut self, db: usize, args: &Args<'_>) {
        if self.unit.instead || !self.streams_writes() {
            return self.end_unit();
        }
        match args.raw() {
            Some(raw) if self.unit.ops.is_empty() => self.replication.feed(Some(db as u32), raw),
            _ => {
                args.encode(&mut self.unit.bytes);
                self.unit.ops.push((db, self.unit.bytes.len()));
                self.end_unit();
            }
        }
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

    /// Tells replicas that a key was deleted by the server itself.
    pub fn propagate_deletion(&mut self, db: usize, key: &[u8], lazily: bool) {
        let verb: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
        self.propagate(db, &[verb, key]);
    }
}

/// A running command's view of everything.
pub struct Ctx<'a> {
    /// The subsystems.
    pub env: &'a mut Env,
    /// The client.
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

    /// Milliseconds since the epoch at this tick.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.env.now.unix_ms()
    }

    /// Reports `n` changes to the data set: they count towards save points, and the command goes
    /// to replicas.
    #[inline]
    pub fn changed(&mut self, n: u64) {
        self.env.persistence.dirty += n;
    }

    /// Sends these words to replicas in place of the command's own. May be called several times.
    pub fn propagate_instead(&mut self, words: &[&[u8]]) {
        self.env.unit.instead = true;
        self.env.propagate(self.session.db, words);
    }
}
