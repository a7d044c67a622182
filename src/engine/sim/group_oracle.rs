//! What must hold in a group of Sentinels and servers, and what may be lost.
//!
//! 1. No Sentinel votes twice in an epoch. That it has voted is durable when anybody hears of it:
//!    its file has the epoch of every vote that was told, and none older than it had when that was
//!    last said to be saved. (What a process leaves that could not save is in the file until the
//!    power is lost.)
//! 2. Nobody leads without the votes of a majority of all Sentinels, and of as many as the quorum,
//!    unless an operator wants it; so no two others lead in one epoch.
//! 3. Who leads promotes nobody while he could have asked somebody who has a write that a client
//!    was told to be done, and that the promoted one lacks; except for servers of the next rule.
//! 4. Nobody who leads promotes a server that he has seen replaced, and that has followed nobody
//!    since, before `failover-timeout` is over, unless an operator wants it; and never while he
//!    could have asked a replica.
//! 5. A write is lost only as asynchronous replication allows.
//! 6. A server with data takes none of a history that its guard refuses (`lineage.rs`).
//! 7. When a master has handed over (`COORDINATED`) the other one has all that it has.
//!
//! # What may be lost
//!
//! A write is *lost* if a client was told that it was done, and the data have it not when all is
//! over. It may be lost for these reasons, of which at least one has to be known for each:
//!
//! - **Promoted without it**: when a replica became the master it did not have the write. By the
//!   third rule then nobody who could be asked had it.
//! - **Returned**: one that was the master before came back when all others were out of reach, and
//!   was chosen before it had followed anybody, by the fourth rule. It lacks what was written
//!   since.
//! - **Deposed**: the server that did it was not the master of the newest epoch that any server had
//!   been promoted in, but one that had not heard of that yet, as one that is cut off from the
//!   majority of the Sentinels. It drops what it did alone when it hears of it.
//! - **Forgotten**: a server died while it was the master, and may have started again without what
//!   it had not written down, before anybody called it down. The same if another was promoted, and
//!   the only Sentinel that knows died before it told or wrote that down: to all others the old one
//!   is the master. That is everything if it keeps no
//!   file, or had none yet: who has a new copy from a master, and is promoted, may still be writing
//!   that copy to its file. Of the copy itself it may lack everything.
//!
//! - **Overruled**: an operator wanted the server that did it as the master, which no majority has
//!   agreed to; it was told to follow another one by Sentinels that had not heard of it, or had
//!   done the same for another operator.
//!
//! A replica *could be asked* if nothing has disturbed it, the leader, or the network between both
//! for some seconds before the election was won, and none does until the replica is chosen; if it
//! follows the same history as the one that is chosen, so that offsets can be compared at all (of
//! two replicas that have followed different masters nobody can say who has more); and if its link
//! to its master was not down for so long that it is passed over. Then it has had the time to say
//! how far it is, and the one that is furthest has to be chosen.
//!
//! `WAIT` for a majority of the servers makes a write safe only as far as that: it is lost if none
//! of those that have it can be asked when a master is chosen. Of one master and two replicas the
//! master and one replica may be gone, and the Sentinels promote the other one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::group_tally::Tally;
use super::lineage::LineageWatch;
use super::net::HostId;
use super::node::{Node, SENTINEL_FILE};
use crate::commands::env::Env;
use crate::replication::ReplId;

/// The master's name.
pub const NAME: &[u8] = b"m";

/// How a server says that it has handed over, and waits for the other one.
const HANDS_OVER: &str = "failover-in-progress";

/// Why a write may be lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loss {
    /// A replica was promoted that did not have it.
    PromotedWithout,
    /// A former master was chosen that did not have it.
    Returned,
    /// It was done by a server that was the master no more.
    Deposed,
    /// A server may have forgotten it.
    Forgotten,
    /// It was done by a server that an operator wanted as the master, and others did not.
    Overruled,
}

/// A write that a client was told to be done.
#[derive(Clone, Debug)]
struct Write {
    serial: u64,
    /// The server that has done it, if it has that in its file.
    kept_by: Option<HostId>,
    /// A majority of the servers had it.
    kept: bool,
    /// Why it may be lost.
    may: Vec<Loss>,
}

impl Write {
    fn is_at(&self, node: &Node) -> bool {
        let key = format!("w{}", self.serial);
        node.env()
            .is_some_and(|env| env.keyspace.db(0).get(key.as_bytes()).is_some())
    }
}

/// Somebody who has something when an election is won.
struct Holder {
    host: HostId,
    history: ReplId,
    /// It was a master before, and has not followed the one of now yet.
    is_outdated: bool,
    /// Whether each of the writes that were told by then is there.
    has: Vec<bool>,
}

/// An election that somebody has won.
struct Won {
    at_us: u64,
    holders: Vec<Holder>,
}

/// See the module's head.
pub struct GroupOracle {
    /// Whose data servers take.
    pub lineage: LineageWatch,
    sentinels: usize,
    quorum: usize,
    /// For whom each Sentinel has voted in each epoch.
    votes: BTreeMap<(HostId, u64), String>,
    /// The newest epochs that the file of each Sentinel has to have: its own vote's, and any.
    durable: HashMap<HostId, (u64, u64)>,
    /// The epoch that each Sentinel has heard of last.
    newest: HashMap<HostId, u64>,
    /// The epoch that each Sentinel has begun.
    begun: HashMap<HostId, u64>,
    /// The Sentinels that were just told to begin one.
    told_to: BTreeSet<HostId>,
    /// The epochs that were begun for that, with who did it.
    wanted: BTreeSet<(u64, HostId)>,
    /// Who has led in each epoch by votes.
    leaders: BTreeMap<u64, HostId>,
    won: HashMap<HostId, Won>,
    /// Which server was chosen in which epoch.
    chosen: HashMap<HostId, u64>,
    /// Which servers each Sentinel has seen replaced since it runs.
    replaced: BTreeSet<(HostId, HostId)>,
    /// The servers that were the master in an older epoch, and have followed nobody since.
    outdated: BTreeSet<HostId>,
    /// Which server each Sentinel takes for the master.
    named: HashMap<HostId, HostId>,
    /// When each Sentinel has called each server down.
    down_us: HashMap<(HostId, HostId), u64>,
    /// The server that was promoted in the newest epoch, and that epoch.
    authority: (u64, HostId),
    writes: Vec<Write>,
    /// What has been counted.
    pub tally: Tally,
    trace: u64,
}

/// Whom a Sentinel could ask at an instant, since another one.
pub trait Reach {
    /// Whether a server could be asked by a Sentinel, all the time since `since_us`.
    fn could_ask(&self, sentinel: HostId, server: HostId, since_us: u64) -> bool;
}

impl GroupOracle {
    /// For so many Sentinels with this quorum; the server is the first master.
    pub fn new(sentinels: usize, quorum: usize, master: HostId) -> GroupOracle {
        GroupOracle {
            lineage: LineageWatch::default(),
            sentinels,
            quorum,
            votes: BTreeMap::new(),
            durable: HashMap::new(),
            newest: HashMap::new(),
            begun: HashMap::new(),
            told_to: BTreeSet::new(),
            wanted: BTreeSet::new(),
            leaders: BTreeMap::new(),
            won: HashMap::new(),
            chosen: HashMap::new(),
            replaced: BTreeSet::new(),
            outdated: BTreeSet::new(),
            named: HashMap::new(),
            down_us: HashMap::new(),
            authority: (0, master),
            writes: Vec::new(),
            tally: Tally::default(),
            trace: 0,
        }
    }

    /// Adds something to what two runs of one seed must agree on.
    pub fn note(&mut self, what: &str, number: u64) {
        let mut hasher = FixedState::with_seed(self.trace).build_hasher();
        hasher.write(what.as_bytes());
        hasher.write_u64(number);
        self.trace = hasher.finish();
    }

    /// All that was seen, as one number.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    // ---- Writes ----

    /// A client was told that a server has done a write, which `has_file` for it.
    pub fn on_written(&mut self, server: HostId, serial: u64, has_file: bool) {
        self.tally.written += 1;
        let may = match server == self.authority.1 {
            true => Vec::new(),
            false => vec![Loss::Deposed],
        };
        self.writes.push(Write {
            serial,
            kept_by: has_file.then_some(server),
            kept: false,
            may,
        });
    }

    /// A client was told that a majority has a write.
    pub fn on_kept(&mut self, serial: u64) {
        self.tally.kept += 1;
        let write = self.writes.iter_mut().rev().find(|w| w.serial == serial);
        write.expect("it was told before").kept = true;
    }

    /// A server has ended; `is_named` if all Sentinels that are up say that it is the master.
    pub fn on_ended(&mut self, server: HostId, is_named: bool) {
        if server == self.authority.1 || is_named {
            for write in &mut self.writes {
                if write.kept_by != Some(server) {
                    write.may.push(Loss::Forgotten);
                }
            }
        }
    }

    /// The link of a server to its master is up.
    pub fn on_linked(&mut self, server: HostId) {
        self.outdated.remove(&server);
    }

    /// A server was promoted, in that epoch.
    fn set_authority(&mut self, epoch: u64, server: HostId) {
        if epoch < self.authority.0 {
            return;
        }
        self.outdated.insert(self.authority.1);
        self.outdated.remove(&server);
        self.authority = (epoch, server);
    }

    /// A server follows nobody any more.
    pub fn on_promoted(&mut self, node: &Node, nodes: &[Node]) {
        self.tally.promotions += 1;
        if let Some(from) = nodes.iter().find(|from| hands_over(from, node)) {
            self.tally.handed_over += 1;
            let lacking = |write: &&Write| write.is_at(from) && !write.is_at(node);
            if let Some(write) = self.writes.iter().find(lacking) {
                panic!(
                    "server {} has handed over to server {}, which lacks w{}",
                    from.host, node.host, write.serial
                );
            }
        }
        if let Some(epoch) = self.chosen.get(&node.host) {
            self.set_authority(*epoch, node.host);
        }
        self.note_lacking(node, Loss::PromotedWithout);
    }

    /// A server that followed nobody is a replica.
    pub fn on_demoted(&mut self, node: &Node) {
        let (epoch, host) = self.authority;
        if host != node.host && !node.env().is_some_and(is_handing_over) {
            self.outdated.insert(node.host);
        }
        let is_wanted = self.wanted.iter().any(|(of, _)| *of == epoch);
        if host == node.host && is_wanted {
            for write in self.writes.iter_mut().filter(|write| write.is_at(node)) {
                write.may.push(Loss::Overruled);
            }
        }
    }

    /// What a server lacks may be lost, as it is or will be the master.
    fn note_lacking(&mut self, node: &Node, why: Loss) {
        for write in &mut self.writes {
            if !write.is_at(node) {
                write.may.push(why);
            }
        }
    }

    /// All is over, and this is what is left.
    ///
    /// # Panics
    ///
    /// A write is lost without a reason.
    pub fn check_writes(&mut self, master: &Node) {
        for write in &self.writes {
            if write.is_at(master) {
                continue;
            }
            self.tally.lost += 1;
            self.tally.kept_lost += u64::from(write.kept);
            self.tally.returned_lost += u64::from(write.may == [Loss::Returned]);
            assert!(
                !write.may.is_empty(),
                "w{} is lost for no reason{}",
                write.serial,
                if write.kept {
                    ", and a majority had it"
                } else {
                    ""
                }
            );
        }
    }

    // ---- Sentinels ----

    /// A Sentinel has ended, and what it did not write down is forgotten.
    pub fn on_sentinel_ended(&mut self, node: &Node) {
        self.replaced.retain(|(sentinel, _)| *sentinel != node.host);
        self.check_file(node);
    }

    /// A Sentinel has told of something.
    pub fn on_told(
        &mut self,
        host: HostId,
        text: &str,
        nodes: &[Node],
        now_us: u64,
        reach: &impl Reach,
    ) {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["+new-epoch", epoch] => {
                let epoch = epoch.parse().expect("an epoch");
                self.newest.insert(host, epoch);
            }
            ["Executing", "user", "requested", "FAILOVER", ..] => {
                self.told_to.insert(host);
            }
            ["+try-failover", ..] => {
                let epoch = self.newest[&host];
                self.begun.insert(host, epoch);
                if self.told_to.remove(&host) {
                    self.wanted.insert((epoch, host));
                }
            }
            ["+vote-for-leader", candidate, epoch] => {
                self.on_vote(host, candidate, epoch.parse().expect("an epoch"));
            }
            ["+elected-leader", ..] => self.on_elected(host, nodes, now_us),
            ["Sentinel", "new", "configuration", "saved", ..] => {
                let (own, newest) = epochs_in_file(&nodes[host]);
                let durable = self.durable.entry(host).or_default();
                *durable = (durable.0.max(own), durable.1.max(newest));
            }
            ["+sdown", "master" | "slave", _, ip, ..] => {
                self.down_us
                    .insert((host, server_at(ip, nodes).host), now_us);
            }
            ["+monitor", "master", _, ip, ..] => {
                self.named.insert(host, server_at(ip, nodes).host);
            }
            ["+switch-master", _, from, _, to, _] => {
                let to = server_at(to, nodes).host;
                self.named.insert(host, to);
                self.replaced.remove(&(host, to));
                self.replaced.insert((host, server_at(from, nodes).host));
            }
            ["+selected-slave", _, _, ip, ..] => {
                let chosen = server_at(ip, nodes);
                self.check_not_replaced(host, chosen, nodes, now_us);
                self.on_chosen(host, chosen, nodes, reach);
            }
            _ => {}
        }
    }

    fn on_vote(&mut self, host: HostId, candidate: &str, epoch: u64) {
        let before = self.votes.insert((host, epoch), candidate.to_owned());
        if let Some(before) = before {
            panic!("Sentinel {host} votes for {before} and for {candidate} in epoch {epoch}");
        }
        let durable = self.durable.entry(host).or_default();
        durable.0 = durable.0.max(epoch);
        durable.1 = durable.1.max(epoch);
    }

    fn on_elected(&mut self, host: HostId, nodes: &[Node], now_us: u64) {
        self.tally.elections += 1;
        let epoch = self.begun[&host];
        let id = nodes[host].machine().expect("it runs").id();
        let votes = self.votes.iter();
        let votes = votes
            .filter(|((_, of), whom)| *of == epoch && **whom == id)
            .count();
        let is_wanted = self.wanted.contains(&(epoch, host));
        let needed = match is_wanted {
            true => 1,
            false => (self.sentinels / 2 + 1).max(self.quorum),
        };
        assert!(
            votes >= needed,
            "Sentinel {host} leads in epoch {epoch} by {votes} votes of {needed}"
        );
        if is_wanted {
            self.tally.wanted += 1;
        } else if let Some(other) = self.leaders.insert(epoch, host) {
            panic!("Sentinels {other} and {host} lead in epoch {epoch}");
        }
        let holders = nodes.iter().filter_map(|node| {
            let replication = &node.env().filter(|_| !node.is_sentinel)?.replication;
            replication.is_replica().then(|| Holder {
                host: node.host,
                history: replication.identity().id(),
                is_outdated: self.outdated.contains(&node.host),
                has: self.writes.iter().map(|write| write.is_at(node)).collect(),
            })
        });
        let won = Won {
            at_us: now_us,
            holders: holders.collect(),
        };
        self.won.insert(host, won);
    }

    fn check_not_replaced(&self, host: HostId, chosen: &Node, nodes: &[Node], now_us: u64) {
        let is_known = self.replaced.contains(&(host, chosen.host));
        let is_wanted = self.wanted.contains(&(self.begun[&host], host));
        if is_wanted || !is_known || !self.outdated.contains(&chosen.host) {
            return;
        }
        let machine = nodes[host].machine().expect("it runs");
        let watched = machine.master(NAME).expect("it watches it");
        let down_us = self.down_us[&(host, self.named[&host])];
        let down_ms = (now_us - down_us) / 1000;
        assert!(
            down_ms >= watched.options.failover_timeout_ms,
            "Sentinel {host} promotes server {}, which was replaced and has followed nobody since, \
             after {down_ms} ms",
            chosen.host
        );
    }

    fn on_chosen(&mut self, host: HostId, chosen: &Node, nodes: &[Node], reach: &impl Reach) {
        let epoch = self.begun[&host];
        self.chosen.insert(chosen.host, epoch);
        let plays_master = |node: &Node| {
            let env = node.env();
            env.is_some_and(|env| !env.replication.is_replica())
        };
        let Some(won) = self.won.remove(&host) else {
            return;
        };
        let machine = nodes[host].machine().expect("it runs");
        let known = machine.master(NAME).expect("it watches it");
        let is_known = |holder: &Holder| {
            let ip = ip_of(holder.host);
            known.replicas.iter().any(|r| r.base.address.is(&ip, 6379))
        };
        let mut could_be_asked = (won.holders.iter())
            .filter(|holder| is_known(holder) && !holder.is_outdated)
            .filter(|holder| reach.could_ask(host, holder.host, won.at_us));
        if plays_master(chosen) {
            let is_new = self.authority.1 == chosen.host;
            // One that was replaced before, and only begins to follow, is no better.
            let other = could_be_asked
                .find(|holder| holder.host != chosen.host && !self.outdated.contains(&holder.host));
            if let Some(other) = other.filter(|_| !is_new) {
                panic!(
                    "Sentinel {host} promotes server {}, which was the master before, in epoch \
                     {epoch}, and not server {}",
                    chosen.host, other.host
                );
            }
            // It has not heard of another master since it was one.
            self.note_lacking(chosen, Loss::Returned);
            self.set_authority(epoch, chosen.host);
            return;
        }
        let Some(of_chosen) = won.holders.iter().find(|h| h.host == chosen.host) else {
            return;
        };
        // What the chosen one itself has lost since the election, by copying a master that came
        // back empty, nobody who chooses among replicas could have kept.
        let could_be_asked = could_be_asked.filter(|holder| {
            let is_outdated = self.outdated.contains(&holder.host);
            let is_other = holder.host != chosen.host;
            is_other && holder.history == of_chosen.history && !is_outdated
        });
        for holder in could_be_asked {
            for (write, has) in self.writes.iter().zip(&holder.has) {
                assert!(
                    !has || write.is_at(chosen),
                    "Sentinel {host} promotes server {} in epoch {epoch}, which lacks w{}, that \
                     server {} has{}",
                    chosen.host,
                    write.serial,
                    holder.host,
                    if write.kept {
                        "; a majority had it"
                    } else {
                        ""
                    }
                );
            }
        }
    }

    /// The file that a Sentinel would be started with now has all that it must.
    ///
    /// # Panics
    ///
    /// It has not.
    pub fn check_file(&self, node: &Node) {
        let (own, newest) = epochs_in_file(node);
        let durable = self.durable.get(&node.host).copied().unwrap_or_default();
        assert!(
            own >= durable.0 && newest >= durable.1,
            "the file of Sentinel {} says {own} and {newest}, and has said {durable:?}",
            node.host
        );
    }
}

/// The epochs of a Sentinel's own last vote, and the newest one, in its file.
fn epochs_in_file(node: &Node) -> (u64, u64) {
    let bytes = node.disk.content(std::path::Path::new(SENTINEL_FILE));
    let text = String::from_utf8(bytes).expect("a whole file");
    let number = |start: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.map_or(0, |rest| rest.trim().parse().expect("a number"))
    };
    let own = number("sentinel leader-epoch m ");
    (own, number("sentinel current-epoch "))
}

/// Whether a server has handed over, and waits for the other one to be the master.
pub fn is_handing_over(env: &Env) -> bool {
    env.replication.info(env.now).failover_state == HANDS_OVER
}

/// Whether a master has become a replica of this server that is to be the master.
fn hands_over(from: &Node, to: &Node) -> bool {
    let (Some(left), Some(taken)) = (from.env(), to.env()) else {
        return false;
    };
    let info = left.replication.info(left.now);
    let is_its_target = info
        .master
        .is_some_and(|master| master.host == ip_of(to.host));
    let (left, taken) = (left.replication.identity(), taken.replication.identity());
    let is_same_history = taken.previous().is_some_and(|old| old.id == left.id());
    info.failover_state == HANDS_OVER && is_its_target && is_same_history
}

/// The server with this address.
fn server_at<'a>(ip: &str, nodes: &'a [Node]) -> &'a Node {
    let server = nodes.iter().find(|node| ip_of(node.host) == ip);
    server.expect("it is one of the servers")
}

/// The address of a host, as events name it.
pub fn ip_of(host: HostId) -> String {
    super::net::address_of(host).ip().to_string()
}
