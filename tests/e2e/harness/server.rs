//! Starting, breaking and stopping servers, each in a folder of its own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};

use super::{
    Conn, SmallDisk, Value, failing_calls_library, last_panic, names_in, note_panics, wait_for,
    wait_until,
};

/// Ports below the kernel's ephemeral range, so that outgoing connections never take one.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that nothing listens on now.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let width = PORTS.end - PORTS.start;
    let next = NEXT.get_or_init(|| AtomicU16::new((std::process::id() * 131 % 12_000) as u16));
    loop {
        let port = PORTS.start + next.fetch_add(1, Ordering::Relaxed) % width;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The server under test.
pub fn subject_path() -> PathBuf {
    match std::env::var_os("TANIST_TEST_SERVER") {
        Some(path) => path.into(),
        None => env!("CARGO_BIN_EXE_redis-server").into(),
    }
}

/// Stock Redis. Debian's `redis-tools` ships its server as `redis-check-rdb`: one binary that
/// looks at the name it is called by.
pub fn stock_path() -> PathBuf {
    if let Some(path) = std::env::var_os("TANIST_STOCK_SERVER") {
        return path.into();
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&folders);
    let system = [PathBuf::from("/usr/bin")];
    let places: Vec<PathBuf> = system.into_iter().chain(in_path).collect();
    let found = ["redis-server", "redis-check-rdb"].iter().find_map(|name| {
        places
            .iter()
            .map(|folder| folder.join(name))
            .find(|p| p.is_file())
    });
    found.expect("stock Redis is missing: scripts/ensure-test-tools.sh installs it")
}

/// Runs the real `redis-cli` against a port and returns what it prints on both streams.
#[track_caller]
pub fn redis_cli(port: u16, args: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli is missing: scripts/ensure-test-tools.sh installs it");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// What to start.
#[derive(Clone)]
pub struct Options {
    binary: PathBuf,
    /// What every configuration file of its kind says.
    settings: &'static str,
    config: Vec<String>,
    args: Vec<String>,
    disk_bytes: Option<usize>,
    calls_can_fail: bool,
    password: Option<String>,
}

/// Servers of tests start and sync at once and take commands for debugging.
const SERVER_SETTINGS: &str = "save \"\"\nrepl-diskless-sync-delay 0\nenable-debug-command yes\n";

/// The folder of the data of a server with a disk of its own, within its folder.
const DATA: &str = "data";
/// The folder that tells which calls fail.
const FAILING_CALLS: &str = "failing";

impl Options {
    /// Our server, or what stands in its place.
    pub fn ours() -> Options {
        Options::of(subject_path(), SERVER_SETTINGS)
    }

    pub fn stock() -> Options {
        Options::of(stock_path(), SERVER_SETTINGS)
    }

    /// This binary as a sentinel.
    pub fn sentinel(binary: PathBuf) -> Options {
        Options::of(binary, "").args(&["--sentinel"])
    }

    fn of(binary: PathBuf, settings: &'static str) -> Options {
        Options {
            binary,
            settings,
            config: Vec::new(),
            args: Vec::new(),
            disk_bytes: None,
            calls_can_fail: false,
            password: None,
        }
    }

    /// Adds a line to the config file.
    pub fn config(mut self, line: impl Into<String>) -> Options {
        self.config.push(line.into());
        self
    }

    /// Asks everyone for a password, which the test's own connections give.
    pub fn password(mut self, password: &str) -> Options {
        self.password = Some(password.to_owned());
        self.config(format!("requirepass {password}"))
    }

    /// Makes our snapshots readable by stock Redis 7.0, be it as files or in a full sync.
    pub fn readable_by_stock(self) -> Options {
        // The reference in our place does not know the setting; its peer must be its equal then.
        if std::env::var_os("TANIST_TEST_SERVER").is_some() {
            return self;
        }
        self.config("rdb-version 10")
    }

    /// Adds arguments behind the config file's name.
    pub fn args(mut self, args: &[&str]) -> Options {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
        self
    }

    /// Puts the data on a disk of so many bytes, if that can be had.
    pub fn small_disk(mut self, bytes: usize) -> Options {
        self.disk_bytes = Some(bytes);
        self.config(format!("dir {DATA}"))
    }

    /// Makes calls fail when [`Server::fail_calls`] says so.
    pub fn calls_can_fail(mut self) -> Options {
        self.calls_can_fail = true;
        self
    }

    pub fn start(self) -> Server {
        Server::start(self)
    }

    /// Starts a server if it can have the disk that it is to have.
    #[track_caller]
    pub fn start_if_possible(self) -> Option<Server> {
        let server = Server::prepare(self);
        let has_disk = server.disk.is_some();
        has_disk.then(|| Server::start_prepared(server))
    }

    /// Starts a server that is expected to give up by itself.
    #[track_caller]
    pub fn start_and_fail(self) -> Exit {
        let mut server = Server::prepare(self);
        server.spawn();
        server.wait_exit()
    }
}

/// How a server ended and what it said.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub log: String,
}

impl Exit {
    /// The exit code; a death by signal shows as 128 plus its number.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// A running server. Dropping it kills it and every process of its group.
///
/// The kernel also kills it when the thread that started it ends, so an interrupted test run
/// leaves nothing behind; do not start servers on short-lived helper threads.
pub struct Server {
    pub port: u16,
    disk: Option<SmallDisk>,
    folder: tempfile::TempDir,
    options: Options,
    child: Option<Child>,
    conn: Mutex<Option<Conn>>,
}

impl Server {
    /// Our server with these lines in its config file.
    pub fn ours(config: &[&str]) -> Server {
        config
            .iter()
            .fold(Options::ours(), |o, line| o.config(*line))
            .start()
    }

    /// Stock Redis with these lines in its config file.
    pub fn stock(config: &[&str]) -> Server {
        config
            .iter()
            .fold(Options::stock(), |o, line| o.config(*line))
            .start()
    }

    #[track_caller]
    pub fn start(options: Options) -> Server {
        Server::start_prepared(Server::prepare(options))
    }

    #[track_caller]
    fn start_prepared(mut server: Server) -> Server {
        let exit = server.start_or_exit();
        assert!(
            exit.is_none(),
            "the server did not start\n{}",
            server.log_tail()
        );
        server
    }

    /// Starts a server that was prepared and may give up by itself. Tells how it did, if it does.
    #[track_caller]
    pub fn start_or_exit(&mut self) -> Option<Exit> {
        // Another process may take the port between our look and the server's bind.
        for _ in 0..5 {
            let said_before = self.log().len();
            self.spawn();
            let status = self.exits_unheard()?;
            let log = self.log();
            if !log[said_before..].contains("Address already in use") {
                return Some(Exit { status, log });
            }
            self.port = free_port();
            self.write_config();
        }
        panic!("found no free port");
    }

    /// A folder with a config file, and no process yet.
    pub fn prepare(options: Options) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let (port, conn) = (free_port(), Mutex::new(None));
        if options.calls_can_fail {
            fs::create_dir(folder.path().join(FAILING_CALLS)).expect("a folder");
        }
        let bytes = options.disk_bytes;
        let disk = bytes.and_then(|bytes| SmallDisk::mount(folder.path().join(DATA), bytes));
        let server = Server {
            port,
            disk,
            folder,
            options,
            child: None,
            conn,
        };
        server.write_config();
        server
    }

    fn write_config(&self) {
        let mut text = format!("port {}\nbind 127.0.0.1\n", self.port);
        text.push_str(self.options.settings);
        for line in &self.options.config {
            text.push_str(line);
            text.push('\n');
        }
        fs::write(self.path("redis.conf"), text).expect("a config file");
    }

    fn spawn(&mut self) {
        note_panics();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("a file for the log");
        let mut command = Command::new(&self.options.binary);
        command
            .arg0("redis-server")
            .arg("redis.conf")
            .args(&self.options.args)
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0);
        if self.options.calls_can_fail {
            command
                .env("LD_PRELOAD", failing_calls_library())
                .env("TANIST_TEST_FAILING_CALLS", self.path(FAILING_CALLS));
        }
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe {
            command.pre_exec(
                || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                },
            );
        }
        let binary = &self.options.binary;
        let spawned = command.spawn();
        self.child = Some(spawned.unwrap_or_else(|e| panic!("{}: {e}", binary.display())));
    }

    /// Waits until the server says something, or exits instead; then, how.
    #[track_caller]
    fn exits_unheard(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take().expect("just spawned");
        let exited = wait_for(
            "the server answers",
            || {
                let reply = Conn::to(self.port).and_then(|mut conn| conn.try_command(&["PING"]));
                if let Some(status) = child.try_wait().expect("a child") {
                    return Some(Some(status));
                }
                match reply {
                    Ok(Value::Error(text)) if text.starts_with("LOADING") => None,
                    Ok(_) => Some(None),
                    Err(_) => None,
                }
            },
            || self.log_tail(),
        );
        self.child = exited.is_none().then_some(child);
        exited
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A file of its data.
    pub fn data_path(&self, name: &str) -> PathBuf {
        match &self.disk {
            Some(_) => self.path(DATA).join(name),
            None => self.path(name),
        }
    }

    /// Whether it has got the small disk that it was to have.
    pub fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Its small disk.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it has a disk of its own")
    }

    /// Has calls fail from now on: `fsync`, `fdatasync`, `fork`.
    pub fn fail_calls(&self, calls: &[&str]) {
        for call in calls {
            let path = self.path(FAILING_CALLS).join(call);
            File::create(path).expect("a file");
        }
    }

    /// Has the server see a time of day that is wrong by so many seconds.
    pub fn shift_clock(&self, seconds: i64) {
        let path = self.path(FAILING_CALLS).join("clock");
        fs::write(path, seconds.to_string()).expect("a file");
    }

    /// Has all calls succeed again, and the clock show the time.
    pub fn mend_calls(&self) {
        let folder = self.path(FAILING_CALLS);
        for name in names_in(&folder) {
            fs::remove_file(folder.join(name)).expect("a file that is there");
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// A fresh connection.
    #[track_caller]
    pub fn connect(&self) -> Conn {
        match self.try_connect() {
            Ok(conn) => conn,
            Err(error) => panic!("cannot connect: {error}\n{}", self.log_tail()),
        }
    }

    fn try_connect(&self) -> std::io::Result<Conn> {
        let mut conn = Conn::to(self.port)?;
        if let Some(password) = &self.options.password {
            conn.try_command(&["AUTH", password])?;
        }
        Ok(conn)
    }

    /// Runs a command, given as words, on the server's standing test connection.
    #[track_caller]
    pub fn call(&self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.command(&words)
    }

    /// Like `call`, as one line of text.
    #[track_caller]
    pub fn ask(&self, line: &str) -> String {
        self.call(line).to_string()
    }

    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&self, args: &[A]) -> Value {
        let mut standing = self.conn.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(conn) = standing.as_mut()
            && let Ok(value) = conn.try_command(args)
        {
            return value;
        }
        let mut conn = self.connect();
        let reply = conn.try_command(args);
        *standing = Some(conn);
        reply.unwrap_or_else(|error| panic!("no reply: {error}\n{}", self.log_tail()))
    }

    /// Like `command`, for a server that may be dead or stopped.
    pub fn try_ask(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = self
            .try_connect()
            .and_then(|mut conn| conn.try_command(&words));
        reply.ok().map(|value| value.to_string())
    }

    /// One field of INFO; empty if it is not there.
    #[track_caller]
    pub fn info(&self, field: &str) -> String {
        super::info_field(&self.ask("INFO everything"), field)
    }

    #[track_caller]
    pub fn info_number(&self, field: &str) -> i64 {
        let text = self.info(field);
        text.parse()
            .unwrap_or_else(|_| panic!("INFO shows {field} as {text:?}"))
    }

    /// Everything the server has logged since it was first started.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the log, for failure messages.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(40);
        format!(
            "--- log of port {} ---\n{}\n---",
            self.port,
            lines[from..].join("\n")
        )
    }

    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        wait_until(&format!("the log says {text:?}"), || {
            self.log().contains(text)
        });
    }

    /// How many times a text stands in the log.
    pub fn log_count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    pub fn signal(&self, signal: libc::c_int) {
        send_signal(self.pid() as libc::pid_t, signal);
    }

    /// SIGSTOP: the process stands still, its sockets stay open.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    /// SIGKILL, for the server and its children.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            send_signal(-(child.id() as libc::pid_t), libc::SIGKILL);
            child.wait().expect("a killed child can be awaited");
        }
        *self.conn.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    /// SIGKILL, for the server alone: a child that saves goes on until it notices.
    pub fn kill_without_children(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server runs");
            child.wait().expect("a killed child can be awaited");
        }
        *self.conn.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    /// `SHUTDOWN` with these options, and waiting for the end.
    #[track_caller]
    pub fn shutdown(&mut self, options: &str) -> Exit {
        self.connect()
            .send(format!("SHUTDOWN {options}\r\n").as_bytes());
        self.wait_exit()
    }

    /// SIGTERM, and waiting for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> Exit {
        self.signal(libc::SIGTERM);
        self.wait_exit()
    }

    /// Waits for an end that was asked for by other means.
    #[track_caller]
    pub fn wait_exit(&mut self) -> Exit {
        let mut child = self.child.take().expect("the server runs");
        let group = -(child.id() as libc::pid_t);
        let status = wait_for(
            "the server ends",
            || child.try_wait().expect("a child"),
            || {
                send_signal(group, libc::SIGKILL);
                self.log_tail()
            },
        );
        *self.conn.lock().unwrap_or_else(|e| e.into_inner()) = None;
        Exit {
            status,
            log: self.log(),
        }
    }

    /// How the server has ended, if nobody here has ended it.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("a child")?;
        self.child = None;
        *self.conn.lock().unwrap_or_else(|e| e.into_inner()) = None;
        Some(status)
    }

    /// Starts the server again, in the same folder on the same port.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.spawn();
        assert!(
            self.exits_unheard().is_none(),
            "the server did not start again\n{}",
            self.log_tail()
        );
    }

    /// Starts the server again, expecting that it gives up.
    #[track_caller]
    pub fn start_again_and_fail(&mut self) -> Exit {
        self.spawn();
        self.wait_exit()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever sees only the end of what a run has printed has to see this.
            eprintln!("{}\n{}", self.log_tail(), last_panic());
        }
        self.kill();
    }
}

/// A process that a test started by itself; it ends with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends a server that the test did not start as its own child, such as a daemon, however the test
/// ends.
pub struct ShutAtEnd(pub u16);

impl Drop for ShutAtEnd {
    fn drop(&mut self) {
        if let Ok(mut conn) = Conn::to(self.0) {
            let _ = conn.try_command(&["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]);
        }
    }
}

fn send_signal(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: kill(2) touches no memory; the pid is of a child that was not yet awaited.
    unsafe { libc::kill(pid, signal) };
}
