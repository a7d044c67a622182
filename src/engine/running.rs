//! From bytes to executed commands.
//!
//! Complete commands are taken in batches: all are looked up, and what they will need is fetched
//! into the cache (see `look_ahead`), then they run. By then the memory has arrived, and the misses
//! of a whole batch were waited for together. Between two of them nothing else is done, unless the
//! first has made a key ready that somebody waits for, or the replies have become large: then that
//! is settled before the second.
//!
//! **Holding back.** A client that must wait for the end of a pause (`CLIENT PAUSE`, a shutdown
//! that waits for replicas) keeps its command in its session ([`Activity::Held`]), as one that
//! waits for a key does. What stood behind that command in its batch is kept parsed, in
//! `Input::queued`; what the client sends later waits unparsed.

use std::ops::Range;

use super::batch::{BATCH_COMMANDS_MAX, Batch, Parsed};
use super::look_ahead::look_ahead;
use super::runtime::Runtime;
use super::world::World;
use crate::commands::context::Ctx;
use crate::commands::dispatch::{self, Outcome};
use crate::commands::env::Env;
use crate::commands::session::{Kind, Session};
use crate::resp::parser::{Parse, Parser, ParserLimits, Peer, ProtocolError};
use crate::resp::writer::Reply;

/// How much of the input that broke the protocol is shown in the log.
pub const SHOWN_INPUT_BYTES_MAX: usize = 128;

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

impl<W: World> Runtime<W> {
    /// Parses and runs the commands in `data`. Returns the part to be kept.
    pub(super) fn run_input(&mut self, env: &mut Env, key: usize, data: &[u8]) -> Range<usize> {
        debug_assert!(self.clients[key].input.queued.is_empty());
        // One that is lent out runs a script, and this client is served meanwhile.
        let mut batch = self.clients.batch.take().unwrap_or_default();
        let mut at = 0;
        let rest = loop {
            let (count, stop) = self.parse_batch(env, key, data, &mut at, &mut batch);
            if count > 0 && !self.run_parsed(env, key, data, &mut batch.parsed[..count]) {
                break at..at;
            }
            match stop {
                Stop::Full if self.clients[key].may_run() => {}
                Stop::Full | Stop::Incomplete => break at..data.len(),
                Stop::Big(keep) => break at..at + keep,
                Stop::Broken(_) if self.put_off_refusal(key) => break at..data.len(),
                Stop::Broken(error) => {
                    self.refuse_input(env, key, &data[at..], error);
                    break at..at;
                }
            }
        };
        self.clients.batch = Some(batch);
        rest
    }

    /// Parses commands until the batch is full or the input ends.
    fn parse_batch(
        &mut self,
        env: &mut Env,
        key: usize,
        data: &[u8],
        at: &mut usize,
        batch: &mut Batch,
    ) -> (usize, Stop) {
        let conn = &mut self.clients[key];
        let authenticated = !conn.session().needs_login(&env.users);
        let limits = ParserLimits {
            peer: if authenticated {
                Peer::Client
            } else {
                Peer::Unauthenticated
            },
            bulk_bytes_max: env.config.proto_max_bulk_len as u64,
        };
        // What a client may send changes when it authenticates: look no further than that.
        let max = if authenticated { BATCH_COMMANDS_MAX } else { 1 };
        let mut count = 0;
        while count < max {
            let slot = &mut batch.parsed[count];
            let parser = &mut conn.input.parser;
            match parser.next(&data[*at..], &limits, &mut slot.ranges) {
                Parse::Command { consumed } => {
                    slot.start = *at;
                    *at += consumed;
                    count += 1;
                }
                Parse::Blank { consumed } => {
                    *at += consumed;
                    if let Some(client) = conn.replica {
                        env.replication.on_newline(client, env.now);
                    }
                }
                Parse::Incomplete => return (count, Stop::Incomplete),
                Parse::Big { keep } => return (count, Stop::Big(keep)),
                Parse::Error(error) => return (count, Stop::Broken(error)),
            }
        }
        (count, Stop::Full)
    }

    /// Runs parsed commands; `false` when the connection is to be closed and the rest is moot.
    fn run_parsed(
        &mut self,
        env: &mut Env,
        key: usize,
        data: &[u8],
        parsed: &mut [Parsed],
    ) -> bool {
        let (mut session, mut reply) = self.clients.lend(key, env);
        let table = self.table;
        look_ahead(table, env, &session, data, parsed);
        env.last_command_end_ns = env.clock.ns();
        for p in &mut *parsed {
            let mut args = p.ranges.args(&data[p.start..]);
            if !session.activity.is_ready() {
                if session.activity.is_closing() {
                    break;
                }
                self.clients[key].input.queued.push_back(args.to_owned());
                continue;
            }
            let mut ctx = Ctx {
                env,
                session: &mut session,
                reply: &mut reply,
                table,
                host: self,
            };
            let outcome = match p.command {
                Some(command) => dispatch::process_found(&mut ctx, command, &mut args),
                None => dispatch::process(&mut ctx, &mut args),
            };
            if outcome == Outcome::HeldBack {
                session.activity.hold_back(args.to_owned());
                self.clients.note_held(session.id);
                continue;
            }
            if env.waiters.has_ready() || reply.is_due() || self.clients.has_gone() {
                (session, reply) = self.settle(key, session, reply, env);
            }
        }
        parsed.iter_mut().for_each(|p| p.ranges.release());
        self.give_back(key, session, reply, env)
    }

    /// Runs commands that were held back, as far as they may run now, and what stands behind them.
    pub(super) fn run_held(&mut self, env: &mut Env, key: usize) {
        let Some(conn) = self.clients.get_mut(key) else {
            return;
        };
        if let Some(argv) = conn.session_mut().activity.go_on() {
            conn.input.queued.push_front(argv);
        }
        if !conn.session().activity.is_ready() {
            return;
        }
        let (mut session, mut reply) = self.clients.lend(key, env);
        let table = self.table;
        // It was not silent: it waited.
        self.clients[key].last_interaction_ms = env.now.mono_ms();
        env.last_command_end_ns = env.clock.ns();
        while session.activity.is_ready()
            && let Some(argv) = self.clients[key].input.queued.pop_front()
        {
            let mut args = argv.args();
            let mut ctx = Ctx {
                env,
                session: &mut session,
                reply: &mut reply,
                table,
                host: self,
            };
            if dispatch::process(&mut ctx, &mut args) == Outcome::HeldBack {
                session.activity.hold_back(argv);
                self.clients.note_held(session.id);
                break;
            }
            if env.waiters.has_ready() || reply.is_due() || self.clients.has_gone() {
                (session, reply) = self.settle(key, session, reply, env);
            }
        }
        if self.give_back(key, session, reply, env) {
            self.resume_input(env, key);
        }
    }

    /// Runs what a connection had to leave unparsed when it was held back.
    fn resume_input(&mut self, env: &mut Env, key: usize) {
        let conn = &mut self.clients[key];
        if !conn.may_run() || conn.input.buffer.is_empty() || conn.input.parser.big_remaining() > 0
        {
            return;
        }
        let data = conn.input.buffer.lend();
        let rest = self.run_input(env, key, &data);
        self.take_buffer_back(key, data, rest);
    }

    /// Whether input that makes no sense is left as it is for now, because commands before it have
    /// to wait. It is parsed again, then.
    fn put_off_refusal(&mut self, key: usize) -> bool {
        let conn = &mut self.clients[key];
        let put_off = !conn.may_run() && conn.input.parser.held().received() == 0;
        if put_off {
            conn.input.parser = Parser::default();
        }
        put_off
    }

    /// Answers input that makes no sense and lets the connection go.
    fn refuse_input(&mut self, env: &mut Env, key: usize, rest: &[u8], error: ProtocolError) {
        let shown = &rest[..rest.len().min(SHOWN_INPUT_BYTES_MAX)];
        log::debug!(
            "Protocol error ({error}) from client: {}. Query buffer during protocol error: '{}'",
            self.clients.describe(key, env),
            shown.escape_ascii()
        );
        let text = error.reply_text();
        env.stats.count_error(&text);
        let conn = &mut self.clients[key];
        if conn.replica.is_some() {
            // The error would stand in the middle of the stream that it reads.
            env.stats.unexpected_error_replies += 1;
            return self.clients.close_now(key);
        }
        conn.session_mut().activity.close_after_replies();
        self.clients.reply(key, |reply| reply.error(&text));
    }

    /// Ends a turn of a client: gives the session back and queues its replies. `false` when the
    /// connection is to be closed.
    fn give_back(
        &mut self,
        key: usize,
        mut session: Box<Session>,
        reply: Reply,
        env: &mut Env,
    ) -> bool {
        let conn = &mut self.clients[key];
        if session.kind == Kind::Replica && conn.replica.is_none() {
            session.activity.close_after_replies();
        }
        self.clients.put_back(key, session, reply);
        self.clients.after_commands(key, env);
        self.clients.evict(env);
        !self.clients[key].session().activity.is_closing()
    }

    /// Between two commands of a turn: sees to what the first one led to before the second one
    /// runs. Those whose keys are ready are served, and what the replies take is accounted for, so
    /// that clients may be closed; this one, too.
    fn settle(
        &mut self,
        key: usize,
        session: Box<Session>,
        reply: Reply,
        env: &mut Env,
    ) -> (Box<Session>, Reply) {
        self.clients.put_back(key, session, reply);
        self.forget_gone(env);
        self.serve_waiters(env);
        self.clients.after_commands(key, env);
        self.clients.evict(env);
        env.last_command_end_ns = env.clock.ns();
        self.clients.lend(key, env)
    }
}
