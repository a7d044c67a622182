//! A snapshot file that was on its way to a replica when the link broke.
//!
//! The replica, if it is one of ours, has kept what it got, and comes back soon. So the file stays
//! open for a while, and its place in the stream stays in the log, which may be on disk. If the
//! replica says then which file it has a part of, it is sent the rest, and the stream from there: a
//! link that breaks every minute only has to be up long enough in all. One file is kept, the last.
//!
//! A snapshot through sockets has no file, and begins anew each time. So a replica that could
//! resume and whose snapshot was cut twice is made a file the next time, whatever
//! `repl-diskless-sync` says.

use super::replica::{CutReplica, KeptFile, Replica, SnapshotFile, State};
use super::{OnLoss, Source, log_of};
use crate::replication::action::{Action, Contents};
use crate::replication::context::Context;
use crate::replication::extensions::{Extensions, SnapshotPart};
use crate::replication::log::Cursor;

/// How long a file is kept.
const KEPT_MS: u64 = 60_000;
/// Snapshots through sockets that are cut before a file is made.
const CUTS_MAX: u32 = 2;
/// Replicas whose cuts are counted, the last.
const COUNTED_MAX: usize = 16;

impl Source {
    /// The link to a replica broke that was being sent this file.
    pub(super) fn keep_file(
        &mut self,
        cx: &mut Context,
        client: u64,
        file: SnapshotFile,
        cursor: Cursor,
    ) {
        self.drop_kept(cx);
        cx.notice(
            "The snapshot file is kept for a while, should the replica come back for the rest",
        );
        cx.push(Action::KeepFile { client });
        self.kept = Some(KeptFile {
            file,
            cursor,
            until_ms: cx.now_ms() + KEPT_MS,
        });
    }

    /// The link to a replica broke in the middle of a snapshot through sockets.
    pub(super) fn note_cut(&mut self, replica: &Replica) {
        let Some(ip) = replica.ip() else { return };
        let port = replica.options.listening_port;
        let before = self.take_cuts(replica);
        if self.cut.len() == COUNTED_MAX {
            self.cut.pop_front();
        }
        self.cut.push_back(CutReplica {
            ip: ip.to_owned(),
            port,
            cuts: before + 1,
        });
    }

    /// The replica with this index has got a file.
    pub(super) fn forget_cuts(&mut self, at: usize) {
        let replica = &self.replicas[at];
        self.cut
            .retain(|cut| !replica.is_at(cut.ip.as_bytes(), cut.port));
    }

    /// How often a replica's snapshots were cut; it is counted no more.
    fn take_cuts(&mut self, replica: &Replica) -> u32 {
        let is_it = |cut: &CutReplica| replica.is_at(cut.ip.as_bytes(), cut.port);
        let at = self.cut.iter().position(is_it);
        at.and_then(|at| self.cut.remove(at))
            .map_or(0, |cut| cut.cuts)
    }

    /// Whether a replica needs a file, since what went through sockets was cut too often.
    pub(super) fn needs_file(&self, replica: &Replica) -> bool {
        replica.options.extensions.contains(Extensions::RESUME)
            && (self.cut.iter())
                .filter(|cut| cut.cuts >= CUTS_MAX)
                .any(|cut| replica.is_at(cut.ip.as_bytes(), cut.port))
    }

    /// Lets go of the file that is kept.
    pub(in crate::replication) fn drop_kept(&mut self, cx: &mut Context) {
        if let Some(kept) = self.kept.take() {
            log_of(cx.history).detach(kept.cursor);
            cx.push(Action::DropFile);
        }
    }

    /// Lets go of it when nobody has come for it in time.
    pub(super) fn expire_kept(&mut self, cx: &mut Context) {
        let now_ms = cx.now_ms();
        if self
            .kept
            .as_ref()
            .is_some_and(|kept| now_ms >= kept.until_ms)
        {
            cx.notice("Nobody came back for the rest of the snapshot file that was kept");
            self.drop_kept(cx);
        }
    }

    /// A replica comes back before we have noticed that its old link is dead: it is.
    fn leave_stale(&mut self, cx: &mut Context, replica: &Replica, part: SnapshotPart) {
        let port = replica.options.listening_port;
        let is_stale = |other: &Replica| {
            matches!(&other.state, State::SendFile { file, .. } if file.name == part.name)
                && other.ip() == replica.ip()
                && other.options.listening_port == port
        };
        if let Some(at) = self.replicas.iter().position(is_stale) {
            let client = self.remove(cx, at, OnLoss::KeepFile);
            cx.push(Action::CloseReplica { client });
        }
    }

    /// Has a replica that has a part of the file that is kept get the rest. Whether it does.
    pub(super) fn resume(&mut self, cx: &mut Context, replica: &mut Replica) -> bool {
        let options = &replica.options;
        let Some(part) = options.part else {
            return false;
        };
        self.leave_stale(cx, replica, part);
        let fits = |kept: &&KeptFile| {
            kept.file.name == part.name && part.bytes > 0 && part.bytes < kept.file.size
        };
        let whole = options.contents == Contents::All && !options.snapshot_only;
        if !whole || self.kept.as_ref().filter(fits).is_none() {
            return false;
        }
        let Some(KeptFile { file, cursor, .. }) = self.kept.take() else {
            return false;
        };
        let (client, from) = (replica.client, part.bytes);
        let name = replica.name();
        cx.notice(format!(
            "Replica {name} has {from} of {} bytes of a snapshot and is sent the rest",
            file.size
        ));
        replica.state = State::WaitFile {
            cursor: Some(cursor),
            file,
            from,
        };
        let id = cx.history.identity().id();
        let bytes = format!("+FULLRESYNC {id} {}\r\n", file.start).into_bytes();
        cx.push(Action::SendReplica { client, bytes });
        cx.push(Action::TakeFile { client, from });
        self.stats.resumed += 1;
        true
    }
}
