//! `DEBUG DIGEST`: a fingerprint of the data set that does not depend on the order of keys.
//!
//! It is the reference's, so that a master and a replica of either make can be compared. Two ways
//! of adding bytes to a running digest make it up: [`Digest::add`] is blind to order (what has
//! none is combined so), [`Digest::mix`] is not. A value's type is mixed in as a number of the
//! reference's, its content as [`value`] says for each type, and finally whether it expires, but
//! not when.

use sha1::{Digest as _, Sha1};
use std::fmt;

use crate::base::numbers::format_f64_shorter;
use crate::data::listpack::Element;
use crate::data::stream::{Stream, StreamId};
use crate::keyspace::{Entry, Keyspace, Type, ValueRef};

/// 160 bits that stand for a value or a data set.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Combines with the hash of some bytes; the order of such additions does not show.
    pub fn add(&mut self, bytes: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(bytes).into();
        for (mine, theirs) in self.0.iter_mut().zip(hash) {
            *mine ^= theirs;
        }
    }

    /// Combines with the hash of some bytes; the order of such additions shows.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Combines with two texts that belong together; the order of such additions does not show.
    fn add_pair(&mut self, first: Element<'_>, second: Element<'_>) {
        let mut pair = Digest::default();
        first.with_bytes(|text| pair.mix(text));
        second.with_bytes(|text| pair.mix(text));
        self.add(&pair.0);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of all databases; empty ones do not count.
pub fn data_set(keyspace: &Keyspace) -> Digest {
    let mut whole = Digest::default();
    for (number, db) in keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        whole.mix(&(number as u32).to_be_bytes());
        for entry in db.iter() {
            let mut one = Digest::default();
            one.mix(entry.key());
            value(entry, &mut one);
            whole.add(&one.0);
        }
    }
    whole
}

/// Mixes a value, and whether it expires, into a digest.
pub fn value(entry: Entry<'_>, digest: &mut Digest) {
    digest.mix(&type_code(entry.type_()).to_be_bytes());
    match entry.value() {
        ValueRef::String(string) => string.with_bytes(|text| digest.mix(text)),
        ValueRef::List(list) => {
            list.for_each(|element| element.with_bytes(|text| digest.mix(text)));
        }
        ValueRef::Set(set) => {
            set.iter()
                .for_each(|member| member.with_bytes(|text| digest.add(text)));
        }
        ValueRef::ZSet(zset) => zset.iter().for_each(|(member, score)| {
            let mut text = Vec::new();
            format_f64_shorter(score, &mut text);
            digest.add_pair(member, Element::Bytes(&text));
        }),
        ValueRef::Hash(hash) => {
            hash.iter()
                .for_each(|(field, value)| digest.add_pair(field, value));
        }
        ValueRef::Stream(stream) => mix_stream(stream, digest),
    }
    if entry.expire_at_ms().is_some() {
        digest.add(b"!!expire!!");
    }
}

/// Mixes the entries of a stream into a digest. Its groups do not count.
fn mix_stream(stream: &Stream, digest: &mut Digest) {
    for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
        digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (field, value) in entry.fields() {
            field.with_bytes(|text| digest.mix(text));
            value.with_bytes(|text| digest.mix(text));
        }
    }
}

/// The reference's number of a type. There is a 5, for what modules bring.
fn type_code(type_: Type) -> u32 {
    match type_ {
        Type::String => 0,
        Type::List => 1,
        Type::Set => 2,
        Type::ZSet => 3,
        Type::Hash => 4,
        Type::Stream => 6,
    }
}
