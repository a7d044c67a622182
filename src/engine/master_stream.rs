//! The stream of our master, run command by command.
//!
//! Bytes wait here until whole commands can be run. What was run is reported to the replication
//! machine in the very bytes in which it came, so that our own replicas see the same stream. A
//! transaction is reported as a whole once its `EXEC` has run: half of one must not count as
//! applied, and when the link breaks in the middle, the session forgets it.
//!
//! Whoever makes bytes runnable, by pushing them or by starting the stream, need not run them:
//! the stream is then *due*, and the engine runs it in this tick or the next. A tick runs a bounded
//! number of bytes, so that a replica that catches up still answers its clients.

use std::ops::Range;

use super::Engine;
use super::batch::{BATCH_COMMANDS_MAX, Batch, Parsed};
use super::describe::describe_master;
use super::look_ahead::look_ahead;
use super::running::SHOWN_INPUT_BYTES_MAX;
use super::world::World;
use crate::base::errno::os_text;
use crate::base::quoting;
use crate::base::time::Now;
use crate::commands::activity::Activity;
use crate::commands::context::{Command, Ctx};
use crate::commands::dispatch::{self, Outcome};
use crate::commands::env::Env;
use crate::commands::session::{Kind, Session};
use crate::config::{PropagationErrorBehavior, Settings};
use crate::replication::{Closed, Replication};
use crate::resp::args::Args;
use crate::resp::parser::{Parse, Parser, ParserLimits, Peer, ProtocolError};
use crate::resp::writer::{Protocol, Reply};

/// A buffer with more room than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the stream run in one tick; one command may be longer.
const BYTES_PER_TICK_MAX: usize = 2 * 1024 * 1024;
/// How much of the stream before a refused command is shown in the log.
const SHOWN_STREAM_BYTES_MAX: usize = 256;
/// That snapshots fail, but not our master's commands, is said this often at most.
const DISK_WARNING_PERIOD_MS: u64 = 10_000;

/// Whether the stream may be run, and whether there may be something to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The link is not up; bytes that come wait.
    Stopped,
    /// All whole commands that have come were run.
    Idle,
    /// There may be whole commands that were not run.
    Due,
    /// The next command waits for the end of a pause.
    Held,
}

/// Commands that were parsed ahead, so that the memory that they need is fetched before they run.
struct Ahead {
    /// How many there are.
    count: usize,
    /// Where each of them ends.
    ends: [usize; BATCH_COMMANDS_MAX],
    /// Where the parser is, behind them and what stands between commands.
    at: usize,
    /// Why there are no more.
    stop: Option<Stop>,
}

/// Why nothing can be parsed for now.
enum Stop {
    /// No more has come.
    Incomplete,
    /// What comes makes no sense.
    Broken(ProtocolError),
}

/// The stream that our master sends once we are in sync.
pub struct MasterStream {
    /// The session that runs it; lent out while a command of it runs.
    session: Option<Box<Session>>,
    /// When the last command of it ran, in monotonic milliseconds.
    last_interaction_ms: u64,
    state: State,
    parser: Parser,
    /// Lent out while commands of the stream run.
    batch: Option<Box<Batch>>,
    /// Bytes not reported yet, from `start` on.
    buf: Vec<u8>,
    start: usize,
    /// Bytes run that were not reported yet, because a transaction is not complete.
    unreported: usize,
    /// Bytes that may still be run in this tick.
    left_in_tick: usize,
    /// When it was last said that nothing of it gets to disk, in monotonic milliseconds.
    warned_ms: Option<u64>,
}

impl MasterStream {
    /// No stream.
    pub fn new(session_id: u64) -> MasterStream {
        MasterStream {
            session: Some(Box::new(Session::new(session_id, Kind::Master))),
            last_interaction_ms: 0,
            state: State::Stopped,
            parser: Parser::default(),
            batch: Some(Box::default()),
            buf: Vec::new(),
            start: 0,
            unreported: 0,
            left_in_tick: BYTES_PER_TICK_MAX,
            warned_ms: None,
        }
    }

    /// The session that runs the stream, while the stream runs and no command of it does.
    pub fn session_in_use(&self) -> Option<&Session> {
        self.session.as_deref().filter(|_| self.is_running())
    }

    /// When the last command of the stream ran, in monotonic milliseconds.
    pub fn last_interaction_ms(&self) -> u64 {
        self.last_interaction_ms
    }

    /// The session, to change it; no command of the stream may be running.
    pub fn session_mut(&mut self) -> &mut Session {
        let session = self.session.as_deref_mut();
        session.expect("the session is lent out only while a command runs")
    }

    /// Whether what comes may be run.
    pub fn is_running(&self) -> bool {
        self.state != State::Stopped
    }

    /// Whether there may be something to run.
    pub fn is_due(&self) -> bool {
        self.state == State::Due
    }

    /// Whether all whole commands that have come were run.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether no more is to be read for now: what this tick may run is run, and more has come.
    pub fn is_full(&self) -> bool {
        self.state == State::Due && self.left_in_tick == 0
    }

    /// Whether so many bytes or more wait for the link to be up, or for a pause to end.
    pub fn is_held_beyond(&self, bytes: usize) -> bool {
        matches!(self.state, State::Stopped | State::Held) && self.buf.len() - self.start >= bytes
    }

    /// A pause holds less back than before: what it held has to be tried again.
    pub fn on_pause_eased(&mut self) {
        if self.state == State::Held {
            self.state = State::Due;
        }
    }

    /// Adds bytes that have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        if self.state == State::Idle {
            self.state = State::Due;
        }
    }

    /// The link is up: what has come, and what comes, may be run, with this database selected.
    pub fn start(&mut self, db: usize, now: Now) {
        let session = self.session_mut();
        session.db = db;
        if let Some(master) = session.client_mut() {
            master.created_ms = now.mono_ms();
        }
        self.last_interaction_ms = now.mono_ms();
        self.state = State::Due;
    }

    /// A tick begins.
    pub fn begin_tick(&mut self) {
        self.left_in_tick = BYTES_PER_TICK_MAX;
    }

    /// Parses commands until the batch or this tick's share is full, or no more has come.
    fn parse_ahead(&mut self, buf: &[u8], at: usize, parsed: &mut [Parsed]) -> Ahead {
        let limits = ParserLimits {
            peer: Peer::Master,
            bulk_bytes_max: u64::MAX,
        };
        let mut ahead = Ahead {
            count: 0,
            ends: [0; BATCH_COMMANDS_MAX],
            at,
            stop: None,
        };
        while ahead.count < parsed.len() && self.left_in_tick > 0 {
            let slot = &mut parsed[ahead.count];
            let next = self
                .parser
                .next(&buf[ahead.at..], &limits, &mut slot.ranges);
            let consumed = match next {
                Parse::Command { consumed } => {
                    slot.start = ahead.at;
                    ahead.ends[ahead.count] = ahead.at + consumed;
                    ahead.count += 1;
                    consumed
                }
                // A newline says that the master is there; it counts with the command behind it.
                Parse::Blank { consumed } => consumed,
                Parse::Incomplete | Parse::Big { .. } => {
                    ahead.stop = Some(Stop::Incomplete);
                    break;
                }
                Parse::Error(e) => {
                    ahead.stop = Some(Stop::Broken(e));
                    break;
                }
            };
            ahead.at += consumed;
            self.left_in_tick = self.left_in_tick.saturating_sub(consumed);
        }
        ahead
    }

    /// A pause holds back what stands there: it will be parsed again, with what is behind it.
    fn hold_back(&mut self) {
        self.state = State::Held;
        self.parser = Parser::default();
    }

    /// Says once in a while that snapshots fail, but not our master's commands.
    fn warn_of_disk(&mut self, now_ms: u64) {
        let may_say = |last: u64| now_ms >= last + DISK_WARNING_PERIOD_MS;
        if self.warned_ms.is_none_or(may_say) {
            self.warned_ms = Some(now_ms);
            log::warn!("Replica is applying a command even though it is unable to write to disk.");
        }
    }

    /// Ends the stream; bytes that were not run are dropped.
    pub fn end(&mut self) {
        self.state = State::Stopped;
        self.buf = Vec::new();
        self.start = 0;
        self.unreported = 0;
        if let Some(session) = &mut self.session {
            session.transaction = None;
            session.set_client(None);
        }
        self.parser = Parser::default();
    }
}

impl<W: World> Engine<W> {
    /// Runs what is complete in the stream, if it is due, as far as this tick may.
    pub(super) fn run_stream(&mut self) {
        while self.runtime.link.stream.is_due() && !self.runtime.link.stream.is_full() {
            self.run_what_came();
            if !self.refill_stream() {
                return;
            }
        }
    }

    /// Has the next of what waits run, if everything before it was. Whether there was anything.
    fn refill_stream(&mut self) -> bool {
        let Engine { env, runtime, .. } = self;
        let link = &mut runtime.link;
        if link.waiting.is_empty() || !link.stream.is_idle() {
            return false;
        }
        match link.waiting.take() {
            Ok((bytes, passed)) => {
                link.stream.push(&bytes);
                runtime.close_elsewhere(passed);
                true
            }
            Err(e) => {
                let why = format!("what was kept of its stream is lost: {}", os_text(&e));
                runtime.lose_master(env, Closed::Lost(why));
                false
            }
        }
    }

    fn run_what_came(&mut self) {
        let stream = &mut self.runtime.link.stream;
        let buf = std::mem::take(&mut stream.buf);
        let mut batch = stream.batch.take().unwrap_or_default();
        // From here on, `start` is the first byte that was not reported.
        let at = self.run_stream_buffer(&buf, &mut batch.parsed);
        self.runtime.link.stream.batch = Some(batch);
        self.keep_stream(buf, at);
    }

    /// Runs whole commands of the buffer; returns where the first one stands that was not run.
    fn run_stream_buffer(&mut self, buf: &[u8], parsed: &mut [Parsed]) -> usize {
        let stream = &self.runtime.link.stream;
        let mut at = stream.start + stream.unreported;
        loop {
            let Engine { env, runtime, .. } = self;
            let stream = &mut runtime.link.stream;
            if !stream.is_running() || stream.left_in_tick == 0 {
                return at;
            }
            let ahead = stream.parse_ahead(buf, at, parsed);
            let parsed = &mut parsed[..ahead.count];
            look_ahead(runtime.table, env, stream.session_mut(), buf, parsed);
            for (p, end) in parsed.iter_mut().zip(ahead.ends) {
                let mut args = p.ranges.args(&buf[p.start..]);
                if self.is_mark(p.command, &args) {
                    self.take_mark(buf, p.start..end, &args[1]);
                    at = end;
                    continue;
                }
                if self.run_for_master(p.command, &mut args) == Outcome::HeldBack {
                    self.env.aof.end_applied(&[]);
                    self.runtime.link.stream.hold_back();
                    return at;
                }
                self.report_applied(buf, end);
                self.obey_closing();
                at = end;
                if !self.runtime.link.stream.is_running() {
                    return at;
                }
            }
            parsed.iter_mut().for_each(|p| p.ranges.release());
            at = ahead.at;
            match ahead.stop {
                None => {}
                Some(Stop::Incomplete) => {
                    self.runtime.link.stream.state = State::Idle;
                    return at;
                }
                Some(Stop::Broken(e)) => {
                    self.refuse_stream(e, &buf[at..]);
                    return at;
                }
            }
        }
    }

    /// Keeps what was not run, or run but not reported.
    fn keep_stream(&mut self, mut buf: Vec<u8>, at: usize) {
        let stream = &mut self.runtime.link.stream;
        if !stream.is_running() {
            return;
        }
        stream.unreported = at - stream.start;
        let done = stream.start;
        if done == buf.len() && buf.capacity() > IDLE_BYTES_MAX {
            stream.start = 0;
            return;
        }
        // Moving what is left pays only when it is less than what is done.
        if done > buf.len() / 2 {
            buf.drain(..done);
            stream.start = 0;
        }
        stream.buf = buf;
    }

    /// Ends the link: the rest of the stream makes no sense, so it cannot be continued either.
    fn refuse_stream(&mut self, error: ProtocolError, rest: &[u8]) {
        let Engine { env, runtime, .. } = self;
        if error == ProtocolError::InlineFromMaster {
            log::warn!(
                "WARNING: Receiving inline protocol from master, master stream corruption? \
                 Closing the master connection and discarding the cached master."
            );
        }
        let stream = &runtime.link.stream;
        let client = stream.session_in_use().map_or(String::new(), |session| {
            describe_master(session, stream.last_interaction_ms, env)
        });
        log::warn!(
            "Protocol error ({error}) from client: {client}. Query buffer during protocol error: \
             '{}'",
            rest[..rest.len().min(SHOWN_INPUT_BYTES_MAX)].escape_ascii()
        );
        runtime.lose_master(env, Closed::ProtocolError);
    }

    /// `QUIT` ends the connection to our master as it ends any other.
    fn obey_closing(&mut self) {
        let Engine { env, runtime, .. } = self;
        let session = runtime.link.stream.session_mut();
        let closes = session.activity.is_closing();
        session.activity = Activity::Ready;
        if closes && runtime.link.stream.is_running() {
            runtime.lose_master(env, Closed::Lost("connection lost".to_owned()));
        }
    }

    /// Runs a command in our master's name, which was looked up before.
    fn run_for_master(
        &mut self,
        command: Option<&'static Command>,
        args: &mut Args<'_>,
    ) -> Outcome {
        let Engine { env, runtime, .. } = self;
        let session = runtime.link.stream.session.take();
        let mut session = session.expect("one command of the stream runs at a time");
        runtime.link.stream.last_interaction_ms = env.now.mono_ms();
        let mut reply = Reply::with_buf(runtime.clients.pool.take(), Protocol::Resp2);
        env.last_command_end_ns = env.clock.ns();
        let fails = env.gates.snapshots_fail || env.gates.aof_fails;
        if fails && env.config.replica_ignore_disk_write_errors {
            runtime.link.stream.warn_of_disk(env.now.mono_ms());
        }
        env.begin_applied();
        let errors_before = env.stats.error_replies;
        let mut ctx = Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            table: runtime.table,
            host: runtime,
        };
        let outcome = match command {
            Some(command) => dispatch::process_found(&mut ctx, command, args),
            None => dispatch::process(&mut ctx, args),
        };
        if env.stats.error_replies > errors_before {
            log_refused(&reply, &session, env);
            env.stats.unexpected_error_replies += 1;
            assert!(
                !must_not_diverge(&env.config),
                "This replica panicked sending an error to its master after processing the command \
                 '{}'",
                session.last_command
            );
        }
        runtime.clients.pool.give(reply.take_buf());
        runtime.link.stream.session = Some(session);
        if !runtime.link.stream.is_running() {
            runtime.link.stream.end();
        }
        runtime.serve_waiters(env);
        outcome
    }

    /// Whether a command is a mark of the origin's time: nothing to run, and nobody's to see.
    fn is_mark(&mut self, command: Option<&'static Command>, args: &Args<'_>) -> bool {
        let is_ping = |command: &Command| command.row.name == "ping";
        args.len() == 2
            && command.is_some_and(is_ping)
            && Replication::is_mark(&args[1])
            && self.env.replication.gets_marks()
            && self.runtime.link.stream.session_mut().transaction.is_none()
    }

    /// The stream has been run up to a mark, which stands there and is no part of it.
    fn take_mark(&mut self, buf: &[u8], place: Range<usize>, argument: &[u8]) {
        if self.runtime.link.stream.start < place.start {
            // Newlines of the master stand before it, and count in the stream.
            self.env.begin_applied();
            self.report_applied(buf, place.start);
        }
        let Engine { env, runtime, .. } = self;
        let stream = &mut runtime.link.stream;
        stream.start = place.end;
        stream.last_interaction_ms = env.now.mono_ms();
        let bytes = place.len() as u64;
        runtime.drive(env, |r, facts, out| {
            r.on_mark(argument, bytes, facts, out);
        });
    }

    /// Tells the machine that the stream was run up to `end`, unless that is inside a transaction.
    fn report_applied(&mut self, buf: &[u8], end: usize) {
        let stream = &mut self.runtime.link.stream;
        let running = stream.is_running();
        let session = stream.session_mut();
        if !running || session.transaction.is_some() {
            return self.env.aof.end_applied(&[]);
        }
        let db = session.db as u32;
        let applied = &buf[stream.start..end];
        self.env.aof.end_applied(applied);
        self.env.replication.on_applied(applied, db);
        stream.start = end;
    }
}

/// Whether to stop rather than to go on with data that differ from our master's.
fn must_not_diverge(settings: &Settings) -> bool {
    let panics = match settings.propagation_error_behavior {
        PropagationErrorBehavior::Ignore => false,
        PropagationErrorBehavior::Panic | PropagationErrorBehavior::PanicOnReplicas => true,
    };
    panics && settings.replica_read_only
}

/// Logs an error that a command of our master met, and what the stream was before.
fn log_refused(reply: &Reply, session: &Session, env: &Env) {
    let text = String::from_utf8_lossy(reply.as_bytes());
    // Of a transaction the reply is an array, and the error stands inside.
    let error = text.lines().find_map(|line| line.strip_prefix('-'));
    log::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{}' after processing the \
         command '{}'",
        error.unwrap_or_default(),
        session.last_command
    );
    let before = env.replication.last_stream_bytes(SHOWN_STREAM_BYTES_MAX);
    if !before.is_empty() {
        let mut shown = Vec::new();
        quoting::quote(&before, &mut shown);
        let shown = String::from_utf8_lossy(&shown);
        log::info!("Latest backlog is: '{shown}'");
    }
}
