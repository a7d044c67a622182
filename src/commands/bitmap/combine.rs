//! `BITOP`: a string made out of several, bit by bit.

use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::commands::events::Class;
use crate::commands::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use crate::commands::string::store_result;
use crate::data::bits::{self, Combine};
use crate::keyspace::NewValue;
use crate::keyspace::value::EMBSTR_LEN_MAX;
use crate::resp::args::Args;

/// The commands of this file.
pub static ROWS: &[Row] = &[Row {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[
        KeySpec::range(KeyFlags::OW.union(KeyFlags::UPDATE), 2, 0, 1),
        KeySpec::range(KeyFlags::RO.union(KeyFlags::ACCESS), 3, -1, 1),
    ],
    group: CommandGroup::Bitmap,
    since: "2.6.0",
    complexity: "O(N), N being the length of the strings together.",
    summary: "Combines strings bit by bit and stores the result, which is as long as the longest \
        of them.",
    args: &[
        Arg::one_of(
            "operation",
            &[
                Arg::pure("and", "AND"),
                Arg::pure("or", "OR"),
                Arg::pure("xor", "XOR"),
                Arg::pure("not", "NOT"),
            ],
        ),
        Arg::key("destkey", 0),
        Arg::key("key", 1).multiple(),
    ],
    handler: bitop,
    ..Row::BASE
}];

/// What is done with the strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Combine(Combine),
    Not,
}

impl Operation {
    fn of(word: &[u8]) -> Result<Operation, CmdError> {
        match word.to_ascii_lowercase().as_slice() {
            b"and" => Ok(Operation::Combine(Combine::And)),
            b"or" => Ok(Operation::Combine(Combine::Or)),
            b"xor" => Ok(Operation::Combine(Combine::Xor)),
            b"not" => Ok(Operation::Not),
            _ => Err(CmdError::Syntax),
        }
    }
}

fn bitop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let operation = Operation::of(&args[1])?;
    if operation == Operation::Not && args.len() != 4 {
        return Err(CmdError::Fixed(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let result = compute(ctx, operation, args)?;
    let len = result.len();
    let value = if len > EMBSTR_LEN_MAX {
        NewValue::Owned(result)
    } else {
        NewValue::RawBytes(&result)
    };
    let value = (len > 0).then_some(value);
    store_result(ctx, &args[2], value, (Class::STRING, "set"), 1);
    ctx.reply.int(len as i64);
    Ok(())
}

/// The result; a key that does not exist is an empty string.
fn compute(ctx: &mut Ctx<'_>, operation: Operation, args: &Args<'_>) -> Result<Vec<u8>, CmdError> {
    let mut result = Vec::new();
    for (nth, key) in args.iter_from(3).enumerate() {
        let found = ctx.env.lookup_string(ctx.session, key, Access::Read)?;
        let source = found
            .map(|entry| entry.string().bytes())
            .unwrap_or_default();
        match operation {
            Operation::Combine(how) if nth > 0 => bits::combine(&mut result, &source, how),
            Operation::Combine(_) => result = source.into_owned(),
            Operation::Not => {
                result = source.into_owned();
                bits::invert(&mut result);
            }
        }
    }
    Ok(result)
}
