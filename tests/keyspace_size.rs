//! What a key costs: the keyspace at the sizes where a doubling table looks best and worst.
//!
//! Counted by size class of the allocator, not measured, so the figures are exact and repeatable.

use tanist::keyspace::{Db, NewValue};
use tanist::table::KeyHasher;

/// Bytes for a 16-byte key with a 32-byte string, table and entry together.
const BYTES_A_KEY_MAX: f64 = 72.0;

#[test]
fn a_small_string_costs_at_most_72_bytes_at_every_size() {
    let sizes = [30_000, 100_000, 300_000, 500_000, 1_000_000, 1_500_000];
    let mut db = Db::new(KeyHasher::from_seed([1, 2]));
    let mut entries = 0;
    for n in 1..=*sizes.last().unwrap() {
        let key = format!("key:{n:012}");
        let entry = db.set(key.as_bytes(), NewValue::from_bytes_auto(&[b'v'; 32]), None);
        entries += entry.memory_usage();
        if sizes.contains(&n) {
            let bytes = (entries + db.overhead().keys) as f64 / n as f64;
            assert!(bytes <= BYTES_A_KEY_MAX, "{bytes} bytes a key at {n} keys");
        }
    }
}

#[test]
fn an_expiry_costs_a_word_and_a_slot() {
    let mut db = Db::new(KeyHasher::from_seed([1, 2]));
    let n = 200_000;
    for i in 0..n {
        let key = format!("key:{i:012}");
        db.set(
            key.as_bytes(),
            NewValue::from_bytes_auto(&[b'v'; 32]),
            Some(i),
        );
    }
    let overhead = db.overhead();
    let entries: usize = db.iter().map(|entry| entry.memory_usage()).sum();
    let bytes = (entries + overhead.keys + overhead.expiring) as f64 / n as f64;
    assert!(bytes <= 64.0 + 2.0 * 14.0, "{bytes}");
}
