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

use super::endmark::EndMark;
use super::incoming::{Body, FAILED_FROM_SOCKET, Load, Partial};
use super::origin::Origin;
use super::{Link, Resume, Stage, Verdict};
use crate::replication::action::{Action, LoadTarget, SyncKind};
use crate::replication::context::Context;
use crate::replication::extensions::FileHead;
use crate::replication::history::{SUM_OF_NOTHING, StreamPlace};
use crate::replication::identity::ReplId;
use crate::replication::settings::DisklessLoad;
use crate::replication::source::Source;
use crate::replication::wire;

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
