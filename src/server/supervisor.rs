//! The service manager that started us, if there is one, and what it is told.
//!
//! systemd shows the last status beside the service, counts it as started at `READY=1` and as
//! leaving at `STOPPING=1`:
//!
//! ```text
//! start ──► "Redis is loading..." ──loaded──► "Ready to accept connections", READY=1
//!   in sync with our master ──► "MASTER <-> REPLICA sync: ..."
//!   shutdown ──► STOPPING=1 ──► "Saving the final RDB snapshot" ──► gone, or "... can't exit."
//! ```
//!
//! The words are those of the reference, which units and dashboards look for. upstart is told
//! once, by a stop at the start. A server that is supervised stays in the foreground, whatever
//! `daemonize` says.

use std::ffi::OsString;

use crate::config::{Settings, Supervised};
use crate::replication::SyncKind;
use crate::sys::supervise::{self, NOTIFY_SOCKET, UPSTART_JOB};

/// What there is to tell, and to whom.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// It took our first word, or let us go on.
    found: Option<Supervised>,
    /// systemd is to be told of everything that follows, found or not.
    tells_systemd: bool,
    /// The socket that it named.
    socket: Option<OsString>,
}

impl Supervisor {
    /// Looks for the manager that the settings or, with `auto`, the environment speak of, and
    /// greets it. The settings show it if it was found.
    pub fn find(settings: &mut Settings) -> Supervisor {
        let mode = match settings.supervised {
            Supervised::Auto => detect(),
            mode => mode,
        };
        let mut supervisor = Supervisor {
            found: None,
            tells_systemd: mode == Supervised::Systemd,
            socket: std::env::var_os(NOTIFY_SOCKET),
        };
        let found = match mode {
            Supervised::Systemd => supervisor.greet_systemd(),
            Supervised::Upstart => stop_for_upstart(),
            Supervised::No | Supervised::Auto => false,
        };
        if found {
            supervisor.found = Some(mode);
            settings.supervised = mode;
        } else if settings.supervised == Supervised::Auto {
            supervisor.tells_systemd = false;
        }
        supervisor
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.found.is_some()
    }

    /// Its name, as `INFO server` shows it: `systemd`, `upstart`, or `no` for none.
    pub fn name(&self) -> &'static str {
        match self.found {
            Some(Supervised::Systemd) => "systemd",
            Some(Supervised::Upstart) => "upstart",
            _ => "no",
        }
    }

    /// The data set is loaded and clients are welcome.
    pub fn ready(&self, is_replica: bool) {
        self.status(if is_replica {
            "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync"
        } else {
            "Ready to accept connections"
        });
        self.tell("READY=1\n");
    }

    /// Our copy follows our master.
    pub fn in_sync(&self, after: SyncKind) {
        self.status(match after {
            SyncKind::Full => {
                "MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in \
                 read-write mode."
            }
            SyncKind::Partial => {
                "MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept \
                 connections in read-write mode."
            }
        });
    }

    /// The server begins to leave.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// What the server does at the moment.
    pub fn status(&self, text: &str) {
        if self.tells_systemd {
            self.tell(&format!("STATUS={text}\n"));
        }
    }

    fn greet_systemd(&self) -> bool {
        let heard = self.tell("STATUS=Redis is loading...\n");
        if heard {
            log::info!(
                "Supervised by systemd. Please make sure you set appropriate values for \
                 TimeoutStartSec and TimeoutStopSec in your service unit."
            );
        }
        heard
    }

    /// Sends systemd a message; whether it got through.
    fn tell(&self, message: &str) -> bool {
        if !self.tells_systemd {
            return false;
        }
        let Some(socket) = &self.socket else {
            log::warn!("systemd supervision error: NOTIFY_SOCKET not found!");
            return false;
        };
        match supervise::notify_systemd(socket, message) {
            Ok(()) => true,
            Err(e) => {
                let code = e.raw_os_error().unwrap_or(libc::EIO);
                log::warn!("systemd supervision error: sd_notify: {}", -code);
                false
            }
        }
    }
}

/// The manager that the environment speaks of; `Auto` if there is none.
fn detect() -> Supervised {
    if std::env::var_os(UPSTART_JOB).is_some() {
        log::debug!("Upstart supervision detected.");
        Supervised::Upstart
    } else if std::env::var_os(NOTIFY_SOCKET).is_some() {
        log::debug!("Systemd supervision detected.");
        Supervised::Systemd
    } else {
        Supervised::Auto
    }
}

/// Stops until upstart, if it waits for that, has us go on.
fn stop_for_upstart() -> bool {
    if std::env::var_os(UPSTART_JOB).is_none() {
        log::warn!("upstart supervision requested, but UPSTART_JOB not found!");
        return false;
    }
    log::info!("supervised by upstart, will stop to signal readiness.");
    if let Err(e) = supervise::stop_for_upstart() {
        log::warn!("Cannot stop for upstart: {e}");
    }
    true
}
