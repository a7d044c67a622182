//! What a forked child that saves is given: all that it needs, and nothing of the engine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::disk::Disk;
use crate::base::errno::os_text;
use crate::config::Settings;
use crate::keyspace::Keyspace;
use crate::persist::aof::commands::{CommandsOptions, save_commands};
use crate::persist::aof::folder::{rewritten_path, unfinished_path};
use crate::persist::aof::manifest::BaseFormat;
use crate::persist::rdb::file::{self, SaveError};
use crate::persist::rdb::save::{SaveObserver, SaveOptions, save_snapshot};

/// What a child makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Product {
    /// The snapshot file.
    File(PathBuf),
    /// A snapshot that goes to a pipe.
    Pipe,
    /// A base of the append-only file, in its folder.
    AofBase {
        /// The folder.
        folder: PathBuf,
        /// How it is written.
        format: BaseFormat,
    },
}

impl Product {
    /// The file that process `pid` makes, if it makes one.
    pub fn file(&self, pid: u32) -> Option<PathBuf> {
        match self {
            Product::File(path) => Some(path.clone()),
            Product::Pipe => None,
            Product::AofBase { folder, .. } => Some(rewritten_path(folder, pid)),
        }
    }

    /// Where process `pid` writes it before it is complete.
    pub fn unfinished(&self, pid: u32) -> Option<PathBuf> {
        match self {
            Product::File(path) => Some(file::temporary_path(path, pid)),
            Product::Pipe => None,
            Product::AofBase { folder, .. } => Some(unfinished_path(folder, pid)),
        }
    }
}

/// What a forked child is to do. It has all that it needs, and never looks at the engine.
pub struct SnapshotWork<'a> {
    /// What is saved.
    pub keyspace: &'a Keyspace,
    /// How it is written.
    pub options: SaveOptions<'a>,
    /// What becomes of it.
    pub product: Product,
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
        let (Some(target), Some(unfinished)) =
            (self.product.file(pid), self.product.unfinished(pid))
        else {
            return Err("There is no file to be written".to_owned());
        };
        let Product::AofBase { .. } = self.product else {
            let sync = self.settings.rdb_save_incremental_fsync;
            let result = file::save(disk, &unfinished, &target, sync, |sink| {
                save_snapshot(sink, self.keyspace, &self.options, observer)
            });
            return result.map(drop).map_err(|e| e.to_string());
        };
        self.write_base(disk, &unfinished, &target, observer)?;
        let name = target.file_name().unwrap_or_default();
        log::info!(
            "Successfully created the temporary AOF base file {}",
            name.to_string_lossy()
        );
        Ok(())
    }

    /// Writes a base of the append-only file to `target`, by way of `unfinished`.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn write_base(
        &self,
        disk: &mut impl Disk,
        unfinished: &Path,
        target: &Path,
        observer: &mut impl SaveObserver,
    ) -> Result<(), String> {
        let sync = self.settings.aof_rewrite_incremental_fsync;
        let result = file::save(disk, unfinished, target, sync, |sink| {
            self.write_to(sink, observer)
        });
        result.map(drop).map_err(|e| match e {
            SaveError::Create { source, .. } => format!(
                "Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): {}",
                os_text(&source)
            ),
            SaveError::Rename { source, .. } => format!(
                "Error moving temp append only file on the final destination: {}",
                os_text(&source)
            ),
            SaveError::Write(source) | SaveError::Sync(source) | SaveError::SyncFolder(source) => {
                format!(
                    "Write error writing append only file on disk: {}",
                    os_text(&source)
                )
            }
        })
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
        self.write_to(pipe, observer)
            .map(drop)
            .map_err(|e| format!("Write error while sending DB to replicas: {e}"))
    }

    fn write_to<S: Write>(&self, sink: S, observer: &mut impl SaveObserver) -> std::io::Result<S> {
        match self.product {
            Product::AofBase {
                format: BaseFormat::Commands,
                ..
            } => {
                let stamped = self.settings.aof_timestamp_enabled;
                let options = CommandsOptions {
                    timestamp_s: stamped.then_some(self.options.info.created_at_s),
                    libraries: &self.options.libraries,
                };
                save_commands(sink, self.keyspace, &options, observer)
            }
            _ => save_snapshot(sink, self.keyspace, &self.options, observer),
        }
    }
}
