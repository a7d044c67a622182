//! The other end of `MIGRATE`: blocking conversations with other servers.
//!
//! Like the reference's, the command holds everything up until the other server has answered; each
//! step of the conversation is bounded by the timeout that the client gave. Connections are kept
//! for some seconds, since keys mostly move one command after the other. A kept connection may
//! have been closed by the other side meanwhile, which shows only when it is used: if nothing was
//! answered on it, the conversation begins again on a new one, once.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::outgoing::open_now;
use super::world::{Clock, Network, Socket, Transport};
use crate::base::time::Now;
use crate::commands::host::{Migration, MigrationFailure, MigrationOutcome};
use crate::resp::args::encode_command;

/// A connection that was not used for longer is closed.
const IDLE_MS_MAX: u64 = 10_000;
/// No more connections are kept.
const CONNECTIONS_MAX: usize = 64;
/// No line of an answer is longer.
const LINE_BYTES_MAX: usize = 16 * 1024;

type Name = (Vec<u8>, Vec<u8>, Transport);

/// Connections that are kept, by host, port and kind.
pub struct Peers<S> {
    open: HashMap<Name, Peer<S>>,
}

impl<S> Default for Peers<S> {
    fn default() -> Peers<S> {
        Peers {
            open: HashMap::new(),
        }
    }
}

/// A connection to another server.
struct Peer<S> {
    socket: S,
    /// What was received and not read yet.
    received: Vec<u8>,
    /// The database that it works on, where we know it.
    db: Option<i64>,
    last_use_ms: u64,
}

impl<S: Socket> Peers<S> {
    /// How many connections are kept.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Closes connections that were not used for long.
    pub fn close_idle<W>(&mut self, now: Now, world: &mut W)
    where
        W: Clock + Network<Socket = S>,
    {
        let now_ms = now.mono_ms();
        let is_idle = |peer: &Peer<S>| now_ms.saturating_sub(peer.last_use_ms) > IDLE_MS_MAX;
        for (_, peer) in self.open.extract_if(|_, peer| is_idle(peer)) {
            world.close(peer.socket);
        }
    }

    fn keep<W>(&mut self, name: Name, peer: Peer<S>, world: &mut W)
    where
        W: Clock + Network<Socket = S>,
    {
        if self.open.len() >= CONNECTIONS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, peer)| peer.last_use_ms);
            let oldest = oldest.map(|(name, _)| name.clone());
            if let Some(peer) = oldest.and_then(|name| self.open.remove(&name)) {
                world.close(peer.socket);
            }
        }
        self.open.insert(name, peer);
    }

    /// Carries out a migration for `MIGRATE`.
    pub fn migrate<W>(
        &mut self,
        migration: &Migration<'_>,
        transport: Transport,
        now: Now,
        world: &mut W,
    ) -> MigrationOutcome
    where
        W: Clock + Network<Socket = S>,
    {
        let name = (migration.host.to_vec(), migration.port.to_vec(), transport);
        let mut may_retry = true;
        loop {
            let mut peer = match self.open.remove(&name) {
                Some(peer) => peer,
                None => match Peer::connect(migration, transport, world) {
                    Ok(peer) => peer,
                    Err(step) => return failed(step),
                },
            };
            let conversation = peer.converse(migration, world);
            match &conversation.failure {
                None => {
                    peer.last_use_ms = now.mono_ms();
                    self.keep(name, peer, world);
                }
                Some(failed) => {
                    world.close(peer.socket);
                    if may_retry && conversation.can_be_repeated(failed) {
                        may_retry = false;
                        continue;
                    }
                }
            }
            return MigrationOutcome {
                answers: conversation.answers,
                failure: conversation.failure.map(|failed| failed.step),
            };
        }
    }
}

fn failed(step: MigrationFailure) -> MigrationOutcome {
    MigrationOutcome {
        answers: Vec::new(),
        failure: Some(step),
    }
}

/// What became of a conversation.
struct Conversation {
    /// One for each key that was answered for, in order.
    answers: Vec<Result<(), Vec<u8>>>,
    failure: Option<Failed>,
}

struct Failed {
    step: MigrationFailure,
    timed_out: bool,
}

impl Failed {
    fn at(step: MigrationFailure, error: &io::Error) -> Failed {
        let timed_out = error.kind() == ErrorKind::TimedOut;
        Failed { step, timed_out }
    }
}

impl Conversation {
    /// Whether the other server can have done nothing of what we asked.
    fn can_be_repeated(&self, failed: &Failed) -> bool {
        self.answers.is_empty() && !failed.timed_out
    }
}

impl<S: Socket> Peer<S> {
    /// Makes a connection. The reference waits only until the socket says something, so what a
    /// refusal breaks is, to its clients, the first write.
    fn connect<W>(
        migration: &Migration<'_>,
        transport: Transport,
        world: &mut W,
    ) -> Result<Peer<S>, MigrationFailure>
    where
        W: Clock + Network<Socket = S>,
    {
        let host = std::str::from_utf8(migration.host).map_err(|_| MigrationFailure::Connect)?;
        let port = std::str::from_utf8(migration.port).map_err(|_| MigrationFailure::Connect)?;
        let port: u16 = port.parse().map_err(|_| MigrationFailure::Connect)?;
        let socket = open_now(host, port, transport, migration.timeout, world);
        let socket = socket.map_err(|e| match e.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => MigrationFailure::Write,
            _ => MigrationFailure::Connect,
        })?;
        Ok(Peer {
            socket,
            received: Vec::new(),
            db: None,
            last_use_ms: 0,
        })
    }

    /// Asks for everything at once, then reads the answers.
    fn converse<W>(&mut self, migration: &Migration<'_>, world: &mut W) -> Conversation
    where
        W: Clock + Network<Socket = S>,
    {
        let mut answers = Vec::with_capacity(migration.count);
        let result = self.exchange(migration, &mut answers, world);
        let refused = answers.iter().any(Result::is_err);
        self.db = (result.is_ok() && !refused).then_some(migration.db);
        Conversation {
            answers,
            failure: result.err(),
        }
    }

    fn exchange<W>(
        &mut self,
        migration: &Migration<'_>,
        answers: &mut Vec<Result<(), Vec<u8>>>,
        world: &mut W,
    ) -> Result<(), Failed>
    where
        W: Clock + Network<Socket = S>,
    {
        let selects = self.db != Some(migration.db);
        let mut head = migration.login.to_vec();
        if selects {
            let db = migration.db.to_string();
            encode_command(&[b"SELECT", db.as_bytes()], &mut head);
        }
        let timeout = migration.timeout;
        self.send(&head, timeout, world)
            .and_then(|()| self.send(migration.commands, timeout, world))
            .map_err(|error| Failed::at(MigrationFailure::Write, &error))?;
        let lines = usize::from(!migration.login.is_empty()) + usize::from(selects);
        let mut refusal = Ok(());
        for _ in 0..lines {
            let answer = self.answer(timeout, world)?;
            refusal = refusal.and(answer);
        }
        for _ in 0..migration.count {
            let answer = self.answer(timeout, world)?;
            answers.push(refusal.clone().and(answer));
        }
        Ok(())
    }

    fn send<W>(&mut self, mut bytes: &[u8], timeout: Duration, world: &mut W) -> io::Result<()>
    where
        W: Clock + Network<Socket = S>,
    {
        let until_ns = end_of(timeout, world);
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if !world.wait_for(&mut self.socket, true, time_left(until_ns, world)) {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(e) => return Err(e),
            }
        }
        while !self.socket.flush()? {
            if !world.wait_for(&mut self.socket, true, time_left(until_ns, world)) {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Reads one line; the text of an error is not a failure of ours.
    fn answer<W>(&mut self, timeout: Duration, world: &mut W) -> Result<Result<(), Vec<u8>>, Failed>
    where
        W: Clock + Network<Socket = S>,
    {
        let line = self.read_line(timeout, world);
        let line = line.map_err(|error| Failed::at(MigrationFailure::Read, &error))?;
        match line.first() {
            Some(b'-') => Ok(Err(line[1..].to_vec())),
            _ => Ok(Ok(())),
        }
    }

    fn read_line<W>(&mut self, timeout: Duration, world: &mut W) -> io::Result<Vec<u8>>
    where
        W: Clock + Network<Socket = S>,
    {
        let until_ns = end_of(timeout, world);
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.received) {
                let mut line: Vec<u8> = self.received.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.received.len() >= LINE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            self.received.reserve(LINE_BYTES_MAX);
            match self.socket.read_append(&mut self.received, LINE_BYTES_MAX) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if !world.wait_for(&mut self.socket, false, time_left(until_ns, world)) {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// When a step that begins now has taken too long, in nanoseconds of the monotonic clock.
fn end_of(timeout: Duration, world: &impl Clock) -> u64 {
    let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    world.mono_ns().saturating_add(timeout_ns)
}

fn time_left(until_ns: u64, world: &impl Clock) -> Duration {
    Duration::from_nanos(until_ns.saturating_sub(world.mono_ns()))
}
