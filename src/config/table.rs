//! The table of directives: the one place where a directive exists.
//!
//! A line such as
//!
//! ```text
//! /// Seconds of silence after which the link to a master or replica is given up.
//! repl_timeout: u32 = 60, "repl-timeout".range(1, INT_MAX);
//! ```
//!
//! makes a typed field of [`Settings`] with its default, and a [`Row`] that says how the field is
//! read, checked, shown and saved. Names, aliases, defaults and bounds are those of Redis 7.2.4,
//! so its files load here; the rows at the end are ours. Directives of parts that Tanist does not
//! have (cluster, defragmentation) keep their rows for the same reason; values that would
//! promise something it cannot keep are refused by a check.
//!
//! Invariants, kept by tests: names and aliases are unique, a field is named as its directive,
//! defaults lie within bounds, bounds fit the field's type.

use super::checks;
use super::choice::{
    AclPubsubDefault, Appendfsync, ClusterPreferredEndpointType, LogLevel, MaxmemoryPolicy,
    OomScoreAdj, PropagationErrorBehavior, ProtectedAction, ReplDisklessLoad, ReplicaLineageGuard,
    SanitizeDumpPayload, Supervised, SyslogFacility, TlsAuthClients,
};
use super::notify::NotifyEvents;
use super::places::{BindAddresses, MasterAddress, MetricsAddresses, WorkingDir};
use super::row::{Apply, Row, Traits};
use super::special::{
    ClientsMemory, OomScoreAdjValues, OutputLimits, Percentiles, SavePoints, ShutdownOnSignal,
};
use super::value::Value;

/// Text that may be empty.
type Text = Vec<u8>;
/// Text that is absent when empty.
type OptionalText = Option<Vec<u8>>;

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;
const UINT_MAX: i128 = u32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const ULONG_MAX: i128 = u64::MAX as i128;
const MIB: i128 = 1 << 20;

macro_rules! directives {
    ($(
        $(#[$doc:meta])*
        $field:ident: $type:ty = $default:expr,
        $name:literal $(.$builder:ident($($argument:expr),*))*;
    )*) => {
        /// The settings of all directives, each under its directive's name.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $($field: $default,)* }
            }
        }

        /// All directives.
        pub static TABLE: &[Row] = &[$({
            fn get(settings: &Settings) -> &dyn Value {
                &settings.$field
            }
            fn get_mut(settings: &mut Settings) -> &mut dyn Value {
                &mut settings.$field
            }
            Row::new($name, get, get_mut)$(.$builder($($argument),*))*
        },)*];

        /// The fields of [`Settings`] in the order of the table.
        #[cfg(test)]
        pub(super) const FIELDS: &[&str] = &[$(stringify!($field),)*];
    };
}

impl Row {
    /// The directive called `name`, now or formerly, in any case.
    pub fn find(name: &[u8]) -> Option<&'static Row> {
        TABLE.iter().find(|row| {
            row.names()
                .any(|own| own.as_bytes().eq_ignore_ascii_case(name))
        })
    }
}

directives! {
    // Network.

    /// Addresses to listen on.
    bind: BindAddresses = BindAddresses::default(), "bind"
        .with(Traits::MULTI).apply(Apply::Bind);
    /// Address that connections of our own start from.
    bind_source_addr: OptionalText = None, "bind-source-addr";
    /// Port for TCP clients; 0 opens none.
    port: u16 = 6379, "port".range(0, 65535).apply(Apply::Port);
    /// Refuse clients from other hosts while neither address nor password was configured.
    protected_mode: bool = true, "protected-mode";
    /// Connections that may wait to be accepted.
    tcp_backlog: u32 = 511, "tcp-backlog".range(0, INT_MAX).with(Traits::IMMUTABLE);
    /// Seconds between probes of an idle connection; 0 sends none.
    tcp_keepalive: u32 = 300, "tcp-keepalive".range(0, INT_MAX);
    /// Seconds after which an idle client is dropped; 0 never.
    timeout: u32 = 0, "timeout".range(0, INT_MAX);
    /// Path of a Unix socket to listen on.
    unixsocket: OptionalText = None, "unixsocket".with(Traits::IMMUTABLE);
    /// Permissions of the Unix socket; 0 leaves them to the umask.
    unixsocketperm: u32 = 0, "unixsocketperm".octal(0, 0o777).with(Traits::IMMUTABLE);
    /// Mark put on listening sockets, for packet filters.
    socket_mark_id: u32 = 0, "socket-mark-id".range(0, UINT_MAX).with(Traits::IMMUTABLE);

    // The process.

    /// Detach from the terminal and run in the background.
    daemonize: bool = false, "daemonize".with(Traits::IMMUTABLE);
    /// The service manager to tell that the server is up.
    supervised: Supervised = Supervised::No, "supervised".with(Traits::IMMUTABLE);
    /// File that holds the process id while the server runs.
    pidfile: OptionalText = None, "pidfile".with(Traits::IMMUTABLE);
    /// Least severe message that is logged.
    loglevel: LogLevel = LogLevel::Notice, "loglevel".apply(Apply::LogLevel);
    /// Log file; empty logs to standard output.
    logfile: Text = Vec::new(), "logfile".with(Traits::IMMUTABLE);
    /// Log to the system log as well.
    syslog_enabled: bool = false, "syslog-enabled".with(Traits::IMMUTABLE);
    /// Name in the system log.
    syslog_ident: Text = b"redis".to_vec(), "syslog-ident".with(Traits::IMMUTABLE);
    /// Sender's class in the system log.
    syslog_facility: SyslogFacility = SyslogFacility::Local0, "syslog-facility"
        .with(Traits::IMMUTABLE);
    /// Write a report when the server crashes.
    crash_log_enabled: bool = true, "crash-log-enabled".apply(Apply::CrashLog);
    /// Test the memory when the server crashes.
    crash_memcheck_enabled: bool = true, "crash-memcheck-enabled"
        .apply(Apply::CrashLog);
    /// Leave by `exit` instead of `abort` after a panic.
    use_exit_on_panic: bool = false, "use-exit-on-panic".with(Traits::HIDDEN);
    /// Databases to choose from with SELECT.
    databases: u32 = 16, "databases".range(1, INT_MAX).with(Traits::IMMUTABLE);
    /// Show the start banner even when the log is not a terminal.
    always_show_logo: bool = false, "always-show-logo".with(Traits::IMMUTABLE);
    /// Change the process title.
    set_proc_title: bool = true, "set-proc-title".with(Traits::IMMUTABLE);
    /// What the process title says.
    proc_title_template: Text = b"{title} {listen-addr} {server-mode}".to_vec(),
        "proc-title-template".check(checks::proc_title_template).apply(Apply::ProcTitle);
    /// Locale that SORT ALPHA compares by; empty takes the environment's.
    locale_collate: Text = Vec::new(), "locale-collate".apply(Apply::LocaleCollate);
    /// Start-up warnings that do not stop the server, by name.
    ignore_warnings: Text = Vec::new(), "ignore-warnings";
    /// Turn transparent huge pages off for this process.
    disable_thp: bool = true, "disable-thp".with(Traits::IMMUTABLE);
    /// Set the score by which the kernel chooses whom to kill when memory runs out.
    oom_score_adj: OomScoreAdj = OomScoreAdj::No, "oom-score-adj".apply(Apply::OomScore);
    /// These scores.
    oom_score_adj_values: OomScoreAdjValues = OomScoreAdjValues::default(), "oom-score-adj-values"
        .with(Traits::MULTI).apply(Apply::OomScore);
    /// Let the allocator return memory from a thread of its own.
    jemalloc_bg_thread: bool = true, "jemalloc-bg-thread".apply(Apply::JemallocBgThread);
    /// Processors of the server.
    server_cpulist: OptionalText = None, "server_cpulist".with(Traits::IMMUTABLE);
    /// Processors of background threads.
    bio_cpulist: OptionalText = None, "bio_cpulist".with(Traits::IMMUTABLE);
    /// Processors of the child that rewrites the append only file.
    aof_rewrite_cpulist: OptionalText = None, "aof_rewrite_cpulist".with(Traits::IMMUTABLE);
    /// Processors of the child that writes a snapshot.
    bgsave_cpulist: OptionalText = None, "bgsave_cpulist".with(Traits::IMMUTABLE);
    /// Threads for sockets. Accepted, without effect: there is one thread.
    io_threads: u32 = 1, "io-threads".range(1, 128).with(Traits::IMMUTABLE).with(Traits::DEBUG);
    /// Let those threads read too. Accepted, without effect.
    io_threads_do_reads: bool = false, "io-threads-do-reads"
        .with(Traits::IMMUTABLE).with(Traits::DEBUG);
    /// How often a second periodic work is done.
    hz: u32 = 10, "hz".range(0, INT_MAX).clamp(1, 500).apply(Apply::Hz);
    /// Do it more often when there are many clients.
    dynamic_hz: bool = true, "dynamic-hz";
    /// Milliseconds of a stuck event loop that are reported; 0 reports none.
    watchdog_period: u32 = 0, "watchdog-period".range(0, INT_MAX).with(Traits::HIDDEN)
        .apply(Apply::Watchdog);
    /// How a SIGINT shuts the server down.
    shutdown_on_sigint: ShutdownOnSignal = ShutdownOnSignal::default(), "shutdown-on-sigint"
        .with(Traits::MULTI);
    /// How a SIGTERM shuts the server down.
    shutdown_on_sigterm: ShutdownOnSignal = ShutdownOnSignal::default(), "shutdown-on-sigterm"
        .with(Traits::MULTI);
    /// Seconds that a shutdown waits for replicas to catch up.
    shutdown_timeout: u32 = 10, "shutdown-timeout".range(0, INT_MAX);

    // Clients and their limits.

    /// Clients connected at the same time.
    maxclients: u32 = 10_000, "maxclients".range(1, UINT_MAX).apply(Apply::MaxClients);
    /// Memory that all clients together may use.
    maxmemory_clients: ClientsMemory = ClientsMemory::Bytes(0), "maxmemory-clients"
        .memory(0, LONG_MAX).apply(Apply::MaxmemoryClients);
    /// When a client that reads too slowly is dropped.
    client_output_buffer_limit: OutputLimits = OutputLimits::default(),
        "client-output-buffer-limit".with(Traits::MULTI);
    /// Bytes of one client's unprocessed requests.
    client_query_buffer_limit: usize = 1 << 30, "client-query-buffer-limit"
        .memory(MIB, LONG_MAX).with(Traits::DEBUG);
    /// Bytes of one argument.
    proto_max_bulk_len: usize = 512 << 20, "proto-max-bulk-len"
        .memory(MIB, LONG_MAX).with(Traits::DEBUG);
    /// Keys remembered for clients that cache.
    tracking_table_max_keys: usize = 1_000_000, "tracking-table-max-keys".range(0, LONG_MAX);

    // Who may do what.

    /// Password of the default user.
    requirepass: OptionalText = None, "requirepass"
        .with(Traits::SENSITIVE).apply(Apply::Requirepass);
    /// File of users.
    aclfile: Text = Vec::new(), "aclfile".with(Traits::IMMUTABLE);
    /// Refusals remembered by ACL LOG.
    acllog_max_len: usize = 128, "acllog-max-len".range(0, LONG_MAX);
    /// Channels of a new user.
    acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::Resetchannels, "acl-pubsub-default";
    /// Who may set protected directives.
    enable_protected_configs: ProtectedAction = ProtectedAction::No, "enable-protected-configs"
        .with(Traits::IMMUTABLE);
    /// Who may use DEBUG.
    enable_debug_command: ProtectedAction = ProtectedAction::No, "enable-debug-command"
        .with(Traits::IMMUTABLE);
    /// Who may use MODULE.
    enable_module_command: ProtectedAction = ProtectedAction::No, "enable-module-command"
        .with(Traits::IMMUTABLE);

    // Snapshots.

    /// When to write a snapshot.
    save: SavePoints = SavePoints::default(), "save"
        .with(Traits::MULTI).with(Traits::ALWAYS_SAVED);
    /// Refuse writes while the last snapshot failed.
    stop_writes_on_bgsave_error: bool = true, "stop-writes-on-bgsave-error";
    /// Compress strings in snapshots.
    rdbcompression: bool = true, "rdbcompression";
    /// Put a checksum under snapshots, and check it when they are read.
    rdbchecksum: bool = true, "rdbchecksum".with(Traits::IMMUTABLE);
    /// File of the snapshot.
    dbfilename: Text = b"dump.rdb".to_vec(), "dbfilename"
        .with(Traits::PROTECTED).check(checks::dbfilename);
    /// Delete snapshots that only served a replica, where nothing else needs them.
    rdb_del_sync_files: bool = false, "rdb-del-sync-files";
    /// Make a snapshot durable piece by piece while it is written.
    rdb_save_incremental_fsync: bool = true, "rdb-save-incremental-fsync";
    /// Microseconds that a snapshot pauses after each key; for tests.
    rdb_key_save_delay: i32 = 0, "rdb-key-save-delay"
        .range(INT_MIN, INT_MAX).with(Traits::HIDDEN);
    /// Microseconds that loading pauses after each key; for tests.
    key_load_delay: i32 = 0, "key-load-delay".range(INT_MIN, INT_MAX).with(Traits::HIDDEN);
    /// Bytes loaded between two looks at the clients.
    loading_process_events_interval_bytes: u64 = 2 << 20, "loading-process-events-interval-bytes"
        .range(1024, INT_MAX).with(Traits::HIDDEN);
    /// Whose serialized values are checked in depth.
    sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No, "sanitize-dump-payload"
        .with(Traits::DEBUG);
    /// Leave out of a snapshot what has no counterpart here.
    rdb_skip_unknown: bool = false, "rdb-skip-unknown";
    /// Working directory.
    dir: WorkingDir = WorkingDir::default(), "dir"
        .with(Traits::PROTECTED).with(Traits::DENY_LOADING).with(Traits::ALWAYS_SAVED)
        .apply(Apply::Dir);

    // Append only file.

    /// Log every write.
    appendonly: bool = false, "appendonly".with(Traits::DENY_LOADING).apply(Apply::Appendonly);
    /// Name that the files of the log begin with.
    appendfilename: Text = b"appendonly.aof".to_vec(), "appendfilename"
        .with(Traits::IMMUTABLE).check(checks::appendfilename);
    /// Directory of the log, inside the working directory.
    appenddirname: Text = b"appendonlydir".to_vec(), "appenddirname"
        .with(Traits::IMMUTABLE).check(checks::appenddirname);
    /// When the log is made durable.
    appendfsync: Appendfsync = Appendfsync::Everysec, "appendfsync".apply(Apply::Appendfsync);
    /// Leave that to the kernel while a child writes.
    no_appendfsync_on_rewrite: bool = false, "no-appendfsync-on-rewrite";
    /// Growth in percent after which the log is rewritten; 0 never.
    auto_aof_rewrite_percentage: u32 = 100, "auto-aof-rewrite-percentage".range(0, INT_MAX);
    /// Bytes that it must have by then.
    auto_aof_rewrite_min_size: u64 = 64 << 20, "auto-aof-rewrite-min-size".memory(0, LONG_MAX);
    /// Start although the end of the log is cut off.
    aof_load_truncated: bool = true, "aof-load-truncated";
    /// Begin a rewritten log with a snapshot.
    aof_use_rdb_preamble: bool = true, "aof-use-rdb-preamble";
    /// Note the time in the log.
    aof_timestamp_enabled: bool = false, "aof-timestamp-enabled";
    /// Whether the append-only file tells its place in the replication stream.
    aof_stream_marks: bool = true, "aof-stream-marks";
    /// Make a rewritten log durable piece by piece while it is written.
    aof_rewrite_incremental_fsync: bool = true, "aof-rewrite-incremental-fsync";
    /// Keep the files of past logs.
    aof_disable_auto_gc: bool = false, "aof-disable-auto-gc".with(Traits::HIDDEN)
        .apply(Apply::AofAutoGc);

    // Replication.

    /// The master to follow.
    replicaof: Option<MasterAddress> = None, "replicaof".alias("slaveof")
        .with(Traits::IMMUTABLE).with(Traits::MULTI);
    /// Password for the master.
    masterauth: OptionalText = None, "masterauth".with(Traits::SENSITIVE);
    /// User name for the master.
    masteruser: OptionalText = None, "masteruser".with(Traits::SENSITIVE);
    /// Answer from the old data set while the master is away or a sync runs.
    replica_serve_stale_data: bool = true, "replica-serve-stale-data"
        .alias("slave-serve-stale-data");
    /// Refuse writes of clients as a replica.
    replica_read_only: bool = true, "replica-read-only"
        .alias("slave-read-only").with(Traits::DEBUG);
    /// Send snapshots straight to the replicas' sockets.
    repl_diskless_sync: bool = true, "repl-diskless-sync".with(Traits::DEBUG);
    /// Seconds to wait for more replicas before doing so.
    repl_diskless_sync_delay: u32 = 5, "repl-diskless-sync-delay".range(0, INT_MAX);
    /// Replicas that end the wait early; 0 never.
    repl_diskless_sync_max_replicas: u32 = 0, "repl-diskless-sync-max-replicas"
        .range(0, INT_MAX);
    /// Where a replica puts a snapshot that it receives.
    repl_diskless_load: ReplDisklessLoad = ReplDisklessLoad::Disabled, "repl-diskless-load"
        .with(Traits::DEBUG).with(Traits::DENY_LOADING);
    /// Keep the data of a replica from a master without any.
    replica_lineage_guard: ReplicaLineageGuard = ReplicaLineageGuard::Yes, "replica-lineage-guard";
    /// Seconds between pings of the replicas.
    repl_ping_replica_period: u32 = 10, "repl-ping-replica-period"
        .alias("repl-ping-slave-period").range(1, INT_MAX);
    /// Seconds of silence after which the link to a master or replica is given up.
    repl_timeout: u32 = 60, "repl-timeout".range(1, INT_MAX);
    /// Let the kernel gather small packets on the way to the replicas.
    repl_disable_tcp_nodelay: bool = false, "repl-disable-tcp-nodelay";
    /// Bytes of the stream kept for replicas that come back.
    repl_backlog_size: u64 = 1 << 20, "repl-backlog-size"
        .memory(1, LONG_MAX).clamp(16 << 10, LONG_MAX).apply(Apply::ReplBacklogSize);
    /// Bytes of the stream beyond that in memory for replicas that sync; more goes to disk.
    repl_sync_memory: u64 = 64 << 20, "repl-sync-memory".memory(0, LONG_MAX);
    /// Bytes of the stream on disk, for replicas that sync and for us while we load; 0 none.
    repl_spill_max_size: u64 = 4 << 30, "repl-spill-max-size".memory(0, LONG_MAX);
    /// Replicas that are sent a snapshot at once; 0 all.
    repl_max_concurrent_syncs: u32 = 8, "repl-max-concurrent-syncs".range(0, INT_MAX);
    /// Bytes a second of all snapshots that are sent; 0 as fast as it goes.
    repl_snapshot_bandwidth: u64 = 0, "repl-snapshot-bandwidth".memory(0, LONG_MAX);
    /// Seconds without a replica after which they are let go; 0 never.
    repl_backlog_ttl: u64 = 3600, "repl-backlog-ttl".range(0, LONG_MAX);
    /// Bytes of writes kept that a new master may lack, in ledgers and besides until it is known; 0
    /// keeps none.
    lost_writes_max_size: u64 = 256 << 20, "lost-writes-max-size".memory(0, LONG_MAX);
    /// Seconds after which ledgers are removed, and a replica that is gone is given up; 0 keeps no
    /// writes.
    lost_writes_max_age: u64 = 604_800, "lost-writes-max-age".range(0, LONG_MAX);
    /// Rank of this replica when a new master is chosen, lowest first; 0 never.
    replica_priority: u32 = 100, "replica-priority".alias("slave-priority").range(0, INT_MAX);
    /// Let sentinels report this replica.
    replica_announced: bool = true, "replica-announced";
    /// Address under which this replica is reached.
    replica_announce_ip: OptionalText = None, "replica-announce-ip".alias("slave-announce-ip");
    /// Port under which it is reached; 0 is the one it listens on.
    replica_announce_port: u16 = 0, "replica-announce-port"
        .alias("slave-announce-port").range(0, 65535);
    /// Good replicas without which a master refuses writes; 0 needs none.
    min_replicas_to_write: u32 = 0, "min-replicas-to-write"
        .alias("min-slaves-to-write").range(0, INT_MAX).apply(Apply::GoodReplicas);
    /// Seconds of lag up to which a replica is good.
    min_replicas_max_lag: u32 = 10, "min-replicas-max-lag"
        .alias("min-slaves-max-lag").range(0, INT_MAX).apply(Apply::GoodReplicas);
    /// Leave eviction to the master.
    replica_ignore_maxmemory: bool = true, "replica-ignore-maxmemory"
        .alias("slave-ignore-maxmemory");
    /// Free the old data set in the background before a snapshot is loaded.
    replica_lazy_flush: bool = false, "replica-lazy-flush".alias("slave-lazy-flush");
    /// Follow the master although writes to disk fail.
    replica_ignore_disk_write_errors: bool = false, "replica-ignore-disk-write-errors";
    /// What to do when a command from the master fails.
    propagation_error_behavior: PropagationErrorBehavior = PropagationErrorBehavior::Ignore,
        "propagation-error-behavior";

    // Memory and expiry.

    /// Bytes that the data set may use; 0 means no limit.
    maxmemory: u64 = 0, "maxmemory".memory(0, ULONG_MAX).apply(Apply::Maxmemory);
    /// What gives way beyond it.
    maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::Noeviction, "maxmemory-policy";
    /// Keys looked at to find one to evict.
    maxmemory_samples: u32 = 5, "maxmemory-samples".range(1, INT_MAX);
    /// How long eviction may hold up a command, 0 to 100.
    maxmemory_eviction_tenacity: u32 = 10, "maxmemory-eviction-tenacity".range(0, 100);
    /// How slowly a key's count of uses grows.
    lfu_log_factor: u32 = 10, "lfu-log-factor".range(0, INT_MAX);
    /// Minutes after which it is lowered; 0 never.
    lfu_decay_time: u32 = 1, "lfu-decay-time".range(0, INT_MAX);
    /// How much work goes into finding expired keys.
    active_expire_effort: u32 = 1, "active-expire-effort".range(1, 10);
    /// Free evicted values in the background.
    lazyfree_lazy_eviction: bool = false, "lazyfree-lazy-eviction".with(Traits::DEBUG);
    /// Free expired values in the background.
    lazyfree_lazy_expire: bool = false, "lazyfree-lazy-expire".with(Traits::DEBUG);
    /// Free overwritten values in the background.
    lazyfree_lazy_server_del: bool = false, "lazyfree-lazy-server-del".with(Traits::DEBUG);
    /// Let DEL free as UNLINK does.
    lazyfree_lazy_user_del: bool = false, "lazyfree-lazy-user-del".with(Traits::DEBUG);
    /// Let FLUSHDB and FLUSHALL free in the background unless told otherwise.
    lazyfree_lazy_user_flush: bool = false, "lazyfree-lazy-user-flush".with(Traits::DEBUG);
    /// Move tables on to their new size while idle.
    activerehashing: bool = true, "activerehashing";
    /// Move values together to return memory.
    activedefrag: bool = false, "activedefrag".with(Traits::DEBUG).check(checks::activedefrag);
    /// Least waste worth moving for.
    active_defrag_ignore_bytes: u64 = 100 << 20, "active-defrag-ignore-bytes".memory(1, LONG_MAX);
    /// Percent of waste at which moving begins.
    active_defrag_threshold_lower: u32 = 10, "active-defrag-threshold-lower".range(0, 1000);
    /// Percent of waste at which effort is greatest.
    active_defrag_threshold_upper: u32 = 100, "active-defrag-threshold-upper".range(0, 1000);
    /// Least percent of the processor spent on it.
    active_defrag_cycle_min: u32 = 1, "active-defrag-cycle-min".range(1, 99);
    /// Greatest percent of the processor spent on it.
    active_defrag_cycle_max: u32 = 25, "active-defrag-cycle-max".range(1, 99);
    /// Elements of a value moved at once.
    active_defrag_max_scan_fields: u64 = 1000, "active-defrag-max-scan-fields".range(1, LONG_MAX);

    // Encodings of small values.

    /// Fields of a hash kept in a listpack.
    hash_max_listpack_entries: usize = 512, "hash-max-listpack-entries"
        .alias("hash-max-ziplist-entries").range(0, LONG_MAX);
    /// Bytes of a field or value in it.
    hash_max_listpack_value: usize = 64, "hash-max-listpack-value"
        .alias("hash-max-ziplist-value").memory(0, LONG_MAX);
    /// Size of a list's nodes: a count, or -1 to -5 for 4 to 64 KiB.
    list_max_listpack_size: i32 = -2, "list-max-listpack-size"
        .alias("list-max-ziplist-size").range(INT_MIN, INT_MAX);
    /// Nodes at either end of a list that are not compressed; 0 compresses none.
    list_compress_depth: u32 = 0, "list-compress-depth".range(0, INT_MAX).with(Traits::DEBUG);
    /// Numbers of a set kept in an intset.
    set_max_intset_entries: usize = 512, "set-max-intset-entries".range(0, LONG_MAX);
    /// Members of a set kept in a listpack.
    set_max_listpack_entries: usize = 128, "set-max-listpack-entries".range(0, LONG_MAX);
    /// Bytes of a member in it.
    set_max_listpack_value: usize = 64, "set-max-listpack-value".range(0, LONG_MAX);
    /// Members of a sorted set kept in a listpack.
    zset_max_listpack_entries: usize = 128, "zset-max-listpack-entries"
        .alias("zset-max-ziplist-entries").range(0, LONG_MAX);
    /// Bytes of a member in it.
    zset_max_listpack_value: usize = 64, "zset-max-listpack-value"
        .alias("zset-max-ziplist-value").memory(0, LONG_MAX);
    /// Bytes of a HyperLogLog in sparse form.
    hll_sparse_max_bytes: usize = 3000, "hll-sparse-max-bytes".memory(0, LONG_MAX);
    /// Bytes of a stream's node; 0 means no limit.
    stream_node_max_bytes: usize = 4096, "stream-node-max-bytes".memory(0, LONG_MAX);
    /// Entries of a stream's node; 0 means no limit.
    stream_node_max_entries: u64 = 100, "stream-node-max-entries".range(0, LONG_MAX);

    // Observation and events.

    /// Port at which metrics are shown to Prometheus; 0 shows none.
    metrics_port: u16 = 0, "metrics-port".range(0, 65535).apply(Apply::Metrics);
    /// Addresses to listen on for that.
    metrics_bind: MetricsAddresses = MetricsAddresses::default(), "metrics-bind"
        .with(Traits::MULTI).apply(Apply::Metrics);
    /// Microseconds beyond which a command is slow; -1 logs none.
    slowlog_log_slower_than: i64 = 10_000, "slowlog-log-slower-than".range(-1, LONG_MAX);
    /// Slow commands remembered.
    slowlog_max_len: usize = 128, "slowlog-max-len".range(0, LONG_MAX);
    /// Milliseconds beyond which an event is remembered; 0 remembers none.
    latency_monitor_threshold: u64 = 0, "latency-monitor-threshold".range(0, LONG_MAX);
    /// Measure how long commands take.
    latency_tracking: bool = true, "latency-tracking";
    /// Percentiles of that shown by INFO.
    latency_tracking_info_percentiles: Percentiles = Percentiles::default(),
        "latency-tracking-info-percentiles".with(Traits::MULTI).with(Traits::ALWAYS_SAVED);
    /// Events published to clients.
    notify_keyspace_events: NotifyEvents = NotifyEvents::default(), "notify-keyspace-events";
    /// Milliseconds after which other clients are told that a script is running.
    busy_reply_threshold: u64 = 5000, "busy-reply-threshold"
        .alias("lua-time-limit").range(0, LONG_MAX);

    // Cluster: understood so that files load; there is no cluster mode.

    /// Run as a node of a cluster.
    cluster_enabled: bool = false, "cluster-enabled"
        .with(Traits::IMMUTABLE).check(checks::cluster_enabled);
    /// File of the node's own state.
    cluster_config_file: Text = b"nodes.conf".to_vec(), "cluster-config-file"
        .with(Traits::IMMUTABLE);
    /// Milliseconds after which a silent node has failed.
    cluster_node_timeout: u64 = 15_000, "cluster-node-timeout".range(0, LONG_MAX);
    /// Milliseconds between pings of nodes.
    cluster_ping_interval: u64 = 0, "cluster-ping-interval"
        .range(0, LONG_MAX).with(Traits::HIDDEN);
    /// Port of the cluster bus; 0 is 10000 above the clients'.
    cluster_port: u16 = 0, "cluster-port".range(0, 65535).with(Traits::IMMUTABLE);
    /// Stop answering while slots are not served.
    cluster_require_full_coverage: bool = true, "cluster-require-full-coverage";
    /// How old a replica's data may be when it takes over.
    cluster_replica_validity_factor: u32 = 10, "cluster-replica-validity-factor"
        .alias("cluster-slave-validity-factor").range(0, INT_MAX);
    /// Never take over as a replica.
    cluster_replica_no_failover: bool = false, "cluster-replica-no-failover"
        .alias("cluster-slave-no-failover");
    /// Replicas that a master keeps when others move away.
    cluster_migration_barrier: u32 = 1, "cluster-migration-barrier".range(0, INT_MAX);
    /// Let replicas move to masters that have none.
    cluster_allow_replica_migration: bool = true, "cluster-allow-replica-migration";
    /// Answer reads while the cluster is down.
    cluster_allow_reads_when_down: bool = false, "cluster-allow-reads-when-down";
    /// Serve sharded channels while the cluster is down.
    cluster_allow_pubsubshard_when_down: bool = true, "cluster-allow-pubsubshard-when-down";
    /// Bytes that may wait on a link of the bus; 0 means no limit.
    cluster_link_sendbuf_limit: u64 = 0, "cluster-link-sendbuf-limit".memory(0, ULONG_MAX);
    /// Address told to other nodes.
    cluster_announce_ip: OptionalText = None, "cluster-announce-ip";
    /// Port told to other nodes.
    cluster_announce_port: u16 = 0, "cluster-announce-port".range(0, 65535);
    /// TLS port told to other nodes.
    cluster_announce_tls_port: u16 = 0, "cluster-announce-tls-port".range(0, 65535);
    /// Bus port told to other nodes.
    cluster_announce_bus_port: u16 = 0, "cluster-announce-bus-port".range(0, 65535);
    /// Host name told to other nodes.
    cluster_announce_hostname: OptionalText = None, "cluster-announce-hostname"
        .check(checks::cluster_announce_hostname);
    /// Name of the node in logs.
    cluster_announce_human_nodename: OptionalText = None, "cluster-announce-human-nodename"
        .check(checks::cluster_announce_human_nodename);
    /// How nodes are told to clients.
    cluster_preferred_endpoint_type: ClusterPreferredEndpointType =
        ClusterPreferredEndpointType::Ip, "cluster-preferred-endpoint-type";

    // TLS.

    /// Port for TLS clients; 0 opens none.
    tls_port: u16 = 0, "tls-port".range(0, 65535).apply(Apply::TlsPort);
    /// Use TLS for the link to the master, and for all links of a Sentinel.
    tls_replication: bool = false, "tls-replication".apply(Apply::Tls);
    /// Use TLS for MIGRATE. There is no cluster bus.
    tls_cluster: bool = false, "tls-cluster".apply(Apply::Tls);
    /// Certificate of the server.
    tls_cert_file: OptionalText = None, "tls-cert-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Its key.
    tls_key_file: OptionalText = None, "tls-key-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Password of its key.
    tls_key_file_pass: OptionalText = None, "tls-key-file-pass"
        .with(Traits::SENSITIVE).apply(Apply::Tls);
    /// Certificate for connections of our own.
    tls_client_cert_file: OptionalText = None, "tls-client-cert-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Its key.
    tls_client_key_file: OptionalText = None, "tls-client-key-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Password of its key.
    tls_client_key_file_pass: OptionalText = None, "tls-client-key-file-pass"
        .with(Traits::SENSITIVE).apply(Apply::Tls);
    /// Parameters for a key exchange that is not offered: accepted, without effect.
    tls_dh_params_file: OptionalText = None, "tls-dh-params-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Authorities trusted, in one file.
    tls_ca_cert_file: OptionalText = None, "tls-ca-cert-file"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Authorities trusted, in a directory.
    tls_ca_cert_dir: OptionalText = None, "tls-ca-cert-dir"
        .with(Traits::VOLATILE).apply(Apply::Tls);
    /// Whether clients must show a certificate.
    tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, "tls-auth-clients".apply(Apply::Tls);
    /// Versions of TLS spoken.
    tls_protocols: OptionalText = None, "tls-protocols".apply(Apply::Tls);
    /// Ciphers up to TLS 1.2.
    tls_ciphers: OptionalText = None, "tls-ciphers".apply(Apply::Tls);
    /// Ciphers of TLS 1.3.
    tls_ciphersuites: OptionalText = None, "tls-ciphersuites".apply(Apply::Tls);
    /// Choose ciphers in our order.
    tls_prefer_server_ciphers: bool = false, "tls-prefer-server-ciphers".apply(Apply::Tls);
    /// Let clients resume sessions.
    tls_session_caching: bool = true, "tls-session-caching".apply(Apply::Tls);
    /// Sessions kept.
    tls_session_cache_size: u32 = 20_480, "tls-session-cache-size"
        .range(0, INT_MAX).apply(Apply::Tls);
    /// Seconds that they are kept.
    tls_session_cache_timeout: u32 = 300, "tls-session-cache-timeout"
        .range(0, INT_MAX).apply(Apply::Tls);

    // Ours.

    /// Version of the snapshots written: 11 for readers like Redis 7.2, 10 for 7.0, 9 for 5 and 6.
    rdb_version: u32 = 11, "rdb-version".range(9, 11);
}
