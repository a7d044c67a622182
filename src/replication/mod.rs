//! Floor 4: replication, free of sockets, files, processes and clocks.
//!
//! A server is the master of its replicas and perhaps the replica of a master; both sides are
//! plain values that events go into and actions come out of. [`Replication`] holds them:
//!
//! | file | holds |
//! |---|---|
//! | `identity.rs` | which history our data is of, and the offset in it |
//! | `extensions.rs` | what two servers of ours can do with each other, and how they agree on it |
//! | `drift.rs` | what is done when two servers at one place have seen other bytes |
//! | `log.rs` | the one copy of the last bytes of the stream, with a cursor per reader |
//! | `history.rs` | the two above in step, and the selected database |
//! | `lag/` | how far a copy is behind, in bytes and in milliseconds |
//! | `retrace.rs` | where in a history a server is that starts from its append-only file |
//! | `marking.rs` | marks of time between commands, and the end of a tick |
//! | `lineage.rs` | where another history parts from ours |
//! | `lost.rs` | what is kept of the stream for the case that a new master lacks it |
//! | `link/` | the replica's side: handshake, snapshot, stream |
//! | `source/` | the master's side: our replicas, and which snapshot serves whom |
//! | `spill.rs`, `spill_state.rs` | what of the log is kept on disk |
//! | `role.rs` | the ways to get a master, another one, or none |
//! | `failover.rs` | handing over to one of our replicas |
//! | `replconf.rs` | `REPLCONF` |
//! | `action.rs` | what the machines ask for, and the facts they get with each event |
//! | `settings.rs` | what comes from the configuration |
//! | `info.rs`, `describe.rs` | what goes to `INFO` and `ROLE` |
//! | `wire.rs` | lines and commands as bytes |
//!
//! # The contract
//!
//! Every event takes the [`Facts`] of the instant and a vector. The driver carries out the
//! [`Action`]s pushed to it **in order and before anything else happens**: before the next command
//! runs, before the next event. Actions that ask for an answer name it; an answer that the driver
//! knows at once is given at once, after the actions pushed so far.
//!
//! **The master's connection.** There is at most one. After [`Action::CloseMaster`] (harmless
//! when there is none) no event of the old connection may reach the machine. Each chunk of bytes
//! that arrives is given to [`on_master_bytes`](Replication::on_master_bytes) once; it answers how
//! many bytes from the front it took. The others are stream: the driver appends them to a buffer
//! of its own, and while [`is_link_up`](Replication::is_link_up), runs whole commands from there
//! and reports their very bytes with [`on_applied`](Replication::on_applied). A transaction is
//! reported as a whole, after its `EXEC`: half of one must never count as applied, since after a
//! lost link the rest of it would come without its beginning. [`Action::StartStream`] says when
//! the buffer may be run, [`Action::CloseMaster`] drops it.
//!
//! **Our replicas.** They are clients. `PSYNC` and `SYNC` go to [`on_sync`](Replication::on_sync),
//! `REPLCONF` to [`on_replconf`](Replication::on_replconf), an empty line to
//! [`on_newline`](Replication::on_newline), and the end of any client's connection to
//! [`on_client_closed`](Replication::on_client_closed). Before it sleeps, the driver asks
//! [`readers`](Replication::readers), writes what [`chunks`](Replication::chunks) shows behind
//! whatever [`Action::SendReplica`] left unsent, and reports with
//! [`on_sent`](Replication::on_sent).
//!
//! **Snapshots** that we make for replicas: after [`Action::StartSnapshot`] the driver forks and
//! says so at once. To disk: when the child has ended, [`on_snapshot_finished`]; each
//! [`Action::OpenFile`] then opens the file ([`on_file_opened`]), and [`Action::SendFile`], at once
//! or when others have got theirs, sends it ([`on_file_sent`]).
//! Through sockets: the driver copies what the child writes to all
//! [`snapshot_receivers`](Replication::snapshot_receivers), at the pace of the slowest, reports
//! who stalls ([`on_transfer`]), and calls [`on_snapshot_finished`] when all is delivered. Either
//! way what [`Action::SendReplica`] asked for goes out before the snapshot: `+FULLRESYNC` first.
//!
//! **Time.** [`tick`](Replication::tick) several times a second, also while a full sync is loaded,
//! but not before the data set of the start is.
//!
//! # A full sync, event by event
//!
//! `B` follows `A`; `A` has `repl-diskless-sync no`. Log actions are left out.
//!
//! ```text
//! B  replicaof("A", 6379)               -> Connect A
//! B  on_connected                       -> SendMaster PING
//! B  on_master_bytes "+PONG"            -> SendMaster REPLCONF listening-port, REPLCONF capa
//! A  on_replconf, twice                 -> (+OK from the command)
//! B  on_master_bytes "+OK" "+OK"        -> SendMaster PSYNC <id> <offset+1>
//! A  on_sync                            -> StartSnapshot Disk
//! A  on_snapshot_started                -> SendReplica "+FULLRESYNC <id> 700"
//! A  feed SET ...                          goes to the log; B has a cursor at 701
//! A  on_snapshot_finished(true)         -> OpenFile
//! A  on_file_opened(1000)               -> SendReplica "$1000", SendFile
//! A  on_file_sent                          B is online: readers() names it, chunks() shows SET
//! B  on_master_bytes "+FULLRESYNC.."       remembers <id> and 700
//! B  on_master_bytes "$1000" + 400 bytes-> BeginSnapshot Disk, SnapshotData(7..407)
//! B  on_master_bytes 600 bytes + SET    -> SnapshotData(0..600), EndSnapshot; took 600, the
//!                                          driver keeps SET (before EndSnapshot, if B has data
//!                                          and does not know <id>: InspectSnapshot)
//! B  on_snapshot_stored                 -> CloseReplica.., FlushData, LoadSnapshot
//! B  on_load_finished(place)            -> StartStream; B is <id>:700
//! B  on_applied SET                        B is <id>:700 + its length, and has it in its own log
//! B  tick, a second later               -> SendMaster REPLCONF ACK
//! ```
//!
//! [`on_snapshot_finished`]: Replication::on_snapshot_finished
//! [`on_file_opened`]: Replication::on_file_opened
//! [`on_file_sent`]: Replication::on_file_sent
//! [`on_transfer`]: Replication::on_transfer

pub mod action;
mod context;
mod describe;
mod drift;
pub mod extensions;
pub mod failover;
pub mod history;
pub mod identity;
pub mod info;
pub mod lag;
mod lineage;
pub mod link;
pub mod log;
mod lost;
mod marking;
pub mod replconf;
pub mod retrace;
mod role;
pub mod settings;
pub mod source;
mod spill;
mod spill_state;
mod wire;

#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod rig;

pub use action::{
    Action, ClientId, Contents, Facts, LoadTarget, LostWrites, RunningChild, SnapshotTarget,
    SyncKind,
};
pub use failover::FailoverRequest;
pub use history::StreamPlace;
pub use identity::{Identity, ReplId};
pub use info::{
    GuardInfo, GuardState, LaggingReplica, MasterInfo, RefusedFor, RefusedInfo, ReplicaInfo,
    ReplicationInfo, RoleInfo, SavedIdentity, SyncInfo,
};
pub use lineage::Lineage;
pub use link::{Closed, ConnectFailure};
pub use log::CommandStart;
pub use replconf::ReplconfReply;
pub use retrace::{Retrace, Retraced};
pub use role::Replicaof;
pub use settings::{DisklessLoad, LineageRule, ReplicationSettings};
pub use source::{SyncClient, SyncReply, SyncRequest, SyncStats, TailPiece};

use crate::base::rng::Rng;
use crate::base::time::Now;
use context::Context;
use failover::Failover;
use history::History;
use lag::clock::SteadyClock;

use link::Link;
use replconf::Replconf;
use role::Role;
use source::Source;
use spill_state::Spill;

/// A server's part in replication; see the module's head.
#[derive(Debug)]
pub struct Replication {
    role: Role,
    history: History,
    source: Source,
    failover: Failover,
    spill: Spill,
    settings: ReplicationSettings,
    rng: Rng,
    clock: SteadyClock,
    /// How often sums of the stream were found to differ.
    drifts: u64,
    /// When the work of a second is due again.
    next_second_ms: u64,
}

/// The parts of a [`Replication`] as an event needs them.
struct Parts<'a> {
    role: &'a mut Role,
    source: &'a mut Source,
    failover: &'a mut Failover,
    cx: Context<'a>,
}

impl Replication {
    /// A server that starts as a master, with a history of its own.
    pub fn new(settings: ReplicationSettings, mut rng: Rng, now: Now) -> Replication {
        Replication {
            role: Role::Master,
            history: History::new(&mut rng),
            source: Source::new(now.mono_ms()),
            failover: Failover::No,
            spill: Spill::default(),
            settings,
            rng,
            clock: SteadyClock::new(now),
            drifts: 0,
            next_second_ms: now.mono_ms(),
        }
    }

    fn parts<'a>(&'a mut self, facts: Facts, out: &'a mut Vec<Action>) -> Parts<'a> {
        Parts {
            role: &mut self.role,
            source: &mut self.source,
            failover: &mut self.failover,
            cx: Context {
                facts,
                settings: &self.settings,
                rng: &mut self.rng,
                history: &mut self.history,
                clock: self.clock,
                drifts: &mut self.drifts,
                out,
            },
        }
    }

    /// The link to our master, with what it works with. Nothing, if we have no master: events of
    /// a connection that was closed meanwhile concern nobody.
    fn link<'a>(
        &'a mut self,
        facts: Facts,
        out: &'a mut Vec<Action>,
    ) -> Option<(&'a mut Link, &'a mut Source, Context<'a>)> {
        let Parts {
            role, source, cx, ..
        } = self.parts(facts, out);
        match role {
            Role::Master => None,
            Role::Replica(link) => Some((&mut **link, source, cx)),
        }
    }

    // ---- Settings ----

    /// The directives that are in force.
    pub fn settings(&self) -> &ReplicationSettings {
        &self.settings
    }

    /// Puts directives in force.
    pub fn configure(&mut self, settings: ReplicationSettings) {
        if let Role::Replica(link) = &mut self.role
            && self.settings.lineage_guard != settings.lineage_guard
        {
            link.on_new_rule();
        }
        self.settings = settings;
        if let Some(log) = self.history.log_mut() {
            log.set_window(self.settings.backlog_bytes);
        }
    }

    /// Looks again at who is well enough for `min-replicas-to-write`, which has changed.
    pub fn refresh_good_replicas(&mut self, now: Now) {
        self.source.refresh_good(&self.settings, now.mono_ms());
    }

    // ---- Events of the link to our master ----

    /// The connection to our master is open.
    pub fn on_connected(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_connected(&mut cx);
        }
    }

    /// No connection to our master came about.
    pub fn on_connect_failed(
        &mut self,
        failure: ConnectFailure,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_connect_failed(&mut cx, failure);
        }
    }

    /// Bytes came from our master. Returns how many of them, from the front, were taken; the
    /// others are stream, see the module's head.
    #[must_use = "bytes that were not taken belong to the stream"]
    pub fn on_master_bytes(&mut self, bytes: &[u8], facts: Facts, out: &mut Vec<Action>) -> usize {
        let taken = match self.link(facts, out) {
            Some((link, source, mut cx)) => link.on_bytes(&mut cx, source, bytes),
            None => return bytes.len(),
        };
        self.settle_failover(facts, out);
        taken
    }

    /// The connection to our master is gone.
    pub fn on_master_closed(&mut self, closed: Closed, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_closed(&mut cx, closed);
        }
    }

    /// Whether the snapshot that [`Action::InspectSnapshot`] asked about holds a key.
    pub fn on_snapshot_inspected(&mut self, has_keys: bool, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_snapshot_inspected(&mut cx, has_keys);
        }
    }

    /// The snapshot was made durable and put in place.
    pub fn on_snapshot_stored(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, source, mut cx)) = self.link(facts, out) {
            link.on_snapshot_stored(&mut cx, source);
        }
    }

    /// The snapshot could not be written or put in place; `reason` goes to the log.
    pub fn on_snapshot_failed(&mut self, reason: &str, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_snapshot_failed(&mut cx, reason);
        }
    }

    /// The snapshot is loaded; `place` is what it says of its master's stream.
    pub fn on_load_finished(&mut self, place: StreamPlace, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, source, mut cx)) = self.link(facts, out) {
            link.on_load_finished(&mut cx, source, place);
        }
    }

    /// The snapshot could not be loaded; the driver has logged why.
    pub fn on_load_failed(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if let Some((link, _, mut cx)) = self.link(facts, out) {
            link.on_load_failed(&mut cx);
        }
    }

    /// These bytes of the stream were run, and `db` is selected now.
    pub fn on_applied(&mut self, bytes: &[u8], db: u32) {
        let Role::Replica(link) = &mut self.role else {
            panic!("a master runs no stream");
        };
        link.on_applied(&mut self.history, bytes, db);
    }

    // ---- Requests of clients ----

    /// `REPLCONF`, `args` without the command's name. It also comes in the stream of our master,
    /// which asks with it how far we are; what was run before must have been reported.
    pub fn on_replconf(
        &mut self,
        client: ClientId,
        args: &[&[u8]],
        facts: Facts,
        out: &mut Vec<Action>,
    ) -> ReplconfReply {
        let Parts {
            role,
            source,
            mut cx,
            ..
        } = self.parts(facts, out);
        match source.options_mut(client).apply(args) {
            Replconf::Reply(reply) => return reply,
            Replconf::StreamSum(sum) => {
                let name = source.name_of(client);
                return drift::judge(&mut cx, &name, sum);
            }
            Replconf::OriginTime => return self.origin_time(facts.now),
            Replconf::Lineage => {
                let text = Lineage::text(cx.history.identity().lineage());
                return ReplconfReply::Line(text);
            }
            Replconf::Ack(None) => {}
            Replconf::Ack(Some(ack)) => source.on_ack(&mut cx, client, ack),
            Replconf::GetAck => {
                if let Role::Replica(link) = role {
                    link.send_ack(&mut cx);
                }
            }
        }
        ReplconfReply::Silent
    }

    /// `SYNC` or `PSYNC`. If our master hands over with it, we are a master afterwards, whatever
    /// the reply is.
    pub fn on_sync(
        &mut self,
        client: &SyncClient,
        request: SyncRequest,
        facts: Facts,
        out: &mut Vec<Action>,
    ) -> SyncReply {
        if self.source.contains(client.id) {
            return SyncReply::Ignored;
        }
        if let Some(id) = request.handed_over()
            && let Err(text) = self.take_over(id, client.description, facts, out)
        {
            return SyncReply::Refused(text.into());
        }
        if self.is_failing_over() {
            return SyncReply::Refused(role::FAILING_OVER.into());
        }
        if self.is_replica() && !self.is_link_up() {
            let text = "NOMASTERLINK Can't SYNC while not connected with my master";
            return SyncReply::Refused(text.into());
        }
        if client.has_pending_output {
            let text = "ERR SYNC and PSYNC are invalid with pending output";
            return SyncReply::Refused(text.into());
        }
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_sync(&mut cx, client, request)
    }

    /// A client sent an empty line, which is how a replica that loads a snapshot says that it is
    /// still there. Every client may be named here.
    pub fn on_newline(&mut self, client: ClientId, now: Now) {
        self.source.on_newline(client, now.mono_ms());
    }

    /// The connection of a client is gone. Every client may be named here.
    pub fn on_client_closed(&mut self, client: ClientId, facts: Facts, out: &mut Vec<Action>) {
        let may_keep_place = self.may_keep_place();
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_client_closed(&mut cx, client);
        if !may_keep_place {
            source.drop_kept(&mut cx);
        }
    }

    // ---- Snapshots for replicas ----

    /// The child that [`Action::StartSnapshot`] asked for was forked.
    pub fn on_snapshot_started(&mut self, facts: Facts, out: &mut Vec<Action>) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_snapshot_started(&mut cx);
    }

    /// The child that [`Action::StartSnapshot`] asked for could not be forked.
    pub fn on_snapshot_not_started(&mut self, facts: Facts, out: &mut Vec<Action>) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_snapshot_not_started(&mut cx);
    }

    /// The child that made a snapshot for replicas has ended, and through sockets everything it
    /// wrote was delivered; or it failed.
    pub fn on_snapshot_finished(&mut self, succeeded: bool, facts: Facts, out: &mut Vec<Action>) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_snapshot_finished(&mut cx, succeeded);
    }

    /// Whether a snapshot for replicas is being made.
    pub fn is_snapshot_running(&self) -> bool {
        self.source.is_snapshot_running()
    }

    /// The replicas that a snapshot through sockets goes to.
    pub fn snapshot_receivers(&self) -> impl Iterator<Item = ClientId> {
        self.source.snapshot_receivers()
    }

    /// A replica took (`progressed`), or has no room for, bytes of a snapshot through sockets.
    pub fn on_transfer(&mut self, client: ClientId, progressed: bool, now: Now) {
        self.source.on_transfer(client, progressed, now.mono_ms());
    }

    /// The snapshot file, `size` bytes long, was opened for a replica.
    pub fn on_file_opened(
        &mut self,
        client: ClientId,
        size: u64,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_file_opened(&mut cx, client, size);
    }

    /// A replica was sent the whole snapshot file.
    pub fn on_file_sent(&mut self, client: ClientId, facts: Facts, out: &mut Vec<Action>) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_file_sent(&mut cx, client);
    }

    /// The snapshot file could not be opened.
    pub fn on_file_failed(
        &mut self,
        client: ClientId,
        reason: &str,
        facts: Facts,
        out: &mut Vec<Action>,
    ) {
        let Parts { source, mut cx, .. } = self.parts(facts, out);
        source.on_file_failed(&mut cx, client, reason);
    }

    // ---- The stream to our replicas ----

    /// Adds a command, as it goes over the wire, to the stream; `db` is the database it concerns,
    /// if any. A replica passes on its master's stream and nothing else, so there it does nothing.
    pub fn feed(&mut self, db: Option<u32>, command: &[u8]) {
        if let Role::Master = self.role {
            self.history.feed(db, command);
        }
    }

    /// Whether [`feed`](Self::feed) would do anything: a command need not be encoded otherwise.
    pub fn wants_feed(&self) -> bool {
        matches!(self.role, Role::Master) && self.history.log().is_some()
    }

    /// Replicas that have something to read.
    pub fn readers(&self) -> impl Iterator<Item = ClientId> {
        self.source.readers(&self.history)
    }

    /// What a replica has to read next, in order, in pieces.
    pub fn chunks(&self, client: ClientId) -> impl Iterator<Item = &[u8]> {
        self.source.chunks(&self.history, client)
    }

    /// A replica was sent `bytes` bytes of what [`chunks`](Self::chunks) showed.
    pub fn on_sent(&mut self, client: ClientId, bytes: usize) {
        self.source.on_sent(&mut self.history, client, bytes);
    }

    /// Memory of the log that lies before a replica. Its output buffer limit applies to that
    /// ([`replica_limited_bytes`](Self::replica_limited_bytes)); one below `repl-backlog-size` is
    /// raised to that, since the backlog holds so much anyway.
    pub fn replica_memory_bytes(&self, client: ClientId) -> usize {
        self.source.memory_bytes(&self.history, client)
    }

    /// Asks all replicas, once before the driver sleeps, how far they are.
    pub fn request_acks(&mut self) {
        self.source.request_acks();
    }

    /// The same without delay, though a pause may begin before the driver sleeps.
    pub fn request_acks_now(&mut self) {
        self.feed(None, &wire::get_ack());
    }

    // ---- Time ----

    /// Time passes. Does the work of a second when one has passed.
    pub fn tick(&mut self, facts: Facts, out: &mut Vec<Action>) {
        if let Some(log) = self.history.log_mut() {
            log.trim();
        }
        let now_ms = facts.now.mono_ms();
        if now_ms < self.next_second_ms {
            return self.retry_target(facts, out);
        }
        self.next_second_ms = (self.next_second_ms + 1000).max(now_ms + 1);
        self.retry_spill(now_ms);
        let Parts {
            role,
            source,
            failover,
            mut cx,
        } = self.parts(facts, out);
        // A failover that waits for some time only wants the stream to stand still.
        let may_ping = failover.deadline_ms().is_none();
        let is_master = match role {
            Role::Master => true,
            Role::Replica(link) => {
                link.on_second(&mut cx);
                false
            }
        };
        source.on_second(&mut cx, is_master, may_ping);
    }

    // ---- Facts ----

    /// The end of our stream, in bytes.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.history.identity().offset()
    }

    /// Our place in the replication tree.
    pub fn identity(&self) -> &Identity {
        self.history.identity()
    }

    /// Our replicas: counts, acknowledgements, statistics.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Our replicas, to reset statistics.
    pub fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }
}
