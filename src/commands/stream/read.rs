//! Following streams: `XREAD` for oneself, `XREADGROUP` as a consumer of a group.
//!
//! Both are told for each stream what the caller has seen already. `XREADGROUP` may say `>`
//! instead: what no consumer of the group was given yet; such entries become pending (unless
//! `NOACK`), and replicas are told entry by entry who got them. Any other id there means the
//! consumer's own history, what it was given and has not acknowledged.
//!
//! With `BLOCK`, a command that finds nothing waits and is run again when entries come, or when
//! a group that it reads for goes.

use super::{
    Place, Told, at_most, id, no_key_or_group, reply_entries, reply_entry, see_consumer,
    tell_claim, tell_position,
};
use crate::commands::blocking::{Block, Timeout};
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{
    Acl, Arg, BeginSearch, CommandGroup, FindKeys, Flags, KeyFlags, KeyRef, KeySpec, Row,
};
use crate::data::stream::{ConsumerId, Group, Log, Stream, StreamId};
use crate::keyspace::Type;
use crate::resp::args::{Args, OwnedArgs};
use crate::resp::writer::{Aggregate, Deferred, Protocol, Reply};

/// The keys behind the word `STREAMS`, which may begin at `start_from`; as many ids follow.
const fn keys_behind_streams(start_from: i32) -> KeySpec {
    KeySpec {
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        begin: BeginSearch::Keyword {
            keyword: "STREAMS",
            start_from,
        },
        find: FindKeys::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
        notes: "",
    }
}

const COUNT: Arg = Arg::integer("count").token("COUNT").optional();
const BLOCK: Arg = Arg::integer("milliseconds").token("BLOCK").optional();
const STREAMS: Arg = Arg::block(
    "streams",
    &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()],
)
.token("STREAMS");

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "xread",
        arity: -4,
        flags: Flags::BLOCKING.union(Flags::READONLY),
        acl: Acl::STREAM,
        keys: &[keys_behind_streams(1)],
        get_keys: Some(keys_behind_options),
        group: CommandGroup::Stream,
        since: "5.0.0",
        summary: "Reads the entries of streams behind the given ids, and can wait for some.",
        args: &[COUNT, BLOCK, STREAMS],
        handler: xread,
        ..Row::BASE
    },
    Row {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::BLOCKING.union(Flags::WRITE),
        acl: Acl::STREAM,
        keys: &[keys_behind_streams(4)],
        get_keys: Some(keys_behind_options),
        group: CommandGroup::Stream,
        since: "5.0.0",
        complexity: "O(M) for each stream, with M being the number of entries returned; constant \
                     where COUNT limits it. An XADD that finds N clients waiting serves them in \
                     O(N).",
        summary: "Reads entries of streams as a consumer of a group: new ones, or those that it \
                  was given before.",
        args: &[
            Arg::block(
                "group-block",
                &[Arg::string("group"), Arg::string("consumer")],
            )
            .token("GROUP"),
            COUNT,
            BLOCK,
            Arg::pure("noack", "NOACK").optional(),
            STREAMS,
        ],
        handler: xreadgroup,
        ..Row::BASE
    },
];

/// Finds the keys where `STREAMS` stands at an unusual place, or means something else where it
/// stands first. What is done with them is not told.
fn keys_behind_options(args: &Args<'_>, keys: &mut Vec<KeyRef>) {
    let mut at = 1;
    while let Some(word) = args.get(at) {
        at += match word.to_ascii_lowercase().as_slice() {
            b"block" | b"count" => 2,
            b"group" => 3,
            b"noack" => 1,
            b"streams" => {
                let rest = at + 1..args.len();
                if rest.len().is_multiple_of(2) {
                    keys.extend(rest.clone().take(rest.len() / 2).map(|index| KeyRef {
                        index,
                        flags: KeyFlags::default(),
                    }));
                }
                return;
            }
            _ => return,
        };
    }
}

/// What was asked, but for the ids.
struct ReadOptions {
    /// How long to wait, if at all.
    timeout: Option<Timeout>,
    /// The most entries of each stream; 0 for all.
    count: usize,
    /// Which arguments are the group and the consumer.
    group: Option<(usize, usize)>,
    /// Whether entries are not to become pending.
    no_ack: bool,
    /// Which argument is the first key.
    first_key: usize,
    /// The number of keys, and of ids behind them.
    keys: usize,
}

/// From where on a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Behind this id.
    Behind(StreamId),
    /// What no consumer of the group was given yet.
    Undelivered,
}

impl ReadOptions {
    fn parse(ctx: &Ctx<'_>, args: &Args<'_>, for_group: bool) -> Result<ReadOptions, CmdError> {
        let mut options = ReadOptions {
            timeout: None,
            count: 0,
            group: None,
            no_ack: false,
            first_key: 0,
            keys: 0,
        };
        let mut at = 1;
        while let Some(word) = args.get(at) {
            let more = args.len() - at - 1;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("BLOCK") && more > 0 {
                at += 1;
                if ctx.session.in_script {
                    let text = " command is not allowed with BLOCK option from scripts";
                    return Err(CmdError::err([&args[0], text.as_bytes()].concat()));
                }
                options.timeout = Some(Timeout::parse_ms(&args[at], ctx.now_ms())?);
            } else if is("COUNT") && more > 0 {
                at += 1;
                options.count = usize::try_from(integer(&args[at])?).unwrap_or(0);
            } else if is("STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(unbalanced(for_group));
                }
                options.first_key = at + 1;
                options.keys = more / 2;
                break;
            } else if is("GROUP") && more >= 2 {
                only_for_groups(for_group, "GROUP")?;
                options.group = Some((at + 1, at + 2));
                at += 2;
            } else if is("NOACK") {
                only_for_groups(for_group, "NOACK")?;
                options.no_ack = true;
            } else {
                return Err(CmdError::Syntax);
            }
            at += 1;
        }
        if options.keys == 0 {
            return Err(CmdError::Syntax);
        }
        if for_group && options.group.is_none() {
            return Err(CmdError::Fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    /// The keys, and the ids that belong to them.
    fn streams<'a>(&self, args: &'a Args<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        let (first, keys) = (self.first_key, self.keys);
        (first..first + keys).map(move |at| (&args[at], &args[at + keys]))
    }

    /// The same words, with these ids.
    fn with_ids(&self, args: &Args<'_>, ids: &[StreamId]) -> OwnedArgs {
        let first_id = self.first_key + self.keys;
        let mut argv: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
        for (word, id) in argv[first_id..].iter_mut().zip(ids) {
            *word = id.text().as_ref().to_vec();
        }
        OwnedArgs::new(argv)
    }
}

/// There was nothing to read: waits if asked to, and says that there was nothing otherwise.
fn wait_or_give_up(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    options: &ReadOptions,
    argv: Option<OwnedArgs>,
    on_deletion: bool,
) -> CmdResult {
    if let Some(timeout) = options.timeout {
        let block = Block {
            wants: Type::Stream,
            timeout,
            on_deletion,
            argv,
        };
        if ctx.block(block, options.streams(args).map(|(key, _)| key)) {
            return Ok(());
        }
    }
    ctx.reply.null_array();
    Ok(())
}

fn only_for_groups(for_group: bool, option: &str) -> CmdResult {
    if for_group {
        return Ok(());
    }
    Err(CmdError::err(format!(
        "The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

fn unbalanced(for_group: bool) -> CmdError {
    let (name, special) = if for_group {
        ("xreadgroup", '>')
    } else {
        ("xread", '$')
    };
    CmdError::err(format!(
        "Unbalanced '{name}' list of streams: for each stream key an ID or '{special}' must be \
         specified."
    ))
}

fn xread(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = ReadOptions::parse(ctx, args, false)?;
    let from = options
        .streams(args)
        .map(|(key, word)| start_alone(ctx, key, word))
        .collect::<Result<Vec<_>, _>>()?;

    let mut replied = Streams::default();
    for ((key, _), &behind) in options.streams(args).zip(&from) {
        let found = ctx
            .env
            .collection::<Box<Stream>>(ctx.session, key, Access::Read)?;
        let Some(log) = found.map(Stream::log) else {
            continue;
        };
        if log.last_entry_id().is_some_and(|last| last > behind) {
            let start = behind.next().unwrap_or(StreamId::MAX);
            replied.next(ctx.reply, key);
            reply_entries(ctx.reply, log.range(start, StreamId::MAX), options.count);
        }
    }
    if replied.end(ctx.reply) {
        return Ok(());
    }
    // By the time that the client is served, `$` would mean something else.
    let at_once = options.streams(args).all(|(_, word)| word != b"$");
    let argv = (!at_once).then(|| options.with_ids(args, &from));
    wait_or_give_up(ctx, args, &options, argv, false)
}

/// The id behind which `XREAD` reads.
fn start_alone(ctx: &mut Ctx<'_>, key: &[u8], word: &[u8]) -> Result<StreamId, CmdError> {
    let stream = ctx.stream(key, Access::Read)?;
    match word {
        b"$" => Ok(stream.map_or(StreamId::MIN, |stream| stream.log().last_id())),
        b">" => Err(CmdError::Fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
             <consumer> option.",
        )),
        _ => id(word),
    }
}

fn xreadgroup(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = ReadOptions::parse(ctx, args, true)?;
    let (group, consumer) = options.group.expect("the option was asked for");
    let (group, consumer) = (&args[group], &args[consumer]);
    let from = options
        .streams(args)
        .map(|(key, word)| start_in_group(ctx, key, group, word))
        .collect::<Result<Vec<_>, _>>()?;

    // What is told to replicas is told here; the words of the client would not do.
    ctx.propagate_nothing();
    let mut replied = Streams::default();
    for ((key, _), &from) in options.streams(args).zip(&from) {
        let place = Place { key, group };
        read_in_group(ctx, &place, consumer, from, &options, &mut replied)?;
    }
    if replied.end(ctx.reply) {
        return Ok(());
    }
    wait_or_give_up(ctx, args, &options, None, true)
}

/// From where on `XREADGROUP` reads.
fn start_in_group(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    group: &[u8],
    word: &[u8],
) -> Result<Start, CmdError> {
    let stream = ctx.stream(key, Access::Read)?;
    if stream.and_then(|stream| stream.group(group)).is_none() {
        return Err(no_key_or_group(
            key,
            group,
            b" in XREADGROUP with GROUP option",
        ));
    }
    match word {
        b">" => Ok(Start::Undelivered),
        b"$" => Err(CmdError::Fixed(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
             history of this consumer by specifying a proper ID, or use the > ID to get new \
             messages. The $ ID would just return an empty result set.",
        )),
        // Nothing is behind the largest id, which the reference takes for `>`.
        _ => Ok(match id(word)? {
            StreamId::MAX => Start::Undelivered,
            id => Start::Behind(id),
        }),
    }
}

/// Reads one stream as a consumer, who is created if there is none of that name.
fn read_in_group(
    ctx: &mut Ctx<'_>,
    place: &Place<'_>,
    name: &[u8],
    from: Start,
    options: &ReadOptions,
    replied: &mut Streams,
) -> CmdResult {
    let now_ms = ctx.now_ms();
    let told = ctx.env.wants_changes();
    // It changes the group, but counts as a read, beside the one of the check before.
    ctx.env.lookup(ctx.session, place.key, Access::Read);
    let Some(mut stream) = ctx.env.edit::<Box<Stream>>(ctx.session, place.key)? else {
        return Ok(());
    };
    let Some((log, group)) = stream.group_mut(place.group) else {
        return Ok(());
    };
    let (consumer, is_new) = see_consumer(group, name, now_ms);

    let has_news = log.last_entry_id().is_some_and(|last| last > group.last_id);
    let mut delivery = Delivery {
        told: told.then(Vec::new),
        ..Delivery::default()
    };
    let serves = from != Start::Undelivered || has_news;
    if serves {
        replied.next(ctx.reply, place.key);
        match from {
            Start::Behind(id) => {
                reply_history(ctx.reply, log, group, consumer, id, options, now_ms)
            }
            Start::Undelivered => {
                let to = Reader {
                    consumer,
                    now_ms,
                    no_ack: options.no_ack,
                };
                delivery.run(ctx.reply, log, group, to, options.count);
            }
        }
    }
    let (last_id, entries_read) = (group.last_id, group.entries_read);
    drop(stream);

    if is_new {
        ctx.changed(1);
        ctx.notify(Class::STREAM, "xgroup-createconsumer", place.key);
        if options.no_ack {
            tell_consumer(ctx, place, name);
        }
    }
    for told in delivery.told.iter().flatten() {
        tell_claim(ctx, place, name, told);
    }
    if options.no_ack && delivery.advanced {
        tell_position(ctx, place, last_id, entries_read);
    }
    if serves {
        ctx.changed(1);
    }
    Ok(())
}

/// Tells replicas of a consumer that nothing else tells them of.
fn tell_consumer(ctx: &mut Ctx<'_>, place: &Place<'_>, name: &[u8]) {
    ctx.propagate_instead(&[b"XGROUP", b"CREATECONSUMER", place.key, place.group, name]);
}

/// Who gets entries.
struct Reader {
    consumer: ConsumerId,
    now_ms: i64,
    no_ack: bool,
}

/// What came of giving new entries to a consumer.
#[derive(Default)]
struct Delivery {
    /// What replicas have to be told, if there are any.
    told: Option<Vec<Told>>,
    /// Whether the group has read on.
    advanced: bool,
}

impl Delivery {
    /// Replies with up to `count` entries that the group has not read yet.
    fn run(&mut self, reply: &mut Reply, log: &Log, group: &mut Group, to: Reader, count: usize) {
        let start = group.last_id.next().unwrap_or(StreamId::MAX);
        let open = reply.begin_array();
        let mut delivered = 0;
        for entry in log.range(start, StreamId::MAX).take(at_most(count)) {
            self.advanced |= group.advance(log, entry.id);
            reply_entry(reply, &entry);
            delivered += 1;
            if to.no_ack {
                continue;
            }
            let pending = group.deliver(entry.id, to.consumer, to.now_ms);
            if let Some(told) = &mut self.told {
                told.push(Told {
                    id: entry.id,
                    pending,
                    group_last_id: group.last_id,
                });
            }
        }
        reply.end(open, delivered);
    }
}

/// Replies with what a consumer was given before and has not acknowledged, behind an id.
fn reply_history(
    reply: &mut Reply,
    log: &Log,
    group: &mut Group,
    consumer: ConsumerId,
    behind: StreamId,
    options: &ReadOptions,
    now_ms: i64,
) {
    let start = behind.next().unwrap_or(StreamId::MIN);
    let pending = group.consumer(consumer).pending_from(start);
    let ids: Vec<StreamId> = pending.take(at_most(options.count)).collect();
    reply.array(ids.len());
    for id in ids {
        match log.get(id) {
            Some(entry) => {
                reply_entry(reply, &entry);
                group.deliver_again(id, now_ms);
            }
            None => {
                reply.array(2);
                reply.bulk(id.text());
                reply.null_array();
            }
        }
    }
}

/// The reply of several streams, of which those without entries are left out.
#[derive(Default)]
struct Streams {
    open: Option<Deferred>,
    len: usize,
}

impl Streams {
    /// The entries of this stream come next.
    fn next(&mut self, reply: &mut Reply, key: &[u8]) {
        if self.open.is_none() {
            self.open = Some(reply.begin(match reply.protocol {
                Protocol::Resp2 => Aggregate::Array,
                Protocol::Resp3 => Aggregate::Map,
            }));
        }
        self.len += 1;
        if reply.protocol == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// No more streams; says whether there was one.
    fn end(self, reply: &mut Reply) -> bool {
        let any = self.open.is_some();
        if let Some(open) = self.open {
            reply.end(open, self.len);
        }
        any
    }
}
