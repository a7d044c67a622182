//! Streams: the commands of the reference's `stream` group.
//!
//! One file a topic: [`append`] for entries that come, [`shorten`] for entries that go, [`range`]
//! for looking at them, [`read`] for following them, alone or as a consumer of a group, [`group`]
//! for groups, [`pending`] and [`claim`] for what was delivered and not acknowledged, [`info`] for
//! figures. What more than one of them needs is here.
//!
//! Replicas must come to the same ids, deliveries and times. So an id that the server chose is
//! spelled out, an approximate trim is told as the exact one that it came down to, and reading as
//! a consumer is told as claims of just those entries ([`tell_claim`]).

pub mod append;
pub mod claim;
pub mod group;
pub mod info;
mod options;
pub mod pending;
pub mod range;
pub mod read;
pub mod shorten;

use super::context::Ctx;
use super::error::CmdError;
use super::wording::element;
use crate::data::stream::{ConsumerId, Entry, Group, Pending, RangeEnd, StreamId};
use crate::resp::writer::Reply;

/// Refuses what should be an id.
const BAD_ID: CmdError =
    CmdError::Fixed("ERR Invalid stream ID specified as stream command argument");

/// A complete id, or one without a sequence number, which is then 0.
fn id(word: &[u8]) -> Result<StreamId, CmdError> {
    StreamId::parse(word, 0).ok_or(BAD_ID)
}

/// The ids from argument `from` on.
fn ids<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<StreamId>, CmdError> {
    words.map(id).collect()
}

/// The first id of a range that begins as written.
fn range_start(word: &[u8]) -> Result<StreamId, CmdError> {
    let end = RangeEnd::parse(word, 0).ok_or(BAD_ID)?;
    let inside = if end.open {
        end.id.next()
    } else {
        Some(end.id)
    };
    inside.ok_or(CmdError::Fixed("ERR invalid start ID for the interval"))
}

/// The last id of a range that ends as written.
fn range_end(word: &[u8]) -> Result<StreamId, CmdError> {
    let end = RangeEnd::parse(word, u64::MAX).ok_or(BAD_ID)?;
    let inside = if end.open {
        end.id.previous()
    } else {
        Some(end.id)
    };
    inside.ok_or(CmdError::Fixed("ERR invalid end ID for the interval"))
}

/// Refuses a key or a group that does not exist.
fn no_key_or_group(key: &[u8], group: &[u8], rest: &[u8]) -> CmdError {
    let text: [&[u8]; 6] = [
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
        rest,
    ];
    CmdError::Text(text.concat())
}

/// Refuses a group that does not exist.
fn no_group(key: &[u8], group: &[u8]) -> CmdError {
    let text: [&[u8]; 5] = [
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ];
    CmdError::Text(text.concat())
}

/// Replies with an entry: its id, and its fields and values.
fn reply_entry(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(2);
    reply.bulk(entry.id.text());
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        element(reply, field);
        element(reply, value);
    }
}

/// Replies with up to `count` entries; 0 means all. Says how many there were.
fn reply_entries<'a>(
    reply: &mut Reply,
    entries: impl Iterator<Item = Entry<'a>>,
    count: usize,
) -> usize {
    let open = reply.begin_array();
    let mut replied = 0;
    for entry in entries.take(at_most(count)) {
        reply_entry(reply, &entry);
        replied += 1;
    }
    reply.end(open, replied);
    replied
}

/// How many elements to take where 0 stands for all.
fn at_most(count: usize) -> usize {
    if count == 0 { usize::MAX } else { count }
}

/// The consumer of this name, who is seen now, and whether there was none before.
fn see_consumer(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    let known = group.find_consumer(name);
    let consumer = match known {
        Some(known) => known,
        None => group.create_consumer(name, now_ms).expect("a free name"),
    };
    group.consumer_mut(consumer).seen_ms = now_ms;
    (consumer, known.is_none())
}

/// The words that say where a group is.
struct Place<'a> {
    key: &'a [u8],
    group: &'a [u8],
}

/// A delivery or claim that replicas have to repeat.
struct Told {
    id: StreamId,
    pending: Pending,
    /// How far the group had read by then.
    group_last_id: StreamId,
}

/// Tells replicas who has an entry now, in words that can be repeated without harm.
fn tell_claim(ctx: &mut Ctx<'_>, place: &Place<'_>, consumer: &[u8], told: &Told) {
    let (mut delivered, mut deliveries) = (itoa::Buffer::new(), itoa::Buffer::new());
    ctx.propagate_instead(&[
        b"XCLAIM",
        place.key,
        place.group,
        consumer,
        b"0",
        told.id.text().as_ref(),
        b"TIME",
        delivered.format(told.pending.delivered_ms).as_bytes(),
        b"RETRYCOUNT",
        deliveries.format(told.pending.deliveries).as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        told.group_last_id.text().as_ref(),
    ]);
}

/// Tells replicas how far a group has read.
fn tell_position(
    ctx: &mut Ctx<'_>,
    place: &Place<'_>,
    last_id: StreamId,
    entries_read: Option<i64>,
) {
    ctx.propagate_instead(&[
        b"XGROUP",
        b"SETID",
        place.key,
        place.group,
        last_id.text().as_ref(),
        b"ENTRIESREAD",
        itoa::Buffer::new()
            .format(entries_read.unwrap_or(-1))
            .as_bytes(),
    ]);
}

#[cfg(test)]
mod tests;
