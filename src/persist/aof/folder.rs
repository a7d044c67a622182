//! The folder of an append-only file: where its manifest is found, and how it is replaced.
//!
//! A manifest is never overwritten before its successor is whole and durable:
//!
//! ```text
//! create temp-FILE.manifest → write → fsync → rename over FILE.manifest → fsync the folder
//! ```
//!
//! The last step makes durable the names of all files that were made in the folder before, so the
//! files that a manifest names must be there first. When it is the last step that fails, nobody
//! knows which of the two manifests a loss of power would leave: neither may be built upon until a
//! later attempt has succeeded, and no file that either of them names may be removed.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::{
    Manifest, ManifestError, manifest_name, temporary_increment_name, temporary_manifest_name,
};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;

/// The path of the file of that name in a folder.
pub fn path_in(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// The file that the child `pid` makes.
pub fn rewritten_path(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("temp-rewriteaof-bg-{pid}.aof"))
}

/// The file that process `pid` writes before it has its name.
pub fn unfinished_path(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("temp-rewriteaof-{pid}.aof"))
}

/// Why there is no manifest to start from.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum LoadError {
    #[error(
        "Fatal error: can't open the AOF manifest file {} for reading: {}",
        path.display(), os_text(source)
    )]
    Open { path: PathBuf, source: io::Error },
    #[error("Read AOF manifest failed")]
    Read(io::Error),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Reads the manifest of the append-only file called `file`; none if there is no such folder or
/// no manifest in it.
pub fn load_manifest<D: Disk>(
    disk: &mut D,
    folder: &Path,
    file: &[u8],
) -> Result<Option<Manifest>, LoadError> {
    let path = path_in(folder, &manifest_name(file));
    let mut file = match disk.open(&path) {
        Ok(file) => file,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(source) => return Err(LoadError::Open { path, source }),
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(LoadError::Read)?;
    Ok(Some(Manifest::parse(&text)?))
}

/// Whether there is nothing of that name, because of itself or of the folder that it should be in.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Which step of replacing a manifest failed, and why.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum PersistError {
    #[error(
        "Can't open the AOF manifest file {}: {}",
        .name.escape_ascii(), os_text(source)
    )]
    Create { name: Vec<u8>, source: io::Error },
    #[error(
        "Error trying to write the temporary AOF manifest file {}: {}",
        .name.escape_ascii(), os_text(source)
    )]
    Write { name: Vec<u8>, source: io::Error },
    #[error(
        "Fail to fsync the temp AOF file {}: {}.",
        .name.escape_ascii(), os_text(source)
    )]
    Sync { name: Vec<u8>, source: io::Error },
    #[error(
        "Error trying to rename the temporary AOF manifest file {} into {}: {}",
        .name.escape_ascii(), .target.escape_ascii(), os_text(source)
    )]
    Rename {
        name: Vec<u8>,
        target: Vec<u8>,
        source: io::Error,
    },
    /// The new manifest is in place, but perhaps not for ever; see the module's head.
    #[error(
        "Fail to fsync AOF directory {}: {}.",
        path.display(), os_text(source)
    )]
    SyncFolder { path: PathBuf, source: io::Error },
}

impl PersistError {
    /// Whether the manifest that was there is in place as if nothing had been tried.
    pub fn left_old_one(&self) -> bool {
        !matches!(self, PersistError::SyncFolder { .. })
    }
}

/// Puts a manifest in the place of the one that is on disk, wholly or not at all, unless it is the
/// same. It is clean when that has succeeded.
pub fn persist_manifest<D: Disk>(
    disk: &mut D,
    folder: &Path,
    file: &[u8],
    manifest: &mut Manifest,
) -> Result<(), PersistError> {
    if !manifest.is_dirty() {
        return Ok(());
    }
    let (name, target) = (temporary_manifest_name(file), manifest_name(file));
    let (temporary, path) = (path_in(folder, &name), path_in(folder, &target));
    write_whole(disk, &temporary, &name, &manifest.to_bytes())
        .and_then(|()| {
            let renamed = disk.rename(&temporary, &path);
            renamed.map_err(|source| PersistError::Rename {
                name,
                target,
                source,
            })
        })
        .inspect_err(|_| {
            // Nothing is lost if it cannot be removed, or was never made.
            let _ = disk.remove(&temporary);
        })?;
    let synced = disk.sync_folder_of(&path);
    synced.map_err(|source| PersistError::SyncFolder { path, source })?;
    manifest.note_persisted();
    Ok(())
}

fn write_whole<D: Disk>(
    disk: &mut D,
    path: &Path,
    name: &[u8],
    bytes: &[u8],
) -> Result<(), PersistError> {
    let name = || name.to_vec();
    // What an earlier try has left may lack what a sync that failed was about, whatever is written
    // over it.
    let removed = match disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    let created = removed.and_then(|()| disk.create(path));
    let mut file = created.map_err(|source| PersistError::Create {
        name: name(),
        source,
    })?;
    let written = file.write_all(bytes);
    written.map_err(|source| PersistError::Write {
        name: name(),
        source,
    })?;
    let synced = file.sync();
    synced.map_err(|source| PersistError::Sync {
        name: name(),
        source,
    })
}

/// Removes what a server that was killed had not finished, and returns the names: a manifest, and
/// an increment that nothing names. To be called before the first of them is made.
pub fn remove_leftovers<D: Disk>(disk: &mut D, folder: &Path, file: &[u8]) -> Vec<Vec<u8>> {
    let mut names = vec![
        temporary_manifest_name(file),
        temporary_increment_name(file),
    ];
    names.retain(|name| disk.remove(&path_in(folder, name)).is_ok());
    names
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
