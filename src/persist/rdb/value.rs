//! Writing values.
//!
//! A value is written in the form in which it is kept, wherever the readers that the version is
//! for know that form: small collections and nodes of lists and streams go out as the bytes that
//! they are. Version 9 is for servers that know ziplists and no listpacks. There lists, hashes and
//! sorted sets are written member by member, which all servers have ever read, and which makes of
//! a small collection a small one again; converting to ziplists would only save the reader work.
//!
//! | value | 11 | 10 | 9 |
//! |---|---|---|---|
//! | list | quicklist of listpacks | same | elements |
//! | set | intset, listpack, members | intset, members | same as 10 |
//! | sorted set | listpack, members | same | members |
//! | hash | listpack, pairs | same | pairs |
//! | stream | third form | second | first |

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::encoder::Encoder;
use super::format::{ValueType, Version, container};
use crate::data::hash::HashRef;
use crate::data::list::{ListRef, Side};
use crate::data::listpack::Element;
use crate::data::quicklist::{NodeRef, Quicklist};
use crate::data::set::SetRef;
use crate::data::stream::{Consumer, Group, Stream, StreamId};
use crate::data::zset::ZSetRef;
use crate::keyspace::{StringRef, ValueRef};

/// How a value is written for readers of this version.
pub fn type_of(value: ValueRef<'_>, version: Version) -> ValueType {
    match value {
        ValueRef::String(_) => ValueType::String,
        ValueRef::List(_) if version >= Version::V10 => ValueType::ListQuicklist2,
        ValueRef::List(_) => ValueType::List,
        ValueRef::Set(SetRef::Ints(_)) => ValueType::SetIntset,
        ValueRef::Set(SetRef::Packed(_)) if version >= Version::V11 => ValueType::SetListpack,
        ValueRef::Set(_) => ValueType::Set,
        ValueRef::ZSet(ZSetRef::Packed(_)) if version >= Version::V10 => ValueType::ZsetListpack,
        ValueRef::ZSet(_) => ValueType::Zset2,
        ValueRef::Hash(HashRef::Packed(_)) if version >= Version::V10 => ValueType::HashListpack,
        ValueRef::Hash(_) => ValueType::Hash,
        ValueRef::Stream(_) => match version {
            Version::V9 => ValueType::Stream,
            Version::V10 => ValueType::Stream2,
            Version::V11 => ValueType::Stream3,
        },
    }
}

/// Writes a value; its type has been written before.
pub fn save<W: Write>(value: ValueRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    match (value, type_of(value, encoder.version())) {
        (ValueRef::String(StringRef::Int(value)), _) => encoder.int(value),
        (ValueRef::String(StringRef::Bytes(text)), _) => encoder.string(text),
        (ValueRef::Set(SetRef::Ints(intset)), _) => encoder.string(intset.bytes()),
        (ValueRef::Set(SetRef::Packed(pack)), ValueType::SetListpack)
        | (ValueRef::ZSet(ZSetRef::Packed(pack)), ValueType::ZsetListpack)
        | (ValueRef::Hash(HashRef::Packed(pack)), ValueType::HashListpack) => {
            encoder.listpack(pack)
        }
        (ValueRef::Set(set), _) => save_set(set, encoder),
        (ValueRef::ZSet(zset), _) => save_zset(zset, encoder),
        (ValueRef::Hash(hash), _) => save_hash(hash, encoder),
        (ValueRef::List(list), ValueType::List) => save_elements(list, encoder),
        (ValueRef::List(ListRef::Packed(pack)), _) => {
            encoder.length(1)?;
            encoder.length(container::LISTPACK)?;
            encoder.listpack(pack)
        }
        (ValueRef::List(ListRef::Quick(list)), _) => save_nodes(list, encoder),
        (ValueRef::Stream(stream), _) => save_stream(stream, encoder),
    }
}

#[inline]
fn save_element<W: Write>(element: Element<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    match element {
        Element::Int(value) => encoder.int(value),
        Element::Bytes(text) => encoder.string(text),
    }
}

fn save_set<W: Write>(set: SetRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(set.len() as u64)?;
    for member in set.iter() {
        save_element(member, encoder)?;
    }
    Ok(())
}

/// From the highest to the lowest: old readers insert each at the front of what they have.
fn save_zset<W: Write>(zset: ZSetRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(zset.len() as u64)?;
    for (member, score) in zset.iter().rev() {
        save_element(member, encoder)?;
        encoder.raw(&score.to_le_bytes())?;
    }
    Ok(())
}

fn save_hash<W: Write>(hash: HashRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(hash.len() as u64)?;
    for (field, value) in hash.iter() {
        save_element(field, encoder)?;
        save_element(value, encoder)?;
    }
    Ok(())
}

fn save_elements<W: Write>(list: ListRef<'_>, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(list.len() as u64)?;
    let mut result = Ok(());
    list.visit(0, Side::After, |element| {
        result = save_element(element, encoder);
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    result
}

fn save_nodes<W: Write>(list: &Quicklist, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(list.nodes().len() as u64)?;
    for node in list.nodes() {
        let is_plain = match node {
            NodeRef::Packed(_) => false,
            NodeRef::Plain(_) => true,
            NodeRef::Compressed { is_plain, .. } => is_plain,
        };
        encoder.length(if is_plain {
            container::PLAIN
        } else {
            container::LISTPACK
        })?;
        match node {
            NodeRef::Packed(pack) => encoder.listpack(pack)?,
            NodeRef::Plain(text) => encoder.string(text)?,
            NodeRef::Compressed { lzf, bytes, .. } => encoder.lzf(lzf, bytes)?,
        }
    }
    Ok(())
}

fn save_id<W: Write>(id: StreamId, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.length(id.ms)?;
    encoder.length(id.seq)
}

fn save_stream<W: Write>(stream: &Stream, encoder: &mut Encoder<W>) -> io::Result<()> {
    let log = stream.log();
    encoder.length(log.nodes().len() as u64)?;
    for (id, pack) in log.nodes() {
        encoder.string(&id.to_bytes())?;
        encoder.listpack(pack)?;
    }
    encoder.length(log.len())?;
    save_id(log.last_id(), encoder)?;
    if encoder.version() >= Version::V10 {
        save_id(log.first_id(), encoder)?;
        save_id(log.max_deleted_id(), encoder)?;
        encoder.length(log.entries_added())?;
    }
    encoder.length(stream.groups().len() as u64)?;
    for (name, group) in stream.groups() {
        encoder.string(name)?;
        save_group(group, encoder)?;
    }
    Ok(())
}

fn save_group<W: Write>(group: &Group, encoder: &mut Encoder<W>) -> io::Result<()> {
    save_id(group.last_id, encoder)?;
    if encoder.version() >= Version::V10 {
        // All bits set says that it is not known.
        encoder.length(group.entries_read.unwrap_or(-1) as u64)?;
    }
    encoder.length(group.pending_len() as u64)?;
    for (id, pending) in group.pending_from(StreamId::MIN) {
        encoder.raw(&id.to_bytes())?;
        encoder.raw(&pending.delivered_ms.to_le_bytes())?;
        encoder.length(pending.deliveries)?;
    }
    encoder.length(group.consumers_len() as u64)?;
    for consumer in group.consumers() {
        save_consumer(consumer, encoder)?;
    }
    Ok(())
}

fn save_consumer<W: Write>(consumer: &Consumer, encoder: &mut Encoder<W>) -> io::Result<()> {
    encoder.string(consumer.name())?;
    encoder.raw(&consumer.seen_ms.to_le_bytes())?;
    if encoder.version() >= Version::V11 {
        encoder.raw(&consumer.active_ms.unwrap_or(-1).to_le_bytes())?;
    }
    encoder.length(consumer.pending_len() as u64)?;
    for id in consumer.pending_from(StreamId::MIN) {
        encoder.raw(&id.to_bytes())?;
    }
    Ok(())
}
