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
//!
//! **Following the stream.** While the data have a place in a replication history, the file says
//! which (`persist/aof/stream_marks.rs`): the feed *follows* the stream. Whoever gives it something
//! says how far the stream has grown with it. A master gives both the same bytes, so they usually
//! agree; what is in one alone is marked as such. A replica gives the file what its own commands
//! yield, as ever, since a master may send what must not be read again later (an expiry that counts
//! from now); then it says which bytes of the stream that was, and where the two are equal, nothing
//! has to be marked ([`AofFeed::begin_applied`]).
//!
//! ```text
//!                         the feed holds
//! follow (id, 1000)       #RP:id:1000:0:sum
//! SET b 2                 #RB:…  SET b 2                  stream and file
//! (the stream: PING)      #RS:…                           stream alone
//! SELECT 0 (another file) #RO:23  SELECT 0                file alone
//! seal                    the #RB gets its numbers
//! ```

use crate::persist::aof::stream_marks::{
    BATCH_MARK_BYTES, Place, fill_batch, leading_select, push_lineage, push_own, push_place,
    push_room_for_batch, push_sent,
};
use crate::resp::args::encode_command;

/// A buffer with more room than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 256 * 1024;

/// A batch with more bytes than this is not added to.
const BATCH_BYTES_SOFT: usize = 64 * 1024 * 1024;

/// The place is told in full, with the sum, each time the stream has grown by so much.
const PLACE_PERIOD_BYTES: u64 = 64 * 1024;

/// Published messages are kept until they are so much more than the commands of the file.
const SENT_AHEAD_BYTES_MAX: u64 = 1024 * 1024;

/// The stream that the file follows.
#[derive(Debug)]
struct Followed {
    id: [u8; 40],
    /// The offset that what was given brings the data to.
    end: u64,
    /// The offset at which the place was told in full last.
    told_at: u64,
}

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
    followed: Option<Followed>,
    /// Where in `bytes` room is left for the mark of the batch that is open.
    batch_at: Option<usize>,
    /// Where in `bytes` that begins which commands of our master yield.
    applied_at: Option<usize>,
    /// Whether commands were given, and not comments alone, since somebody asked.
    has_data: bool,
    /// Bytes that the file has got which are in the stream alone, and all others.
    sent_bytes: u64,
    command_bytes: u64,
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
        self.seal();
        self.selected = None;
        self.stamped_s = 0;
        self.followed = None;
        (self.sent_bytes, self.command_bytes) = (0, 0);
    }

    /// Takes an operation. What stands around operations (`MULTI` and `EXEC`) is in no database.
    /// `second` is the present one if the file is to have timestamps.
    #[inline]
    pub fn append(&mut self, db: Option<usize>, command: &[u8], second: Option<i64>) {
        if let Some(second) = second {
            self.stamp(second);
        }
        if db.is_some() && db != self.selected {
            self.select(db.unwrap_or(0));
        }
        self.has_data = true;
        self.bytes.extend_from_slice(command);
    }

    fn stamp(&mut self, second: i64) {
        if second > self.stamped_s {
            self.stamped_s = second;
            self.bytes
                .extend_from_slice(format!("#TS:{second}\r\n").as_bytes());
        }
    }

    #[cold]
    fn select(&mut self, db: usize) {
        self.selected = Some(db);
        let mut number = itoa::Buffer::new();
        let argv = [b"SELECT", number.format(db).as_bytes()];
        encode_command(&argv, &mut self.bytes);
    }

    // ---- Following the stream ----

    /// The offset that the stream had when the file was last given something, while it follows.
    #[inline]
    pub fn followed_end(&self) -> Option<u64> {
        self.followed.as_ref().map(|followed| followed.end)
    }

    /// Whether the file follows the history of this name.
    pub fn follows(&self, id: &[u8]) -> bool {
        self.followed.as_ref().is_some_and(|f| f.id == id)
    }

    /// Whether it has told its place lately.
    pub fn told_place_lately(&self) -> bool {
        let told = |f: &Followed| f.end - f.told_at < PLACE_PERIOD_BYTES;
        self.followed.as_ref().is_some_and(told)
    }

    /// The data, with all that was given so far, are at this place, or at none; follows the stream
    /// from there. The lineage of its history is to be told when that is another than before.
    pub fn follow(&mut self, place: Option<Place>, lineage: Option<&str>) {
        self.seal();
        push_place(place.as_ref(), &mut self.bytes);
        if let Some(lineage) = lineage {
            push_lineage(lineage, &mut self.bytes);
        }
        self.followed = place.map(|place| Followed {
            id: place.id,
            end: place.offset,
            told_at: place.offset,
        });
    }

    /// What the stream has got is not to be kept, so the place is not known before it is told
    /// again.
    pub fn lose_place(&mut self) {
        self.follow(None, None);
    }

    /// Takes an operation with which the stream has grown by `grown` bytes, while the file follows
    /// it: by none if replicas do not get it, and by more than the operation's own if a `SELECT` of
    /// its database stands before it there.
    #[inline]
    pub fn append_followed(
        &mut self,
        db: Option<usize>,
        command: &[u8],
        second: Option<i64>,
        grown: u64,
    ) {
        // Usually a batch is open and the operation stands in the stream as it is.
        if grown == command.len() as u64
            && db == self.selected
            && second.is_none()
            && self.applied_at.is_none()
            && let Some(at) = self.batch_at
            && self.bytes.len() - at < BATCH_BYTES_SOFT
        {
            self.has_data = true;
            self.bytes.extend_from_slice(command);
            return self.grow(grown);
        }
        self.append_marked(db, command, second, grown);
    }

    /// The same, with whatever has to be told of it.
    fn append_marked(
        &mut self,
        db: Option<usize>,
        command: &[u8],
        second: Option<i64>,
        grown: u64,
    ) {
        if self.applied_at.is_some() {
            return self.append(db, command, None);
        }
        self.begin_batch();
        if let Some(second) = second {
            self.stamp(second);
        }
        let is_selected = db.is_none() || db == self.selected;
        match grown.checked_sub(command.len() as u64) {
            Some(0) if is_selected => {}
            Some(0) => self.own(|feed| feed.select(db.unwrap_or(0))),
            Some(_) => self.select(db.unwrap_or(0)),
            None => return self.own(|feed| feed.append(db, command, None)),
        }
        self.has_data = true;
        self.bytes.extend_from_slice(command);
        self.grow(grown);
    }

    /// Has something that belongs to the file alone marked as such.
    #[cold]
    fn own(&mut self, append: impl FnOnce(&mut AofFeed)) {
        let at = self.bytes.len();
        append(self);
        self.mark_own(at);
    }

    /// Marks what stands from there on as the file's own.
    fn mark_own(&mut self, at: usize) {
        let own = self.bytes.split_off(at);
        push_own(own.len(), &mut self.bytes);
        self.bytes.extend_from_slice(&own);
    }

    #[inline]
    fn grow(&mut self, grown: u64) {
        self.command_bytes += grown;
        if let Some(followed) = &mut self.followed {
            followed.end += grown;
        }
    }

    /// Whether so many bytes that are in the stream alone may be kept: messages must not make the
    /// file much longer than what it is for.
    pub fn may_keep_sent(&self, count: usize) -> bool {
        self.sent_bytes + count as u64 <= self.command_bytes + SENT_AHEAD_BYTES_MAX
    }

    /// Takes what is in the stream and changes no data.
    pub fn append_sent(&mut self, bytes: &[u8]) {
        self.begin_batch();
        push_sent(bytes, &mut self.bytes);
        self.sent_bytes += bytes.len() as u64;
        if let Some(followed) = &mut self.followed {
            followed.end += bytes.len() as u64;
        }
    }

    /// Takes the `SELECT` that stands in the stream.
    pub fn append_selection(&mut self, bytes: &[u8], db: usize) {
        self.begin_batch();
        self.has_data = true;
        self.bytes.extend_from_slice(bytes);
        self.selected = Some(db);
        self.grow(bytes.len() as u64);
    }

    /// A command of our master runs: what it yields is the file's part of what the stream will be
    /// said to have grown by.
    pub fn begin_applied(&mut self, second: Option<i64>) {
        if self.followed.is_none() {
            return;
        }
        self.begin_batch();
        if let Some(second) = second {
            self.stamp(second);
        }
        self.applied_at = Some(self.bytes.len());
    }

    /// It has run, and with it the stream has grown by these bytes; by none in the middle of a
    /// transaction.
    pub fn end_applied(&mut self, stream: &[u8]) {
        let Some(at) = self.applied_at.take() else {
            return;
        };
        if self.bytes[at..] == *stream {
            return self.grow(stream.len() as u64);
        }
        let yielded = self.bytes.split_off(at);
        if yielded.is_empty()
            && let Some((db, count)) = leading_select(stream)
            && count == stream.len()
        {
            return self.append_selection(stream, db as usize);
        }
        if !self.may_keep_sent(stream.len()) {
            self.lose_place();
            return self.bytes.extend_from_slice(&yielded);
        }
        if !stream.is_empty() {
            self.append_sent(stream);
        }
        if !yielded.is_empty() {
            push_own(yielded.len(), &mut self.bytes);
            self.bytes.extend_from_slice(&yielded);
        }
    }

    #[inline]
    fn begin_batch(&mut self) {
        match self.batch_at {
            Some(at) if self.bytes.len() - at < BATCH_BYTES_SOFT => return,
            Some(_) => self.seal(),
            None => {}
        }
        self.batch_at = Some(self.bytes.len());
        push_room_for_batch(&mut self.bytes);
    }

    /// Completes the mark of the batch that is open: to be called before bytes are written.
    pub fn seal(&mut self) {
        let Some(at) = self.batch_at.take() else {
            return;
        };
        let end = self.followed_end().unwrap_or(0);
        let behind = at + BATCH_MARK_BYTES;
        let count = self.bytes.len() - behind;
        if count == 0 {
            return self.bytes.truncate(at);
        }
        fill_batch(&mut self.bytes[at..behind], count, end);
    }

    // ---- Writing ----

    /// What has to be written; the last batch must be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether commands were given, and not comments alone, since this was last asked.
    pub fn take_has_data(&mut self) -> bool {
        std::mem::take(&mut self.has_data)
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
        assert!(self.batch_at.is_none(), "an unsealed batch was written");
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
#[path = "aof_feed_tests.rs"]
mod tests;
