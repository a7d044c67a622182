//! Sentinels: what they see, agree on and do, and how they tell.
//!
//! | file | tells |
//! |---|---|
//! | `access.rs` | passwords, users, renamed commands, names of hosts, announced addresses |
//! | `bad_files.rs` | configuration files that stop the start |
//! | `changes.rs` | masters that are added, changed and removed, and settings |
//! | `chaos.rs` | everything that breaks at random, and what is left of it |
//! | `clients.rs` | clients that only ask sentinels |
//! | `commands.rs` | what clients may ask |
//! | `down.rs` | servers and sentinels that do not answer |
//! | `failover.rs` | failovers, from the first suspicion to the old master's return |
//! | `mixed.rs` | groups of both makes |
//! | `replies.rs` | every reply beside that of a stock sentinel |
//! | `scripts.rs` | scripts that are told of what happens |
//! | `selection.rs` | which replica is promoted |
//! | `start.rs` | starts, discovery, and the configuration file that keeps what is known |
//! | `tilt.rs` | sentinels that stood still |

mod access;
mod bad_files;
mod changes;
mod chaos;
mod clients;
mod commands;
mod down;
mod emptied;
mod failover;
mod mixed;
mod replies;
mod scripts;
mod selection;
mod start;
mod tilt;
