//! The tables of a page: what became of the writes, how long failovers took, what was set up.
//!
//! A figure is a row, for it needs words that explain it; what has figures — a writer, a failover —
//! is a column.

use super::failovers::Failover;
use super::history::{History, Node};
use super::markup::{Attributes, Markup};
use super::summary::{ServerFigures, Summary, WriterFigures};
use super::words::{count, counted, duration, listed, shortened};
use crate::lab::model::{NodeKind, Verdict};

/// Columns of one table.
const COLUMNS_MAX: usize = 12;
const RANGES_MAX: usize = 8;
const WORDS_MAX: usize = 200;

/// Begins a table that can be moved sideways where there is no room for it.
pub fn open(markup: &mut Markup, words: &str) {
    let attributes: Attributes = &[
        ("class", &"scroll"),
        ("role", &"region"),
        ("aria-label", &words),
        ("tabindex", &0),
    ];
    markup.open("div", attributes);
    markup.open("table", &[]);
    markup.element("caption", &[], words);
}

/// Ends it.
pub fn close(markup: &mut Markup) {
    markup.close();
    markup.close();
}

/// The row of column heads; the first column has none.
pub fn head(markup: &mut Markup, columns: &[(&str, String)]) {
    markup.open("thead", &[]);
    markup.open("tr", &[]);
    markup.element("td", &[], "");
    for (class, words) in columns {
        let attributes: Attributes = &[("scope", &"col"), ("class", class)];
        markup.element("th", attributes, words);
    }
    markup.close();
    markup.close();
}

/// A row: its name, words that explain it, and its cells with their classes.
pub fn row(markup: &mut Markup, name: &str, explained: &str, cells: &[(&str, String)]) {
    markup.open("tr", &[]);
    markup.open("th", &[("scope", &"row")]);
    markup.text(name);
    if !explained.is_empty() {
        markup.element("small", &[], explained);
    }
    markup.close();
    for (class, words) in cells {
        markup.element("td", &[("class", class)], words);
    }
    markup.close();
}

/// What became of the writes, in plain words and in figures.
pub fn writes(markup: &mut Markup, history: &History, summary: &Summary) {
    markup.open("ul", &[("class", &"plain"), ("id", &"verdicts")]);
    for writer in summary.writers.iter().take(COLUMNS_MAX) {
        let verdict = history.verdicts.get(writer.writer.as_str()).copied();
        markup.open("li", &[]);
        markup.element("strong", &[], &writer.writer);
        markup.text(&plain_words(writer, verdict));
        markup.close();
    }
    if summary.writers.len() > COLUMNS_MAX {
        let more = summary.writers.len() - COLUMNS_MAX;
        let words = counted(more as u64, "writer more", "writers more");
        markup.element(
            "li",
            &[],
            &format!("and {words}, which only the record and the JSON report show"),
        );
    }
    markup.close();
    let verdicts: Vec<&Verdict> = history
        .verdicts
        .values()
        .copied()
        .take(COLUMNS_MAX)
        .collect();
    if !verdicts.is_empty() {
        verdict_table(markup, &verdicts);
    }
}

/// The verdict on a writer as a clause that follows its name.
fn plain_words(figures: &WriterFigures, verdict: Option<&Verdict>) -> String {
    let all = counted(
        figures.acknowledged,
        "acknowledged write",
        "acknowledged writes",
    );
    let Some(verdict) = verdict else {
        return format!(": {all}; what became of them was not checked.");
    };
    let about = [verdict.kind.as_str(), verdict.route.as_str()];
    let about: Vec<&str> = about
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    let about = match about.join(", ") {
        about if about.is_empty() => about,
        about => format!(" ({about})"),
    };
    let mut words = match verdict.lost {
        0 => format!("{about}: all {all} are there."),
        lost => {
            let is = if lost == 1 { "is" } else { "are" };
            let ranges = ranges(verdict);
            format!("{about}: {} of {all} {is} lost{ranges}.", count(lost))
        }
    };
    if verdict.promised_lost > 0 {
        let n = count(verdict.promised_lost);
        words += &format!(" WAIT had promised {n} of the lost ones to be on enough replicas.");
    }
    if verdict.foreign > 0 {
        words += &format!(
            " {} that nobody wrote.",
            counted(verdict.foreign, "value is there", "values are there")
        );
    }
    words
}

/// The numbers of lost writes: `: 4711–4722, 4730`.
fn ranges(verdict: &Verdict) -> String {
    let show = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    let shown: Vec<String> = verdict.lost_ranges.iter().map(show).collect();
    if shown.is_empty() {
        String::new()
    } else {
        ": ".to_owned() + &listed(&shown, RANGES_MAX)
    }
}

fn verdict_table(markup: &mut Markup, verdicts: &[&Verdict]) {
    open(
        markup,
        "The writes of each writer, looked for on the master at the end",
    );
    let heads: Vec<(&str, String)> = verdicts
        .iter()
        .map(|v| ("num", shortened(&v.writer, 40)))
        .collect();
    head(markup, &heads);
    markup.open("tbody", &[]);
    type Figure = fn(&Verdict) -> u64;
    let figures: [(&str, &str, Figure, bool); 12] = [
        ("Sent", "", |v| v.sent, false),
        (
            "Acknowledged",
            "the server said that it has done them",
            |v| v.acknowledged,
            false,
        ),
        (
            "Promised",
            "of these, WAIT said that enough replicas have them",
            |v| v.promised,
            false,
        ),
        (
            "Present",
            "acknowledged, and the master has them in the end",
            |v| v.present,
            false,
        ),
        (
            "Lost",
            "acknowledged, and the master has them not",
            |v| v.lost,
            true,
        ),
        ("Promised and lost", "", |v| v.promised_lost, true),
        ("Twice", "there more than once", |v| v.duplicated, true),
        (
            "Out of order",
            "there before one that was sent earlier",
            |v| v.reordered,
            true,
        ),
        ("Refused", "answered with an error", |v| v.refused, false),
        (
            "Unanswered",
            "no reply came, so the client cannot know",
            |v| v.unknown,
            false,
        ),
        (
            "Refused or unanswered, but there",
            "",
            |v| v.unacknowledged_present,
            false,
        ),
        (
            "Foreign",
            "values that no writer wrote",
            |v| v.foreign,
            true,
        ),
    ];
    for (name, explained, figure, is_alarming) in figures {
        let cell = |verdict: &&Verdict| {
            let n = figure(verdict);
            (
                if is_alarming && n > 0 {
                    "num alarm"
                } else {
                    "num"
                },
                count(n),
            )
        };
        row(
            markup,
            name,
            explained,
            &verdicts.iter().map(cell).collect::<Vec<_>>(),
        );
        if name == "Promised and lost" && verdicts.iter().any(|v| v.in_ledger.is_some()) {
            ledger_row(markup, verdicts);
        }
    }
    let gap = |verdict: &&Verdict| {
        (
            "num",
            verdict
                .longest_gap
                .map_or("—".to_owned(), |gap| duration(gap.1)),
        )
    };
    let explained = "the longest time without an accepted write";
    row(
        markup,
        "Longest gap",
        explained,
        &verdicts.iter().map(gap).collect::<Vec<_>>(),
    );
    markup.close();
    close(markup);
}

fn ledger_row(markup: &mut Markup, verdicts: &[&Verdict]) {
    let cell = |verdict: &&Verdict| match verdict.in_ledger {
        None => ("num", "no ledger".to_owned()),
        Some(n) if n < verdict.lost => ("num alarm", count(n)),
        Some(n) => ("num", count(n)),
    };
    let explained = "lost, and a server wrote them down as lost";
    row(
        markup,
        "In a ledger",
        explained,
        &verdicts.iter().map(cell).collect::<Vec<_>>(),
    );
}

/// How long the stages of each failover took.
pub fn failovers(markup: &mut Markup, summary: &Summary) {
    let shown: Vec<&Failover> = summary.failovers.iter().take(COLUMNS_MAX).collect();
    open(
        markup,
        "Time since the trouble; in brackets, how long the stage itself took",
    );
    let heads: Vec<(&str, String)> = shown
        .iter()
        .map(|f| {
            (
                "num",
                format!("{} → {}", f.from, f.to.as_deref().unwrap_or("nobody")),
            )
        })
        .collect();
    head(markup, &heads);
    markup.open("tbody", &[]);
    let trouble = |f: &&Failover| {
        let words = f
            .trouble
            .as_ref()
            .map(|trouble| match trouble.step.as_str() {
                "" => trouble.detail.clone(),
                step => step.to_owned(),
            });
        (
            "step",
            shortened(&words.unwrap_or("not known".to_owned()), 60),
        )
    };
    row(
        markup,
        "Trouble",
        "the last that was done to the master before",
        &cells(&shown, trouble),
    );
    type Time = fn(&Failover) -> Option<u64>;
    let stages: [(&str, &str, Time, Time); 7] = [
        (
            "Missed",
            "the first Sentinel got no answer in time: +sdown",
            |f| f.sdown_us,
            |_| None,
        ),
        (
            "Agreed",
            "enough Sentinels missed it: +odown",
            |f| f.odown_us,
            |f| Some(f.odown_us? - f.sdown_us?.min(f.odown_us?)),
        ),
        (
            "Elected",
            "one Sentinel may act: +elected-leader",
            |f| f.elected_us,
            Failover::election_us,
        ),
        (
            "Promoted",
            "another server is master",
            |f| f.promoted_us,
            Failover::promotion_us,
        ),
        (
            "Announced",
            "clients are told: +switch-master",
            |f| f.switched_us,
            |f| Some(f.switched_us?.saturating_sub(f.promoted_us?)),
        ),
        (
            "First write",
            "a write is accepted again",
            |f| f.first_write_us,
            |_| None,
        ),
        (
            "Ended",
            "all replicas follow the new master: +failover-end",
            |f| f.ended_us,
            |_| None,
        ),
    ];
    for (name, explained, since, own) in stages {
        let cell = |failover: &&Failover| {
            let words = match (since(failover), own(failover)) {
                (None, _) => "—".to_owned(),
                (Some(since), Some(own)) if own != since => {
                    format!("{} ({})", duration(since), duration(own))
                }
                (Some(since), _) => duration(since),
            };
            ("num", words)
        };
        row(markup, name, explained, &cells(&shown, cell));
    }
    if shown.iter().any(|failover| failover.given_up > 0) {
        let tries = |failover: &&Failover| ("num", failover.given_up.to_string());
        row(
            markup,
            "Tries given up",
            "-failover-abort-…",
            &cells(&shown, tries),
        );
    }
    markup.close();
    close(markup);
    if summary.failovers.len() > COLUMNS_MAX {
        let more = counted(
            (summary.failovers.len() - COLUMNS_MAX) as u64,
            "failover more",
            "failovers more",
        );
        markup.element(
            "p",
            &[("class", &"about")],
            &format!("And {more}, which the JSON report shows."),
        );
    }
}

type Cell = (&'static str, String);

fn cells(shown: &[&Failover], cell: impl FnMut(&&Failover) -> Cell) -> Vec<Cell> {
    shown.iter().map(cell).collect()
}

/// All nodes, with how far each was behind at worst.
pub fn nodes(markup: &mut Markup, history: &History, summary: &Summary) {
    open(
        markup,
        "The nodes; lag and staleness are the worst of the run",
    );
    let heads = ["Kind", "Address", "Program", "Version", "Lag", "Staleness"];
    head(markup, &heads.map(|words| ("", words.to_owned())));
    markup.open("tbody", &[]);
    for node in &history.nodes {
        let figures = summary
            .servers
            .iter()
            .find(|figures| figures.node == node.name);
        row(markup, &node.name, "", &node_cells(node, figures));
    }
    markup.close();
    close(markup);
}

fn node_cells(node: &Node, figures: Option<&ServerFigures>) -> Vec<Cell> {
    let ms = |ms: Option<u64>| ms.map_or("—".to_owned(), |ms| format!("{} ms", count(ms)));
    let kind = match node.kind {
        NodeKind::Server => "server",
        NodeKind::Sentinel => "Sentinel",
    };
    let or_dash = |words: &str| match words {
        "" => "—".to_owned(),
        words => shortened(words, WORDS_MAX),
    };
    let words = [
        kind.to_owned(),
        or_dash(&node.address),
        or_dash(&node.program),
        or_dash(&node.version),
        ms(figures.and_then(|figures| figures.lag_ms)),
        ms(figures.and_then(|figures| figures.staleness_ms)),
    ];
    words.into_iter().map(|words| ("", words)).collect()
}

/// The settings of the run.
pub fn settings(markup: &mut Markup, history: &History) {
    open(markup, "What the run was made with");
    markup.open("tbody", &[]);
    row(markup, "seed", "", &[("", history.setup.seed.to_string())]);
    for (name, value) in &history.setup.settings {
        row(markup, name, "", &[("", shortened(value, 10 * WORDS_MAX))]);
    }
    markup.close();
    close(markup);
}
