//! Moving an element from one list to another, or around within one.

use super::{ENDS, end, popped, push_event};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Deprecation, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::element;
use crate::data::list::{End, List};
use crate::data::listpack::Element;
use crate::resp::args::Args;

/// What the rows of this file have in common.
pub(super) const MOVE: Row = Row {
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::LIST,
    keys: &[
        KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::range(KeyFlags::RW.union(KeyFlags::INSERT), 2, 0, 1),
    ],
    group: CommandGroup::List,
    complexity: "O(1)",
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "lmove",
        arity: 5,
        since: "6.2.0",
        summary: "Takes an element out of one list and adds it to another; the first list goes \
            with its last element.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::one_of("wherefrom", ENDS),
            Arg::one_of("whereto", ENDS),
        ],
        handler: lmove,
        ..MOVE
    },
    Row {
        name: "rpoplpush",
        arity: 3,
        since: "1.2.0",
        summary: "Takes the last element out of one list and adds it before the first one of \
            another; the first list goes with its last element.",
        deprecated: Some(Deprecation {
            since: "6.2.0",
            replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        args: &[Arg::key("source", 0), Arg::key("destination", 1)],
        handler: rpoplpush,
        ..MOVE
    },
];

fn lmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (from, to) = (end(&args[3])?, end(&args[4])?);
    move_or_null(ctx, args, from, to)
}

fn rpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    move_or_null(ctx, args, End::Tail, End::Head)
}

fn move_or_null(ctx: &mut Ctx<'_>, args: &Args<'_>, from: End, to: End) -> CmdResult {
    if !move_element(ctx, &args[1], &args[2], from, to)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves an element and replies with it; false if there is none to move.
pub(super) fn move_element(
    ctx: &mut Ctx<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> Result<bool, CmdError> {
    if ctx.list(source, Access::Write)?.is_none() {
        return Ok(false);
    }
    ctx.list(destination, Access::Write)?;
    let limits = ctx.env.list_limits();
    let mut text = Vec::new();
    let mut taken = ctx.env.edit::<List>(ctx.session, source)?;
    let list = taken.as_mut().expect("the list was found above");
    let is_packed = matches!(**list, List::Packed(_));
    let reckoned = list.pop(from, |found| {
        element(ctx.reply, found);
        found.append_to(&mut text);
        // As the reference reckons: a number out of a quicklist has no length yet.
        match found {
            Element::Int(_) if !is_packed => 0,
            _ => text.len(),
        }
    });
    let reckoned = reckoned.expect("no list is empty");
    let gone = if source == destination {
        list.make_room(reckoned, 1, &limits);
        list.push(to, &text, &limits);
        list.settle_shrunk(&limits);
        drop(taken);
        false
    } else {
        list.settle_shrunk(&limits);
        let gone = taken.is_some_and(|list| list.finish());
        ctx.adding(destination);
        let mut list = ctx.env.edit_or_new::<List>(ctx.session, destination)?;
        list.make_room(reckoned, 1, &limits);
        list.push(to, &text, &limits);
        gone
    };
    ctx.touched(destination);
    ctx.notify(Class::LIST, push_event(to), destination);
    popped(ctx, source, from, 1, gone);
    Ok(true)
}
