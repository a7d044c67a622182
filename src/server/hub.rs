//! Everything with a descriptor or a deadline: the poll, connections, listeners, children, the
//! link to our master.
//!
//! The hub is the half of the server that commands do not see; they reach it through
//! [`Host`](crate::commands::host::Host), whose implementation is spread over the files of this
//! folder by topic. It holds no data of users.
//!
//! A connection is never removed while something may still use its number: closing marks it and
//! puts it on a list that the end of the tick works off.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use mio::{Interest, Poll, Token};
use slab::Slab;

use super::children::Children;
use super::client_memory::ClientMemory;
use super::conn::{BufferPool, Conn};
use super::helper::Helper;
use super::io::Batch;
use super::link::MasterLink;
use super::listener::{Accepted, Listener};
use super::loading::Loader;
use super::logger::Logger;
use super::migrate::Peers;
use super::pause::Pauses;
use super::peak::RecentPeak;
use super::rates::Rates;
use super::shutdown::Shutdown;
use crate::base::time::Now;
use crate::commands::context::Env;
use crate::commands::pubsub;
use crate::commands::session::{Closing, Kind, Session};
use crate::commands::transaction;
use crate::config::{OutputLimit, Settings};
use crate::replication::Action;
use crate::resp::writer::Reply;
use crate::sys::memory::{MemoryStats, Meter};
use crate::sys::title::ProcessTitle;

/// Tokens below belong to the server itself.
const FIRST_CONN_TOKEN: usize = 1024;

/// What woke the server: every entry to the program is in this list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// A signal arrived.
    Signal,
    /// A child reports its progress.
    ChildReport,
    /// The child that writes a snapshot for replicas' sockets has data.
    ChildData,
    /// The connection to our master.
    Master,
    /// A host name was resolved.
    Resolver,
    /// A listener has connections.
    Listener(usize),
    /// A client or replica.
    Conn(usize),
}

const SIGNAL: usize = 0;
const CHILD_REPORT: usize = 1;
const CHILD_DATA: usize = 2;
const MASTER: usize = 3;
const RESOLVER: usize = 4;
const FIRST_LISTENER: usize = 16;

impl Wake {
    /// The token that stands for it.
    pub fn token(self) -> Token {
        Token(match self {
            Wake::Signal => SIGNAL,
            Wake::ChildReport => CHILD_REPORT,
            Wake::ChildData => CHILD_DATA,
            Wake::Master => MASTER,
            Wake::Resolver => RESOLVER,
            Wake::Listener(i) => FIRST_LISTENER + i,
            Wake::Conn(key) => FIRST_CONN_TOKEN + key,
        })
    }

    /// What a token stands for.
    pub fn from_token(token: Token) -> Wake {
        match token.0 {
            SIGNAL => Wake::Signal,
            CHILD_REPORT => Wake::ChildReport,
            CHILD_DATA => Wake::ChildData,
            MASTER => Wake::Master,
            RESOLVER => Wake::Resolver,
            n if n < FIRST_CONN_TOKEN => Wake::Listener(n - FIRST_LISTENER),
            n => Wake::Conn(n - FIRST_CONN_TOKEN),
        }
    }
}

/// See the module's head.
pub struct Hub {
    /// The one poll.
    pub poll: Poll,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Clients and replicas.
    pub conns: Slab<Conn>,
    /// Where each client id is in `conns`.
    pub keys_by_id: HashMap<u64, usize>,
    /// The id of the next client.
    pub next_client_id: u64,
    /// Connections with something to write this tick.
    pub to_write: Vec<usize>,
    /// Connections to be continued in the next tick without an event.
    pub to_continue: Vec<usize>,
    /// Connections whose commands waited and are done.
    pub to_resume: Vec<usize>,
    /// Connections to be removed at the end of the tick.
    pub to_close: Vec<usize>,
    /// Commands parsed ahead.
    pub batch: Batch,
    /// Output buffers.
    pub pool: BufferPool,
    /// What clients take together, if that is limited.
    pub client_memory: ClientMemory,
    /// The most memory that a connection had for its input of late.
    pub input_peak: RecentPeak,
    /// The most bytes of output that waited on a connection of late.
    pub output_peak: RecentPeak,
    /// What holds commands back.
    pub pauses: Pauses,
    /// Child processes.
    pub children: Children,
    /// Our side of the link to our master.
    pub link: MasterLink,
    /// The load that is running.
    pub loader: Option<Loader>,
    /// Connections for `MIGRATE`.
    pub peers: Peers,
    /// The helper thread.
    pub helper: Helper,
    /// The log.
    pub logger: Logger,
    /// Measured rates.
    pub rates: Rates,
    /// What is known of a shutdown that was asked for.
    pub shutdown: Shutdown,
    /// A random id of this run.
    pub run_id: String,
    /// The executable.
    pub executable: PathBuf,
    /// When the process started, in monotonic milliseconds.
    pub started_mono_ms: u64,
    /// Memory right after the start.
    pub startup_memory: usize,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    pub active_expire: bool,
    /// `DEBUG PAUSE-CRON`.
    pub cron_paused: bool,
    /// Whether some client has commands that were held back.
    pub has_held: bool,
    /// The process's place in the list of processes.
    pub title: Option<ProcessTitle>,
    /// The arguments of the process, without its name.
    pub args: Vec<Vec<u8>>,
    /// The kernel's score for killing us that we were started with, while we set another.
    pub oom_base: Option<i32>,
    /// Tells how much memory is in use.
    pub meter: Meter,
    /// The allocator's figures as of the last round of periodic work.
    pub memory: MemoryStats,
    /// Actions of the replication machines; kept for its allocation.
    pub actions: Vec<Action>,
    /// Replicas with something to read; kept for its allocation.
    pub readers: Vec<u64>,
    /// Our master's socket may have more than was read.
    pub master_waits: bool,
    /// The snapshot child's pipe may have more than was forwarded.
    pub transfer_waits: bool,
}

/// The poll token of a connection.
pub fn token_of(key: usize) -> Token {
    Wake::Conn(key).token()
}

impl Hub {
    /// A hub with nothing connected.
    ///
    /// # Errors
    ///
    /// The system gives no poll, or no thread.
    pub fn new(logger: Logger, run_id: String, settings: &Settings, now: Now) -> io::Result<Hub> {
        let poll = Poll::new()?;
        // The first id is that of the session that runs our master's stream.
        let link = MasterLink::new(poll.registry(), 1)?;
        let meter = Meter::new()?;
        Ok(Hub {
            poll,
            listeners: Vec::new(),
            conns: Slab::new(),
            keys_by_id: HashMap::new(),
            next_client_id: 2,
            to_write: Vec::new(),
            to_continue: Vec::new(),
            to_resume: Vec::new(),
            to_close: Vec::new(),
            batch: Batch::default(),
            pool: BufferPool::default(),
            client_memory: ClientMemory::default(),
            input_peak: RecentPeak::default(),
            output_peak: RecentPeak::default(),
            pauses: Pauses::default(),
            children: Children::default(),
            link,
            loader: None,
            peers: Peers::default(),
            helper: Helper::start(meter.share(), settings.bio_cpulist.clone())?,
            logger,
            rates: Rates::default(),
            shutdown: Shutdown::default(),
            run_id,
            executable: PathBuf::new(),
            started_mono_ms: now.mono_ms(),
            startup_memory: 0,
            active_expire: true,
            cron_paused: false,
            has_held: false,
            title: None,
            args: Vec::new(),
            oom_base: None,
            meter,
            memory: MemoryStats::default(),
            actions: Vec::new(),
            readers: Vec::new(),
            master_waits: false,
            transfer_waits: false,
        })
    }

    /// Makes an accepted socket a client.
    pub fn add_client(&mut self, accepted: Accepted, env: &Env) {
        let id = self.take_client_id();
        let mut session = Box::new(Session::new(id, Kind::Normal));
        let now_ms = env.now.mono_ms();
        session.authenticated = env.config.requirepass.is_none();
        session.created_ms = now_ms;
        session.last_interaction_ms = now_ms;
        session.fd = accepted.stream.fd();
        session.unix_socket = matches!(accepted.stream, super::listener::Stream::Unix(_));
        session.is_local = accepted.is_local;
        session.addr = accepted.addr;
        session.local_addr = accepted.local_addr;
        let entry = self.conns.vacant_entry();
        let key = entry.key();
        let mut conn = Conn::new(accepted.stream, session);
        let registry = self.poll.registry();
        if let Err(e) = registry.register(&mut conn.stream, token_of(key), Interest::READABLE) {
            log::warn!(
                "Error registering fd event for the new client connection: {e} (addr={} laddr={})",
                conn.session().addr,
                conn.session().local_addr
            );
            return;
        }
        entry.insert(conn);
        self.keys_by_id.insert(id, key);
    }

    /// An id that no client had before.
    pub fn take_client_id(&mut self) -> u64 {
        let id = self.next_client_id;
        self.next_client_id += 1;
        id
    }

    /// The connection of a client id.
    pub fn key_of(&self, id: u64) -> Option<usize> {
        self.keys_by_id.get(&id).copied()
    }

    /// Marks a connection as over; it is removed at the end of the tick.
    pub fn close_now(&mut self, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if let Some(session) = conn.session.as_deref_mut() {
            session.closing = Closing::Now;
        }
        self.discount(key);
        self.to_close.push(key);
    }

    /// As [`close_now`](Self::close_now), for a client that takes too much: what it takes is freed
    /// without delay.
    pub fn drop_now(&mut self, key: usize) {
        self.close_now(key);
        if let Some(conn) = self.conns.get_mut(key) {
            conn.free_buffers();
        }
    }

    /// Has a connection read again in the next tick, although no event will say so.
    pub fn continue_later(&mut self, key: usize) {
        self.to_continue.push(key);
    }

    /// What follows from the commands that a client just ran: its replies are to be written, or it
    /// is to be closed, or has more output than allowed.
    pub fn after_commands(&mut self, key: usize, env: &mut Env) {
        self.settle_output(key, env);
        self.recount(key, env);
    }

    /// Has the replies of a client written, or the client closed.
    fn settle_output(&mut self, key: usize, env: &mut Env) {
        let conn = &mut self.conns[key];
        let closing = conn.session().closing;
        if closing == Closing::Now {
            return self.close_now(key);
        }
        let pending = conn.output.pending();
        if pending == 0 {
            if closing == Closing::AfterReplies {
                return self.close_now(key);
            }
            self.pool.give(std::mem::take(&mut conn.output.buf));
            return;
        }
        let overflow = conn.output.overflow();
        self.output_peak.note(pending);
        self.queue_write(key);
        self.enforce_output_limit(key, overflow, env);
    }

    /// Drops a connection whose output waits too large or too long. Nothing of it is written any
    /// more, so that what a client sees ends with a whole reply.
    pub fn enforce_output_limit(&mut self, key: usize, pending: usize, env: &mut Env) {
        let conn = &mut self.conns[key];
        let limit = output_limit(conn.session(), env);
        if !over_limit(
            limit,
            pending,
            &mut conn.over_soft_limit_since_ms,
            env.now.mono_ms(),
        ) {
            return;
        }
        log::warn!(
            "Client {} scheduled to be closed ASAP for overcoming of output buffer limits.",
            self.describe(key, env)
        );
        env.stats.output_buffer_limit_disconnections += 1;
        self.drop_now(key);
    }

    /// Hands out the messages that wait. Those to the client whose command has just run go behind
    /// its reply; those to a client that is to be closed go nowhere.
    pub fn deliver_messages(&mut self, env: &mut Env, mut current: Option<(u64, &mut Reply)>) {
        if env.outbox.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut env.outbox);
        outbox.drain(|to, message| {
            if let Some((id, reply)) = &mut current
                && *id == to
            {
                return message.write(reply);
            }
            let Some(key) = self.key_of(to) else { return };
            let conn = &mut self.conns[key];
            if conn.session().closing != Closing::No {
                return;
            }
            let protocol = conn.session().protocol;
            let buf = match conn.output.buf.capacity() {
                0 => self.pool.take(),
                _ => std::mem::take(&mut conn.output.buf),
            };
            let mut reply = Reply::with_buf(buf, protocol);
            message.write(&mut reply);
            conn.output.buf = reply.take_buf();
            let overflow = conn.output.overflow();
            self.queue_write(key);
            self.enforce_output_limit(key, overflow, env);
            self.recount(key, env);
        });
        env.outbox = outbox;
        if let Some((_, reply)) = current
            && self.must_evict_clients(env)
        {
            reply.set_due(0);
        }
    }

    /// Removes what was closed in this tick; returns the ids of the clients among it.
    pub fn sweep(&mut self, env: &mut Env) -> Vec<u64> {
        let mut clients = Vec::new();
        while let Some(key) = self.to_close.pop() {
            self.discount(key);
            let Some(mut conn) = self.conns.try_remove(key) else {
                continue;
            };
            let _ = self.poll.registry().deregister(&mut conn.stream);
            if let Some(mut session) = conn.session.take() {
                transaction::forget(env, &mut session);
                pubsub::forget(env, &mut session);
                env.waiters.remove(session.id);
                self.keys_by_id.remove(&session.id);
                clients.push(session.id);
            }
        }
        clients
    }
}

/// How much output of a client may wait.
pub fn output_limit(session: &Session, env: &Env) -> OutputLimit {
    let limits = &env.config.client_output_buffer_limit;
    match session.kind {
        Kind::Replica => at_least(limits.replica, env.config.repl_backlog_size),
        _ if session.subscriptions.is_some() => limits.pubsub,
        _ => limits.normal,
    }
}

/// Whether so many waiting bytes break a limit; keeps the time since when the soft one is.
fn over_limit(limit: OutputLimit, pending: usize, since: &mut Option<u64>, now_ms: u64) -> bool {
    let pending = pending as u64;
    if limit.hard > 0 && pending >= limit.hard {
        return true;
    }
    if limit.soft == 0 || pending < limit.soft {
        *since = None;
        return false;
    }
    let began = *since.get_or_insert(now_ms);
    now_ms - began > limit.soft_seconds * 1000
}

/// A replica's limit. The backlog holds so much in any case, so a hard limit below it would only
/// drop replicas that cost nothing.
fn at_least(limit: OutputLimit, bytes: u64) -> OutputLimit {
    OutputLimit {
        hard: if limit.hard == 0 {
            0
        } else {
            limit.hard.max(bytes)
        },
        ..limit
    }
}
