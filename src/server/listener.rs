//! The sockets that clients connect to, and those who want metrics.
//!
//! Every address of `bind` and of `metrics-bind` and the `unixsocket` become one listening socket
//! each; [`Listeners`] owns them. An address written with a leading `-` may be missing from the
//! machine, and so may a whole address family; any other failure refuses the start, or the
//! `CONFIG SET` that asked for the address.
//!
//! A change never closes a socket before all that come after it are open:
//!
//! ```text
//! what is asked for ─┬─ open already ──► kept as it is, with the connections that wait in it
//!                    └─ missing ───────► all bound, then all listening; or an error, and nothing
//!                                        has happened
//! what is left over ───────────────────► not watched any more; closed by `settle`
//! ```
//!
//! Between [`Listeners::replace`] and [`Listeners::settle`] the change can be undone by another
//! `replace`, which finds the old sockets still open: nobody can take an address away meanwhile.

mod open;
mod socket;

use std::io;

use mio::Registry;
use slab::Slab;

use self::open::ListenAddr;
use self::socket::Listener;
use crate::config::Settings;
use crate::engine::world::Service;

/// One socket of [`Listeners`].
struct Open {
    place: ListenAddr,
    service: Service,
    listener: Listener,
    /// It is in use. One that is not is only kept from being taken by somebody else.
    watched: bool,
}

/// All sockets that clients connect to; see the module's head.
///
/// The number by which a socket is known to the poll stays the same as long as it is open.
#[derive(Default)]
pub struct Listeners {
    sockets: Slab<Open>,
}

impl Listeners {
    /// Listens where the settings ask for, and nowhere else, with events for `registry`. Sockets
    /// that are not needed any more are still open until [`settle`](Self::settle), or until
    /// another `replace` needs them again.
    ///
    /// # Errors
    ///
    /// A text for the log of a server that does not start. Everything is as it was before.
    pub fn replace(&mut self, registry: &Registry, settings: &Settings) -> Result<(), String> {
        let mut kept: Vec<usize> = Vec::new();
        let mut missing = Vec::new();
        for wanted in open::wanted(settings)? {
            let is_wanted = |o: &Open| o.place == wanted.place && o.service == wanted.service;
            let is_there = |(key, open): &(usize, &Open)| is_wanted(open) && !kept.contains(key);
            match self.sockets.iter().find(is_there) {
                Some((key, _)) => kept.push(key),
                None => missing.push(wanted),
            }
        }
        let leaving: Vec<usize> = self.keys(|key, _| !kept.contains(&key));
        let gone = leaving.iter().map(|key| &self.sockets[*key]);
        let gone: Vec<_> = gone.map(|open| (&open.place, &open.listener)).collect();
        let opened = open::open_all(missing, &gone, settings)?;
        let fresh = opened.into_iter().map(|opened| {
            let (place, service, listener) = opened;
            self.sockets.insert(Open {
                place,
                service,
                listener,
                watched: false,
            })
        });
        let fresh: Vec<usize> = fresh.collect();
        kept.extend(&fresh);
        if let Err(e) = self.watch(registry, &kept) {
            for key in fresh {
                self.sockets.remove(key);
            }
            return Err(format!("Cannot watch a listening socket: {e}"));
        }
        self.unwatch(registry, &leaving);
        Ok(())
    }

    /// The change is final: closes what it has left over.
    pub fn settle(&mut self) {
        self.sockets.retain(|_, open| open.watched);
    }

    /// Closes all.
    pub fn clear(&mut self) {
        self.sockets.clear();
    }

    /// The socket that the poll knows by this number, and whom it is there for.
    pub fn get(&self, key: usize) -> Option<(&Listener, Service)> {
        let open = self.sockets.get(key)?;
        open.watched.then_some((&open.listener, open.service))
    }

    /// The numbers of all that are in use.
    pub fn numbers(&self) -> Vec<usize> {
        self.keys(|_, open| open.watched)
    }

    /// The ways of listening for clients that are in use, each once: `tcp`, `tls`, `unix`.
    pub fn kinds(&self) -> Vec<&'static str> {
        let is_for_clients = |open: &Open| open.watched && open.service == Service::Clients;
        let in_use = self.sockets.iter().filter(|(_, open)| is_for_clients(open));
        let mut kinds: Vec<_> = in_use.map(|(_, open)| open.listener.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    fn keys(&self, choose: impl Fn(usize, &Open) -> bool) -> Vec<usize> {
        let chosen = self.sockets.iter().filter(|(key, open)| choose(*key, open));
        chosen.map(|(key, _)| key).collect()
    }

    /// Watches all of these, or none that was not watched before.
    fn watch(&mut self, registry: &Registry, keys: &[usize]) -> io::Result<()> {
        let mut begun = Vec::new();
        for key in keys {
            let open = &mut self.sockets[*key];
            if open.watched {
                continue;
            }
            if let Err(e) = open.listener.register(registry, *key) {
                self.unwatch(registry, &begun);
                return Err(e);
            }
            open.watched = true;
            begun.push(*key);
        }
        Ok(())
    }

    fn unwatch(&mut self, registry: &Registry, keys: &[usize]) {
        for key in keys {
            let open = &mut self.sockets[*key];
            if std::mem::take(&mut open.watched) {
                // One that cannot be taken out of the poll wakes it in vain until it is closed.
                let _ = open.listener.deregister(registry);
            }
        }
    }
}

#[cfg(test)]
mod tests;
