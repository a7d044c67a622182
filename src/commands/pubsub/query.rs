//! `PUBSUB`: which topics have subscribers, and how many.

use super::super::context::{CmdResult, Ctx};
use super::super::row::{Arg, ArgKind, CommandGroup, Flags, Row};
use super::super::wording;
use super::registry::TopicKind;
use crate::base::glob::glob_match;
use crate::resp::args::Args;

const SUB: Row = Row {
    flags: Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE),
    group: CommandGroup::Pubsub,
    ..Row::BASE
};

const PATTERN: &[Arg] = &[Arg::new("pattern", ArgKind::Pattern).optional()];

/// The row of `PUBSUB`.
pub const PUBSUB: Row = Row {
    name: "pubsub",
    arity: -2,
    group: CommandGroup::Pubsub,
    since: "2.8.0",
    complexity: "That of the subcommand",
    summary: "Holds the commands that look at subscriptions.",
    subcommands: &[
        Row {
            name: "channels",
            arity: -2,
            since: "2.8.0",
            complexity: "O(N), N being the number of channels with subscribers",
            summary: "Lists the channels that have a subscriber.",
            args: PATTERN,
            handler: channels,
            ..SUB
        },
        Row {
            name: "numpat",
            arity: 2,
            since: "2.8.0",
            complexity: "O(1)",
            summary: "Counts the patterns that have a subscriber.",
            handler: numpat,
            ..SUB
        },
        Row {
            name: "numsub",
            arity: -2,
            since: "2.8.0",
            complexity: "O(N), N being the number of channels asked for",
            summary: "Counts the subscribers of channels.",
            args: &[Arg::string("channel").optional().multiple()],
            handler: numsub,
            ..SUB
        },
        Row {
            name: "shardchannels",
            arity: -2,
            since: "7.0.0",
            complexity: "O(N), N being the number of shard channels with subscribers",
            summary: "Lists the shard channels that have a subscriber.",
            args: PATTERN,
            handler: shardchannels,
            ..SUB
        },
        Row {
            name: "shardnumsub",
            arity: -2,
            since: "7.0.0",
            complexity: "O(N), N being the number of shard channels asked for",
            summary: "Counts the subscribers of shard channels.",
            args: &[Arg::string("shardchannel").optional().multiple()],
            handler: shardnumsub,
            ..SUB
        },
        Row {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            since: "6.2.0",
            complexity: "O(1)",
            summary: "Explains the subcommands.",
            handler: help,
            ..SUB
        },
    ],
    ..Row::BASE
};

fn channels(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, TopicKind::Channel)
}

fn shardchannels(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, TopicKind::Shard)
}

fn list(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: TopicKind) -> CmdResult {
    if args.len() > 3 {
        return Err(wording::bad_subcommand(args));
    }
    let pattern = args.get(2);
    let shown = ctx.reply.begin_array();
    let mut count = 0;
    for topic in ctx.env.pubsub.topics(kind) {
        if pattern.is_none_or(|pattern| glob_match(pattern, topic, false)) {
            ctx.reply.bulk(topic);
            count += 1;
        }
    }
    ctx.reply.end(shown, count);
    Ok(())
}

fn numpat(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let patterns = ctx.env.pubsub.count(TopicKind::Pattern);
    ctx.reply.int(patterns as i64);
    Ok(())
}

fn numsub(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    count(ctx, args, TopicKind::Channel)
}

fn shardnumsub(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    count(ctx, args, TopicKind::Shard)
}

fn count(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: TopicKind) -> CmdResult {
    ctx.reply.array((args.len() - 2) * 2);
    for topic in args.iter_from(2) {
        ctx.reply.bulk(topic);
        let subscribers = ctx.env.pubsub.subscribers(kind, topic);
        ctx.reply.int(subscribers as i64);
    }
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(
        ctx,
        args,
        &[
            "CHANNELS [<pattern>]",
            "    List the channels with a subscriber, all or those that match <pattern>.",
            "NUMPAT",
            "    Count the patterns with a subscriber.",
            "NUMSUB [<channel> ...]",
            "    Count the subscribers of each channel, without those of patterns.",
            "SHARDCHANNELS [<pattern>]",
            "    List the shard channels with a subscriber, all or those that match <pattern>.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Count the subscribers of each shard channel.",
        ],
    )
}
