//! The master's side: our replicas, and which snapshot serves whom.
//!
//! A replica that cannot continue needs a snapshot, and everything written since that snapshot was
//! begun. Snapshots are dear (a fork, the whole data set written once), so they are shared: all
//! replicas that wait when one begins get it, and while one is being written to disk, a replica
//! that arrives may join it, since the log still holds what was written since its beginning: it
//! gets a cursor at the same place. A snapshot sent through sockets cannot be joined, since its
//! first bytes are gone; there we wait a little before we begin, for others to come.
//!
//! Every server has a source: a replica serves replicas of its own the bytes that it gets from its
//! master, and its offsets are the master's.
//!
//! What this machine does not know: sockets (the server writes what `chunks` shows and
//! reports with `on_sent`), files (it is told when one was opened and sent), processes
//! (it asks for a snapshot and is told how it ended).

mod kept;
mod marking;
mod over_limit;
mod reading;
mod replica;
mod seconds;
mod snapshots;
mod tail;

use super::action::{Action, ClientId, Contents};
use super::context::Context;
use super::extensions::Extensions;
use super::history::History;
use super::identity::{Decision, ReplId};
use super::info::ReplicaInfo;
use super::lag::feed_times::FeedTimes;
use super::lag::mark::{MarkQueue, Marker};
use super::log::ReplLog;
use super::replconf::{Ack, Capabilities, ReplicaOptions};
use super::wire;
use crate::base::numbers::parse_i64;
pub use replica::OriginPlace;
use replica::{CutReplica, Dropped, KeptFile, Replica, State};
use snapshots::SnapshotJob;
use std::collections::{HashMap, VecDeque};
pub(super) use tail::Tail;
pub use tail::TailPiece;

/// A request for the stream.
#[derive(Clone, Copy, Debug)]
pub enum SyncRequest<'a> {
    /// `SYNC`: a snapshot and the stream, without any more words.
    Sync,
    /// `PSYNC id offset`.
    Psync {
        /// The history that the replica is of, or `?`.
        id: &'a [u8],
        /// The first byte that it misses.
        offset: &'a [u8],
        /// What stands behind the offset. `FAILOVER`: our master hands over to us and will be our
        /// replica. No other word means anything.
        option: Option<&'a [u8]>,
    },
}

impl<'a> SyncRequest<'a> {
    /// The history that our master hands over to us, if it does.
    pub(super) fn handed_over(&self) -> Option<&'a [u8]> {
        match *self {
            SyncRequest::Psync {
                id,
                option: Some(word),
                ..
            } if word.eq_ignore_ascii_case(b"failover") => Some(id),
            _ => None,
        }
    }
}

/// The client that asks for the stream.
#[derive(Clone, Copy, Debug)]
pub struct SyncClient<'a> {
    /// Its number.
    pub id: ClientId,
    /// The address it connects from, if it has one.
    pub ip: Option<&'a str>,
    /// Its line of `CLIENT LIST`, for the log.
    pub description: &'a str,
    /// Whether replies to it have not been sent yet.
    pub has_pending_output: bool,
}

/// What a client that asks for the stream is told by the command itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncReply {
    /// It is a replica already; the request is ignored.
    Ignored,
    /// It is a replica from now on; what it is told comes as actions.
    Accepted,
    /// An error, without the leading `-`.
    Refused(String),
}

/// How often replicas could continue, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStats {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// `sync_partial_err`.
    pub partial_err: u64,
    /// `syncs_resumed`: how often a replica got the rest of a snapshot file.
    pub resumed: u64,
}

/// What becomes of the file that a replica was being sent when it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnLoss {
    /// The link broke: it is kept for a while.
    KeepFile,
    /// We have dropped the replica.
    Forget,
}

/// Our replicas; see the module's head.
#[derive(Debug)]
pub struct Source {
    /// In the order in which they came.
    replicas: Vec<Replica>,
    /// What clients have set that are not replicas, and may become some with `PSYNC`.
    client_options: HashMap<ClientId, ReplicaOptions>,
    job: Option<SnapshotJob>,
    /// The file that a replica was being sent when its link broke.
    kept: Option<KeptFile>,
    /// Replicas whose snapshots through sockets were cut.
    cut: VecDeque<CutReplica>,
    /// Replicas that were dropped for their output limit.
    over_limit: VecDeque<Dropped>,
    /// Since when there has been no replica, if there is none.
    empty_since_ms: u64,
    /// Seconds counted, for the ping period.
    cron_rounds: u64,
    /// Somebody waits for acknowledgements: ask all replicas for one before sleeping.
    acks_wanted: bool,
    /// Replicas that are well enough for `min-replicas-to-write`, as of the last second, or the
    /// last one that came into step or went.
    good: usize,
    /// How often the answer to "who has acknowledged what" has changed.
    ack_changes: u64,
    stats: SyncStats,
    /// When the next mark of time is due.
    marker: Marker,
    /// Marks of time for replicas that have not come so far.
    marks: MarkQueue,
    /// When what was written of late was written.
    feed_times: FeedTimes,
    /// What is lost if a replica is promoted.
    tail: Tail,
}

impl Source {
    /// No replica yet.
    pub(super) fn new(now_ms: u64) -> Source {
        Source {
            replicas: Vec::new(),
            client_options: HashMap::new(),
            job: None,
            kept: None,
            cut: VecDeque::new(),
            over_limit: VecDeque::new(),
            empty_since_ms: now_ms,
            cron_rounds: 0,
            acks_wanted: false,
            good: 0,
            ack_changes: 0,
            stats: SyncStats::default(),
            marker: Marker::default(),
            marks: MarkQueue::default(),
            feed_times: FeedTimes::default(),
            tail: Tail::default(),
        }
    }

    /// What is lost if a replica is promoted.
    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The same, to change it.
    pub(super) fn tail_mut(&mut self) -> &mut Tail {
        &mut self.tail
    }

    /// Looks again at what replicas have run.
    fn refresh_tail(&mut self, cx: &mut Context) {
        let Source { replicas, tail, .. } = self;
        tail.refresh(replicas, cx.history, cx.settings, cx.facts.now.mono_ms());
    }

    /// Number of replicas in any state.
    pub fn count(&self) -> usize {
        self.replicas.len()
    }

    /// Whether the client is a replica.
    pub fn contains(&self, client: ClientId) -> bool {
        self.index_of(client).is_some()
    }

    /// All replicas, in the order in which they came.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.replicas.iter().map(|replica| replica.client)
    }

    /// How often replicas could continue, and how often not.
    pub fn stats(&self) -> SyncStats {
        self.stats
    }

    /// Forgets the counts, for `CONFIG RESETSTAT`.
    pub fn reset_stats(&mut self) {
        self.stats = SyncStats::default();
    }

    fn index_of(&self, client: ClientId) -> Option<usize> {
        self.replicas
            .iter()
            .position(|replica| replica.client == client)
    }

    // ---- Requests of clients ----

    /// What a client has set, be it a replica already or not.
    pub(super) fn options_mut(&mut self, client: ClientId) -> &mut ReplicaOptions {
        match self.index_of(client) {
            Some(at) => &mut self.replicas[at].options,
            None => self.client_options.entry(client).or_default(),
        }
    }

    /// A client says how far it is; it need not be a replica.
    pub(super) fn on_ack(&mut self, cx: &mut Context, client: ClientId, ack: Ack) {
        if let Some(at) = self.index_of(client) {
            self.replicas[at].on_ack(ack, cx.now_ms());
            settle(&self.replicas[at], cx.history);
            self.ack_changes += 1;
            self.refresh_tail(cx);
        }
    }

    /// A client asks for the stream. That our own link, if we have a master, is up, and that the
    /// client is no replica yet, was checked before.
    pub(super) fn on_sync(
        &mut self,
        cx: &mut Context,
        client: &SyncClient,
        request: SyncRequest,
    ) -> SyncReply {
        assert!(
            !self.contains(client.id),
            "client {} is a replica already",
            client.id
        );
        let options = self
            .client_options
            .get(&client.id)
            .cloned()
            .unwrap_or_default();
        if options.contents != Contents::All && !options.capabilities.contains(Capabilities::EOF) {
            return SyncReply::Refused("ERR Filtered replica requires EOF capability".into());
        }
        let old_protocol = matches!(request, SyncRequest::Sync);
        let now_ms = cx.now_ms();
        let mut replica = Replica::new(client.id, client.ip, options, old_protocol, now_ms);
        let name = replica.name();
        cx.notice(format!("Replica {name} asks for synchronization"));
        if let SyncRequest::Psync { id, offset, .. } = request {
            let Some(offset) = parse_i64(offset) else {
                cx.warning(format!(
                    "Replica {name} asks for synchronization but with a wrong offset"
                ));
                return SyncReply::Refused("ERR value is not an integer or out of range".into());
            };
            let decision = cx.history.can_continue(id, offset);
            if decision == Decision::Continue {
                self.continue_from(cx, &mut replica, offset);
                self.admit(replica);
                self.refresh_tail(cx);
                self.refresh_good(cx.settings, cx.now_ms());
                return SyncReply::Accepted;
            }
            explain_refusal(cx, &name, decision, id, offset);
            if id.first() != Some(&b'?') {
                self.stats.partial_err += 1;
            }
        }
        if self.resume(cx, &mut replica) {
            self.admit(replica);
            self.send_files(cx);
            return SyncReply::Accepted;
        }
        replica.is_spared = self.is_spared(cx, &replica);
        self.stats.full += 1;
        self.admit(replica);
        self.begin_history_if_first(cx);
        self.arrange_snapshot(cx);
        SyncReply::Accepted
    }

    fn admit(&mut self, replica: Replica) {
        self.client_options.remove(&replica.client);
        self.replicas.push(replica);
        self.ack_changes += 1;
    }

    fn continue_from(&mut self, cx: &mut Context, replica: &mut Replica, offset: i64) {
        let offset = u64::try_from(offset).expect("an offset that the log holds");
        let log = log_of(cx.history);
        replica.state = State::Online {
            cursor: log.attach(offset, log.kind_at(offset)),
            held: false,
        };
        replica.start_offset = offset.saturating_sub(1);
        replica.has_loaded = true;
        let missing = log.next() - offset;
        let reply = if replica.options.capabilities.contains(Capabilities::PSYNC2) {
            format!("+CONTINUE {}\r\n", cx.history.identity().id())
        } else {
            "+CONTINUE\r\n".to_owned()
        };
        cx.push(Action::SendReplica {
            client: replica.client,
            bytes: reply.into_bytes(),
        });
        cx.notice(format!(
            "Partial resynchronization request from {} accepted. \
             Sending {missing} bytes of backlog starting from offset {offset}.",
            replica.name()
        ));
        self.stats.partial_ok += 1;
    }

    /// Without a log nothing was counted, so the first replica that comes begins a new history.
    fn begin_history_if_first(&mut self, cx: &mut Context) {
        if cx.history.log().is_some() {
            return;
        }
        cx.history.begin_anew(cx.rng);
        cx.history.keep_log(cx.settings.backlog_bytes);
        let (id, none) = (cx.history.identity().id(), ReplId::NONE);
        cx.notice(format!(
            "Replication backlog created, my new replication IDs are '{id}' and '{none}'"
        ));
    }

    /// A client sent an empty line; it need not be a replica.
    pub(super) fn on_newline(&mut self, client: ClientId, now_ms: u64) {
        if let Some(at) = self.index_of(client) {
            self.replicas[at].heard_ms = now_ms;
        }
    }

    /// What a client that is about to ask for the stream is called in the log.
    pub(super) fn name_of(&mut self, client: ClientId) -> String {
        let port = self.options_mut(client).listening_port;
        replica::name(client, None, port)
    }

    // ---- Departures ----

    /// The client's connection is gone; it may never have been a replica.
    pub(super) fn on_client_closed(&mut self, cx: &mut Context, client: ClientId) {
        self.client_options.remove(&client);
        if let Some(at) = self.index_of(client) {
            self.remove(cx, at, OnLoss::KeepFile);
        }
    }

    /// Drops every replica: what they were sent cannot be continued, or they must learn our new
    /// name.
    pub(super) fn close_all(&mut self, cx: &mut Context) {
        while !self.replicas.is_empty() {
            self.close(cx, 0);
        }
        self.drop_kept(cx);
    }

    /// Drops a replica, if it is one.
    pub(super) fn close_client(&mut self, cx: &mut Context, client: ClientId) {
        if let Some(at) = self.index_of(client) {
            self.close(cx, at);
        }
    }

    fn close(&mut self, cx: &mut Context, at: usize) {
        let client = self.remove(cx, at, OnLoss::Forget);
        cx.push(Action::CloseReplica { client });
    }

    fn remove(&mut self, cx: &mut Context, at: usize, then: OnLoss) -> ClientId {
        let replica = self.replicas.remove(at);
        let client = replica.client;
        cx.notice(format!("Connection with replica {} lost.", replica.name()));
        let was_in_snapshot = replica.is_in_snapshot();
        let end = cx.history.identity().offset();
        self.tail.on_gone(&replica, end, cx.now_ms());
        let to_sockets = self.job.is_some_and(|job| job.to_sockets);
        let is_cut = was_in_snapshot && to_sockets || replica.is_held();
        if is_cut && then == OnLoss::KeepFile {
            self.note_cut(&replica);
        }
        let resumes = replica.options.extensions.contains(Extensions::RESUME);
        match replica.state {
            State::SendFile {
                cursor: Some(cursor),
                file,
            } if resumes && then == OnLoss::KeepFile => self.keep_file(cx, client, file, cursor),
            state => {
                if let Some(cursor) = state.into_cursor() {
                    log_of(cx.history).detach(cursor);
                }
            }
        }
        if self.replicas.is_empty() {
            self.empty_since_ms = cx.now_ms();
        }
        self.refresh_tail(cx);
        self.refresh_good(cx.settings, cx.now_ms());
        if was_in_snapshot {
            self.stop_snapshot_if_useless(cx);
        }
        self.send_files(cx);
        client
    }

    // ---- Facts ----

    /// Our replicas as `INFO` and `ROLE` show them, where we are at `place`. One that has no
    /// address is left out.
    pub fn infos(&self, place: OriginPlace, now_ms: u64) -> Vec<ReplicaInfo> {
        let to_sockets = self.job.is_some_and(|job| job.to_sockets);
        let info = |replica: &Replica| {
            Some(ReplicaInfo {
                ip: replica.ip()?.to_owned(),
                port: replica.options.listening_port,
                state: replica.state_name(),
                offset: replica.ack_offset,
                lag_s: replica.shown_lag_s(now_ms),
                lag: replica.lag(place, &self.feed_times, now_ms),
                sync: replica.sync(to_sockets, now_ms),
            })
        };
        self.replicas.iter().filter_map(info).collect()
    }

    /// Asserts what must hold between any two events.
    pub fn check_invariants(&self, history: &History) {
        let cursors = self
            .replicas
            .iter()
            .filter(|replica| replica.cursor().is_some())
            .count()
            + usize::from(self.tail.cursor().is_some())
            + usize::from(self.kept.is_some());
        let attached = history.log().map_or(0, ReplLog::cursor_count);
        assert_eq!(cursors, attached, "every cursor has an owner");
        assert!(
            self.replicas.is_empty() || history.log().is_some(),
            "replicas need a log"
        );
        for (at, replica) in self.replicas.iter().enumerate() {
            assert_eq!(
                self.index_of(replica.client),
                Some(at),
                "a client is a replica once"
            );
            assert!(
                self.job.is_some() || !replica.is_in_snapshot(),
                "in no snapshot"
            );
        }
    }
}

/// A replica that has loaded its snapshot, reads the log and is close to its end, syncs no more,
/// unless it is spared that.
fn settle(replica: &Replica, history: &mut History) {
    if let State::Online {
        cursor,
        held: false,
    } = &replica.state
        && replica.has_loaded
        && !replica.is_spared
    {
        log_of(history).settle(cursor);
    }
}

fn log_of(history: &mut History) -> &mut ReplLog {
    history
        .log_mut()
        .expect("a log is kept while there are replicas")
}

/// Logs why a replica cannot continue.
fn explain_refusal(cx: &mut Context, name: &str, decision: Decision, id: &[u8], offset: i64) {
    let identity = cx.history.identity();
    let previous = identity.previous();
    match decision {
        Decision::Continue => unreachable!("nothing was refused"),
        Decision::SnapshotWanted => cx.notice(format!("Full resync requested by replica {name}")),
        Decision::UnknownHistory => {
            let asked = wire::printable(id);
            let (ours, before) = (identity.id(), previous.map_or(ReplId::NONE, |p| p.id));
            cx.notice(format!(
                "Partial resynchronization not accepted: Replication ID mismatch \
                 (Replica asked for '{asked}', my replication IDs are '{ours}' and '{before}')"
            ));
        }
        Decision::Diverged => {
            let limit = previous.map_or(-1, |p| p.second_offset as i64);
            cx.notice(format!(
                "Partial resynchronization not accepted: Requested offset for second ID was \
                 {offset}, but I can reply up to {limit}"
            ));
        }
        Decision::NotHeld => {
            let beyond = offset > identity.offset() as i64;
            cx.notice(format!(
                "Unable to partial resync with replica {name} for lack of backlog \
                 (Replica request was: {offset})."
            ));
            if beyond {
                cx.warning(format!(
                    "Warning: replica {name} tried to PSYNC with an offset that is greater than \
                     the master replication offset."
                ));
            }
        }
    }
}

#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;
