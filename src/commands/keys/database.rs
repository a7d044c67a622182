//! Whole databases: choosing, swapping, counting and emptying them.
//!
//! What was in a database that is emptied is detached at once and freed by the server, on its
//! helper thread where that is asked for. `FLUSHDB` and `FLUSHALL` go to replicas even where there
//! was nothing to remove: a replica may hold what its master does not.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::garbage::Garbage;
use crate::commands::operand::{database, existing_database, small_integer};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, Row};
use crate::resp::args::Args;

/// What `FLUSHDB` and `FLUSHALL` have in common.
const FLUSH: Row = Row {
    arity: -1,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.union(Acl::DANGEROUS),
    group: CommandGroup::Server,
    history: &[
        ("4.0.0", "The option `ASYNC`."),
        ("6.2.0", "The option `SYNC`."),
    ],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: &[Arg::one_of(
        "flush-type",
        &[
            Arg::pure("async", "ASYNC").since("4.0.0"),
            Arg::pure("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "select",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        acl: Acl::CONNECTION,
        group: CommandGroup::Connection,
        complexity: "O(1)",
        summary: "Changes the database that the connection works on.",
        args: &[Arg::integer("index")],
        handler: select,
        ..Row::BASE
    },
    Row {
        name: "swapdb",
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::KEYSPACE.union(Acl::DANGEROUS),
        group: CommandGroup::Server,
        since: "4.0.0",
        complexity: "O(N), N being the number of clients that watch or wait for keys of either \
            database.",
        summary: "Exchanges two databases, under the eyes of every client.",
        args: &[Arg::integer("index1"), Arg::integer("index2")],
        handler: swapdb,
        ..Row::BASE
    },
    Row {
        name: "dbsize",
        arity: 1,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        group: CommandGroup::Server,
        complexity: "O(1)",
        summary: "Counts the keys of the database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        handler: dbsize,
        ..Row::BASE
    },
    Row {
        name: "flushdb",
        complexity: "O(N), N being the number of its keys.",
        summary: "Removes every key of the database.",
        handler: flushdb,
        ..FLUSH
    },
    Row {
        name: "flushall",
        complexity: "O(N), N being the number of keys in all databases.",
        summary: "Removes every key of every database.",
        handler: flushall,
        ..FLUSH
    },
];

fn select(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.session.db = database(&args[1], ctx.env.keyspace.n_dbs())?;
    ctx.reply.ok();
    Ok(())
}

fn swapdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let databases = ctx.env.keyspace.n_dbs();
    let number = |at, refusal| small_integer(&args[at]).map_err(|_| CmdError::Fixed(refusal));
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let first = existing_database(first, databases)?;
    let second = existing_database(second, databases)?;
    ctx.env.swapping(first, second);
    ctx.env.keyspace.swap(first, second);
    ctx.changed(1);
    ctx.reply.ok();
    Ok(())
}

fn dbsize(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let keys = ctx.db().len();
    ctx.reply.int(keys as i64);
    Ok(())
}

fn flushdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lazily = flushes_lazily(ctx, args)?;
    ctx.env.emptying(ctx.session.db);
    let garbage = ctx.db().clear();
    ctx.changed(garbage.len() as u64);
    ctx.host.free(Garbage::Db(Box::new(garbage)), lazily);
    propagate_always(ctx, args);
    ctx.reply.ok();
    Ok(())
}

fn flushall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lazily = flushes_lazily(ctx, args)?;
    ctx.env.emptying_all();
    for garbage in ctx.env.keyspace.clear() {
        ctx.changed(garbage.len() as u64);
        ctx.host.free(Garbage::Db(Box::new(garbage)), lazily);
    }
    ctx.host.flushed_all(ctx.env);
    propagate_always(ctx, args);
    ctx.reply.ok();
    Ok(())
}

/// Whether freeing is left to the helper thread.
fn flushes_lazily(ctx: &Ctx<'_>, args: &Args<'_>) -> Result<bool, CmdError> {
    let is = |word: &[u8]| args.len() == 2 && args[1].eq_ignore_ascii_case(word);
    match args.len() {
        1 => Ok(ctx.env.config.lazyfree_lazy_user_flush),
        _ if is(b"SYNC") => Ok(false),
        _ if is(b"ASYNC") => Ok(true),
        _ => Err(CmdError::Syntax),
    }
}

fn propagate_always(ctx: &mut Ctx<'_>, args: &Args<'_>) {
    let words: Vec<&[u8]> = args.iter().collect();
    ctx.propagate_instead(&words);
}
