//! What is known of a master, of its replicas, and of the peers that watch it, too.
//!
//! What an instance *is* is told by its type, how it is doing by its fields, what a failover does
//! with it by an enum of its own.

use super::address::Address;
use super::failover::Failover;
use super::ids::{InstanceId, LinkId, MasterId};
use crate::config::sentinel::MasterOptions;

/// Which part a server says it plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerRole {
    /// It is a master.
    Master,
    /// It follows one.
    Replica,
}

impl ServerRole {
    /// As events and fields name it.
    pub fn name(self) -> &'static str {
        match self {
            ServerRole::Master => "master",
            ServerRole::Replica => "slave",
        }
    }
}

/// What keeps a replica from its master: it refuses what that offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refuses {
    /// A history that it does not know, and that has no key.
    Empty,
    /// A history that it does not know.
    Unknown,
}

/// A process of a master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessOf {
    /// Where the master is.
    pub address: Address,
    /// Its run id.
    pub run_id: String,
}

/// What every instance has.
#[derive(Debug)]
pub struct Instance {
    /// Where it is.
    pub address: Address,
    /// The way to it.
    pub link: LinkId,
    /// Since when we take it for down.
    pub down_since_ms: Option<u64>,
    /// Since when we do not take it for down, or know it.
    pub up_since_ms: u64,
    /// When we last announced ourselves through it; 0 makes that due.
    pub hello_sent_ms: u64,
}

impl Instance {
    /// Whether we take it for down.
    pub fn is_down(&self) -> bool {
        self.down_since_ms.is_some()
    }
}

/// What a server has last told of itself.
#[derive(Debug)]
pub struct ServerView {
    /// Its `INFO`, whole.
    pub info: Option<Vec<u8>>,
    /// When that came.
    pub info_at_ms: Option<u64>,
    /// When it was asked for last; an answer to an older question may be on its way still.
    pub info_asked_ms: u64,
    /// When that which it says was asked for.
    pub info_as_of_ms: u64,
    /// Its run id.
    pub run_id: Option<String>,
    /// What it says it is.
    pub role: ServerRole,
    /// Since when it says so.
    pub role_since_ms: u64,
    /// Whom it follows, if it says that it follows somebody.
    pub master_host: Option<String>,
    /// And at which port.
    pub master_port: u16,
    /// Since when it follows that one.
    pub master_since_ms: u64,
    /// Whether its link to its master is up.
    pub link_up: bool,
    /// For how long that has been down, when it last said so; -1000: it never was up.
    pub link_down_ms: i64,
    /// Whether a full sync is going on.
    pub syncing: bool,
    /// Its priority.
    pub priority: i64,
    /// How far its copy is.
    pub offset: u64,
    /// How far its copy was when its link was last seen up.
    pub offset_when_up: Option<u64>,
    /// Whether this process has had a copy of what a master had since the one of now is that, as
    /// far as we know.
    pub has_synced: bool,
    /// The history that its data are of (`master_replid`), and the one before (`master_replid2`).
    pub replids: [Option<String>; 2],
    /// What it refuses, and since when it said so.
    pub refuses: Option<(Refuses, u64)>,
    /// It says that it was in step with the master that it refuses.
    pub was_in_step: bool,
    /// The process of a master that its link was last seen up with.
    pub in_step_with: Option<ProcessOf>,
    /// Whether it has keys.
    pub has_keys: bool,
    /// When this process was first seen to have any.
    pub keys_seen_ms: Option<u64>,
    /// Whether clients may be told of it.
    pub announced: bool,
    /// When this process was first heard of, if another one was there before.
    pub started_anew_ms: Option<u64>,
    /// Since when it has been loading after a restart that we noticed, where that counts.
    pub rebooted_since_ms: Option<u64>,
    /// Whether a script keeps it busy.
    pub busy: bool,
    /// Whether that was told to end.
    pub script_kill_sent: bool,
}

impl ServerView {
    /// Of a server that has told nothing yet.
    pub fn new(role: ServerRole, now_ms: u64) -> ServerView {
        ServerView {
            info: None,
            info_at_ms: None,
            info_asked_ms: 0,
            info_as_of_ms: 0,
            run_id: None,
            role,
            role_since_ms: now_ms,
            master_host: None,
            master_port: 0,
            master_since_ms: now_ms,
            link_up: false,
            link_down_ms: 0,
            syncing: false,
            priority: 100,
            offset: 0,
            offset_when_up: None,
            has_synced: false,
            replids: [None, None],
            refuses: None,
            was_in_step: false,
            in_step_with: None,
            has_keys: false,
            keys_seen_ms: None,
            announced: true,
            started_anew_ms: None,
            rebooted_since_ms: None,
            busy: false,
            script_kill_sent: false,
        }
    }
}

/// What a failover does with a replica that is not promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconf {
    /// Nothing yet.
    No,
    /// It was told its new master at this time.
    Sent(u64),
    /// It says that it follows that one.
    InProgress,
    /// Its link to that one is up.
    Done,
}

/// A replica.
#[derive(Debug)]
pub struct Replica {
    /// Its number.
    pub id: InstanceId,
    /// What every instance has.
    pub base: Instance,
    /// What it says.
    pub view: ServerView,
    /// What the failover that is going on does with it.
    pub reconf: Reconf,
    /// When it has ceased to be the master, if it was, or when another one became that while it
    /// played one.
    pub demoted_ms: Option<u64>,
    /// Whether it has come back as a replica of the new master since then, with a copy.
    pub has_come_back: bool,
    /// When it was last told whom to follow outside a failover.
    pub corrected_ms: u64,
}

/// What a peer says of a master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerVerdict {
    /// It sees it down, too.
    pub down: bool,
    /// When it last said so, or the opposite; 0: never.
    pub at_ms: u64,
    /// For whom it has voted.
    pub leader: Option<String>,
    /// In which epoch.
    pub leader_epoch: u64,
    /// When it was asked last; 0: not since the master went down.
    pub asked_ms: u64,
    /// Whether it saw the master down when it was asked first since that went down for us.
    pub first_down: Option<bool>,
}

/// Where a peer takes the master to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// When it said so.
    pub at_ms: u64,
}

/// A configuration that a peer has announced, newer than ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewerConfig {
    /// Its epoch.
    pub epoch: u64,
    /// Where the master is.
    pub host: String,
    /// And at which port.
    pub port: u16,
    /// Who said so.
    pub from: String,
}

/// What a peer has announced to be the master.
#[derive(Clone, Debug)]
pub struct Said {
    /// The epoch of the failover that made it that.
    pub epoch: u64,
    /// Where it is.
    pub address: Address,
    /// When it said so.
    pub at_ms: u64,
}

/// Another Sentinel that watches the same master.
#[derive(Debug)]
pub struct Peer {
    /// Its number.
    pub id: InstanceId,
    /// Its id.
    pub run_id: String,
    /// What every instance has.
    pub base: Instance,
    /// When it last announced itself, from where we take it to be.
    pub hello_at_ms: u64,
    /// What it last announced.
    pub said: Option<Said>,
    /// Where it was before, and whether it was told that somebody there still has its id.
    pub left: Option<(Address, bool)>,
    /// What it says of the master.
    pub verdict: PeerVerdict,
    /// Where it takes the master to be, since we asked.
    pub named: Option<Named>,
    /// When it was asked for that.
    pub named_asked_ms: u64,
}

/// A master with all that belongs to it.
#[derive(Debug)]
pub struct Master {
    /// Its number.
    pub id: MasterId,
    /// What it is called.
    pub name: String,
    /// What was set for it.
    pub options: MasterOptions,
    /// What every instance has.
    pub base: Instance,
    /// What it says.
    pub view: ServerView,
    /// Its replicas, in the order in which they were found.
    pub replicas: Vec<Replica>,
    /// Those that it had when it was reset, until it names those that it has.
    pub before_reset: Vec<Address>,
    /// Our peers, likewise.
    pub peers: Vec<Peer>,
    /// The epoch of the failover that made it the master.
    pub config_epoch: u64,
    /// For whom we have voted; not known any more after a restart.
    pub leader: Option<String>,
    /// In which epoch.
    pub leader_epoch: u64,
    /// The number of the change that this vote is, for whether it is durable.
    pub vote_number: u64,
    /// A newer configuration that was announced.
    pub newer: Option<NewerConfig>,
    /// Since when a peer has another master in the same epoch.
    pub tie_since_ms: Option<u64>,
    /// A peer has asked about it, so that it may see it down, too.
    pub asked_about: bool,
    /// Since when it is seen that it has lost the data that its replicas refuse to lose.
    pub lost_data_since_ms: Option<u64>,
    /// And whether that is so for long enough to be acted on.
    pub has_lost_data: bool,
    /// Since when enough of us take it for down.
    pub odown_since_ms: Option<u64>,
    /// How far a failover is.
    pub failover: Failover,
    /// When a failover was last tried, by us or by whom we voted for; the next may follow some
    /// time after.
    pub failover_tried_ms: Option<u64>,
    /// For which try that delay was told.
    pub delay_told_ms: Option<u64>,
    /// When another server has become the master for us.
    pub switched_ms: u64,
    /// When we may begin a failover, so that not all of us do at once.
    pub may_start_ms: Option<u64>,
    /// When it has to be looked at again.
    pub due_ms: u64,
}

impl Master {
    /// Whether a failover is going on.
    pub fn is_failing_over(&self) -> bool {
        !matches!(self.failover, Failover::No)
    }

    /// A replica by its number.
    pub fn replica(&self, id: InstanceId) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.id == id)
    }

    /// The same, to change it.
    pub fn replica_mut(&mut self, id: InstanceId) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.id == id)
    }

    /// The instance that a link leads to.
    pub fn at_link(&self, link: LinkId) -> Option<&Instance> {
        let replicas = self.replicas.iter().map(|replica| &replica.base);
        let peers = self.peers.iter().map(|peer| &peer.base);
        let all = std::iter::once(&self.base).chain(replicas).chain(peers);
        all.into_iter().find(|base| base.link == link)
    }

    /// The same, to change it.
    pub fn at_link_mut(&mut self, link: LinkId) -> Option<&mut Instance> {
        if self.base.link == link {
            return Some(&mut self.base);
        }
        let replicas = self.replicas.iter_mut().map(|replica| &mut replica.base);
        let peers = self.peers.iter_mut().map(|peer| &mut peer.base);
        replicas.chain(peers).find(|base| base.link == link)
    }

    /// What the server says to which a link leads.
    pub fn view_at_link_mut(&mut self, link: LinkId) -> Option<&mut ServerView> {
        if self.base.link == link {
            return Some(&mut self.view);
        }
        let replica = self
            .replicas
            .iter_mut()
            .find(|replica| replica.base.link == link);
        replica.map(|replica| &mut replica.view)
    }

    /// A peer by its id.
    pub fn peer_mut(&mut self, run_id: &str) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.run_id == run_id)
    }

    /// Where clients and peers are sent: to the replica that takes over, once it is a master.
    pub fn current_address(&self) -> &Address {
        match self.failover.promoted() {
            Some(id) => match self.replica(id) {
                Some(replica) => &replica.base.address,
                None => &self.base.address,
            },
            None => &self.base.address,
        }
    }

    /// How many Sentinels watch it, us included.
    pub fn voters(&self) -> usize {
        self.peers.len() + 1
    }
}
