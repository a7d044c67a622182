//! `INFO`: the server's figures, section by section.
//!
//! Names and order of the fields are those that monitoring tools and sentinels parse. A field of
//! something that this server does not have carries the value that the reference shows when it has
//! none of it. Sections are rows of a table; each writes its lines from one [`View`].

mod counters;
mod memory;
mod replication;
pub mod report;
mod sentinel;
mod server;
pub mod view;

use self::report::Report;
use self::view::View;
use super::context::{CmdResult, Ctx};
use super::row::{Acl, Arg, CommandGroup, Flags, Row};
use crate::resp::args::Args;

const INFO: Row = Row {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.union(Flags::STALE),
    acl: Acl::DANGEROUS,
    group: CommandGroup::Server,
    complexity: "O(1)",
    summary: "Shows figures about the server, in sections.",
    history: &[("7.0.0", "Takes several sections.")],
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    args: &[Arg::string("section").optional().multiple()],
    handler: info,
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    INFO,
    Row {
        flags: (INFO.flags.union(Flags::SENTINEL)).union(Flags::ONLY_SENTINEL),
        handler: info_of_sentinel,
        ..INFO
    },
];

/// When a section is shown to those who do not name it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// When nothing particular is asked for.
    ByDefault,
    /// When all sections are asked for.
    WithAll,
    /// Never.
    Named,
}

struct Section {
    /// The names that ask for it.
    names: &'static [&'static str],
    /// Its heading.
    title: &'static str,
    shown: Shown,
    write: fn(&View<'_>, &mut Report),
}

const fn section(
    name: &'static [&'static str],
    title: &'static str,
    shown: Shown,
    write: fn(&View<'_>, &mut Report),
) -> Section {
    Section {
        names: name,
        title,
        shown,
        write,
    }
}

const SERVER: Section = section(&["server"], "Server", Shown::ByDefault, server::server);
const CLIENTS: Section = section(&["clients"], "Clients", Shown::ByDefault, server::clients);
const STATS: Section = section(&["stats"], "Stats", Shown::ByDefault, counters::stats);
const CPU: Section = section(&["cpu"], "CPU", Shown::ByDefault, server::cpu);

/// The sections of a Sentinel.
const SECTIONS_OF_SENTINEL: &[Section] = &[
    SERVER,
    CLIENTS,
    STATS,
    CPU,
    section(
        &["sentinel"],
        "Sentinel",
        Shown::ByDefault,
        sentinel::sentinel,
    ),
];

/// All sections in the order in which they are shown.
const SECTIONS: &[Section] = &[
    SERVER,
    CLIENTS,
    section(&["memory"], "Memory", Shown::ByDefault, memory::memory),
    section(
        &["persistence"],
        "Persistence",
        Shown::ByDefault,
        server::persistence,
    ),
    STATS,
    section(
        &["replication"],
        "Replication",
        Shown::ByDefault,
        replication::replication,
    ),
    CPU,
    section(
        &["modules", "module_list"],
        "Modules",
        Shown::ByDefault,
        |_, _| {},
    ),
    section(
        &["commandstats"],
        "Commandstats",
        Shown::WithAll,
        counters::command_stats,
    ),
    section(
        &["errorstats"],
        "Errorstats",
        Shown::ByDefault,
        counters::error_stats,
    ),
    section(
        &["latencystats"],
        "Latencystats",
        Shown::WithAll,
        counters::latency_stats,
    ),
    section(&["cluster"], "Cluster", Shown::ByDefault, |_, report| {
        report.line("cluster_enabled", 0)
    }),
    section(
        &["keyspace"],
        "Keyspace",
        Shown::ByDefault,
        server::keyspace,
    ),
    section(&["debug"], "Debug", Shown::Named, counters::debug),
];

/// Whether the words that follow `INFO` ask for a section.
fn is_wanted(section: &Section, words: &Args<'_>) -> bool {
    if words.len() == 1 {
        return section.shown == Shown::ByDefault;
    }
    words.iter_from(1).any(|word| {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        (is("all") || is("everything")) && section.shown != Shown::Named
            || is("default") && section.shown == Shown::ByDefault
            || section.names.iter().any(|name| is(name))
    })
}

fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let text = text_of(SECTIONS, ctx, args);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn info_of_sentinel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let text = text_of(SECTIONS_OF_SENTINEL, ctx, args);
    ctx.reply.bulk(text);
    Ok(())
}

/// Sections whose lines are no figures by themselves: each shows one of many things of a kind.
const OF_ROWS: &[&str] = &["Commandstats", "Errorstats", "Latencystats", "Keyspace"];

/// Writes all sections but those of rows, for whoever wants to have the figures and not the text.
pub fn write_fields(view: &View<'_>, report: &mut Report) {
    let sections = match view.env.sentinel {
        Some(_) => SECTIONS_OF_SENTINEL,
        None => SECTIONS,
    };
    for section in sections.iter().filter(|s| !OF_ROWS.contains(&s.title)) {
        (section.write)(view, report);
    }
}

fn text_of(sections: &[Section], ctx: &mut Ctx<'_>, args: &Args<'_>) -> String {
    let view = View::gather(ctx.env, ctx.table, ctx.host);
    let mut report = Report::default();
    for section in sections.iter().filter(|section| is_wanted(section, args)) {
        report.title(section.title);
        (section.write)(&view, &mut report);
    }
    report.into_text()
}

#[cfg(test)]
mod tests;
