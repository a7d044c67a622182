//! What a command may know and change of the client that sent it.
//!
//! A session is the client without its socket and buffers: those belong to the server, which
//! lends the session out while a command runs. Every field here shows in `CLIENT LIST` or decides
//! what a command does.

use super::activity::Activity;
use super::pubsub::registry::Subscriptions;
use super::transaction::Transaction;
use crate::resp::writer::Protocol;

/// What kind of peer is at the other end; it decides the output buffer limit class and who may
/// write on a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An ordinary client.
    Normal,
    /// A replica of ours, from its `PSYNC` or `SYNC` on.
    Replica,
    /// Our master: its commands are obeyed and not answered.
    Master,
    /// Nobody: commands replayed by the server itself.
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

/// A client as commands see it.
#[derive(Debug)]
pub struct Session {
    /// A number never used twice in the life of the process.
    pub id: u64,
    /// The selected database.
    pub db: usize,
    /// Which protocol its replies use.
    pub protocol: Protocol,
    /// What it is.
    pub kind: Kind,
    /// Whether it passed authentication, or none was needed when it connected.
    pub authenticated: bool,
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_version: Vec<u8>,
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
    /// When it last sent a command, in milliseconds of the monotonic clock.
    pub last_interaction_ms: u64,
    /// The full name of its last command, for `CLIENT LIST`.
    pub last_command: &'static str,
    /// What is done with replies.
    pub reply_mode: ReplyMode,
    /// `CLIENT NO-EVICT`.
    pub no_evict: bool,
    /// `CLIENT NO-TOUCH`: its reads do not count as use of a key.
    pub no_touch: bool,
    /// Commands run.
    pub commands_run: u64,
    /// The transaction that was begun.
    pub transaction: Option<Box<Transaction>>,
    /// What it is subscribed to; never empty.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// What it is doing.
    pub activity: Activity,
}

impl Session {
    /// A session for a peer of a kind, with nothing set.
    pub fn new(id: u64, kind: Kind) -> Session {
        Session {
            id,
            db: 0,
            protocol: Protocol::Resp2,
            kind,
            authenticated: true,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            addr: String::new(),
            local_addr: String::new(),
            unix_socket: false,
            is_local: true,
            fd: -1,
            created_ms: 0,
            last_interaction_ms: 0,
            last_command: "NULL",
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            commands_run: 0,
            transaction: None,
            subscriptions: None,
            activity: Activity::Ready,
        }
    }

    /// Whether its commands run whatever the gates say: our master's, and replayed ones.
    pub fn must_be_obeyed(&self) -> bool {
        matches!(self.kind, Kind::Master | Kind::Internal)
    }

    /// Whether nothing but the gates can refuse its commands.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.transaction.is_none() && self.subscriptions.is_none() && self.kind != Kind::Replica
    }

    /// Whether silence of it means that nobody is there: it is no peer of ours, and waits for
    /// nothing.
    pub fn may_be_idle(&self) -> bool {
        let waits = self.activity.is_waiting() || self.subscriptions.is_some();
        self.kind == Kind::Normal && !waits
    }

    /// Memory held for what it waits for and listens to.
    pub fn memory(&self) -> usize {
        size_of::<Session>()
            + self.transaction.as_ref().map_or(0, |t| t.memory())
            + self.subscriptions.as_ref().map_or(0, |s| s.memory())
            + self.activity.memory()
    }

    /// Back to the state of a fresh connection (`RESET`).
    pub fn reset(&mut self, authenticated: bool) {
        self.db = 0;
        self.protocol = Protocol::Resp2;
        self.authenticated = authenticated;
        self.name.clear();
        self.reply_mode = ReplyMode::On;
        self.no_evict = false;
        self.no_touch = false;
    }
}
