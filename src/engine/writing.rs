//! The write phase: everything that a tick has to say leaves here, and nowhere earlier.
//!
//! ```text
//! file → replicas (log, snapshot) → replies → the connections that we made
//! ```
//!
//! The order is a promise. What a client is told to be done was offered to all replicas before,
//! and where a file is to be synced before the reply, the sync stands in front of both. So nobody
//! writes to a socket while events are handled: a reply goes to the client's output, a socket that
//! takes bytes again puts its client on the list, and all of it waits for this phase.

use super::Engine;
use super::world::World;
use crate::commands::session::Kind;

impl<W: World> Engine<W> {
    /// See the module's head.
    ///
    /// # Errors
    ///
    /// What is promised of the append-only file cannot be kept, so nobody is to be told of what
    /// the tick did: the server must not go on.
    pub(super) fn write_phase(&mut self) -> Result<(), String> {
        let Engine { env, runtime, .. } = self;
        runtime.write_aof(env)?;
        self.feed_replicas();
        let Engine { env, runtime, .. } = self;
        runtime.forward_snapshot(env);
        self.write_replies();
        let Engine { runtime, .. } = self;
        runtime.outgoing.flush_all();
        Ok(())
    }

    /// Writes what every queued connection has to say.
    fn write_replies(&mut self) {
        let mut queue = std::mem::take(&mut self.runtime.clients.to_write);
        for key in queue.drain(..) {
            if let Some(conn) = self.runtime.clients.get_mut(key) {
                conn.queued = false;
                self.write_to(key);
            }
        }
        // What was queued meanwhile (the next piece of a file) waits for the next tick.
        queue.append(&mut self.runtime.clients.to_write);
        self.runtime.clients.to_write = queue;
    }

    /// Writes as much as the socket takes, and asks to be told when it takes more.
    fn write_to(&mut self, key: usize) {
        let Engine { env, runtime, .. } = self;
        let conn = &runtime.clients[key];
        if conn.session().activity.is_over() {
            return;
        }
        if conn.output.pending() > 0 {
            let written = runtime.clients.flush(key, env, &mut runtime.world);
            let conn = &mut runtime.clients[key];
            if written && matches!(conn.session().kind, Kind::Normal | Kind::Monitor) {
                conn.last_interaction_ms = env.now.mono_ms();
            }
            if conn.output.pending() > 0 {
                return;
            }
        }
        let conn = &runtime.clients[key];
        if conn.session().activity.is_closing() {
            return runtime.clients.close_now(key);
        }
        if conn.replica.is_some() {
            return runtime.feed_replica(key, env);
        }
        runtime
            .clients
            .wait_writable(key, false, &mut runtime.world);
    }
}
