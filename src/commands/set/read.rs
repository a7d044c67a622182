//! Asking for members.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::cursor::{COUNT, MATCH, scan_collection};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
use crate::data::listpack::Element;
use crate::data::set::Set;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "sismember",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Set,
        complexity: "O(1)",
        summary: "Tells whether a set has a member.",
        args: &[Arg::key("key", 0), Arg::string("member")],
        handler: sismember,
        ..Row::BASE
    },
    Row {
        name: "smismember",
        arity: -3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Set,
        since: "6.2.0",
        complexity: "O(N), N being the number of members asked for.",
        summary: "Tells of several members whether a set has them.",
        args: &[Arg::key("key", 0), Arg::string("member").multiple()],
        handler: smismember,
        ..Row::BASE
    },
    Row {
        name: "scard",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Set,
        complexity: "O(1)",
        summary: "Tells how many members a set has.",
        args: &[Arg::key("key", 0)],
        handler: scard,
        ..Row::BASE
    },
    Row {
        name: "smembers",
        arity: 2,
        flags: Flags::READONLY,
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Set,
        complexity: "O(N), N being the number of members.",
        summary: "Lists the members of a set.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key", 0)],
        handler: smembers,
        ..Row::BASE
    },
    Row {
        name: "sscan",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Set,
        since: "2.8.0",
        complexity: "O(1) for a call; O(N) for all calls until the cursor is 0 again, N being \
            the number of members.",
        summary: "Walks through the members of a set, some at each call.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::integer("cursor"), MATCH, COUNT],
        handler: sscan,
        ..Row::BASE
    },
];

fn sismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = ctx.set(&args[1], Access::Read)?;
    let is_member = set.is_some_and(|set| set.contains(Element::Bytes(&args[2])));
    ctx.reply.int(i64::from(is_member));
    Ok(())
}

fn smismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let set = env.collection::<Set>(ctx.session, &args[1], Access::Read)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        let is_member = set.is_some_and(|set| set.contains(Element::Bytes(member)));
        ctx.reply.int(i64::from(is_member));
    }
    Ok(())
}

fn scard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let len = ctx.set(&args[1], Access::Read)?.map_or(0, |set| set.len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn smembers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let set = env.collection::<Set>(ctx.session, &args[1], Access::Read)?;
    ctx.reply.set(set.map_or(0, |set| set.len()));
    for member in set.into_iter().flat_map(|set| set.iter()) {
        element(ctx.reply, member);
    }
    Ok(())
}

fn sscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    scan_collection::<Set>(ctx, args, |set, cursor, options, page| {
        set.scan(cursor, options.count, &mut |member| {
            if member.with_bytes(|name| options.matches(name)) {
                element(page.add(), member);
            }
        })
    })
}
