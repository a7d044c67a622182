//! The record of a run: what the keeper writes down and every report is made from.
//!
//! A record is a file of lines, each one [`Entry`] as JSON, in the order in which they were written
//! down. It only grows, so a run that ends badly leaves all that was seen up to then. All times are
//! microseconds since the Unix epoch by the one clock of the machine that all nodes share; an entry
//! may be written down later than it happened, so readers sort by time.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch.
pub type UnixUs = i64;

/// One line of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// The first line: what is tried.
    Begun(Setup),
    /// A node was added.
    Node(NodeFacts),
    /// Something happened.
    Event(Event),
    /// How a server was seen.
    Sample(Sample),
    /// What writers did within a tenth of a second.
    Writes(Writes),
    /// How old was what a reader saw.
    Read(Staleness),
    /// What became of the writes of a writer.
    Verdict(Verdict),
    /// The last line.
    Ended {
        /// When it ended.
        at_us: UnixUs,
    },
}

/// What is tried, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The name of the experiment.
    pub title: String,
    /// The question that it answers; may be empty.
    pub question: String,
    /// The number that all chance of this run comes from.
    pub seed: u64,
    /// When the run began.
    pub at_us: UnixUs,
    /// Settings as pairs of name and value, in the order in which they are shown.
    pub settings: Vec<(String, String)>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A server with data.
    Server,
    /// A Sentinel.
    Sentinel,
}

/// A node as it was set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name in the lab: `m1`, `r2`, `s3`.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// The address that others reach it by, through the relay.
    pub address: SocketAddr,
    /// The program that it runs.
    pub program: String,
    /// What that program says of its version: `7.2.4`, or `7.2.4 (tanist 0.1.0)`.
    pub version: String,
}

/// Something that happened at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at_us: UnixUs,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// The script asked for this, in its own words: `kill m1`.
    Step {
        /// The words.
        words: String,
    },
    /// The script waited for this, and it came true, or did not in time.
    Awaited {
        /// The condition in the script's words.
        words: String,
        /// Whether it came true.
        held: bool,
    },
    /// A process changed its state.
    Process {
        /// Whose.
        node: String,
        /// To what.
        state: ProcessState,
        /// How it ended, if it did: `killed by signal 9`.
        #[serde(default)]
        detail: String,
    },
    /// The link from one host to another was changed; bytes the other way are another link.
    Link {
        /// Where its bytes come from.
        from: String,
        /// Where they go.
        to: String,
        /// What it is like from now on.
        state: LinkState,
    },
    /// A Sentinel has logged an event.
    Sentinel {
        /// Which Sentinel.
        node: String,
        /// The event's name: `+odown`, `+switch-master`.
        name: String,
        /// What follows it: `master mymaster 127.11.3.1 6379 #quorum 2/2`.
        text: String,
    },
    /// A server has logged something that is worth a mark.
    Logged {
        /// Which node.
        node: String,
        /// The line, without its time.
        text: String,
    },
    /// A server was seen in another role, or following another master, than before.
    Role {
        /// Which server.
        node: String,
        /// `master` or `slave`.
        role: String,
        /// The name of the node that it follows, or its address if it is none of ours.
        #[serde(default)]
        follows: Option<String>,
    },
    /// A note of the script: `redis-lab note the old master is back`.
    Note {
        /// Its words.
        words: String,
    },
}

/// The states of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It runs.
    Up,
    /// It is there and does nothing (`SIGSTOP`).
    Stopped,
    /// It is gone.
    Down,
}

/// What a link is like, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkState {
    /// Nothing passes.
    pub cut: bool,
    /// Each byte passes so much later, in microseconds.
    pub delay_us: u64,
    /// So many bytes a second pass; 0 for as many as come.
    pub bytes_per_s: u64,
}

/// A server as it was seen at one instant. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// When.
    pub at_us: UnixUs,
    /// Which server.
    pub node: String,
    /// It did not answer in time.
    pub silent: bool,
    /// `master` or `slave`.
    pub role: Option<String>,
    /// The node that it follows.
    pub follows: Option<String>,
    /// A replica's link to its master is up.
    pub link_up: Option<bool>,
    /// Its own replication offset, in bytes.
    pub offset: Option<u64>,
    /// Replicas that are connected to it.
    pub replicas: Option<u32>,
    /// Keys that it holds.
    pub keys: Option<u64>,
    /// How far its data is behind the newest write that was accepted, in milliseconds.
    pub lag_ms: Option<u64>,
}

/// What the writers of one name did within a tenth of a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// When it began.
    pub at_us: UnixUs,
    /// Which writer.
    pub writer: String,
    /// Writes that were accepted.
    pub accepted: u32,
    /// Writes that were refused, or whose outcome is unknown.
    pub failed: u32,
    /// The slowest of the accepted ones, in microseconds.
    pub slowest_us: u64,
}

/// How old what a reader saw was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Staleness {
    /// When it was read.
    pub at_us: UnixUs,
    /// Where.
    pub node: String,
    /// How old it was, in milliseconds.
    pub ms: u64,
}

/// What became of the writes of one writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The writer's name.
    pub writer: String,
    /// What it does: `plain`, `WAIT 1`, `pipeline of 16`.
    pub kind: String,
    /// How it finds the master: `asks the Sentinels`, `stays with m1`.
    pub route: String,
    /// Writes that it has sent.
    pub sent: u64,
    /// Writes that were acknowledged: the server said that it has done them.
    pub acknowledged: u64,
    /// Of the acknowledged ones, those that `WAIT` said enough replicas have.
    pub promised: u64,
    /// Writes that were refused with an error.
    pub refused: u64,
    /// Writes of which no reply came.
    pub unknown: u64,
    /// Acknowledged writes that the master has in the end.
    pub present: u64,
    /// Acknowledged writes that it has not.
    pub lost: u64,
    /// Promised writes that it has not.
    pub promised_lost: u64,
    /// Lost writes that stand in a ledger of lost writes; none where no server keeps one.
    pub in_ledger: Option<u64>,
    /// Writes that are there more than once.
    pub duplicated: u64,
    /// Writes that stand before one that was sent earlier.
    pub reordered: u64,
    /// Writes that were refused or of unknown outcome and are there all the same.
    pub unacknowledged_present: u64,
    /// Values that no writer has written.
    pub foreign: u64,
    /// The first lost writes, as ranges of numbers, both ends included.
    pub lost_ranges: Vec<(u64, u64)>,
    /// The longest time without an accepted write: when it began, and its length in microseconds.
    pub longest_gap: Option<(UnixUs, u64)>,
}

/// A record that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// All entries, in the order of the file.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Reads a record; what follows the last whole line is left out, for a keeper may have ended in
    /// the middle of one.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a whole line of it is no entry.
    pub fn read(mut from: impl BufRead) -> io::Result<Record> {
        let mut record = Record::default();
        let mut line = String::new();
        loop {
            line.clear();
            from.read_line(&mut line)?;
            if !line.ends_with('\n') {
                return Ok(record);
            }
            record.entries.push(serde_json::from_str(&line)?);
        }
    }
}

/// Writes one entry down, as a line.
///
/// # Errors
///
/// It cannot be written.
pub fn write_entry(entry: &Entry, to: &mut impl Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    to.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again_and_half_a_line_is_left_out() {
        let link = LinkState {
            cut: true,
            ..LinkState::default()
        };
        let what = What::Link {
            from: "m1".to_owned(),
            to: "r1".to_owned(),
            state: link,
        };
        let entries = vec![
            Entry::Begun(Setup::default()),
            Entry::Event(Event { at_us: 7, what }),
            Entry::Sample(Sample::default()),
            Entry::Verdict(Verdict::default()),
            Entry::Ended { at_us: 9 },
        ];
        let mut file = Vec::new();
        for entry in &entries {
            write_entry(entry, &mut file).expect("memory takes it");
        }
        file.extend_from_slice(b"{\"entry\":\"ended\",");
        let record = Record::read(&file[..]).expect("lines that we wrote");
        assert_eq!(record.entries, entries);
    }

    #[test]
    fn a_line_that_is_no_entry_is_an_error() {
        assert!(Record::read(&b"{}\n"[..]).is_err());
    }
}
