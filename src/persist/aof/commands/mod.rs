//! From a keyspace to commands that make it again: the base of an append-only file where that is
//! not to be a snapshot (`aof-use-rdb-preamble no`).
//!
//! What runs these commands on an empty server gets equal data and the same times of expiry. What
//! a snapshot has beyond that is lost: how recently a key was used, and of a stream what only the
//! groups know of entries that are gone.
//!
//! ```text
//! #TS:1700000000                                   if timestamps are wanted
//! SELECT 0                                         once per database that has keys
//! SET key value
//! RPUSH | SADD key member ...                      at most 64 in one command
//! ZADD key score member ...                        likewise
//! HMSET key field value ...                        likewise
//! XADD ...                                         see `stream`
//! PEXPIREAT key ms                                 behind the value, if the key expires
//! ```
//!
//! The walk is that of `rdb::save`, and so are its observer and what it needs of memory: a buffer,
//! however large a collection is. Members are in the order in which they are walked; sorted sets
//! lowest first, so that each is added at the end of what is there.

mod encoder;
mod stream;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::ops::ControlFlow;

use self::encoder::Encoder;
use crate::base::numbers::{DOUBLE_TEXT_BYTES_MAX, write_f64_shorter};
use crate::data::hash::HashRef;
use crate::data::list::{ListRef, Side};
use crate::data::set::SetRef;
use crate::data::zset::ZSetRef;
use crate::keyspace::{Db, Keyspace, StringRef, ValueRef};
use crate::persist::rdb::save::SaveObserver;

/// The most members, or pairs, that one command adds to a collection.
const ITEMS_PER_COMMAND: usize = 64;

/// How to write the commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandsOptions<'a> {
    /// Now, in seconds since the epoch, if that is to stand in front (`aof-timestamp-enabled`).
    pub timestamp_s: Option<i64>,
    /// The code of the libraries of functions, which come first.
    pub libraries: &'a [&'a [u8]],
}

/// Writes the commands that make a whole keyspace to `sink`, and gives it back with all of them
/// passed on.
///
/// # Errors
///
/// Those of `sink`.
pub fn save_commands<W: Write>(
    sink: W,
    keyspace: &Keyspace,
    options: &CommandsOptions<'_>,
    observer: &mut impl SaveObserver,
) -> io::Result<W> {
    let mut encoder = Encoder::new(sink);
    if let Some(seconds) = options.timestamp_s {
        encoder.timestamp(seconds)?;
    }
    for code in options.libraries {
        encoder.command(3)?;
        encoder.word(b"FUNCTION")?;
        encoder.word(b"LOAD")?;
        encoder.word(code)?;
    }
    let mut saved = 0;
    for (index, db) in keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        encoder.command(2)?;
        encoder.word(b"SELECT")?;
        encoder.int(index as i64)?;
        save_db(db, &mut encoder, &mut saved, observer)?;
    }
    encoder.into_sink()
}

fn save_db<W: Write>(
    db: &Db,
    encoder: &mut Encoder<W>,
    saved: &mut u64,
    observer: &mut impl SaveObserver,
) -> io::Result<()> {
    for entry in db.iter() {
        let key = entry.key();
        save_value(key, entry.value(), encoder)?;
        if let Some(at_ms) = entry.expire_at_ms() {
            encoder.begin(b"PEXPIREAT", key, 1)?;
            encoder.int(at_ms)?;
        }
        *saved += 1;
        observer.key_saved(*saved);
    }
    Ok(())
}

fn save_value<W: Write>(
    key: &[u8],
    value: ValueRef<'_>,
    encoder: &mut Encoder<W>,
) -> io::Result<()> {
    match value {
        ValueRef::String(string) => {
            encoder.begin(b"SET", key, 1)?;
            match string {
                StringRef::Int(value) => encoder.int(value),
                StringRef::Bytes(text) => encoder.word(text),
            }
        }
        ValueRef::List(list) => save_list(key, list, encoder),
        ValueRef::Set(set) => save_set(key, set, encoder),
        ValueRef::ZSet(zset) => save_zset(key, zset, encoder),
        ValueRef::Hash(hash) => save_hash(key, hash, encoder),
        ValueRef::Stream(stream) => stream::save(key, stream, encoder),
    }
}

fn save_list<W: Write>(key: &[u8], list: ListRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    let mut pieces = Pieces::new(b"RPUSH", key, list.len(), 1);
    let mut result = Ok(());
    list.visit(0, Side::After, |element| {
        result = pieces.item(encoder).and_then(|()| encoder.element(element));
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    result
}

fn save_set<W: Write>(key: &[u8], set: SetRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    let mut pieces = Pieces::new(b"SADD", key, set.len(), 1);
    for member in set.iter() {
        pieces.item(encoder)?;
        encoder.element(member)?;
    }
    Ok(())
}

fn save_zset<W: Write>(key: &[u8], zset: ZSetRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    let mut pieces = Pieces::new(b"ZADD", key, zset.len(), 2);
    for (member, score) in zset.iter() {
        pieces.item(encoder)?;
        let mut text = [0; DOUBLE_TEXT_BYTES_MAX];
        let len = write_f64_shorter(score, &mut text);
        encoder.word(&text[..len])?;
        encoder.element(member)?;
    }
    Ok(())
}

fn save_hash<W: Write>(key: &[u8], hash: HashRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    let mut pieces = Pieces::new(b"HMSET", key, hash.len(), 2);
    for (field, value) in hash.iter() {
        pieces.item(encoder)?;
        encoder.element(field)?;
        encoder.element(value)?;
    }
    Ok(())
}

/// The commands that a collection is cut into.
struct Pieces<'a> {
    name: &'static [u8],
    key: &'a [u8],
    words_per_item: usize,
    /// Items of the collection that are in none of the commands begun.
    left: usize,
    /// Items that the last command begun still lacks.
    lacking: usize,
}

impl<'a> Pieces<'a> {
    fn new(name: &'static [u8], key: &'a [u8], items: usize, words_per_item: usize) -> Pieces<'a> {
        Pieces {
            name,
            key,
            words_per_item,
            left: items,
            lacking: 0,
        }
    }

    /// The words of an item follow; begins a command for it where the last one is complete.
    #[inline]
    fn item<W: Write>(&mut self, encoder: &mut Encoder<W>) -> io::Result<()> {
        if self.lacking == 0 {
            self.lacking = self.left.min(ITEMS_PER_COMMAND);
            self.left -= self.lacking;
            encoder.begin(self.name, self.key, self.lacking * self.words_per_item)?;
        }
        self.lacking -= 1;
        Ok(())
    }
}
