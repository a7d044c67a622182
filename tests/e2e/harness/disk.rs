//! Disks that fill up, that may only be read, and that fail.
//!
//! A small file system is mounted in a mount namespace of the test's own thread, which the servers
//! inherit that it starts, and nobody else sees. That takes root, or a user namespace:
//! `unshare --map-root-user --mount cargo test --test e2e disks`.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The name of the file that takes all room.
const FILLER: &str = "filler";

/// A small file system in memory, gone when it is dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

/// Gives this thread a mount namespace of its own, where nobody else sees what it mounts.
fn leave_mounts_of_others() -> Result<(), String> {
    // SAFETY: unshare(2) touches no memory; only this thread gets a namespace of its own.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    mount(&["--make-rprivate", "/"])
}

fn mount(args: &[&str]) -> Result<(), String> {
    let done = Command::new("mount").args(args).output();
    let done = done.map_err(|e| format!("mount(8): {e}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!(
            "mount {args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        )),
    }
}

fn unmount(folder: &Path) {
    let done = Command::new("umount").arg("--lazy").arg(folder).status();
    assert!(done.expect("umount(8)").success(), "{}", folder.display());
}

impl SmallDisk {
    /// One of so many bytes, seen in a folder that is made for it; none where nothing can be
    /// mounted, and then the test says so.
    pub fn mount(folder: PathBuf, bytes: usize) -> Option<SmallDisk> {
        fs::create_dir_all(&folder).expect("a folder");
        let size = format!("size={bytes}");
        let place = folder.to_str().expect("a plain name");
        let mounted = leave_mounts_of_others()
            .and_then(|()| mount(&["-t", "tmpfs", "-o", &size, "tmpfs", place]));
        if let Err(e) = mounted {
            eprintln!("not tested: no file system can be mounted here ({e}); see harness/disk.rs");
            return None;
        }
        Some(SmallDisk { folder })
    }

    /// Takes all room but for so many bytes.
    pub fn fill(&self, left: usize) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(FILLER))
            .expect("a file");
        let piece = vec![0; 4096];
        loop {
            match filler.write(&piece) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::StorageFull => break,
                Err(e) => panic!("the disk cannot be filled: {e}"),
            }
        }
        let size = filler.metadata().expect("its size").len();
        let cut = filler.set_len(size.saturating_sub(left as u64));
        cut.expect("a file can be cut");
    }

    /// Gives all room back.
    pub fn empty(&self) {
        fs::remove_file(self.folder.join(FILLER)).expect("the disk was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// A folder in which nothing can be made, replaced or opened for writing; what is open stays so.
/// It ends when dropped.
pub struct ReadOnly {
    folder: PathBuf,
}

impl ReadOnly {
    /// Makes a folder of a [`SmallDisk`] read-only.
    pub fn make(folder: PathBuf) -> ReadOnly {
        let place = folder.to_str().expect("a plain name");
        // What is in use cannot be made read-only: that is done where nobody finds it yet.
        let aside = tempfile::tempdir().expect("a folder");
        let unused = aside.path().to_str().expect("a plain name");
        let mounted = mount(&["--bind", place, unused])
            .and_then(|()| mount(&["-o", "remount,bind,ro", unused]))
            .and_then(|()| mount(&["--move", unused, place]));
        mounted.expect("what could mount a disk can mount a folder");
        ReadOnly { folder }
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// A file that is mounted by itself, as into a container: it can be written to, and not be
/// replaced. It ends when dropped.
pub struct MountedFile {
    file: PathBuf,
}

impl MountedFile {
    /// Mounts a file of a [`SmallDisk`] over itself.
    pub fn make(file: PathBuf) -> MountedFile {
        let place = file.to_str().expect("a plain name");
        let bound = mount(&["--bind", place, place]);
        bound.expect("what could mount a disk can mount a file");
        MountedFile { file }
    }
}

impl Drop for MountedFile {
    fn drop(&mut self) {
        unmount(&self.file);
    }
}

/// The library that makes calls fail, built when it is first asked for.
pub fn failing_calls_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join("failing_calls.so");
        let fresh = folder.join(format!("failing_calls.{}.so", std::process::id()));
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/e2e/harness/failing_calls.c"
        );
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&fresh)
            .args([source, "-ldl"])
            .output()
            .expect("cc, which Rust links with");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        // Another run of the tests may use the one that is there.
        fs::rename(fresh, &library).expect("the library has its name");
        library
    })
}
