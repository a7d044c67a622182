//! The other end of `MIGRATE`: blocking conversations with other servers.
//!
//! Like the reference's, the command holds everything up until the other server has answered; each
//! step of the conversation is bounded by the timeout that the client gave. Connections are kept
//! for some seconds, since keys mostly move one command after the other. A kept connection may
//! have been closed by the other side meanwhile, which shows only when it is used: if nothing was
//! answered on it, the conversation begins again on a new one, once.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::hub::Hub;
use crate::base::time::Now;
use crate::commands::host::{Transfer, TransferFailure, TransferOutcome};
use crate::resp::args::encode_command;

/// A connection that was not used for longer is closed.
const IDLE_MS_MAX: u64 = 10_000;
/// No more connections are kept.
const CONNECTIONS_MAX: usize = 64;
/// No line of an answer is longer.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// Connections that are kept, by host and port.
#[derive(Default)]
pub struct Peers {
    open: HashMap<(Vec<u8>, Vec<u8>), Peer>,
}

/// A connection to another server.
struct Peer {
    stream: BufReader<TcpStream>,
    /// The database that it works on, where we know it.
    db: Option<i64>,
    last_use_ms: u64,
}

impl Peers {
    /// How many connections are kept.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Closes connections that were not used for long.
    pub fn close_idle(&mut self, now: Now) {
        let now_ms = now.mono_ms();
        self.open
            .retain(|_, peer| now_ms.saturating_sub(peer.last_use_ms) <= IDLE_MS_MAX);
    }

    fn keep(&mut self, name: (Vec<u8>, Vec<u8>), peer: Peer) {
        if self.open.len() >= CONNECTIONS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, peer)| peer.last_use_ms);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.and_then(|name| self.open.remove(&name));
        }
        self.open.insert(name, peer);
    }
}

impl Hub {
    /// Carries out a transfer for `MIGRATE`.
    pub fn migrate(&mut self, transfer: &Transfer<'_>, now: Now) -> TransferOutcome {
        let name = (transfer.host.to_vec(), transfer.port.to_vec());
        let mut may_retry = true;
        loop {
            let mut peer = match self.peers.open.remove(&name) {
                Some(peer) => peer,
                None => match Peer::connect(transfer) {
                    Ok(peer) => peer,
                    Err(_) => return failed(TransferFailure::Connect),
                },
            };
            let conversation = peer.converse(transfer);
            match &conversation.failure {
                None => {
                    peer.last_use_ms = now.mono_ms();
                    self.peers.keep(name, peer);
                }
                Some(failed) if may_retry && conversation.can_be_repeated(failed) => {
                    may_retry = false;
                    continue;
                }
                Some(_) => {}
            }
            return TransferOutcome {
                answers: conversation.answers,
                failure: conversation.failure.map(|failed| failed.step),
            };
        }
    }
}

fn failed(step: TransferFailure) -> TransferOutcome {
    TransferOutcome {
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
    step: TransferFailure,
    timed_out: bool,
}

impl Failed {
    fn at(step: TransferFailure, error: &io::Error) -> Failed {
        let timed_out = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
        Failed { step, timed_out }
    }
}

impl Conversation {
    /// Whether the other server can have done nothing of what we asked.
    fn can_be_repeated(&self, failed: &Failed) -> bool {
        self.answers.is_empty() && !failed.timed_out
    }
}

impl Peer {
    fn connect(transfer: &Transfer<'_>) -> io::Result<Peer> {
        let host = std::str::from_utf8(transfer.host).map_err(io::Error::other)?;
        let port = std::str::from_utf8(transfer.port).map_err(io::Error::other)?;
        let port: u16 = port.parse().map_err(io::Error::other)?;
        let mut result = Err(ErrorKind::AddrNotAvailable.into());
        for address in (host, port).to_socket_addrs()? {
            result = TcpStream::connect_timeout(&address, transfer.timeout);
            if result.is_ok() {
                break;
            }
        }
        let stream = result?;
        stream.set_nodelay(true)?;
        Ok(Peer {
            stream: BufReader::new(stream),
            db: None,
            last_use_ms: 0,
        })
    }

    /// Asks for everything at once, then reads the answers.
    fn converse(&mut self, transfer: &Transfer<'_>) -> Conversation {
        let mut answers = Vec::with_capacity(transfer.count);
        let result = self.exchange(transfer, &mut answers);
        let refused = answers.iter().any(Result::is_err);
        self.db = (result.is_ok() && !refused).then_some(transfer.db);
        Conversation {
            answers,
            failure: result.err(),
        }
    }

    fn exchange(
        &mut self,
        transfer: &Transfer<'_>,
        answers: &mut Vec<Result<(), Vec<u8>>>,
    ) -> Result<(), Failed> {
        let selects = self.db != Some(transfer.db);
        self.send(transfer, selects)
            .map_err(|error| Failed::at(TransferFailure::Write, &error))?;
        let lines = usize::from(!transfer.login.is_empty()) + usize::from(selects);
        let mut refusal = Ok(());
        for _ in 0..lines {
            let answer = self.answer()?;
            refusal = refusal.and(answer);
        }
        for _ in 0..transfer.count {
            let answer = self.answer()?;
            answers.push(refusal.clone().and(answer));
        }
        Ok(())
    }

    fn send(&mut self, transfer: &Transfer<'_>, selects: bool) -> io::Result<()> {
        let stream = self.stream.get_mut();
        set_timeouts(stream, transfer.timeout)?;
        let mut head = transfer.login.to_vec();
        if selects {
            let db = transfer.db.to_string();
            encode_command(&[b"SELECT", db.as_bytes()], &mut head);
        }
        stream.write_all(&head)?;
        stream.write_all(transfer.commands)
    }

    /// Reads one line; the text of an error is not a failure of ours.
    fn answer(&mut self) -> Result<Result<(), Vec<u8>>, Failed> {
        let failed = |error: &io::Error| Failed::at(TransferFailure::Read, error);
        let mut line = Vec::new();
        (&mut self.stream)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|error| failed(&error))?;
        if line.pop() != Some(b'\n') {
            return Err(failed(&ErrorKind::UnexpectedEof.into()));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(match line.strip_prefix(b"-") {
            Some(text) => Err(text.to_vec()),
            None => Ok(()),
        })
    }
}

fn set_timeouts(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))
}
