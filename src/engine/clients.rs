//! The set of connected clients, and what waits to be done for them.
//!
//! Clients have two names: the number of their connection in the slab, which is used again, and
//! their id, which never is. Everything outside this set that has to remember a client remembers
//! the id.
//!
//! A connection is never removed while something may still use its number: closing marks it and
//! puts it on a list that the end of the tick works off. Nor is anything written when it is said:
//! replies collect in the output of their client, the client joins `to_write`, and the write phase
//! at the end of the tick sends them (see the engine's head).

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use slab::Slab;

use super::batch::Batch;
use super::client_memory::sum::{ClientMemory, Noted};
use super::conn::Conn;
use super::output::BufferPool;
use super::peak::RecentPeak;
use super::reply_room::{self, Fitting};
use super::world::{Accepted, Interest, Network, Socket, Wake};
use crate::commands::env::Env;
use crate::commands::monitor;
use crate::commands::pubsub::{self, outbox::Message};
use crate::commands::session::{ClientInfo, Kind, ReplyMode, Session};
use crate::commands::transaction;
use crate::config::OutputLimit;
use crate::resp::writer::Reply;

/// See the module's head.
pub struct Clients<S> {
    conns: Slab<Conn<S>>,
    /// Where each client id is in `conns`.
    by_id: HashMap<u64, usize>,
    next_id: u64,
    /// Connections with something to write this tick.
    pub to_write: Vec<usize>,
    /// Connections to be continued in the next tick without an event.
    pub to_continue: Vec<usize>,
    /// Connections whose commands waited and are done.
    pub to_resume: Vec<usize>,
    /// Connections that are over and still known to others.
    to_close: Vec<usize>,
    /// Connections that nobody knows any more, to be removed at the end of the tick.
    to_remove: Vec<usize>,
    /// Clients whose commands wait for the end of a pause, the first one first.
    held: Vec<u64>,
    /// Commands parsed ahead; lent out while they run. It is large, so what moves is a pointer.
    pub(super) batch: Option<Box<Batch>>,
    /// Output buffers.
    pub pool: BufferPool,
    /// How the clients' rooms for replies are fitted.
    pub fitting: Fitting,
    /// What clients take together, if that is limited.
    pub(super) memory: ClientMemory,
    /// What they took when each was last looked at.
    pub(super) noted: Noted,
    /// The most memory that a connection had for its input of late.
    pub input_peak: RecentPeak,
    /// The most bytes of output that waited on a connection of late.
    pub output_peak: RecentPeak,
}

impl<S> Index<usize> for Clients<S> {
    type Output = Conn<S>;

    #[inline]
    fn index(&self, key: usize) -> &Conn<S> {
        &self.conns[key]
    }
}

impl<S> IndexMut<usize> for Clients<S> {
    #[inline]
    fn index_mut(&mut self, key: usize) -> &mut Conn<S> {
        &mut self.conns[key]
    }
}

impl<S: Socket> Clients<S> {
    /// Nobody; ids begin with this one.
    pub fn new(first_id: u64) -> Clients<S> {
        Clients {
            conns: Slab::new(),
            by_id: HashMap::new(),
            next_id: first_id,
            to_write: Vec::new(),
            to_continue: Vec::new(),
            to_resume: Vec::new(),
            to_close: Vec::new(),
            to_remove: Vec::new(),
            held: Vec::new(),
            batch: Some(Box::default()),
            pool: BufferPool::default(),
            fitting: Fitting::default(),
            memory: ClientMemory::default(),
            noted: Noted::default(),
            input_peak: RecentPeak::default(),
            output_peak: RecentPeak::default(),
        }
    }

    // ---- Who is there ----

    /// How many connections there are; those that are over do not count.
    pub fn len(&self) -> usize {
        self.conns.len() - self.to_remove.len()
    }

    /// The numbers of connections are below this one.
    pub fn slots(&self) -> usize {
        self.conns.capacity()
    }

    /// The connection of a number, if there is one.
    #[inline]
    pub fn get(&self, key: usize) -> Option<&Conn<S>> {
        self.conns.get(key)
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: usize) -> Option<&mut Conn<S>> {
        self.conns.get_mut(key)
    }

    /// All connections with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Conn<S>)> {
        self.conns.iter()
    }

    /// The numbers of all connections.
    pub fn keys(&self) -> Vec<usize> {
        self.conns.iter().map(|(key, _)| key).collect()
    }

    /// The ids of all clients, the oldest first.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// A command of this client waits for the end of a pause from now on.
    pub fn note_held(&mut self, client: u64) {
        self.held.push(client);
    }

    /// How many clients wait for the end of a pause.
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// The connections that wait for the end of a pause, in the order in which they came.
    pub fn take_held(&mut self) -> Vec<usize> {
        let held = std::mem::take(&mut self.held);
        held.iter()
            .filter_map(|client| self.key_of(*client))
            .collect()
    }

    /// The connection of a client id.
    pub fn key_of(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    // ---- Coming and going ----

    /// Makes an accepted socket a client. It may have been `watched` under another name; what it
    /// has received by now is looked at in the next tick, since no event tells of it again.
    pub fn admit<W>(&mut self, accepted: Accepted<S>, watched: bool, env: &Env, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        let id = self.next_id;
        self.next_id += 1;
        let now_ms = env.now.mono_ms();
        let client = ClientInfo {
            addr: accepted.addr,
            local_addr: accepted.local_addr,
            unix_socket: accepted.unix_socket,
            is_local: accepted.is_local,
            fd: accepted.socket.descriptor(),
            created_ms: now_ms,
            ..ClientInfo::NOBODY
        };
        let session = Box::new(Session::of_client(id, client, &env.users));
        let entry = self.conns.vacant_entry();
        let key = entry.key();
        let mut conn = Conn::new(accepted.socket, session, now_ms);
        let wake = Wake::Client(key);
        let told = match watched {
            true => world.rewatch(&mut conn.socket, wake, Interest::Read),
            false => world.watch(&mut conn.socket, wake, Interest::Read),
        };
        if let Err(e) = told {
            log::warn!(
                "Error registering fd event for the new client connection: {e} (addr={} laddr={})",
                conn.session().client().addr,
                conn.session().client().local_addr
            );
            return;
        }
        let has_more = conn.socket.has_more();
        entry.insert(conn);
        self.by_id.insert(id, key);
        if watched || has_more {
            self.to_continue.push(key);
        }
    }

    /// Marks a connection as over. Nobody hears of it any more as soon as [`Clients::forget_gone`]
    /// is called; its number stays taken until the end of the tick.
    pub fn close_now(&mut self, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if let Some(session) = conn.session.as_deref_mut() {
            session.activity.close();
        }
        self.discount(key);
        self.to_close.push(key);
    }

    /// Whether connections are over that others still know.
    #[inline]
    pub fn has_gone(&self) -> bool {
        !self.to_close.is_empty()
    }

    /// Makes everybody forget the clients whose connections are over; returns their ids. One whose
    /// command is running is forgotten when that has ended.
    pub fn forget_gone(&mut self, env: &mut Env) -> Vec<u64> {
        let mut ids = Vec::new();
        for key in std::mem::take(&mut self.to_close) {
            let Some(conn) = self.conns.get_mut(key) else {
                continue;
            };
            let Some(session) = conn.session.as_deref_mut() else {
                self.to_close.push(key);
                continue;
            };
            if self.by_id.remove(&session.id).is_none() {
                continue;
            }
            transaction::forget(env, session);
            pubsub::forget(env, session);
            monitor::forget(env, session);
            env.stop_tracking(session.id);
            env.waiters.remove(session.id);
            let id = session.id;
            self.held.retain(|client| *client != id);
            ids.push(id);
            self.to_remove.push(key);
        }
        ids
    }

    /// As [`close_now`](Self::close_now), for a client that takes too much: what it takes is freed
    /// without delay.
    pub fn drop_now(&mut self, key: usize) {
        self.close_now(key);
        if let Some(conn) = self.conns.get_mut(key) {
            conn.free_buffers();
        }
    }

    /// Removes the connections that nobody knows any more.
    pub fn remove_forgotten<W>(&mut self, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        while let Some(key) = self.to_remove.pop() {
            self.forget_memory(key);
            if let Some(conn) = self.conns.try_remove(key) {
                world.close(conn.socket);
            }
        }
    }

    // ---- Running a command of one ----

    /// Lends the session of a connection, and a reply that goes on where its output ends.
    pub fn lend(&mut self, key: usize, env: &Env) -> (Box<Session>, Reply) {
        let conn = &mut self.conns[key];
        let session = conn.session.take();
        let session = session.expect("no command of this client is running");
        let waiting = conn.output.waiting_before_buffer();
        let mut reply = Reply::with_buf(conn.output.take(&mut self.pool), session.protocol);
        reply.set_due(reply_room::MAX);
        let hard = output_limit(&session, env).hard as usize;
        if hard > 0 {
            reply.set_limit(hard.max(reply_room::MAX).saturating_sub(waiting).max(1));
        }
        (session, reply)
    }

    /// Takes back what was lent. Actions of the command (the answer to `PSYNC`) may have been
    /// queued meanwhile; they come after its replies.
    pub fn put_back(&mut self, key: usize, session: Box<Session>, mut reply: Reply) {
        let conn = &mut self.conns[key];
        conn.session = Some(session);
        conn.output.put_back(reply.take_buf());
    }

    /// Appends to the replies of a client of which no command runs, unless it wants none.
    pub fn reply(&mut self, key: usize, write: impl FnOnce(&mut Reply)) {
        let conn = &mut self.conns[key];
        let session = conn.session();
        if session.reply_mode == ReplyMode::On {
            let protocol = session.protocol;
            conn.output.reply(protocol, &mut self.pool, write);
        }
        self.queue_write(key);
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
        let pending = conn.output.pending();
        let activity = &conn.session().activity;
        if activity.is_over() || activity.is_closing() && pending == 0 {
            return self.close_now(key);
        }
        if pending == 0 {
            return conn.output.release(&mut self.pool);
        }
        let overflow = conn.output.overflow();
        self.output_peak.note(pending);
        self.queue_write(key);
        self.enforce_output_limit(key, overflow, env);
    }

    // ---- What goes out ----

    /// Queues a connection for the write phase of this tick, unless its socket is full.
    #[inline]
    pub fn queue_write(&mut self, key: usize) {
        let conn = &mut self.conns[key];
        if !conn.queued && !conn.wants_writable {
            conn.queued = true;
            self.to_write.push(key);
        }
    }

    /// The socket of a connection takes bytes again: it has its turn in the write phase.
    pub fn on_writable(&mut self, key: usize) {
        if let Some(conn) = self.conns.get_mut(key)
            && conn.wants_writable
            && !conn.queued
        {
            conn.queued = true;
            self.to_write.push(key);
        }
    }

    /// Queues a connection that has more to write for the next tick, without an event.
    pub fn continue_writing<W>(&mut self, key: usize, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        self.wait_writable(key, false, world);
        self.queue_write(key);
    }

    /// Starts or stops to wait for a socket to take more.
    pub fn wait_writable<W>(&mut self, key: usize, wanted: bool, world: &mut W)
    where
        W: Network<Socket = S>,
    {
        let conn = &mut self.conns[key];
        if conn.wants_writable == wanted {
            return;
        }
        conn.wants_writable = wanted;
        let interest = match wanted {
            true => Interest::ReadWrite,
            false => Interest::Read,
        };
        if let Err(e) = world.rewatch(&mut conn.socket, Wake::Client(key), interest) {
            log::warn!("Cannot watch a connection: {e}");
            self.close_now(key);
        }
    }

    /// Writes the output of a connection; returns whether any of it went.
    pub fn flush<W>(&mut self, key: usize, env: &mut Env, world: &mut W) -> bool
    where
        W: Network<Socket = S>,
    {
        let Some(conn) = self.conns.get_mut(key) else {
            return false;
        };
        let before = conn.output.pending();
        let result = conn.output.flush(&mut conn.socket, &mut self.pool);
        env.stats.total_writes += 1;
        let written = (before - conn.output.pending()) as u64;
        conn.bytes_out += written;
        match conn.replica {
            Some(_) => env.stats.net_repl_output_bytes += written,
            None => env.stats.net_output_bytes += written,
        }
        match result {
            Ok(true) => {}
            Ok(false) => {
                self.recount(key, env);
                self.wait_writable(key, true, world);
            }
            Err(e) => {
                log::debug!("Error writing to client: {e}");
                self.close_now(key);
            }
        }
        written > 0
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
        if let Some(client) = self.conns[key].replica {
            env.replication.note_over_limit(client, env.now);
        }
        env.stats.output_buffer_limit_disconnections += 1;
        self.drop_now(key);
    }

    /// Hands out the messages that wait. Those to the client whose command has just run go behind
    /// its reply; those to a client that is to be closed go nowhere.
    pub fn deliver_messages(&mut self, env: &mut Env, mut current: Option<(&Session, &mut Reply)>) {
        if env.outbox.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut env.outbox);
        outbox.drain(|to, message| {
            let (to, message) = match message {
                Message::Invalidation { tracker, .. }
                    if tracker != to && self.key_of(to).is_none() =>
                {
                    env.redirection_is_broken(tracker);
                    (tracker, Message::RedirectionBroken(to))
                }
                _ => (to, message),
            };
            if let Some((session, reply)) = &mut current
                && session.id == to
            {
                return message.write(reply, session.subscriptions.is_some());
            }
            let Some(key) = self.key_of(to) else { return };
            let conn = &mut self.conns[key];
            if conn.session().activity.is_closing() {
                return;
            }
            let protocol = conn.session().protocol;
            let subscribed = conn.session().subscriptions.is_some();
            let output = &mut conn.output;
            match message.shared() {
                None => output.reply(protocol, &mut self.pool, |reply| {
                    message.write(reply, subscribed);
                }),
                Some(rest) => {
                    output.append(Message::first_byte(protocol));
                    output.append_shared(rest);
                }
            }
            let overflow = conn.output.overflow();
            self.queue_write(key);
            self.enforce_output_limit(key, overflow, env);
            self.recount(key, env);
        });
        env.outbox = outbox;
        if let Some((_, reply)) = current
            && self.must_evict(env)
        {
            reply.set_due(0);
        }
    }
}

/// What may wait for somebody who has not logged in.
const STRANGERS_LIMIT: OutputLimit = OutputLimit {
    hard: 256 << 10,
    soft: 0,
    soft_seconds: 0,
};

/// How much output of a client may wait.
pub fn output_limit(session: &Session, env: &Env) -> OutputLimit {
    if session.needs_login(&env.users) {
        return STRANGERS_LIMIT;
    }
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
