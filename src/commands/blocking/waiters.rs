//! Who waits for which keys, since when and until when.
//!
//! Each key has a queue ordered by tickets, which are drawn in the order in which clients begin
//! to wait; a client that is woken in vain keeps its ticket and so its place. Deadlines are kept
//! in order too, so nobody looks at all clients to find those whose time has run out.
//!
//! Invariants: a queue is never empty; the queues that hold a client are those of the keys in its
//! [`Place`]; a key that is marked ready stands in `ready` once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::RangeInclusive;

use super::acks::{AckWait, AckWaits};
use crate::keyspace::Type;

/// A client in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiter {
    /// Who.
    pub client: u64,
    /// What the key must hold.
    pub wants: Type,
    /// Or it must be gone, or hold something else.
    pub on_deletion: bool,
}

/// Those who wait for a key.
#[derive(Default, Debug)]
struct Queue {
    waiters: BTreeMap<u64, Waiter>,
    ready: bool,
}

/// Where to find a client that waits.
#[derive(Debug)]
struct Place {
    ticket: u64,
    until_mono_ms: Option<u64>,
    db: usize,
    keys: Vec<Box<[u8]>>,
    /// It waits for acknowledgements, and for no key.
    ack: Option<AckWait>,
    /// It waits for an answer, and for no key; nobody else can end that.
    for_answer: bool,
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Waiters {
    /// By database, grown as needed.
    queues: Vec<HashMap<Box<[u8]>, Queue>>,
    clients: HashMap<u64, Place>,
    deadlines: BTreeSet<(u64, u64)>,
    ready: VecDeque<(usize, Box<[u8]>)>,
    last_ticket: u64,
    /// Those who wait for acknowledgements.
    pub(super) acks: AckWaits,
}

impl Waiters {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// How many of them have a deadline.
    pub fn with_deadline(&self) -> usize {
        self.deadlines.len()
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.queues.iter().map(HashMap::len).sum()
    }

    /// How many keys are waited for by somebody who wants to know if they go.
    pub fn keys_on_deletion(&self) -> usize {
        let queues = self.queues.iter().flat_map(HashMap::values);
        let concerned = |queue: &&Queue| queue.waiters.values().any(|w| w.on_deletion);
        queues.filter(concerned).count()
    }

    /// All clients that wait, in the order of their ids.
    pub fn clients(&self) -> Vec<u64> {
        let mut clients: Vec<u64> = self.clients.keys().copied().collect();
        clients.sort_unstable();
        clients
    }

    /// A place behind all others.
    pub fn draw_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// The ticket that was drawn last.
    pub fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    /// A client begins to wait for keys. One that is named twice counts once.
    pub fn park<'k>(
        &mut self,
        waiter: Waiter,
        ticket: u64,
        until_mono_ms: Option<u64>,
        db: usize,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) {
        if self.queues.len() <= db {
            self.queues.resize_with(db + 1, HashMap::new);
        }
        let mut own: Vec<Box<[u8]>> = Vec::new();
        for key in keys {
            let queue = self.queues[db].entry(key.into()).or_default();
            if queue.waiters.insert(ticket, waiter).is_none() {
                own.push(key.into());
            }
        }
        if let Some(until) = until_mono_ms {
            self.deadlines.insert((until, waiter.client));
        }
        let place = Place {
            ticket,
            until_mono_ms,
            db,
            keys: own,
            ack: None,
            for_answer: false,
        };
        let before = self.clients.insert(waiter.client, place);
        assert!(before.is_none(), "a client waits for one thing at a time");
    }

    /// A client that has begun to wait, for no key, waits for acknowledgements.
    pub fn expect_acks(&mut self, client: u64, wait: AckWait) {
        let place = self.clients.get_mut(&client).expect("a client that waits");
        assert!(
            place.keys.is_empty(),
            "a client waits for one thing at a time"
        );
        place.ack = Some(wait);
        self.acks.insert(wait, place.ticket, client);
    }

    /// A client that has begun to wait, for no key, waits for an answer.
    pub fn expect_answer(&mut self, client: u64) {
        let place = self.clients.get_mut(&client).expect("a client that waits");
        place.for_answer = true;
    }

    /// Whether a client waits for an answer.
    pub fn awaits_answer(&self, client: u64) -> bool {
        let place = self.clients.get(&client);
        place.is_some_and(|place| place.for_answer)
    }

    /// A client does not wait any more. Gives the acknowledgements that it waited for, if it did.
    pub fn remove(&mut self, client: u64) -> Option<AckWait> {
        let place = self.clients.remove(&client)?;
        if let Some(wait) = place.ack {
            self.acks.remove(wait, place.ticket, client);
        }
        if let Some(until) = place.until_mono_ms {
            self.deadlines.remove(&(until, client));
        }
        let queues = &mut self.queues[place.db];
        for key in place.keys {
            let queue = queues.get_mut(&key).expect("a client stands in its queues");
            queue.waiters.remove(&place.ticket);
            if queue.waiters.is_empty() {
                queues.remove(&key);
            }
        }
        place.ack
    }

    /// A key has changed: those who wait for it are to be looked at.
    pub fn signal(&mut self, db: usize, key: &[u8]) {
        let queue = self.queues.get_mut(db).and_then(|all| all.get_mut(key));
        if let Some(queue) = queue
            && !std::mem::replace(&mut queue.ready, true)
        {
            self.ready.push_back((db, key.into()));
        }
    }

    /// All keys of a database may have changed.
    pub fn signal_all(&mut self, db: usize) {
        for (key, queue) in self.queues.get_mut(db).into_iter().flatten() {
            if !std::mem::replace(&mut queue.ready, true) {
                self.ready.push_back((db, key.clone()));
            }
        }
    }

    /// Whether a key is ready.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The key that became ready first; it may become so again from now on.
    pub fn take_ready(&mut self) -> Option<(usize, Box<[u8]>)> {
        let (db, key) = self.ready.pop_front()?;
        if let Some(queue) = self.queues[db].get_mut(&key) {
            queue.ready = false;
        }
        Some((db, key))
    }

    /// The first client behind `after` and up to `last` that is to be served, now that the key
    /// `holds` a value of that type or none: its ticket and who it is.
    pub fn next(
        &self,
        db: usize,
        key: &[u8],
        places: RangeInclusive<u64>,
        holds: Option<Type>,
    ) -> Option<(u64, u64)> {
        let (after, last) = places.into_inner();
        let queue = self.queues.get(db)?.get(key)?;
        let served = |w: &Waiter| w.on_deletion || holds == Some(w.wants);
        let mut behind = queue.waiters.range(after + 1..last + 1);
        behind.find_map(|(ticket, w)| served(w).then_some((*ticket, w.client)))
    }

    /// The deadline that comes first, in milliseconds of the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// A client whose deadline has come.
    pub fn overdue(&self, now_mono_ms: u64) -> Option<u64> {
        let (until, client) = self.deadlines.first()?;
        (*until <= now_mono_ms).then_some(*client)
    }
}
