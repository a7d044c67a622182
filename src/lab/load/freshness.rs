//! How old is what a reader sees: one writes the time, and readers look at it on each server.
//!
//! The age is the reader's time less the time that it reads, so it holds all that lies between: the
//! clock's interval, replication, and the time during which nobody took a write. A server that does
//! not answer, refuses, or has never had the key shows nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::keys::CLOCK;
use super::link::{Link, PAUSE};
use super::pace::Pace;
use super::route::{Meaning, Route, meaning};
use super::worker::{Halt, Worker, lock};
use crate::base::numbers::parse_i64;
use crate::lab::model::{Staleness, UnixUs};
use crate::resp::reply::Value;
use crate::sys::clock;

/// What was read and waits to be taken; the oldest is dropped then.
const SEEN_MAX: usize = 200_000;

/// What the clock is to do.
#[derive(Clone, Debug)]
pub struct ClockPlan {
    /// How it finds the master.
    pub route: Route,
    /// How often it writes the time.
    pub every: Duration,
    /// The address that its connections come from.
    pub from: IpAddr,
    /// How long it waits for a connection and for a reply.
    pub timeout: Duration,
}

/// One that writes the time, in microseconds since the Unix epoch, to `lab:clock`.
#[derive(Debug)]
pub struct Clock {
    newest: Arc<Mutex<Option<UnixUs>>>,
    worker: Worker,
}

impl Clock {
    /// Begins to write.
    ///
    /// # Errors
    ///
    /// The system has no room for one more thread.
    pub fn start(plan: ClockPlan) -> io::Result<Clock> {
        let newest = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&newest);
        let worker = Worker::start("lab-clock", move |halt| write_time(plan, &theirs, halt))?;
        Ok(Clock { newest, worker })
    }

    /// The newest time that was accepted: no server can have a newer one, but for one whose
    /// outcome is unknown.
    pub fn newest(&self) -> Option<UnixUs> {
        *lock(&self.newest)
    }

    /// Asks it to stop and does not wait.
    pub fn halt(&self) {
        self.worker.halt();
    }

    /// Ends it, within three times its limit.
    pub fn stop(&mut self) {
        self.worker.join();
    }
}

fn write_time(plan: ClockPlan, newest: &Mutex<Option<UnixUs>>, halt: &Halt) {
    let mut link = Link::new(plan.route, plan.from, plan.timeout);
    let mut pace = Pace::every(plan.every, clock::now().mono_us);
    while !halt.is_asked() {
        let Ok(wire) = link.wire(halt) else {
            halt.pause(PAUSE);
            continue;
        };
        let now = clock::now();
        let wait = pace.due_in(now.mono_us);
        if !wait.is_zero() {
            halt.pause(wait);
            continue;
        }
        pace.on_sent();
        let time = now.unix_us.to_string();
        let reply = wire.ask(&[b"SET", CLOCK, time.as_bytes()]);
        match reply.map(|reply| meaning(&reply)) {
            Ok(Meaning::Accepted) => *lock(newest) = Some(now.unix_us),
            Ok(Meaning::Refused) => {}
            Ok(Meaning::RefusedHere) if !link.has_choice() => {}
            _ => {
                link.leave();
                halt.pause(PAUSE);
            }
        }
    }
}

/// What readers are to do.
#[derive(Clone, Debug)]
pub struct ReaderPlan {
    /// How often each server is asked.
    pub every: Duration,
    /// The address that their connections come from.
    pub from: IpAddr,
    /// How long they wait for a connection and for a reply.
    pub timeout: Duration,
}

/// Those that read the clock: one for each server, so that none waits for another's server.
#[derive(Debug)]
pub struct Readers {
    plan: ReaderPlan,
    seen: Arc<Mutex<VecDeque<Staleness>>>,
    workers: Vec<Worker>,
}

impl Readers {
    /// Begins to read from each of these servers, at its address and by its node's name.
    ///
    /// # Errors
    ///
    /// The system has no room for so many threads.
    pub fn start(plan: ReaderPlan, servers: &[(SocketAddr, String)]) -> io::Result<Readers> {
        let mut readers = Readers {
            plan,
            seen: Arc::default(),
            workers: Vec::new(),
        };
        for (address, node) in servers {
            readers.add(*address, node)?;
        }
        Ok(readers)
    }

    /// Begins to read from one more.
    ///
    /// # Errors
    ///
    /// As [`Readers::start`].
    pub fn add(&mut self, address: SocketAddr, node: &str) -> io::Result<()> {
        let (plan, seen, node) = (self.plan.clone(), Arc::clone(&self.seen), node.to_owned());
        let work = move |halt: &Halt| read_time(&plan, address, &node, &seen, halt);
        self.workers.push(Worker::start("lab-reader", work)?);
        Ok(())
    }

    /// What they have seen since the last call.
    pub fn take(&self) -> Vec<Staleness> {
        lock(&self.seen).drain(..).collect()
    }

    /// Asks them to stop and does not wait.
    pub fn halt(&self) {
        self.workers.iter().for_each(Worker::halt);
    }

    /// Ends them, within twice their limit; what they have seen can still be taken.
    pub fn stop(&mut self) {
        self.halt();
        self.workers.clear();
    }
}

fn read_time(
    plan: &ReaderPlan,
    address: SocketAddr,
    node: &str,
    seen: &Mutex<VecDeque<Staleness>>,
    halt: &Halt,
) {
    let mut link = Link::new(Route::Fixed(address), plan.from, plan.timeout);
    let mut pace = Pace::every(plan.every, clock::now().mono_us);
    while !halt.is_asked() {
        let wait = pace.due_in(clock::now().mono_us);
        if !wait.is_zero() {
            halt.pause(wait);
            continue;
        }
        pace.on_sent();
        let reply = link.wire(halt).and_then(|wire| wire.ask(&[b"GET", CLOCK]));
        let Ok(reply) = reply else {
            link.leave();
            continue;
        };
        let at_us = clock::now().unix_us;
        if let Some(ms) = age_ms(&reply, at_us) {
            let mut seen = lock(seen);
            if seen.len() == SEEN_MAX {
                seen.pop_front();
            }
            seen.push_back(Staleness {
                at_us,
                node: node.to_owned(),
                ms,
            });
        }
    }
}

/// How old the time in this reply is, if there is one in it.
fn age_ms(reply: &Value, now_us: UnixUs) -> Option<u64> {
    let written_us = parse_i64(reply.text()?)?;
    Some(now_us.saturating_sub(written_us).max(0) as u64 / 1000)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Fake, Memory, wait_until};
    use super::*;

    #[test]
    fn an_age_is_whole_milliseconds_and_never_negative() {
        let age = |text: &str| age_ms(&Value::Bulk(text.as_bytes().to_vec()), 5_000_000);
        assert_eq!(age("4979001"), Some(20));
        assert_eq!(age("5000001"), Some(0));
        assert_eq!(age("-9223372036854775808"), Some(i64::MAX as u64 / 1000));
        assert_eq!(age("x"), None);
        assert_eq!(age_ms(&Value::Null, 5), None);
        assert_eq!(age_ms(&Value::Error(b"LOADING".to_vec()), 5), None);
    }

    #[test]
    fn readers_see_the_clock_and_a_server_that_does_not_answer_shows_nothing() {
        let mut memory = Memory::master();
        let server = Fake::start(move |argv| memory.answer(argv));
        let silent = Fake::start(|_| Answer::Silent);
        let timeout = Duration::from_millis(100);
        let from = server.address().ip();
        let mut clock = Clock::start(ClockPlan {
            route: Route::Fixed(server.address()),
            every: Duration::from_millis(5),
            from,
            timeout,
        })
        .expect("a thread");
        let every = Duration::from_millis(5);
        let plan = ReaderPlan {
            every,
            from,
            timeout,
        };
        let servers = [(silent.address(), "r1".to_owned())];
        let mut readers = Readers::start(plan, &servers).expect("a thread");
        readers.add(server.address(), "m1").expect("a thread");
        let mut seen = Vec::new();
        wait_until(|| {
            seen.extend(readers.take());
            seen.len() >= 5 && clock.newest().is_some()
        });
        clock.stop();
        readers.stop();
        assert!(
            seen.iter().all(|one| one.node == "m1" && one.ms < 60_000),
            "{seen:?}"
        );
        assert!(seen.is_sorted_by_key(|one| one.at_us));
    }
}
