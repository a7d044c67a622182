//! The reactor: the loop around the engine.
//!
//! A turn sleeps until something has happened or is due, tells the engine one event after the
//! other, and has it end its tick. What a tick does is told in the engine's head.

use mio::Events;

use super::world::{self, OsWorld};
use crate::engine::Engine;
use crate::engine::world::ProcessControl as _;

/// See the module's head.
pub struct Server {
    pub(super) engine: Engine<OsWorld>,
    events: Events,
}

impl Server {
    /// A server around an engine that has begun.
    pub(super) fn new(engine: Engine<OsWorld>) -> Server {
        Server {
            engine,
            events: world::events(),
        }
    }

    /// Serves until told to leave. Returns the process's exit status.
    pub(super) fn run(&mut self) -> i32 {
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
