//! Manifests on a real disk of which any step may fail.

use std::fs;
use std::ops::Range;

use super::*;
use crate::persist::aof::manifest::{BaseFormat, ManifestFault};
use crate::sys::disk::OsDisk;

const FILE: &[u8] = b"log.aof";

/// A disk whose step of this number fails, counted from 0, and so does a write after ten bytes.
struct Failing {
    disk: OsDisk,
    steps_left: std::rc::Rc<std::cell::Cell<usize>>,
}

struct FailingFile {
    file: fs::File,
    steps_left: std::rc::Rc<std::cell::Cell<usize>>,
}

fn take_step(left: &std::cell::Cell<usize>) -> io::Result<()> {
    match left.get().checked_sub(1) {
        Some(fewer) => left.set(fewer),
        None => return Err(io::Error::from_raw_os_error(libc::EIO)),
    }
    Ok(())
}

impl Disk for Failing {
    type File = FailingFile;

    fn open(&mut self, _: &Path) -> io::Result<FailingFile> {
        unreachable!()
    }

    fn create(&mut self, path: &Path) -> io::Result<FailingFile> {
        take_step(&self.steps_left)?;
        Ok(FailingFile {
            file: self.disk.create(path)?,
            steps_left: self.steps_left.clone(),
        })
    }

    fn create_new(&mut self, _: &Path) -> io::Result<FailingFile> {
        unreachable!()
    }

    fn open_append(&mut self, _: &Path) -> io::Result<FailingFile> {
        unreachable!()
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }

    fn is_file(&mut self, path: &Path) -> bool {
        self.disk.is_file(path)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn files_in(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.files_in(folder)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        take_step(&self.steps_left)?;
        self.disk.rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder_of(&mut self, path: &Path) -> io::Result<()> {
        take_step(&self.steps_left)?;
        self.disk.sync_folder_of(path)
    }

    fn working_folder(&self) -> PathBuf {
        self.disk.working_folder()
    }
}

impl Read for FailingFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
    }
}

impl Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        take_step(&self.steps_left)?;
        self.file.write(&bytes[..bytes.len().min(10)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FailingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync(&mut self) -> io::Result<()> {
        take_step(&self.steps_left)?;
        self.file.sync()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, into)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn start_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn finish_writeback(&mut self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_manifest_is_replaced_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut disk, path) = (OsDisk, folder.path());
    assert!(load_manifest(&mut disk, path, FILE).unwrap().is_none());
    assert!(
        load_manifest(&mut disk, &path.join("none"), FILE)
            .unwrap()
            .is_none()
    );
    let mut manifest = Manifest::default();
    persist_manifest(&mut disk, path, FILE, &mut manifest).unwrap();
    assert!(
        disk.files_in(path).unwrap().is_empty(),
        "there was nothing to say"
    );
    manifest.start_base(FILE, BaseFormat::Rdb);
    for _ in 0..3 {
        manifest.start_increment(FILE);
        persist_manifest(&mut disk, path, FILE, &mut manifest).unwrap();
        assert!(!manifest.is_dirty());
        let read = load_manifest(&mut disk, path, FILE).unwrap();
        assert_eq!(read.as_ref(), Some(&manifest));
    }
    let files = disk.files_in(path).unwrap();
    assert_eq!(files, [path.join("log.aof.manifest")]);
}

#[test]
fn whichever_step_fails_the_old_manifest_or_the_new_one_is_in_place() {
    let mut old = Manifest::default();
    old.start_base(FILE, BaseFormat::Rdb);
    let mut new = old.clone();
    new.start_increment(FILE);
    let mut failures = Vec::new();
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (mut real, path) = (OsDisk, folder.path());
        let mut old = old.clone();
        persist_manifest(&mut real, path, FILE, &mut old).unwrap();
        let mut disk = Failing {
            disk: real,
            steps_left: std::rc::Rc::new(steps.into()),
        };
        let mut new = new.clone();
        let result = persist_manifest(&mut disk, path, FILE, &mut new);
        let found = load_manifest(&mut real, path, FILE).unwrap().unwrap();
        assert_eq!(new.is_dirty(), result.is_err());
        let Err(error) = result else {
            assert_eq!(found, new);
            break;
        };
        let expected = if error.left_old_one() { &old } else { &new };
        assert_eq!(found.to_bytes(), expected.to_bytes(), "{error}");
        assert_eq!(real.files_in(path).unwrap().len(), 1, "{error}");
        let text = error.to_string();
        let words = text.split_whitespace().take(5).collect::<Vec<_>>();
        failures.push(words.join(" "));
    }
    failures.dedup();
    assert_eq!(
        failures,
        [
            "Can't open the AOF manifest",
            "Error trying to write the",
            "Fail to fsync the temp",
            "Error trying to rename the",
            "Fail to fsync AOF directory",
        ]
    );
}

#[test]
fn a_manifest_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut disk, path) = (OsDisk, folder.path());
    let file = path.join("log.aof.manifest");
    fs::write(&file, b"file a\n").unwrap();
    match load_manifest(&mut disk, path, FILE).unwrap_err() {
        LoadError::Manifest(error) => assert_eq!(error.fault, ManifestFault::InvalidFormat),
        other => panic!("{other}"),
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let error = load_manifest(&mut disk, path, FILE).unwrap_err();
    assert_eq!(error.to_string(), "Read AOF manifest failed");
}

#[test]
fn what_a_killed_server_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let names = [
        "temp-log.aof.manifest",
        "temp-log.aof.incr",
        "log.aof.manifest",
        "temp-other.aof.incr",
    ];
    for name in names {
        fs::write(path.join(name), b"").unwrap();
    }
    let removed = remove_leftovers(&mut OsDisk, path, FILE);
    assert_eq!(removed, [names[0].as_bytes(), names[1].as_bytes()]);
    assert!(path.join(names[2]).exists() && path.join(names[3]).exists());
    assert!(remove_leftovers(&mut OsDisk, path, FILE).is_empty());
}
