//! Members by chance, and all of them bit by bit.

use crate::base::numbers::{format_f64, format_f64_17};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::cursor::{COUNT, MATCH, Page, ScanOptions, parse_cursor};
use crate::commands::error::CmdError;
use crate::commands::operand::{batches, signed_size};
use crate::commands::row::{Acl, Arg, Flags, Group, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
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
        keys: &[KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS))],
        group: Group::SortedSet,
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
        keys: &[KeySpec::first(KeyFlags::RO.and(KeyFlags::ACCESS))],
        group: Group::SortedSet,
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
    let Some(count) = args.get(2) else {
        return random(ctx, &args[1]);
    };
    let count = signed_size(count)?;
    let with_scores = match args.get(3) {
        None => false,
        Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        Some(_) => return Err(CmdError::Syntax),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CmdError::Fixed("ERR value is out of range"));
    }
    random_many(ctx, &args[1], count, Listing::new(with_scores))
}

fn random(ctx: &mut Ctx<'_>, key: &[u8]) -> CmdResult {
    let looked_up = ctx.zset(key, Access::Read)?.is_some();
    let env = &mut *ctx.env;
    let entry = env.keyspace.db(ctx.session.db).get(key);
    let set = entry.and_then(|entry| entry.collection::<ZSet>());
    match set.filter(|_| looked_up) {
        Some(set) => {
            let (member, _) = set.random(&mut env.rng).expect("no key holds an empty set");
            element(ctx.reply, member);
        }
        None => ctx.reply.null(),
    }
    Ok(())
}

/// So many different members, or, below zero, so many drawn one by one.
fn random_many(ctx: &mut Ctx<'_>, key: &[u8], count: i64, listing: Listing) -> CmdResult {
    let looked_up = ctx.zset(key, Access::Read)?.is_some();
    let env = &mut *ctx.env;
    let entry = env.keyspace.db(ctx.session.db).get(key);
    let set = entry.and_then(|entry| entry.collection::<ZSet>());
    let Some(set) = set.filter(|_| looked_up && count != 0) else {
        ctx.reply.array(0);
        return Ok(());
    };
    let reply = &mut *ctx.reply;
    let n = count.unsigned_abs() as usize;
    if count < 0 {
        listing.begin(reply, n);
        for some in batches(n) {
            set.draw(some, &mut env.rng, &mut |member| {
                listing.member(reply, member)
            });
            if reply.is_moot() {
                break;
            }
        }
    } else if n >= set.len() {
        // From the top, as the reference goes.
        listing.all(reply, set.iter().rev());
    } else {
        listing.begin(reply, n);
        set.sample(n, &mut env.rng, &mut |member| listing.member(reply, member));
    }
    Ok(())
}

fn zscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let cursor = parse_cursor(&args[2])?;
    let mut page = Page::new(ctx.reply);
    let mut next = 0;
    let set = ctx
        .env
        .collection::<ZSet>(ctx.session, &args[1], Access::Read)?;
    if let Some(set) = set {
        let options = ScanOptions::parse(args, 3)?;
        // A listpack shows scores as they are stored, a tree with all their digits.
        let format = match set {
            ZSetRef::Packed(_) => format_f64,
            ZSetRef::Tree(_) => format_f64_17,
        };
        let mut text = Vec::new();
        next = set.scan(cursor, options.count, &mut |(member, score)| {
            if member.with_bytes(|member| options.matches(member)) {
                text.clear();
                format(score, &mut text);
                element(page.add(), member);
                page.add().bulk(&text);
            }
        });
    }
    page.finish(ctx.reply, next);
    Ok(())
}
