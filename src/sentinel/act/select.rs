//! Which replica takes over.
//!
//! All that can be reached are asked anew how far they are, and for a moment all answers are waited
//! for: what they said seconds ago is no ground to lose writes on.

use super::emptied;
use super::links::ask_info;
use super::place::{is_astray, is_successor};
use crate::sentinel::context::Cx;
use crate::sentinel::failover::{Attempt, Reason};
use crate::sentinel::ids::InstanceId;
use crate::sentinel::instance::{Master, Replica, ServerRole, ServerView};
use crate::sentinel::planted::Bug;

/// So long the answers of all are waited for.
const ALL_ANSWER_MS: u64 = 250;
/// So long at least that of one is who has not answered a ping for so long.
const SILENT_ANSWERS_MS: u64 = 50;
const SILENT_MS: u64 = 150;
/// So long that of anybody is.
const ONE_ANSWERS_MS: u64 = 1000;
/// A replica has to have answered a ping within so many periods.
const PING_PERIODS: u64 = 5;
/// And to have said how it is within so many, when the master is up.
const INFO_PERIODS: u64 = 3;
/// Its link to the master may have been down for so many times `down-after-milliseconds` more than
/// the master is.
const DOWN_AFTERS: u64 = 10;

/// What comes of looking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// This one.
    Replica(InstanceId),
    /// No replica is fit for it.
    Nobody,
    /// Answers are waited for, until this time.
    NotYet(u64),
}

/// Asks all replicas how far they are.
pub fn ask_all(master: &mut Master, cx: &mut Cx<'_>) {
    for at in 0..master.replicas.len() {
        ask_info(master, master.replicas[at].base.link, cx);
        master.replicas[at].view.info_asked_ms = cx.now_ms;
    }
}

/// Who may be chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fitness {
    /// Not this one.
    Unfit,
    /// It was the master before, and lacks all that was written since.
    Outdated,
    /// Nobody knows what it has: it plays a master, and we have never seen it follow one.
    Unknown,
    /// It has a copy of what the master had.
    Fit,
}

/// Chooses among those who have answered since they were asked, which was when this state of the
/// attempt began.
pub fn select(master: &Master, attempt: &Attempt, cx: &Cx<'_>) -> Choice {
    let (since_ms, one_ms) = (attempt.since_ms, attempt.since_ms + ONE_ANSWERS_MS);
    let able = || {
        let with_fitness = |replica| (fitness(master, replica, cx), replica);
        let all = master.replicas.iter().map(with_fitness);
        all.filter(|(fitness, _)| *fitness != Fitness::Unfit)
    };
    let trusts_old = cx.planted.is(Bug::TrustsOldOffsets);
    let is_fresh = |replica: &Replica| trusts_old || replica.view.info_as_of_ms >= since_ms;
    let late = able().filter(|(_, replica)| !is_fresh(replica));
    let late_ms = late.map(|(_, replica)| patience_ends_ms(replica, since_ms, cx));
    if let Some(all_ms) = late_ms.max()
        && cx.now_ms < all_ms
    {
        return Choice::NotYet(all_ms);
    }
    let fresh_and_fit = able().filter(|(fit, replica)| *fit == Fitness::Fit && is_fresh(replica));
    if let Some(best) = best(master, fresh_and_fit.map(|(_, replica)| replica)) {
        return Choice::Replica(best);
    }
    let may_answer = |replica: &Replica| match fitness(master, replica, cx) {
        Fitness::Unfit => may_become_fit(replica, cx),
        _ => !is_fresh(replica),
    };
    if cx.now_ms < one_ms && master.replicas.iter().any(may_answer) {
        return Choice::NotYet(one_ms);
    }
    let valid_ms = match master.base.is_down() {
        true => cx.timing.ping_period * PING_PERIODS,
        false => cx.timing.info_period * INFO_PERIODS,
    };
    let is_valid = |replica: &Replica| {
        let at_ms = replica.view.info_at_ms;
        at_ms.is_some_and(|at_ms| cx.now_ms.saturating_sub(at_ms) <= valid_ms)
    };
    let valid = || able().filter(|(_, replica)| is_valid(replica));
    let may_be_old = may_be_outdated(master, attempt, cx);
    let fittest = valid().map(|(fitness, _)| fitness).max();
    let fittest = fittest.filter(|fitness| *fitness != Fitness::Outdated || may_be_old);
    let chosen = best(
        master,
        valid().filter_map(|(fitness, replica)| (Some(fitness) == fittest).then_some(replica)),
    );
    chosen.map_or(Choice::Nobody, Choice::Replica)
}

/// Whether it is time to go on with old data: the master, and whoever else has a newer copy, had
/// `failover-timeout` to come back, or an operator wants it.
fn may_be_outdated(master: &Master, attempt: &Attempt, cx: &Cx<'_>) -> bool {
    let is_forced = attempt.reason == Reason::Forced;
    let waited = |since_ms| cx.is_past(since_ms, master.options.failover_timeout_ms);
    is_forced || master.base.down_since_ms.is_some_and(waited)
}

/// Until when the answer of a replica is waited for that was asked at `since_ms`. One that has not
/// answered a ping for a while will hardly answer this.
fn patience_ends_ms(replica: &Replica, since_ms: u64, cx: &Cx<'_>) -> u64 {
    let (least_ms, most_ms) = (since_ms + SILENT_ANSWERS_MS, since_ms + ALL_ANSWER_MS);
    match cx.links.get(replica.base.link).ping_waits_since_ms {
        Some(waits_ms) => (waits_ms + SILENT_MS).clamp(least_ms, most_ms),
        None => most_ms,
    }
}

/// Whether there is anybody who could take over.
pub fn has_candidate(master: &Master, cx: &Cx<'_>) -> bool {
    master
        .replicas
        .iter()
        .any(|replica| fitness(master, replica, cx) != Fitness::Unfit)
}

/// How fit a replica is to take over.
fn fitness(master: &Master, replica: &Replica, cx: &Cx<'_>) -> Fitness {
    if master.has_lost_data {
        // Nobody else has what is to be saved.
        return match is_there(replica, cx) && emptied::is_saviour(master, replica, cx) {
            true => Fitness::Fit,
            false => Fitness::Unfit,
        };
    }
    if !may_lead(master, replica, cx) {
        return Fitness::Unfit;
    }
    if replica.view.has_synced {
        return Fitness::Fit;
    }
    match replica.view.role {
        _ if is_astray(replica) => Fitness::Outdated,
        ServerRole::Master => Fitness::Unknown,
        // We may have seen it for the first time when its master was gone.
        ServerRole::Replica => Fitness::Fit,
    }
}

/// Whether a replica answers.
fn is_there(replica: &Replica, cx: &Cx<'_>) -> bool {
    let link = cx.links.get(replica.base.link);
    let heard_ms = cx.now_ms.saturating_sub(link.ok_ms);
    !replica.base.is_down() && link.can_send() && heard_ms <= cx.timing.ping_period * PING_PERIODS
}

/// Whether a replica may take over at all, whatever it has.
fn may_lead(master: &Master, replica: &Replica, cx: &Cx<'_>) -> bool {
    let patience_ms = master.options.down_after_ms * DOWN_AFTERS;
    let link_down_ms_max = master_down_ms(master, cx) + patience_ms;
    let view = &replica.view;
    let was_linked = u64::try_from(view.link_down_ms).is_ok_and(|ms| ms <= link_down_ms_max);
    is_there(replica, cx)
        && view.info_at_ms.is_some()
        && view.priority != 0
        && (was_linked || view.link_down_ms < 0)
        && !never_synced(view)
}

/// For how long the master has been down. One that plays a replica has been none since then. One
/// that we have never seen up may have been down for as long as the replica that lost it last.
fn master_down_ms(master: &Master, cx: &Cx<'_>) -> u64 {
    let link = cx.links.get(master.base.link);
    let ago = |since_ms: u64| cx.now_ms.saturating_sub(since_ms);
    let known_ms = master.base.down_since_ms.map_or(0, ago);
    if !link.was_ok {
        let lost = master
            .replicas
            .iter()
            .filter(|replica| !replica.base.is_down());
        let lost = lost.filter_map(|replica| u64::try_from(replica.view.link_down_ms).ok());
        return known_ms.max(lost.min().unwrap_or(0));
    }
    match master.view.role {
        ServerRole::Replica => known_ms.max(ago(master.view.role_since_ms)),
        ServerRole::Master => known_ms,
    }
}

/// Whether all that is missing is a connection, or the first answer.
fn may_become_fit(replica: &Replica, cx: &Cx<'_>) -> bool {
    let view = &replica.view;
    let is_unheard = view.info_at_ms.is_none() || !cx.links.get(replica.base.link).can_send();
    is_unheard && !replica.base.is_down() && view.priority != 0
}

/// Whether a replica has no copy of the data. One that is not linked and is at the very beginning
/// of the stream has none, unless it was already there with its link up: then nothing was written.
/// That it was is seen, or told: servers say 1 if they have no copy, or have just thrown theirs
/// away for another one, and 0 if they have one of a master that has written nothing.
fn never_synced(view: &ServerView) -> bool {
    const NO_COPY: u64 = 1;
    let was_seen = view.offset_when_up.is_some_and(|offset| offset <= NO_COPY);
    let is_idle = was_seen || view.has_synced && view.offset == 0;
    let follows = view.role == ServerRole::Replica;
    follows && !view.link_up && view.offset <= NO_COPY && !is_idle
}

/// The one that the master has handed over to; else the best by priority, then by offset, then by
/// run id.
fn best<'a>(master: &Master, replicas: impl Iterator<Item = &'a Replica>) -> Option<InstanceId> {
    let rank = |replica: &&Replica| {
        let view = &replica.view;
        // One without a run id comes last.
        let run_id = view.run_id.as_deref().map(str::to_ascii_lowercase);
        (
            !is_successor(master, replica),
            view.priority,
            std::cmp::Reverse(view.offset),
            run_id.is_none(),
            run_id,
        )
    };
    replicas.min_by_key(rank).map(|replica| replica.id)
}
