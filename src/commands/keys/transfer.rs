//! Taking a value from one key to another: `RENAME` within a database, `MOVE` between two, and
//! `COPY`, which leaves the original where it is. The time at which the key expires goes along.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::database;
use crate::commands::row::{Acl, Arg, Flags, KeyFlags, KeySpec, Row};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "rename",
        arity: 3,
        flags: Flags::WRITE,
        acl: Acl::KEYSPACE,
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::range(KeyFlags::OW.union(KeyFlags::UPDATE), 2, 0, 1),
        ],
        complexity: "O(1)",
        summary: "Renames a key; a key of the new name is replaced.",
        args: &[Arg::key("key", 0), Arg::key("newkey", 1)],
        handler: rename,
        ..Row::BASE
    },
    Row {
        name: "renamenx",
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::range(KeyFlags::OW.union(KeyFlags::INSERT), 2, 0, 1),
        ],
        complexity: "O(1)",
        summary: "Renames a key, if no key has the new name.",
        history: &[(
            "3.2.0",
            "Two names that are the same are no error any more.",
        )],
        args: &[Arg::key("key", 0), Arg::key("newkey", 1)],
        handler: renamenx,
        ..Row::BASE
    },
    Row {
        name: "copy",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::KEYSPACE,
        keys: &[
            KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS)),
            KeySpec::range(KeyFlags::OW.union(KeyFlags::UPDATE), 2, 0, 1),
        ],
        since: "6.2.0",
        complexity: "O(1) for a string; O(N) for a collection, N being the number of its parts.",
        summary: "Copies the value under a key to another key.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::integer("destination-db").token("DB").optional(),
            Arg::pure("replace", "REPLACE").optional(),
        ],
        handler: copy,
        ..Row::BASE
    },
    Row {
        name: "move",
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        complexity: "O(1)",
        summary: "Takes a key out of this database and puts it into another one.",
        args: &[Arg::key("key", 0), Arg::integer("db")],
        handler: move_key,
        ..Row::BASE
    },
];

fn rename(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (from, to) = (&args[1], &args[2]);
    if ctx.env.lookup(ctx.session, from, Access::Write).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    if from != to {
        ctx.env.lookup(ctx.session, to, Access::Write);
        move_value(ctx, from, to);
    }
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (from, to) = (&args[1], &args[2]);
    if ctx.env.lookup(ctx.session, from, Access::Write).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    let free = from != to && ctx.env.lookup(ctx.session, to, Access::Write).is_none();
    if free {
        move_value(ctx, from, to);
    }
    ctx.reply.int(i64::from(free));
    Ok(())
}

/// Gives the value of a key that exists another name.
fn move_value(ctx: &mut Ctx<'_>, from: &[u8], to: &[u8]) {
    let replaced = ctx.db().remove(to);
    let lazily = ctx.env.config.lazyfree_lazy_server_del;
    ctx.env.discard(replaced, lazily);
    ctx.db().rename(from, to);
    ctx.got_expiry(ctx.session.db, to);
    // The key of the new name, if there was one, does not change: it goes, and a new one comes.
    ctx.notify(Class::NEW, "new", to);
    ctx.touched(from);
    ctx.touched(to);
    ctx.notify(Class::GENERIC, "rename_from", from);
    ctx.notify(Class::GENERIC, "rename_to", to);
    ctx.changed(1);
}

fn move_key(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let from = ctx.session.db;
    let to = database(&args[2], ctx.env.keyspace.n_dbs())?;
    if from == to {
        return Err(CmdError::SameObject);
    }
    let movable = ctx.env.lookup(ctx.session, key, Access::Write).is_some()
        && ctx
            .env
            .lookup_in(ctx.session, to, key, Access::Write)
            .is_none();
    if movable {
        let entry = ctx.db().remove(key).expect("the key was found above");
        let taken = ctx.env.keyspace.db_mut(to).insert(entry);
        assert!(taken.is_ok(), "the key was absent there");
        ctx.got_expiry(to, key);
        let env = &mut *ctx.env;
        env.notify(to, Class::NEW, "new", key);
        env.touched(from, key);
        env.touched(to, key);
        env.notify(from, Class::GENERIC, "move_from", key);
        env.notify(to, Class::GENERIC, "move_to", key);
        ctx.changed(1);
    }
    ctx.reply.int(i64::from(movable));
    Ok(())
}

fn copy(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (source, destination) = (&args[1], &args[2]);
    let from = ctx.session.db;
    let (to, replace) = parse_copy(args, from, ctx.env.keyspace.n_dbs())?;
    if from == to && source == destination {
        return Err(CmdError::SameObject);
    }
    let found = ctx.env.lookup(ctx.session, source, Access::Read);
    let Some(duplicate) = found.map(|entry| entry.duplicate(destination)) else {
        ctx.reply.int(0);
        return Ok(());
    };
    let occupied = ctx
        .env
        .lookup_in(ctx.session, to, destination, Access::Write)
        .is_some();
    let copied = replace || !occupied;
    if copied {
        let db = ctx.env.keyspace.db_mut(to);
        let replaced = db.remove(destination);
        let taken = db.insert(duplicate);
        assert!(taken.is_ok(), "the destination was made free");
        ctx.got_expiry(to, destination);
        let lazily = ctx.env.config.lazyfree_lazy_server_del;
        ctx.env.discard(replaced, lazily);
        ctx.env.notify(to, Class::NEW, "new", destination);
        ctx.env.touched(to, destination);
        ctx.env.notify(to, Class::GENERIC, "copy_to", destination);
        ctx.changed(1);
    }
    ctx.reply.int(i64::from(copied));
    Ok(())
}

/// The destination's database and whether a key there may be replaced.
fn parse_copy(args: &Args<'_>, from: usize, databases: usize) -> Result<(usize, bool), CmdError> {
    let (mut to, mut replace) = (from, false);
    let mut words = args.iter_from(3);
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if word.eq_ignore_ascii_case(b"DB") {
            to = database(words.next().ok_or(CmdError::Syntax)?, databases)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok((to, replace))
}
