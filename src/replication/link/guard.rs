//! The lineage guard: what keeps the data of a replica from a master that has lost its own.
//!
//! A master that kept nothing on disk and was started again has no data, and a history that nobody
//! has heard of. Its replicas ask to continue, are offered a full sync, and would throw away the
//! last copies of the data for it. A replica that holds data takes a full sync without a question
//! only from a master whose history it knows: the one of its data, or the one before it. Of others
//! it refuses what [`LineageRule`] says: the snapshot that turns out to hold no key, when it is
//! here and before anything of ours is touched for it, or any, before a byte of it has come.
//!
//! A refusal ends the attempt and changes nothing else: data, identity, log and replicas stay, and
//! another attempt follows, since the master may be given its data back. Each costs it a snapshot,
//! so the pauses grow.
//!
//! An operator may want the new data all the same. One who says so opens the guard until the link
//! is up again.

use crate::replication::action::{Action, SyncKind};
use crate::replication::context::Context;
use crate::replication::identity::ReplId;
use crate::replication::info::{GuardInfo, GuardState, RefusedFor, RefusedInfo};
use crate::replication::settings::LineageRule;

/// Where our clients can hear of it.
const CHANNEL: &str = "__replica__:lineage-guard";
/// The pause after the first refusal; each further one doubles it.
const PAUSE_MS: u64 = 1000;
/// The longest pause.
const PAUSE_MS_MAX: u64 = 10_000;
/// The least time between two loud lines about the same.
const LOUD_MS: u64 = 60_000;

/// What is to become of a full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replication) enum Verdict {
    /// It may go on.
    Accept,
    /// It may if there is a key in it.
    LookForKeys,
    /// It must end here.
    Refuse,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(in crate::replication) struct LineageGuard {
    /// An operator lets the next sync through.
    open: bool,
    /// What our master offers is being refused.
    refusal: Option<Refusal>,
    /// How often anything was refused.
    refusals: u64,
}

/// What is refused, again and again.
#[derive(Debug)]
struct Refusal {
    since_ms: u64,
    why: RefusedFor,
    id: Option<ReplId>,
    pause_ms: u64,
    /// When the master may be asked again.
    next_ms: u64,
    /// When it was told loudly.
    told_ms: u64,
}

impl LineageGuard {
    /// What is to become of a full sync with a master of that history, if it has told one.
    pub fn judge(&self, cx: &Context, id: Option<ReplId>) -> Verdict {
        if self.open || cx.facts.dataset_empty || id.is_some_and(|id| is_known(cx, id)) {
            return Verdict::Accept;
        }
        match cx.settings.lineage_guard {
            LineageRule::AcceptAll => Verdict::Accept,
            LineageRule::RefuseEmpty => Verdict::LookForKeys,
            LineageRule::RefuseUnknown => Verdict::Refuse,
        }
    }

    /// Lets the next sync through.
    pub fn open(&mut self) {
        self.open = true;
        self.ask_without_pause();
    }

    /// We follow another master from here on.
    pub fn begin_anew(&mut self) {
        (self.open, self.refusal) = (false, None);
    }

    /// Whether it is time for another attempt.
    pub fn may_ask(&self, now_ms: u64) -> bool {
        let refusal = self.refusal.as_ref();
        refusal.is_none_or(|refusal| refusal.next_ms <= now_ms)
    }

    /// The next attempt need not wait.
    pub fn ask_without_pause(&mut self) {
        if let Some(refusal) = &mut self.refusal {
            (refusal.next_ms, refusal.pause_ms) = (0, PAUSE_MS);
        }
    }

    /// The master there, whose history is that one, was turned away.
    pub fn on_refused(&mut self, cx: &mut Context, host: &str, port: u16, id: Option<ReplId>) {
        let now_ms = cx.now_ms();
        self.refusals += 1;
        let (why, no_keys) = match cx.settings.lineage_guard {
            LineageRule::RefuseUnknown => (RefusedFor::Unknown, ""),
            _ => (RefusedFor::Empty, " and holds no key"),
        };
        let is_first = self.refusal.is_none();
        let refusal = self.refusal.get_or_insert(Refusal {
            since_ms: now_ms,
            why,
            id,
            pause_ms: PAUSE_MS,
            next_ms: now_ms,
            told_ms: now_ms,
        });
        (refusal.id, refusal.why) = (id, why);
        refusal.next_ms = now_ms + refusal.pause_ms;
        refusal.pause_ms = (refusal.pause_ms * 2).min(PAUSE_MS_MAX);
        let is_loud = is_first || now_ms - refusal.told_ms >= LOUD_MS;
        if is_loud {
            refusal.told_ms = now_ms;
        }
        let name = id.as_ref().map_or("?", ReplId::as_str);
        if is_loud {
            cx.warning(format!(
                "LINEAGE GUARD: the full sync that MASTER {host}:{port} offers is of a history \
                 that we do not know ({name}){no_keys}. We refuse it, keep our data, and go on \
                 asking (refused {} times). If that master's data is what you want here, say to \
                 this server 'REPLICAOF {host} {port}' or 'CONFIG SET replica-lineage-guard no'.",
                self.refusals
            ));
        }
        if is_first {
            publish(cx, format!("refused {host} {port} {name} {}", why.name()));
        }
    }

    /// Whether what our master offers is being refused.
    pub fn is_refusing(&self) -> bool {
        self.refusal.is_some()
    }

    /// The link is up.
    pub fn on_synced(&mut self, cx: &mut Context, after: SyncKind) {
        self.open = false;
        if self.refusal.take().is_none() {
            return;
        }
        let (how, message) = match after {
            SyncKind::Full => ("with a full sync", "over full"),
            SyncKind::Partial => ("and goes on from where we are", "over partial"),
        };
        cx.notice(format!(
            "The lineage guard refuses nothing any more: our master is in step with us {how}."
        ));
        publish(cx, message.to_owned());
    }

    /// What it does by this rule.
    pub fn state(&self, rule: LineageRule) -> GuardState {
        match (&self.refusal, rule) {
            (_, LineageRule::AcceptAll) => GuardState::Off,
            _ if self.open => GuardState::Open,
            (Some(_), _) => GuardState::Refusing,
            (None, _) => GuardState::On,
        }
    }

    /// The facts of `INFO`; `was_in_step` with our master, as a replica.
    pub fn info(&self, rule: LineageRule, was_in_step: bool, now_ms: u64) -> GuardInfo {
        GuardInfo {
            state: self.state(rule),
            refusals: self.refusals,
            refused: self.refusal.as_ref().map(|refusal| RefusedInfo {
                why: refusal.why,
                was_in_step,
                since_s: now_ms.saturating_sub(refusal.since_ms) / 1000,
                id: refusal.id,
            }),
        }
    }
}

/// Whether our data are of that history, or grew out of it.
fn is_known(cx: &Context, id: ReplId) -> bool {
    let identity = cx.history.identity();
    let previous = identity.previous();
    identity.id().is(id.as_bytes()) || previous.is_some_and(|before| before.id.is(id.as_bytes()))
}

fn publish(cx: &mut Context, message: String) {
    cx.push(Action::Publish {
        channel: CHANNEL,
        message,
    });
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
