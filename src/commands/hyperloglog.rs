//! HyperLogLog: the commands of the reference's `hyperloglog` group, on ordinary strings.
//!
//! `PFCOUNT` of one key reads, and yet may write: the estimate is kept in the string, which is a
//! change of a value like any other and goes to replicas.

use super::context::{Access, CmdResult, Ctx};
use super::error::CmdError;
use super::events::Class;
use super::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use super::wording;
use crate::data::hyperloglog::{self, Hll, HllEncoding, HllError, HllRef, REGISTERS, Union};
use crate::keyspace::{self, Entry, NewValue};
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "pfadd",
        arity: -2,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HYPERLOGLOG,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        group: CommandGroup::Hyperloglog,
        since: "2.8.9",
        complexity: "O(1) for each element.",
        summary: "Shows elements to a HyperLogLog; a key that does not exist counts as one that \
            has seen none.",
        args: &[
            Arg::key("key", 0),
            Arg::string("element").multiple().optional(),
        ],
        handler: pfadd,
        ..Row::BASE
    },
    Row {
        name: "pfcount",
        arity: -2,
        flags: Flags::READONLY.union(Flags::MAY_REPLICATE),
        acl: Acl::HYPERLOGLOG,
        keys: &[
            KeySpec::range(KeyFlags::RW.union(KeyFlags::ACCESS), 1, -1, 1)
                .notes("Writes when it keeps a new estimate, which replicas get as well."),
        ],
        group: CommandGroup::Hyperloglog,
        since: "2.8.9",
        complexity: "O(1) for one key, much less where its estimate is kept; O(N) for N keys, \
            each costing much more than a single one.",
        summary: "Estimates how many different elements some HyperLogLogs have seen together.",
        args: &[Arg::key("key", 0).multiple()],
        handler: pfcount,
        ..Row::BASE
    },
    Row {
        name: "pfmerge",
        arity: -2,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::HYPERLOGLOG,
        keys: &[
            KeySpec::first(KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::INSERT)),
            KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 2, -1, 1),
        ],
        group: CommandGroup::Hyperloglog,
        since: "2.8.9",
        complexity: "O(N), N being the number of keys, each of which costs much.",
        summary: "Makes a HyperLogLog one that has seen what the others have as well.",
        args: &[
            Arg::key("destkey", 0),
            Arg::key("sourcekey", 1).multiple().optional(),
        ],
        handler: pfmerge,
        ..Row::BASE
    },
    Row {
        name: "pfdebug",
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ADMIN),
        acl: Acl::HYPERLOGLOG,
        keys: &[KeySpec::range(
            KeyFlags::RW.union(KeyFlags::ACCESS),
            2,
            0,
            1,
        )],
        group: CommandGroup::Hyperloglog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "Shows the inside of a HyperLogLog.",
        syscmd: true,
        args: &[Arg::string("subcommand"), Arg::key("key", 0)],
        handler: pfdebug,
        ..Row::BASE
    },
    Row {
        name: "pfselftest",
        arity: 1,
        flags: Flags::ADMIN,
        acl: Acl::HYPERLOGLOG,
        group: CommandGroup::Hyperloglog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "Tests the registers and estimates of HyperLogLogs.",
        syscmd: true,
        handler: pfselftest,
        ..Row::BASE
    },
];

impl From<HllError> for CmdError {
    fn from(error: HllError) -> CmdError {
        CmdError::Fixed(match error {
            HllError::NotOne => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            HllError::Corrupt => "INVALIDOBJ Corrupted HLL object detected",
        })
    }
}

fn pfadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let sparse_bytes_max = ctx.env.config.hll_sparse_max_bytes;
    let (mut hll, is_new) = open_or_new(ctx, key)?;
    let mut changes = u64::from(is_new);
    for element in args.iter_from(2) {
        changes += u64::from(hll.add(element, sparse_bytes_max)?);
    }
    if changes > 0 {
        hll.invalidate();
        ctx.touched(key);
        ctx.notify(Class::STRING, "pfadd", key);
        ctx.changed(changes);
    }
    ctx.reply.int(i64::from(changes > 0));
    Ok(())
}

fn pfcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let count = if args.len() == 2 {
        count_one(ctx, &args[1])?
    } else {
        let mut union = Union::default();
        for key in args.iter_from(1) {
            add_to_union(ctx, key, &mut union)?;
        }
        union.estimate()
    };
    ctx.reply.int(count as i64);
    Ok(())
}

/// The estimate of one key: the one that it keeps, or a new one to be kept.
fn count_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<u64, CmdError> {
    let Some(entry) = ctx.env.lookup_string(ctx.session, key, Access::Read)? else {
        return Ok(0);
    };
    let cached = look(entry, |hll| Ok(hll.cached()))?;
    if let Some(count) = cached
        && entry.encoding() == keyspace::Encoding::Raw
    {
        return Ok(count);
    }
    let mut hll = open_mut(ctx, key)?;
    if let Some(count) = cached {
        return Ok(count);
    }
    let count = hll.as_ref().estimate()?;
    hll.cache(count);
    ctx.touched(key);
    ctx.changed(1);
    Ok(count)
}

fn pfmerge(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let sparse_bytes_max = ctx.env.config.hll_sparse_max_bytes;
    let mut union = Union::default();
    let mut any_dense = false;
    for key in args.iter_from(1) {
        any_dense |= add_to_union(ctx, key, &mut union)? == Some(HllEncoding::Dense);
    }
    let (mut hll, _) = open_or_new(ctx, key)?;
    if any_dense {
        hll.make_dense()?;
    }
    hll.raise_all(&union, sparse_bytes_max)?;
    hll.invalidate();
    ctx.wrote(Class::STRING, "pfadd", key);
    ctx.reply.ok();
    Ok(())
}

fn pfdebug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[2];
    let Some(entry) = ctx.env.lookup_string(ctx.session, key, Access::Write)? else {
        return Err(CmdError::Fixed("ERR The specified key does not exist"));
    };
    let (encoding, runs) = look(entry, |hll| Ok((hll.encoding(), hll.runs_as_text())))?;
    match args[1].to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let mut hll = open_mut(ctx, key)?;
            let converted = hll.make_dense()?;
            let registers: Vec<u8> = hll.dense_registers().collect();
            ctx.changed(u64::from(converted));
            ctx.reply.array(REGISTERS);
            for value in registers {
                ctx.reply.int(value.into());
            }
        }
        b"decode" if encoding == HllEncoding::Sparse => ctx.reply.bulk(runs),
        b"decode" => return Err(CmdError::Fixed("ERR HLL encoding is not sparse")),
        b"encoding" => ctx.reply.simple(match encoding {
            HllEncoding::Dense => "dense",
            HllEncoding::Sparse => "sparse",
        }),
        b"todense" => {
            let converted = open_mut(ctx, key)?.make_dense()?;
            ctx.changed(u64::from(converted));
            ctx.reply.int(i64::from(converted));
        }
        _ => {
            return Err(wording::quoting(
                "Unknown PFDEBUG subcommand '",
                &args[1],
                "'",
            ));
        }
    }
    Ok(())
}

fn pfselftest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let sparse_bytes_max = ctx.env.config.hll_sparse_max_bytes;
    hyperloglog::self_test(&mut ctx.env.rng, sparse_bytes_max).map_err(CmdError::err)?;
    ctx.reply.ok();
    Ok(())
}

/// Looks into an entry.
fn look<R>(
    entry: Entry<'_>,
    look: impl FnOnce(HllRef<'_>) -> Result<R, HllError>,
) -> Result<R, CmdError> {
    let seen = entry
        .string()
        .with_bytes(|string| HllRef::open(string).and_then(look))?;
    Ok(seen)
}

/// Takes a key into a union, if it exists; tells how its registers are kept.
fn add_to_union(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    union: &mut Union,
) -> Result<Option<HllEncoding>, CmdError> {
    let Some(entry) = ctx.env.lookup_string(ctx.session, key, Access::Read)? else {
        return Ok(None);
    };
    let encoding = look(entry, |hll| union.add(hll).map(|()| hll.encoding()))?;
    Ok(Some(encoding))
}

/// Opens a key for changing it, and tells whether it had to be made first.
fn open_or_new<'c>(ctx: &'c mut Ctx<'_>, key: &[u8]) -> Result<(Hll<'c>, bool), CmdError> {
    let found = ctx.env.lookup_string(ctx.session, key, Access::Write)?;
    let is_new = found.is_none();
    match found {
        Some(entry) => look(entry, |_| Ok(()))?,
        None => {
            let new = NewValue::RawBytes(&hyperloglog::new());
            ctx.adding(key);
            ctx.db().set(key, new, None);
        }
    }
    Ok((open_mut(ctx, key)?, is_new))
}

/// Opens a key that was looked up for changing it.
fn open_mut<'c>(ctx: &'c mut Ctx<'_>, key: &[u8]) -> Result<Hll<'c>, CmdError> {
    let string = ctx.db().string_mut(key).expect("the key was found above");
    Ok(Hll::open(string)?)
}

#[cfg(test)]
#[path = "hyperloglog_tests.rs"]
mod tests;
