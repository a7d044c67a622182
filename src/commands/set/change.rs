//! Adding, removing and moving members.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::listpack::Element;
use crate::data::set::{Set, SetLimits};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "sadd",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        group: CommandGroup::Set,
        complexity: "O(N), N being the number of members given.",
        summary: "Adds members to a set.",
        history: &[("2.4.0", "More than one member.")],
        args: &[Arg::key("key", 0), Arg::string("member").multiple()],
        handler: sadd,
        ..Row::BASE
    },
    Row {
        name: "srem",
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::Set,
        complexity: "O(N), N being the number of members given.",
        summary: "Removes members from a set, and the key with the last one.",
        history: &[("2.4.0", "More than one member.")],
        args: &[Arg::key("key", 0), Arg::string("member").multiple()],
        handler: srem,
        ..Row::BASE
    },
    Row {
        name: "smove",
        arity: 4,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::range(KeyFlags::RW.union(KeyFlags::INSERT), 2, 0, 1),
        ],
        group: CommandGroup::Set,
        complexity: "O(1)",
        summary: "Takes a member out of one set and puts it into another.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::string("member"),
        ],
        handler: smove,
        ..Row::BASE
    },
];

fn sadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let limits = ctx.env.set_limits();
    ctx.adding(key);
    let mut set = ctx.edit_or_new::<Set>(key)?;
    let count = args.len() - 2;
    if set.is_empty() {
        *set = Set::with_room_for(count, &args[2], &limits);
    } else {
        set.expect(count, &limits);
    }
    let mut add = |member: &&[u8]| set.insert(Element::Bytes(member), &limits);
    let added = args.iter_from(2).filter(|member| add(member)).count();
    set.finish();
    if added > 0 {
        ctx.touched(key);
        ctx.notify(Class::SET, "sadd", key);
        ctx.changed(added as u64);
    }
    ctx.reply.int(added as i64);
    Ok(())
}

fn srem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let Some(mut set) = ctx.edit::<Set>(key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let mut remove = |member: &&[u8]| set.remove(Element::Bytes(member));
    let removed = args.iter_from(2).filter(|member| remove(member)).count();
    let gone = set.finish();
    if removed > 0 {
        ctx.took(Class::SET, "srem", key, removed, gone);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

fn smove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (source, destination) = (&args[1], &args[2]);
    let member = Element::Bytes(&args[3]);
    // Where there is no source, nobody looks at the destination's type.
    let holds = match ctx.set(source, Access::Write) {
        Ok(None) => false,
        found => {
            let holds = found?.is_some_and(|set| set.contains(member));
            ctx.set(destination, Access::Write)?;
            holds
        }
    };
    if holds && source != destination {
        let limits = ctx.env.set_limits();
        take(ctx, source, member)?;
        put(ctx, destination, member, &limits)?;
    }
    ctx.reply.int(i64::from(holds));
    Ok(())
}

/// Removes a member that is there.
fn take(ctx: &mut Ctx<'_>, key: &[u8], member: Element<'_>) -> CmdResult {
    let Some(mut set) = ctx.edit::<Set>(key)? else {
        return Ok(());
    };
    set.remove(member);
    let gone = set.finish();
    ctx.took(Class::SET, "srem", key, 1, gone);
    Ok(())
}

/// Adds a member that may be there.
fn put(ctx: &mut Ctx<'_>, key: &[u8], member: Element<'_>, limits: &SetLimits) -> CmdResult {
    ctx.adding(key);
    let mut set = ctx.edit_or_new::<Set>(key)?;
    if set.is_empty() {
        *set = member.with_bytes(|text| Set::with_room_for(1, text, limits));
    }
    let is_new = set.insert(member, limits);
    set.finish();
    if is_new {
        ctx.wrote(Class::SET, "sadd", key);
    }
    Ok(())
}
