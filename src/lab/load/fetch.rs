//! Reading a writer's lists from a server.
//!
//! Which lists there are is asked (`SCAN`) and not reckoned from what was written: one that is gone
//! is no reason not to look at the next, and one that nobody has written is worth seeing. Nobody
//! may write meanwhile.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

use super::check::Found;
use super::keys::{PATTERN, chunk_key, chunk_of_key};
use crate::lab::wire::Wire;
use crate::resp::reply::Value;

/// Keys that a step of `SCAN` looks at, and values that are read at once.
const PIECE: usize = 1000;
/// Values that are taken in all, lest a server that makes them up fills our memory.
const VALUES_MAX: usize = 100_000_000;
/// Steps that a `SCAN` may take.
const SCAN_STEPS_MAX: usize = 10_000_000;

/// Reads all that a server has of a writer's lists.
///
/// # Errors
///
/// The connection fails, or the server answers with an error or with what makes no sense; the
/// connection is of no use then.
pub fn fetch(wire: &mut Wire, writer: &str) -> io::Result<Found> {
    let mut found = Found::default();
    for chunk in chunks(wire, writer)? {
        fetch_list(wire, writer, chunk, &mut found)?;
    }
    Ok(found)
}

/// The lists of the writer that there are. `SCAN` may name one twice.
fn chunks(wire: &mut Wire, writer: &str) -> io::Result<BTreeSet<u64>> {
    let count = PIECE.to_string();
    let mut chunks = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    for _ in 0..SCAN_STEPS_MAX {
        let argv = [
            b"SCAN",
            &cursor[..],
            b"MATCH",
            PATTERN,
            b"COUNT",
            count.as_bytes(),
        ];
        let answer = wire.ask(&argv)?;
        let Some([next, keys]) = answer.array() else {
            return Err(unexpected(&answer));
        };
        let (Some(next), Some(keys)) = (next.text(), keys.array()) else {
            return Err(unexpected(&answer));
        };
        let keys = keys.iter().filter_map(Value::text);
        chunks.extend(keys.filter_map(|key| chunk_of_key(writer, key)));
        if next == b"0" {
            return Ok(chunks);
        }
        cursor = next.to_vec();
    }
    Err(io::Error::new(
        ErrorKind::InvalidData,
        "SCAN does not come to an end",
    ))
}

fn fetch_list(wire: &mut Wire, writer: &str, chunk: u64, found: &mut Found) -> io::Result<()> {
    let key = chunk_key(writer, chunk);
    let mut start = 0;
    loop {
        let (first, last) = (start.to_string(), (start + PIECE - 1).to_string());
        let argv = [b"LRANGE", key.as_bytes(), first.as_bytes(), last.as_bytes()];
        let answer = wire.ask(&argv)?;
        let Some(values) = answer.array() else {
            return Err(unexpected(&answer));
        };
        if values.len() > PIECE || found.len() + values.len() > VALUES_MAX {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "more values than we take",
            ));
        }
        for value in values {
            found.push(chunk, value.text().ok_or_else(|| unexpected(value))?);
        }
        if values.len() < PIECE {
            return Ok(());
        }
        start += PIECE;
    }
}

fn unexpected(answer: &Value) -> io::Error {
    match answer.error() {
        Some(error) => io::Error::other(String::from_utf8_lossy(error)),
        None => io::Error::new(ErrorKind::InvalidData, "an answer that makes no sense"),
    }
}
