//! What a lab is made of: how many nodes of which programs, and their configuration files.
//!
//! The plan is made by `redis-lab up` from its command line and handed to the keeper as a file. All
//! that a node is started with is decided here, so a stock server gets the same file as ours: only
//! directives that both have.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::addresses::{NODES_MAX, Subnet};
use super::model::{NodeFacts, NodeKind};
use crate::base::quoting::quote;

/// Of a node's folder: its configuration file.
pub const CONFIG_FILE: &str = "node.conf";
/// Of a node's folder: its log.
pub const LOG_FILE: &str = "node.log";

/// What a lab is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the experiment, and the question that it answers.
    pub title: String,
    /// See there.
    pub question: String,
    /// What all chance comes from.
    pub seed: u64,
    /// Masters, each with its own replicas.
    pub masters: usize,
    /// Replicas of each master.
    pub replicas: usize,
    /// Sentinels, which watch all masters.
    pub sentinels: usize,
    /// How many of them must call a master down.
    pub quorum: usize,
    /// Each replica follows the one before it, not the master.
    pub is_chain: bool,
    /// `down-after-milliseconds` of the Sentinels.
    pub down_after_ms: u64,
    /// `failover-timeout` of the Sentinels, in milliseconds.
    pub failover_timeout_ms: u64,
    /// The program of servers.
    pub server: Program,
    /// The program of Sentinels.
    pub sentinel: Program,
    /// Programs of nodes that have one of their own, by the node's name.
    pub own_programs: BTreeMap<String, Program>,
    /// Lines for the files of servers.
    pub conf: Vec<String>,
    /// Lines for the files of Sentinels.
    pub sentinel_conf: Vec<String>,
}

/// A program, and what it says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
}

/// A node as it will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What others know of it.
    pub facts: NodeFacts,
    /// Where it is itself.
    pub hidden: SocketAddr,
    /// The program that it runs.
    pub program: Program,
    /// Its configuration file.
    pub config: String,
}

/// The name by which Sentinels know the master of this number, from 0.
pub fn master_name(plan: &Plan, number: usize) -> String {
    match plan.masters {
        1 => "mymaster".to_owned(),
        _ => format!("mymaster{}", number + 1),
    }
}

impl Plan {
    /// Looks for what cannot be.
    ///
    /// # Errors
    ///
    /// Says what.
    pub fn check(&self) -> Result<(), String> {
        let nodes = self.masters * (1 + self.replicas) + self.sentinels;
        if self.masters == 0 {
            return Err("a lab has a master at least".to_owned());
        }
        if nodes > NODES_MAX {
            return Err(format!("{nodes} nodes are too many: {NODES_MAX} at most"));
        }
        if self.sentinels > 0 && !(1..=self.sentinels).contains(&self.quorum) {
            return Err(format!(
                "a quorum of {} is none of {} Sentinels",
                self.quorum, self.sentinels
            ));
        }
        let lines = self.conf.iter().chain(&self.sentinel_conf);
        if let Some(line) = lines.into_iter().find(|line| line.contains('\n')) {
            return Err(format!("{line:?} is more than one line"));
        }
        let names = self.names();
        match self.own_programs.keys().find(|name| !names.contains(name)) {
            Some(name) => Err(format!("there is no node '{name}'")),
            None => Ok(()),
        }
    }

    /// The names of all nodes, which are those of their folders.
    pub fn names(&self) -> Vec<String> {
        self.kinds().into_iter().map(|(name, _)| name).collect()
    }

    /// All nodes, in their order: masters, replicas, Sentinels.
    fn kinds(&self) -> Vec<(String, NodeKind)> {
        let numbered = |letter: char, count: usize, kind: NodeKind| {
            (1..=count).map(move |n| (format!("{letter}{n}"), kind))
        };
        numbered('m', self.masters, NodeKind::Server)
            .chain(numbered(
                'r',
                self.masters * self.replicas,
                NodeKind::Server,
            ))
            .chain(numbered('s', self.sentinels, NodeKind::Sentinel))
            .collect()
    }

    /// Replicas that a Sentinel finds of each master: those that follow it, not each other.
    pub fn replicas_of_master(&self) -> usize {
        match self.is_chain {
            true => self.replicas.min(1),
            false => self.replicas,
        }
    }

    /// Whether two nodes are servers of the same master's group, by their numbers.
    pub fn is_beside(&self, node: usize, other: usize) -> bool {
        let group = |node: usize| match node.checked_sub(self.masters) {
            None => Some(node),
            Some(replica) => {
                let is_replica = replica < self.masters * self.replicas;
                is_replica.then(|| replica / self.replicas)
            }
        };
        group(node).is_some() && group(node) == group(other)
    }

    /// The number of the node that the server of this number follows at first.
    fn followed_by(&self, node: usize) -> Option<usize> {
        let replica = node.checked_sub(self.masters)?;
        match self.is_chain && replica % self.replicas > 0 {
            true => Some(node - 1),
            false => Some(replica / self.replicas),
        }
    }

    /// All nodes; each has its folder below `folder`.
    pub fn nodes(&self, subnet: &Subnet, folder: &Path) -> Vec<Planned> {
        let names = self.kinds().into_iter().enumerate();
        names
            .map(|(number, (name, kind))| {
                let default = match kind {
                    NodeKind::Server => &self.server,
                    NodeKind::Sentinel => &self.sentinel,
                };
                let program = self.own_programs.get(&name).unwrap_or(default).clone();
                let public = subnet.public(number, kind);
                let hidden = subnet.hidden(number, kind);
                let common = common_lines(hidden, &folder.join(&name), &program);
                let own = match kind {
                    NodeKind::Server => self.server_lines(number, subnet),
                    NodeKind::Sentinel => self.sentinel_lines(number, subnet),
                };
                Planned {
                    facts: NodeFacts {
                        name,
                        kind,
                        address: public,
                        program: program.path.display().to_string(),
                        version: program.version.clone(),
                    },
                    hidden,
                    program,
                    // The last line counts: what the lab needs stands behind the user's.
                    config: own + &common,
                }
            })
            .collect()
    }

    fn server_lines(&self, number: usize, subnet: &Subnet) -> String {
        let public = subnet.public(number, NodeKind::Server);
        let mut text = format!(
            "save \"\"\nrepl-diskless-sync-delay 0\nreplica-announce-ip {}\n\
             replica-announce-port {}\n",
            public.ip(),
            public.port()
        );
        if let Some(master) = self.followed_by(number) {
            let master = subnet.public(master, NodeKind::Server);
            let _ = writeln!(text, "replicaof {} {}", master.ip(), master.port());
        }
        for line in &self.conf {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn sentinel_lines(&self, number: usize, subnet: &Subnet) -> String {
        let public = subnet.public(number, NodeKind::Sentinel);
        let mut text = format!(
            "sentinel announce-ip {}\nsentinel announce-port {}\n",
            public.ip(),
            public.port()
        );
        for master in 0..self.masters {
            let (name, at) = (
                master_name(self, master),
                subnet.public(master, NodeKind::Server),
            );
            let _ = write!(
                text,
                "sentinel monitor {name} {} {} {}\n\
                 sentinel down-after-milliseconds {name} {}\n\
                 sentinel failover-timeout {name} {}\n\
                 sentinel parallel-syncs {name} 1\n",
                at.ip(),
                at.port(),
                self.quorum,
                self.down_after_ms,
                self.failover_timeout_ms,
            );
        }
        for line in &self.sentinel_conf {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The settings as a reader of the report wants to see them.
    pub fn settings(&self) -> Vec<(String, String)> {
        let shown = |program: &Program| format!("{} ({})", program.path.display(), program.version);
        let mut settings = vec![
            ("masters".to_owned(), self.masters.to_string()),
            ("replicas of each".to_owned(), self.replicas.to_string()),
            ("Sentinels".to_owned(), self.sentinels.to_string()),
            ("server".to_owned(), shown(&self.server)),
        ];
        if self.is_chain {
            settings.push((
                "replicas follow".to_owned(),
                "each other, as a chain".to_owned(),
            ));
        }
        if self.sentinels > 0 {
            let ms = |ms: u64| format!("{ms} ms");
            settings.extend([
                ("Sentinel".to_owned(), shown(&self.sentinel)),
                ("quorum".to_owned(), self.quorum.to_string()),
                ("down-after-milliseconds".to_owned(), ms(self.down_after_ms)),
                ("failover-timeout".to_owned(), ms(self.failover_timeout_ms)),
            ]);
        }
        for (name, program) in &self.own_programs {
            settings.push((format!("program of {name}"), shown(program)));
        }
        let lines = self.conf.iter().map(|line| ("of servers", line));
        let lines = lines.chain(self.sentinel_conf.iter().map(|line| ("of Sentinels", line)));
        settings.extend(lines.map(|(whose, line)| (format!("line {whose}"), line.clone())));
        settings.push(("seed".to_owned(), self.seed.to_string()));
        settings
    }
}

fn common_lines(hidden: SocketAddr, folder: &Path, program: &Program) -> String {
    let (ip, port) = (hidden.ip(), hidden.port());
    let mut quoted = Vec::new();
    quote(folder.as_os_str().as_bytes(), &mut quoted);
    let folder = String::from_utf8_lossy(&quoted);
    let mut text = format!(
        "bind {ip}\nport {port}\nprotected-mode no\ndaemonize no\ndir {folder}\n\
         logfile {LOG_FILE}\n"
    );
    // Older ones connect from the address that they are bound to, without being told.
    if !["5.", "6.", "4."]
        .iter()
        .any(|old| program.version.starts_with(old))
    {
        let _ = writeln!(text, "bind-source-addr {ip}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    pub(crate) fn plan() -> Plan {
        let program = Program {
            path: "/usr/bin/redis-server".into(),
            version: "7.2.4".to_owned(),
        };
        Plan {
            title: "kill".to_owned(),
            question: String::new(),
            seed: 1,
            masters: 1,
            replicas: 2,
            sentinels: 1,
            quorum: 1,
            is_chain: false,
            down_after_ms: 1000,
            failover_timeout_ms: 5000,
            server: program.clone(),
            sentinel: program,
            own_programs: BTreeMap::new(),
            conf: vec!["appendonly yes".to_owned()],
            sentinel_conf: Vec::new(),
        }
    }

    fn nodes(plan: &Plan) -> (Subnet, Vec<Planned>) {
        let subnet = Subnet::claim(&mut Rng::from_seed(7)).expect("there are thousands");
        let nodes = plan.nodes(&subnet, Path::new("/lab"));
        (subnet, nodes)
    }

    #[test]
    fn nodes_know_each_other_by_the_addresses_of_the_relay() {
        let (subnet, nodes) = nodes(&plan());
        let names: Vec<&str> = nodes.iter().map(|node| node.facts.name.as_str()).collect();
        assert_eq!(names, ["m1", "r1", "r2", "s1"]);
        let (master, sentinel) = (
            subnet.public(0, NodeKind::Server),
            subnet.public(3, NodeKind::Sentinel),
        );
        let follows = format!("replicaof {} {}\n", master.ip(), master.port());
        assert!(!nodes[0].config.contains("replicaof"));
        assert!(nodes[1].config.contains(&follows) && nodes[2].config.contains(&follows));
        assert!(nodes[1].config.contains("dir \"/lab/r1\"\n"));
        assert!(nodes[1].config.contains("appendonly yes\n"));
        let watches = format!(
            "sentinel monitor mymaster {} {} 1\n",
            master.ip(),
            master.port()
        );
        assert!(nodes[3].config.contains(&watches));
        let says = format!("sentinel announce-ip {}\n", sentinel.ip());
        assert!(nodes[3].config.contains(&says));
        for node in &nodes {
            let source = format!("bind-source-addr {}\n", node.hidden.ip());
            assert!(node.config.contains(&source), "{}", node.config);
        }
    }

    #[test]
    fn replicas_follow_their_own_master_or_each_other() {
        let plan = Plan {
            masters: 2,
            replicas: 3,
            ..plan()
        };
        let followed: Vec<_> = (0..8).map(|node| plan.followed_by(node)).collect();
        let of = |nodes: [usize; 6]| nodes.map(Some).to_vec();
        assert_eq!(followed[2..], of([0, 0, 0, 1, 1, 1]));
        assert_eq!(followed[..2], [None, None]);
        let plan = Plan {
            is_chain: true,
            ..plan
        };
        let followed: Vec<_> = (2..8).map(|node| plan.followed_by(node)).collect();
        assert_eq!(followed, of([0, 2, 3, 1, 5, 6]));
    }

    #[test]
    fn servers_of_a_group_know_each_other() {
        let plan = Plan {
            masters: 2,
            replicas: 2,
            ..plan()
        };
        let beside_m2: Vec<usize> = (0..7).filter(|node| plan.is_beside(*node, 1)).collect();
        assert_eq!(beside_m2, [1, 4, 5]);
        assert_eq!(plan.replicas_of_master(), 2);
        let chain = Plan {
            is_chain: true,
            ..plan
        };
        assert_eq!(chain.replicas_of_master(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |plan: Plan| plan.check().expect_err("it cannot be");
        assert_eq!(plan().check(), Ok(()));
        assert!(
            refused(Plan {
                masters: 0,
                ..plan()
            })
            .contains("a master")
        );
        assert!(
            refused(Plan {
                replicas: 99,
                ..plan()
            })
            .contains("too many")
        );
        assert!(
            refused(Plan {
                quorum: 2,
                ..plan()
            })
            .contains("quorum")
        );
        let conf = vec!["a\nb".to_owned()];
        assert!(refused(Plan { conf, ..plan() }).contains("one line"));
        let own_programs = BTreeMap::from([("r9".to_owned(), plan().server)]);
        assert!(
            refused(Plan {
                own_programs,
                ..plan()
            })
            .contains("r9")
        );
    }

    #[test]
    fn servers_of_before_7_get_no_directive_that_they_do_not_know() {
        let mut plan = plan();
        plan.server.version = "6.2.14".to_owned();
        let (_, nodes) = nodes(&plan);
        assert!(!nodes[0].config.contains("bind-source-addr"));
    }
}
