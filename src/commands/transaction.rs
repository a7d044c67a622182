//! Transactions: `MULTI` keeps the commands that follow, `EXEC` runs them as one.
//!
//! Between the two, [`super::dispatch`] hands every command that passes the gates to [`queue()`]. A
//! command that it refuses spoils the transaction: its `EXEC` gives up and says so. `EXEC` itself
//! passes the gates with what its commands are, all together ([`Scope`]), so that a transaction
//! with a write in it is refused where a write would be.
//!
//! `EXEC` runs its commands through [`super::call`] within one execution unit: what they
//! changed goes to replicas together. Nothing blocks inside of one.
//!
//! `WATCH` makes an `EXEC` give up when a watched key was changed meanwhile; who watches what is
//! in [`super::watch`].

pub mod queue;

use self::queue::Queued;
use super::acl::refusal;
use super::call::{call, reply_error};
use super::context::{CmdResult, Command, Ctx};
use super::env::Env;
use super::error::CmdError;
use super::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use super::session::Session;
use crate::resp::args::Args;

const TRANSACTION: Row = Row {
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::ALLOW_BUSY),
    acl: Acl::TRANSACTION,
    group: CommandGroup::Transactions,
    complexity: "O(1)",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "multi",
        arity: 1,
        flags: TRANSACTION.flags.union(Flags::NOT_QUEUED),
        since: "1.2.0",
        summary: "Begins a transaction: the commands that follow wait for `EXEC`.",
        handler: multi,
        ..TRANSACTION
    },
    Row {
        name: "exec",
        arity: 1,
        flags: Flags::NOSCRIPT
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::SKIP_SLOWLOG)
            .union(Flags::NOT_QUEUED)
            .union(Flags::RUNS_QUEUE),
        since: "1.2.0",
        complexity: "That of the commands that waited",
        summary: "Runs the commands of the transaction, all of them and nothing in between.",
        handler: exec,
        ..TRANSACTION
    },
    Row {
        name: "discard",
        arity: 1,
        flags: TRANSACTION.flags.union(Flags::NOT_QUEUED),
        since: "2.0.0",
        complexity: "O(N), N being the number of commands that waited",
        summary: "Forgets the transaction and the keys that are watched.",
        handler: discard,
        ..TRANSACTION
    },
    Row {
        name: "watch",
        arity: -2,
        flags: TRANSACTION.flags.union(Flags::NOT_QUEUED),
        keys: &[KeySpec::range(KeyFlags::RO, 1, -1, 1)],
        since: "2.2.0",
        complexity: "O(1) for each key",
        summary: "Has the next `EXEC` give up if one of these keys is changed before it.",
        args: &[Arg::key("key", 0).multiple()],
        handler: watch,
        ..TRANSACTION
    },
    Row {
        name: "unwatch",
        arity: 1,
        since: "2.2.0",
        summary: "Forgets the keys that are watched.",
        handler: unwatch,
        ..TRANSACTION
    },
];

/// What the gates look at: a command's own flags, or those of all that `EXEC` is about to run.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// What at least one command is.
    pub any: Flags,
    /// What every command is.
    pub all: Flags,
}

impl Scope {
    /// Of a command with these flags that this client sends now.
    pub fn of(flags: Flags, session: &Session) -> Scope {
        match &session.transaction {
            Some(transaction) if flags.contains(Flags::RUNS_QUEUE) => Scope {
                any: flags.union(transaction.any()),
                all: flags.intersection(transaction.all()),
            },
            _ => Scope {
                any: flags,
                all: flags,
            },
        }
    }
}

/// Keeps a command with these flags for `EXEC`. Once it is known that `EXEC` will give up, there is
/// no use in that.
pub fn queue(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>, flags: Flags) {
    let dirty = ctx.env.watches.is_dirty(ctx.session.id);
    let transaction = ctx.session.transaction.as_deref_mut();
    let transaction = transaction.expect("commands are queued in a transaction");
    if !transaction.is_spoilt() && !dirty {
        let (id, argv) = (command.id, args.to_owned());
        transaction.push(Queued { id, argv }, flags);
    }
    ctx.reply.simple("QUEUED");
}

/// Forgets the transaction and the watched keys of a client.
pub fn forget(env: &mut Env, session: &mut Session) {
    session.transaction = None;
    env.watches.forget(session.id);
}

fn multi(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    if ctx.session.transaction.is_some() {
        return Err(CmdError::err("MULTI calls can not be nested"));
    }
    ctx.session.transaction = Some(Box::default());
    ctx.reply.ok();
    Ok(())
}

fn discard(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    if ctx.session.transaction.is_none() {
        return Err(CmdError::err("DISCARD without MULTI"));
    }
    forget(ctx.env, ctx.session);
    ctx.reply.ok();
    Ok(())
}

fn exec(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let Some(transaction) = ctx.session.transaction.take() else {
        return Err(CmdError::err("EXEC without MULTI"));
    };
    let broken = watch_is_broken(ctx.env, ctx.session.id);
    ctx.env.watches.forget(ctx.session.id);
    if transaction.is_spoilt() {
        return Err(CmdError::Fixed(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if broken {
        ctx.reply.null_array();
        return Ok(());
    }
    let table = ctx.table;
    ctx.reply.array(transaction.commands().len());
    ctx.nested(|ctx| {
        for Queued { id, argv } in transaction.commands() {
            let (command, mut args) = (table.by_id(*id), argv.args());
            // The user may be another one by now, or may do less.
            let refused = match ctx.session.user.is_unrestricted() {
                true => None,
                false => refusal::admit_queued(ctx, command, &args).err(),
            };
            match refused {
                None => call(ctx, command, &mut args),
                Some(error) => reply_error(ctx, &error.text()),
            }
        }
    });
    Ok(())
}

/// Whether a watched key was changed, or its time has come.
fn watch_is_broken(env: &Env, client: u64) -> bool {
    let is_due = |(db, key): (usize, &[u8])| {
        let entry = env.keyspace.db(db).get(key);
        entry.is_some_and(|entry| env.is_due(entry))
    };
    env.watches.is_dirty(client) || env.watches.live_keys(client).any(is_due)
}

fn watch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if ctx.session.transaction.is_some() {
        return Err(CmdError::err("WATCH inside MULTI is not allowed"));
    }
    let (client, db) = (ctx.session.id, ctx.session.db);
    for key in args.iter_from(1) {
        let entry = ctx.env.keyspace.db(db).get(key);
        let expired = entry.is_some_and(|entry| ctx.env.is_due(entry));
        ctx.env.watches.watch(client, db, key, expired);
    }
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.env.watches.forget(ctx.session.id);
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
