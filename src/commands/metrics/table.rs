//! The fields of `INFO` that are figures by themselves, each with the name of its metric.
//!
//! Names are those of oliver006/redis_exporter where it has one, so that dashboards made for it
//! work. A field that it has no name for is called after itself, a counter with `_total` behind it
//! and nothing else so, and what only Tanist has begins with `tanist_`. Times that are ours are in
//! seconds.
//!
//! A test holds this table against what `INFO` shows: every field is here, or stands in a list of
//! those that are shown by other means.

use super::field::{Field, Form};
use super::page::Kind;

macro_rules! fields {
    ($($field:literal => $metric:literal, $kind:ident $form:ident, $help:literal;)*) => {
        /// All of them, in the order of `INFO`.
        pub static FIELDS: &[Field] = &[$(Field {
            field: $field,
            metric: $metric,
            kind: Kind::$kind,
            form: Form::$form,
            help: $help,
        },)*];
    };
}

fields! {
    // The server.

    "process_id" => "redis_process_id", Gauge AsIs,
        "Process id of the server.";
    "server_time_usec" => "redis_server_time_seconds", Gauge Micros,
        "The time by the server, since the epoch.";
    "uptime_in_seconds" => "redis_uptime_in_seconds", Gauge AsIs,
        "Seconds since the start.";
    "hz" => "redis_hz", Gauge AsIs,
        "Rounds of periodic work in a second.";
    "configured_hz" => "redis_configured_hz", Gauge AsIs,
        "The same as it was set.";
    "lru_clock" => "redis_lru_clock", Gauge AsIs,
        "The clock by which the age of keys is measured.";
    "io_threads_active" => "redis_io_threads_active", Gauge AsIs,
        "Whether threads serve sockets; here they never do.";
    "shutdown_in_milliseconds" => "redis_shutdown_left_seconds", Gauge Millis,
        "How long a shutdown waits for replicas yet.";

    // Clients.

    "connected_clients" => "redis_connected_clients", Gauge AsIs,
        "Clients that are not replicas.";
    "cluster_connections" => "redis_cluster_connections", Gauge AsIs,
        "Connections of a cluster; there is none.";
    "maxclients" => "redis_max_clients", Gauge AsIs,
        "Clients that may be connected.";
    "client_recent_max_input_buffer" => "redis_client_recent_max_input_buffer_bytes", Gauge AsIs,
        "The largest input buffer of a client of late.";
    "client_recent_max_output_buffer" => "redis_client_recent_max_output_buffer_bytes", Gauge AsIs,
        "The most output that waited for a client of late.";
    "blocked_clients" => "redis_blocked_clients", Gauge AsIs,
        "Clients whose command waits.";
    "handshakes_pending" => "tanist_handshakes_pending", Gauge AsIs,
        "Connections that were accepted and are not open yet.";
    "tracking_clients" => "redis_tracking_clients", Gauge AsIs,
        "Clients that are told when keys change that they have read.";
    "clients_in_timeout_table" => "redis_clients_in_timeout_table", Gauge AsIs,
        "Clients whose command waits until a deadline.";
    "total_blocking_keys" => "redis_total_blocking_keys", Gauge AsIs,
        "Keys that clients wait for.";
    "total_blocking_keys_on_nokey" => "redis_total_blocking_keys_on_nokey", Gauge AsIs,
        "Keys whose end clients wait for.";

    // Memory.

    "used_memory" => "redis_memory_used_bytes", Gauge AsIs,
        "Memory that was asked of the allocator.";
    "used_memory_rss" => "redis_memory_used_rss_bytes", Gauge AsIs,
        "Memory that is resident.";
    "used_memory_peak" => "redis_memory_used_peak_bytes", Gauge AsIs,
        "The most memory that ever was in use.";
    "used_memory_peak_perc" => "redis_used_memory_peak_perc", Gauge Percent,
        "Memory in use, in percent of the peak.";
    "used_memory_overhead" => "redis_memory_used_overhead_bytes", Gauge AsIs,
        "Memory that is not the data itself.";
    "used_memory_startup" => "redis_memory_used_startup_bytes", Gauge AsIs,
        "Memory in use right after the start.";
    "used_memory_dataset" => "redis_memory_used_dataset_bytes", Gauge AsIs,
        "Memory of the data itself.";
    "used_memory_dataset_perc" => "redis_used_memory_dataset_perc", Gauge Percent,
        "The data, in percent of the memory taken since the start.";
    "allocator_allocated" => "redis_allocator_allocated_bytes", Gauge AsIs,
        "Bytes that the allocator has given out.";
    "allocator_active" => "redis_allocator_active_bytes", Gauge AsIs,
        "Bytes of its pages that are in use.";
    "allocator_resident" => "redis_allocator_resident_bytes", Gauge AsIs,
        "Bytes that it holds on to.";
    "total_system_memory" => "redis_total_system_memory_bytes", Gauge AsIs,
        "Memory of this machine.";
    "used_memory_lua" => "redis_memory_used_lua_bytes", Gauge AsIs,
        "Memory of the interpreter of scripts.";
    "used_memory_vm_eval" => "redis_memory_used_vm_eval_bytes", Gauge AsIs,
        "Memory of the interpreter of scripts.";
    "used_memory_scripts_eval" => "redis_memory_used_scripts_eval_bytes", Gauge AsIs,
        "Memory that scripts take beside it.";
    "number_of_cached_scripts" => "redis_number_of_cached_scripts", Gauge AsIs,
        "Scripts that are kept.";
    "number_of_functions" => "redis_number_of_functions", Gauge AsIs,
        "Functions of libraries.";
    "number_of_libraries" => "redis_number_of_libraries", Gauge AsIs,
        "Libraries of functions.";
    "used_memory_vm_functions" => "redis_memory_used_vm_functions_bytes", Gauge AsIs,
        "Memory of the interpreter of functions.";
    "used_memory_vm_total" => "redis_memory_used_vm_total", Gauge AsIs,
        "Memory of both interpreters, in bytes.";
    "used_memory_functions" => "redis_memory_used_functions_bytes", Gauge AsIs,
        "Memory that libraries take beside it.";
    "used_memory_scripts" => "redis_memory_used_scripts_bytes", Gauge AsIs,
        "Memory of scripts and libraries beside their interpreters.";
    "maxmemory" => "redis_memory_max_bytes", Gauge AsIs,
        "Memory that may be used; 0 is no limit.";
    "allocator_frag_ratio" => "redis_allocator_frag_ratio", Gauge AsIs,
        "Pages in use by what was given out.";
    "allocator_frag_bytes" => "redis_allocator_frag_bytes", Gauge AsIs,
        "Room in pages that are in use.";
    "allocator_rss_ratio" => "redis_allocator_rss_ratio", Gauge AsIs,
        "What the allocator holds by its pages in use.";
    "allocator_rss_bytes" => "redis_allocator_rss_bytes", Gauge AsIs,
        "Pages that the allocator keeps for later.";
    "rss_overhead_ratio" => "redis_rss_overhead_ratio", Gauge AsIs,
        "Resident memory by what the allocator holds.";
    "rss_overhead_bytes" => "redis_rss_overhead_bytes", Gauge AsIs,
        "Resident memory that is not the allocator's.";
    "mem_fragmentation_ratio" => "redis_mem_fragmentation_ratio", Gauge AsIs,
        "Resident memory by memory in use.";
    "mem_fragmentation_bytes" => "redis_mem_fragmentation_bytes", Gauge AsIs,
        "Resident memory beyond memory in use.";
    "mem_not_counted_for_evict" => "redis_mem_not_counted_for_eviction_bytes", Gauge AsIs,
        "Buffers that do not count towards the limit.";
    "mem_replication_backlog" => "redis_mem_replication_backlog_bytes", Gauge AsIs,
        "Memory of the replication backlog.";
    "mem_total_replication_buffers" => "redis_mem_total_replication_buffers_bytes", Gauge AsIs,
        "Memory of the replication log, the backlog included.";
    "mem_clients_slaves" => "redis_mem_clients_slaves", Gauge AsIs,
        "Memory of replicas beyond the backlog, in bytes.";
    "mem_clients_normal" => "redis_mem_clients_normal", Gauge AsIs,
        "Memory of clients, in bytes.";
    "mem_cluster_links" => "redis_mem_cluster_links_bytes", Gauge AsIs,
        "Memory of links of a cluster; there is none.";
    "mem_aof_buffer" => "redis_mem_aof_buffer_bytes", Gauge AsIs,
        "Memory of what the append-only file has not taken yet.";
    "active_defrag_running" => "redis_active_defrag_running", Gauge AsIs,
        "Whether memory is being defragmented; it never is.";
    "lazyfree_pending_objects" => "redis_lazyfree_pending_objects", Gauge AsIs,
        "Objects that another thread has yet to free.";
    "lazyfreed_objects" => "redis_lazyfreed_objects", Gauge AsIs,
        "Objects that another thread has freed.";

    // Persistence.

    "loading" => "redis_loading_dump_file", Gauge AsIs,
        "Whether data are being loaded in the place of all others.";
    "async_loading" => "redis_async_loading", Gauge AsIs,
        "Whether data are being loaded aside.";
    "current_cow_peak" => "redis_current_cow_peak", Gauge AsIs,
        "The most memory that the running child has had copied.";
    "current_cow_size" => "redis_current_cow_size", Gauge AsIs,
        "Memory that the running child has had copied, in bytes.";
    "current_cow_size_age" => "redis_current_cow_size_age", Gauge AsIs,
        "Seconds since it has told that.";
    "current_fork_perc" => "redis_current_fork_perc", Gauge AsIs,
        "How far the running child is, in percent.";
    "current_save_keys_processed" => "redis_current_save_keys_processed", Gauge AsIs,
        "Keys that the running child has written.";
    "current_save_keys_total" => "redis_current_save_keys_expected", Gauge AsIs,
        "Keys that the running child will write.";
    "rdb_changes_since_last_save" => "redis_rdb_changes_since_last_save", Gauge AsIs,
        "Changes since the last snapshot.";
    "rdb_bgsave_in_progress" => "redis_rdb_bgsave_in_progress", Gauge AsIs,
        "Whether a snapshot is being written.";
    "rdb_last_save_time" => "redis_rdb_last_save_timestamp_seconds", Gauge AsIs,
        "When the last snapshot was written.";
    "rdb_last_bgsave_status" => "redis_rdb_last_bgsave_status", Gauge OkOrErr,
        "Whether the last snapshot has succeeded.";
    "rdb_last_bgsave_time_sec" => "redis_rdb_last_bgsave_duration_sec", Gauge AsIs,
        "Seconds that the last snapshot took; -1 before the first.";
    "rdb_current_bgsave_time_sec" => "redis_rdb_current_bgsave_duration_sec", Gauge AsIs,
        "Seconds since the running snapshot has begun; -1 if none runs.";
    "rdb_saves" => "redis_rdb_saves_total", Counter AsIs,
        "Snapshots written.";
    "rdb_last_cow_size" => "redis_rdb_last_cow_size_bytes", Gauge AsIs,
        "Memory that the last snapshot has had copied.";
    "rdb_last_load_keys_expired" => "redis_rdb_last_load_expired_keys", Gauge AsIs,
        "Keys that had expired when data were last loaded.";
    "rdb_last_load_keys_loaded" => "redis_rdb_last_load_loaded_keys", Gauge AsIs,
        "Keys of the data that were last loaded.";
    "aof_enabled" => "redis_aof_enabled", Gauge AsIs,
        "Whether there is an append-only file.";
    "aof_rewrite_in_progress" => "redis_aof_rewrite_in_progress", Gauge AsIs,
        "Whether it is being rewritten.";
    "aof_rewrite_scheduled" => "redis_aof_rewrite_scheduled", Gauge AsIs,
        "Whether that will be begun when it is possible.";
    "aof_last_rewrite_time_sec" => "redis_aof_last_rewrite_duration_sec", Gauge AsIs,
        "Seconds that the last rewrite took; -1 before the first.";
    "aof_current_rewrite_time_sec" => "redis_aof_current_rewrite_duration_sec", Gauge AsIs,
        "Seconds since the running rewrite has begun; -1 if none runs.";
    "aof_last_bgrewrite_status" => "redis_aof_last_bgrewrite_status", Gauge OkOrErr,
        "Whether the last rewrite has succeeded.";
    "aof_rewrites" => "redis_aof_rewrites_total", Counter AsIs,
        "Rewrites of the append-only file.";
    "aof_rewrites_consecutive_failures" => "redis_aof_rewrites_consecutive_failures", Gauge AsIs,
        "Rewrites that have failed since one has succeeded.";
    "aof_last_write_status" => "redis_aof_last_write_status", Gauge OkOrErr,
        "Whether the append-only file can be written.";
    "aof_last_cow_size" => "redis_aof_last_cow_size_bytes", Gauge AsIs,
        "Memory that the last rewrite has had copied.";
    "module_fork_in_progress" => "redis_module_fork_in_progress", Gauge AsIs,
        "Whether a module has a child; there are no modules.";
    "module_fork_last_cow_size" => "redis_module_fork_last_cow_size", Gauge AsIs,
        "Memory that it has had copied, in bytes.";
    "aof_current_size" => "redis_aof_current_size_bytes", Gauge AsIs,
        "Bytes of the append-only file.";
    "aof_base_size" => "redis_aof_base_size_bytes", Gauge AsIs,
        "Bytes that it had after the last rewrite, or at the start.";
    "aof_pending_rewrite" => "redis_aof_pending_rewrite", Gauge AsIs,
        "Whether a rewrite will be begun when it is possible.";
    "aof_buffer_length" => "redis_aof_buffer_length", Gauge AsIs,
        "Bytes that the append-only file has not taken yet.";
    "aof_pending_bio_fsync" => "redis_aof_pending_bio_fsync", Gauge AsIs,
        "Syncs of it that run on another thread.";
    "aof_delayed_fsync" => "redis_aof_delayed_fsync", Gauge AsIs,
        "Writes to it that did not wait for a sync any longer.";
    "loading_start_time" => "redis_loading_start_time", Gauge AsIs,
        "When the running load has begun.";
    "loading_total_bytes" => "redis_loading_total_bytes", Gauge AsIs,
        "Bytes that are to be loaded; 0 if that is not known.";
    "loading_rdb_used_mem" => "redis_loading_rdb_used_mem", Gauge AsIs,
        "Memory that the data took where they were saved; not known.";
    "loading_loaded_bytes" => "redis_loading_loaded_bytes", Gauge AsIs,
        "Bytes that were loaded.";
    "loading_loaded_perc" => "redis_loading_loaded_perc", Gauge AsIs,
        "How far the load is, in percent.";
    "loading_eta_seconds" => "redis_loading_eta_seconds", Gauge AsIs,
        "Seconds until its end, as it seems.";

    // What was counted.

    "total_connections_received" => "redis_connections_received_total", Counter AsIs,
        "Connections of clients.";
    "total_commands_processed" => "redis_commands_processed_total", Counter AsIs,
        "Commands that were run.";
    "instantaneous_ops_per_sec" => "redis_instantaneous_ops_per_sec", Gauge AsIs,
        "Commands in a second, of late.";
    "total_net_input_bytes" => "redis_net_input_bytes_total", Counter AsIs,
        "Bytes received.";
    "total_net_output_bytes" => "redis_net_output_bytes_total", Counter AsIs,
        "Bytes sent.";
    "total_net_repl_input_bytes" => "redis_net_repl_input_bytes_total", Counter AsIs,
        "Bytes received of our master.";
    "total_net_repl_output_bytes" => "redis_net_repl_output_bytes_total", Counter AsIs,
        "Bytes sent to replicas.";
    "instantaneous_input_kbps" => "redis_instantaneous_input_kbps", Gauge AsIs,
        "KiB received in a second, of late.";
    "instantaneous_output_kbps" => "redis_instantaneous_output_kbps", Gauge AsIs,
        "KiB sent in a second, of late.";
    "instantaneous_input_repl_kbps" => "redis_instantaneous_input_repl_kbps", Gauge AsIs,
        "KiB received of our master in a second, of late.";
    "instantaneous_output_repl_kbps" => "redis_instantaneous_output_repl_kbps", Gauge AsIs,
        "KiB sent to replicas in a second, of late.";
    "rejected_connections" => "redis_rejected_connections_total", Counter AsIs,
        "Connections that were refused.";
    "handshakes_failed" => "tanist_handshakes_failed_total", Counter AsIs,
        "Connections that did not open, for the handshake failed or took too long.";
    "sync_full" => "redis_replica_resyncs_full", Gauge AsIs,
        "Full syncs of replicas.";
    "sync_partial_ok" => "redis_replica_partial_resync_accepted", Gauge AsIs,
        "Syncs of replicas that went on where they were.";
    "sync_partial_err" => "redis_replica_partial_resync_denied", Gauge AsIs,
        "Requests for that which were refused.";
    "expired_keys" => "redis_expired_keys_total", Counter AsIs,
        "Keys whose time has come.";
    "expired_stale_perc" => "redis_expired_stale_percentage", Gauge AsIs,
        "Expired keys that are still there, in percent, as it seems.";
    "expired_time_cap_reached_count" => "redis_expired_time_cap_reached_total", Counter AsIs,
        "Expire cycles that ran out of time.";
    "expire_cycle_cpu_milliseconds" => "redis_expire_cycle_cpu_time_ms_total", Counter AsIs,
        "Milliseconds spent on expire cycles.";
    "evicted_keys" => "redis_evicted_keys_total", Counter AsIs,
        "Keys that were evicted.";
    "evicted_clients" => "redis_evicted_clients_total", Counter AsIs,
        "Clients that were closed because all took too much memory.";
    "total_eviction_exceeded_time" => "redis_eviction_exceeded_time_ms_total", Counter AsIs,
        "Milliseconds for which memory was above the limit.";
    "current_eviction_exceeded_time" => "redis_current_eviction_exceeded_time_ms", Gauge AsIs,
        "Milliseconds since memory is above the limit.";
    "keyspace_hits" => "redis_keyspace_hits_total", Counter AsIs,
        "Reads that have found their key.";
    "keyspace_misses" => "redis_keyspace_misses_total", Counter AsIs,
        "Reads that have not.";
    "pubsub_channels" => "redis_pubsub_channels", Gauge AsIs,
        "Channels with subscribers.";
    "pubsub_patterns" => "redis_pubsub_patterns", Gauge AsIs,
        "Patterns with subscribers.";
    "pubsubshard_channels" => "redis_pubsubshard_channels", Gauge AsIs,
        "Shard channels with subscribers.";
    "latest_fork_usec" => "redis_latest_fork_seconds", Gauge Micros,
        "How long the last fork took.";
    "total_forks" => "redis_forks_total", Counter AsIs,
        "Forks.";
    "migrate_cached_sockets" => "redis_migrate_cached_sockets_total", Gauge AsIs,
        "Connections kept for MIGRATE.";
    "slave_expires_tracked_keys" => "redis_slave_expires_tracked_keys", Gauge AsIs,
        "Keys that this replica lets expire by itself.";
    "active_defrag_hits" => "redis_defrag_hits", Gauge AsIs,
        "Of defragmentation; there is none.";
    "active_defrag_misses" => "redis_defrag_misses", Gauge AsIs,
        "Of defragmentation; there is none.";
    "active_defrag_key_hits" => "redis_defrag_key_hits", Gauge AsIs,
        "Of defragmentation; there is none.";
    "active_defrag_key_misses" => "redis_defrag_key_misses", Gauge AsIs,
        "Of defragmentation; there is none.";
    "total_active_defrag_time" => "redis_active_defrag_time_total", Counter AsIs,
        "Of defragmentation; there is none.";
    "current_active_defrag_time" => "redis_current_active_defrag_time", Gauge AsIs,
        "Of defragmentation; there is none.";
    "tracking_total_keys" => "redis_tracking_total_keys", Gauge AsIs,
        "Keys that are remembered for clients that cache.";
    "tracking_total_items" => "redis_tracking_total_items", Gauge AsIs,
        "Clients to be told of them, counted for each key.";
    "tracking_total_prefixes" => "redis_tracking_total_prefixes", Gauge AsIs,
        "Prefixes of keys that clients want to be told of.";
    "unexpected_error_replies" => "redis_unexpected_error_replies", Counter AsIs,
        "Error replies between master and replica.";
    "total_error_replies" => "redis_total_error_replies", Counter AsIs,
        "Error replies.";
    "dump_payload_sanitizations" => "redis_dump_payload_sanitizations", Counter AsIs,
        "Payloads that were checked because the settings ask for it.";
    "total_reads_processed" => "redis_total_reads_processed", Counter AsIs,
        "Reads from sockets of clients.";
    "total_writes_processed" => "redis_total_writes_processed", Counter AsIs,
        "Writes to sockets of clients.";
    "io_threaded_reads_processed" => "redis_io_threaded_reads_processed", Counter AsIs,
        "Of threads for sockets; there are none.";
    "io_threaded_writes_processed" => "redis_io_threaded_writes_processed", Counter AsIs,
        "Of threads for sockets; there are none.";
    "reply_buffer_shrinks" => "redis_reply_buffer_shrinks_total", Counter AsIs,
        "Times that a client got less room for replies.";
    "reply_buffer_expands" => "redis_reply_buffer_expands_total", Counter AsIs,
        "Times that a client got more room for replies.";
    "eventloop_cycles" => "redis_eventloop_cycles_total", Counter AsIs,
        "Turns of the event loop.";
    "eventloop_duration_sum" => "redis_eventloop_duration_sum_usec_total", Counter AsIs,
        "Microseconds in the event loop, sleep excluded.";
    "eventloop_duration_cmd_sum" => "redis_eventloop_duration_cmd_sum_usec_total", Counter AsIs,
        "Microseconds spent on commands.";
    "instantaneous_eventloop_cycles_per_sec" =>
        "redis_instantaneous_eventloop_cycles_per_sec", Gauge AsIs,
        "Turns of the event loop in a second, of late.";
    "instantaneous_eventloop_duration_usec" =>
        "redis_instantaneous_eventloop_duration_usec", Gauge AsIs,
        "Microseconds of a turn, of late.";
    "acl_access_denied_auth" => "redis_acl_access_denied_auth_total", Counter AsIs,
        "Logins that failed.";
    "acl_access_denied_cmd" => "redis_acl_access_denied_cmd_total", Counter AsIs,
        "Commands refused because a user may not run them.";
    "acl_access_denied_key" => "redis_acl_access_denied_key_total", Counter AsIs,
        "Commands refused because of a key.";
    "acl_access_denied_channel" => "redis_acl_access_denied_channel_total", Counter AsIs,
        "Commands refused because of a channel.";
    "eventloop_duration_aof_sum" => "redis_eventloop_duration_aof_sum_usec_total", Counter AsIs,
        "Microseconds in which the append-only file was written and synced.";
    "eventloop_duration_cron_sum" => "redis_eventloop_duration_cron_sum_usec_total", Counter AsIs,
        "Microseconds spent on periodic work.";
    "eventloop_duration_max" => "redis_eventloop_duration_max", Gauge AsIs,
        "The longest turn of the event loop, in microseconds.";
    "eventloop_cmd_per_cycle_max" => "redis_eventloop_cmd_per_cycle_max", Gauge AsIs,
        "The most commands of a turn.";

    // Replication.

    "connected_slaves" => "redis_connected_slaves", Gauge AsIs,
        "Replicas.";
    "min_slaves_good_slaves" => "redis_min_slaves_good_slaves", Gauge AsIs,
        "Replicas that count for min-replicas-to-write.";
    "master_repl_offset" => "redis_master_repl_offset", Gauge AsIs,
        "Where our stream ends.";
    "second_repl_offset" => "redis_second_repl_offset", Gauge AsIs,
        "Where the history ends that ours has continued; -1 without one.";
    "repl_backlog_active" => "redis_repl_backlog_is_active", Gauge AsIs,
        "Whether there is a backlog.";
    "repl_backlog_size" => "redis_replication_backlog_bytes", Gauge AsIs,
        "Bytes that it may hold.";
    "repl_backlog_first_byte_offset" => "redis_repl_backlog_first_byte_offset", Gauge AsIs,
        "Where it begins in the stream.";
    "repl_backlog_histlen" => "redis_repl_backlog_history_bytes", Gauge AsIs,
        "Bytes that it holds.";
    "slave_read_repl_offset" => "redis_slave_read_repl_offset", Gauge AsIs,
        "How much of the stream has come.";
    "master_sync_total_bytes" => "redis_master_sync_total_bytes", Gauge AsIs,
        "Bytes of the snapshot that comes; 0 if an end mark will tell, -1 before it is announced.";
    "master_sync_read_bytes" => "redis_master_sync_read_bytes", Gauge AsIs,
        "Bytes of it that have come.";
    "master_sync_left_bytes" => "redis_master_sync_left_bytes", Gauge AsIs,
        "Bytes of it that are yet to come.";
    "master_sync_perc" => "redis_master_sync_perc", Gauge AsIs,
        "How far that is, in percent.";
    "master_sync_last_io_seconds_ago" => "redis_master_sync_last_io_seconds_ago", Gauge AsIs,
        "Seconds since any of it has come.";
    "master_link_down_since_seconds" => "redis_master_link_down_since_seconds", Gauge AsIs,
        "Seconds since the link to our master is down; -1 if it never was up.";
    "slave_priority" => "redis_slave_priority", Gauge AsIs,
        "Rank of this replica when a new master is chosen.";
    "replica_announced" => "redis_replica_announced", Gauge AsIs,
        "Whether Sentinels may tell of this replica.";

    // Replication, what only servers of ours know.

    "syncs_in_progress" => "tanist_syncs_in_progress", Gauge AsIs,
        "Replicas that are sent a snapshot.";
    "sync_queue_length" => "tanist_sync_queue_length", Gauge AsIs,
        "Replicas that wait for that.";
    "syncs_resumed" => "tanist_syncs_resumed_total", Counter AsIs,
        "Times that a replica got the rest of a snapshot.";
    "repl_spilled_bytes" => "tanist_repl_spilled_bytes", Gauge AsIs,
        "Bytes of the stream on disk for replicas that sync.";
    "repl_stream_drifts" => "tanist_repl_stream_drifts_total", Counter AsIs,
        "Times that our stream was found to differ from that of a peer.";
    "master_stream_spilled_bytes" => "tanist_master_stream_spilled_bytes", Gauge AsIs,
        "Bytes of our master's stream that wait on disk.";
    "replica_guard_refusals" => "tanist_replica_guard_refusals_total", Counter AsIs,
        "Full syncs that were refused to keep our data.";
    "replica_guard_refused_seconds" => "tanist_replica_guard_refused_seconds", Gauge AsIs,
        "How long our master has been refused.";
    "replica_guard_refused_in_step" => "tanist_replica_guard_refused_in_step", Gauge AsIs,
        "Whether we were in step with it before.";
    "master_lag_bytes" => "tanist_master_lag_bytes", Gauge AsIs,
        "Bytes of the stream that have come and were not run.";
    "master_lag_ms" => "tanist_master_lag_seconds", Gauge Millis,
        "How far we are behind the origin of the stream.";
    "master_lag_sampled_ms" => "tanist_master_lag_sample_age_seconds", Gauge Millis,
        "How long ago that was measured.";
    "master_sync_bytes_per_second" => "tanist_master_sync_bytes_per_second", Gauge AsIs,
        "Bytes in a second of the snapshot that comes or is loaded.";
    "master_sync_seconds_left" => "tanist_master_sync_left_seconds", Gauge Known,
        "Seconds until its end, as it seems.";
    "lost_writes_ledgers" => "tanist_lost_writes_ledgers", Gauge AsIs,
        "Ledgers of writes that were lost to a new master.";
    "lost_writes_commands" => "tanist_lost_writes_commands_total", Counter AsIs,
        "Commands that were kept in them.";
    "lost_writes_keys" => "tanist_lost_writes_keys_total", Counter AsIs,
        "Keys that these have named, counted for each ledger.";
    "lost_writes_tail_bytes" => "tanist_lost_writes_tail_bytes", Gauge AsIs,
        "Bytes of our stream that a replica may lack.";

    // The processor.

    "used_cpu_sys" => "redis_cpu_sys_seconds_total", Counter AsIs,
        "Seconds in the system, of all threads.";
    "used_cpu_user" => "redis_cpu_user_seconds_total", Counter AsIs,
        "Seconds in the program, of all threads.";
    "used_cpu_sys_children" => "redis_cpu_sys_children_seconds_total", Counter AsIs,
        "Seconds in the system, of children that have ended.";
    "used_cpu_user_children" => "redis_cpu_user_children_seconds_total", Counter AsIs,
        "Seconds in the program, of children that have ended.";
    "used_cpu_sys_main_thread" => "redis_cpu_sys_main_thread_seconds_total", Counter AsIs,
        "Seconds in the system, of the thread that runs commands.";
    "used_cpu_user_main_thread" => "redis_cpu_user_main_thread_seconds_total", Counter AsIs,
        "Seconds in the program, of the thread that runs commands.";

    // The rest.

    "cluster_enabled" => "redis_cluster_enabled", Gauge AsIs,
        "Whether this is part of a cluster; it never is.";
    "sentinel_masters" => "redis_sentinel_masters", Gauge AsIs,
        "Masters that this Sentinel watches.";
    "sentinel_tilt" => "redis_sentinel_tilt", Gauge AsIs,
        "Whether it does not trust its sense of time.";
    "sentinel_tilt_since_seconds" => "redis_sentinel_tilt_since_seconds", Gauge AsIs,
        "Seconds since then; -1 if it does.";
    "sentinel_running_scripts" => "redis_sentinel_running_scripts", Gauge AsIs,
        "Scripts that run.";
    "sentinel_scripts_queue_length" => "redis_sentinel_scripts_queue_length", Gauge AsIs,
        "Scripts that run or wait.";
    "sentinel_simulate_failure_flags" => "redis_sentinel_simulate_failure_flags", Gauge AsIs,
        "Failures that are simulated.";
}

/// The one that `INFO` names so.
pub fn find(name: &str) -> Option<&'static Field> {
    let at = BY_NAME.binary_search_by(|index| FIELDS[*index as usize].field.cmp(name));
    at.ok().map(|at| &FIELDS[BY_NAME[at] as usize])
}

/// How many there are.
const COUNT: usize = FIELDS.len();

/// Their places in the order of their names.
static BY_NAME: [u16; COUNT] = sorted();

const fn sorted() -> [u16; COUNT] {
    let mut order = [0; COUNT];
    let mut count = 0;
    while count < COUNT {
        let mut place = count;
        while place > 0 && is_less(FIELDS[count].field, FIELDS[order[place - 1] as usize].field) {
            order[place] = order[place - 1];
            place -= 1;
        }
        order[place] = count as u16;
        count += 1;
    }
    order
}

const fn is_less(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    one.len() < other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name_and_no_metric_comes_twice() {
        let mut metrics = std::collections::HashSet::new();
        for field in FIELDS {
            let found = find(field.field).expect("it is one");
            assert!(std::ptr::eq(found, field), "{}", field.field);
            assert!(metrics.insert(field.metric), "{}", field.metric);
        }
        assert!(find("").is_none() && find("zzz").is_none());
    }
}
