//! A socket whose bytes are encrypted.
//!
//! To the engine it is a socket like any other. What differs is kept in here:
//!
//! ```text
//! kernel ──read──▶ room.incoming ──decrypt──▶ the engine's buffer
//!                        │  a part of a record:  incoming    │ more than was asked for: plaintext
//! kernel ◀─write── room.outgoing ◀──encrypt── the engine's bytes
//!                        └─ what the kernel did not take: outgoing
//! ```
//!
//! The large buffers (`room`) are shared by all connections of the process, which has one thread;
//! a connection owns memory only for what is in the middle of something, so an idle one owns none
//! but the state of its session.
//!
//! **Readiness.** A read that brings less than was asked for has drained the socket *and* the
//! session, as the engine expects of every socket. What no event will tell of any more (bytes that
//! are decrypted already, an end that came with data) is told by [`Socket::has_more`].
//!
//! **Writing.** Bytes count as written once they are encrypted. What the kernel does not take then,
//! one turn's worth at most, goes out before anything else; [`Socket::flush`] says whether it has.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::rc::Rc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;

use super::session::{OVERHEAD_BYTES_MAX, Plain, RECORD_BYTES_MAX, Session, Step, failure};
use crate::engine::world::Connecting;

/// Bytes of plaintext that are encrypted before they are offered to the kernel.
const WRITE_BYTES_MAX: usize = 4 * RECORD_BYTES_MAX;
/// Bytes read at once at most, and at least: a whole record.
const READ_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;
const READ_BYTES_MIN: usize = RECORD_BYTES_MAX + 1024;
/// Bytes of a handshake that may wait for the rest of a message. A long chain of certificates has
/// some ten thousand.
const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;
/// The first byte of every handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Buffers that all connections use in turn.
#[derive(Default)]
pub struct Room {
    incoming: RefCell<Vec<u8>>,
    outgoing: RefCell<Vec<u8>>,
    gathered: RefCell<Vec<u8>>,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The other machine has not answered yet.
    Connecting,
    /// Keys are being agreed on.
    Handshake,
    /// Bytes may be sent and received.
    Open,
    /// The session has failed, and must not be asked anything any more.
    Broken,
}

/// See the module's head.
pub struct TlsSocket<T = TcpStream> {
    stream: T,
    session: Session,
    room: Rc<Room>,
    stage: Stage,
    /// The beginning of a record of which the rest has not arrived.
    incoming: Vec<u8>,
    /// Decrypted bytes that nobody has taken yet, from `taken` on.
    plaintext: Vec<u8>,
    taken: usize,
    /// Encrypted bytes that the kernel has not taken yet, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// The peer sends no more.
    ended: bool,
    /// Something has arrived.
    heard: bool,
}

impl<T: fmt::Debug> fmt::Debug for TlsSocket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSocket")
            .field("stream", &self.stream)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl TlsSocket {
    /// The descriptor.
    pub fn fd(&self) -> i32 {
        self.stream.as_raw_fd()
    }
}

impl<T: Read + Write> TlsSocket<T> {
    /// A connection that somebody has made to us.
    pub fn accepted(stream: T, session: UnbufferedServerConnection, room: Rc<Room>) -> Self {
        let session = Session::Server(Box::new(session));
        TlsSocket::new(stream, session, room, Stage::Handshake)
    }

    /// A connection that we are making.
    pub fn connecting_to(stream: T, session: UnbufferedClientConnection, room: Rc<Room>) -> Self {
        let session = Session::Client(Box::new(session));
        TlsSocket::new(stream, session, room, Stage::Connecting)
    }

    fn new(stream: T, session: Session, room: Rc<Room>, stage: Stage) -> Self {
        TlsSocket {
            stream,
            session,
            room,
            stage,
            incoming: Vec::new(),
            plaintext: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            sent: 0,
            ended: false,
            heard: false,
        }
    }

    /// The socket below.
    pub fn stream(&self) -> &T {
        &self.stream
    }

    /// The same, to watch it.
    pub fn stream_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Goes on with the connection as far as that is possible now; `of_stream` tells how far the
    /// socket below is.
    pub fn connecting(&mut self, of_stream: impl Fn(&T) -> Connecting) -> Connecting {
        if self.stage == Stage::Connecting {
            match of_stream(&self.stream) {
                Connecting::Done => self.stage = Stage::Handshake,
                other => return other,
            }
        }
        if self.stage == Stage::Handshake {
            match self.shake_hands() {
                Ok(true) => self.stage = Stage::Open,
                Ok(false) => return Connecting::Pending,
                Err(e) => return Connecting::Failed(e),
            }
        }
        match self.stage {
            Stage::Broken => Connecting::Failed(broken()),
            _ => Connecting::Done,
        }
    }

    /// Whether the handshake is done.
    fn shake_hands(&mut self) -> io::Result<bool> {
        let mut early = std::mem::take(&mut self.plaintext);
        let result = self.exchange(&mut early);
        self.plaintext = early;
        result?;
        // The last word of a handshake may still be on its way out, in front of all that follows.
        self.flush()?;
        Ok(!self.session.is_handshaking())
    }

    /// Sends and receives until the handshake is over, or the peer's turn has come.
    fn exchange(&mut self, early: &mut Vec<u8>) -> io::Result<()> {
        // Has the client's side say hello.
        self.settle(early)?;
        self.flush()?;
        while self.session.is_handshaking() {
            match self.receive(early, usize::MAX, READ_BYTES_MIN) {
                Ok(0) => {
                    let text = "the peer has closed the connection during the handshake";
                    let kind = match self.heard {
                        true => ErrorKind::ConnectionAborted,
                        // Somebody looked whether we are there.
                        false => ErrorKind::UnexpectedEof,
                    };
                    return Err(io::Error::new(kind, text));
                }
                Ok(_) => self.flush()?,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
        }
        Ok(())
    }

    /// Reads once, at most so many bytes, and decrypts what is whole. The number of bytes read; 0
    /// is the end.
    fn receive(&mut self, into: &mut Vec<u8>, end: usize, wanted: usize) -> io::Result<usize> {
        let room = Rc::clone(&self.room);
        let mut buf = room.incoming.borrow_mut();
        let held = self.incoming.len();
        if buf.len() < held + wanted {
            buf.resize(held + wanted, 0);
        }
        let count = loop {
            match self.stream.read(&mut buf[held..held + wanted]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if count == 0 {
            return Ok(0);
        }
        buf[..held].copy_from_slice(&self.incoming);
        if !self.heard {
            self.heard = true;
            if matches!(self.session, Session::Server(_)) && buf[0] != HANDSHAKE_RECORD {
                return Err(failure("the client does not speak TLS"));
            }
        }
        let all = &mut buf[..held + count];
        let used = self.process(all, into, end)?;
        let rest = &all[used..];
        if rest.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.clear();
            self.incoming.extend_from_slice(rest);
        }
        if self.session.is_handshaking() && self.incoming.len() > HANDSHAKE_BYTES_MAX {
            return Err(failure("a message of the handshake is too long"));
        }
        Ok(count)
    }

    /// Has the session take records, decrypt them, and say what it has to say itself. How many of
    /// the bytes are done with. A session remembers where in the bytes that are not done with a
    /// message of the handshake begins, so it must be shown the same ones again the next time.
    fn process(&mut self, records: &mut [u8], into: &mut Vec<u8>, end: usize) -> io::Result<usize> {
        let mut used = 0;
        let mut plain = Plain {
            into,
            end,
            rest: &mut self.plaintext,
        };
        loop {
            let (discard, step) =
                self.session
                    .step(&mut records[used..], &mut plain, &mut self.outgoing);
            used += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Wait) => return Ok(used),
                Ok(Step::PeerClosed) => {
                    self.ended = true;
                    return Ok(records.len());
                }
                Err(e) => {
                    self.stage = Stage::Broken;
                    self.session.last_words(&mut plain, &mut self.outgoing);
                    // Whether that arrives is the peer's luck.
                    let _ = self.flush();
                    return Err(failure(e));
                }
            }
        }
    }

    /// Appends what is decrypted already, as far as there is room; what was appended.
    fn take_plaintext(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> usize {
        let rest = &self.plaintext[self.taken..];
        let count = rest.len().min(bytes_max);
        into.extend_from_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.plaintext.len() {
            self.plaintext = Vec::new();
            self.taken = 0;
        }
        count
    }

    /// See [`Socket::read_append`](crate::engine::world::Socket::read_append).
    pub fn read_append(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        let start = into.len();
        let end = start + bytes_max;
        self.take_plaintext(into, bytes_max);
        if self.stage == Stage::Broken {
            return Err(broken());
        }
        while into.len() < end && !self.ended {
            let wanted = (end - into.len()).clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            match self.receive(into, end, wanted) {
                Ok(0) => self.ended = true,
                Ok(count) if count < wanted => break,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        // A session has something to say now and then, about its keys.
        if !self.outgoing.is_empty() {
            self.flush()?;
        }
        match into.len() - start {
            0 if !self.ended => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// See [`Socket::has_more`](crate::engine::world::Socket::has_more).
    pub fn has_more(&self) -> bool {
        self.ended || !self.plaintext.is_empty()
    }

    /// See [`Socket::write`](crate::engine::world::Socket::write). Fewer bytes are taken only if
    /// the kernel takes no more.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.write_turn(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(e) if e.kind() == ErrorKind::WouldBlock && taken > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(taken)
    }

    /// Encrypts and sends at most [`WRITE_BYTES_MAX`] bytes.
    fn write_turn(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stage == Stage::Broken {
            return Err(broken());
        }
        if !self.flush()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let room = Rc::clone(&self.room);
        let mut out = room.outgoing.borrow_mut();
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        let records = bytes.len().div_ceil(RECORD_BYTES_MAX);
        let needed = bytes.len() + records * OVERHEAD_BYTES_MAX;
        if out.len() < needed {
            out.resize(needed, 0);
        }
        let mut filled = 0;
        for piece in bytes.chunks(RECORD_BYTES_MAX) {
            // What the session has to say first, about its keys, stands in front of the record.
            if self.session.has_words() {
                self.settle(&mut Vec::new())?;
                let own = std::mem::take(&mut self.outgoing);
                out.splice(filled..filled, own.iter().copied());
                filled += own.len();
            }
            let held = &mut self.incoming;
            filled += self.session.encrypt(held, piece, &mut out[filled..])?;
        }
        self.send(&out[..filled])?;
        Ok(bytes.len())
    }

    /// See [`Socket::write_vectored`](crate::engine::world::Socket::write_vectored). Small slices
    /// are put into one record.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = Rc::clone(&self.room);
        let mut gathered = room.gathered.borrow_mut();
        gathered.clear();
        let mut taken = 0;
        for (at, slice) in slices.iter().enumerate() {
            let is_last = at + 1 == slices.len();
            let bytes = match gathered.is_empty() && slice.len() >= RECORD_BYTES_MAX {
                true => slice,
                false => {
                    gathered.extend_from_slice(slice);
                    &gathered[..]
                }
            };
            if bytes.len() < RECORD_BYTES_MAX && !is_last {
                continue;
            }
            match self.write(bytes) {
                Ok(count) => taken += count,
                Err(e) if e.kind() == ErrorKind::WouldBlock && taken > 0 => break,
                Err(e) => return Err(e),
            }
            if self.has_unsent() {
                break;
            }
            gathered.clear();
        }
        gathered.clear();
        gathered.shrink_to(2 * WRITE_BYTES_MAX);
        Ok(taken)
    }

    /// Offers encrypted bytes to the kernel, and keeps what it does not take.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.outgoing.extend_from_slice(bytes);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// See [`Socket::has_unsent`](crate::engine::world::Socket::has_unsent).
    pub fn has_unsent(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// See [`Socket::flush`](crate::engine::world::Socket::flush).
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        if self.sent > 0 {
            self.outgoing = Vec::new();
            self.sent = 0;
        }
        Ok(true)
    }

    /// Tells the peer that nothing more comes, if that can be done at once.
    pub fn say_goodbye(&mut self) {
        if self.stage == Stage::Open && self.settle(&mut Vec::new()).is_ok() {
            let mut alert = [0; 2 * OVERHEAD_BYTES_MAX];
            if let Some(count) = self.session.close_notify(&mut self.incoming, &mut alert) {
                self.outgoing.extend_from_slice(&alert[..count]);
            }
        }
        // The connection is over, whatever comes of that.
        let _ = self.flush();
    }

    /// Has the session say what it has to say before anything else can be written. It has had what
    /// is in `incoming` before, so nothing can come of that.
    fn settle(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut held = std::mem::take(&mut self.incoming);
        let used = self.process(&mut held, into, usize::MAX)?;
        held.drain(..used);
        self.incoming = held;
        Ok(())
    }
}

fn broken() -> io::Error {
    failure("the TLS session has failed")
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
