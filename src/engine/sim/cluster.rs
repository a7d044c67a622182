//! Servers and clients together, and what may happen to them.

use std::cell::RefCell;
use std::rc::Rc;

use super::client::{SimClient, Topic, Verdict};
use super::net::{HostId, NOBODY, Net, SharedNet, address_of, nowhere};
use super::node::{self, Node};
use super::oracle::Oracle;
use super::{ledger, load};
use crate::base::rng::Rng;
use crate::config::{Appendfsync, ReplicaLineageGuard, Settings};

/// Clients' machines have numbers from here on.
const FIRST_CLIENT_HOST: HostId = 1000;
/// Clients that write, at most.
const WRITERS_MAX: usize = 6;
/// How long a tree may take to come together, once nothing disturbs it any more.
pub const CONVERGENCE_MS_MAX: u64 = 120_000;

/// See the module's head.
pub struct Cluster {
    /// The network, and with it the clock.
    pub net: SharedNet,
    /// The servers.
    pub nodes: Vec<Node>,
    /// All chance of this run.
    pub rng: Rng,
    /// What must hold.
    pub oracle: Oracle,
    writers: Vec<SimClient>,
    /// Clients that have something to say once and wait for nothing.
    errands: Vec<SimClient>,
    next_serial: u64,
    /// Somebody empties servers now and then; then nothing that was acknowledged needs to be there.
    flushes: bool,
    /// What clients write they write to the journal, too.
    journals: bool,
    next_client_host: HostId,
    /// Whose full syncs servers refuse; an operator insists in the end.
    pub guard: ReplicaLineageGuard,
}

impl Cluster {
    /// So many masters that know nothing of each other. In half of the runs some of them have
    /// append-only files.
    pub fn new(seed: u64, count: usize) -> Cluster {
        // What the servers log is shown where that is asked for.
        if std::env::var_os("RUST_LOG").is_some() {
            let _ = env_logger::builder().is_test(true).try_init();
        }
        let mut rng = Rng::from_seed(seed);
        let net = Rc::new(RefCell::new(Net::new(rng.fork())));
        let mut cluster = Cluster {
            net,
            nodes: Vec::new(),
            rng,
            oracle: Oracle::default(),
            writers: Vec::new(),
            errands: Vec::new(),
            next_serial: 0,
            flushes: seed.is_multiple_of(4),
            journals: false,
            next_client_host: FIRST_CLIENT_HOST,
            guard: node::guard_by(seed),
        };
        let files = cluster.rng.below(2) == 0;
        cluster.journals = files && !cluster.flushes;
        for host in 0..count {
            let mut settings = match files && cluster.rng.below(3) > 0 {
                true => node::settings_with_file(&mut cluster.rng),
                false => node::settings(&mut cluster.rng),
            };
            settings.replica_lineage_guard = cluster.guard;
            let mut node = Node::new(host, settings);
            node.decoys = match cluster.rng.below(6) {
                0 => vec![nowhere()],
                1 => vec![address_of(NOBODY)],
                _ => Vec::new(),
            };
            node.children_fail = true;
            node.keeps_journal = cluster.journals && node.settings.appendonly;
            node.survival.is_exact = true;
            cluster.nodes.push(node);
            cluster.start(host, None);
        }
        cluster
    }

    /// Servers with plain settings, each a replica of the one that `parents` says, or a master.
    pub fn plain(seed: u64, parents: &[Option<HostId>]) -> Cluster {
        Cluster::plain_with(seed, parents, |_| {})
    }

    /// The same with these changes of their settings.
    pub fn plain_with(
        seed: u64,
        parents: &[Option<HostId>],
        configure: impl Fn(&mut Settings),
    ) -> Cluster {
        let mut cluster = Cluster::new(seed, 0);
        for host in 0..parents.len() {
            let mut settings = node::settings(&mut cluster.rng);
            settings.repl_backlog_size = 1024 * 1024;
            settings.repl_backlog_ttl = 3600;
            settings.key_load_delay = 0;
            settings.rdbcompression = false;
            settings.repl_diskless_sync = true;
            settings.repl_diskless_sync_delay = 0;
            configure(&mut settings);
            cluster.nodes.push(Node::new(host, settings));
        }
        for (host, parent) in parents.iter().enumerate() {
            cluster.start(host, *parent);
        }
        cluster
    }

    /// One tree of such servers, with some data, in one place.
    pub fn tree(seed: u64, parents: &[Option<HostId>]) -> Cluster {
        let mut cluster = Cluster::plain(seed, parents);
        cluster.grow_together();
        cluster
    }

    /// Writes to the first server, once it and its tree have come together.
    pub fn grow_together(&mut self) {
        self.write(0, 1);
        self.converge(60_000);
        self.write(0, 20);
        self.converge(20_000);
    }

    /// Starts a server anew with an append-only file that is always synced.
    pub fn start_with_file(&mut self, host: HostId, master: Option<HostId>) {
        self.kill(host);
        self.journals = true;
        let node = &mut self.nodes[host];
        node.settings.appendonly = true;
        node.settings.appendfsync = Appendfsync::Always;
        node.keeps_journal = true;
        node.survival.is_exact = true;
        self.start(host, master);
    }

    /// The server that is nobody's replica, if there is one only.
    pub fn only_master(&self) -> HostId {
        let is_master = |node: &&Node| node.env().is_some_and(|env| !env.replication.is_replica());
        let masters: Vec<&Node> = self.nodes.iter().filter(is_master).collect();
        assert_eq!(masters.len(), 1, "masters");
        masters[0].host
    }

    // ---- Time ----

    /// The time of the run, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.net.borrow().now_us / 1000
    }

    /// Lets time pass.
    pub fn run_ms(&mut self, ms: u64) {
        let until_us = self.net.borrow().now_us + ms * 1000;
        loop {
            self.run_instant();
            let next_us = self.next_us().min(until_us);
            let mut net = self.net.borrow_mut();
            if net.now_us >= until_us {
                return;
            }
            net.now_us = next_us.max(net.now_us + 1);
        }
    }

    /// When something happens next.
    pub fn next_us(&self) -> u64 {
        let nodes = self
            .nodes
            .iter()
            .filter_map(|node| node.wakes_at_us(&self.net));
        let net = self.net.borrow().next_us();
        nodes.chain(net).min().unwrap_or(u64::MAX)
    }

    /// Everything that happens at this instant.
    pub fn run_instant(&mut self) {
        self.net.borrow_mut().settle();
        let now_us = self.net.borrow().now_us;
        for node in &mut self.nodes {
            if node.wakes_at_us(&self.net).is_some_and(|at| at <= now_us) {
                node.run(&self.net);
                node.tell_restored(&mut self.oracle);
                if let Some(env) = node.env() {
                    self.oracle.check(node.host, env, now_us);
                }
            }
        }
        self.check_failovers();
        self.step_clients();
    }

    fn check_failovers(&mut self) {
        let Cluster {
            nodes,
            oracle,
            flushes,
            ..
        } = self;
        for node in nodes.iter() {
            let Some(place) = oracle.check_failover(node.host, node.env()) else {
                continue;
            };
            let master = node.env().and_then(|env| env.replication.master_address());
            let is_target = |node: &&Node| {
                master.is_some_and(|(host, _)| host == address_of(node.host).ip().to_string())
            };
            if let Some(target) = nodes.iter().find(is_target).and_then(Node::env) {
                oracle.check_target(place, target, *flushes);
            }
        }
    }

    fn step_clients(&mut self) {
        let Cluster {
            writers,
            nodes,
            oracle,
            errands,
            ..
        } = self;
        writers.retain_mut(|client| match client.step() {
            Some(replies) => {
                for (topic, verdict) in replies {
                    let node = &mut nodes[client.server];
                    match (topic, verdict) {
                        (Topic::Write { db, key }, Verdict::Fine | Verdict::One) => {
                            if let Some(env) = node.env() {
                                oracle.on_acknowledged(env, db, key);
                            }
                        }
                        (Topic::Stored { serial }, Verdict::One) => {
                            node.survival.note_stored(serial);
                        }
                        _ => {}
                    }
                }
                true
            }
            None => false,
        });
        errands.retain_mut(|client| client.step().is_some() && client.waits_for() > 0);
    }

    // ---- What happens on purpose ----

    /// Starts a server.
    pub fn start(&mut self, host: HostId, master: Option<HostId>) {
        let rng = self.rng.fork();
        if self.nodes[host].is_up() {
            return;
        }
        self.oracle.on_started(host);
        self.nodes[host].start(&self.net, master, rng);
        self.nodes[host].tell_restored(&mut self.oracle);
    }

    /// Kills a server.
    pub fn kill(&mut self, host: HostId) {
        self.nodes[host].kill(&self.net);
    }

    /// Has a client connect to a server.
    pub fn connect(&mut self, server: HostId) -> SimClient {
        let from = self.next_client_host;
        self.next_client_host += 1;
        SimClient::connect(&self.net, from, server)
    }

    /// Has somebody say this to a server.
    pub fn tell(&mut self, server: HostId, line: &str) {
        log::info!("server {server} is told: {line}");
        let mut client = self.connect(server);
        client.say(line);
        self.errands.push(client);
    }

    /// Gives a server another master, or none.
    pub fn follow(&mut self, server: HostId, master: Option<HostId>) {
        match master {
            Some(master) => self.tell(server, &format!("REPLICAOF n{master} 6379")),
            None => self.tell(server, "REPLICAOF NO ONE"),
        }
    }

    /// Masters send no pings from now on, and nobody misses them.
    pub fn without_pings(&mut self) {
        for host in 0..self.nodes.len() {
            self.tell(
                host,
                "CONFIG SET repl-ping-replica-period 3600 repl-timeout 3600",
            );
        }
        self.run_ms(500);
    }

    /// Has a client write so often to a server, and waits until all of it was answered. Nothing of
    /// it changes anything later.
    pub fn write(&mut self, server: HostId, count: usize) {
        self.begin_to_write(server, count);
        for _ in 0..100 {
            self.run_ms(50);
            if self.writers.iter().all(|writer| writer.waits_for() == 0) {
                return;
            }
        }
        panic!("writes to server {server} were not answered");
    }

    /// Somebody has changed the data of a server behind its back.
    pub fn distrust(&mut self, host: HostId) {
        self.oracle.distrust(host);
    }

    /// What writers wait for will not come: their server is gone.
    pub fn forget_writers(&mut self) {
        self.writers.clear();
    }

    /// The same without waiting.
    pub fn begin_to_write(&mut self, server: HostId, count: usize) {
        let mut client = self.connect(server);
        for _ in 0..count {
            self.next_serial += 1;
            match self.journals {
                true => load::write_with_number(&mut client, self.next_serial, &mut self.rng),
                false => load::write_plainly(&mut client, self.next_serial, &mut self.rng),
            }
        }
        self.writers.push(client);
    }

    /// Has some client write to a server, together with the next number of its journal. Of the
    /// number the server learns last, and of both at once.
    pub fn write_to_journal(&mut self, server: HostId, clients: usize) {
        if self.writers.len() < clients {
            let client = self.connect(server);
            self.writers.push(client);
        }
        let which = self.rng.below(self.writers.len() as u64) as usize;
        self.next_serial += 1;
        let (serial, client) = (self.next_serial, &mut self.writers[which]);
        load::write_to_journal(client, serial, &mut self.rng);
    }

    // ---- What happens by chance ----

    fn random_host(&mut self) -> HostId {
        self.rng.below(self.nodes.len() as u64) as HostId
    }

    /// Some client writes to some server.
    pub fn say_something(&mut self) {
        if self.writers.len() < WRITERS_MAX {
            let server = self.random_host();
            let client = self.connect(server);
            self.writers.push(client);
        }
        let which = self.rng.below(self.writers.len() as u64) as usize;
        self.next_serial += 1;
        let client = &mut self.writers[which];
        match self.journals {
            true => load::write_with_number(client, self.next_serial, &mut self.rng),
            false => load::write(client, self.next_serial, &mut self.rng),
        }
        if self.rng.below(30) == 0 {
            self.writers.swap_remove(which);
        }
    }

    /// One thing that may happen to a tree of servers.
    pub fn disturb(&mut self) {
        let (a, b) = (self.random_host(), self.random_host());
        match self.rng.below(30) {
            0..=3 => self.net.borrow_mut().cut(a, b),
            4 if a != b => self.net.borrow_mut().silence(a, b),
            5 => self.net.borrow_mut().heal(),
            6 => self.kill(a),
            7 => self.nodes[a].terminate(&self.net),
            8 => self.nodes[a].lose_power(&self.net),
            9..=11 => self.start(a, (a != b).then_some(b)),
            12..=14 if a != b => self.follow(a, Some(b)),
            15 => self.follow(a, None),
            16 | 17 => self.tell(a, "BGSAVE"),
            18 => {
                let us = self.rng.below(8_000_000);
                self.nodes[a].frozen_until_us = self.net.borrow().now_us + us;
            }
            // A replica ends that cannot write its file.
            19 if !self.nodes[a].settings.appendonly => self.nodes[a].disk.set_full(true),
            20 => self.nodes[a].disk.set_full(false),
            21 => {
                let us = self.rng.below(20_000);
                self.nodes[a].disk.set_speed(us);
            }
            22 => self.change_settings(a),
            23 if self.flushes => self.tell(a, "FLUSHALL"),
            24 => self.tell(a, "SAVE"),
            25..=28 => self.fail_over(a, b),
            _ => self.abandon_a_write(a),
        }
    }

    /// A server is told to hand over, perhaps to a certain one, or to leave that be.
    fn fail_over(&mut self, host: HostId, target: HostId) {
        let target = address_of(target).ip();
        let ms = 1 + self.rng.below(3000);
        match self.rng.below(8) {
            0 => self.tell(host, "FAILOVER ABORT"),
            1 => {
                self.oracle.on_forced(host);
                let line = format!("FAILOVER TO {target} 6379 FORCE TIMEOUT {ms}");
                self.tell(host, &line);
            }
            2 => self.tell(host, &format!("FAILOVER TO {target} 6379 TIMEOUT {ms}")),
            3 => self.tell(host, &format!("FAILOVER TO {target} 6379")),
            4 => self.tell(host, "FAILOVER"),
            _ => self.tell(host, &format!("FAILOVER TIMEOUT {ms}")),
        }
    }

    fn change_settings(&mut self, host: HostId) {
        let settings = node::settings(&mut self.rng);
        let diskless = if settings.repl_diskless_sync {
            "yes"
        } else {
            "no"
        };
        let backlog = settings.repl_backlog_size;
        self.tell(
            host,
            &format!("CONFIG SET repl-diskless-sync {diskless} repl-backlog-size {backlog}"),
        );
    }

    /// A client has its write held back by a pause, and goes; then the pause ends.
    pub fn abandon_a_write(&mut self, host: HostId) {
        if !self.nodes[host].is_up() || self.nodes[host].frozen_until_us > 0 {
            return;
        }
        let mut admin = self.connect(host);
        admin.say("CLIENT PAUSE 100000 WRITE");
        if !self.is_answered(&mut admin) {
            return;
        }
        let mut doomed = self.connect(host);
        self.next_serial += 1;
        let key = format!("ghost{}", self.next_serial);
        // Should it be done after all, it is nothing that lasts.
        doomed.say(&format!("SET {key} 1 EX 100000"));
        doomed.say("PING");
        for _ in 0..10 {
            self.run_ms(20);
            let _ = doomed.step();
        }
        let arrived = doomed.has_sent_all();
        drop(doomed);
        self.run_ms(200);
        if arrived {
            self.oracle.on_abandoned(key.into_bytes());
        }
        admin.say("CLIENT UNPAUSE");
        self.is_answered(&mut admin);
    }

    /// Whether a server answers somebody soon.
    fn is_answered(&mut self, client: &mut SimClient) -> bool {
        for _ in 0..50 {
            if client.step().is_none() {
                return false;
            }
            if client.waits_for() == 0 {
                return true;
            }
            self.run_ms(20);
        }
        false
    }

    // ---- The end ----

    /// Ends all trouble and puts the servers into one tree; returns its root.
    pub fn settle(&mut self) -> HostId {
        self.net.borrow_mut().heal();
        for node in &mut self.nodes {
            node.frozen_until_us = 0;
            node.disk.set_full(false);
            node.disk.set_speed(0);
        }
        let count = self.nodes.len();
        // One that was told to leave and waited may still go.
        self.run_ms(15_000);
        // One that loads answers nobody, and one that was told to leave while it loaded leaves when
        // it has loaded.
        loop {
            for host in 0..count {
                self.start(host, None);
            }
            self.run_ms(1000);
            if self
                .nodes
                .iter()
                .all(|node| node.is_up() && !node.is_loading())
            {
                break;
            }
        }
        let root = self.random_host();
        let mut masters = vec![None; count];
        for step in 1..count {
            let above = self.rng.below(step as u64) as usize;
            masters[(root + step) % count] = Some((root + above) % count);
        }
        for host in 0..count {
            self.tell(host, "FAILOVER ABORT");
        }
        self.run_ms(1000);
        self.arrange(&masters);
        for host in 0..count {
            self.tell(host, "CLIENT UNPAUSE");
        }
        self.run_ms(1000);
        root
    }

    /// Gives every server the master that it shall have. One that happens to load what its old
    /// master has sent refuses that, and is told again.
    fn arrange(&mut self, masters: &[Option<HostId>]) {
        for (host, master) in masters.iter().enumerate() {
            self.follow(host, *master);
        }
        let deadline_ms = self.now_ms() + CONVERGENCE_MS_MAX;
        loop {
            self.run_ms(1000);
            let obeys = |(node, master): &(&Node, &Option<HostId>)| {
                let wanted = master.map(|master| format!("n{master}"));
                let env = node.env().expect("it runs");
                env.config.replicaof.as_ref().map(|has| has.host.clone()) == wanted
            };
            let pairs = self.nodes.iter().zip(masters);
            let refused = pairs.filter(|pair| !obeys(pair));
            let refused: Vec<HostId> = refused.map(|(node, _)| node.host).collect();
            if refused.is_empty() {
                return;
            }
            assert!(self.now_ms() < deadline_ms, "{refused:?} do not obey");
            for host in refused {
                self.follow(host, masters[host]);
            }
        }
    }

    /// All servers must come to stand where the root does, and all that was acknowledged in its
    /// history must be there. Some trees have to do without the pings of their masters, which would
    /// wake a replica that has forgotten to read on.
    pub fn check_convergence(&mut self, root: HostId) {
        if self.rng.below(2) == 0 {
            self.without_pings();
        }
        self.write(root, 3);
        self.insist();
        self.converge(CONVERGENCE_MS_MAX);
        let env = self.nodes[root].env().expect("it runs");
        self.oracle.check_abandoned(env);
        if !self.flushes {
            self.oracle.check_acknowledged(env);
        }
        ledger::check_all(&self.nodes, &self.oracle);
    }
}
