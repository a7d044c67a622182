//! What clients take for `INFO`, as it was noted when each was last looked at.
//!
//! Nobody keeps count of that as it changes. To ask all clients is exact, and holds the loop up
//! when there are many; so then the sum of what periodic work has found is told, which looks at
//! each once a second.

use super::super::clients::Clients;
use super::sum::Noted;
use crate::engine::world::Socket;

/// With more clients than this, what they take is told as of the last second.
const ASKED_MAX: usize = 1000;

impl<S: Socket> Clients<S> {
    /// Notes anew what a client takes.
    pub fn note_memory(&mut self, key: usize) {
        if let Some(conn) = self.get_mut(key) {
            let mut now = Noted::default();
            now.add(conn.replica.is_some(), conn.memory());
            self.replace_noted(key, now);
        }
    }

    /// A client is over: it takes nothing any more.
    pub fn forget_memory(&mut self, key: usize) {
        self.replace_noted(key, Noted::default());
    }

    fn replace_noted(&mut self, key: usize, now: Noted) {
        if let Some(conn) = self.get_mut(key) {
            let old = std::mem::replace(&mut conn.noted, now);
            let sum = &mut self.noted;
            sum.clients = sum.clients - old.clients + now.clients;
            sum.replicas = sum.replicas - old.replicas + now.replicas;
        }
    }

    /// What all take together.
    pub fn memory_by_kind(&self) -> Noted {
        if self.len() > ASKED_MAX {
            return self.noted;
        }
        let mut sum = Noted::default();
        for (_, conn) in self.iter() {
            sum.add(conn.replica.is_some(), conn.memory());
        }
        sum
    }
}
