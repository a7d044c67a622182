//! The write phase: everything that a tick has to say leaves here, and nowhere earlier.
//!
//! ```text
//! file → replicas (log, snapshot) → replies → the connections that we made → metrics
//! ```
//!
//! The order is a promise. What a client is told to be done was offered to all replicas before,
//! and where a file is to be synced before the reply, the sync stands in front of both. So nobody
//! writes to a socket while events are handled: a reply goes to the client's output, a socket that
//! takes bytes again puts its client on the list, and all of it waits for this phase.

use super::runtime::Runtime;
use super::world::{Socket, World};
use crate::commands::env::Env;
use crate::commands::session::Kind;

impl<W: World> Runtime<W> {
    /// See the module's head.
    ///
    /// # Errors
    ///
    /// What is promised of the append-only file cannot be kept, so nobody is to be told of what
    /// the tick did: the server must not go on.
    pub(super) fn write_phase(&mut self, env: &mut Env) -> Result<(), String> {
        // What this adds to the stream goes to the file first, too: a replica that has more of the
        // stream than the file of a server that is killed needs a full sync.
        env.replication
            .before_sleep(env.gates.pause.is_some(), env.now);
        self.write_aof(env)?;
        self.feed_replicas(env);
        self.spool_tail(env);
        self.forward_snapshot(env);
        self.write_replies(env);
        self.outgoing.flush_all();
        self.serve_metrics(env);
        Ok(())
    }

    /// Writes what every queued connection has to say.
    fn write_replies(&mut self, env: &mut Env) {
        let mut queue = std::mem::take(&mut self.clients.to_write);
        for key in queue.drain(..) {
            if let Some(conn) = self.clients.get_mut(key) {
                if conn.session.is_none() {
                    // A script of it is in the middle of a command.
                    self.clients.to_write.push(key);
                    continue;
                }
                conn.queued = false;
                self.write_to(env, key);
            }
        }
        // What was queued meanwhile (the next piece of a file) waits for the next tick.
        queue.append(&mut self.clients.to_write);
        self.clients.to_write = queue;
    }

    /// Writes as much as the socket takes, and asks to be told when it takes more.
    fn write_to(&mut self, env: &mut Env, key: usize) {
        let conn = &self.clients[key];
        if conn.session().activity.is_over() {
            return;
        }
        if conn.output.pending() > 0 || conn.socket.has_unsent() {
            let written = self.clients.flush(key, env, &mut self.world);
            let conn = &mut self.clients[key];
            if written && matches!(conn.session().kind, Kind::Normal | Kind::Monitor) {
                conn.last_interaction_ms = env.now.mono_ms();
            }
            if conn.output.pending() > 0 || conn.socket.has_unsent() {
                return;
            }
        }
        let conn = &self.clients[key];
        if conn.session().activity.is_closing() {
            return self.clients.close_now(key);
        }
        if conn.replica.is_some() {
            return self.feed_replica(key, env);
        }
        self.clients.wait_writable(key, false, &mut self.world);
    }

    /// A client's socket takes bytes again, or will bring no more.
    pub fn note_client(&mut self, key: usize, writable: bool, ended: bool) {
        if ended && let Some(conn) = self.clients.get_mut(key) {
            conn.input.ends = true;
        }
        if writable {
            self.on_writable(key);
            // What it keeps goes out even if nobody has more to say. If it is broken, it is told
            // readable, too.
            if let Some(conn) = self.clients.get_mut(key)
                && conn.socket.has_unsent()
            {
                let _ = conn.socket.flush();
            }
        }
    }

    /// A socket takes bytes again: its client has its turn in the write phase.
    fn on_writable(&mut self, key: usize) {
        let Runtime {
            clients, snapshots, ..
        } = self;
        clients.on_writable(key);
        if clients.get(key).is_some_and(|conn| conn.replica.is_some()) {
            snapshots.want_forwarding();
        }
    }
}
