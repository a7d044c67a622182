//! From a keyspace to a stream.
//!
//! A save reads every key once, in the order of the table, which is no order at all in memory. The
//! keyspace asks for entries ahead of time; what is left is to copy bytes. Whoever saves is told of
//! every key, so that a child can report how far it is (or dawdle, where a test wants it to).

use std::io::{self, Write};

use super::encoder::{Encoder, EncoderOptions, KeyMarks, Usage};
use super::format::Version;
use super::value;
use crate::keyspace::access::{LfuTuning, lfu_count, lru_idle_ms};
use crate::keyspace::{Db, Entry, Keyspace};

/// What a snapshot says of itself and its server.
#[derive(Debug, Clone)]
pub struct SnapshotInfo<'a> {
    /// The version of Redis that the server stands in for.
    pub redis_version: &'a str,
    /// Now, in seconds since the epoch.
    pub created_at_s: i64,
    /// Bytes that the server has allocated.
    pub used_memory: u64,
    /// The place in the replication history that the snapshot is of, if it is to be kept.
    pub replication: Option<ReplicationPoint>,
    /// Whether the snapshot begins an append-only file.
    pub aof_base: bool,
}

/// A place in a replication history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationPoint {
    /// The database that the stream is in; -1 for none yet.
    pub stream_db: i64,
    /// The identity of the history.
    pub id: [u8; 40],
    /// The offset in it.
    pub offset: i64,
    /// The checksum of the stream up to there, if it is known.
    pub sum: Option<u64>,
    /// This history and those that it grew out of, in a line, if it grew out of any.
    pub lineage: Option<String>,
}

/// The field of a snapshot that has the checksum of the replication stream, as 16 hexadecimal
/// digits.
pub const STREAM_SUM_FIELD: &str = "tanist-stream-sum";
/// The field that has the lineage of its history.
pub const LINEAGE_FIELD: &str = "tanist-lineage";

/// What the access bits of keys mean, and whether they are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedUsage {
    /// They are not saved.
    None,
    /// As idle time: the eviction policy is one of the LRU kind.
    Idle,
    /// As frequency: the eviction policy is one of the LFU kind.
    Frequency(LfuTuning),
}

/// How to save.
#[derive(Debug, Clone)]
pub struct SaveOptions<'a> {
    /// How to write.
    pub encoder: EncoderOptions,
    /// What to say of the snapshot.
    pub info: SnapshotInfo<'a>,
    /// What to keep of the use of keys.
    pub usage: SavedUsage,
    /// The code of the libraries of functions, which are saved first.
    pub libraries: Vec<&'a [u8]>,
}

/// Is told of the progress of a save.
pub trait SaveObserver {
    /// `keys` keys have been saved. Called after each.
    fn key_saved(&mut self, keys: u64);
}

/// Does not care.
impl SaveObserver for () {
    fn key_saved(&mut self, _keys: u64) {}
}

/// Writes a whole snapshot to `sink`, and gives it back with all of it passed on.
pub fn save_snapshot<W: Write>(
    sink: W,
    keyspace: &Keyspace,
    options: &SaveOptions<'_>,
    observer: &mut impl SaveObserver,
) -> io::Result<W> {
    let mut encoder = Encoder::new(sink, options.encoder)?;
    save_info(&options.info, &mut encoder)?;
    for code in &options.libraries {
        encoder.library(code)?;
    }
    save_keyspace(keyspace, options, &mut encoder, observer)?;
    encoder.finish()
}

/// Writes what the snapshot says of itself.
pub fn save_info<W: Write>(info: &SnapshotInfo<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.aux("redis-ver", info.redis_version.as_bytes())?;
    encoder.aux_int("redis-bits", i64::from(usize::BITS))?;
    encoder.aux_int("ctime", info.created_at_s)?;
    encoder.aux_int("used-mem", info.used_memory as i64)?;
    if let Some(point) = &info.replication {
        encoder.aux_int("repl-stream-db", point.stream_db)?;
        encoder.aux("repl-id", &point.id)?;
        encoder.aux_int("repl-offset", point.offset)?;
        if let Some(sum) = point.sum {
            // Other servers leave out fields that they do not know.
            encoder.aux(STREAM_SUM_FIELD, format!("{sum:016x}").as_bytes())?;
        }
        if let Some(lineage) = &point.lineage {
            encoder.aux(LINEAGE_FIELD, lineage.as_bytes())?;
        }
    }
    let name = match encoder.version() {
        Version::V9 => "aof-preamble",
        Version::V10 | Version::V11 => "aof-base",
    };
    encoder.aux_int(name, i64::from(info.aof_base))
}

/// Writes all databases that hold anything.
pub fn save_keyspace<W: Write>(
    keyspace: &Keyspace,
    options: &SaveOptions<'_>,
    encoder: &mut Encoder<W>,
    observer: &mut impl SaveObserver,
) -> io::Result<()> {
    let mut saved = 0;
    let now_ms = options.info.created_at_s * 1000;
    for (index, db) in keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        encoder.database(index as u64, db.len() as u64, db.expires_len() as u64)?;
        save_db(db, options.usage, now_ms, encoder, &mut saved, observer)?;
    }
    Ok(())
}

fn save_db<W: Write>(
    db: &Db,
    usage: SavedUsage,
    now_ms: i64,
    encoder: &mut Encoder<W>,
    saved: &mut u64,
    observer: &mut impl SaveObserver,
) -> io::Result<()> {
    for entry in db.iter() {
        let marks = KeyMarks {
            expire_at_ms: entry.expire_at_ms(),
            usage: usage_of(entry, usage, now_ms),
        };
        let value = entry.value();
        encoder.key(entry.key(), value::type_of(value, encoder.version()), marks)?;
        value::save(value, encoder)?;
        *saved += 1;
        observer.key_saved(*saved);
    }
    Ok(())
}

#[inline]
fn usage_of(entry: Entry<'_>, usage: SavedUsage, now_ms: i64) -> Option<Usage> {
    match usage {
        SavedUsage::None => None,
        SavedUsage::Idle => Some(Usage::IdleSeconds(
            lru_idle_ms(entry.access(), now_ms) / 1000,
        )),
        SavedUsage::Frequency(tuning) => {
            Some(Usage::Frequency(lfu_count(entry.access(), tuning, now_ms)))
        }
    }
}
