//! A server that takes part: starting it, asking it, and reading what it used.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tls::Secrets;
use crate::workload::Workload;

/// The core that servers are pinned to where a part pins them, and the one for the load.
pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;

/// A kind of server.
pub struct Peer {
    pub name: String,
    path: PathBuf,
}

impl Peer {
    pub fn new(name: &str, path: PathBuf) -> Peer {
        assert!(path.is_file(), "{name}: there is no {}", path.display());
        Peer {
            name: name.to_owned(),
            path,
        }
    }

    /// What it says of itself.
    pub fn version(&self) -> String {
        let output = Command::new(&self.path)
            .arg("--version")
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn start(&self) -> Running {
        self.start_with(&[])
    }

    /// Starts it with another port, for TLS.
    pub fn start_with_tls(&self, secrets: &Secrets) -> Running {
        let port = free_port();
        let options = secrets.options(port);
        let options: Vec<(&str, &str)> = options.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let mut running = self.start_with(&options);
        running.tls_port = Some(port);
        running
    }

    /// Starts with more options, each as its name and its value.
    pub fn start_with(&self, options: &[(&str, &str)]) -> Running {
        let option = |(name, value): &(&str, &str)| [format!("--{name}"), value.to_string()];
        let args = options.iter().flat_map(option).collect();
        Running::start(
            self,
            tempfile::tempdir().expect("a folder"),
            free_port(),
            args,
        )
    }
}

/// A started server. Dropping it kills it.
pub struct Running {
    pub port: u16,
    tls_port: Option<u16>,
    child: Child,
    folder: tempfile::TempDir,
    args: Vec<String>,
}

impl Running {
    /// Starts in a folder; what was saved there is loaded before this returns.
    fn start(peer: &Peer, folder: tempfile::TempDir, port: u16, args: Vec<String>) -> Running {
        let child = Command::new(&peer.path)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--repl-diskless-sync-delay", "0", "--protected-mode", "no"])
            .args(&args)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.path().join("log")).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", peer.path.display()));
        let mut running = Running {
            port,
            tls_port: None,
            child,
            folder,
            args,
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while running.try_ask("PING").is_none_or(|reply| reply != "+PONG") {
            let gone = running.child.try_wait().expect("a child").is_some();
            assert!(
                !gone && Instant::now() < deadline,
                "{} does not start",
                peer.name
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        running
    }

    /// Ends the server and starts it again on what it saved; returns how long that took.
    pub fn restart(mut self, peer: &Peer) -> (Running, Duration) {
        self.kill();
        let (port, empty) = (self.port, tempfile::tempdir().expect("a folder"));
        let folder = std::mem::replace(&mut self.folder, empty);
        let args = std::mem::take(&mut self.args);
        let start = Instant::now();
        let running = Running::start(peer, folder, port, args);
        (running, start.elapsed())
    }

    /// Where a workload connects to.
    pub fn port_for(&self, workload: &Workload) -> u16 {
        match &workload.tls {
            Some(_) => self.tls_port.expect("it listens for TLS"),
            None => self.port,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    fn try_ask(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .write_all(format!("{line}\r\nQUIT\r\n").as_bytes())
            .ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(
            reply
                .strip_suffix("\r\n+OK\r\n")
                .unwrap_or(&reply)
                .to_owned(),
        )
    }

    /// Runs a command and returns its reply as it came.
    pub fn ask(&self, line: &str) -> String {
        self.try_ask(line)
            .unwrap_or_else(|| panic!("no reply to {line}"))
    }

    /// A field of INFO.
    pub fn info(&self, section: &str, field: &str) -> String {
        let all = self.ask(&format!("INFO {section}"));
        let value = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned());
        all.lines()
            .find_map(value)
            .unwrap_or_else(|| panic!("INFO shows no {field}"))
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("alive");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let kilobytes = line.split_whitespace().nth(1).expect("a number");
        kilobytes.parse::<u64>().expect("a number") * 1024
    }

    pub fn dir(&self) -> &std::path::Path {
        self.folder.path()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Processor time that a process has used, in the scheduler's nanoseconds, over all its threads.
pub fn cpu_time(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    let mut sum = 0;
    for thread in threads.flatten() {
        let counts = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let on_cpu = counts
            .split_whitespace()
            .next()
            .and_then(|n| n.parse::<u64>().ok());
        sum += on_cpu.unwrap_or(0);
    }
    Duration::from_nanos(sum)
}

/// Pins a process, with all its threads, to a core; leaves it alone on a machine with one.
pub fn pin(pid: u32, core: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        run_taskset(pid, &core.to_string());
    }
}

/// Lets a process run on any core again.
pub fn unpin(pid: u32) {
    let cores = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or("0".to_owned());
    run_taskset(pid, cores.trim());
}

fn run_taskset(pid: u32, cores: &str) {
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", cores, &pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .expect("taskset (util-linux) pins processes");
    assert!(status.success(), "taskset could not pin {pid} to {cores}");
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
