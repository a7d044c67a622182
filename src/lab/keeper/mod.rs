//! The keeper: the one process that a lab belongs to.
//!
//! It starts the nodes and ends with them, owns the relay, the writers and the record, and answers
//! the requests of scripts, one after the other, in the order in which they come. All that decides
//! runs in one thread, so nothing here is locked; other threads only bring messages (what was
//! asked, what was seen) and one of its own ticks looks at what cannot speak for itself: processes
//! that have ended, logs that have grown.
//!
//! A request that waits for something is kept ([`state::Waiter`]) and asked again at each tick;
//! meanwhile others are answered.

mod clients;
mod control;
mod files;
mod links;
mod logs;
mod processes;
mod recorder;
mod serve;
mod start;
mod state;
mod status;
mod step;
mod views;
mod waiting;
mod writers;

pub use control::ask;
pub use files::{CONTROL_SOCKET, ERROR_FILE, PLAN_FILE, RECORD_FILE};
pub use start::run;
