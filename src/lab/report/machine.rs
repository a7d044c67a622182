//! A report for programs: as JSON, and as one line of text for scripts.
//!
//! The names of fields and keys are an interface: what was there once keeps its name and its
//! meaning, and new ones may be added.

use serde_json::{Value, json};

use super::failovers::Failover;
use super::history::History;
use super::summary::Summary;
use crate::lab::model::{NodeFacts, Verdict};

/// The version of both forms; it grows when a field changes its meaning.
const FORMAT: u32 = 1;

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
/// several failovers, the longest counts. `-` stands for what is not known or did not happen.
/// Characters that a shell would care for are replaced by `_`.
pub fn line(summary: &Summary) -> String {
    let worst = |figure: fn(&Failover) -> Option<u64>| {
        ms(summary.failovers.iter().filter_map(figure).max())
    };
    let taken = || {
        summary
            .failovers
            .iter()
            .filter_map(|failover| failover.to.as_deref())
    };
    let last_of = |name: Option<&str>| name.map_or("-".to_owned(), plain);
    let mut pairs = vec![
        ("title".to_owned(), plain(&summary.title)),
        ("seed".to_owned(), summary.seed.to_string()),
        ("complete".to_owned(), yes(summary.complete)),
        ("held".to_owned(), yes(summary.all_held)),
        ("failovers".to_owned(), taken().count().to_string()),
        ("master".to_owned(), last_of(taken().last())),
        ("sdown_ms".to_owned(), worst(|failover| failover.sdown_us)),
        ("odown_ms".to_owned(), worst(|failover| failover.odown_us)),
        ("detection_ms".to_owned(), worst(Failover::detection_us)),
        ("election_ms".to_owned(), worst(Failover::election_us)),
        ("promotion_ms".to_owned(), worst(Failover::promotion_us)),
        (
            "promoted_ms".to_owned(),
            worst(|failover| failover.promoted_us),
        ),
        (
            "switched_ms".to_owned(),
            worst(|failover| failover.switched_us),
        ),
        (
            "first_write_ms".to_owned(),
            worst(|failover| failover.first_write_us),
        ),
        (
            "gap_ms".to_owned(),
            ms(summary.longest_gap().map(|gap| gap.length_us)),
        ),
        (
            "nobody_wrote_ms".to_owned(),
            ms(summary.nobody_wrote.map(|gap| gap.length_us)),
        ),
        ("checked".to_owned(), yes(summary.is_checked())),
        (
            "acknowledged".to_owned(),
            summary.acknowledged().to_string(),
        ),
        ("lost".to_owned(), summary.lost().to_string()),
        (
            "promised_lost".to_owned(),
            summary.sum(|w| w.promised_lost).to_string(),
        ),
        (
            "in_ledger".to_owned(),
            summary
                .in_ledger()
                .map_or("-".to_owned(), |n| n.to_string()),
        ),
        (
            "duplicated".to_owned(),
            summary.sum(|w| w.duplicated).to_string(),
        ),
        (
            "reordered".to_owned(),
            summary.sum(|w| w.reordered).to_string(),
        ),
    ];
    for writer in &summary.writers {
        let name = plain(&writer.writer);
        pairs.push((
            format!("{name}.acknowledged"),
            writer.acknowledged.to_string(),
        ));
        pairs.push((format!("{name}.lost"), writer.lost.to_string()));
        pairs.push((
            format!("{name}.gap_ms"),
            ms(writer.longest_gap.map(|gap| gap.length_us)),
        ));
    }
    let words: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| key + "=" + &value)
        .collect();
    words.join(" ")
}

fn ms(us: Option<u64>) -> String {
    us.map_or("-".to_owned(), |us| format!("{:.1}", us as f64 / 1e3))
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
        "-".to_owned()
    } else {
        replaced
    }
}
