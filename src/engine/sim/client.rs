//! Clients of the simulated servers: what they send, and what they make of the replies.
//!
//! A client knows no more than a real one: it sends commands in wire form, reads replies, and
//! notices when its connection ends. What it was told is what the oracle holds the servers to.

use std::collections::VecDeque;

use super::net::{HostId, SharedNet, SimSocket, address_of};
use crate::engine::world::{Connecting, Socket};
use crate::resp::args::encode_command;

/// What a request is about, for whoever reads the reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Topic {
    /// A write of this key in this database; `OK` means that it was done.
    Write { db: usize, key: Vec<u8> },
    /// Whether the file of the server has the write with this number on disk (`WAITAOF`).
    Stored { serial: u64 },
    /// Nobody cares about the reply.
    Other,
}

/// A reply, as far as anybody looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No error.
    Fine,
    /// An array that begins with the number one.
    One,
    /// An error, or a transaction that was given up.
    Refused,
}

/// One client's connection to one server.
pub struct SimClient {
    /// The server.
    pub server: HostId,
    /// The database that it has selected.
    pub db: usize,
    socket: SimSocket,
    unsent: Vec<u8>,
    received: Vec<u8>,
    asked: VecDeque<Topic>,
}

impl SimClient {
    /// Connects to a server from a machine of its own.
    pub fn connect(net: &SharedNet, from: HostId, server: HostId) -> SimClient {
        SimClient {
            server,
            db: 0,
            socket: SimSocket::connect(net, from, address_of(server)),
            unsent: Vec::new(),
            received: Vec::new(),
            asked: VecDeque::new(),
        }
    }

    /// Sends a command as soon as it can be.
    pub fn send(&mut self, argv: &[&[u8]], topic: Topic) {
        encode_command(argv, &mut self.unsent);
        self.asked.push_back(topic);
    }

    /// The same, for words that contain no spaces.
    pub fn say(&mut self, line: &str) {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.send(&argv, Topic::Other);
    }

    /// How many replies it waits for.
    pub fn waits_for(&self) -> usize {
        self.asked.len()
    }

    /// Whether everything that it had to say is on its way.
    pub fn has_sent_all(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Goes on with sending and receiving. Gives the replies that have come; `None` when the
    /// connection is over.
    pub fn step(&mut self) -> Option<Vec<(Topic, Verdict)>> {
        match self.socket.connecting() {
            Connecting::Pending => return Some(Vec::new()),
            Connecting::Failed(_) => return None,
            Connecting::Done => {}
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        loop {
            match self.socket.read_append(&mut self.received, 4096) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        let mut replies = Vec::new();
        let mut at = 0;
        while let Some((length, verdict)) = reply_at(&self.received[at..]) {
            at += length;
            let topic = self.asked.pop_front().expect("one reply to each request");
            replies.push((topic, verdict));
        }
        self.received.drain(..at);
        Some(replies)
    }
}

/// The length of the reply that begins here, if it is whole, and what it says.
fn reply_at(bytes: &[u8]) -> Option<(usize, Verdict)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let number = || -> Option<i64> { std::str::from_utf8(&bytes[1..end]).ok()?.parse().ok() };
    let line = end + 2;
    match bytes[0] {
        b'-' => Some((line, Verdict::Refused)),
        b'$' => {
            let length = number().expect("a length");
            let whole = line + usize::try_from(length).map_or(0, |n| n + 2);
            (bytes.len() >= whole).then_some((whole, Verdict::Fine))
        }
        b'*' => {
            let Ok(count) = usize::try_from(number().expect("a count")) else {
                return Some((line, Verdict::Refused));
            };
            let (mut at, mut verdict) = (line, Verdict::Fine);
            for _ in 0..count {
                let (length, inner) = reply_at(&bytes[at..])?;
                at += length;
                if inner == Verdict::Refused {
                    verdict = inner;
                }
            }
            let is_one = verdict == Verdict::Fine && bytes[line..at].starts_with(b":1\r\n");
            Some((at, if is_one { Verdict::One } else { verdict }))
        }
        _ => Some((line, Verdict::Fine)),
    }
}
