//! The page of figures that `metrics-port` serves.
//!
//! Whatever `INFO` shows is taken from the very lines that `INFO` writes, by way of a table of
//! names ([`table`]); so there is one count of everything, and a field that is added there is found
//! missing here by a test. What `INFO` shows in rows (commands, errors, databases, replicas, the
//! masters of a Sentinel) is written from the same structures, family by family.
//!
//! | file | holds |
//! |---|---|
//! | `page.rs` | the text format |
//! | `table.rs`, `field.rs` | fields of `INFO`, and how they become figures |
//! | `rows.rs` | commands, errors, databases, what took long, settings |
//! | `replication.rs` | our master and our replicas |
//! | `sentinel.rs` | what a Sentinel watches, and what has happened |
//!
//! **Bounds.** No key is looked at, and no client but where there are few. Rows of things of which
//! there may be any number are [`ROWS_MAX`](page::ROWS_MAX) at most; how many were left out is a
//! figure of its own. No name of a key, no value, no name of a user or of a client and no password
//! has a place on the page.

mod field;
pub mod page;
mod replication;
mod rows;
mod sentinel;
#[cfg(test)]
mod strict;
mod table;

use super::info::report::Report;
use super::info::view::View;
use super::info::write_fields;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use page::{Fraction, Kind, Page};

/// What is known of the pages themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageFigures {
    /// Pages made before this one.
    pub pages: u64,
    /// What making and sending them took of the loop, in nanoseconds.
    pub spent_ns: u64,
    /// Connections that are open.
    pub connections: usize,
    /// Connections that were closed to make room, or because they took too long.
    pub dropped: u64,
}

/// What is kept from one page to the next.
#[derive(Default, Debug)]
pub struct Renderer {
    fields: String,
}

impl Renderer {
    /// Writes a page.
    pub fn write(&mut self, view: &View<'_>, own: PageFigures, page: &mut Page) {
        let mut report = Report::reusing(std::mem::take(&mut self.fields));
        write_fields(view, &mut report);
        self.fields = report.into_text();
        let mut left_out = 0;
        identity(view, &self.fields, page);
        for (name, text) in lines(&self.fields) {
            if let Some(field) = table::find(name) {
                field.show(text, page);
            }
        }
        rows::write(view, page, &mut left_out);
        match &view.env.sentinel {
            Some(watching) => sentinel::write(view, watching, page, &mut left_out),
            None => replication::write(view, page, &mut left_out),
        }
        about_pages(own, left_out, page);
    }
}

/// The fields of a report.
fn lines(report: &str) -> impl Iterator<Item = (&str, &str)> {
    report.lines().filter_map(|line| line.split_once(':'))
}

/// That it is up, and who it is.
fn identity(view: &View<'_>, fields: &str, page: &mut Page) {
    let (env, facts) = (view.env, &view.facts);
    page.single("redis_up", Kind::Gauge, "It answers.", 1_u64);
    let up_us = env.now.mono_us.saturating_sub(facts.started_mono_ms * 1000);
    let started_us = env.now.unix_us.saturating_sub_unsigned(up_us).max(0) as u64;
    page.single(
        "redis_start_time_seconds",
        Kind::Gauge,
        "When it was started, since the epoch.",
        Fraction::of_ms(started_us / 1000),
    );
    const LABELS: [&str; 10] = [
        "role",
        "redis_version",
        "redis_build_id",
        "redis_mode",
        "os",
        "maxmemory_policy",
        "tcp_port",
        "run_id",
        "process_id",
        "master_replid",
    ];
    let mut labels = LABELS.map(|label| (label, ""));
    for (name, text) in lines(fields) {
        if let Some(label) = labels.iter_mut().find(|(label, _)| *label == name) {
            label.1 = text;
        }
    }
    let name = "redis_instance_info";
    page.family(name, Kind::Gauge, "What it is.");
    page.figure(name, &labels, 1_u64);
    let name = "tanist_build_info";
    page.family(
        name,
        Kind::Gauge,
        "Which version it is, and of which it speaks.",
    );
    let versions = [("version", TANIST_VERSION), ("redis", REDIS_VERSION)];
    page.figure(name, &versions, 1_u64);
}

fn about_pages(own: PageFigures, left_out: usize, page: &mut Page) {
    page.single(
        "tanist_metrics_pages_total",
        Kind::Counter,
        "Pages like this one that were made before it.",
        own.pages,
    );
    page.single(
        "tanist_metrics_loop_seconds_total",
        Kind::Counter,
        "Time of the event loop that these took.",
        Fraction::of_ns(own.spent_ns),
    );
    page.single(
        "tanist_metrics_connections",
        Kind::Gauge,
        "Connections to the port for metrics.",
        own.connections,
    );
    page.single(
        "tanist_metrics_dropped_connections_total",
        Kind::Counter,
        "Connections to it that were closed to make room, or took too long.",
        own.dropped,
    );
    page.single(
        "tanist_metrics_rows_left_out",
        Kind::Gauge,
        "Replicas, databases and masters for which there was no room on this page.",
        left_out,
    );
}

#[cfg(test)]
mod tests;
