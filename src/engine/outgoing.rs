//! Connections that we make: to our master, to the target of a `MIGRATE`.
//!
//! ```text
//!            resolved            connected
//! Resolving ──────────▶ Connecting ──────────▶ Open ──▶ closed by its user, or lost
//!     │                   │   ▲ the next address
//!     │                   └───┘
//!     └──▶ failed ◀───────┘ no address is left
//! ```
//!
//! A name may stand for several addresses, and a server may listen on only some of them, so all
//! are tried in the order of the answer; each has its share of the time that the whole may take.
//! Nothing blocks, but for [`Outgoing::open_now`] and its like, which `MIGRATE` needs.
//!
//! What is to be sent collects in a buffer that the write phase of the tick flushes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use slab::Slab;

use super::world::{Clock, Connecting, Interest, Network, Socket, Wake};
use crate::base::errno::os_text;

/// An address that others stand behind is given up after this time at the latest: a second lost
/// packet is not worth waiting for while somebody else may answer at once.
const ADDRESS_MS_MAX: u64 = 3000;

/// Where a connection stands.
enum Stage<S> {
    /// The name of the other end is being looked up, by the request of this number.
    Resolving(u64),
    /// Being made to one of the addresses.
    Connecting {
        socket: S,
        /// Addresses to try after this one.
        rest: VecDeque<SocketAddr>,
        /// When to give this address up, in monotonic milliseconds.
        give_up_ms: u64,
    },
    /// Open.
    Open(S),
    /// It failed or was closed, and is to be forgotten.
    Over,
}

/// Why no connection came about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// It could not even be begun; the reason.
    NotBegun(String),
    /// It was begun and failed; the reason.
    Failed(String),
}

/// What an event has led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConnectProgress {
    /// Nothing yet.
    Pending,
    /// It is open now.
    Opened,
    /// It was open before: there may be something to read.
    Readable,
    /// It failed, and is forgotten.
    Failed(ConnectError),
}

/// How to reach somebody.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The address to connect from, if not just any.
    pub from: Option<String>,
    /// The time for all of it, in milliseconds.
    pub timeout_ms: u64,
}

/// One connection.
pub struct Outgoing<S> {
    target: Target,
    begun_ms: u64,
    stage: Stage<S>,
    out: Vec<u8>,
    sent: usize,
}

impl<S: Socket> Outgoing<S> {
    fn new(target: Target, now_ms: u64, stage: Stage<S>) -> Outgoing<S> {
        Outgoing {
            target,
            begun_ms: now_ms,
            stage,
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Tries one address after the other until one is being connected to.
    fn try_addresses<W>(
        &mut self,
        wake: Wake,
        mut rest: VecDeque<SocketAddr>,
        mut last: ConnectError,
        world: &mut W,
    ) -> Result<(), ConnectError>
    where
        W: Clock + Network<Socket = S>,
    {
        let now_ms = world.now().mono_ms();
        let left_ms = (self.begun_ms + self.target.timeout_ms).saturating_sub(now_ms);
        while let Some(address) = rest.pop_front() {
            let share_ms = (left_ms / (rest.len() as u64 + 1)).min(ADDRESS_MS_MAX);
            let begun = world
                .connect(address, self.target.from.as_deref())
                .and_then(|mut socket| {
                    world.watch(&mut socket, wake, Interest::ReadWrite)?;
                    Ok(socket)
                });
            match begun {
                Ok(socket) => {
                    self.stage = Stage::Connecting {
                        socket,
                        rest,
                        give_up_ms: now_ms + share_ms,
                    };
                    return Ok(());
                }
                Err(e) => last = ConnectError::NotBegun(os_text(&e)),
            }
        }
        self.stage = Stage::Over;
        Err(last)
    }

    /// Gives the address up that is being tried, and goes on with the next one.
    fn try_next<W>(
        &mut self,
        wake: Wake,
        why: ConnectError,
        world: &mut W,
    ) -> Result<(), ConnectError>
    where
        W: Clock + Network<Socket = S>,
    {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Connecting { socket, rest, .. } => {
                world.close(socket);
                self.try_addresses(wake, rest, why, world)
            }
            other => {
                self.stage = other;
                Ok(())
            }
        }
    }

    fn on_ready<W>(&mut self, wake: Wake, world: &mut W) -> ConnectProgress
    where
        W: Clock + Network<Socket = S>,
    {
        let socket = match &self.stage {
            Stage::Connecting { socket, .. } => socket,
            Stage::Open(_) => return ConnectProgress::Readable,
            Stage::Resolving(_) | Stage::Over => return ConnectProgress::Pending,
        };
        match socket.connecting() {
            Connecting::Pending => ConnectProgress::Pending,
            Connecting::Done => {
                if let Stage::Connecting { socket, .. } =
                    std::mem::replace(&mut self.stage, Stage::Over)
                {
                    socket.set_nodelay(true);
                    self.stage = Stage::Open(socket);
                }
                ConnectProgress::Opened
            }
            Connecting::Failed(e) => {
                let why = ConnectError::Failed(os_text(&e));
                match self.try_next(wake, why, world) {
                    Ok(()) => ConnectProgress::Pending,
                    Err(e) => ConnectProgress::Failed(e),
                }
            }
        }
    }

    /// Sends what waits, as far as the socket takes it. A full socket is told writable again; a
    /// broken one is told readable.
    fn flush(&mut self) {
        let Stage::Open(socket) = &mut self.stage else {
            return;
        };
        while self.sent < self.out.len() {
            match socket.write(&self.out[self.sent..]) {
                Ok(n) if n > 0 => self.sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
        self.out.clear();
        self.sent = 0;
    }

    /// Takes the socket out.
    fn into_socket(self) -> Option<S> {
        match self.stage {
            Stage::Connecting { socket, .. } | Stage::Open(socket) => Some(socket),
            Stage::Resolving(_) | Stage::Over => None,
        }
    }
}

/// All connections that the engine watches, by number.
pub struct Outgoings<S> {
    open: Slab<Outgoing<S>>,
    /// Those with something to send this tick.
    to_flush: Vec<usize>,
    requests: u64,
}

impl<S> Default for Outgoings<S> {
    fn default() -> Outgoings<S> {
        Outgoings {
            open: Slab::new(),
            to_flush: Vec::new(),
            requests: 0,
        }
    }
}

impl<S: Socket> Outgoings<S> {
    /// Begins to make a connection. How it goes on is told by [`Outgoings::on_ready`] and
    /// [`Outgoings::on_resolved`].
    ///
    /// # Errors
    ///
    /// It is known at once that nothing comes of it.
    pub fn open<W>(&mut self, target: Target, world: &mut W) -> Result<usize, ConnectError>
    where
        W: Clock + Network<Socket = S>,
    {
        let now_ms = world.now().mono_ms();
        let (host, port) = (target.host.clone(), target.port);
        let entry = self.open.vacant_entry();
        let key = entry.key();
        if let Ok(ip) = host.parse::<IpAddr>() {
            let mut outgoing = Outgoing::new(target, now_ms, Stage::Over);
            let address = VecDeque::from([SocketAddr::new(ip, port)]);
            let nobody = ConnectError::NotBegun(String::new());
            outgoing.try_addresses(Wake::Outgoing(key), address, nobody, world)?;
            entry.insert(outgoing);
            return Ok(key);
        }
        self.requests += 1;
        let request = self.requests;
        entry.insert(Outgoing::new(target, now_ms, Stage::Resolving(request)));
        world.resolve(request, &host, port);
        Ok(key)
    }

    /// A name was resolved: whose connection that concerns, and what came of it.
    pub fn on_resolved<W>(
        &mut self,
        request: u64,
        answer: io::Result<Vec<SocketAddr>>,
        world: &mut W,
    ) -> Option<(usize, ConnectProgress)>
    where
        W: Clock + Network<Socket = S>,
    {
        let asked = |stage: &Stage<S>| matches!(stage, Stage::Resolving(own) if *own == request);
        let mut all = self.open.iter_mut();
        let (key, outgoing) = all.find(|(_, outgoing)| asked(&outgoing.stage))?;
        let begun = match answer {
            Ok(found) => {
                let nobody = ConnectError::NotBegun(os_text(&ErrorKind::AddrNotAvailable.into()));
                outgoing.try_addresses(Wake::Outgoing(key), found.into(), nobody, world)
            }
            Err(e) => Err(ConnectError::NotBegun(os_text(&e))),
        };
        Some((key, self.settle(key, begun)))
    }

    /// The socket of a connection is ready for something.
    pub fn on_ready<W>(&mut self, key: usize, world: &mut W) -> ConnectProgress
    where
        W: Clock + Network<Socket = S>,
    {
        let Some(outgoing) = self.open.get_mut(key) else {
            return ConnectProgress::Pending;
        };
        let progress = outgoing.on_ready(Wake::Outgoing(key), world);
        if matches!(progress, ConnectProgress::Failed(_)) {
            self.open.remove(key);
        } else {
            self.to_flush.push(key);
        }
        progress
    }

    /// Gives up addresses that had their share of the time, where others are left; when the whole
    /// has taken too long is its user's business.
    pub fn give_slow_addresses_up<W>(&mut self, world: &mut W) -> Vec<(usize, ConnectProgress)>
    where
        W: Clock + Network<Socket = S>,
    {
        let now_ms = world.now().mono_ms();
        let is_slow = |outgoing: &Outgoing<S>| match &outgoing.stage {
            Stage::Connecting {
                rest, give_up_ms, ..
            } => !rest.is_empty() && now_ms >= *give_up_ms,
            Stage::Resolving(_) | Stage::Open(_) | Stage::Over => false,
        };
        let slow: Vec<usize> = (self.open.iter())
            .filter(|(_, outgoing)| is_slow(outgoing))
            .map(|(key, _)| key)
            .collect();
        let mut failed = Vec::new();
        for key in slow {
            let why = ConnectError::Failed(os_text(&ErrorKind::TimedOut.into()));
            let begun = self.open[key].try_next(Wake::Outgoing(key), why, world);
            if let ConnectProgress::Failed(e) = self.settle(key, begun) {
                failed.push((key, ConnectProgress::Failed(e)));
            }
        }
        failed
    }

    fn settle(&mut self, key: usize, begun: Result<(), ConnectError>) -> ConnectProgress {
        match begun {
            Ok(()) => ConnectProgress::Pending,
            Err(e) => {
                self.open.remove(key);
                ConnectProgress::Failed(e)
            }
        }
    }

    /// Closes a connection, or stops making it.
    pub fn close<W>(&mut self, key: usize, world: &mut W)
    where
        W: Clock + Network<Socket = S>,
    {
        if let Some(outgoing) = self.open.try_remove(key)
            && let Some(socket) = outgoing.into_socket()
        {
            world.close(socket);
        }
    }

    /// The socket of a connection that is open.
    pub fn socket(&mut self, key: usize) -> Option<&mut S> {
        match &mut self.open.get_mut(key)?.stage {
            Stage::Open(socket) => Some(socket),
            Stage::Resolving(_) | Stage::Connecting { .. } | Stage::Over => None,
        }
    }

    /// Has bytes sent in the write phase of this tick.
    pub fn send(&mut self, key: usize, bytes: &[u8]) {
        if let Some(outgoing) = self.open.get_mut(key) {
            outgoing.out.extend_from_slice(bytes);
            self.to_flush.push(key);
        }
    }

    /// Sends what waits, as far as the sockets take it.
    pub fn flush_all(&mut self) {
        for key in self.to_flush.drain(..) {
            if let Some(outgoing) = self.open.get_mut(key) {
                outgoing.flush();
            }
        }
    }
}

/// Makes a connection and waits until it is open: all addresses are tried, each for so long.
///
/// # Errors
///
/// That of the last address, or of the look-up.
pub fn open_now<W: Clock + Network>(
    host: &str,
    port: u16,
    timeout: Duration,
    world: &mut W,
) -> io::Result<W::Socket> {
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => world.resolve_now(host, port)?,
    };
    let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in found {
        let mut socket = match world.connect(address, None) {
            Ok(socket) => socket,
            Err(e) => {
                failure = e;
                continue;
            }
        };
        let ready = world.wait_for(&mut socket, true, timeout);
        failure = match socket.connecting() {
            Connecting::Done => {
                socket.set_nodelay(true);
                return Ok(socket);
            }
            Connecting::Failed(e) if ready => e,
            Connecting::Failed(_) | Connecting::Pending => ErrorKind::TimedOut.into(),
        };
        world.close(socket);
    }
    Err(failure)
}
