//! The manifest on disk: read whole, and replaced by a new one wholly or not at all.
//!
//! ```text
//! create temp-NAME.manifest → write → sync → rename over NAME.manifest → sync the folder
//! ```

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::{Manifest, ManifestError, manifest_name, temporary_manifest_name};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;

/// Which step of replacing the manifest failed, and why.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum PersistError {
    #[error("Can't open the AOF manifest file {}: {}", .0.display(), os_text(.1))]
    Create(PathBuf, io::Error),
    #[error("Error trying to write the temporary AOF manifest file {}: {}", .0.display(), os_text(.1))]
    Write(PathBuf, io::Error),
    #[error("Fail to fsync the temp AOF file {}: {}", .0.display(), os_text(.1))]
    Sync(PathBuf, io::Error),
    #[error("Error trying to rename the temporary AOF manifest file {} into {}: {}",
        .0.display(), .1.display(), os_text(.2))]
    Rename(PathBuf, PathBuf, io::Error),
    /// The new manifest is in place; whether it survives a loss of power is not known.
    #[error("Fail to fsync AOF directory {}: {}", .0.display(), os_text(.1))]
    SyncFolder(PathBuf, io::Error),
}

impl PersistError {
    /// Whether a process that reads the manifest from now on finds the new one.
    pub fn is_in_place(&self) -> bool {
        matches!(self, PersistError::SyncFolder(..))
    }
}

/// Why a manifest that is there cannot be read.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReadError {
    #[error("Fatal error: can't open the AOF manifest file {} for reading: {}",
        .0.display(), os_text(.1))]
    Io(PathBuf, io::Error),
    #[error("{}: {}", .0.display(), .1)]
    Manifest(PathBuf, ManifestError),
}

/// The file of this name in the folder.
pub fn path_in(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// Makes `manifest` the one of the append-only file `name`, durably.
///
/// # Errors
///
/// A step failed; unless it is the last one, the old manifest is in place.
pub fn persist<D: Disk>(
    disk: &mut D,
    folder: &Path,
    name: &[u8],
    manifest: &Manifest,
) -> Result<(), PersistError> {
    let temporary = path_in(folder, &temporary_manifest_name(name));
    let target = path_in(folder, &manifest_name(name));
    let written = write_new(disk, &temporary, manifest).and_then(|()| {
        disk.rename(&temporary, &target)
            .map_err(|e| PersistError::Rename(temporary.clone(), target.clone(), e))
    });
    if written.is_err() {
        // Nothing is lost if it cannot be removed, or was never made.
        let _ = disk.remove(&temporary);
    }
    written?;
    disk.sync_folder_of(&target)
        .map_err(|e| PersistError::SyncFolder(folder.to_owned(), e))
}

fn write_new<D: Disk>(
    disk: &mut D,
    temporary: &Path,
    manifest: &Manifest,
) -> Result<(), PersistError> {
    let created = disk.create(temporary);
    let mut file = created.map_err(|e| PersistError::Create(temporary.to_owned(), e))?;
    file.write_all(&manifest.to_bytes())
        .map_err(|e| PersistError::Write(temporary.to_owned(), e))?;
    file.sync()
        .map_err(|e| PersistError::Sync(temporary.to_owned(), e))
}

/// The manifest of the append-only file `name`, if there is one.
///
/// # Errors
///
/// There is one, and it cannot be read or makes no sense.
pub fn load(
    disk: &mut impl Disk,
    folder: &Path,
    name: &[u8],
) -> Result<Option<Manifest>, ReadError> {
    let path = path_in(folder, &manifest_name(name));
    let mut text = Vec::new();
    match disk
        .open(&path)
        .and_then(|mut file| file.read_to_end(&mut text))
    {
        Ok(_) => {}
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(ReadError::Io(path, e)),
    }
    let manifest = Manifest::parse(&text);
    manifest.map(Some).map_err(|e| ReadError::Manifest(path, e))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::BaseFormat;
    use super::*;
    use crate::sys::disk::OsDisk;

    #[test]
    fn what_was_persisted_is_read_back_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let read = || load(&mut OsDisk, folder.path(), b"a.aof");
        assert_eq!(read().unwrap(), None);
        let mut manifest = Manifest::default();
        manifest.start_base(b"a.aof", BaseFormat::Rdb);
        persist(&mut OsDisk, folder.path(), b"a.aof", &manifest).unwrap();
        manifest.start_increment(b"a.aof");
        persist(&mut OsDisk, folder.path(), b"a.aof", &manifest).unwrap();
        assert_eq!(read().unwrap().unwrap().to_bytes(), manifest.to_bytes());
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a.aof.manifest"]);
    }

    #[test]
    fn a_manifest_that_cannot_be_replaced_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::default();
        manifest.start_increment(b"a");
        std::fs::create_dir(folder.path().join("a.manifest")).unwrap();
        let error = persist(&mut OsDisk, folder.path(), b"a", &manifest).unwrap_err();
        assert!(!error.is_in_place());
        assert!(
            error
                .to_string()
                .starts_with("Error trying to rename the temporary AOF manifest file")
        );
        assert!(!folder.path().join("temp-a.manifest").exists());
        let nowhere = folder.path().join("none");
        let error = persist(&mut OsDisk, &nowhere, b"a", &manifest).unwrap_err();
        assert!(matches!(error, PersistError::Create(..)));
    }

    #[test]
    fn a_manifest_without_sense_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.manifest"), "nonsense\n").unwrap();
        let error = load(&mut OsDisk, folder.path(), b"a").unwrap_err();
        assert!(matches!(error, ReadError::Manifest(..)));
        assert!(
            error
                .to_string()
                .ends_with("line 1: Invalid AOF manifest file format")
        );
    }
}
