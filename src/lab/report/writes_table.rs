//! What became of the writes: in plain words, and in figures.

use super::history::History;
use super::markup::Markup;
use super::summary::{Summary, WriterFigures};
use super::tables::{self, COLUMNS_MAX, Cell};
use super::words::{count, counted, duration, listed, shortened};
use crate::lab::model::Verdict;

const RANGES_MAX: usize = 8;

/// A figure of a verdict.
struct Figure {
    name: &'static str,
    explained: &'static str,
    of: fn(&Verdict) -> u64,
    /// Whether it had better be nothing.
    is_alarming: bool,
}

const fn told(name: &'static str, explained: &'static str, of: fn(&Verdict) -> u64) -> Figure {
    Figure {
        name,
        explained,
        of,
        is_alarming: false,
    }
}

const fn alarm(name: &'static str, explained: &'static str, of: fn(&Verdict) -> u64) -> Figure {
    Figure {
        name,
        explained,
        of,
        is_alarming: true,
    }
}

/// The figures above the row of the ledger.
const OUTCOMES: [Figure; 6] = [
    told("Sent", "", |v| v.sent),
    told(
        "Acknowledged",
        "the server said that it has done them",
        |v| v.acknowledged,
    ),
    told(
        "Promised",
        "of these, WAIT said that enough replicas have them",
        |v| v.promised,
    ),
    told(
        "Present",
        "acknowledged, and the master has them in the end",
        |v| v.present,
    ),
    alarm(
        "Lost",
        "acknowledged, and the master does not have them",
        |v| v.lost,
    ),
    alarm("Promised and lost", "", |v| v.promised_lost),
];

/// Those below it.
const ODDITIES: [Figure; 6] = [
    alarm("Twice", "there more than once", |v| v.duplicated),
    alarm(
        "Out of order",
        "there before one that was sent earlier",
        |v| v.reordered,
    ),
    told("Refused", "answered with an error", |v| v.refused),
    told(
        "Unanswered",
        "no reply came, so the client cannot know",
        |v| v.unknown,
    ),
    told("Refused or unanswered, but there", "", |v| {
        v.unacknowledged_present
    }),
    alarm("Foreign", "values that no writer wrote", |v| v.foreign),
];

/// What became of the writes, in plain words and in figures.
pub fn draw(markup: &mut Markup, history: &History, summary: &Summary) {
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
    tables::open(
        markup,
        "The writes of each writer, looked for on the master at the end",
    );
    tables::head(
        markup,
        &cells(verdicts, |v| ("num", shortened(&v.writer, 40))),
    );
    markup.open("tbody", &[]);
    figures(markup, verdicts, &OUTCOMES);
    if verdicts.iter().any(|verdict| verdict.in_ledger.is_some()) {
        let explained = "lost, and a server wrote them down as lost";
        tables::row(
            markup,
            "In a ledger",
            explained,
            &cells(verdicts, ledger_cell),
        );
    }
    figures(markup, verdicts, &ODDITIES);
    let gap = |verdict: &Verdict| {
        let length = verdict.longest_gap.map(|gap| duration(gap.1));
        ("num", length.unwrap_or("—".to_owned()))
    };
    let explained = "the longest time without an accepted write";
    tables::row(markup, "Longest gap", explained, &cells(verdicts, gap));
    markup.close();
    tables::close(markup);
}

fn figures(markup: &mut Markup, verdicts: &[&Verdict], figures: &[Figure]) {
    for figure in figures {
        let cell = |verdict: &Verdict| match (figure.of)(verdict) {
            n if n > 0 && figure.is_alarming => ("num alarm", count(n)),
            n => ("num", count(n)),
        };
        tables::row(
            markup,
            figure.name,
            figure.explained,
            &cells(verdicts, cell),
        );
    }
}

fn ledger_cell(verdict: &Verdict) -> Cell {
    match verdict.in_ledger {
        None => ("num", "no ledger".to_owned()),
        Some(n) if n < verdict.lost => ("num alarm", count(n)),
        Some(n) => ("num", count(n)),
    }
}

fn cells(verdicts: &[&Verdict], cell: impl Fn(&Verdict) -> Cell) -> Vec<Cell> {
    verdicts.iter().map(|verdict| cell(verdict)).collect()
}
