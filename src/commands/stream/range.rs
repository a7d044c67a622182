//! Looking at a stream: `XLEN`, `XRANGE` and `XREVRANGE`.

use super::{range_end, range_start, reply_entries};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::stream::Stream;
use crate::resp::args::Args;

const RANGE: Row = Row {
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(N) with N being the number of entries returned; constant where COUNT limits it.",
    history: &[("6.2.0", "Open ends of ranges were added.")],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "xlen",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Tells the number of entries of a stream.",
        args: &[Arg::key("key", 0)],
        handler: xlen,
        ..Row::BASE
    },
    Row {
        name: "xrange",
        summary: "Reads the entries of a stream between two ids.",
        args: &[
            Arg::key("key", 0),
            Arg::string("start"),
            Arg::string("end"),
            Arg::integer("count").token("COUNT").optional(),
        ],
        handler: |ctx, args| range(ctx, args, Direction::Forward),
        ..RANGE
    },
    Row {
        name: "xrevrange",
        summary: "Reads the entries of a stream between two ids, the last one first.",
        args: &[
            Arg::key("key", 0),
            Arg::string("end"),
            Arg::string("start"),
            Arg::integer("count").token("COUNT").optional(),
        ],
        handler: |ctx, args| range(ctx, args, Direction::Backward),
        ..RANGE
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

fn xlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let stream = ctx.stream(&args[1], Access::Read)?;
    let len = stream.map_or(0, |stream| stream.log().len());
    ctx.reply.int(len as i64);
    Ok(())
}

fn range(ctx: &mut Ctx<'_>, args: &mut Args<'_>, direction: Direction) -> CmdResult {
    let (start_at, end_at) = match direction {
        Direction::Forward => (2, 3),
        Direction::Backward => (3, 2),
    };
    let start = range_start(&args[start_at])?;
    let end = range_end(&args[end_at])?;
    let mut count = None;
    let mut options = args.iter_from(4);
    while let Some(option) = options.next() {
        let value = options.next().ok_or(CmdError::Syntax)?;
        if !option.eq_ignore_ascii_case(b"COUNT") {
            return Err(CmdError::Syntax);
        }
        count = Some(usize::try_from(integer(value)?).unwrap_or(0));
    }

    let found = ctx
        .env
        .collection::<Box<Stream>>(ctx.session, &args[1], Access::Read)?;
    let Some(stream) = found else {
        ctx.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        ctx.reply.null_array();
        return Ok(());
    }
    let (log, count) = (stream.log(), count.unwrap_or(0));
    match direction {
        Direction::Forward => reply_entries(ctx.reply, log.range(start, end), count),
        Direction::Backward => reply_entries(ctx.reply, log.range_back(start, end), count),
    };
    Ok(())
}
