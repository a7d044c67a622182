//! Floor 7: the operating system around the engine: the reactor, sockets, files, forks, threads,
//! signals, and the life of the process. It carries out what the engine asks for and tells it what
//! happened; what anything means is the engine's business.
//!
//! | file | holds |
//! |---|---|
//! | `reactor.rs` | the loop around the engine |
//! | `world.rs`, `token.rs` | the engine's world made of the operating system; who is who in it |
//! | `socket.rs`, `listener.rs`, `tls/` | connections, where they come from, and their encryption |
//! | `child.rs`, `workers.rs` | the child that saves, the threads for what may block or drag |
//! | `startup.rs`, `process.rs`, `logger.rs`, `crash.rs`, `oom.rs` | the life of the process |
//! | `supervisor.rs` | the service manager that is told of it |
//! | `program.rs`, `options.rs` | which program this is, and what it is asked for |
//! | `machine.rs`, `memory_test.rs` | whether the machine is fit for a server |

mod child;
mod crash;
mod failure;
mod listener;
mod logger;
mod machine;
mod memory_test;
mod oom;
mod options;
mod process;
pub mod program;
mod reactor;
mod socket;
mod startup;
mod supervisor;
mod tls;
mod token;
mod users;
mod workers;
mod world;
