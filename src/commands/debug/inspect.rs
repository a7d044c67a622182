//! `DEBUG OBJECT`, `HTSTATS`, `HTSTATS-KEY` and `MALLCTL`: how values and databases are kept.

use std::ffi::CString;

use crate::base::errno::os_text;
use crate::base::numbers::parse_i64;
use crate::commands::context::{Access, CmdResult, Ctx};
use crate::commands::error::CmdError;
use crate::data::hash::HashRef;
use crate::data::list::ListRef;
use crate::data::quicklist::Quicklist;
use crate::data::set::SetRef;
use crate::data::zset::ZSetRef;
use crate::keyspace::{Entry, ValueRef, access};
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

pub(super) fn table_stats(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let number = parse_i64(&args[2]).ok_or(CmdError::NotInteger)?;
    let number = usize::try_from(number)
        .ok()
        .filter(|n| *n < ctx.env.keyspace.n_dbs());
    let number = number.ok_or_else(|| CmdError::err("Out of range database"))?;
    let db = ctx.env.keyspace.db(number);
    let slots = db.slots();
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        describe_table(slots.keys, db.len()),
        describe_table(slots.expiring, db.expires_len()),
    );
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn table_stats_of_key(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let found = ctx.env.lookup(ctx.session, &args[2], Access::Peek);
    let entry = found.ok_or(CmdError::NoSuchKey)?;
    let (slots, elements) = match entry.value() {
        ValueRef::Hash(HashRef::Table(table)) => (table.slots(), table.len()),
        ValueRef::Set(SetRef::Table(table)) => (table.slots(), table.len()),
        ValueRef::ZSet(ZSetRef::Tree(tree)) => (tree.slots(), tree.len()),
        _ => {
            return Err(CmdError::Fixed(
                "ERR The value stored at the specified key is not represented using an hash table",
            ));
        }
    };
    let text = describe_table(slots, elements);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn describe_table(slots: usize, elements: usize) -> String {
    match elements {
        0 => "Hash table 0 stats (main hash table):\n\
              No stats available for empty dictionaries\n"
            .to_owned(),
        _ => format!(
            "Hash table 0 stats (main hash table):\n table size: {slots}\n \
             number of elements: {elements}\n"
        ),
    }
}

pub(super) fn allocator_number(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let name = CString::new(&args[2]).map_err(|_| CmdError::Syntax)?;
    let number = memory::allocator_number(&name).map_err(|error| CmdError::err(os_text(&error)))?;
    ctx.reply.int(number as i64);
    Ok(())
}
