//! The context that commands run in, and the facts of the connection behind it.
//!
//! A [`Session`] is what a command needs to know to run: in which database, in whose name, in
//! which protocol it replies, whether a transaction has begun. Everybody who runs commands has
//! one: a client, our master's stream, a script, a file that is replayed.
//!
//! A [`ClientInfo`] is what is known of the connection at whose other end somebody sits: addresses,
//! names. Nothing about it decides how a command runs, but for those that only a client from this
//! machine may send. A session of a client has one, a session of nobody has none; a handler that
//! asks for it gets the facts of nobody then ([`Session::client`]).
//!
//! Sockets, buffers and times of use belong to the server, which lends the session out while a
//! command of it runs.

use std::rc::Rc;

use super::activity::Activity;
use super::pubsub::registry::Subscriptions;
use super::transaction::queue::Transaction;
use crate::acl::{Rights, User, Users};
use crate::resp::writer::Protocol;

/// In whose name commands run. It decides the output buffer limit class, and who may write on a
/// replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An ordinary client's.
    Normal,
    /// A replica's of ours, from its `PSYNC` or `SYNC` on.
    Replica,
    /// That of a client that sees every command (`MONITOR`). It leaves keys alone, as replicas do.
    Monitor,
    /// Our master's: its commands are obeyed and not answered.
    Master,
    /// Nobody's: commands replayed by the server itself.
    Internal,
}

/// Which replies a client wants (`CLIENT REPLY`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyMode {
    /// All.
    On,
    /// None.
    Off,
    /// Not that of the command being run, which set this mode.
    SkipThis,
    /// Not that of the next command.
    SkipNext,
}

/// The facts of a connection.
#[derive(Debug)]
pub struct ClientInfo {
    /// `ip:port` of the peer, or the path of a Unix socket followed by `:0`.
    pub addr: String,
    /// `ip:port` of our end.
    pub local_addr: String,
    /// Came through a Unix socket.
    pub unix_socket: bool,
    /// Came over the loopback interface or a Unix socket.
    pub is_local: bool,
    /// The socket's descriptor, for `CLIENT LIST`.
    pub fd: i32,
    /// When it connected, in milliseconds of the monotonic clock.
    pub created_ms: u64,
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_version: Vec<u8>,
    /// `CLIENT NO-EVICT`.
    pub no_evict: bool,
}

impl ClientInfo {
    /// What there is to say of a client that does not exist: it is nowhere, and so at least not on
    /// another machine.
    pub const NOBODY: ClientInfo = ClientInfo {
        addr: String::new(),
        local_addr: String::new(),
        unix_socket: false,
        is_local: true,
        fd: -1,
        created_ms: 0,
        name: Vec::new(),
        lib_name: Vec::new(),
        lib_version: Vec::new(),
        no_evict: false,
    };
}

/// The context that commands run in; see the module's head.
#[derive(Debug)]
pub struct Session {
    /// Under which number it stands with those who keep note of who waits, watches and listens. A
    /// client's is never used twice in the life of the process; 0 is nobody's.
    pub id: u64,
    /// The selected database.
    pub db: usize,
    /// Which protocol its replies use.
    pub protocol: Protocol,
    /// In whose name its commands run.
    pub kind: Kind,
    /// As whom it is logged in, which decides what it may run.
    pub user: Rc<User>,
    /// Whether it passed authentication, or none was needed when it connected.
    pub authenticated: bool,
    /// The full name of its last command, for `CLIENT LIST`.
    pub last_command: &'static str,
    /// Where in our stream its last write ends.
    pub write_offset: u64,
    /// What is done with replies.
    pub reply_mode: ReplyMode,
    /// What it is doing.
    pub activity: Activity,
    /// Whether its commands are those of a script.
    pub in_script: bool,
    /// `CLIENT NO-TOUCH`: its reads do not count as use of a key.
    pub no_touch: bool,
    /// The transaction that was begun.
    pub transaction: Option<Box<Transaction>>,
    /// What it is subscribed to; never empty.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// The connection, if there is one.
    client: Option<Box<ClientInfo>>,
}

impl Session {
    /// A session of nobody, to run commands in somebody's name, whatever they are.
    pub fn new(id: u64, kind: Kind) -> Session {
        Session::of_user(id, kind, Rc::new(User::new(b"", Rights::all())))
    }

    /// A session of nobody, to run what a user may run.
    pub fn of_user(id: u64, kind: Kind, user: Rc<User>) -> Session {
        Session {
            id,
            db: 0,
            protocol: Protocol::Resp2,
            kind,
            user,
            authenticated: true,
            last_command: "NULL",
            write_offset: 0,
            reply_mode: ReplyMode::On,
            activity: Activity::Ready,
            in_script: false,
            no_touch: false,
            transaction: None,
            subscriptions: None,
            client: None,
        }
    }

    /// The session of a client that has connected.
    pub fn of_client(id: u64, client: ClientInfo, users: &Users) -> Session {
        Session {
            authenticated: users.is_open(),
            client: Some(Box::new(client)),
            ..Session::of_user(id, Kind::Normal, users.default_user().clone())
        }
    }

    /// Whether it has to log in before it may do anything else.
    #[inline]
    pub fn needs_login(&self, users: &Users) -> bool {
        !self.authenticated && self.kind == Kind::Normal && !users.is_open()
    }

    /// The facts of the connection; those of nobody if there is none.
    pub fn client(&self) -> &ClientInfo {
        static NOBODY: ClientInfo = ClientInfo::NOBODY;
        self.client.as_deref().unwrap_or(&NOBODY)
    }

    /// The facts of the connection, to change them, if there is one.
    pub fn client_mut(&mut self) -> Option<&mut ClientInfo> {
        self.client.as_deref_mut()
    }

    /// It has a connection from now on, or none.
    pub fn set_client(&mut self, client: Option<ClientInfo>) {
        self.client = client.map(Box::new);
    }

    /// Whether its commands run whatever the gates say: our master's, and replayed ones.
    pub fn must_be_obeyed(&self) -> bool {
        matches!(self.kind, Kind::Master | Kind::Internal)
    }

    /// Whether nothing but the gates can refuse its commands.
    #[inline]
    pub fn is_plain(&self) -> bool {
        let touches_keys = !matches!(self.kind, Kind::Replica | Kind::Monitor);
        self.transaction.is_none() && self.subscriptions.is_none() && touches_keys
    }

    /// Whether silence of it means that nobody is there: it is no peer of ours, and waits for
    /// nothing.
    pub fn may_be_idle(&self) -> bool {
        let waits = self.activity.is_waiting() || self.subscriptions.is_some();
        self.kind == Kind::Normal && !waits
    }

    /// Memory held for it, for what it waits for and listens to.
    pub fn memory(&self) -> usize {
        size_of::<Session>()
            + self.client.as_ref().map_or(0, |_| size_of::<ClientInfo>())
            + self.transaction.as_ref().map_or(0, |t| t.memory())
            + self.subscriptions.as_ref().map_or(0, |s| s.memory())
            + self.activity.memory()
    }

    /// Back to the state of a fresh connection (`RESET`).
    pub fn reset(&mut self, users: &Users) {
        self.db = 0;
        self.protocol = Protocol::Resp2;
        self.user = users.default_user().clone();
        self.authenticated = users.is_open();
        self.reply_mode = ReplyMode::On;
        self.no_touch = false;
        if let Some(client) = self.client_mut() {
            client.name.clear();
            client.no_evict = false;
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
