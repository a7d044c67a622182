//! What a handler gets: [`Ctx`].
//!
//! It is the [`Env`], in whose name the command runs, its reply, the table of all commands and the
//! [`Host`]; and, since most commands begin with that, the lookup of a key of each type. How a
//! handler says what it did is in [`super::report`].

use super::env::Env;
use super::error::CmdError;
use super::host::Host;
pub use super::lookup::Access;
use super::session::Session;
use super::table;
use crate::data::hash::{Hash, HashRef};
use crate::data::list::{List, ListRef};
use crate::data::set::{Set, SetRef};
use crate::data::stream::Stream;
use crate::data::zset::{ZSet, ZSetRef};
use crate::keyspace::{Collection, Db, Edit, Entry, Type};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// What a handler returns: done and replied, or why not.
pub type CmdResult = Result<(), CmdError>;

/// Runs a command: computes, changes the keyspace, replies once.
pub type Handler = fn(&mut Ctx<'_>, &mut Args<'_>) -> CmdResult;

/// A command with its handler.
pub type Command = table::Command<Handler>;

/// All commands with their handlers.
pub type CommandTable = table::CommandTable<Handler>;

/// A running command's view of everything.
pub struct Ctx<'a> {
    /// The subsystems.
    pub env: &'a mut Env,
    /// In whose name and in which database it runs.
    pub session: &'a mut Session,
    /// Its reply.
    pub reply: &'a mut Reply,
    /// All commands.
    pub table: &'static CommandTable,
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

    /// Whether the client may be left without a reply for now. Who runs a command within another
    /// waits for the reply, and so does our master, and a file that is replayed.
    pub fn may_block(&self) -> bool {
        !self.env.unit.is_nested() && !self.session.must_be_obeyed()
    }
}
