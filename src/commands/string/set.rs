//! Storing one string: `SET` and the older commands that are special cases of it.
//!
//! All of them are one function, [`store`], told apart by [`SetOptions`] and by how they word
//! their replies. A relative expiry goes to replicas as `SET … PXAT`, so that it means the same
//! there and later.

use super::options::{Condition, Lifetime, SetOptions, is_get};
use super::{overwrite, reply_string_or_null, to_store};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::deadline::DeadlineKind;
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{
    Acl, Arg, ArgKind, CommandGroup, Deprecation, Flags, KeyFlags, KeyRef, KeySpec, Row,
};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "set",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::first(
            KeyFlags::RW
                .union(KeyFlags::ACCESS)
                .union(KeyFlags::UPDATE)
                .union(KeyFlags::VARIABLE_FLAGS),
        )
        .notes("Reads the old value only with `GET`.")],
        get_keys: Some(set_keys),
        group: CommandGroup::String,
        complexity: "O(1)",
        summary: "Stores a string under a key, whatever the key held before.",
        history: &[
            ("2.6.12", "The options `EX`, `PX`, `NX` and `XX`."),
            ("6.0.0", "The option `KEEPTTL`."),
            ("6.2.0", "The options `GET`, `EXAT` and `PXAT`."),
            ("7.0.0", "`NX` and `GET` go together."),
        ],
        args: &[
            Arg::key("key", 0),
            Arg::string("value"),
            Arg::one_of("condition", &[Arg::pure("nx", "NX"), Arg::pure("xx", "XX")])
                .since("2.6.12")
                .optional(),
            Arg::pure("get", "GET").since("6.2.0").optional(),
            Arg::one_of(
                "expiration",
                &[
                    Arg::integer("seconds").token("EX").since("2.6.12"),
                    Arg::integer("milliseconds").token("PX").since("2.6.12"),
                    Arg::new("unix-time-seconds", ArgKind::UnixTime)
                        .token("EXAT")
                        .since("6.2.0"),
                    Arg::new("unix-time-milliseconds", ArgKind::UnixTime)
                        .token("PXAT")
                        .since("6.2.0"),
                    Arg::pure("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ],
        handler: set,
        ..Row::BASE
    },
    Row {
        name: "setnx",
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::OW.union(KeyFlags::INSERT))],
        group: CommandGroup::String,
        complexity: "O(1)",
        summary: "Stores a string under a key that does not exist yet.",
        deprecated: Some(Deprecation {
            since: "2.6.12",
            replaced_by: "`SET` with the `NX` option",
        }),
        args: &[Arg::key("key", 0), Arg::string("value")],
        handler: setnx,
        ..Row::BASE
    },
    Row {
        name: "setex",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE))],
        group: CommandGroup::String,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Stores a string under a key, to expire after so many seconds.",
        deprecated: Some(Deprecation {
            since: "2.6.12",
            replaced_by: "`SET` with the `EX` option",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::integer("seconds"),
            Arg::string("value"),
        ],
        handler: setex,
        ..Row::BASE
    },
    Row {
        name: "psetex",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE))],
        group: CommandGroup::String,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Stores a string under a key, to expire after so many milliseconds.",
        deprecated: Some(Deprecation {
            since: "2.6.12",
            replaced_by: "`SET` with the `PX` option",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::integer("milliseconds"),
            Arg::string("value"),
        ],
        handler: psetex,
        ..Row::BASE
    },
    Row {
        name: "getset",
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        group: CommandGroup::String,
        complexity: "O(1)",
        summary: "Stores a string under a key and returns the one that was there.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`SET` with the `GET` option",
        }),
        args: &[Arg::key("key", 0), Arg::string("value")],
        handler: getset,
        ..Row::BASE
    },
];

/// The key of `SET` is read only where the old value is asked for.
fn set_keys(args: &Args<'_>, out: &mut Vec<KeyRef>) {
    let flags = if args.iter_from(3).any(is_get) {
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
    } else {
        KeyFlags::OW.union(KeyFlags::UPDATE)
    };
    out.push(KeyRef { index: 1, flags });
}

fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SetOptions::parse(args)?;
    let outcome = store(ctx, args, 2, options, "set")?;
    if !options.get {
        match outcome {
            Outcome::Stored => ctx.reply.ok(),
            Outcome::Refused => ctx.reply.null(),
        }
    } else if outcome == Outcome::Stored && !matches!(options.lifetime, Lifetime::Until(_)) {
        propagate_without_get(ctx, args);
    }
    Ok(())
}

fn setnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SetOptions {
        condition: Condition::IfAbsent,
        ..SetOptions::NONE
    };
    let outcome = store(ctx, args, 2, options, "setnx")?;
    ctx.reply.int(i64::from(outcome == Outcome::Stored));
    Ok(())
}

fn setex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SetOptions::expiring(DeadlineKind::Seconds, 2);
    store(ctx, args, 3, options, "setex")?;
    ctx.reply.ok();
    Ok(())
}

fn psetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SetOptions::expiring(DeadlineKind::Milliseconds, 2);
    store(ctx, args, 3, options, "psetex")?;
    ctx.reply.ok();
    Ok(())
}

fn getset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SetOptions {
        get: true,
        ..SetOptions::NONE
    };
    store(ctx, args, 2, options, "getset")?;
    ctx.propagate_instead(&[b"SET", &args[1], &args[2]]);
    Ok(())
}

/// Whether the condition held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Stored,
    Refused,
}

/// Stores argument `value` under argument 1. With the option `GET` this replies with the old
/// value; otherwise the reply is the caller's.
#[inline]
fn store(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    value: usize,
    options: SetOptions,
    command: &'static str,
) -> Result<Outcome, CmdError> {
    if options == SetOptions::NONE {
        let new = to_store(args.take(value));
        overwrite(ctx, &args[1], new);
        ctx.changed(1);
        ctx.notify(Class::STRING, "set", &args[1]);
        return Ok(Outcome::Stored);
    }
    store_with_options(ctx, args, value, options, command)
}

fn store_with_options(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    value: usize,
    options: SetOptions,
    command: &'static str,
) -> Result<Outcome, CmdError> {
    let at = match options.lifetime {
        Lifetime::Until(deadline) => Some(deadline.resolve(args, ctx.now_ms(), command)?),
        Lifetime::Kept | Lifetime::Endless => None,
    };
    if options.get {
        let old = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)?;
        reply_string_or_null(ctx.reply, old);
    }
    let exists = ctx
        .env
        .lookup(ctx.session, &args[1], Access::Write)
        .is_some();
    let holds = match options.condition {
        Condition::Always => true,
        Condition::IfAbsent => !exists,
        Condition::IfPresent => exists,
    };
    if !holds {
        return Ok(Outcome::Refused);
    }
    let new = to_store(args.take(value));
    ctx.adding(&args[1]);
    if options.lifetime == Lifetime::Kept {
        ctx.db().set_keep_ttl(&args[1], new);
    } else {
        ctx.db().set(&args[1], new, at);
        ctx.got_expiry(ctx.session.db, &args[1]);
    }
    ctx.wrote(Class::STRING, "set", &args[1]);
    if at.is_some() {
        ctx.notify(Class::GENERIC, "expire", &args[1]);
    }
    if let (Some(at), Lifetime::Until(deadline)) = (at, options.lifetime)
        && deadline.kind != DeadlineKind::UnixMilliseconds
    {
        let mut text = itoa::Buffer::new();
        let at = text.format(at).as_bytes();
        ctx.propagate_instead(&[b"SET", &args[1], &args[value], b"PXAT", at]);
    }
    Ok(Outcome::Stored)
}

/// Replicas need not look up the old value.
fn propagate_without_get(ctx: &mut Ctx<'_>, args: &Args<'_>) {
    if !ctx.env.wants_changes() {
        return;
    }
    let options = args.iter_from(3).filter(|word| !is_get(word));
    let words: Vec<&[u8]> = [&args[0], &args[1], &args[2]]
        .into_iter()
        .chain(options)
        .collect();
    ctx.propagate_instead(&words);
}
