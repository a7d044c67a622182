//! What the append-only file has still to be given.
//!
//! The file is the second reader of what the execution unit yields ([`super::unit`]), beside the
//! stream to replicas, and keeps an account of its own: which database its reader is in, and which
//! second its last timestamp names. Commands collect here during a tick; the engine writes them
//! in the write phase, before anybody is told of them.
//!
//! ```text
//! unit yields             the feed holds
//! (0, SET a 1)            #TS:1700000000  SELECT 0  SET a 1
//! (0, SET b 2)            SET b 2
//! (-, MULTI)              MULTI
//! (1, SET c 3)            SELECT 1  SET c 3
//! (-, EXEC)               EXEC
//! ```

use crate::resp::args::encode_command;

/// A buffer with more room than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 256 * 1024;

/// See the module's head.
#[derive(Debug, Default)]
pub struct AofFeed {
    /// Whether there is a file that takes changes.
    on: bool,
    bytes: Vec<u8>,
    /// The database that whoever reads the file is in at its end; none if that is not known.
    selected: Option<usize>,
    /// The second that the last timestamp names.
    stamped_s: i64,
}

impl AofFeed {
    /// Whether changes are taken.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Takes changes from now on, or takes none. What follows goes to a file in which nothing is
    /// selected yet.
    pub fn switch(&mut self, on: bool) {
        self.on = on;
        self.begin_file();
    }

    /// What follows goes to another file.
    pub fn begin_file(&mut self) {
        self.selected = None;
        self.stamped_s = 0;
    }

    /// Takes an operation. What stands around operations (`MULTI` and `EXEC`) is in no database.
    /// `second` is the present one if the file is to have timestamps.
    #[inline]
    pub fn append(&mut self, db: Option<usize>, command: &[u8], second: Option<i64>) {
        if let Some(second) = second
            && second > self.stamped_s
        {
            self.stamped_s = second;
            self.bytes
                .extend_from_slice(format!("#TS:{second}\r\n").as_bytes());
        }
        if db.is_some() && db != self.selected {
            self.select(db.unwrap_or(0));
        }
        self.bytes.extend_from_slice(command);
    }

    #[cold]
    fn select(&mut self, db: usize) {
        self.selected = Some(db);
        let mut number = itoa::Buffer::new();
        let argv = [b"SELECT", number.format(db).as_bytes()];
        encode_command(&argv, &mut self.bytes);
    }

    /// What has to be written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes no changes any more, and forgets those that were not written.
    pub fn drop_all(&mut self) {
        *self = AofFeed::default();
    }

    /// Memory held, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// So many bytes from the front are written.
    pub fn written(&mut self, count: usize) {
        if count < self.bytes.len() {
            self.bytes.drain(..count);
        } else if self.bytes.capacity() > IDLE_BYTES_MAX {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_selected_once_and_again_in_another_file() {
        let mut feed = AofFeed::default();
        feed.append(None, b"M", None);
        feed.append(Some(0), b"A", None);
        feed.append(Some(0), b"B", None);
        feed.append(Some(11), b"C", None);
        feed.append(None, b"E", None);
        let expected = b"M*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nAB*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\nCE";
        assert_eq!(feed.bytes(), expected);
        feed.written(expected.len());
        feed.begin_file();
        feed.append(Some(11), b"D", None);
        assert_eq!(feed.bytes(), b"*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\nD");
    }

    #[test]
    fn a_second_is_named_once_and_never_an_earlier_one() {
        let mut feed = AofFeed::default();
        for (command, second) in [(b"A", 7), (b"B", 7), (b"C", 6), (b"D", 8)] {
            feed.append(None, command, Some(second));
        }
        assert_eq!(feed.bytes(), b"#TS:7\r\nABC#TS:8\r\nD");
    }

    #[test]
    fn what_was_written_in_part_keeps_its_rest() {
        let mut feed = AofFeed::default();
        feed.append(None, b"ABCDEF", None);
        feed.written(2);
        assert_eq!(feed.bytes(), b"CDEF");
        feed.written(4);
        assert_eq!(feed.bytes(), b"");
    }
}
