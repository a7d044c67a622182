//! What a forked child that saves is given: all that it needs, and nothing of the engine.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::disk::Disk;
use crate::config::Settings;
use crate::keyspace::Keyspace;
use crate::persist::rdb::file;
use crate::persist::rdb::save::{SaveObserver, SaveOptions, save_snapshot};

/// What a forked child is to do. It has all that it needs, and never looks at the engine.
pub struct SnapshotWork<'a> {
    /// What is saved.
    pub keyspace: &'a Keyspace,
    /// How it is written.
    pub options: SaveOptions<'a>,
    /// The file that is written, if one is.
    pub target: PathBuf,
    /// Whether it goes to a pipe, and not to the file.
    pub to_pipe: bool,
    /// How long tests want it to take for each key.
    pub key_delay: Duration,
    /// The settings, for what concerns the process.
    pub settings: &'a Settings,
}

impl SnapshotWork<'_> {
    /// Writes the file, by way of a temporary one that `pid` names.
    ///
    /// # Errors
    ///
    /// The text says which step failed, and why.
    pub fn write_file(
        &self,
        disk: &mut impl Disk,
        pid: u32,
        observer: &mut impl SaveObserver,
    ) -> Result<(), String> {
        let sync = self.settings.rdb_save_incremental_fsync;
        let result = file::save(disk, &self.target, pid, sync, |sink| {
            save_snapshot(sink, self.keyspace, &self.options, observer)
        });
        result.map(drop).map_err(|e| e.to_string())
    }

    /// Writes to a pipe.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn write_pipe(
        &self,
        pipe: impl Write,
        observer: &mut impl SaveObserver,
    ) -> Result<(), String> {
        save_snapshot(pipe, self.keyspace, &self.options, observer)
            .map(drop)
            .map_err(|e| format!("Write error while sending DB to replicas: {e}"))
    }
}
