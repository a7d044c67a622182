//! A master that has come back without the data that its replicas refuse to lose.
//!
//! It answers, and says that it is a master, so nothing else would replace it. But a replica of
//! ours that holds its data refuses what it offers, and says so in `INFO`
//! (`replica-lineage-guard`).
//! Such a master counts as down for whoever sees that: its peers are asked as about any other, and
//! a replica that refuses it takes over. What was written to it since is lost.
//!
//! To take a master for emptied that was emptied on purpose would bring back what somebody wanted
//! to be gone. So a replica counts as one that can save the data only if
//!
//! - it refuses a history without a key; or one that it does not know (`strict`), of a master that
//!   says that it has no key;
//! - it was in step with this master before: it says so, or we have seen it;
//! - the history of the master does not continue that of the replica, as it does after a start with
//!   the data from a file: who has brought them back and has none now was told to;
//! - this process of the master was not seen with keys before the replica refused it;
//! - it is no former master that has not come back yet, and may be promoted.
//!
//! And that has to be so for a moment. It cannot be long: as soon as a client writes to the emptied
//! master, it has a key, and replicas that refuse only what is empty copy it.

use log::Level;

use super::place::{follows, is_astray};
use crate::sentinel::context::Cx;
use crate::sentinel::instance::{Master, Refuses, Replica, ServerRole};

/// A master is seen like this for half of `down-after-milliseconds`, and so long at most, before it
/// counts as down.
const PATIENCE_MS_MAX: u64 = 1000;
/// What a replica has said is believed for so long; it is asked every second.
const BELIEVED_MS: u64 = 5000;

/// Whether the master has lost its data, for long enough.
pub fn check(master: &mut Master, cx: &mut Cx<'_>) -> bool {
    let saviour = match master.view.role {
        ServerRole::Master => master
            .replicas
            .iter()
            .find(|replica| is_saviour(master, replica, cx)),
        ServerRole::Replica => None,
    };
    let Some(saviour) = saviour else {
        if std::mem::take(&mut master.has_lost_data) {
            cx.warn_master("-lost-data", master);
        }
        master.lost_data_since_ms = None;
        return false;
    };
    let patience_ms = (master.options.down_after_ms / 2).min(PATIENCE_MS_MAX);
    let since_ms = master.lost_data_since_ms.unwrap_or(cx.now_ms);
    let more = format!(" #refused by {}", cx.name_of(&saviour.base));
    master.lost_data_since_ms = Some(since_ms);
    if !cx.is_past(since_ms, patience_ms) {
        cx.wake_at(since_ms + patience_ms);
        return false;
    }
    if !std::mem::replace(&mut master.has_lost_data, true) {
        let subject = cx.of_master(master);
        cx.event(Level::Warn, "+lost-data", master, &subject, &more);
    }
    true
}

/// Whether a replica has the data that the master has lost, and keeps them from it.
pub fn is_saviour(master: &Master, replica: &Replica, cx: &Cx<'_>) -> bool {
    let (view, of) = (&replica.view, &master.view);
    let Some((what, since_ms)) = view.refuses else {
        return false;
    };
    let is_recent = |at_ms: u64| !cx.is_past(at_ms, BELIEVED_MS);
    let is_there = !replica.base.is_down() && view.info_at_ms.is_some_and(is_recent);
    let may_lead = view.priority != 0 && !is_astray(replica);
    let is_emptied = match what {
        Refuses::Empty => of.keys_seen_ms.is_none_or(|seen_ms| seen_ms >= since_ms),
        Refuses::Unknown => of.keys_seen_ms.is_none(),
    };
    is_there
        && may_lead
        && is_emptied
        && of.info_at_ms.is_some()
        && follows(replica, &master.base.address)
        && was_in_step(master, replica)
        && is_another_history(master, replica)
}

/// Whether the replica had what the master had, before that lost it.
fn was_in_step(master: &Master, replica: &Replica) -> bool {
    let was_seen = replica.view.in_step_with.as_ref().is_some_and(|process| {
        let is_other = master.view.run_id.as_ref() != Some(&process.run_id);
        is_other && process.address.is_same(&master.base.address)
    });
    replica.view.was_in_step || was_seen
}

/// Whether the history of the master is not, and does not continue, that of the replica.
fn is_another_history(master: &Master, replica: &Replica) -> bool {
    let its = replica.view.replids[0].as_ref();
    its.is_some()
        && master.view.replids[0].is_some()
        && !master.view.replids.iter().any(|id| id.as_ref() == its)
}
