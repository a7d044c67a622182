//! Clients of a group: each asks a Sentinel where the master is, writes there, and asks again when
//! it is refused, cut off, or not answered.

use super::net::{HostId, SharedNet, SimSocket, address_of, host_at};
use crate::base::rng::Rng;
use crate::engine::world::{Connecting, Socket};
use crate::resp::args::encode_command;
use crate::resp::reply::Value;
use crate::resp::reply_parser::ReplyParser;

/// An answer is waited for so long, in microseconds.
const PATIENCE_US: u64 = 1_000_000;
/// Between two writes it rests for so long at most, in microseconds.
const REST_US_MAX: u64 = 150_000;
/// How long `WAIT` waits, in milliseconds.
const WAIT_MS: &str = "400";

/// A connection to a server.
struct Talk {
    socket: SimSocket,
    unsent: Vec<u8>,
    replies: ReplyParser,
}

impl Talk {
    fn new(net: &SharedNet, from: HostId, to: HostId) -> Talk {
        Talk {
            socket: SimSocket::connect(net, from, address_of(to)),
            unsent: Vec::new(),
            replies: ReplyParser::default(),
        }
    }

    fn say(&mut self, line: &str) {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        encode_command(&argv, &mut self.unsent);
    }

    /// Goes on. The next reply, if there is one; `Err` when the connection is over.
    fn step(&mut self) -> Result<Option<Value>, ()> {
        match self.socket.connecting() {
            Connecting::Pending => return Ok(None),
            Connecting::Failed(_) => return Err(()),
            Connecting::Done => {}
        }
        if !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(()),
            }
        }
        let mut bytes = Vec::new();
        match self.socket.read_append(&mut bytes, 4096) {
            Ok(0) => return Err(()),
            Ok(_) => self.replies.feed(&bytes),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(()),
        }
        self.replies.next_reply().map_err(drop)
    }
}

/// What a client is doing.
enum Doing {
    /// Nothing, until then.
    Resting(u64),
    /// It has asked a Sentinel, and waits until then.
    Asking(Talk, u64),
    /// It talks to what it takes for the master.
    Writing(Talk, Writing),
}

/// What a client that talks to a server is doing.
struct Writing {
    server: HostId,
    /// The write that is under way, and until when its answer is waited for.
    write: Option<(u64, u64)>,
    /// The write was done; how many replicas have it was asked.
    waits: bool,
    rests_until_us: u64,
}

/// What a client was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// This server has done the write of this number.
    Written(HostId, u64),
    /// The server's data and those of so many others have it that they are a majority.
    Kept(u64),
}

/// See the module's head.
pub struct GroupClient {
    host: HostId,
    sentinels: Vec<HostId>,
    /// How many replicas a majority has beside the master.
    others: usize,
    doing: Doing,
    rng: Rng,
}

impl GroupClient {
    /// A client that asks these Sentinels.
    pub fn new(host: HostId, sentinels: Vec<HostId>, others: usize, rng: Rng) -> GroupClient {
        GroupClient {
            host,
            sentinels,
            others,
            doing: Doing::Resting(0),
            rng,
        }
    }

    /// When it wants to go on if nothing comes, in microseconds.
    pub fn wakes_at_us(&self) -> u64 {
        match &self.doing {
            Doing::Resting(until) | Doing::Asking(_, until) => *until,
            Doing::Writing(_, writing) => match writing.write {
                Some((_, until)) => until,
                None => writing.rests_until_us,
            },
        }
    }

    /// Goes on. `next` numbers its writes.
    pub fn step(&mut self, net: &SharedNet, next: &mut u64) -> Option<Told> {
        let now_us = net.borrow().now_us;
        let mut told = None;
        let doing = std::mem::replace(&mut self.doing, Doing::Resting(0));
        self.doing = match doing {
            Doing::Resting(until) if until > now_us => Doing::Resting(until),
            Doing::Resting(_) => self.ask(net, now_us),
            Doing::Asking(talk, until) => self.hear_master(net, talk, until, now_us),
            Doing::Writing(talk, writing) => self.write(talk, writing, now_us, next, &mut told),
        };
        told
    }

    fn rest(&mut self, now_us: u64) -> Doing {
        Doing::Resting(now_us + 1 + self.rng.below(REST_US_MAX))
    }

    fn ask(&mut self, net: &SharedNet, now_us: u64) -> Doing {
        let which = self.rng.below(self.sentinels.len() as u64) as usize;
        let mut talk = Talk::new(net, self.host, self.sentinels[which]);
        talk.say("SENTINEL GET-MASTER-ADDR-BY-NAME m");
        Doing::Asking(talk, now_us + PATIENCE_US)
    }

    fn hear_master(&mut self, net: &SharedNet, mut talk: Talk, until: u64, now_us: u64) -> Doing {
        let reply = match talk.step() {
            Ok(None) if now_us < until => return Doing::Asking(talk, until),
            Ok(Some(reply)) => reply,
            _ => return self.rest(now_us),
        };
        let ip = reply.array().and_then(|parts| parts.first()?.text());
        let ip = ip.and_then(|ip| std::str::from_utf8(ip).ok()?.parse().ok());
        let Some(server) = ip.and_then(|ip| host_at(std::net::SocketAddr::new(ip, 6379))) else {
            return self.rest(now_us);
        };
        let writing = Writing {
            server,
            write: None,
            waits: false,
            rests_until_us: 0,
        };
        Doing::Writing(Talk::new(net, self.host, server), writing)
    }

    fn write(
        &mut self,
        mut talk: Talk,
        mut writing: Writing,
        now_us: u64,
        next: &mut u64,
        told: &mut Option<Told>,
    ) -> Doing {
        if writing.write.is_none() && writing.rests_until_us <= now_us {
            *next += 1;
            talk.say(&format!("SET w{next} {next}"));
            writing.write = Some((*next, now_us + PATIENCE_US));
        }
        let reply = match talk.step() {
            Ok(Some(reply)) => reply,
            Ok(None) if writing.write.is_none_or(|(_, until)| now_us < until) => {
                return Doing::Writing(talk, writing);
            }
            _ => return self.rest(now_us),
        };
        let Some((serial, _)) = writing.write else {
            return self.rest(now_us);
        };
        match (&reply, writing.waits) {
            (Value::Simple(_), false) => {
                *told = Some(Told::Written(writing.server, serial));
                if self.rng.below(2) == 0 {
                    talk.say(&format!("WAIT {} {WAIT_MS}", self.others));
                    let _ = talk.step();
                    writing.waits = true;
                    return Doing::Writing(talk, writing);
                }
            }
            (Value::Int(count), true) => {
                if usize::try_from(*count).is_ok_and(|count| count >= self.others) {
                    *told = Some(Told::Kept(serial));
                }
            }
            // It is no master any more, or cannot write.
            _ => return self.rest(now_us),
        }
        writing.waits = false;
        writing.write = None;
        writing.rests_until_us = now_us + 1 + self.rng.below(REST_US_MAX);
        Doing::Writing(talk, writing)
    }
}
