//! `INFO memory`: where the bytes are, see [`MemoryFigures`].

use super::report::{Report, human, hundredths};
use super::view::View;
use crate::commands::env::Env;
use crate::commands::memory::figures::{MemoryFigures, Waste};
use crate::sys::facts as machine;

pub fn memory(view: &View<'_>, out: &mut Report) {
    let (env, facts) = (view.env, &view.facts);
    let figures = MemoryFigures::gather(env, facts, view.replication.connected_replicas);
    let percent = |value: f64| format!("{value:.2}%");
    out.bytes("used_memory", figures.used);
    out.bytes("used_memory_rss", figures.rss);
    out.bytes("used_memory_peak", figures.peak);
    out.line("used_memory_peak_perc", percent(figures.peak_percent()));
    out.line("used_memory_overhead", figures.overhead());
    out.line("used_memory_startup", figures.startup);
    out.line("used_memory_dataset", figures.data_set());
    out.line(
        "used_memory_dataset_perc",
        percent(figures.data_set_percent()),
    );
    out.line("allocator_allocated", figures.used);
    out.line("allocator_active", figures.active);
    out.line("allocator_resident", figures.resident);
    out.bytes("total_system_memory", machine::memory_bytes().unwrap_or(0));
    scripts(env, out);
    out.bytes("maxmemory", env.config.maxmemory);
    out.line("maxmemory_policy", env.config.maxmemory_policy.name());
    waste(out, "allocator_frag", figures.allocator_fragmentation());
    waste(out, "allocator_rss", figures.allocator_rss());
    waste(out, "rss_overhead", figures.rss_overhead());
    waste(out, "mem_fragmentation", figures.fragmentation());
    out.lines(&[
        ("mem_not_counted_for_evict", &env.memory_not_counted()),
        ("mem_replication_backlog", &figures.backlog),
        ("mem_total_replication_buffers", &figures.log),
        ("mem_clients_slaves", &figures.replicas),
        ("mem_clients_normal", &figures.clients),
        ("mem_cluster_links", &0),
        ("mem_aof_buffer", &env.aof.memory()),
        ("mem_allocator", &"jemalloc"),
        ("active_defrag_running", &0),
        ("lazyfree_pending_objects", &facts.lazy_free_pending),
        ("lazyfreed_objects", &facts.lazy_freed),
    ]);
}

/// Scripts and functions: what their interpreters take, and what is kept of them outside.
fn scripts(env: &Env, out: &mut Report) {
    let (scripts, functions) = (&env.scripts, &env.functions);
    let (vm, texts) = (scripts.vm_memory() as u64, scripts.memory() as u64);
    let (functions_vm, libraries) = (functions.vm_memory() as u64, functions.memory() as u64);
    out.lines(&[
        ("used_memory_lua", &vm),
        ("used_memory_vm_eval", &vm),
        ("used_memory_lua_human", &human(vm)),
        ("used_memory_scripts_eval", &texts),
        ("number_of_cached_scripts", &scripts.count()),
        ("number_of_functions", &functions.functions_count()),
        ("number_of_libraries", &functions.count()),
        ("used_memory_vm_functions", &functions_vm),
        ("used_memory_vm_total", &(vm + functions_vm)),
        ("used_memory_vm_total_human", &human(vm + functions_vm)),
        ("used_memory_functions", &libraries),
        ("used_memory_scripts", &(texts + libraries)),
        ("used_memory_scripts_human", &human(texts + libraries)),
    ]);
}

fn waste(out: &mut Report, name: &str, waste: Waste) {
    out.line(format_args!("{name}_ratio"), hundredths(waste.ratio));
    out.line(format_args!("{name}_bytes"), waste.bytes);
}
