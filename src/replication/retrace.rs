//! Where in its replication history a server is that starts from its append-only file.
//!
//! The file is read command by command, with the marks between them
//! ([`crate::persist::aof::stream_marks`]). What belongs to the stream is counted and summed, and
//! goes into a log, so that at the end a place is known, and the last bytes of the stream are held
//! for replicas that miss them.
//!
//! A place is believed only if nothing speaks against it. What no batch announces was written by
//! somebody who keeps no account: the place is not known until it is told again. A batch that
//! begins before the last one has ended, an offset that is not the counted one, a sum that differs:
//! then something was changed in the file, the data that are loaded from it are not what the marks
//! behind it speak of, and nothing in it is believed any more. A file that just ends, in the middle
//! of a batch or of a command, is sound up to its last whole command or transaction.
//!
//! A history that goes by another name from some place on, at which the stream comes to the same
//! sum, is the same stream up to there: a replica was promoted, or its master was. The old name is
//! remembered, to tell later where others part from ours ([`super::lineage`]).

use std::mem;
use std::ops::Range;

use super::identity::{ANCESTORS_MAX, Ancestor, OFFSET_MAX, ReplId};
use super::info::SavedIdentity;
use super::lineage::Lineage;
use super::log::ReplLog;
use crate::base::numbers::parse_u64;
use crate::persist::aof::records::{Item, Records};
use crate::persist::aof::stream_marks::{BATCH_MARK_BYTES, Place, StreamMark, leading_select};

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// A transaction that has no `EXEC` yet.
#[derive(Debug)]
struct Transaction {
    bytes: Vec<u8>,
    /// The database that the stream has selected at its end.
    db: Option<u32>,
}

/// A place that is known, and how it is counted on from there.
#[derive(Debug)]
struct Known {
    id: ReplId,
    /// The histories that it grew out of, the youngest first.
    ancestors: Vec<Ancestor>,
    db: Option<u32>,
    /// The last bytes of the stream, up to the place.
    log: ReplLog,
    /// Where in the file the batch ends that was announced last, and the offset there.
    batch_end: u64,
    batch_offset: u64,
    /// Up to there in the file the commands are in no stream.
    own_end: u64,
    transaction: Option<Transaction>,
    /// The beginning of what is in the stream alone and fills several comments.
    sent: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// No mark has told a place, or it was lost.
    Unknown,
    Known(Box<Known>),
    /// The file was changed: no mark in it is to be believed.
    Changed(&'static str),
}

/// See the module's head.
#[derive(Debug)]
pub struct Retrace {
    state: State,
    window_bytes: u64,
}

/// The place that was found.
#[derive(Debug)]
pub struct Retraced {
    /// The place.
    pub place: SavedIdentity,
    /// The last bytes of the stream up to there.
    pub log: ReplLog,
}

impl Retrace {
    /// At the beginning of the first file; about so many bytes of the stream are to be held.
    pub fn new(window_bytes: u64) -> Retrace {
        Retrace {
            state: State::Unknown,
            window_bytes,
        }
    }

    /// Whether commands have to be shown.
    #[inline]
    pub fn is_counting(&self) -> bool {
        matches!(self.state, State::Known(_))
    }

    /// A comment was read, which ends at that byte of the file.
    pub fn on_comment(&mut self, text: &[u8], end: u64) {
        let Some(mark) = StreamMark::parse(text) else {
            return;
        };
        if let StreamMark::Place(place) = mark {
            return self.on_place(&place, end);
        }
        let State::Known(known) = &mut self.state else {
            return;
        };
        match mark {
            StreamMark::Place(_) => unreachable!("seen to above"),
            StreamMark::NoPlace => self.state = State::Unknown,
            // Who wrote the file knew more than what can be made of it.
            StreamMark::Lineage(text) => {
                known.ancestors = Lineage::ancestors_in_file(&text, known.id);
            }
            StreamMark::Batch { bytes, offset } => {
                if let Err(why) = known.begin_batch(end, bytes, offset) {
                    self.state = State::Changed(why);
                }
            }
            StreamMark::Own(bytes) => known.own_end = end.saturating_add(bytes),
            StreamMark::Sent { bytes, more } => {
                known.sent.extend_from_slice(&bytes);
                if !more {
                    known.count_sent();
                }
            }
        }
    }

    /// The mark of a place was read.
    fn on_place(&mut self, place: &Place, end: u64) {
        let old = match mem::replace(&mut self.state, State::Unknown) {
            State::Changed(why) => {
                self.state = State::Changed(why);
                return;
            }
            State::Unknown => None,
            State::Known(known) => Some(known),
        };
        let Some(id) = ReplId::parse(&place.id).filter(|_| place.offset <= OFFSET_MAX) else {
            return;
        };
        let (log, ancestors) = match old.map(|old| old.go_on(id, place)) {
            Some(Ok(Some(gone_on))) => gone_on,
            Some(Err(why)) => {
                self.state = State::Changed(why);
                return;
            }
            Some(Ok(None)) | None => {
                let log = ReplLog::new(place.offset + 1, self.window_bytes, place.sum);
                (log, Vec::new())
            }
        };
        self.state = State::Known(Box::new(Known {
            id,
            ancestors,
            db: place.db,
            log,
            batch_end: end,
            batch_offset: place.offset,
            own_end: 0,
            transaction: None,
            sent: Vec::new(),
        }));
    }

    /// A command was read, which stands there in the file.
    pub fn on_command(&mut self, bytes: &[u8], at: Range<u64>) {
        let State::Known(known) = &mut self.state else {
            return;
        };
        if at.end > known.batch_end {
            self.state = State::Unknown;
        } else if at.start >= known.own_end {
            known.count_command(bytes);
        }
    }

    /// What follows is another file.
    pub fn on_next_file(&mut self) {
        if let State::Known(known) = &mut self.state {
            // Its marks begin with the place.
            (known.batch_end, known.own_end) = (0, 0);
        }
    }

    /// The place at the end of the last file.
    ///
    /// # Errors
    ///
    /// It is not known, and this speaks against what the file says.
    pub fn finish(self) -> Result<Option<Retraced>, &'static str> {
        match self.state {
            State::Unknown => Ok(None),
            State::Changed(why) => Err(why),
            State::Known(known) => {
                let offset = known.log.next() - 1;
                let place = SavedIdentity {
                    id: known.id,
                    offset,
                    stream_db: known.db.unwrap_or(0),
                    sum: known.log.sum_up_to(offset),
                    ancestors: known.ancestors,
                };
                let log = known.log;
                Ok(Some(Retraced { place, log }))
            }
        }
    }
}

impl Known {
    /// The stream up to here and the histories before, if the place that was read goes on from
    /// here.
    fn go_on(
        mut self: Box<Self>,
        id: ReplId,
        place: &Place,
    ) -> Result<Option<(ReplLog, Vec<Ancestor>)>, &'static str> {
        let is_there = self.log.next() == place.offset + 1;
        let counted = self.log.sum_up_to(place.offset);
        if self.id == id {
            if !is_there {
                return Err("a place is not the one that was counted");
            }
            if counted.is_some() && place.sum.is_some() && counted != place.sum {
                return Err("the stream does not come to the sum that was told");
            }
        } else {
            if !is_there || counted != place.sum {
                return Ok(None);
            }
            // Who kept the old name may have gone on with more than we had.
            let ancestor = Ancestor {
                id: self.id,
                end: place.offset,
                is_exact: false,
            };
            self.ancestors.insert(0, ancestor);
            self.ancestors.truncate(ANCESTORS_MAX);
        }
        Ok(Some((self.log, self.ancestors)))
    }

    fn begin_batch(&mut self, end: u64, bytes: u64, offset: u64) -> Result<(), &'static str> {
        if end - (BATCH_MARK_BYTES as u64).min(end) < self.batch_end {
            return Err("a batch begins before the last one has ended");
        }
        if self.log.next() != self.batch_offset + 1 || self.transaction.is_some() {
            return Err("a batch does not bring the data to where it said");
        }
        if offset < self.batch_offset || offset > OFFSET_MAX {
            return Err("an offset goes backwards");
        }
        self.batch_end = end.saturating_add(bytes);
        self.batch_offset = offset;
        Ok(())
    }

    /// Counts a command that is data and stream.
    fn count_command(&mut self, bytes: &[u8]) {
        let selected = leading_select(bytes).map(|(db, _)| db);
        if let Some(transaction) = &mut self.transaction {
            transaction.bytes.extend_from_slice(bytes);
            transaction.db = selected.or(transaction.db);
            if bytes == EXEC {
                self.end_transaction();
            }
        } else if bytes == MULTI {
            self.transaction = Some(Transaction {
                bytes: bytes.to_vec(),
                db: self.db,
            });
        } else {
            self.log.append(bytes, self.db);
            self.db = selected.or(self.db);
        }
    }

    /// Half of a transaction was never done, so it counts as a whole.
    fn end_transaction(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.log.append(&transaction.bytes, self.db);
            self.db = transaction.db;
        }
    }

    /// Counts what is in the stream alone.
    fn count_sent(&mut self) {
        let bytes = mem::take(&mut self.sent);
        let selected = last_selected(&bytes);
        match &mut self.transaction {
            Some(transaction) => {
                transaction.bytes.extend_from_slice(&bytes);
                transaction.db = selected.or(transaction.db);
            }
            None => {
                self.log.append(&bytes, self.db);
                self.db = selected.or(self.db);
            }
        }
    }
}

/// The database that these commands of a stream select, if they do.
fn last_selected(commands: &[u8]) -> Option<u32> {
    let mut records = Records::default();
    records.push(commands);
    let mut selected = None;
    while let Ok(Some(item)) = records.next_item() {
        if let Item::Command { args, .. } = item
            && args.len() == 2
            && args[0].eq_ignore_ascii_case(b"select")
        {
            let db = parse_u64(&args[1]).and_then(|db| u32::try_from(db).ok());
            selected = db.or(selected);
        }
    }
    selected
}

#[cfg(test)]
#[path = "retrace_tests.rs"]
mod tests;
