//! Strings that count.
//!
//! A counter that is kept as an integer is changed where it is: no allocation, one lookup. Others
//! (text that reads as an integer, as `APPEND` leaves behind) become integers on the way.
//!
//! Fractions are counted in the 80-bit format that the reference uses, since its digits show. What
//! replicas get is the outcome, so that no difference in rounding can add up between servers.

use crate::base::longdouble::LongDouble;
use crate::base::numbers::parse_i64;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::{add_fraction, integer};
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::keyspace::{NewValue, StringRef};
use crate::resp::args::Args;

/// What the commands of this file have in common.
const COUNTER: Row = Row {
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::STRING,
    keys: &[KeySpec::first(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
    )],
    group: CommandGroup::String,
    complexity: "O(1)",
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "incr",
        arity: 2,
        summary: "Adds one to the integer under a key; a key that does not exist counts as 0.",
        args: &[Arg::key("key", 0)],
        handler: incr,
        ..COUNTER
    },
    Row {
        name: "decr",
        arity: 2,
        summary: "Subtracts one from the integer under a key; a key that does not exist counts \
            as 0.",
        args: &[Arg::key("key", 0)],
        handler: decr,
        ..COUNTER
    },
    Row {
        name: "incrby",
        arity: 3,
        summary: "Adds to the integer under a key; a key that does not exist counts as 0.",
        args: &[Arg::key("key", 0), Arg::integer("increment")],
        handler: incrby,
        ..COUNTER
    },
    Row {
        name: "decrby",
        arity: 3,
        summary: "Subtracts from the integer under a key; a key that does not exist counts as 0.",
        args: &[Arg::key("key", 0), Arg::integer("decrement")],
        handler: decrby,
        ..COUNTER
    },
    Row {
        name: "incrbyfloat",
        arity: 3,
        since: "2.6.0",
        summary: "Adds to the floating point number under a key; a key that does not exist \
            counts as 0.",
        args: &[Arg::key("key", 0), Arg::new("increment", ArgKind::Double)],
        handler: incrbyfloat,
        ..COUNTER
    },
];

fn incr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    add(ctx, &args[1], 1)
}

fn decr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    add(ctx, &args[1], -1)
}

fn incrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let by = integer(&args[2])?;
    add(ctx, &args[1], by)
}

fn decrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let by = integer(&args[2])?
        .checked_neg()
        .ok_or(CmdError::Fixed("ERR decrement would overflow"))?;
    add(ctx, &args[1], by)
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], by: i64) -> CmdResult {
    let mut found = ctx.env.lookup_string_mut(ctx.session, key)?;
    let old = match found.as_ref().map(|entry| entry.entry().string()) {
        None => 0,
        Some(StringRef::Int(int)) => int,
        Some(StringRef::Bytes(text)) => parse_i64(text).ok_or(CmdError::NotInteger)?,
    };
    let new = old.checked_add(by).ok_or(CmdError::Overflow)?;
    let in_place = found.as_mut().is_some_and(|entry| entry.set_int(new));
    if !in_place {
        ctx.adding(key);
        ctx.db().set_keep_ttl(key, NewValue::Int(new));
    }
    ctx.wrote(Class::STRING, "incrby", key);
    ctx.reply.int(new);
    Ok(())
}

fn incrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let found = ctx.env.lookup_string(ctx.session, key, Access::Write)?;
    let old = match found.map(|entry| entry.string()) {
        None => LongDouble::from(0),
        Some(StringRef::Int(int)) => LongDouble::from(int),
        Some(StringRef::Bytes(text)) => LongDouble::parse(text).ok_or(CmdError::NotFloat)?,
    };
    let by = LongDouble::parse(&args[2]).ok_or(CmdError::NotFloat)?;
    let text = add_fraction(old, by)?;
    ctx.adding(key);
    ctx.db().set_keep_ttl(key, NewValue::Bytes(&text));
    ctx.wrote(Class::STRING, "incrbyfloat", key);
    ctx.propagate_instead(&[b"SET", key, &text, b"KEEPTTL"]);
    ctx.reply.bulk(&text);
    Ok(())
}
