//! The commands that make a stream.
//!
//! ```text
//! XADD key id field value ...                      each entry; or, if there is none,
//! XADD key MAXLEN 0 0-1 x y                        an entry that is trimmed away at once
//! XSETID key last ENTRIESADDED n MAXDELETEDID id   what it remembers of entries that are gone
//! XGROUP CREATE key group last ENTRIESREAD n       each group; -1 if the number is not known
//! XGROUP CREATECONSUMER key group consumer         a consumer to whom nothing is pending
//! XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n JUSTID FORCE
//!                                                  an entry pending to a consumer, who is made
//! ```
//!
//! An entry that is pending and deleted is not pending afterwards: no command makes it so. When
//! consumers were seen last is lost, too.

use std::io::{self, Write};

use super::encoder::Encoder;
use crate::data::stream::{Consumer, Group, Log, Stream, StreamId};

/// Writes a stream.
pub(super) fn save<W: Write>(
    key: &[u8],
    stream: &Stream,
    encoder: &mut Encoder<W>,
) -> io::Result<()> {
    let log = stream.log();
    if log.is_empty() {
        make_empty(key, encoder)?;
    }
    save_entries(key, log, encoder)?;
    encoder.begin(b"XSETID", key, 5)?;
    encoder.id(log.last_id())?;
    encoder.word(b"ENTRIESADDED")?;
    encoder.int(log.entries_added() as i64)?;
    encoder.word(b"MAXDELETEDID")?;
    encoder.id(log.max_deleted_id())?;
    for (name, group) in stream.groups() {
        save_group(Name { key, group: name }, group, encoder)?;
    }
    Ok(())
}

fn make_empty<W: Write>(key: &[u8], encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.begin(b"XADD", key, 5)?;
    encoder.word(b"MAXLEN")?;
    encoder.word(b"0")?;
    encoder.id(StreamId::new(0, 1))?;
    encoder.word(b"x")?;
    encoder.word(b"y")
}

fn save_entries<W: Write>(key: &[u8], log: &Log, encoder: &mut Encoder<W>) -> io::Result<()> {
    for entry in log.range(StreamId::MIN, StreamId::MAX) {
        encoder.begin(b"XADD", key, 1 + 2 * entry.len())?;
        encoder.id(entry.id)?;
        for (field, value) in entry.fields() {
            encoder.element(field)?;
            encoder.element(value)?;
        }
    }
    Ok(())
}

/// What a group is called: by its stream's key and its own name.
#[derive(Clone, Copy)]
struct Name<'a> {
    key: &'a [u8],
    group: &'a [u8],
}

fn save_group<W: Write>(name: Name<'_>, group: &Group, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.command(7)?;
    encoder.word(b"XGROUP")?;
    encoder.word(b"CREATE")?;
    encoder.word(name.key)?;
    encoder.word(name.group)?;
    encoder.id(group.last_id)?;
    encoder.word(b"ENTRIESREAD")?;
    encoder.int(group.entries_read.unwrap_or(-1))?;
    for consumer in group.consumers() {
        if consumer.pending_len() == 0 {
            encoder.command(5)?;
            encoder.word(b"XGROUP")?;
            encoder.word(b"CREATECONSUMER")?;
            encoder.word(name.key)?;
            encoder.word(name.group)?;
            encoder.word(consumer.name())?;
        }
        save_pending(name, group, consumer, encoder)?;
    }
    Ok(())
}

fn save_pending<W: Write>(
    name: Name<'_>,
    group: &Group,
    consumer: &Consumer,
    encoder: &mut Encoder<W>,
) -> io::Result<()> {
    for id in consumer.pending_from(StreamId::MIN) {
        let pending = group.pending(id).expect("what a consumer owns is pending");
        encoder.begin(b"XCLAIM", name.key, 10)?;
        encoder.word(name.group)?;
        encoder.word(consumer.name())?;
        encoder.word(b"0")?;
        encoder.id(id)?;
        encoder.word(b"TIME")?;
        encoder.int(pending.delivered_ms)?;
        encoder.word(b"RETRYCOUNT")?;
        encoder.int(pending.deliveries as i64)?;
        encoder.word(b"JUSTID")?;
        encoder.word(b"FORCE")?;
    }
    Ok(())
}
