//! What users and peers ask of the Sentinel by commands.

use super::Sentinel;
use super::action::Verdict;
use super::instance::Master;
use super::timing::Timing;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, MasterOptions};

/// Why an order is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderError {
    /// No master has that name.
    NoSuchMaster,
    /// A failover is going on already.
    InProgress,
    /// There is no replica that could take over.
    NoGoodReplica,
    /// A master has that name already.
    DuplicateName,
    /// The host is neither an address nor, where those are allowed, a name.
    BadHost,
    /// The master is down, so that it cannot hand over.
    MasterDown,
    /// The instance is not known.
    NoSuchInstance,
}

/// Whether a failover could be agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuorumCheck {
    /// Sentinels that can be reached, us included.
    pub usable: usize,
    /// Enough of them to call the master down.
    pub has_quorum: bool,
    /// Enough of them to elect a leader.
    pub has_majority: bool,
}

/// On which occasions the process is to end, for tests of failovers that lose their leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimulatedFailure {
    /// After it was elected.
    pub after_election: bool,
    /// After the replica was promoted.
    pub after_promotion: bool,
}

impl Sentinel {
    // ---- To look at ----

    /// All masters, in the order in which they came.
    pub fn masters(&self) -> impl Iterator<Item = &Master> {
        self.masters.values()
    }

    /// How many masters there are.
    pub fn masters_len(&self) -> usize {
        self.masters.len()
    }

    /// The master of this name.
    pub fn master(&self, name: &[u8]) -> Option<&Master> {
        self.masters
            .values()
            .find(|master| master.name.as_bytes() == name)
    }

    /// What holds for all masters.
    pub fn common(&self) -> &CommonOptions {
        &self.common
    }

    /// Periods and limits.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Could a failover of this master be agreed on?
    pub fn check_quorum(&self, master: &Master) -> QuorumCheck {
        todo!()
    }

    // ---- To change something ----
    //
    // Where the answer depends on what is durable, the client's number is given along, and
    // `Action::Answer` comes for it later.

    /// A peer asks whether we see a master down, and for our vote if it names a candidate. The
    /// answer comes later where it has to be written down before.
    pub fn is_master_down(
        &mut self,
        client: u64,
        host: &str,
        port: u16,
        epoch: u64,
        candidate: Option<&str>,
        now: Now,
    ) -> Option<Verdict> {
        todo!()
    }

    /// Has the state written down, and the client answered when that is done or has failed.
    pub fn answer_when_saved(&mut self, client: u64) {
        todo!()
    }

    /// A failover without asking anybody.
    pub fn force_failover(&mut self, name: &[u8], now: Now) -> Result<(), OrderError> {
        todo!()
    }

    /// A failover in which the master hands over, so that no write is lost. The client is answered
    /// when it has agreed or refused.
    pub fn coordinate_failover(
        &mut self,
        name: &[u8],
        client: u64,
        now: Now,
    ) -> Result<(), OrderError> {
        todo!()
    }

    /// Forgets replicas, peers and state of all masters whose names match. How many those are.
    pub fn reset(&mut self, pattern: &[u8], now: Now) -> usize {
        todo!()
    }

    /// Watches a master from now on.
    pub fn monitor(
        &mut self,
        name: &str,
        host: &str,
        port: u16,
        quorum: u32,
        now: Now,
    ) -> Result<(), OrderError> {
        todo!()
    }

    /// Watches a master no more.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), OrderError> {
        todo!()
    }

    /// Forgets a replica or a peer.
    pub fn forget(&mut self, name: &[u8], host: &str, port: u16) -> Result<(), OrderError> {
        todo!()
    }

    /// Options of a master to be changed; tell of each change with `option_set`.
    pub fn options_mut(&mut self, name: &[u8]) -> Option<&mut MasterOptions> {
        todo!()
    }

    /// An option was changed: the event with what was set, and whether connections have to be made
    /// anew for it.
    pub fn option_set(&mut self, name: &[u8], shown: &str, reconnect: bool, now: Now) {
        todo!()
    }

    /// Changes what holds for all masters. `reconnect`: peers have to be connected to anew.
    pub fn set_common(&mut self, common: CommonOptions, reconnect: bool, now: Now) {
        todo!()
    }

    /// Changes periods and limits.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Has the process end on these occasions.
    pub fn simulate_failure(&mut self, when: SimulatedFailure) {
        todo!()
    }
}
