//! One client's connection: its socket, what came in and was not run yet, what is to go out.
//!
//! Most connections are idle most of the time, so an idle one owns no buffer. The one for input
//! comes with the first bytes and goes after a while without any (`input.rs`); that for output goes
//! back to a pool when all of it is written (`output.rs`).

use std::collections::VecDeque;

use super::client_memory::sum::{Noted, Share};
use super::input::InputBuffer;
use super::output::Output;
use crate::commands::session::{ClientInfo, Session};
use crate::replication::ClientId;
use crate::resp::args::OwnedArgs;
use crate::resp::parser::Parser;

/// What arrived and was not run yet.
#[derive(Default)]
pub struct Input {
    /// Where the parser stands in an incomplete command.
    pub parser: Parser,
    /// The bytes from the beginning of that command on, or of commands that must wait.
    pub buffer: InputBuffer,
    /// Commands that were parsed in one batch with one that has to wait, and stood behind it; empty
    /// while the client is ready for more.
    pub queued: VecDeque<OwnedArgs>,
    /// The peer said that it sends no more; the end stands behind what is still to be read.
    pub ends: bool,
}

impl Input {
    /// Bytes that were received and not run yet.
    pub fn received(&self) -> usize {
        self.buffer.len() + self.parser.held().received()
    }

    /// Bytes in the buffer that are arguments of an incomplete command by now. Of a stream that
    /// is given up in the middle of one, no bytes are kept.
    pub fn parsed(&self) -> usize {
        self.parser.parsed().min(self.buffer.len())
    }

    /// Memory held, unused room included.
    pub fn memory(&self) -> usize {
        self.buffer.capacity() + self.parser.held().memory() + self.queued_bytes()
    }

    /// Bytes of arguments that wait in parsed commands.
    pub fn queued_bytes(&self) -> usize {
        self.queued.iter().map(OwnedArgs::held_bytes).sum()
    }

    /// Gives back memory that is of no use now (`idle`), or was of none since the last call.
    pub fn trim(&mut self, idle: bool) {
        if idle {
            self.buffer.trim_to_content();
            self.parser.trim_to_content();
        } else {
            self.buffer.trim_to_use();
            self.parser.trim_to_use();
        }
    }
}

/// What the session of a client holds at least; all that is known of it while it is lent out.
const LENT_SESSION_BYTES: usize = size_of::<Session>() + size_of::<ClientInfo>();

/// A connected client or replica.
pub struct Conn<S> {
    /// The socket.
    pub socket: S,
    /// The client; lent out while a command of it runs.
    pub session: Option<Box<Session>>,
    /// What came in.
    pub input: Input,
    /// What goes out.
    pub output: Output,
    /// Its record in the set of replicas, once it is one.
    pub replica: Option<ClientId>,
    /// Whether we wait for the socket to take more.
    pub wants_writable: bool,
    /// Whether it stands in the queue of connections to write to this tick.
    pub queued: bool,
    /// Since when its output has been over the soft limit, in monotonic milliseconds.
    pub over_soft_limit_since_ms: Option<u64>,
    /// What it counts for in the memory of all clients.
    pub share: Share,
    /// What it took when it was last looked at.
    pub noted: Noted,
    /// When it last sent something, or took something of ours, in monotonic milliseconds.
    pub last_interaction_ms: u64,
    /// Bytes read in its life.
    pub bytes_in: u64,
    /// Bytes written in its life.
    pub bytes_out: u64,
}

impl<S> Conn<S> {
    /// A fresh connection.
    pub fn new(socket: S, session: Box<Session>, now_ms: u64) -> Conn<S> {
        Conn {
            socket,
            session: Some(session),
            input: Input::default(),
            output: Output::default(),
            replica: None,
            wants_writable: false,
            queued: false,
            over_soft_limit_since_ms: None,
            share: Share::default(),
            noted: Noted::default(),
            last_interaction_ms: now_ms,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// The session; it must not be lent out.
    pub fn session(&self) -> &Session {
        self.session
            .as_deref()
            .expect("the session is lent out only while a command runs")
    }

    /// The session, to change it; it must not be lent out.
    pub fn session_mut(&mut self) -> &mut Session {
        self.session
            .as_deref_mut()
            .expect("the session is lent out only while a command runs")
    }

    /// Whether what it sends next may run.
    pub fn may_run(&self) -> bool {
        self.session().activity.is_ready()
    }

    /// Gives up what came in and what was to go out; the connection is over.
    pub fn free_buffers(&mut self) {
        self.input = Input::default();
        self.output = Output::default();
        if let Some(session) = &mut self.session {
            session.transaction = None;
        }
    }

    /// Memory held for it, replies included.
    pub fn memory(&self) -> usize {
        size_of::<Conn<S>>()
            + (self.session.as_ref()).map_or(LENT_SESSION_BYTES, |session| session.memory())
            + self.input.memory()
            + self.output.memory()
    }
}
