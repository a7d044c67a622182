//! Taking from the ends of lists.

use super::{pop_elements, popped};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::positive;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
use crate::data::list::{End, List};
use crate::resp::args::Args;

/// What the rows of this file have in common.
const POP: Row = Row {
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::LIST,
    keys: &[KeySpec::first(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
    )],
    group: CommandGroup::List,
    complexity: "O(N), N being the number of elements taken.",
    history: &[("6.2.0", "Takes a `count`.")],
    args: &[
        Arg::key("key", 0),
        Arg::integer("count").optional().since("6.2.0"),
    ],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "lpop",
        summary: "Takes the first elements out of a list; the list goes with its last element.",
        handler: |ctx, args| pop(ctx, args, End::Head, "lpop"),
        ..POP
    },
    Row {
        name: "rpop",
        summary: "Takes the last elements out of a list; the list goes with its last element.",
        handler: |ctx, args| pop(ctx, args, End::Tail, "rpop"),
        ..POP
    },
];

/// The command that takes from an end, as replicas are told.
pub(super) fn pop_verb(end: End) -> &'static [u8] {
    match end {
        End::Head => b"LPOP",
        End::Tail => b"RPOP",
    }
}

fn pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End, name: &'static str) -> CmdResult {
    let key = &args[1];
    let count = match args.len() {
        2 => None,
        3 => Some(positive(&args[2])?),
        _ => return Err(CmdError::Arity(name.into())),
    };
    let limits = ctx.env.list_limits();
    let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
        match count {
            None => ctx.reply.null(),
            Some(_) => ctx.reply.null_array(),
        }
        return Ok(());
    };
    let taken = match count {
        None => {
            list.pop(end, |found| element(ctx.reply, found));
            1
        }
        Some(0) => {
            ctx.reply.array(0);
            return Ok(());
        }
        Some(count) => pop_elements(ctx.reply, &mut list, end, count),
    };
    list.settle_shrunk(&limits);
    let gone = list.finish();
    popped(ctx, key, end, taken, gone);
    Ok(())
}
