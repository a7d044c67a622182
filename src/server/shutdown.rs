//! Leaving: `SHUTDOWN`, signals, and the wait for replicas before it.
//!
//! ```text
//! asked ──► replicas lag? ──yes──► waiting (writes held back) ──caught up, or time over──► finish
//!                 └──no──────────────────────────────────────────────────────────────────► finish
//! finish: kill the snapshot child → final save → close listeners, remove pid file → leave
//! ```
//!
//! A final save that fails stops the shutdown, unless it was forced: data that is only in memory is
//! worth more than obedience.

use super::hub::Hub;
use super::snapshot;
use crate::base::time::Now;
use crate::commands::context::Env;
use crate::commands::error::CmdError;
use crate::commands::host::{Leaving, ShutdownOptions};
use crate::config::SaveAtShutdown;
use crate::replication::Laggard;
use crate::sys;
use crate::sys::signals::Signal;

const REFUSED: CmdError = CmdError::Fixed("ERR Errors trying to SHUTDOWN. Check logs.");

/// What is known of a shutdown that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Shutdown {
    /// Nobody asked.
    #[default]
    No,
    /// Waiting for replicas.
    Waiting(Waiting),
    /// The loop is to end.
    Done,
}

/// A shutdown that waits for replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// How it was asked for.
    options: ShutdownOptions,
    /// When to stop waiting, in monotonic milliseconds.
    until_ms: u64,
    /// Clients that wait for it.
    clients: Vec<u64>,
    /// Whether a signal asked for it, too.
    signalled: bool,
}

/// Who asks for a shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// A client: it waits, and is told if nothing comes of it.
    Client(u64),
    /// A signal.
    Signal,
}

impl Waiting {
    fn add(&mut self, asker: Asker) {
        match asker {
            Asker::Client(client) => self.clients.push(client),
            Asker::Signal => self.signalled = true,
        }
    }
}

impl Shutdown {
    /// How long it will wait for replicas yet; none if it does not.
    pub fn time_left_ms(&self, now: Now) -> Option<i64> {
        match self {
            Shutdown::Waiting(waiting) => Some(waiting.until_ms as i64 - now.mono_ms() as i64),
            Shutdown::No | Shutdown::Done => None,
        }
    }

    /// A client does not wait for it any more.
    pub fn forget(&mut self, client: u64) {
        if let Shutdown::Waiting(waiting) = self {
            waiting.clients.retain(|waits| *waits != client);
        }
    }
}

impl Hub {
    /// Begins a shutdown; `Err` when it was tried at once and refused. One that waits already goes
    /// on as it was asked for first.
    pub fn begin_shutdown(
        &mut self,
        env: &mut Env,
        asker: Asker,
        options: ShutdownOptions,
    ) -> Result<Leaving, CmdError> {
        if let Shutdown::Waiting(waiting) = &mut self.shutdown {
            waiting.add(asker);
            return Ok(Leaving::AfterReplicas);
        }
        log::info!("User requested shutdown...");
        let timeout_ms = u64::from(env.config.shutdown_timeout) * 1000;
        let waits = !options.now && timeout_ms > 0 && !laggards(env).is_empty();
        if !waits {
            self.finish_shutdown(env, options)?;
            return Ok(Leaving::Now);
        }
        let mut waiting = Waiting {
            options,
            until_ms: env.now.mono_ms() + timeout_ms,
            clients: Vec::new(),
            signalled: false,
        };
        waiting.add(asker);
        self.shutdown = Shutdown::Waiting(waiting);
        self.pauses.hold_for_shutdown(true);
        env.replication.request_acks();
        log::info!("Waiting for replicas before shutting down.");
        Ok(Leaving::AfterReplicas)
    }

    /// A signal asks to leave.
    pub fn shutdown_by_signal(&mut self, env: &mut Env, signal: Signal) {
        let (configured, name) = match signal {
            Signal::Interrupt => (env.config.shutdown_on_sigint, "SIGINT"),
            _ => (env.config.shutdown_on_sigterm, "SIGTERM"),
        };
        let again = matches!(&self.shutdown, Shutdown::Waiting(waiting) if waiting.signalled);
        if again && signal == Signal::Interrupt {
            log::warn!("You insist... exiting now.");
            if let Some(pid) = self.children.snapshot_pid() {
                snapshot::remove_temporary(env, pid);
            }
            std::process::exit(1);
        }
        if self.loader.is_some() {
            log::warn!("Received shutdown signal during loading, scheduling shutdown.");
        } else {
            log::warn!("Received {name} scheduling shutdown...");
        }
        let options = ShutdownOptions {
            save: match configured.save {
                SaveAtShutdown::AsConfigured => None,
                SaveAtShutdown::Save => Some(true),
                SaveAtShutdown::NoSave => Some(false),
            },
            now: configured.now,
            force: configured.force,
        };
        // A refusal is in the log, and there is nobody else to be told.
        let _ = self.begin_shutdown(env, Asker::Signal, options);
    }

    /// Goes on with a shutdown that waits for replicas.
    pub fn continue_shutdown(&mut self, env: &mut Env) {
        let Shutdown::Waiting(waiting) = &self.shutdown else {
            return;
        };
        if env.now.mono_ms() < waiting.until_ms && !laggards(env).is_empty() {
            return;
        }
        if self.finish_shutdown(env, waiting.options).is_err() {
            self.call_off_shutdown(env);
        }
    }

    /// `SHUTDOWN ABORT`.
    pub fn stop_shutdown(&mut self, env: &mut Env) -> Result<(), CmdError> {
        if !matches!(self.shutdown, Shutdown::Waiting(_)) {
            return Err(CmdError::Fixed("ERR No shutdown in progress."));
        }
        self.call_off_shutdown(env);
        log::info!("Shutdown manually aborted.");
        Ok(())
    }

    /// A shutdown that waited does not come about: those who asked for it are told.
    fn call_off_shutdown(&mut self, env: &mut Env) {
        self.pauses.hold_for_shutdown(false);
        if let Shutdown::Waiting(waiting) = std::mem::take(&mut self.shutdown) {
            for client in waiting.clients {
                self.end_wait(env, client, Some(&REFUSED));
            }
        }
    }

    fn finish_shutdown(&mut self, env: &mut Env, options: ShutdownOptions) -> Result<(), CmdError> {
        log_replicas(env);
        if self.children.snapshot_pid().is_some() {
            log::warn!("There is a child saving an .rdb. Killing it!");
            self.kill_snapshot_child(env);
        }
        let wanted = options.save.unwrap_or(!env.config.save.0.is_empty());
        // While a data set is loaded we have a part of it, and the file has all.
        if wanted && self.loader.is_none() {
            log::info!("Saving the final RDB snapshot before exiting.");
            if self.save_now(env).is_err() {
                if !options.force {
                    log::warn!("Error trying to save the DB, can't exit.");
                    log::warn!(
                        "Errors trying to shut down the server. Check the logs for more \
                         information."
                    );
                    return Err(REFUSED);
                }
                log::warn!("Error trying to save the DB. Exit anyway.");
            }
        }
        self.shutdown = Shutdown::Done;
        Ok(())
    }

    /// The last acts of a server whose loop has ended.
    pub fn leave(&mut self, env: &Env) {
        if let Some(path) = &env.config.pidfile
            && !path.is_empty()
        {
            log::info!("Removing the pid file.");
            let _ = sys::process::remove_pid_file(&super::path_of(path));
        }
        if let Some(path) = &env.config.unixsocket
            && !path.is_empty()
        {
            log::info!("Removing the unix socket file.");
            if let Err(e) = std::fs::remove_file(super::path_of(path)) {
                log::warn!("Error removing the unix socket file: {e}");
            }
        }
        self.listeners.clear();
        log::warn!("Redis is now ready to exit, bye bye...");
    }
}

/// Replicas that have not acknowledged everything.
fn laggards(env: &Env) -> Vec<Laggard> {
    env.replication.laggards(env.now)
}

/// Logs how far replicas are that we leave behind.
fn log_replicas(env: &Env) {
    let replicas = env.replication.source().count();
    if replicas == 0 {
        return;
    }
    let laggards = laggards(env);
    for Laggard {
        name,
        behind,
        lag_s,
        state,
    } in &laggards
    {
        log::info!(
            "Lagging replica {name} reported offset {behind} behind master, lag={lag_s}, \
             state={state}."
        );
    }
    let caught_up = replicas - laggards.len();
    log::info!("{caught_up} of {replicas} replicas are in sync when shutting down.");
}
