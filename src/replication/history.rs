//! The history that our data is of: its name and how far we are in it, its last bytes, and the
//! database that its stream has selected.
//!
//! [`Identity`] says how many bytes the replication stream has, [`ReplLog`] holds the last of them;
//! the two must move in step, and this value is the only place where either does. The log exists
//! once somebody may want to continue: from the first replica on, or from the moment we follow a
//! master. Without it bytes are not counted, since nobody could ask for them; that is why a log
//! that begins anew begins a new history, unless the history was learned from elsewhere. But each
//! command moves the offset on even then, so that an append-only file can say up to where it holds
//! what clients have written.
//!
//! The sum of the stream ([`ReplLog`]) lives with the log. Where a history was learned from a
//! snapshot, the sum came with it, and waits here for the log to begin.
//!
//! Invariant: while there is a log, its next offset is one more than the identity's offset.

use super::identity::{Ancestor, Decision, Identity, ReplId};
use super::log::ReplLog;
use crate::base::numbers;
use crate::base::rng::Rng;

/// What a stream has come to at some offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamPlace {
    /// The database that is selected; `None` if none is, or it is not known.
    pub db: Option<u32>,
    /// The sum of its bytes, if that is known.
    pub sum: Option<u64>,
}

/// The sum of a stream without a byte.
pub const SUM_OF_NOTHING: u64 = 0;

/// The history that our data is of; see the module's head.
#[derive(Debug)]
pub struct History {
    identity: Identity,
    log: Option<ReplLog>,
    /// The database that the stream has selected up to here; `None` before the first `SELECT`.
    /// True of the stream whoever wrote it, so it goes into snapshots and is never forgotten.
    db: Option<u32>,
    /// A replica may begin to read here that was not told the database: the next command of ours
    /// selects it again.
    select_again: bool,
    /// The sum of the stream up to here, if it is known and no log keeps it.
    sum: Option<u64>,
}

impl History {
    /// The history of a server that has just started.
    pub fn new(rng: &mut Rng) -> History {
        History {
            identity: Identity::new(rng),
            log: None,
            db: None,
            select_again: false,
            sum: Some(SUM_OF_NOTHING),
        }
    }

    /// Its name, and how far we are in it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The log, if one is kept.
    pub fn log(&self) -> Option<&ReplLog> {
        self.log.as_ref()
    }

    /// The log, to move cursors in.
    pub fn log_mut(&mut self) -> Option<&mut ReplLog> {
        self.log.as_mut()
    }

    /// The database that the stream has selected.
    pub fn db(&self) -> Option<u32> {
        self.db
    }

    /// Sets the selected database: the stream of a master was run up to here, or restored.
    pub fn set_db(&mut self, db: Option<u32>) {
        self.db = db;
    }

    /// Makes the next command of ours begin with a `SELECT`, for a reader that begins there.
    pub fn select_again(&mut self) {
        self.select_again = true;
    }

    /// Adds a command of our own, as it goes over the wire, preceded by a `SELECT` when `db` is
    /// another database than the last, or when a replica may not know the last. Commands that
    /// concern no database pass `None`. Without a log it counts as one.
    pub fn feed(&mut self, db: Option<u32>, command: &[u8]) {
        if self.log.is_none() {
            self.identity.advance(1);
            return;
        }
        if let Some(db) = db
            && (self.select_again || self.db != Some(db))
        {
            let mut digits = Vec::new();
            numbers::format_u64(u64::from(db), &mut digits);
            self.append(&super::wire::command(&[b"SELECT", &digits]));
            self.db = Some(db);
            self.select_again = false;
        }
        self.append(command);
    }

    /// Adds bytes of the stream, whole commands, as they are. What they select is to be told
    /// afterwards.
    pub fn append(&mut self, bytes: &[u8]) {
        self.identity.advance(bytes.len() as u64);
        if let Some(log) = &mut self.log {
            log.append(bytes, self.db);
            assert_eq!(
                log.next(),
                self.identity.offset() + 1,
                "log and offset move in step"
            );
        }
    }

    /// Begins a log where the stream is, unless there is one.
    pub fn keep_log(&mut self, window_bytes: u64) {
        let next = self.identity.offset() + 1;
        let sum = self.sum;
        self.log
            .get_or_insert_with(|| ReplLog::new(next, window_bytes, sum));
    }

    /// Goes on with a log that ends where the stream is.
    pub fn install_log(&mut self, log: ReplLog) {
        assert!(self.log.is_none(), "a log belongs to one history");
        assert_eq!(log.next(), self.identity.offset() + 1, "it ends here");
        self.log = Some(log);
    }

    /// The sum of the stream up to `offset`, if it is known; see [`ReplLog::sum_up_to`].
    pub fn sum_up_to(&self, offset: u64) -> Option<u64> {
        match &self.log {
            Some(log) => log.sum_up_to(offset),
            None if offset == self.identity.offset() => self.sum,
            None => None,
        }
    }

    /// The sum of the whole stream, if it is known.
    pub fn sum(&self) -> Option<u64> {
        self.sum_up_to(self.identity.offset())
    }

    /// Lets the log go. No replica may be attached to it.
    pub fn drop_log(&mut self) {
        self.sum = self.sum();
        let readers = self.log.take().map_or(0, |log| log.cursor_count());
        assert_eq!(readers, 0, "the log was dropped under its readers");
    }

    /// Begins a history of our own that continues none.
    pub fn begin_anew(&mut self, rng: &mut Rng) {
        self.identity.begin_history(rng);
        // Nobody knows the name yet, so any sum will do, and one that is not known had better be.
        self.sum = Some(SUM_OF_NOTHING);
    }

    /// Begins a history of our own that continues the one so far.
    pub fn shift(&mut self, rng: &mut Rng) {
        self.identity.shift(rng);
        self.select_again();
    }

    /// Remembers which histories ours grew out of, as our master tells it.
    pub fn learn(&mut self, ancestors: &[Ancestor]) {
        self.identity.learn(ancestors);
    }

    /// Goes on under the name that our master has now.
    pub fn continue_as(&mut self, id: ReplId) {
        self.identity.continue_as(id);
    }

    /// Takes over a history at `offset`; the log of another one must be gone. `at` says what its
    /// stream has come to there.
    pub fn adopt(&mut self, id: ReplId, offset: u64, at: StreamPlace) {
        assert!(self.log.is_none(), "a log belongs to one history");
        self.identity.adopt(id, offset);
        (self.db, self.sum) = (at.db, at.sum);
    }

    /// Takes over what a snapshot on disk says of the history that a master wrote, whose stream had
    /// this sum.
    pub fn restore_as_master(&mut self, id: ReplId, offset: u64, sum: Option<u64>) {
        assert!(self.log.is_none(), "restored before anybody could attach");
        self.identity.restore_as_master(id, offset);
        self.sum = sum;
    }

    /// Whether a replica may continue from `offset` of history `id`.
    pub fn can_continue(&self, id: &[u8], offset: i64) -> Decision {
        let held = self.log.as_ref().map(|log| (log.first(), log.next()));
        self.identity.can_continue(id, offset, held)
    }

    /// Asserts what must hold between any two calls.
    pub fn check_invariants(&self) {
        if let Some(log) = &self.log {
            log.check_invariants();
            assert_eq!(
                log.next(),
                self.identity.offset() + 1,
                "log and offset move in step"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::log::ReaderKind;

    fn text(history: &History) -> String {
        let log = history.log().expect("a log");
        String::from_utf8(log.last_bytes(usize::MAX)).expect("ASCII in this test")
    }

    #[test]
    fn commands_and_not_bytes_are_counted_before_a_log_is_kept() {
        let mut history = History::new(&mut Rng::from_seed(1));
        history.feed(Some(0), b"PING\r\n");
        history.feed(Some(1), b"PING\r\n");
        assert_eq!(history.identity().offset(), 2);
        history.keep_log(1 << 20);
        history.feed(None, b"PING\r\n");
        assert_eq!(history.identity().offset(), 8);
        history.check_invariants();
    }

    #[test]
    fn select_is_sent_when_the_database_changes_and_when_somebody_may_not_know() {
        let mut history = History::new(&mut Rng::from_seed(1));
        history.keep_log(1 << 20);
        history.feed(Some(0), b"a\r\n");
        history.feed(Some(0), b"b\r\n");
        history.feed(None, b"c\r\n");
        history.feed(Some(12), b"d\r\n");
        history.select_again();
        assert_eq!(history.db(), Some(12), "it is still selected");
        history.feed(Some(12), b"e\r\n");
        let select_0 = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
        let select_12 = "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n";
        let want = format!("{select_0}a\r\nb\r\nc\r\n{select_12}d\r\n{select_12}e\r\n");
        assert_eq!(text(&history), want);
        assert_eq!(history.identity().offset(), want.len() as u64);
    }

    #[test]
    fn a_log_begins_where_the_history_is() {
        let mut history = History::new(&mut Rng::from_seed(1));
        let place = StreamPlace {
            db: Some(3),
            sum: Some(7),
        };
        history.adopt(ReplId::NONE, 1000, place);
        history.keep_log(1 << 20);
        let log = history.log().expect("a log");
        assert_eq!((log.first(), log.next()), (1001, 1001));
        assert_eq!((history.db(), history.sum()), (Some(3), Some(7)));
    }

    #[test]
    #[should_panic(expected = "under its readers")]
    fn the_log_is_not_dropped_while_somebody_reads_it() {
        let mut history = History::new(&mut Rng::from_seed(1));
        history.keep_log(1 << 20);
        let log = history.log_mut().expect("a log");
        let _cursor = log.attach(1, ReaderKind::Live);
        history.drop_log();
    }
}
