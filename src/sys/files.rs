//! What files need beyond the standard library: durable renames, and hints that keep a large
//! sequential write from flooding the page cache.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Makes renames and new names in a folder durable.
///
/// # Errors
///
/// Those of opening and syncing the folder.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // An empty path is how `Path::parent` names the current folder.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

/// Moves a finished file to its final name so that a crash leaves either the old or the new one:
/// the file is synced first, the folder afterwards.
///
/// # Errors
///
/// Those of syncing and renaming.
pub fn rename_durably(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// Reserves `len` bytes on disk without changing the file's size.
///
/// # Errors
///
/// Those of `fallocate(2)`: no space, or a file system that cannot.
pub fn reserve(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open for the life of `file`; the rest is plain numbers.
    super::check(unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, len) })
}

/// Starts writing a range of a file to disk, waiting for what of it was under way; the final sync
/// then has little left to do.
///
/// # Errors
///
/// Those of `sync_file_range(2)`.
pub fn start_writeback(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE;
    let (offset, len) = (offset as libc::off64_t, len as libc::off64_t);
    // SAFETY: the descriptor is open for the life of `file`; the rest is plain numbers.
    super::check(unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) })
}

/// Tells the kernel that a range (to the end, if `len` is 0) need not stay in the page cache.
///
/// # Errors
///
/// Those of `posix_fadvise(2)`.
pub fn drop_from_cache(file: &File, offset: u64, len: u64) -> io::Result<()> {
    advise(file, offset, len, libc::POSIX_FADV_DONTNEED)
}

/// Tells the kernel that the file will be read from front to back.
///
/// # Errors
///
/// Those of `posix_fadvise(2)`.
pub fn will_read_in_order(file: &File) -> io::Result<()> {
    advise(file, 0, 0, libc::POSIX_FADV_SEQUENTIAL)
}

fn advise(file: &File, offset: u64, len: u64, advice: libc::c_int) -> io::Result<()> {
    let (offset, len) = (offset as libc::off_t, len as libc::off_t);
    // SAFETY: the descriptor is open for the life of `file`; the rest is plain numbers.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, len, advice) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sets who may use a file or socket, in the notation of `chmod`.
///
/// # Errors
///
/// Those of `chmod(2)`.
pub fn set_permissions(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes reads and writes on a descriptor return at once, or wait.
///
/// # Errors
///
/// Those of `fcntl(2)`.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    // SAFETY: the descriptor is open, since it is borrowed; the request takes no memory.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    super::check(flags)?;
    let flags = if nonblocking {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: as above.
    super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[test]
    fn a_file_gets_its_final_name_with_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("temp"), folder.path().join("final"));
        let mut file = File::create(&from).unwrap();
        file.write_all(b"content").unwrap();
        rename_durably(&file, &from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"content");
        assert!(!from.exists());
        sync_folder(Path::new("")).unwrap();
        assert!(sync_folder(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn hints_change_neither_size_nor_content() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        // A file system that cannot reserve says so; none may make the file longer.
        let _ = reserve(&file, 4096);
        assert_eq!(file.metadata().unwrap().len(), 10);
        start_writeback(&file, 0, 10).unwrap();
        drop_from_cache(&file, 0, 0).unwrap();
        will_read_in_order(&file).unwrap();
        assert!(reserve(&file, u64::MAX).is_err());
    }

    #[test]
    fn permissions_are_set_as_asked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        set_permissions(file.path(), 0o600).unwrap();
        assert_eq!(
            file.as_file().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_nonblocking_pipe_does_not_wait() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        set_nonblocking(reader.as_fd(), true).unwrap();
        let mut byte = [0];
        assert_eq!(
            reader.read(&mut byte).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        writer.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut byte).unwrap(), 1);
        set_nonblocking(reader.as_fd(), false).unwrap();
        drop(writer);
        assert_eq!(reader.read(&mut byte).unwrap(), 0);
    }
}
