//! Connections that we make: to our master, to the target of a `MIGRATE`, to what a Sentinel
//! watches.
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
//!
//! There may be thousands of them, so nothing here looks at all to find one: deadlines are kept in
//! order, and an answer of the resolver knows who has asked. A name that is being looked up is not
//! asked for a second time, however often somebody gives up and begins anew.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use slab::Slab;

use super::world::{Clock, Connecting, Interest, Network, Socket, Transport, Wake};
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

/// Why no connection came about; of the last address that was tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectError {
    /// It could be begun.
    pub begun: bool,
    /// The other machine says that nobody listens there.
    pub refused: bool,
    /// The reason.
    pub reason: String,
}

impl ConnectError {
    fn new(begun: bool, e: &io::Error) -> ConnectError {
        ConnectError {
            begun,
            refused: e.kind() == ErrorKind::ConnectionRefused,
            reason: os_text(e),
        }
    }
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
    /// Whether it is encrypted.
    pub transport: Transport,
    /// The time for all of it, in milliseconds. Each address has its share of it.
    pub timeout_ms: u64,
    /// Whether it fails when that time is over, or whether its user sees to that.
    pub times_out: bool,
}

/// One connection.
pub struct Outgoing<S> {
    target: Target,
    begun_ms: u64,
    stage: Stage<S>,
    out: Vec<u8>,
    sent: usize,
    /// Under which time it stands among the deadlines.
    deadline_ms: Option<u64>,
}

impl<S: Socket> Outgoing<S> {
    fn new(target: Target, now_ms: u64, stage: Stage<S>) -> Outgoing<S> {
        Outgoing {
            target,
            begun_ms: now_ms,
            stage,
            out: Vec::new(),
            sent: 0,
            deadline_ms: None,
        }
    }

    /// When the whole has taken too long.
    fn ends_ms(&self) -> u64 {
        self.begun_ms.saturating_add(self.target.timeout_ms)
    }

    /// When something is to be done about it, if nothing happens before.
    fn due_ms(&self) -> Option<u64> {
        let next_ms = match &self.stage {
            Stage::Resolving(_) => None,
            Stage::Connecting {
                rest, give_up_ms, ..
            } => (!rest.is_empty()).then_some(*give_up_ms),
            Stage::Open(_) | Stage::Over => return None,
        };
        let ends_ms = self.target.times_out.then(|| self.ends_ms());
        next_ms.into_iter().chain(ends_ms).min()
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
        let left_ms = self.ends_ms().saturating_sub(now_ms);
        while let Some(address) = rest.pop_front() {
            let share_ms = (left_ms / (rest.len() as u64 + 1)).min(ADDRESS_MS_MAX);
            let begun = world
                .connect(address, self.target.from.as_deref(), self.target.transport)
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
                Err(e) => last = ConnectError::new(false, &e),
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
        let socket = match &mut self.stage {
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
                let why = ConnectError::new(true, &e);
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
        // If the socket keeps something, it is told writable again; if it is broken, readable.
        let _ = socket.flush();
    }

    /// Takes the socket out.
    fn into_socket(self) -> Option<S> {
        match self.stage {
            Stage::Connecting { socket, .. } | Stage::Open(socket) => Some(socket),
            Stage::Resolving(_) | Stage::Over => None,
        }
    }
}

/// A name that is being looked up.
struct Lookup {
    name: (String, u16),
    /// For whom.
    keys: Vec<usize>,
}

/// All connections that the engine watches, by number.
pub struct Outgoings<S> {
    open: Slab<Outgoing<S>>,
    /// Those with something to send this tick.
    to_flush: Vec<usize>,
    /// When something is to be done about which of them, in monotonic milliseconds.
    deadlines: BTreeSet<(u64, usize)>,
    /// By the numbers of their requests.
    lookups: HashMap<u64, Lookup>,
    requests_by_name: HashMap<(String, u16), u64>,
    requests: u64,
}

impl<S> Default for Outgoings<S> {
    fn default() -> Outgoings<S> {
        Outgoings {
            open: Slab::new(),
            to_flush: Vec::new(),
            deadlines: BTreeSet::new(),
            lookups: HashMap::new(),
            requests_by_name: HashMap::new(),
            requests: 0,
        }
    }
}

impl<S: Socket> Outgoings<S> {
    /// Begins to make a connection. How it goes on is told by [`Outgoings::on_ready`],
    /// [`Outgoings::on_resolved`] and [`Outgoings::give_up_overdue`].
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
        let mut outgoing = Outgoing::new(target, now_ms, Stage::Over);
        let key = self.open.vacant_key();
        match host.parse::<IpAddr>() {
            Ok(ip) => {
                let address = VecDeque::from([SocketAddr::new(ip, port)]);
                let nobody = ConnectError::new(false, &ErrorKind::AddrNotAvailable.into());
                outgoing.try_addresses(Wake::Outgoing(key), address, nobody, world)?;
            }
            Err(_) => outgoing.stage = Stage::Resolving(self.look_up(key, (host, port), world)),
        }
        self.open.insert(outgoing);
        self.note_deadline(key);
        Ok(key)
    }

    /// Has a name looked up for a connection. The number of the request.
    fn look_up<W>(&mut self, key: usize, name: (String, u16), world: &mut W) -> u64
    where
        W: Clock + Network<Socket = S>,
    {
        if let Some(request) = self.requests_by_name.get(&name)
            && let Some(lookup) = self.lookups.get_mut(request)
        {
            lookup.keys.push(key);
            return *request;
        }
        self.requests += 1;
        let request = self.requests;
        world.resolve(request, &name.0, name.1);
        self.requests_by_name.insert(name.clone(), request);
        let keys = vec![key];
        self.lookups.insert(request, Lookup { name, keys });
        request
    }

    /// A name was resolved: whose connections that concerns, and what came of it.
    pub fn on_resolved<W>(
        &mut self,
        request: u64,
        answer: io::Result<Vec<SocketAddr>>,
        world: &mut W,
    ) -> Vec<(usize, ConnectProgress)>
    where
        W: Clock + Network<Socket = S>,
    {
        let Some(lookup) = self.lookups.remove(&request) else {
            return Vec::new();
        };
        self.requests_by_name.remove(&lookup.name);
        let (found, nobody) = match answer {
            Ok(found) => (found, ErrorKind::AddrNotAvailable.into()),
            Err(e) => (Vec::new(), e),
        };
        let nobody = ConnectError::new(false, &nobody);
        let mut told = Vec::new();
        for key in lookup.keys {
            let outgoing = &mut self.open[key];
            let addresses = found.iter().copied().collect();
            let wake = Wake::Outgoing(key);
            let begun = outgoing.try_addresses(wake, addresses, nobody.clone(), world);
            told.push((key, self.settle(key, begun)));
        }
        told
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
        match progress {
            ConnectProgress::Failed(_) => drop(self.forget(key)),
            ConnectProgress::Readable => self.to_flush.push(key),
            ConnectProgress::Pending | ConnectProgress::Opened => {
                self.note_deadline(key);
                self.to_flush.push(key);
            }
        }
        progress
    }

    /// When [`Outgoings::give_up_overdue`] has something to do, in monotonic milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Gives up addresses that had their share of the time, where others are left, and connections
    /// that have taken too long.
    pub fn give_up_overdue<W>(&mut self, now_ms: u64, world: &mut W) -> Vec<(usize, ConnectError)>
    where
        W: Clock + Network<Socket = S>,
    {
        let mut failed = Vec::new();
        while let Some((at_ms, key)) = self.deadlines.first().copied()
            && at_ms <= now_ms
        {
            let outgoing = &mut self.open[key];
            let is_over = outgoing.target.times_out && now_ms >= outgoing.ends_ms();
            let why = ConnectError::new(true, &ErrorKind::TimedOut.into());
            let begun = match is_over {
                true => Err(why),
                false => outgoing.try_next(Wake::Outgoing(key), why, world),
            };
            if let Err(e) = begun {
                self.close(key, world);
                failed.push((key, e));
            } else {
                self.note_deadline(key);
            }
        }
        failed
    }

    fn settle(&mut self, key: usize, begun: Result<(), ConnectError>) -> ConnectProgress {
        match begun {
            Ok(()) => {
                self.note_deadline(key);
                ConnectProgress::Pending
            }
            Err(e) => {
                self.forget(key);
                ConnectProgress::Failed(e)
            }
        }
    }

    /// Puts a connection in its place among the deadlines.
    fn note_deadline(&mut self, key: usize) {
        let outgoing = &mut self.open[key];
        let due_ms = outgoing.due_ms();
        let before_ms = std::mem::replace(&mut outgoing.deadline_ms, due_ms);
        if before_ms != due_ms {
            if let Some(at_ms) = before_ms {
                self.deadlines.remove(&(at_ms, key));
            }
            self.deadlines.extend(due_ms.map(|at_ms| (at_ms, key)));
        }
    }

    /// Takes a connection out of all lists.
    fn forget(&mut self, key: usize) -> Option<Outgoing<S>> {
        let outgoing = self.open.try_remove(key)?;
        if let Some(at_ms) = outgoing.deadline_ms {
            self.deadlines.remove(&(at_ms, key));
        }
        if let Stage::Resolving(request) = outgoing.stage
            && let Some(lookup) = self.lookups.get_mut(&request)
        {
            lookup.keys.retain(|other| *other != key);
        }
        Some(outgoing)
    }

    /// Closes a connection, or stops making it.
    pub fn close<W>(&mut self, key: usize, world: &mut W)
    where
        W: Clock + Network<Socket = S>,
    {
        if let Some(outgoing) = self.forget(key)
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

    /// Bytes that wait for the socket to take them.
    pub fn unsent_bytes(&self, key: usize) -> usize {
        let outgoing = self.open.get(key);
        outgoing.map_or(0, |outgoing| outgoing.out.len() - outgoing.sent)
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
    transport: Transport,
    timeout: Duration,
    world: &mut W,
) -> io::Result<W::Socket> {
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => world.resolve_now(host, port)?,
    };
    let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in found {
        let mut socket = match world.connect(address, None, transport) {
            Ok(socket) => socket,
            Err(e) => {
                failure = e;
                continue;
            }
        };
        match wait_open(&mut socket, timeout, world) {
            Ok(()) => {
                socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(e) => failure = e,
        }
        world.close(socket);
    }
    Err(failure)
}

/// Waits until a connection is open. First it has to take bytes; what comes after that, if anything
/// does, is a talk in which it is the other side's turn as soon as ours is sent.
fn wait_open<W: Clock + Network>(
    socket: &mut W::Socket,
    timeout: Duration,
    world: &mut W,
) -> io::Result<()> {
    let until_ns = world.mono_ns() + u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX / 2);
    let mut to_write = true;
    loop {
        let left = Duration::from_nanos(until_ns.saturating_sub(world.mono_ns()));
        let ready = world.wait_for(socket, to_write, left);
        match socket.connecting() {
            Connecting::Done => return Ok(()),
            Connecting::Failed(e) if ready => return Err(e),
            Connecting::Pending if ready => to_write = !socket.flush()?,
            Connecting::Failed(_) | Connecting::Pending => return Err(ErrorKind::TimedOut.into()),
        }
    }
}
