//! `MEMORY`: what single keys and the whole server take.

mod doctor;
pub mod figures;

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::operand::integer;
use super::row::{Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use super::wording;
use crate::data::hash::HashRef;
use crate::data::list::ListRef;
use crate::data::set::SetRef;
use crate::data::zset::ZSetRef;
use crate::keyspace::{Entry, ValueRef};
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use crate::sys::memory;
use figures::{MemoryFigures, Waste};

/// What the subcommands have in common.
const SUB: Row = Row {
    arity: 2,
    group: CommandGroup::Server,
    since: "4.0.0",
    complexity: "O(1)",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "memory",
    arity: -2,
    group: CommandGroup::Server,
    since: "4.0.0",
    complexity: "That of the subcommand.",
    summary: "A container for commands that look at memory.",
    subcommands: &[
        Row {
            name: "doctor",
            summary: "Says in words what is striking about the use of memory.",
            tips: ALL_SHARDS,
            handler: report,
            ..SUB
        },
        Row {
            name: "help",
            flags: Flags::LOADING.union(Flags::STALE),
            summary: "Explains the subcommands.",
            handler: help,
            ..SUB
        },
        Row {
            name: "malloc-stats",
            complexity: "Grows with what is allocated, and may take long.",
            summary: "Shows the statistics that the allocator keeps.",
            tips: ALL_SHARDS,
            handler: malloc_stats,
            ..SUB
        },
        Row {
            name: "purge",
            complexity: "Grows with what is allocated, and may take long.",
            summary: "Has the allocator give unused pages back.",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            handler: purge,
            ..SUB
        },
        Row {
            name: "stats",
            summary: "Tells how much memory there is in use, and what for.",
            tips: ALL_SHARDS,
            handler: stats,
            ..SUB
        },
        Row {
            name: "usage",
            arity: -3,
            flags: Flags::READONLY,
            keys: &[KeySpec::range(KeyFlags::RO, 2, 0, 1)],
            complexity: "O(N), N being the number of samples.",
            summary: "Estimates how much memory a key takes, with its value.",
            args: &[
                Arg::key("key", 0),
                Arg::integer("count").token("SAMPLES").optional(),
            ],
            handler: usage,
            ..SUB
        },
    ],
    ..Row::BASE
}];

const ALL_SHARDS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

/// How many parts of a value are looked at where nothing is said.
const SAMPLES: usize = 5;

fn usage(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mut samples = SAMPLES;
    let mut at = 3;
    while at < args.len() {
        if !args[at].eq_ignore_ascii_case(b"samples") || at + 1 == args.len() {
            return Err(CmdError::Syntax);
        }
        samples = match usize::try_from(integer(&args[at + 1])?) {
            Ok(0) => usize::MAX,
            Ok(some) => some,
            Err(_) => return Err(CmdError::Syntax),
        };
        at += 2;
    }
    // A key whose time has come takes memory all the same.
    let found = ctx.env.keyspace.db(ctx.session.db).get(&args[2]);
    let bytes = found.map(|entry| memory_of(entry, samples) as i64);
    wording::int_or_null(ctx.reply, bytes);
    Ok(())
}

/// Bytes of an entry with its value. Long lists and streams are estimated from some of their
/// nodes; the other types know what they take.
fn memory_of(entry: Entry<'_>, samples: usize) -> usize {
    let boxed = match entry.value() {
        ValueRef::List(ListRef::Quick(list)) => list.allocated_bytes(samples),
        ValueRef::Hash(HashRef::Table(table)) => table.memory(),
        ValueRef::Set(SetRef::Table(table)) => table.memory(),
        ValueRef::ZSet(ZSetRef::Tree(tree)) => tree.memory(),
        ValueRef::Stream(stream) => stream.memory(samples),
        // These lie in the entry, or in one piece that it counts as its own.
        ValueRef::String(_)
        | ValueRef::List(ListRef::Packed(_))
        | ValueRef::Hash(HashRef::Packed(_))
        | ValueRef::Set(SetRef::Ints(_) | SetRef::Packed(_))
        | ValueRef::ZSet(ZSetRef::Packed(_)) => 0,
    };
    entry.memory_usage() + boxed
}

fn stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let facts = ctx.host.facts(ctx.env);
    let connected = ctx.env.replication.info(ctx.env.now).connected_replicas;
    let figures = MemoryFigures::gather(ctx.env, &facts, connected);
    let scripts = ctx.env.scripts.memory() as u64;
    let functions = ctx.env.functions.memory() as u64;
    let reply = &mut *ctx.reply;
    reply.map(27 + figures.tables.len());
    for (name, bytes) in [
        ("peak.allocated", figures.peak),
        ("total.allocated", figures.used),
        ("startup.allocated", figures.startup),
        ("replication.backlog", figures.backlog),
        ("clients.slaves", figures.replicas),
        ("clients.normal", figures.clients),
        ("cluster.links", 0),
        ("aof.buffer", ctx.env.aof.memory() as u64),
        ("lua.caches", scripts),
        ("functions.caches", functions),
    ] {
        int(reply, name, bytes as i64);
    }
    for (number, tables) in &figures.tables {
        reply.bulk(format!("db.{number}"));
        reply.map(3);
        int(reply, "overhead.hashtable.main", tables.keys as i64);
        int(reply, "overhead.hashtable.expires", tables.expiring as i64);
        int(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    let per_key = figures.net().checked_div(figures.keys).unwrap_or(0);
    int(reply, "overhead.total", figures.overhead() as i64);
    int(reply, "keys.count", figures.keys as i64);
    int(reply, "keys.bytes-per-key", per_key as i64);
    int(reply, "dataset.bytes", figures.data_set() as i64);
    double(reply, "dataset.percentage", figures.data_set_percent());
    double(reply, "peak.percentage", figures.peak_percent());
    int(reply, "allocator.allocated", figures.used as i64);
    int(reply, "allocator.active", figures.active as i64);
    int(reply, "allocator.resident", figures.resident as i64);
    let layers = [
        ("allocator-fragmentation", figures.allocator_fragmentation()),
        ("allocator-rss", figures.allocator_rss()),
        ("rss-overhead", figures.rss_overhead()),
    ];
    for (name, Waste { ratio, bytes }) in layers {
        double(reply, &format!("{name}.ratio"), ratio);
        int(reply, &format!("{name}.bytes"), bytes);
    }
    double(reply, "fragmentation", figures.fragmentation().ratio);
    int(reply, "fragmentation.bytes", figures.fragmentation().bytes);
    Ok(())
}

fn int(reply: &mut Reply, name: &str, value: i64) {
    reply.bulk(name);
    reply.int(value);
}

fn double(reply: &mut Reply, name: &str, value: f64) {
    reply.bulk(name);
    reply.double(value);
}

fn report(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let facts = ctx.host.facts(ctx.env);
    let connected = ctx.env.replication.info(ctx.env.now).connected_replicas;
    let figures = MemoryFigures::gather(ctx.env, &facts, connected);
    let text = doctor::report(&figures, facts.connected_clients, connected);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn purge(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    memory::purge().map_err(|_| CmdError::Fixed("ERR Error purging dirty pages"))?;
    ctx.reply.ok();
    Ok(())
}

fn malloc_stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.verbatim("txt", &memory::allocator_report());
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(
        ctx,
        args,
        &[
            "DOCTOR",
            "    Say what is striking about the use of memory.",
            "MALLOC-STATS",
            "    Show the statistics of the allocator.",
            "PURGE",
            "    Have the allocator give unused pages back.",
            "STATS",
            "    Tell how much memory is in use, and what for.",
            "USAGE <key> [SAMPLES <count>]",
            "    Estimate the bytes that <key> takes, with its value. Of long values <count> parts",
            "    are looked at (default: 5, 0 means all).",
        ],
    )
}

#[cfg(test)]
mod tests;
