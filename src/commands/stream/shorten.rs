//! Entries that go: `XDEL` by id, `XTRIM` from the front. `XSETID` is here, too: it sets what a
//! stream remembers of entries that are gone.

use super::options::{Giver, TrimOption};
use super::{id, ids};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::stream::{Log, Stream, StreamId, TrimTo};
use crate::resp::args::Args;

/// How a trim is written.
pub(super) const TRIM: Arg = Arg::block(
    "trim",
    &[
        Arg::one_of(
            "strategy",
            &[
                Arg::pure("maxlen", "MAXLEN"),
                Arg::pure("minid", "MINID").since("6.2.0"),
            ],
        ),
        Arg::one_of(
            "operator",
            &[Arg::pure("equal", "="), Arg::pure("approximately", "~")],
        )
        .optional(),
        Arg::string("threshold"),
        Arg::integer("count")
            .token("LIMIT")
            .since("6.2.0")
            .optional(),
    ],
);

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "xdel",
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(1) for each entry, however long the stream is.",
        summary: "Deletes entries of a stream and tells how many there were.",
        args: &[Arg::key("key", 0), Arg::string("id").multiple()],
        handler: xdel,
        ..Row::BASE
    },
    Row {
        name: "xtrim",
        arity: -4,
        flags: Flags::WRITE,
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of entries removed; they mostly go by the node, \
                     so it is cheap.",
        summary: "Removes entries from the front of a stream.",
        history: &[("6.2.0", "Trimming by `MINID`, and `LIMIT`, were added.")],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), TRIM],
        handler: xtrim,
        ..Row::BASE
    },
    Row {
        name: "xsetid",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Sets what a stream remembers; used to rebuild streams elsewhere.",
        history: &[(
            "7.0.0",
            "The arguments `entries_added` and `max_deleted_entry_id` were added.",
        )],
        args: &[
            Arg::key("key", 0),
            Arg::string("last-id"),
            Arg::integer("entries-added")
                .token("ENTRIESADDED")
                .since("7.0.0")
                .optional(),
            Arg::string("max-deleted-id")
                .token("MAXDELETEDID")
                .since("7.0.0")
                .optional(),
        ],
        handler: xsetid,
        ..Row::BASE
    },
];

fn xdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let Some(mut stream) = ctx.env.edit::<Box<Stream>>(ctx.session, key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let ids = ids(args.iter_from(2))?;
    let deleted = stream.log_mut().delete(&ids);
    drop(stream);
    if deleted > 0 {
        ctx.touched(key);
        ctx.notify(Class::STREAM, "xdel", key);
        ctx.changed(deleted);
    }
    ctx.reply.int(deleted as i64);
    Ok(())
}

fn xtrim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let option = TrimOption::parse(args, Giver::of(ctx))?;
    let key = &args[1];
    let Some(mut stream) = ctx.env.edit::<Box<Stream>>(ctx.session, key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let removed = stream.log_mut().trim(&option.trim);
    let threshold = threshold_text(stream.log(), option.trim.to);
    drop(stream);
    if removed > 0 {
        ctx.notify(Class::STREAM, "xtrim", key);
        ctx.touched(key);
        ctx.changed(removed);
        if option.trim.by_node {
            let at = option.threshold_at;
            ctx.propagate_with(args, &[(at - 1, b"="), (at, &threshold)]);
        }
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// The exact threshold that leaves a log as it is now.
pub(super) fn threshold_text(log: &Log, to: TrimTo) -> Vec<u8> {
    match to {
        TrimTo::Len(_) => log.len().to_string().into_bytes(),
        TrimTo::Id(_) => {
            let first = log.first_recorded_id().unwrap_or(StreamId::MAX);
            first.text().as_ref().to_vec()
        }
    }
}

fn xsetid(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let last_id = id(&args[2])?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    let mut options = args.iter_from(3);
    while let Some(option) = options.next() {
        let value = options.next().ok_or(CmdError::Syntax)?;
        if option.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let added = u64::try_from(integer(value)?)
                .map_err(|_| CmdError::Fixed("ERR entries_added must be positive"))?;
            entries_added = Some(added);
        } else if option.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let deleted = id(value)?;
            if last_id < deleted {
                return Err(CmdError::Fixed(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(deleted).filter(|id| *id != StreamId::MIN);
        } else {
            return Err(CmdError::Syntax);
        }
    }

    let key = &args[1];
    let mut stream = ctx
        .env
        .edit::<Box<Stream>>(ctx.session, key)?
        .ok_or(CmdError::NoSuchKey)?;
    check_counters(stream.log(), last_id, entries_added)?;
    stream
        .log_mut()
        .set_counters(last_id, entries_added, max_deleted_id);
    drop(stream);
    ctx.reply.ok();
    ctx.changed(1);
    ctx.notify(Class::STREAM, "xsetid", key);
    Ok(())
}

/// Refuses figures that the entries of the log contradict.
fn check_counters(log: &Log, last_id: StreamId, entries_added: Option<u64>) -> CmdResult {
    let refuse = |text| Err(CmdError::Fixed(text));
    if last_id < log.max_deleted_id() {
        return refuse(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        );
    }
    if log.last_entry_id().is_some_and(|last| last_id < last) {
        return refuse("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if entries_added.is_some_and(|added| added < log.len()) {
        return refuse(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        );
    }
    Ok(())
}
