//! Bitmaps: strings whose bits are addressed one by one, in runs, or as small integers.
//!
//! [`bit`] sets and reads single bits, [`count`] counts and finds them, [`combine`] makes one
//! string out of several, [`field`] works on integers of any width. A write makes the string long
//! enough for its highest bit; what is new is zero. Offsets are bounded by what a client could
//! send as a string.

pub mod bit;
pub mod combine;
pub mod count;
pub mod field;
mod integer;

use super::context::{Access, Ctx};
use super::error::CmdError;
use super::string::lengthen;
use crate::base::numbers::parse_i64;
use crate::keyspace::NewValue;

/// What an offset that makes no sense is answered with.
const BAD_OFFSET: CmdError = CmdError::Fixed("ERR bit offset is not an integer or out of range");

/// The position of a bit, as an argument gives it.
fn bit_offset(ctx: &Ctx<'_>, word: &[u8]) -> Result<u64, CmdError> {
    let offset = parse_i64(word).ok_or(BAD_OFFSET)?;
    check_offset(ctx, offset)
}

/// Refuses positions that no string reaches. Our master and our own files have had theirs checked
/// before.
fn check_offset(ctx: &Ctx<'_>, offset: i64) -> Result<u64, CmdError> {
    let offset = u64::try_from(offset).map_err(|_| BAD_OFFSET)?;
    let within = offset / 8 < ctx.env.config.proto_max_bulk_len as u64;
    if within || ctx.session.must_be_obeyed() {
        Ok(offset)
    } else {
        Err(BAD_OFFSET)
    }
}

/// The string under a key, made long enough to have the bit `highest`, and whether it had to be.
fn string_reaching<'c>(
    ctx: &'c mut Ctx<'_>,
    key: &[u8],
    highest: u64,
) -> Result<(&'c mut Vec<u8>, bool), CmdError> {
    let found = ctx.env.lookup_string(ctx.session, key, Access::Write)?;
    if found.is_none() {
        ctx.adding(key);
        ctx.db().set(key, NewValue::RawBytes(b""), None);
    }
    let string = ctx.db().string_mut(key).expect("the key is there by now");
    let len = (highest / 8 + 1) as usize;
    let grows = string.len() < len;
    if grows {
        lengthen(string, len);
    }
    Ok((string, grows))
}

#[cfg(test)]
mod tests;
