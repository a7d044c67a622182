//! `LATENCY`: what took long, and how long commands take.
//!
//! Two measures stand beside each other. [`events`] are the spikes above
//! `latency-monitor-threshold`, of commands and of what the server does by itself; a
//! [`histogram`] counts the run times of a command, all of them.

mod doctor;
pub mod events;
mod graph;
pub mod histogram;

use super::context::{CmdResult, Command, Ctx};
use super::row::{Arg, CommandGroup, Flags, Row};
use super::wording;
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use histogram::Histogram;

const SUB: Row = Row {
    arity: 2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: CommandGroup::Server,
    since: "2.8.13",
    complexity: "O(1)",
    tips: ALL_NODES,
    ..Row::BASE
};

const ALL_NODES: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "latency",
    arity: -2,
    flags: Flags::empty(),
    complexity: "That of the subcommand",
    summary: "Holds the commands about what takes long.",
    tips: &[],
    subcommands: SUBCOMMANDS,
    ..SUB
}];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "doctor",
        summary: "Says in words what took long, and what may help.",
        handler: report,
        ..SUB
    },
    Row {
        name: "graph",
        arity: 3,
        summary: "Draws the samples of an event.",
        args: &[Arg::string("event")],
        handler: draw,
        ..SUB
    },
    Row {
        name: "help",
        flags: Flags::LOADING.union(Flags::STALE),
        summary: "Explains the subcommands.",
        tips: &[],
        handler: help,
        ..SUB
    },
    Row {
        name: "histogram",
        arity: -2,
        since: "7.0.0",
        complexity: "O(N), N being the number of commands shown",
        summary: "Shows how the run times of commands are distributed.",
        args: &[Arg::string("command").optional().multiple()],
        handler: histograms,
        ..SUB
    },
    Row {
        name: "history",
        arity: 3,
        summary: "Shows the samples of an event.",
        args: &[Arg::string("event")],
        handler: history,
        ..SUB
    },
    Row {
        name: "latest",
        summary: "Shows the latest sample of each event.",
        handler: latest,
        ..SUB
    },
    Row {
        name: "reset",
        arity: -2,
        summary: "Forgets the samples of some events, or of all.",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
        args: &[Arg::string("event").optional().multiple()],
        handler: reset,
        ..SUB
    },
];

fn latest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let events = ctx.env.observers.latency.iter();
    ctx.reply.array(events.len());
    for (event, series) in events {
        let last = series.last();
        ctx.reply.array(4);
        ctx.reply.bulk(event);
        ctx.reply.int(last.unix_s);
        ctx.reply.int(last.spent_ms as i64);
        ctx.reply.int(series.worst_ms() as i64);
    }
    Ok(())
}

fn history(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some((_, series)) = ctx.env.observers.latency.get(&args[2]) else {
        ctx.reply.array(0);
        return Ok(());
    };
    let samples = series.samples();
    ctx.reply.array(samples.len());
    for sample in samples {
        ctx.reply.array(2);
        ctx.reply.int(sample.unix_s);
        ctx.reply.int(sample.spent_ms as i64);
    }
    Ok(())
}

fn draw(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some((event, series)) = ctx.env.observers.latency.get(&args[2]) else {
        return Err(wording::quoting(
            "No samples available for event '",
            &args[2],
            "'",
        ));
    };
    let text = graph::draw(event, series, ctx.env.now.unix_s());
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn report(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let text = doctor::report(ctx.env);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn reset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let events = &mut ctx.env.observers.latency;
    let forgotten = match args.len() {
        2 => events.clear(),
        _ => args
            .iter_from(2)
            .filter(|event| events.forget(event))
            .count(),
    };
    ctx.reply.int(forgotten as i64);
    Ok(())
}

fn histograms(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let table = ctx.table;
    let commands: Vec<&Command> = match args.len() {
        2 => table.iter_all().collect(),
        _ => args
            .iter_from(2)
            .filter_map(|name| table.by_full_name(name))
            .flat_map(|command| [command].into_iter().chain(table.members(command)))
            .collect(),
    };
    let stats = &ctx.env.stats;
    let measured = |command: &Command| {
        let histogram = stats.commands[command.id].latency.as_deref()?;
        Some((command.full_name, histogram))
    };
    let measured: Vec<_> = commands.into_iter().filter_map(measured).collect();
    ctx.reply.map(measured.len());
    for (name, histogram) in measured {
        ctx.reply.bulk(name);
        distribution(ctx.reply, histogram);
    }
    Ok(())
}

/// How many calls ended within which time; a time within which no more ended than within the one
/// before is left out.
fn distribution(reply: &mut Reply, histogram: &Histogram) {
    let bounds: [u64; SHOWN_TIMES] = std::array::from_fn(|doubling| bound_ns(doubling as u32));
    let mut within = Vec::new();
    let mut seen = 0;
    for (ns, count) in bounds.iter().zip(histogram.counts_up_to(&bounds)) {
        if count > seen {
            within.push((ns / 1000, count));
            seen = count;
        }
    }
    reply.map(2);
    reply.bulk("calls");
    reply.int(histogram.total() as i64);
    reply.bulk("histogram_usec");
    reply.map(within.len());
    for (us, count) in within {
        reply.int(us as i64);
        reply.int(count as i64);
    }
}

/// So many of them reach beyond the longest time that a histogram tells apart.
pub const SHOWN_TIMES: usize = 21;
const _: () = assert!(bound_ns(SHOWN_TIMES as u32 - 1) > Histogram::MAX_NS);

/// The times that are shown double from one to the next. Those of the reference are the upper
/// bounds of buckets that hold 1,024 ns doubled so often, to a precision of 1/128.
pub const fn bound_ns(doubling: u32) -> u64 {
    ((1024 + 8) << doubling) - 1
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "DOCTOR",
    "    Say in words what took long, and what may help.",
    "GRAPH <event>",
    "    Draw the samples of <event>.",
    "HISTORY <event>",
    "    Show the samples of <event>: when, and how many milliseconds.",
    "LATEST",
    "    Show the latest sample of each event, and its worst.",
    "RESET [<event> ...]",
    "    Forget the samples of these events, or of all.",
    "HISTOGRAM [COMMAND ...]",
    "    Show how the run times of these commands are distributed, or of all that were called.",
];

#[cfg(test)]
mod tests;
