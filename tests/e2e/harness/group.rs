//! A master, its replicas and the sentinels that watch them, of whichever make.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MASTER, Make, Options, Sentinel, Server, info_field, wait_for, wait_link_up, wait_same_data,
};

/// What a group is to be. The first server is its master.
pub struct Plan {
    servers: Vec<Options>,
    sentinels: Vec<Options>,
    quorum: usize,
    lines: Vec<String>,
}

impl Plan {
    pub fn new(servers: &[Make], sentinels: &[Make]) -> Plan {
        Plan {
            servers: servers.iter().map(|make| make.server()).collect(),
            sentinels: sentinels.iter().map(|make| make.sentinel()).collect(),
            quorum: sentinels.len() / 2 + 1,
            lines: vec![
                format!("sentinel down-after-milliseconds {MASTER} 600"),
                format!("sentinel failover-timeout {MASTER} 3000"),
            ],
        }
    }

    /// Our servers, watched by the sentinel under test.
    pub fn ours(servers: usize, sentinels: usize) -> Plan {
        Plan::new(&vec![Make::Ours; servers], &vec![Make::Ours; sentinels])
    }

    pub fn quorum(mut self, quorum: usize) -> Plan {
        self.quorum = quorum;
        self
    }

    /// Adds a line to the file of every sentinel.
    pub fn line(mut self, line: impl Into<String>) -> Plan {
        self.lines.push(line.into());
        self
    }

    pub fn each_server(mut self, change: impl Fn(Options) -> Options) -> Plan {
        self.servers = self.servers.into_iter().map(change).collect();
        self
    }

    pub fn each_sentinel(mut self, change: impl Fn(Options) -> Options) -> Plan {
        self.sentinels = self.sentinels.into_iter().map(change).collect();
        self
    }

    pub fn server(mut self, index: usize, change: impl Fn(Options) -> Options) -> Plan {
        self.servers[index] = change(self.servers[index].clone());
        self
    }

    /// Starts everything and waits until everyone knows everyone.
    #[track_caller]
    pub fn start(self) -> Group {
        let group = self.start_strangers();
        group.wait_known();
        group
    }

    /// Starts everything; replicas are in sync, sentinels may not know each other yet.
    #[track_caller]
    pub fn start_strangers(self) -> Group {
        let mut servers: Vec<Server> = Vec::new();
        for options in self.servers {
            let options = match servers.first() {
                Some(master) => options.config(format!("replicaof 127.0.0.1 {}", master.port)),
                None => options,
            };
            servers.push(options.start());
        }
        servers.iter().skip(1).for_each(wait_link_up);
        let (port, quorum) = (servers[0].port, self.quorum);
        let monitor = format!("sentinel monitor {MASTER} 127.0.0.1 {port} {quorum}");
        let lines = [vec![monitor], self.lines].concat();
        let start = |options: Options| {
            Sentinel::start(lines.iter().fold(options, |o, line| o.config(line)))
        };
        Group {
            sentinels: self.sentinels.into_iter().map(start).collect(),
            servers,
        }
    }
}

/// A group that runs, but for those that a test has killed.
pub struct Group {
    pub servers: Vec<Server>,
    pub sentinels: Vec<Sentinel>,
}

impl Group {
    /// The sentinels that run.
    pub fn watchers(&self) -> impl Iterator<Item = &Sentinel> {
        self.sentinels.iter().filter(|s| s.is_running())
    }

    pub fn server_on(&self, port: u16) -> &Server {
        &self.servers[self.index_on(port)]
    }

    pub fn index_on(&self, port: u16) -> usize {
        let found = self.servers.iter().position(|s| s.port == port);
        found.unwrap_or_else(|| panic!("no server of the group has port {port}"))
    }

    fn tails(&self) -> String {
        let servers = self.servers.iter().map(Server::log_tail);
        let sentinels = self.sentinels.iter().map(|s| s.log_tail());
        servers.chain(sentinels).collect::<Vec<_>>().join("\n")
    }

    /// Waits until every sentinel is connected to every replica and to every other sentinel.
    #[track_caller]
    pub fn wait_known(&self) {
        let (replicas, others) = (self.servers.len() - 1, self.sentinels.len() - 1);
        let knows_all = |sentinel: &Sentinel| {
            let (slaves, peers) = (sentinel.replicas(), sentinel.sentinels());
            let is_well = slaves
                .iter()
                .all(|s| s.get("flags") == "slave" && s.get("master-link-status") == "ok");
            let met = peers.iter().all(|s| s.get("flags") == "sentinel");
            is_well && met && (slaves.len(), peers.len()) == (replicas, others)
        };
        wait_for(
            "every sentinel knows all replicas and sentinels",
            || self.watchers().all(knows_all).then_some(()),
            || self.tails(),
        );
    }

    /// Waits until all sentinels name one master that is not on this port; returns where it is.
    #[track_caller]
    pub fn wait_failover(&self, old_port: u16) -> u16 {
        wait_for(
            &format!("all sentinels name another master than that on port {old_port}"),
            || self.named_master().filter(|port| *port != old_port),
            || self.tails(),
        )
    }

    /// The master that all sentinels that run name.
    pub fn named_master(&self) -> Option<u16> {
        let named: BTreeSet<Option<u16>> = self.watchers().map(|s| s.master_port()).collect();
        match (named.len(), named.first()) {
            (1, Some(port)) => *port,
            _ => None,
        }
    }

    /// Kills the master and waits for another; returns where it is.
    #[track_caller]
    pub fn kill_master(&mut self) -> u16 {
        let old = self.named_master().expect("one master");
        let index = self.index_on(old);
        self.servers[index].kill();
        self.wait_failover(old)
    }

    /// Waits until all sentinels name one master and are done with every failover, and every other
    /// server that runs follows it; returns where it is.
    #[track_caller]
    pub fn wait_followed(&self) -> u16 {
        let is_done = |s: &Sentinel| s.master().get("flags") == "master";
        wait_for(
            "one master is left, and everyone follows it",
            || {
                let master = self.named_master()?;
                let is_well = self.is_followed(master) && self.watchers().all(is_done);
                is_well.then_some(master)
            },
            || self.tails(),
        )
    }

    /// Waits until all is well for good, with no client writing: one master, whom all follow and
    /// whose data all have, and whom all files name. Checks that every vote was kept.
    #[track_caller]
    pub fn settle(&self) -> u16 {
        let master = self.wait_followed();
        let running = self.servers.iter().filter(|s| s.is_running());
        wait_same_data(&running.collect::<Vec<_>>());
        for sentinel in self.watchers() {
            let start = format!("sentinel monitor {MASTER} 127.0.0.1");
            let quorum = sentinel.master().get("quorum").to_owned();
            sentinel.wait_file_lines(&start, &[format!("{master} {quorum}")]);
        }
        self.assert_votes_kept();
        master
    }

    fn is_followed(&self, master: u16) -> bool {
        self.servers
            .iter()
            .filter(|s| s.is_running())
            .all(|server| {
                let info = server.try_ask("INFO replication").unwrap_or_default();
                let field = |name| info_field(&info, name);
                if server.port == master {
                    return field("role") == "master";
                }
                field("role") == "slave"
                    && field("master_port") == master.to_string()
                    && field("master_link_status") == "up"
            })
    }

    /// Proves from logs and files that no sentinel gave two votes in one epoch or forgot one, and
    /// that no epoch has two leaders.
    #[track_caller]
    pub fn assert_votes_kept(&self) {
        let mut leaders = BTreeMap::new();
        for sentinel in &self.sentinels {
            let mut votes: BTreeMap<u64, String> = BTreeMap::new();
            let (mut epoch, mut attempt, mut is_ordered) = (0, 0, false);
            for line in sentinel.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    // An operator needs nobody's agreement.
                    ["Executing", "user", "requested", "FAILOVER", ..] => is_ordered = true,
                    ["+new-epoch", number] => epoch = number.parse().expect("an epoch"),
                    ["+try-failover", ..] => attempt = epoch,
                    ["+vote-for-leader", id, number] => {
                        let number = number.parse().expect("an epoch");
                        let before = votes.insert(number, id.to_owned());
                        assert!(
                            before.is_none_or(|before| before == id),
                            "two votes in epoch {number}\n{}",
                            self.tails()
                        );
                    }
                    ["+elected-leader", ..] if !std::mem::take(&mut is_ordered) => {
                        let other = leaders.insert(attempt, sentinel.port);
                        assert_eq!(other, None, "epoch {attempt}\n{}", self.tails());
                    }
                    _ => {}
                }
            }
            let last = votes.keys().last().copied().unwrap_or(0);
            let kept = sentinel.file_number(&format!("sentinel leader-epoch {MASTER} "));
            assert!(kept >= Some(last), "{}\n{}", sentinel.file(), self.tails());
            let current = sentinel.file_number("sentinel current-epoch ");
            assert!(current >= kept, "{}\n{}", sentinel.file(), self.tails());
        }
    }
}
