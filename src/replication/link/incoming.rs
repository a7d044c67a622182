//! A snapshot on its way from our master: what has come of it, and what is stored or loaded.

use super::endmark::EndMark;
use super::origin::{Closed, Origin};
use crate::replication::action::{Action, LoadTarget};
use crate::replication::context::Context;
use crate::replication::extensions::{SnapshotName, SnapshotPart};
use crate::replication::info::{SyncInfo, SyncStage};
use crate::replication::lag::rate::RateMeter;
use crate::replication::wire::LineReader;

/// What is said when a snapshot that is loaded as it comes makes no sense, or ends too soon.
pub(super) const FAILED_FROM_SOCKET: &str = "Failed trying to load the MASTER synchronization DB \
                                             from socket, check server logs.";

/// A snapshot that is being received.
#[derive(Debug)]
pub(super) struct IncomingSnapshot {
    pub origin: Origin,
    pub body: Body,
    pub read_bytes: u64,
    pub rate: RateMeter,
    pub heard_ms: u64,
}

/// What comes.
#[derive(Debug)]
pub(super) enum Body {
    /// The line that announces it has not come.
    Announced(LineReader),
    /// So many bytes, going there.
    Sized {
        total: u64,
        target: LoadTarget,
        /// What the file is called, if the master can send the rest of it.
        name: Option<SnapshotName>,
    },
    /// Bytes up to a mark, going there.
    Marked { end: EndMark, target: LoadTarget },
}

/// A part of a snapshot file that came before the link broke, and was kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    /// Of which file, and how much.
    pub part: SnapshotPart,
    /// Bytes of the whole file.
    pub total: u64,
}

/// A snapshot that was received and is being stored or loaded.
#[derive(Debug)]
pub(super) struct Load {
    pub origin: Origin,
    pub target: LoadTarget,
    /// Whether it goes into our data set, in the place of the old data, and not just to a file or
    /// aside.
    pub in_place: bool,
    /// Whether the master waits for our acknowledgement before it goes on.
    pub marked: bool,
    /// Bytes of the stream that came meanwhile.
    pub unapplied: u64,
    pub link_lost: bool,
    pub read_bytes: u64,
    pub announced_bytes: i64,
    pub heard_ms: u64,
}

impl IncomingSnapshot {
    pub fn new(origin: Origin, now_ms: u64) -> IncomingSnapshot {
        IncomingSnapshot {
            origin,
            body: Body::Announced(LineReader::default()),
            read_bytes: 0,
            rate: RateMeter::starting(now_ms),
            heard_ms: now_ms,
        }
    }

    pub fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// A second is over.
    pub fn note_rate(&mut self, now_ms: u64) {
        self.rate.note(self.read_bytes, now_ms);
    }

    /// Whether it has begun to come.
    pub fn sync_stage(&self) -> SyncStage {
        match self.target() {
            None => SyncStage::Waiting,
            Some(_) => SyncStage::Receiving,
        }
    }

    pub fn info(&self, now_ms: u64) -> SyncInfo {
        let total_bytes = self.announced_bytes();
        let left = u64::try_from(total_bytes).ok().filter(|total| *total > 0);
        let left = left.map(|total| total.saturating_sub(self.read_bytes));
        SyncInfo {
            total_bytes,
            read_bytes: self.read_bytes,
            last_io_s: now_ms.saturating_sub(self.heard_ms) / 1000,
            bytes_per_second: self.rate.per_second(self.read_bytes, now_ms),
            left_s: left.and_then(|left| self.rate.seconds_for(left, self.read_bytes, now_ms)),
        }
    }

    /// The size as `INFO` shows it: -1 before it is announced, 0 if a mark will tell.
    pub fn announced_bytes(&self) -> i64 {
        match self.body {
            Body::Announced(_) => -1,
            Body::Sized { total, .. } => total as i64,
            Body::Marked { .. } => 0,
        }
    }

    pub fn target(&self) -> Option<LoadTarget> {
        match self.body {
            Body::Announced(_) => None,
            Body::Sized { target, .. } | Body::Marked { target, .. } => Some(target),
        }
    }

    /// Whether it is loaded while it comes.
    pub fn is_loading(&self) -> bool {
        self.target()
            .is_some_and(|target| target != LoadTarget::Disk)
    }

    /// Asks to throw away what has come, and the half of it that is in the data set already.
    pub fn abort(&self, cx: &mut Context) {
        if let Some(target) = self.target() {
            cx.push(Action::AbortSnapshot);
            if target == LoadTarget::Memory {
                cx.push(Action::FlushData);
            }
        }
    }

    /// What has come, if it is worth keeping.
    pub fn partial(&self) -> Option<Partial> {
        match self.body {
            Body::Sized {
                total,
                target: LoadTarget::Disk,
                name: Some(name),
            } if self.read_bytes > 0 => Some(Partial {
                part: SnapshotPart {
                    name,
                    bytes: self.read_bytes,
                },
                total,
            }),
            _ => None,
        }
    }

    /// Logs what the end of the connection means at this point.
    pub fn explain_loss(&self, cx: &mut Context, closed: &Closed) {
        let why = match closed {
            Closed::Lost(why) => why.as_str(),
            Closed::ProtocolError => "protocol error",
        };
        cx.warning(match self.target() {
            None => format!("I/O error reading bulk count from MASTER: {why}"),
            Some(LoadTarget::Disk) => format!("I/O error trying to sync with MASTER: {why}"),
            Some(_) => FAILED_FROM_SOCKET.to_owned(),
        });
    }

    /// Takes the part of the snapshot that `rest`, the end of `bytes`, begins with. Returns
    /// whether it is complete.
    pub fn take(&mut self, cx: &mut Context, bytes: &[u8], rest: &mut &[u8]) -> bool {
        let from = bytes.len() - rest.len();
        let (data, taken, complete) = match &mut self.body {
            Body::Announced(_) => unreachable!("nothing comes unannounced"),
            Body::Sized { total, .. } => {
                let left = *total - self.read_bytes;
                let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                (0..count, count, count as u64 == left)
            }
            Body::Marked { end, .. } => {
                let found = end.scan(rest);
                if found.held > 0 {
                    let held = end.mark()[..found.held].to_vec();
                    cx.push(Action::SnapshotHeld(held));
                }
                (
                    found.data,
                    found.end.unwrap_or(rest.len()),
                    found.end.is_some(),
                )
            }
        };
        if !data.is_empty() {
            cx.push(Action::SnapshotData(from + data.start..from + data.end));
        }
        self.read_bytes += taken as u64;
        self.heard_ms = cx.now_ms();
        *rest = &rest[taken..];
        complete
    }
}

impl Load {
    pub fn new(incoming: &IncomingSnapshot) -> Load {
        let target = incoming
            .target()
            .expect("a complete snapshot was announced");
        Load {
            origin: incoming.origin,
            target,
            in_place: target == LoadTarget::Memory,
            marked: matches!(incoming.body, Body::Marked { .. }),
            unapplied: 0,
            link_lost: false,
            read_bytes: incoming.read_bytes,
            announced_bytes: incoming.announced_bytes(),
            heard_ms: incoming.heard_ms,
        }
    }

    /// Asks to throw away what was loaded.
    pub fn abort(&self, cx: &mut Context) {
        cx.push(Action::AbortSnapshot);
        if self.in_place {
            cx.push(Action::FlushData);
        }
    }

    pub fn on_stream_bytes(&mut self, count: usize) {
        self.unapplied += count as u64;
    }

    pub fn on_link_lost(&mut self) {
        self.link_lost = true;
    }

    pub fn is_link_lost(&self) -> bool {
        self.link_lost
    }

    pub fn info(&self, now_ms: u64) -> SyncInfo {
        SyncInfo {
            total_bytes: self.announced_bytes,
            read_bytes: self.read_bytes,
            last_io_s: now_ms.saturating_sub(self.heard_ms) / 1000,
            bytes_per_second: 0,
            left_s: None,
        }
    }

    pub fn sync_stage(&self) -> SyncStage {
        match self.in_place || matches!(self.target, LoadTarget::Swap { .. }) {
            true => SyncStage::Loading,
            false => SyncStage::Storing,
        }
    }

    /// Bytes of the stream that came meanwhile.
    pub fn unapplied(&self) -> u64 {
        self.unapplied
    }
}
