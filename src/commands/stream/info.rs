//! `XINFO`: what there is to know of a stream, its groups and their consumers.

use super::{at_most, no_group, reply_entries, reply_entry};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::{self, int_or_null};
use crate::data::stream::{Consumer, Group, Log, Pending, Stream, StreamId};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// How much of each list `XINFO STREAM … FULL` shows if nobody says.
const FULL_COUNT: usize = 10;

const SUB: Row = Row {
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[KeySpec::range(
        KeyFlags::RO.union(KeyFlags::ACCESS),
        2,
        0,
        1,
    )],
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(1)",
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "xinfo",
    arity: -2,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "That of the subcommand.",
    summary: "Holds the commands that look into streams.",
    subcommands: &[
        Row {
            name: "consumers",
            arity: 4,
            summary: "Lists the consumers of a group.",
            history: &[("7.2.0", "The field `inactive` was added.")],
            tips: &["nondeterministic_output"],
            args: &[Arg::key("key", 0), Arg::string("group")],
            handler: consumers,
            ..SUB
        },
        Row {
            name: "groups",
            arity: 3,
            summary: "Lists the groups of a stream.",
            history: &[("7.0.0", "The fields `entries-read` and `lag` were added.")],
            args: &[Arg::key("key", 0)],
            handler: groups,
            ..SUB
        },
        Row {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            keys: &[],
            summary: "Explains the subcommands.",
            handler: help,
            ..SUB
        },
        Row {
            name: "stream",
            arity: -3,
            summary: "Tells about a stream.",
            history: &[
                ("6.0.0", "`FULL` was added."),
                (
                    "7.0.0",
                    "The fields `max-deleted-entry-id`, `entries-added`, \
                     `recorded-first-entry-id`, `entries-read` and `lag` were added.",
                ),
                (
                    "7.2.0",
                    "The field `active-time` was added; `seen-time` means any attempt now.",
                ),
            ],
            args: &[
                Arg::key("key", 0),
                Arg::block(
                    "full-block",
                    &[
                        Arg::pure("full", "FULL"),
                        Arg::integer("count").token("COUNT").optional(),
                    ],
                )
                .optional(),
            ],
            handler: stream,
            ..SUB
        },
    ],
    ..Row::BASE
}];

/// The stream that is asked about.
fn existing<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<(&'a Stream, &'a mut Reply), CmdError> {
    let found = ctx
        .env
        .collection::<Box<Stream>>(ctx.session, key, Access::Read)?;
    Ok((found.ok_or(CmdError::NoSuchKey)?, ctx.reply))
}

fn consumers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, name) = (&args[2], &args[3]);
    let now_ms = ctx.now_ms();
    let (stream, reply) = existing(ctx, key)?;
    let group = stream.group(name).ok_or_else(|| no_group(key, name))?;
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        let idle_ms = now_ms.wrapping_sub(consumer.seen_ms).max(0);
        let inactive_ms = consumer.active_ms.map(|at| now_ms.wrapping_sub(at));
        reply.map(4);
        reply.bulk("name");
        reply.bulk(consumer.name());
        reply.bulk("pending");
        reply.int(consumer.pending_len() as i64);
        reply.bulk("idle");
        reply.int(idle_ms);
        reply.bulk("inactive");
        reply.int(inactive_ms.unwrap_or(-1));
    }
    Ok(())
}

fn groups(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (stream, reply) = existing(ctx, &args[2])?;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk("name");
        reply.bulk(name);
        reply.bulk("consumers");
        reply.int(group.consumers_len() as i64);
        reply.bulk("pending");
        reply.int(group.pending_len() as i64);
        reply.bulk("last-delivered-id");
        reply.bulk(group.last_id.text());
        reply_progress(reply, stream.log(), group);
    }
    Ok(())
}

/// How much a group has read, and how much it has not; null where that cannot be told.
fn reply_progress(reply: &mut Reply, log: &Log, group: &Group) {
    reply.bulk("entries-read");
    int_or_null(reply, group.entries_read);
    reply.bulk("lag");
    int_or_null(reply, group.lag(log));
}

fn stream(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (stream, reply) = existing(ctx, &args[2])?;
    match args.len() {
        3 => {
            reply.map(10);
            reply_figures(reply, stream);
            reply_outline(reply, stream);
        }
        4 | 6 if args[3].eq_ignore_ascii_case(b"FULL") => {
            let count = full_count(args)?;
            reply.map(9);
            reply_figures(reply, stream);
            reply_everything(reply, stream, count);
        }
        _ => return Err(wording::bad_subcommand(args)),
    }
    Ok(())
}

fn full_count(args: &Args<'_>) -> Result<usize, CmdError> {
    let Some(option) = args.get(4) else {
        return Ok(FULL_COUNT);
    };
    if !option.eq_ignore_ascii_case(b"COUNT") {
        return Err(wording::bad_subcommand(args));
    }
    Ok(usize::try_from(integer(&args[5])?).unwrap_or(FULL_COUNT))
}

fn reply_figures(reply: &mut Reply, stream: &Stream) {
    let log = stream.log();
    reply.bulk("length");
    reply.int(log.len() as i64);
    reply.bulk("radix-tree-keys");
    reply.int(log.nodes().len() as i64);
    reply.bulk("radix-tree-nodes");
    reply.int(stream.radix_nodes() as i64);
    reply.bulk("last-generated-id");
    reply.bulk(log.last_id().text());
    reply.bulk("max-deleted-entry-id");
    reply.bulk(log.max_deleted_id().text());
    reply.bulk("entries-added");
    reply.int(log.entries_added() as i64);
    reply.bulk("recorded-first-entry-id");
    reply.bulk(log.first_id().text());
}

fn reply_outline(reply: &mut Reply, stream: &Stream) {
    let log = stream.log();
    reply.bulk("groups");
    reply.int(stream.groups().len() as i64);
    let first = log.range(StreamId::MIN, StreamId::MAX).next();
    let last = log.range_back(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        reply.bulk(name);
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn reply_everything(reply: &mut Reply, stream: &Stream, count: usize) {
    let log = stream.log();
    reply.bulk("entries");
    reply_entries(reply, log.range(StreamId::MIN, StreamId::MAX), count);
    reply.bulk("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk("name");
        reply.bulk(name);
        reply.bulk("last-delivered-id");
        reply.bulk(group.last_id.text());
        reply_progress(reply, log, group);
        reply.bulk("pel-count");
        reply.int(group.pending_len() as i64);
        reply.bulk("pending");
        let shown = group.pending_len().min(at_most(count));
        reply.array(shown);
        for (id, pending) in group.pending_from(StreamId::MIN).take(shown) {
            reply.array(4);
            reply.bulk(id.text());
            reply.bulk(group.consumer(pending.owner).name());
            reply_delivery(reply, pending);
        }
        reply.bulk("consumers");
        reply.array(group.consumers_len());
        for consumer in group.consumers() {
            reply_consumer(reply, group, consumer, count);
        }
    }
}

fn reply_delivery(reply: &mut Reply, pending: &Pending) {
    reply.int(pending.delivered_ms);
    reply.int(pending.deliveries as i64);
}

fn reply_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk("name");
    reply.bulk(consumer.name());
    reply.bulk("seen-time");
    reply.int(consumer.seen_ms);
    reply.bulk("active-time");
    reply.int(consumer.active_ms.unwrap_or(-1));
    reply.bulk("pel-count");
    reply.int(consumer.pending_len() as i64);
    reply.bulk("pending");
    let shown = consumer.pending_len().min(at_most(count));
    let pending = consumer.pending_from(StreamId::MIN).take(shown);
    reply.array(shown);
    for (id, pending) in pending.filter_map(|id| Some((id, group.pending(id)?))) {
        reply.array(3);
        reply.bulk(id.text());
        reply_delivery(reply, pending);
    }
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lines = [
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
    ];
    wording::help(ctx, args, &lines)
}
