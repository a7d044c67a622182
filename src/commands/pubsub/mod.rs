//! Publish and subscribe: channels, patterns, shard channels.
//!
//! [`registry`] knows who is subscribed to what, [`outbox`] holds messages until the command that
//! sent them has ended. Subscribing and unsubscribing is one function each for the three kinds of
//! topic; every topic is acknowledged by a push of its own, which stands where other commands
//! have their reply.
//!
//! A RESP2 client with a subscription may send nothing but the commands with
//! [`Flags::IN_SUBSCRIBED_STATE`], because it could not tell replies from messages.

pub mod outbox;
mod query;
pub mod registry;

use super::context::{CmdResult, Ctx};
use super::env::Env;
use super::error::CmdError;
use super::row::{Arg, ArgKind, ChannelSpec, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use super::session::{Kind, ReplyMode, Session};
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use registry::TopicKind;

const SUBSCRIBING: Row = Row {
    flags: Flags::PUBSUB
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::SENTINEL)
        .union(Flags::IN_SUBSCRIBED_STATE),
    group: CommandGroup::Pubsub,
    since: "2.0.0",
    ..Row::BASE
};

/// Shard channels are unknown to a Sentinel.
const SUBSCRIBING_TO_SHARDS: Row = Row {
    flags: Flags::PUBSUB
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::IN_SUBSCRIBED_STATE),
    keys: &[KeySpec::range(KeyFlags::NOT_KEY, 1, -1, 1)],
    since: "7.0.0",
    ..SUBSCRIBING
};

const PUBLISHING: Flags = Flags::PUBSUB
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::MAY_REPLICATE);

/// The row of `PUBLISH`. A Sentinel has one that does something else.
pub const PUBLISH: Row = Row {
    name: "publish",
    arity: 3,
    flags: PUBLISHING,
    group: CommandGroup::Pubsub,
    since: "2.0.0",
    channels: Some(ChannelSpec::FIRST),
    complexity: "O(N+M), N being the number of the channel's subscribers and M that of all \
        patterns",
    summary: "Sends a message to the subscribers of a channel.",
    args: &[Arg::string("channel"), Arg::string("message")],
    handler: publish,
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "subscribe",
        arity: -2,
        channels: Some(ChannelSpec::ALL),
        complexity: "O(N), N being the number of channels",
        summary: "Subscribes to channels.",
        args: &[Arg::string("channel").multiple()],
        handler: subscribe,
        ..SUBSCRIBING
    },
    Row {
        name: "unsubscribe",
        arity: -1,
        complexity: "O(N), N being the number of channels",
        summary: "Gives up the subscription to channels, or to all of them.",
        args: &[Arg::string("channel").optional().multiple()],
        handler: unsubscribe,
        ..SUBSCRIBING
    },
    Row {
        name: "psubscribe",
        arity: -2,
        channels: Some(ChannelSpec::PATTERNS),
        complexity: "O(N), N being the number of patterns",
        summary: "Subscribes to all channels whose names match a pattern.",
        args: &[Arg::new("pattern", ArgKind::Pattern).multiple()],
        handler: psubscribe,
        ..SUBSCRIBING
    },
    Row {
        name: "punsubscribe",
        arity: -1,
        complexity: "O(N), N being the number of patterns",
        summary: "Gives up the subscription to patterns, or to all of them.",
        args: &[Arg::new("pattern", ArgKind::Pattern).optional().multiple()],
        handler: punsubscribe,
        ..SUBSCRIBING
    },
    Row {
        name: "ssubscribe",
        arity: -2,
        channels: Some(ChannelSpec::ALL),
        complexity: "O(N), N being the number of channels",
        summary: "Subscribes to shard channels.",
        args: &[Arg::string("shardchannel").multiple()],
        handler: ssubscribe,
        ..SUBSCRIBING_TO_SHARDS
    },
    Row {
        name: "sunsubscribe",
        arity: -1,
        complexity: "O(N), N being the number of channels",
        summary: "Gives up the subscription to shard channels, or to all of them.",
        args: &[Arg::string("shardchannel").optional().multiple()],
        handler: sunsubscribe,
        ..SUBSCRIBING_TO_SHARDS
    },
    PUBLISH,
    Row {
        name: "spublish",
        arity: 3,
        flags: PUBLISHING,
        keys: &[KeySpec::first(KeyFlags::NOT_KEY)],
        group: CommandGroup::Pubsub,
        since: "7.0.0",
        channels: Some(ChannelSpec::FIRST),
        complexity: "O(N), N being the number of the channel's subscribers",
        summary: "Sends a message to the subscribers of a shard channel.",
        args: &[Arg::string("shardchannel"), Arg::string("message")],
        handler: spublish,
        ..Row::BASE
    },
    query::PUBSUB,
];

impl TopicKind {
    /// The words that acknowledge a subscription and its end.
    fn verbs(self) -> (&'static str, &'static str) {
        match self {
            TopicKind::Channel => ("subscribe", "unsubscribe"),
            TopicKind::Pattern => ("psubscribe", "punsubscribe"),
            TopicKind::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }
}

fn subscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    add(ctx, args, TopicKind::Channel)
}

fn psubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    add(ctx, args, TopicKind::Pattern)
}

fn ssubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if ctx.env.unit.is_nested() {
        return Err(not_here(TopicKind::Shard));
    }
    add(ctx, args, TopicKind::Shard)
}

/// Whoever runs this cannot wait for messages.
fn not_here(kind: TopicKind) -> CmdError {
    let verb = kind.verbs().0.to_ascii_uppercase();
    CmdError::err(format!("{verb} isn't allowed for a DENY BLOCKING client"))
}

fn add(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: TopicKind) -> CmdResult {
    if ctx.session.kind == Kind::Internal {
        return Err(not_here(kind));
    }
    let client = ctx.session.id;
    for topic in args.iter_from(1) {
        let own = ctx.session.subscriptions.get_or_insert_default();
        ctx.env.pubsub.subscribe(client, own, kind, topic);
        acknowledge(ctx, kind, kind.verbs().0, Some(topic));
    }
    Ok(())
}

fn unsubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    remove(ctx, args, TopicKind::Channel);
    Ok(())
}

fn punsubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    remove(ctx, args, TopicKind::Pattern);
    Ok(())
}

fn sunsubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    remove(ctx, args, TopicKind::Shard);
    Ok(())
}

fn remove(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: TopicKind) {
    let topics: Vec<Box<[u8]>> = if args.len() > 1 {
        args.iter_from(1).map(Into::into).collect()
    } else {
        let own = ctx.session.subscriptions.as_deref();
        let all = own.into_iter().flat_map(|own| own.of(kind));
        all.map(Into::into).collect()
    };
    let verb = kind.verbs().1;
    for topic in &topics {
        if let Some(own) = ctx.session.subscriptions.as_deref_mut() {
            ctx.env.pubsub.unsubscribe(ctx.session.id, own, kind, topic);
        }
        acknowledge(ctx, kind, verb, Some(topic));
    }
    if topics.is_empty() {
        acknowledge(ctx, kind, verb, None);
    }
    let own = ctx.session.subscriptions.as_ref();
    if own.is_some_and(|own| own.is_empty()) {
        ctx.session.subscriptions = None;
    }
}

/// Tells a client what became of a topic, and how many it has by now: of channels and patterns
/// together, or of shard channels.
fn acknowledge(ctx: &mut Ctx<'_>, kind: TopicKind, verb: &str, topic: Option<&[u8]>) {
    let own = ctx.session.subscriptions.as_deref();
    let count = |kind| own.map_or(0, |own| own.count(kind));
    let count = match kind {
        TopicKind::Channel | TopicKind::Pattern => {
            count(TopicKind::Channel) + count(TopicKind::Pattern)
        }
        TopicKind::Shard => count(TopicKind::Shard),
    };
    let write = |reply: &mut Reply| {
        reply.push(3);
        reply.bulk(verb);
        match topic {
            Some(topic) => reply.bulk(topic),
            None => reply.null(),
        }
        reply.int(count as i64);
    };
    if ctx.session.reply_mode == ReplyMode::On {
        write(ctx.reply);
    } else {
        // A push comes even to a client that wants no replies.
        let mut push = Reply::new(ctx.session.protocol);
        write(&mut push);
        ctx.env.outbox.send(ctx.session.id, push.as_bytes());
    }
}

fn publish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let sent = env.pubsub.publish(&args[1], &args[2], &mut env.outbox);
    conclude(ctx, args, sent);
    Ok(())
}

fn spublish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let sent = env
        .pubsub
        .publish_to_shard(&args[1], &args[2], &mut env.outbox);
    conclude(ctx, args, sent);
    Ok(())
}

/// Replicas have subscribers of their own, so they get the message whoever got it here.
fn conclude(ctx: &mut Ctx<'_>, args: &Args<'_>, sent: usize) {
    ctx.env.unit.note_instead();
    let db = ctx.session.db;
    let argv: [&[u8]; 3] = [&args[0], &args[1], &args[2]];
    ctx.env.propagate_to_replicas(db, &argv);
    ctx.reply.int(sent as i64);
}

/// Ends all subscriptions of a client.
pub fn forget(env: &mut Env, session: &mut Session) {
    if let Some(own) = session.subscriptions.take() {
        env.pubsub.forget(session.id, *own);
    }
}

#[cfg(test)]
mod tests;
