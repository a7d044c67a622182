//! Floor 4: the Sentinel, free of sockets, files, processes and clocks.
//!
//! It watches masters and their replicas, agrees with its peers on which of them are down, and has
//! a replica take over. [`Sentinel`] is a plain value that events go into and [`Action`]s come out
//! of. It has two halves:
//!
//! - **observe**: every event (`on_…`) only notes what is now known, and which masters that
//!   concerns;
//! - **act**: [`Sentinel::act`] looks at those masters, and at those for which the time has come to
//!   do something, and decides. Only here does a state change, and while our sense of time is not
//!   to be trusted (`tilt.rs`) this half rests.
//!
//! So no step waits for a period: what comes in during a tick is acted on at its end.
//!
//! | file | holds |
//! |---|---|
//! | `instance.rs` | what is known of masters, replicas, peers |
//! | `link.rs`, `address.rs` | the connections to them, and where they are |
//! | `observe/` | replies, `INFO`, announcements |
//! | `act/` | pings and questions, down states, votes, the failover, corrections |
//! | `failover.rs` | how far a failover is |
//! | `save.rs` | what has to be durable before somebody hears of it |
//! | `scripts.rs` | programs that are told of events |
//! | `tilt.rs` | a sense of time that is not to be trusted |
//! | `orders.rs` | what users ask for |
//! | `describe.rs` | what users are shown |
//! | `event.rs` | events: log, subscribers, scripts |
//! | `timing.rs` | periods and limits |
//! | `action.rs` | what it asks of its driver, and what it is told |
//!
//! # The contract
//!
//! The driver calls [`act`](Sentinel::act) at the end of each tick, and a tick comes no later than
//! [`due_ms`](Sentinel::due_ms). Then it carries out what
//! [`take_actions`](Sentinel::take_actions) gives, in order; commands may have added to that, too.
//! [`Action`] tells which events answer which action. A connection that was closed, by either
//! side, is not heard of again.
//!
//! A vote binds: whoever votes twice in an epoch may cause two masters. So a vote is told, to the
//! peer that asked for it or by counting it ourselves, only when [`Action::Save`] has been answered
//! for a state that has it. The driver writes down what [`saved_form`](Sentinel::saved_form) gives
//! when it carries the action out, and returns the number that came with it.

pub mod action;
pub mod address;
pub mod failover;
pub mod instance;
pub mod link;
pub mod orders;
pub mod timing;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{CommonOptions, SentinelConfig};
use crate::resp::reply::Value;
pub use action::{Action, Answer, ConnId, Ends, LinkEnd, ScriptEnd, ScriptId, Verdict};
use instance::{Master, MasterId};
use link::Links;
pub use timing::{TIMING_ROWS, Timing};

/// What the server around it is set to, as far as that matters to peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The port that it listens on.
    pub port: u16,
    /// `requirepass`: peers that share it are spoken to with it, unless they have one of their own.
    pub password: Vec<u8>,
}

/// A Sentinel; see the module's head.
#[derive(Debug)]
pub struct Sentinel {
    id: String,
    epoch: u64,
    common: CommonOptions,
    own: Own,
    timing: Timing,
    masters: BTreeMap<MasterId, Master>,
    links: Links,
    rng: Rng,
    out: Vec<Action>,
    touched: BTreeSet<MasterId>,
}

impl Sentinel {
    /// A Sentinel with what its file says. `start` sets it going.
    pub fn new(config: SentinelConfig, own: Own, rng: Rng, now: Now) -> Sentinel {
        todo!()
    }

    /// Says who it is and what it watches, and begins.
    pub fn start(&mut self, now: Now) {
        todo!()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it has to be called again if nothing happens before, in monotonic milliseconds.
    pub fn due_ms(&self) -> u64 {
        todo!()
    }

    /// The acting half; see the module's head.
    pub fn act(&mut self, now: Now) {
        todo!()
    }

    /// What is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.out)
    }

    /// The server around it is set to something else.
    pub fn set_own(&mut self, own: Own) {
        self.own = own;
    }

    /// Its state as it is to be written down, and the number by which that is known.
    pub fn saved_form(&self) -> (u64, SentinelConfig) {
        todo!()
    }

    // ---- What happens ----

    /// A connection is open.
    pub fn on_connected(&mut self, conn: ConnId, ends: Ends, now: Now) {
        todo!()
    }

    /// A connection was not made, or is no more.
    pub fn on_closed(&mut self, conn: ConnId, why: LinkEnd, now: Now) {
        todo!()
    }

    /// A reply, or a message that nobody asked for, has come.
    pub fn on_value(&mut self, conn: ConnId, value: Value, now: Now) {
        todo!()
    }

    /// The state of this number was written down, or could not be; the reason.
    pub fn on_saved(&mut self, number: u64, result: Result<(), String>, now: Now) {
        todo!()
    }

    /// A program has ended.
    pub fn on_script_ended(&mut self, script: ScriptId, end: ScriptEnd, now: Now) {
        todo!()
    }

    /// A peer announces itself and what it takes for the master (`PUBLISH`, or by way of a server).
    pub fn on_hello(&mut self, hello: &[u8], now: Now) {
        todo!()
    }
}
