//! Which place in the replication stream the append-only file is at: see [`super::aof_feed`].
//!
//! The stream also grows by what is no change of the data: pings, questions how far replicas are,
//! published messages. The machine that says these things knows no file, so what the stream has
//! got beyond what was given to the file is found by its offset: before the next operation, and
//! before the file is written.

use super::env::Env;
use crate::persist::aof::stream_marks::{Place, leading_select};

/// So much of the stream that is no change may be kept in the file at once.
const SENT_BYTES_MAX: u64 = 1024 * 1024;

impl Env {
    /// The present second, if the file is to have timestamps.
    #[inline]
    pub(super) fn aof_second(&self) -> Option<i64> {
        let stamped = self.config.aof_timestamp_enabled;
        stamped.then(|| self.now.unix_s())
    }

    /// Gives the file what the stream has got since it was last given something.
    #[inline]
    pub(super) fn file_what_the_stream_has(&mut self) {
        if let Some(end) = self.aof.followed_end()
            && end != self.replication.offset()
        {
            self.file_sent_bytes(end);
        }
    }

    /// A command of our master runs; see [`super::aof_feed::AofFeed::begin_applied`].
    pub fn begin_applied(&mut self) {
        self.file_what_the_stream_has();
        let second = self.aof_second();
        self.aof.begin_applied(second);
    }

    #[cold]
    fn file_sent_bytes(&mut self, end: u64) {
        let count = self.replication.offset().checked_sub(end);
        let count = count.filter(|count| *count <= SENT_BYTES_MAX);
        let bytes = count.and_then(|count| self.replication.newest_bytes(count));
        let Some(mut bytes) = bytes.as_deref().filter(|b| self.aof.may_keep_sent(b.len())) else {
            return self.aof.lose_place();
        };
        // The stream of a master selects a database before what concerns it.
        if let Some((db, count)) = leading_select(bytes) {
            let (select, rest) = bytes.split_at(count);
            self.aof.append_selection(select, db as usize);
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.aof.append_sent(bytes);
        }
    }

    /// Sees to it that the file says at which place of which history the data are, where they have
    /// one. To be called before the file is written at the end of a tick: within one, the data may
    /// be another's than the place, as when a snapshot takes their place.
    pub fn settle_aof_place(&mut self) {
        if !self.aof.is_on() {
            return;
        }
        self.file_what_the_stream_has();
        let has_place = self.config.aof_stream_marks && self.replication.has_place();
        if !has_place {
            if self.aof.followed_end().is_some() {
                self.aof.lose_place();
            }
            return;
        }
        let id = self.replication.identity().id();
        let follows = self.aof.follows(id.as_bytes());
        if !(follows && self.aof.told_place_lately()) {
            let saved = self.replication.saved_identity();
            let place = saved.map(|saved| {
                let mut id = [0; 40];
                id.copy_from_slice(saved.id.as_bytes());
                Place {
                    id,
                    offset: saved.offset,
                    db: Some(saved.stream_db),
                    sum: saved.sum,
                }
            });
            let lineage = match follows {
                true => None,
                false => self.replication.saved_lineage(),
            };
            self.aof.follow(place, lineage.as_deref());
        }
    }
}
