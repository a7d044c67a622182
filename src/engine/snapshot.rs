//! Snapshots of the keyspace: when one is made, by whom, and what becomes of it.
//!
//! ```text
//! none ──fork──► running ──exit 0──► saved: file in place, or everything sent to the replicas
//!                   ├─────exit 1, signal──► failed: the old file is whole, the error shows
//!                   └─────SIGUSR1─────────► called off: no error
//! ```
//!
//! A base of the append-only file is made in the same way (`aof/rewriting.rs` decides when, and
//! what becomes of it): there is one child at a time.
//!
//! `SAVE` and a shutdown write in this process; everything else is the work of a forked child
//! ([`SnapshotWork`]), which shares our memory as it was at the fork. While it lives, the table
//! moves nothing and reads leave no access times, so that little is copied.
//!
//! A child that writes to replicas' sockets does so through us: [`super::transfer`] forwards its
//! bytes, and such a snapshot ends when both the child has ended and its last byte is delivered.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aof;
use super::path_of;
use super::runtime::Runtime;
use super::shutdown::leave_unsaved;
use super::snapshot_work::{Product, SnapshotWork};
use super::transfer::Transfer;
use super::world::{ChildReport, World};
use crate::base::time::Now;
use crate::base::version::REDIS_VERSION;
use crate::commands::env::Env;
use crate::commands::host::SnapshotStats;
use crate::keyspace::Keyspace;
use crate::persist::aof::folder::unfinished_path;
use crate::persist::aof::manifest::BaseFormat;
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::file;
use crate::persist::rdb::format::Version;
use crate::persist::rdb::save::{
    ReplicationPoint, SaveObserver, SaveOptions, SavedUsage, SnapshotInfo, save_snapshot,
};
use crate::replication::Contents;
use crate::sys::process::Exit;

/// Keys between two looks at whether somebody interrupts a save in this process.
const KEYS_PER_CHECK: u64 = 1024;
/// After a failed snapshot, save points wait this long before the next try.
const RETRY_AFTER_FAILURE_S: i64 = 5;

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
    /// A base of the append-only file.
    AofBase {
        /// Whether it is a snapshot, or commands.
        format: BaseFormat,
    },
}

impl SnapshotPurpose {
    fn is_aof(self) -> bool {
        matches!(self, SnapshotPurpose::AofBase { .. })
    }
}

/// A child that made a base of the append-only file and has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedChild {
    /// Which.
    pub pid: i32,
    /// How.
    pub exit: Exit,
    /// How long it took, in seconds.
    pub duration_s: i64,
    /// Copy-on-write bytes that it has cost.
    pub copied_bytes: u64,
    /// Whether the base is a snapshot, or commands.
    pub format: BaseFormat,
}

/// A running snapshot child.
struct SnapshotChild {
    pid: i32,
    purpose: SnapshotPurpose,
    /// Its data on the way to replicas' sockets.
    transfer: Option<Transfer>,
    /// How it ended, if it has.
    exit: Option<Exit>,
    started: Now,
    keys_total: u64,
    last: ChildReport,
    last_at_ms: u64,
    peak_copied: u64,
}

/// The snapshot child, and what is known of the snapshot file.
#[derive(Default)]
pub struct Snapshots {
    child: Option<SnapshotChild>,
    /// The child's pipe may have more than was forwarded, or a receiver takes more.
    forwarding_is_due: bool,
    /// The snapshot file was written for replicas only, see `sync_file.rs`.
    pub wrote_for_replicas: bool,
    /// One is to be begun by periodic work, since it was asked for when none could be.
    pub scheduled: bool,
}

impl Snapshots {
    /// Whether there is a child; there can be no other one then.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it makes a base of the append-only file.
    pub fn is_rewriting(&self) -> bool {
        self.child.as_ref().is_some_and(|c| c.purpose.is_aof())
    }

    /// Whether it makes a snapshot.
    pub fn is_saving(&self) -> bool {
        self.is_running() && !self.is_rewriting()
    }

    /// When a rewrite of the append-only file that runs began, in monotonic milliseconds.
    pub fn rewriting_since_ms(&self) -> Option<u64> {
        let child = self.child.as_ref().filter(|c| c.purpose.is_aof())?;
        Some(child.started.mono_ms())
    }

    /// The process id of the child that makes a snapshot.
    pub fn pid(&self) -> Option<i32> {
        let child = self.child.as_ref().filter(|c| !c.purpose.is_aof())?;
        Some(child.pid)
    }

    /// What `INFO persistence` shows.
    pub fn facts(&self, now: Now) -> SnapshotStats {
        let Some(child) = &self.child else {
            return SnapshotStats::default();
        };
        SnapshotStats {
            in_progress: !child.purpose.is_aof(),
            started_mono_ms: child.started.mono_ms(),
            current_cow: child.last.copied_bytes,
            current_cow_peak: child.peak_copied,
            current_cow_age_ms: now.mono_ms() - child.last_at_ms,
            current_keys: child.last.keys,
            current_keys_total: child.keys_total,
        }
    }

    /// Takes a report of a child.
    pub fn on_report(&mut self, pid: i32, report: ChildReport, now: Now) {
        if let Some(child) = self.child.as_mut().filter(|child| child.pid == pid) {
            child.last = report;
            child.last_at_ms = now.mono_ms();
            child.peak_copied = child.peak_copied.max(report.copied_bytes);
        }
    }

    /// Has the snapshot forwarded in the next write phase, if one goes through sockets.
    pub fn want_forwarding(&mut self) {
        self.forwarding_is_due |= self.child.as_ref().is_some_and(|c| c.transfer.is_some());
    }

    /// Whether the snapshot is to be forwarded in the next write phase.
    pub fn forwarding_is_due(&self) -> bool {
        self.forwarding_is_due
    }

    pub(super) fn take_forwarding(&mut self) -> bool {
        std::mem::take(&mut self.forwarding_is_due)
    }

    pub(super) fn take_transfer(&mut self) -> Option<Transfer> {
        self.child.as_mut()?.transfer.take()
    }

    pub(super) fn put_transfer_back(&mut self, transfer: Transfer) {
        if let Some(child) = &mut self.child {
            child.transfer = Some(transfer);
        }
    }
}

/// How a snapshot of this instant is written.
fn options_of(env: &Env, used_memory: u64) -> SaveOptions<'_> {
    let policy = env.config.maxmemory_policy;
    let usage = if policy.is_lfu() {
        SavedUsage::Frequency(env.lfu_tuning())
    } else if policy.is_lru() {
        SavedUsage::Idle
    } else {
        SavedUsage::None
    };
    let place = env.replication.saved_identity().map(|saved| {
        let mut id = [0; 40];
        id.copy_from_slice(saved.id.as_bytes());
        ReplicationPoint {
            stream_db: i64::from(saved.stream_db),
            id,
            offset: saved.offset as i64,
            sum: saved.sum,
            lineage: env.replication.saved_lineage(),
        }
    });
    SaveOptions {
        encoder: EncoderOptions {
            version: Version::from_number(env.config.rdb_version),
            compression: env.config.rdbcompression,
            checksum: env.config.rdbchecksum,
        },
        info: SnapshotInfo {
            redis_version: REDIS_VERSION,
            created_at_s: env.now.unix_s(),
            used_memory,
            replication: place,
            aof_base: false,
        },
        usage,
        libraries: env.functions.codes().collect(),
    }
}

/// The snapshot file.
pub fn snapshot_path(env: &Env) -> PathBuf {
    path_of(&env.config.dbfilename)
}

fn key_delay(env: &Env) -> Duration {
    Duration::from_micros(env.config.rdb_key_save_delay.max(0) as u64)
}

// ---- In this process ----

/// Watches a save in this process: slows it down where tests want that, and lets an interrupt end
/// the process where somebody who interrupts has the last word.
struct SaveHere<'a, W> {
    world: &'a mut W,
    key_delay: Duration,
    breakable: bool,
    target: &'a Path,
}

impl<W: World> SaveObserver for SaveHere<'_, W> {
    fn key_saved(&mut self, keys: u64) {
        if !self.key_delay.is_zero() {
            self.world.sleep(self.key_delay);
        } else if !keys.is_multiple_of(KEYS_PER_CHECK) {
            return;
        }
        if self.breakable && self.world.interrupt_is_pending() {
            let pid = self.world.pid();
            leave_unsaved(self.world, self.target, Some(pid));
        }
    }
}

impl<W: World> Runtime<W> {
    /// Writes the snapshot in this process; everybody waits.
    ///
    /// # Errors
    ///
    /// The text of the error is already in the log.
    pub fn save_now(&mut self, env: &mut Env) -> Result<(), String> {
        self.save_here(env, false)
    }

    /// The same before the server leaves because a signal told it to. An interrupt meanwhile means
    /// that this takes too long: the process ends, and leaves the old file as it is.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn save_unless_interrupted(&mut self, env: &mut Env) -> Result<(), String> {
        self.save_here(env, true)
    }

    fn save_here(&mut self, env: &mut Env, breakable: bool) -> Result<(), String> {
        env.persistence.saves += 1;
        let options = options_of(env, self.world.used_memory() as u64);
        let target = snapshot_path(env);
        let sync = env.config.rdb_save_incremental_fsync;
        let unfinished = file::temporary_path(&target, self.world.pid());
        let mut disk = self.world.disk().clone();
        let mut observer = SaveHere {
            world: &mut self.world,
            key_delay: key_delay(env),
            breakable,
            target: &target,
        };
        let result = file::save(&mut disk, &unfinished, &target, sync, |sink| {
            save_snapshot(sink, &env.keyspace, &options, &mut observer)
        });
        match result {
            Ok(_) => {
                log::info!("DB saved on disk");
                env.persistence.dirty = 0;
                env.persistence.last_save_unix_s = env.now.unix_s();
                env.persistence.last_bgsave_ok = true;
                Ok(())
            }
            Err(e) => {
                log::warn!("{e}");
                Err(e.to_string())
            }
        }
    }

    // ---- In a child ----

    /// Forks a child that writes a snapshot.
    ///
    /// # Errors
    ///
    /// No pipe, or no child, is to be had; already in the log.
    pub fn start_snapshot(
        &mut self,
        env: &mut Env,
        purpose: SnapshotPurpose,
        contents: Contents,
    ) -> io::Result<()> {
        assert!(!self.snapshots.is_running(), "one snapshot child at a time");
        env.persistence.last_try_unix_s = env.now.unix_s();
        env.persistence.dirty_before_fork = env.persistence.dirty;
        let result = self.fork_snapshot(env, purpose, contents);
        if let Err(e) = &result {
            log::warn!("Can't save in background: fork: {e}");
            env.persistence.last_bgsave_ok = false;
        } else if purpose == SnapshotPurpose::ReplicasByDisk {
            self.note_file_for_replicas(env);
        }
        result
    }

    fn fork_snapshot(
        &mut self,
        env: &mut Env,
        purpose: SnapshotPurpose,
        contents: Contents,
    ) -> io::Result<()> {
        env.persistence.saves += 1;
        let empty = Keyspace::new(0, [0, 0]);
        let mut options = options_of(env, self.world.used_memory() as u64);
        if contents == Contents::Nothing {
            options.libraries.clear();
        }
        let work = SnapshotWork {
            keyspace: match contents {
                Contents::All => &env.keyspace,
                Contents::FunctionsOnly | Contents::Nothing => &empty,
            },
            options,
            product: match purpose {
                SnapshotPurpose::ReplicasBySocket { .. } => Product::Pipe,
                _ => Product::File(snapshot_path(env)),
            },
            key_delay: key_delay(env),
            settings: &env.config,
        };
        let start_ns = self.world.mono_ns();
        let pid = self.world.fork(&work)?;
        let what = match purpose {
            SnapshotPurpose::ReplicasBySocket { .. } => "Background RDB transfer",
            _ => "Background saving",
        };
        log::info!("{what} started by pid {pid}");
        self.note_child(env, pid, purpose, start_ns);
        Ok(())
    }

    /// Forks a child that makes a base of the append-only file in its folder.
    ///
    /// # Errors
    ///
    /// No pipe, or no child, is to be had.
    pub(super) fn fork_rewrite(&mut self, env: &mut Env, folder: PathBuf) -> io::Result<()> {
        let format = aof::base_format(&env.config);
        let work = self.base_work(env, folder, format);
        let start_ns = self.world.mono_ns();
        let pid = self.world.fork(&work)?;
        log::info!("Background append only file rewriting started by pid {pid}");
        self.note_child(env, pid, SnapshotPurpose::AofBase { format }, start_ns);
        Ok(())
    }

    /// What there is to do to make a base of the append-only file.
    fn base_work<'a>(&self, env: &'a Env, folder: PathBuf, format: BaseFormat) -> SnapshotWork<'a> {
        let mut options = options_of(env, self.world.used_memory() as u64);
        options.info.aof_base = true;
        SnapshotWork {
            keyspace: &env.keyspace,
            options,
            product: Product::AofBase { folder, format },
            key_delay: key_delay(env),
            settings: &env.config,
        }
    }

    /// Makes a base of the append-only file in this process.
    ///
    /// # Errors
    ///
    /// The text says which step failed, and why.
    pub(super) fn write_base_here(
        &mut self,
        env: &Env,
        folder: &Path,
        target: &Path,
        format: BaseFormat,
    ) -> Result<(), String> {
        let unfinished = unfinished_path(folder, self.world.pid());
        let work = self.base_work(env, folder.to_owned(), format);
        work.write_base(self.world.disk(), &unfinished, target, &mut ())
    }

    /// A child was forked.
    fn note_child(&mut self, env: &mut Env, pid: i32, purpose: SnapshotPurpose, start_ns: u64) {
        env.stats.total_forks += 1;
        let spent_ns = self.world.mono_ns() - start_ns;
        env.stats.latest_fork_us = spent_ns / 1000;
        env.note_latency("fork", spent_ns);
        self.snapshots.child = Some(SnapshotChild {
            pid,
            purpose,
            transfer: match purpose {
                SnapshotPurpose::ReplicasBySocket { mark } => Some(Transfer::new(mark)),
                _ => None,
            },
            exit: None,
            started: env.now,
            keys_total: env.keyspace.len() as u64,
            last: ChildReport::default(),
            last_at_ms: env.now.mono_ms(),
            peak_copied: 0,
        });
        env.keyspace.hold_growth(true);
        env.hold_access_times = true;
    }

    /// Tells the snapshot child to stop, since nobody wants its file any more; its end is noticed
    /// like any other, so replicas that wait for it learn of it.
    pub fn call_off_snapshot(&mut self) {
        if let Some(pid) = self.snapshots.pid() {
            self.world.stop_child(pid);
        }
    }

    /// Kills the child that makes a snapshot; nobody hears of its end.
    pub fn kill_snapshot_child(&mut self, env: &mut Env) {
        if self.snapshots.is_saving()
            && let Some(pid) = self.kill_child(env)
        {
            self.remove_temporary(env, pid);
        }
    }

    /// Kills the child, if there is one; nobody hears of its end.
    pub(super) fn kill_child(&mut self, env: &mut Env) -> Option<i32> {
        let child = self.snapshots.child.take()?;
        self.world.stop_child(child.pid);
        self.world.disown_child(child.pid);
        after_snapshot_child(env);
        Some(child.pid)
    }

    /// Takes away what a killed child has left.
    pub fn remove_temporary(&mut self, env: &mut Env, pid: i32) {
        let start_ns = self.world.mono_ns();
        file::remove_temporary(self.world.disk(), &snapshot_path(env), pid as u32);
        env.note_latency("rdb-unlink-temp-file", self.world.mono_ns() - start_ns);
    }

    /// A child has ended: notes how, and finishes what can be finished.
    pub fn on_child_exited(&mut self, env: &mut Env, pid: i32, exit: Exit) {
        match &mut self.snapshots.child {
            Some(child) if child.pid == pid => child.exit = Some(exit),
            _ => log::debug!("Child {pid} ended, which nobody waits for: {exit:?}"),
        }
        self.finish_snapshot(env);
    }

    /// Finishes the snapshot when its child has ended and its data is delivered.
    pub fn finish_snapshot(&mut self, env: &mut Env) {
        let Some(child) = &self.snapshots.child else {
            return;
        };
        let Some(exit) = child.exit else { return };
        if child.transfer.as_ref().is_some_and(|t| !t.is_over()) && exit.is_success() {
            return;
        }
        let Some(child) = self.snapshots.child.take() else {
            return;
        };
        after_snapshot_child(env);
        if let SnapshotPurpose::AofBase { format } = child.purpose {
            let ended = EndedChild {
                pid: child.pid,
                exit,
                duration_s: (env.now.mono_ms() - child.started.mono_ms()) as i64 / 1000,
                copied_bytes: child.peak_copied,
                format,
            };
            return self.finish_rewrite(env, &ended);
        }
        let delivered = child.transfer.as_ref().is_none_or(Transfer::is_delivered);
        let succeeded = exit.is_success() && delivered;
        match child.purpose {
            SnapshotPurpose::ReplicasBySocket { .. } => log_transfer(exit, succeeded),
            _ => self.note_save(env, &child, exit),
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
                self.remove_temporary(env, child.pid);
            }
            Exit::Signal(signal) => {
                log::warn!("Background saving terminated by signal {signal}");
                p.last_bgsave_ok = false;
                self.remove_temporary(env, child.pid);
            }
            Exit::Code(_) => {
                log::warn!("Background saving error");
                p.last_bgsave_ok = false;
            }
        }
        self.refresh_gates(env);
    }

    /// Starts a snapshot when one is scheduled, or a save point is due.
    pub fn save_when_due(&mut self, env: &mut Env) {
        if self.snapshots.is_running() || self.loader.is_some() {
            return;
        }
        let p = &env.persistence;
        let since_save = env.now.unix_s() - p.last_save_unix_s;
        let since_try = env.now.unix_s() - p.last_try_unix_s;
        if since_try <= RETRY_AFTER_FAILURE_S && !p.last_bgsave_ok {
            return;
        }
        let due = (env.config.save.0.iter())
            .find(|point| p.dirty >= point.changes && since_save > point.seconds as i64);
        if let Some(point) = due {
            let (changes, seconds) = (point.changes, point.seconds);
            log::info!("{changes} changes in {seconds} seconds. Saving...");
        } else if !self.snapshots.scheduled {
            return;
        }
        // A failure is in the log and in the figures; the next try comes by itself.
        let started = self.start_snapshot(env, SnapshotPurpose::Save, Contents::All);
        self.snapshots.scheduled &= started.is_err();
    }
}

/// What any end of a snapshot child brings.
fn after_snapshot_child(env: &mut Env) {
    env.keyspace.hold_growth(false);
    env.hold_access_times = false;
}

fn log_transfer(exit: Exit, succeeded: bool) {
    match exit {
        _ if succeeded => log::info!("Background RDB transfer terminated with success"),
        Exit::Signal(signal) => {
            log::warn!("Background transfer terminated by signal {signal}");
        }
        Exit::Code(_) => log::warn!("Background transfer error"),
    }
}
