//! Replication described: for `INFO` and `ROLE`, for the gates, for snapshots.

use super::Replication;
use super::identity::ReplId;
use super::info::{GuardState, LaggingReplica, ReplicationInfo, RoleInfo, SavedIdentity};
use super::log::ReplLog;
use super::role::Role;
use crate::base::time::Now;

impl Replication {
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
                Role::Replica(link) => {
                    Some(link.info(now_ms, identity.offset(), self.settings.lineage_guard))
                }
            },
            connected_replicas: self.source.count(),
            good_replicas: has_rule.then(|| self.source.count_good()),
            replicas: self.source.infos(now_ms),
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
            stream_drifts: self.drifts,
        }
    }

    /// The last bytes of the stream, for the log when it turns out to be wrong.
    pub fn last_stream_bytes(&self, max: usize) -> Vec<u8> {
        self.history
            .log()
            .map_or_else(Vec::new, |log| log.last_bytes(max))
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
                let mut replicas = self.source.infos(now.mono_ms());
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

    /// What a snapshot of our data set is to say about its place, if it has one.
    pub fn saved_identity(&self) -> Option<SavedIdentity> {
        let has_place = match &self.role {
            Role::Master => self.history.log().is_some(),
            Role::Replica(link) => link.is_up() || link.matches_identity(),
        };
        has_place.then(|| SavedIdentity {
            id: self.history.identity().id(),
            offset: self.history.identity().offset(),
            // Without one selected, the next command brings its own SELECT.
            stream_db: self.history.db().unwrap_or(0),
            sum: self.history.sum(),
        })
    }
}
