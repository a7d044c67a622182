//! The thread that writes.
//!
//! It sends a batch of numbers when one is due, of one number or as many as its pipeline is deep,
//! waits for the replies, and notes an outcome for each number, in order. A connection on which a
//! reply fails to come in time is closed, for what came later could not be told from the next
//! reply: the writes it owes an answer to are unknown for ever, and their numbers used.
//!
//! While there is no connection to a server that answers, no number is used: nothing is sent.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::keys::{chunk_key, chunk_of};
use super::link::{Link, PAUSE};
use super::outcome::{Outcome, Outcomes, WRITES_MAX};
use super::pace::Pace;
use super::route::{Meaning, Route, meaning};
use super::tally::{Accepted, Counts, Tally};
use super::worker::{Halt, Worker, lock};
use crate::base::time::Now;
use crate::lab::model::Writes;
use crate::lab::wire::Wire;
use crate::resp::args::encode_command;
use crate::resp::reply::Value;
use crate::sys::clock;

/// Writes under way at once.
const DEPTH_MAX: u32 = 10_000;
/// Bytes of a batch that are sent without a look at whether it is to stop.
const PIECE_BYTES: usize = 16 * 1024;

/// How a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One write at a time.
    Plain,
    /// One at a time, and after each it waits until replicas have it.
    Wait {
        /// So many replicas.
        replicas: u32,
        /// And no longer than this, at least a millisecond: `WAIT` without a limit would hang.
        limit: Duration,
    },
    /// Several at once: all are sent, then all replies are read.
    Pipeline {
        /// So many, from 1 to 10,000.
        depth: u32,
    },
}

impl Kind {
    fn depth(self) -> u32 {
        match self {
            Kind::Plain | Kind::Wait { .. } => 1,
            Kind::Pipeline { depth } => depth.clamp(1, DEPTH_MAX),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Plain => f.write_str("plain"),
            Kind::Wait { replicas, .. } => write!(f, "WAIT {replicas}"),
            Kind::Pipeline { .. } => write!(f, "pipeline of {}", self.depth()),
        }
    }
}

/// What a writer is to do.
#[derive(Clone, Debug)]
pub struct WriterPlan {
    /// Its name, which is part of its keys.
    pub name: String,
    /// How it writes.
    pub kind: Kind,
    /// How it finds the master.
    pub route: Route,
    /// Writes per second; without, as fast as it goes.
    pub rate: Option<u32>,
    /// The address that its connections come from.
    pub from: IpAddr,
    /// How long it waits for a connection and for a reply.
    pub timeout: Duration,
}

/// What the thread shows to others.
#[derive(Debug)]
struct Shown {
    tally: Tally,
    at: Option<SocketAddr>,
    trouble: Option<String>,
}

/// A writer at work.
#[derive(Debug)]
pub struct Writer {
    shown: Arc<Mutex<Shown>>,
    worker: Worker,
}

impl Writer {
    /// Begins to write.
    ///
    /// # Errors
    ///
    /// The system has no room for one more thread.
    pub fn start(plan: WriterPlan) -> io::Result<Writer> {
        let outcomes = Outcomes {
            writer: plan.name.clone(),
            kind: plan.kind.to_string(),
            route: plan.route.to_string(),
            ..Outcomes::default()
        };
        let shown = Arc::new(Mutex::new(Shown {
            tally: Tally::new(outcomes, clock::now()),
            at: None,
            trouble: None,
        }));
        let theirs = Arc::clone(&shown);
        let work = move |halt: &Halt| Writing::new(plan, theirs).run(halt);
        let worker = Worker::start("lab-writer", work)?;
        Ok(Writer { shown, worker })
    }

    /// What it did in each tenth of a second that is over, since the last call. After
    /// [`Writer::stop`] that is all the rest. Who does not call for an hour misses some.
    pub fn take_buckets(&self) -> Vec<Writes> {
        // Under the lock, so that no write is noted at an instant between the two.
        let mut shown = lock(&self.shown);
        shown.tally.take_buckets(clock::now())
    }

    /// How its writes fared so far.
    pub fn counts(&self) -> Counts {
        lock(&self.shown).tally.counts()
    }

    /// The newest accepted write, and how many there are.
    pub fn last_accepted(&self) -> Option<Accepted> {
        lock(&self.shown).tally.last_accepted()
    }

    /// The server that it is connected to.
    pub fn connected_to(&self) -> Option<SocketAddr> {
        lock(&self.shown).at
    }

    /// What went wrong last, in words; nothing once a write was accepted again.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shown).trouble.clone()
    }

    /// Asks it to stop and does not wait; [`Writer::stop`] does. Who stops many asks all of them
    /// first.
    pub fn halt(&self) {
        self.worker.halt();
    }

    /// Ends it, after the replies that it waits for or their time limits: that is, within three
    /// times its limit. Says what became of its writes, as far as it was told; so it does when
    /// asked once more.
    pub fn stop(&mut self) -> Outcomes {
        let ran = self.worker.join();
        let mut shown = lock(&self.shown);
        if ran {
            shown.at = None;
            shown.tally.end(clock::now());
        }
        shown.tally.outcomes().clone()
    }
}

/// What follows from how a batch fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The next one.
    GoOn,
    /// The server refuses, and is the only one that there is.
    Refused,
    /// Another server, or another connection.
    Leave,
}

/// The thread's own.
struct Writing {
    plan: WriterPlan,
    shown: Arc<Mutex<Shown>>,
    link: Link,
    pace: Pace,
    /// The number that is used next.
    next: u64,
    request: Vec<u8>,
}

impl Writing {
    fn new(plan: WriterPlan, shown: Arc<Mutex<Shown>>) -> Writing {
        Writing {
            link: Link::new(plan.route.clone(), plan.from, plan.timeout),
            pace: Pace::new(plan.kind.depth(), plan.rate, clock::now().mono_us),
            next: 1,
            request: Vec::new(),
            plan,
            shown,
        }
    }

    fn run(&mut self, halt: &Halt) {
        while !halt.is_asked() && self.next < WRITES_MAX as u64 - u64::from(DEPTH_MAX) {
            if let Err(e) = self.link.wire(halt) {
                self.show_trouble(e.to_string());
                halt.pause(PAUSE);
                continue;
            }
            lock(&self.shown).at = self.link.at();
            let wait = self.pace.due_in(clock::now().mono_us);
            if !wait.is_zero() {
                halt.pause(wait);
                continue;
            }
            self.pace.on_sent();
            match self.batch(halt) {
                After::GoOn => {}
                After::Refused if self.plan.rate.is_some() => {}
                After::Refused => halt.pause(PAUSE),
                After::Leave => {
                    self.link.leave();
                    lock(&self.shown).at = None;
                    halt.pause(PAUSE);
                }
            }
        }
    }

    /// Sends a batch and notes an outcome for each number of it.
    fn batch(&mut self, halt: &Halt) -> After {
        let depth = self.plan.kind.depth();
        self.request.clear();
        for number in self.next..self.next + u64::from(depth) {
            let key = chunk_key(&self.plan.name, chunk_of(number));
            let text = number.to_string();
            encode_command(
                &[b"RPUSH", key.as_bytes(), text.as_bytes()],
                &mut self.request,
            );
        }
        self.next += u64::from(depth);
        let mut settled = 0;
        self.exchange(depth, &mut settled, halt)
            .unwrap_or_else(|e| {
                let now = clock::now();
                for _ in settled..depth {
                    lock(&self.shown).tally.on_outcome(Outcome::Unknown, now, 0);
                }
                self.show_trouble(e.to_string());
                After::Leave
            })
    }

    /// Sends the request and reads its replies; `settled` says how many were noted, also where it
    /// fails.
    fn exchange(&mut self, depth: u32, settled: &mut u32, halt: &Halt) -> io::Result<After> {
        let (has_choice, timeout) = (self.link.has_choice(), self.link.timeout());
        let wire = self.link.wire(halt)?;
        let begun = clock::now();
        let give_up_in_time = || match halt.is_asked() && passed(begun) > timeout {
            true => Err(io::Error::from(ErrorKind::TimedOut)),
            false => Ok(()),
        };
        for piece in self.request.chunks(PIECE_BYTES) {
            give_up_in_time()?;
            wire.send(piece)?;
        }
        let mut after = After::GoOn;
        while *settled < depth {
            give_up_in_time()?;
            let reply = wire.receive()?;
            let at = clock::now();
            let meaning = meaning(&reply);
            // An acknowledged write stays one, also where waiting for its replicas fails.
            let mut waited = Ok(false);
            let outcome = match (meaning, self.plan.kind) {
                (Meaning::Accepted, Kind::Wait { replicas, limit }) => {
                    waited = wait(wire, replicas, limit, timeout, halt);
                    match waited {
                        Ok(true) => Outcome::Promised,
                        _ => Outcome::Acknowledged,
                    }
                }
                (Meaning::Accepted, _) => Outcome::Acknowledged,
                (Meaning::Refused | Meaning::RefusedHere, _) => Outcome::Refused,
                (Meaning::Nonsense, _) => return Err(ErrorKind::InvalidData.into()),
            };
            let took_us = passed(begun).as_micros() as u64;
            let mut shown = lock(&self.shown);
            shown.tally.on_outcome(outcome, at, took_us);
            shown.trouble = trouble_of(&reply);
            *settled += 1;
            waited?;
            after = match meaning {
                Meaning::RefusedHere if has_choice => After::Leave,
                Meaning::Refused | Meaning::RefusedHere if after == After::GoOn => After::Refused,
                _ => after,
            };
        }
        Ok(after)
    }

    fn show_trouble(&self, words: String) {
        lock(&self.shown).trouble = Some(words);
    }
}

fn passed(since: Now) -> Duration {
    Duration::from_micros(clock::now().mono_us - since.mono_us)
}

fn trouble_of(reply: &Value) -> Option<String> {
    let error = reply.error()?;
    Some(String::from_utf8_lossy(error).into_owned())
}

/// Waits until so many replicas have what was written on this connection, and says whether they
/// have. The reply may take as long as another one after the limit of `WAIT` itself.
///
/// # Errors
///
/// The connection has failed, or the reply is an error: it is of no use any more.
fn wait(
    wire: &mut Wire,
    replicas: u32,
    limit: Duration,
    timeout: Duration,
    halt: &Halt,
) -> io::Result<bool> {
    let begun = clock::now();
    let (enough, limit_ms) = (replicas.to_string(), limit.as_millis().max(1).to_string());
    let mut request = Vec::new();
    let argv = [b"WAIT", enough.as_bytes(), limit_ms.as_bytes()];
    encode_command(&argv, &mut request);
    wire.send(&request)?;
    loop {
        match wire.receive() {
            Ok(Value::Int(count)) => return Ok(count >= i64::from(replicas)),
            Ok(reply) => {
                let words = trouble_of(&reply).unwrap_or_else(|| "no answer to WAIT".to_owned());
                return Err(io::Error::other(words));
            }
            Err(e) if e.kind() != ErrorKind::TimedOut => return Err(e),
            Err(e) if halt.is_asked() || passed(begun) > limit + timeout => return Err(e),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_says_what_it_does_and_a_pipeline_has_a_sensible_depth() {
        let limit = Duration::from_secs(1);
        let wait = Kind::Wait { replicas: 2, limit };
        let pipelines = [0, 16, u32::MAX].map(|depth| Kind::Pipeline { depth });
        assert_eq!([Kind::Plain, wait].map(Kind::depth), [1, 1]);
        assert_eq!(
            [Kind::Plain, wait].map(|kind| kind.to_string()),
            ["plain", "WAIT 2"]
        );
        assert_eq!(pipelines.map(Kind::depth), [1, 16, 10_000]);
        assert_eq!(pipelines[1].to_string(), "pipeline of 16");
    }
}
