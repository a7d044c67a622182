//! Lag that means something: how far a copy is behind, in bytes and in milliseconds.
//!
//! Bytes are easy: a replica acknowledges an offset. Milliseconds are not, since the stream has no
//! times in it, and a stock master only knows when it heard of a replica last. So the *origin*, the
//! master at the root, sends **marks** with its time between the commands of the stream, to those
//! who have said that they read them. Marks are no part of the stream: they move no offset, and are
//! in no log and no file. A replica that has come to a mark has *applied* all that was written
//! before it: its lag is its time less that of the mark. It passes the mark on at the same place,
//! so that this holds however many servers are between.
//!
//! ```text
//! origin   SET a  SET b  PING lag:T1:id ──┐
//!                                         ├─▶ replica  has come to T1 at its time t
//!                                         │            lag = t + skew - T1
//!                                         ◀── REPLCONF ACK offset LAG ms
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `clock.rs` | a clock without jumps; how far the origin's is ahead of ours |
//! | `mark.rs` | the marks, where they stand, and when the origin makes one |
//! | `meter.rs` | what a replica has measured, and how that ages |
//! | `feed_times.rs` | when which byte was written: for replicas that measure nothing |
//! | `rate.rs` | how fast a snapshot comes or goes |
//!
//! Nothing of this costs anything while no replica reads marks: the origin makes none, and a
//! server without replicas notes no times.

pub mod clock;
pub mod feed_times;
pub mod mark;
pub mod meter;
pub mod rate;

#[cfg(test)]
mod machine_tests;
