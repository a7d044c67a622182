//! What happens to a group.

use crate::group::{Group, NAME};
use crate::wire::Reply;

#[derive(Clone, Copy, PartialEq)]
pub enum Scenario {
    Killed,
    Stopped,
    Planned,
    DeadSentinel,
    DeadReplica,
    SlowReplica,
    SlowSentinel,
}

impl Scenario {
    pub const ALL: [Scenario; 7] = [
        Scenario::Killed,
        Scenario::Stopped,
        Scenario::Planned,
        Scenario::DeadSentinel,
        Scenario::DeadReplica,
        Scenario::SlowReplica,
        Scenario::SlowSentinel,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Killed => "killed",
            Scenario::Stopped => "stopped",
            Scenario::Planned => "planned",
            Scenario::DeadSentinel => "dead-sentinel",
            Scenario::DeadReplica => "dead-replica",
            Scenario::SlowReplica => "slow-replica",
            Scenario::SlowSentinel => "slow-sentinel",
        }
    }

    pub fn story(self) -> &'static str {
        match self {
            Scenario::Killed => "SIGKILL of the master",
            Scenario::Stopped => {
                "SIGSTOP of the master, and SIGCONT when another one is in its place"
            }
            Scenario::Planned => {
                "`SENTINEL FAILOVER`, `COORDINATED` where a sentinel knows that; the client hears \
                 of it from the old master alone"
            }
            Scenario::DeadSentinel => "SIGKILL of the master and, with it, of a sentinel",
            Scenario::DeadReplica => {
                "SIGKILL of the master and, with it, of the replica that would be promoted"
            }
            Scenario::SlowReplica => {
                "SIGKILL of the master while the replica that would be promoted is stopped"
            }
            Scenario::SlowSentinel => "SIGKILL of the master while a sentinel is stopped",
        }
    }

    /// Whether the old master is gone for a while, so that its return is worth a look.
    pub fn takes_master_away(self) -> bool {
        self != Scenario::Planned
    }

    /// Does it.
    pub fn happen(self, group: &mut Group, heir: usize) {
        let master = group.master;
        // Which sentinel fails is any; the first is the one that the client asks first.
        let sentinel = &mut group.sentinels[0];
        match self {
            Scenario::Killed => {}
            Scenario::Stopped => return group.servers[master].stop(),
            Scenario::Planned => return plan(group),
            Scenario::DeadSentinel => sentinel.kill(),
            Scenario::DeadReplica => group.servers[heir].kill(),
            Scenario::SlowReplica => group.servers[heir].stop(),
            Scenario::SlowSentinel => sentinel.stop(),
        }
        group.servers[master].kill();
    }
}

fn plan(group: &Group) {
    let sentinel = &group.sentinels[0];
    let reply = match sentinel.ask(&["SENTINEL", "FAILOVER", NAME, "COORDINATED"]) {
        // A sentinel that knows no such word, or whose servers cannot do it.
        Reply::Error(_) => sentinel.ask(&["SENTINEL", "FAILOVER", NAME]),
        reply => reply,
    };
    assert_eq!(reply, Reply::Text("OK".to_owned()));
}
