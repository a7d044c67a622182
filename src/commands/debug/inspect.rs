//! `DEBUG OBJECT`, `SDSLEN`, `HTSTATS`, `HTSTATS-KEY`, `CLIENT-EVICTION` and `MALLCTL`: how values,
//! databases and clients are kept.

use std::ffi::CString;
use std::fmt::Write as _;

use crate::base::errno::os_text;
use crate::base::numbers::parse_i64;
use crate::base::size_class::size_class;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::data::hash::HashRef;
use crate::data::list::ListRef;
use crate::data::quicklist::Quicklist;
use crate::data::set::SetRef;
use crate::data::zset::ZSetRef;
use crate::keyspace::{Entry, StringRef, ValueRef, access};
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::format::Version;
use crate::persist::rdb::payload;
use crate::resp::args::Args;
use crate::sys::memory;

pub(super) fn object(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let entry = ctx
        .env
        .keyspace
        .db(ctx.session.db)
        .get(&args[2])
        .ok_or(CmdError::NoSuchKey)?;
    let lru = entry.access();
    let nodes = match entry.value() {
        ValueRef::List(ListRef::Quick(list)) => describe_nodes(list),
        _ => String::new(),
    };
    let text = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{lru} \
         lru_seconds_idle:{}{nodes}",
        entry.key().as_ptr(),
        entry.encoding().name(),
        serialized_length(entry, ctx.env.config.rdbcompression),
        access::lru_idle_ms(lru, ctx.env.now.unix_ms()) / 1000,
    );
    ctx.reply.simple(text);
    Ok(())
}

/// The nodes of a long list, and the limits that they were made under.
fn describe_nodes(list: &Quicklist) -> String {
    let nodes = list.nodes().len();
    format!(
        " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} \
         ql_uncompressed_size:{}",
        list.len() as f64 / nodes.max(1) as f64,
        list.max_listpack_size(),
        u8::from(list.compress_depth() != 0),
        list.uncompressed_bytes(),
    )
}

/// How many bytes a value takes in a snapshot, without its key.
fn serialized_length(entry: Entry<'_>, compression: bool) -> u64 {
    let options = EncoderOptions {
        version: Version::V11,
        compression,
        checksum: false,
    };
    payload::length_of(entry.value(), options)
}

/// Texts are not kept with room to grow but where they live apart from their entries.
pub(super) fn text_sizes(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let entry = ctx.env.keyspace.db(ctx.session.db).get(&args[2]);
    let entry = entry.ok_or(CmdError::NoSuchKey)?;
    let ValueRef::String(StringRef::Bytes(text)) = entry.value() else {
        return Err(CmdError::err("Not an sds encoded string."));
    };
    let capacity = entry.capacity_apart().unwrap_or(0);
    let apart = match capacity {
        0 => 0,
        capacity => size_class(capacity),
    };
    let text = format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:{}, \
         val_zmalloc: {}",
        entry.key().len(),
        entry.memory_usage() - apart,
        text.len(),
        capacity.saturating_sub(text.len()),
        apart,
    );
    ctx.reply.simple(text);
    Ok(())
}

pub(super) fn client_sizes(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let sizes = ctx.host.client_sizes(ctx.env);
    let sizes = sizes.ok_or_else(|| CmdError::err("maxmemory-clients is disabled."))?;
    let mut text = String::new();
    for class in sizes {
        let _ = writeln!(
            text,
            "below {}: tot-mem: {}, clients: {}",
            class.bytes_below, class.bytes, class.clients
        );
    }
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn table_stats(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let number = parse_i64(&args[2]).ok_or(CmdError::NotInteger)?;
    let number = usize::try_from(number)
        .ok()
        .filter(|n| *n < ctx.env.keyspace.n_dbs());
    let number = number.ok_or_else(|| CmdError::err("Out of range database"))?;
    let db = ctx.env.keyspace.db(number);
    let [keys, expiring] = if wants_all(args) {
        db.spreads().map(Some)
    } else {
        [None, None]
    };
    let slots = db.slots();
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        describe_table(slots.keys, db.len(), keys),
        describe_table(slots.expiring, db.expires_len(), expiring),
    );
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn table_stats_of_key(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let found = ctx.env.lookup(ctx.session, &args[2], Access::Peek);
    let entry = found.ok_or(CmdError::NoSuchKey)?;
    let all = wants_all(args);
    let (slots, elements, spread) = match entry.value() {
        ValueRef::Hash(HashRef::Table(table)) => {
            (table.slots(), table.len(), all.then(|| table.spread()))
        }
        ValueRef::Set(SetRef::Table(table)) => {
            (table.slots(), table.len(), all.then(|| table.spread()))
        }
        ValueRef::ZSet(ZSetRef::Tree(tree)) => {
            (tree.slots(), tree.len(), all.then(|| tree.spread()))
        }
        _ => {
            return Err(CmdError::Fixed(
                "ERR The value stored at the specified key is not represented using an hash table",
            ));
        }
    };
    let text = describe_table(slots, elements, spread);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Whether the figures are wanted that take a look at the whole table.
fn wants_all(args: &Args<'_>) -> bool {
    args.get(3).is_some_and(|w| w.eq_ignore_ascii_case(b"full"))
}

/// Longer chains are not shown one by one.
const CHAINS_SHOWN_MAX: usize = 49;

/// The figures of a table. What the reference calls a chain is here what belongs into one bucket,
/// and a different slot is a bucket into which something belongs.
fn describe_table(slots: usize, elements: usize, spread: Option<Vec<usize>>) -> String {
    let head = "Hash table 0 stats (main hash table):\n";
    if elements == 0 {
        return format!("{head}No stats available for empty dictionaries\n");
    }
    let mut text = format!("{head} table size: {slots}\n number of elements: {elements}\n");
    let Some(spread) = spread else {
        return text;
    };
    let buckets: usize = spread.iter().sum();
    let in_use = buckets - spread[0];
    let average = elements as f64 / in_use as f64;
    let longest = spread.len() - 1;
    let _ = write!(
        text,
        " different slots: {in_use}\n max chain length: {longest}\n \
         avg chain length (counted): {average:.2}\n \
         avg chain length (computed): {average:.2}\n Chain length distribution:\n"
    );
    for (length, count) in spread.iter().enumerate().take(CHAINS_SHOWN_MAX) {
        if *count > 0 {
            let share = *count as f64 / buckets as f64 * 100.0;
            let _ = writeln!(text, "   {length}: {count} ({share:.2}%)");
        }
    }
    text
}

pub(super) fn allocator_number(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let name = CString::new(&args[2]).map_err(|_| CmdError::Syntax)?;
    let number = memory::allocator_number(&name).map_err(|error| CmdError::err(os_text(&error)))?;
    ctx.reply.int(number as i64);
    Ok(())
}
