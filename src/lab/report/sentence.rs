//! What happened in a run, as one sentence for somebody who never saw the lab.

use super::failovers::Failover;
use super::gaps::{BIN_US, WORTH_NAMING_US};
use super::history::History;
use super::summary::{Pause, Summary};
use super::trouble::{Trouble, TroubleKind};
use super::words::{count, counted, duration, listed, shortened};
use crate::lab::model::{NodeKind, ProcessState, UnixUs, What};

/// Cuts of one partition are done within this time.
const PARTITION_US: i64 = 500_000;
/// Words that a sentence may begin with and that are no names.
const OUR_WORDS: [&str; 6] = ["the", "no", "nobody", "nothing", "writes", "what"];
const NAMES_MAX: usize = 4;
const WORDS_MAX: usize = 80;

/// The sentence. `summary` has all its figures but this.
pub fn of(summary: &Summary, history: &History) -> String {
    let mut clauses = what_happened(summary, history);
    clauses.extend(losses(summary));
    if let Some(words) = summary.not_held.first() {
        let words = shortened(words.trim_start_matches("wait-for "), WORDS_MAX);
        clauses.push(match summary.not_held.len() {
            1 => format!("the script waited in vain for “{words}”"),
            n => format!("the script waited in vain {n} times, first for “{words}”"),
        });
    }
    if summary.broke_off() {
        clauses.push("the record ends in the middle of the run".to_owned());
    }
    capitalised(clauses.join("; ") + ".")
}

/// A sentence with a great letter at its beginning, unless that is the name of a node.
fn capitalised(sentence: String) -> String {
    let first = sentence.split(' ').next().unwrap_or_default();
    if !OUR_WORDS.contains(&first) {
        return sentence;
    }
    sentence[..1].to_ascii_uppercase() + &sentence[1..]
}

fn what_happened(summary: &Summary, history: &History) -> Vec<String> {
    let mut clauses = Vec::new();
    let pause = pause(summary, history);
    match summary.failovers.as_slice() {
        [] => {
            let disturbance = first_disturbance(history);
            let was_disturbed = disturbance.is_some();
            clauses.extend(disturbance);
            clauses.extend(pause);
            let nobody = if was_disturbed {
                "no other server took over"
            } else {
                "no server took over from another"
            };
            clauses.push(nobody.to_owned());
        }
        [failover] => {
            clauses.push(began(failover, history));
            clauses.extend(pause);
            clauses.push(match &failover.to {
                Some(to) => format!("{to} took over"),
                None => "no other server took over".to_owned(),
            });
        }
        several => {
            clauses.push(began(&several[0], history));
            let done: Vec<&Failover> = several.iter().filter(|f| f.to.is_some()).collect();
            let mut chain: Vec<String> = done.iter().take(1).map(|f| f.from.clone()).collect();
            chain.extend(done.iter().take(8).filter_map(|f| f.to.clone()));
            let times = counted(done.len() as u64, "failover", "failovers");
            clauses.push(format!("there were {times} in all ({})", chain.join(" → ")));
            clauses.extend(pause);
        }
    }
    clauses
}

/// What was done to the master.
fn began(failover: &Failover, history: &History) -> String {
    let master = &failover.from;
    match &failover.trouble {
        Some(trouble) => done_to(master, trouble, history),
        None => format!("{master} was replaced although nothing was done to it"),
    }
}

fn done_to(master: &str, trouble: &Trouble, history: &History) -> String {
    match trouble.kind {
        TroubleKind::Down => ended(master, &trouble.detail),
        TroubleKind::Stopped => format!("{master} stood still"),
        TroubleKind::Cut => {
            let peers = cut_from(master, trouble.at_us, history);
            format!("{master} was cut off from {}", listed(&peers, NAMES_MAX))
        }
        TroubleKind::Slowed => format!("the links of {master} were slowed"),
        TroubleKind::Asked => {
            let step = shortened(&trouble.step, WORDS_MAX);
            format!("the script asked for “{step}”")
        }
    }
}

fn ended(node: &str, detail: &str) -> String {
    if ["signal", "killed"]
        .iter()
        .any(|word| detail.contains(word))
    {
        format!("{node} was killed")
    } else {
        format!("{node} was shut down")
    }
}

fn cut_from(master: &str, at_us: UnixUs, history: &History) -> Vec<String> {
    let mut peers = Vec::new();
    for event in &history.events {
        if let What::Link { from, to, state } = &event.what
            && state.cut
            && (at_us..at_us.saturating_add(PARTITION_US)).contains(&event.at_us)
        {
            let peer = match (from == master, to == master) {
                (true, _) => to,
                (_, true) => from,
                _ => continue,
            };
            if !peers.contains(peer) {
                peers.push(peer.clone());
            }
        }
    }
    peers
}

/// What was done to any server or link first, where no failover came of it.
fn first_disturbance(history: &History) -> Option<String> {
    let is_server = |name: &str| {
        history
            .node(name)
            .is_none_or(|n| n.kind == NodeKind::Server)
    };
    history.events.iter().find_map(|event| match &event.what {
        What::Process {
            node,
            state,
            detail,
        } if is_server(node) => match state {
            ProcessState::Up => None,
            ProcessState::Stopped => Some(format!("{node} stood still")),
            ProcessState::Down => Some(ended(node, detail)),
        },
        What::Link { from, to, state } if state.cut => {
            Some(format!("the link from {from} to {to} was cut"))
        }
        What::Link { from, to, state } if state.delay_us > 0 || state.bytes_per_s > 0 => {
            Some(format!("the link from {from} to {to} was slowed"))
        }
        _ => None,
    })
}

/// For how long writes stood still, if there were any.
fn pause(summary: &Summary, history: &History) -> Option<String> {
    let worst = summary.longest_gap()?;
    if worst.length_us < WORTH_NAMING_US {
        let longest = duration(worst.length_us);
        return Some(format!(
            "writes went on without a pause longer than {longest}"
        ));
    }
    let (who, pause) = match summary.nobody_wrote {
        Some(pause) if pause.length_us >= WORTH_NAMING_US => ("nobody".to_owned(), pause),
        _ => {
            let writer = summary
                .writers
                .iter()
                .find(|w| w.longest_gap == Some(worst))?;
            (format!("the writer {}", writer.writer), worst)
        }
    };
    let length = duration(pause.length_us);
    let last = if is_to_the_end(pause, history) {
        ", until the end"
    } else {
        ""
    };
    Some(match who.as_str() {
        "nobody" => format!("nobody could write for {length}{last}"),
        _ => format!("{who} could not write for {length}{last}"),
    })
}

/// Whether no write at all was accepted after `pause`.
fn is_to_the_end(pause: Pause, history: &History) -> bool {
    let mut accepted = history.writes.values().flatten().filter(|w| w.accepted > 0);
    !history.writes.is_empty()
        && accepted.all(|writes| writes.at_us <= pause.at_us.saturating_add(BIN_US))
}

fn losses(summary: &Summary) -> Vec<String> {
    if summary.writers.is_empty() {
        return vec!["nothing was written, so nothing can be said of lost writes".to_owned()];
    }
    if !summary.is_checked() {
        let accepted = counted(
            summary.acknowledged(),
            "acknowledged write",
            "acknowledged writes",
        );
        return vec![format!("what became of {accepted} was not checked")];
    }
    let (lost, all) = (summary.lost(), summary.acknowledged());
    let mut clauses = Vec::new();
    if lost == 0 {
        clauses.push("no acknowledged write was lost".to_owned());
    } else {
        let were = if lost == 1 { "was" } else { "were" };
        let mut clause = format!(
            "{} of {} acknowledged writes {were} lost",
            count(lost),
            count(all)
        );
        let losers: Vec<_> = summary
            .writers
            .iter()
            .filter(|writer| writer.lost > 0)
            .collect();
        if let [only] = losers.as_slice()
            && summary.writers.len() > 1
        {
            clause += &format!(", all written by {}", only.writer);
        }
        let promised = summary.sum(|writer| writer.promised_lost);
        if promised > 0 {
            clause += &format!(", {} of them promised by WAIT", count(promised));
        }
        if let Some(noted) = summary.in_ledger() {
            clause += &format!(", {} of them noted in a ledger", count(noted));
        }
        clauses.push(clause);
    }
    let doubled = summary.sum(|writer| writer.duplicated);
    if doubled > 0 {
        clauses.push(counted(
            doubled,
            "write is there twice",
            "writes are there twice",
        ));
    }
    let reordered = summary.sum(|writer| writer.reordered);
    if reordered > 0 {
        clauses.push(counted(
            reordered,
            "write is out of order",
            "writes are out of order",
        ));
    }
    clauses
}
