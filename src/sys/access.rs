//! Whether this process may do something with a file, before it tries.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

/// Whether the file at this path exists and may be run.
pub fn is_executable(path: &Path) -> io::Result<()> {
    access(path, libc::X_OK)
}

/// Whether the file at this path exists and may be written to.
pub fn is_writable(path: &Path) -> io::Result<()> {
    access(path, libc::W_OK)
}

fn access(path: &Path, mode: libc::c_int) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::access(path.as_ptr(), mode) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_may_be_run_and_what_does_not_exist_may_not() {
        assert!(is_executable(Path::new("/bin/sh")).is_ok());
        let missing = is_executable(Path::new("/bin/there-is-none"));
        assert_eq!(
            missing.expect_err("no file").kind(),
            io::ErrorKind::NotFound
        );
        assert!(is_executable(Path::new("/dev/null")).is_err());
        assert!(is_writable(Path::new("/dev/null")).is_ok());
        assert!(is_writable(Path::new("/bin/there-is-none")).is_err());
        assert!(is_writable(Path::new("a\0b")).is_err());
    }
}
