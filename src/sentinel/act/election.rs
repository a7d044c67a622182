//! Votes: who may act in an epoch.
//!
//! A Sentinel votes at most once in an epoch for each master, for whoever asks first, and for
//! itself when it begins. Who has the votes of a majority, and of as many as the quorum, acts.
//!
//! Each counts and tells its own vote only when that is on disk. Whoever begins asks for those of
//! the others at once, though: all disks work at the same time, and nobody else begins meanwhile.

use log::Level;

use crate::sentinel::action::Verdict;
use crate::sentinel::context::Cx;
use crate::sentinel::failover::Attempt;
use crate::sentinel::hello::EPOCH_MAX;
use crate::sentinel::instance::Master;
use crate::sentinel::planted::Bug;

/// Those who do not begin wait for so much longer each, so that the votes of one election are not
/// asked for by all.
const RANK_STEP_MS: u64 = 50;
/// And for up to so much longer again, so that nobody stays in step with somebody else.
const RANK_JITTER_MS: u64 = 10;
/// Who has voted for somebody else lets that one act for some time, plus up to so much.
const DESYNC_MS: u64 = 1000;

/// How long we wait before we begin: not at all if we saw the master down before everybody else,
/// and otherwise in the order of the ids of all who can be reached.
pub fn rank_delay_ms(master: &Master, cx: &mut Cx<'_>) -> u64 {
    let said: Vec<bool> = master
        .peers
        .iter()
        .filter_map(|p| p.verdict.first_down)
        .collect();
    if !said.is_empty() && said.iter().all(|down| !down) {
        return 0;
    }
    let reachable = master.peers.iter().filter(|peer| !peer.base.is_down());
    let before = reachable.filter(|peer| *peer.run_id < *cx.id).count() as u64;
    if master.peers.is_empty() {
        return 0;
    }
    (before + u64::from(!said.is_empty())) * RANK_STEP_MS + cx.chance(RANK_JITTER_MS)
}

/// Votes for a candidate, or says for whom we have voted. What we have voted may be told when the
/// change of number `vote_number` is on disk.
pub fn vote(master: &mut Master, epoch: u64, candidate: &str, cx: &mut Cx<'_>) {
    if epoch > EPOCH_MAX {
        return;
    }
    if epoch > *cx.epoch {
        *cx.epoch = epoch;
        cx.saves.want();
        cx.tell_epoch(master);
    }
    // One vote in an epoch for each master is what counts. That others have begun meanwhile for
    // other masters does no harm: when many die, many elections overlap. Whoever cannot write its
    // vote down would not know of it after a restart.
    if master.leader_epoch >= epoch || cx.saves.is_failing() {
        return;
    }
    master.leader = Some(candidate.to_owned());
    master.leader_epoch = epoch;
    master.vote_number = cx.saves.want();
    let text = format!("{candidate} {epoch}");
    cx.saves
        .hold_vote_event(master.vote_number, master.id, text);
    if candidate != cx.id {
        let desync_ms = cx.chance(DESYNC_MS);
        master.failover_tried_ms = Some(cx.now_ms + desync_ms);
    }
}

/// Our vote as it may be told: only what is on disk. For whom it was is not known any more after a
/// restart, but still in which epoch.
pub fn told_vote(master: &Master) -> Option<(String, u64)> {
    let leader = master.leader.as_deref().unwrap_or("*");
    (master.leader_epoch > 0).then(|| (leader.to_owned(), master.leader_epoch))
}

/// An answer that knows no vote.
pub fn verdict_without_vote(master: &Master, tilt: bool) -> Verdict {
    Verdict {
        down: master.base.is_down() && !tilt,
        vote: None,
    }
}

/// How an election stands for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// We have won.
    Won,
    /// It is open.
    Open,
    /// Nobody can win it any more, whatever those say who have not voted.
    Split,
}

/// Whether we have voted in an attempt, and that is on disk.
pub fn has_voted(master: &Master, attempt: &Attempt, cx: &Cx<'_>) -> bool {
    master.leader_epoch == attempt.epoch && cx.saves.has(master.vote_number)
}

/// Counts the votes.
pub fn standing(master: &Master, attempt: &Attempt, cx: &Cx<'_>) -> Standing {
    let majority = match cx.planted.is(Bug::SkipsMajority) {
        true => 1,
        false => master.voters() / 2 + 1,
    };
    let needed = majority.max(master.options.quorum as usize);
    let own = master.leader.as_deref();
    let own = own.filter(|_| has_voted(master, attempt, cx));
    let votes_of_peers = master.peers.iter().map(|peer| {
        let verdict = &peer.verdict;
        verdict
            .leader
            .as_deref()
            .filter(|_| verdict.leader_epoch == attempt.epoch)
    });
    let votes: Vec<Option<&str>> = votes_of_peers.chain([own]).collect();
    let count = |of: &str| votes.iter().filter(|vote| **vote == Some(of)).count();
    if count(cx.id) >= needed {
        // Nothing is done in an epoch of which we would not know after a restart, as long as it may
        // still come to the disk.
        let is_open = master.leader_epoch == attempt.epoch && !has_voted(master, attempt, cx);
        let is_on_its_way = is_open && !cx.saves.is_failing();
        return match is_on_its_way {
            true => Standing::Open,
            false => Standing::Won,
        };
    }
    let silent = votes.iter().filter(|vote| vote.is_none()).count();
    let best = votes
        .iter()
        .flatten()
        .map(|of| count(of))
        .max()
        .unwrap_or(0);
    if best + silent < needed {
        return Standing::Split;
    }
    Standing::Open
}

/// How long to wait after an election that nobody could win.
pub fn again_delay_ms(master: &Master, cx: &mut Cx<'_>) -> u64 {
    let before = master
        .peers
        .iter()
        .filter(|peer| *peer.run_id < *cx.id)
        .count() as u64;
    (before + 1) * RANK_STEP_MS * 2 + cx.chance(RANK_STEP_MS)
}

/// That we have voted is on disk, and may be told.
pub fn tell_vote(master: &Master, text: String, cx: &mut Cx<'_>) {
    cx.event_text(Level::Warn, "+vote-for-leader", Some(master), text);
}
