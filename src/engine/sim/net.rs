//! A network with delay, narrow pipes, cuts and silence, as a kernel would show it.
//!
//! A connection is two ends. What one end writes arrives at the other in order, after the latency
//! of the connection, and waits there to be read; so much may be under way or waiting, and then the
//! writer's socket is full. An end that is closed is told to the other behind the bytes sent
//! before; a reset drops what is under way. Between two hosts the network may go silent: nothing
//! arrives, and nothing is said about it until it heals.
//!
//! Every third connection, unless somebody wants it otherwise, opens at the side that accepts it
//! only when the first bytes arrive, as one does whose peers have to agree on keys; those bytes are
//! then there to be read, and no event tells of them any more.
//!
//! Readiness is told once when it begins, as an edge-triggered poll does, and again when what is
//! watched changes. Nothing here is kinder than that: who does not read on hears no more.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use super::end::{End, Opening};
use crate::base::rng::Rng;
use crate::engine::world::{Connecting, Event, Interest, Socket, Wake};

/// A machine, or a client's.
pub type HostId = usize;

/// Bytes under way to one end, or waiting there, at most, unless somebody wants it otherwise.
const PIPE_BYTES: usize = 6000;
/// The longest that bytes are under way, unless somebody wants it otherwise.
const LATENCY_US_MAX: u64 = 19_999;

/// Each connection whose number this divides begins with a handshake.
const HANDSHAKE_EVERY: usize = 3;

/// A host where nobody listens, and says so.
pub const NOBODY: HostId = 200;

/// The address of a host.
pub fn address_of(host: HostId) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host as u8 + 1)), 6379)
}

/// An address where nobody ever answers.
pub fn nowhere() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 6379)
}

/// The host of an address; none for an address where nobody is.
pub fn host_at(address: SocketAddr) -> Option<HostId> {
    match address.ip() {
        IpAddr::V4(ip) if ip.octets()[..3] == [10, 0, 0] => Some(ip.octets()[3] as usize - 1),
        _ => None,
    }
}

struct Conn {
    latency_us: u64,
    ends: [End; 2],
}

/// What a host may have to be told.
#[derive(Default)]
struct News {
    /// Its listener has something to tell.
    knocks: bool,
    /// Ends of connections: which connection, and which end.
    ends: BTreeSet<(usize, usize)>,
}

/// See the module's head.
pub struct Net {
    /// The one clock, in microseconds.
    pub now_us: u64,
    /// Bytes under way to one end, or waiting there, at most.
    pub pipe_bytes: usize,
    /// The longest that bytes of a connection that is made from now on are under way.
    pub latency_us_max: u64,
    /// And for sure between two hosts, smaller number first.
    pub latency_us_of: BTreeMap<(HostId, HostId), u64>,
    /// Whether every third connection begins with a handshake.
    pub handshakes: bool,
    rng: Rng,
    conns: BTreeMap<usize, Conn>,
    next_conn: usize,
    /// When something is to happen on which connection.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Connections that wait to be accepted by a host, and when they arrived.
    backlog: BTreeMap<HostId, VecDeque<usize>>,
    /// Hosts that listen.
    listening: HashSet<HostId>,
    /// Pairs of hosts that hear nothing of each other, smaller number first.
    silent: HashSet<(HostId, HostId)>,
    /// What the first says does not arrive at the second.
    mute: HashSet<(HostId, HostId)>,
    /// What each host may have to be told.
    news: Vec<News>,
    /// The other ends of watched sockets that were written to since somebody asked, in order.
    written: Vec<HostId>,
}

/// The network, shared by all who are on it.
pub type SharedNet = Rc<RefCell<Net>>;

fn pair(a: HostId, b: HostId) -> (HostId, HostId) {
    (a.min(b), a.max(b))
}

impl Net {
    /// With nobody on it.
    pub fn new(rng: Rng) -> Net {
        Net {
            now_us: 0,
            pipe_bytes: PIPE_BYTES,
            latency_us_max: LATENCY_US_MAX,
            handshakes: true,
            latency_us_of: BTreeMap::new(),
            rng,
            conns: BTreeMap::new(),
            next_conn: 0,
            due: BinaryHeap::new(),
            backlog: BTreeMap::new(),
            listening: HashSet::new(),
            silent: HashSet::new(),
            mute: HashSet::new(),
            news: Vec::new(),
            written: Vec::new(),
        }
    }

    // ---- Trouble ----

    /// A host begins to accept connections.
    pub fn bring_up(&mut self, host: HostId) {
        self.listening.insert(host);
    }

    /// A host dies: its connections are reset.
    pub fn take_down(&mut self, host: HostId) {
        self.listening.remove(&host);
        self.backlog.remove(&host);
        let all: Vec<usize> = self.conns_of(|a, b| a == host || b == host);
        for conn in all {
            self.reset_conn(conn);
        }
    }

    /// Resets all connections between two hosts.
    pub fn cut(&mut self, a: HostId, b: HostId) {
        for conn in self.conns_of(|x, y| pair(x, y) == pair(a, b)) {
            self.reset_conn(conn);
        }
    }

    /// Two hosts hear nothing of each other from now on.
    pub fn silence(&mut self, a: HostId, b: HostId) {
        self.silent.insert(pair(a, b));
    }

    /// One host hears nothing of another from now on, which still hears it.
    pub fn mute(&mut self, from: HostId, to: HostId) {
        self.mute.insert((from, to));
    }

    /// Everybody hears everybody again.
    pub fn heal(&mut self) {
        self.silent.clear();
        self.mute.clear();
        let now_us = self.now_us;
        let all: Vec<usize> = self.conns.keys().copied().collect();
        self.due
            .extend(all.into_iter().map(|c| Reverse((now_us, c))));
    }

    fn conns_of(&self, choose: impl Fn(HostId, HostId) -> bool) -> Vec<usize> {
        let chosen = |conn: &Conn| choose(conn.ends[0].host, conn.ends[1].host);
        let found = self.conns.iter().filter(|(_, conn)| chosen(conn));
        found.map(|(id, _)| *id).collect()
    }

    fn reset_conn(&mut self, id: usize) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        for end in &mut conn.ends {
            end.coming.clear();
            end.arrived.clear();
            end.untold.clear();
            end.reset = true;
            end.edges = (true, true);
            if end.opening == Opening::Pending {
                end.opening = Opening::Refused;
            }
        }
        self.note_ready(id);
        for backlog in self.backlog.values_mut() {
            backlog.retain(|waiting| *waiting != id);
        }
    }

    // ---- Connections ----

    /// Begins to connect; the connection's number.
    fn connect(&mut self, from: HostId, to: SocketAddr) -> usize {
        let id = self.next_conn;
        self.next_conn += 1;
        let latency_us = self.rng.below(self.latency_us_max + 1);
        let target = host_at(to);
        let fixed = target.and_then(|to| self.latency_us_of.get(&pair(from, to)));
        let latency_us = *fixed.unwrap_or(&latency_us);
        // Nobody is at the other end of a connection to nowhere, and nobody ever says so.
        let other = target.unwrap_or(usize::MAX);
        let near = End::new(from, Opening::Pending);
        let far = match self.handshakes && id.is_multiple_of(HANDSHAKE_EVERY) {
            true => End::new(other, Opening::Pending),
            false => End::new(other, Opening::Done),
        };
        let ends = [near, far];
        self.conns.insert(id, Conn { latency_us, ends });
        if target.is_some() {
            self.due.push(Reverse((self.now_us + latency_us, id)));
        }
        id
    }

    /// The next connection that a host may accept.
    fn accept(&mut self, host: HostId) -> Option<usize> {
        self.backlog.get_mut(&host)?.pop_front()
    }

    fn end(&mut self, id: usize, side: usize) -> Option<&mut End> {
        self.conns.get_mut(&id).map(|conn| &mut conn.ends[side])
    }

    fn read(
        &mut self,
        id: usize,
        side: usize,
        into: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize> {
        let Some(end) = self.end(id, side) else {
            return Ok(0);
        };
        if end.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let told = end.untold.is_empty();
        let from = match told {
            true => &mut end.arrived,
            false => &mut end.untold,
        };
        let count = from.len().min(max);
        if count == 0 {
            return if end.eof {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        into.extend(from.drain(..count));
        let other = &mut self.conns.get_mut(&id).expect("just seen").ends[1 - side];
        if std::mem::take(&mut other.was_full) {
            other.edges.1 = true;
            self.note_ready(id);
        }
        Ok(count)
    }

    fn write(&mut self, id: usize, side: usize, bytes: &[u8]) -> io::Result<usize> {
        let now_us = self.now_us;
        let Some(conn) = self.conns.get_mut(&id) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        if conn.ends[side].reset || conn.ends[1 - side].closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let is_watched = conn.ends[side].watched.is_some();
        let other = &mut conn.ends[1 - side];
        if is_watched {
            self.written.push(other.host);
        }
        let room = self.pipe_bytes.saturating_sub(other.held_bytes());
        let count = bytes.len().min(room);
        let at = now_us + conn.latency_us;
        let mut left = &bytes[..count];
        while !left.is_empty() {
            // The network cuts what is sent into pieces as it likes.
            let size = 1 + self.rng.below(left.len().min(1500) as u64) as usize;
            other.coming.push_back((at, left[..size].to_vec()));
            left = &left[size..];
        }
        conn.ends[side].was_full |= count < bytes.len();
        if count > 0 {
            self.due.push(Reverse((at, id)));
            return Ok(count);
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn close(&mut self, id: usize, side: usize) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.ends[side].closed = true;
        conn.ends[side].watched = None;
        let host = conn.ends[side].host;
        if let Some(news) = self.news.get_mut(host) {
            news.ends.remove(&(id, side));
        }
        if conn.ends[1 - side].closed || conn.ends[1 - side].host == usize::MAX {
            self.conns.remove(&id);
            return;
        }
        let at = self.now_us + conn.latency_us;
        conn.ends[1 - side].eof_at = Some(at);
        self.due.push(Reverse((at, id)));
    }

    // ---- Time ----

    /// When something will happen next.
    pub fn next_us(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets everything happen that is due.
    pub fn settle(&mut self) {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at > self.now_us {
                return;
            }
            self.due.pop();
            self.settle_conn(id);
        }
    }

    fn settle_conn(&mut self, id: usize) {
        let now_us = self.now_us;
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let (from, to) = (conn.ends[0].host, conn.ends[1].host);
        if !self.silent.is_empty() && self.silent.contains(&pair(from, to)) {
            return;
        }
        // Who makes a connection has to hear that it is made.
        let is_mute =
            [(to, from), (from, to)].map(|way| !self.mute.is_empty() && self.mute.contains(&way));
        if conn.ends[0].opening == Opening::Pending {
            if is_mute.contains(&true) {
                return;
            }
            let answered = self.listening.contains(&to);
            let end = &mut conn.ends[0];
            end.opening = if answered {
                Opening::Done
            } else {
                Opening::Refused
            };
            end.edges = (!answered, true);
            if answered {
                self.backlog.entry(to).or_default().push_back(id);
                news_of(&mut self.news, to).knocks = true;
            }
        }
        for (end, is_mute) in conn.ends.iter_mut().zip(is_mute) {
            if is_mute {
                continue;
            }
            while end.coming.front().is_some_and(|(at, _)| *at <= now_us) {
                let (_, bytes) = end.coming.pop_front().expect("just seen");
                end.arrived.extend(bytes);
                end.edges.0 = true;
            }
            if end.coming.is_empty() && !end.eof && end.eof_at.is_some_and(|at| at <= now_us) {
                end.eof = true;
                end.edges.0 = true;
            }
        }
        self.note_ready(id);
    }

    /// What a host is to be told now.
    pub fn take_events(&mut self, host: HostId) -> Vec<Event> {
        let mut events = Vec::new();
        let news = std::mem::take(news_of(&mut self.news, host));
        if news.knocks {
            events.push(ready(Wake::Listener(0), true, false, false));
        }
        for (id, side) in news.ends {
            let Some(end) = self.end(id, side) else {
                continue;
            };
            let Some((wake, interest)) = end.watched else {
                continue;
            };
            let (read, write) = std::mem::take(&mut end.edges);
            let write = write && interest == Interest::ReadWrite;
            if read || write {
                events.push(ready(wake, read, write, end.eof || end.reset));
            }
        }
        events
    }

    /// The other ends of the watched sockets that were written to since the last call, in order.
    /// Only servers watch, and only one runs at a time.
    pub fn take_written(&mut self) -> Vec<HostId> {
        std::mem::take(&mut self.written)
    }

    /// Whether a host has anything to be told.
    pub fn has_events(&self, host: HostId) -> bool {
        let news = self.news.get(host);
        news.is_some_and(|news| news.knocks || !news.ends.is_empty())
    }

    fn watch(&mut self, id: usize, side: usize, wake: Wake, interest: Interest) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let room = conn.ends[1 - side].held_bytes() < self.pipe_bytes;
        let end = &mut conn.ends[side];
        end.watched = Some((wake, interest));
        let takes_bytes = end.opening == Opening::Done && room || end.reset;
        end.edges = (end.is_readable(), takes_bytes);
        self.note_ready(id);
    }

    /// Notes whether the ends of a connection have something to be told. What happens while nobody
    /// watches is told when somebody begins to.
    fn note_ready(&mut self, id: usize) {
        let Some(conn) = self.conns.get(&id) else {
            return;
        };
        for (side, end) in conn.ends.iter().enumerate() {
            if end.has_news() {
                news_of(&mut self.news, end.host).ends.insert((id, side));
            }
        }
    }
}

/// What a host may have to be told.
fn news_of(news: &mut Vec<News>, host: HostId) -> &mut News {
    if news.len() <= host {
        news.resize_with(host + 1, News::default);
    }
    &mut news[host]
}

fn ready(wake: Wake, readable: bool, writable: bool, ended: bool) -> Event {
    Event::Ready {
        wake,
        readable,
        writable,
        ended,
    }
}

/// One end of a connection, as its owner holds it.
pub struct SimSocket {
    net: SharedNet,
    id: usize,
    side: usize,
}

impl SimSocket {
    /// Begins to connect from a host.
    pub fn connect(net: &SharedNet, from: HostId, to: SocketAddr) -> SimSocket {
        let id = net.borrow_mut().connect(from, to);
        SimSocket {
            net: Rc::clone(net),
            id,
            side: 0,
        }
    }

    /// The next connection that a host may accept, and who made it.
    pub fn accept(net: &SharedNet, host: HostId) -> Option<(SimSocket, HostId)> {
        let mut inside = net.borrow_mut();
        let id = inside.accept(host)?;
        let peer = inside.conns.get(&id).map(|conn| conn.ends[0].host)?;
        drop(inside);
        let socket = SimSocket {
            net: Rc::clone(net),
            id,
            side: 1,
        };
        Some((socket, peer))
    }

    /// Starts to be told its readiness.
    pub fn watch(&self, wake: Wake, interest: Interest) {
        self.net
            .borrow_mut()
            .watch(self.id, self.side, wake, interest);
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        // While a panic unwinds, the network may be borrowed, and nobody cares any more.
        if let Ok(mut net) = self.net.try_borrow_mut() {
            net.close(self.id, self.side);
        }
    }
}

impl Socket for SimSocket {
    fn read_append(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        self.net
            .borrow_mut()
            .read(self.id, self.side, into, bytes_max)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net.borrow_mut().write(self.id, self.side, bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.write(&all)
    }

    fn has_more(&self) -> bool {
        let mut net = self.net.borrow_mut();
        let end = net.end(self.id, self.side);
        end.is_some_and(|end| !end.untold.is_empty())
    }

    fn connecting(&mut self) -> Connecting {
        let mut net = self.net.borrow_mut();
        let end = net.end(self.id, self.side);
        match end.map(|end| end.go_on_opening(self.side)) {
            Some(Opening::Pending) => Connecting::Pending,
            Some(Opening::Done) => Connecting::Done,
            Some(Opening::Refused) | None => {
                Connecting::Failed(ErrorKind::ConnectionRefused.into())
            }
        }
    }

    fn set_nodelay(&self, _: bool) {}

    fn set_keepalive(&self, _: u32) {}

    fn endpoints(&self) -> (String, String) {
        let net = self.net.borrow();
        let host = |side: usize| {
            let conn = net.conns.get(&self.id);
            conn.map_or(String::new(), |conn| {
                address_of(conn.ends[side].host % 250).to_string()
            })
        };
        (host(1 - self.side), host(self.side))
    }

    fn descriptor(&self) -> i32 {
        self.id as i32
    }
}
