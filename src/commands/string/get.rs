//! Reading one string, and what some commands do to its key in passing.
//!
//! `GETEX` is never sent to replicas as it is: they get `PEXPIREAT`, `PERSIST` or a deletion,
//! whichever it came down to, and nothing where it changed nothing.

use super::options::{Lifetime, parse_getex};
use super::{reply_string, reply_string_or_null};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::deadline::{delete_as_expired, has_passed};
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "get",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::String,
        complexity: "O(1)",
        summary: "Reads the string under a key.",
        args: &[Arg::key("key", 0)],
        handler: get,
        ..Row::BASE
    },
    Row {
        name: "getex",
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))
                .notes("Writes only the time at which the key expires."),
        ],
        group: CommandGroup::String,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Reads the string under a key and changes when the key expires.",
        args: &[
            Arg::key("key", 0),
            Arg::one_of(
                "expiration",
                &[
                    Arg::integer("seconds").token("EX"),
                    Arg::integer("milliseconds").token("PX"),
                    Arg::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT"),
                    Arg::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT"),
                    Arg::pure("persist", "PERSIST"),
                ],
            )
            .optional(),
        ],
        handler: getex,
        ..Row::BASE
    },
    Row {
        name: "getdel",
        arity: 2,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STRING,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        group: CommandGroup::String,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Reads the string under a key and deletes the key.",
        args: &[Arg::key("key", 0)],
        handler: getdel,
        ..Row::BASE
    },
];

fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let found = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)?;
    reply_string_or_null(ctx.reply, found);
    Ok(())
}

fn getdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let found = ctx.env.lookup_string(ctx.session, key, Access::Read)?;
    reply_string_or_null(ctx.reply, found);
    if ctx.db().remove(key).is_some() {
        ctx.wrote(Class::GENERIC, "del", key);
        ctx.propagate_instead(&[b"DEL", key]);
    }
    Ok(())
}

fn getex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lifetime = parse_getex(args)?;
    let now_ms = ctx.now_ms();
    let key = &args[1];
    let Some(found) = ctx.env.lookup_string(ctx.session, key, Access::Read)? else {
        ctx.reply.null();
        return Ok(());
    };
    let until = match lifetime {
        Lifetime::Until(deadline) => {
            Some((deadline.kind, deadline.resolve(args, now_ms, "getex")?))
        }
        Lifetime::Kept | Lifetime::Endless => None,
    };
    let expires = found.expire_at_ms().is_some();
    reply_string(ctx.reply, found);
    match until {
        Some((kind, at)) if !kind.is_relative() && has_passed(ctx.env, at) => {
            delete_as_expired(ctx, key);
        }
        Some((_, at)) => {
            ctx.db().set_expire(key, Some(at));
            ctx.got_expiry(ctx.session.db, key);
            ctx.wrote(Class::GENERIC, "expire", key);
            let mut text = itoa::Buffer::new();
            ctx.propagate_instead(&[b"PEXPIREAT", key, text.format(at).as_bytes()]);
        }
        None if lifetime == Lifetime::Endless && expires => {
            ctx.db().set_expire(key, None);
            ctx.wrote(Class::GENERIC, "persist", key);
            ctx.propagate_instead(&[b"PERSIST", key]);
        }
        None => {}
    }
    Ok(())
}
