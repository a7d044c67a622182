//! A planned failover: a master hands over to one of its replicas, and no write is lost.
//!
//! ```text
//!            FAILOVER              a replica has all, or the
//!                                  time is over and it is forced     the target says yes
//!  no failover ───▶ waiting for sync ──────────────────▶ in progress ─────────────▶ a replica,
//!    a master              │                                  │                     no failover
//!       ▲                  │ ABORT, time over                 │ ABORT, the target says no
//!       └──────────────────┴──────────────────────────────────┘
//! ```
//!
//! From the request to the end nothing is written: clients' writes are held back, nothing expires,
//! nothing is evicted. So there is an offset at which a replica has all that was ever acknowledged,
//! and it says itself when it is there. Then we become its replica, as `REPLICAOF` would make us,
//! but with the word `FAILOVER` behind our `PSYNC`, upon which it becomes a master before it
//! answers; what it says is read by the link (`link/handshake.rs`). As long as it has not answered
//! we try for ever, and only `ABORT` ends that: then we are a master again, under a new name.
//!
//! **Asking.** Replicas say how far they are once a second. To wait for that would make everybody
//! wait, so they are asked, with a `REPLCONF GETACK` that is the last thing in the stream. A
//! replica answers before it counts the question, so one that is where the question begins has all
//! data. Nobody is asked when a replica is known to have all, or when clients were paused before:
//! who paused them may rely on the offset to stand still.

use super::action::Action;
use super::context::Context;
use super::source::Source;

/// How often a target is tried that cannot be reached.
const RETRY_MS: u64 = 100;

/// Where a failover stands.
#[derive(Debug, Default)]
pub enum Failover {
    /// There is none.
    #[default]
    No,
    /// Writes are held back until a replica has all of them.
    WaitingForSync(Waiting),
    /// We are the replica of this target, which has not said yet that it is a master.
    InProgress {
        /// Who takes over.
        target: FailoverTarget,
        /// When to look after the link to it again, in monotonic milliseconds.
        retry_ms: u64,
    },
}

/// A failover that waits for a replica.
#[derive(Debug)]
pub struct Waiting {
    /// Who shall take over; anybody, if nobody was named.
    target: Option<FailoverTarget>,
    /// How long to wait, in monotonic milliseconds.
    until_ms: Option<u64>,
    /// Whether the target takes over after that time, whatever it lacks.
    force: bool,
    /// The offsets at which the last question to replicas begins and ends.
    question: Option<(u64, u64)>,
}

/// The replica that takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailoverTarget {
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What `FAILOVER` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FailoverRequest<'a> {
    /// Address and port of the replica that shall take over; anybody, if nobody is named.
    pub to: Option<(&'a [u8], i64)>,
    /// Hand over when the time is over, whatever the replica lacks.
    pub force: bool,
    /// How long to wait for the replica to have all, in milliseconds; none is for ever.
    pub timeout_ms: Option<u64>,
}

/// A step that a failover takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Become the replica of this one.
    HandOver(FailoverTarget),
    /// Give it up, for this reason.
    GiveUp(&'static str),
    /// Ask replicas how far they are.
    Ask,
}

impl Failover {
    /// All names in `INFO`.
    pub const NAMES: [&str; 3] = ["no-failover", "waiting-for-sync", "failover-in-progress"];

    /// Its name in `INFO`.
    pub fn name(&self) -> &'static str {
        match self {
            Failover::No => Failover::NAMES[0],
            Failover::WaitingForSync(_) => Failover::NAMES[1],
            Failover::InProgress { .. } => Failover::NAMES[2],
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        matches!(self, Failover::No)
    }

    /// When it stops waiting, in monotonic milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        match self {
            Failover::WaitingForSync(waiting) => waiting.until_ms,
            Failover::No | Failover::InProgress { .. } => None,
        }
    }

    /// Begins to wait for a replica that can take over.
    ///
    /// # Errors
    ///
    /// Why not, without the code word.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context,
        source: &Source,
        is_replica: bool,
        request: FailoverRequest,
    ) -> Result<(), &'static str> {
        if !self.is_none() {
            return Err("FAILOVER already in progress.");
        }
        if is_replica {
            return Err("FAILOVER is not valid when server is a replica.");
        }
        if source.count() == 0 {
            return Err("FAILOVER requires connected replicas.");
        }
        if request.force && (request.timeout_ms.is_none() || request.to.is_none()) {
            return Err(
                "FAILOVER with force option requires both a timeout and target HOST and IP.",
            );
        }
        let target = match request.to {
            None => None,
            Some((host, port)) => Some(named_target(source, host, port)?),
        };
        cx.notice(match &target {
            Some(FailoverTarget { host, port }) => format!("FAILOVER requested to {host}:{port}."),
            None => "FAILOVER requested to any replica.".to_owned(),
        });
        cx.push(Action::HoldWrites(true));
        let until_ms = |ms| cx.now_ms().saturating_add(ms);
        *self = Failover::WaitingForSync(Waiting {
            target,
            until_ms: request.timeout_ms.map(until_ms),
            force: request.force,
            question: None,
        });
        Ok(())
    }

    /// What there is to be done next, while it waits for a replica.
    pub(super) fn next_step(&self, cx: &mut Context, source: &Source) -> Option<Step> {
        let Failover::WaitingForSync(waiting) = self else {
            return None;
        };
        if waiting
            .until_ms
            .is_some_and(|until_ms| until_ms <= cx.now_ms())
        {
            return Some(waiting.time_is_over(cx));
        }
        let end = cx.history.identity().offset();
        let is_last = |question: &(u64, u64)| question.1 == end;
        let question = waiting.question.filter(is_last);
        // One that is where the last question begins has run everything before it.
        let all_data = question.map_or(end, |(begin, _)| begin);
        let found = match &waiting.target {
            Some(FailoverTarget { host, port }) => {
                let has_all = source.has_acked_at(host.as_bytes(), (*port).into(), all_data);
                has_all.then(|| (host.clone(), *port))
            }
            None => source.first_acked(all_data),
        };
        let Some((host, port)) = found else {
            return question.is_none().then_some(Step::Ask);
        };
        cx.notice(format!(
            "Failover target {host}:{port} is synced, failing over."
        ));
        Some(Step::HandOver(FailoverTarget { host, port }))
    }

    /// Replicas were asked; the question stands there in the stream.
    pub(super) fn note_question(&mut self, begin: u64, end: u64) {
        if let Failover::WaitingForSync(waiting) = self {
            waiting.question = Some((begin, end));
        }
    }

    /// We are about to become the replica of our target.
    pub(super) fn hand_over(&mut self, target: FailoverTarget, now_ms: u64) {
        *self = Failover::InProgress {
            target,
            retry_ms: now_ms + RETRY_MS,
        };
    }

    /// Whether to look after the link to our target again, sooner than replicas do otherwise.
    pub(super) fn retry_is_due(&mut self, now_ms: u64) -> bool {
        match self {
            Failover::InProgress { retry_ms, .. } if *retry_ms <= now_ms => {
                *retry_ms = now_ms + RETRY_MS;
                true
            }
            _ => false,
        }
    }

    /// Our target is our master.
    pub(super) fn end(&mut self, cx: &mut Context) {
        *self = Failover::No;
        cx.push(Action::HoldWrites(false));
    }

    /// Nothing comes of it. Returns whether there was one.
    pub(super) fn give_up(&mut self, cx: &mut Context, why: &str) -> bool {
        let target = match std::mem::take(self) {
            Failover::No => return false,
            Failover::WaitingForSync(waiting) => waiting.target,
            Failover::InProgress { target, .. } => Some(target),
        };
        let whom = target.map_or("any replica".to_owned(), |target| {
            format!("{}:{}", target.host, target.port)
        });
        cx.notice(format!("FAILOVER to {whom} aborted: {why}"));
        true
    }
}

impl Waiting {
    fn time_is_over(&self, cx: &mut Context) -> Step {
        let Some(target) = self.target.clone().filter(|_| self.force) else {
            return Step::GiveUp("Replica never caught up before timeout");
        };
        let FailoverTarget { host, port } = &target;
        cx.notice(format!(
            "FAILOVER to {host}:{port} time out exceeded, failing over."
        ));
        Step::HandOver(target)
    }
}

/// The replica that was named.
fn named_target(source: &Source, host: &[u8], port: i64) -> Result<FailoverTarget, &'static str> {
    const STRANGER: &str = "FAILOVER target HOST and PORT is not a replica.";
    let online = source.is_online_at(host, port).ok_or(STRANGER)?;
    let port = u16::try_from(port).map_err(|_| STRANGER)?;
    if !online {
        return Err("FAILOVER target replica is not online.");
    }
    let host = String::from_utf8_lossy(host).into_owned();
    Ok(FailoverTarget { host, port })
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
