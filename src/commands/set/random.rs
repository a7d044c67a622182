//! Members by chance.
//!
//! Which member `SPOP` takes is decided here once: replicas get `SREM` with the members that it
//! took, or a deletion when it took all.

use crate::commands::chance::{Pick, draw_in_batches};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::{positive, signed_size};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::unit::deletion_verb;
use crate::commands::wording::{element, element_or_null};
use crate::data::listpack::Element;
use crate::data::set::Set;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "spop",
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::SET,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        group: CommandGroup::Set,
        complexity: "O(N), N being the number of members popped.",
        summary: "Removes members of a set at random, and the key with the last one.",
        history: &[("3.2.0", "The argument `count`.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::integer("count").since("3.2.0").optional(),
        ],
        handler: spop,
        ..Row::BASE
    },
    Row {
        name: "srandmember",
        arity: -2,
        flags: Flags::READONLY,
        acl: Acl::SET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Set,
        complexity: "O(N), N being the number of members returned.",
        summary: "Picks members of a set at random.",
        history: &[("2.6.0", "The argument `count`.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::integer("count").since("2.6.0").optional(),
        ],
        handler: srandmember,
        ..Row::BASE
    },
];

/// Members in one `SREM` to replicas.
const REMOVED_AT_ONCE_MAX: usize = 1024;

fn spop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    match args.len() {
        2 => pop_one(ctx, &args[1]),
        3 => pop_several(ctx, &args[1], positive(&args[2])?),
        _ => Err(CmdError::Syntax),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: &[u8]) -> CmdResult {
    let mut rng = ctx.env.rng.fork();
    let Some(mut set) = ctx.edit::<Set>(key)? else {
        ctx.reply.null();
        return Ok(());
    };
    let member = set.pop(&mut rng).expect("no set is empty");
    let gone = set.finish();
    ctx.took(Class::SET, "spop", key, 1, gone);
    ctx.propagate_instead(&[b"SREM", key, &member]);
    ctx.reply.bulk(&member);
    Ok(())
}

fn pop_several(ctx: &mut Ctx<'_>, key: &[u8], count: usize) -> CmdResult {
    let len = ctx.set(key, Access::Write)?.map_or(0, |set| set.len());
    if len == 0 || count == 0 {
        ctx.reply.set(0);
        return Ok(());
    }
    if count >= len {
        // All members are shown as SUNION shows them, which reads.
        ctx.env.lookup(ctx.session, key, Access::Read);
        return pop_all(ctx, key);
    }
    let limits = ctx.env.set_limits();
    let mut rng = ctx.env.rng.fork();
    let mut popped = Vec::with_capacity(count);
    if let Some(mut set) = ctx.edit::<Set>(key)? {
        let mut take = |member: Element<'_>| popped.push(member.to_vec());
        set.pop_many(count, &limits, &mut rng, &mut take);
    }
    ctx.took(Class::SET, "spop", key, count, false);
    ctx.reply.set(count);
    for batch in popped.chunks(REMOVED_AT_ONCE_MAX) {
        let mut words: Vec<&[u8]> = vec![b"SREM", key];
        words.extend(batch.iter().map(Vec::as_slice));
        ctx.propagate_instead(&words);
        batch.iter().for_each(|member| ctx.reply.bulk(member));
    }
    Ok(())
}

/// Shows all members and deletes the key.
fn pop_all(ctx: &mut Ctx<'_>, key: &[u8]) -> CmdResult {
    let env = &mut *ctx.env;
    let mut count = 0;
    if let Some(set) = env.collection::<Set>(ctx.session, key, Access::Write)? {
        count = set.len();
        ctx.reply.set(count);
        set.iter().for_each(|member| element(ctx.reply, member));
    }
    let lazily = ctx.env.config.lazyfree_lazy_server_del;
    let removed = ctx.db().remove(key);
    ctx.env.discard(removed, lazily);
    ctx.took(Class::SET, "spop", key, count, true);
    ctx.propagate_instead(&[deletion_verb(lazily), key]);
    Ok(())
}

fn srandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let count = match args.len() {
        2 => None,
        3 => Some(signed_size(&args[2])?),
        _ => return Err(CmdError::Syntax),
    };
    let mut rng = ctx.env.rng.fork();
    let env = &mut *ctx.env;
    let set = env.collection::<Set>(ctx.session, &args[1], Access::Read)?;
    let reply = &mut *ctx.reply;
    let Some(count) = count else {
        element_or_null(reply, set.and_then(|set| set.random(&mut rng)));
        return Ok(());
    };
    let pick = Pick::of(count, set.map_or(0, |set| set.len()));
    reply.array(pick.count());
    let Some(set) = set else {
        return Ok(());
    };
    match pick {
        Pick::Nothing => {}
        Pick::Sample(n) => set.sample(n, &mut rng, &mut |member| element(reply, member)),
        Pick::Draw(n) => draw_in_batches(reply, n, |reply, some| {
            set.draw(some, &mut rng, &mut |member| element(reply, member));
        }),
    }
    Ok(())
}
