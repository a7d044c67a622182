//! The stream of our master, run command by command.
//!
//! Bytes wait here until whole commands can be run. What was run is reported to the replication
//! machine in the very bytes in which it came, so that our own replicas see the same stream. A
//! transaction is reported as a whole once its `EXEC` has run: half of one must not count as
//! applied, and when the link breaks in the middle, the session forgets it.

use super::Server;
use crate::commands::context::Ctx;
use crate::commands::dispatch;
use crate::commands::session::{Kind, Session};
use crate::config::{PropagationErrorBehavior, Settings};
use crate::replication::Closed;
use crate::resp::args::{ArgRanges, Args};
use crate::resp::parser::{Limits, Parse, Parser, Peer};
use crate::resp::writer::{Protocol, Reply};
use crate::sys;

/// A buffer with more room than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 1024 * 1024;

/// The stream that our master sends once we are in sync.
pub struct Stream {
    /// The session that runs it.
    pub session: Box<Session>,
    parser: Parser,
    ranges: ArgRanges,
    /// Whether commands may be run.
    pub running: bool,
    /// Bytes not run yet, from `start` on.
    pub buf: Vec<u8>,
    start: usize,
    /// Bytes run that were not reported yet, because a transaction is not complete.
    unreported: usize,
    /// Our master has asked for an acknowledgement, `REPLCONF GETACK`.
    pub owes_ack: bool,
    /// When it was last said that nothing of it gets to disk, in monotonic milliseconds.
    warned_ms: Option<u64>,
}

/// That is said this often at most.
const DISK_WARNING_PERIOD_MS: u64 = 10_000;

impl Stream {
    /// No stream.
    pub fn new(session_id: u64) -> Stream {
        Stream {
            session: Box::new(Session::new(session_id, Kind::Master)),
            parser: Parser::default(),
            ranges: ArgRanges::default(),
            running: false,
            buf: Vec::new(),
            start: 0,
            unreported: 0,
            owes_ack: false,
            warned_ms: None,
        }
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
        self.running = false;
        self.buf = Vec::new();
        self.start = 0;
        self.unreported = 0;
        self.owes_ack = false;
        self.session.transaction = None;
        self.parser = Parser::default();
    }
}

impl Server {
    /// Runs what is complete in the stream, as long as the link is up.
    pub(super) fn run_stream(&mut self) {
        if !self.hub.link.stream.running || self.hub.link.stream.buf.is_empty() {
            return;
        }
        let buf = std::mem::take(&mut self.hub.link.stream.buf);
        let mut ranges = std::mem::take(&mut self.hub.link.stream.ranges);
        let limits = Limits {
            peer: Peer::Master,
            bulk_bytes_max: u64::MAX,
        };
        // From here on, `start` is the first byte that was not reported.
        let mut at = self.hub.link.stream.start + self.hub.link.stream.unreported;
        loop {
            if !self.hub.link.stream.running {
                break;
            }
            match self
                .hub
                .link
                .stream
                .parser
                .next(&buf[at..], &limits, &mut ranges)
            {
                Parse::Command { consumed } => {
                    let end = at + consumed;
                    self.run_streamed(&buf, at, end, &mut ranges);
                    at = end;
                }
                Parse::Blank { consumed } => {
                    at += consumed;
                    self.report_applied(&buf, at);
                }
                Parse::Incomplete | Parse::Big { .. } => break,
                Parse::Error(e) => {
                    log::warn!("Protocol error from the master: {e}");
                    let Server { env, hub, .. } = self;
                    hub.link.close(hub.poll.registry());
                    hub.end_stream_session(env);
                    let closed = Closed::ProtocolError;
                    hub.drive(env, |r, e, out| r.on_master_closed(closed, e, out));
                    break;
                }
            }
        }
        self.hub.link.stream.ranges = ranges;
        self.keep_stream(buf, at);
    }

    /// Keeps what was not run, or run but not reported.
    fn keep_stream(&mut self, mut buf: Vec<u8>, at: usize) {
        let stream = &mut self.hub.link.stream;
        if !stream.running {
            return;
        }
        let start = stream.start;
        stream.unreported = at - start;
        stream.start = 0;
        if start == buf.len() && buf.capacity() > IDLE_BYTES_MAX {
            return;
        }
        buf.drain(..start);
        stream.buf = buf;
    }

    /// Runs one command of the stream, which is `buf[at..end]`.
    fn run_streamed(&mut self, buf: &[u8], at: usize, end: usize, ranges: &mut ArgRanges) {
        self.run_for_master(&mut ranges.args(&buf[at..]));
        self.report_applied(buf, end);
        let Server { env, hub, .. } = self;
        if std::mem::take(&mut hub.link.stream.owes_ack) {
            hub.drive(env, |r, e, out| r.on_getack(e, out));
        }
    }

    /// Runs a command in our master's name.
    fn run_for_master(&mut self, args: &mut Args<'_>) {
        let Server { env, hub, .. } = self;
        let lent = Box::new(Session::new(0, Kind::Master));
        let mut session = std::mem::replace(&mut hub.link.stream.session, lent);
        session.last_interaction_ms = env.now.mono_ms();
        let mut reply = Reply::with_buf(hub.pool.take(), Protocol::Resp2);
        env.last_command_end_ns = env.clock.ns();
        sys::crash::note_command(env.table.find(args).map_or(&"unknown", |c| &c.full_name));
        if env.gates.snapshots_fail && env.config.replica_ignore_disk_write_errors {
            hub.link.stream.warn_of_disk(env.now.mono_ms());
        }
        let errors_before = env.stats.error_replies;
        let mut ctx = Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            host: hub,
        };
        dispatch::process(&mut ctx, args);
        if env.stats.error_replies > errors_before {
            log_refused(&reply, &session);
            env.stats.unexpected_error_replies += 1;
            assert!(
                !must_not_diverge(&env.config),
                "This replica panicked sending an error to its master after processing the command \
                 '{}'",
                session.last_command
            );
        }
        hub.pool.give(reply.take_buf());
        hub.link.stream.session = session;
        hub.serve_waiters(env);
    }

    /// Tells the machine that the stream was run up to `end`, unless that is inside a transaction.
    fn report_applied(&mut self, buf: &[u8], end: usize) {
        let stream = &mut self.hub.link.stream;
        if !stream.running || stream.session.transaction.is_some() {
            return;
        }
        let db = stream.session.db as u32;
        self.env.replication.on_applied(&buf[stream.start..end], db);
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

fn log_refused(reply: &Reply, session: &Session) {
    let text = String::from_utf8_lossy(reply.as_bytes());
    // Of a transaction the reply is an array, and the error stands inside.
    let error = text.lines().find_map(|line| line.strip_prefix('-'));
    log::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{}' after processing the \
         command '{}'",
        error.unwrap_or_default(),
        session.last_command
    );
}
