//! Floor 7: the operating system around the engine: the reactor, sockets, files, forks, threads,
//! signals, and the life of the process. It carries out what [`Engine`] asks for and tells it what
//! happened; what anything means is the engine's business.
//!
//! | file | holds |
//! |---|---|
//! | `world.rs` | the engine's world made of the operating system |
//! | `socket.rs`, `listener.rs` | connections, and where they come from |
//! | `child.rs`, `workers.rs` | the child that saves, the threads for what may block or drag |
//! | `startup.rs`, `logger.rs`, `crash.rs`, `oom.rs` | the life of the process |
//! | `supervisor.rs` | the service manager that is told of it |
//! | `program.rs`, `options.rs` | which program this is, and what it is asked for |
//! | `machine.rs`, `memory_test.rs` | whether the machine is fit for a server |

mod child;
mod crash;
mod listener;
mod logger;
mod machine;
mod memory_test;
mod oom;
mod options;
pub mod program;
mod socket;
mod startup;
mod supervisor;
mod workers;
mod world;

use mio::Events;

use crate::engine::Engine;
use world::OsWorld;

/// The reactor: the loop around the engine.
pub struct Server {
    engine: Engine<OsWorld>,
    events: Events,
}

impl Server {
    /// A server around an engine that has begun.
    fn new(engine: Engine<OsWorld>) -> Server {
        Server {
            engine,
            events: world::events(),
        }
    }

    /// Serves until told to leave. Returns the process's exit status.
    fn run(&mut self) -> i32 {
        while !self.engine.is_over() {
            if let Err(e) = self.tick() {
                log::warn!("{e}");
                return 1;
            }
        }
        let settings = self.engine.env().config.clone();
        self.engine.world_mut().leave(&settings);
        self.engine.leave_keys();
        0
    }

    /// One turn of the loop.
    ///
    /// # Errors
    ///
    /// The server cannot go on; the text says why.
    fn tick(&mut self) -> Result<(), String> {
        let Server { engine, events } = self;
        let sleep = engine.time_to_sleep();
        engine.world_mut().poll(events, sleep)?;
        engine.begin_tick();
        for event in events.iter() {
            match OsWorld::translate(event) {
                Some(event) => engine.on_event(event),
                None => {
                    while let Some(event) = engine.world_mut().next_own_event(event.token()) {
                        engine.on_event(event);
                    }
                }
            }
        }
        engine.end_tick()
    }
}
