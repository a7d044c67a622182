//! Replication described: for `INFO` and `ROLE`, for the gates, for snapshots.

use super::Replication;
use super::identity::ReplId;
use super::info::{GuardState, LaggingReplica, ReplicationInfo, RoleInfo, SavedIdentity};
use super::lineage::Lineage;
use super::log::ReplLog;
use super::role::Role;
use super::source::OriginPlace;
use crate::base::time::Now;

impl Replication {
    /// Memory of the log, each byte counted once.
    pub fn log_memory_bytes(&self) -> usize {
        self.history.log().map_or(0, ReplLog::memory_bytes)
    }

    /// The last bytes of the stream, for the log when it turns out to be wrong.
    pub fn last_stream_bytes(&self, max: usize) -> Vec<u8> {
        self.history
            .log()
            .map_or_else(Vec::new, |log| log.last_bytes(max))
    }

    /// The last `count` bytes of the stream, if they are held.
    pub fn newest_bytes(&self, count: u64) -> Option<Vec<u8>> {
        let log = self.history.log()?;
        let held = log.history_bytes() >= count;
        held.then(|| log.last_bytes(count as usize))
    }

    /// Whether `min-replicas-to-write` is met; a replica has no such rule.
    #[inline]
    pub fn has_enough_replicas(&self) -> bool {
        self.is_replica()
            || !self.settings.wants_good_replicas()
            || self.source.count_good() >= self.settings.min_replicas_to_write
    }

    /// The facts of `INFO replication`.
    pub fn info(&self, now: Now) -> ReplicationInfo {
        let now_ms = now.mono_ms();
        let identity = self.history.identity();
        let previous = identity.previous();
        let log = self.history.log();
        let (syncs_in_progress, sync_queue_length) = self.source.sync_counts();
        let has_rule = self.settings.wants_good_replicas();
        ReplicationInfo {
            master: match &self.role {
                Role::Master => None,
                Role::Replica(link) => Some(link.info(now_ms, identity.offset(), &self.settings)),
            },
            connected_replicas: self.source.count(),
            good_replicas: has_rule.then(|| self.source.count_good()),
            replicas: self.source.infos(self.origin_place(now_ms), now_ms),
            failover_state: self.failover.name(),
            id: identity.id(),
            id2: previous.map_or(ReplId::NONE, |previous| previous.id),
            offset: identity.offset(),
            second_offset: previous.map_or(-1, |previous| previous.second_offset as i64),
            backlog_active: log.is_some(),
            backlog_size: self.settings.backlog_bytes,
            backlog_first_byte_offset: log.map_or(0, ReplLog::first),
            backlog_histlen: log.map_or(0, ReplLog::history_bytes),
            syncs_in_progress,
            sync_queue_length,
            syncs_resumed: self.source.stats().resumed,
            spilled_bytes: self.cold_bytes(),
            stream_sum: self.history.sum(),
            tail_bytes: self
                .tail_base()
                .map_or(0, |base| self.offset().saturating_sub(base)),
            stream_drifts: self.drifts,
        }
    }

    /// Where we are in the stream, seen from its origin.
    fn origin_place(&self, now_ms: u64) -> OriginPlace {
        let offset = self.history.identity().offset();
        match &self.role {
            Role::Master => OriginPlace {
                end: offset,
                lag_ms: Some(0),
            },
            Role::Replica(link) => OriginPlace {
                end: offset + link.unapplied(),
                lag_ms: link.lag(&self.settings, now_ms).map(|lag| lag.ms),
            },
        }
    }

    /// Our replicas that have not acknowledged the whole stream.
    pub fn lagging_replicas(&self, now: Now) -> Vec<LaggingReplica> {
        let offset = self.history.identity().offset();
        self.source.lagging_replicas(offset, now.mono_ms())
    }

    /// What the guard of our data does, if we have a master.
    pub fn guard_state(&self) -> Option<GuardState> {
        match &self.role {
            Role::Master => None,
            Role::Replica(link) => Some(link.guard().state(self.settings.lineage_guard)),
        }
    }

    /// The facts of `ROLE`.
    pub fn role(&self, now: Now) -> RoleInfo {
        match &self.role {
            Role::Master => {
                let now_ms = now.mono_ms();
                let mut replicas = self.source.infos(self.origin_place(now_ms), now_ms);
                replicas.retain(|replica| replica.state == "online");
                RoleInfo::Master {
                    offset: self.history.identity().offset(),
                    replicas,
                }
            }
            Role::Replica(link) => RoleInfo::Replica {
                host: link.host().to_owned(),
                port: link.port(),
                state: link.stage_name(),
                offset: if link.is_up() {
                    self.history.identity().offset() as i64
                } else {
                    -1
                },
            },
        }
    }

    /// Asserts what must hold between any two events. Costly; for tests and simulations.
    pub fn check_invariants(&self) {
        self.history.check_invariants();
        self.source.check_invariants(&self.history);
        assert!(
            !self.is_link_up() || self.history.log().is_some(),
            "a replica keeps a log"
        );
    }

    /// Whether our data set has a place in a history.
    pub fn has_place(&self) -> bool {
        match &self.role {
            Role::Master => self.history.log().is_some(),
            Role::Replica(link) => link.is_up() || link.matches_identity(),
        }
    }

    /// What a snapshot of our data set is to say about its place, if it has one.
    pub fn saved_identity(&self) -> Option<SavedIdentity> {
        self.has_place().then(|| SavedIdentity {
            id: self.history.identity().id(),
            offset: self.history.identity().offset(),
            // Without one selected, the next command brings its own SELECT.
            stream_db: self.history.db().unwrap_or(0),
            sum: self.history.sum(),
            ancestors: self.history.identity().ancestors().to_vec(),
        })
    }

    /// Our history and those that it grew out of, as a file keeps them; none without any such.
    pub fn saved_lineage(&self) -> Option<String> {
        let identity = self.history.identity();
        let has_ancestors = !identity.ancestors().is_empty();
        has_ancestors.then(|| Lineage::text(identity.lineage()))
    }
}
