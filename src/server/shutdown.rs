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

use super::hub::{Hub, Pause};
use super::snapshot;
use crate::commands::context::Env;
use crate::commands::error::CmdError;
use crate::commands::host::{PauseMode, ShutdownOptions};
use crate::config::SaveAtShutdown;
use crate::sys;
use crate::sys::signals::Signal;

/// What is known of a shutdown that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shutdown {
    /// Nobody asked.
    #[default]
    No,
    /// Waiting for replicas until this time, in monotonic milliseconds.
    Waiting {
        /// How it was asked for.
        options: ShutdownOptions,
        /// When to stop waiting.
        until_ms: u64,
    },
    /// The loop is to end.
    Done,
}

impl Hub {
    /// Begins a shutdown; `Err` when it was tried at once and refused.
    pub fn begin_shutdown(
        &mut self,
        env: &mut Env,
        options: ShutdownOptions,
    ) -> Result<(), CmdError> {
        log::info!("User requested shutdown...");
        let timeout_ms = u64::from(env.config.shutdown_timeout) * 1000;
        let waits = !options.now && timeout_ms > 0 && lagging(env) > 0;
        if !waits {
            return self.finish_shutdown(env, options);
        }
        let until_ms = env.now.mono_ms() + timeout_ms;
        self.pause = Some(Pause {
            mode: PauseMode::Write,
            until_mono_ms: u64::MAX,
        });
        env.replication.request_acks();
        log::info!("Waiting for replicas before shutting down.");
        self.shutdown = Shutdown::Waiting { options, until_ms };
        Ok(())
    }

    /// A signal asks to leave.
    pub fn shutdown_by_signal(&mut self, env: &mut Env, signal: Signal) {
        let (configured, name) = match signal {
            Signal::Interrupt => (env.config.shutdown_on_sigint, "SIGINT"),
            _ => (env.config.shutdown_on_sigterm, "SIGTERM"),
        };
        if self.shutdown != Shutdown::No && signal == Signal::Interrupt {
            log::warn!("You insist... exiting now.");
            if let Some(pid) = self.children.snapshot_pid() {
                snapshot::remove_temporary(env, pid);
            }
            std::process::exit(1);
        }
        log::warn!("Received {name} scheduling shutdown...");
        let options = ShutdownOptions {
            save: match configured.save {
                SaveAtShutdown::AsConfigured => None,
                SaveAtShutdown::Save => Some(true),
                SaveAtShutdown::NoSave => Some(false),
            },
            now: configured.now,
            force: configured.force,
        };
        if self.shutdown == Shutdown::No && self.begin_shutdown(env, options).is_err() {
            log::warn!(
                "{name} received but errors trying to shut down the server, check the logs for \
                 more information"
            );
        }
    }

    /// Goes on with a shutdown that waits for replicas.
    pub fn continue_shutdown(&mut self, env: &mut Env) {
        let Shutdown::Waiting { options, until_ms } = self.shutdown else {
            return;
        };
        if lagging(env) > 0 && env.now.mono_ms() < until_ms {
            return;
        }
        if self.finish_shutdown(env, options).is_err() {
            self.pause = None;
            self.shutdown = Shutdown::No;
        }
    }

    /// `SHUTDOWN ABORT`.
    pub fn stop_shutdown(&mut self) -> Result<(), CmdError> {
        if !matches!(self.shutdown, Shutdown::Waiting { .. }) {
            return Err(CmdError::Fixed("ERR No shutdown in progress."));
        }
        self.shutdown = Shutdown::No;
        self.pause = None;
        log::info!("Shutdown manually aborted.");
        Ok(())
    }

    fn finish_shutdown(&mut self, env: &mut Env, options: ShutdownOptions) -> Result<(), CmdError> {
        let replicas = env.replication.source().count();
        let behind = lagging(env);
        if replicas > 0 {
            let caught_up = replicas - behind;
            log::info!("{caught_up} of {replicas} replicas are in sync when shutting down.");
        }
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
                    return Err(CmdError::Fixed(
                        "ERR Errors trying to SHUTDOWN. Check logs.",
                    ));
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
fn lagging(env: &Env) -> usize {
    if env.replication.is_replica() {
        return 0;
    }
    let source = env.replication.source();
    let offset = env.replication.identity().offset();
    source.count() - source.count_acked(offset)
}
