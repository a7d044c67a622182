//! Figures in rows: commands, errors, databases, what took long; and limits that are settings.

use super::page::{Fraction, Kind, Page, ROWS_MAX, label};
use crate::commands::context::Command;
use crate::commands::info::view::View;
use crate::commands::latency::histogram::Histogram;
use crate::commands::latency::{SHOWN_TIMES, bound_ns};
use crate::commands::stats::CommandStats;

/// The longest error code that is a row of its own.
const CODE_BYTES_MAX: usize = 24;

pub fn write(view: &View<'_>, page: &mut Page, left_out: &mut usize) {
    let rows = command_rows(view);
    counts(&rows, page);
    if view.env.config.latency_tracking {
        percentiles(view, &rows, page);
        histograms(&rows, page);
    }
    errors(view, page);
    if view.env.sentinel.is_none() {
        databases(view, page, left_out);
    }
    took_long(view, page);
    settings(view, page);
}

/// A command that was asked for.
struct CommandRow<'a> {
    /// Its name, as a label is written.
    label: String,
    figures: &'a CommandStats,
    /// How long it took, if that is measured.
    latency: Option<&'a Histogram>,
}

fn command_rows<'a>(view: &View<'a>) -> Vec<CommandRow<'a>> {
    let is_asked =
        |figures: &CommandStats| figures.calls > 0 || figures.rejected > 0 || figures.failed > 0;
    let is_measured = view.env.config.latency_tracking;
    let row = |command: &Command| {
        let figures = &view.env.stats.commands[command.id];
        is_asked(figures).then(|| CommandRow {
            label: label("cmd", command.full_name),
            figures,
            latency: figures.latency.as_deref().filter(|_| is_measured),
        })
    };
    view.table.iter_all().filter_map(row).collect()
}

fn counts(rows: &[CommandRow<'_>], page: &mut Page) {
    let name = "redis_commands_total";
    page.family(name, Kind::Counter, "Calls of a command.");
    for row in rows {
        page.labelled(name, &row.label, row.figures.calls);
    }
    let name = "redis_commands_duration_seconds_total";
    page.family(name, Kind::Counter, "Time spent on a command.");
    for row in rows {
        let spent = Fraction::of_ns(row.figures.nanoseconds);
        page.labelled(name, &row.label, spent);
    }
    let name = "redis_commands_rejected_calls_total";
    let help = "Calls of a command that were refused before it ran.";
    page.family(name, Kind::Counter, help);
    for row in rows {
        page.labelled(name, &row.label, row.figures.rejected);
    }
    let name = "redis_commands_failed_calls_total";
    let help = "Calls of a command that have ended in an error.";
    page.family(name, Kind::Counter, help);
    for row in rows {
        page.labelled(name, &row.label, row.figures.failed);
    }
}

/// The run times that are measured.
fn measured<'a>(
    rows: &'a [CommandRow<'a>],
) -> impl Iterator<Item = (&'a str, &'a CommandStats, &'a Histogram)> {
    let measured = |row: &'a CommandRow<'a>| Some((&row.label[..], row.figures, row.latency?));
    rows.iter().filter_map(measured)
}

/// The quantiles are percents, as the usual exporter has them.
fn percentiles(view: &View<'_>, rows: &[CommandRow<'_>], page: &mut Page) {
    let name = "redis_latency_percentiles_usec";
    let help = "Run times of a command, in microseconds, by percent of its calls.";
    page.family(name, Kind::Summary, help);
    let mut wanted = view.env.config.latency_tracking_info_percentiles.0.clone();
    wanted.dedup();
    let ends: Vec<String> = wanted
        .iter()
        .map(|percent| format!("{percent}\"}} "))
        .collect();
    let mut start = String::new();
    for (label, figures, latency) in measured(rows) {
        begin(&mut start, name, label, "quantile");
        for (percent, end) in wanted.iter().zip(&ends) {
            let us = Fraction::of_thousandths(latency.percentile(*percent));
            page.parts(&start, end, us);
        }
        let spent = Fraction::of_thousandths(figures.nanoseconds);
        page.labelled("redis_latency_percentiles_usec_sum", label, spent);
        page.labelled("redis_latency_percentiles_usec_count", label, figures.calls);
    }
}

/// All commands have the same bounds, and have all of them from their first call on: who adds rates
/// up needs that.
fn histograms(rows: &[CommandRow<'_>], page: &mut Page) {
    let name = "redis_commands_latencies_usec";
    let help = "Run times of a command, in microseconds.";
    page.family(name, Kind::Histogram, help);
    let bounds: [u64; SHOWN_TIMES] = std::array::from_fn(|doubling| bound_ns(doubling as u32));
    let ends = bounds.map(|ns| format!("{}\"}} ", ns / 1000));
    let mut start = String::new();
    for (label, figures, latency) in measured(rows) {
        begin(
            &mut start,
            "redis_commands_latencies_usec_bucket",
            label,
            "le",
        );
        for (count, end) in latency.counts_up_to(&bounds).iter().zip(&ends) {
            page.parts(&start, end, *count);
        }
        page.parts(&start, "+Inf\"} ", latency.total());
        let spent = Fraction::of_thousandths(figures.nanoseconds);
        page.labelled("redis_commands_latencies_usec_sum", label, spent);
        page.labelled(
            "redis_commands_latencies_usec_count",
            label,
            latency.total(),
        );
    }
}

/// Writes a line up to the value of its second and last label.
fn begin(start: &mut String, name: &str, label: &str, last: &str) {
    start.clear();
    for part in [name, "{", label, ",", last, "=\""] {
        start.push_str(part);
    }
}

/// Scripts make up error codes, from keys and values, too. What does not look like one is no row.
fn errors(view: &View<'_>, page: &mut Page) {
    let name = "redis_errors_total";
    page.family(name, Kind::Counter, "Error replies by their code.");
    let mut others = 0;
    for (code, count) in &view.env.stats.errors {
        match std::str::from_utf8(code) {
            Ok(code) if is_code(code) => page.figure(name, &[("err", code)], *count),
            _ => others += count,
        }
    }
    page.figure(name, &[("err", "other")], others);
}

/// Whether an error code is one of a server's, and not some text.
fn is_code(code: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase();
    (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(is_part)
}

fn databases(view: &View<'_>, page: &mut Page, left_out: &mut usize) {
    let all = view.env.keyspace.iter().enumerate();
    let used: Vec<_> = all.filter(|(_, db)| !db.is_empty()).collect();
    *left_out += used.len().saturating_sub(ROWS_MAX);
    let shown = &used[..used.len().min(ROWS_MAX)];
    let names: Vec<String> = shown.iter().map(|(n, _)| format!("db{n}")).collect();
    let rows = || names.iter().zip(shown.iter().map(|(_, db)| db));
    let name = "redis_db_keys";
    page.family(name, Kind::Gauge, "Keys of a database.");
    for (db, keys) in rows() {
        page.figure(name, &[("db", db)], keys.len());
    }
    let name = "redis_db_keys_expiring";
    page.family(
        name,
        Kind::Gauge,
        "Keys of a database that have a time to live.",
    );
    for (db, keys) in rows() {
        page.figure(name, &[("db", db)], keys.expires_len());
    }
    let name = "redis_db_avg_ttl_seconds";
    page.family(
        name,
        Kind::Gauge,
        "How long these live, on average, as it seems.",
    );
    for (db, keys) in rows() {
        let ms = u64::try_from(keys.avg_ttl_ms()).unwrap_or(0);
        page.figure(name, &[("db", db)], Fraction::of_ms(ms));
    }
}

/// The latency monitor and the slow log; what stands in them is for `LATENCY` and `SLOWLOG`.
fn took_long(view: &View<'_>, page: &mut Page) {
    let observers = &view.env.observers;
    let name = "redis_latency_spike_last";
    let help = "When it last took longer than latency-monitor-threshold.";
    page.family(name, Kind::Gauge, help);
    for (event, series) in observers.latency.iter() {
        page.figure(name, &[("event_name", event)], series.last().unix_s);
    }
    let name = "redis_latency_spike_duration_seconds";
    page.family(name, Kind::Gauge, "How long it took then.");
    for (event, series) in observers.latency.iter() {
        let spent = Fraction::of_ms(series.last().spent_ms);
        page.figure(name, &[("event_name", event)], spent);
    }
    let log = &observers.slow_log;
    let last = log.iter().next();
    page.single(
        "redis_slowlog_length",
        Kind::Gauge,
        "Commands in the slow log.",
        log.len(),
    );
    page.single(
        "redis_slowlog_last_id",
        Kind::Gauge,
        "The number of the last of them.",
        last.map_or(0, |(number, _)| *number),
    );
    page.single(
        "redis_last_slow_execution_duration_seconds",
        Kind::Gauge,
        "How long it took.",
        Fraction::of_us(last.map_or(0, |(_, command)| command.spent_us)),
    );
}

fn settings(view: &View<'_>, page: &mut Page) {
    let config = &view.env.config;
    for (name, help, value) in [
        (
            "redis_config_maxclients",
            "Clients that may be connected.",
            u64::from(config.maxclients),
        ),
        (
            "redis_config_maxmemory",
            "Memory that may be used, in bytes; 0 is no limit.",
            config.maxmemory,
        ),
        (
            "redis_config_repl_backlog_size",
            "Bytes that the backlog may hold.",
            config.repl_backlog_size,
        ),
        (
            "redis_config_io_threads",
            "What io-threads is set to; it has no effect.",
            u64::from(config.io_threads),
        ),
    ] {
        page.single(name, Kind::Gauge, help, value);
    }
    let limits = &config.client_output_buffer_limit;
    let classes = [
        ("normal", limits.normal),
        ("slave", limits.replica),
        ("pubsub", limits.pubsub),
    ];
    let name = "redis_config_client_output_buffer_limit_bytes";
    let help = "Output that may wait for a client, by class.";
    page.family(name, Kind::Gauge, help);
    for (class, limit) in classes {
        page.figure(name, &[("class", class), ("limit", "hard")], limit.hard);
        page.figure(name, &[("class", class), ("limit", "soft")], limit.soft);
    }
    let name = "redis_config_client_output_buffer_limit_overcome_seconds";
    let help = "For how long the soft limit may be exceeded.";
    page.family(name, Kind::Gauge, help);
    for (class, limit) in classes {
        let labels = [("class", class), ("limit", "soft")];
        page.figure(name, &labels, limit.soft_seconds);
    }
}
