//! The numbered databases of a server.

use super::db::{Db, DetachedDb, Overhead};
use crate::table::KeyHasher;

/// All databases, by number.
pub struct Keyspace {
    dbs: Vec<Db>,
    hasher: KeyHasher,
}

impl Keyspace {
    /// `n` empty databases. All share the hash seed, which must be drawn at random for each
    /// process.
    pub fn new(n: usize, hash_seed: [u64; 2]) -> Keyspace {
        let hasher = KeyHasher::from_seed(hash_seed);
        Keyspace {
            dbs: (0..n).map(|_| Db::new(hasher.clone())).collect(),
            hasher,
        }
    }

    /// An empty keyspace with as many databases and the same seed: what a full sync loads into.
    pub fn new_like(&self) -> Keyspace {
        Keyspace {
            dbs: self.dbs.iter().map(Db::new_like).collect(),
            hasher: self.hasher.clone(),
        }
    }

    /// The hash function of all tables, those of collections included.
    #[inline]
    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// How many databases there are.
    pub fn n_dbs(&self) -> usize {
        self.dbs.len()
    }

    /// A database. The number must exist.
    #[inline]
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// A database, for writing. The number must exist.
    #[inline]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.dbs[index]
    }

    /// Two different databases, for writing to both.
    pub fn two_mut(&mut self, a: usize, b: usize) -> (&mut Db, &mut Db) {
        let [a, b] = self
            .dbs
            .get_disjoint_mut([a, b])
            .expect("two different databases that exist");
        (a, b)
    }

    /// The databases in order.
    pub fn iter(&self) -> impl Iterator<Item = &Db> {
        self.dbs.iter()
    }

    /// The databases in order, for writing.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Db> {
        self.dbs.iter_mut()
    }

    /// Swaps the contents of two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.dbs.swap(a, b);
    }

    /// Empties all databases. What was in them can be dropped elsewhere.
    pub fn clear(&mut self) -> Vec<DetachedDb> {
        self.dbs.iter_mut().map(Db::clear).collect()
    }

    /// Keys in all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    /// Whether there are no keys at all.
    pub fn is_empty(&self) -> bool {
        self.dbs.iter().all(Db::is_empty)
    }

    /// Keys with an expiry in all databases.
    pub fn expires_len(&self) -> usize {
        self.dbs.iter().map(Db::expires_len).sum()
    }

    /// Bytes for the tables of all databases.
    pub fn overhead(&self) -> Overhead {
        let add = |sum: Overhead, db: &Db| Overhead {
            keys: sum.keys + db.overhead().keys,
            expiring: sum.expiring + db.overhead().expiring,
        };
        self.dbs.iter().fold(Overhead::default(), add)
    }

    /// See [`Db::settle`].
    pub fn settle(&mut self, segments: usize) {
        self.dbs.iter_mut().for_each(|db| db.settle(segments));
    }

    /// See [`Db::hold_growth`].
    pub fn hold_growth(&mut self, hold: bool) {
        self.dbs.iter_mut().for_each(|db| db.hold_growth(hold));
    }

    /// See [`Db::set_new_access`].
    pub fn set_new_access(&mut self, access: u32) {
        self.dbs.iter_mut().for_each(|db| db.set_new_access(access));
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::NewValue;
    use super::*;

    #[test]
    fn swapping_moves_contents_between_numbers() {
        let mut keyspace = Keyspace::new(4, [1, 2]);
        keyspace.db_mut(0).set(b"a", NewValue::Int(1), Some(5));
        keyspace.swap(0, 3);
        assert!(keyspace.db(0).is_empty());
        assert!(keyspace.db(3).contains(b"a"));
        assert_eq!((keyspace.len(), keyspace.expires_len()), (1, 1));
    }

    #[test]
    fn a_key_moves_between_databases_with_all_it_has() {
        let mut keyspace = Keyspace::new(2, [1, 2]);
        keyspace.db_mut(0).set(b"a", NewValue::Bytes(b"x"), Some(5));
        let (from, to) = keyspace.two_mut(0, 1);
        let entry = from.remove(b"a").unwrap();
        to.insert(entry).unwrap();
        assert_eq!(to.get(b"a").unwrap().expire_at_ms(), Some(5));
        assert_eq!((from.expires_len(), to.expires_len()), (0, 1));
    }

    #[test]
    fn clearing_hands_over_what_was_there_and_may_cross_threads() {
        let mut keyspace = Keyspace::new(2, [1, 2]);
        keyspace.set_new_access(77);
        keyspace.db_mut(1).set(b"a", NewValue::Bytes(b"x"), None);
        let detached = keyspace.clear();
        let counted = std::thread::spawn(move || detached.iter().map(DetachedDb::len).sum());
        assert_eq!(counted.join().ok(), Some(1usize));
        assert!(keyspace.is_empty());
        let entry = keyspace.db_mut(0).set(b"b", NewValue::Int(1), None);
        assert_eq!(entry.access(), 77);
    }
}
