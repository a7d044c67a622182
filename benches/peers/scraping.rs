//! Part ten: what somebody who watches a server takes of it.
//!
//! A server with 10,000 idle clients, on which every command has been called that can be called
//! without harm, is asked for its figures again and again. One that has a `metrics-port` is asked
//! for the page there, another one for what the usual exporter asks it for. What a scrape takes is
//! the process's time beyond what it takes at rest, the system's part included; a page's part of
//! the event loop is also counted by the server itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::{Peer, Running, SERVER_CORE, cpu_time, free_port, pin};
use crate::report::{Table, median};
use crate::settings::Settings;

const IDLE_CLIENTS: usize = 10_000;
const SCRAPES: u32 = 50;
/// Longer than a page makes the next one wait.
const SCRAPES_APART: Duration = Duration::from_millis(60);
const REST: Duration = Duration::from_secs(3);

/// What is asked where there is no page.
const QUESTIONS: &str = "CONFIG GET *\r\nINFO ALL\r\nLATENCY LATEST\r\nLATENCY HISTOGRAM\r\n\
     SLOWLOG LEN\r\nSLOWLOG GET 1\r\nPING\r\n";

/// What would end the server, its data or the connection's use, or begin work in a child.
const LEFT_OUT: &[&str] = &[
    "acl|load",
    "acl|save",
    "bgrewriteaof",
    "bgsave",
    "client|kill",
    "client|pause",
    "config|resetstat",
    "config|rewrite",
    "config|set",
    "failover",
    "flushall",
    "flushdb",
    "monitor",
    "psubscribe",
    "psync",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
    "ssubscribe",
    "subscribe",
    "sync",
];

pub fn run(settings: &Settings, peers: &[Peer]) {
    if !settings.wants("scrape") {
        return;
    }
    println!(
        "## Scrapes\n\n{IDLE_CLIENTS} idle clients; all commands called that can be; {SCRAPES} \
         scrapes a round, medians of {} rounds.",
        settings.rounds
    );
    let mut samples: Vec<Vec<Sample>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds {
        for (peer, samples) in peers.iter().zip(&mut samples) {
            // One at a time: a process may not have open files for the clients of several.
            samples.push(Subject::prepare(peer).measure());
        }
    }
    for (peer, samples) in peers.iter().zip(&samples) {
        let Sample { rows, bytes, .. } = samples[0];
        println!("\n- {}: {rows} commands, {bytes} bytes", peer.name);
        if samples[0].loop_us.is_some() {
            let in_loop = samples.iter().filter_map(|sample| sample.loop_us);
            let in_loop = median(in_loop.collect());
            println!("  in {in_loop:.0} µs of the loop, by its own count");
        }
    }
    let mut table = Table::begin("Server CPU, µs a scrape", "what", peers, 0);
    let cpu = |samples: &Vec<Sample>| median(samples.iter().map(|s| s.cpu_us).collect());
    table.row("scrape", samples.iter().map(cpu).collect());
    println!();
}

/// A server in the state that it is asked in.
struct Subject {
    server: Running,
    page_port: Option<u16>,
    _idle: Vec<TcpStream>,
}

/// What a scrape took, in the mean of a round.
struct Sample {
    cpu_us: f64,
    /// By the server's own count, if it keeps one.
    loop_us: Option<f64>,
    /// Commands that have figures.
    rows: usize,
    /// All that is told.
    bytes: usize,
}

impl Subject {
    fn prepare(peer: &Peer) -> Subject {
        let server = peer.start_with(&[("maxclients", "12000")]);
        pin(server.pid(), SERVER_CORE);
        let port = free_port();
        let has_page = server.ask(&format!("CONFIG SET metrics-port {port}")) == "+OK";
        let idle = (0..IDLE_CLIENTS).map(|_| {
            let mut client = server.connect();
            client.write_all(b"PING\r\n").expect("the server takes it");
            let mut reply = [0; 7];
            client.read_exact(&mut reply).expect("the server answers");
            client
        });
        let subject = Subject {
            _idle: idle.collect(),
            page_port: has_page.then_some(port),
            server,
        };
        subject.call_everything();
        subject
    }

    /// Calls each command with as many arguments as it wants at least. Most have an error to reply,
    /// and some wait, so nobody waits for replies for long.
    fn call_everything(&self) {
        let table = self.server.ask("COMMAND");
        let mut calls = Vec::new();
        note_calls(&Reply::read(&mut table.split("\r\n")), &mut calls);
        for call in calls {
            let mut client = self.server.connect();
            let patience = Some(Duration::from_millis(100));
            client.set_read_timeout(patience).expect("a time");
            let _ = client.write_all(format!("{call}\r\nQUIT\r\n").as_bytes());
            let _ = client.read_to_end(&mut Vec::new());
        }
    }

    fn command_rows(&self) -> usize {
        let all = self.server.ask("INFO commandstats");
        all.matches("cmdstat_").count()
    }

    fn measure(&self) -> Sample {
        let at_rest = self.cpu_during(|| thread::sleep(REST)).as_secs_f64() / REST.as_secs_f64();
        let (mut bytes, start) = (0, Instant::now());
        let before = self.loop_seconds();
        let spent = self.cpu_during(|| {
            for _ in 0..SCRAPES {
                bytes = self.scrape().len();
                thread::sleep(SCRAPES_APART);
            }
        });
        let beyond = spent.as_secs_f64() - at_rest * start.elapsed().as_secs_f64();
        Sample {
            cpu_us: beyond * 1e6 / f64::from(SCRAPES),
            // The page that tells has not counted itself, but the one before.
            loop_us: before
                .zip(self.loop_seconds())
                .map(|(before, after)| (after - before) * 1e6 / f64::from(SCRAPES + 1)),
            rows: self.command_rows(),
            bytes,
        }
    }

    fn cpu_during(&self, work: impl FnOnce()) -> Duration {
        let before = cpu_time(self.server.pid());
        work();
        cpu_time(self.server.pid()) - before
    }

    fn loop_seconds(&self) -> Option<f64> {
        self.page_port?;
        let page = self.scrape();
        let name = "tanist_metrics_loop_seconds_total ";
        let value = page.lines().find_map(|line| line.strip_prefix(name));
        Some(value.and_then(|v| v.parse().ok()).expect("it is counted"))
    }

    /// All figures, as they come.
    fn scrape(&self) -> String {
        let mut text = Vec::new();
        match self.page_port {
            Some(port) => {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
                let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                stream.write_all(request).expect("the server takes it");
                stream.read_to_end(&mut text).expect("the server answers");
            }
            None => {
                let mut stream = self.server.connect();
                stream
                    .write_all(QUESTIONS.as_bytes())
                    .expect("the server takes it");
                let mut piece = vec![0; 1 << 20];
                while !text.ends_with(b"+PONG\r\n") {
                    let count = stream.read(&mut piece).expect("the server answers");
                    assert!(count > 0, "the server hung up");
                    text.extend_from_slice(&piece[..count]);
                }
            }
        }
        String::from_utf8(text).expect("figures are text")
    }
}

/// As much of the protocol as `COMMAND` replies in.
enum Reply<'a> {
    Array(Vec<Reply<'a>>),
    Word(&'a str),
}

impl<'a> Reply<'a> {
    fn read(lines: &mut impl Iterator<Item = &'a str>) -> Reply<'a> {
        let line = lines.next().expect("a reply");
        let (kind, rest) = line.split_at(1);
        match kind {
            "*" => {
                let count = rest.parse().expect("a number");
                Reply::Array((0..count).map(|_| Reply::read(lines)).collect())
            }
            "$" => Reply::Word(lines.next().expect("a text")),
            _ => Reply::Word(rest),
        }
    }

    fn items(&self) -> &[Reply<'a>] {
        match self {
            Reply::Array(items) => items,
            Reply::Word(_) => &[],
        }
    }

    fn word(&self) -> &'a str {
        match self {
            Reply::Array(_) => "",
            Reply::Word(word) => word,
        }
    }
}

/// Notes a call of each command in this part of the table, and of its subcommands.
fn note_calls(commands: &Reply<'_>, calls: &mut Vec<String>) {
    for command in commands.items() {
        let [name, arity, .., subcommands] = command.items() else {
            panic!("a command has a name, an arity and subcommands");
        };
        note_calls(subcommands, calls);
        let name = name.word();
        if LEFT_OUT.contains(&name) || !subcommands.items().is_empty() {
            continue;
        }
        let arity: i64 = arity.word().parse().expect("a number");
        let mut words: Vec<&str> = name.split('|').collect();
        words.resize(words.len().max(arity.unsigned_abs() as usize), "1");
        calls.push(words.join(" "));
    }
}
