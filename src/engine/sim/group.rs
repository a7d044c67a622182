//! A group: servers, the Sentinels that watch them, and clients that ask those.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use super::client::SimClient;
use super::group_client::{GroupClient, Told};
use super::group_oracle::{GroupOracle, NAME, Reach, ip_of, is_handing_over};
use super::net::{HostId, Net, SharedNet};
use super::node::{Node, SENTINEL_FILE};
use super::oracle::fingerprint;
use crate::base::rng::Rng;
use crate::config::{Appendfsync, Settings};
use crate::sentinel::planted::Bug;

/// Clients' machines have numbers from here on.
const FIRST_CLIENT_HOST: HostId = 1000;
/// The machine of an operator.
const OPERATOR_HOST: HostId = 1020;
/// So long nothing may have disturbed a server for it to be asked for sure, in microseconds.
const CALM_US: u64 = 5_000_000;
/// A replica whose link was down for so long may be passed over, in microseconds.
const UNLINKED_US_MAX: u64 = 4_000_000;
/// The replicas have their copies after this time at most, and then all know each other.
const READY_MS_MAX: u64 = 60_000;

/// What has disturbed whom.
pub struct Troubles {
    /// Until when each host was disturbed, in microseconds.
    of_host: Vec<u64>,
    /// The same of the network between two of them.
    between: HashMap<(HostId, HostId), u64>,
    /// When each server's link to its master was up last, in microseconds.
    linked: Vec<u64>,
    /// Answers come in time, if nothing disturbs anybody.
    is_quick: bool,
}

impl Troubles {
    /// A host is disturbed until then.
    pub fn disturb(&mut self, host: HostId, until_us: u64) {
        self.of_host[host] = self.of_host[host].max(until_us);
    }

    /// A host is disturbed no more.
    pub fn end(&mut self, host: HostId, now_us: u64) {
        self.of_host[host] = self.of_host[host].min(now_us);
    }

    /// The network between two hosts was disturbed.
    pub fn disturb_between(&mut self, a: HostId, b: HostId, until_us: u64) {
        self.between.insert((a.min(b), a.max(b)), until_us);
    }

    /// It is disturbed no more.
    pub fn end_between(&mut self, now_us: u64) {
        for until in self.between.values_mut() {
            *until = (*until).min(now_us);
        }
    }
}

impl Reach for Troubles {
    fn could_ask(&self, sentinel: HostId, server: HostId, since_us: u64) -> bool {
        let pair = (sentinel.min(server), sentinel.max(server));
        let between = self.between.get(&pair).copied().unwrap_or(0);
        let troubled = [self.of_host[sentinel], self.of_host[server], between];
        let is_calm = troubled.iter().all(|until| *until + CALM_US <= since_us);
        self.is_quick && is_calm && self.linked[server] + UNLINKED_US_MAX >= since_us
    }
}

/// See the module's head.
pub struct Group {
    /// The network, and with it the clock.
    pub net: SharedNet,
    /// The servers, and behind them the Sentinels.
    pub nodes: Vec<Node>,
    /// How many of them are servers.
    pub servers: usize,
    /// All chance of this run.
    pub rng: Rng,
    /// What must hold.
    pub oracle: GroupOracle,
    /// What has disturbed whom.
    pub troubles: Troubles,
    /// What has happened, with its time in microseconds.
    pub story: Vec<(u64, String)>,
    /// Servers keep what they have told.
    pub keeps: bool,
    /// Clients go on.
    pub clients_write: bool,
    clients: Vec<GroupClient>,
    /// Somebody gives an order.
    orders: Vec<SimClient>,
    next_serial: u64,
    /// Which servers were replicas, and ran, when they were last looked at.
    were_replicas: Vec<bool>,
    were_up: Vec<bool>,
}

fn settings(rng: &mut Rng, keeps: bool) -> Settings {
    let mut settings = super::node::settings(rng);
    settings.save.0.clear();
    settings.key_load_delay = 0;
    settings.repl_backlog_size = 1024 * 1024;
    settings.repl_backlog_ttl = 3600;
    settings.repl_diskless_sync_delay = 0;
    settings.appendonly = keeps;
    settings.appendfsync = Appendfsync::Always;
    settings
}

impl Group {
    /// One master with replicas, and Sentinels that know all of them and each other.
    pub fn new(seed: u64, bug: Option<Bug>) -> Group {
        if std::env::var_os("RUST_LOG").is_some() {
            let _ = env_logger::builder().is_test(true).try_init();
        }
        let mut rng = Rng::from_seed(seed);
        let servers = 2 + rng.below(3) as usize;
        let sentinels = 3 + rng.below(3) as usize;
        let quorum = 1 + rng.below(sentinels as u64) as usize;
        let keeps = rng.below(2) == 0;
        let is_quick = rng.below(4) > 0;
        let net = Rc::new(RefCell::new(Net::new(rng.fork())));
        if !is_quick {
            net.borrow_mut().latency_us_max = 30_000 + rng.below(150_000);
        }
        let count = servers + sentinels;
        let mut group = Group {
            net,
            nodes: Vec::new(),
            servers,
            oracle: GroupOracle::new(sentinels, quorum, 0),
            troubles: Troubles {
                of_host: vec![0; count],
                between: HashMap::new(),
                linked: vec![0; count],
                is_quick,
            },
            story: Vec::new(),
            keeps,
            clients_write: false,
            clients: Vec::new(),
            orders: Vec::new(),
            next_serial: 0,
            were_replicas: vec![false; count],
            were_up: vec![false; count],
            rng,
        };
        group.add_servers();
        group.wait("they do not follow", Group::is_following);
        group.add_sentinels(quorum, bug);
        group.add_clients();
        group.tell(format!(
            "{servers} servers, {sentinels} Sentinels, quorum {quorum}, files {keeps}"
        ));
        group.wait("they do not find each other", Group::is_acquainted);
        group.clients_write = true;
        group.run_ms(1000);
        group
    }

    fn wait(&mut self, otherwise: &str, holds: impl Fn(&Group) -> bool) {
        let deadline_ms = self.now_ms() + READY_MS_MAX;
        while !holds(self) {
            assert!(self.now_ms() < deadline_ms, "{otherwise}");
            self.run_ms(100);
        }
    }

    /// Whether all replicas have their copy.
    fn is_following(&self) -> bool {
        self.nodes[1..].iter().all(|node| {
            let env = node.env();
            env.is_some_and(|env| env.replication.is_link_up())
        })
    }

    fn add_servers(&mut self) {
        for host in 0..self.servers {
            let mut settings = settings(&mut self.rng, self.keeps);
            settings.replicaof = (host > 0).then(|| crate::config::MasterAddress {
                host: ip_of(0),
                port: 6379,
            });
            self.nodes.push(Node::new(host, settings));
            self.start(host);
        }
    }

    fn add_sentinels(&mut self, quorum: usize, bug: Option<Bug>) {
        let rng = &mut self.rng;
        let down_after = 500 + rng.below(1500);
        let refused = ["", "sentinel down-after-refused-milliseconds m 0\n"];
        let text = format!(
            "sentinel monitor m {} 6379 {quorum}\n\
             sentinel down-after-milliseconds m {down_after}\n{}\
             sentinel failover-timeout m {}\nsentinel parallel-syncs m {}\n",
            ip_of(0),
            refused[usize::from(rng.below(4) == 0)],
            3000 + rng.below(6000),
            1 + rng.below(2),
        );
        let count = self.were_up.len();
        for host in self.servers..count {
            let mut node = Node::new(host, Settings::default());
            node.is_sentinel = true;
            node.bug = bug;
            let path = Path::new(SENTINEL_FILE);
            node.disk.put(path, text.clone().into_bytes(), true);
            node.disk.set_sync_time(1..20_000);
            self.nodes.push(node);
            self.start(host);
        }
    }

    fn add_clients(&mut self) {
        let sentinels: Vec<HostId> = (self.servers..self.nodes.len()).collect();
        for n in 0..2 + self.rng.below(2) as usize {
            let (host, rng) = (FIRST_CLIENT_HOST + n, self.rng.fork());
            let others = self.servers / 2;
            let client = GroupClient::new(host, sentinels.clone(), others, rng);
            self.clients.push(client);
        }
    }

    /// The hosts of all clients.
    pub fn client_hosts(&self) -> Vec<HostId> {
        (0..self.clients.len())
            .map(|n| FIRST_CLIENT_HOST + n)
            .collect()
    }

    /// Whether all Sentinels know all replicas and each other.
    fn is_acquainted(&self) -> bool {
        let sentinels = self.nodes.len() - self.servers;
        self.nodes[self.servers..].iter().all(|node| {
            let master = node.machine().and_then(|machine| machine.master(NAME));
            let master = master.expect("it watches it");
            let synced = |replica: &crate::sentinel::instance::Replica| replica.view.link_up;
            master.peers.len() == sentinels - 1
                && master.replicas.len() == self.servers - 1
                && master.replicas.iter().all(synced)
        })
    }

    /// Adds to the story.
    pub fn tell(&mut self, text: String) {
        let now_us = self.now_us();
        self.oracle.note(&text, now_us);
        self.story.push((now_us, text));
    }

    /// The story so far, a line for each thing.
    pub fn told(&self) -> String {
        let line = |(us, text): &(u64, String)| format!("{:>10.3} ms  {text}\n", *us as f64 / 1e3);
        self.story.iter().map(line).collect()
    }

    // ---- Time ----

    /// The time of the run, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.net.borrow().now_us
    }

    /// The time of the run, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }

    /// Lets time pass.
    pub fn run_ms(&mut self, ms: u64) {
        let until_us = self.now_us() + ms * 1000;
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

    fn next_us(&self) -> u64 {
        let nodes = self.nodes.iter();
        let nodes = nodes.filter_map(|node| node.wakes_at_us(&self.net));
        let clients = self.clients.iter().filter(|_| self.clients_write);
        let clients = clients.map(GroupClient::wakes_at_us);
        let net = self.net.borrow().next_us();
        nodes.chain(clients).chain(net).min().unwrap_or(u64::MAX)
    }

    fn run_instant(&mut self) {
        self.net.borrow_mut().settle();
        let now_us = self.now_us();
        for host in 0..self.nodes.len() {
            let node = &mut self.nodes[host];
            if node.wakes_at_us(&self.net).is_some_and(|at| at <= now_us) {
                node.run(&self.net);
                self.look_at(host, now_us);
            }
        }
        self.step_clients();
        let is_under_way = |order: &mut SimClient| order.step().is_some() && order.waits_for() > 0;
        self.orders.retain_mut(is_under_way);
    }

    /// Has an operator say this to a node.
    pub fn order(&mut self, host: HostId, line: &str) {
        let mut order = SimClient::connect(&self.net, OPERATOR_HOST, host);
        order.say(line);
        self.orders.push(order);
        self.tell(format!("an operator tells {host}: {line}"));
    }

    /// Sees what has become of a node.
    fn look_at(&mut self, host: HostId, now_us: u64) {
        for text in self.nodes[host].take_told() {
            self.oracle
                .on_told(host, &text, &self.nodes, now_us, &self.troubles);
            self.tell(format!("Sentinel {host}: {text}"));
        }
        let node = &mut self.nodes[host];
        if !node.is_up() {
            return self.note_end(host);
        }
        if node.is_sentinel {
            return;
        }
        let Some(env) = node.env() else { return };
        self.oracle.lineage.check(host, env);
        let is_replica = env.replication.is_replica();
        if !is_replica || env.replication.is_link_up() {
            self.troubles.linked[host] = now_us;
        }
        if is_replica && env.replication.is_link_up() {
            self.oracle.on_linked(host);
        }
        // Who changes its role writes that down, but not while that may be taken back: nobody has
        // told it to.
        if env.config.replicaof != node.settings.replicaof && !is_handing_over(env) {
            let replicaof = env.config.replicaof.clone();
            node.settings.replicaof = replicaof;
        }
        match (
            std::mem::replace(&mut self.were_replicas[host], is_replica),
            is_replica,
        ) {
            (true, false) => {
                self.oracle.on_promoted(&self.nodes[host], &self.nodes);
                self.tell(format!("server {host} follows nobody"));
            }
            (false, true) => {
                self.oracle.on_demoted(&self.nodes[host]);
                self.tell(format!("server {host} is a replica"));
            }
            _ => {}
        }
    }

    /// A node may have ended by itself.
    pub fn note_end(&mut self, host: HostId) {
        if self.nodes[host].is_up() || !std::mem::replace(&mut self.were_up[host], false) {
            return;
        }
        self.tell(format!("{host} ends"));
        if host < self.servers {
            self.were_replicas[host] = false;
            let is_named = self.is_named_by_all(host);
            self.oracle.on_ended(host, is_named);
        } else {
            self.oracle.on_sentinel_ended(&self.nodes[host]);
        }
        let now_us = self.now_us();
        self.troubles.disturb(host, now_us);
    }

    fn step_clients(&mut self) {
        if !self.clients_write {
            return;
        }
        for n in 0..self.clients.len() {
            match self.clients[n].step(&self.net, &mut self.next_serial) {
                Some(Told::Written(server, serial)) => {
                    let has_file = self.nodes[server].has_aof();
                    self.oracle.on_written(server, serial, has_file);
                    self.tell(format!("server {server} has written w{serial}"));
                }
                Some(Told::Kept(serial)) => {
                    self.oracle.on_kept(serial);
                    self.tell(format!("a majority has w{serial}"));
                }
                None => {}
            }
        }
    }

    /// Starts a node, if it is down.
    pub fn start(&mut self, host: HostId) {
        let rng = self.rng.fork();
        if self.nodes[host].is_up() {
            return;
        }
        if host >= self.servers {
            self.oracle.check_file(&self.nodes[host]);
        }
        self.oracle.lineage.forget(host);
        self.nodes[host].start(&self.net, None, rng);
        self.were_up[host] = true;
        self.were_replicas[host] = self.nodes[host].settings.replicaof.is_some();
        let now_us = self.now_us();
        self.troubles.disturb(host, now_us);
        self.tell(format!("{host} starts"));
    }

    // ---- The end ----

    /// Whether this server, and no other one, follows nobody, and all Sentinels say that it is the
    /// master.
    pub fn has_master(&self, master: HostId) -> bool {
        let plays_master = |node: &&Node| {
            let env = node.env();
            env.is_some_and(|env| !env.replication.is_replica())
        };
        let names_it = |node: &Node| {
            let watched = node.machine().and_then(|machine| machine.master(NAME));
            watched.is_some_and(|watched| {
                watched.current_address().is(&ip_of(master), 6379) && !watched.is_failing_over()
            })
        };
        let masters = self.nodes[..self.servers].iter().filter(plays_master);
        masters.map(|node| node.host).eq([master])
            && self.nodes[self.servers..].iter().all(names_it)
    }

    /// Whether a Sentinel is up, and all that are say that this is the master.
    fn is_named_by_all(&self, server: HostId) -> bool {
        let address = ip_of(server);
        let sentinels = self.nodes[self.servers..].iter();
        let mut named = sentinels
            .filter_map(|node| node.machine()?.master(NAME))
            .map(|watched| watched.current_address().is(&address, 6379))
            .peekable();
        named.peek().is_some() && named.all(|is_named| is_named)
    }

    /// The only server that follows nobody, if all are up, follow it, and hold what it holds, and
    /// all Sentinels say that it is the master. If it holds nothing, others may hold what they have
    /// and refuse that, if they cannot say that they were in step with it: where one can, the
    /// Sentinels have it take over.
    pub fn settled_master(&self) -> Option<HostId> {
        let master = (0..self.servers).find(|host| self.has_master(*host))?;
        let standing = |node: &Node| {
            let env = node.env()?;
            let identity = env.replication.identity();
            let data = fingerprint(&env.keyspace);
            let is_linked = node.host == master || env.replication.is_link_up();
            is_linked.then(|| (identity.id(), identity.offset(), data))
        };
        let wanted = standing(&self.nodes[master])?;
        let servers = self.nodes[..self.servers].iter();
        let is_empty = self.nodes[master].env()?.keyspace.is_empty();
        let refuses = |node: &Node| {
            let env = node.env();
            env.is_some_and(|env| {
                let info = env.replication.info(env.now);
                let refused = info.master.and_then(|master| master.guard.refused);
                let is_strange = refused.is_some_and(|refused| !refused.was_in_step);
                is_strange && !env.keyspace.is_empty()
            })
        };
        let mut settles =
            servers.map(|node| standing(node) == Some(wanted) || is_empty && refuses(node));
        settles.all(|settled| settled).then_some(master)
    }
}
