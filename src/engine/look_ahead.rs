//! Having memory fetched for a batch of commands before they run.
//!
//! A lookup in a large table waits twice for memory: for the bucket, then for what lies under the
//! key. Done step by step for all commands of a batch, the waits overlap: all buckets are asked
//! for, then all entries.
//!
//! When neighbours in the batch go to the same large collection, as pipelines that fill or read
//! one do, their members are fetched in the same steps. For other batches that would cost a
//! second lookup of the key and gain little.

use super::batch::{BATCH_COMMANDS_MAX, Parsed};
use crate::commands::context::{Command, CommandTable};
use crate::commands::env::Env;
use crate::commands::keyspec::first_key_index;
use crate::commands::row::Flags;
use crate::commands::session::Session;
use crate::keyspace::Db;

/// Looks commands up and has the processor fetch what they will touch.
pub fn look_ahead(
    table: &'static CommandTable,
    env: &Env,
    session: &Session,
    data: &[u8],
    parsed: &mut [Parsed],
) {
    let db = env.keyspace.db(session.db);
    let alone = parsed.len() == 1;
    for p in parsed.iter_mut() {
        let args = p.ranges.args(&data[p.start..]);
        p.command = table.find(&args);
        if alone {
            return;
        }
        p.hash = prefetchable_key(p.command)
            .and_then(|i| args.get(i))
            .map(|key| db.hash(key));
        if let Some(hash) = p.hash {
            db.prefetch_bucket(hash);
        }
    }
    for hash in parsed.iter().filter_map(|p| p.hash) {
        db.prefetch_entry(hash);
    }
    fetch_members(db, data, parsed);
}

/// What goes to its keys: scripts and functions are given theirs for that.
const TOUCHES_KEYS: Flags = Flags::WRITE.union(Flags::READONLY).union(Flags::RUNS_CODE);

fn prefetchable_key(command: Option<&Command>) -> Option<usize> {
    let command = command?;
    if !command.flags.intersects(TOUCHES_KEYS) {
        return None;
    }
    first_key_index(command.row)
}

/// Has members fetched where several commands in a row go to one collection.
fn fetch_members(db: &Db, data: &[u8], mut parsed: &mut [Parsed]) {
    while let Some(first) = parsed.first() {
        let hash = first.hash;
        let same = parsed.iter().take_while(|p| p.hash == hash).count();
        let (one_key, rest) = parsed.split_at_mut(same);
        if hash.is_some() && same > 1 {
            fetch_members_of_one(db, data, one_key);
        }
        parsed = rest;
    }
}

/// The same for commands whose first keys have one hash, and so most likely are one.
fn fetch_members_of_one(db: &Db, data: &[u8], parsed: &mut [Parsed]) {
    let member_index = |p: &Parsed| p.command?.member_index;
    let Some(first) = parsed.iter_mut().find(|p| member_index(p).is_some()) else {
        return;
    };
    let args = first.ranges.args(&data[first.start..]);
    let key = prefetchable_key(first.command).and_then(|i| args.get(i));
    let Some(value) = key.and_then(|key| db.get(key)).map(|entry| entry.value()) else {
        return;
    };
    let mut hashes = [None; BATCH_COMMANDS_MAX];
    for (hash, p) in hashes.iter_mut().zip(parsed) {
        let Some(index) = member_index(p) else {
            continue;
        };
        let args = p.ranges.args(&data[p.start..]);
        *hash = args.get(index).and_then(|name| value.prefetch_bucket(name));
    }
    value.prefetch_members(&hashes);
}
