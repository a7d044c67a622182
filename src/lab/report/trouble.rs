//! What began a failover: the last thing before its first sign that was done to the master.
//!
//! A process that dies or stands still, a link that is cut or slowed, or a step of the script that
//! asks for another master. What was done to others is not looked at, and neither is what was over
//! already when a process came up again, but for the step that restarted it.

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::lab::model::{LinkState, ProcessState, UnixUs, What};

/// Links that are cut by one step are cut within this time.
const ONE_STEP_US: i64 = 500_000;
/// A restart is over within this time.
const RESTART_US: i64 = 10_000_000;
/// What is logged has whole milliseconds, so it may seem to come before what caused it.
const LOG_TICK_US: i64 = 1_000;
/// Words of steps that change roles, or what a server holds, whatever processes and links do.
const ASKING: [&str; 7] = [
    "failover",
    "slaveof",
    "replicaof",
    "shutdown",
    "debug",
    "restart",
    "wipe",
];
/// Steps that do nothing to servers, whatever words follow.
const HARMLESS: [&str; 4] = ["wait-for", "note", "load", "status"];

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The master's process ended.
    Down,
    /// The master's process stood still.
    Stopped,
    /// A link of the master was cut.
    Cut,
    /// A link of the master was slowed.
    Slowed,
    /// The script asked for a change.
    Asked,
}

/// What began a failover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at_us: UnixUs,
    /// What kind.
    pub kind: TroubleKind,
    /// The step of the script that did it, in its words; empty if none did.
    pub step: String,
    /// How the process ended, where it is that: `killed by signal 9`.
    pub detail: String,
}

/// What was done to `master` last before the event of index `sign`, and since `since_us`.
pub fn before(history: &History, sign: usize, master: &str, since_us: UnixUs) -> Option<Trouble> {
    let mut found: Option<Trouble> = None;
    let mut over: Option<UnixUs> = None;
    let until_us = history.events[sign].at_us.saturating_add(LOG_TICK_US);
    let events = history.events.iter().enumerate().rev();
    let near = events.skip_while(|(_, event)| event.at_us > until_us);
    for (index, event) in near.take_while(|(_, event)| event.at_us >= since_us) {
        let Some(kind) = kind_of(&event.what, master) else {
            continue;
        };
        let kind = match (kind, &found) {
            (Seen::Over, None) => {
                over.get_or_insert(event.at_us);
                continue;
            }
            (Seen::Trouble(kind), None) if over.is_none() => kind,
            (Seen::Trouble(TroubleKind::Asked), None)
                if over.is_some_and(|over| over.saturating_sub(event.at_us) < RESTART_US) =>
            {
                TroubleKind::Asked
            }
            (Seen::Trouble(_), None) => continue,
            // A partition is many cuts at once, of which the first counts.
            (Seen::Trouble(kind), Some(later))
                if kind == later.kind
                    && kind == TroubleKind::Cut
                    && later.at_us.saturating_sub(event.at_us) < ONE_STEP_US =>
            {
                kind
            }
            _ => break,
        };
        let detail = match &event.what {
            What::Process { detail, .. } => detail.clone(),
            _ => String::new(),
        };
        found = Some(Trouble {
            at_us: event.at_us,
            kind,
            step: step_before(history, index),
            detail,
        });
    }
    found
}

enum Seen {
    Trouble(TroubleKind),
    /// What was wrong is right again.
    Over,
}

fn kind_of(what: &What, master: &str) -> Option<Seen> {
    Some(match what {
        What::Process { node, state, .. } if node == master => match state {
            ProcessState::Down => Seen::Trouble(TroubleKind::Down),
            ProcessState::Stopped => Seen::Trouble(TroubleKind::Stopped),
            ProcessState::Up => Seen::Over,
        },
        What::Link { from, to, state } if from == master || to == master => {
            if state.cut {
                Seen::Trouble(TroubleKind::Cut)
            } else if *state != LinkState::default() {
                Seen::Trouble(TroubleKind::Slowed)
            } else {
                return None;
            }
        }
        What::Step { words } => {
            let mut words = words.split_whitespace().map(str::to_ascii_lowercase);
            let first = words.next()?;
            if HARMLESS.contains(&first.as_str()) {
                return None;
            }
            let is_asking = |word: String| ASKING.contains(&word.as_str());
            if !is_asking(first) && !words.any(is_asking) {
                return None;
            }
            Seen::Trouble(TroubleKind::Asked)
        }
        _ => return None,
    })
}

/// The words of the step that the event of this index belongs to.
fn step_before(history: &History, index: usize) -> String {
    let at = history.events[index].at_us;
    let before = history.events[..=index].iter().rev();
    before
        .take_while(|event| at.saturating_sub(event.at_us) < 2 * ONE_STEP_US)
        .find_map(|event| match &event.what {
            What::Step { words } => Some(words.clone()),
            _ => None,
        })
        .unwrap_or_default()
}
