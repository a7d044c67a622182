//! The server under a service manager, which the tests play.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::harness::*;

const LOADING: &str = "STATUS=Redis is loading...\n";
const READY: [&str; 2] = ["STATUS=Ready to accept connections\n", "READY=1\n"];

/// A service: a server of ours with a manager that listens.
struct Service {
    child: Process,
    port: u16,
    folder: tempfile::TempDir,
    manager: UnixDatagram,
}

impl Service {
    /// A manager at a path in the service's folder.
    fn start(args: &[&str]) -> Service {
        Service::start_by(args, |folder| {
            let path = folder.join("notify");
            let name = path.to_str().unwrap().to_owned();
            (UnixDatagram::bind(path).unwrap(), name)
        })
    }

    fn start_by(
        args: &[&str],
        manager: impl FnOnce(&std::path::Path) -> (UnixDatagram, String),
    ) -> Service {
        let folder = tempfile::tempdir().unwrap();
        let (manager, name) = manager(folder.path());
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let port = free_port();
        let child = Command::new(subject_path())
            .args(["--port", &port.to_string(), "--enable-debug-command", "yes"])
            .args(args)
            .current_dir(folder.path())
            .env_remove("UPSTART_JOB")
            .env("NOTIFY_SOCKET", name)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap();
        Service {
            child: Process(child),
            port,
            folder,
            manager,
        }
    }

    /// The next messages are these.
    #[track_caller]
    fn expect(&self, messages: &[&str]) {
        for message in messages {
            let mut buf = [0; 1024];
            let len = match self.manager.recv(&mut buf) {
                Ok(len) => len,
                Err(e) => panic!("no {message:?}: {e}\n{}", self.log()),
            };
            assert_eq!(String::from_utf8_lossy(&buf[..len]), *message);
        }
    }

    /// Nothing has been said that nobody heard.
    #[track_caller]
    fn expect_silence(&self) {
        self.manager.set_nonblocking(true).unwrap();
        let mut buf = [0; 1024];
        assert!(self.manager.recv(&mut buf).is_err(), "{buf:?}");
        self.manager.set_nonblocking(false).unwrap();
    }

    fn ask(&self, line: &str) -> String {
        Conn::to(self.port).unwrap().ask(line)
    }

    fn supervised(&self) -> (String, String) {
        let field = info_field(&self.ask("INFO server"), "process_supervised");
        (field, self.ask("CONFIG GET supervised"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn terminate(&self) {
        // SAFETY: kill(2) touches no memory; the child was not yet awaited.
        unsafe { libc::kill(self.child.0.id() as i32, libc::SIGTERM) };
    }
}

#[test]
fn systemd_is_told_how_a_server_starts_saves_and_leaves() {
    let mut service = Service::start(&["--supervised", "systemd", "--save", "3600 1"]);
    service.expect(&[LOADING]);
    service.expect(&READY);
    let (field, setting) = service.supervised();
    assert_eq!((&*field, &*setting), ("systemd", "[supervised systemd]"));
    let line = "C ";
    let log = service.log();
    let said = log.lines().find(|l| l.contains("Supervised by systemd."));
    assert!(said.is_some_and(|l| l.contains(line)), "{log}");
    service.expect_silence();
    service.ask("SET a 1");
    service.terminate();
    service.expect(&["STOPPING=1\n", "STATUS=Saving the final RDB snapshot\n"]);
    assert!(service.child.0.wait().unwrap().success());
    service.expect_silence();
}

#[test]
fn systemd_hears_of_readiness_when_the_data_set_is_loaded() {
    let full = Service::start(&["--supervised", "no", "--save", "3600 1"]);
    wait_until("it answers", || Conn::to(full.port).is_ok());
    full.ask("DEBUG POPULATE 2000");
    assert_eq!(full.ask("SAVE"), "OK");
    full.expect_silence();
    let file = std::fs::read(full.folder.path().join("dump.rdb")).unwrap();
    let service = Service::start_by(
        &["--supervised", "systemd", "--key-load-delay", "10000"],
        |folder| {
            std::fs::write(folder.join("dump.rdb"), file).unwrap();
            let path = folder.join("notify");
            let name = path.to_str().unwrap().to_owned();
            (UnixDatagram::bind(path).unwrap(), name)
        },
    );
    service.expect(&[LOADING]);
    wait_until("it loads", || {
        Conn::to(service.port).is_ok_and(|mut c| c.ask("PING").contains("LOADING"))
    });
    service.expect_silence();
    assert_eq!(service.ask("CONFIG SET key-load-delay 0"), "OK");
    service.expect(&READY);
}

#[test]
fn a_manager_with_an_abstract_name_is_found_by_itself_and_keeps_the_server_in_front() {
    let args = [
        "--supervised",
        "auto",
        "--daemonize",
        "yes",
        "--loglevel",
        "verbose",
    ];
    let mut service = Service::start_by(&args, |_| {
        let name = format!("tanist-e2e-{}-{}", std::process::id(), free_port());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        (
            UnixDatagram::bind_addr(&address).unwrap(),
            format!("@{name}"),
        )
    });
    service.expect(&[LOADING]);
    service.expect(&READY);
    let (field, setting) = service.supervised();
    assert_eq!((&*field, &*setting), ("systemd", "[supervised systemd]"));
    assert!(service.log().contains("- Systemd supervision detected."));
    let pid = info_field(&service.ask("INFO server"), "process_id");
    assert_eq!(
        pid,
        service.child.0.id().to_string(),
        "it is not in the background"
    );
    service.terminate();
    service.expect(&["STOPPING=1\n"]);
    service.child.0.wait().unwrap();
}

#[test]
fn a_replica_tells_systemd_of_its_syncs() {
    let master = Server::ours(&[]);
    let replicaof = format!("127.0.0.1 {}", master.port);
    let service = Service::start(&["--supervised", "systemd", "--replicaof", &replicaof]);
    let ready = "STATUS=Ready to accept connections in read-only mode. Waiting for MASTER <-> \
                 REPLICA sync\n";
    service.expect(&[LOADING, ready, "READY=1\n"]);
    service.expect(&[
        "STATUS=MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in \
         read-write mode.\n",
    ]);
    master.ask("CLIENT KILL TYPE replica");
    service.expect(&[
        "STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept \
         connections in read-write mode.\n",
    ]);
}

#[test]
fn a_shutdown_that_fails_is_told_with_its_reason() {
    let service = Service::start(&["--supervised", "systemd", "--save", "3600 1"]);
    service.expect(&[LOADING]);
    service.expect(&READY);
    // A folder stands where the snapshot is to be.
    std::fs::create_dir_all(service.folder.path().join("dump.rdb/full")).unwrap();
    service.ask("SET a 1");
    service.terminate();
    service.expect(&[
        "STOPPING=1\n",
        "STATUS=Saving the final RDB snapshot\n",
        "STATUS=Error trying to save the DB, can't exit.\n",
    ]);
    assert_eq!(service.ask("PING"), "PONG");
}

#[test]
fn a_manager_that_is_not_there_is_missed_in_the_log_and_nowhere_else() {
    for (socket, error) in [
        (
            None,
            "# systemd supervision error: NOTIFY_SOCKET not found!",
        ),
        (
            Some("/no/such/socket"),
            "# systemd supervision error: sd_notify: -2",
        ),
        (
            Some("relative"),
            "# systemd supervision error: sd_notify: -22",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let _end = ShutAtEnd(port);
        let mut command = Command::new(subject_path());
        command
            .args(["--port", &port.to_string(), "--supervised", "systemd"])
            .args(["--daemonize", "yes", "--logfile", "log", "--pidfile", "pid"])
            .current_dir(folder.path())
            .env_remove("NOTIFY_SOCKET");
        if let Some(socket) = socket {
            command.env("NOTIFY_SOCKET", socket);
        }
        assert!(command.status().unwrap().success(), "it detaches");
        wait_until("it answers", || Conn::to(port).is_ok());
        let info = Conn::to(port).unwrap().ask("INFO server");
        assert_eq!(info_field(&info, "process_supervised"), "no");
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        // The greeting, the status and the word that it is ready.
        assert_eq!(log.matches(error).count(), 3, "{log}");
    }
}

#[test]
fn upstart_is_told_by_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = Command::new(subject_path())
        .args(["--port", &port.to_string(), "--supervised", "auto"])
        .current_dir(folder.path())
        .env_remove("NOTIFY_SOCKET")
        .env("UPSTART_JOB", "redis")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    let pid = process.0.id() as i32;
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result; the child is ours.
    unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
    assert!(libc::WIFSTOPPED(status));
    // SAFETY: kill(2) touches no memory; the child was not yet awaited.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    wait_until("it answers", || Conn::to(port).is_ok());
    let info = Conn::to(port).unwrap().ask("INFO server");
    assert_eq!(info_field(&info, "process_supervised"), "upstart");
}
