//! Setting and removing fields.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row};
use crate::data::hash::Hash;
use crate::resp::args::Args;

/// Fields with their values.
const DATA: Arg = Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple();

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "hset",
        arity: -4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(N), N being the number of fields given.",
        summary: "Sets fields of a hash.",
        history: &[("4.0.0", "More than one field with its value.")],
        args: &[Arg::key("key", 0), DATA],
        handler: hset,
        ..Row::BASE
    },
    Row {
        name: "hmset",
        arity: -4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(N), N being the number of fields given.",
        summary: "Sets fields of a hash.",
        deprecated: Some(Deprecation {
            since: "4.0.0",
            replaced_by: "`HSET` with multiple field-value pairs",
        }),
        args: &[Arg::key("key", 0), DATA],
        handler: hmset,
        ..Row::BASE
    },
    Row {
        name: "hsetnx",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets a field of a hash, if there is no such field yet.",
        args: &[
            Arg::key("key", 0),
            Arg::string("field"),
            Arg::string("value"),
        ],
        handler: hsetnx,
        ..Row::BASE
    },
    Row {
        name: "hdel",
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::HASH,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(N), N being the number of fields given.",
        summary: "Removes fields from a hash, and the key with the last one.",
        history: &[("2.4.0", "More than one field.")],
        args: &[Arg::key("key", 0), Arg::string("field").multiple()],
        handler: hdel,
        ..Row::BASE
    },
];

fn hset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let created = set_fields(ctx, args, "hset")?;
    ctx.reply.int(created);
    Ok(())
}

fn hmset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    set_fields(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets the fields that a command gives; returns how many are new.
fn set_fields(ctx: &mut Ctx<'_>, args: &Args<'_>, name: &'static str) -> Result<i64, CmdError> {
    if !args.len().is_multiple_of(2) {
        return Err(CmdError::Arity(name.into()));
    }
    let key = &args[1];
    let limits = ctx.env.hash_limits();
    ctx.adding(key);
    let mut hash = ctx.edit_or_new::<Hash>(key)?;
    hash.expect(args.iter_from(2), &limits);
    let mut created = 0;
    for at in (2..args.len()).step_by(2) {
        created += i64::from(hash.set(&args[at], &args[at + 1], &limits));
    }
    hash.finish();
    ctx.touched(key);
    ctx.notify(Class::HASH, "hset", key);
    ctx.changed(args.len() as u64 / 2 - 1);
    Ok(created)
}

fn hsetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, field) = (&args[1], &args[2]);
    let limits = ctx.env.hash_limits();
    ctx.adding(key);
    let mut hash = ctx.edit_or_new::<Hash>(key)?;
    let is_new = !hash.as_ref().contains(field);
    if is_new {
        hash.expect(args.iter_from(2), &limits);
        hash.set(field, &args[3], &limits);
        hash.finish();
        ctx.wrote(Class::HASH, "hset", key);
    } else {
        hash.finish();
    }
    ctx.reply.int(i64::from(is_new));
    Ok(())
}

fn hdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let Some(mut hash) = ctx.edit::<Hash>(key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let deleted = args.iter_from(2).filter(|field| hash.remove(field)).count();
    let gone = hash.finish();
    if deleted > 0 {
        ctx.took(Class::HASH, "hdel", key, deleted, gone);
    }
    ctx.reply.int(deleted as i64);
    Ok(())
}
