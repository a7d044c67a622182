//! One connection of somebody who wants metrics: a request, its answer, perhaps another.
//!
//! ```text
//!            ┌─────────────────────── all is sent, and the peer may ask again
//!            ▼                                          │
//!         reading ──▶ waiting for the page ──▶ writing ─┴─▶ draining ──▶ closed
//!            └──────── no page needed ────────▲
//! ```
//!
//! While it writes, nothing is read, so a peer that asks and asks and reads nothing holds one page.
//! A connection is not closed while bytes of the peer are unread: the system would reset it, and
//! the peer might not see the answer.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use crate::engine::world::Socket;
use crate::http::request::{Method, Reader, Refusal, Request};
use crate::http::response::{Head, Status};

/// A request must have come so long after its beginning, or the connection's.
const REQUEST_MS: u64 = 10_000;
/// A connection may be kept for so long without a request.
const IDLE_MS: u64 = 120_000;
/// An answer must have gone so long after its beginning, and some of it in each such time.
const ANSWER_MS: u64 = 60_000;
const PROGRESS_MS: u64 = 10_000;
/// What a peer still sends is read and dropped for so long, and so many bytes of it.
const DRAIN_MS: u64 = 2_000;
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_PIECE_BYTES: usize = 8 * 1024;
/// Requests answered in one turn.
const REQUESTS_PER_TURN: usize = 8;

const PAGE_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const INDEX: &str = "<!DOCTYPE html>\n<title>Tanist</title>\n<a href=\"/metrics\">Metrics</a>\n";

/// What a connection is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A request comes.
    Reading,
    /// It was for the page, which is not made yet.
    Waiting {
        /// Only what stands above it is wanted.
        head_only: bool,
        /// There may be another request.
        keeps_alive: bool,
    },
    /// The answer goes.
    Writing {
        /// There may be another request.
        keeps_alive: bool,
    },
    /// It is over, but for what the peer still sends.
    Draining,
}

/// How it goes on with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// When something comes, or the page is there.
    Wait,
    /// When the socket takes more.
    WaitToWrite,
    /// In the next tick, without an event.
    GoOn,
    /// Not at all.
    Close,
}

/// See the module's head.
pub struct Conn<S> {
    /// The socket.
    pub socket: S,
    /// Whether we wait for it to take more.
    pub wants_writable: bool,
    /// Whether it stands in the list of those to go on with.
    pub queued: bool,
    state: State,
    reader: Reader,
    /// The socket may have something to read.
    readable: bool,
    /// What goes first, and what goes behind it.
    head: Vec<u8>,
    page: Option<Arc<Vec<u8>>>,
    sent: usize,
    drained: usize,
    /// Whether a request was answered.
    has_served: bool,
    /// When its state has begun, and when anything last got on.
    since_ms: u64,
    active_ms: u64,
}

impl<S: Socket> Conn<S> {
    /// A fresh connection.
    pub fn new(socket: S, now_ms: u64) -> Conn<S> {
        Conn {
            socket,
            wants_writable: false,
            queued: false,
            state: State::Reading,
            reader: Reader::default(),
            readable: false,
            head: Vec::new(),
            page: None,
            sent: 0,
            drained: 0,
            has_served: false,
            since_ms: now_ms,
            active_ms: now_ms,
        }
    }

    /// There may be something to read.
    pub fn note_readable(&mut self) {
        self.readable = true;
    }

    /// Whether it waits for the page.
    pub fn wants_page(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// How much it deserves its place: whoever has asked does more than who has not, and then who
    /// got on last.
    pub fn claim(&self) -> (bool, u64) {
        let has_asked = matches!(self.state, State::Waiting { .. } | State::Writing { .. });
        (has_asked, self.active_ms)
    }

    /// Whether it has had all the time that it may have.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        let lasts = now_ms.saturating_sub(self.since_ms);
        match self.state {
            State::Reading if self.has_served && self.reader.is_empty() => lasts > IDLE_MS,
            State::Reading => lasts > REQUEST_MS,
            State::Waiting { .. } => false,
            State::Writing { .. } => {
                let rests = now_ms.saturating_sub(self.active_ms);
                lasts > ANSWER_MS || rests > PROGRESS_MS
            }
            State::Draining => lasts > DRAIN_MS,
        }
    }

    /// Does what can be done now.
    pub fn go_on(&mut self, now_ms: u64) -> Next {
        for _ in 0..REQUESTS_PER_TURN {
            let next = match self.state {
                State::Reading => self.read(now_ms),
                State::Waiting { .. } => Some(Next::Wait),
                State::Writing { keeps_alive } => self.write(keeps_alive, now_ms),
                State::Draining => Some(self.drain()),
            };
            if let Some(next) = next {
                return next;
            }
        }
        Next::GoOn
    }

    /// The page that it waits for.
    pub fn give_page(&mut self, page: &Arc<Vec<u8>>, now_ms: u64) {
        if let State::Waiting {
            head_only,
            keeps_alive,
        } = self.state
        {
            self.begin_answer(Status::Ok, PAGE_TYPE, page.len(), keeps_alive);
            self.page = (!head_only).then(|| Arc::clone(page));
            self.enter(State::Writing { keeps_alive }, now_ms);
        }
    }

    fn enter(&mut self, state: State, now_ms: u64) {
        self.state = state;
        self.since_ms = now_ms;
        self.active_ms = now_ms;
    }

    /// Reads until there is a request; `None` when there is.
    fn read(&mut self, now_ms: u64) -> Option<Next> {
        loop {
            match self.reader.next_request() {
                Ok(Some(request)) => {
                    self.take(&request, now_ms);
                    return None;
                }
                Ok(None) => {}
                Err(refusal) => {
                    let status = match refusal {
                        Refusal::Malformed => Status::BadRequest,
                        Refusal::TooLong => Status::HeadTooLong,
                        Refusal::Version => Status::Version,
                    };
                    self.answer_shortly(status, false, false, now_ms);
                    return None;
                }
            }
            if !self.readable {
                return Some(Next::Wait);
            }
            let was_empty = self.reader.is_empty();
            let room = self.reader.room();
            self.reader.buffer().reserve(room);
            match self.socket.read_append(self.reader.buffer(), room) {
                Ok(0) => return Some(Next::Close),
                Ok(count) => {
                    self.readable = count == room;
                    self.active_ms = now_ms;
                    if was_empty && self.has_served {
                        self.since_ms = now_ms;
                    }
                }
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => self.readable = false,
                    ErrorKind::Interrupted => {}
                    _ => return Some(Next::Close),
                },
            }
        }
    }

    /// Begins to answer a request, or to wait for the page that it is for.
    fn take(&mut self, request: &Request, now_ms: u64) {
        let head_only = request.method == Method::Head;
        let keeps_alive = request.keeps_alive;
        let status = match (request.method, &request.path[..]) {
            (Method::Other, _) => Status::MethodNotAllowed,
            (_, b"/metrics") => {
                let state = State::Waiting {
                    head_only,
                    keeps_alive,
                };
                return self.enter(state, now_ms);
            }
            (_, b"/") => Status::Ok,
            _ => Status::NotFound,
        };
        self.answer_shortly(status, head_only, keeps_alive, now_ms);
    }

    fn answer_shortly(&mut self, status: Status, head_only: bool, keeps_alive: bool, now_ms: u64) {
        let (kind, text) = match status {
            Status::Ok => ("text/html; charset=utf-8", INDEX),
            _ => ("text/plain; charset=utf-8", status.words()),
        };
        self.begin_answer(status, kind, text.len(), keeps_alive);
        if !head_only {
            self.head.extend_from_slice(text.as_bytes());
        }
        self.enter(State::Writing { keeps_alive }, now_ms);
    }

    fn begin_answer(
        &mut self,
        status: Status,
        content_type: &'static str,
        length: usize,
        keeps_alive: bool,
    ) {
        self.head.clear();
        self.page = None;
        self.sent = 0;
        let head = Head {
            status,
            content_type,
            length,
            keeps_alive,
        };
        head.write(&mut self.head);
    }

    /// Writes as much as the socket takes; `None` when all is written.
    fn write(&mut self, keeps_alive: bool, now_ms: u64) -> Option<Next> {
        loop {
            let head = &self.head[self.sent.min(self.head.len())..];
            let page = self.page.as_deref().map_or(&[][..], Vec::as_slice);
            let page = &page[self.sent.saturating_sub(self.head.len())..];
            if head.is_empty() && page.is_empty() {
                break;
            }
            let slices = [IoSlice::new(head), IoSlice::new(page)];
            match self.socket.write_vectored(&slices) {
                Ok(0) => return Some(Next::Close),
                Ok(count) => {
                    self.sent += count;
                    self.active_ms = now_ms;
                }
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => return Some(Next::WaitToWrite),
                    ErrorKind::Interrupted => {}
                    _ => return Some(Next::Close),
                },
            }
        }
        self.page = None;
        self.has_served = true;
        let state = match keeps_alive {
            true => State::Reading,
            false => State::Draining,
        };
        self.enter(state, now_ms);
        None
    }

    /// Reads and drops what still comes. A peer that has sent nothing behind its request has its
    /// answer; of one that has, more may be under way.
    fn drain(&mut self) -> Next {
        let mut dropped = Vec::with_capacity(DRAIN_PIECE_BYTES);
        while self.drained < DRAIN_BYTES {
            dropped.clear();
            match self.socket.read_append(&mut dropped, DRAIN_PIECE_BYTES) {
                Ok(0) => return Next::Close,
                Ok(count) => self.drained += count,
                Err(e) => match e.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock if self.drained > 0 => return Next::Wait,
                    _ => return Next::Close,
                },
            }
        }
        Next::Close
    }
}
