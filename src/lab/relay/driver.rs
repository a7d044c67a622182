//! The loop of the relay: one thread, one poll, and what it wakes up for.
//!
//! Three kinds of things wake it: a socket, the earliest timer, and a job, which is how other
//! threads ask something of it. Connections lie in a slab; the token of a socket is twice the place
//! of its connection, plus the side. The place of one that has ended stays empty until all events
//! of the poll are told, for some of them may still be its own.
//!
//! To be woken takes as long as to pass a request on. So after an event the loop looks for the next
//! one for a few microseconds before it sleeps ([`Patience`]), as long as few things happen at
//! once; under load sleep is better, since more has come when it ends.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, SockRef, Socket, Type};

use super::hosts::{HostId, Hosts, LinkId};
use super::pair::{Context, Outcome, Pair, lacks_descriptors, now_us, scratch};

/// Events that one poll can tell.
const EVENTS_MAX: usize = 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// Connections that one listener accepts before others have their turn.
const ACCEPTS_MAX: usize = 64;
/// When there is no descriptor for an accepted connection, it is tried again after this time.
const ACCEPT_RETRY_US: u64 = 20_000;
/// The token of the waker.
pub const WAKER: Token = Token(usize::MAX);
/// Tokens from here on are listeners'.
const LISTENERS: usize = usize::MAX / 2;

/// How long the loop looks for events without sleeping.
const SPIN_US: u64 = 30;
/// Events of one poll that are few.
const FEW: usize = 2;
/// After so many polls with few events in a row it spins.
const FEW_POLLS_MIN: u32 = 16;

/// Something that the loop is asked to do.
pub type Job = Box<dyn FnOnce(&mut Driver) + Send>;

/// A place at which connections are accepted.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    host: HostId,
    target: SocketAddr,
}

/// Decides whether to look for events once more before sleeping.
#[derive(Debug, Default)]
struct Patience {
    /// Polls in a row that had few events, and not none.
    few_polls: u32,
    until_us: u64,
}

impl Patience {
    /// A poll has told so many events.
    fn on_poll(&mut self, events: usize, now_us: impl FnOnce() -> u64) {
        match events {
            0 => return,
            1..=FEW => self.few_polls = self.few_polls.saturating_add(1),
            _ => self.few_polls = 0,
        }
        if self.few_polls >= FEW_POLLS_MIN {
            self.until_us = now_us() + SPIN_US;
        }
    }

    fn is_over(&self, now_us: impl FnOnce() -> u64) -> bool {
        self.few_polls < FEW_POLLS_MIN || now_us() >= self.until_us
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    /// Who is where, and the links between them.
    pub hosts: Hosts,
    doors: Slab<Door>,
    /// Connections; an empty place is one of `ended`.
    pairs: Slab<Option<Pair>>,
    /// Places of connections that have ended since the poll.
    ended: Vec<usize>,
    /// The timers that are set: when, and which flow, numbered as tokens are.
    timers: BTreeSet<(u64, usize)>,
    /// The same by flow.
    timer_of: HashMap<usize, u64>,
    /// Connections that had their turn and have more to do.
    again: BTreeSet<usize>,
    /// Doors at which more may wait than was accepted, and when they are tried again.
    doors_again: BTreeSet<usize>,
    doors_again_us: u64,
    scratch: Box<[u8]>,
    is_over: bool,
}

impl Driver {
    /// A loop that watches nothing yet.
    pub fn new(poll: Poll) -> Driver {
        Driver {
            poll,
            hosts: Hosts::default(),
            doors: Slab::new(),
            pairs: Slab::new(),
            ended: Vec::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            again: BTreeSet::new(),
            doors_again: BTreeSet::new(),
            doors_again_us: 0,
            scratch: scratch(),
            is_over: false,
        }
    }

    /// Serves until told to leave, or until nobody can tell it any more.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut patience = Patience::default();
        while !self.is_over {
            let timeout = if patience.is_over(now_us) {
                self.time_to_sleep()
            } else {
                Some(Duration::ZERO)
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return log::error!("The relay cannot wait for its sockets: {e}"),
            }
            for event in &events {
                self.on_event(event, jobs);
            }
            self.on_time();
            for key in self.ended.drain(..) {
                self.pairs.remove(key);
            }
            patience.on_poll(events.iter().count(), now_us);
        }
    }

    /// Ends [`Driver::run`].
    pub fn leave(&mut self) {
        self.is_over = true;
    }

    fn time_to_sleep(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let doors_us = (!self.doors_again.is_empty()).then_some(self.doors_again_us);
        let timer_us = self.timers.first().map(|&(due_us, _)| due_us);
        let due_us = doors_us.into_iter().chain(timer_us).min()?;
        Some(Duration::from_micros(due_us.saturating_sub(now_us())))
    }

    fn on_event(&mut self, event: &Event, jobs: &Receiver<Job>) {
        match event.token() {
            WAKER => {
                for job in jobs.try_iter() {
                    job(self);
                }
            }
            Token(token) if token >= LISTENERS => self.accept(token - LISTENERS),
            Token(token) => {
                self.with_pair(token / 2, |pair, cx| pair.on_event(token % 2, event, cx));
            }
        }
    }

    /// What is due, and what had to let others pass.
    fn on_time(&mut self) {
        for key in std::mem::take(&mut self.again) {
            self.with_pair(key, Pair::advance);
        }
        if self.timers.is_empty() && self.doors_again.is_empty() {
            return;
        }
        let now_us = now_us();
        while let Some(&(due_us, flow)) = self.timers.first()
            && due_us <= now_us
        {
            self.timers.pop_first();
            self.timer_of.remove(&flow);
            self.with_pair(flow / 2, Pair::advance);
        }
        if self.doors_again_us <= now_us {
            for door in std::mem::take(&mut self.doors_again) {
                self.accept(door);
            }
        }
    }

    /// Lets a connection do something, and does what follows from it.
    fn with_pair(&mut self, key: usize, act: impl FnOnce(&mut Pair, &mut Context<'_>) -> Outcome) {
        let Some(Some(pair)) = self.pairs.get_mut(key) else {
            return;
        };
        let mut cx = Context {
            hosts: &mut self.hosts,
            registry: self.poll.registry(),
            scratch: &mut self.scratch,
        };
        let outcome = act(pair, &mut cx);
        let wakes_us = match outcome {
            Outcome::Over => [None; 2],
            Outcome::Waits | Outcome::Again => pair.wakes_us(),
        };
        for (flow, wake_us) in wakes_us.into_iter().enumerate() {
            self.set_timer(2 * key + flow, wake_us);
        }
        match outcome {
            Outcome::Waits => {}
            Outcome::Again => drop(self.again.insert(key)),
            Outcome::Over => {
                if let Some(pair) = self.pairs[key].take() {
                    pair.close(self.poll.registry());
                }
                self.ended.push(key);
            }
        }
    }

    fn set_timer(&mut self, flow: usize, due_us: Option<u64>) {
        if self.timers.is_empty() && due_us.is_none() {
            return;
        }
        let before_us = match due_us {
            Some(due_us) => self.timer_of.insert(flow, due_us),
            None => self.timer_of.remove(&flow),
        };
        if before_us == due_us {
            return;
        }
        if let Some(before_us) = before_us {
            self.timers.remove(&(before_us, flow));
        }
        if let Some(due_us) = due_us {
            self.timers.insert((due_us, flow));
        }
    }

    fn accept(&mut self, key: usize) {
        for _ in 0..ACCEPTS_MAX {
            let Some(door) = self.doors.get(key) else {
                return;
            };
            match door.listener.accept() {
                Ok((stream, from)) => {
                    let ends = (self.hosts.at(from.ip()), door.host);
                    let target = door.target;
                    self.begin(stream, ends, target);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if lacks_descriptors(&e) => {
                    return self.accept_later(key, ACCEPT_RETRY_US);
                }
                // The initiator was gone before it was accepted, or a signal came.
                Err(_) => {}
            }
        }
        self.accept_later(key, 0);
    }

    fn accept_later(&mut self, key: usize, after_us: u64) {
        self.doors_again.insert(key);
        self.doors_again_us = now_us() + after_us;
    }

    fn begin(&mut self, stream: mio::net::TcpStream, ends: (HostId, HostId), target: SocketAddr) {
        let place = self.pairs.vacant_entry();
        let key = place.key();
        let mut cx = Context {
            hosts: &mut self.hosts,
            registry: self.poll.registry(),
            scratch: &mut self.scratch,
        };
        match Pair::accepted(stream, ends, target, Token(2 * key), &mut cx) {
            Ok(pair) => {
                place.insert(Some(pair));
                self.with_pair(key, Pair::advance);
            }
            Err(e) => log::warn!("The relay cannot watch a connection: {e}"),
        }
    }

    /// Listens at `public` for connections to the host, which are led on to `target`.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn open(&mut self, host: HostId, public: SocketAddr, target: SocketAddr) -> io::Result<()> {
        let mut listener = listen(public)?;
        let place = self.doors.vacant_entry();
        let token = Token(LISTENERS + place.key());
        let registry = self.poll.registry();
        registry.register(&mut listener, token, Interest::READABLE)?;
        place.insert(Door {
            listener,
            host,
            target,
        });
        Ok(())
    }

    /// Listens no more for connections to a host, whose process is gone, and resets those that it
    /// has, as far as the links let that pass.
    pub fn close(&mut self, host: HostId) {
        self.doors.retain(|_, door| {
            if door.host == host {
                // A child between fork and exec may hold a copy, which must not listen either.
                let _ = SockRef::from(&door.listener).shutdown(Shutdown::Both);
            }
            door.host != host
        });
        self.each_pair(|pair| pair.to == host, Pair::on_target_gone);
    }

    /// The link has changed: what waited for it goes on.
    pub fn on_link(&mut self, link: LinkId) {
        self.each_pair(|pair| pair.links().contains(&link), Pair::advance);
    }

    fn each_pair(
        &mut self,
        is_meant: impl Fn(&Pair) -> bool,
        act: impl Fn(&mut Pair, &mut Context<'_>) -> Outcome,
    ) {
        let meant = self.pairs.iter();
        let meant = meant.filter(|(_, pair)| pair.as_ref().is_some_and(&is_meant));
        let keys: Vec<usize> = meant.map(|(key, _)| key).collect();
        for key in keys {
            self.with_pair(key, &act);
        }
    }

    /// How many connections use each link; those that none uses are left out.
    pub fn connections(&self) -> HashMap<LinkId, usize> {
        let mut counts = HashMap::new();
        for pair in self.pairs.iter().filter_map(|(_, pair)| pair.as_ref()) {
            let [there, back] = pair.links();
            *counts.entry(there).or_insert(0) += 1;
            if back != there {
                *counts.entry(back).or_insert(0) += 1;
            }
        }
        counts
    }
}

/// A listener whose queue is long enough for all clients of a load that begin at once.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_spins_only_between_events_that_come_one_by_one() {
        let mut patience = Patience::default();
        for _ in 1..FEW_POLLS_MIN {
            patience.on_poll(1, || 100);
            assert!(patience.is_over(|| 100));
        }
        patience.on_poll(1, || 100);
        assert!(!patience.is_over(|| 100));
        patience.on_poll(0, || 110);
        assert!(!patience.is_over(|| 110));
        assert!(patience.is_over(|| 100 + SPIN_US));
        patience.on_poll(FEW + 1, || 120);
        assert!(patience.is_over(|| 120));
    }
}
