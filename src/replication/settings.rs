//! The directives that replication reads, as resolved values.
//!
//! The configuration's apply hooks fill this struct; the machines read a value at the moment they
//! need it, so a change takes effect with the next step that depends on it.

/// What to do with a snapshot that arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisklessLoad {
    /// Store it in a file, then load that.
    #[default]
    Disabled,
    /// Load it from the socket if there is no data to lose.
    OnEmptyDb,
    /// Load it from the socket beside the old data.
    SwapDb,
}

/// Whose full sync a replica that holds data refuses (`replica-lineage-guard`). That of a master
/// whose history it knows it always takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineageRule {
    /// Nobody's.
    AcceptAll,
    /// That of a master of an unknown history that has no key.
    #[default]
    RefuseEmpty,
    /// That of any master of an unknown history.
    RefuseUnknown,
}

/// Resolved directives; the names are those of `redis.conf` unless said otherwise.
#[derive(Clone, Debug)]
pub struct ReplicationSettings {
    /// `masteruser`.
    pub master_user: Option<Vec<u8>>,
    /// `masterauth`.
    pub master_auth: Option<Vec<u8>>,
    /// `port`, which the master shows as ours.
    pub port: u16,
    /// `replica-announce-port`, instead of `port`.
    pub announce_port: Option<u16>,
    /// `replica-announce-ip`.
    pub announce_ip: Option<String>,
    /// `repl-timeout`, seconds.
    pub timeout_s: u64,
    /// `repl-diskless-load`.
    pub diskless_load: DisklessLoad,
    /// `replica-lineage-guard`.
    pub lineage_guard: LineageRule,
    /// `repl-backlog-size`, bytes.
    pub backlog_bytes: u64,
    /// `lost-writes-max-size`, bytes; 0 keeps no writes that may be lost.
    pub lost_bytes_max: u64,
    /// `lost-writes-max-age`, seconds; 0 keeps none, either.
    pub lost_age_max_s: u64,
    /// `repl-sync-memory`: bytes of the stream beyond the backlog that may be in memory for
    /// replicas that sync; what is more goes to disk.
    pub sync_memory_bytes: u64,
    /// `repl-spill-max-size`: bytes of the stream that may be on disk; 0 has none go there.
    pub spill_bytes_max: u64,
    /// `repl-max-concurrent-syncs`: replicas that are sent a snapshot at once; 0 is no limit.
    pub concurrent_syncs_max: usize,
    /// `repl-backlog-ttl`, seconds; 0 keeps the backlog for ever.
    pub backlog_ttl_s: u64,
    /// `repl-ping-replica-period`, seconds; at least 1.
    pub ping_period_s: u64,
    /// `repl-diskless-sync`.
    pub diskless_sync: bool,
    /// `repl-diskless-sync-delay`, seconds.
    pub diskless_sync_delay_s: u64,
    /// `repl-diskless-sync-max-replicas`; 0 means no such rule.
    pub diskless_sync_max_replicas: usize,
    /// `min-replicas-to-write`; 0 means no such rule.
    pub min_replicas_to_write: usize,
    /// `min-replicas-max-lag`, seconds; 0 means no such rule.
    pub min_replicas_max_lag_s: u64,
    /// Whether any `save` point is configured: then a snapshot for replicas is worth finishing
    /// even when none waits for it any more.
    pub has_save_points: bool,
}

impl ReplicationSettings {
    /// Whether writes that may be lost are kept.
    pub fn keeps_lost_writes(&self) -> bool {
        self.lost_bytes_max > 0 && self.lost_age_max_s > 0
    }

    /// Whether `min-replicas-to-write` is a rule; without a lag it is none.
    pub fn wants_good_replicas(&self) -> bool {
        self.min_replicas_to_write > 0 && self.min_replicas_max_lag_s > 0
    }
}

impl Default for ReplicationSettings {
    fn default() -> ReplicationSettings {
        ReplicationSettings {
            master_user: None,
            master_auth: None,
            port: 6379,
            announce_port: None,
            announce_ip: None,
            timeout_s: 60,
            diskless_load: DisklessLoad::Disabled,
            lineage_guard: LineageRule::default(),
            backlog_bytes: 1 << 20,
            lost_bytes_max: 256 << 20,
            lost_age_max_s: 7 * 86_400,
            sync_memory_bytes: 64 << 20,
            spill_bytes_max: 4 << 30,
            concurrent_syncs_max: 8,
            backlog_ttl_s: 3600,
            ping_period_s: 10,
            diskless_sync: true,
            diskless_sync_delay_s: 5,
            diskless_sync_max_replicas: 0,
            min_replicas_to_write: 0,
            min_replicas_max_lag_s: 10,
            has_save_points: true,
        }
    }
}
