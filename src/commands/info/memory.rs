//! `INFO memory`: where the bytes are.
//!
//! The allocator says how many it gave out (`used_memory`) and what it holds for that; the kernel
//! says what is resident. What is not the data itself (tables, buffers, what was there at the
//! start) is overhead, and what remains is the data set.

use super::View;
use super::report::{Report, human, hundredths};
use crate::sys::{facts as machine, usage};

pub fn memory(view: &View<'_>, out: &mut Report) {
    let (env, facts) = (view.env, &view.facts);
    let heap = facts.memory;
    let used = heap.allocated as u64;
    let rss = usage::resident_bytes().unwrap_or(0);
    let peak = env.stats.peak_memory.max(used);
    let startup = facts.startup_memory as u64;
    let tables = env.keyspace.overhead();
    let tables = (tables.keys + tables.expiring) as u64;
    let clients = facts.clients_memory as u64;
    let log = env.replication.log_memory_bytes() as u64;
    // What the shared log holds beyond its window, it holds for replicas that lag.
    let backlog = match view.replication.connected_replicas {
        0 => log,
        _ => log.min(env.config.repl_backlog_size),
    };
    let replicas = log - backlog + facts.replicas_memory as u64;
    let overhead = startup + backlog + tables + clients + replicas;
    let data_set = used.saturating_sub(overhead);
    let net = used.saturating_sub(startup).max(1);
    let percent =
        |part: u64, whole: u64| format!("{:.2}%", part as f64 / whole.max(1) as f64 * 100.0);
    out.bytes("used_memory", used);
    out.bytes("used_memory_rss", rss);
    out.bytes("used_memory_peak", peak);
    out.line("used_memory_peak_perc", percent(used, peak));
    out.line("used_memory_overhead", overhead);
    out.line("used_memory_startup", startup);
    out.line("used_memory_dataset", data_set);
    out.line("used_memory_dataset_perc", percent(data_set, net));
    out.line("allocator_allocated", heap.allocated);
    out.line("allocator_active", heap.active);
    out.line("allocator_resident", heap.resident);
    out.bytes("total_system_memory", machine::memory_bytes().unwrap_or(0));
    scripts(out);
    out.bytes("maxmemory", env.config.maxmemory);
    out.line("maxmemory_policy", env.config.maxmemory_policy.name());
    waste(
        out,
        "allocator_frag",
        heap.active as u64,
        heap.allocated as u64,
    );
    waste(
        out,
        "allocator_rss",
        heap.resident as u64,
        heap.active as u64,
    );
    waste(out, "rss_overhead", rss, heap.resident as u64);
    waste(out, "mem_fragmentation", rss, used);
    out.lines(&[
        ("mem_not_counted_for_evict", &0),
        ("mem_replication_backlog", &backlog),
        ("mem_total_replication_buffers", &log),
        ("mem_clients_slaves", &replicas),
        ("mem_clients_normal", &clients),
        ("mem_cluster_links", &0),
        ("mem_aof_buffer", &0),
        ("mem_allocator", &"jemalloc"),
        ("active_defrag_running", &0),
        ("lazyfree_pending_objects", &facts.lazy_free_pending),
        ("lazyfreed_objects", &facts.lazy_freed),
    ]);
}

/// There are no scripts.
fn scripts(out: &mut Report) {
    out.lines(&[
        ("used_memory_lua", &0),
        ("used_memory_vm_eval", &0),
        ("used_memory_lua_human", &human(0)),
        ("used_memory_scripts_eval", &0),
        ("number_of_cached_scripts", &0),
        ("number_of_functions", &0),
        ("number_of_libraries", &0),
        ("used_memory_vm_functions", &0),
        ("used_memory_vm_total", &0),
        ("used_memory_vm_total_human", &human(0)),
        ("used_memory_functions", &0),
        ("used_memory_scripts", &0),
        ("used_memory_scripts_human", &human(0)),
    ]);
}

/// How much larger the outer figure is than the inner one, as ratio and difference.
fn waste(out: &mut Report, name: &str, outer: u64, inner: u64) {
    out.line(
        format_args!("{name}_ratio"),
        hundredths(outer as f64 / inner.max(1) as f64),
    );
    out.line(format_args!("{name}_bytes"), outer as i64 - inner as i64);
}
