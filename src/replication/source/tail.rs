//! The end of our stream that a replica may lack: what is lost if that replica is promoted.
//!
//! A master that is cut off does not know what the other side makes of it. So it keeps the stream
//! from the lowest offset on that any replica is known to have run: of those that are online, and
//! of those that were and are gone, for a while. While all replicas are well that is the last
//! instant, and a cursor of the log keeps it:
//!
//! ```text
//!      spooled       |             log
//!   [ segment ][ seg ][ block ][ block ][ block ]
//!      ^ lowest       ^ cursor                   ^ end of the stream
//!        offset       |<------- memory ------->|
//! ```
//!
//! Once the cursor holds half of what the backlog may take, replicas that are online are asked how
//! far they are; and if that does not help, since one is gone or does not answer, the driver copies
//! what is more than that to files of its own (the *spool*), in one piece in a tick, and the cursor
//! moves on. Both the cursor and the pieces are cut where the log knows that a command begins, and
//! which database is selected there.
//!
//! A replica is known by its address. Who is gone is forgotten when it is back and has run at least
//! what it had, and after `lost-writes-max-age`. Readers that do not say where they listen, or do
//! not acknowledge, are never promoted; they do not count.
//!
//! When we get a master ourselves, all of it stands still until it is clear what becomes of our
//! data ([`super::super::link`]).

use super::replica::{Replica, State};
use crate::replication::history::History;
use crate::replication::log::{CommandStart, Cursor, ReaderKind, ReplLog, WINDOW_BYTES_MIN};
use crate::replication::settings::ReplicationSettings;

/// So many replicas that are gone are remembered; what the others had is the least of what two of
/// them had.
const GONE_MAX: usize = 16;
/// After the spool has failed, nothing is copied for so long.
const SPOOL_PAUSE_MS: u64 = 10_000;

/// A replica that is gone.
#[derive(Debug)]
struct Gone {
    ip: Option<String>,
    port: i64,
    /// What it had run.
    had: u64,
    since_ms: u64,
}

impl Gone {
    fn is(&self, replica: &Replica) -> bool {
        self.port == replica.options.listening_port && self.ip.as_deref() == replica.ip()
    }
}

/// A piece of the stream for the driver to copy: from the cursor on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailPiece {
    /// The command that it begins with.
    pub start: CommandStart,
    /// Its length, which is that of whole commands.
    pub bytes: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(in crate::replication) struct Tail {
    /// We have a master: what there is stays as it is.
    is_frozen: bool,
    gone: Vec<Gone>,
    /// The lowest offset that a replica is known to have run.
    base: Option<u64>,
    /// Where the log's part begins.
    cursor: Option<Cursor>,
    /// Where the spool's part begins, which ends at the cursor, if there is one.
    spooled: Option<CommandStart>,
    /// The memory in use need not be looked at before the stream gets there.
    look_at: u64,
    /// Where the cursor was when replicas were asked.
    asked_at: u64,
    /// When the spool may be tried again.
    spool_ms: u64,
}

/// What the replica is known to have run; none if it will never be a master.
fn had_by(replica: &Replica, end: u64) -> Option<u64> {
    let State::Online { .. } = replica.state else {
        return None;
    };
    let may_lead = !replica.old_protocol && replica.options.listening_port != 0;
    may_lead.then(|| replica.ack_offset.max(replica.start_offset).min(end))
}

/// The memory that the cursor may hold: what the backlog takes anyway. More would let replicas
/// continue from farther back than was asked for.
fn memory_max(settings: &ReplicationSettings) -> u64 {
    settings.backlog_bytes.max(WINDOW_BYTES_MIN)
}

impl Tail {
    /// The lowest offset that a replica is known to have run.
    pub fn base(&self) -> Option<u64> {
        self.base
    }

    /// Where the spool's part begins, and how long it is.
    pub fn spooled(&self, log: Option<&ReplLog>) -> Option<(CommandStart, u64)> {
        let cursor = self.cursor.as_ref().zip(log);
        let end = cursor.map(|(cursor, log)| log.position(cursor));
        self.spooled
            .zip(end)
            .map(|(start, end)| (start, end - start.offset))
    }

    /// The reader of the log's part.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// We have a master from now on, or none any more.
    pub fn set_frozen(&mut self, is_frozen: bool) {
        self.is_frozen = is_frozen;
    }

    /// A replica leaves.
    pub(super) fn on_gone(&mut self, replica: &Replica, end: u64, now_ms: u64) {
        let Some(had) = had_by(replica, end).filter(|_| !self.is_frozen) else {
            return;
        };
        self.gone.retain(|gone| !gone.is(replica) || gone.had < had);
        self.gone.push(Gone {
            ip: replica.ip().map(str::to_owned),
            port: replica.options.listening_port,
            had,
            since_ms: now_ms,
        });
        if self.gone.len() > GONE_MAX {
            let oldest = self.gone.remove(0);
            let next = &mut self.gone[0];
            next.had = next.had.min(oldest.had);
        }
    }

    /// Looks again at what replicas have run, and lets go of what all have.
    pub(super) fn refresh(
        &mut self,
        replicas: &[Replica],
        history: &mut History,
        settings: &ReplicationSettings,
        now_ms: u64,
    ) {
        if self.is_frozen {
            return;
        }
        if !settings.keeps_lost_writes() {
            self.gone.clear();
            return self.release(history);
        }
        let end = history.identity().offset();
        let is_missing = |gone: &Gone| {
            let is_back = |replica: &Replica| {
                gone.is(replica) && had_by(replica, end).is_some_and(|had| had >= gone.had)
            };
            let age_s = now_ms.saturating_sub(gone.since_ms) / 1000;
            age_s < settings.lost_age_max_s && !replicas.iter().any(is_back)
        };
        self.gone.retain(is_missing);
        let online = replicas.iter().filter_map(|replica| had_by(replica, end));
        self.base = online.chain(self.gone.iter().map(|gone| gone.had)).min();
        match self.base {
            Some(base) => self.seat(history, base + 1),
            None => self.release(history),
        }
    }

    /// Has the bytes from `offset` on kept, as far as they are there.
    pub fn seat(&mut self, history: &mut History, offset: u64) {
        let Some(log) = history.log_mut() else {
            return;
        };
        let at = self.cursor.as_ref().map(|cursor| log.position(cursor));
        if self.spooled.is_some() && at.is_some_and(|at| offset < at) {
            return;
        }
        self.spooled = None;
        let wanted = offset.clamp(log.first(), log.next());
        let start = log.command_start_before(wanted);
        let start = start.or_else(|| log.command_start_after(wanted));
        let start = start.map_or(wanted, |start| start.offset);
        match (&self.cursor, at) {
            (Some(_), Some(at)) if at == start => {}
            (Some(cursor), Some(at)) if at < start => log.advance(cursor, (start - at) as usize),
            _ => {
                if let Some(cursor) = self.cursor.take() {
                    log.detach(cursor);
                }
                self.cursor = Some(log.attach(start, ReaderKind::Live));
            }
        }
    }

    /// Lets go of everything: the log ends, or what is in it is known not to be lost.
    pub fn release(&mut self, history: &mut History) {
        if let (Some(cursor), Some(log)) = (self.cursor.take(), history.log_mut()) {
            log.detach(cursor);
        }
        (self.base, self.spooled) = (None, None);
    }

    /// Lets go of everything, and of who is gone.
    pub fn forget(&mut self, history: &mut History) {
        self.release(history);
        self.gone.clear();
    }

    /// Whether replicas should be asked how far they are, because much waits for their answer. To
    /// be called once a tick.
    pub fn wants_acks(&mut self, history: &History, settings: &ReplicationSettings) -> bool {
        let (Some(cursor), Some(log)) = (&self.cursor, history.log()) else {
            return false;
        };
        let memory = memory_max(settings);
        if log.next() < self.look_at && log.next() + memory > self.look_at {
            return false;
        }
        self.look_at = log.next() + memory / 16;
        let at = log.position(cursor);
        let is_much = log.pending_bytes(cursor) > memory / 2;
        is_much && std::mem::replace(&mut self.asked_at, at) != at
    }

    /// What has to be copied from the log for memory's sake. Cheap while there is nothing.
    pub fn piece(
        &mut self,
        history: &mut History,
        settings: &ReplicationSettings,
        now_ms: u64,
    ) -> Option<TailPiece> {
        let log = history.log_mut()?;
        let cursor = self.cursor.as_ref()?;
        let memory = memory_max(settings);
        if self.is_frozen || log.pending_bytes(cursor) <= memory {
            return None;
        }
        let at = log.position(cursor);
        let limit = log.next() - memory / 4 * 3;
        let end = log
            .command_start_before(limit)
            .filter(|end| end.offset > at);
        let end = end.or_else(|| log.command_start_after(at + 1))?.offset;
        if now_ms < self.spool_ms {
            // Only what memory holds is kept.
            log.advance(cursor, (end - at) as usize);
            return None;
        }
        let start = log
            .command_start_before(at)
            .filter(|start| start.offset == at);
        let Some(start) = start else {
            // It was placed before that command was there.
            self.seat(history, at);
            return None;
        };
        let bytes = end - at;
        Some(TailPiece { start, bytes })
    }

    /// The driver has copied that piece.
    pub fn on_copied(&mut self, history: &mut History, piece: TailPiece) {
        let (Some(cursor), Some(log)) = (&self.cursor, history.log_mut()) else {
            return;
        };
        log.advance(cursor, piece.bytes as usize);
        self.spooled.get_or_insert(piece.start);
    }

    /// The driver could not, and has nothing any more of what it copied before.
    pub fn on_spool_failed(&mut self, now_ms: u64) {
        self.spooled = None;
        self.spool_ms = now_ms + SPOOL_PAUSE_MS;
    }

    /// The driver has let the oldest of what it copied go, for want of room; `start` is where the
    /// rest begins.
    pub fn on_spool_cut(&mut self, start: CommandStart) {
        if self.spooled.is_some() {
            self.spooled = Some(start);
        }
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
