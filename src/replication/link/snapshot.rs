//! A snapshot on its way from the master into our data set.
//!
//! First a line: `$<bytes>`, at least one, or `$EOF:<40 bytes>` from a master that does not know
//! the length and will send those bytes again at the end; before it any number of empty lines, by
//! which the master says that it is still at work. Then the snapshot.
//!
//! Where it goes decides when the old data is lost:
//!
//! - to disk: when the file is complete and in place. Until then a failure costs nothing, and we
//!   may still ask another master to continue;
//! - to memory: at once, since there was nothing to lose;
//! - beside the old data: when the new data is complete.
//!
//! Before that, one that came to disk or is beside the old data may have to be looked into, whether
//! it is worth the loss ([`super::guard`]).
//!
//! At that moment, `part_with_old_data`, our replicas must go too: what they have can not
//! be continued with what comes.

use super::claim::{Claim, TRIES_MAX};
use super::endmark::EndMark;
use super::{Closed, Handover, Link, Origin, Resume, Stage, Verdict};
use crate::replication::action::{Action, LoadTarget, LostWrites, SyncKind};
use crate::replication::context::Context;
use crate::replication::extensions::{FileHead, SnapshotName, SnapshotPart};
use crate::replication::history::{SUM_OF_NOTHING, StreamPlace};
use crate::replication::identity::ReplId;
use crate::replication::info::{SyncInfo, SyncStage};
use crate::replication::lag::rate::RateMeter;
use crate::replication::settings::DisklessLoad;
use crate::replication::source::Source;
use crate::replication::wire::{self, LineReader};

/// A snapshot that is being received.
#[derive(Debug)]
pub(super) struct IncomingSnapshot {
    origin: Origin,
    body: Body,
    read_bytes: u64,
    rate: RateMeter,
    heard_ms: u64,
}

#[derive(Debug)]
enum Body {
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
    total: u64,
}

/// A snapshot that was received and is being stored or loaded.
#[derive(Debug)]
pub(super) struct Load {
    origin: Origin,
    target: LoadTarget,
    /// Whether it goes into our data set, in the place of the old data, and not just to a file or
    /// aside.
    in_place: bool,
    /// Whether the master waits for our acknowledgement before it goes on.
    marked: bool,
    /// Bytes of the stream that came meanwhile.
    unapplied: u64,
    link_lost: bool,
    read_bytes: u64,
    announced_bytes: i64,
    heard_ms: u64,
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

    fn target(&self) -> Option<LoadTarget> {
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
    fn take(&mut self, cx: &mut Context, bytes: &[u8], rest: &mut &[u8]) -> bool {
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
    fn new(incoming: &IncomingSnapshot) -> Load {
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

const FAILED_FROM_SOCKET: &str = "Failed trying to load the MASTER synchronization DB from \
                                  socket, check server logs.";
const FAILED_FROM_DISK: &str = "Failed trying to load the MASTER synchronization DB from disk, \
                                check server logs.";

impl Link {
    /// Takes what belongs to the snapshot, or to the line before it, from the front of `rest`.
    pub(super) fn on_snapshot_bytes(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
        bytes: &[u8],
        rest: &mut &[u8],
    ) {
        let Stage::Receiving(incoming) = &mut self.stage else {
            unreachable!("called while receiving only");
        };
        if let Body::Announced(reader) = &mut incoming.body {
            match reader.read(rest) {
                Ok(None) => return,
                Ok(Some(line)) => {
                    incoming.heard_ms = cx.now_ms();
                    return self.on_announcement(cx, source, &line);
                }
                Err(wire::LineTooLong) => {
                    explain_nonsense(cx, "a line without an end");
                    return self.abandon_and_retry(cx);
                }
            }
        }
        if incoming.take(cx, bytes, rest) {
            self.on_complete(cx);
        }
    }

    /// The line before the snapshot.
    fn on_announcement(&mut self, cx: &mut Context, source: &mut Source, line: &[u8]) {
        let Stage::Receiving(incoming) = &mut self.stage else {
            unreachable!("called while receiving only");
        };
        let text = wire::printable(line);
        match line.first() {
            None => return,
            Some(b'-') => {
                cx.warning(format!(
                    "MASTER aborted replication with an error: {}",
                    &text[1..]
                ));
                return self.abandon_and_retry(cx);
            }
            _ => {}
        }
        let origin = incoming.origin;
        let target = match load_target(cx, origin) {
            // What we lose has to be kept before, which may take a while.
            LoadTarget::Memory if self.about_to_lose(cx, origin).is_some() => LoadTarget::Disk,
            target => target,
        };
        let Stage::Receiving(incoming) = &mut self.stage else {
            unreachable!("called while receiving only");
        };
        let to = if target == LoadTarget::Disk {
            "to disk"
        } else {
            "to parser"
        };
        if let Some(mark) = line
            .strip_prefix(b"$EOF:")
            .and_then(|mark| mark.first_chunk())
        {
            cx.notice(format!(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF {to}"
            ));
            incoming.body = Body::Marked {
                end: EndMark::new(*mark),
                target,
            };
            self.on_body_begins(cx, source, None, target);
        } else if let Some(head) = line.strip_prefix(b"$") {
            let head = FileHead::parse(head);
            if head.from > 0 {
                return self.on_rest_announced(cx, head, target);
            }
            // Like the reference, which takes what is no number for 0.
            let size = head.size.unwrap_or(0);
            cx.notice(format!(
                "MASTER <-> REPLICA sync: receiving {size} bytes from master {to}"
            ));
            let Some(total) = u64::try_from(size).ok().filter(|total| *total > 0) else {
                // Loading nothing would cost the old data.
                cx.warning("I/O error trying to sync with MASTER: a snapshot has at least a byte");
                return self.abandon_and_retry(cx);
            };
            let name = head.name;
            incoming.body = Body::Sized {
                total,
                target,
                name,
            };
            self.on_body_begins(cx, source, Some(total), target);
        } else {
            explain_nonsense(cx, &text);
            self.abandon_and_retry(cx);
        }
    }

    /// The rest of a file follows, of which we have said that we have a part.
    fn on_rest_announced(&mut self, cx: &mut Context, head: FileHead, target: LoadTarget) {
        let Stage::Receiving(incoming) = &mut self.stage else {
            unreachable!("called while receiving only");
        };
        let fits = |kept: &Partial| {
            Some(kept.part.name) == head.name
                && kept.part.bytes == head.from
                && u64::try_from(head.size.unwrap_or(0)) == Ok(kept.total)
        };
        let Some(kept) = self.partial.take_if(|kept| fits(kept)) else {
            explain_nonsense(cx, "the rest of something that we do not have");
            return self.abandon_and_retry(cx);
        };
        if target != LoadTarget::Disk {
            cx.warning("The rest of a snapshot can only go to disk, the whole is asked for");
            cx.push(Action::DropKeptSnapshot);
            return self.abandon_and_retry(cx);
        }
        incoming.read_bytes = head.from;
        incoming.body = Body::Sized {
            total: kept.total,
            target,
            name: head.name,
        };
        cx.notice(format!(
            "MASTER <-> REPLICA sync: receiving the rest of a snapshot from master, {} of {} bytes \
             are here",
            head.from, kept.total
        ));
        cx.push(Action::ResumeSnapshot);
    }

    /// The link broke while a snapshot came: what has come of it is kept, if the master can send
    /// the rest. Then as [`abandon_and_retry`](Self::abandon_and_retry).
    pub(super) fn keep_and_retry(&mut self, cx: &mut Context) {
        if let Stage::Receiving(incoming) = &self.stage
            && let Some(partial) = incoming.partial()
        {
            self.partial = Some(partial);
            self.stage = Stage::Idle;
            cx.push(Action::KeepSnapshot);
        }
        self.abandon_and_retry(cx);
    }

    /// Turns the master away that offers a full sync from there.
    pub(super) fn refuse_lineage(&mut self, cx: &mut Context, origin: Origin) {
        self.abandon(cx);
        self.guard
            .on_refused(cx, &self.host, self.port, origin.id());
    }

    /// Lets go of the part of a snapshot that was kept.
    pub(super) fn drop_partial(&mut self, cx: &mut Context) {
        if self.partial.take().is_some() {
            cx.push(Action::DropKeptSnapshot);
        }
    }

    fn on_body_begins(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
        size: Option<u64>,
        target: LoadTarget,
    ) {
        self.drop_partial(cx);
        if target == LoadTarget::Memory {
            self.part_with_old_data(cx, source);
            flush_and_load(cx);
        } else if target != LoadTarget::Disk {
            cx.notice("MASTER <-> REPLICA sync: Loading DB in memory");
        }
        cx.push(Action::BeginSnapshot { size, target });
    }

    /// The last byte of the snapshot is here.
    fn on_complete(&mut self, cx: &mut Context) {
        let Stage::Receiving(incoming) = &self.stage else {
            unreachable!("called while receiving only");
        };
        let (origin, target) = (incoming.origin, incoming.target());
        self.stage = Stage::Loading(Load::new(incoming));
        if target == Some(LoadTarget::Memory) {
            // There was nothing to lose.
            return cx.push(Action::EndSnapshot);
        }
        match self.guard.judge(cx, origin.id()) {
            Verdict::Accept => self.keep_lost_then_end(cx, origin),
            Verdict::LookForKeys => cx.push(Action::InspectSnapshot),
            Verdict::Refuse => self.refuse_lineage(cx, origin),
        }
    }

    /// Whether what has come holds a key is known.
    pub(in crate::replication) fn on_snapshot_inspected(
        &mut self,
        cx: &mut Context,
        has_keys: bool,
    ) {
        let Stage::Loading(load) = &self.stage else {
            panic!("no snapshot was complete");
        };
        let origin = load.origin;
        if has_keys {
            return self.keep_lost_then_end(cx, origin);
        }
        self.refuse_lineage(cx, origin);
    }

    /// Lets go of all that rests on the old data, just before the new takes its place: the right
    /// to continue, our replicas, a snapshot that is made for them, and the log.
    fn part_with_old_data(&mut self, cx: &mut Context, source: &mut Source) {
        if self.resume == Resume::Possible {
            cx.notice("Discarding previously cached master state.");
            self.resume = Resume::Impossible;
        }
        source.close_all(cx);
        source.abandon_snapshot(cx);
        source.tail_mut().forget(cx.history);
        cx.history.drop_log();
    }

    /// The file is in place of ours: load it.
    pub(in crate::replication) fn on_snapshot_stored(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
    ) {
        let Stage::Loading(load) = &mut self.stage else {
            panic!("no snapshot was complete");
        };
        load.in_place = true;
        self.part_with_old_data(cx, source);
        flush_and_load(cx);
        cx.push(Action::LoadSnapshot);
    }

    /// The snapshot could not be written or put in place.
    pub(in crate::replication) fn on_snapshot_failed(&mut self, cx: &mut Context, reason: &str) {
        if self.is_syncing() {
            cx.warning(reason);
            self.abandon_and_retry(cx);
        }
    }

    /// The new data is complete; `place` is what the stream has come to there.
    pub(in crate::replication) fn on_load_finished(
        &mut self,
        cx: &mut Context,
        source: &mut Source,
        mut place: StreamPlace,
    ) {
        let Stage::Loading(load) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            panic!("no snapshot was being loaded");
        };
        if matches!(load.target, LoadTarget::Swap { .. }) {
            self.part_with_old_data(cx, source);
            cx.notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
            cx.push(Action::SwapData);
            cx.notice("MASTER <-> REPLICA sync: Discarding old DB in background");
        }
        let (id, offset) = match load.origin {
            Origin::Known { id, offset } => (id, offset),
            // The history has no name that we know, so our replicas get one from us.
            Origin::Unknown => {
                place.sum = Some(SUM_OF_NOTHING);
                (ReplId::random(cx.rng), 0)
            }
        };
        cx.history.adopt(id, offset, place);
        self.learn_lineage(cx);
        cx.history.keep_log(cx.settings.backlog_bytes);
        let counts = load.origin != Origin::Unknown;
        cx.notice("MASTER <-> REPLICA sync: Finished with success");
        self.begin_streaming(cx, SyncKind::Full, counts, load.unapplied);
        if load.link_lost {
            cx.push(Action::CloseMaster);
            self.on_stream_lost(cx);
        } else if load.marked {
            self.send_ack(cx);
        }
    }

    /// The new data could not be loaded.
    pub(in crate::replication) fn on_load_failed(&mut self, cx: &mut Context) {
        let target = match &self.stage {
            Stage::Loading(load) => load.target,
            Stage::Receiving(incoming) => incoming.target().unwrap_or(LoadTarget::Disk),
            _ => return,
        };
        let text = if target == LoadTarget::Disk {
            FAILED_FROM_DISK
        } else {
            FAILED_FROM_SOCKET
        };
        cx.warning(text);
        self.abandon_and_retry(cx);
    }
}

fn load_target(cx: &Context, origin: Origin) -> LoadTarget {
    match cx.settings.diskless_load {
        DisklessLoad::OnEmptyDb if cx.facts.dataset_empty => LoadTarget::Memory,
        DisklessLoad::Disabled | DisklessLoad::OnEmptyDb => LoadTarget::Disk,
        DisklessLoad::SwapDb => {
            let ours = cx.history.identity().id();
            let serve_reads = matches!(origin, Origin::Known { id, .. } if id == ours);
            LoadTarget::Swap { serve_reads }
        }
    }
}

fn flush_and_load(cx: &mut Context) {
    cx.notice("MASTER <-> REPLICA sync: Flushing old data");
    cx.push(Action::FlushData);
    cx.notice("MASTER <-> REPLICA sync: Loading DB in memory");
}

fn explain_nonsense(cx: &mut Context, received: &str) {
    cx.warning(format!(
        "Bad protocol from MASTER, the first byte is not '$' (we received '{received}'), are you \
         sure the host and port are right?"
    ));
}

impl Link {
    /// The link of a master that becomes a replica: its data is its own, and its new master may
    /// know its history.
    /// `base` is the lowest offset that a replica of its is known to have run, if it had one.
    pub(in crate::replication) fn of_former_master(
        cx: &mut Context,
        base: Option<u64>,
        host: String,
        port: u16,
    ) -> Link {
        let mut link = Link::at_start(host, port);
        link.on_restored(cx);
        let all_have_all = base == Some(cx.history.identity().offset());
        let may_lose = cx.settings.keeps_lost_writes() && cx.history.log().is_some();
        link.claim = (may_lose && !all_have_all).then(|| Claim::of(base));
        link
    }

    /// The link of a master that hands over to one of its replicas.
    pub(in crate::replication) fn to_target(
        cx: &mut Context,
        base: Option<u64>,
        host: String,
        port: u16,
    ) -> Link {
        let mut link = Link::of_former_master(cx, base, host, port);
        link.handover = Some(Handover::ToAsk);
        link
    }

    /// What we lose if the data of this place take the place of ours.
    pub(super) fn about_to_lose(&self, cx: &Context, origin: Origin) -> Option<LostWrites> {
        let claim = self.claim.as_ref()?;
        let identity = cx.history.identity();
        let told = self.lineage.as_ref().and_then(|lineage| {
            let mut fork = lineage.fork(identity.lineage())?;
            // It has changed its history since it told.
            fork.is_exact &= origin.id() == Some(lineage.id());
            Some(fork)
        });
        let (after, is_exact) = match (told, claim.base) {
            (Some(fork), _) if fork.is_exact => (fork.offset, true),
            (Some(fork), base) => (base.unwrap_or(0).max(fork.offset), false),
            (None, base) => (base?, false),
        };
        let end = identity.offset();
        (after < end).then(|| LostWrites {
            id: identity.id(),
            after,
            end,
            is_exact,
            new_id: origin.id(),
            master: format!("{}:{}", self.host, self.port),
        })
    }

    /// The snapshot is complete and welcome: keep what is lost by it, then take it.
    pub(super) fn keep_lost_then_end(&mut self, cx: &mut Context, origin: Origin) {
        let lost = self.about_to_lose(cx, origin);
        match (&mut self.claim, lost) {
            (Some(claim), Some(lost)) => {
                claim.asked = Some(lost.clone());
                cx.push(Action::KeepLost(lost));
            }
            _ => {
                self.claim = None;
                cx.push(Action::EndSnapshot);
            }
        }
    }

    /// What is about to be lost was kept, or could not be.
    pub(in crate::replication) fn on_lost_kept(
        &mut self,
        cx: &mut Context,
        result: Result<(), String>,
    ) {
        let Some(claim) = &mut self.claim else {
            return;
        };
        if claim.asked.is_none() || !matches!(self.stage, Stage::Loading(_)) {
            return;
        }
        if let Err(reason) = result {
            claim.tries += 1;
            if claim.tries < TRIES_MAX {
                return cx.warning(format!(
                    "LOST WRITES: they cannot be kept: {reason}. Trying again before the data of \
                     the new master are taken."
                ));
            }
            cx.warning(format!(
                "LOST WRITES: they cannot be kept: {reason}. Given up; the data of the new master \
                 are taken, and the writes are gone."
            ));
        }
        self.claim = None;
        cx.push(Action::EndSnapshot);
    }

    /// A second has passed while a snapshot waits for what is lost by it to be kept.
    pub(super) fn try_again_to_keep(&self, cx: &mut Context) {
        if let Some(lost) = self.claim.as_ref().and_then(|claim| claim.asked.as_ref()) {
            cx.push(Action::KeepLost(lost.clone()));
        }
    }

    /// The attempt is over; the next one may be with another master.
    pub(super) fn forget_attempt(&mut self) {
        self.lineage = None;
        if let Some(claim) = &mut self.claim {
            claim.asked = None;
        }
    }

    /// Our history is our master's from now on, and so are those that it grew out of.
    pub(super) fn learn_lineage(&self, cx: &mut Context) {
        if let Some(lineage) = &self.lineage
            && lineage.id() == cx.history.identity().id()
        {
            cx.history.learn(lineage.ancestors());
        }
    }
}
