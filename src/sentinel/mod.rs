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
//! | `state.rs`, `context.rs` | all that it knows, and how it is lent to the parts |
//! | `instance.rs`, `ids.rs` | what is known of masters, replicas, peers |
//! | `link.rs`, `address.rs` | the connections to them, and where they are |
//! | `observe/`, `hello.rs` | replies, `INFO`, announcements |
//! | `turn.rs` | who is looked at, and when |
//! | `act/` | pings and questions, down states, votes, the failover, corrections |
//! | `failover.rs` | how far a failover is |
//! | `save.rs`, `saved.rs` | what has to be durable before somebody hears of it |
//! | `scripts.rs` | programs that are told of events |
//! | `tilt.rs` | a sense of time that is not to be trusted |
//! | `orders.rs` | what users ask for |
//! | `describe.rs` | what users are shown |
//! | `event.rs` | events: log, subscribers, scripts |
//! | `timing.rs`, `settings.rs` | periods and limits, and what else is set from outside |
//! | `planted.rs` | faults for tests to find |
//! | `action.rs` | what it asks of its driver, and what it is told |
//! | `rig.rs` | for tests: servers that are played, a network, a clock |
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

mod act;
pub mod action;
pub mod address;
mod context;
pub mod describe;
pub mod event;
pub mod failover;
pub mod hello;
pub mod ids;
pub mod instance;
pub mod link;
mod observe;
pub mod orders;
pub mod planted;
#[cfg(test)]
mod rig;
mod save;
mod saved;
pub mod scripts;
pub mod settings;
mod state;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod tilt;
pub mod timing;
mod turn;

pub use action::{Action, Answer, ConnId, Ends, LinkEnd, ScriptEnd, ScriptId, Verdict};
pub use settings::Own;
pub use state::Sentinel;
pub use timing::{TIMING_ROWS, Timing};
