//! A master, its replicas and the sentinels that watch them, all of one make.

use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Process, free_port};
use crate::settings::{Make, Settings};
use crate::wire::Reply;

/// The name by which the sentinels know the master.
pub const NAME: &str = "mymaster";

const SERVERS: usize = 3;
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// How long a group may take until it is whole again.
const PATIENCE: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Group {
    make: String,
    pub servers: Vec<Process>,
    pub sentinels: Vec<Process>,
    /// Which of the servers was the master when the group was whole the last time.
    pub master: usize,
    _folder: tempfile::TempDir,
}

impl Group {
    pub fn start(make: &Make, settings: &Settings) -> Group {
        let folder = tempfile::tempdir().expect("a folder");
        let mut servers: Vec<Process> = Vec::new();
        for _ in 0..SERVERS {
            let follow = match servers.first() {
                Some(master) => format!("replicaof 127.0.0.1 {}\n", master.port),
                None => String::new(),
            };
            let directives = format!("save \"\"\nrepl-diskless-sync-delay 0\n{follow}");
            let port = free_port();
            servers.push(Process::start(
                &make.server,
                folder.path(),
                port,
                &directives,
                &[],
            ));
        }
        let directives = format!(
            "sentinel monitor {NAME} 127.0.0.1 {} {QUORUM}\n\
             sentinel down-after-milliseconds {NAME} {}\n\
             sentinel failover-timeout {NAME} {}\n",
            servers[0].port, settings.down_after_ms, settings.failover_timeout_ms
        );
        let sentinel = |_| {
            let port = free_port();
            Process::start(
                &make.sentinel,
                folder.path(),
                port,
                &directives,
                &["--sentinel"],
            )
        };
        let sentinels = (0..SENTINELS).map(sentinel).collect();
        let mut group = Group {
            make: make.name.clone(),
            servers,
            sentinels,
            master: 0,
            _folder: folder,
        };
        group.await_whole();
        group
    }

    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels
            .iter()
            .map(|sentinel| sentinel.port)
            .collect()
    }

    /// The servers that are not the master.
    pub fn replicas(&self) -> Vec<usize> {
        (0..SERVERS)
            .filter(|server| *server != self.master)
            .collect()
    }

    /// The replica that a failover would promote, all having the same data: the one whose run id
    /// comes first.
    pub fn heir(&self) -> usize {
        let id = |server: &usize| self.servers[*server].info("server", "run_id");
        self.replicas()
            .into_iter()
            .min_by_key(id)
            .expect("replicas")
    }

    /// The port of the master that a sentinel names.
    pub fn named_by(&self, sentinel: usize) -> Option<u16> {
        let reply =
            self.sentinels[sentinel].try_ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
        reply.elements().get(1)?.text()?.parse().ok()
    }

    /// Waits until everyone follows one master with equal data and all sentinels know it.
    pub fn await_whole(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(lack) = self.find_lack() {
            if Instant::now() > deadline {
                panic!("{} is not whole: {lack}\n{}", self.make, self.logs());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Says what is missing for the group to be whole.
    fn find_lack(&mut self) -> Result<(), String> {
        let port = self.named_by(0).ok_or("a sentinel names no master")?;
        for sentinel in 0..SENTINELS {
            self.find_lack_of_sentinel(sentinel, port)?;
        }
        let named = |server: &Process| server.port == port;
        let master = self
            .servers
            .iter()
            .position(named)
            .ok_or("an unknown master")?;
        let field = |server: usize, name: &str| {
            let value = self.servers[server].info("replication", name);
            value.ok_or(format!("{} says no {name}", self.servers[server].port))
        };
        if field(master, "role")? != "master" {
            return Err("the master is none".to_owned());
        }
        for server in (0..SERVERS).filter(|server| *server != master) {
            if field(server, "role")? != "slave"
                || field(server, "master_port")? != port.to_string()
                || field(server, "master_link_status")? != "up"
            {
                return Err(format!("{} does not follow", self.servers[server].port));
            }
            let (at_master, here) = ("master_repl_offset", "slave_repl_offset");
            if field(server, here)? != field(master, at_master)? {
                return Err(format!("{} is behind", self.servers[server].port));
            }
        }
        self.master = master;
        Ok(())
    }

    fn find_lack_of_sentinel(&self, sentinel: usize, master: u16) -> Result<(), String> {
        let process = &self.sentinels[sentinel];
        let lack = |what: &str| Err(format!("the sentinel {}: {what}", process.port));
        let ask = |what: &str| process.try_ask(&["SENTINEL", what, NAME]);
        let (Some(of_master), Some(replicas), Some(others)) =
            (ask("MASTER"), ask("REPLICAS"), ask("SENTINELS"))
        else {
            return lack("no reply");
        };
        if of_master.field("port") != Some(&master.to_string())
            || of_master.field("flags") != Some("master")
        {
            return lack(&format!("{:?} of the master", of_master.field("flags")));
        }
        let calm = |list: &Reply, flags: &str, count: usize| {
            list.elements().len() == count
                && list
                    .elements()
                    .iter()
                    .all(|one| one.field("flags") == Some(flags))
        };
        if !calm(&replicas, "slave", SERVERS - 1) {
            return lack("not all replicas are well");
        }
        if !calm(&others, "sentinel", SENTINELS - 1) {
            return lack("not all sentinels are well");
        }
        let follows = |one: &Reply| {
            one.field("master-link-status") == Some("ok")
                && one.field("master-port") == Some(&master.to_string())
        };
        if !replicas.elements().iter().all(follows) {
            return lack("not all replicas follow");
        }
        Ok(())
    }

    /// The ends of all logs of sentinels, for who must find out why.
    pub fn logs(&self) -> String {
        let log =
            |sentinel: &Process| format!("--- {}\n{}\n", sentinel.port, sentinel.end_of_log());
        self.sentinels.iter().map(log).collect()
    }
}
