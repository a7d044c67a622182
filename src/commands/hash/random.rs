//! Fields by chance.

use crate::commands::chance::{Pick, count_and_option, draw_in_batches};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::{element, element_or_null};
use crate::data::hash::{Hash, Pair};
use crate::resp::args::Args;
use crate::resp::writer::{Protocol, Reply};

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "hrandfield",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: CommandGroup::Hash,
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

fn hrandfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let asked = match args.len() {
        2 => None,
        _ => Some(count_and_option(args, "WITHVALUES")?),
    };
    let mut rng = ctx.env.rng.fork();
    let env = &mut *ctx.env;
    let hash = env.collection::<Hash>(ctx.session, &args[1], Access::Read)?;
    let reply = &mut *ctx.reply;
    let Some((count, with_values)) = asked else {
        let picked = hash.and_then(|hash| hash.random(&mut rng));
        element_or_null(reply, picked.map(|(field, _)| field));
        return Ok(());
    };
    let pick = Pick::of(count, hash.map_or(0, |hash| hash.len()));
    let is_flat = with_values && reply.protocol == Protocol::Resp2;
    reply.array(if is_flat {
        2 * pick.count()
    } else {
        pick.count()
    });
    let Some(hash) = hash else {
        return Ok(());
    };
    match pick {
        Pick::Nothing => {}
        Pick::Sample(n) => hash.sample(n, &mut rng, &mut |pair| show(reply, pair, with_values)),
        Pick::Draw(n) => draw_in_batches(reply, n, |reply, some| {
            hash.draw(some, &mut rng, &mut |pair| show(reply, pair, with_values));
        }),
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
