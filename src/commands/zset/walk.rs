//! Members by chance, and all of them bit by bit.

use crate::base::numbers::{format_f64, format_f64_17};
use crate::commands::chance::{Pick, count_and_option, draw_in_batches};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::cursor::{COUNT, MATCH, scan_collection};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::{element, element_or_null};
use crate::commands::zset::{Listing, WITH_SCORES};
use crate::data::zset::{ZSet, ZSetRef};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zrandmember",
        arity: -2,
        flags: Flags::READONLY,
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "6.2.0",
        complexity: "O(N), N being the number of members picked.",
        summary: "Picks members at random.",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::block("options", &[Arg::integer("count"), WITH_SCORES]).optional(),
        ],
        handler: zrandmember,
        ..Row::BASE
    },
    Row {
        name: "zscan",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::SORTEDSET,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::SortedSet,
        since: "2.8.0",
        complexity: "O(1) for a call; O(N) for all calls until the cursor is 0 again, N being \
            the number of members.",
        summary: "Walks through the members, some at each call.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::integer("cursor"), MATCH, COUNT],
        handler: zscan,
        ..Row::BASE
    },
];

fn zrandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let asked = match args.len() {
        2 => None,
        _ => Some(count_and_option(args, "WITHSCORES")?),
    };
    let mut rng = ctx.env.rng.fork();
    let env = &mut *ctx.env;
    let set = env.collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    let reply = &mut *ctx.reply;
    let Some((count, with_scores)) = asked else {
        let picked = set.and_then(|set| set.random(&mut rng));
        element_or_null(reply, picked.map(|(member, _)| member));
        return Ok(());
    };
    let listing = Listing::new(with_scores);
    let pick = Pick::of(count, set.map_or(0, |set| set.len()));
    listing.begin(reply, pick.count());
    let Some(set) = set else {
        return Ok(());
    };
    match pick {
        Pick::Nothing => {}
        // From the top, as the reference goes.
        Pick::Sample(n) if n == set.len() => {
            set.iter()
                .rev()
                .for_each(|member| listing.member(reply, member));
        }
        Pick::Sample(n) => set.sample(n, &mut rng, &mut |member| listing.member(reply, member)),
        Pick::Draw(n) => draw_in_batches(reply, n, |reply, some| {
            set.draw(some, &mut rng, &mut |member| listing.member(reply, member));
        }),
    }
    Ok(())
}

fn zscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    scan_collection::<ZSet>(ctx, args, |set, cursor, options, page| {
        // A listpack shows scores as they are stored, a tree with all their digits.
        let format = match set {
            ZSetRef::Packed(_) => format_f64,
            ZSetRef::Tree(_) => format_f64_17,
        };
        let mut text = Vec::new();
        set.scan(cursor, options.count, &mut |(member, score)| {
            if member.with_bytes(|member| options.matches(member)) {
                text.clear();
                format(score, &mut text);
                element(page.add(), member);
                page.add().bulk(&text);
            }
        })
    })
}
