//! Giving keys a time to expire at, and taking it away.
//!
//! The four `EXPIRE` commands differ in how their number is meant; all else is one function. A
//! time that has already passed deletes the key at once, and replicas are told just that; any
//! other goes to replicas as Unix milliseconds, so that it means the same there and later. A
//! replica, and a server that loads its data, keeps even a key whose time has passed: deleting it
//! is for the master to decide.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::deadline::{DeadlineKind, delete_as_expired, has_passed};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, ArgKind, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::quoting;
use crate::resp::args::Args;

/// What the four commands have in common.
const EXPIRE: Row = Row {
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
    complexity: "O(1)",
    history: &[("7.0.0", "The options `NX`, `XX`, `GT` and `LT`.")],
    ..Row::BASE
};

/// On what an expiry depends.
const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::pure("nx", "NX"),
        Arg::pure("xx", "XX"),
        Arg::pure("gt", "GT"),
        Arg::pure("lt", "LT"),
    ],
)
.since("7.0.0")
.optional();

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "expire",
        summary: "Lets a key expire after so many seconds.",
        args: &[Arg::key("key", 0), Arg::integer("seconds"), CONDITION],
        handler: expire,
        ..EXPIRE
    },
    Row {
        name: "pexpire",
        since: "2.6.0",
        summary: "Lets a key expire after so many milliseconds.",
        args: &[Arg::key("key", 0), Arg::integer("milliseconds"), CONDITION],
        handler: pexpire,
        ..EXPIRE
    },
    Row {
        name: "expireat",
        since: "1.2.0",
        summary: "Lets a key expire at a Unix time in seconds.",
        args: &[
            Arg::key("key", 0),
            Arg::new("unix-time-seconds", ArgKind::UnixTime),
            CONDITION,
        ],
        handler: expireat,
        ..EXPIRE
    },
    Row {
        name: "pexpireat",
        since: "2.6.0",
        summary: "Lets a key expire at a Unix time in milliseconds.",
        args: &[
            Arg::key("key", 0),
            Arg::new("unix-time-milliseconds", ArgKind::UnixTime),
            CONDITION,
        ],
        handler: pexpireat,
        ..EXPIRE
    },
    Row {
        name: "persist",
        arity: 2,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Keeps a key from expiring.",
        args: &[Arg::key("key", 0)],
        handler: persist,
        ..Row::BASE
    },
];

fn expire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    set_deadline(ctx, args, DeadlineKind::Seconds)
}

fn pexpire(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    set_deadline(ctx, args, DeadlineKind::Milliseconds)
}

fn expireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    set_deadline(ctx, args, DeadlineKind::UnixSeconds)
}

fn pexpireat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    set_deadline(ctx, args, DeadlineKind::UnixMilliseconds)
}

/// On what an expiry depends. `XX` together with `GT` says no more than `GT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    /// Nothing.
    Always,
    /// `NX`: the key has no expiry.
    NoExpiry,
    /// `XX`: it has one.
    Expiry,
    /// `GT`: it has one, and an earlier one.
    Later,
    /// `LT`: it has none, which counts as infinitely late, or a later one.
    Earlier,
    /// `XX LT`: it has one, and a later one.
    ExpiryAndEarlier,
}

impl Condition {
    /// Parses the words behind `EXPIRE key number`.
    fn parse(args: &Args<'_>) -> Result<Condition, CmdError> {
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for word in args.iter_from(3) {
            let named = |name: &[u8]| word.eq_ignore_ascii_case(name);
            match word {
                _ if named(b"NX") => nx = true,
                _ if named(b"XX") => xx = true,
                _ if named(b"GT") => gt = true,
                _ if named(b"LT") => lt = true,
                _ => return Err(quoting("Unsupported option ", word, "")),
            }
        }
        match (nx, xx, gt, lt) {
            (true, false, false, false) => Ok(Condition::NoExpiry),
            (true, ..) => Err(CmdError::Fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            )),
            (_, _, true, true) => Err(CmdError::Fixed(
                "ERR GT and LT options at the same time are not compatible",
            )),
            (_, _, true, _) => Ok(Condition::Later),
            (_, true, _, true) => Ok(Condition::ExpiryAndEarlier),
            (_, false, _, true) => Ok(Condition::Earlier),
            (_, true, ..) => Ok(Condition::Expiry),
            _ => Ok(Condition::Always),
        }
    }

    fn permits(self, current: Option<i64>, new: i64) -> bool {
        match self {
            Condition::Always => true,
            Condition::NoExpiry => current.is_none(),
            Condition::Expiry => current.is_some(),
            Condition::Later => current.is_some_and(|current| new > current),
            Condition::Earlier => current.is_none_or(|current| new < current),
            Condition::ExpiryAndEarlier => current.is_some_and(|current| new < current),
        }
    }
}

/// The command whose number is meant so.
fn command_of(kind: DeadlineKind) -> &'static str {
    match kind {
        DeadlineKind::Seconds => "expire",
        DeadlineKind::Milliseconds => "pexpire",
        DeadlineKind::UnixSeconds => "expireat",
        DeadlineKind::UnixMilliseconds => "pexpireat",
    }
}

fn set_deadline(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: DeadlineKind) -> CmdResult {
    let condition = Condition::parse(args)?;
    let number = integer(&args[2])?;
    let at = kind
        .unix_ms(number, ctx.now_ms())
        .ok_or(CmdError::InvalidExpire(command_of(kind)))?;
    let key = &args[1];
    let found = ctx.env.lookup(ctx.session, key, Access::Write);
    if !found.is_some_and(|entry| condition.permits(entry.expire_at_ms(), at)) {
        ctx.reply.int(0);
        return Ok(());
    }
    if has_passed(ctx.env, at) {
        delete_as_expired(ctx, key);
    } else {
        ctx.db().set_expire(key, Some(at));
        ctx.got_expiry(ctx.session.db, key);
        ctx.wrote(Class::GENERIC, "expire", key);
        if kind != DeadlineKind::UnixMilliseconds {
            propagate_deadline(ctx, args, at);
        }
    }
    ctx.reply.int(1);
    Ok(())
}

/// Replicas get `PEXPIREAT` with the client's own conditions.
fn propagate_deadline(ctx: &mut Ctx<'_>, args: &Args<'_>, at: i64) {
    if !ctx.env.wants_changes() {
        return;
    }
    let mut text = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = vec![b"PEXPIREAT", &args[1], text.format(at).as_bytes()];
    words.extend(args.iter_from(3));
    ctx.propagate_instead(&words);
}

fn persist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let found = ctx.env.lookup(ctx.session, key, Access::Write);
    let expires = found.is_some_and(|entry| entry.expire_at_ms().is_some());
    if expires {
        ctx.db().set_expire(key, None);
        ctx.wrote(Class::GENERIC, "persist", key);
    }
    ctx.reply.int(i64::from(expires));
    Ok(())
}
