//! The workloads of lists, hashes, sets, sorted sets and streams: what is sent, and the data sets
//! they need. All members of one kind are under one key, as in `redis-benchmark`.
//!
//! A workload named after its command alone meets members that exist: `hset` overwrites, `sadd`
//! finds, `zadd` moves. With `-new` every member is another one, and the key grows from nothing
//! in every turn. What removes (`rpop`, `spop`, `zpopmin`) finds a key that is made anew before
//! each turn and never runs empty in it; `zpopmin-empty` is what `redis-benchmark` mostly measures.

use crate::speed::{Before, Case, Group};
use crate::workload::{AGAIN, BLANK, Workload};

/// Numbers of which hardly any is drawn twice.
const NEVER_TWICE: u64 = 1_000_000_000_000;

/// Members that a command of a fill adds.
const MEMBERS_PER_FILL: usize = 10;

/// A list from whose head is read, and how many elements a read takes.
const LIST_READ_FROM: u64 = 100_000;
const LIST_READ_ELEMENTS: usize = 100;

/// The groups of the speed part; keys that are filled have `members` members.
pub fn groups(members: u64) -> Vec<Group> {
    vec![
        group(vec![fill_hash(members)], vec![Case::steady(hset(members))]),
        group(vec![fill_set(members)], vec![Case::steady(sadd(members))]),
        group(vec![fill_zset(members)], vec![Case::steady(zadd(members))]),
        group(
            vec![],
            vec![
                growing(hset(NEVER_TWICE).named("hset-new")),
                growing(sadd(NEVER_TWICE).named("sadd-new")),
                growing(zadd(NEVER_TWICE).named("zadd-new")),
                growing(Workload::new("lpush", "LPUSH mylist xyz", 1, 1)),
                growing(Workload::new(
                    "xadd",
                    "XADD mystream * myfield myvalue",
                    2,
                    1,
                )),
            ],
        ),
        group(
            vec![],
            vec![
                using_up(
                    Workload::new("rpop", "RPOP mylist", 2, 1),
                    fill_list(members),
                    members,
                ),
                using_up(
                    Workload::new("spop", "SPOP myset", 2, 1),
                    fill_set(members),
                    members,
                ),
                using_up(
                    Workload::new("zpopmin", "ZPOPMIN myzset", 5, 1),
                    fill_zset(members),
                    members,
                ),
                growing(Workload::new("zpopmin-empty", "ZPOPMIN myzset", 1, 1)),
            ],
        ),
        group(
            vec![fill_list(LIST_READ_FROM)],
            vec![Case::steady(lrange())],
        ),
    ]
}

fn group(fill: Vec<Workload>, cases: Vec<Case>) -> Group {
    Group {
        fill,
        cases,
        only_deepest: true,
        watched: false,
        tls: None,
    }
}

fn growing(workload: Workload) -> Case {
    let before = Before::Flush;
    Case { workload, before }
}

fn using_up(workload: Workload, with: Workload, ops_max: u64) -> Case {
    let before = Before::Refill { with, ops_max };
    Case { workload, before }
}

pub fn hset(fields: u64) -> Workload {
    let line = format!("HSET myhash element:{BLANK} xyz");
    Workload::new("hset", &line, 1, fields)
}

fn sadd(members: u64) -> Workload {
    let line = format!("SADD myset element:{BLANK}");
    Workload::new("sadd", &line, 1, members)
}

/// The score is drawn apart from the member, so that a member moves.
pub fn zadd(members: u64) -> Workload {
    let line = format!("ZADD myzset {BLANK} element:{BLANK}");
    Workload::new("zadd", &line, 1, members)
}

fn lrange() -> Workload {
    let line = format!("LRANGE mylist 0 {}", LIST_READ_ELEMENTS - 1);
    Workload::new("lrange-100", &line, 1 + 2 * LIST_READ_ELEMENTS, 1)
}

/// One new member in, one random member out: the set keeps its size.
pub fn sadd_and_spop() -> Workload {
    let add = format!("SADD myset element:{BLANK}");
    let name = "sadd and spop";
    Workload::cycle(name, &[(&add, 1), ("SPOP myset", 2)], NEVER_TWICE)
}

pub fn fill_hash(fields: u64) -> Workload {
    fill_many("HSET myhash", &format!("element:{BLANK} xyz"), fields)
}

pub fn fill_set(members: u64) -> Workload {
    fill_many("SADD myset", &format!("element:{BLANK}"), members)
}

pub fn fill_zset(members: u64) -> Workload {
    fill_many("ZADD myzset", &format!("{BLANK} element:{AGAIN}"), members)
}

/// As many elements or somewhat more: they have nothing to tell them apart.
pub fn fill_list(elements: u64) -> Workload {
    fill_many(
        "RPUSH mylist",
        "xyz",
        elements.div_ceil(MEMBERS_PER_FILL as u64),
    )
}

pub fn fill_many(command: &str, member: &str, members: u64) -> Workload {
    let all = format!(" {member}").repeat(MEMBERS_PER_FILL);
    Workload::new("fill", &format!("{command}{all}"), 1, members)
}
