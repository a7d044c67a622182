//! The connections that are opening, the longest one first, and what is said of those that fail.

use std::collections::BTreeSet;

use slab::Slab;

use crate::engine::world::Accepted;

/// Milliseconds that a connection may take to open.
const OPENING_MS_MAX: u64 = 30_000;
/// Connections that are opening at the same time, at most.
pub const ARRIVING_MAX: usize = 4096;
/// Lines about failures in one second, at most.
const LOGGED_PER_SECOND_MAX: u32 = 20;

/// Connections that are opening.
pub struct Arriving<S> {
    open: Slab<Opening<S>>,
    /// The oldest one first.
    deadlines: BTreeSet<(u64, usize)>,
    /// What was said of failures.
    pub log: FailureLog,
    /// Connections that did not open, since the start.
    pub failed: u64,
}

/// One of them.
struct Opening<S> {
    accepted: Accepted<S>,
    /// Until when it has time, in monotonic milliseconds.
    until_ms: u64,
}

/// How much was said of failures in this second.
#[derive(Default)]
pub struct FailureLog {
    second: u64,
    logged: u32,
    untold: u64,
}

impl FailureLog {
    /// Whether one more failure is logged.
    pub fn may_log(&mut self, now_ms: u64) -> bool {
        self.turn(now_ms);
        let may = self.logged < LOGGED_PER_SECOND_MAX;
        match may {
            true => self.logged += 1,
            false => self.untold += 1,
        }
        may
    }

    /// Says how many failures of the last second were not logged.
    pub fn turn(&mut self, now_ms: u64) {
        let second = now_ms / 1000;
        if second == self.second {
            return;
        }
        if self.untold > 0 {
            log::warn!(
                "Error accepting a client connection: {} more like these",
                self.untold
            );
        }
        *self = FailureLog {
            second,
            ..FailureLog::default()
        };
    }
}

impl<S> Default for Arriving<S> {
    fn default() -> Arriving<S> {
        Arriving {
            open: Slab::new(),
            deadlines: BTreeSet::new(),
            log: FailureLog::default(),
            failed: 0,
        }
    }
}

impl<S> Arriving<S> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The socket of one.
    pub fn socket(&mut self, key: usize) -> Option<&mut S> {
        self.open
            .get_mut(key)
            .map(|opening| &mut opening.accepted.socket)
    }

    /// The one that has been opening for longest.
    pub fn oldest(&self) -> Option<usize> {
        self.deadlines.first().map(|(_, key)| *key)
    }

    /// When the next one has taken too long, in monotonic milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Adds one; its number.
    pub fn insert(&mut self, accepted: Accepted<S>, now_ms: u64) -> usize {
        let until_ms = now_ms + OPENING_MS_MAX;
        let key = self.open.insert(Opening { accepted, until_ms });
        self.deadlines.insert((until_ms, key));
        key
    }

    /// Takes one out.
    pub fn remove(&mut self, key: usize) -> Option<Accepted<S>> {
        let Opening { accepted, until_ms } = self.open.try_remove(key)?;
        self.deadlines.remove(&(until_ms, key));
        Some(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(socket: u32) -> Accepted<u32> {
        Accepted {
            socket,
            addr: String::new(),
            local_addr: String::new(),
            is_local: true,
            unix_socket: false,
            service: crate::engine::world::Service::Clients,
        }
    }

    #[test]
    fn failures_are_logged_some_of_them_and_the_rest_counted() {
        let mut log = FailureLog::default();
        let logged =
            |log: &mut FailureLog, now_ms| (0..100).filter(|_| log.may_log(now_ms)).count() as u32;
        assert_eq!(logged(&mut log, 5_000), LOGGED_PER_SECOND_MAX);
        assert_eq!(logged(&mut log, 5_999), 0);
        assert_eq!(log.untold, 200 - u64::from(LOGGED_PER_SECOND_MAX));
        // Another second begins anew, whether somebody fails in it or not.
        log.turn(6_000);
        assert_eq!(log.untold, 0);
        assert_eq!(logged(&mut log, 6_001), LOGGED_PER_SECOND_MAX);
    }

    #[test]
    fn the_one_that_has_been_opening_for_longest_is_known() {
        let mut all = Arriving::default();
        let [first, second, third] =
            [1, 2, 3].map(|socket| all.insert(accepted(socket), u64::from(socket)));
        assert_eq!(all.oldest(), Some(first));
        assert_eq!(all.deadline_ms(), Some(1 + OPENING_MS_MAX));
        assert_eq!(all.remove(second).map(|gone| gone.socket), Some(2));
        assert_eq!(all.remove(first).map(|gone| gone.socket), Some(1));
        assert!(all.remove(first).is_none());
        assert_eq!((all.oldest(), all.len()), (Some(third), 1));
        assert_eq!(all.socket(third), Some(&mut 3));
        // A number that is used again is another connection.
        let again = all.insert(accepted(4), 9);
        assert_eq!(all.oldest(), Some(third));
        all.remove(third);
        assert_eq!(all.oldest(), Some(again));
    }
}
