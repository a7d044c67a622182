//! Where replicas should be.

use crate::sentinel::address::Address;
use crate::sentinel::instance::{Master, Replica, ServerRole};

/// So many periods pass before a server that plays another part than we know is taken at its word,
/// or corrected: by then whoever leads a failover has announced what became of it.
pub const HELLO_PERIODS: u64 = 4;

/// Whether a replica was the master and has no copy of what the new one has yet. Wherever it is,
/// nobody has put it there for what it is now.
pub fn is_astray(replica: &Replica) -> bool {
    replica.demoted_ms.is_some() && !replica.has_come_back
}

/// Whether a replica says that it follows this server.
pub fn follows(replica: &Replica, target: &Address) -> bool {
    let view = &replica.view;
    let host = view.master_host.as_deref().unwrap_or_default();
    view.role == ServerRole::Replica && target.is(host, view.master_port)
}

/// Whether the master says that it follows this replica, which plays a master: it has handed over
/// to it, as by `FAILOVER`.
pub fn is_successor(master: &Master, replica: &Replica) -> bool {
    let view = &master.view;
    let host = view.master_host.as_deref().unwrap_or_default();
    view.role == ServerRole::Replica
        && replica.view.role == ServerRole::Master
        && replica.base.address.is(host, view.master_port)
}

/// Whether a replica is where it should be: it follows the master, or another replica that leads
/// there. Who still follows the master of before is not.
pub fn keeps_its_place(master: &Master, at: usize, target: &Address) -> bool {
    if is_astray(&master.replicas[at]) && !follows(&master.replicas[at], target) {
        return false;
    }
    let mut at = at;
    // As many steps as there are replicas lead to the master, or in a circle.
    for _ in 0..=master.replicas.len() {
        let view = &master.replicas[at].view;
        let host = view.master_host.as_deref().unwrap_or_default();
        if view.role != ServerRole::Replica {
            return false;
        }
        if target.is(host, view.master_port) {
            return true;
        }
        let next = master.replicas.iter().position(|other| {
            let since_ms = view.master_since_ms;
            let was_meant = other.demoted_ms.is_none_or(|at_ms| since_ms > at_ms);
            was_meant && !other.base.is_down() && other.base.address.is(host, view.master_port)
        });
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}
