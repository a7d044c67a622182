//! Numbers among a command's arguments, with the refusals that clients know.

use super::error::CmdError;
use crate::base::numbers::parse_i64;

/// An integer argument.
#[inline]
pub fn integer(word: &[u8]) -> Result<i64, CmdError> {
    parse_i64(word).ok_or(CmdError::NotInteger)
}

/// An integer argument of 32 bits.
pub fn small_integer(word: &[u8]) -> Result<i32, CmdError> {
    i32::try_from(integer(word)?).map_err(|_| {
        CmdError::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })
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
