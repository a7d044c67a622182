//! Taking from the first of several lists that exists.

use super::pop::pop_verb;
use super::{ENDS, end, pop_elements, popped};
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer_within;
use crate::commands::row::{Acl, Arg, Flags, Group, KeyFlags, KeySpec, Row};
use crate::data::list::{End, List};
use crate::resp::args::Args;
use std::ops::Range;

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    acl: Acl::LIST,
    keys: &[KeySpec::counted(
        KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE),
        1,
    )],
    group: Group::List,
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
pub(super) struct Wish {
    /// Where the keys stand among the words.
    keys: Range<usize>,
    end: End,
    count: usize,
}

impl Wish {
    /// Reads the words from the number of keys on, which stands at `at`.
    pub(super) fn parse(args: &Args<'_>, at: usize) -> Result<Wish, CmdError> {
        let refusal = "ERR numkeys should be greater than 0";
        let keys = integer_within(&args[at], 1..=i64::MAX, refusal)? as usize;
        let end_at = keys.saturating_add(at + 1);
        let end = end(args.get(end_at).ok_or(CmdError::Syntax)?)?;
        let mut options = args.iter_from(end_at + 1);
        let count = match (options.next(), options.next(), options.next()) {
            (None, ..) => 1,
            (Some(option), Some(count), rest) if option.eq_ignore_ascii_case(b"count") => {
                let refusal = "ERR count should be greater than 0";
                let count = integer_within(count, 1..=i64::MAX, refusal)?;
                if rest.is_some() {
                    return Err(CmdError::Syntax);
                }
                count as usize
            }
            _ => return Err(CmdError::Syntax),
        };
        Ok(Wish {
            keys: at + 1..end_at,
            end,
            count,
        })
    }

    /// The keys among the words.
    pub(super) fn keys<'a>(&self, args: &'a Args<'_>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.keys.clone().map(|at| &args[at])
    }

    /// Takes from the first list that there is and replies with its key and the elements; false
    /// if there is none.
    pub(super) fn grant(&self, ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<bool, CmdError> {
        let limits = ctx.env.list_limits();
        for key in self.keys(args) {
            let Some(mut list) = ctx.env.edit::<List>(ctx.session, key)? else {
                continue;
            };
            ctx.reply.array(2);
            ctx.reply.bulk(key);
            let taken = pop_elements(ctx.reply, &mut list, self.end, self.count);
            list.settle_shrunk(&limits);
            let gone = list.finish();
            popped(ctx, key, self.end, taken, gone);
            let mut text = itoa::Buffer::new();
            ctx.propagate_instead(&[pop_verb(self.end), key, text.format(taken).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn lmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wish = Wish::parse(args, 1)?;
    if !wish.grant(ctx, args)? {
        ctx.reply.null_array();
    }
    Ok(())
}
