//! What a new master may lack of our stream, as the driver sees it: what it has to copy, what it
//! reads when that is lost indeed, and what it answers.
//!
//! The decisions are made elsewhere: what replicas may lack, by `source/tail.rs`; what a new master
//! lacks, by `link/claim.rs`.

use super::log::CommandStart;
use super::source::TailPiece;
use super::{Action, Facts, Replication};
use crate::base::time::Now;

impl Replication {
    /// What [`Action::KeepLost`] named was kept, or could not be, for this reason.
    pub fn on_lost_kept(
        &mut self,
        result: Result<(), String>,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_lost_kept(&mut cx, result);
        }
    }

    /// What the driver has to copy from [`tail_chunks`](Self::tail_chunks) to its spool, so that
    /// the log need not hold it. To be asked for once before it sleeps.
    pub fn tail_piece(&mut self, now: Now) -> Option<TailPiece> {
        let tail = self.source.tail_mut();
        tail.piece(&mut self.history, &self.settings, now.mono_ms())
    }

    /// The stream as far as replicas may lack it and the spool does not have it.
    pub fn tail_chunks(&self) -> impl Iterator<Item = &[u8]> {
        let parts = self.source.tail().cursor().zip(self.history.log());
        parts
            .into_iter()
            .flat_map(|(cursor, log)| log.chunks(cursor))
    }

    /// The spool has taken that piece.
    pub fn on_tail_copied(&mut self, piece: TailPiece) {
        self.source.tail_mut().on_copied(&mut self.history, piece);
    }

    /// The spool could not take it, and has nothing any more.
    pub fn on_spool_failed(&mut self, now: Now) {
        self.source.tail_mut().on_spool_failed(now.mono_ms());
    }

    /// The spool has let its oldest part go, for want of room; the rest begins there.
    pub fn on_spool_cut(&mut self, start: CommandStart) {
        self.source.tail_mut().on_spool_cut(start);
    }

    /// Where the spool's part begins, and its length; none if nothing in the spool is needed.
    pub fn spooled(&self) -> Option<(CommandStart, u64)> {
        self.source.tail().spooled(self.history.log())
    }

    /// The stream from behind `after` on is to be read, spool first, then
    /// [`tail_chunks`](Self::tail_chunks). Returns where these begin.
    pub fn begin_reading_tail(&mut self, after: u64) -> Option<CommandStart> {
        let tail = self.source.tail_mut();
        tail.seat(&mut self.history, after + 1);
        let log = self.history.log()?;
        let at = log.position(tail.cursor()?);
        log.command_start_before(at)
            .filter(|start| start.offset == at)
    }

    /// The lowest offset that a replica of ours is known to have run, if one may be promoted.
    pub fn tail_base(&self) -> Option<u64> {
        self.source.tail().base()
    }
}
