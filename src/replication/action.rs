//! What the replication machines ask for, and what they are told with every event.
//!
//! The machines own no socket, file, process or clock. Each event comes with the [`Facts`] of the
//! instant and a vector that [`Action`]s are pushed to. The server carries them out in order,
//! before anything else happens; [`super`] describes the contract of each exchange.

use super::identity::ReplId;
use crate::base::time::Now;
use std::ops::Range;

/// The server's number of a client connection.
pub type ClientId = u64;

/// The facts of the instant at which an event happens.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The time.
    pub now: Now,
    /// What the server's child process, if there is one, does.
    pub child: RunningChild,
    /// Whether no database holds a key.
    pub dataset_empty: bool,
    /// The offset up to which our append-only file holds the stream on disk; none while there is
    /// no such file.
    pub fsynced_offset: Option<u64>,
}

/// The one background process a server may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningChild {
    /// There is none; one may be started.
    None,
    /// It saves the data set, for us or because somebody asked for `BGSAVE`.
    Save,
    /// It does something else.
    Other,
}

/// Where a snapshot that arrives goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadTarget {
    /// To a temporary file, which then replaces ours and is loaded.
    Disk,
    /// Straight into the data set, which was emptied before.
    Memory,
    /// Into a second data set that takes the place of ours when it is complete.
    Swap {
        /// Whether ours, an older state of the same history, goes on serving reads meanwhile.
        serve_reads: bool,
    },
}

/// Where a snapshot that we make goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotTarget {
    /// To our snapshot file, which is then sent to each replica.
    Disk,
    /// Through a pipe to the sockets of all replicas that wait, between `$EOF:<mark>\r\n` and the
    /// mark.
    Sockets {
        /// What ends the snapshot.
        mark: [u8; 40],
    },
}

/// How a replica got in step with its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// With a snapshot.
    Full,
    /// The master went on from where the replica was.
    Partial,
}

/// What of the data set a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// Everything.
    #[default]
    All,
    /// The function libraries only.
    FunctionsOnly,
    /// Nothing at all.
    Nothing,
}

/// Writes of ours that our new master's history lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostWrites {
    /// Our history.
    pub id: ReplId,
    /// The last byte of it that is in the new master's history.
    pub after: u64,
    /// Its last byte.
    pub end: u64,
    /// Whether `after` is known to be the last byte in common. If not, what is kept may hold
    /// writes that survived.
    pub is_exact: bool,
    /// The history of the new master, if it has told.
    pub new_id: Option<ReplId>,
    /// The new master's address.
    pub master: String,
}

/// A request of the machines to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to our master without blocking; answer with `on_connected` or `on_connect_failed`.
    Connect {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Send bytes to our master.
    SendMaster(Vec<u8>),
    /// Close the connection to our master, or stop making one, and drop the stream bytes that
    /// were not run yet along with the session that runs them.
    CloseMaster,
    /// A snapshot begins to arrive; `size` in bytes if it is known.
    BeginSnapshot {
        /// Bytes, unless an end mark will tell.
        size: Option<u64>,
        /// Where it goes.
        target: LoadTarget,
    },
    /// This range of the bytes just given to `on_master_bytes` belongs to the snapshot.
    SnapshotData(Range<usize>),
    /// These bytes belong to the snapshot; they came earlier and looked like its end mark.
    SnapshotHeld(Vec<u8>),
    /// The snapshot has all come: look whether it holds a key, and answer with
    /// `on_snapshot_inspected`, or with `on_snapshot_failed` if that cannot be told.
    InspectSnapshot,
    /// The data that are to come lack these writes of ours: keep them in a ledger, and answer with
    /// `on_lost_kept`.
    KeepLost(LostWrites),
    /// The connection broke while a snapshot came to a file: keep what has come, in the place of
    /// what was kept before.
    KeepSnapshot,
    /// The rest of the snapshot that was kept begins to arrive; what comes goes behind it.
    ResumeSnapshot,
    /// Throw away what was kept.
    DropKeptSnapshot,
    /// The snapshot is complete. [`LoadTarget::Disk`]: make the file durable, put it in place, and
    /// answer with `on_snapshot_stored` or `on_snapshot_failed`. Else finish the load and answer
    /// with `on_load_finished` or `on_load_failed`.
    EndSnapshot,
    /// Throw away the snapshot that is arriving or being loaded. If part of it is in the data set
    /// already, [`Action::FlushData`] follows.
    AbortSnapshot,
    /// Stop children and AOF work that concern the old data set, then empty it.
    FlushData,
    /// Load the stored snapshot file; answer with `on_load_finished` or `on_load_failed`.
    LoadSnapshot,
    /// Put the data set loaded aside in the place of ours.
    SwapData,
    /// The link is up: begin a session that runs the stream, with `db` selected.
    StartStream {
        /// The database that the first command refers to.
        db: u32,
        /// What it took to get there.
        after: SyncKind,
    },

    /// Send bytes to a replica, ahead of what it has to read from the log.
    SendReplica {
        /// Which.
        client: ClientId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close the connection of a replica; it is forgotten already.
    CloseReplica {
        /// Which.
        client: ClientId,
    },
    /// Send bytes to what was a replica until now, and close it when they are out.
    RefuseReplica {
        /// Which.
        client: ClientId,
        /// An error reply.
        bytes: Vec<u8>,
    },
    /// Fork a child that writes a snapshot; answer with `on_snapshot_started` or
    /// `on_snapshot_not_started` at once, and with `on_snapshot_finished` when it is done.
    StartSnapshot {
        /// Where it goes.
        target: SnapshotTarget,
        /// What is in it.
        contents: Contents,
    },
    /// Kill the child that writes a snapshot for replicas: nobody waits for it any more. There
    /// will be no `on_snapshot_finished`.
    StopSnapshot,
    /// Open the snapshot file for this replica and answer with `on_file_opened` or
    /// `on_file_failed`. It is the one of this instant that is sent later, whatever is in its place
    /// by then.
    OpenFile {
        /// Which.
        client: ClientId,
    },
    /// Send the file that was opened for this replica, and report with `on_file_sent`.
    SendFile {
        /// Which.
        client: ClientId,
    },

    /// This replica is gone, in the middle of its file: keep the file open, in the place of one
    /// that was kept before.
    KeepFile {
        /// Which.
        client: ClientId,
    },
    /// Let this replica have the file that was kept, from this byte on; [`Action::SendFile`]
    /// follows.
    TakeFile {
        /// Which.
        client: ClientId,
        /// How many bytes of it the replica has.
        from: u64,
    },
    /// Close the file that was kept.
    DropFile,

    /// Publish a message to clients of ours that listen on this channel.
    Publish {
        /// The channel.
        channel: &'static str,
        /// What it says.
        message: String,
    },
    /// We are a master now and were a replica, or the other way round; log lines that follow are
    /// in the new role.
    RoleChanged,
    /// Hold writes, and all that changes the data, back from now on, or do not any more: we hand
    /// over.
    HoldWrites(bool),
    /// Write a line to the server's log. Redis's levels are, from the loudest: warning is
    /// `Warn`, notice is `Info`, verbose is `Debug`, debug is `Trace`.
    Log(::log::Level, String),
}
