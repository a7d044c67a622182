//! `XGROUP`: groups and their consumers come, go, and are set to a place.

use super::{id, no_group};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording;
use crate::data::stream::{Group, Stream, StreamId};
use crate::keyspace::Edit;
use crate::resp::args::Args;

const SUB: Row = Row {
    arity: 5,
    flags: Flags::WRITE,
    acl: Acl::STREAM,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(1)",
    ..Row::BASE
};

const ID: Arg = Arg::one_of(
    "id-selector",
    &[Arg::string("id"), Arg::pure("new-id", "$")],
);

const KEY_UPDATED: &[KeySpec] = &[KeySpec::range(
    KeyFlags::RW.union(KeyFlags::UPDATE),
    2,
    0,
    1,
)];
const KEY_INSERTED: &[KeySpec] = &[KeySpec::range(
    KeyFlags::RW.union(KeyFlags::INSERT),
    2,
    0,
    1,
)];
const KEY_DELETED: &[KeySpec] = &[KeySpec::range(
    KeyFlags::RW.union(KeyFlags::DELETE),
    2,
    0,
    1,
)];

const CONSUMER_ARGS: &[Arg] = &[
    Arg::key("key", 0),
    Arg::string("group"),
    Arg::string("consumer"),
];

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "xgroup",
    arity: -2,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "That of the subcommand.",
    summary: "Holds the commands about consumer groups.",
    subcommands: &[
        Row {
            name: "create",
            arity: -5,
            flags: Flags::WRITE.union(Flags::DENYOOM),
            keys: KEY_INSERTED,
            summary: "Creates a group.",
            history: &[("7.0.0", "The argument `entries_read` was added.")],
            args: &[
                Arg::key("key", 0),
                Arg::string("group"),
                ID,
                Arg::pure("mkstream", "MKSTREAM").optional(),
                Arg::integer("entries-read").token("ENTRIESREAD").optional(),
            ],
            handler: create,
            ..SUB
        },
        Row {
            name: "createconsumer",
            flags: Flags::WRITE.union(Flags::DENYOOM),
            keys: KEY_INSERTED,
            since: "6.2.0",
            summary: "Creates a consumer in a group.",
            args: CONSUMER_ARGS,
            handler: create_consumer,
            ..SUB
        },
        Row {
            name: "delconsumer",
            keys: KEY_DELETED,
            summary: "Deletes a consumer from a group, with what it has not acknowledged.",
            args: CONSUMER_ARGS,
            handler: delete_consumer,
            ..SUB
        },
        Row {
            name: "destroy",
            arity: 4,
            keys: KEY_DELETED,
            complexity: "O(N) with N being the number of pending entries of the group.",
            summary: "Deletes a group.",
            args: &[Arg::key("key", 0), Arg::string("group")],
            handler: destroy,
            ..SUB
        },
        Row {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            summary: "Explains the subcommands.",
            handler: help,
            ..SUB
        },
        Row {
            name: "setid",
            arity: -5,
            keys: KEY_UPDATED,
            summary: "Sets the last entry that a group was given.",
            history: &[("7.0.0", "The argument `entries_read` was added.")],
            args: &[
                Arg::key("key", 0),
                Arg::string("group"),
                ID,
                Arg::integer("entriesread")
                    .token("ENTRIESREAD")
                    .display("entries-read")
                    .optional(),
            ],
            handler: set_id,
            ..SUB
        },
    ],
    ..Row::BASE
}];

/// The options behind the id.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(args: &Args<'_>, may_make_stream: bool) -> Result<Options, CmdError> {
        let mut options = Options::default();
        let mut words = args.iter_from(5);
        while let Some(word) = words.next() {
            if may_make_stream && word.eq_ignore_ascii_case(b"MKSTREAM") {
                options.makes_stream = true;
                continue;
            }
            let is_read = word.eq_ignore_ascii_case(b"ENTRIESREAD");
            let Some(value) = words.next().filter(|_| is_read) else {
                return Err(wording::bad_subcommand(args));
            };
            options.entries_read = match integer(value)? {
                -1 => None,
                read @ 0.. => Some(read),
                _ => {
                    return Err(CmdError::Fixed(
                        "ERR value for ENTRIESREAD must be positive or -1",
                    ));
                }
            };
        }
        Ok(options)
    }
}

/// Refuses a key that does not exist.
const NO_KEY: CmdError = CmdError::Fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
     the MKSTREAM option to create an empty stream automatically.",
);

/// The stream that all subcommands but one need.
fn existing<'a>(ctx: &'a mut Ctx<'_>, key: &'a [u8]) -> Result<Edit<'a, Box<Stream>>, CmdError> {
    ctx.edit(key)?.ok_or(NO_KEY)
}

fn create(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = Options::parse(args, true)?;
    let (key, name, word) = (&args[2], &args[3], &args[4]);
    let found = ctx.stream(key, Access::Write)?;
    let newest = found.map(|stream| stream.log().last_id());
    if newest.is_none() && !options.makes_stream {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(wording::bad_subcommand(args));
    }
    let last_id = match word {
        b"$" => newest.unwrap_or(StreamId::MIN),
        _ => id(word)?,
    };
    if newest.is_none() {
        ctx.adding(key);
    }
    let mut stream = ctx.edit_or_new::<Box<Stream>>(key)?;
    let created = stream.create_group(name, Group::new(last_id, options.entries_read));
    drop(stream);
    if newest.is_none() {
        ctx.touched(key);
    }
    if !created {
        return Err(CmdError::Fixed(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    ctx.reply.ok();
    ctx.changed(1);
    ctx.notify(Class::STREAM, "xgroup-create", key);
    Ok(())
}

fn set_id(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = Options::parse(args, false)?;
    let (key, name, word) = (&args[2], &args[3], &args[4]);
    let mut stream = existing(ctx, key)?;
    let Some((log, group)) = stream.group_mut(name) else {
        return Err(no_group(key, name));
    };
    if args.len() > 7 {
        return Err(wording::bad_subcommand(args));
    }
    group.last_id = match word {
        b"$" => log.last_id(),
        _ => StreamId::parse_or_end(word, 0).ok_or(super::BAD_ID)?,
    };
    group.entries_read = options.entries_read;
    drop(stream);
    ctx.reply.ok();
    ctx.changed(1);
    ctx.notify(Class::STREAM, "xgroup-setid", key);
    Ok(())
}

fn destroy(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, name) = (&args[2], &args[3]);
    let destroyed = existing(ctx, key)?.remove_group(name).is_some();
    if destroyed {
        ctx.changed(1);
        ctx.notify(Class::STREAM, "xgroup-destroy", key);
        // Who waits as a consumer of the group is told that it is gone.
        ctx.env.waiters.signal(ctx.session.db, key);
    }
    ctx.reply.int(i64::from(destroyed));
    Ok(())
}

fn create_consumer(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, name, consumer) = (&args[2], &args[3], &args[4]);
    let now_ms = ctx.now_ms();
    let mut stream = existing(ctx, key)?;
    let (_, group) = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let created = group.create_consumer(consumer, now_ms).is_some();
    drop(stream);
    if created {
        ctx.changed(1);
        ctx.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    ctx.reply.int(i64::from(created));
    Ok(())
}

fn delete_consumer(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (key, name, consumer) = (&args[2], &args[3], &args[4]);
    let mut stream = existing(ctx, key)?;
    let (_, group) = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let deleted = group.remove_consumer(consumer);
    drop(stream);
    if deleted.is_some() {
        ctx.changed(1);
        ctx.notify(Class::STREAM, "xgroup-delconsumer", key);
    }
    ctx.reply.int(deleted.unwrap_or(0) as i64);
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lines = [
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
    ];
    wording::help(ctx, args, &lines)
}
