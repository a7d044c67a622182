//! The sections of what the server is and has: process, clients, snapshots, role, processor, keys.

use super::super::gates::Loading;
use super::super::host::LoadingFacts;
use super::report::{Report, hundredths};
use super::view::View;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use crate::sys::facts;
use crate::sys::usage::{CpuTime, Whose, cpu_time};

const SECONDS_PER_DAY: u64 = 24 * 3600;

pub fn server(view: &View<'_>, out: &mut Report) {
    let (env, server) = (view.env, &view.facts);
    let settings = &env.config;
    let uptime_s = env.now.mono_ms().saturating_sub(server.started_mono_ms) / 1000;
    let names = facts::system_names();
    let os = format!("{} {} {}", names.system, names.release, names.machine);
    out.lines(&[
        ("redis_version", &REDIS_VERSION),
        ("tanist_version", &TANIST_VERSION),
        ("redis_git_sha1", &"00000000"),
        ("redis_git_dirty", &0),
        ("redis_build_id", &"0"),
        ("redis_mode", &server.mode),
        ("os", &os),
        ("arch_bits", &usize::BITS),
        ("monotonic_clock", &"POSIX clock_gettime"),
        ("multiplexing_api", &"epoll"),
        ("atomicvar_api", &"c11-builtin"),
        ("gcc_version", &"0.0.0"),
        ("process_id", &std::process::id()),
        ("process_supervised", &server.supervised),
        ("run_id", &server.run_id),
        ("tcp_port", &server.tcp_port),
        ("server_time_usec", &env.now.unix_us),
        ("uptime_in_seconds", &uptime_s),
        ("uptime_in_days", &(uptime_s / SECONDS_PER_DAY)),
        ("hz", &settings.hz),
        ("configured_hz", &settings.hz),
        (
            "lru_clock",
            &crate::keyspace::access::lru_clock(env.now.unix_ms()),
        ),
        ("executable", &server.executable),
        ("config_file", &server.config_file),
        ("io_threads_active", &0),
    ]);
    if let Some(left_ms) = server.shutdown_in_ms {
        out.line("shutdown_in_milliseconds", left_ms);
    }
    for (number, listener) in server.listeners.iter().enumerate() {
        out.line(format_args!("listener{number}"), listener);
    }
}

pub fn clients(view: &View<'_>, out: &mut Report) {
    let facts = &view.facts;
    let waiters = &view.env.waiters;
    out.lines(&[
        ("connected_clients", &facts.connected_clients),
        ("cluster_connections", &0),
        ("maxclients", &view.env.config.maxclients),
        ("client_recent_max_input_buffer", &facts.max_input_buffer),
        ("client_recent_max_output_buffer", &facts.max_output_buffer),
        ("blocked_clients", &facts.blocked_clients),
        ("handshakes_pending", &facts.handshakes_pending),
        ("tracking_clients", &view.env.tracking.clients()),
        ("clients_in_timeout_table", &waiters.with_deadline()),
        ("total_blocking_keys", &waiters.keys()),
        ("total_blocking_keys_on_nokey", &waiters.keys_on_deletion()),
    ]);
}

pub fn persistence(view: &View<'_>, out: &mut Report) {
    let (saved, child) = (&view.env.persistence, &view.facts.snapshot);
    let now_ms = view.env.now.mono_ms();
    let percent = match child.current_keys_total {
        0 => 0.0,
        total => child.current_keys as f64 / total as f64 * 100.0,
    };
    let running_s = match child.in_progress {
        true => (now_ms.saturating_sub(child.started_mono_ms) / 1000) as i64,
        false => -1,
    };
    let aof = &view.facts.aof;
    let rewriting_s = (aof.rewriting_since_mono_ms)
        .map_or(-1, |since| (now_ms.saturating_sub(since) / 1000) as i64);
    let ok_or_err = |ok: bool| if ok { "ok" } else { "err" };
    let loading = view.env.gates.loading;
    out.flag("loading", loading == Loading::Exclusive);
    out.flag("async_loading", loading == Loading::Aside);
    out.lines(&[
        ("current_cow_peak", &child.current_cow_peak),
        ("current_cow_size", &child.current_cow),
        ("current_cow_size_age", &(child.current_cow_age_ms / 1000)),
        ("current_fork_perc", &hundredths(percent)),
        ("current_save_keys_processed", &child.current_keys),
        ("current_save_keys_total", &child.current_keys_total),
        ("rdb_changes_since_last_save", &saved.dirty),
        ("rdb_bgsave_in_progress", &u8::from(child.in_progress)),
        ("rdb_last_save_time", &saved.last_save_unix_s),
        ("rdb_last_bgsave_status", &ok_or_err(saved.last_bgsave_ok)),
        ("rdb_last_bgsave_time_sec", &saved.last_bgsave_duration_s),
        ("rdb_current_bgsave_time_sec", &running_s),
        ("rdb_saves", &saved.saves),
        ("rdb_last_cow_size", &saved.last_cow_bytes),
        ("rdb_last_load_keys_expired", &saved.last_load_keys_expired),
        ("rdb_last_load_keys_loaded", &saved.last_load_keys_loaded),
        ("aof_enabled", &u8::from(aof.enabled)),
        ("aof_rewrite_in_progress", &u8::from(rewriting_s >= 0)),
        ("aof_rewrite_scheduled", &u8::from(aof.scheduled)),
        ("aof_last_rewrite_time_sec", &aof.last_rewrite_s),
        ("aof_current_rewrite_time_sec", &rewriting_s),
        ("aof_last_bgrewrite_status", &ok_or_err(aof.last_rewrite_ok)),
        ("aof_rewrites", &aof.rewrites),
        ("aof_rewrites_consecutive_failures", &aof.failures_in_a_row),
        ("aof_last_write_status", &ok_or_err(aof.last_write_ok)),
        ("aof_last_cow_size", &aof.last_cow_bytes),
        ("module_fork_in_progress", &0),
        ("module_fork_last_cow_size", &0),
    ]);
    if aof.enabled {
        out.lines(&[
            ("aof_current_size", &aof.current_bytes),
            ("aof_base_size", &aof.base_bytes),
            ("aof_pending_rewrite", &u8::from(aof.scheduled)),
            ("aof_buffer_length", &aof.buffer_bytes),
            ("aof_pending_bio_fsync", &aof.pending_syncs),
            ("aof_delayed_fsync", &aof.delayed_syncs),
        ]);
    }
    if let Some(load) = &view.facts.loading {
        load_progress(load, now_ms, out);
    }
}

/// How long a load is going to take. With less than a second of experience there is no estimate;
/// one second stands for it.
pub fn load_seconds_left(load: &LoadingFacts, now_ms: u64) -> u64 {
    match now_ms.saturating_sub(load.started_mono_ms) / 1000 {
        0 => 1,
        elapsed_s => {
            let left = load.total_bytes.saturating_sub(load.loaded_bytes);
            elapsed_s.saturating_mul(left) / (load.loaded_bytes + 1)
        }
    }
}

fn load_progress(load: &LoadingFacts, now_ms: u64, out: &mut Report) {
    let percent = match load.total_bytes {
        0 => 0.0,
        total => load.loaded_bytes as f64 / total as f64 * 100.0,
    };
    let eta_s = load_seconds_left(load, now_ms);
    out.lines(&[
        ("loading_start_time", &load.started_unix_s),
        ("loading_total_bytes", &load.total_bytes),
        ("loading_rdb_used_mem", &0),
        ("loading_loaded_bytes", &load.loaded_bytes),
        ("loading_loaded_perc", &hundredths(percent)),
        ("loading_eta_seconds", &eta_s),
    ]);
}

pub fn cpu(view: &View<'_>, out: &mut Report) {
    let users = [
        (Whose::Process, ""),
        (Whose::Children, "_children"),
        (Whose::Thread, "_main_thread"),
    ];
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    for (whose, suffix) in users {
        let time = match view.env.clock.is_stopped() {
            true => CpuTime::default(),
            false => cpu_time(whose),
        };
        out.line(
            format_args!("used_cpu_sys{suffix}"),
            seconds(time.system_us),
        );
        out.line(format_args!("used_cpu_user{suffix}"), seconds(time.user_us));
    }
}

pub fn keyspace(view: &View<'_>, out: &mut Report) {
    for (number, db) in view
        .env
        .keyspace
        .iter()
        .enumerate()
        .filter(|(_, db)| !db.is_empty())
    {
        out.line(
            format_args!("db{number}"),
            format_args!(
                "keys={},expires={},avg_ttl={}",
                db.len(),
                db.expires_len(),
                db.avg_ttl_ms()
            ),
        );
    }
}
