//! Parts of strings, and strings that grow.
//!
//! A string that was modified in place is `raw` from then on, and lives where it can grow without
//! its key being copied along.

use super::{lengthen, make_room, to_store};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row};
use crate::keyspace::NewValue;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "append",
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        group: CommandGroup::String,
        since: "2.0.0",
        complexity: "O(1) on average, as long as the appended part is small: room for growth is \
            kept at the end.",
        summary: "Appends to the string under a key; a key that does not exist counts as empty.",
        args: &[Arg::key("key", 0), Arg::string("value")],
        handler: append,
        ..Row::BASE
    },
    Row {
        name: "strlen",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::String,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Tells the length of the string under a key.",
        args: &[Arg::key("key", 0)],
        handler: strlen,
        ..Row::BASE
    },
    Row {
        name: "setrange",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::String,
        since: "2.2.0",
        complexity: "O(M), M being the length of the new part; growing the string may copy all \
            of it.",
        summary: "Overwrites part of the string under a key, from an offset on.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("offset"),
            Arg::string("value"),
        ],
        handler: setrange,
        ..Row::BASE
    },
    Row {
        name: "getrange",
        arity: 4,
        flags: Flags::READONLY,
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::String,
        since: "2.4.0",
        complexity: "O(N), N being the length of the part.",
        summary: "Reads part of the string under a key.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("end"),
        ],
        handler: getrange,
        ..Row::BASE
    },
    Row {
        name: "substr",
        arity: 4,
        flags: Flags::READONLY,
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::String,
        complexity: "O(N), N being the length of the part.",
        summary: "Reads part of the string under a key.",
        deprecated: Some(Deprecation {
            since: "2.0.0",
            replaced_by: "`GETRANGE`",
        }),
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("end"),
        ],
        handler: getrange,
        ..Row::BASE
    },
];

fn append(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let old_len = ctx
        .env
        .lookup_string(ctx.session, &args[1], Access::Write)?
        .map(|entry| entry.string_len());
    let Some(old_len) = old_len else {
        let len = args[2].len();
        let new = to_store(args.take(2));
        ctx.adding(&args[1]);
        ctx.db().set(&args[1], new, None);
        ctx.wrote(Class::STRING, "append", &args[1]);
        ctx.reply.int(len as i64);
        return Ok(());
    };
    check_length(ctx, old_len, args[2].len())?;
    let string = ctx
        .db()
        .string_mut(&args[1])
        .expect("the key was found above");
    make_room(string, old_len + args[2].len());
    string.extend_from_slice(&args[2]);
    let len = string.len();
    ctx.wrote(Class::STRING, "append", &args[1]);
    ctx.reply.int(len as i64);
    Ok(())
}

fn strlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let found = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)?;
    let len = found.map_or(0, |entry| entry.string_len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn setrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let offset = usize::try_from(integer(&args[2])?)
        .map_err(|_| CmdError::Fixed("ERR offset is out of range"))?;
    let (key, part) = (&args[1], &args[3]);
    let found = ctx.env.lookup_string(ctx.session, key, Access::Write)?;
    let old_len = found.map(|entry| entry.string_len());
    if part.is_empty() {
        ctx.reply.int(old_len.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(ctx, offset, part.len())?;
    if old_len.is_none() {
        ctx.adding(key);
        ctx.db().set(key, NewValue::RawBytes(b""), None);
    }
    let string = ctx.db().string_mut(key).expect("the key is there by now");
    let end = offset + part.len();
    if string.len() < end {
        lengthen(string, end);
    }
    string[offset..end].copy_from_slice(part);
    let len = string.len();
    ctx.wrote(Class::STRING, "setrange", key);
    ctx.reply.int(len as i64);
    Ok(())
}

/// Strings may not outgrow what a client could send. Our master and our own files have had theirs
/// checked before.
fn check_length(ctx: &Ctx<'_>, len: usize, added: usize) -> CmdResult {
    let max = ctx.env.config.proto_max_bulk_len;
    let fits = len.checked_add(added).is_some_and(|total| total <= max);
    if fits || ctx.session.must_be_obeyed() {
        Ok(())
    } else {
        Err(CmdError::StringTooLong)
    }
}

fn getrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    match ctx.env.lookup_string(ctx.session, &args[1], Access::Read)? {
        Some(entry) => entry
            .string()
            .with_bytes(|text| ctx.reply.bulk(&text[span(start, end, text.len())])),
        None => ctx.reply.bulk(b""),
    }
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative ones count from the end of the string,
/// and what lies outside of it is cut off.
fn span(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_front = |index: i64| {
        if index < 0 {
            (len + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}
