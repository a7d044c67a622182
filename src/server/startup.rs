//! From the command line to a server that listens, and what is said and checked on the way.
//!
//! The banner is ours; the warnings are those that users of Redis know, with the same words to
//! search for, because each names a setting of the machine that loses data or time.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::logger::{Logger, SENTINEL_LETTER};
use super::process::{adjust_descriptor_limit, pin};
use super::reactor::Server;
use super::supervisor::Supervisor;
use super::world::{OsWorld, Process};
use super::{crash, machine, users};
use crate::acl::Users;
use crate::base::errno::os_text;
use crate::base::replace::Replacement;
use crate::base::rng::Rng;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use crate::commands::FAMILIES;
use crate::commands::context::CommandTable;
use crate::commands::table::Mode;
use crate::config::sentinel::SentinelConfig;
use crate::config::{Config, ConfigError, Settings, Sources};
use crate::engine::world::Network;
use crate::engine::{Engine, EngineParts, path_of};
use crate::sys;
use crate::sys::disk::OsDisk;
use crate::sys::signals::Signals;

/// The pid file of a server in the background that is not given another one.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

/// Starts a server or Sentinel and serves; `name` is the word by which the process was called, and
/// `args` are those of the configuration. Returns the exit code.
pub fn serve(name: &[u8], args: &[Vec<u8>], mode: Mode) -> u8 {
    match start(name, args, mode) {
        Ok(mut server) => crash::run_guarded(&mut server) as u8,
        Err(failure) => {
            match failure {
                Failure::Config(text) => eprintln!("{text}"),
                Failure::Other(text) => log::warn!("{text}"),
            }
            1
        }
    }
}

/// Brings a server up to the point where it can run.
fn start(name: &[u8], args: &[Vec<u8>], mode: Mode) -> Result<Server, Failure> {
    let executable = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("redis-server"));
    let title = sys::title::ProcessTitle::claim();
    let logger = Logger::install();
    if mode == Mode::Sentinel {
        logger.set_role(SENTINEL_LETTER);
    }
    let (config, table) = configure(args, &logger, mode)?;
    let users = users::load(&config, table)?;
    let Config {
        mut settings,
        file,
        notices,
        sentinel,
        ..
    } = config;
    machine::warn_at_start(&settings);
    let supervisor = Supervisor::find(&mut settings);
    let background = settings.daemonize && !supervisor.is_there();
    if background {
        sys::process::daemonize().map_err(|e| format!("Cannot run in the background: {e}"))?;
    }
    if mode == Mode::Sentinel {
        // Again: it may be another process now.
        logger.set_role(SENTINEL_LETTER);
    }
    // Before there is any other thread: a signal goes to whichever thread does not block it.
    let signals = Signals::new().map_err(|e| format!("Cannot receive signals: {e}"))?;
    crash::install_hook(logger.clone());
    sys::crash::test_memory(settings.crash_memcheck_enabled);
    if settings.crash_log_enabled {
        sys::crash::report_crashes(true).map_err(|e| format!("Cannot report crashes: {e}"))?;
    }
    say_hello(&settings, args.is_empty(), name, &notices);
    match mode {
        Mode::Sentinel => {}
        Mode::Server if settings.replicaof.is_some() => logger.set_role(b'S'),
        Mode::Server => logger.set_role(b'M'),
    }
    prepare_process(&mut settings, background)?;
    show_banner(&settings, &logger, mode.name());
    let process = Process {
        logger,
        executable,
        name: name.to_vec(),
        mode,
        args: args_for_restart(args, file.as_deref()),
        title,
        signals,
        supervisor,
    };
    let mut engine = wire(process, settings, file, sentinel, users, table)?;
    listen(&mut engine)?;
    if mode == Mode::Server {
        log::info!("Server initialized");
    }
    engine.begin().map_err(|e| format!("Fatal error: {e}"))?;
    Ok(Server::new(engine))
}

/// Opens all that clients connect to.
fn listen(engine: &mut Engine<OsWorld>) -> Result<(), String> {
    let settings = engine.env().config.clone();
    engine
        .world_mut()
        .configure_tls(&settings)
        .map_err(|text| {
            log::warn!("{text}");
            "Failed to configure TLS. Check logs for more info.".to_owned()
        })?;
    engine.world_mut().listen(&settings)?;
    match engine.world().listeners().is_empty() {
        true => Err("Configured to not listen anywhere, exiting.".to_owned()),
        false => Ok(()),
    }
}

/// Reads the configuration, enters the folder that it names, and has the log go where it says.
///
/// Until here the folder of the start is only looked at where a relative path before `dir` needs
/// it: it may be one that we must not write to or, unless we are to stay there, not even enter.
fn configure(
    args: &[Vec<u8>],
    logger: &Logger,
    mode: Mode,
) -> Result<(Config, &'static CommandTable), Failure> {
    let start = std::env::current_dir().unwrap_or_default();
    let sources = Sources::from_args(args);
    if sources.stdin {
        log::info!("Reading config from stdin");
    }
    let stdin = std::io::stdin();
    let config = match mode {
        Mode::Server => Config::load(&sources, &start, stdin),
        Mode::Sentinel => Config::load_sentinel(&sources, &start, stdin),
    };
    let config = config.map_err(|e| match e {
        e @ ConfigError::Unreadable { .. } => Failure::Other(e.to_string()),
        e => Failure::Config(e.to_string()),
    })?;
    let settings = &config.settings;
    let dir = &settings.dir.0;
    if *dir != start {
        std::env::set_current_dir(dir)
            .map_err(|e| format!("Can't chdir to '{}': {}", dir.display(), os_text(&e)))?;
    }
    logger.set_level(settings.loglevel);
    if !settings.logfile.is_empty() {
        let logfile = path_of(&settings.logfile);
        logger
            .set_file(&logfile)
            .map_err(|e| format!("Can't open the log file: {}", os_text(&e)))?;
    }
    if settings.syslog_enabled {
        let ident = String::from_utf8_lossy(&settings.syslog_ident);
        logger
            .add_syslog(&ident, settings.syslog_facility)
            .map_err(|e| format!("Can't reach the system's log: {e}"))?;
    }
    let table = build_table(&config, mode).map_err(Failure::Config)?;
    if mode == Mode::Sentinel {
        check_state_file(config.file.as_deref())?;
    }
    Ok((config, table))
}

/// A Sentinel keeps in its configuration file what it must not forget, so there is none without
/// one that it can replace.
fn check_state_file(file: Option<&Path>) -> Result<(), String> {
    let file = file.ok_or("Sentinel needs config file on disk to save state. Exiting...")?;
    let cannot = |what: &str, e: std::io::Error| {
        let (file, reason) = (file.display(), os_text(&e));
        format!("Sentinel config file {file} {what}: {reason}. Exiting...")
    };
    sys::access::is_writable(file).map_err(|e| cannot("is not writable", e))?;
    // Whether it can be replaced shows when it is: not so where it is mounted by itself, for one.
    let text = std::fs::read(file).map_err(|e| cannot("cannot be read", e))?;
    let replaced = Replacement::new(file, text.into()).run(&mut OsDisk);
    replaced.map_err(|e| match e.kind() {
        ErrorKind::ResourceBusy => cannot(
            "cannot be replaced (is it mounted by itself? mount its directory instead)",
            e,
        ),
        _ => cannot("cannot be replaced in its directory", e),
    })
}

/// The arguments with which this server can be started again from another folder.
fn args_for_restart(args: &[Vec<u8>], file: Option<&Path>) -> Vec<Vec<u8>> {
    let mut args = args.to_vec();
    if let (Some(first), Some(file)) = (args.first_mut(), file) {
        *first = file.as_os_str().as_bytes().to_vec();
    }
    args
}

fn build_table(config: &Config, mode: Mode) -> Result<&'static CommandTable, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut renames = Vec::new();
    for renamed in &config.renamed_commands {
        renames.push((text(&renamed.command), text(&renamed.name)));
        // Built anew after each, so that the error can name the line that is wrong.
        CommandTable::build(mode, FAMILIES, &renames)
            .map_err(|reason| renamed.place.error(reason).to_string())?;
    }
    let table = CommandTable::build(mode, FAMILIES, &renames)?;
    Ok(Box::leak(Box::new(table)))
}

fn say_hello(settings: &Settings, unconfigured: bool, name: &[u8], notices: &[String]) {
    log::info!("oO0OoO0OoO0Oo Tanist is starting oO0OoO0OoO0Oo");
    log::info!(
        "Tanist version={TANIST_VERSION}, Redis version={REDIS_VERSION}, bits=64, pid={}, just \
         started",
        std::process::id()
    );
    for notice in notices {
        log::info!("{notice}");
    }
    if unconfigured {
        log::warn!(
            "Warning: no config file specified, using the default config. In order to specify a \
             config file use {} /path/to/redis.conf",
            String::from_utf8_lossy(name)
        );
    } else {
        log::info!("Configuration loaded");
    }
    if settings.maxmemory > 0 && settings.maxmemory < 1024 * 1024 {
        log::warn!(
            "WARNING: You specified a maxmemory value that is less than 1MB (current value is {} \
             bytes). Are you sure this is what you really want?",
            settings.maxmemory
        );
    }
}

/// Puts the process into the state that the settings ask for.
fn prepare_process(settings: &mut Settings, background: bool) -> Result<(), String> {
    if background && settings.pidfile.is_none() {
        settings.pidfile = Some(DEFAULT_PID_FILE.into());
    }
    if let Some(path) = settings.pidfile.as_deref().filter(|p| !p.is_empty()) {
        write_pid_file(&path_of(path));
    }
    pin(settings.server_cpulist.as_deref(), "server_cpulist");
    if let Err(e) = sys::memory::set_background_thread(settings.jemalloc_bg_thread) {
        log::warn!("Cannot start the allocator's thread: {e}");
    }
    adjust_descriptor_limit(settings)?;
    warn_about_the_backlog(settings);
    Ok(())
}

fn write_pid_file(path: &Path) {
    if let Err(e) = sys::process::write_pid_file(path) {
        log::warn!("Failed to write PID file: {}", os_text(&e));
    }
}

/// Puts the engine into a world of this process.
fn wire(
    process: Process,
    settings: Settings,
    config_file: Option<PathBuf>,
    sentinel: Option<SentinelConfig>,
    users: Users,
    table: &'static CommandTable,
) -> Result<Engine<OsWorld>, String> {
    let cannot = |e: std::io::Error| format!("Cannot start: {e}");
    let rng = Rng::from_seed_bytes(sys::entropy::seed().map_err(cannot)?);
    let mut world = OsWorld::new(process, &settings).map_err(cannot)?;
    world.show_title(&settings, config_file.as_deref());
    let parts = EngineParts {
        settings,
        config_file,
        table,
        sentinel,
        users,
        rng,
        clock: sys::clock::CycleClock::new(),
    };
    Engine::new(parts, world).map_err(|e| format!("Cannot start: {e}"))
}

/// Shows the banner: in full on a terminal or with `always-show-logo`, else as one line.
fn show_banner(settings: &Settings, logger: &Logger, mode: &str) {
    let (pid, port) = (std::process::id(), settings.main_port());
    let on_terminal = settings.logfile.is_empty() && sys::facts::stdout_is_terminal();
    if !settings.always_show_logo && !on_terminal {
        log::info!("Running mode={mode}, port={port}.");
        return;
    }
    let lines = [
        String::new(),
        "      /\\".to_owned(),
        format!("     /  \\      Tanist {TANIST_VERSION}, speaks Redis {REDIS_VERSION} (64 bit)"),
        format!("    / /\\ \\     Running in {mode} mode"),
        format!("   / /__\\ \\    Port: {port}"),
        format!("  /________\\   PID: {pid}"),
        String::new(),
    ];
    logger.write_raw(format!("{}\n", lines.join("\n")).as_bytes());
}

/// Warns if the system cuts the queue of connections that wait to be accepted.
fn warn_about_the_backlog(settings: &Settings) {
    if let Some(limit) = sys::facts::somaxconn()
        && i64::from(settings.tcp_backlog) > limit
        && (settings.port != 0 || settings.tls_port != 0)
    {
        log::warn!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because \
             /proc/sys/net/core/somaxconn is set to the lower value of {limit}.",
            settings.tcp_backlog
        );
    }
}
