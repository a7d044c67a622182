//! Replication as `INFO` and `ROLE` show it: facts in the order in which they appear there.
//!
//! They are put together in `describe.rs`, and the commands turn them into text. What is not
//! replication's own (`slave_priority`,
//! `slave_read_only`, `replica_announced`) they add from the configuration. Here too is what a
//! snapshot says about the place of its data.

use super::identity::{Ancestor, ReplId};
use super::lag::meter::Lag;

/// The facts of `INFO replication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationInfo {
    /// Our master and the link to it; `None` if we are a master.
    pub master: Option<MasterInfo>,
    /// Length of the list below, and replicas without an address (`connected_slaves`).
    pub connected_replicas: usize,
    /// `min_slaves_good_slaves`, if the rule is configured.
    pub good_replicas: Option<usize>,
    /// `slave0`, `slave1`, …
    pub replicas: Vec<ReplicaInfo>,
    /// `master_failover_state`.
    pub failover_state: &'static str,
    /// `master_replid`.
    pub id: ReplId,
    /// `master_replid2`.
    pub id2: ReplId,
    /// `master_repl_offset`.
    pub offset: u64,
    /// `second_repl_offset`; -1 if there is none.
    pub second_offset: i64,
    /// `repl_backlog_active`.
    pub backlog_active: bool,
    /// `repl_backlog_size`.
    pub backlog_size: u64,
    /// `repl_backlog_first_byte_offset`; 0 without a backlog.
    pub backlog_first_byte_offset: u64,
    /// `repl_backlog_histlen`.
    pub backlog_histlen: u64,
    /// `syncs_in_progress`: replicas that are sent a snapshot.
    pub syncs_in_progress: usize,
    /// `sync_queue_length`: replicas that wait for that.
    pub sync_queue_length: usize,
    /// `syncs_resumed`: how often a replica got the rest of a snapshot file.
    pub syncs_resumed: u64,
    /// `repl_spilled_bytes`: bytes of the stream that are on disk for replicas that sync.
    pub spilled_bytes: u64,
    /// `repl_stream_sum`: the checksum of the stream up to the offset, if it is known.
    pub stream_sum: Option<u64>,
    /// `lost_writes_tail_bytes`: bytes of our stream that a replica may lack.
    pub tail_bytes: u64,
    /// `repl_stream_drifts`: how often it was found to differ from that of a peer.
    pub stream_drifts: u64,
}

/// Our master and the link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterInfo {
    /// `master_host`.
    pub host: String,
    /// `master_port`.
    pub port: u16,
    /// `master_link_status` is `up`, else `down`.
    pub link_up: bool,
    /// `master_last_io_seconds_ago`; -1 while the link is down.
    pub last_io_s: i64,
    /// `master_sync_in_progress`, and what it shows then.
    pub sync: Option<SyncInfo>,
    /// `slave_read_repl_offset`: bytes received.
    pub read_offset: u64,
    /// `slave_repl_offset`: bytes run.
    pub applied_offset: u64,
    /// `master_link_down_since_seconds`, shown while the link is down; -1 if it never was up.
    pub down_since_s: Option<i64>,
    /// `master_sync_stage`.
    pub stage: SyncStage,
    /// `master_lag_bytes`: bytes of the stream that have come and were not run.
    pub lag_bytes: u64,
    /// `master_lag_ms` and `master_lag_sampled_ms`, if they are known.
    pub lag: Option<Lag>,
    /// What keeps our data from a master that has lost its own.
    pub guard: GuardInfo,
}

/// How far a replica is in getting into step with its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStage {
    /// The next attempt is waited for.
    Idle,
    /// The connection is being made.
    Connecting,
    /// Both introduce themselves.
    Handshake,
    /// The master prepares its snapshot.
    Waiting,
    /// The snapshot comes; it may be loaded meanwhile.
    Receiving,
    /// It has all come, and is put in the place of our file.
    Storing,
    /// It is loaded.
    Loading,
    /// They are in step.
    Streaming,
}

impl SyncStage {
    /// All of them, in the order in which they come.
    pub const ALL: [SyncStage; 8] = [
        SyncStage::Idle,
        SyncStage::Connecting,
        SyncStage::Handshake,
        SyncStage::Waiting,
        SyncStage::Receiving,
        SyncStage::Storing,
        SyncStage::Loading,
        SyncStage::Streaming,
    ];

    /// As `INFO` names it.
    pub fn name(self) -> &'static str {
        match self {
            SyncStage::Idle => "idle",
            SyncStage::Connecting => "connecting",
            SyncStage::Handshake => "handshake",
            SyncStage::Waiting => "waiting",
            SyncStage::Receiving => "receiving",
            SyncStage::Storing => "storing",
            SyncStage::Loading => "loading",
            SyncStage::Streaming => "streaming",
        }
    }
}

/// The guard of a replica's data (`replica-lineage-guard`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardInfo {
    /// `replica_guard`.
    pub state: GuardState,
    /// `replica_guard_refusals`: full syncs that were refused since we have a master.
    pub refusals: u64,
    /// What is being refused.
    pub refused: Option<RefusedInfo>,
}

/// What the guard of a replica's data does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardState {
    /// Nothing: it is switched off.
    Off,
    /// It looks at what a master offers.
    On,
    /// It lets the next sync through, whatever it is.
    Open,
    /// It refuses what our master offers.
    Refusing,
}

impl GuardState {
    /// All of them.
    pub const ALL: [GuardState; 4] = [
        GuardState::Off,
        GuardState::On,
        GuardState::Open,
        GuardState::Refusing,
    ];

    /// As `INFO` names it.
    pub fn name(self) -> &'static str {
        match self {
            GuardState::Off => "off",
            GuardState::On => "on",
            GuardState::Open => "open",
            GuardState::Refusing => "refused",
        }
    }
}

/// Why a master's offer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFor {
    /// It is of an unknown history, and there is no key in it.
    Empty,
    /// It is of an unknown history.
    Unknown,
}

impl RefusedFor {
    /// As `INFO` and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            RefusedFor::Empty => "empty",
            RefusedFor::Unknown => "unknown",
        }
    }
}

/// A master's offer that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedInfo {
    /// `replica_guard_refused_for`.
    pub why: RefusedFor,
    /// `replica_guard_refused_in_step`: our link to this very master was up before, so that what we
    /// hold is what it had.
    pub was_in_step: bool,
    /// `replica_guard_refused_seconds`: for how long.
    pub since_s: u64,
    /// `replica_guard_refused_replid`: its history; `None` if it has not told.
    pub id: Option<ReplId>,
}

/// A snapshot that is arriving or being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncInfo {
    /// `master_sync_total_bytes`; 0 if an end mark will tell, -1 before it is announced.
    pub total_bytes: i64,
    /// `master_sync_read_bytes`; `master_sync_left_bytes` is the difference, and
    /// `master_sync_perc` the ratio, 0 while the total is not known.
    pub read_bytes: u64,
    /// `master_sync_last_io_seconds_ago`.
    pub last_io_s: u64,
    /// `master_sync_bytes_per_second`, over the last few seconds.
    pub bytes_per_second: u64,
    /// `master_sync_seconds_left`, if that can be told.
    pub left_s: Option<u64>,
}

/// A replica of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Its address.
    pub ip: String,
    /// The port that it listens at, as it said.
    pub port: i64,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    /// What it acknowledged.
    pub offset: u64,
    /// Seconds since it was heard of, while it is online.
    pub lag_s: u64,
    /// How far it is behind, once it is online and has loaded what it was sent.
    pub lag: Option<ReplicaLag>,
    /// How far it is in getting into step, until then.
    pub sync: Option<ReplicaSync>,
}

/// How far a replica is behind: `replicaN_lag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaLag {
    /// Bytes that we have and it has not acknowledged.
    pub bytes: u64,
    /// Milliseconds behind the origin of the stream, if that is known.
    pub ms: Option<u64>,
    /// It has measured that itself; else it is estimated by what it acknowledges.
    pub is_measured: bool,
}

/// How far a replica is in getting into step: `replicaN_sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSync {
    /// What is going on.
    pub stage: &'static str,
    /// Bytes of the snapshot that were sent.
    pub sent_bytes: u64,
    /// How many there are, if that is known.
    pub total_bytes: Option<u64>,
    /// How many are sent in a second, over the last few seconds.
    pub bytes_per_second: u64,
    /// Until all are sent, if that can be told.
    pub left_s: Option<u64>,
}

/// A replica that has not acknowledged all that it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaggingReplica {
    /// What it is called in the log.
    pub name: String,
    /// Bytes that it has not acknowledged.
    pub behind: u64,
    /// Seconds since it was heard of, while it is online.
    pub lag_s: u64,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
}

/// The facts of `ROLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleInfo {
    /// `master`, the offset, and the replicas that are online.
    Master {
        /// Bytes of the stream.
        offset: u64,
        /// Address, port and acknowledged offset of each.
        replicas: Vec<ReplicaInfo>,
    },
    /// `slave`, the master, and the link to it.
    Replica {
        /// The master's name or address.
        host: String,
        /// Its port.
        port: u16,
        /// `connect`, `connecting`, `handshake`, `sync` or `connected`.
        state: &'static str,
        /// Bytes run; -1 while the link is down.
        offset: i64,
    },
}

/// What a snapshot file says about the place of its data in the replication tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedIdentity {
    /// `repl-id`.
    pub id: ReplId,
    /// `repl-offset`.
    pub offset: u64,
    /// `repl-stream-db`.
    pub stream_db: u32,
    /// `tanist-stream-sum`: the sum of the stream up to the offset, if it is known.
    pub sum: Option<u64>,
    /// `tanist-lineage`: the histories that this one grew out of, the youngest first.
    pub ancestors: Vec<Ancestor>,
}
