//! Rewrites: when one is due, how it begins, and what becomes of it.
//!
//! ```text
//! sync the increment → begin another (named by the manifest) → fork
//!   child: write the base → sync → rename: temp-rewriteaof-bg-PID.aof
//! rename it to its place → manifest with it and the last increment only → remove the rest
//! ```
//!
//! A failed rewrite loses nothing: the manifest then names the old base and one increment more.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{Aof, Places, State};
use super::increment::Increment;
use super::writing::{Occasion, cannot_sync};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::commands::host::RewriteRequest;
use crate::config::{Appendfsync, Settings};
use crate::engine::runtime::{FileOf, Runtime};
use crate::engine::snapshot::EndedChild;
use crate::engine::world::{Job, World};
use crate::persist::aof::folder::{
    PersistError, persist_manifest, rewritten_path, unfinished_path,
};
use crate::persist::aof::manifest::{Manifest, manifest_name, temporary_increment_name};
use crate::sys::process::Exit;

/// A rewrite that has to repair the file is tried this often.
const REPAIR_PERIOD_MS: u64 = 2000;

impl<W: World> Runtime<W> {
    /// `BGREWRITEAOF`.
    pub fn request_rewrite(&mut self, env: &mut Env) -> RewriteRequest {
        if self.snapshots.is_rewriting() {
            return RewriteRequest::Running;
        }
        if self.snapshots.is_running() || env.unit.is_nested() {
            // The file of this instant would hold half of a transaction.
            self.aof.rewriting.scheduled = true;
            self.aof.rewriting.failures_in_a_row = 0;
            return RewriteRequest::Scheduled;
        }
        match self.start_rewrite(env) {
            true => RewriteRequest::Started,
            false => RewriteRequest::Failed,
        }
    }

    /// Starts a rewrite when one is scheduled, or the file has grown by so much.
    pub fn rewrite_when_due(&mut self, env: &mut Env) {
        if self.snapshots.is_running() || self.loader.is_some() {
            return;
        }
        let now_ms = env.now.mono_ms();
        let aof = &mut self.aof;
        let repairs = aof.trouble.has_lost_sync();
        if repairs {
            let waits = |tried_ms: u64| now_ms < tried_ms + REPAIR_PERIOD_MS;
            if aof.rewriting.tried_ms.is_some_and(waits) {
                return;
            }
        } else {
            let failures = aof.rewriting.failures_in_a_row;
            let growth = aof.growth_percent_if_due(env);
            if growth.is_none() && !aof.rewriting.scheduled {
                return;
            }
            if aof.rewriting.limit.holds(failures, now_ms) {
                return;
            }
            if let Some(percent) = growth.filter(|_| !aof.rewriting.scheduled) {
                log::info!("Starting automatic rewriting of AOF on {percent}% growth");
            }
        }
        // A failure is in the log and in the figures; the next try comes by itself.
        self.start_rewrite(env);
    }

    /// Begins a rewrite; `false` if that fails, which is in the log then.
    pub(super) fn start_rewrite(&mut self, env: &mut Env) -> bool {
        assert!(!self.snapshots.is_running(), "one child at a time");
        self.aof.rewriting.tried_ms = Some(env.now.mono_ms());
        if self.begin_rewrite(env) {
            self.aof.rewriting.scheduled = false;
            return true;
        }
        self.aof.rewriting.last_ok = false;
        false
    }

    fn begin_rewrite(&mut self, env: &mut Env) -> bool {
        let places = Places::of(&env.config);
        if let Err(e) = make_folder(self.world.disk(), &places.folder) {
            log::warn!("{e}");
            return false;
        }
        let begun = match self.aof.state {
            State::Off => true,
            State::On if !self.aof.trouble.has_lost_sync() => {
                self.settle_increment(env) && self.begin_increment(env, &places)
            }
            State::Waiting | State::On => self.begin_unnamed_increment(env, &places),
        };
        if !begun {
            return false;
        }
        self.aof.rewriting.started += 1;
        let forked = self.fork_rewrite(env, places.folder.clone());
        if let Err(e) = &forked {
            log::warn!(
                "Can't rewrite append only file in background: fork: {}",
                os_text(e)
            );
            self.drop_unnamed_increment(env);
            return false;
        }
        self.aof.trouble.begin_repair();
        true
    }

    /// Everything that the feed has is to be in the increment, and that on disk, before another one
    /// begins: what is missing there would stand behind what is in the base already.
    fn settle_increment(&mut self, env: &mut Env) -> bool {
        if let Err(fatal) = self.write_increment(env, Occasion::Forced) {
            self.aof.fatal = Some(fatal);
            return false;
        }
        if !env.aof.bytes().is_empty() {
            log::warn!("Can't rewrite the append only file while it cannot be written");
            return false;
        }
        match self.sync_now(env) {
            Ok(()) => true,
            Err(e) => {
                self.note_failed_sync(env, &e);
                if env.config.appendfsync == Appendfsync::Always {
                    self.aof.fatal = Some(cannot_sync(&e));
                }
                false
            }
        }
    }

    /// Begins an increment that the manifest names.
    fn begin_increment(&mut self, env: &mut Env, places: &Places) -> bool {
        let mut manifest = self.aof.manifest.clone();
        let path = places.path(manifest.start_increment(&places.name));
        let disk = self.world.disk();
        let file = match create_increment(disk, &path) {
            Ok(file) => file,
            Err(e) => {
                log_cannot_open(&path, &e);
                return false;
            }
        };
        if let Err(e) = persist_manifest(disk, &places.folder, &places.name, &mut manifest) {
            log::warn!("{e}");
            if !e.left_old_one() {
                // Whoever starts now finds it named, so the file has to stay, empty as it is.
                self.aof.manifest = manifest;
            }
            return false;
        }
        log_created(&path);
        self.aof.manifest = manifest;
        let offset = self.aof.increment.as_ref().map_or(0, |i| i.synced_offset);
        let mut next = Increment::new(file, path, 0, env.now);
        next.synced_offset = offset;
        if let Some(old) = self.aof.increment.replace(next) {
            self.aof.closed_bytes += old.bytes;
            self.world.submit(Job::Close(old.into_file()));
        }
        env.aof.begin_file();
        true
    }

    /// Begins an increment that no manifest names before the rewrite has succeeded: until then
    /// there is nothing that it could follow. What the feed has is in the base.
    fn begin_unnamed_increment(&mut self, env: &mut Env, places: &Places) -> bool {
        let path = places.path(&temporary_increment_name(&places.name));
        match create_increment(self.world.disk(), &path) {
            Ok(file) => {
                log_created(&path);
                let mut increment = Increment::new(file, path, 0, env.now);
                increment.synced_offset = env.replication.identity().offset();
                increment.is_named = false;
                if let Some(old) = self.aof.increment.replace(increment) {
                    self.aof.closed_bytes += old.bytes;
                    self.world.submit(Job::Close(old.into_file()));
                }
                env.aof.drop_all();
                env.aof.switch(true);
                self.aof.trouble.forget_write();
                true
            }
            Err(e) => {
                log_cannot_open(&path, &e);
                false
            }
        }
    }

    /// A rewrite has failed whose increment no manifest names: what was collected meanwhile is of
    /// no use without the base.
    pub(super) fn drop_unnamed_increment(&mut self, env: &mut Env) {
        if let Some(increment) = self.aof.increment.take_if(|increment| !increment.is_named) {
            env.aof.drop_all();
            self.aof.trouble.forget_write();
            log::info!(
                "Removing the temp incr aof file {} in the background",
                Places::shown(&increment.path)
            );
            let _ = self.world.disk().remove(&increment.path);
            self.world.submit(Job::Close(increment.into_file()));
        }
    }

    // ---- The end of its child ----

    /// The child of a rewrite has ended.
    pub(in crate::engine) fn finish_rewrite(&mut self, env: &mut Env, child: &EndedChild) {
        let rewriting = &mut self.aof.rewriting;
        rewriting.last_duration_s = child.duration_s;
        rewriting.last_cow_bytes = child.copied_bytes;
        let ok = match child.exit {
            exit if exit.is_success() => {
                log::info!("Background AOF rewrite terminated with success");
                self.install_base(env, child)
            }
            Exit::Code(_) => {
                log::warn!("Background AOF rewrite terminated with error");
                false
            }
            Exit::Signal(signal) => {
                log::warn!("Background AOF rewrite terminated by signal {signal}");
                if signal == libc::SIGUSR1 {
                    return self.abandon_rewrite(env, child.pid as u32);
                }
                false
            }
        };
        let rewriting = &mut self.aof.rewriting;
        rewriting.last_ok = ok;
        if ok {
            rewriting.failures_in_a_row = 0;
            self.aof.trouble.end_repair(true);
            self.refresh_gates(env);
            log::info!("Background AOF rewrite finished successfully");
        } else {
            rewriting.failures_in_a_row += 1;
            self.abandon_rewrite(env, child.pid as u32);
        }
    }

    /// Takes back what a rewrite that came to nothing has begun.
    pub(super) fn abandon_rewrite(&mut self, env: &mut Env, pid: u32) {
        let folder = path_of_folder(env);
        // Nothing is lost if they cannot be removed, or were never made.
        let disk = self.world.disk();
        let _ = disk.remove(&rewritten_path(&folder, pid));
        let _ = disk.remove(&unfinished_path(&folder, pid));
        self.drop_unnamed_increment(env);
        self.aof.trouble.end_repair(false);
        self.aof.rewriting.scheduled |= self.aof.state == State::Waiting;
    }

    fn rename(&mut self, env: &mut Env, from: &Path, to: &Path) -> io::Result<()> {
        let start_ns = self.world.mono_ns();
        let result = self.world.disk().rename(from, to);
        env.note_latency("aof-rename", self.world.mono_ns() - start_ns);
        result
    }

    /// Puts the base that the child has made in its place. `false`: all is as it was.
    fn install_base(&mut self, env: &mut Env, child: &EndedChild) -> bool {
        let places = Places::of(&env.config);
        let mut manifest = self.aof.manifest.clone();
        let rewritten = rewritten_path(&places.folder, child.pid as u32);
        let base = places.path(manifest.start_base(&places.name, child.format));
        if let Err(e) = self.rename(env, &rewritten, &base) {
            log_cannot_rename("base", &rewritten, &base, &e);
            return false;
        }
        log_renamed("base", &rewritten, &base);
        let mut named = None;
        if let Some(increment) = &self.aof.increment
            && !increment.is_named
        {
            let path = places.path(manifest.start_increment(&places.name));
            let unnamed = increment.path.clone();
            if let Err(e) = self.rename(env, &unnamed, &path) {
                log_cannot_rename("incr", &unnamed, &path, &e);
                let _ = self.world.disk().remove(&base);
                return false;
            }
            log_renamed("incr", &unnamed, &path);
            named = Some(path);
        }
        manifest.retire_increments(usize::from(self.aof.state != State::Off));
        let disk = self.world.disk();
        // The names come before the manifest that needs them.
        let persisted = match disk.sync_folder_of(&base) {
            Ok(()) => persist_manifest(disk, &places.folder, &places.name, &mut manifest),
            Err(source) => {
                let name = manifest_name(&places.name);
                Err(PersistError::Sync { name, source })
            }
        };
        match persisted {
            Ok(()) => {
                self.adopt(env, manifest, &base, named);
                self.remove_history(&env.config);
                true
            }
            Err(e) => {
                log::warn!("{e}");
                self.on_base_not_durable(env, e, manifest, &base, named)
            }
        }
    }

    /// The manifest with the new base could not be made durable. `false` if all is as it was.
    fn on_base_not_durable(
        &mut self,
        env: &mut Env,
        e: PersistError,
        manifest: Manifest,
        base: &Path,
        named: Option<PathBuf>,
    ) -> bool {
        if let PersistError::SyncFolder { source, .. } = e {
            // After a loss of power the old manifest may be back, so what it names stays, and what
            // only the new one names is not safe.
            let is_safe = named.is_none();
            self.adopt(env, manifest, base, named);
            if !is_safe {
                self.note_failed_sync(env, &source);
            }
            return true;
        }
        let _ = self.world.disk().remove(base);
        if let (Some(path), Some(increment)) = (named, &mut self.aof.increment) {
            increment.path = path;
        }
        false
    }

    /// The manifest on disk names the new base and the last increment.
    fn adopt(&mut self, env: &mut Env, manifest: Manifest, base: &Path, named: Option<PathBuf>) {
        let start_ns = self.world.mono_ns();
        let base_bytes = size_of_file(self.world.disk(), base);
        env.note_latency("aof-fstat", self.world.mono_ns() - start_ns);
        let aof: &mut Aof<FileOf<W>> = &mut self.aof;
        aof.manifest = manifest;
        if let (Some(path), Some(increment)) = (named, &mut aof.increment) {
            increment.path = path;
            increment.is_named = true;
        }
        if aof.state == State::Waiting {
            aof.state = State::On;
        }
        if aof.state == State::On {
            aof.closed_bytes = base_bytes;
            aof.rewritten_bytes = aof.bytes();
            let increment = aof.increment.as_ref();
            env.persistence.fsynced_offset = increment.map(|i| i.synced_offset);
        }
    }

    /// Removes the files that nobody needs any more, and then their names from the manifest.
    pub(in crate::engine) fn remove_history(&mut self, settings: &Settings) {
        if settings.aof_disable_auto_gc || self.aof.manifest.history().is_empty() {
            return;
        }
        let places = Places::of(settings);
        let mut manifest = self.aof.manifest.clone();
        for name in manifest.drop_history() {
            log::info!(
                "Removing the history file {} in the background",
                String::from_utf8_lossy(&name)
            );
            let path = places.path(&name);
            let disk = self.world.disk();
            // Whoever closes it last frees its blocks, which takes long for a large file.
            let file = disk.open(&path);
            let _ = disk.remove(&path);
            if let Ok(file) = file {
                self.world.submit(Job::Close(file));
            }
        }
        let disk = self.world.disk();
        match persist_manifest(disk, &places.folder, &places.name, &mut manifest) {
            Ok(()) => self.aof.manifest = manifest,
            // They are removed again at the next start.
            Err(e) => log::warn!("{e}"),
        }
    }
}

/// Makes the folder, durably. One that is there may have been made by somebody who ended before he
/// had synced its name.
///
/// # Errors
///
/// Which of the two failed, and why.
pub(super) fn make_folder(disk: &mut impl Disk, folder: &Path) -> Result<(), String> {
    let failed = |what: &str, e: &io::Error| {
        let (folder, reason) = (folder.display(), os_text(e));
        format!("Can't {what} append-only dir {folder}: {reason}")
    };
    let created = disk.create_folder(folder);
    created.map_err(|e| failed("open or create", &e))?;
    let synced = disk.sync_folder_of(folder);
    synced.map_err(|e| failed("sync the name of", &e))
}

/// Makes an empty increment, to be written at its end however it may be cut. What has its name is
/// of no use to anybody, and must not come back when power is lost, so it is not only emptied.
pub(super) fn create_increment<D: Disk>(disk: &mut D, path: &Path) -> io::Result<D::File> {
    match disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    disk.create_new(path)?;
    disk.open_append(path)
}

fn path_of_folder(env: &Env) -> PathBuf {
    Places::of(&env.config).folder
}

/// The length of a file; 0 if that cannot be told.
pub(super) fn size_of_file<D: Disk>(disk: &mut D, path: &Path) -> u64 {
    disk.open(path).and_then(|file| file.size()).unwrap_or(0)
}

fn log_cannot_open(path: &Path, e: &io::Error) {
    log::warn!(
        "Can't open the append-only file {}: {}",
        Places::shown(path),
        os_text(e)
    );
}

fn log_created(path: &Path) {
    log::info!(
        "Creating AOF incr file {} on background rewrite",
        Places::shown(path)
    );
}

fn log_cannot_rename(what: &str, from: &Path, to: &Path, e: &io::Error) {
    log::warn!(
        "Error trying to rename the temporary AOF {what} file {} into {}: {}",
        Places::shown(from),
        to.display(),
        os_text(e)
    );
}

fn log_renamed(what: &str, from: &Path, to: &Path) {
    log::info!(
        "Successfully renamed the temporary AOF {what} file {} into {}",
        Places::shown(from),
        Places::shown(to)
    );
}
