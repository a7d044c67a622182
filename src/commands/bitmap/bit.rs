//! Single bits: `SETBIT` and `GETBIT`.

use super::{bit_offset, string_reaching};
use crate::base::numbers::parse_i64;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::data::bits;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "setbit",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        group: CommandGroup::Bitmap,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Sets or clears one bit of a string, which grows as far as that takes, and tells \
            what the bit was.",
        args: &[
            Arg::key("key", 0),
            Arg::integer("offset"),
            Arg::integer("value"),
        ],
        handler: setbit,
        ..Row::BASE
    },
    Row {
        name: "getbit",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Bitmap,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Reads one bit of a string.",
        args: &[Arg::key("key", 0), Arg::integer("offset")],
        handler: getbit,
        ..Row::BASE
    },
];

fn setbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let key = &args[1];
    let offset = bit_offset(ctx, &args[2])?;
    let new = match parse_i64(&args[3]) {
        Some(bit @ 0..=1) => bit as u64,
        _ => {
            return Err(CmdError::Fixed("ERR bit is not an integer or out of range"));
        }
    };
    let (string, grown) = string_reaching(ctx, key, offset)?;
    let old = bits::read_field(string, offset, 1);
    if grown || old != new {
        bits::write_field(string, offset, 1, new);
        ctx.wrote(Class::STRING, "setbit", key);
    }
    ctx.reply.int(old as i64);
    Ok(())
}

fn getbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let offset = bit_offset(ctx, &args[2])?;
    let found = ctx.env.lookup_string(ctx.session, &args[1], Access::Read)?;
    let bit = found.map_or(0, |entry| {
        entry
            .string()
            .with_bytes(|string| bits::read_field(string, offset, 1))
    });
    ctx.reply.int(bit as i64);
    Ok(())
}
