//! Sentinels and servers in one room: the machines that run, servers that are played, a network and
//! a clock that a test turns.
//!
//! A server here has a role, an offset and a master, and answers what a Sentinel asks. Everything
//! that is sent takes its time, and what is sent over a link that is cut comes when it is healed,
//! as over TCP. Whole servers, with data and clients, are in the simulator of the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use super::action::{Action, Answer, ConnId, Ends, LinkEnd, Verdict};
use super::{Own, Sentinel};
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterConfig, MasterOptions, SentinelConfig};
use crate::resp::reply::Value;
use crate::resp::reply_parser::ReplyParser;

/// How long a message takes, in milliseconds: at least, and up to so much more.
const LATENCY_MS: u64 = 1;
/// A message that meets a cut is tried again after this time.
const RETRANSMIT_MS: u64 = 100;
/// Servers look at their masters this often.
const REPLICATE_MS: u64 = 10;
/// A replica that was told another master needs so long to follow it.
const SYNC_MS: u64 = 50;

/// A Sentinel or a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    Sentinel(usize),
    Server(usize),
}

impl Place {
    pub fn ip(self) -> IpAddr {
        let (net, n) = match self {
            Place::Sentinel(n) => (1, n),
            Place::Server(n) => (2, n),
        };
        IpAddr::from([10, net, (n / 250) as u8, (n % 250) as u8 + 1])
    }

    fn at(host: &str) -> Option<Place> {
        let IpAddr::V4(ip) = host.parse().ok()? else {
            return None;
        };
        let [_, net, high, low] = ip.octets();
        let n = usize::from(high) * 250 + usize::from(low) - 1;
        match net {
            1 => Some(Place::Sentinel(n)),
            2 => Some(Place::Server(n)),
            _ => None,
        }
    }
}

/// How a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Process {
    Running,
    /// Its machine takes connections, and nobody answers.
    Stopped,
    Dead,
}

/// A server that is played.
pub struct Server {
    pub process: Process,
    /// Its master; none is a master.
    pub master: Option<usize>,
    pub offset: u64,
    pub priority: u32,
    pub link_up: bool,
    /// Since when the link is down, or when it was told of another master.
    pub since_ms: u64,
    pub has_failover: bool,
    pub reconfigured: u32,
    run: u32,
    subscribers: BTreeSet<(usize, ConnId)>,
}

/// A Sentinel's seat: the machine while it runs, and its disk.
pub struct Seat {
    pub machine: Option<Sentinel>,
    pub process: Process,
    pub disk: SentinelConfig,
    pub save_ms: u64,
    pub saves_fail: bool,
    pub answers: Vec<(u64, Answer)>,
    /// Runs of the process; what was on its way to an older one is lost.
    run: u32,
}

/// Something that happens at its time.
enum Delivery {
    /// What has gone out first over a wire, and has not arrived, arrives at its other end.
    Up(usize, ConnId),
    /// The same at the Sentinel.
    Down(usize, ConnId),
    Saved(usize, u64, SentinelConfig),
}

/// What comes to a Sentinel over a wire.
enum Down {
    Connected(Place),
    Closed(LinkEnd),
    Value(Value),
}

/// A connection: what is on its way over it stays in order.
struct Wire {
    to: Place,
    open: bool,
    parser: ReplyParser,
    in_multi: bool,
    up: VecDeque<Vec<Value>>,
    down: VecDeque<Down>,
}

pub struct Rig {
    pub now: Now,
    pub rng: Rng,
    pub seats: Vec<Seat>,
    pub servers: Vec<Server>,
    /// One-way cuts.
    pub cuts: BTreeSet<(Place, Place)>,
    /// Events with the time since the start and the Sentinel.
    pub story: Vec<(u64, usize, String)>,
    pub start_ms: u64,
    coming: BTreeMap<(u64, u64), (u32, Delivery)>,
    wires: HashMap<(usize, ConnId), Wire>,
    /// Votes that a peer has asked for and waits to be told, by our number for the client.
    asked: HashMap<u64, (usize, ConnId)>,
    /// Who was voted for: by Sentinel, master and epoch.
    votes: HashMap<(usize, String, u64), String>,
    /// Who was elected: by master and epoch.
    leaders: HashMap<(String, u64), usize>,
    next: u64,
    next_replicate_ms: u64,
}

impl Rig {
    pub fn new(seed: u64) -> Rig {
        let now = Now::at_unix_ms(1_700_000_000_000);
        Rig {
            now,
            rng: Rng::from_seed(seed),
            seats: Vec::new(),
            servers: Vec::new(),
            cuts: BTreeSet::new(),
            story: Vec::new(),
            start_ms: now.mono_ms(),
            coming: BTreeMap::new(),
            wires: HashMap::new(),
            asked: HashMap::new(),
            votes: HashMap::new(),
            leaders: HashMap::new(),
            next: 0,
            next_replicate_ms: 0,
        }
    }

    /// Groups of a master and its replicas, and Sentinels that watch all of them.
    pub fn group(seed: u64, masters: usize, replicas: usize, sentinels: usize) -> Rig {
        let mut rig = Rig::new(seed);
        for _ in 0..masters {
            let master = rig.add_server(None);
            for _ in 0..replicas {
                rig.add_server(Some(master));
            }
        }
        let quorum = (sentinels / 2 + 1) as u32;
        for _ in 0..sentinels {
            rig.add_sentinel(masters, replicas, quorum);
        }
        rig
    }

    pub fn add_server(&mut self, master: Option<usize>) -> usize {
        self.servers.push(Server {
            process: Process::Running,
            master,
            offset: 1000,
            priority: 100,
            link_up: master.is_some(),
            since_ms: self.now.mono_ms(),
            has_failover: true,
            reconfigured: 0,
            run: 0,
            subscribers: BTreeSet::new(),
        });
        self.servers.len() - 1
    }

    pub fn add_sentinel(&mut self, masters: usize, replicas: usize, quorum: u32) -> usize {
        let master = |n: usize| {
            let mut options = MasterOptions::new(quorum);
            options.down_after_ms = 1000;
            options.failover_timeout_ms = 5000;
            MasterConfig {
                name: name_of(n),
                host: Place::Server(n * (replicas + 1)).ip().to_string(),
                port: 6379,
                options,
                config_epoch: 0,
                leader_epoch: 0,
                replicas: Vec::new(),
                peers: Vec::new(),
            }
        };
        let disk = SentinelConfig {
            id: None,
            current_epoch: 0,
            common: CommonOptions::default(),
            masters: (0..masters).map(master).collect(),
        };
        let n = self.seats.len();
        self.seats.push(Seat {
            machine: None,
            process: Process::Dead,
            disk,
            save_ms: 3,
            saves_fail: false,
            answers: Vec::new(),
            run: 0,
        });
        self.start_sentinel(n);
        n
    }

    // ---- What a test does ----

    pub fn ms(&self) -> u64 {
        self.now.mono_ms() - self.start_ms
    }

    pub fn start_sentinel(&mut self, n: usize) {
        let own = Own {
            port: 26379,
            ..Own::default()
        };
        let rng = Rng::from_seed(self.rng.next_u64());
        let seat = &mut self.seats[n];
        seat.run += 1;
        seat.process = Process::Running;
        let mut machine = Sentinel::new(seat.disk.clone(), own, rng, self.now);
        machine.start(self.now);
        seat.machine = Some(machine);
        self.turn(n);
    }

    pub fn kill_sentinel(&mut self, n: usize) {
        self.seats[n].process = Process::Dead;
        self.seats[n].machine = None;
        self.wires.retain(|(of, _), _| *of != n);
        for server in &mut self.servers {
            server.subscribers.retain(|(of, _)| *of != n);
        }
        self.close_wires_to(Place::Sentinel(n));
    }

    pub fn stop_sentinel(&mut self, n: usize) {
        self.seats[n].process = Process::Stopped;
    }

    pub fn continue_sentinel(&mut self, n: usize) {
        self.seats[n].process = Process::Running;
        self.turn(n);
    }

    pub fn kill_server(&mut self, n: usize) {
        self.servers[n].process = Process::Dead;
        self.servers[n].subscribers.clear();
        self.close_wires_to(Place::Server(n));
    }

    pub fn start_server(&mut self, n: usize) {
        let server = &mut self.servers[n];
        server.process = Process::Running;
        server.run += 1;
        server.link_up = false;
        server.since_ms = self.now.mono_ms();
    }

    fn close_wires_to(&mut self, place: Place) {
        let mut to_close: Vec<(usize, ConnId)> = (self.wires.iter())
            .filter(|(_, wire)| wire.to == place && wire.open)
            .map(|(of, _)| *of)
            .collect();
        to_close.sort();
        for (of, conn) in to_close {
            self.send_down(of, conn, Down::Closed(LinkEnd::Closed));
        }
    }

    /// Cuts both ways between one place and others.
    pub fn isolate(&mut self, place: Place, others: impl IntoIterator<Item = Place>) {
        for other in others {
            self.cuts.insert((place, other));
            self.cuts.insert((other, place));
        }
    }

    pub fn places(&self) -> Vec<Place> {
        let sentinels = (0..self.seats.len()).map(Place::Sentinel);
        sentinels
            .chain((0..self.servers.len()).map(Place::Server))
            .collect()
    }

    fn is_cut(&self, from: Place, to: Place) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// Lets so much time pass.
    pub fn run_ms(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms() + ms;
        self.run_until(end_ms, |_| false);
    }

    /// Lets time pass until something holds. The time it took.
    #[track_caller]
    pub fn wait(&mut self, what: &str, limit_ms: u64, holds: impl Fn(&Rig) -> bool) -> u64 {
        let begun_ms = self.now.mono_ms();
        if !self.run_until(begun_ms + limit_ms, &holds) && !holds(self) {
            panic!("{what} within {limit_ms} ms\n{}", self.told());
        }
        self.now.mono_ms() - begun_ms
    }

    /// The story, for failures.
    pub fn told(&self) -> String {
        let line = |(at, n, text): &(u64, usize, String)| format!("{at:>8} S{n} {text}\n");
        let from = self.story.len().saturating_sub(200);
        self.story[from..].iter().map(line).collect()
    }

    fn run_until(&mut self, end_ms: u64, holds: impl Fn(&Rig) -> bool) -> bool {
        loop {
            if holds(self) {
                return true;
            }
            let next = self.next_ms();
            if next > end_ms {
                let left = end_ms.saturating_sub(self.now.mono_ms());
                self.now = self.now.plus_ms(left);
                return false;
            }
            let wait = next.saturating_sub(self.now.mono_ms());
            self.now = self.now.plus_ms(wait);
            self.turn_all();
        }
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        let runs = |n: &usize| self.seats[*n].process == Process::Running;
        (0..self.seats.len()).filter(runs)
    }

    fn next_ms(&self) -> u64 {
        let coming = self.coming.keys().next().map(|(at, _)| *at);
        let due = |n: usize| self.seats[n].machine.as_ref().map(Sentinel::due_ms);
        let due = self.running().filter_map(due).min();
        let all = [coming, due, Some(self.next_replicate_ms)];
        all.into_iter().flatten().min().unwrap_or(0)
    }

    fn turn_all(&mut self) {
        let now_ms = self.now.mono_ms();
        if self.next_replicate_ms <= now_ms {
            self.next_replicate_ms = now_ms + REPLICATE_MS;
            self.replicate();
        }
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 <= now_ms
        {
            let (run, delivery) = entry.remove();
            if let Some(n) = self.arrives(run, delivery) {
                touched.insert(n);
            }
        }
        let running: Vec<usize> = self.running().collect();
        for n in running {
            let due_ms = self.seats[n]
                .machine
                .as_ref()
                .map_or(u64::MAX, Sentinel::due_ms);
            if touched.contains(&n) || due_ms <= now_ms {
                self.turn(n);
            }
        }
    }

    // ---- The network ----

    fn latency_ms(&mut self) -> u64 {
        LATENCY_MS + self.rng.next_u64() % 2
    }

    fn send_down(&mut self, of: usize, conn: ConnId, what: Down) {
        let latency_ms = self.latency_ms();
        self.send_down_in(of, conn, latency_ms, what);
    }

    fn send_down_in(&mut self, of: usize, conn: ConnId, ms: u64, what: Down) {
        if let Some(wire) = self.wires.get_mut(&(of, conn)) {
            wire.down.push_back(what);
            self.send_in(of, ms, Delivery::Down(of, conn));
        }
    }

    fn send_in(&mut self, of: usize, ms: u64, delivery: Delivery) {
        self.next += 1;
        let at = (self.now.mono_ms() + ms, self.next);
        self.coming.insert(at, (self.seats[of].run, delivery));
    }

    fn process_of(&self, place: Place) -> Process {
        match place {
            Place::Server(n) => self.servers.get(n).map(|server| server.process),
            Place::Sentinel(n) => self.seats.get(n).map(|seat| seat.process),
        }
        .unwrap_or(Process::Dead)
    }

    /// Something arrives, or has to wait. The Sentinel that it has reached.
    fn arrives(&mut self, run: u32, delivery: Delivery) -> Option<usize> {
        let (of, way) = match &delivery {
            Delivery::Up(n, conn) => {
                let to = self.wires.get(&(*n, *conn))?.to;
                (*n, (Place::Sentinel(*n), to))
            }
            Delivery::Down(n, conn) => {
                let from = self.wires.get(&(*n, *conn))?.to;
                (*n, (from, Place::Sentinel(*n)))
            }
            Delivery::Saved(n, ..) => (*n, (Place::Sentinel(*n), Place::Sentinel(*n))),
        };
        if self.seats[of].run != run {
            return None;
        }
        let (from, to) = way;
        if self.is_cut(from, to) || self.process_of(to) == Process::Stopped {
            self.send_in(of, RETRANSMIT_MS, delivery);
            return None;
        }
        match delivery {
            Delivery::Up(n, conn) => {
                let argv = self.wires.get_mut(&(n, conn))?.up.pop_front()?;
                self.request(n, conn, to, &argv)
            }
            Delivery::Down(n, conn) => {
                let what = self.wires.get_mut(&(n, conn))?.down.pop_front()?;
                self.comes_down(n, conn, what)
            }
            Delivery::Saved(n, number, config) => {
                let fails = self.seats[n].saves_fail;
                if !fails {
                    self.seats[n].disk = config;
                }
                let result = if fails {
                    Err("No space left".to_owned())
                } else {
                    Ok(())
                };
                let now = self.now;
                self.seats[n]
                    .machine
                    .as_mut()?
                    .on_saved(number, result, now);
                Some(n)
            }
        }
    }

    fn comes_down(&mut self, n: usize, conn: ConnId, what: Down) -> Option<usize> {
        let now = self.now;
        match what {
            Down::Connected(to) => {
                self.wires.get_mut(&(n, conn))?.open = true;
                let ends = Ends {
                    peer: to.ip(),
                    local: Place::Sentinel(n).ip(),
                };
                self.seats[n]
                    .machine
                    .as_mut()?
                    .on_connected(conn, ends, now);
            }
            Down::Closed(why) => {
                self.wires.remove(&(n, conn))?;
                self.seats[n].machine.as_mut()?.on_closed(conn, why, now);
            }
            Down::Value(value) => self.seats[n].machine.as_mut()?.on_value(conn, value, now),
        }
        Some(n)
    }

    fn request(&mut self, of: usize, conn: ConnId, to: Place, argv: &[Value]) -> Option<usize> {
        let text =
            |value: &Value| String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned();
        let argv: Vec<String> = argv.iter().map(text).collect();
        if self.process_of(to) == Process::Dead {
            return None;
        }
        match to {
            Place::Server(n) => {
                let reply = self.server_reply(n, (of, conn), &argv);
                self.reply(of, conn, reply);
                None
            }
            Place::Sentinel(n) => {
                if let Some(reply) = self.sentinel_reply(n, (of, conn), &argv) {
                    self.reply(of, conn, reply);
                }
                Some(n)
            }
        }
    }

    fn reply(&mut self, of: usize, conn: ConnId, value: Value) {
        self.send_down(of, conn, Down::Value(value));
    }

    // ---- Servers ----

    fn replicate(&mut self) {
        let now_ms = self.now.mono_ms();
        for n in 0..self.servers.len() {
            let server = &self.servers[n];
            if server.process != Process::Running {
                continue;
            }
            let Some(master) = server.master else {
                continue;
            };
            let of = &self.servers[master];
            let cut = self.is_cut(Place::Server(n), Place::Server(master))
                || self.is_cut(Place::Server(master), Place::Server(n));
            let up = of.process == Process::Running && !cut && (of.master.is_none() || of.link_up);
            let offset = of.offset;
            let server = &mut self.servers[n];
            if up && (server.link_up || now_ms >= server.since_ms + SYNC_MS) {
                server.link_up = true;
                server.offset = offset;
            } else if !up && server.link_up {
                server.link_up = false;
                server.since_ms = now_ms;
            }
        }
    }

    fn server_reply(&mut self, n: usize, from: (usize, ConnId), argv: &[String]) -> Value {
        let simple = |text: &str| Value::Simple(text.as_bytes().to_vec());
        let Some(wire) = self.wires.get_mut(&from) else {
            return simple("OK");
        };
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        if wire.in_multi && words[0] != "EXEC" {
            if words[0] == "SLAVEOF" {
                self.slaveof(n, words[1], words[2]);
            }
            return simple("QUEUED");
        }
        match words[0] {
            "PING" => simple("PONG"),
            "INFO" => Value::Bulk(self.info(n).into_bytes()),
            "MULTI" => {
                wire.in_multi = true;
                simple("OK")
            }
            "EXEC" => {
                wire.in_multi = false;
                Value::Array(Vec::new())
            }
            "SUBSCRIBE" => {
                self.servers[n].subscribers.insert(from);
                let parts =
                    ["subscribe", words[1]].map(|part| Value::Bulk(part.as_bytes().to_vec()));
                Value::Array(parts.into_iter().chain([Value::Int(1)]).collect())
            }
            "PUBLISH" => {
                for (of, conn) in self.servers[n].subscribers.clone() {
                    let parts = ["message", words[1], words[2]];
                    let parts = parts.map(|part| Value::Bulk(part.as_bytes().to_vec()));
                    self.reply(of, conn, Value::Array(parts.to_vec()));
                }
                Value::Int(1)
            }
            "FAILOVER" if words[1] == "ABORT" => simple("OK"),
            "FAILOVER" if self.servers[n].has_failover => {
                let Some(Place::Server(to)) = Place::at(words[2]) else {
                    return Value::Error(b"ERR no".to_vec());
                };
                let now_ms = self.now.mono_ms();
                self.servers[to].offset = self.servers[n].offset;
                self.servers[to].master = None;
                self.servers[n].master = Some(to);
                self.servers[n].since_ms = now_ms;
                self.servers[n].link_up = false;
                simple("OK")
            }
            "FAILOVER" => Value::Error(b"ERR unknown command 'FAILOVER'".to_vec()),
            _ => simple("OK"),
        }
    }

    fn slaveof(&mut self, n: usize, host: &str, port: &str) {
        let master = match (host, port) {
            ("NO", "ONE") => None,
            _ => match Place::at(host) {
                Some(Place::Server(master)) => Some(master),
                _ => return,
            },
        };
        let now_ms = self.now.mono_ms();
        let server = &mut self.servers[n];
        server.reconfigured += 1;
        if server.master != master {
            server.master = master;
            server.link_up = false;
            server.since_ms = now_ms;
        }
    }

    fn info(&self, n: usize) -> String {
        let server = &self.servers[n];
        let mut info = format!(
            "# Server\r\nrun_id:{n:036}{:04}\r\n# Replication\r\n",
            server.run
        );
        match server.master {
            None => {
                info += &format!("role:master\r\nmaster_repl_offset:{}\r\n", server.offset);
                let replicas = self.servers.iter().enumerate().filter(|(_, other)| {
                    other.master == Some(n) && other.link_up && other.process != Process::Dead
                });
                for (at, (replica, _)) in replicas.enumerate() {
                    let ip = Place::Server(replica).ip();
                    info += &format!("slave{at}:ip={ip},port=6379,state=online,offset=1,lag=0\r\n");
                }
            }
            Some(master) => {
                let status = if server.link_up { "up" } else { "down" };
                info += &format!(
                    "role:slave\r\nmaster_host:{}\r\nmaster_port:6379\r\nmaster_link_status:{status}\r\n\
                     slave_repl_offset:{}\r\nslave_priority:{}\r\n",
                    Place::Server(master).ip(),
                    server.offset,
                    server.priority
                );
                if !server.link_up {
                    let down_s = (self.now.mono_ms() - server.since_ms) / 1000;
                    info += &format!("master_link_down_since_seconds:{down_s}\r\n");
                }
            }
        }
        info
    }

    // ---- Sentinels ----

    fn sentinel_reply(
        &mut self,
        n: usize,
        from: (usize, ConnId),
        argv: &[String],
    ) -> Option<Value> {
        let now = self.now;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let simple = |text: &str| Some(Value::Simple(text.as_bytes().to_vec()));
        let machine = self.seats[n].machine.as_mut()?;
        match words[..] {
            ["PING"] => simple("PONG"),
            ["PUBLISH", _, hello] => {
                machine.on_hello(hello.as_bytes(), now);
                Some(Value::Int(1))
            }
            [
                "SENTINEL",
                "is-master-down-by-addr",
                host,
                port,
                epoch,
                candidate,
            ] => {
                self.next += 1;
                let client = self.next;
                let (port, epoch) = (port.parse().ok()?, epoch.parse().ok()?);
                let candidate = Some(candidate).filter(|candidate| *candidate != "*");
                match machine.is_master_down(client, host, port, epoch, candidate, now) {
                    Some(verdict) => Some(verdict_value(&verdict)),
                    None => {
                        self.asked.insert(client, from);
                        None
                    }
                }
            }
            ["SENTINEL", "get-master-addr-by-name", name] => {
                let address = machine.master(name.as_bytes())?.current_address();
                let parts = [address.host.clone(), address.port.to_string()];
                let parts = parts.map(|part| Value::Bulk(part.into_bytes()));
                Some(Value::Array(parts.to_vec()))
            }
            _ => simple("OK"),
        }
    }

    /// A turn of a Sentinel: it acts, and what it asks for is done.
    pub fn turn(&mut self, n: usize) {
        let now = self.now;
        let Some(machine) = &mut self.seats[n].machine else {
            return;
        };
        machine.act(now);
        for action in machine.take_actions() {
            self.carry_out(n, action);
        }
    }

    fn carry_out(&mut self, n: usize, action: Action) {
        match action {
            Action::Connect {
                conn,
                host,
                timeout_ms,
                ..
            } => self.connect(n, conn, &host, timeout_ms),
            Action::Send { conn, bytes } => self.forward(n, conn, &bytes),
            Action::Close { conn } => {
                self.wires.remove(&(n, conn));
                for server in &mut self.servers {
                    server.subscribers.remove(&(n, conn));
                }
            }
            Action::Publish { event, text } => self.note_event(n, event, &text),
            Action::Log(..) | Action::RunScript { .. } | Action::KillScript { .. } => {}
            Action::Save => {
                let Some(machine) = &self.seats[n].machine else {
                    return;
                };
                let (number, config) = machine.saved_form();
                let ms = self.seats[n].save_ms;
                self.send_in(n, ms, Delivery::Saved(n, number, config));
            }
            Action::Answer { client, answer } => match (self.asked.remove(&client), &answer) {
                (Some((of, conn)), Answer::Verdict(verdict)) => {
                    self.reply(of, conn, verdict_value(verdict));
                }
                _ => self.seats[n].answers.push((client, answer)),
            },
            Action::EndProcess { .. } => self.kill_sentinel(n),
        }
    }

    fn connect(&mut self, n: usize, conn: ConnId, host: &str, timeout_ms: u64) {
        let Some(to) = Place::at(host) else {
            return;
        };
        let wire = Wire {
            to,
            open: false,
            parser: ReplyParser::default(),
            in_multi: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
        };
        self.wires.insert((n, conn), wire);
        let me = Place::Sentinel(n);
        if self.is_cut(me, to) || self.is_cut(to, me) {
            let failed = LinkEnd::Failed("timed out".to_owned());
            // Its other end is of no importance.
            self.wires.get_mut(&(n, conn)).expect("it was just made").to = me;
            self.send_down_in(n, conn, timeout_ms, Down::Closed(failed));
            return;
        }
        match self.process_of(to) {
            Process::Dead => self.send_down(n, conn, Down::Closed(LinkEnd::Refused)),
            Process::Running | Process::Stopped => self.send_down(n, conn, Down::Connected(to)),
        }
    }

    fn forward(&mut self, n: usize, conn: ConnId, bytes: &[u8]) {
        let Some(wire) = self.wires.get_mut(&(n, conn)) else {
            return;
        };
        wire.parser.feed(bytes);
        let mut count = 0;
        while let Some(Value::Array(argv)) = wire.parser.next_reply().expect("commands") {
            wire.up.push_back(argv);
            count += 1;
        }
        // What goes out together arrives together.
        let latency_ms = self.latency_ms();
        for _ in 0..count {
            self.send_in(n, latency_ms, Delivery::Up(n, conn));
        }
    }

    // ---- What must hold ----

    fn note_event(&mut self, n: usize, event: &'static str, text: &str) {
        let at_ms = self.ms();
        self.story.push((at_ms, n, format!("{event} {text}")));
        if event == "+vote-for-leader" {
            let mut words = text.split(' ');
            let (leader, epoch) = (words.next().unwrap_or_default(), words.next());
            let epoch: u64 = epoch
                .and_then(|epoch| epoch.parse().ok())
                .expect("an epoch");
            // With one master its name need not be known.
            let key = (n, String::new(), epoch);
            let first = self
                .votes
                .entry(key)
                .or_insert_with(|| leader.to_owned())
                .clone();
            if self.masters_len() == 1 {
                assert_eq!(first, leader, "two votes in epoch {epoch}\n{}", self.told());
            }
        }
        if event == "+elected-leader" {
            let name = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let machine = self.seats[n].machine.as_ref().expect("it runs");
            let master = machine.master(name.as_bytes()).expect("a master");
            let attempt = master.failover.attempt();
            let epoch = attempt.map_or(0, |attempt| attempt.epoch);
            if epoch > 0 {
                let first = *self.leaders.entry((name, epoch)).or_insert(n);
                assert_eq!(first, n, "two leaders in epoch {epoch}\n{}", self.told());
            }
        }
    }

    fn masters_len(&self) -> usize {
        self.seats
            .iter()
            .map(|seat| seat.disk.masters.len())
            .max()
            .unwrap_or(0)
    }

    /// Where a Sentinel takes a master to be.
    pub fn named(&self, n: usize, master: usize) -> Option<usize> {
        let machine = self.seats[n].machine.as_ref()?;
        let master = machine.master(name_of(master).as_bytes())?;
        match Place::at(&master.current_address().host) {
            Some(Place::Server(n)) => Some(n),
            _ => None,
        }
    }

    /// Whether all Sentinels that run know each other and the replicas of all masters.
    pub fn is_acquainted(&self, masters: usize, replicas: usize) -> bool {
        let others = self.seats.len() - 1;
        let knows = |n: usize| {
            let Some(machine) = &self.seats[n].machine else {
                return false;
            };
            machine.masters_len() == masters
                && machine.masters().all(|master| {
                    let heard = master.replicas.iter().all(|r| r.view.info_at_ms.is_some());
                    master.replicas.len() == replicas && master.peers.len() == others && heard
                })
        };
        self.running().all(knows)
    }

    /// Whether all Sentinels that run name the same master, which is one and which all other
    /// servers of the group that run follow.
    pub fn is_settled(&self, master: usize, servers: std::ops::Range<usize>) -> bool {
        let mut named = self.running().map(|n| self.named(n, master));
        let Some(Some(first)) = named.next() else {
            return false;
        };
        let runs = |n: &usize| self.servers[*n].process == Process::Running;
        named.all(|other| other == Some(first))
            && self.servers[first].process == Process::Running
            && self.servers[first].master.is_none()
            && servers.filter(runs).all(|n| self.leads_to(n, first))
    }

    /// Whether a server follows another one, perhaps by way of others.
    fn leads_to(&self, n: usize, target: usize) -> bool {
        let mut at = n;
        for _ in 0..self.servers.len() {
            if at == target {
                return true;
            }
            match self.servers[at].master {
                Some(next) if self.servers[at].link_up => at = next,
                _ => return false,
            }
        }
        false
    }
}

fn verdict_value(verdict: &Verdict) -> Value {
    let (leader, epoch) = match &verdict.vote {
        Some((leader, epoch)) => (leader.as_str(), *epoch as i64),
        None => ("*", 0),
    };
    let leader = Value::Bulk(leader.as_bytes().to_vec());
    Value::Array(vec![
        Value::Int(verdict.down.into()),
        leader,
        Value::Int(epoch),
    ])
}

/// What a master is called.
pub fn name_of(n: usize) -> String {
    format!("m{n}")
}
