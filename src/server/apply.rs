//! Directives taking effect: at the start, and when `CONFIG SET` changed them.

use std::path::Path;

use super::hub::Hub;
use super::listener;
use super::oom::Part;
use super::startup;
use crate::commands::context::Env;
use crate::config::{Apply, ClientsMemory, Reason, ReplDisklessLoad, Settings};
use crate::replication::{self, DisklessLoad};
use crate::sys;
use crate::sys::collation::Collation;

/// The directives that replication reads.
pub fn replication_settings(s: &Settings) -> replication::Settings {
    replication::Settings {
        master_user: s.masteruser.clone().filter(|u| !u.is_empty()),
        master_auth: s.masterauth.clone().filter(|p| !p.is_empty()),
        port: s.port,
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
        backlog_bytes: s.repl_backlog_size,
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

impl Hub {
    /// Carries out the hook of a directive that changes; `settings` are those to come.
    pub fn apply(&mut self, env: &mut Env, hook: Apply, settings: &Settings) -> Result<(), Reason> {
        match hook {
            Apply::Bind => self.relisten(env, settings, "Failed to bind to specified addresses."),
            Apply::Port => self.relisten(
                env,
                settings,
                "Unable to listen on this port. Check server logs.",
            ),
            Apply::LogLevel => {
                self.logger.set_level(settings.loglevel);
                Ok(())
            }
            Apply::MaxClients => grow_descriptors(settings),
            Apply::JemallocBgThread => {
                sys::memory::set_background_thread(settings.jemalloc_bg_thread)
                    .map_err(|e| format!("cannot switch the allocator's thread: {e}").into())
            }
            Apply::Dir => std::env::set_current_dir(&settings.dir.0)
                .map_err(|e| crate::base::errno::os_text(&e).into()),
            Apply::ProcTitle => {
                self.set_process_title(settings, env.config_file.as_deref());
                Ok(())
            }
            Apply::LocaleCollate => {
                let named = Collation::named(&settings.locale_collate);
                env.collation = named.ok_or("Invalid locale name")?;
                Ok(())
            }
            Apply::Appendonly if settings.appendonly => {
                log::warn!("{}", startup::NO_APPEND_ONLY_FILE);
                Err("Unable to turn on AOF. Check server logs.".into())
            }
            Apply::Appendonly => Ok(()),
            Apply::OomScore => {
                let part = part_of(env);
                self.apply_oom_score(settings, part).map_err(Reason::from)
            }
            Apply::Requirepass => {
                self.requirepass_changed(settings);
                Ok(())
            }
            Apply::Maxmemory => {
                // The new limit may be below what is in use.
                env.eviction.request(env.clock.ns());
                Ok(())
            }
            Apply::MaxmemoryClients => {
                let counted = settings.maxmemory_clients != ClientsMemory::Bytes(0);
                self.recount_all(counted, env);
                Ok(())
            }
            Apply::CrashLog => sys::crash::report_crashes(settings.crash_log_enabled)
                .map_err(|e| crate::base::errno::os_text(&e).into()),
            Apply::None
            | Apply::Hz
            | Apply::ReplBacklogSize
            | Apply::GoodReplicas
            | Apply::Appendfsync => Ok(()),
        }
    }

    /// The settings have changed: what is derived from them follows.
    pub fn after_config(&mut self, env: &mut Env) {
        env.replication.configure(replication_settings(&env.config));
        self.refresh_gates(env);
        env.renew_access();
    }

    /// Opens the listeners of the new settings, then closes the old ones. Where both need the same
    /// address the old one has to go first, and comes back if the new set fails.
    fn relisten(
        &mut self,
        env: &Env,
        settings: &Settings,
        refusal: &'static str,
    ) -> Result<(), Reason> {
        self.listeners.clear();
        let opened = listener::open_all(settings);
        let (listeners, result) = match opened {
            Ok(listeners) => (listeners, Ok(())),
            Err(e) => {
                log::warn!("{e}");
                let old = listener::open_all(&env.config).unwrap_or_default();
                (old, Err(refusal.into()))
            }
        };
        self.listen_on(listeners);
        result
    }

    /// Watches these listeners.
    pub fn listen_on(&mut self, listeners: Vec<listener::Listener>) {
        self.listeners = listeners;
        let registry = self.poll.registry();
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            let token = super::hub::Wake::Listener(i).token();
            if let Err(e) = listener.register(registry, token) {
                log::warn!("Cannot watch a listening socket: {e}");
            }
        }
    }

    /// Each way of listening, as `INFO server` shows it.
    pub fn describe_listeners(&self, settings: &Settings) -> Vec<String> {
        let mut lines = Vec::new();
        if settings.port != 0 {
            let mut line = "name=tcp".to_owned();
            for address in &settings.bind.0 {
                line += &format!(",bind={address}");
            }
            lines.push(line + &format!(",port={}", settings.port));
        }
        if let Some(path) = settings.unixsocket.as_deref().filter(|p| !p.is_empty()) {
            lines.push(format!("name=unix,bind={}", String::from_utf8_lossy(path)));
        }
        lines
    }

    /// Shows what this process is in the list of processes.
    pub fn set_process_title(&mut self, settings: &Settings, config_file: Option<&Path>) {
        let text = startup::process_title(settings, &self.executable, config_file);
        if settings.set_proc_title
            && let Some(title) = &mut self.title
        {
            title.set(&text);
        }
    }

    /// A password that is taken away lets everybody in who was not yet.
    fn requirepass_changed(&mut self, settings: &Settings) {
        if settings.requirepass.as_ref().is_none_or(Vec::is_empty) {
            for (_, conn) in &mut self.conns {
                if let Some(session) = conn.session.as_deref_mut() {
                    session.authenticated = true;
                }
            }
        }
    }

    /// Looks again at what the gates depend on.
    pub fn refresh_gates(&mut self, env: &mut Env) {
        let replica = env.replication.is_replica();
        env.gates.replica = replica;
        env.gates.read_only = replica && env.config.replica_read_only;
        env.gates.stale =
            replica && !env.config.replica_serve_stale_data && !env.replication.is_link_up();
        env.gates.replicas_missing = !replica && !env.replication.has_enough_replicas(env.now);
        env.gates.snapshots_fail = env.config.stop_writes_on_bgsave_error
            && !env.config.save.0.is_empty()
            && !env.persistence.last_bgsave_ok;
        env.gates.paused = self.pauses.any();
    }
}

fn grow_descriptors(settings: &Settings) -> Result<(), Reason> {
    let wanted = u64::from(settings.maxclients) + startup::RESERVED_DESCRIPTORS;
    let raised = sys::limits::raise_descriptors(wanted);
    if raised.reached >= wanted {
        return Ok(());
    }
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {}",
        raised.reached.saturating_sub(startup::RESERVED_DESCRIPTORS)
    )
    .into())
}

/// The part that this server plays.
pub fn part_of(env: &Env) -> Part {
    if env.replication.is_replica() {
        Part::Replica
    } else {
        Part::Master
    }
}
