//! How long the stages of each failover took.

use super::failovers::Failover;
use super::markup::Markup;
use super::summary::Summary;
use super::tables::{self, COLUMNS_MAX, Cell};
use super::words::{counted, duration, shortened};

/// A time of a failover: since the trouble, or of a stage alone.
type Time = fn(&Failover) -> Option<u64>;

/// A stage: its name and what that means, when it was over, and how long it took itself.
const STAGES: [(&str, &str, Time, Time); 7] = [
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
        agreement,
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
        announcement,
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

fn agreement(failover: &Failover) -> Option<u64> {
    Some(failover.odown_us?.saturating_sub(failover.sdown_us?))
}

fn announcement(failover: &Failover) -> Option<u64> {
    Some(failover.switched_us?.saturating_sub(failover.promoted_us?))
}

/// The table of all failovers.
pub fn draw(markup: &mut Markup, summary: &Summary) {
    let shown = &summary.failovers[..summary.failovers.len().min(COLUMNS_MAX)];
    let cells = |cell: &dyn Fn(&Failover) -> Cell| shown.iter().map(cell).collect::<Vec<_>>();
    tables::open(
        markup,
        "Time since the trouble; in brackets, how long the stage itself took",
    );
    let head = |failover: &Failover| {
        let to = failover.to.as_deref().unwrap_or("nobody");
        ("num", format!("{} → {to}", failover.from))
    };
    tables::head(markup, &cells(&head));
    markup.open("tbody", &[]);
    let explained = "the last that was done to the master before";
    tables::row(markup, "Trouble", explained, &cells(&trouble));
    for (name, explained, since, own) in STAGES {
        let cell = |failover: &Failover| ("num", time(since(failover), own(failover)));
        tables::row(markup, name, explained, &cells(&cell));
    }
    if shown.iter().any(|failover| failover.given_up > 0) {
        let tries = |failover: &Failover| ("num", failover.given_up.to_string());
        tables::row(
            markup,
            "Tries given up",
            "-failover-abort-…",
            &cells(&tries),
        );
    }
    markup.close();
    tables::close(markup);
    let more = summary.failovers.len() - shown.len();
    if more > 0 {
        let more = counted(more as u64, "failover more", "failovers more");
        let words = format!("And {more}, which the JSON report shows.");
        markup.element("p", &[("class", &"about")], &words);
    }
}

fn trouble(failover: &Failover) -> Cell {
    let words = match &failover.trouble {
        None => "not known",
        Some(trouble) if trouble.step.is_empty() => &trouble.detail,
        Some(trouble) => &trouble.step,
    };
    ("step", shortened(words, 60))
}

fn time(since: Option<u64>, own: Option<u64>) -> String {
    match (since, own) {
        (None, _) => "—".to_owned(),
        (Some(since), Some(own)) if own != since => {
            format!("{} ({})", duration(since), duration(own))
        }
        (Some(since), _) => duration(since),
    }
}
