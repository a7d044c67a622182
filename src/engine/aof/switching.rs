//! On and off, and the files that a server starts with.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::file::{Aof, Places, State, base_format};
use super::increment::Increment;
use super::reading::AofAtStart;
use super::rewriting::{create_increment, make_folder, size_of_file};
use super::writing::Occasion;
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::config::Appendfsync;
use crate::engine::path_of;
use crate::engine::runtime::{FileOf, Runtime};
use crate::engine::world::{Job, World};
use crate::persist::aof::folder::{LoadError, load_manifest, persist_manifest, remove_leftovers};
use crate::persist::aof::manifest::{FileInfo, Manifest, is_increment, manifest_name};

impl<W: World> Runtime<W> {
    /// Reads the manifest, and takes over the file of a server before 7.0, which had only one.
    ///
    /// # Errors
    ///
    /// The manifest makes no sense, or cannot be read.
    pub fn find_aof(&mut self, env: &Env) -> Result<(), String> {
        self.read_manifest(env)?;
        match env.config.appendonly {
            true => self.take_over_old_file(env, &Places::of(&env.config)),
            false => Ok(()),
        }
    }

    /// Reads the manifest, if there is one.
    pub(super) fn read_manifest(&mut self, env: &Env) -> Result<(), String> {
        let places = Places::of(&env.config);
        match load_manifest(self.world.disk(), &places.folder, &places.name) {
            Ok(manifest) => {
                let mut manifest = manifest.unwrap_or_default();
                spare_unnamed_files(self.world.disk(), &places, &mut manifest);
                self.aof.manifest = manifest;
                Ok(())
            }
            Err(LoadError::Manifest(e)) => {
                for line in e.messages() {
                    log::warn!("{}", String::from_utf8_lossy(line.trim_ascii()));
                }
                let name = manifest_name(&places.name);
                let name = String::from_utf8_lossy(&name);
                Err(format!(
                    "The manifest of the append-only file, {name}, cannot be used"
                ))
            }
            Err(e) => Err(e.to_string().trim_start_matches("Fatal error: ").to_owned()),
        }
    }

    /// An old-style file beside the folder becomes the base, in two steps of which each can be
    /// done again: the manifest names it, then it moves into the folder.
    fn take_over_old_file(&mut self, env: &Env, places: &Places) -> Result<(), String> {
        let old = path_of(&env.config.appendfilename);
        let disk = self.world.disk();
        if !disk.is_file(&old) {
            return Ok(());
        }
        let inside = places.path(&places.name);
        let is_inside = disk.is_file(&inside);
        if !self.aof.manifest.awaits_old_file(&places.name, is_inside) {
            return Ok(());
        }
        let fail = |what: &str, e: String| format!("{what}: {e}");
        make_folder(disk, &places.folder)?;
        self.aof.manifest.take_over_old_file(&places.name);
        persist_manifest(disk, &places.folder, &places.name, &mut self.aof.manifest)
            .map_err(|e| e.to_string())?;
        let disk = self.world.disk();
        // Other files will follow it, so it must be as long after a loss of power as it is now.
        disk.open(&old)
            .and_then(|mut file| file.sync())
            .map_err(|e| fail("Failed to fsync the old AOF file", os_text(&e)))?;
        disk.rename(&old, &inside).map_err(|e| {
            fail(
                "Error trying to move the old AOF file into dir",
                os_text(&e),
            )
        })?;
        disk.sync_folder_of(&inside)
            .and_then(|()| disk.sync_folder_of(&old))
            .map_err(|e| fail("Failed to fsync directory", os_text(&e)))?;
        log::info!(
            "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
            old.display(),
            places.folder.display()
        );
        Ok(())
    }

    /// What is to be loaded at the start.
    ///
    /// # Errors
    ///
    /// A file that the manifest names cannot be opened.
    pub fn aof_at_start(&mut self, env: &Env) -> Result<AofAtStart<FileOf<W>>, String> {
        if self.aof.manifest.is_empty() {
            return Ok(AofAtStart::Nothing { is_new: true });
        }
        let replay = self.open_replay(env)?;
        Ok(match replay.total_bytes() {
            0 => AofAtStart::Nothing { is_new: false },
            _ => AofAtStart::Files(Box::new(replay)),
        })
    }

    /// Opens the files for writing, after what they held is loaded.
    ///
    /// # Errors
    ///
    /// They cannot be made or opened; the server must not go on.
    pub fn open_aof(&mut self, env: &mut Env) -> Result<(), String> {
        let places = Places::of(&env.config);
        make_folder(self.world.disk(), &places.folder)?;
        let mut manifest = self.aof.manifest.clone();
        if manifest.is_empty() {
            self.write_first_base(env, &places, &mut manifest)?;
        }
        let (name, is_new) = match manifest.increments().last() {
            Some(last) => (last.name.clone(), false),
            None => (manifest.start_increment(&places.name).to_vec(), true),
        };
        let path = places.path(&name);
        let cannot_open = |e: io::Error| {
            let shown = Places::shown(&path);
            format!("Can't open the append-only file {shown}: {}", os_text(&e))
        };
        let disk = self.world.disk();
        // A new one must not begin with what somebody has left who came to nothing.
        let opened = match is_new {
            true => create_increment(disk, &path),
            false => disk.open_append(&path),
        };
        let file = opened.map_err(cannot_open)?;
        sync_earlier_files(disk, &places, &manifest, &name)
            .map_err(|e| format!("Fail to fsync the AOF files: {}", os_text(&e)))?;
        manifest.note_unsynced();
        persist_manifest(disk, &places.folder, &places.name, &mut manifest)
            .map_err(|e| e.to_string())?;
        let bytes = size_of_file(disk, &path);
        let what = if is_new { "Creating" } else { "Opening" };
        log::info!(
            "{what} AOF incr file {} on server start",
            Places::shown(&path)
        );
        let mut size_of = |info: &FileInfo| size_of_file(disk, &places.path(&info.name));
        let base_bytes = manifest.base().map_or(0, &mut size_of);
        let closed = manifest
            .increments()
            .iter()
            .filter(|info| info.name != name);
        let closed_bytes = base_bytes + closed.map(size_of).sum::<u64>();
        let aof: &mut Aof<FileOf<W>> = &mut self.aof;
        aof.manifest = manifest;
        aof.closed_bytes = closed_bytes;
        aof.increment = Some(Increment::new(file, path.clone(), bytes, env.now));
        aof.rewritten_bytes = base_bytes;
        aof.state = State::On;
        env.aof.switch(true);
        env.persistence.fsynced_offset = Some(0);
        self.remove_leftovers(&places);
        self.remove_history(&env.config);
        Ok(())
    }

    /// A server that starts without anything writes a base at once, so that there always is one.
    fn write_first_base(
        &mut self,
        env: &mut Env,
        places: &Places,
        manifest: &mut Manifest,
    ) -> Result<(), String> {
        let format = base_format(&env.config);
        let path = places.path(manifest.start_base(&places.name, format));
        self.write_base_here(env, &places.folder, &path, format)?;
        log::info!(
            "Creating AOF base file {} on server start",
            Places::shown(&path)
        );
        Ok(())
    }

    /// Removes what a process that was killed has left in the folder.
    fn remove_leftovers(&mut self, places: &Places) {
        let disk = self.world.disk();
        remove_leftovers(disk, &places.folder, &places.name);
        for path in disk.files_in(&places.folder).unwrap_or_default() {
            if Places::shown(&path).starts_with("temp-rewriteaof-") {
                let _ = disk.remove(&path);
            }
        }
    }

    // ---- At run time ----

    /// `CONFIG SET appendonly yes`, and whatever else has us begin a file.
    ///
    /// # Errors
    ///
    /// A first rewrite cannot be begun.
    pub fn switch_aof_on(&mut self, env: &mut Env) -> Result<(), ()> {
        if self.aof.state != State::Off {
            return Ok(());
        }
        self.aof.state = State::Waiting;
        env.persistence.fsynced_offset = Some(0);
        if env.unit.is_nested() {
            self.aof.rewriting.scheduled = true;
            log::info!(
                "AOF was enabled during a transaction. An AOF background was scheduled to start \
                 when possible."
            );
        } else if self.snapshots.is_running() && !self.snapshots.is_rewriting() {
            self.aof.rewriting.scheduled = true;
            log::info!(
                "AOF was enabled but there is already another background operation. An AOF \
                 background was scheduled to start when possible."
            );
        } else {
            if self.snapshots.is_rewriting() {
                log::info!(
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping \
                     background AOF and starting a rewrite now."
                );
                self.kill_rewrite(env);
            }
            if !self.start_rewrite(env) {
                self.aof.state = State::Off;
                env.persistence.fsynced_offset = None;
                log::warn!(
                    "Redis needs to enable the AOF but can't trigger a background AOF rewrite \
                     operation. Check the above logs for more info about the error."
                );
                return Err(());
            }
        }
        if self.aof.trouble.reason().is_some() {
            log::warn!("AOF reopen, just ignore the last error.");
        }
        self.aof.trouble = Default::default();
        self.refresh_gates(env);
        Ok(())
    }

    /// The same where nobody can be told that it failed: it is tried again until it succeeds.
    pub fn switch_aof_on_at_last(&mut self, env: &mut Env) {
        if env.config.appendonly && self.switch_aof_on(env).is_err() {
            self.aof.state = State::Waiting;
            self.aof.rewriting.scheduled = true;
            env.persistence.fsynced_offset = Some(0);
        }
    }

    /// `CONFIG SET appendonly no`, or a full sync begins: the file is complete up to here, and
    /// takes no more.
    pub fn switch_aof_off(&mut self, env: &mut Env) {
        if self.aof.state == State::Off {
            return;
        }
        if let Err(e) = self.write_increment(env, Occasion::Forced) {
            log::warn!("{e}");
        }
        if let Err(e) = self.sync_now(env) {
            log::warn!("Fail to fsync the AOF file: {}", os_text(&e));
        }
        self.kill_rewrite(env);
        self.drop_unnamed_increment(env);
        let aof = &mut self.aof;
        aof.state = State::Off;
        aof.rewriting.scheduled = false;
        aof.trouble = Default::default();
        if let Some(increment) = aof.increment.take() {
            self.world.submit(Job::Close(increment.into_file()));
        }
        env.aof.drop_all();
        env.persistence.fsynced_offset = None;
        self.refresh_gates(env);
    }

    /// Stops the child of a rewrite; nobody hears of its end.
    pub(in crate::engine) fn kill_rewrite(&mut self, env: &mut Env) {
        if !self.snapshots.is_rewriting() {
            return;
        }
        if let Some(pid) = self.kill_child(env) {
            log::info!("Killing running AOF rewrite child: {pid}");
            self.abandon_rewrite(env, pid as u32);
        }
    }

    /// `appendfsync` is `always` from now on: what was written before counts, too.
    pub fn appendfsync_changed(&mut self, env: &mut Env, to: Appendfsync) -> Result<(), String> {
        if to != Appendfsync::Always || self.aof.state == State::Off {
            return Ok(());
        }
        self.sync_now(env).map_err(|e| {
            self.note_failed_sync(env, &e);
            os_text(&e)
        })
    }

    /// The server is about to end: what it has still to write is written. A file that waits for
    /// its first rewrite would be lost.
    ///
    /// # Errors
    ///
    /// It is such a file.
    pub fn close_aof(&mut self, env: &mut Env, force: bool) -> Result<(), ()> {
        if self.snapshots.is_rewriting() {
            if self.aof.state == State::Waiting {
                if !force {
                    log::warn!("Writing initial AOF, can't exit.");
                    return Err(());
                }
                log::warn!("Writing initial AOF. Exit anyway.");
            }
            log::warn!("There is a child rewriting the AOF. Killing it!");
            self.kill_rewrite(env);
        }
        if self.aof.state == State::On {
            log::info!("Calling fsync() on the AOF file.");
            env.settle_aof_place();
            if let Err(e) = self.write_increment(env, Occasion::Forced) {
                log::warn!("{e}");
            }
            if let Err(e) = self.sync_now(env) {
                // Something else may keep the server from leaving.
                self.note_failed_sync(env, &e);
            }
        }
        Ok(())
    }
}

/// Only the last file may be cut short by a loss of power. Whoever wrote, or cut, the ones before
/// it may have been killed before he could tell that another one was to follow.
fn sync_earlier_files<D: Disk>(
    disk: &mut D,
    places: &Places,
    manifest: &Manifest,
    last: &[u8],
) -> io::Result<()> {
    let all = manifest.base().into_iter().chain(manifest.increments());
    for entry in all.filter(|e| e.name != last) {
        disk.open(&places.path(&entry.name))?.sync_data()?;
    }
    Ok(())
}

/// Files that a manifest has named before it was lost or cut are not loaded, since nobody knows
/// whether they are all, but they are not overwritten either. What a server leaves that ends before
/// its manifest names it is no such file: an increment without a byte, and a base behind the one
/// that is named.
fn spare_unnamed_files(disk: &mut impl Disk, places: &Places, manifest: &mut Manifest) {
    let is_lost = manifest.is_empty();
    let mut found = disk.files_in(&places.folder).unwrap_or_default();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        is_lost || is_increment(name.as_bytes()) && size_of_file(disk, path) > 0
    });
    let names = found.iter().filter_map(|path| path.file_name());
    let count = manifest.skip_names(&places.name, names.map(OsStrExt::as_bytes));
    if count > 0 {
        log::warn!(
            "The folder {} holds files of an append-only file that no manifest {} names ({count} \
             of them). They are neither loaded nor overwritten. If you miss data, stop the \
             server, and put their names into the manifest.",
            places.folder.display(),
            manifest_name(&places.name).escape_ascii()
        );
    }
}
