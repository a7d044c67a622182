//! Append-only files for tests that damage them: what some server has left, with what it held at
//! each place of its last file, and a server that is started with a copy that was changed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::aof_tests::wait_for;
use super::disk::SimDisk;
use super::oracle::fingerprint;
use super::stage::{Peer, SERVER, Stage};
use crate::base::disk::Disk;
use crate::config::Settings;
use crate::persist::aof::manifest::Manifest;

/// Files by path, with what they hold.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The one file of a server before 7.0.
pub const OLD_FILE: &str = "appendonly.aof";
const FOLDER: &str = "appendonlydir";

/// The path of a file in the folder.
pub fn in_folder(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// The path of the manifest.
pub fn manifest_path() -> PathBuf {
    in_folder("appendonly.aof.manifest")
}

/// All files of a disk.
pub fn files_on(disk: &SimDisk) -> Files {
    let mut disk = disk.clone();
    let mut paths = disk.files_in(Path::new("")).expect("the working folder");
    paths.extend(disk.files_in(Path::new(FOLDER)).unwrap_or_default());
    let mut files = Files::new();
    for path in paths {
        let mut bytes = Vec::new();
        let mut file = disk.open(&path).expect("it is there");
        file.read_to_end(&mut bytes).expect("it can be read");
        files.insert(path, bytes);
    }
    files
}

/// The same files where a server puts them that takes over the old one.
pub fn taken_over(files: &Files) -> Files {
    let mut files = files.clone();
    if let Some(bytes) = files.remove(Path::new(OLD_FILE)) {
        files.insert(in_folder(OLD_FILE), bytes);
        let manifest = b"file appendonly.aof seq 1 type b\n".to_vec();
        files.insert(manifest_path(), manifest);
    }
    files
}

/// A server that was started with these files. Whether it runs is to be seen.
pub fn started_with(files: &Files, configure: impl FnOnce(&mut Settings)) -> Stage {
    let mut disk = SimDisk::default();
    let folder = Path::new(FOLDER);
    disk.create_folder(folder).expect("a folder");
    disk.sync_folder_of(folder).expect("it is durable");
    for (path, bytes) in files {
        disk.put(path, bytes.clone(), true);
    }
    let mut stage = Stage::prepared(disk, |settings| {
        settings.appendonly = true;
        configure(settings);
    });
    stage.server().may_fail_to_start = true;
    stage.start();
    stage
}

/// What the server of a stage holds.
pub fn data(stage: &Stage) -> u64 {
    fingerprint(&stage.env().keyspace)
}

/// What a server has left.
#[derive(Clone)]
pub struct Left {
    pub files: Files,
    /// The increment that was written last.
    pub last: PathBuf,
    /// What the server held when that increment had so many bytes.
    states: Vec<(usize, u64)>,
}

impl Left {
    /// What the first `len` bytes of the last increment bring back.
    pub fn state(&self, len: usize) -> u64 {
        let reached = self.states.iter().rev().find(|(at, _)| *at <= len);
        reached.expect("a state at the beginning").1
    }

    /// The last increment.
    pub fn increment(&self) -> &[u8] {
        &self.files[&self.last]
    }

    /// The base, as path and content.
    pub fn base(&self) -> (PathBuf, &[u8]) {
        let manifest = Manifest::parse(&self.files[&manifest_path()]).expect("a manifest");
        let base = manifest.base().expect("a base");
        let path = in_folder(&String::from_utf8_lossy(&base.name));
        let bytes = &self.files[&path];
        (path, bytes)
    }

    /// The increments in front of the last.
    pub fn closed_increments(&self) -> Vec<PathBuf> {
        let manifest = Manifest::parse(&self.files[&manifest_path()]).expect("a manifest");
        let increments = manifest.increments().iter();
        let paths = increments.map(|info| in_folder(&String::from_utf8_lossy(&info.name)));
        paths.filter(|path| *path != self.last).collect()
    }

    /// As a server before 7.0 would have it that wrote `base`, and behind it what is now the last
    /// increment.
    pub fn as_old_file(&self, base: &[u8]) -> Files {
        let bytes = [base, self.increment()].concat();
        Files::from([(PathBuf::from(OLD_FILE), bytes)])
    }
}

/// A server that writes such files.
pub struct Writer {
    stage: Stage,
    client: Peer,
    states: Vec<(usize, u64)>,
}

impl Writer {
    /// One that writes its base as a snapshot, or as commands.
    pub fn new(preamble: bool) -> Writer {
        let mut stage = Stage::new(|settings| {
            settings.appendonly = true;
            settings.aof_timestamp_enabled = true;
            settings.aof_use_rdb_preamble = preamble;
        });
        let client = stage.connect();
        let states = vec![(0, data(&stage))];
        Writer {
            stage,
            client,
            states,
        }
    }

    /// Runs commands, each in a second of its own, or transactions with their parts apart by bars.
    pub fn write(mut self, lines: &[&str]) -> Writer {
        for line in lines {
            self.stage.advance_ms(1000);
            for command in line.split(" | ") {
                self.client.say(command);
            }
            self.stage.settle();
            let heard = self.client.heard();
            assert!(!heard.contains("-ERR"), "{line}: {heard}");
            let len = self.left_here().increment().len();
            self.states.push((len, data(&self.stage)));
        }
        self
    }

    /// Makes a base of all, behind which a new increment begins.
    pub fn rewrite(mut self) -> Writer {
        assert!(self.stage.ask("BGREWRITEAOF").starts_with('+'));
        wait_for(&mut self.stage, "aof_rewrite_in_progress", "0");
        assert_eq!(self.stage.info("aof_last_bgrewrite_status"), "ok");
        self.begin_states()
    }

    /// Tries that in vain, which leaves one increment more.
    pub fn rewrite_in_vain(mut self) -> Writer {
        self.stage.server().set_children_die(true);
        self.stage.ask("BGREWRITEAOF");
        wait_for(&mut self.stage, "aof_rewrite_in_progress", "0");
        assert_eq!(self.stage.info("aof_last_bgrewrite_status"), "err");
        self.begin_states()
    }

    fn begin_states(mut self) -> Writer {
        assert_eq!(self.left_here().increment(), b"", "an increment begins");
        self.states = vec![(0, data(&self.stage))];
        self
    }

    fn left_here(&self) -> Left {
        let files = files_on(&self.stage.disk());
        let manifest = Manifest::parse(&files[&manifest_path()]).expect("a manifest");
        let last = manifest.increments().last().expect("an increment");
        Left {
            last: in_folder(&String::from_utf8_lossy(&last.name)),
            states: self.states.clone(),
            files,
        }
    }

    /// What it leaves when it is killed.
    pub fn left(mut self) -> Left {
        self.stage.cluster.kill(SERVER);
        self.left_here()
    }
}
