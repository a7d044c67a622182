//! The data sets of the parts about memory and persistence: strings, many small collections, and
//! two large ones.

use crate::collections::{fill_many, fill_zset};
use crate::workload::{BLANK, Workload, value};

/// The length of a string, and of a value in the large hash.
pub const VALUE_BYTES: usize = 32;

/// How many keys and members the mixed data set has.
pub const STRING_KEYS: u64 = 500_000;
pub const SMALL_KEYS: u64 = 50_000;
pub const LARGE_MEMBERS: u64 = 50_000;

pub fn strings(keys: u64) -> Workload {
    Workload::set("strings", keys, VALUE_BYTES)
}

/// So many keys of each kind, with ten short members each.
pub fn small(keys: u64) -> [Workload; 4] {
    let ten = |member: &dyn Fn(usize) -> String| -> String { (0..10).map(member).collect() };
    let fields = ten(&|n| format!(" elem:{n} val:{n}"));
    let scored = ten(&|n| format!(" {n} elem:{n}"));
    let members = ten(&|n| format!(" elem:{n}"));
    let fill = |name, command: &str, members: &str| {
        Workload::new(name, &format!("{command}{BLANK}{members}"), 1, keys)
    };
    [
        fill("hashes", "HSET hash", &fields),
        fill("sets", "SADD sset", &members),
        fill("sorted sets", "ZADD zset", &scored),
        fill("lists", "RPUSH list", &members),
    ]
}

/// A sorted set and a hash with so many members each.
pub fn large(members: u64) -> [Workload; 2] {
    let field = format!("element:{BLANK} {}", value(VALUE_BYTES));
    [
        fill_zset(members).named("sorted set"),
        fill_many("HSET myhash", &field, members).named("hash"),
    ]
}

/// All of these together.
pub fn mixed() -> Vec<Workload> {
    let mut fills = vec![strings(STRING_KEYS)];
    fills.extend(small(SMALL_KEYS));
    fills.extend(large(LARGE_MEMBERS));
    fills
}
