//! A ledger of lost writes: a file of commands that a demoted master had run, and that the history
//! of its new master lacks.
//!
//! It is a file of commands like an append-only file, so that every tool that takes those takes it,
//! and so that `redis-cli --pipe < FILE` runs it. For that reason what it says about itself stands
//! in commands, too, which change nothing: comments are known to servers and checkers that read a
//! file, but to a server that is sent one they are unknown commands.
//!
//! ```text
//! ECHO "tanist-lost-writes id=… after=500 end=700 …"     the head
//! SELECT 0
//! SET k v                                                the writes, transactions kept whole
//! MULTI  …  EXEC
//! ECHO "tanist-lost-writes-end up-to=700 commands=3 keys=2"
//! ```
//!
//! [`sieve`] picks the writes out of a stream, [`show`] is the tool that prints a ledger.

pub mod show;
pub mod sieve;

use std::path::PathBuf;

use crate::resp::args::encode_command;

/// What the head begins with.
const HEAD: &str = "tanist-lost-writes";
/// What the end begins with.
const TAIL: &str = "tanist-lost-writes-end";
/// What the names of ledgers begin and end with.
const NAME: [&str; 2] = ["lost-", ".aof"];

/// What a ledger says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The history that the writes are of.
    pub id: String,
    /// The last byte of it that the new master is known to have.
    pub after: u64,
    /// Its last byte.
    pub end: u64,
    /// Whether everything behind `after` was there to be kept.
    pub is_complete: bool,
    /// Whether the new master is known to lack everything behind `after`.
    pub is_exact: bool,
    /// The history of the new master, `?` if it has none that is known.
    pub new_id: String,
    /// The address of the new master.
    pub master: String,
    /// When it was written, in seconds since 1970.
    pub unix_s: i64,
}

/// What stands at the end of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Up to which byte of the history the ledger goes.
    pub up_to: u64,
    /// Commands that write, without those that only bracket them.
    pub commands: u64,
    /// Different keys that they name.
    pub keys: u64,
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The value of `name=value` in a text of such words.
fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut words = text.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

impl Head {
    /// Appends it as a command.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = format!(
            "{HEAD} id={} after={} end={} complete={} exact={} new={} master={} at={}",
            self.id,
            self.after,
            self.end,
            yes_or_no(self.is_complete),
            yes_or_no(self.is_exact),
            self.new_id,
            self.master.replace(' ', "_"),
            self.unix_s
        );
        encode_command(&[b"ECHO", text.as_bytes()], out);
    }

    /// Reads the text of it.
    pub fn parse(text: &[u8]) -> Option<Head> {
        let text = str::from_utf8(text).ok()?;
        let text = text.strip_prefix(HEAD)?.strip_prefix(' ')?;
        Some(Head {
            id: word(text, "id")?.to_owned(),
            after: word(text, "after")?.parse().ok()?,
            end: word(text, "end")?.parse().ok()?,
            is_complete: word(text, "complete")? == "yes",
            is_exact: word(text, "exact")? == "yes",
            new_id: word(text, "new")?.to_owned(),
            master: word(text, "master")?.to_owned(),
            unix_s: word(text, "at")?.parse().ok()?,
        })
    }

    /// The name of the file.
    pub fn file_name(&self) -> PathBuf {
        let [begin, end] = NAME;
        format!("{begin}{}-{}{end}", self.id, self.after).into()
    }
}

impl Tail {
    /// Appends it as a command.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = format!(
            "{TAIL} up-to={} commands={} keys={}",
            self.up_to, self.commands, self.keys
        );
        encode_command(&[b"ECHO", text.as_bytes()], out);
    }

    /// Reads the text of it.
    pub fn parse(text: &[u8]) -> Option<Tail> {
        let text = str::from_utf8(text).ok()?;
        let text = text.strip_prefix(TAIL)?.strip_prefix(' ')?;
        Some(Tail {
            up_to: word(text, "up-to")?.parse().ok()?,
            commands: word(text, "commands")?.parse().ok()?,
            keys: word(text, "keys")?.parse().ok()?,
        })
    }
}

/// Whether a file of this name is a ledger.
pub fn is_ledger_name(name: &str) -> bool {
    let [begin, end] = NAME;
    let middle = name
        .strip_prefix(begin)
        .and_then(|rest| rest.strip_suffix(end));
    let parts = middle.and_then(|middle| middle.rsplit_once('-'));
    parts.is_some_and(|(id, after)| {
        id.len() == 40 && !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            id: "a".repeat(40),
            after: 500,
            end: 700,
            is_complete: true,
            is_exact: false,
            new_id: "?".to_owned(),
            master: "10.0.0.1:6379".to_owned(),
            unix_s: 1_700_000_000,
        }
    }

    /// The text of the only command in these bytes.
    fn text(bytes: &[u8]) -> &[u8] {
        let text = bytes.strip_prefix(b"*2\r\n$4\r\nECHO\r\n").expect("ECHO");
        let line = memchr::memchr(b'\n', text).expect("a length");
        &text[line + 1..text.len() - 2]
    }

    #[test]
    fn head_and_tail_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        head().encode(&mut bytes);
        assert_eq!(Head::parse(text(&bytes)), Some(head()));
        assert_eq!(Tail::parse(text(&bytes)), None);
        let tail = Tail {
            up_to: 700,
            commands: 3,
            keys: 2,
        };
        bytes.clear();
        tail.encode(&mut bytes);
        assert_eq!(Tail::parse(text(&bytes)), Some(tail));
        assert_eq!(Head::parse(text(&bytes)), None);
        assert_eq!(Head::parse(b"tanist-lost-writes id=a"), None);
    }

    #[test]
    fn ledgers_are_known_by_their_names() {
        let name = head().file_name();
        let name = name.to_str().expect("ASCII");
        assert_eq!(name, format!("lost-{}-500.aof", "a".repeat(40)));
        assert!(is_ledger_name(name));
        for other in [
            "lost-a-1.aof",
            "lost-.aof",
            "dump.rdb",
            &name.replace("500", "x"),
        ] {
            assert!(!is_ledger_name(other), "{other}");
        }
    }
}
