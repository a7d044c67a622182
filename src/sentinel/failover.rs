//! How far a failover is.

use super::ids::InstanceId;

/// Why a failover was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The master is down, and a majority has to let us act.
    Down,
    /// Somebody has asked for it, and nobody else is asked.
    Forced,
    /// Somebody has asked the master to hand over; this client waits for the answer.
    Coordinated(u64),
}

/// What all states of a failover know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Its epoch.
    pub epoch: u64,
    /// Why.
    pub reason: Reason,
    /// When it was begun.
    pub begun_ms: u64,
    /// When its state has last changed.
    pub since_ms: u64,
}

/// How far a failover is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failover {
    /// There is none.
    No,
    /// Votes are collected.
    WaitStart(Attempt),
    /// Replicas are asked how far they are.
    SelectReplica(Attempt),
    /// This replica is to be told that it is the master.
    SendNoOne(Attempt, InstanceId),
    /// It was told, and has to say so.
    WaitPromotion(Attempt, InstanceId),
    /// It is the master, and the other replicas are told.
    ReconfReplicas(Attempt, InstanceId),
    /// All know it; what is left is to call it the master ourselves.
    UpdateConfig(Attempt, InstanceId),
}

impl Failover {
    /// The replica that is a master already.
    pub fn promoted(&self) -> Option<InstanceId> {
        match self {
            Failover::ReconfReplicas(_, id) | Failover::UpdateConfig(_, id) => Some(*id),
            _ => None,
        }
    }

    /// The replica that was chosen.
    pub fn selected(&self) -> Option<InstanceId> {
        match self {
            Failover::SendNoOne(_, id)
            | Failover::WaitPromotion(_, id)
            | Failover::ReconfReplicas(_, id)
            | Failover::UpdateConfig(_, id) => Some(*id),
            Failover::No | Failover::WaitStart(_) | Failover::SelectReplica(_) => None,
        }
    }

    /// What its states have in common.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Failover::No => None,
            Failover::WaitStart(attempt)
            | Failover::SelectReplica(attempt)
            | Failover::SendNoOne(attempt, _)
            | Failover::WaitPromotion(attempt, _)
            | Failover::ReconfReplicas(attempt, _)
            | Failover::UpdateConfig(attempt, _) => Some(attempt),
        }
    }

    /// As `SENTINEL MASTER` shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Failover::No => "none",
            Failover::WaitStart(_) => "wait_start",
            Failover::SelectReplica(_) => "select_slave",
            Failover::SendNoOne(..) => "send_slaveof_noone",
            Failover::WaitPromotion(..) => "wait_promotion",
            Failover::ReconfReplicas(..) => "reconf_slaves",
            Failover::UpdateConfig(..) => "update_config",
        }
    }
}
