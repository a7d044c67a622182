//! The handshake: from the open connection to the master's answer to `PSYNC`.
//!
//! `PING` first and alone, since it tells whether a master is there at all; then, in one go,
//! `AUTH` if configured, `REPLCONF listening-port`, `REPLCONF ip-address` if announced, and
//! `REPLCONF capa`; when all are answered, `PSYNC`. The replies come in the order of the commands,
//! so what is still awaited is a queue. A master of ours, which says what more it can do
//! ([`Extensions`]), is told what belongs to that before `PSYNC`.
//!
//! A former master that hands over to one of its replicas says so with the word `FAILOVER` behind
//! its `PSYNC`. If it gets no answer to that, it asks again: one that has taken over meanwhile says
//! that it is a master already, and then has to be able to continue from where we are.
//!
//! An error to `PING` (other than that a password is needed) or to `AUTH` ends the attempt; one to
//! `REPLCONF` does not matter. A master that is loading or has lost its own master is asked again
//! later. Any other answer to `PSYNC` than `+CONTINUE` or `+FULLRESYNC` is taken to mean that it
//! only knows `SYNC`.

use super::incoming::IncomingSnapshot;
use super::origin::{Closed, Origin};
use super::{Handover, HandoverAnswer, Link, Resume, Stage, Verdict};
use crate::base::numbers::parse_i64;
use crate::replication::action::{Action, SyncKind};
use crate::replication::context::Context;
use crate::replication::drift;
use crate::replication::extensions::{Extensions, SnapshotPart, StreamSum};
use crate::replication::identity::{OFFSET_MAX, ReplId};
use crate::replication::lag::clock::Skew;
use crate::replication::lineage::Lineage;
use crate::replication::source::Source;
use crate::replication::wire::{self, BulkReader, LineReader, ORIGIN_TIME};
use std::collections::VecDeque;

/// A command that the master has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Ping,
    Auth,
    Port,
    Address,
    Capabilities,
    StreamSum,
    OriginTime { asked_us: i64 },
    Lineage,
    Info,
    SnapshotPart,
    Psync,
}

/// The exchange of lines before the snapshot or the stream.
#[derive(Debug)]
pub(super) struct Handshake {
    /// In the order in which the answers will come; never empty.
    awaited: VecDeque<Awaited>,
    line: LineReader,
    info: BulkReader,
    /// What the master has told of its history.
    lineage: Option<Lineage>,
    /// What the master can do beyond what stock masters can.
    extensions: Extensions,
    /// How far the clock of the origin is ahead, if the master knows that.
    skew: Option<Skew>,
    /// Whether it was told what belongs to that.
    is_told: bool,
    /// When the master was heard of last.
    pub heard_ms: u64,
}

/// What a master says to one who hands over to it.
const TARGET_IS_MASTER: &[u8] = b"-ERR PSYNC FAILOVER can't be sent to a master.";

/// What our `PSYNC` depends on.
#[derive(Clone, Copy)]
struct Terms {
    resume: Resume,
    handover: Option<Handover>,
    /// Whether the master should be asked where its history parts from ours.
    asks_for_fork: bool,
    /// What we have of a snapshot file.
    part: Option<SnapshotPart>,
}

/// What the handshake comes to.
enum Outcome {
    /// More lines will come.
    Waiting,
    /// The attempt is over.
    Failed,
    /// A snapshot follows, which is of this place.
    Snapshot(Origin),
    /// The master has seen other bytes than we have.
    Drifted,
    /// The stream follows; the master's history goes by this name, if it said so.
    Continue(Option<ReplId>),
    /// The one that we hand over to is a master already.
    TargetIsMaster,
    /// The one that we hand over to will not have it.
    TargetRefuses,
}

impl Handshake {
    /// Sends the first command.
    pub fn begin(cx: &mut Context) -> Handshake {
        cx.send_master(&[b"PING"]);
        Handshake {
            awaited: VecDeque::from([Awaited::Ping]),
            line: LineReader::default(),
            info: BulkReader::default(),
            lineage: None,
            extensions: Extensions::empty(),
            skew: None,
            is_told: false,
            heard_ms: cx.now_ms(),
        }
    }

    /// Logs what the end of the connection means at this point.
    pub fn explain_loss(&self, cx: &mut Context, closed: &Closed) {
        let why = match closed {
            Closed::Lost(why) => why.as_str(),
            Closed::ProtocolError => "protocol error",
        };
        cx.warning(format!("Failed to read response from the server: {why}"));
        if self.awaits_psync() {
            cx.warning("Master did not reply to PSYNC, will try later");
        } else {
            cx.warning("Master did not respond to command during SYNC handshake");
        }
    }

    /// Whether everything was said, and the answer to `PSYNC` is awaited.
    pub fn awaits_psync(&self) -> bool {
        self.awaited.front() == Some(&Awaited::Psync)
    }

    fn on_line(&mut self, cx: &mut Context, terms: Terms, line: &[u8]) -> Outcome {
        let question = *self.awaited.front().expect("an answer is awaited");
        // While the master prepares its answer to PSYNC it sends newlines to be heard of.
        if question == Awaited::Psync && line.is_empty() {
            return Outcome::Waiting;
        }
        self.awaited.pop_front();
        let text = wire::printable(line);
        let refused = line.starts_with(b"-");
        match question {
            Awaited::Ping => return self.on_pong(cx, line),
            Awaited::Auth if refused => {
                cx.warning(format!("Unable to AUTH to MASTER: {text}"));
                return Outcome::Failed;
            }
            Awaited::Port if refused => ignore(cx, "listening-port", &text),
            Awaited::Address if refused => ignore(cx, "ip-address", &text),
            Awaited::Capabilities if refused => ignore(cx, "capa", &text),
            Awaited::Capabilities => {
                let words = line.strip_prefix(b"+OK ").and_then(Extensions::parse);
                self.extensions = words.unwrap_or_default() & Extensions::OURS;
            }
            Awaited::StreamSum if line.starts_with(drift::ERROR) => return Outcome::Drifted,
            Awaited::OriginTime { asked_us } => {
                let told = line
                    .strip_prefix(b"+")
                    .and_then(|line| line.strip_prefix(ORIGIN_TIME.as_bytes()));
                let answer = told.and_then(|rest| parse_i64(rest.trim_ascii_start()));
                self.skew = answer.map(|us| Skew::measured(asked_us, us, cx.clock_us()));
            }
            Awaited::Lineage => {
                self.lineage = line.strip_prefix(b"+").and_then(Lineage::parse_text);
            }
            Awaited::Info => self.lineage = Lineage::parse_info(line),
            Awaited::Psync => return on_psync_reply(cx, terms, line),
            _ => {}
        }
        if self.awaited.is_empty() {
            self.tell_more(cx, terms);
        }
        if self.awaited.is_empty() {
            self.ask_for_stream(cx, terms);
        }
        Outcome::Waiting
    }

    /// Says, once, what only masters of ours understand. Any other is asked where its history parts
    /// from ours, if we may lose what is behind that; it need not answer.
    fn tell_more(&mut self, cx: &mut Context, terms: Terms) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        if self.extensions.contains(Extensions::LAG) {
            cx.send_master(&[b"REPLCONF", b"origin-time", b"?"]);
            let asked_us = cx.clock_us();
            self.awaited.push_back(Awaited::OriginTime { asked_us });
        }
        if self.extensions.contains(Extensions::RESUME)
            && let Some(part) = terms.part
        {
            cx.send_master(&[b"REPLCONF", b"snapshot-part", &part.text()]);
            self.awaited.push_back(Awaited::SnapshotPart);
        }
        let identity = cx.history.identity();
        if self.extensions.contains(Extensions::SUM)
            && terms.resume == Resume::Possible
            && let Some(sum) = cx.history.sum()
        {
            let (id, offset) = (identity.id(), identity.offset());
            let text = StreamSum { id, offset, sum }.text();
            cx.send_master(&[b"REPLCONF", b"stream-sum", text.as_bytes()]);
            self.awaited.push_back(Awaited::StreamSum);
        }
        if self.extensions.contains(Extensions::FORK) {
            cx.send_master(&[b"REPLCONF", b"lineage", b"?"]);
            self.awaited.push_back(Awaited::Lineage);
        } else if terms.asks_for_fork {
            cx.send_master(&[b"INFO", b"replication"]);
            self.awaited.push_back(Awaited::Info);
        }
    }

    /// Takes the next answer from the front of `rest`.
    fn read(&mut self, rest: &mut &[u8]) -> Result<Option<Vec<u8>>, wire::LineTooLong> {
        match self.awaited.front() {
            Some(Awaited::Info) => self.info.read(rest),
            _ => self.line.read(rest),
        }
    }

    /// An error that asks for a password shows as well that a master is there; versions word it
    /// differently.
    fn on_pong(&mut self, cx: &mut Context, line: &[u8]) -> Outcome {
        const ALIVE: [&[u8]; 4] = [
            b"+",
            b"-NOAUTH",
            b"-NOPERM",
            b"-ERR operation not permitted",
        ];
        if !ALIVE.iter().any(|start| line.starts_with(start)) {
            let text = wire::printable(line);
            cx.warning(format!("Error reply to PING from master: '{text}'"));
            return Outcome::Failed;
        }
        cx.notice("Master replied to PING, replication can continue...");
        self.introduce(cx);
        Outcome::Waiting
    }

    fn introduce(&mut self, cx: &mut Context) {
        let settings = cx.settings;
        if let Some(password) = &settings.master_auth {
            match &settings.master_user {
                Some(user) => cx.send_master(&[b"AUTH", user, password]),
                None => cx.send_master(&[b"AUTH", password]),
            }
            self.awaited.push_back(Awaited::Auth);
        }
        let port = settings.announce_port.unwrap_or(settings.port).to_string();
        cx.send_master(&[b"REPLCONF", b"listening-port", port.as_bytes()]);
        self.awaited.push_back(Awaited::Port);
        if let Some(ip) = &settings.announce_ip {
            cx.send_master(&[b"REPLCONF", b"ip-address", ip.as_bytes()]);
            self.awaited.push_back(Awaited::Address);
        }
        let ours = Extensions::OURS.text();
        cx.send_master(&[
            b"REPLCONF",
            b"capa",
            b"eof",
            b"capa",
            b"psync2",
            b"capa",
            &ours,
        ]);
        self.awaited.push_back(Awaited::Capabilities);
    }

    /// Sends `PSYNC` with the first byte that we miss, or asks for everything.
    fn ask_for_stream(&mut self, cx: &mut Context, terms: Terms) {
        self.awaited.push_back(Awaited::Psync);
        if terms.resume == Resume::Impossible {
            cx.notice("Partial resynchronization not possible (no cached master)");
            return cx.send_master(&[b"PSYNC", b"?", b"-1"]);
        }
        let identity = cx.history.identity();
        let (id, offset) = (identity.id(), (identity.offset() + 1).to_string());
        cx.notice(format!(
            "Trying a partial resynchronization (request {id}:{offset})."
        ));
        let (id, offset) = (id.as_bytes(), offset.as_bytes());
        match terms.handover {
            None | Some(Handover::ToFollow) => cx.send_master(&[b"PSYNC", id, offset]),
            Some(_) => cx.send_master(&[b"PSYNC", id, offset, b"FAILOVER"]),
        }
    }
}

impl Link {
    /// Reads lines from the front of `rest` until the handshake is over.
    pub(super) fn on_handshake_bytes(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
        rest: &mut &[u8],
    ) {
        let Stage::Handshake(handshake) = &mut self.stage else {
            unreachable!("called in the handshake only");
        };
        let line = match handshake.read(rest) {
            Ok(Some(line)) => line,
            Ok(None) => return,
            Err(wire::LineTooLong) => {
                cx.warning("Failed to read response from the server: the line is too long");
                return self.abandon(cx);
            }
        };
        handshake.heard_ms = cx.now_ms();
        let terms = Terms {
            resume: self.resume,
            handover: self.handover,
            asks_for_fork: self.claim.is_some(),
            part: self.partial.map(|partial| partial.part),
        };
        let asked = handshake.awaits_psync();
        let outcome = handshake.on_line(cx, terms, &line);
        self.peer = handshake.extensions;
        self.meter.set_skew(handshake.skew);
        if let Some(lineage) = handshake.lineage.take() {
            self.lineage = Some(lineage);
        }
        if let Some(handover) = self.handover
            && asked
        {
            self.handover = Some(judge(handover, &outcome));
        }
        match outcome {
            Outcome::Waiting => {}
            Outcome::Failed | Outcome::TargetRefuses => self.abandon(cx),
            Outcome::TargetIsMaster => self.ask_anew(cx),
            Outcome::Drifted if self.handover.is_some() => {
                self.handover = Some(Handover::REFUSED);
                self.abandon(cx);
            }
            Outcome::Drifted => {
                drift::on_refused(cx, &format!("{}:{}", self.host, self.port));
                self.resume = Resume::Impossible;
                self.ask_anew(cx);
            }
            Outcome::Snapshot(_) if self.handover == Some(Handover::REFUSED) => self.abandon(cx),
            Outcome::Snapshot(origin) => {
                if self.handover.is_some() {
                    // It has taken over from us: its history is ours.
                    self.guard.open();
                }
                self.on_full_resync(cx, origin);
            }
            Outcome::Continue(id) => self.on_continue(cx, source, id),
        }
    }

    /// Asks for the stream, on the terms that hold now.
    fn ask_anew(&mut self, cx: &mut Context) {
        let Stage::Handshake(handshake) = &mut self.stage else {
            unreachable!("called in the handshake only");
        };
        let terms = Terms {
            resume: self.resume,
            handover: self.handover,
            asks_for_fork: false,
            part: self.partial.map(|partial| partial.part),
        };
        handshake.ask_for_stream(cx, terms);
    }

    /// A snapshot of this place follows.
    fn on_full_resync(&mut self, cx: &mut Context, origin: Origin) {
        if self.guard.judge(cx, origin.id()) == Verdict::Refuse {
            return self.refuse_lineage(cx, origin);
        }
        self.stage = Stage::Receiving(IncomingSnapshot::new(origin, cx.now_ms()));
    }

    /// The master goes on from where we are.
    fn on_continue(&mut self, cx: &mut Context, source: &mut Source, id: Option<ReplId>) {
        cx.notice("Successful partial resynchronization with master.");
        if let Some(id) = id
            && id != cx.history.identity().id()
        {
            cx.notice(format!("Master replication ID changed to {id}"));
            cx.history.continue_as(id);
            // Our replicas have the right bytes, and learn the name when they come back.
            source.close_all(cx);
        }
        self.learn_lineage(cx);
        // All that we had is in our master's history.
        source.tail_mut().forget(cx.history);
        // A server that was restarted has no log yet.
        cx.history.keep_log(cx.settings.backlog_bytes);
        self.begin_streaming(cx, SyncKind::Partial, true, 0);
        cx.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    }
}

fn ignore(cx: &mut Context, option: &str, text: &str) {
    cx.notice(format!(
        "(Non critical) Master does not understand REPLCONF {option}: {text}"
    ));
}

/// What becomes of a handover with what our target has said to `PSYNC`.
fn judge(handover: Handover, outcome: &Outcome) -> Handover {
    match outcome {
        Outcome::Waiting | Outcome::Drifted => handover,
        Outcome::TargetIsMaster => Handover::ToFollow,
        Outcome::Continue(_) => Handover::Answered(HandoverAnswer::Accepted),
        // One that was a master all along has other data than ours.
        Outcome::Snapshot(_) if handover != Handover::ToFollow => {
            Handover::Answered(HandoverAnswer::Accepted)
        }
        Outcome::Snapshot(_) | Outcome::Failed | Outcome::TargetRefuses => Handover::REFUSED,
    }
}

fn on_psync_reply(cx: &mut Context, terms: Terms, line: &[u8]) -> Outcome {
    let text = wire::printable(line);
    if line.starts_with(b"+FULLRESYNC") {
        return Outcome::Snapshot(parse_full_resync(cx, line));
    }
    if line.starts_with(b"+CONTINUE") && terms.resume == Resume::Possible {
        return Outcome::Continue(line.get(10..).and_then(ReplId::parse));
    }
    if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
        cx.notice(format!(
            "Master is currently unable to PSYNC but should be in the future: {text}"
        ));
        return Outcome::Failed;
    }
    if terms.handover == Some(Handover::Unanswered) && line == TARGET_IS_MASTER {
        return Outcome::TargetIsMaster;
    }
    if line.starts_with(b"-ERR") {
        cx.notice(format!(
            "Master does not support PSYNC or is in error state (reply: {text})"
        ));
    } else {
        cx.warning(format!("Unexpected reply to PSYNC from master: {text}"));
    }
    if terms.handover.is_some() {
        return Outcome::TargetRefuses;
    }
    cx.notice("Retrying with SYNC...");
    cx.push(Action::SendMaster(b"SYNC\r\n".to_vec()));
    Outcome::Snapshot(Origin::Unknown)
}

/// Parses `+FULLRESYNC id offset`, the number as leniently as the reference. A master that gets it
/// wrong, or names a place where no stream can be, still sends a snapshot, but we cannot continue
/// from there later.
fn parse_full_resync(cx: &mut Context, line: &[u8]) -> Origin {
    let mut parts = line.splitn(3, |&byte| byte == b' ').skip(1);
    let id = parts.next().and_then(ReplId::parse);
    let offset = parts.next().and_then(wire::leading_number);
    let offset = offset.and_then(|offset| u64::try_from(offset).ok());
    let offset = offset.filter(|offset| *offset <= OFFSET_MAX);
    match (id, offset) {
        (Some(id), Some(offset)) => {
            cx.notice(format!("Full resync from master: {id}:{offset}"));
            Origin::Known { id, offset }
        }
        _ => {
            cx.warning("Master replied with wrong +FULLRESYNC syntax.");
            Origin::Unknown
        }
    }
}
