//! The replica's side: the link to our master.
//!
//! ```text
//!            on_second                on_connected            replies
//!   Idle ----------------> Connecting ------------> Handshake --------.
//!    ^                         |                        |             |
//!    |  connect failed, timeout|     closed, nonsense   |   +CONTINUE | +FULLRESYNC, or SYNC
//!    |<------------------------'<-----------------------'       |     |
//!    |                                                          |     v
//!    |  closed, timeout, not storable, not loadable             |  Receiving
//!    |<---------------------------------------------------------|-----| complete
//!    |                                                          |     v
//!    |  not loadable                                            |  Loading
//!    |<---------------------------------------------------------|-----| loaded
//!    |                                                          v     v
//!    '<---- closed, timeout ----------------------------------- Streaming
//! ```
//!
//! Every way back to `Idle` is followed by another attempt, for ever: with the next second, or at
//! once if a link or a snapshot was lost and the last attempt was begun more than a second ago.
//! Whatever the peer does wrong is logged, and ends no more than the attempt.
//!
//! Whether we may ask to continue (`PSYNC id offset`, not `PSYNC ? -1`) is one bit, `Resume`: our
//! data is what the identity says. It holds from the moment a snapshot is loaded, through lost
//! links, changes of master and failed attempts, until the old data is thrown away for a new
//! snapshot. A master that becomes a replica may ask as well, since its data is what its own
//! identity says.
//!
//! Between `+FULLRESYNC`, or the end of a snapshot, and the loss of the old data stands
//! [`guard`], which may turn the master away.

mod claim;
mod endmark;
mod guard;
mod handshake;
mod incoming;
mod losing;
mod origin;
mod snapshot;
mod standing;

use super::action::{Action, SyncKind};
use super::context::Context;
use super::extensions::Extensions;
use super::history::History;
use super::lag::meter::LagMeter;
use super::lineage::Lineage;
use super::source::Source;
use super::wire;
use claim::Claim;
use guard::{LineageGuard, Verdict};
use handshake::Handshake;
use incoming::{IncomingSnapshot, Load, Partial};

pub use origin::{Closed, ConnectFailure};

/// The least time between the beginning of an attempt and a retry at once.
const ATTEMPT_GAP_MS: u64 = 1000;

/// Whether our data is what our identity says, so that we may ask to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    Possible,
    Impossible,
}

/// The link while it is up and the stream is run.
#[derive(Debug)]
struct Streaming {
    /// Bytes received but not run yet.
    unapplied: u64,
    /// When the master was heard of last.
    heard_ms: u64,
    /// Whether the master told its offset, so that we count as it does and acknowledge.
    counts: bool,
    /// Since when bytes wait and none is run; none if that was not looked at since some were.
    waits_since_ms: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Connecting { since_ms: u64 },
    Handshake(Handshake),
    Receiving(IncomingSnapshot),
    Loading(Load),
    Streaming(Streaming),
}

/// The link to our master; see the module's head.
#[derive(Debug)]
pub struct Link {
    host: String,
    port: u16,
    stage: Stage,
    resume: Resume,
    /// When the last attempt was begun.
    attempt_ms: Option<u64>,
    /// Since when the link has been down, if it was up before.
    down_since_ms: Option<u64>,
    /// How far we are in handing over to this master, if we do.
    handover: Option<Handover>,
    /// What keeps our data from a master that has lost its own.
    guard: LineageGuard,
    /// Whether the link to this very master was up before.
    was_up: bool,
    /// What our master, on this connection, can do beyond what stock masters can.
    peer: Extensions,
    /// How far we are behind the origin.
    meter: LagMeter,
    /// What we may lose to this master, if we were one.
    claim: Option<Claim>,
    /// What the master has told of its history in this attempt.
    lineage: Option<Lineage>,
    /// A part of a snapshot that came before the link broke, and may go on from there.
    partial: Option<Partial>,
}

/// How far a former master is in handing over to its master to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    /// It was not told yet.
    ToAsk,
    /// It was told, and the connection broke before it answered: it may have taken over, or not.
    Unanswered,
    /// It says that it is a master already, which it is since we told it, or for another reason.
    /// The first is so if it can continue from where we are.
    ToFollow,
    /// It has answered.
    Answered(HandoverAnswer),
}

impl Handover {
    const REFUSED: Handover = Handover::Answered(HandoverAnswer::Refused);
}

/// What our master to be makes of it that we hand over to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverAnswer {
    /// It is our master.
    Accepted,
    /// It will not have it.
    Refused,
}

impl Link {
    /// The link of a server that starts as a replica and has no data yet. It begins to connect
    /// with the next second.
    pub(super) fn at_start(host: String, port: u16) -> Link {
        Link {
            host,
            port,
            stage: Stage::Idle,
            resume: Resume::Impossible,
            attempt_ms: None,
            down_since_ms: None,
            handover: None,
            guard: LineageGuard::default(),
            was_up: false,
            peer: Extensions::empty(),
            meter: LagMeter::default(),
            claim: None,
            lineage: None,
            partial: None,
        }
    }

    /// What our target has answered, once it has.
    pub(super) fn handover_answer(&self) -> Option<HandoverAnswer> {
        match self.handover {
            Some(Handover::Answered(answer)) => Some(answer),
            _ => None,
        }
    }

    /// We have handed over.
    pub(super) fn end_handover(&mut self) {
        self.handover = None;
    }

    /// Our data is what our identity says: it was loaded from a snapshot that knew, or written by
    /// ourselves.
    pub(super) fn on_restored(&mut self, cx: &mut Context) {
        cx.notice(
            "Before turning into a replica, using my own master parameters to synthesize a cached \
             master: I may be able to synchronize with the new master with just a partial \
             transfer.",
        );
        self.resume = Resume::Possible;
    }

    /// Whether this is our master already.
    pub(super) fn leads_to(&self, host: &str, port: u16) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.port == port
    }

    /// The name or address of our master.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of our master.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the stream runs.
    pub fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Streaming(_))
    }

    /// Whether a snapshot is on its way into the data set.
    pub fn is_syncing(&self) -> bool {
        matches!(self.stage, Stage::Receiving(_) | Stage::Loading(_))
    }

    /// Whether our data is what our identity says.
    pub fn matches_identity(&self) -> bool {
        self.resume == Resume::Possible
    }

    // ---- Attempts ----

    /// Follows another master from here on.
    pub(super) fn retarget(&mut self, cx: &mut Context, host: String, port: u16) {
        self.leave(cx);
        (self.host, self.port) = (host, port);
        self.was_up = false;
        self.meter.forget();
        self.guard.begin_anew();
        self.connect_anew(cx);
    }

    /// Begins an attempt that is not a retry at once.
    pub(super) fn connect_anew(&mut self, cx: &mut Context) {
        cx.notice(format!("Connecting to MASTER {}:{}", self.host, self.port));
        self.connect(cx);
    }

    /// Lets the next sync through, and has it begin, unless the link is up.
    pub(super) fn open_guard(&mut self, cx: &mut Context) {
        if self.is_up() {
            return;
        }
        cx.notice("The lineage guard lets the next sync with our master through.");
        self.guard.open();
        if matches!(self.stage, Stage::Idle) {
            self.connect_anew(cx);
        }
    }

    /// What keeps our data from a master that has lost its own.
    pub(super) fn guard(&self) -> &LineageGuard {
        &self.guard
    }

    /// The rule of the guard has changed: what was refused may be accepted now.
    pub(super) fn on_new_rule(&mut self) {
        self.guard.ask_without_pause();
    }

    /// Ends whatever goes on, because we will follow this master no longer.
    pub(super) fn leave(&mut self, cx: &mut Context) {
        self.drop_partial(cx);
        match self.stage {
            Stage::Idle => {}
            Stage::Streaming(_) => {
                cx.push(Action::CloseMaster);
                self.note_loss(cx);
            }
            _ => self.abandon(cx),
        }
    }

    fn connect(&mut self, cx: &mut Context) {
        assert!(
            matches!(self.stage, Stage::Idle),
            "one connection at a time"
        );
        let now_ms = cx.now_ms();
        self.attempt_ms = Some(now_ms);
        self.forget_attempt();
        self.stage = Stage::Connecting { since_ms: now_ms };
        cx.push(Action::Connect {
            host: self.host.clone(),
            port: self.port,
        });
        cx.notice("MASTER <-> REPLICA sync started");
    }

    /// Whether the last attempt was begun long enough ago for another at once.
    fn may_retry(&self, now_ms: u64) -> bool {
        self.attempt_ms
            .is_none_or(|at| now_ms.saturating_sub(at) >= ATTEMPT_GAP_MS)
    }

    /// Gives up the attempt; the next one begins with the next second.
    fn abandon(&mut self, cx: &mut Context) {
        match &self.stage {
            Stage::Receiving(incoming) => incoming.abort(cx),
            Stage::Loading(load) => load.abort(cx),
            _ => {}
        }
        self.stage = Stage::Idle;
        self.forget_attempt();
        cx.push(Action::CloseMaster);
    }

    /// Gives up the attempt and begins another: at once, or with the next second if this one was
    /// begun a moment ago.
    fn abandon_and_retry(&mut self, cx: &mut Context) {
        self.abandon(cx);
        if self.may_retry(cx.now_ms()) {
            cx.notice(format!(
                "Reconnecting to MASTER {}:{} after failure",
                self.host, self.port
            ));
            self.connect(cx);
        }
    }

    // ---- Events of the connection ----

    pub(super) fn on_connected(&mut self, cx: &mut Context) {
        if !matches!(self.stage, Stage::Connecting { .. }) {
            return;
        }
        cx.notice("Non blocking connect for SYNC fired the event.");
        self.stage = Stage::Handshake(Handshake::begin(cx));
    }

    pub(super) fn on_connect_failed(&mut self, cx: &mut Context, failure: ConnectFailure) {
        if !matches!(self.stage, Stage::Connecting { .. }) {
            return;
        }
        match failure {
            ConnectFailure::NotBegun(why) => {
                cx.warning(format!("Unable to connect to MASTER: {why}"));
            }
            ConnectFailure::Socket(why) => {
                cx.warning(format!("Error condition on socket for SYNC: {why}"));
            }
        }
        self.stage = Stage::Idle;
    }

    /// New bytes from the master. Returns how many from the front are not of the stream; see
    /// [`super`] for what to do with the others.
    pub(super) fn on_bytes(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
        bytes: &[u8],
    ) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stage {
                Stage::Idle | Stage::Connecting { .. } => return bytes.len(),
                Stage::Handshake(_) => self.on_handshake_bytes(cx, source, &mut rest),
                Stage::Receiving(_) => self.on_snapshot_bytes(cx, source, bytes, &mut rest),
                Stage::Loading(ref mut load) => {
                    load.on_stream_bytes(rest.len());
                    break;
                }
                Stage::Streaming(ref mut streaming) => {
                    streaming.waits_since_ms.get_or_insert(cx.now_ms());
                    streaming.unapplied += rest.len() as u64;
                    streaming.heard_ms = cx.now_ms();
                    break;
                }
            }
        }
        bytes.len() - rest.len()
    }

    pub(super) fn on_closed(&mut self, cx: &mut Context, closed: Closed) {
        match &mut self.stage {
            Stage::Idle | Stage::Connecting { .. } => {}
            Stage::Handshake(handshake) => {
                handshake.explain_loss(cx, &closed);
                self.note_unanswered();
                self.abandon(cx);
            }
            Stage::Receiving(incoming) => {
                incoming.explain_loss(cx, &closed);
                self.keep_and_retry(cx);
            }
            // The snapshot is here, so loading it goes on; the loss is dealt with afterwards.
            Stage::Loading(load) => load.on_link_lost(),
            Stage::Streaming(_) => {
                if closed == Closed::ProtocolError {
                    self.resume = Resume::Impossible;
                }
                self.on_stream_lost(cx);
            }
        }
    }

    /// The connection is over. If our target has been told, it may have taken over all the same.
    fn note_unanswered(&mut self) {
        let told = matches!(&self.stage, Stage::Handshake(handshake) if handshake.awaits_psync());
        if told && self.handover.is_some() {
            self.handover = Some(Handover::Unanswered);
        }
    }

    /// The link was up and is lost; its connection is closed already.
    fn on_stream_lost(&mut self, cx: &mut Context) {
        self.note_loss(cx);
        if self.may_retry(cx.now_ms()) {
            cx.notice(format!(
                "Reconnecting to MASTER {}:{}",
                self.host, self.port
            ));
            self.connect(cx);
        }
    }

    fn note_loss(&mut self, cx: &mut Context) {
        cx.notice("Connection with master lost.");
        if self.resume == Resume::Possible {
            cx.notice("Caching the disconnected master state.");
        }
        self.down_since_ms = Some(cx.now_ms());
        self.stage = Stage::Idle;
    }

    // ---- The stream ----

    /// The link is up.
    fn begin_streaming(&mut self, cx: &mut Context, after: SyncKind, counts: bool, unapplied: u64) {
        self.stage = Stage::Streaming(Streaming {
            unapplied,
            heard_ms: cx.now_ms(),
            counts,
            waits_since_ms: None,
        });
        self.resume = if counts {
            Resume::Possible
        } else {
            Resume::Impossible
        };
        self.down_since_ms = None;
        self.was_up = true;
        self.claim = None;
        self.drop_partial(cx);
        self.guard.on_synced(cx, after);
        cx.push(Action::StartStream {
            db: cx.history.db().unwrap_or(0),
            after,
        });
    }

    /// `bytes` of the stream were run, which has `db` selected now.
    pub(super) fn on_applied(&mut self, history: &mut History, bytes: &[u8], db: u32) {
        let Stage::Streaming(streaming) = &mut self.stage else {
            panic!("stream bytes were run while the link was down");
        };
        let left = streaming.unapplied.checked_sub(bytes.len() as u64);
        streaming.unapplied = left.expect("only what was received can be run");
        streaming.waits_since_ms = None;
        history.append(bytes);
        history.set_db(Some(db));
    }

    /// Tells the master how far we are.
    pub(super) fn send_ack(&mut self, cx: &mut Context) {
        if let Stage::Streaming(Streaming { counts: true, .. }) = self.stage {
            let offset = cx.history.identity().offset();
            let is_read = self.peer.contains(Extensions::LAG);
            let lag = self.lag(cx.settings, cx.now_ms()).filter(|_| is_read);
            let ack = wire::ack(offset, cx.facts.fsynced_offset, lag.map(|lag| lag.ms));
            cx.push(Action::SendMaster(ack));
        }
    }

    // ---- Once a second ----

    pub(super) fn on_second(&mut self, cx: &mut Context) {
        let now_ms = cx.now_ms();
        match &mut self.stage {
            Stage::Receiving(incoming) => incoming.note_rate(now_ms),
            Stage::Streaming(streaming) if streaming.unapplied > 0 => {
                streaming.waits_since_ms.get_or_insert(now_ms);
            }
            _ => {}
        }
        match &mut self.stage {
            Stage::Idle if !self.guard.may_ask(cx.now_ms()) => {}
            Stage::Idle => self.connect_anew(cx),
            Stage::Connecting { since_ms: heard_ms }
            | Stage::Handshake(Handshake { heard_ms, .. }) => {
                if cx.timed_out(*heard_ms) {
                    cx.warning("Timeout connecting to the MASTER...");
                    self.note_unanswered();
                    self.abandon_and_retry(cx);
                }
            }
            Stage::Receiving(incoming) => {
                if cx.timed_out(incoming.heard_ms()) {
                    cx.warning(
                        "Timeout receiving bulk data from MASTER... If the problem persists try \
                         to set the 'repl-timeout' parameter in redis.conf to a larger value.",
                    );
                    self.keep_and_retry(cx);
                } else if incoming.is_loading() {
                    cx.push(Action::SendMaster(b"\n".to_vec()));
                }
            }
            Stage::Loading(load) => {
                if !load.is_link_lost() {
                    cx.push(Action::SendMaster(b"\n".to_vec()));
                }
                self.try_again_to_keep(cx);
            }
            Stage::Streaming(streaming) => {
                if cx.timed_out(streaming.heard_ms) {
                    cx.warning("MASTER timeout: no data nor PING received...");
                    cx.push(Action::CloseMaster);
                    self.on_stream_lost(cx);
                } else {
                    self.send_ack(cx);
                }
            }
        }
    }
}

#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;
