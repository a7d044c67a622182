//! Strings: the commands of the reference's `string` group.
//!
//! One file a topic: [`get`] and [`set`] for one string, [`many`] for several, [`range`] for parts
//! of strings, [`counter`] for numbers, [`lcs`] for what two strings have in common. What more than
//! one of them needs is here.

pub mod counter;
pub mod get;
pub mod lcs;
pub mod many;
mod options;
pub mod range;
pub mod set;

use std::borrow::Cow;

use super::context::{Access, Ctx};
use super::events::Class;
use crate::keyspace::{Entry, NewValue, StringRef, access};
use crate::resp::writer::Reply;

/// The most room that a string gets to spare when it grows. Doubling a bitmap of half a gigabyte
/// would be no favour.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// Replies with a string.
#[inline]
fn reply_string(reply: &mut Reply, entry: Entry<'_>) {
    match entry.string() {
        StringRef::Int(int) => reply.bulk_int(int),
        StringRef::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// Replies with a string, or a null where there is none.
#[inline]
fn reply_string_or_null(reply: &mut Reply, found: Option<Entry<'_>>) {
    match found {
        Some(entry) => reply_string(reply, entry),
        None => reply.null(),
    }
}

/// A client's argument as a value: an integer where it reads exactly like one.
#[inline]
fn to_store(argument: Cow<'_, [u8]>) -> NewValue<'_> {
    match argument {
        Cow::Borrowed(bytes) => NewValue::from_bytes_auto(bytes),
        Cow::Owned(bytes) => NewValue::from_vec_auto(bytes),
    }
}

/// Makes a string longer, with zeros. Room is kept for it to grow on: as much again, but no more
/// than [`SPARE_BYTES_MAX`].
pub(super) fn lengthen(string: &mut Vec<u8>, len: usize) {
    make_room(string, len);
    string.resize(len, 0);
}

/// Makes room for a string to become so long. A string that is still empty gets just that.
fn make_room(string: &mut Vec<u8>, len: usize) {
    if len > string.capacity() && !string.is_empty() {
        let spare = len.min(SPARE_BYTES_MAX);
        string.reserve_exact(len + spare - string.len());
    }
}

/// Sets a key for ever, whatever it held before. One lookup, as long as no key of the database
/// expires.
#[inline]
pub(super) fn overwrite(ctx: &mut Ctx<'_>, key: &[u8], value: NewValue<'_>) {
    let lfu = ctx.env.config.maxmemory_policy.is_lfu();
    if lfu || ctx.db().expires_len() > 0 {
        // A key whose time has come is deleted first, and replicas are told.
        ctx.env.lookup(ctx.session, key, Access::Write);
    }
    let clock = access::lru_clock(ctx.now_ms());
    let counts_as_use = !lfu && !ctx.session.no_touch;
    ctx.adding(key);
    ctx.clear_for_overwrite(key);
    let entry = ctx.db().set(key, value, None);
    if counts_as_use {
        entry.set_access(clock);
    }
    ctx.touched(key);
}

/// Puts a computed value under a key, over whatever that one held; nothing at all leaves no key
/// behind. It counts as so many changes.
pub(super) fn store_result(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    result: Option<NewValue<'_>>,
    (class, event): (Class, &str),
    changes: u64,
) {
    match result {
        Some(value) => {
            overwrite(ctx, key, value);
            ctx.notify(class, event, key);
            ctx.changed(changes);
        }
        None => ctx.store_nothing(key),
    }
}

#[cfg(test)]
mod tests;
