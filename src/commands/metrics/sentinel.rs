//! Figures of a Sentinel: the masters that it watches, and the events that it has told of.

use super::page::{Figure, Fraction, Kind, Page, ROWS_MAX};
use crate::commands::info::view::View;
use crate::commands::sentinel::quorum_words;
use crate::sentinel::Sentinel;
use crate::sentinel::instance::Master;

/// Events that are counted from the start on, so that the first of a kind is seen as one more. They
/// are those that people wait for; others are counted when they have been.
const AWAITED: &[&str] = &[
    "+sdown",
    "-sdown",
    "+odown",
    "-odown",
    "+try-failover",
    "+elected-leader",
    "+promoted-slave",
    "+failover-end",
    "+failover-end-for-timeout",
    "+switch-master",
    "+config-update-from",
    "-failover-abort-not-elected",
    "-failover-abort-master-is-back",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
    "+lost-data",
    "+tilt",
    "-tilt",
    "+config-not-saved",
];

pub fn write(view: &View<'_>, sentinel: &Sentinel, page: &mut Page, left_out: &mut usize) {
    let masters: Vec<&Master> = sentinel.masters().take(ROWS_MAX).collect();
    *left_out += sentinel.masters_len() - masters.len();
    let rows: Vec<Row<'_>> = masters
        .into_iter()
        .map(|master| Row::of(sentinel, master))
        .collect();
    states(&rows, page);
    agreement(sentinel, &rows, page);
    known(view, sentinel, &rows, page);
    options(&rows, page);
    events(view, page);
}

struct Row<'a> {
    master: &'a Master,
    address: String,
}

impl<'a> Row<'a> {
    fn of(sentinel: &Sentinel, master: &'a Master) -> Row<'a> {
        let address = &master.base.address;
        let host = sentinel.shown_host(address);
        Row {
            master,
            address: format!("{host}:{}", address.port),
        }
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        let name = ("master_name", &self.master.name[..]);
        [name, ("master_address", &self.address)]
    }
}

/// A family with a figure for each master.
fn each<F: Figure>(
    page: &mut Page,
    name: &str,
    help: &str,
    rows: &[Row<'_>],
    figure: impl Fn(&Master) -> F,
) {
    page.family(name, Kind::Gauge, help);
    for row in rows {
        page.figure(name, &row.labels(), figure(row.master));
    }
}

fn states(rows: &[Row<'_>], page: &mut Page) {
    let name = "redis_sentinel_master_status";
    let help = "Whether a master is well, and how it is.";
    page.family(name, Kind::Gauge, help);
    for row in rows {
        let status = row.master.status();
        let [whose, address] = row.labels();
        let labels = [whose, address, ("master_status", status)];
        page.figure(name, &labels, status == "ok");
    }
    each(
        page,
        "redis_sentinel_master_slaves",
        "Replicas of a master.",
        rows,
        |master| master.replicas.len(),
    );
    each(
        page,
        "redis_sentinel_master_sentinels",
        "Sentinels that watch a master, this one included.",
        rows,
        Master::voters,
    );
    each(
        page,
        "tanist_sentinel_master_failover",
        "Whether this Sentinel fails a master over.",
        rows,
        Master::is_failing_over,
    );
}

fn agreement(sentinel: &Sentinel, rows: &[Row<'_>], page: &mut Page) {
    let name = "redis_sentinel_master_ckquorum_status";
    let help = "Whether enough Sentinels can be reached for a failover.";
    page.family(name, Kind::Gauge, help);
    for row in rows {
        let words = quorum_words(sentinel.check_quorum(row.master));
        let can_be = words.is_ok();
        let (Ok(words) | Err(words)) = words;
        let labels = [("master_name", &row.master.name[..]), ("message", &words)];
        page.figure(name, &labels, can_be);
    }
    each(
        page,
        "redis_sentinel_master_ok_sentinels",
        "Sentinels of a master that answer, this one included.",
        rows,
        |master| 1 + master.peers.iter().filter(|p| !p.base.is_down()).count(),
    );
    each(
        page,
        "redis_sentinel_master_ok_slaves",
        "Replicas of a master that answer.",
        rows,
        |master| {
            let shown = master.replicas.iter().filter(|r| r.view.announced);
            shown.filter(|replica| !replica.base.is_down()).count()
        },
    );
}

fn known(view: &View<'_>, sentinel: &Sentinel, rows: &[Row<'_>], page: &mut Page) {
    each(
        page,
        "redis_sentinel_master_config_epoch",
        "The epoch that the address of a master is of.",
        rows,
        |master| master.config_epoch,
    );
    let now_ms = view.env.now.mono_ms();
    each(
        page,
        "redis_sentinel_master_last_ok_ping_reply_seconds",
        "Time since a master has last answered well.",
        rows,
        |master| {
            let link = sentinel.link(master.base.link);
            Fraction::of_ms(now_ms.saturating_sub(link.ok_ms))
        },
    );
}

fn options(rows: &[Row<'_>], page: &mut Page) {
    each(
        page,
        "redis_sentinel_master_setting_ckquorum",
        "Sentinels that have to agree that a master is down.",
        rows,
        |master| u64::from(master.options.quorum),
    );
    each(
        page,
        "redis_sentinel_master_setting_down_after_milliseconds",
        "Silence after which a master is down for this Sentinel.",
        rows,
        |master| master.options.down_after_ms,
    );
    each(
        page,
        "redis_sentinel_master_setting_failover_timeout",
        "The failover-timeout of a master, in milliseconds.",
        rows,
        |master| master.options.failover_timeout_ms,
    );
    each(
        page,
        "redis_sentinel_master_setting_parallel_syncs",
        "Replicas that are told of a new master at a time.",
        rows,
        |master| u64::from(master.options.parallel_syncs),
    );
}

fn events(view: &View<'_>, page: &mut Page) {
    let name = "tanist_sentinel_events_total";
    let help = "Events that this Sentinel has told of, by their kind.";
    page.family(name, Kind::Counter, help);
    let counted = &view.env.stats.sentinel_events;
    for event in AWAITED {
        let count = counted.get(event).copied().unwrap_or(0);
        page.figure(name, &[("event", event)], count);
    }
    for (event, count) in counted.iter().filter(|(event, _)| !AWAITED.contains(event)) {
        page.figure(name, &[("event", event)], *count);
    }
}
