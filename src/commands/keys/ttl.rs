//! Telling when keys expire: one function for seconds and milliseconds, for what is left and for
//! the Unix time.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::deadline::DeadlineKind;
use crate::commands::row::{Acl, Arg, Flags, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;

/// What the commands of this file have in common.
const TTL: Row = Row {
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    complexity: "O(1)",
    args: &[Arg::key("key", 0)],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "ttl",
        summary: "Tells after how many seconds a key expires.",
        history: &[("2.8.0", "The reply -2.")],
        tips: &["nondeterministic_output"],
        handler: ttl,
        ..TTL
    },
    Row {
        name: "pttl",
        since: "2.6.0",
        summary: "Tells after how many milliseconds a key expires.",
        history: &[("2.8.0", "The reply -2.")],
        tips: &["nondeterministic_output"],
        handler: pttl,
        ..TTL
    },
    Row {
        name: "expiretime",
        since: "7.0.0",
        summary: "Tells the Unix time in seconds at which a key expires.",
        handler: expiretime,
        ..TTL
    },
    Row {
        name: "pexpiretime",
        since: "7.0.0",
        summary: "Tells the Unix time in milliseconds at which a key expires.",
        handler: pexpiretime,
        ..TTL
    },
];

fn ttl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    tell_deadline(ctx, args, DeadlineKind::Seconds)
}

fn pttl(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    tell_deadline(ctx, args, DeadlineKind::Milliseconds)
}

fn expiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    tell_deadline(ctx, args, DeadlineKind::UnixSeconds)
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    tell_deadline(ctx, args, DeadlineKind::UnixMilliseconds)
}

/// What stands for a key that never expires.
const ENDLESS: i64 = -1;

/// What stands for a key that does not exist.
const ABSENT: i64 = -2;

fn tell_deadline(ctx: &mut Ctx<'_>, args: &Args<'_>, kind: DeadlineKind) -> CmdResult {
    let now_ms = ctx.now_ms();
    let answer = match ctx.env.lookup(ctx.session, &args[1], Access::Peek) {
        None => ABSENT,
        Some(entry) => entry
            .expire_at_ms()
            .map_or(ENDLESS, |at| in_terms_of(kind, at, now_ms)),
    };
    ctx.reply.int(answer);
    Ok(())
}

/// A deadline as a number of this kind, rounded to the nearest second where it is in seconds.
fn in_terms_of(kind: DeadlineKind, at_ms: i64, now_ms: i64) -> i64 {
    let ms = if kind.is_relative() {
        at_ms.saturating_sub(now_ms)
    } else {
        at_ms
    }
    .max(0);
    match kind {
        DeadlineKind::Seconds | DeadlineKind::UnixSeconds => ms.saturating_add(500) / 1000,
        DeadlineKind::Milliseconds | DeadlineKind::UnixMilliseconds => ms,
    }
}
