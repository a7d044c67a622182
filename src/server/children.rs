//! The one child process that a server may have, and what becomes of it.
//!
//! ```text
//! none ──fork──► running ──exit 0──► saved: file in place, or everything sent to the replicas
//!                   ├─────exit 1, signal──► failed: the old file is whole, the error shows
//!                   └─────SIGUSR1─────────► called off: no error
//! ```
//!
//! A child that writes to replicas' sockets does so through us: [`super::transfer`] forwards its
//! bytes, and such a snapshot ends when both the child has ended and its last byte is delivered.

use mio::unix::pipe::Receiver;

use super::hub::Hub;
use super::snapshot;
use super::transfer::Transfer;
use crate::base::time::Now;
use crate::commands::context::Env;
use crate::commands::host::SnapshotFacts;
use crate::replication::Contents;
use crate::sys;
use crate::sys::process::Exit;

/// Whom a snapshot is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotPurpose {
    /// `BGSAVE` or a save point.
    Save,
    /// Replicas, by way of the snapshot file.
    ReplicasByDisk,
    /// Replicas, straight to their sockets.
    ReplicasBySocket {
        /// What ends it on the wire.
        mark: [u8; 40],
    },
}

/// A running snapshot child.
pub struct SnapshotChild {
    /// Its process id.
    pub pid: i32,
    /// Whom it works for.
    pub purpose: SnapshotPurpose,
    /// Its reports.
    pub reports: Receiver,
    /// Its data on the way to replicas' sockets.
    pub transfer: Option<Transfer>,
    /// How it ended, if it has.
    pub exit: Option<Exit>,
    started: Now,
    keys_total: u64,
    last: snapshot::Report,
    last_at_ms: u64,
    peak_copied: u64,
}

impl SnapshotChild {
    /// A child just forked.
    pub fn new(
        pid: i32,
        purpose: SnapshotPurpose,
        reports: Receiver,
        data: Option<Receiver>,
        keys_total: u64,
        now: Now,
    ) -> SnapshotChild {
        let mark = match purpose {
            SnapshotPurpose::ReplicasBySocket { mark } => mark,
            _ => [0; 40],
        };
        SnapshotChild {
            pid,
            purpose,
            reports,
            transfer: data.map(|pipe| Transfer::new(pipe, mark)),
            exit: None,
            started: now,
            keys_total,
            last: snapshot::Report::default(),
            last_at_ms: now.mono_ms(),
            peak_copied: 0,
        }
    }

    /// Takes the reports that have come.
    pub fn read_reports(&mut self, now: Now) {
        if let Some(report) = snapshot::read_report(&mut self.reports) {
            self.last = report;
            self.last_at_ms = now.mono_ms();
            self.peak_copied = self.peak_copied.max(report.copied_bytes);
        }
    }
}

/// Child processes.
#[derive(Default)]
pub struct Children {
    /// The one that writes a snapshot.
    pub snapshot: Option<SnapshotChild>,
    /// The snapshot file was written for replicas only, see `sync_file.rs`.
    pub wrote_for_replicas: bool,
}

impl Children {
    /// The process id of the snapshot child.
    pub fn snapshot_pid(&self) -> Option<i32> {
        self.snapshot.as_ref().map(|child| child.pid)
    }

    /// What `INFO persistence` shows.
    pub fn facts(&self, now: Now) -> SnapshotFacts {
        let Some(child) = &self.snapshot else {
            return SnapshotFacts::default();
        };
        SnapshotFacts {
            in_progress: true,
            started_mono_ms: child.started.mono_ms(),
            current_cow: child.last.copied_bytes,
            current_cow_peak: child.peak_copied,
            current_cow_age_ms: now.mono_ms() - child.last_at_ms,
            current_keys: child.last.keys,
            current_keys_total: child.keys_total,
        }
    }
}

impl Hub {
    /// A child has ended: notes how, and finishes what can be finished.
    pub fn reap_children(&mut self, env: &mut Env) {
        while let Ok(Some((pid, exit))) = sys::process::reap_any() {
            match &mut self.children.snapshot {
                Some(child) if child.pid == pid => child.exit = Some(exit),
                _ => log::debug!("Child {pid} ended, which nobody waits for: {exit:?}"),
            }
        }
        self.finish_snapshot(env);
    }

    /// Finishes the snapshot when its child has ended and its data is delivered.
    pub fn finish_snapshot(&mut self, env: &mut Env) {
        let Some(child) = &mut self.children.snapshot else {
            return;
        };
        child.read_reports(env.now);
        let Some(exit) = child.exit else { return };
        if child.transfer.as_ref().is_some_and(|t| !t.is_over()) && exit.is_success() {
            return;
        }
        let Some(child) = self.children.snapshot.take() else {
            return;
        };
        self.after_snapshot_child(env);
        let delivered = child.transfer.as_ref().is_none_or(Transfer::is_delivered);
        let succeeded = exit.is_success() && delivered;
        match child.purpose {
            SnapshotPurpose::ReplicasBySocket { .. } => log_transfer(exit, succeeded),
            SnapshotPurpose::Save | SnapshotPurpose::ReplicasByDisk => {
                self.note_save(env, &child, exit);
            }
        }
        if child.purpose != SnapshotPurpose::Save || env.replication.is_snapshot_running() {
            self.drive(env, |r, e, out| r.on_snapshot_finished(succeeded, e, out));
        }
    }

    fn note_save(&mut self, env: &mut Env, child: &SnapshotChild, exit: Exit) {
        let p = &mut env.persistence;
        p.last_bgsave_duration_s = (env.now.mono_ms() - child.started.mono_ms()) as i64 / 1000;
        p.last_cow_bytes = child.peak_copied;
        match exit {
            exit if exit.is_success() => {
                log::info!("Background saving terminated with success");
                p.dirty -= p.dirty_before_fork.min(p.dirty);
                p.last_save_unix_s = env.now.unix_s();
                p.last_bgsave_ok = true;
            }
            Exit::Signal(libc::SIGUSR1) => {
                log::warn!("Background saving terminated by signal {}", libc::SIGUSR1);
                snapshot::remove_temporary(env, child.pid);
            }
            Exit::Signal(signal) => {
                log::warn!("Background saving terminated by signal {signal}");
                p.last_bgsave_ok = false;
                snapshot::remove_temporary(env, child.pid);
            }
            Exit::Code(_) => {
                log::warn!("Background saving error");
                p.last_bgsave_ok = false;
            }
        }
        self.refresh_gates(env);
    }

    /// Starts a snapshot when a save point is due.
    pub fn save_when_due(&mut self, env: &mut Env) {
        if self.children.snapshot.is_some() || self.loader.is_some() {
            return;
        }
        let p = &env.persistence;
        let since_save = env.now.unix_s() - p.last_save_unix_s;
        let since_try = env.now.unix_s() - p.last_try_unix_s;
        let may_try = since_try > RETRY_AFTER_FAILURE_S || p.last_bgsave_ok;
        let due =
            env.config.save.0.iter().find(|point| {
                p.dirty >= point.changes && since_save > point.seconds as i64 && may_try
            });
        let Some(point) = due else { return };
        let (changes, seconds) = (point.changes, point.seconds);
        log::info!("{changes} changes in {seconds} seconds. Saving...");
        // A failure is in the log and in the figures; the next try comes by itself.
        let _ = self.start_snapshot(env, SnapshotPurpose::Save, Contents::All);
    }
}

/// After a failed snapshot, save points wait this long before the next try.
const RETRY_AFTER_FAILURE_S: i64 = 5;

fn log_transfer(exit: Exit, succeeded: bool) {
    match exit {
        _ if succeeded => log::info!("Background RDB transfer terminated with success"),
        Exit::Signal(signal) => {
            log::warn!("Background transfer terminated by signal {signal}");
        }
        Exit::Code(_) => log::warn!("Background transfer error"),
    }
}
