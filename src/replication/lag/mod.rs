//! Lag that means something: how far a copy is behind, in bytes and in milliseconds.
//!
//! Bytes are easy: a replica acknowledges an offset. Milliseconds are not, since the stream has no
//! times in it, and a stock master only knows when it heard of a replica last. So the *origin*, the
//! master at the root, puts **marks** with its time into the stream, as `PING` with an argument,
//! which every replica takes; they count as bytes of the stream for everybody, are passed on like
//! any other byte, and go to no file. A replica that has *applied* a mark has applied all that was
//! written before it: its lag is its time less that of the mark, however many servers passed the
//! mark on.
//!
//! ```text
//! origin   SET a  SET b  PING lag:T1:id ──┐
//!                                         ├─▶ replica  applies up to T1 at its time t
//!                                         │            lag = t + skew - T1
//!                                         ◀── REPLCONF ACK offset LAG ms
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `clock.rs` | a clock without jumps; how far the origin's is ahead of ours |
//! | `mark.rs` | the marks, and when the origin writes one |
//! | `meter.rs` | what a replica has measured, and how that ages |
//! | `feed_times.rs` | when which byte was written: for replicas that measure nothing |
//! | `rate.rs` | how fast a snapshot comes or goes |
//!
//! Nothing of this costs anything while no replica reads marks: the origin writes none, and a
//! server without replicas notes no times.

pub mod clock;
pub mod feed_times;
pub mod mark;
pub mod meter;
pub mod rate;

#[cfg(test)]
mod machine_tests;
