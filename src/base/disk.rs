//! What files are to those who write and read them: snapshots, and logs of commands.
//!
//! Nothing above the lowest floor opens a file by itself; it asks a [`Disk`]. The real one is
//! [`crate::sys::disk::OsDisk`]; the simulator has one in memory that can be slow, full, or lose
//! what was never synced, so the code that promises durability is the code that is tested.
//!
//! The order that makes a new file durable, whoever does it: write it under a temporary name,
//! [`DiskFile::sync`], [`Disk::rename`] over the old one, [`Disk::sync_folder_of`].

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A place for files. Relative paths are relative to the server's working directory.
pub trait Disk {
    /// An open file.
    type File: DiskFile;

    /// Opens a file to read it.
    fn open(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Makes a file to write it, or empties the one that is there.
    fn create(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Makes a file that must not be there yet.
    fn create_new(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Makes a file that must not be there yet, with the permissions of another one, if that is
    /// there and this disk has any.
    fn create_like(&mut self, path: &Path, model: &Path) -> io::Result<Self::File> {
        let _ = model;
        self.create_new(path)
    }
    /// Opens a file to write behind what it holds, or makes an empty one. It cannot be read.
    fn open_append(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Whether there is a file or a folder of that name.
    fn exists(&mut self, path: &Path) -> io::Result<bool>;
    /// Whether there is a file of that name, and not a folder.
    fn is_file(&mut self, path: &Path) -> bool;
    /// Makes a folder if there is none of that name. Its own name is durable when the folder that
    /// it is in was synced. An error if the name belongs to a file.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// The paths of the files in a folder (not of folders in it), in no order that means anything.
    /// An empty path is the working directory.
    fn files_in(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Gives a file another name; the one that had it is gone.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Makes the names in the folder of `path` as durable as the files behind them.
    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()>;
    /// The working directory, to be shown in messages.
    fn working_folder(&self) -> PathBuf;
}

/// A file of a [`Disk`]. It is closed when it is dropped.
pub trait DiskFile: Read + Write + Sized {
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Waits until everything written is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Waits until everything written can be read again after a loss of power; what else is known
    /// of the file, as when it was written, may be older.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Reads from a file that was opened to be read, at this place; fewer bytes than there is room
    /// for mean that the file ends there, or nothing. Where others read on does not change.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Cuts a file that was opened to be written to its first `len` bytes; what is written next to
    /// a file opened by [`Disk::open_append`] stands behind them. Durable when it was synced.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Starts to bring a range to disk, without waiting for it; no promise of durability.
    fn start_writeback(&mut self, range: Range<u64>) -> io::Result<()>;
    /// Waits until a range was brought to disk; no promise of durability.
    fn finish_writeback(&mut self, range: Range<u64>) -> io::Result<()>;
}
