//! Sessions that clients may resume: a bounded memory of those of late.
//!
//! The oldest one goes first, whether it was used or not, so a session is never kept for longer
//! than the timeout, and lookups keep nothing alive. In TLS 1.3 a session serves once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::StoresServerSessions;

/// See the module's head.
pub struct Sessions {
    inner: Mutex<Inner>,
    /// Sessions kept at most.
    count_max: usize,
    timeout: Duration,
}

#[derive(Default)]
struct Inner {
    by_key: HashMap<Vec<u8>, Stored>,
    /// In the order of their ages, the oldest first. One that was taken, or stored again, stands
    /// here until its time is over.
    by_age: VecDeque<(Instant, Vec<u8>)>,
}

struct Stored {
    since: Instant,
    value: Vec<u8>,
}

impl Sessions {
    /// None yet; at most so many (0: any number) for so many seconds.
    pub fn new(count_max: u32, timeout_s: u32) -> Sessions {
        Sessions {
            inner: Mutex::default(),
            count_max: match count_max {
                0 => usize::MAX,
                count => count as usize,
            },
            timeout: Duration::from_secs(timeout_s.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A map is in order whatever has panicked beside it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, key: Vec<u8>, value: Vec<u8>, now: Instant) {
        let mut inner = self.lock();
        inner.drop_old(now, self.timeout);
        while inner.by_age.len() >= self.count_max {
            inner.drop_oldest();
        }
        inner.by_age.push_back((now, key.clone()));
        inner.by_key.insert(key, Stored { since: now, value });
    }

    fn find_at(&self, key: &[u8], now: Instant, takes: bool) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        inner.drop_old(now, self.timeout);
        match takes {
            true => inner.by_key.remove(key).map(|stored| stored.value),
            false => inner.by_key.get(key).map(|stored| stored.value.clone()),
        }
    }
}

impl Inner {
    fn drop_old(&mut self, now: Instant, timeout: Duration) {
        while let Some((since, _)) = self.by_age.front()
            && now.duration_since(*since) >= timeout
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((since, key)) = self.by_age.pop_front()
            && self
                .by_key
                .get(&key)
                .is_some_and(|stored| stored.since == since)
        {
            self.by_key.remove(&key);
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in it is secret.
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.put_at(key, value, Instant::now());
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find_at(key, Instant::now(), false)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find_at(key, Instant::now(), true)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Vec<u8> {
        vec![number]
    }

    #[test]
    fn no_more_are_kept_than_allowed_and_the_oldest_goes_first() {
        let sessions = Sessions::new(3, 300);
        let start = Instant::now();
        for number in 0..5 {
            let now = start + Duration::from_secs(number.into());
            sessions.put_at(key(number), vec![number; 4], now);
        }
        let now = start + Duration::from_secs(5);
        let found = |number| sessions.find_at(&key(number), now, false);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| found(n).is_some()),
            [false, false, true, true, true]
        );
        assert_eq!(found(4), Some(vec![4; 4]));
    }

    #[test]
    fn one_is_forgotten_when_its_time_is_over_or_it_was_taken() {
        let sessions = Sessions::new(0, 60);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        sessions.put_at(key(1), vec![1], at(0));
        sessions.put_at(key(2), vec![2], at(10));
        assert_eq!(sessions.find_at(&key(1), at(59), false), Some(vec![1]));
        assert_eq!(sessions.find_at(&key(1), at(60), false), None);
        assert_eq!(sessions.find_at(&key(2), at(60), true), Some(vec![2]));
        assert_eq!(sessions.find_at(&key(2), at(60), true), None);
        // Stored anew, it lives for its own time and not for that of its namesake.
        sessions.put_at(key(2), vec![3], at(65));
        assert_eq!(sessions.find_at(&key(2), at(75), false), Some(vec![3]));
        assert_eq!(sessions.find_at(&key(2), at(125), false), None);
        assert!(sessions.lock().by_key.is_empty() && sessions.lock().by_age.is_empty());
    }
}
