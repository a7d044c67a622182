//! Looking into lists.

use super::{absolute, reply_elements, span};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::{integer, integer_within, signed_size};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording::{element, int_or_null};
use crate::data::list::{End, List, ListRef, Side};
use crate::data::listpack::Element;
use crate::resp::args::Args;
use std::ops::ControlFlow;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "llen",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        group: CommandGroup::List,
        complexity: "O(1)",
        summary: "Tells how long a list is.",
        args: &[Arg::key("key", 0)],
        handler: llen,
        ..Row::BASE
    },
    Row {
        name: "lindex",
        arity: 3,
        flags: Flags::READONLY,
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::List,
        complexity: "O(N), N being the number of elements between the index and the nearer end \
            of the list, most of which are passed over in large steps. The first and the last \
            one are found in O(1).",
        summary: "Reads the element of a list that has this index.",
        args: &[Arg::key("key", 0), Arg::integer("index")],
        handler: lindex,
        ..Row::BASE
    },
    Row {
        name: "lrange",
        arity: 4,
        flags: Flags::READONLY,
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::List,
        complexity: "O(S+N), S being the distance of the first element from the nearer end of \
            the list, N the number of elements read.",
        summary: "Reads the elements of a list from one index to another.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("start"),
            Arg::integer("stop"),
        ],
        handler: lrange,
        ..Row::BASE
    },
    Row {
        name: "lpos",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::LIST,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::List,
        since: "6.0.6",
        complexity: "O(N), N being the length of the list; less where the element stands near \
            the end from which it is looked for, or where `MAXLEN` ends the search.",
        summary: "Finds the indexes of an element in a list.",
        args: &[
            Arg::key("key", 0),
            Arg::string("element"),
            Arg::integer("rank").token("RANK").optional(),
            Arg::integer("num-matches").token("COUNT").optional(),
            Arg::integer("len").token("MAXLEN").optional(),
        ],
        handler: lpos,
        ..Row::BASE
    },
];

fn llen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let len = ctx.list(&args[1], Access::Read)?.map_or(0, ListRef::len);
    ctx.reply.int(len as i64);
    Ok(())
}

fn lindex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let env = &mut *ctx.env;
    let Some(list) = env.collection::<List>(ctx.session, &args[1], Access::Read)? else {
        ctx.reply.null();
        return Ok(());
    };
    let shown = absolute(integer(&args[2])?, list.len())
        .and_then(|index| list.with_index(index, |found| element(ctx.reply, found)));
    if shown.is_none() {
        ctx.reply.null();
    }
    Ok(())
}

fn lrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let env = &mut *ctx.env;
    match env.collection::<List>(ctx.session, &args[1], Access::Read)? {
        Some(list) => {
            let (from, count) = span(start, stop, list.len());
            reply_elements(ctx.reply, list, from, count, Side::After);
        }
        None => ctx.reply.array(0),
    }
    Ok(())
}

/// What `LPOS` looks for.
struct Search<'a> {
    element: Element<'a>,
    /// Where it begins.
    from: End,
    /// Which match is the first to tell.
    rank: u64,
    /// How many matches to tell; none for just one, in another form.
    count: Option<usize>,
    /// How many elements to look at.
    len_max: usize,
}

impl<'a> Search<'a> {
    fn parse(args: &'a Args<'_>) -> Result<Search<'a>, CmdError> {
        let mut search = Search {
            element: Element::from(&args[2]),
            from: End::Head,
            rank: 1,
            count: None,
            len_max: usize::MAX,
        };
        let limit = |n: i64| if n == 0 { usize::MAX } else { n as usize };
        let mut words = args.iter_from(3);
        while let Some(option) = words.next() {
            let value = words.next().ok_or(CmdError::Syntax)?;
            if option.eq_ignore_ascii_case(b"rank") {
                search.set_rank(signed_size(value)?)?;
            } else if option.eq_ignore_ascii_case(b"count") {
                let refusal = "ERR COUNT can't be negative";
                search.count = Some(limit(integer_within(value, 0..=i64::MAX, refusal)?));
            } else if option.eq_ignore_ascii_case(b"maxlen") {
                let refusal = "ERR MAXLEN can't be negative";
                search.len_max = limit(integer_within(value, 0..=i64::MAX, refusal)?);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(search)
    }

    fn set_rank(&mut self, rank: i64) -> Result<(), CmdError> {
        if rank == 0 {
            return Err(CmdError::Fixed(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                 ... or use negative to start from the end of the list",
            ));
        }
        self.rank = rank.unsigned_abs();
        self.from = if rank < 0 { End::Tail } else { End::Head };
        Ok(())
    }

    /// The indexes of all matches that are asked for, in the order of the search.
    fn run(&self, list: ListRef<'_>) -> Vec<usize> {
        let wanted = self.count.unwrap_or(1);
        let last = list.len() - 1;
        let (first, toward) = match self.from {
            End::Head => (0, Side::After),
            End::Tail => (last, Side::Before),
        };
        let (mut found, mut seen, mut matches) = (Vec::new(), 0, 0);
        list.visit(first, toward, |element| {
            if element == self.element {
                matches += 1;
                if matches >= self.rank {
                    found.push(match self.from {
                        End::Head => seen,
                        End::Tail => last - seen,
                    });
                }
            }
            seen += 1;
            if found.len() == wanted || seen == self.len_max {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        found
    }
}

fn lpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let search = Search::parse(args)?;
    let found = match ctx.list(&args[1], Access::Read)? {
        Some(list) => search.run(list),
        None => Vec::new(),
    };
    if search.count.is_some() {
        ctx.reply.array(found.len());
        for index in found {
            ctx.reply.int(index as i64);
        }
    } else {
        int_or_null(ctx.reply, found.first().map(|index| *index as i64));
    }
    Ok(())
}
