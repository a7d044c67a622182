//! The relay: every connection between two hosts of a lab goes through it, so that the links
//! between them can be cut, delayed and throttled without privileges.
//!
//! It listens at the public address of each node and leads what comes on to the node's hidden one.
//! Who has opened a connection is told by the address that it comes from (see
//! [`addresses`](crate::lab::addresses)), so each connection belongs to two links, one for each
//! direction of its bytes.
//!
//! ```text
//!   shape   what a link does to bytes: pure, time is an argument
//!   hosts   who is where; the links
//!   pair    one connection: two sockets, a queue each way
//!   driver  the loop: sockets, timers, jobs
//! ```
//!
//! A disturbed link behaves as a network does that loses or holds up packets, as far as that can be
//! seen from the ends:
//!
//! - Over a cut link no byte passes, nor the end of a connection. Both sockets stay; the sender
//!   notices when its buffers are full. After the cut all goes on, in order.
//! - A new connection needs both directions. While one is cut, the initiator's kernel has its
//!   connection, for that is with the relay, but the target does not learn of it; after some two
//!   minutes it is reset, as a connect would fail. (It is reset sooner if the initiator has ended
//!   it, for most likely nobody is there any more.)
//! - With a delay, a connection that was opened hears the first answer after the delays of the
//!   handshake and of the request.
//! - Half a close is passed on as such, a reset as a reset; a target that refuses resets the
//!   initiator.
//! - Timers have a resolution of a millisecond: a delay is never shorter than asked for, and up to
//!   a millisecond longer.
//!
//! One thing is not as on a network: that nobody listens at an address ([`Relay::close`]) is known
//! at once, also across a cut.
//!
//! Each connection takes two descriptors; who runs many raises the process's limit.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use mio::{Poll, Waker};

mod driver;
mod hosts;
mod pair;
mod shape;

use self::driver::{Driver, Job, WAKER};
use self::pair::now_us;
use crate::lab::model::LinkState;

pub use self::hosts::OUTSIDE;

/// What has passed a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Where its bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// What the link is like.
    pub state: LinkState,
    /// Bytes that have passed it since it was first used.
    pub bytes: u64,
    /// Connections that use it now.
    pub connections: usize,
}

/// The relay of a lab. It ends with this value, and so do all connections through it.
#[derive(Debug)]
pub struct Relay {
    jobs: Sender<Job>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts the relay's thread.
    ///
    /// # Errors
    ///
    /// The system has no descriptors or no thread for it.
    pub fn start() -> io::Result<Relay> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (jobs, to_do) = channel();
        let driver = Driver::new(poll);
        let thread = Builder::new().name("relay".to_owned());
        let thread = thread.spawn(move || driver.run(&to_do))?;
        Ok(Relay {
            jobs,
            waker,
            thread: Some(thread),
        })
    }

    /// Has the loop do something, and waits for its answer; none if its thread has ended.
    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = channel();
        let job: Job = Box::new(move |driver| {
            // Nobody but the asker has the other end, and it waits.
            let _ = answer.send(job(driver));
        });
        self.jobs.send(job).ok()?;
        self.waker.wake().ok()?;
        answered.recv().ok()
    }

    /// A host has these addresses: all of a node's, or a client's one.
    pub fn add_host(&self, name: &str, ips: &[IpAddr]) {
        let (name, ips) = (name.to_owned(), ips.to_vec());
        self.ask(move |driver| {
            let host = driver.hosts.named(&name);
            for ip in ips {
                driver.hosts.locate(ip, host);
            }
        });
    }

    /// Listens at `public` for connections to a host, which it leads on to `target`. A host may
    /// have several such addresses.
    ///
    /// # Errors
    ///
    /// The address cannot be bound: somebody has it.
    pub fn open(&self, name: &str, public: SocketAddr, target: SocketAddr) -> io::Result<()> {
        let name = name.to_owned();
        let opened = self.ask(move |driver| {
            let host = driver.hosts.named(&name);
            driver.open(host, public, target)
        });
        opened.unwrap_or_else(|| Err(io::Error::other("the relay has ended")))
    }

    /// The process of a host is gone: who connects to it from now on is refused. The connections to
    /// it are reset, behind what it has sent and as far as the links let that pass.
    pub fn close(&self, name: &str) {
        let name = name.to_owned();
        self.ask(move |driver| {
            let host = driver.hosts.named(&name);
            driver.close(host);
        });
    }

    /// Changes the link from one host to another, for all that passes it from now on and all that
    /// is on its way.
    pub fn set(&self, from: &str, to: &str, state: LinkState) {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.ask(move |driver| {
            let hosts = &mut driver.hosts;
            let (from, to) = (hosts.named(&from), hosts.named(&to));
            let link = hosts.link(from, to);
            hosts.route_mut(link).link.set(state, now_us());
            driver.on_link(link);
        });
    }

    /// What the link from one host to another is like.
    pub fn state(&self, from: &str, to: &str) -> LinkState {
        let (from, to) = (from.to_owned(), to.to_owned());
        let state = self.ask(move |driver| {
            let hosts = &mut driver.hosts;
            let (from, to) = (hosts.named(&from), hosts.named(&to));
            let link = hosts.link(from, to);
            hosts.route(link).link.state()
        });
        state.unwrap_or_default()
    }

    /// What has passed each link that was ever used or changed.
    pub fn traffic(&self) -> Vec<Traffic> {
        let traffic = self.ask(|driver| {
            let connections = driver.connections();
            let links = driver.hosts.links();
            links
                .map(|link| {
                    let route = driver.hosts.route(link);
                    Traffic {
                        from: driver.hosts.name(route.from).to_owned(),
                        to: driver.hosts.name(route.to).to_owned(),
                        state: route.link.state(),
                        bytes: route.bytes,
                        connections: connections.get(&link).copied().unwrap_or(0),
                    }
                })
                .collect()
        });
        traffic.unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ask(Driver::leave);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by then, and there is nothing left to end.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
