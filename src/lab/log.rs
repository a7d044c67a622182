//! Logs of nodes: read as they grow, and what in them is worth a mark in the record.
//!
//! All nodes log by the same clock, the machine's, and are told to do so in UTC; so their lines can
//! be merged without a guess. A line looks like this:
//!
//! ```text
//! 4711:X 30 Nov 2026 09:15:10.123 # +sdown master mymaster 127.11.3.1 6379
//! pid:role date and time          level message
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::model::{NodeKind, UnixUs, What};
use crate::base::local_time::parse_log_date;

/// Bytes of a log that are read at once.
const READ_BYTES_MAX: u64 = 256 * 1024;
/// A line is cut off after so many bytes.
const LINE_BYTES_MAX: usize = 4096;

/// What servers log about replication, below a warning: the words by which it is known.
const TELLING: [&str; 12] = [
    "Connecting to MASTER",
    "Full resync",
    "Partial resynchronization",
    "partial resynchronization",
    "MASTER <-> REPLICA sync",
    "MASTER MODE",
    "REPLICAOF",
    "REPLICA OF",
    "Synchronization with replica",
    "connection with master",
    "Connection with",
    "Failover",
];

/// A log file that grows.
#[derive(Debug)]
pub struct LogTail {
    path: PathBuf,
    position: u64,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

/// A line of a log, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was logged, to the millisecond.
    pub at_us: UnixUs,
    /// How important it is: `.`, `-`, `*` or `#`.
    pub level: char,
    /// What it says.
    pub message: &'a str,
}

impl LogTail {
    /// Follows a file, which need not be there yet.
    pub fn new(path: PathBuf) -> LogTail {
        LogTail {
            path,
            position: 0,
            rest: Vec::new(),
        }
    }

    /// The whole lines that have come since the last call; a bounded number of bytes of them.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read.
    pub fn take_lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.take(READ_BYTES_MAX).read_to_end(&mut self.rest)?;
        self.position += count as u64;
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n');
        let Some(end) = whole else {
            self.rest.truncate(LINE_BYTES_MAX);
            return Ok(Vec::new());
        };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        let cut_off = |line: &[u8]| line[..line.len().min(LINE_BYTES_MAX)].to_vec();
        let lines = lines.split(|byte| *byte == b'\n').map(cut_off);
        let lines = lines.filter(|line| !line.is_empty());
        Ok(lines
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes a line apart; none if it does not look like one.
pub fn parse(line: &str) -> Option<Line<'_>> {
    let (_, rest) = line.split_once(' ')?;
    // The date has four words, and the level is one character.
    let date_end = rest.match_indices(' ').nth(3)?.0;
    let at_us = parse_log_date(&rest[..date_end])?;
    let mut rest = rest[date_end + 1..].chars();
    let level = rest.next()?;
    let message = rest.as_str().strip_prefix(' ')?;
    Some(Line {
        at_us,
        level,
        message,
    })
}

/// What a line is in the record; none if it is not worth a mark.
pub fn mark(node: &str, kind: NodeKind, line: Line<'_>) -> Option<What> {
    let node = node.to_owned();
    if kind == NodeKind::Sentinel {
        let (name, text) = line.message.split_once(' ').unwrap_or((line.message, ""));
        let is_event = name.len() > 1 && name.starts_with(['+', '-']);
        if is_event {
            let (name, text) = (name.to_owned(), text.to_owned());
            return Some(What::Sentinel { node, name, text });
        }
    }
    let is_telling = line.level == '#' || TELLING.iter().any(|words| line.message.contains(words));
    (is_telling).then(|| What::Logged {
        node,
        text: line.message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const DOWN: &str = "4711:X 30 Nov 2026 09:15:10.123 # +sdown master mymaster 127.11.3.1 6379";

    #[test]
    fn a_line_says_when_how_and_what() {
        let line = parse(DOWN).expect("a line");
        assert_eq!(line.at_us, 1_796_030_110_123_000);
        assert_eq!(line.level, '#');
        assert_eq!(line.message, "+sdown master mymaster 127.11.3.1 6379");
        for other in [
            "",
            "x",
            "1:M 30 Nov 2026",
            "1:M 30 Nov 2026 9:1 * x",
            "   *  *",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn events_of_sentinels_and_what_servers_say_of_replication_are_marks() {
        let what = mark("s1", NodeKind::Sentinel, parse(DOWN).expect("a line"));
        let expected = What::Sentinel {
            node: "s1".to_owned(),
            name: "+sdown".to_owned(),
            text: "master mymaster 127.11.3.1 6379".to_owned(),
        };
        assert_eq!(what, Some(expected));
        let marked = |text: &str| {
            let line = format!("1:S 30 Nov 2026 09:15:10.123 {text}");
            mark("r1", NodeKind::Server, parse(&line).expect("a line")).is_some()
        };
        assert!(marked("# WARNING overcommit_memory is set to 0!"));
        assert!(marked("* MASTER <-> REPLICA sync started"));
        assert!(!marked("* Background saving started by pid 7"));
    }

    #[test]
    fn a_log_is_read_as_it_grows_line_by_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut tail = LogTail::new(path.clone());
        assert_eq!(tail.take_lines().expect("no file is no error").len(), 0);
        let mut file = File::create(&path).expect("a file");
        file.write_all(b"one\ntw").expect("room");
        assert_eq!(tail.take_lines().expect("a file"), ["one"]);
        file.write_all(b"o\n\nthree\n").expect("room");
        assert_eq!(tail.take_lines().expect("a file"), ["two", "three"]);
        assert_eq!(tail.take_lines().expect("a file").len(), 0);
    }
}
