//! Pending entries that change hands: `XCLAIM` takes those it names, `XAUTOCLAIM` those it finds.
//!
//! Both wait for nobody: an entry that has been idle long enough goes to the claimer. One that was
//! deleted from the stream meanwhile cannot be handled any more by anybody, so it stops being
//! pending instead. Replicas are told of each entry apart.

use super::{
    Place, Told, id, no_key_or_group, range_start, reply_entry, see_consumer, tell_claim,
    tell_position,
};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::wording;
use crate::data::stream::{Claim, ConsumerId, Deliveries, Group, Log, Pending, Stream, StreamId};
use crate::keyspace::Edit;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "xclaim",
        arity: -6,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(log N) with N being the number of pending entries of the group.",
        summary: "Gives pending entries to a consumer as if they were delivered to it.",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("id").multiple(),
            Arg::integer("ms").token("IDLE").optional(),
            Arg::new("unix-time-milliseconds", ArgKind::UnixTime)
                .token("TIME")
                .optional(),
            Arg::integer("count").token("RETRYCOUNT").optional(),
            Arg::pure("force", "FORCE").optional(),
            Arg::pure("justid", "JUSTID").optional(),
            Arg::string("lastid").token("LASTID").optional(),
        ],
        handler: xclaim,
        ..Row::BASE
    },
    Row {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::WRITE.union(Flags::FAST),
        acl: Acl::STREAM,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::DELETE))],
        group: CommandGroup::Stream,
        since: "6.2.0",
        complexity: "O(1) where COUNT is small.",
        summary: "Gives pending entries that were idle for long to a consumer, wherever they are.",
        history: &[(
            "7.0.0",
            "The reply got a third element: ids that were pending of entries that are deleted.",
        )],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("start"),
            Arg::integer("count").token("COUNT").optional(),
            Arg::pure("justid", "JUSTID").optional(),
        ],
        handler: xautoclaim,
        ..Row::BASE
    },
];

/// How many entries `XAUTOCLAIM` claims if nobody says.
const AUTOCLAIM_COUNT: usize = 100;
/// How many pending entries it looks at for each that it may claim.
const AUTOCLAIM_LOOKS: usize = 10;
/// The largest `COUNT` that it takes.
const AUTOCLAIM_COUNT_MAX: i64 = i64::MAX / 16;

/// What both commands do with an entry that they claim.
struct Claiming {
    claim: Claim,
    min_idle_ms: i64,
    just_id: bool,
    now_ms: i64,
}

/// What both commands did, to be told once the stream is back in its place.
#[derive(Default)]
struct Done {
    /// Whose entries changed, with the name of the consumer.
    told: Vec<(Told, Box<[u8]>)>,
    changes: u64,
    /// The claimer is new.
    created: bool,
}

impl Claiming {
    /// Whether an entry has been idle for long enough.
    fn is_due(&self, pending: &Pending) -> bool {
        let idle_ms = self.now_ms.wrapping_sub(pending.delivered_ms);
        self.min_idle_ms == 0 || idle_ms >= self.min_idle_ms
    }

    /// Gives an entry to the claimer and replies with it.
    fn run(
        &self,
        reply: &mut Reply,
        log: &Log,
        group: &mut Group,
        claimer: ConsumerId,
        id: StreamId,
        done: &mut Done,
    ) {
        let pending = group.claim(id, claimer, self.claim, self.now_ms);
        if self.just_id {
            reply.bulk(id.text());
        } else if let Some(entry) = log.get(id) {
            reply_entry(reply, &entry);
        }
        done.tell(group, id, pending);
    }
}

impl Done {
    fn tell(&mut self, group: &Group, id: StreamId, pending: Pending) {
        let told = Told {
            id,
            pending,
            group_last_id: group.last_id,
        };
        let name = group.consumer(pending.owner).name();
        self.told.push((told, name.into()));
        self.changes += 1;
    }

    /// The claimer, who is created if there is none of that name.
    fn claimer(&mut self, group: &mut Group, name: &[u8], now_ms: i64) -> ConsumerId {
        let (claimer, is_new) = see_consumer(group, name, now_ms);
        self.created = is_new;
        self.changes += u64::from(is_new);
        claimer
    }

    /// An entry that was deleted from the stream is not pending any more.
    fn forget(&mut self, group: &mut Group, id: StreamId) -> bool {
        let pending = group.acknowledge(id);
        if let Some(pending) = pending {
            self.tell(group, id, pending);
        }
        pending.is_some()
    }

    fn report(self, ctx: &mut Ctx<'_>, place: &Place<'_>) {
        ctx.propagate_nothing();
        if self.created {
            ctx.notify(Class::STREAM, "xgroup-createconsumer", place.key);
        }
        for (told, consumer) in &self.told {
            tell_claim(ctx, place, consumer, told);
        }
        ctx.changed(self.changes);
    }
}

/// The options of `XCLAIM`.
struct ClaimOptions {
    ids: Vec<StreamId>,
    idle_since_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl ClaimOptions {
    fn parse(args: &Args<'_>, now_ms: i64) -> Result<ClaimOptions, CmdError> {
        let ids: Vec<StreamId> = args.iter_from(5).map_while(|word| id(word).ok()).collect();
        let mut words = args.iter_from(5 + ids.len());
        let mut options = ClaimOptions {
            ids,
            idle_since_ms: None,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        };
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("FORCE") {
                options.force = true;
                continue;
            }
            if is("JUSTID") {
                options.just_id = true;
                continue;
            }
            let Some(value) = words.next() else {
                return Err(unknown_option(word));
            };
            let number = |name: &str| {
                let bad = || CmdError::err(format!("Invalid {name} option argument for XCLAIM"));
                integer(value).map_err(|_| bad())
            };
            if is("IDLE") {
                options.idle_since_ms = Some(now_ms.wrapping_sub(number("IDLE")?));
            } else if is("TIME") {
                options.idle_since_ms = Some(number("TIME")?);
            } else if is("RETRYCOUNT") {
                options.deliveries = u64::try_from(number("RETRYCOUNT")?).ok();
            } else if is("LASTID") {
                options.last_id = id(value)?;
            } else {
                return Err(unknown_option(word));
            }
        }
        Ok(options)
    }

    /// The claim that they make. Times in the future cannot be meant, and clients compute them
    /// with clocks of their own; they become the present.
    fn claim(&self, now_ms: i64) -> Claim {
        let since = self
            .idle_since_ms
            .filter(|since| (0..=now_ms).contains(since));
        Claim {
            delivered_ms: since.unwrap_or(now_ms),
            deliveries: match self.deliveries {
                Some(count) => Deliveries::Set(count),
                None if self.just_id => Deliveries::Keep,
                None => Deliveries::CountOne,
            },
        }
    }
}

fn unknown_option(word: &[u8]) -> CmdError {
    wording::quoting("Unrecognized XCLAIM option '", word, "'")
}

fn min_idle_ms(word: &[u8], refusal: &'static str) -> Result<i64, CmdError> {
    let min_idle_ms = integer(word).map_err(|_| CmdError::Fixed(refusal))?;
    Ok(min_idle_ms.max(0))
}

/// Refuses a key or group that does not exist.
fn check_group(ctx: &mut Ctx<'_>, place: &Place<'_>, access: Access) -> CmdResult {
    let stream = ctx.stream(place.key, access)?;
    match stream.and_then(|stream| stream.group(place.group)) {
        Some(_) => Ok(()),
        None => Err(no_key_or_group(place.key, place.group, b"")),
    }
}

/// The group at a place, to change it, and the entries.
fn group_of<'a>(
    found: &'a mut Option<Edit<'_, Box<Stream>>>,
    place: &Place<'_>,
) -> Result<(&'a Log, &'a mut Group), CmdError> {
    let found = found
        .as_mut()
        .and_then(|stream| stream.group_mut(place.group));
    found.ok_or_else(|| no_key_or_group(place.key, place.group, b""))
}

fn xclaim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let place = Place {
        key: &args[1],
        group: &args[2],
    };
    check_group(ctx, &place, Access::Read)?;
    let refusal = "ERR Invalid min-idle-time argument for XCLAIM";
    let min_idle_ms = min_idle_ms(&args[4], refusal)?;
    let now_ms = ctx.now_ms();
    let options = ClaimOptions::parse(args, now_ms)?;
    let claiming = Claiming {
        claim: options.claim(now_ms),
        min_idle_ms,
        just_id: options.just_id,
        now_ms,
    };

    let mut done = Done::default();
    let mut found = ctx.env.edit::<Box<Stream>>(ctx.session, place.key)?;
    let (log, group) = group_of(&mut found, &place)?;
    let moves_on = options.last_id > group.last_id;
    if moves_on {
        group.last_id = options.last_id;
    }
    let claimer = done.claimer(group, &args[3], now_ms);
    let open = ctx.reply.begin_array();
    let mut claimed = 0;
    for &id in &options.ids {
        if log.get(id).is_none() {
            done.forget(group, id);
            continue;
        }
        let is_claimed = match group.pending(id) {
            Some(pending) => claiming.is_due(pending),
            None => options.force,
        };
        if is_claimed {
            claiming.run(ctx.reply, log, group, claimer, id, &mut done);
            claimed += 1;
        }
    }
    ctx.reply.end(open, claimed);
    let (last_id, entries_read) = (group.last_id, group.entries_read);
    drop(found);

    let untold = moves_on && done.told.is_empty();
    done.report(ctx, &place);
    if untold {
        tell_position(ctx, &place, last_id, entries_read);
        ctx.changed(1);
    }
    Ok(())
}

/// The options of `XAUTOCLAIM`.
fn autoclaim_options(args: &Args<'_>) -> Result<(usize, bool), CmdError> {
    let (mut count, mut just_id) = (AUTOCLAIM_COUNT, false);
    let mut words = args.iter_from(6);
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"JUSTID") {
            just_id = true;
            continue;
        }
        let is_count = word.eq_ignore_ascii_case(b"COUNT");
        let value = words.next().filter(|_| is_count).ok_or(CmdError::Syntax)?;
        count = integer(value)
            .ok()
            .filter(|count| (1..=AUTOCLAIM_COUNT_MAX).contains(count))
            .ok_or(CmdError::Fixed("ERR COUNT must be > 0"))? as usize;
    }
    Ok((count, just_id))
}

fn xautoclaim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let place = Place {
        key: &args[1],
        group: &args[2],
    };
    // Bad arguments are complained of first, but the lookup counts all the same.
    ctx.env.lookup(ctx.session, place.key, Access::Read);
    let refusal = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
    let min_idle_ms = min_idle_ms(&args[4], refusal)?;
    let start = range_start(&args[5])?;
    let (count, just_id) = autoclaim_options(args)?;
    check_group(ctx, &place, Access::Write)?;
    let now_ms = ctx.now_ms();
    let claiming = Claiming {
        claim: Claim {
            delivered_ms: now_ms,
            deliveries: if just_id {
                Deliveries::Keep
            } else {
                Deliveries::CountOne
            },
        },
        min_idle_ms,
        just_id,
        now_ms,
    };

    let mut done = Done::default();
    let mut found = ctx.env.edit::<Box<Stream>>(ctx.session, place.key)?;
    let (log, group) = group_of(&mut found, &place)?;
    let claimer = done.claimer(group, &args[3], now_ms);
    let mut walk = Walk {
        next: Some(start),
        looks_left: count * AUTOCLAIM_LOOKS,
    };
    let mut entries = Reply::new(ctx.reply.protocol);
    let (mut claimed, mut deleted) = (0, Vec::new());
    while claimed + deleted.len() < count
        && let Some((id, pending)) = walk.look(group)
    {
        if log.get(id).is_none() {
            done.forget(group, id);
            deleted.push(id);
        } else if claiming.is_due(&pending) {
            claiming.run(&mut entries, log, group, claimer, id, &mut done);
            claimed += 1;
        }
    }
    let cursor = walk.cursor(group);
    drop(found);

    ctx.reply.array(3);
    ctx.reply.bulk(cursor.text());
    ctx.reply.array(claimed);
    ctx.reply.raw(entries.as_bytes());
    ctx.reply.array(deleted.len());
    for id in deleted {
        ctx.reply.bulk(id.text());
    }
    done.report(ctx, &place);
    Ok(())
}

/// A walk over the pending entries of a group, which change meanwhile.
struct Walk {
    /// The id that comes next, or the first one behind it; `None` behind the largest.
    next: Option<StreamId>,
    looks_left: usize,
}

impl Walk {
    fn look(&mut self, group: &Group) -> Option<(StreamId, Pending)> {
        self.looks_left = self.looks_left.checked_sub(1)?;
        let (id, pending) = group.pending_from(self.next?).next()?;
        self.next = id.next();
        Some((id, *pending))
    }

    /// The id from which another walk goes on; zero if there is nothing more.
    fn cursor(&self, group: &Group) -> StreamId {
        let next = self.next.and_then(|next| group.pending_from(next).next());
        next.map_or(StreamId::MIN, |(id, _)| id)
    }
}
