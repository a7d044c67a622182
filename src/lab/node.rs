//! The process of a node, and the folder that outlives it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::load::is_ledger;
use super::model::{NodeKind, ProcessState};
use super::plan::{CONFIG_FILE, LOG_FILE, Planned};
use crate::sys::process::{end_with_parent, send_signal_to_group};

/// What a process writes where no log file takes it: why it did not start.
const OUTPUT_FILE: &str = "node.out";
/// Files of a node's folder that are no data.
const KEPT_FILES: [&str; 3] = [CONFIG_FILE, LOG_FILE, OUTPUT_FILE];
/// A process that is asked to end is ended after this time.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A node: what it is, and its process while there is one.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub planned: Planned,
    folder: PathBuf,
    child: Option<Child>,
    stopped: bool,
}

impl Node {
    /// A node whose process is not there yet; makes its folder below `folder`, with its
    /// configuration file.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be made.
    pub fn prepare(planned: Planned, folder: &Path) -> io::Result<Node> {
        let folder = folder.join(&planned.facts.name);
        fs::create_dir(&folder)?;
        fs::write(folder.join(CONFIG_FILE), &planned.config)?;
        Ok(Node {
            planned,
            folder,
            child: None,
            stopped: false,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.planned.facts.name
    }

    /// Whether it has data rather than opinions.
    pub fn is_server(&self) -> bool {
        self.planned.facts.kind == NodeKind::Server
    }

    /// Its log file.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join(LOG_FILE)
    }

    /// What its process is doing.
    pub fn state(&self) -> ProcessState {
        match (&self.child, self.stopped) {
            (None, _) => ProcessState::Down,
            (Some(_), true) => ProcessState::Stopped,
            (Some(_), false) => ProcessState::Up,
        }
    }

    /// Starts its process, which ends when ours does. Call it from a thread that stays: the kernel
    /// takes the end of the thread that has started a process for the end of its parent.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub fn start(&mut self) -> io::Result<()> {
        assert!(self.child.is_none(), "{} runs", self.name());
        let output = File::create(self.folder.join(OUTPUT_FILE))?;
        let mut command = Command::new(&self.planned.program.path);
        // A program of many names is a server under this one.
        command
            .arg0("redis-server")
            .arg(self.folder.join(CONFIG_FILE))
            .args((!self.is_server()).then_some("--sentinel"))
            .current_dir(&self.folder)
            // Dates in logs are read again, and then they shall mean what they say.
            .env("TZ", "UTC")
            // One that is not there would keep a server from starting.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        end_with_parent(&mut command);
        self.child = Some(command.spawn()?);
        self.stopped = false;
        Ok(())
    }

    /// Whether its process has ended since the last look, and how.
    pub fn take_end(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        let ended = child.try_wait().ok()??;
        // A wrapper may have left what it started.
        let _ = send_signal_to_group(child.id() as i32, libc::SIGKILL);
        self.child = None;
        self.stopped = false;
        Some(ended.to_string())
    }

    /// What it said when it could not start, or the end of its log.
    pub fn last_words(&self) -> String {
        let text = |file: &str| fs::read(self.folder.join(file)).unwrap_or_default();
        let mut words = text(OUTPUT_FILE);
        if words.is_empty() {
            words = text(LOG_FILE);
        }
        let words = String::from_utf8_lossy(&words);
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Ends its process by `SIGKILL`; how it ended, or nothing if there was none.
    ///
    /// # Errors
    ///
    /// It cannot be ended.
    pub fn kill(&mut self) -> io::Result<Option<String>> {
        let Some(mut child) = self.child.take() else {
            return Ok(None);
        };
        self.stopped = false;
        // What a program has started itself, if it is a wrapper, ends with it.
        send_signal_to_group(child.id() as i32, libc::SIGKILL)?;
        child.wait().map(|status| Some(status.to_string()))
    }

    /// Ends its process by `SIGTERM`, and by `SIGKILL` if that takes too long.
    ///
    /// # Errors
    ///
    /// As [`Node::kill`].
    pub fn shut_down(&mut self) -> io::Result<Option<String>> {
        self.cont()?;
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        send_signal_to_group(child.id() as i32, libc::SIGTERM)?;
        let deadline = Instant::now() + SHUTDOWN_TIME_MAX;
        while Instant::now() < deadline {
            let ended: Option<ExitStatus> = child.try_wait()?;
            if let Some(status) = ended {
                self.child = None;
                return Ok(Some(status.to_string()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    /// Holds its process up.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal(libc::SIGSTOP)?;
        self.stopped = true;
        Ok(())
    }

    /// Lets its process go on, if it is held up.
    ///
    /// # Errors
    ///
    /// Signals cannot be sent to it.
    pub fn cont(&mut self) -> io::Result<()> {
        if self.stopped {
            self.signal(libc::SIGCONT)?;
        }
        self.stopped = false;
        Ok(())
    }

    fn signal(&self, number: i32) -> io::Result<()> {
        let child = self.child.as_ref().ok_or(io::ErrorKind::NotFound)?;
        send_signal_to_group(child.id() as i32, number)
    }

    /// What its ledgers of lost writes hold; nothing if it has none. One that cannot be read, or is
    /// removed meanwhile, is passed over.
    pub fn ledgers(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_one = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(is_ledger);
        let ledgers = entries.filter(is_one);
        ledgers
            .filter_map(|entry| fs::read(entry.path()).ok())
            .collect()
    }

    /// Removes its data, and leaves configuration and logs.
    ///
    /// # Errors
    ///
    /// A file cannot be removed.
    pub fn wipe(&mut self) -> io::Result<()> {
        assert!(self.child.is_none(), "{} runs", self.name());
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if KEPT_FILES.iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }
}
