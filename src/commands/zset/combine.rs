//! Several sets at once: unions, intersections, differences.
//!
//! Sets take part as if each of their members had the score 1.

use std::cmp::Reverse;

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::{integer, integer_within};
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::zset::{Listing, WITH_SCORES, store};
use crate::data::listpack::Element;
use crate::data::set::SetRef;
use crate::data::zset::{Builder, SortedSet, ZSet, ZSetRef};
use crate::keyspace::ValueRef;
use crate::resp::args::Args;
use crate::table::KeyHasher;

/// What the commands that reply with the result have in common.
const LISTING: Row = Row {
    arity: -3,
    flags: Flags::READONLY.union(Flags::MOVABLE_KEYS),
    acl: Acl::SORTEDSET,
    keys: &[KeySpec::counted(KeyFlags::RO.union(KeyFlags::ACCESS), 1)],
    group: CommandGroup::SortedSet,
    complexity: LINEAR,
    ..Row::BASE
};

/// What the commands that store the result have in common.
const STORING: Row = Row {
    arity: -4,
    flags: Flags::WRITE
        .union(Flags::DENYOOM)
        .union(Flags::MOVABLE_KEYS),
    acl: Acl::SORTEDSET,
    keys: &[
        KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::counted(KeyFlags::RO.union(KeyFlags::ACCESS), 2),
    ],
    group: CommandGroup::SortedSet,
    complexity: LINEAR,
    ..Row::BASE
};

const LINEAR: &str = "O(N)+O(M*log(M)), N being the number of members in all sets and M that in \
    the result.";
const SMALLEST: &str = "O(N*K)+O(M*log(M)), N being the number of members in the smallest set, K \
    the number of sets and M that of members in the result.";

/// What each set counts.
const WEIGHTS: Arg = Arg::integer("weight")
    .token("WEIGHTS")
    .optional()
    .multiple();

/// What becomes of the scores of a member that is in several sets.
const AGGREGATE: Arg = Arg::one_of(
    "aggregate",
    &[
        Arg::pure("sum", "SUM"),
        Arg::pure("min", "MIN"),
        Arg::pure("max", "MAX"),
    ],
)
.token("AGGREGATE")
.optional();

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "zunion",
        since: "6.2.0",
        summary: "Lists the members that are in any of several sets.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            WEIGHTS,
            AGGREGATE,
            WITH_SCORES,
        ],
        handler: zunion,
        ..LISTING
    },
    Row {
        name: "zunionstore",
        since: "2.0.0",
        summary: "Stores the members that are in any of several sets.",
        args: &[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        handler: zunionstore,
        ..STORING
    },
    Row {
        name: "zinter",
        since: "6.2.0",
        complexity: SMALLEST,
        summary: "Lists the members that are in each of several sets.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            WEIGHTS,
            AGGREGATE,
            WITH_SCORES,
        ],
        handler: zinter,
        ..LISTING
    },
    Row {
        name: "zinterstore",
        since: "2.0.0",
        complexity: SMALLEST,
        summary: "Stores the members that are in each of several sets.",
        args: &[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        handler: zinterstore,
        ..STORING
    },
    Row {
        name: "zintercard",
        since: "7.0.0",
        complexity: "O(N*K), N being the number of members in the smallest set and K the number \
            of sets.",
        summary: "Counts the members that are in each of several sets.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            Arg::integer("limit").token("LIMIT").optional(),
        ],
        handler: zintercard,
        ..LISTING
    },
    Row {
        name: "zdiff",
        since: "6.2.0",
        summary: "Lists the members of the first set that are in none of the others.",
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key", 0).multiple(),
            WITH_SCORES,
        ],
        handler: zdiff,
        ..LISTING
    },
    Row {
        name: "zdiffstore",
        since: "6.2.0",
        summary: "Stores the members of the first set that are in none of the others.",
        args: &[
            Arg::key("destination", 0),
            Arg::integer("numkeys"),
            Arg::key("key", 1).multiple(),
        ],
        handler: zdiffstore,
        ..STORING
    },
];

/// What becomes of the sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What becomes of scores of one member in several sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Infinities that cancel out sum up to 0.
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(a + b),
            Aggregate::Min if b < a => b,
            Aggregate::Max if b > a => b,
            Aggregate::Min | Aggregate::Max => a,
        }
    }

    fn parse(word: &[u8]) -> Result<Aggregate, CmdError> {
        let named = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if named("SUM") => Ok(Aggregate::Sum),
            () if named("MIN") => Ok(Aggregate::Min),
            () if named("MAX") => Ok(Aggregate::Max),
            () => Err(CmdError::Syntax),
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set that takes part.
#[derive(Clone, Copy)]
enum Members<'a> {
    None,
    Set(SetRef<'a>),
    Sorted(ZSetRef<'a>),
}

impl Members<'_> {
    fn len(self) -> usize {
        match self {
            Members::None => 0,
            Members::Set(set) => set.len(),
            Members::Sorted(set) => set.len(),
        }
    }

    fn score(self, member: Element<'_>) -> Option<f64> {
        match self {
            Members::None => None,
            Members::Set(set) => set.contains(member).then_some(1.0),
            Members::Sorted(set) => member.with_bytes(|member| set.score(member)),
        }
    }

    /// Visits members for as long as `visit` says to go on.
    fn visit_while(self, mut visit: impl FnMut(Element<'_>, f64) -> bool) {
        match self {
            Members::None => true,
            Members::Set(set) => set.iter().all(|member| visit(member, 1.0)),
            // From the top, as the reference goes.
            Members::Sorted(set) => set.iter().rev().all(|(m, score)| visit(m, score)),
        };
    }

    /// Visits all members.
    fn visit(self, mut visit: impl FnMut(Element<'_>, f64)) {
        self.visit_while(|member, score| {
            visit(member, score);
            true
        });
    }
}

/// A set that takes part, and what its scores are multiplied by.
#[derive(Clone, Copy)]
struct Source<'a> {
    members: Members<'a>,
    weight: f64,
}

/// What a command of this file asks for.
struct Request {
    operation: Operation,
    /// Where the first key stands.
    first_key: usize,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// How many members are counted at most.
    limit: usize,
}

/// What is done with the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Listed,
    Stored,
    Counted,
}

/// Parses and looks up, in this order: the number of keys, the keys, the options.
fn prepare(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    operation: Operation,
    outcome: Outcome,
    name: &str,
) -> Result<(Request, Vec<bool>), CmdError> {
    let numkeys_at = if outcome == Outcome::Stored { 2 } else { 1 };
    let numkeys = integer(&args[numkeys_at])?;
    if numkeys < 1 {
        let text = format!("at least 1 input key is needed for '{name}' command");
        return Err(CmdError::err(text));
    }
    let first_key = numkeys_at + 1;
    let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
    if numkeys > args.len() - first_key {
        return Err(CmdError::Syntax);
    }
    let mut present = Vec::with_capacity(numkeys);
    for key in args.iter_from(first_key).take(numkeys) {
        let found = ctx.env.lookup(ctx.session, key, Access::Read);
        present.push(found.is_some());
        match found.map(|entry| entry.value()) {
            None | Some(ValueRef::Set(_) | ValueRef::ZSet(_)) => {}
            Some(_) => return Err(CmdError::WrongType),
        }
    }
    let mut request = Request {
        operation,
        first_key,
        weights: vec![1.0; numkeys],
        aggregate: Aggregate::Sum,
        with_scores: false,
        limit: usize::MAX,
    };
    request.parse_options(args, outcome)?;
    Ok((request, present))
}

impl Request {
    fn parse_options(&mut self, args: &Args<'_>, outcome: Outcome) -> Result<(), CmdError> {
        let numkeys = self.weights.len();
        let combines_scores = self.operation != Operation::Diff && outcome != Outcome::Counted;
        let mut next = self.first_key + numkeys;
        while let Some(word) = args.get(next) {
            let behind = args.len() - next - 1;
            let is = |option: &[u8]| word.eq_ignore_ascii_case(option);
            if combines_scores && behind >= numkeys && is(b"WEIGHTS") {
                for (weight, word) in self.weights.iter_mut().zip(args.iter_from(next + 1)) {
                    *weight = super::double(word)
                        .map_err(|_| CmdError::Fixed("ERR weight value is not a float"))?;
                }
                next += numkeys;
            } else if combines_scores && behind >= 1 && is(b"AGGREGATE") {
                self.aggregate = Aggregate::parse(&args[next + 1])?;
                next += 1;
            } else if outcome == Outcome::Listed && is(b"WITHSCORES") {
                self.with_scores = true;
            } else if outcome == Outcome::Counted && behind >= 1 && is(b"LIMIT") {
                let refusal = "ERR LIMIT can't be negative";
                let limit = integer_within(&args[next + 1], 0..=i64::MAX, refusal)?;
                self.limit = if limit == 0 {
                    usize::MAX
                } else {
                    limit as usize
                };
                next += 1;
            } else {
                return Err(CmdError::Syntax);
            }
            next += 1;
        }
        Ok(())
    }

    /// The sets, each with its weight; those that `present` does not know count as empty.
    fn sources<'a>(&self, ctx: &'a Ctx<'_>, args: &Args<'_>, present: &[bool]) -> Vec<Source<'a>> {
        let db = ctx.env.keyspace.db(ctx.session.db);
        let keys = args.iter_from(self.first_key).zip(present);
        let members = keys.map(|(key, present)| {
            let found = db.get(key).filter(|_| *present);
            match found.map(|entry| entry.value()) {
                Some(ValueRef::Set(set)) => Members::Set(set),
                Some(ValueRef::ZSet(set)) => Members::Sorted(set),
                _ => Members::None,
            }
        });
        let source = |(members, weight): (_, &f64)| Source {
            members,
            weight: *weight,
        };
        let mut sources: Vec<_> = members.zip(&self.weights).map(source).collect();
        if self.operation != Operation::Diff {
            // Scores are summed up in this order too, and floating point sums show it.
            sources.sort_by_key(|source| source.members.len());
        }
        sources
    }

    fn result(&self, sources: &[Source<'_>], hasher: KeyHasher) -> SortedSet {
        match self.operation {
            Operation::Union => union(sources, self.aggregate, hasher),
            Operation::Diff => diff(sources, hasher),
            Operation::Inter => {
                let mut builder = Builder::new(hasher, 0);
                inter(sources, self.aggregate, |member, score| {
                    member.with_bytes(|member| builder.update(member, |_| score));
                    true
                });
                builder.finish()
            }
        }
    }
}

fn union(sources: &[Source<'_>], aggregate: Aggregate, hasher: KeyHasher) -> SortedSet {
    let largest = sources.last().map_or(0, |source| source.members.len());
    let mut builder = Builder::new(hasher, largest);
    for source in sources {
        source.members.visit(|member, score| {
            let score = number_or_zero(source.weight * score);
            member.with_bytes(|member| {
                builder.update(member, |old| match old {
                    Some(old) => aggregate.of(old, score),
                    None => score,
                })
            });
        });
    }
    builder.finish()
}

/// Visits what all sources, the smallest of which comes first, have in common, for as long as
/// `visit_while` says to go on.
fn inter(
    sources: &[Source<'_>],
    aggregate: Aggregate,
    mut visit_while: impl FnMut(Element<'_>, f64) -> bool,
) {
    let (smallest, others) = sources.split_first().expect("there is at least one key");
    smallest.members.visit_while(|member, score| {
        let mut sum = number_or_zero(smallest.weight * score);
        for other in others {
            match other.members.score(member) {
                Some(score) => sum = aggregate.of(sum, score * other.weight),
                None => return true,
            }
        }
        visit_while(member, sum)
    });
}

/// The first set without the members of the others: members of the first are looked for in the
/// others or the other way round, whichever is less work.
fn diff(sources: &[Source<'_>], hasher: KeyHasher) -> SortedSet {
    let (first, others) = sources.split_first().expect("there is at least one key");
    let first = first.members;
    let mut others: Vec<Members<'_>> = others.iter().map(|source| source.members).collect();
    let mut builder = Builder::new(hasher, 0);
    let all: usize = first.len() + others.iter().map(|other| other.len()).sum::<usize>();
    // The first way ends early for members that are found.
    if first.len() * (others.len() + 1) / 2 <= all {
        others.sort_by_key(|other| Reverse(other.len()));
        first.visit(|member, score| {
            if !others.iter().any(|other| other.score(member).is_some()) {
                member.with_bytes(|member| builder.update(member, |_| score));
            }
        });
        return builder.finish();
    }
    first.visit(|member, score| {
        member.with_bytes(|member| builder.update(member, |_| score));
    });
    let mut set = builder.finish();
    for other in others {
        other.visit_while(|member, _| {
            member.with_bytes(|member| set.remove(member));
            !set.is_empty()
        });
    }
    set
}

fn zunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Operation::Union, "zunion")
}

fn zinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Operation::Inter, "zinter")
}

fn zdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    list(ctx, args, Operation::Diff, "zdiff")
}

fn list(ctx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation, name: &str) -> CmdResult {
    let (request, present) = prepare(ctx, args, operation, Outcome::Listed, name)?;
    let hasher = ctx.env.keyspace.hasher().clone();
    let set = request.result(&request.sources(ctx, args, &present), hasher);
    let members = ZSetRef::Tree(&set).iter();
    Listing::new(request.with_scores).all(ctx.reply, members);
    Ok(())
}

fn zunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    store_result(ctx, args, Operation::Union, "zunionstore")
}

fn zinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    store_result(ctx, args, Operation::Inter, "zinterstore")
}

fn zdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    store_result(ctx, args, Operation::Diff, "zdiffstore")
}

fn store_result(ctx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation, name: &str) -> CmdResult {
    let (request, present) = prepare(ctx, args, operation, Outcome::Stored, name)?;
    let limits = ctx.env.zset_limits();
    let sources = request.sources(ctx, args, &present);
    let set = request.result(&sources, limits.hasher.clone());
    store(ctx, &args[1], ZSet::compact(set, &limits), name, 1);
    Ok(())
}

fn zintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (request, present) = prepare(ctx, args, Operation::Inter, Outcome::Counted, "zintercard")?;
    let mut count = 0;
    inter(
        &request.sources(ctx, args, &present),
        Aggregate::Sum,
        |_, _| {
            count += 1;
            count < request.limit
        },
    );
    ctx.reply.int(count as i64);
    Ok(())
}
