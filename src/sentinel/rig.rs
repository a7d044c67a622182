//! Sentinels and servers in one room: the machines that run, servers that are played, a network and
//! a clock that a test turns.
//!
//! A server here has a role, an offset and a master, and answers what a Sentinel asks. Everything
//! that is sent takes its time, and what is sent over a link that is cut comes when it is healed,
//! as over TCP. Whole servers, with data and clients, are in the simulator of the engine.

mod invariants;
mod seats;
mod servers;
mod wires;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterConfig, MasterOptions, SentinelConfig};
use crate::resp::reply::Value;
use crate::resp::reply_parser::ReplyParser;
use crate::sentinel::action::{Action, Answer, ConnId, Ends, LinkEnd, Verdict};
use crate::sentinel::settings::Own;
use crate::sentinel::state::Sentinel;

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
    /// Whether this process had its link up since it last was a master.
    pub was_linked: bool,
    /// Since when the link is down, or when it was told of another master.
    pub since_ms: u64,
    pub has_failover: bool,
    pub has_config: bool,
    /// It says yes to a new master, and stays where it is.
    pub is_deaf: bool,
    /// How often it was told to write down whom it follows.
    pub reconfigured: u32,
    /// The history that its data are of.
    pub lineage: usize,
    /// The history that it continues.
    pub lineage_before: Option<usize>,
    pub is_empty: bool,
    /// Its guard has turned its master away.
    pub refuses: bool,
    /// Whether it has a guard.
    pub is_guarded: bool,
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
    /// What it was told since `MULTI`; nothing of it is done if something was not understood.
    queued: Option<Result<Vec<String>, ()>>,
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
            was_linked: master.is_some(),
            since_ms: self.now.mono_ms(),
            has_failover: true,
            has_config: true,
            is_deaf: false,
            reconfigured: 0,
            lineage: master.unwrap_or(self.servers.len()),
            lineage_before: None,
            is_empty: false,
            refuses: false,
            is_guarded: true,
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
        (server.link_up, server.was_linked) = (false, false);
        server.since_ms = self.now.mono_ms();
    }

    /// A server is started again without its data.
    pub fn start_emptied(&mut self, n: usize) {
        self.start_server(n);
        self.next += 1;
        let lineage = 1000 + self.next as usize;
        let server = &mut self.servers[n];
        (server.lineage, server.lineage_before) = (lineage, None);
        (server.is_empty, server.offset) = (true, 0);
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
}

/// What a master is called.
pub fn name_of(n: usize) -> String {
    format!("m{n}")
}
