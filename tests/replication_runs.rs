//! Random runs with real processes: writes at full speed, a link cut or a server killed at a random
//! moment, and at the end the same data at the same offset everywhere.
//!
//! A chain or a star of three servers, chosen by the seed like everything else. `STOCK_REDIS` may
//! name another `redis-server`; then each run mixes it with ours. The simulator in
//! `src/replication/sim` tries many more orders of events; here the sockets, forks, files and loads
//! are real.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tanist::base::rng::Rng;
use tempfile::TempDir;

const OURS: &str = env!("CARGO_BIN_EXE_redis-server");
const SERVERS: usize = 3;
const DATABASES: usize = 4;
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(60);

struct Server {
    port: u16,
    program: String,
    options: Vec<String>,
    folder: TempDir,
    process: Child,
}

impl Server {
    fn start(program: String, options: Vec<String>, master: Option<u16>) -> Server {
        let port = free_port();
        let folder = TempDir::new().expect("a temporary folder");
        let process = spawn(&program, port, &options, &folder, master);
        let server = Server {
            port,
            program,
            options,
            folder,
            process,
        };
        server.wait_until_it_answers();
        server
    }

    /// Dies as by a power cut, and comes back; without its snapshot file, if it is to forget.
    fn kill_and_restart(&mut self, master: Option<u16>, forget: bool) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was killed");
        if forget {
            let _ = std::fs::remove_file(self.folder.path().join("dump.rdb"));
        }
        self.process = spawn(
            &self.program,
            self.port,
            &self.options,
            &self.folder,
            master,
        );
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.ask::<String>(&["PING"]).is_err() {
            assert!(Instant::now() < deadline, "{} does not answer", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connect()?)
    }

    fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let client = redis::Client::open(("127.0.0.1", self.port))?;
        let connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(connection)
    }

    /// The fields of `INFO replication` that say where the server is.
    fn place(&self) -> Option<(String, String, bool)> {
        let info: String = self.ask(&["INFO", "replication"]).ok()?;
        let field = |name: &str| {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::to_owned)
        };
        let up = field("master_link_status").is_none_or(|status| status == "up");
        Some((field("master_replid")?, field("master_repl_offset")?, up))
    }

    /// All databases: keys, values, and when they expire.
    fn data(&self) -> BTreeMap<(usize, String), (String, i64)> {
        let mut connection = self.connect().expect("a server that answers");
        let mut data = BTreeMap::new();
        for db in 0..DATABASES {
            let mut on = |words: &[&str]| {
                let mut command = redis::cmd(words[0]);
                command
                    .arg(&words[1..])
                    .query::<redis::Value>(&mut connection)
                    .expect("an answer")
            };
            on(&["SELECT", &db.to_string()]);
            let keys: Vec<String> = redis::from_redis_value(on(&["KEYS", "*"])).expect("keys");
            for key in keys {
                let value = redis::from_redis_value(on(&["GET", &key])).expect("a string");
                let expiry = redis::from_redis_value(on(&["PEXPIRETIME", &key])).expect("a time");
                data.insert((db, key), (value, expiry));
            }
        }
        data
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(
    program: &str,
    port: u16,
    options: &[String],
    folder: &TempDir,
    master: Option<u16>,
) -> Child {
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--dir"])
        .arg(folder.path());
    command
        .arg("--logfile")
        .arg(folder.path().join("log"))
        .args(options);
    if let Some(master) = master {
        command.args(["--replicaof", &format!("127.0.0.1 {master}")]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the server starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Writes to the server at a port that may change, as fast as it takes it, until told to stop.
fn write_until(stop: &AtomicBool, target: &AtomicU16, mut rng: Rng) {
    while !stop.load(Ordering::Relaxed) {
        let port = target.load(Ordering::Relaxed);
        let _ = write_batches(stop, target, port, &mut rng);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn write_batches(
    stop: &AtomicBool,
    target: &AtomicU16,
    port: u16,
    rng: &mut Rng,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut replies = [0; 65536];
    while !stop.load(Ordering::Relaxed) && target.load(Ordering::Relaxed) == port {
        let mut batch = String::new();
        for _ in 0..40 {
            let key = rng.below(2000);
            batch += &match rng.below(6) {
                0 => format!("SELECT {}\r\n", rng.below(DATABASES as u64)),
                1 => format!("SET k{key} {}\r\n", "v".repeat(1 + rng.below(300) as usize)),
                2 => format!("INCR c{}\r\n", key % 50),
                3 => format!("APPEND a{} x\r\n", key % 50),
                4 => format!("SET e{key} v PX {}\r\n", 1_000_000 + rng.below(1_000_000)),
                _ => format!("DEL k{key}\r\n"),
            };
        }
        stream.write_all(batch.as_bytes())?;
        if stream.read(&mut replies)? == 0 {
            break;
        }
    }
    Ok(())
}

struct Run {
    servers: Vec<Server>,
    /// Whom each follows.
    masters: [Option<usize>; SERVERS],
    rng: Rng,
    target: Arc<AtomicU16>,
    events: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::from_seed(seed);
        let yes_or_no = |rng: &mut Rng| ["yes", "no"][rng.below(2) as usize].to_owned();
        let mut options: Vec<String> = ["--save", "", "--repl-diskless-sync-delay", "0"]
            .map(str::to_owned)
            .to_vec();
        options.extend([
            "--repl-timeout".into(),
            "10".into(),
            "--repl-diskless-sync".into(),
        ]);
        options.push(yes_or_no(&mut rng));
        options.push("--repl-diskless-load".into());
        options.push(["disabled", "swapdb", "on-empty-db"][rng.below(3) as usize].into());
        options.push("--repl-backlog-size".into());
        options.push(["64kb", "1mb", "16mb"][rng.below(3) as usize].into());
        let stock = std::env::var("STOCK_REDIS").ok();
        let masters = [None, Some(0), Some(rng.below(2) as usize)];
        let mut servers: Vec<Server> = Vec::new();
        for master in masters {
            let program = stock
                .clone()
                .filter(|_| rng.below(3) == 0)
                .unwrap_or(OURS.to_owned());
            let port = master.map(|master: usize| servers[master].port);
            servers.push(Server::start(program, options.clone(), port));
        }
        let target = Arc::new(AtomicU16::new(servers[0].port));
        Run {
            servers,
            masters,
            rng,
            target,
            events: vec![format!("{options:?}")],
        }
    }

    fn root(&self) -> usize {
        self.masters
            .iter()
            .position(Option::is_none)
            .expect("one is the master")
    }

    fn follow(&mut self, replica: usize, master: usize) {
        let port = self.servers[master].port.to_string();
        let _ = self.servers[replica].ask::<redis::Value>(&["REPLICAOF", "127.0.0.1", &port]);
        self.masters[replica] = Some(master);
    }

    fn restart(&mut self, at: usize, forget: bool) {
        let master = self.masters[at].map(|master| self.servers[master].port);
        self.servers[at].kill_and_restart(master, forget);
    }

    /// One misfortune.
    fn disturb(&mut self) {
        let root = self.root();
        let replica = (root + 1 + self.rng.below(SERVERS as u64 - 1) as usize) % SERVERS;
        let kind = self.rng.below(6);
        self.events.push(format!("{kind} {replica}"));
        let server = &self.servers[replica];
        match kind {
            0 => drop(self.servers[root].ask::<i64>(&["CLIENT", "KILL", "TYPE", "replica"])),
            1 => drop(server.ask::<i64>(&["CLIENT", "KILL", "TYPE", "master"])),
            2 => self.restart(replica, false),
            3 => {
                let _ = server.ask::<String>(&["SAVE"]);
                self.restart(replica, false);
            }
            4 => {
                let _ = self.servers[root].ask::<String>(&["SAVE"]);
                self.restart(root, false);
            }
            _ => self.promote(replica),
        }
    }

    /// Makes a replica the master of all; the old one follows it.
    fn promote(&mut self, replica: usize) {
        let _ = self.servers[replica].ask::<String>(&["REPLICAOF", "NO", "ONE"]);
        self.masters[replica] = None;
        for other in (0..SERVERS).filter(|other| *other != replica) {
            self.follow(other, replica);
        }
        self.target
            .store(self.servers[replica].port, Ordering::Relaxed);
    }

    fn converge(&self) {
        let deadline = Instant::now() + CONVERGENCE_LIMIT;
        loop {
            let places: Vec<_> = self.servers.iter().map(Server::place).collect();
            let first = &places[0];
            if first.is_some() && places.iter().all(|place| place == first && is_up(place)) {
                return;
            }
            let events = &self.events;
            assert!(
                Instant::now() < deadline,
                "no convergence: {places:#?} after {events:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn is_up(place: &Option<(String, String, bool)>) -> bool {
    matches!(place, Some((_, _, true)))
}

fn random_run(seed: u64) {
    let mut run = Run::new(seed);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (stop, target) = (Arc::clone(&stop), Arc::clone(&run.target));
        let rng = Rng::from_seed(seed);
        std::thread::spawn(move || write_until(&stop, &target, rng))
    };
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(run.rng.below(1500)));
        run.disturb();
    }
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
    run.converge();
    let data: Vec<_> = run.servers.iter().map(Server::data).collect();
    assert!(!data[0].is_empty(), "something was written");
    for (at, other) in data.iter().enumerate().skip(1) {
        assert_eq!(
            data[0].len(),
            other.len(),
            "keys of server {at} after {:?}",
            run.events
        );
        assert!(
            data[0] == *other,
            "data of server {at} after {:?}",
            run.events
        );
    }
}

fn random_runs(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let run = std::panic::catch_unwind(|| random_run(seed));
        assert!(run.is_ok(), "the run of seed {seed} failed");
    }
}

#[test]
fn servers_hold_the_same_data_after_any_misfortune() {
    random_runs(0..3);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_runs() {
    random_runs(100..150);
}
