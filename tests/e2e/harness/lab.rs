//! A failover lab, driven as a shell script drives it: by `redis-lab` and its exit codes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::subject_path;

/// A lab of a test, in a folder that goes with it.
pub struct Lab {
    place: tempfile::TempDir,
    /// Words that `up` gets before all others.
    server: PathBuf,
}

/// What `redis-lab` said and whether it had its way.
#[derive(Debug)]
pub struct Said {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// It succeeded.
    pub ok: bool,
}

impl Lab {
    /// A lab that is not up yet, of servers and Sentinels of this program.
    pub fn of(server: PathBuf) -> Lab {
        let place = tempfile::tempdir().expect("a folder");
        let name = place.path().join("redis-lab");
        std::os::unix::fs::symlink(subject_path(), name).expect("a link");
        Lab { place, server }
    }

    /// The same of the server under test.
    pub fn ours() -> Lab {
        Lab::of(subject_path())
    }

    /// The folder of the lab.
    pub fn folder(&self) -> PathBuf {
        self.place.path().join("lab")
    }

    /// A file beside that folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// `redis-lab` with these words, ready to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.place.path().join("redis-lab"));
        command
            .args(words)
            .env("REDIS_LAB_DIR", self.folder())
            .env("REDIS_LAB_SERVER", &self.server)
            .env_remove("REDIS_LAB_SENTINEL")
            .env("TMPDIR", self.place.path())
            .stdin(Stdio::null());
        command
    }

    /// Says words and hears what comes back.
    pub fn try_say(&self, line: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        said(self.command(&words).output().expect("redis-lab runs"))
    }

    /// Says words that must be carried out; what was answered.
    #[track_caller]
    pub fn say(&self, line: &str) -> String {
        let said = self.try_say(line);
        assert!(said.ok, "{line}: {}{}", said.out, said.err);
        said.out
    }

    /// Says words that must be refused; why they were.
    #[track_caller]
    pub fn refused(&self, line: &str) -> String {
        let said = self.try_say(line);
        assert!(!said.ok, "{line}: {}", said.out);
        said.err
    }

    /// Runs an experiment of the repository; the figures of its report.
    #[track_caller]
    pub fn run_experiment(&self, name: &str) -> Figures {
        self.run_experiment_aloud(name).0
    }

    /// The same, and all that was said meanwhile.
    #[track_caller]
    pub fn run_experiment_aloud(&self, name: &str) -> (Figures, String) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = root.join("scripts/experiments").join(format!("{name}.sh"));
        let script = script.to_str().expect("a path of text");
        let said = said(
            self.command(&["run", script])
                .output()
                .expect("redis-lab runs"),
        );
        assert!(said.ok, "{name}: {}{}", said.out, said.err);
        let figures = Figures::read(said.out.lines().last().unwrap_or_default());
        (figures, said.out)
    }

    /// The figures of the run so far.
    pub fn figures(&self) -> Figures {
        Figures::read(&self.say("report"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.folder().exists() {
            let said = self.try_say("down");
            if !std::thread::panicking() {
                assert!(said.ok, "{}", said.err);
            }
        }
    }
}

fn said(output: Output) -> Said {
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        ok: output.status.success(),
    }
}

/// The figures of a report, by their names.
#[derive(Debug)]
pub struct Figures(HashMap<String, String>);

impl Figures {
    /// Reads `name=figure …`.
    pub fn read(line: &str) -> Figures {
        let pairs = line
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        Figures(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// A figure as it stands there.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// A figure that is a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is {text}"))
    }
}
