//! One replica of ours, from its `PSYNC` on.
//!
//! ```text
//!                  PSYNC, not continuable                PSYNC, continuable
//!                          v                                     |
//!                   WaitSnapshot                                 |
//!                          | snapshot begun (or joined)          |
//!                          v                                     |
//!                     InSnapshot ---- sockets: done ---.         |
//!                          | disk: done                |         |
//!                          v                           |         |
//!                      WaitFile                        |         |
//!                          | few enough are sent one   |         |
//!                          v                           v         v
//!                      SendFile ------ sent ------->  Online  <--'
//! ```
//!
//! From `InSnapshot` on a replica has a cursor, placed where the snapshot was begun: what is
//! written meanwhile stays in the log for it. It reads from there once it is online and not held.

use crate::replication::action::ClientId;
use crate::replication::extensions::{Extensions, SnapshotName};
use crate::replication::info::{ReplicaLag, ReplicaSync};
use crate::replication::lag::feed_times::FeedTimes;
use crate::replication::lag::rate::RateMeter;
use crate::replication::log::Cursor;
use crate::replication::replconf::{Ack, ReplicaOptions};
use crate::replication::settings::ReplicationSettings;

/// What a replica has told of its lag is believed for so long: it acknowledges every second.
const TOLD_MS: u64 = 1500;

/// A snapshot file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SnapshotFile {
    /// What it is called.
    pub name: SnapshotName,
    /// The offset at which it was begun.
    pub start: u64,
    /// Its bytes; 0 before it was opened.
    pub size: u64,
}

/// A file that was on its way to a replica when the link broke; see `kept.rs`.
#[derive(Debug)]
pub(super) struct KeptFile {
    pub file: SnapshotFile,
    /// Where the stream goes on behind the snapshot.
    pub cursor: Cursor,
    pub until_ms: u64,
}

/// A replica whose snapshot through sockets was cut.
#[derive(Debug)]
pub(super) struct CutReplica {
    pub ip: String,
    pub port: i64,
    pub cuts: u32,
}

/// A replica that was dropped for its output limit; see `over_limit.rs`.
#[derive(Debug)]
pub(super) struct Dropped {
    pub ip: String,
    pub port: i64,
    pub at_ms: u64,
}

impl Dropped {
    /// Whether it is found at the same address.
    pub fn is(&self, replica: &Replica) -> bool {
        replica.is_at(self.ip.as_bytes(), self.port)
    }
}

/// How far a replica has come.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for a snapshot to begin.
    WaitSnapshot { since_ms: u64 },
    /// A snapshot that it will get is being made.
    InSnapshot {
        /// The offset at which the snapshot was begun.
        start: u64,
        /// Where it will read on; `None` if it wants the snapshot only.
        cursor: Option<Cursor>,
        /// Since when it has taken nothing of a snapshot sent through sockets, if it stalls.
        stalled_since_ms: Option<u64>,
        /// It acknowledged, so it has loaded a snapshot that we did not yet see to be complete.
        loaded: bool,
    },
    /// The snapshot file was opened for it; it waits until others have been sent theirs.
    WaitFile {
        cursor: Option<Cursor>,
        file: SnapshotFile,
        /// How much of it the replica has already.
        from: u64,
    },
    /// The snapshot file is being sent to it.
    SendFile {
        cursor: Option<Cursor>,
        file: SnapshotFile,
    },
    /// It reads the stream.
    Online {
        cursor: Cursor,
        /// After a snapshot through sockets nothing is sent until the replica acknowledges, so
        /// that it finds the end mark at the end of what it reads.
        held: bool,
    },
}

/// Where a server is in the stream, seen from the stream's origin.
#[derive(Clone, Copy, Debug)]
pub struct OriginPlace {
    /// The last byte that it has, run or not.
    pub end: u64,
    /// Milliseconds that it is behind the origin, if that is known.
    pub lag_ms: Option<u64>,
}

/// A snapshot on its way to a replica.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The size of its file; not known if it goes through sockets.
    pub total_bytes: Option<u64>,
    pub sent_bytes: u64,
    rate: RateMeter,
}

impl Sending {
    /// It begins.
    pub fn begin(total_bytes: Option<u64>, now_ms: u64) -> Sending {
        Sending {
            total_bytes,
            sent_bytes: 0,
            rate: RateMeter::starting(now_ms),
        }
    }

    /// A second is over.
    pub fn note_rate(&mut self, now_ms: u64) {
        self.rate.note(self.sent_bytes, now_ms);
    }
}

impl State {
    /// The cursor, given up.
    pub fn into_cursor(self) -> Option<Cursor> {
        match self {
            State::WaitSnapshot { .. } => None,
            State::InSnapshot { cursor, .. }
            | State::WaitFile { cursor, .. }
            | State::SendFile { cursor, .. } => cursor,
            State::Online { cursor, .. } => Some(cursor),
        }
    }
}

/// A replica of ours.
#[derive(Debug)]
pub(super) struct Replica {
    pub client: ClientId,
    /// The address it connects from; none over a Unix socket.
    pub peer_ip: Option<String>,
    pub options: ReplicaOptions,
    /// It used `SYNC`, so it knows neither `+FULLRESYNC` nor acknowledgements.
    pub old_protocol: bool,
    pub state: State,
    /// The offset that it had, or will have with its snapshot, when it became a replica.
    pub start_offset: u64,
    pub ack_offset: u64,
    /// The place of the mark of time that it was sent last: the offset of the byte behind it.
    pub marked_before: u64,
    /// The lag that it has told last, in milliseconds, and when.
    pub told_lag: Option<(u64, u64)>,
    /// What it is sent of a snapshot.
    pub sending: Sending,
    pub fsynced_offset: u64,
    /// It has acknowledged something since it was sent a snapshot, or needed none: it reads and
    /// runs the stream. Before that it may be loading, and a stock replica does not read then.
    pub has_loaded: bool,
    /// It is held to no limit once it is in step: see `over_limit.rs`.
    pub is_spared: bool,
    /// When it acknowledged something last, or said that it is still there.
    pub heard_ms: u64,
}

impl Replica {
    /// A client that asks for the stream, and waits for what it will get.
    pub fn new(
        client: ClientId,
        peer_ip: Option<&str>,
        options: ReplicaOptions,
        old_protocol: bool,
        now_ms: u64,
    ) -> Replica {
        Replica {
            client,
            peer_ip: peer_ip.map(str::to_owned),
            options,
            old_protocol,
            state: State::WaitSnapshot { since_ms: now_ms },
            start_offset: 0,
            ack_offset: 0,
            marked_before: 0,
            told_lag: None,
            sending: Sending::default(),
            fsynced_offset: 0,
            // One that uses the old protocol acknowledges nothing.
            has_loaded: old_protocol,
            is_spared: false,
            heard_ms: now_ms,
        }
    }

    /// Its address: the one it announced, or else the one it connects from.
    pub fn ip(&self) -> Option<&str> {
        self.options
            .ip_address
            .as_deref()
            .or(self.peer_ip.as_deref())
    }

    /// Whether this is where others find it.
    pub fn is_at(&self, host: &[u8], port: i64) -> bool {
        let is_host = |ip: &str| ip.as_bytes().eq_ignore_ascii_case(host);
        self.ip().is_some_and(is_host) && self.options.listening_port == port
    }

    /// What it is called in the log.
    pub fn name(&self) -> String {
        name(self.client, self.ip(), self.options.listening_port)
    }

    /// Its cursor, if it has one.
    pub fn cursor(&self) -> Option<&Cursor> {
        match &self.state {
            State::WaitSnapshot { .. } => None,
            State::InSnapshot { cursor, .. }
            | State::WaitFile { cursor, .. }
            | State::SendFile { cursor, .. } => cursor.as_ref(),
            State::Online { cursor, .. } => Some(cursor),
        }
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::WaitSnapshot { .. })
    }

    pub fn is_in_snapshot(&self) -> bool {
        matches!(self.state, State::InSnapshot { .. })
    }

    /// Whether it was sent all of a snapshot through a socket, and has not said that it has it.
    pub fn is_held(&self) -> bool {
        matches!(self.state, State::Online { held: true, .. })
    }

    pub fn waits_for_file(&self) -> bool {
        matches!(self.state, State::WaitFile { .. })
    }

    pub fn is_sent_file(&self) -> bool {
        matches!(self.state, State::SendFile { .. })
    }

    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// Seconds since it was last heard of, by a clock that has whole seconds only, as stock masters
    /// count them: a limit of one second is over after one and a half on average, not after two.
    pub fn lag_s(&self, now_ms: u64) -> u64 {
        (now_ms / 1000).saturating_sub(self.heard_ms / 1000)
    }

    /// The same as people are told: nothing is expected of one that is not online yet.
    pub fn shown_lag_s(&self, now_ms: u64) -> u64 {
        if self.is_online() {
            self.lag_s(now_ms)
        } else {
            0
        }
    }

    /// Whether it counts for `min-replicas-to-write`.
    pub fn is_good(&self, settings: &ReplicationSettings, now_ms: u64) -> bool {
        self.is_online() && self.lag_s(now_ms) <= settings.min_replicas_max_lag_s
    }

    /// Takes an acknowledgement; offsets never go back.
    pub fn on_ack(&mut self, ack: Ack, now_ms: u64) {
        let at_least_zero = |offset: i64| u64::try_from(offset).unwrap_or(0);
        self.ack_offset = self.ack_offset.max(at_least_zero(ack.offset));
        let fsynced = ack.fsynced.map_or(0, at_least_zero);
        self.fsynced_offset = self.fsynced_offset.max(fsynced);
        if !ack.is_whole {
            return;
        }
        self.heard_ms = now_ms;
        self.told_lag = ack.lag_ms.map(|ms| (ms, now_ms));
        self.has_loaded |= self.is_online();
        match &mut self.state {
            State::InSnapshot { loaded, .. } => *loaded = true,
            State::Online { held, .. } => *held = false,
            State::WaitSnapshot { .. } | State::WaitFile { .. } | State::SendFile { .. } => {}
        }
    }

    /// Whether it reads marks of time between the commands of the stream.
    pub fn reads_marks(&self) -> bool {
        self.is_online() && self.options.extensions.contains(Extensions::LAG)
    }

    /// The offset up to which it surely has the stream.
    pub fn has_offset(&self) -> u64 {
        self.ack_offset.max(self.start_offset)
    }

    /// How far it is behind, once it is online and has loaded what it was sent.
    pub fn lag(&self, place: OriginPlace, times: &FeedTimes, now_ms: u64) -> Option<ReplicaLag> {
        if !self.is_online() || self.is_loading() {
            return None;
        }
        let outstanding_ms = times.age_ms(self.has_offset(), now_ms);
        let estimate = place.lag_ms.map(|ms| ms.saturating_add(outstanding_ms));
        let is_recent = |at_ms: u64| now_ms.saturating_sub(at_ms) <= TOLD_MS;
        let (ms, is_measured) = match self.told_lag {
            Some((ms, at_ms)) if is_recent(at_ms) => (Some(ms), true),
            Some((ms, _)) => (estimate.max(Some(ms)), false),
            None => (estimate, false),
        };
        Some(ReplicaLag {
            bytes: place.end.saturating_sub(self.has_offset()),
            ms,
            is_measured,
        })
    }

    /// Whether it has got a snapshot and not acknowledged it yet.
    fn is_loading(&self) -> bool {
        self.is_online() && self.sending.sent_bytes > 0 && !self.has_loaded
    }

    /// How far it is in getting into step.
    pub fn sync(&self, to_sockets: bool, now_ms: u64) -> Option<ReplicaSync> {
        let stage = match self.state {
            State::WaitSnapshot { .. } => "waiting",
            State::WaitFile { .. } => "waiting",
            State::InSnapshot { .. } if !to_sockets => "saving",
            State::InSnapshot { .. } | State::SendFile { .. } => "sending",
            State::Online { .. } if self.is_loading() => "loading",
            State::Online { .. } => return None,
        };
        let Sending {
            total_bytes,
            sent_bytes,
            rate,
        } = &self.sending;
        let left = total_bytes.map(|total| total.saturating_sub(*sent_bytes));
        Some(ReplicaSync {
            stage,
            sent_bytes: *sent_bytes,
            total_bytes: *total_bytes,
            bytes_per_second: rate.per_second(*sent_bytes, now_ms),
            left_s: left.and_then(|left| rate.seconds_for(left, *sent_bytes, now_ms)),
        })
    }

    /// What `INFO` calls its state.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::WaitSnapshot { .. } | State::InSnapshot { .. } | State::WaitFile { .. } => {
                "wait_bgsave"
            }
            State::SendFile { .. } => "send_bulk",
            State::Online { .. } => "online",
        }
    }
}

/// What a client is called in the log that is, or wants to be, a replica.
pub(super) fn name(client: ClientId, ip: Option<&str>, port: i64) -> String {
    match ip {
        None => format!("client id #{client}"),
        Some(ip) if port == 0 => format!("{ip}:<unknown-replica-port>"),
        Some(ip) if ip.contains(':') => format!("[{ip}]:{port}"),
        Some(ip) => format!("{ip}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_named_by_address_and_port() {
        assert_eq!(name(7, Some("10.0.0.1"), 6380), "10.0.0.1:6380");
        assert_eq!(name(7, Some("::1"), 6380), "[::1]:6380");
        assert_eq!(
            name(7, Some("10.0.0.1"), 0),
            "10.0.0.1:<unknown-replica-port>"
        );
        assert_eq!(name(7, None, 6380), "client id #7");
    }
}
