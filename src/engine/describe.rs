//! Clients described, as `CLIENT LIST` and the log show them.

use std::fmt::Write as _;

use super::clients::Clients;
use super::conn::Conn;
use super::world::Socket;
use crate::commands::env::Env;
use crate::commands::host::ClientFilter;
use crate::commands::pubsub::registry::TopicKind;
use crate::commands::session::{Kind, Session};
use crate::replication::log::BLOCK_BYTES;
use crate::resp::writer::Protocol;

/// What is shown as one block of a list of replies.
const REPLY_BLOCK_BYTES: usize = 16 * 1024;

/// What is shown of a connection that its session does not know.
#[derive(Default)]
struct Connection {
    memory: Memory,
    /// Bytes of the replication log that are kept for it.
    from_log: usize,
    last_interaction_ms: u64,
    /// Whether we wait for its socket to take more.
    wants_writable: bool,
}

/// Memory of a connection, as its line shows it.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// Bytes received and not parsed yet.
    input: usize,
    /// Room for more of them.
    spare: usize,
    /// Arguments of an incomplete command that are there.
    args: usize,
    /// Bytes to be written that count towards no limit.
    output: usize,
    /// Bytes to be written that do.
    overflow: usize,
    /// How many of them may count towards no limit.
    room: usize,
    /// The most of that which was in use of late.
    room_peak: usize,
    /// All of it.
    total: usize,
}

impl Memory {
    fn of<S>(conn: &Conn<S>) -> Memory {
        let (buffer, held) = (&conn.input.buffer, conn.input.parser.held());
        Memory {
            input: buffer.len() - conn.input.parsed() + held.arrived,
            spare: buffer.capacity() - buffer.len() + held.room,
            args: conn.input.parsed() + held.big_arguments + held.spans + conn.input.queued_bytes(),
            output: conn.output.pending() - conn.output.overflow(),
            overflow: conn.output.overflow(),
            room: conn.output.room.bytes(),
            room_peak: conn.output.room.peak(),
            total: conn.memory(),
        }
    }
}

impl<S: Socket> Clients<S> {
    /// The ids to look at: those that were asked for, in that order, or all by age.
    pub fn ids_in_order(&self, filter: &ClientFilter) -> Vec<u64> {
        match &filter.ids {
            Some(ids) => ids.clone(),
            None => self.ids(),
        }
    }

    /// The line of `CLIENT LIST` for a connection.
    pub fn describe(&self, key: usize, env: &Env) -> String {
        match self[key].session.as_deref() {
            Some(session) => self.describe_lent(key, session, env),
            None => String::new(),
        }
    }

    /// The same for a connection whose session is lent out.
    pub fn describe_lent(&self, key: usize, session: &Session, env: &Env) -> String {
        let conn = &self[key];
        let from_log = conn
            .replica
            .map(|id| env.replication.replica_memory_bytes(id));
        let connection = Connection {
            memory: Memory::of(conn),
            from_log: from_log.unwrap_or_default(),
            last_interaction_ms: conn.last_interaction_ms,
            wants_writable: conn.wants_writable,
        };
        line_of(session, &connection, env)
    }
}

/// The line of `CLIENT LIST` for our master, whose connection is none of the clients'.
pub fn describe_master(session: &Session, last_interaction_ms: u64, env: &Env) -> String {
    let connection = Connection {
        last_interaction_ms,
        ..Connection::default()
    };
    line_of(session, &connection, env)
}

fn line_of(s: &Session, connection: &Connection, env: &Env) -> String {
    let age = |since: u64| env.now.mono_ms().saturating_sub(since) / 1000;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let client = s.client();
    let &Connection {
        memory:
            Memory {
                input,
                spare,
                args,
                output,
                overflow,
                room,
                room_peak,
                total,
            },
        from_log,
        last_interaction_ms,
        wants_writable,
    } = connection;
    let own = s.subscriptions.as_deref();
    let count = |kind| own.map_or(0, |own| own.count(kind));
    let mut line = String::with_capacity(320);
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} \
         ssub={} multi={} qbuf={input} qbuf-free={spare} argv-mem={} multi-mem={} rbs={room} \
         rbp={room_peak} obl={output} oll={} omem={} tot-mem={} events={} cmd={} user={} redir={} \
         resp={} lib-name={} lib-ver={}",
        s.id,
        client.addr,
        client.local_addr,
        client.fd,
        text(&client.name),
        age(client.created_ms),
        age(last_interaction_ms),
        flags_of(s, env),
        s.db,
        count(TopicKind::Channel),
        count(TopicKind::Pattern),
        count(TopicKind::Shard),
        s.transaction
            .as_ref()
            .map_or(-1, |t| t.commands().len() as i64),
        args + s.activity.held_bytes(),
        s.transaction.as_ref().map_or(0, |t| t.argv_bytes()),
        overflow.div_ceil(REPLY_BLOCK_BYTES) + from_log.div_ceil(BLOCK_BYTES),
        overflow + from_log,
        total + env.watches.memory(s.id) + env.tracking.memory(s.id) + from_log,
        if wants_writable { "rw" } else { "r" },
        s.last_command,
        match s.kind {
            Kind::Master => "(superuser)".to_owned(),
            _ => text(s.user.name()),
        },
        env.tracking.redirection(s.id),
        match s.protocol {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        },
        text(&client.lib_name),
        text(&client.lib_version),
    );
    line
}

/// The letters of a session's `flags`.
fn flags_of(s: &Session, env: &Env) -> String {
    let mut flags = String::new();
    match s.kind {
        Kind::Replica => flags.push('S'),
        Kind::Monitor => flags.push('O'),
        Kind::Master => flags.push('M'),
        Kind::Normal | Kind::Internal => {}
    }
    let tracker = env.tracking.of(s.id);
    for (on, letter) in [
        (s.subscriptions.is_some(), 'P'),
        (s.transaction.is_some(), 'x'),
        (s.activity.is_waiting(), 'b'),
        (tracker.is_some(), 't'),
        (tracker.is_some_and(|t| t.redirect_is_broken), 'R'),
        (tracker.is_some_and(|t| t.options.broadcast), 'B'),
        (env.watches.is_dirty(s.id), 'd'),
        (s.activity.is_closing() && !s.activity.is_over(), 'c'),
        (s.activity.is_over(), 'A'),
        (s.client().unix_socket, 'U'),
        (s.client().no_evict, 'e'),
        (s.no_touch, 'T'),
    ] {
        if on {
            flags.push(letter);
        }
    }
    if flags.is_empty() {
        "N".to_owned()
    } else {
        flags
    }
}
