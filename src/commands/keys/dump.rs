//! Values as bytes: `DUMP` gives one as a payload, `RESTORE` makes a key of a payload.
//!
//! Payloads come from anybody. They are checked to the last byte whatever `sanitize-dump-payload`
//! says; the setting only decides whether `INFO` counts them as checked.

use crate::commands::context::{CmdResult, Ctx};
use crate::commands::deadline::has_passed;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::lookup::Access;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::session::Kind;
use crate::commands::unit::deletion_verb;
use crate::config::SanitizeDumpPayload;
use crate::keyspace::access::{lfu_bits, lru_bits_from_idle};
use crate::keyspace::{NewValue, ValueRef};
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::format::Version;
use crate::persist::rdb::payload::{self, PayloadError};
use crate::resp::args::Args;

/// What the rows of `RESTORE` have in common.
const RESTORE: Row = Row {
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::KEYSPACE.union(Acl::DANGEROUS),
    keys: &[KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE))],
    complexity: "O(N*M) to make the value, N being the number of its parts and M their mean size; \
                 O(N*M*log(N)) for a sorted set.",
    history: &[
        ("3.0.0", "`REPLACE` came."),
        ("5.0.0", "`ABSTTL` came."),
        ("5.0.0", "`IDLETIME` and `FREQ` came."),
    ],
    args: &[
        Arg::key("key", 0),
        Arg::integer("ttl"),
        Arg::string("serialized-value"),
        Arg::pure("replace", "REPLACE").since("3.0.0").optional(),
        Arg::pure("absttl", "ABSTTL").since("5.0.0").optional(),
        Arg::integer("seconds")
            .token("IDLETIME")
            .since("5.0.0")
            .optional(),
        Arg::integer("frequency")
            .token("FREQ")
            .since("5.0.0")
            .optional(),
    ],
    handler: restore,
    ..Row::BASE
};

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "dump",
        arity: 2,
        flags: Flags::READONLY,
        acl: Acl::KEYSPACE,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.6.0",
        complexity: "O(N*M), N being the number of the value's parts and M their mean size.",
        summary: "Gives the value under a key as bytes, for RESTORE.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0)],
        handler: dump,
        ..Row::BASE
    },
    Row {
        name: "restore",
        since: "2.6.0",
        summary: "Makes a key of what DUMP gave.",
        ..RESTORE
    },
    Row {
        name: "restore-asking",
        group: CommandGroup::Server,
        since: "3.0.0",
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ASKING),
        summary: "Takes over a key that moves within a cluster.",
        syscmd: true,
        ..RESTORE
    },
];

/// The payload of a value, for servers that `rdb-version` is for.
pub fn payload_of(env: &Env, value: ValueRef<'_>) -> Vec<u8> {
    payload::dump(value, payload_options(env))
}

/// How payloads are written.
pub fn payload_options(env: &Env) -> EncoderOptions {
    EncoderOptions {
        version: Version::from_number(env.config.rdb_version),
        compression: env.config.rdbcompression,
        checksum: false,
    }
}

fn dump(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    if ctx.env.lookup(ctx.session, key, Access::Read).is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let found = ctx.env.keyspace.db(ctx.session.db).get(key);
    let found = found.expect("the key was found above");
    ctx.reply.bulk(payload_of(ctx.env, found.value()));
    Ok(())
}

/// How much a restored key shall have been used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Usage {
    AsNew,
    IdleSeconds(i64),
    Frequency(u8),
}

/// The words behind the payload.
struct Options {
    replace: bool,
    absolute: bool,
    usage: Usage,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, CmdError> {
        let mut options = Options {
            replace: false,
            absolute: false,
            usage: Usage::AsNew,
        };
        let mut words = args.iter_from(4);
        while let Some(word) = words.next() {
            let named = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if named(b"REPLACE") {
                options.replace = true;
            } else if named(b"ABSTTL") {
                options.absolute = true;
            } else if named(b"IDLETIME") && !matches!(options.usage, Usage::Frequency(_)) {
                let seconds = integer(words.next().ok_or(CmdError::Syntax)?)?;
                if seconds < 0 {
                    return Err(CmdError::err("Invalid IDLETIME value, must be >= 0"));
                }
                options.usage = Usage::IdleSeconds(seconds);
            } else if named(b"FREQ") && !matches!(options.usage, Usage::IdleSeconds(_)) {
                let count = integer(words.next().ok_or(CmdError::Syntax)?)?;
                let count = u8::try_from(count)
                    .map_err(|_| CmdError::err("Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.usage = Usage::Frequency(count);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }
}

fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let options = Options::parse(args)?;
    let key = &args[1];
    if !options.replace && ctx.env.lookup(ctx.session, key, Access::Write).is_some() {
        return Err(CmdError::Fixed("BUSYKEY Target key name already exists."));
    }
    let ttl = integer(&args[2])?;
    if ttl < 0 {
        return Err(CmdError::err("Invalid TTL value, must be >= 0"));
    }
    let value = read_payload(ctx, &args[3])?;

    let lazily = ctx.env.config.lazyfree_lazy_server_del;
    let old = match options.replace {
        true => ctx.db().remove(key),
        false => None,
    };
    let replaced = old.is_some();
    ctx.env.discard(old, lazily);
    let expire_at = match (ttl, options.absolute) {
        (0, _) => None,
        (at, true) => Some(at),
        (ttl, false) => Some(ttl.saturating_add(ctx.now_ms())),
    };
    if expire_at.is_some_and(|at| has_passed(ctx.env, at)) {
        if replaced {
            ctx.wrote(Class::GENERIC, "del", key);
            ctx.propagate_instead(&[deletion_verb(lazily), key]);
        }
        ctx.reply.ok();
        return Ok(());
    }
    add(ctx, key, value, expire_at, options.usage);
    if let Some(at) = expire_at
        && !options.absolute
    {
        propagate_deadline(ctx, args, at);
    }
    ctx.reply.ok();
    Ok(())
}

/// Makes a value of a payload.
fn read_payload<'a>(ctx: &mut Ctx<'_>, bytes: &'a [u8]) -> Result<NewValue<'a>, CmdError> {
    let limits = ctx.env.loading_limits();
    let verify_checksum = !ctx.env.skip_checksums;
    let value = payload::restore(bytes, &limits, verify_checksum);
    let is_sanitized = match ctx.env.config.sanitize_dump_payload {
        SanitizeDumpPayload::No => false,
        SanitizeDumpPayload::Yes => true,
        SanitizeDumpPayload::Clients => {
            let skips = ctx.session.user.rights().skip_sanitize;
            ctx.session.kind != Kind::Master && !skips
        }
    };
    if is_sanitized && matches!(value, Ok(NewValue::Object(_) | NewValue::Packed { .. })) {
        ctx.env.stats.payloads_sanitized += 1;
    }
    value.map_err(|error| {
        if let PayloadError::Value(reason) = &error {
            log::debug!("A payload could not be restored: {reason}");
        }
        CmdError::err(error.to_string())
    })
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], value: NewValue<'_>, expire_at: Option<i64>, usage: Usage) {
    let (now_ms, is_lfu) = (ctx.now_ms(), ctx.env.config.maxmemory_policy.is_lfu());
    ctx.adding(key);
    let entry = ctx.db().set(key, value, expire_at);
    match usage {
        Usage::Frequency(count) if is_lfu => entry.set_access(lfu_bits(count, now_ms)),
        Usage::IdleSeconds(seconds) if !is_lfu => {
            entry.set_access(lru_bits_from_idle(seconds.saturating_mul(1000), now_ms));
        }
        _ => {}
    }
    ctx.got_expiry(ctx.session.db, key);
    ctx.wrote(Class::GENERIC, "restore", key);
}

/// Replicas get the time at which the key expires instead of how long it lives.
fn propagate_deadline(ctx: &mut Ctx<'_>, args: &Args<'_>, at: i64) {
    if !ctx.env.wants_changes() {
        return;
    }
    let mut text = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = args.iter_from(0).collect();
    words[2] = text.format(at).as_bytes();
    words.push(b"ABSTTL");
    ctx.propagate_instead(&words);
}
