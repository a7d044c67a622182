//! The append-only file: what is written to it is there again, whatever happens to the server.
//!
//! | file | tells |
//! |---|---|
//! | `crash.rs`, `habits.rs` | servers that are killed, and what clients had written |
//! | `damage.rs` | files that were cut or have flipped bits |
//! | `interchange.rs` | files that stock Redis wrote or reads |
//! | `old_file.rs` | the one file that servers before 7.0 kept |
//! | `rewrites.rs` | rewrites, and what is told of them |
//! | `switching.rs` | on and off, restarts, replicas |

mod crash;
mod damage;
mod habits;
mod interchange;
mod old_file;
mod rewrites;
mod switching;
