//! A connection through the relay: the initiator's socket, the target's, and a flow each way.
//!
//! ```text
//!   Asked ── Connect has passed ─► Connecting ── target has answered ─► Answered ─┐
//!     │                                                                            ▼
//!     └─ nobody waits for it any more: gone              Connected has passed ─► Open
//! ```
//!
//! The kernel has accepted the initiator before the relay knows of it, so until the answer has come
//! back nothing is read from it: whatever it has sent by then could not have been sent yet. Nothing
//! is read either for a link that is cut, or a queue that is full: then the kernel's buffers fill
//! and the sender waits.
//!
//! Readiness is edge-triggered, so a side remembers it until a call says that it is over. A read
//! that yields less than was asked for says so, too, unless the end of the stream is already known
//! to follow: it would not be announced a second time.
//!
//! While nothing is on its way and nothing is done to the link, what is read is written at once, by
//! one call each, without a look at the clock.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::hosts::{HostId, Hosts, LinkId};
use super::shape::{Mark, Next, Queue};
use crate::sys::clock::monotonic_ns;
use crate::sys::socket::unsent_bytes;

/// The side that has opened a connection, and the flow that comes from it.
pub const INITIATOR: usize = 0;
/// The side that it was opened to.
pub const TARGET: usize = 1;

/// Bytes that one read asks for.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of what nobody wants that are read at once.
const DRAIN_BYTES: usize = 4096;
/// Rounds that a connection may have before others have their turn.
const ROUNDS_MAX: usize = 4;
/// A connect that does not pass fails after this time, as that of the kernel does.
const GIVE_UP_US: u64 = 127_000_000;
/// It fails sooner if the initiator has ended its side, for then it is most likely gone, or if
/// there is no descriptor for it.
const ABANDON_US: u64 = 5_000_000;
/// A connect for which there is no descriptor is tried again after this time.
const RETRY_US: u64 = 20_000;

/// What a connection needs of the loop.
#[derive(Debug)]
pub struct Context<'a> {
    /// The links.
    pub hosts: &'a mut Hosts,
    /// Where sockets are watched.
    pub registry: &'a Registry,
    /// Where reads go to.
    pub scratch: &'a mut [u8],
}

/// What follows from what a connection has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for its sockets, a timer or a link.
    Waits,
    /// It has more to do at once.
    Again,
    /// It is over and to be closed.
    Over,
}

/// The connection has ended.
struct Over;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The connect is on its way to the target.
    Asked,
    /// The target is asked.
    Connecting,
    /// Its answer is on its way to the initiator.
    Answered,
    /// The initiator has it.
    Open,
}

#[derive(Debug)]
struct Side {
    /// None: not yet connected, or closed.
    stream: Option<TcpStream>,
    readable: bool,
    writable: bool,
    /// The end of what it sends has been announced.
    ends: bool,
    /// It is gone, and the end of what it sends is to be a reset.
    broken: bool,
}

#[derive(Debug)]
struct Flow {
    link: LinkId,
    queue: Queue,
    /// When its queue is to be looked at again.
    wake_us: Option<u64>,
    /// Its sender's end is in the queue, or has passed.
    ended: bool,
    /// The end has passed.
    passed: bool,
}

/// A connection through the relay.
#[derive(Debug)]
pub struct Pair {
    /// The host that it leads to.
    pub to: HostId,
    target: SocketAddr,
    /// The token of the initiator's socket; the target's is the next.
    token: Token,
    phase: Phase,
    asked_us: u64,
    sides: [Side; 2],
    flows: [Flow; 2],
}

/// Size of the buffer that [`Context::scratch`] is.
pub fn scratch() -> Box<[u8]> {
    vec![0; READ_BYTES].into()
}

/// Microseconds of the monotonic clock.
pub fn now_us() -> u64 {
    monotonic_ns() / 1000
}

/// Whether an error says that the process or the system has no descriptor to spare.
pub fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

impl Side {
    fn new(stream: Option<TcpStream>) -> Side {
        Side {
            stream,
            readable: false,
            writable: false,
            ends: false,
            broken: false,
        }
    }

    /// Writes some bytes; 0 if the side takes none now.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(stream) = self.stream.as_mut().filter(|_| self.writable) else {
            return Ok(0);
        };
        loop {
            match stream.write(bytes) {
                Ok(count) => {
                    self.writable = count == bytes.len();
                    return Ok(count);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    return Ok(0);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads some bytes: 0 at the end, none if there are none now.
    fn read(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(None);
        };
        loop {
            match stream.read(scratch) {
                Ok(count) => {
                    self.readable = self.ends || count == scratch.len();
                    return Ok(Some(count));
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(e) => return Err(e),
            }
        }
    }
}

impl Flow {
    fn new(link: LinkId) -> Flow {
        Flow {
            link,
            queue: Queue::default(),
            wake_us: None,
            ended: false,
            passed: false,
        }
    }

    fn end(&mut self, mark: Mark) {
        self.queue.send_mark(mark, now_us());
        self.ended = true;
    }
}

impl Pair {
    /// A connection that was accepted: its target is asked once the links let that pass.
    ///
    /// # Errors
    ///
    /// The socket cannot be watched.
    pub fn accepted(
        mut stream: TcpStream,
        (from, to): (HostId, HostId),
        target: SocketAddr,
        token: Token,
        cx: &mut Context<'_>,
    ) -> io::Result<Pair> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        cx.registry.register(&mut stream, token, interest)?;
        stream.set_nodelay(true)?;
        let there = Flow::new(cx.hosts.link(from, to));
        let back = Flow::new(cx.hosts.link(to, from));
        let mut pair = Pair {
            to,
            target,
            token,
            phase: Phase::Asked,
            asked_us: now_us(),
            sides: [Side::new(Some(stream)), Side::new(None)],
            flows: [there, back],
        };
        let asked_us = pair.asked_us;
        pair.flows[INITIATOR]
            .queue
            .send_mark(Mark::Connect, asked_us);
        Ok(pair)
    }

    /// The links that its bytes pass: there and back.
    pub fn links(&self) -> [LinkId; 2] {
        [self.flows[INITIATOR].link, self.flows[TARGET].link]
    }

    /// When each flow is to be looked at again, if nothing happens before.
    pub fn wakes_us(&self) -> [Option<u64>; 2] {
        [self.flows[INITIATOR].wake_us, self.flows[TARGET].wake_us]
    }

    /// Something has happened to the socket of a side.
    pub fn on_event(&mut self, side: usize, event: &Event, cx: &mut Context<'_>) -> Outcome {
        let state = &mut self.sides[side];
        state.readable |= event.is_readable();
        state.writable |= event.is_writable();
        state.ends |= event.is_read_closed();
        if event.is_error() || self.phase != Phase::Open {
            return self.on_rare_event(side, event.is_error(), cx);
        }
        self.advance(cx)
    }

    fn on_rare_event(&mut self, side: usize, is_error: bool, cx: &mut Context<'_>) -> Outcome {
        if self.phase == Phase::Connecting && side == TARGET {
            self.on_answer();
        } else if is_error {
            if self.phase != Phase::Open && side == INITIATOR {
                self.reset(TARGET);
                return Outcome::Over;
            }
            self.on_broken(side);
        }
        self.advance(cx)
    }

    /// The process at the target is gone: its end is a reset, behind what it has sent.
    pub fn on_target_gone(&mut self, cx: &mut Context<'_>) -> Outcome {
        if self.phase == Phase::Connecting {
            // It may have accepted, with the news of it still to come.
            self.on_answer();
        }
        if matches!(self.phase, Phase::Answered | Phase::Open) {
            self.on_broken(TARGET);
        }
        self.advance(cx)
    }

    /// The target has been asked, and its socket says something: the answer, most likely.
    fn on_answer(&mut self) {
        let Some(stream) = &self.sides[TARGET].stream else {
            return;
        };
        match stream.take_error() {
            Ok(None) => match stream.peer_addr() {
                Ok(_) => self.answer(Mark::Connected),
                Err(e) if e.kind() == ErrorKind::NotConnected => {}
                Err(_) => self.answer(Mark::Refused),
            },
            Ok(Some(_)) | Err(_) => self.answer(Mark::Refused),
        }
    }

    fn answer(&mut self, answer: Mark) {
        self.phase = Phase::Answered;
        let back = &mut self.flows[TARGET];
        back.queue.send_mark(answer, now_us());
        if answer == Mark::Refused {
            back.ended = true;
        }
    }

    /// A side is gone. What it has sent is still there to be read; nothing reaches it any more.
    fn on_broken(&mut self, side: usize) {
        let state = &mut self.sides[side];
        if state.broken {
            return;
        }
        state.broken = true;
        state.readable = true;
        state.ends = true;
        if self.flows[side].ended {
            self.flows[side].end(Mark::Reset);
        }
        self.flows[1 - side].queue.clear();
        self.flows[1 - side].wake_us = None;
    }

    /// When the connection is closed, the peer on this side is to learn at once that all is over.
    ///
    /// A reset throws away what the peer has not taken yet, and a process that was killed leaves
    /// that to its kernel, which goes on sending. So while there is something, the end is an
    /// ordinary one.
    fn reset(&mut self, side: usize) {
        let Some(mut stream) = self.sides[side].stream.as_ref() else {
            return;
        };
        if unsent_bytes(stream).is_ok_and(|unsent| unsent > 0) {
            // Closing it with something unread would be a reset all the same.
            let mut piece = [0; DRAIN_BYTES];
            while matches!(stream.read(&mut piece), Ok(1..)) {}
            return;
        }
        // Where this fails, the peer sees an ordinary end.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }

    /// Closes the sockets of a connection that is over.
    pub fn close(mut self, registry: &Registry) {
        for side in &mut self.sides {
            if let Some(mut stream) = side.stream.take() {
                // A child between fork and exec may hold a copy, which must not tell us anything.
                let _ = registry.deregister(&mut stream);
            }
        }
    }

    /// Does all that can be done now.
    pub fn advance(&mut self, cx: &mut Context<'_>) -> Outcome {
        for _ in 0..ROUNDS_MAX {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Outcome::Waits,
                Err(Over) => return Outcome::Over,
            }
        }
        Outcome::Again
    }

    /// Moves what each flow can move at once. Tells whether something has moved.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let mut moved = false;
        for flow in [INITIATOR, TARGET] {
            if !self.flows[flow].queue.is_empty() {
                moved |= self.deliver(flow, cx)?;
            }
            moved |= self.take(flow, cx);
        }
        if self.sides.iter().all(|side| side.broken) {
            return Err(Over);
        }
        Ok(moved)
    }

    /// Lets that out of a queue which may leave now. Tells whether something has.
    fn deliver(&mut self, flow: usize, cx: &mut Context<'_>) -> Result<bool, Over> {
        self.flows[flow].wake_us = None;
        let mut moved = false;
        loop {
            let now_us = now_us();
            let Flow { link, queue, .. } = &mut self.flows[flow];
            let route = cx.hosts.route_mut(*link);
            match queue.next(&mut route.link, now_us) {
                Next::Nothing => return Ok(moved),
                Next::Cut => {
                    self.on_held_up(now_us)?;
                    return Ok(moved);
                }
                Next::At(due_us) => {
                    self.flows[flow].wake_us = Some(due_us);
                    return Ok(moved);
                }
                Next::Bytes(bytes) => match self.sides[1 - flow].write(bytes) {
                    Ok(0) => return Ok(moved),
                    Ok(count) => {
                        route.bytes += count as u64;
                        queue.bytes_left(count);
                    }
                    Err(_) => self.on_broken(1 - flow),
                },
                Next::Mark(mark) => {
                    if !self.on_mark(flow, mark, now_us, cx)? {
                        return Ok(moved);
                    }
                    self.flows[flow].queue.mark_left();
                }
            }
            moved = true;
        }
    }

    /// A cut keeps something from leaving: a connect waits for its end only so long.
    fn on_held_up(&mut self, now_us: u64) -> Result<(), Over> {
        if self.phase != Phase::Asked {
            return Ok(());
        }
        let patience_us = if self.sides[INITIATOR].ends {
            ABANDON_US
        } else {
            GIVE_UP_US
        };
        let until_us = self.asked_us + patience_us;
        if now_us >= until_us {
            self.reset(INITIATOR);
            return Err(Over);
        }
        self.flows[INITIATOR].wake_us = Some(until_us);
        Ok(())
    }

    /// A mark has arrived. `false`: it cannot be acted upon yet.
    fn on_mark(
        &mut self,
        flow: usize,
        mark: Mark,
        now_us: u64,
        cx: &mut Context<'_>,
    ) -> Result<bool, Over> {
        match mark {
            Mark::Connect => {
                // No handshake is completed with one direction only.
                if cx.hosts.route(self.flows[TARGET].link).link.is_cut() {
                    self.on_held_up(now_us)?;
                    return Ok(false);
                }
                return Ok(self.connect(now_us, cx));
            }
            Mark::Connected => self.phase = Phase::Open,
            Mark::Finish => {
                if let Some(stream) = &self.sides[1 - flow].stream {
                    // It fails if the peer is gone, which it will tell us itself.
                    let _ = stream.shutdown(Shutdown::Write);
                }
                self.flows[flow].passed = true;
                if self.flows.iter().all(|flow| flow.passed) {
                    return Err(Over);
                }
            }
            Mark::Refused | Mark::Reset => {
                self.reset(1 - flow);
                return Err(Over);
            }
        }
        Ok(true)
    }

    /// Asks the target. `false`: there is no descriptor for it yet.
    fn connect(&mut self, now_us: u64, cx: &mut Context<'_>) -> bool {
        let token = Token(self.token.0 + TARGET);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let connecting = TcpStream::connect(self.target).and_then(|mut stream| {
            stream.set_nodelay(true)?;
            cx.registry.register(&mut stream, token, interest)?;
            Ok(stream)
        });
        match connecting {
            Ok(stream) => {
                self.sides[TARGET].stream = Some(stream);
                self.phase = Phase::Connecting;
            }
            // Those who wait have a descriptor each, which the others wait for: so not for ever.
            Err(e) if lacks_descriptors(&e) && now_us < self.asked_us + ABANDON_US => {
                self.flows[INITIATOR].wake_us = Some(now_us + RETRY_US);
                return false;
            }
            Err(_) => self.answer(Mark::Refused),
        }
        true
    }

    /// Reads from a side, if there is something and room for it. Tells whether something came.
    fn take(&mut self, flow: usize, cx: &mut Context<'_>) -> bool {
        if !self.sides[flow].readable || !self.may_take(flow) {
            return false;
        }
        let Flow { link, queue, .. } = &self.flows[flow];
        let link = &cx.hosts.route(*link).link;
        if link.is_cut() || !queue.has_room(link, READ_BYTES) {
            return false;
        }
        let side = &mut self.sides[flow];
        match side.read(cx.scratch) {
            Ok(Some(0)) if !side.broken => self.flows[flow].end(Mark::Finish),
            Ok(None) if !side.broken => return false,
            Ok(Some(0) | None) => self.flows[flow].end(Mark::Reset),
            Ok(Some(count)) => self.pass(flow, count, cx),
            Err(_) => {
                self.on_broken(flow);
                self.flows[flow].end(Mark::Reset);
            }
        }
        true
    }

    /// Whether a flow can still take what its sender sends, as far as its connection goes.
    fn may_take(&self, flow: usize) -> bool {
        let established = match self.phase {
            Phase::Asked | Phase::Connecting => false,
            Phase::Answered => flow == TARGET,
            Phase::Open => true,
        };
        established && !self.flows[flow].ended && !self.sides[1 - flow].broken
    }

    /// So many bytes were read: on with them, at once if nothing is in the way.
    fn pass(&mut self, flow: usize, count: usize, cx: &mut Context<'_>) {
        let mut bytes = &cx.scratch[..count];
        let Flow { link, queue, .. } = &mut self.flows[flow];
        let route = cx.hosts.route_mut(*link);
        if queue.is_empty() && route.link.is_calm() {
            match self.sides[1 - flow].write(bytes) {
                Ok(written) => {
                    route.bytes += written as u64;
                    bytes = &bytes[written..];
                }
                Err(_) => return self.on_broken(1 - flow),
            }
        }
        if !bytes.is_empty() {
            queue.send(bytes, now_us());
        }
    }
}
