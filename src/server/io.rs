//! From a readable socket to executed commands, and from replies to the socket.
//!
//! **Reading.** One `read` per event into the connection's buffer; a read that does not fill it has
//! drained the socket. Commands are parsed where they lie. What is left of an incomplete one stays
//! in the buffer; the payload of a big argument is read straight into the allocation that becomes
//! the value.
//!
//! **Running.** Complete commands are taken in batches: all are looked up, and what they will need
//! is fetched into the cache (see `look_ahead`), then they run. By then the memory has arrived, and
//! the misses of a whole batch were waited for together. Between two of them nothing else is done,
//! unless the first has made a key ready that somebody waits for, or the replies have become large:
//! then that is settled before the second.
//!
//! **Fairness.** A connection has one buffer's worth of input a turn. If there may be more, it is
//! put on the list of those to be continued in the next tick.
//!
//! **Holding back.** A client that must wait (`CLIENT PAUSE`) keeps its parsed commands as
//! [`OwnedArgs`](crate::resp::args::OwnedArgs); nothing is read from it meanwhile. The same goes
//! for what stands behind a command that waits for a key, but such a client is read from.

use std::io::ErrorKind;
use std::ops::Range;

use super::Server;
use super::conn::Conn;
use super::hub::{Hub, token_of};
use super::inbuf::InputBuffer;
use super::look_ahead::look_ahead;
use crate::commands::context::{Ctx, Env};
use crate::commands::dispatch;
use crate::commands::host::PauseMode;
use crate::commands::row::Flags;
use crate::commands::session::{Closing, Kind, Session};
use crate::commands::table::Command;
use crate::commands::transaction::Scope;
use crate::resp::args::ArgRanges;
use crate::resp::parser::{Limits, Parse, Parser, Peer, ProtocolError};
use crate::resp::writer::Reply;
use crate::sys;

/// Bytes read at once into a big argument.
const BIG_READ_BYTES_MAX: usize = 1024 * 1024;
/// Commands parsed ahead, whose keys are prefetched together.
pub const BATCH_COMMANDS_MAX: usize = 16;
/// How much of the input that broke the protocol is shown in the log.
const SHOWN_INPUT_BYTES_MAX: usize = 128;

/// Commands parsed ahead; reused from batch to batch.
#[derive(Default)]
pub struct Batch {
    parsed: [Parsed; BATCH_COMMANDS_MAX],
}

/// A command in the input.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) ranges: ArgRanges,
    /// Where the command begins in the input.
    pub(super) start: usize,
    pub(super) command: Option<&'static Command>,
    /// The hash of its first key, if that was worth fetching.
    pub(super) hash: Option<u64>,
}

/// Why parsing stopped.
enum Stop {
    /// The batch is full; there may be more.
    Full,
    /// What is left is no complete command.
    Incomplete,
    /// A big argument is arriving; so many bytes of the rest are to be kept.
    Big(usize),
    /// The stream makes no sense.
    Broken(ProtocolError),
}

impl Server {
    /// Reads once from a connection and runs what came.
    pub(super) fn on_readable(&mut self, key: usize) {
        self.take_turn(key);
        let Server { env, hub, .. } = self;
        hub.recount(key, env);
        hub.evict_clients(env);
    }

    /// Reads once from a client and runs what is whole.
    fn take_turn(&mut self, key: usize) {
        let Some(conn) = self.hub.conns.get_mut(key) else {
            return;
        };
        if conn.session().closing != Closing::No {
            return;
        }
        if conn.session().wait.is_parked() {
            return self.read_ahead(key);
        }
        if !conn.input.held.is_empty() {
            conn.input.unread = true;
            return;
        }
        if conn.input.parser.big_remaining() > 0 {
            return self.read_big(key);
        }
        let fd = conn.stream.fd();
        let mut data = conn.input.buffer.lend();
        let room = InputBuffer::room(&data);
        let result = sys::read::read_append(fd, &mut data, room);
        conn.input.buffer.note_read(&data);
        let rest = if self.count_read(key, result, room) {
            self.run_input(key, &data)
        } else {
            0..data.len()
        };
        self.take_buffer_back(key, data, rest);
    }

    /// Reads what a client sends that waits: not to run it, but to see whether it is still there.
    fn read_ahead(&mut self, key: usize) {
        let conn = &mut self.hub.conns[key];
        if conn.input.parser.big_remaining() > 0 {
            return self.read_big(key);
        }
        let fd = conn.stream.fd();
        let mut data = conn.input.buffer.lend();
        let room = InputBuffer::room(&data);
        let result = sys::read::read_append(fd, &mut data, room);
        conn.input.buffer.note_read(&data);
        self.count_read(key, result, room);
        let all = 0..data.len();
        self.take_buffer_back(key, data, all);
    }

    /// Reads into the big argument that is arriving; once it is whole, the stream goes on in the
    /// ordinary way.
    fn read_big(&mut self, key: usize) {
        let conn = &mut self.hub.conns[key];
        conn.input.buffer.note_detour();
        let fd = conn.stream.fd();
        let remaining = conn.input.parser.big_remaining();
        let Some(target) = conn.input.parser.big_target() else {
            return;
        };
        let room = (target.capacity() - target.len())
            .min(remaining)
            .min(BIG_READ_BYTES_MAX);
        let result = sys::read::read_append(fd, target, room);
        self.count_read(key, result, room);
    }

    /// Does the bookkeeping of one read; `false` when there is nothing to run: nothing came, or
    /// the connection is over, perhaps because it sent more than it may.
    fn count_read(&mut self, key: usize, result: std::io::Result<usize>, asked: usize) -> bool {
        let conn = &mut self.hub.conns[key];
        self.env.stats.total_reads += 1;
        match result {
            Ok(0) => {
                log::debug!("Client closed connection {}", conn.session().addr);
                self.hub.close_now(key);
                false
            }
            Ok(n) => {
                conn.bytes_in += n as u64;
                conn.session_mut().last_interaction_ms = self.env.now.mono_ms();
                self.env.stats.net_input_bytes += n as u64;
                if n == asked || conn.input.ends {
                    self.hub.continue_later(key);
                }
                self.is_within_limit(key)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            Err(e) => {
                log::debug!("Reading from client: {e}");
                self.hub.close_now(key);
                false
            }
        }
    }

    /// Whether a client keeps to `client-query-buffer-limit`; if not, it is closed.
    fn is_within_limit(&mut self, key: usize) -> bool {
        if self.hub.conns[key].input.received() <= self.env.config.client_query_buffer_limit {
            return true;
        }
        log::warn!(
            "Closing client that reached max query buffer length: {}",
            self.hub.describe(key, &self.env)
        );
        self.env.stats.query_buffer_limit_disconnections += 1;
        self.hub.close_now(key);
        false
    }

    /// Ends a turn: the buffer goes back to its connection with what was not run.
    fn take_buffer_back(&mut self, key: usize, data: Vec<u8>, rest: Range<usize>) {
        if let Some(conn) = self.hub.conns.get_mut(key) {
            conn.input.buffer.take_back(data, rest);
        }
    }

    /// Parses and runs the commands in `data`. Returns the part to be kept.
    fn run_input(&mut self, key: usize, data: &[u8]) -> Range<usize> {
        let mut batch = std::mem::take(&mut self.hub.batch);
        let mut at = 0;
        let rest = loop {
            let (count, stop) = self.parse_batch(key, data, &mut at, &mut batch);
            if count > 0 && !self.run_batch(key, data, &mut batch.parsed[..count]) {
                break at..at;
            }
            match stop {
                Stop::Full if self.hub.conns[key].may_run() => {}
                Stop::Full | Stop::Incomplete => break at..data.len(),
                Stop::Big(keep) => break at..at + keep,
                Stop::Broken(_) if self.put_off_refusal(key) => break at..data.len(),
                Stop::Broken(error) => {
                    self.refuse_input(key, &data[at..], error);
                    break at..at;
                }
            }
        };
        self.hub.batch = batch;
        rest
    }

    /// Parses commands until the batch is full or the input ends.
    fn parse_batch(
        &mut self,
        key: usize,
        data: &[u8],
        at: &mut usize,
        batch: &mut Batch,
    ) -> (usize, Stop) {
        let conn = &mut self.hub.conns[key];
        let authenticated = conn.session().authenticated;
        let limits = Limits {
            peer: if authenticated {
                Peer::Client
            } else {
                Peer::Unauthenticated
            },
            bulk_bytes_max: self.env.config.proto_max_bulk_len as u64,
        };
        // What a client may send changes when it authenticates: look no further than that.
        let max = if authenticated { BATCH_COMMANDS_MAX } else { 1 };
        let mut count = 0;
        while count < max {
            let slot = &mut batch.parsed[count];
            match conn
                .input
                .parser
                .next(&data[*at..], &limits, &mut slot.ranges)
            {
                Parse::Command { consumed } => {
                    slot.start = *at;
                    *at += consumed;
                    count += 1;
                }
                Parse::Blank { consumed } => *at += consumed,
                Parse::Incomplete => return (count, Stop::Incomplete),
                Parse::Big { keep } => return (count, Stop::Big(keep)),
                Parse::Error(error) => return (count, Stop::Broken(error)),
            }
        }
        (count, Stop::Full)
    }

    /// Runs parsed commands; `false` when the connection is to be closed and the rest is moot.
    fn run_batch(&mut self, key: usize, data: &[u8], parsed: &mut [Parsed]) -> bool {
        let Server { env, hub, .. } = self;
        let (mut session, mut reply) = hub.lend(key, env);
        look_ahead(env, &session, data, parsed);
        env.last_command_end_ns = env.clock.ns();
        for p in &mut *parsed {
            let mut args = p.ranges.args(&data[p.start..]);
            let waits = session.wait.is_parked() || !hub.conns[key].input.held.is_empty();
            if waits || hub.holds_back(&session, p.command, args.len()) {
                hub.conns[key].input.held.push_back(args.to_owned());
                hub.has_held |= !waits;
                continue;
            }
            sys::crash::note_command(p.command.map_or(&"unknown", |c| &c.full_name));
            let mut ctx = Ctx {
                env,
                session: &mut session,
                reply: &mut reply,
                host: hub,
            };
            match p.command {
                Some(command) => dispatch::process_found(&mut ctx, command, &mut args),
                None => dispatch::process(&mut ctx, &mut args),
            }
            if env.waiters.has_ready() || reply.is_due() {
                (session, reply) = hub.settle(key, session, reply, env);
            }
            if session.closing != Closing::No {
                break;
            }
        }
        parsed.iter_mut().for_each(|p| p.ranges.release());
        hub.give_back(key, session, reply, env)
    }

    /// Runs commands that were held back, as far as they may run now.
    pub(super) fn run_held(&mut self, key: usize) {
        let Server { env, hub, .. } = self;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        if conn.session().closing != Closing::No || conn.session().wait.is_parked() {
            return;
        }
        let (mut session, mut reply) = hub.lend(key, env);
        env.last_command_end_ns = env.clock.ns();
        while let Some(queued) = hub.conns[key].input.held.pop_front() {
            let mut args = queued.args();
            if hub.holds_back(&session, env.table.find(&args), args.len()) {
                hub.conns[key].input.held.push_front(queued);
                hub.has_held = true;
                break;
            }
            let mut ctx = Ctx {
                env,
                session: &mut session,
                reply: &mut reply,
                host: hub,
            };
            dispatch::process(&mut ctx, &mut args);
            if env.waiters.has_ready() || reply.is_due() {
                (session, reply) = hub.settle(key, session, reply, env);
            }
            if session.closing != Closing::No || session.wait.is_parked() {
                break;
            }
        }
        if hub.give_back(key, session, reply, env) {
            self.resume_input(key);
        }
    }

    /// Runs what a connection had to leave unparsed when it was held back.
    fn resume_input(&mut self, key: usize) {
        if !self.hub.conns[key].may_run() {
            return;
        }
        if std::mem::take(&mut self.hub.conns[key].input.unread) {
            self.hub.continue_later(key);
        }
        let conn = &mut self.hub.conns[key];
        if conn.input.buffer.is_empty() || conn.input.parser.big_remaining() > 0 {
            return;
        }
        let data = conn.input.buffer.lend();
        let rest = self.run_input(key, &data);
        self.take_buffer_back(key, data, rest);
    }

    /// Whether input that makes no sense is left as it is for now, because commands before it have
    /// to wait. It is parsed again, then.
    fn put_off_refusal(&mut self, key: usize) -> bool {
        let conn = &mut self.hub.conns[key];
        let put_off = !conn.may_run() && conn.input.parser.held().received() == 0;
        if put_off {
            conn.input.parser = Parser::default();
        }
        put_off
    }

    /// Answers input that makes no sense and lets the connection go.
    fn refuse_input(&mut self, key: usize, rest: &[u8], error: ProtocolError) {
        let shown = &rest[..rest.len().min(SHOWN_INPUT_BYTES_MAX)];
        log::debug!(
            "Protocol error ({error}) from client: {}. Query buffer during protocol error: '{}'",
            self.hub.describe(key, &self.env),
            shown.escape_ascii()
        );
        let text = error.reply_text();
        self.env.stats.count_error(&text);
        let conn = &mut self.hub.conns[key];
        conn.session_mut().closing = Closing::AfterReplies;
        let mut reply = Reply::with_buf(
            std::mem::take(&mut conn.output.buf),
            conn.session().protocol,
        );
        reply.error(&text);
        conn.output.buf = reply.take_buf();
        self.hub.queue_write(key);
    }

    /// Writes what every queued connection has to say.
    pub(super) fn write_replies(&mut self) {
        let mut queue = std::mem::take(&mut self.hub.to_write);
        for key in queue.drain(..) {
            if let Some(conn) = self.hub.conns.get_mut(key) {
                conn.queued = false;
                self.write_to(key);
            }
        }
        // What was queued meanwhile (the next piece of a file) waits for the next tick.
        queue.append(&mut self.hub.to_write);
        self.hub.to_write = queue;
    }

    /// Writes as much as the socket takes, and asks to be told when it takes more.
    pub(super) fn write_to(&mut self, key: usize) {
        let Server { env, hub, .. } = self;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        if conn.session().closing == Closing::Now {
            return;
        }
        if conn.output.pending() > 0 {
            let written = hub.flush_conn(key, env);
            let conn = &mut hub.conns[key];
            if written && conn.session().kind == Kind::Normal {
                conn.session_mut().last_interaction_ms = env.now.mono_ms();
            }
            if conn.output.pending() > 0 {
                return;
            }
        }
        let conn = &hub.conns[key];
        if conn.session().closing == Closing::AfterReplies {
            return hub.close_now(key);
        }
        if conn.replica.is_some() {
            return hub.feed_replica(key, env);
        }
        hub.wait_writable(key, false);
    }
}

impl Hub {
    /// Queues a connection for the write phase of this tick.
    pub fn queue_write(&mut self, key: usize) {
        let conn: &mut Conn = &mut self.conns[key];
        if !conn.queued && !conn.wants_writable {
            conn.queued = true;
            self.to_write.push(key);
        }
    }

    /// Starts or stops to wait for a socket to take more.
    pub fn wait_writable(&mut self, key: usize, wanted: bool) {
        let registry = self.poll.registry();
        let result = self.conns[key].set_writable_interest(registry, token_of(key), wanted);
        if let Err(e) = result {
            log::warn!("Cannot watch a connection: {e}");
            self.close_now(key);
        }
    }
}

impl Hub {
    /// Ends a turn of a client: gives the session back and queues its replies. `false` when the
    /// connection is to be closed.
    fn give_back(
        &mut self,
        key: usize,
        mut session: Box<Session>,
        reply: Reply,
        env: &mut Env,
    ) -> bool {
        let conn = &mut self.conns[key];
        if session.kind == Kind::Replica && conn.replica.is_none() {
            session.closing = Closing::AfterReplies;
        }
        self.put_back(key, session, reply);
        self.after_commands(key, env);
        self.evict_clients(env);
        self.conns[key].session().closing == Closing::No
    }

    /// Whether a pause holds this command of so many words back. One that is refused for their
    /// number is answered at once.
    #[inline]
    pub fn holds_back(&self, session: &Session, command: Option<&Command>, words: usize) -> bool {
        self.pauses.mode().is_some_and(|mode| {
            let held = match mode {
                PauseMode::All => Flags(u32::MAX),
                PauseMode::Write => Flags::WRITE.and(Flags::MAY_REPLICATE),
            };
            let command = command.filter(|command| command.accepts(words));
            let scope = command.map(|command| Scope::of(command, session));
            session.kind == Kind::Normal && scope.is_some_and(|scope| scope.any.has(held))
        })
    }

    /// Queues a connection that has more to write for the next tick, without an event.
    pub fn continue_writing(&mut self, key: usize) {
        self.wait_writable(key, false);
        self.queue_write(key);
    }
}
