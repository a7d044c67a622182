//! What was refused of late, for who looks after the server.
//!
//! A client that tries the same in vain again and again shall not push everything else out, so
//! what is alike and near in time is one entry.

use std::collections::VecDeque;

/// Entries further apart than this are two.
const SAME_MS: u64 = 60_000;
/// So many entries are compared with a new one.
const COMPARED: usize = 10;

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The command is not open.
    Command,
    /// A key is not.
    Key,
    /// A channel is not.
    Channel,
    /// Name and password do not fit together.
    Auth,
}

impl Reason {
    /// The name that clients see.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where the command was run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// By itself.
    Toplevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl Context {
    /// The name that clients see.
    pub fn name(self) -> &'static str {
        match self {
            Context::Toplevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// What was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// To whom.
    pub user: Vec<u8>,
}

/// Refusals that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// What they have in common.
    pub refusal: Refusal,
    /// How many there were.
    pub count: u64,
    /// The client that was refused last, as a list of clients shows it.
    pub client: Vec<u8>,
    /// No other entry has this number.
    pub id: u64,
    /// When the first came, in milliseconds since the epoch.
    pub created_ms: i64,
    /// When the last came.
    pub updated_ms: i64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Log {
    /// The last first.
    entries: VecDeque<LogEntry>,
    /// How many entries there have been.
    made: u64,
}

impl Log {
    /// Enters a refusal, and keeps so many entries.
    pub fn enter(&mut self, refusal: Refusal, client: Vec<u8>, now_ms: i64, max: usize) {
        let is_same = |entry: &LogEntry| {
            entry.refusal == refusal && entry.updated_ms.abs_diff(now_ms) <= SAME_MS
        };
        let entry = match self.entries.iter().take(COMPARED).position(is_same) {
            Some(at) => {
                let mut entry = self.entries.remove(at).expect("it was found");
                entry.count += 1;
                entry.updated_ms = now_ms;
                entry.client = client;
                entry
            }
            None => {
                let id = self.made;
                self.made += 1;
                LogEntry {
                    refusal,
                    count: 1,
                    client,
                    id,
                    created_ms: now_ms,
                    updated_ms: now_ms,
                }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(max);
    }

    /// The entries, the last first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            context: Context::Toplevel,
            object: object.into(),
            user: b"u".to_vec(),
        }
    }

    fn shown(log: &Log) -> Vec<(String, u64, u64)> {
        let object = |e: &LogEntry| String::from_utf8_lossy(&e.refusal.object).into_owned();
        let all = log.entries();
        all.map(|e| (object(e), e.count, e.id)).collect()
    }

    #[test]
    fn what_is_alike_and_near_in_time_is_one_entry() {
        let mut log = Log::default();
        for (object, now_ms) in [("a", 0), ("b", 1), ("a", 60_000), ("a", 120_001)] {
            log.enter(refused(object), Vec::new(), now_ms, 3);
        }
        let expected = [("a", 1, 2), ("a", 2, 0), ("b", 1, 1)];
        let expected = expected.map(|(o, count, id)| (o.to_owned(), count, id));
        assert_eq!(shown(&log), expected);
        log.enter(refused("c"), Vec::new(), 120_001, 2);
        assert_eq!(shown(&log)[0], ("c".to_owned(), 1, 3));
        assert_eq!(log.entries().len(), 2);
        log.clear();
        assert_eq!(log.entries().len(), 0);
    }
}
