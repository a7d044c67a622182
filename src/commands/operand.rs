//! Numbers among a command's arguments, with the refusals that clients know.

use super::error::CmdError;
use crate::base::longdouble::LongDouble;
use crate::base::numbers::parse_i64;

/// An integer argument.
#[inline]
pub fn integer(word: &[u8]) -> Result<i64, CmdError> {
    parse_i64(word).ok_or(CmdError::NotInteger)
}

/// An integer argument whose sign says one thing and whose size another; so the one that has no
/// positive counterpart is refused.
pub fn signed_size(word: &[u8]) -> Result<i64, CmdError> {
    match integer(word)? {
        i64::MIN => Err(CmdError::Fixed(
            "ERR value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        )),
        count => Ok(count),
    }
}

/// An integer argument with a refusal of its own for everything that is not within `range`.
pub fn integer_within(
    word: &[u8],
    range: std::ops::RangeInclusive<i64>,
    refusal: &'static str,
) -> Result<i64, CmdError> {
    parse_i64(word)
        .filter(|value| range.contains(value))
        .ok_or(CmdError::Fixed(refusal))
}

/// A number of things, zero included.
pub fn positive(word: &[u8]) -> Result<usize, CmdError> {
    let refusal = "ERR value is out of range, must be positive";
    integer_within(word, 0..=i64::MAX, refusal).map(|count| count as usize)
}

/// An integer argument of 32 bits.
pub fn small_integer(word: &[u8]) -> Result<i32, CmdError> {
    i32::try_from(integer(word)?).map_err(|_| {
        CmdError::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })
}

/// What a number with a fraction becomes when another is added to it, as text.
pub fn add_fraction(to: LongDouble, by: LongDouble) -> Result<Vec<u8>, CmdError> {
    let sum = to.checked_add(by).ok_or(CmdError::Fixed(
        "ERR increment would produce NaN or Infinity",
    ))?;
    let mut text = Vec::new();
    sum.format(&mut text);
    Ok(text)
}

/// The number of one of so many databases.
pub fn database(word: &[u8], databases: usize) -> Result<usize, CmdError> {
    existing_database(small_integer(word)?, databases)
}

/// Refuses the numbers of databases that do not exist.
pub fn existing_database(number: i32, databases: usize) -> Result<usize, CmdError> {
    let number = usize::try_from(number).ok().filter(|n| *n < databases);
    number.ok_or(CmdError::Fixed("ERR DB index is out of range"))
}
