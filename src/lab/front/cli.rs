//! A command for a node, past the relay, and its reply as `redis-cli` shows it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::talk::{Failure, answer, plain, say};
use crate::base::quoting::quote;
use crate::lab::request::{Answer, Ask};
use crate::lab::wire::Wire;
use crate::resp::reply::Value;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks a node. A reply that is an error is a failure.
pub fn cli(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let [node, argv @ ..] = words else {
        return Err("cli wants a node and a command".to_owned());
    };
    if argv.is_empty() {
        return Err("cli wants a command for the node".to_owned());
    }
    let address = find(folder, node)?;
    let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
    let reply = Wire::connect(address, None, PATIENCE).and_then(|mut wire| wire.ask(&argv));
    match reply.map_err(|e| e.to_string())? {
        Value::Error(text) => Err(String::from_utf8_lossy(&text).into_owned()),
        // Bare, for scripts.
        value @ (Value::Simple(_) | Value::Bulk(_) | Value::Int(_)) => say(&bare(&value)),
        value => {
            let mut text = String::new();
            show(&value, "", &mut text);
            say(&text)
        }
    }
}

/// Says where a node listens past the relay, for programs that are to talk to it.
pub fn address(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let [node] = words else {
        return Err("address wants a node".to_owned());
    };
    say(&find(folder, node)?.to_string())
}

fn find(folder: &Path, node: &str) -> Result<SocketAddr, Failure> {
    let node = node.to_owned();
    match answer(folder, &plain(Ask::Address { node }))? {
        Answer::At { address, .. } => Ok(address),
        Answer::Failed { why } => Err(why),
        Answer::Done { .. } => Err("the keeper says no address".to_owned()),
    }
}

fn bare(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        other => String::from_utf8_lossy(other.text().unwrap_or_default()).into_owned(),
    }
}

/// Shows a value, each line but the first behind `indent`.
fn show(value: &Value, indent: &str, text: &mut String) {
    match value {
        Value::Array(members) if members.is_empty() => text.push_str("(empty array)\n"),
        Value::Array(members) => {
            let width = members.len().to_string().len();
            for (at, member) in members.iter().enumerate() {
                if at > 0 {
                    text.push_str(indent);
                }
                let _ = write!(text, "{:width$}) ", at + 1);
                let deeper = format!("{indent}{}", " ".repeat(width + 2));
                show(member, &deeper, text);
            }
        }
        Value::Bulk(bytes) => {
            let mut quoted = Vec::new();
            quote(bytes, &mut quoted);
            let _ = writeln!(text, "{}", String::from_utf8_lossy(&quoted));
        }
        Value::Simple(bytes) => {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(bytes));
        }
        Value::Error(bytes) => {
            let _ = writeln!(text, "(error) {}", String::from_utf8_lossy(bytes));
        }
        Value::Int(number) => {
            let _ = writeln!(text, "(integer) {number}");
        }
        Value::Null => text.push_str("(nil)\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_numbered_and_indented() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let inner = Value::Array(vec![Value::Int(1), Value::Null]);
        let mut text = String::new();
        show(&Value::Array(vec![bulk("a\n"), inner]), "", &mut text);
        assert_eq!(text, "1) \"a\\n\"\n2) 1) (integer) 1\n   2) (nil)\n");
    }
}
