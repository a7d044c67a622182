//! Finding the key that is worth least, without an order of all keys.
//!
//! Keeping every key in order of use would cost memory and work at each access. Instead some keys
//! are sampled whenever one must go, and the best candidates seen so far stay in a small pool: over
//! many evictions the pool comes close to the true order (the reference's approach, with its
//! `maxmemory-samples` for how close).
//!
//! The pool knows keys by name, not by place: between two evictions a candidate may have been
//! deleted or used again, so whoever takes one looks it up anew.

use super::databases::Keyspace;
use super::entry::Entry;
use crate::base::rng::Rng;

/// Candidates that are remembered.
const CANDIDATES_MAX: usize = 16;

/// Which keys may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Among {
    /// All.
    All,
    /// Those that have an expiry.
    Expiring,
}

/// A key that might go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The higher, the sooner it goes.
    pub score: u64,
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: Vec<u8>,
}

/// The best candidates so far, the best one last.
#[derive(Debug, Default)]
pub struct EvictionPool {
    candidates: Vec<Candidate>,
}

impl EvictionPool {
    /// Samples about `samples` keys of each database. Returns whether there was any to sample.
    pub fn fill(
        &mut self,
        keyspace: &Keyspace,
        among: Among,
        samples: usize,
        rng: &mut Rng,
        score: impl Fn(Entry<'_>) -> u64,
    ) -> bool {
        let mut any = false;
        for (number, db) in keyspace.iter().enumerate() {
            let of_all = among == Among::All;
            db.sample(of_all, samples, rng, &mut |entry| {
                any = true;
                self.offer(number, entry.key(), score(entry));
            });
        }
        any
    }

    /// Takes the best candidate.
    pub fn pop(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// Forgets all candidates: what scores mean has changed.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }

    fn offer(&mut self, db: usize, key: &[u8], score: u64) {
        let full = self.candidates.len() == CANDIDATES_MAX;
        let at = self.candidates.partition_point(|other| other.score < score);
        if full && at == 0 {
            return;
        }
        let is_it = |other: &Candidate| other.db == db && other.key == key;
        if self.candidates.iter().any(is_it) {
            return;
        }
        let key = key.to_vec();
        self.candidates.insert(at, Candidate { score, db, key });
        if full {
            self.candidates.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::NewValue;

    fn age(entry: Entry<'_>) -> u64 {
        std::str::from_utf8(entry.key()).unwrap().parse().unwrap()
    }

    #[test]
    fn the_oldest_of_the_sampled_go_first() {
        let mut keyspace = Keyspace::new(2, [5, 6]);
        let mut rng = Rng::from_seed(9);
        let mut pool = EvictionPool::default();
        assert!(!pool.fill(&keyspace, Among::All, 5, &mut rng, age));
        for n in 0..1000 {
            let key = n.to_string();
            let db = keyspace.db_mut(n % 2);
            db.set(key.as_bytes(), NewValue::Int(1), None);
        }
        assert!(!pool.fill(&keyspace, Among::Expiring, 5, &mut rng, age));
        let mut taken = Vec::new();
        for _ in 0..100 {
            assert!(pool.fill(&keyspace, Among::All, 10, &mut rng, age));
            let best = pool.pop().unwrap();
            assert_eq!(best.db as u64, best.score % 2);
            assert!(keyspace.db_mut(best.db).remove(&best.key).is_some());
            taken.push(best.score);
        }
        let old = taken.iter().filter(|score| **score >= 800).count();
        assert!(old >= 90, "{old} of 100 were among the oldest fifth");
    }

    #[test]
    fn a_key_is_a_candidate_once_and_the_pool_stays_small() {
        let mut keyspace = Keyspace::new(1, [5, 6]);
        for n in 0..100 {
            let key = n.to_string();
            keyspace
                .db_mut(0)
                .set(key.as_bytes(), NewValue::Int(1), Some(10));
        }
        let mut pool = EvictionPool::default();
        let mut rng = Rng::from_seed(1);
        for _ in 0..50 {
            pool.fill(&keyspace, Among::Expiring, 50, &mut rng, age);
        }
        let mut scores = Vec::new();
        while let Some(candidate) = pool.pop() {
            scores.push(candidate.score);
        }
        assert_eq!(scores, (84..100).rev().collect::<Vec<_>>());
    }
}
