//! The sections of what was counted: traffic, commands, errors, latencies.

use super::report::{Report, hundredths, safe_name};
use super::view::View;
use crate::commands::pubsub::registry::TopicKind;

const KIB: f64 = 1024.0;

pub fn stats(view: &View<'_>, out: &mut Report) {
    traffic(view, out);
    effects(view, out);
    work(view, out);
}

/// Who came, what they asked, and how much went over the wires.
fn traffic(view: &View<'_>, out: &mut Report) {
    let (stats, facts) = (&view.env.stats, &view.facts);
    let syncs = view.env.replication.source().stats();
    let kbps = |bytes_per_second: f64| hundredths(bytes_per_second / KIB);
    out.lines(&[
        ("total_connections_received", &stats.connections_received),
        ("total_commands_processed", &stats.commands_processed),
        ("instantaneous_ops_per_sec", &facts.ops_per_second),
        (
            "total_net_input_bytes",
            &(stats.net_input_bytes + stats.net_repl_input_bytes),
        ),
        (
            "total_net_output_bytes",
            &(stats.net_output_bytes + stats.net_repl_output_bytes),
        ),
        ("total_net_repl_input_bytes", &stats.net_repl_input_bytes),
        ("total_net_repl_output_bytes", &stats.net_repl_output_bytes),
        (
            "instantaneous_input_kbps",
            &kbps(facts.input_bytes_per_second),
        ),
        (
            "instantaneous_output_kbps",
            &kbps(facts.output_bytes_per_second),
        ),
        (
            "instantaneous_input_repl_kbps",
            &kbps(facts.input_repl_bytes_per_second),
        ),
        (
            "instantaneous_output_repl_kbps",
            &kbps(facts.output_repl_bytes_per_second),
        ),
        ("rejected_connections", &stats.connections_rejected),
        ("handshakes_failed", &facts.handshakes_failed),
        ("sync_full", &syncs.full),
        ("sync_partial_ok", &syncs.partial_ok),
        ("sync_partial_err", &syncs.partial_err),
    ]);
}

/// What happened to keys, and to those who wait for news of them.
fn effects(view: &View<'_>, out: &mut Report) {
    let stats = &view.env.stats;
    let pubsub = &view.env.pubsub;
    let exceeded_ns = view.env.eviction.exceeded_ns(view.env.clock.ns());
    out.lines(&[
        ("expired_keys", &stats.expired_keys),
        (
            "expired_stale_perc",
            &hundredths(stats.expired_stale_percent),
        ),
        (
            "expired_time_cap_reached_count",
            &stats.expire_cycle_time_limit_reached,
        ),
        (
            "expire_cycle_cpu_milliseconds",
            &(stats.expire_cycle_cpu_us / 1000),
        ),
        ("evicted_keys", &stats.evicted_keys),
        ("evicted_clients", &stats.evicted_clients),
        (
            "total_eviction_exceeded_time",
            &((stats.eviction_exceeded_ns + exceeded_ns) / 1_000_000),
        ),
        ("current_eviction_exceeded_time", &(exceeded_ns / 1_000_000)),
        ("keyspace_hits", &stats.keyspace_hits),
        ("keyspace_misses", &stats.keyspace_misses),
        ("pubsub_channels", &pubsub.count(TopicKind::Channel)),
        ("pubsub_patterns", &pubsub.count(TopicKind::Pattern)),
        ("pubsubshard_channels", &pubsub.count(TopicKind::Shard)),
        ("latest_fork_usec", &stats.latest_fork_us),
        ("total_forks", &stats.total_forks),
        ("migrate_cached_sockets", &view.facts.migrate_connections),
        ("slave_expires_tracked_keys", &view.env.own_expiries.len()),
        ("active_defrag_hits", &0),
        ("active_defrag_misses", &0),
        ("active_defrag_key_hits", &0),
        ("active_defrag_key_misses", &0),
        ("total_active_defrag_time", &0),
        ("current_active_defrag_time", &0),
        ("tracking_total_keys", &view.env.tracking.keys()),
        ("tracking_total_items", &view.env.tracking.items()),
        ("tracking_total_prefixes", &view.env.tracking.prefixes()),
    ]);
}

/// What is shown to those who look for it only.
pub fn debug(view: &View<'_>, out: &mut Report) {
    let stats = &view.env.stats;
    out.lines(&[
        ("eventloop_duration_aof_sum", &(stats.aof_ns / 1000)),
        ("eventloop_duration_cron_sum", &stats.cron_us),
        ("eventloop_duration_max", &stats.loop_duration_max_us),
        ("eventloop_cmd_per_cycle_max", &stats.loop_commands_max),
    ]);
}

/// Refusals, system calls and turns of the event loop.
fn work(view: &View<'_>, out: &mut Report) {
    let (stats, facts) = (&view.env.stats, &view.facts);
    out.lines(&[
        ("unexpected_error_replies", &stats.unexpected_error_replies),
        ("total_error_replies", &stats.error_replies),
        ("dump_payload_sanitizations", &stats.payloads_sanitized),
        ("total_reads_processed", &stats.total_reads),
        ("total_writes_processed", &stats.total_writes),
        ("io_threaded_reads_processed", &0),
        ("io_threaded_writes_processed", &0),
        ("reply_buffer_shrinks", &stats.reply_rooms_shrunk),
        ("reply_buffer_expands", &stats.reply_rooms_grown),
        ("eventloop_cycles", &stats.loop_cycles),
        ("eventloop_duration_sum", &stats.loop_duration_us),
        ("eventloop_duration_cmd_sum", &(stats.commands_ns / 1000)),
        (
            "instantaneous_eventloop_cycles_per_sec",
            &facts.loop_cycles_per_second,
        ),
        (
            "instantaneous_eventloop_duration_usec",
            &facts.loop_duration_us,
        ),
        ("acl_access_denied_auth", &stats.acl_access_denied_auth),
        ("acl_access_denied_cmd", &stats.acl_access_denied_cmd),
        ("acl_access_denied_key", &stats.acl_access_denied_key),
        (
            "acl_access_denied_channel",
            &stats.acl_access_denied_channel,
        ),
    ]);
}

pub fn command_stats(view: &View<'_>, out: &mut Report) {
    for command in view.table.iter_all() {
        let figures = &view.env.stats.commands[command.id];
        if figures.calls == 0 && figures.rejected == 0 && figures.failed == 0 {
            continue;
        }
        let us = figures.nanoseconds as f64 / 1000.0;
        let us_per_call = if figures.calls == 0 {
            0.0
        } else {
            us / figures.calls as f64
        };
        out.line(
            format_args!("cmdstat_{}", command.full_name),
            format_args!(
                "calls={},usec={},usec_per_call={us_per_call:.2},rejected_calls={},failed_calls={}",
                figures.calls,
                figures.nanoseconds / 1000,
                figures.rejected,
                figures.failed
            ),
        );
    }
}

pub fn error_stats(view: &View<'_>, out: &mut Report) {
    for (code, count) in &view.env.stats.errors {
        out.line(
            format_args!("errorstat_{}", safe_name(code)),
            format_args!("count={count}"),
        );
    }
}

pub fn latency_stats(view: &View<'_>, out: &mut Report) {
    let settings = &view.env.config;
    if !settings.latency_tracking {
        return;
    }
    for command in view.table.iter_all() {
        let Some(latency) = &view.env.stats.commands[command.id].latency else {
            continue;
        };
        let percentiles: Vec<String> = settings
            .latency_tracking_info_percentiles
            .0
            .iter()
            .map(|p| format!("p{p}={:.3}", latency.percentile(*p) as f64 / 1000.0))
            .collect();
        out.line(
            format_args!("latency_percentiles_usec_{}", command.full_name),
            percentiles.join(","),
        );
    }
}
