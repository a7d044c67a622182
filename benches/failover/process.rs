//! A server or a sentinel as a process with a configuration file, which it keeps over its deaths.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Reply, Wire};

/// How long anything that is alive may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Process {
    pub port: u16,
    program: PathBuf,
    config: PathBuf,
    options: &'static [&'static str],
    child: Option<Child>,
    stopped: bool,
}

impl Process {
    /// Writes a configuration file and starts the program with it.
    pub fn start(
        program: &Path,
        folder: &Path,
        port: u16,
        directives: &str,
        options: &'static [&'static str],
    ) -> Process {
        let config = folder.join(format!("{port}.conf"));
        let log = folder.join(format!("{port}.log"));
        let common = format!(
            "port {port}\nbind 127.0.0.1\nprotected-mode no\ndir {}\nlogfile {}\n",
            folder.display(),
            log.display()
        );
        std::fs::write(&config, common + directives).expect("a configuration file");
        let mut process = Process {
            port,
            program: program.to_owned(),
            config,
            options,
            child: None,
            stopped: false,
        };
        process.bring_back();
        process
    }

    /// Starts what was killed, with the file as it left it, or lets go on what was stopped.
    /// Returns the moment of it, or nothing for a process that runs anyway.
    pub fn bring_back(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.stopped {
            self.signal("CONT");
            self.stopped = false;
            return Some(now);
        }
        if self.child.is_some() {
            return None;
        }
        let child = Command::new(&self.program)
            .arg(&self.config)
            .args(self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        self.child = Some(child);
        self.await_answer();
        Some(now)
    }

    fn await_answer(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.try_ask(&["PING"]) != Some(Reply::Text("PONG".to_owned())) {
            let child = self.child.as_mut().expect("just started");
            let gone = child.try_wait().expect("a child").is_some();
            assert!(
                !gone && Instant::now() < deadline,
                "{} {} does not start: {}",
                self.program.display(),
                self.config.display(),
                self.end_of_log()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGKILL, and the wait for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.stopped = false;
    }

    /// SIGSTOP: it is there and says nothing.
    pub fn stop(&mut self) {
        self.signal("STOP");
        self.stopped = true;
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("a living process").id();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the process {pid} is gone");
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some() && !self.stopped
    }

    pub fn try_ask(&self, words: &[&str]) -> Option<Reply> {
        Wire::connect(self.port, Some(PATIENCE))
            .ok()?
            .ask(words)
            .ok()
    }

    pub fn ask(&self, words: &[&str]) -> Reply {
        self.try_ask(words)
            .unwrap_or_else(|| panic!("{}: no reply to {words:?}", self.port))
    }

    /// A field of INFO, if it is there.
    pub fn info(&self, section: &str, field: &str) -> Option<String> {
        let reply = self.try_ask(&["INFO", section])?;
        let value = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned());
        reply.text()?.lines().find_map(value)
    }

    pub fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on. The system gives ports above 32768 to outgoing connections: there
/// the place of a dead server could be taken, or a client that tries again and again could reach
/// itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(23_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_000, "no port is free");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
