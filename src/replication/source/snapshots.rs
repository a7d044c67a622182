//! Which snapshot serves whom: joining, waiting, starting, handing out.

use super::replica::{Replica, Sending, SnapshotFile, State};
use super::{OnLoss, Source, log_of, settle};
use crate::replication::action::{Action, ClientId, Contents, RunningChild, SnapshotTarget};
use crate::replication::context::Context;
use crate::replication::extensions::{Extensions, FileHead, SnapshotName};
use crate::replication::log::ReaderKind;
use crate::replication::replconf::Capabilities;
use crate::replication::settings::ReplicationSettings;

/// A snapshot that is being made for replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotJob {
    pub to_sockets: bool,
    contents: Contents,
    /// How many replicas it may serve; those that came first.
    replicas_max: usize,
    /// What its file is called.
    name: SnapshotName,
}

/// What the replicas that wait for a snapshot have in common.
struct Waiting {
    contents: Contents,
    count: usize,
    longest_ms: u64,
}

impl Source {
    /// Finds a snapshot for the replica that came last: one that is being made, one to be made
    /// now, or one later.
    pub(super) fn arrange_snapshot(&mut self, cx: &mut Context) {
        let newcomer = self.replicas.last().expect("a replica has just come");
        let capabilities = newcomer.options.capabilities;
        let contents = newcomer.options.contents;
        match (self.job, cx.facts.child) {
            (
                Some(SnapshotJob {
                    to_sockets: true, ..
                }),
                _,
            ) => {
                cx.notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
            }
            (Some(_), _) | (None, RunningChild::Save) => self.join_snapshot(cx),
            (None, _) if self.is_worth_waiting(cx.settings, capabilities) => {
                cx.notice("Delay next BGSAVE for diskless SYNC");
            }
            (None, RunningChild::None) if self.free_syncs(cx.settings) == 0 => {
                cx.notice(
                    "As many replicas are being synced as repl-max-concurrent-syncs allows. \
                     BGSAVE for replication delayed",
                );
            }
            (None, RunningChild::None) => self.start_snapshot(cx, contents),
            (None, RunningChild::Other) => cx.notice(
                "No BGSAVE in progress, but another BG operation is active. \
                 BGSAVE for replication delayed",
            ),
        }
    }

    /// Whether a snapshot for a replica like this waits for others to share it.
    fn is_worth_waiting(&self, settings: &ReplicationSettings, capabilities: Capabilities) -> bool {
        settings.diskless_sync
            && capabilities.contains(Capabilities::EOF)
            && settings.diskless_sync_delay_s > 0
    }

    /// Attaches the replica that came last to the snapshot that is being written to disk, if that
    /// is one for replicas and fits.
    fn join_snapshot(&mut self, cx: &mut Context) {
        let (newcomer, others) = self
            .replicas
            .split_last_mut()
            .expect("a replica has just come");
        let snapshot_only = newcomer.options.snapshot_only;
        let fitting = others.iter().find_map(|other| match &other.state {
            State::InSnapshot { start, cursor, .. } if cursor.is_some() || snapshot_only => {
                let theirs = &other.options;
                let mine = &newcomer.options;
                (mine.capabilities.contains(theirs.capabilities)
                    && mine.contents == theirs.contents)
                    .then_some(*start)
            }
            _ => None,
        });
        match fitting {
            Some(start) => {
                begin_full_sync(cx, newcomer, start);
                cx.notice("Waiting for end of BGSAVE for SYNC");
            }
            None => cx.notice(
                "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC",
            ),
        }
    }

    /// Asks for a snapshot for all replicas that wait for one with these contents.
    fn start_snapshot(&mut self, cx: &mut Context, contents: Contents) {
        assert!(self.job.is_none(), "one snapshot at a time");
        let free = self.free_syncs(cx.settings);
        let common = self
            .replicas
            .iter()
            .filter(|replica| replica.is_waiting() && replica.options.contents == contents)
            .take(free)
            .fold(Capabilities::all(), |common, replica| {
                common & replica.options.capabilities
            });
        let needs_file = cx.settings.diskless_sync
            && contents == Contents::All
            && self
                .replicas
                .iter()
                .any(|r| r.is_waiting() && self.needs_file(r));
        if needs_file {
            cx.notice(
                "A snapshot through sockets was cut twice, so one is made in a file, which can be \
                 gone on with when the link breaks",
            );
        }
        let wants_sockets = cx.settings.diskless_sync && !needs_file || contents != Contents::All;
        let to_sockets = wants_sockets && common.contains(Capabilities::EOF);
        let target = if to_sockets {
            SnapshotTarget::Sockets {
                mark: cx.rng.hex_id(),
            }
        } else {
            SnapshotTarget::Disk
        };
        cx.notice(format!(
            "Starting BGSAVE for SYNC with target: {}",
            if to_sockets {
                "replicas sockets"
            } else {
                "disk"
            }
        ));
        self.job = Some(SnapshotJob {
            to_sockets,
            contents,
            // A file waits for those who cannot be sent it yet.
            replicas_max: if to_sockets { free } else { usize::MAX },
            name: cx.rng.hex_id(),
        });
        cx.push(Action::StartSnapshot { target, contents });
    }

    pub(in crate::replication) fn on_snapshot_started(&mut self, cx: &mut Context) {
        let job = self.job.expect("a snapshot was asked for");
        let start = cx.history.identity().offset();
        let waiting = self
            .replicas
            .iter_mut()
            .filter(|replica| replica.is_waiting() && replica.options.contents == job.contents);
        for replica in waiting.take(job.replicas_max) {
            begin_full_sync(cx, replica, start);
        }
    }

    pub(in crate::replication) fn on_snapshot_not_started(&mut self, cx: &mut Context) {
        assert!(self.job.take().is_some(), "a snapshot was asked for");
        cx.warning("BGSAVE for replication failed");
        while let Some(at) = self.replicas.iter().position(Replica::is_waiting) {
            let client = self.remove(cx, at, OnLoss::Forget);
            let bytes = b"-ERR BGSAVE failed, replication can't continue\r\n".to_vec();
            cx.push(Action::RefuseReplica { client, bytes });
        }
    }

    /// The snapshot for replicas is complete (and through sockets, fully sent), or has failed.
    pub(in crate::replication) fn on_snapshot_finished(
        &mut self,
        cx: &mut Context,
        succeeded: bool,
    ) {
        let job = self
            .job
            .take()
            .expect("a snapshot for replicas was being made");
        let clients: Vec<ClientId> = self
            .replicas
            .iter()
            .filter(|replica| replica.is_in_snapshot())
            .map(|replica| replica.client)
            .collect();
        for client in clients {
            let at = self.index_of(client).expect("still a replica");
            if !succeeded {
                cx.warning("SYNC failed. BGSAVE child returned an error");
                self.close(cx, at);
            } else if job.to_sockets {
                cx.notice(format!(
                    "Streamed RDB transfer with replica {} succeeded (socket). \
                     Waiting for REPLCONF ACK from replica to enable streaming",
                    self.replicas[at].name()
                ));
                self.put_online(cx, at);
            } else {
                let replica = &mut self.replicas[at];
                replace_state(replica, |state| match state {
                    State::InSnapshot { cursor, start, .. } => State::WaitFile {
                        cursor,
                        file: SnapshotFile {
                            name: job.name,
                            start,
                            size: 0,
                        },
                        from: 0,
                    },
                    other => other,
                });
                cx.push(Action::OpenFile { client });
            }
        }
        self.start_snapshot_if_due(cx);
    }

    /// Whether a snapshot for replicas is being made.
    pub fn is_snapshot_running(&self) -> bool {
        self.job.is_some()
    }

    /// The replicas that a snapshot through sockets goes to.
    pub fn snapshot_receivers(&self) -> impl Iterator<Item = ClientId> {
        let to_sockets = self.job.is_some_and(|job| job.to_sockets);
        self.replicas
            .iter()
            .filter(move |replica| to_sockets && replica.is_in_snapshot())
            .map(|replica| replica.client)
    }

    /// A replica took (`progressed`) or refused to take bytes of a snapshot through sockets.
    pub(in crate::replication) fn on_transfer(
        &mut self,
        client: ClientId,
        progressed: bool,
        now_ms: u64,
    ) {
        let Some(at) = self.index_of(client) else {
            return;
        };
        if let State::InSnapshot {
            stalled_since_ms, ..
        } = &mut self.replicas[at].state
        {
            *stalled_since_ms = match (progressed, *stalled_since_ms) {
                (true, _) => None,
                (false, since) => since.or(Some(now_ms)),
            };
        }
    }

    pub(in crate::replication) fn on_file_opened(
        &mut self,
        cx: &mut Context,
        client: ClientId,
        size: u64,
    ) {
        let Some(at) = self.index_of(client) else {
            return;
        };
        if let State::WaitFile { file, .. } = &mut self.replicas[at].state {
            file.size = size;
        }
        self.send_files(cx);
    }

    // ---- How many at once ----

    /// Replicas that are being sent a snapshot.
    fn syncs_in_progress(&self) -> usize {
        let to_sockets = self.job.is_some_and(|job| job.to_sockets);
        let is_sent =
            |replica: &&Replica| replica.is_sent_file() || (to_sockets && replica.is_in_snapshot());
        self.replicas.iter().filter(is_sent).count()
    }

    /// Replicas that are being sent a snapshot, and those that wait until it is their turn.
    pub(in crate::replication) fn sync_counts(&self) -> (usize, usize) {
        let in_progress = self.syncs_in_progress();
        let online = self.replicas.iter().filter(|r| r.is_online()).count();
        (in_progress, self.replicas.len() - online - in_progress)
    }

    /// How many replicas more may be sent a snapshot now.
    fn free_syncs(&self, settings: &ReplicationSettings) -> usize {
        match settings.concurrent_syncs_max {
            0 => usize::MAX,
            max => max.saturating_sub(self.syncs_in_progress()),
        }
    }

    /// Has the snapshot file sent to those whose turn it is.
    pub(super) fn send_files(&mut self, cx: &mut Context) {
        let mut free = self.free_syncs(cx.settings);
        for replica in &mut self.replicas {
            let State::WaitFile { file, from, .. } = replica.state else {
                continue;
            };
            if file.size == 0 {
                continue;
            }
            if free == 0 {
                return;
            }
            free -= 1;
            replica.sending = Sending::begin(Some(file.size - from), cx.now_ms());
            replace_state(replica, |state| match state {
                State::WaitFile { cursor, file, .. } => State::SendFile { cursor, file },
                other => other,
            });
            let client = replica.client;
            let peer = replica.options.extensions & Extensions::OURS;
            let bytes = FileHead::text(file.size, &file.name, from, peer);
            cx.push(Action::SendReplica { client, bytes });
            cx.push(Action::SendFile { client });
        }
    }

    pub(in crate::replication) fn on_file_sent(&mut self, cx: &mut Context, client: ClientId) {
        if let Some(at) = self.index_of(client) {
            self.put_online(cx, at);
        }
    }

    pub(in crate::replication) fn on_file_failed(
        &mut self,
        cx: &mut Context,
        client: ClientId,
        reason: &str,
    ) {
        if let Some(at) = self.index_of(client) {
            cx.warning(format!(
                "SYNC failed. Can't open/stat DB after BGSAVE: {reason}"
            ));
            self.close(cx, at);
        }
    }

    /// A replica has the whole snapshot.
    fn put_online(&mut self, cx: &mut Context, at: usize) {
        let name = self.replicas[at].name();
        if self.replicas[at].is_sent_file() {
            self.forget_cuts(at);
        }
        if self.replicas[at].options.snapshot_only {
            cx.notice(format!(
                "RDB transfer completed, rdb only replica ({name}) should be disconnected asap"
            ));
            return self.close(cx, at);
        }
        let replica = &mut self.replicas[at];
        replica.has_loaded |= matches!(replica.state, State::InSnapshot { loaded: true, .. });
        replace_state(replica, |state| match state {
            State::InSnapshot {
                cursor: Some(cursor),
                loaded,
                ..
            } => State::Online {
                cursor,
                held: !loaded,
            },
            State::SendFile {
                cursor: Some(cursor),
                ..
            } => State::Online {
                cursor,
                held: false,
            },
            other => unreachable!("nothing was sent to a replica in {other:?}"),
        });
        replica.heard_ms = cx.now_ms();
        settle(replica, cx.history);
        self.ack_changes += 1;
        self.refresh_good(cx.settings, cx.now_ms());
        cx.notice(format!("Synchronization with replica {name} succeeded"));
        self.send_files(cx);
    }

    pub(super) fn start_snapshot_if_due(&mut self, cx: &mut Context) {
        if self.job.is_some()
            || cx.facts.child != RunningChild::None
            || self.free_syncs(cx.settings) == 0
        {
            return;
        }
        let Some(waiting) = self.waiting(cx.now_ms()) else {
            return;
        };
        let settings = cx.settings;
        let enough = settings.diskless_sync_max_replicas;
        if !settings.diskless_sync
            || (enough > 0 && waiting.count >= enough)
            || waiting.longest_ms >= settings.diskless_sync_delay_s * 1000
        {
            self.start_snapshot(cx, waiting.contents);
        }
    }

    /// The replicas that wait for a snapshot with the contents that the first of them wants.
    fn waiting(&self, now_ms: u64) -> Option<Waiting> {
        let mut found: Option<Waiting> = None;
        for replica in &self.replicas {
            let State::WaitSnapshot { since_ms } = replica.state else {
                continue;
            };
            let waiting = found.get_or_insert(Waiting {
                contents: replica.options.contents,
                count: 0,
                longest_ms: 0,
            });
            if replica.options.contents == waiting.contents {
                waiting.count += 1;
                waiting.longest_ms = waiting.longest_ms.max(now_ms.saturating_sub(since_ms));
            }
        }
        found
    }

    /// Stops the snapshot for replicas, if one is being made: its data will be gone.
    pub(in crate::replication) fn abandon_snapshot(&mut self, cx: &mut Context) {
        assert!(
            !self.replicas.iter().any(Replica::is_in_snapshot),
            "somebody waits for it"
        );
        if self.job.take().is_some() {
            cx.push(Action::StopSnapshot);
        }
    }

    /// Stops the snapshot for replicas if the last that waited for it has gone.
    pub(super) fn stop_snapshot_if_useless(&mut self, cx: &mut Context) {
        let Some(job) = self.job else { return };
        if self.replicas.iter().any(Replica::is_in_snapshot) {
            return;
        }
        if job.to_sockets {
            cx.warning("Diskless rdb transfer, last replica dropped, killing fork child.");
        } else if cx.settings.has_save_points {
            return;
        }
        self.job = None;
        cx.push(Action::StopSnapshot);
    }
}

/// Places the replica at the beginning of the snapshot and tells it so.
fn begin_full_sync(cx: &mut Context, replica: &mut Replica, start: u64) {
    let wants_stream = !replica.options.snapshot_only;
    replica.sending = Sending::begin(None, cx.now_ms());
    replica.start_offset = start;
    let syncs = ReaderKind::Syncing;
    let cursor = wants_stream.then(|| log_of(cx.history).attach(start + 1, syncs));
    replica.state = State::InSnapshot {
        start,
        cursor,
        stalled_since_ms: None,
        loaded: false,
    };
    // Not every replica takes the selected database from the snapshot.
    cx.history.select_again();
    if !replica.old_protocol {
        let reply = format!("+FULLRESYNC {} {start}\r\n", cx.history.identity().id());
        cx.push(Action::SendReplica {
            client: replica.client,
            bytes: reply.into_bytes(),
        });
    }
}

/// Moves a replica to another state, which may take over what the old one holds.
fn replace_state(replica: &mut Replica, next: impl FnOnce(State) -> State) {
    let old = std::mem::replace(&mut replica.state, State::WaitSnapshot { since_ms: 0 });
    replica.state = next(old);
}
