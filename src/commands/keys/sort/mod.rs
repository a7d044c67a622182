//! `SORT` and `SORT_RO`: the elements of a list, a set or a sorted set, in order.
//!
//! What an element weighs is its own text, or a value found elsewhere under a name that the
//! element is part of ([`pattern`]); what is shown for it likewise. Weights are gathered first,
//! each once, so that comparing looks nothing up. Numbers that are equal are told apart by the
//! elements' texts: a replica that runs the same `SORT … STORE` must get the same list.

mod options;
mod pattern;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::CString;
use std::ops::{ControlFlow, Range};

use memchr::memchr;

use crate::base::numbers::{parse_f64, skip_blanks};
use crate::base::partial_sort::sort_part;
use crate::commands::acl::request::may_read_every_key;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{
    Acl, Arg, ArgKind, BeginSearch, FindKeys, Flags, KeyFlags, KeyRef, KeySpec, Row,
};
use crate::commands::string::store_result;
use crate::data::list::{List, ListRef};
use crate::data::quicklist::{End, Quicklist, Side};
use crate::data::zset::{ZSet, ZSetRef};
use crate::keyspace::{NewValue, ValueRef};
use crate::resp::args::Args;
use crate::sys::collation::Collation;
use options::SortOptions;
use pattern::look_up;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "sort",
        arity: -2,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: SORT_ACL,
        keys: &[
            KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS)),
            LOOKED_UP,
            somewhere(
                KeyFlags::OW.union(KeyFlags::UPDATE),
                "For `STORE`, which may stand anywhere among the options.",
            ),
        ],
        get_keys: Some(sort_keys),
        complexity: COMPLEXITY,
        summary: "Puts the elements of a list, a set or a sorted set in order, and replies with \
            them or stores them.",
        args: &[
            Arg::key("key", 0),
            BY,
            Arg::LIMIT,
            GET,
            Arg::ORDER,
            ALPHA,
            Arg::key("destination", 2).token("STORE").optional(),
        ],
        handler: sort_or_store,
        ..Row::BASE
    },
    Row {
        name: "sort_ro",
        arity: -2,
        flags: Flags::READONLY,
        acl: SORT_ACL,
        keys: &[
            KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS)),
            LOOKED_UP,
        ],
        get_keys: Some(sorted_key),
        since: "7.0.0",
        complexity: COMPLEXITY,
        summary: "Replies with the elements of a list, a set or a sorted set in order.",
        args: &[Arg::key("key", 0), BY, Arg::LIMIT, GET, Arg::ORDER, ALPHA],
        handler: sort_ro,
        ..Row::BASE
    },
];

const SORT_ACL: Acl = Acl::SET
    .union(Acl::SORTEDSET)
    .union(Acl::LIST)
    .union(Acl::DANGEROUS);

const COMPLEXITY: &str = "O(N log N), N being the number of elements; O(N) where nothing is to be \
    sorted.";

const BY: Arg = Arg {
    key_spec: 1,
    ..Arg::new("by-pattern", ArgKind::Pattern)
}
.token("BY")
.display("pattern")
.optional();

const GET: Arg = Arg {
    key_spec: 1,
    ..Arg::new("get-pattern", ArgKind::Pattern)
}
.token("GET")
.display("pattern")
.multiple_token()
.optional();

const ALPHA: Arg = Arg::pure("sorting", "ALPHA").optional();

/// The keys that `BY` and `GET` read.
const LOOKED_UP: KeySpec = somewhere(
    KeyFlags::RO.union(KeyFlags::ACCESS),
    "For `BY` and `GET`: which keys these read depends on the elements.",
);

/// Keys that no position or word tells of.
const fn somewhere(flags: KeyFlags, notes: &'static str) -> KeySpec {
    KeySpec {
        flags,
        begin: BeginSearch::Unknown,
        find: FindKeys::Unknown,
        notes,
    }
}

/// The key that is sorted.
fn sorted_key(_: &Args<'_>, keys: &mut Vec<KeyRef>) {
    keys.push(KeyRef {
        index: 1,
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
    });
}

/// The key that is sorted, and the last that is stored to.
fn sort_keys(args: &Args<'_>, keys: &mut Vec<KeyRef>) {
    sorted_key(args, keys);
    if let Some(index) = options::store_index(args) {
        keys.push(KeyRef {
            index,
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
        });
    }
}

/// Whether the client may have keys looked up that nobody knows beforehand.
fn may_look_up(ctx: &mut Ctx<'_>, args: &Args<'_>) -> bool {
    let user = &ctx.session.user;
    user.is_unrestricted()
        || ctx
            .table
            .find(args)
            .is_none_or(|command| may_read_every_key(user, command, args, &mut ctx.env.acl_scratch))
}

fn sort_or_store(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SortOptions::parse(args, true, may_look_up(ctx, args))?;
    sort(ctx, &args[1], options)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = SortOptions::parse(args, false, may_look_up(ctx, args))?;
    sort(ctx, &args[1], options)
}

fn sort(ctx: &mut Ctx<'_>, key: &[u8], mut options: SortOptions<'_>) -> CmdResult {
    let elements = match load(ctx, key, &mut options)? {
        Loaded::Chosen(elements) => elements,
        Loaded::All(elements) => {
            let chosen = options.range(elements.len());
            let mut elements = if options.keeps_order {
                elements
            } else {
                in_order(ctx, elements, &options, chosen.clone())?
            };
            elements.truncate(chosen.end);
            elements.drain(..chosen.start);
            elements
        }
    };
    match options.store {
        Some(destination) => store(ctx, destination, &elements, &options),
        None => reply(ctx, &elements, &options),
    }
    Ok(())
}

/// The elements of a collection.
enum Loaded {
    /// All of them.
    All(Vec<Vec<u8>>),
    /// Those that were asked for, in the order in which the collection keeps them.
    Chosen(Vec<Vec<u8>>),
}

/// Copies the elements. Where the collection's own order is wanted, only those asked for.
fn load(ctx: &mut Ctx<'_>, key: &[u8], options: &mut SortOptions<'_>) -> Result<Loaded, CmdError> {
    let in_script = ctx.session.in_script;
    let found = ctx.env.lookup(ctx.session, key, Access::Read);
    match found.map(|entry| entry.value()) {
        None => Ok(Loaded::All(Vec::new())),
        Some(ValueRef::List(list)) => Ok(from_list(list, options)),
        Some(ValueRef::Set(set)) => {
            if options.keeps_order && (options.store.is_some() || in_script) {
                // A set has no order of its own that a replica would share.
                options.sort_by_text();
            }
            Ok(Loaded::All(
                set.iter().map(|member| member.to_vec()).collect(),
            ))
        }
        Some(ValueRef::ZSet(zset)) => {
            let loaded = from_zset(zset, options);
            settle_as_tree(ctx, key)?;
            Ok(loaded)
        }
        Some(ValueRef::String(_) | ValueRef::Hash(_) | ValueRef::Stream(_)) => {
            Err(CmdError::WrongType)
        }
    }
}

fn from_list(list: ListRef<'_>, options: &SortOptions<'_>) -> Loaded {
    if !options.keeps_order {
        let mut elements = Vec::with_capacity(list.len());
        list.for_each(|element| elements.push(element.to_vec()));
        return Loaded::All(elements);
    }
    let chosen = options.range(list.len());
    let mut elements = Vec::with_capacity(chosen.len());
    if chosen.is_empty() {
        return Loaded::Chosen(elements);
    }
    let (first, toward) = if options.descending {
        (list.len() - 1 - chosen.start, Side::Before)
    } else {
        (chosen.start, Side::After)
    };
    list.visit(first, toward, |element| {
        elements.push(element.to_vec());
        if elements.len() < chosen.len() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    Loaded::Chosen(elements)
}

fn from_zset(zset: ZSetRef<'_>, options: &SortOptions<'_>) -> Loaded {
    let copies = |ranks: Range<usize>| zset.range(ranks).map(|(member, _)| member.to_vec());
    let chosen = options.range(zset.len());
    match (options.keeps_order, options.descending) {
        (false, _) => Loaded::All(copies(0..zset.len()).collect()),
        (true, false) => Loaded::Chosen(copies(chosen).collect()),
        (true, true) => {
            let ranks = zset.len() - chosen.end..zset.len() - chosen.start;
            Loaded::Chosen(copies(ranks).rev().collect())
        }
    }
}

/// A sorted set that has been sorted is a tree from then on, as in the reference.
fn settle_as_tree(ctx: &mut Ctx<'_>, key: &[u8]) -> CmdResult {
    let limits = ctx.env.zset_limits();
    if let Some(mut zset) = ctx.edit::<ZSet>(key)? {
        zset.convert(&limits);
    }
    Ok(())
}

/// What an element is compared by.
enum Weight {
    /// A number.
    Number(f64),
    /// A text, byte by byte; what is missing comes first.
    Bytes(Option<Vec<u8>>),
    /// A text in the order of the server's locale, which ends at its first NUL.
    Collated(Option<CString>),
}

/// An element with its weight.
type Weighed = (Weight, Vec<u8>);

/// Sorts, at least those that are chosen.
fn in_order(
    ctx: &mut Ctx<'_>,
    elements: Vec<Vec<u8>>,
    options: &SortOptions<'_>,
    chosen: Range<usize>,
) -> Result<Vec<Vec<u8>>, CmdError> {
    let mut weighed = Vec::with_capacity(elements.len());
    let mut all_numbers = true;
    for element in elements {
        let text = match options.by {
            None => Some(Cow::Borrowed(&element[..])),
            Some(by) => look_up(ctx, by, &element).map(Cow::Owned),
        };
        let weight = if !options.alpha {
            let number = text.map_or(Some(0.0), |text| number(&text));
            all_numbers &= number.is_some();
            Weight::Number(number.unwrap_or(0.0))
        } else if options.store.is_some() {
            // Replicas may have other locales.
            Weight::Bytes(text.map(Cow::into_owned))
        } else {
            Weight::Collated(text.map(|text| until_nul(&text)))
        };
        weighed.push((weight, element));
    }
    if !all_numbers {
        return Err(CmdError::Fixed(
            "ERR One or more scores can't be converted into double",
        ));
    }
    // Which of the elements of one weight are chosen is as in the reference: replicas store them.
    let part = options.by.is_some() && chosen != (0..weighed.len());
    sort_part(&mut weighed, part.then_some(chosen), |a, b| {
        let order = compare(a, b, &ctx.env.collation);
        if options.descending {
            order.reverse()
        } else {
            order
        }
    });
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

fn compare(a: &Weighed, b: &Weighed, collation: &Collation) -> Ordering {
    match (&a.0, &b.0) {
        (Weight::Number(x), Weight::Number(y)) => {
            let numbers = x.partial_cmp(y).unwrap_or(Ordering::Equal);
            numbers.then_with(|| a.1.cmp(&b.1))
        }
        (Weight::Bytes(x), Weight::Bytes(y)) => x.cmp(y),
        (Weight::Collated(Some(x)), Weight::Collated(Some(y))) => collation.compare(x, y),
        (Weight::Collated(x), Weight::Collated(y)) => x.is_some().cmp(&y.is_some()),
        _ => unreachable!("all elements of a call are weighed alike"),
    }
}

/// A text as the C library sees it.
fn until_nul(text: &[u8]) -> CString {
    let end = memchr(0, text).unwrap_or(text.len());
    CString::new(&text[..end]).expect("cut at the first NUL")
}

/// The number that a text is, perhaps with blanks before it; nothing at all is zero. Beside what is
/// too large or too small for a double, the reference refuses what a double only holds with fewer
/// bits than usual.
fn number(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    parse_f64(skip_blanks(text)).filter(|number| !number.is_subnormal())
}

/// Replies with the elements, or with what is to be shown for each.
fn reply(ctx: &mut Ctx<'_>, elements: &[Vec<u8>], options: &SortOptions<'_>) {
    if options.gets.is_empty() {
        ctx.reply.array(elements.len());
        return elements.iter().for_each(|element| ctx.reply.bulk(element));
    }
    ctx.reply.array(elements.len() * options.gets.len());
    for element in elements {
        for pattern in &options.gets {
            match look_up(ctx, pattern, element) {
                Some(text) => ctx.reply.bulk(text),
                None => ctx.reply.null(),
            }
        }
    }
}

/// Makes a list of the elements, or of what is to be shown for each, where what is missing is an
/// empty string.
fn store(ctx: &mut Ctx<'_>, key: &[u8], elements: &[Vec<u8>], options: &SortOptions<'_>) {
    let limits = ctx.env.list_limits();
    let mut list = List::Quick(Box::new(Quicklist::new(&limits)));
    for element in elements {
        if options.gets.is_empty() {
            list.push(End::Tail, element, &limits);
        }
        for pattern in &options.gets {
            let text = look_up(ctx, pattern, element).unwrap_or_default();
            list.push(End::Tail, &text, &limits);
        }
    }
    let len = list.len();
    let result = (len > 0).then(|| {
        list.settle_built(&limits);
        NewValue::Object(list.into())
    });
    store_result(ctx, key, result, (Class::LIST, "sortstore"), len as u64);
    ctx.reply.int(len as i64);
}

#[cfg(test)]
mod tests;
