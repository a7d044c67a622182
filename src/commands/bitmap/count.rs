//! Bits counted and found: `BITCOUNT` and `BITPOS`.
//!
//! Both take a range in bytes or in bits, with both ends included and negative numbers counted
//! from the end. Which mistake in the arguments is named first, and that a key that does not exist
//! hides all of them, is the reference's doing.

use std::ops::Range;

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::bits;
use crate::resp::args::Args;

/// The two units of a range.
const UNITS: &[Arg] = &[Arg::pure("byte", "BYTE"), Arg::pure("bit", "BIT")];

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "bitcount",
        arity: -2,
        flags: Flags::READONLY,
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Bitmap,
        since: "2.6.0",
        complexity: "O(N), N being the length of the range.",
        summary: "Counts the bits of a string that are set.",
        history: &[("7.0.0", "The units `BYTE` and `BIT`.")],
        args: &[
            Arg::key("key", 0),
            Arg::block(
                "range",
                &[
                    Arg::integer("start"),
                    Arg::integer("end"),
                    Arg::one_of("unit", UNITS).since("7.0.0").optional(),
                ],
            )
            .optional(),
        ],
        handler: bitcount,
        ..Row::BASE
    },
    Row {
        name: "bitpos",
        arity: -3,
        flags: Flags::READONLY,
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Bitmap,
        since: "2.8.7",
        complexity: "O(N), N being the length of the range.",
        summary: "Finds the first bit of a string that is set, or that is clear.",
        history: &[("7.0.0", "The units `BYTE` and `BIT`.")],
        args: &[
            Arg::key("key", 0),
            Arg::integer("bit"),
            Arg::block(
                "range",
                &[
                    Arg::integer("start"),
                    Arg::block(
                        "end-unit-block",
                        &[
                            Arg::integer("end"),
                            Arg::one_of("unit", UNITS).since("7.0.0").optional(),
                        ],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ],
        handler: bitpos,
        ..Row::BASE
    },
];

/// What the numbers of a range count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn of(word: Option<&[u8]>) -> Result<Unit, CmdError> {
        match word {
            None => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"BYTE") => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"BIT") => Ok(Unit::Bit),
            Some(_) => Err(CmdError::Syntax),
        }
    }

    const fn bits(self) -> u64 {
        match self {
            Unit::Byte => 8,
            Unit::Bit => 1,
        }
    }

    /// The bits from `start` to `end`, both included, of a string; what lies outside is cut off.
    fn bits_between(self, start: i64, end: i64, string_len: usize) -> Range<u64> {
        let total = string_len as i64 * 8 / self.bits() as i64;
        let from_front = |at: i64| if at < 0 { (total + at).max(0) } else { at };
        let end = from_front(end).min(total - 1) + 1;
        let start = from_front(start).min(end);
        start as u64 * self.bits()..end as u64 * self.bits()
    }
}

fn bitcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let Some(entry) = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let count = match args.len() {
        2 => entry.string().with_bytes(bits::count_ones),
        4 | 5 => {
            let (start, end) = (integer(&args[2])?, integer(&args[3])?);
            let backwards = start < 0 && end < 0 && start > end;
            if backwards {
                0
            } else {
                let unit = Unit::of(args.get(4))?;
                entry.string().with_bytes(|string| {
                    bits::count_ones_in(string, unit.bits_between(start, end, string.len()))
                })
            }
        }
        _ => return Err(CmdError::Syntax),
    };
    ctx.reply.int(count as i64);
    Ok(())
}

fn bitpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let set = match integer(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CmdError::Fixed("ERR The bit argument must be 1 or 0.")),
    };
    let Some(entry) = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)? else {
        ctx.reply.int(if set { -1 } else { 0 });
        return Ok(());
    };
    if args.len() > 6 {
        return Err(CmdError::Syntax);
    }
    let start = args.get(3).map_or(Ok(0), integer)?;
    let unit = Unit::of(args.get(5))?;
    let end = args.get(4).map(integer).transpose()?;
    let position = entry.string().with_bytes(|string| {
        let range = unit.bits_between(start, end.unwrap_or(-1), string.len());
        // A string goes on with zeros for ever, but a range that was given ends where it says.
        let zero_behind = (!set && end.is_none() && !range.is_empty()).then_some(range.end);
        bits::find(string, range, set).or(zero_behind)
    });
    ctx.reply.int(position.map_or(-1, |at| at as i64));
    Ok(())
}
