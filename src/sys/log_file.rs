//! The end of the log: a file that is opened for each piece of text, or standard output.
//!
//! Opening it anew each time is how the reference does it, so a file that was renamed away is
//! replaced without a signal, and a relative name follows the working directory.
//!
//! Text can be added by any thread at any time, in a forked child and in the handler of a crash:
//! there is no lock and no buffer, only `open`, `write` and `close`. Each line is one `write` to
//! the end of the file, so that lines of several processes do not mix.

use std::ffi::{CString, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// Where text of the log goes.
#[derive(Debug, Default)]
pub struct LogFile {
    /// None is standard output. A name that was set once stays, so that reading it takes no lock.
    name: OnceLock<CString>,
}

impl LogFile {
    /// Standard output.
    pub const fn new() -> LogFile {
        LogFile {
            name: OnceLock::new(),
        }
    }

    /// Sends text to the end of a file from now on.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or another one was named before.
    pub fn set(&self, path: &Path) -> io::Result<()> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        Opened::file(&name)?;
        self.name
            .set(name)
            .map_err(|_| io::ErrorKind::AlreadyExists.into())
    }

    /// Opens the log for adding text to it.
    ///
    /// # Errors
    ///
    /// Those of `open(2)`.
    pub fn open(&self) -> io::Result<Opened> {
        match self.name.get() {
            Some(name) => Opened::file(name),
            None => Ok(Opened {
                fd: libc::STDOUT_FILENO,
                owned: false,
            }),
        }
    }

    /// Adds text. What cannot be written is lost: there is nobody to be told.
    pub fn append(&self, bytes: &[u8]) {
        if let Ok(mut opened) = self.open() {
            opened.write(bytes);
        }
    }
}

/// The log, open.
pub struct Opened {
    fd: c_int,
    owned: bool,
}

impl Opened {
    fn file(name: &CString) -> io::Result<Opened> {
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        // SAFETY: the name ends with a zero and outlives the call.
        let fd = unsafe { libc::open(name.as_ptr(), flags, 0o666) };
        super::check(fd)?;
        Ok(Opened { fd, owned: true })
    }

    /// The descriptor, as long as this lives.
    pub fn fd(&self) -> c_int {
        self.fd
    }

    /// Adds text, with one call unless the system takes less.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // SAFETY: the bytes are valid for reading.
            let n = unsafe { libc::write(self.fd, bytes.as_ptr().cast(), bytes.len()) };
            match usize::try_from(n) {
                Ok(n) if n > 0 => bytes = &bytes[n..],
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: the descriptor is ours and used no more.
            unsafe { libc::close(self.fd) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_added_to_a_file_that_may_be_renamed_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "old\n").unwrap();
        let file = LogFile::new();
        file.set(&path).unwrap();
        file.append(b"new\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\nnew\n");
        std::fs::rename(&path, folder.path().join("rotated")).unwrap();
        file.append(b"newer\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer\n");
        assert!(file.set(&path).is_err(), "there is one already");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_not_taken() {
        let file = LogFile::new();
        let error = file.set(Path::new("/no/such/folder/log")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(file.name.get().is_none());
    }
}
