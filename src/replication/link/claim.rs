//! What a former master is about to lose to its new one.
//!
//! While it was cut off it may have written what none of its replicas has. Its new master is one
//! of them, or follows one, and its history parts from ours at the *fork*
//! ([`lineage`](crate::replication::lineage)); what we have behind that goes with our data when
//! the new data take their place.
//! So before that is done the driver is asked to keep it
//! ([`KeepLost`](crate::replication::Action::KeepLost)), when the snapshot is complete and was
//! accepted, and not earlier: until then nothing is lost.
//!
//! ```text
//!   snapshot complete, accepted --> KeepLost --> kept ------------> EndSnapshot, as without it
//!                                     ^   |
//!                                     |   '--> not kept: again with the next second,
//!                                     |        up to ten times; then it is lost, and the log
//!                                     '------- says how much
//! ```
//!
//! If the new master does not tell where the histories part, what no replica is known to have is
//! kept, which may be too much, and the ledger says so. If it lets us continue nothing is lost.

use crate::replication::action::LostWrites;

/// So often it is tried to keep what is about to be lost, once a second.
pub(super) const TRIES_MAX: u32 = 10;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The lowest offset that a replica of ours is known to have run, if we had one.
    pub base: Option<u64>,
    /// What the driver was asked to keep.
    pub asked: Option<LostWrites>,
    /// How often it could not be kept.
    pub tries: u32,
}

impl Claim {
    /// Of a master whose replicas all had at least that.
    pub fn of(base: Option<u64>) -> Claim {
        Claim {
            base,
            ..Claim::default()
        }
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
