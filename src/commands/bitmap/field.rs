//! `BITFIELD` and `BITFIELD_RO`: a string as an array of integers of any width.
//!
//! All the operations of a call are parsed before any of them runs, so a call with a mistake in it
//! changes nothing.

use super::integer::{IntType, Overflow};
use super::{BAD_OFFSET, check_offset, string_reaching};
use crate::base::numbers::parse_i64;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::operand::integer;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeyRef, KeySpec, Row};
use crate::commands::wording::int_or_null;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[
    Row {
        name: "bitfield",
        arity: -2,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(
            KeyFlags::RW
                .union(KeyFlags::UPDATE)
                .union(KeyFlags::ACCESS)
                .union(KeyFlags::VARIABLE_FLAGS),
        )
        .notes("Writes only with `SET` or `INCRBY`.")],
        get_keys: Some(bitfield_keys),
        group: CommandGroup::Bitmap,
        since: "3.2.0",
        complexity: "O(1) for each operation.",
        summary: "Reads, sets and adds to integers of any width within a string.",
        args: &[
            Arg::key("key", 0),
            Arg::one_of(
                "operation",
                &[
                    Arg::block("get-block", ENCODING_AND_OFFSET).token("GET"),
                    Arg::block("write", WRITE_ARGS),
                ],
            )
            .multiple()
            .optional(),
        ],
        handler: bitfield,
        ..Row::BASE
    },
    Row {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        acl: Acl::BITMAP,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: CommandGroup::Bitmap,
        since: "6.0.0",
        complexity: "O(1) for each operation.",
        summary: "Reads integers of any width within a string.",
        args: &[
            Arg::key("key", 0),
            Arg::block("get-block", ENCODING_AND_OFFSET)
                .token("GET")
                .multiple_token()
                .optional(),
        ],
        handler: bitfield_ro,
        ..Row::BASE
    },
];

const ENCODING_AND_OFFSET: &[Arg] = &[Arg::string("encoding"), Arg::integer("offset")];

const WRITE_ARGS: &[Arg] = &[
    Arg::one_of(
        "overflow-block",
        &[
            Arg::pure("wrap", "WRAP"),
            Arg::pure("sat", "SAT"),
            Arg::pure("fail", "FAIL"),
        ],
    )
    .token("OVERFLOW")
    .optional(),
    Arg::one_of(
        "write-operation",
        &[
            Arg::block(
                "set-block",
                &[
                    Arg::string("encoding"),
                    Arg::integer("offset"),
                    Arg::integer("value"),
                ],
            )
            .token("SET"),
            Arg::block(
                "incrby-block",
                &[
                    Arg::string("encoding"),
                    Arg::integer("offset"),
                    Arg::integer("increment"),
                ],
            )
            .token("INCRBY"),
        ],
    ),
];

/// What is done with one field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Get,
    Set(i64, Overflow),
    IncrBy(i64, Overflow),
}

/// One operation of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Operation {
    int: IntType,
    offset: u64,
    action: Action,
}

impl Operation {
    /// Its reply, and what its field must come to hold; the second is absent where nothing is to
    /// be stored, and so is the first where that is for want of room.
    fn compute(&self, string: &[u8]) -> (Option<i64>, Option<i64>) {
        let old = self.int.read(string, self.offset);
        match self.action {
            Action::Get => (Some(old), None),
            Action::Set(value, overflow) => {
                let new = self.int.fit(self.int.meant_by(value), overflow);
                (new.and(Some(old)), new)
            }
            Action::IncrBy(by, overflow) => {
                let sum = i128::from(old) + i128::from(by);
                let new = self.int.fit(sum, overflow);
                (new, new)
            }
        }
    }

    /// The last bit that the operation writes; none if it only reads.
    fn highest_written(&self) -> Option<u64> {
        let highest = self.offset.saturating_add(u64::from(self.int.bits()) - 1);
        (self.action != Action::Get).then_some(highest)
    }
}

fn bitfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let operations = parse(ctx, args)?;
    match operations
        .iter()
        .filter_map(Operation::highest_written)
        .max()
    {
        None => read(ctx, &args[1], &operations),
        Some(highest) => write(ctx, &args[1], &operations, highest),
    }
}

fn bitfield_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let operations = parse(ctx, args)?;
    if operations.iter().any(|op| op.action != Action::Get) {
        return Err(CmdError::Fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    read(ctx, &args[1], &operations)
}

fn read(ctx: &mut Ctx<'_>, key: &[u8], operations: &[Operation]) -> CmdResult {
    let found = ctx.env.lookup_string(ctx.session, key, Access::Read)?;
    let string = found
        .map(|entry| entry.string().bytes())
        .unwrap_or_default();
    ctx.reply.array(operations.len());
    for operation in operations {
        ctx.reply.int(operation.int.read(&string, operation.offset));
    }
    Ok(())
}

/// Runs operations of which some write. The string is made long enough for all of them first, and
/// whatever the outcome that is a change of which replicas must know.
fn write(ctx: &mut Ctx<'_>, key: &[u8], operations: &[Operation], highest: u64) -> CmdResult {
    let (string, grown) = string_reaching(ctx, key, highest)?;
    let mut changes = 0;
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        let (reply, new) = operation.compute(string);
        replies.push(reply);
        if let Some(new) = new {
            let old = operation.int.read(string, operation.offset);
            operation.int.write(string, operation.offset, new);
            changes += u64::from(grown || old != new);
        }
    }
    let changes = changes.max(u64::from(grown));
    if changes > 0 {
        ctx.touched(key);
        ctx.notify(Class::STRING, "setbit", key);
        ctx.changed(changes);
    }
    ctx.reply.array(replies.len());
    for reply in replies {
        int_or_null(ctx.reply, reply);
    }
    Ok(())
}

/// The words of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verb {
    Get,
    Set,
    IncrBy,
    Overflow,
}

impl Verb {
    /// The verb at an argument, if all that belongs to it follows.
    fn at(args: &Args<'_>, at: usize) -> Option<Verb> {
        let is = |name: &str| args[at].eq_ignore_ascii_case(name.as_bytes());
        let verb = if is("get") {
            Verb::Get
        } else if is("set") {
            Verb::Set
        } else if is("incrby") {
            Verb::IncrBy
        } else if is("overflow") {
            Verb::Overflow
        } else {
            return None;
        };
        (at + verb.operands() < args.len()).then_some(verb)
    }

    /// How many arguments follow it.
    const fn operands(self) -> usize {
        match self {
            Verb::Overflow => 1,
            Verb::Get => 2,
            Verb::Set | Verb::IncrBy => 3,
        }
    }
}

/// Parses the operations behind the key.
fn parse(ctx: &Ctx<'_>, args: &Args<'_>) -> Result<Vec<Operation>, CmdError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while at < args.len() {
        let verb = Verb::at(args, at).ok_or(CmdError::Syntax)?;
        if verb == Verb::Overflow {
            overflow = parse_overflow(&args[at + 1])?;
        } else {
            let int = IntType::parse(&args[at + 1]).ok_or(CmdError::Fixed(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
                 supported but i64 is.",
            ))?;
            let offset = parse_offset(ctx, &args[at + 2], int)?;
            let action = match verb {
                Verb::Set => Action::Set(integer(&args[at + 3])?, overflow),
                Verb::IncrBy => Action::IncrBy(integer(&args[at + 3])?, overflow),
                Verb::Get | Verb::Overflow => Action::Get,
            };
            operations.push(Operation {
                int,
                offset,
                action,
            });
        }
        at += 1 + verb.operands();
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, CmdError> {
    match word.to_ascii_lowercase().as_slice() {
        b"wrap" => Ok(Overflow::Wrap),
        b"sat" => Ok(Overflow::Saturate),
        b"fail" => Ok(Overflow::Fail),
        _ => Err(CmdError::Fixed("ERR Invalid OVERFLOW type specified")),
    }
}

/// An offset in bits, or, behind a `#`, in fields of the same width.
fn parse_offset(ctx: &Ctx<'_>, word: &[u8], int: IntType) -> Result<u64, CmdError> {
    let (word, unit) = match word {
        [b'#', fields @ ..] => (fields, i64::from(int.bits())),
        bits => (bits, 1),
    };
    let offset = parse_i64(word).and_then(|number| number.checked_mul(unit));
    check_offset(ctx, offset.ok_or(BAD_OFFSET)?)
}

/// The key is only read where all the words up to the first write, or the first mistake, read.
fn bitfield_keys(args: &Args<'_>, keys: &mut Vec<KeyRef>) {
    let mut at = 2;
    let mut flags = KeyFlags::RO.union(KeyFlags::ACCESS);
    while at < args.len() {
        match Verb::at(args, at) {
            Some(verb @ (Verb::Get | Verb::Overflow)) => at += 1 + verb.operands(),
            Some(Verb::Set | Verb::IncrBy) | None => {
                flags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);
                break;
            }
        }
    }
    keys.push(KeyRef { index: 1, flags });
}
