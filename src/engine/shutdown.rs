//! Leaving: `SHUTDOWN`, signals, and the wait for replicas before it.
//!
//! ```text
//! asked ──► replicas lag? ──yes──► waiting (writes held back) ──caught up, or time over──► finish
//!                 └──no──────────────────────────────────────────────────────────────────► finish
//! finish: kill the snapshot child → final save → the loop ends, and the process with it
//! ```
//!
//! A final save that fails stops the shutdown, unless it was forced: data that is only in memory is
//! worth more than obedience.

use std::path::Path;

use super::runtime::Runtime;
use super::snapshot::snapshot_path;
use super::world::{Lifecycle, ProcessEnd, World};
use crate::base::time::Now;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::host::{Leaving, ShutdownOptions};
use crate::config::SaveAtShutdown;
use crate::persist::rdb::file;
use crate::replication::LaggingReplica;
use crate::sys::signals::Signal;

const REFUSED: CmdError = CmdError::Fixed("ERR Errors trying to SHUTDOWN. Check logs.");

/// What is known of a shutdown that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Shutdown {
    /// Nobody asked.
    #[default]
    No,
    /// A signal did, and nothing has been done about it yet.
    Signalled(Signal),
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
            Shutdown::No | Shutdown::Signalled(_) | Shutdown::Done => None,
        }
    }

    /// A client does not wait for it any more.
    pub fn forget(&mut self, client: u64) {
        if let Shutdown::Waiting(waiting) = self {
            waiting.clients.retain(|waits| *waits != client);
        }
    }
}

impl<W: World> Runtime<W> {
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
        self.world.tell_supervisor(Lifecycle::Stopping);
        let timeout_ms = u64::from(env.config.shutdown_timeout) * 1000;
        let waits = !options.now && timeout_ms > 0 && !lagging_replicas(env).is_empty();
        if !waits {
            self.finish_shutdown(env, options, asker == Asker::Signal)?;
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
        if env.gates.pause.is_none() {
            env.replication.request_acks_now();
        }
        self.pauses.hold_for_shutdown(true);
        self.refresh_gates(env);
        log::info!("Waiting for replicas before shutting down.");
        Ok(Leaving::AfterReplicas)
    }

    /// A signal asks to leave. That is done as periodic work, which `DEBUG` can hold up.
    pub fn shutdown_by_signal(&mut self, env: &mut Env, signal: Signal) {
        let again = match &self.shutdown {
            Shutdown::No | Shutdown::Done => false,
            Shutdown::Signalled(_) => true,
            Shutdown::Waiting(waiting) => waiting.signalled,
        };
        if again && signal == Signal::Interrupt {
            let child = self.snapshots.pid();
            let target = snapshot_path(env);
            leave_unsaved(&mut self.world, &target, child.map(|pid| pid as u32));
        }
        if self.loader.is_some() {
            log::warn!("Received shutdown signal during loading, scheduling shutdown.");
        } else {
            let name = match signal {
                Signal::Interrupt => "SIGINT",
                _ => "SIGTERM",
            };
            log::warn!("Received {name} scheduling shutdown...");
        }
        match &mut self.shutdown {
            Shutdown::Waiting(waiting) => waiting.add(Asker::Signal),
            Shutdown::Done => {}
            Shutdown::No | Shutdown::Signalled(_) => self.shutdown = Shutdown::Signalled(signal),
        }
        if !self.cron_paused && env.gates.busy.is_none() {
            self.continue_shutdown(env);
        }
    }

    /// Begins the shutdown that a signal asked for.
    fn obey_signal(&mut self, env: &mut Env, signal: Signal) {
        let configured = match signal {
            Signal::Interrupt => env.config.shutdown_on_sigint,
            _ => env.config.shutdown_on_sigterm,
        };
        let options = ShutdownOptions {
            save: match configured.save {
                SaveAtShutdown::AsConfigured => None,
                SaveAtShutdown::Save => Some(true),
                SaveAtShutdown::NoSave => Some(false),
            },
            now: configured.now,
            force: configured.force,
        };
        self.shutdown = Shutdown::No;
        // A refusal is in the log, and there is nobody else to be told.
        let _ = self.begin_shutdown(env, Asker::Signal, options);
    }

    /// Goes on with a shutdown that was asked for by a signal, or waits for replicas.
    pub fn continue_shutdown(&mut self, env: &mut Env) {
        let waiting = match &self.shutdown {
            Shutdown::No | Shutdown::Done => return,
            Shutdown::Signalled(signal) => return self.obey_signal(env, *signal),
            Shutdown::Waiting(waiting) => waiting,
        };
        if env.now.mono_ms() < waiting.until_ms && !lagging_replicas(env).is_empty() {
            return;
        }
        let (options, signalled) = (waiting.options, waiting.signalled);
        if self.finish_shutdown(env, options, signalled).is_err() {
            self.call_off_shutdown(env);
        }
    }

    /// Goes on, in the middle of a script, with a shutdown that saves nothing and waits for
    /// replicas.
    pub fn continue_hard_shutdown(&mut self, env: &mut Env) {
        if let Shutdown::Waiting(waiting) = &self.shutdown
            && waiting.options.save == Some(false)
        {
            self.continue_shutdown(env);
        }
    }

    /// `SHUTDOWN ABORT`.
    pub fn stop_shutdown(&mut self, env: &mut Env) -> Result<(), CmdError> {
        if matches!(self.shutdown, Shutdown::No | Shutdown::Done) {
            return Err(CmdError::Fixed("ERR No shutdown in progress."));
        }
        self.call_off_shutdown(env);
        log::info!("Shutdown manually aborted.");
        Ok(())
    }

    /// A shutdown that waited does not come about: those who asked for it are told.
    fn call_off_shutdown(&mut self, env: &mut Env) {
        self.pauses.hold_for_shutdown(false);
        self.refresh_gates(env);
        if let Shutdown::Waiting(waiting) = std::mem::take(&mut self.shutdown) {
            for client in waiting.clients {
                self.end_wait(env, client, Some(&REFUSED));
            }
        }
    }

    fn finish_shutdown(
        &mut self,
        env: &mut Env,
        options: ShutdownOptions,
        signalled: bool,
    ) -> Result<(), CmdError> {
        log_replicas(env);
        if self.snapshots.is_saving() {
            log::warn!("There is a child saving an .rdb. Killing it!");
            self.kill_snapshot_child(env);
        }
        if self.save_at_end(env, options, signalled).is_err() {
            log::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
            return Err(REFUSED);
        }
        self.drop_snapshots_from_master();
        self.shutdown = Shutdown::Done;
        Ok(())
    }

    /// Brings what we have to disk, as configured. An error keeps the server from leaving, and is
    /// in the log.
    fn save_at_end(
        &mut self,
        env: &mut Env,
        options: ShutdownOptions,
        signalled: bool,
    ) -> Result<(), ()> {
        if env.sentinel.is_some() {
            // It has no data, and writes its state down whenever that changes.
            return Ok(());
        }
        self.close_aof(env, options.force)?;
        let wanted = options.save.unwrap_or(!env.config.save.0.is_empty());
        // While a data set is loaded we have a part of it, and the file has all.
        if !wanted || self.loader.is_some() {
            return Ok(());
        }
        log::info!("Saving the final RDB snapshot before exiting.");
        self.world.tell_supervisor(Lifecycle::SavingAtEnd);
        let saved = if signalled {
            self.save_unless_interrupted(env)
        } else {
            self.save_now(env)
        };
        if saved.is_ok() {
            return Ok(());
        }
        if options.force {
            log::warn!("Error trying to save the DB. Exit anyway.");
            return Ok(());
        }
        log::warn!("Error trying to save the DB, can't exit.");
        self.world.tell_supervisor(Lifecycle::CannotSaveAtEnd);
        Err(())
    }
}

/// Somebody has interrupted us twice: the process ends at once, and takes with it what it, or its
/// child, has begun to write.
pub fn leave_unsaved(world: &mut impl World, target: &Path, writer: Option<u32>) {
    log::warn!("You insist... exiting now.");
    if let Some(pid) = writer {
        file::remove_temporary(world.disk(), target, pid);
    }
    world.end_process(ProcessEnd::Exit(1));
}

/// Replicas that have not acknowledged everything.
fn lagging_replicas(env: &Env) -> Vec<LaggingReplica> {
    env.replication.lagging_replicas(env.now)
}

/// Logs how far replicas are that we leave behind.
fn log_replicas(env: &Env) {
    let replicas = env.replication.source().count();
    if replicas == 0 {
        return;
    }
    let lagging = lagging_replicas(env);
    for LaggingReplica {
        name,
        behind,
        lag_s,
        state,
    } in &lagging
    {
        log::info!(
            "Lagging replica {name} reported offset {behind} behind master, lag={lag_s}, \
             state={state}."
        );
    }
    let caught_up = replicas - lagging.len();
    log::info!("{caught_up} of {replicas} replicas are in sync when shutting down.");
}
