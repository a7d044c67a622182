//! Taking from the first of several lists that exists.

use super::pop::pop_verb;
use super::{ENDS, end, pop_elements, popped};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::first_of::FirstOf;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::list::{End, List};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    acl: Acl::LIST,
    keys: &[KeySpec::counted(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        1,
    )],
    group: CommandGroup::List,
    since: "7.0.0",
    complexity: "O(N+M), N being the number of keys, M the number of elements taken.",
    summary: "Takes elements out of the first of several lists that has any; the list goes with \
        its last element.",
    args: &[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", ENDS),
        Arg::integer("count").token("COUNT").optional(),
    ],
    handler: lmpop,
    ..Row::BASE
}];

/// What `LMPOP` and its blocking sister ask for.
pub(super) type Wish = FirstOf<End>;

/// Takes from the first list that there is and replies with its key and the elements; false if
/// there is none.
pub(super) fn grant(ctx: &mut Ctx<'_>, args: &Args<'_>, wish: &Wish) -> Result<bool, CmdError> {
    let limits = ctx.env.list_limits();
    for key in wish.keys(args) {
        let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
            continue;
        };
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        let taken = pop_elements(ctx.reply, &mut list, wish.end, wish.count);
        list.settle_shrunk(&limits);
        let gone = list.finish();
        popped(ctx, key, wish.end, taken, gone);
        let mut text = itoa::Buffer::new();
        ctx.propagate_instead(&[pop_verb(wish.end), key, text.format(taken).as_bytes()]);
        return Ok(true);
    }
    Ok(false)
}

fn lmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wish = Wish::parse(args, 1, end)?;
    if !grant(ctx, args, &wish)? {
        ctx.reply.null_array();
    }
    Ok(())
}
