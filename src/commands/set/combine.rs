//! Unions, intersections and differences.
//!
//! The result goes to the client or under a key. Intersections walk the smallest set and ask the
//! others. Differences have two ways: walk the first set and ask the others, or collect the first
//! and remove the members of the others; what looks cheaper is taken.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::string::store_result;
use crate::commands::wording::element;
use crate::data::listpack::{Element, Listpack};
use crate::data::set::{Set, SetLimits, SetRef};
use crate::keyspace::{Db, NewValue};
use crate::resp::args::Args;
use crate::resp::writer::Aggregate;

/// What the commands that reply with the result have in common.
const SHOWING: Row = Row {
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET,
    keys: &[KeySpec::range(
        KeyFlags::RO.union(KeyFlags::ACCESS),
        1,
        -1,
        1,
    )],
    group: CommandGroup::Set,
    complexity: LINEAR,
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key", 0).multiple()],
    ..Row::BASE
};

/// What the commands that store the result have in common.
const STORING: Row = Row {
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::SET,
    keys: &[
        KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 2, -1, 1),
    ],
    group: CommandGroup::Set,
    complexity: LINEAR,
    args: &[Arg::key("destination", 0), Arg::key("key", 1).multiple()],
    ..Row::BASE
};

const LINEAR: &str = "O(N), N being the number of members of all sets.";
const SMALLEST: &str =
    "O(N*M) at worst, N being the number of members of the smallest set and M that of the sets.";

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "sinter",
        complexity: SMALLEST,
        summary: "Lists the members that all of several sets have.",
        handler: sinter,
        ..SHOWING
    },
    Row {
        name: "sintercard",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::SET,
        keys: &[KeySpec::counted(KeyFlags::RO.union(KeyFlags::ACCESS), 1)],
        group: CommandGroup::Set,
        since: "7.0.0",
        complexity: SMALLEST,
        summary: "Tells how many members all of several sets have.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("limit").token("LIMIT").optional(),
        ],
        handler: sintercard,
        ..Row::BASE
    },
    Row {
        name: "sinterstore",
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE)),
            KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 2, -1, 1),
        ],
        complexity: SMALLEST,
        summary: "Stores the members that all of several sets have.",
        handler: sinterstore,
        ..STORING
    },
    Row {
        name: "sunion",
        summary: "Lists the members that any of several sets has.",
        handler: sunion,
        ..SHOWING
    },
    Row {
        name: "sunionstore",
        summary: "Stores the members that any of several sets has.",
        handler: sunionstore,
        ..STORING
    },
    Row {
        name: "sdiff",
        summary: "Lists the members that the first of several sets has and no other.",
        handler: sdiff,
        ..SHOWING
    },
    Row {
        name: "sdiffstore",
        summary: "Stores the members that the first of several sets has and no other.",
        handler: sdiffstore,
        ..STORING
    },
];

fn sinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(1).collect();
    let found = look_up(ctx, &keys)?;
    let db = ctx.env.keyspace.db(ctx.session.db);
    let open = ctx.reply.begin(Aggregate::Set);
    let mut count = 0;
    if let Some(sets) = all_of(&sets(db, &keys, &found)) {
        let reply = &mut *ctx.reply;
        intersect(&sets, |member| {
            element(reply, member);
            count += 1;
            true
        });
    }
    ctx.reply.end(open, count);
    Ok(())
}

fn sintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (keys, limit) = parse_sintercard(args)?;
    let found = look_up(ctx, &keys)?;
    let db = ctx.env.keyspace.db(ctx.session.db);
    let mut count = 0;
    if let Some(sets) = all_of(&sets(db, &keys, &found)) {
        intersect(&sets, |_| {
            count += 1;
            count != limit
        });
    }
    ctx.reply.int(count);
    Ok(())
}

/// The keys and the limit, 0 for none.
fn parse_sintercard<'a>(args: &'a Args<'_>) -> Result<(Vec<&'a [u8]>, i64), CmdError> {
    let count = integer(&args[1]).ok().filter(|count| *count > 0);
    let count = count.ok_or(CmdError::Fixed("ERR numkeys should be greater than 0"))? as usize;
    if count > args.len() - 2 {
        return Err(CmdError::Fixed(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let mut limit = 0;
    for at in (2 + count..args.len()).step_by(2) {
        let value = args.get(at + 1);
        let value = value.filter(|_| args[at].eq_ignore_ascii_case(b"LIMIT"));
        let number = integer(value.ok_or(CmdError::Syntax)?).ok();
        limit = number
            .filter(|limit| *limit >= 0)
            .ok_or(CmdError::Fixed("ERR LIMIT can't be negative"))?;
    }
    Ok((args.iter_from(2).take(count).collect(), limit))
}

fn sinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(2).collect();
    let found = look_up(ctx, &keys)?;
    let db = ctx.env.keyspace.db(ctx.session.db);
    let limits = ctx.env.set_limits();
    let mut result = Set::new();
    if let Some(sets) = all_of(&sets(db, &keys, &found)) {
        // Integers come in order from an intset only; to others a listpack is the better start.
        if !matches!(sets[0], SetRef::Ints(_)) {
            result = Set::Packed(Listpack::new());
        }
        intersect(&sets, |member| {
            result.insert(member, &limits);
            true
        });
        result.compact(&limits);
    }
    store(ctx, &args[1], result, "sinterstore");
    Ok(())
}

fn sunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(1).collect();
    let result = unite(ctx, &keys)?;
    show(ctx, &result);
    Ok(())
}

fn sunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(2).collect();
    let result = unite(ctx, &keys)?;
    store(ctx, &args[1], result, "sunionstore");
    Ok(())
}

fn sdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(1).collect();
    let result = subtract(ctx, &keys)?;
    show(ctx, &result);
    Ok(())
}

fn sdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let keys: Vec<_> = args.iter_from(2).collect();
    let result = subtract(ctx, &keys)?;
    store(ctx, &args[1], result, "sdiffstore");
    Ok(())
}

/// Looks all keys up, which may delete some; tells which of them hold a set.
fn look_up(ctx: &mut Ctx<'_>, keys: &[&[u8]]) -> Result<Vec<bool>, CmdError> {
    let look = |key: &&[u8]| Ok(ctx.set(key, Access::Read)?.is_some());
    keys.iter().map(look).collect()
}

/// The sets under keys that have been looked up.
fn sets<'a>(db: &'a Db, keys: &[&[u8]], found: &[bool]) -> Vec<Option<SetRef<'a>>> {
    let get = |(key, found): (&&[u8], &bool)| {
        let entry = db.get(key).filter(|_| *found)?;
        entry.collection::<Set>()
    };
    keys.iter().zip(found).map(get).collect()
}

/// The sets in the order of their sizes; none where one is missing, which is as good as empty.
fn all_of<'a>(sets: &[Option<SetRef<'a>>]) -> Option<Vec<SetRef<'a>>> {
    let mut all: Vec<_> = sets.iter().copied().collect::<Option<_>>()?;
    all.sort_by_key(|set| set.len());
    Some(all)
}

/// Visits the members that all sets have, for as long as `visit` wants more.
fn intersect(sets: &[SetRef<'_>], mut visit: impl FnMut(Element<'_>) -> bool) {
    let [smallest, others @ ..] = sets else {
        return;
    };
    for member in smallest.iter() {
        let in_all = others.iter().all(|set| set.contains(member));
        if in_all && !visit(member) {
            break;
        }
    }
}

fn unite(ctx: &mut Ctx<'_>, keys: &[&[u8]]) -> Result<Set, CmdError> {
    let found = look_up(ctx, keys)?;
    let db = ctx.env.keyspace.db(ctx.session.db);
    let limits = ctx.env.set_limits();
    let mut result = Set::new();
    for set in sets(db, keys, &found).into_iter().flatten() {
        add_all(&mut result, set, &limits);
    }
    Ok(result)
}

fn add_all(result: &mut Set, set: SetRef<'_>, limits: &SetLimits) {
    for member in set.iter() {
        result.insert(member, limits);
    }
}

fn subtract(ctx: &mut Ctx<'_>, keys: &[&[u8]]) -> Result<Set, CmdError> {
    let found = look_up(ctx, keys)?;
    let db = ctx.env.keyspace.db(ctx.session.db);
    let limits = ctx.env.set_limits();
    let mut result = Set::new();
    let sets = sets(db, keys, &found);
    let (Some(first), others) = (sets[0], &sets[1..]) else {
        return Ok(result);
    };
    if keys[1..].contains(&keys[0]) {
        return Ok(result);
    }
    let mut others: Vec<_> = others.iter().copied().flatten().collect();
    // Asking takes less time than adding and removing, and stops early.
    let asking = first.len() * (others.len() + 1) / 2;
    let removing = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if asking <= removing {
        // The larger a set, the likelier it has the member.
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in first.iter() {
            if !others.iter().any(|set| set.contains(member)) {
                result.insert(member, &limits);
            }
        }
        return Ok(result);
    }
    add_all(&mut result, first, &limits);
    for set in others {
        for member in set.iter() {
            result.remove(member);
        }
        if result.is_empty() {
            break;
        }
    }
    Ok(result)
}

fn show(ctx: &mut Ctx<'_>, result: &Set) {
    ctx.reply.set(result.len());
    for member in result.as_ref().iter() {
        element(ctx.reply, member);
    }
}

/// Stores what came out and replies with its size; nothing at all leaves no key behind.
fn store(ctx: &mut Ctx<'_>, key: &[u8], result: Set, event: &str) {
    let len = result.len();
    let result = (len > 0).then(|| NewValue::Object(result.into()));
    store_result(ctx, key, result, (Class::SET, event), 1);
    ctx.reply.int(len as i64);
}
