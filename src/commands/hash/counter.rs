//! Fields that count.
//!
//! What replicas get for a fraction is the outcome, so that no difference in rounding can add up
//! between servers.

use crate::base::longdouble::LongDouble;
use crate::commands::context::{CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::{add_fraction, integer};
use crate::commands::row::{Acl, Arg, ArgKind, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::hash::Hash;
use crate::data::listpack::Element;
use crate::resp::args::Args;

/// What a counting field is to its key.
const COUNTED: &[KeySpec] = &[KeySpec::first(
    KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
)];

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "hincrby",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HASH,
        keys: COUNTED,
        group: CommandGroup::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Adds to the integer in a field of a hash; a field that does not exist counts \
            as 0.",
        args: &[
            Arg::key("key", 0),
            Arg::string("field"),
            Arg::integer("increment"),
        ],
        handler: hincrby,
        ..Row::BASE
    },
    Row {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        acl: Acl::HASH,
        keys: COUNTED,
        group: CommandGroup::Hash,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Adds to the floating point number in a field of a hash; a field that does not \
            exist counts as 0.",
        args: &[
            Arg::key("key", 0),
            Arg::string("field"),
            Arg::new("increment", ArgKind::Double),
        ],
        handler: hincrbyfloat,
        ..Row::BASE
    },
];

fn hincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let by = integer(&args[3])?;
    let (key, field) = (&args[1], &args[2]);
    let limits = ctx.env.hash_limits();
    ctx.adding(key);
    let mut hash = ctx.edit_or_new::<Hash>(key)?;
    let old = match hash.as_ref().get(field) {
        None => 0,
        Some(value) => value
            .as_int()
            .ok_or(CmdError::Fixed("ERR hash value is not an integer"))?,
    };
    let new = old.checked_add(by).ok_or(CmdError::Overflow)?;
    hash.set(field, itoa::Buffer::new().format(new).as_bytes(), &limits);
    hash.finish();
    ctx.wrote(Class::HASH, "hincrby", key);
    ctx.reply.int(new);
    Ok(())
}

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let by = LongDouble::parse(&args[3]).ok_or(CmdError::NotFloat)?;
    if !by.is_finite() {
        return Err(CmdError::Fixed("ERR value is NaN or Infinity"));
    }
    let (key, field) = (&args[1], &args[2]);
    let limits = ctx.env.hash_limits();
    ctx.adding(key);
    let mut hash = ctx.edit_or_new::<Hash>(key)?;
    let old = match hash.as_ref().get(field) {
        None => LongDouble::from(0),
        Some(Element::Int(int)) => LongDouble::from(int),
        Some(Element::Bytes(text)) => {
            LongDouble::parse(text).ok_or(CmdError::Fixed("ERR hash value is not a float"))?
        }
    };
    let text = add_fraction(old, by)?;
    hash.set(field, &text, &limits);
    hash.finish();
    ctx.wrote(Class::HASH, "hincrbyfloat", key);
    ctx.propagate_instead(&[b"HSET", key, field, &text]);
    ctx.reply.bulk(&text);
    Ok(())
}
