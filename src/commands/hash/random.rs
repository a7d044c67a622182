//! Fields by chance.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::{batches, signed_size};
use crate::commands::row::{Acl, Arg, Flags, Group, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
use crate::data::hash::{Hash, Pair};
use crate::resp::args::Args;
use crate::resp::writer::{Protocol, Reply};

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "hrandfield",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS))],
    group: Group::Hash,
    since: "6.2.0",
    complexity: "O(N), N being the number of fields returned.",
    summary: "Picks fields of a hash at random.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key", 0),
        Arg::block(
            "options",
            &[
                Arg::integer("count"),
                Arg::pure("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ],
    handler: hrandfield,
    ..Row::BASE
}];

/// With values, twice as many elements come back: counts from here on cannot be doubled.
const COUNT_WITH_VALUES_MAX: u64 = i64::MAX as u64 / 2;

fn hrandfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return several(ctx, args);
    }
    let mut rng = ctx.env.rng.fork();
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    match hash.and_then(|hash| hash.random(&mut rng)) {
        Some((field, _)) => element(ctx.reply, field),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn several(ctx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = signed_size(&args[2])?;
    let with_values = match args.get(3) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"WITHVALUES") && args.len() == 4 => true,
        Some(_) => return Err(CmdError::Syntax),
    };
    if with_values && count.unsigned_abs() > COUNT_WITH_VALUES_MAX {
        return Err(CmdError::Fixed("ERR value is out of range"));
    }
    let mut rng = ctx.env.rng.fork();
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    let reply = &mut *ctx.reply;
    let wanted = count.unsigned_abs() as usize;
    let Some(hash) = hash.filter(|_| wanted > 0) else {
        reply.array(0);
        return Ok(());
    };
    let repeats = count < 0 || wanted == 1;
    let shown = if repeats {
        wanted
    } else {
        wanted.min(hash.len())
    };
    let is_flat = with_values && reply.protocol == Protocol::Resp2;
    reply.array(if is_flat { 2 * shown } else { shown });
    if !repeats {
        hash.sample(wanted, &mut rng, &mut |pair| show(reply, pair, with_values));
        return Ok(());
    }
    for some in batches(wanted) {
        hash.draw(some, &mut rng, &mut |pair| show(reply, pair, with_values));
        if reply.is_moot() {
            break;
        }
    }
    Ok(())
}

fn show(reply: &mut Reply, (field, value): Pair<'_>, with_value: bool) {
    if with_value && reply.protocol == Protocol::Resp3 {
        reply.array(2);
    }
    element(reply, field);
    if with_value {
        element(reply, value);
    }
}
