//! What was delivered and not acknowledged: `XPENDING` shows it, `XACK` ends it.

use super::{ids, no_key_or_group, range_end, range_start};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::stream::{Group, Stream, StreamId};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "xack",
        arity: -4,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(1) for each entry.",
        summary: "Acknowledges entries and tells how many of them were pending.",
        args: &[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::string("id").multiple(),
        ],
        handler: xack,
        ..Row::BASE
    },
    Row {
        name: "xpending",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of entries returned, or looked at where IDLE \
                     leaves some out. The summary is O(N) with N being the number of consumers.",
        summary: "Lists what a group was given and has not acknowledged.",
        history: &[("6.2.0", "`IDLE` and open ends of ranges were added.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::block(
                "filters",
                &[
                    Arg::integer("min-idle-time")
                        .token("IDLE")
                        .since("6.2.0")
                        .optional(),
                    Arg::string("start"),
                    Arg::string("end"),
                    Arg::integer("count"),
                    Arg::string("consumer").optional(),
                ],
            )
            .optional(),
        ],
        handler: xpending,
        ..Row::BASE
    },
];

fn xack(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    // It changes the group, but counts as a read.
    ctx.env.lookup(ctx.session, &args[1], Access::Read);
    let mut found = ctx.env.edit::<Box<Stream>>(ctx.session, &args[1])?;
    let Some((_, group)) = found.as_mut().and_then(|stream| stream.group_mut(&args[2])) else {
        ctx.reply.int(0);
        return Ok(());
    };
    // Nothing is acknowledged unless all ids can be read.
    let ids = ids(args.iter_from(3))?;
    let were_pending = ids.iter().filter(|id| group.acknowledge(**id).is_some());
    let acknowledged = were_pending.count();
    drop(found);
    ctx.changed(acknowledged as u64);
    ctx.reply.int(acknowledged as i64);
    Ok(())
}

/// Which pending entries are asked for.
struct Filter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// Reads what stands behind the group; nothing means that the summary is asked for.
    fn parse(args: &'a Args<'a>) -> Result<Option<Filter<'a>>, CmdError> {
        match args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(CmdError::Syntax),
        }
        let mut min_idle_ms = 0;
        let mut at = 3;
        if args[3].eq_ignore_ascii_case(b"IDLE") {
            min_idle_ms = integer(&args[4])?;
            if args.len() < 8 {
                return Err(CmdError::Syntax);
            }
            at = 5;
        }
        let count = usize::try_from(integer(&args[at + 2])?).unwrap_or(0);
        Ok(Some(Filter {
            min_idle_ms,
            start: range_start(&args[at])?,
            end: range_end(&args[at + 1])?,
            count,
            consumer: args.get(at + 3),
        }))
    }
}

fn xpending(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let filter = Filter::parse(args)?;
    let now_ms = ctx.now_ms();
    let stream = ctx
        .env
        .collection::<Box<Stream>>(ctx.session, &args[1], Access::Read)?;
    let group = stream
        .and_then(|stream| stream.group(&args[2]))
        .ok_or_else(|| no_key_or_group(&args[1], &args[2], b""))?;
    match filter {
        None => reply_summary(ctx.reply, group),
        Some(filter) => reply_pending(ctx.reply, group, &filter, now_ms),
    }
    Ok(())
}

fn reply_summary(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_bounds() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.bulk(first.text());
    reply.bulk(last.text());
    let owners = group
        .consumers()
        .filter(|consumer| consumer.pending_len() > 0);
    let open = reply.begin_array();
    let mut len = 0;
    for consumer in owners {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending_len() as i64);
        len += 1;
    }
    reply.end(open, len);
}

fn reply_pending(reply: &mut Reply, group: &Group, filter: &Filter<'_>, now_ms: i64) {
    let (mut of_all, mut of_one);
    let ids: &mut dyn Iterator<Item = StreamId> = match filter.consumer {
        None => {
            of_all = group.pending_from(filter.start).map(|(id, _)| id);
            &mut of_all
        }
        Some(name) => {
            let Some(consumer) = group.find_consumer(name) else {
                reply.array(0);
                return;
            };
            of_one = group.consumer(consumer).pending_from(filter.start);
            &mut of_one
        }
    };
    let shown = ids
        .take_while(|id| *id <= filter.end)
        .filter_map(|id| Some((id, group.pending(id)?)))
        .map(|(id, pending)| (id, pending, now_ms.wrapping_sub(pending.delivered_ms)))
        .filter(|(.., idle_ms)| filter.min_idle_ms == 0 || *idle_ms >= filter.min_idle_ms);
    let open = reply.begin_array();
    let mut len = 0;
    for (id, pending, idle_ms) in shown.take(filter.count) {
        reply.array(4);
        reply.bulk(id.text());
        reply.bulk(group.consumer(pending.owner).name());
        reply.int(idle_ms.max(0));
        reply.int(pending.deliveries as i64);
        len += 1;
    }
    reply.end(open, len);
}
