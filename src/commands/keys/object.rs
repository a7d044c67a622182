//! `OBJECT`: how values are kept, and how recently or often they were used. None of its
//! subcommands counts as use.
//!
//! Values here have no reference count: an entry has one owner. `OBJECT REFCOUNT` answers what the
//! reference would all the same, which keeps one shared object for each of the
//! [`SHARED_INTEGERS`] unless the eviction policy needs an access time for each key.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::row::{Acl, Arg, Flags, KeyFlags, KeySpec, Row};
use crate::commands::session::Session;
use crate::commands::wording::{self, int_or_null};
use crate::config::MaxmemoryPolicy;
use crate::keyspace::{Entry, StringRef, ValueRef, access};
use crate::resp::args::Args;

/// What the subcommands that look at a key have in common.
const SUB: Row = Row {
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[KeySpec::range(KeyFlags::RO, 2, 0, 1)],
    since: "2.2.3",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key", 0)],
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "object",
    arity: -2,
    since: "2.2.3",
    complexity: "That of the subcommand.",
    summary: "A container for commands that look inside a value.",
    subcommands: &[
        Row {
            name: "encoding",
            summary: "Tells how a value is represented in memory.",
            handler: encoding,
            ..SUB
        },
        Row {
            name: "freq",
            since: "4.0.0",
            summary: "Tells the logarithmic counter of a value's use.",
            handler: freq,
            ..SUB
        },
        Row {
            name: "idletime",
            summary: "Tells for how long a value has not been used.",
            handler: idletime,
            ..SUB
        },
        Row {
            name: "refcount",
            summary: "Tells how often a value is referred to.",
            handler: refcount,
            ..SUB
        },
        Row {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            acl: Acl::KEYSPACE,
            since: "6.2.0",
            complexity: "O(1)",
            summary: "Explains the subcommands.",
            handler: help,
            ..Row::BASE
        },
    ],
    ..Row::BASE
}];

/// Integers of which the reference keeps one shared object each.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

/// The reference count of a shared object.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;

fn encoding(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    match look(ctx.env, ctx.session, args) {
        Some(entry) => ctx.reply.bulk(entry.encoding().name()),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn refcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let settings = &ctx.env.config;
    let policy = settings.maxmemory_policy;
    let times_each = policy.is_lfu()
        || matches!(
            policy,
            MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::AllkeysLru
        );
    let shares = settings.maxmemory == 0 || !times_each;
    let count = look(ctx.env, ctx.session, args).map(|entry| match entry.value() {
        ValueRef::String(StringRef::Int(int)) if shares && SHARED_INTEGERS.contains(&int) => {
            SHARED_REFCOUNT
        }
        _ => 1,
    });
    int_or_null(ctx.reply, count);
    Ok(())
}

fn idletime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now_ms = ctx.now_ms();
    let idle_s = look(ctx.env, ctx.session, args)
        .map(|entry| access::lru_idle_ms(entry.access(), now_ms) / 1000);
    if idle_s.is_some() && ctx.env.config.maxmemory_policy.is_lfu() {
        return Err(CmdError::Fixed(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    int_or_null(ctx.reply, idle_s.map(|s| s as i64));
    Ok(())
}

fn freq(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let now_ms = ctx.now_ms();
    let tuning = ctx.env.lfu_tuning();
    let count = look(ctx.env, ctx.session, args)
        .map(|entry| access::lfu_count(entry.access(), tuning, now_ms));
    if count.is_some() && !ctx.env.config.maxmemory_policy.is_lfu() {
        return Err(CmdError::Fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take some \
             time to adjust.",
        ));
    }
    int_or_null(ctx.reply, count.map(i64::from));
    Ok(())
}

fn look<'e>(env: &'e mut Env, session: &Session, args: &Args<'_>) -> Option<Entry<'e>> {
    env.lookup(session, &args[2], Access::Inspect)
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(
        ctx,
        args,
        &[
            "ENCODING <key>",
            "    Tell how the value of <key> is represented in memory.",
            "FREQ <key>",
            "    Tell how often <key> is used: the logarithmic counter of the LFU policies.",
            "IDLETIME <key>",
            "    Tell for about how many seconds <key> has not been used.",
            "REFCOUNT <key>",
            "    Tell how often the value of <key> is referred to.",
        ],
    )
}
