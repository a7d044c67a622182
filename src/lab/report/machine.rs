//! A report for programs: as JSON, and as one line of text for scripts.
//!
//! The names of fields and keys are an interface: what was there once keeps its name and its
//! meaning, and new ones may be added.

use serde_json::{Value, json};

use super::failovers::Failover;
use super::history::History;
use super::summary::{Summary, WriterFigures};
use crate::lab::model::{NodeFacts, Verdict};

/// The version of both forms; it grows when a field changes its meaning.
const FORMAT: u32 = 1;
/// Stands for what is not known.
const NONE: &str = "-";

/// The whole report as JSON: `summary`, and from the record `setup`, `nodes`, `events` by time and
/// `verdicts`.
pub fn json(history: &History, nodes: &[&NodeFacts], summary: &Summary) -> String {
    let verdicts: Vec<&&Verdict> = history.verdicts.values().collect();
    let mut summary = serde_json::to_value(summary).unwrap_or(Value::Null);
    add_stages(&mut summary);
    let settings: Vec<Value> = history
        .setup
        .settings
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let report = json!({
        "format": FORMAT,
        "title": history.setup.title,
        "question": history.setup.question,
        "seed": history.setup.seed,
        "from_us": history.from_us,
        "to_us": history.to_us,
        "complete": history.is_complete,
        "summary": summary,
        "settings": settings,
        "nodes": nodes,
        "events": history.events,
        "verdicts": verdicts,
    });
    format!("{report:#}\n")
}

/// Adds to each failover how long its stages took, which its times only imply.
fn add_stages(summary: &mut Value) {
    let Some(failovers) = summary.get_mut("failovers").and_then(Value::as_array_mut) else {
        return;
    };
    for value in failovers {
        let Ok(failover) = serde_json::from_value::<Failover>(value.clone()) else {
            continue;
        };
        value["stages"] = json!({
            "detection_us": failover.detection_us(),
            "election_us": failover.election_us(),
            "promotion_us": failover.promotion_us(),
        });
    }
}

/// One line of `key=value`, separated by spaces, without an end of line. Times are milliseconds; of
/// several failovers, the longest counts. `-` stands for what is not known or did not happen, and
/// so for lost writes that nobody looked for. Characters that a shell would care for are replaced
/// by `_`.
pub fn line(summary: &Summary) -> String {
    let mut pairs = run_pairs(summary);
    pairs.extend(write_pairs(summary));
    let mut pairs: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    for writer in &summary.writers {
        let name = plain(&writer.writer);
        let gap = ms(writer.longest_gap.map(|gap| gap.length_us));
        pairs.push(format!("{name}.acknowledged={}", writer.acknowledged));
        match writer.checked {
            true => pairs.push(format!("{name}.lost={}", writer.lost)),
            false => pairs.push(format!("{name}.lost={NONE}")),
        }
        pairs.push(format!("{name}.gap_ms={gap}"));
    }
    pairs.join(" ")
}

type Pairs = Vec<(&'static str, String)>;

/// What happened.
fn run_pairs(summary: &Summary) -> Pairs {
    let failovers = || summary.failovers.iter();
    let worst = |figure: fn(&Failover) -> Option<u64>| ms(failovers().filter_map(figure).max());
    let done = || failovers().filter_map(|failover| failover.to.as_deref());
    vec![
        ("title", plain(&summary.title)),
        ("seed", summary.seed.to_string()),
        ("complete", yes(summary.complete)),
        ("held", yes(summary.all_held)),
        ("failovers", done().count().to_string()),
        ("master", done().next_back().map_or(NONE.to_owned(), plain)),
        ("sdown_ms", worst(|failover| failover.sdown_us)),
        ("odown_ms", worst(|failover| failover.odown_us)),
        ("detection_ms", worst(Failover::detection_us)),
        ("election_ms", worst(Failover::election_us)),
        ("promotion_ms", worst(Failover::promotion_us)),
        ("promoted_ms", worst(|failover| failover.promoted_us)),
        ("switched_ms", worst(|failover| failover.switched_us)),
        ("first_write_ms", worst(|failover| failover.first_write_us)),
    ]
}

/// What became of the writes of all writers.
fn write_pairs(summary: &Summary) -> Pairs {
    // Nobody must take it for good news that nobody looked.
    let found = |figure: fn(&WriterFigures) -> u64| match summary.is_checked() {
        true => summary.sum(figure).to_string(),
        false => NONE.to_owned(),
    };
    let in_ledger = summary.in_ledger().map(|count| count.to_string());
    vec![
        ("gap_ms", ms(summary.longest_gap().map(|gap| gap.length_us))),
        (
            "nobody_wrote_ms",
            ms(summary.nobody_wrote.map(|gap| gap.length_us)),
        ),
        ("checked", yes(summary.is_checked())),
        ("acknowledged", summary.acknowledged().to_string()),
        ("lost", found(|writer| writer.lost)),
        ("promised_lost", found(|writer| writer.promised_lost)),
        ("in_ledger", in_ledger.unwrap_or(NONE.to_owned())),
        ("duplicated", found(|writer| writer.duplicated)),
        ("reordered", found(|writer| writer.reordered)),
    ]
}

fn ms(us: Option<u64>) -> String {
    us.map_or(NONE.to_owned(), |us| format!("{:.1}", us as f64 / 1e3))
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// `text` without what a shell, or a reader of pairs, would care for.
fn plain(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '+' | '-');
    let replaced: String = text
        .chars()
        .map(|c| if harmless(c) { c } else { '_' })
        .collect();
    if replaced.is_empty() {
        NONE.to_owned()
    } else {
        replaced
    }
}
