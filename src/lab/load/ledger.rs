//! What servers say that they have lost: their ledgers of lost writes.
//!
//! A ledger is a file of commands, `lost-….aof`, in the folder of the server. Of these only those
//! count that a writer of ours has sent; how often a number stands there does not matter, and what
//! makes no sense ends the file.

use std::collections::BTreeSet;

use super::keys::{chunk_of, chunk_of_key};
use crate::base::numbers::parse_u64;
use crate::resp::args::ArgRanges;
use crate::resp::parser::{Parse, Parser, ParserLimits, Peer};

/// Whether a file of this name is a ledger.
pub fn is_ledger(name: &str) -> bool {
    name.starts_with("lost-") && name.ends_with(".aof")
}

/// Adds the numbers of this writer that a ledger has.
pub fn read_ledger(text: &[u8], writer: &str, into: &mut BTreeSet<u64>) {
    let limits = ParserLimits {
        peer: Peer::Master,
        bulk_bytes_max: u64::MAX,
    };
    let (mut parser, mut ranges) = (Parser::default(), ArgRanges::default());
    let mut rest = text;
    loop {
        match parser.next(rest, &limits, &mut ranges) {
            Parse::Command { consumed } => {
                let args = ranges.args(rest);
                let chunk = args.get(1).and_then(|key| chunk_of_key(writer, key));
                if let Some(chunk) = chunk {
                    let numbers = args.iter_from(2).filter_map(parse_u64);
                    into.extend(numbers.filter(|number| chunk_of(*number) == chunk));
                }
                rest = &rest[consumed..];
            }
            Parse::Blank { consumed } => rest = &rest[consumed..],
            Parse::Incomplete | Parse::Big { .. } | Parse::Error(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::args::encode_command;

    #[test]
    fn the_numbers_of_a_writer_are_found_and_no_others() {
        let mut text = Vec::new();
        for line in [
            "ECHO head",
            "SELECT 0",
            "RPUSH lab:w1:0 7",
            "MULTI",
            "RPUSH lab:w1:1 1001 1002",
            "RPUSH lab:w2:0 8",
            "EXEC",
            "RPUSH lab:w1:0 5000",
            "SET lab:w1:0 x",
        ] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_command(&words, &mut text);
        }
        text.extend_from_slice(b"*3\r\n$5\r\nRPUSH");
        let mut numbers = BTreeSet::new();
        read_ledger(&text, "w1", &mut numbers);
        assert_eq!(numbers, [7, 1001, 1002].into());
        assert!(is_ledger("lost-abc-1.aof") && !is_ledger("appendonly.aof"));
    }
}
