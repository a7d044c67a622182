//! Directives taking effect: at the start, and when `CONFIG SET` changed them.

use super::runtime::{Runtime, role_of};
use super::world::{ProcessChange, World};
use crate::commands::env::Env;
use crate::config::{
    Apply, ClientsMemory, MetricsAddresses, Reason, ReplDisklessLoad, ReplicaLineageGuard, Settings,
};
use crate::replication::{self, DisklessLoad, LineageRule};
use crate::sys::collation::Collation;

/// The directives that replication reads.
pub fn replication_settings(s: &Settings) -> replication::ReplicationSettings {
    replication::ReplicationSettings {
        master_user: s.masteruser.clone().filter(|u| !u.is_empty()),
        master_auth: s.masterauth.clone().filter(|p| !p.is_empty()),
        port: s.link_port(),
        announce_port: (s.replica_announce_port != 0).then_some(s.replica_announce_port),
        announce_ip: s
            .replica_announce_ip
            .as_deref()
            .filter(|ip| !ip.is_empty())
            .map(|ip| String::from_utf8_lossy(ip).into_owned()),
        timeout_s: u64::from(s.repl_timeout),
        diskless_load: match s.repl_diskless_load {
            ReplDisklessLoad::Disabled => DisklessLoad::Disabled,
            ReplDisklessLoad::OnEmptyDb => DisklessLoad::OnEmptyDb,
            ReplDisklessLoad::Swapdb => DisklessLoad::SwapDb,
        },
        lineage_guard: match s.replica_lineage_guard {
            ReplicaLineageGuard::No => LineageRule::AcceptAll,
            ReplicaLineageGuard::Yes => LineageRule::RefuseEmpty,
            ReplicaLineageGuard::Strict => LineageRule::RefuseUnknown,
        },
        backlog_bytes: s.repl_backlog_size,
        lost_bytes_max: s.lost_writes_max_size,
        lost_age_max_s: s.lost_writes_max_age,
        sync_memory_bytes: s.repl_sync_memory,
        spill_bytes_max: spill_bytes_max(s),
        concurrent_syncs_max: s.repl_max_concurrent_syncs as usize,
        backlog_ttl_s: s.repl_backlog_ttl,
        ping_period_s: u64::from(s.repl_ping_replica_period),
        diskless_sync: s.repl_diskless_sync,
        diskless_sync_delay_s: u64::from(s.repl_diskless_sync_delay),
        diskless_sync_max_replicas: s.repl_diskless_sync_max_replicas as usize,
        min_replicas_to_write: s.min_replicas_to_write as usize,
        min_replicas_max_lag_s: u64::from(s.min_replicas_max_lag),
        has_save_points: !s.save.0.is_empty(),
    }
}

/// Bytes of the stream that may be on disk for replicas that sync. Whoever sets no limit for what
/// replicas take of memory wants it there, where others can continue from it, too.
fn spill_bytes_max(s: &Settings) -> u64 {
    let limit = s.client_output_buffer_limit.replica;
    match limit.hard == 0 && limit.soft == 0 {
        true => 0,
        false => s.repl_spill_max_size,
    }
}

/// Milliseconds within which the loop has to do a round of periodic work; 0 if it does not matter.
/// By itself it does one `hz` times a second, so less than two such periods would say nothing.
pub fn watchdog_period_ms(settings: &Settings) -> u32 {
    match settings.watchdog_period {
        0 => 0,
        period_ms => period_ms.max(1000 / settings.hz * 2),
    }
}

impl<W: World> Runtime<W> {
    /// Carries out the hook of a directive that changes; `settings` are those to come.
    pub fn apply(&mut self, env: &mut Env, hook: Apply, settings: &Settings) -> Result<(), Reason> {
        match hook {
            Apply::Bind => self.relisten(env, settings, "Failed to bind to specified addresses."),
            Apply::Port => self.relisten(
                env,
                settings,
                "Unable to listen on this port. Check server logs.",
            ),
            Apply::TlsPort => {
                self.apply_to_process(env, Apply::Tls, settings)?;
                let refusal = "Unable to listen on this port. Check server logs.";
                self.relisten(env, settings, refusal)
            }
            Apply::Metrics => self.relisten(
                env,
                settings,
                "Unable to listen for metrics. Check server logs.",
            ),
            Apply::LocaleCollate => {
                let named = Collation::named(&settings.locale_collate);
                env.collation = named.ok_or("Invalid locale name")?;
                Ok(())
            }
            Apply::Appendonly if settings.appendonly => self
                .switch_aof_on(env)
                .map_err(|()| "Unable to turn on AOF. Check server logs.".into()),
            Apply::Appendonly => {
                self.switch_aof_off(env);
                Ok(())
            }
            Apply::AofAutoGc => {
                self.remove_history(settings);
                Ok(())
            }
            Apply::Appendfsync => {
                self.appendfsync_changed(env, settings.appendfsync)?;
                Ok(())
            }
            Apply::Requirepass => {
                let password = settings.requirepass.as_deref().filter(|p| !p.is_empty());
                env.users.set_default_password(password);
                Ok(())
            }
            Apply::Maxmemory => {
                // The new limit may be below what is in use.
                env.eviction.begin(env.clock.ns());
                Ok(())
            }
            Apply::MaxmemoryClients => {
                let counted = settings.maxmemory_clients != ClientsMemory::Bytes(0);
                self.clients.recount_all(counted, env);
                Ok(())
            }
            Apply::LogLevel
            | Apply::MaxClients
            | Apply::JemallocBgThread
            | Apply::Dir
            | Apply::ProcTitle
            | Apply::OomScore
            | Apply::CrashLog
            | Apply::Tls
            | Apply::Watchdog => self.apply_to_process(env, hook, settings),
            Apply::None | Apply::Hz | Apply::ReplBacklogSize | Apply::GoodReplicas => Ok(()),
        }
    }

    /// The settings have changed: what is derived from them follows.
    pub fn after_config(&mut self, env: &mut Env) {
        self.world.settle_listening();
        self.metrics
            .follow(metrics_places(&env.config), &mut self.world);
        env.config.watchdog_period = watchdog_period_ms(&env.config);
        env.replication.configure(replication_settings(&env.config));
        env.replication.refresh_good_replicas(env.now);
        self.refresh_gates(env);
        env.renew_access();
    }

    /// Listens where the settings to come ask for. What is left over is closed when the whole
    /// change is final, or undone.
    fn relisten(
        &mut self,
        env: &Env,
        settings: &Settings,
        refusal: &'static str,
    ) -> Result<(), Reason> {
        // Which address is to blame is in the log.
        self.world
            .listen(settings)
            .map_err(|_| Reason::from(refusal))?;
        let places = |s: &Settings| (s.port, s.tls_port, s.bind.clone(), metrics_places(s));
        if places(settings) == places(&env.config) {
            self.world.settle_listening();
        }
        self.apply_to_process(env, Apply::ProcTitle, settings)
    }

    /// Has a directive take effect that concerns the process.
    fn apply_to_process(
        &mut self,
        env: &Env,
        hook: Apply,
        settings: &Settings,
    ) -> Result<(), Reason> {
        let change = ProcessChange {
            settings,
            config_file: env.config_file.as_deref(),
            role: role_of(env),
        };
        self.world.apply(hook, &change)
    }
}

/// Where those are served who want metrics.
fn metrics_places(settings: &Settings) -> (u16, MetricsAddresses) {
    (settings.metrics_port, settings.metrics_bind.clone())
}

/// Each way of listening, as `INFO server` shows it.
pub fn describe_listeners(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let tcp = |name: &str, port: u16| {
        let mut line = format!("name={name}");
        for address in &settings.bind.0 {
            line += &format!(",bind={address}");
        }
        line + &format!(",port={port}")
    };
    if settings.port != 0 {
        lines.push(tcp("tcp", settings.port));
    }
    if let Some(path) = settings.unixsocket.as_deref().filter(|p| !p.is_empty()) {
        lines.push(format!("name=unix,bind={}", String::from_utf8_lossy(path)));
    }
    if settings.tls_port != 0 {
        lines.push(tcp("tls", settings.tls_port));
    }
    lines
}
