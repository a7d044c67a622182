//! Values of every type there and back, in every version; old forms; and what must be refused.

use super::BuildLimits;
use crate::data::hash::Hash;
use crate::data::list::{End, List};
use crate::data::listpack::{Element, Listpack};
use crate::data::set::Set;
use crate::data::stream::{ConsumerId, Group, NewId, RestoreError, Stream, StreamId, StreamLimits};
use crate::data::zset::{Add, ZSet};
use crate::keyspace::{Db, Keyspace, NewValue, ValueRef};
use crate::persist::rdb::encoder::EncoderOptions;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};
use crate::persist::rdb::format::{ValueType, Version};
use crate::persist::rdb::payload::{self, PayloadError};
use crate::persist::rdb::ziplist::tests::ziplist;

const VERSIONS: [Version; 3] = [Version::V9, Version::V10, Version::V11];

fn options(version: Version) -> EncoderOptions {
    EncoderOptions {
        version,
        compression: true,
        checksum: true,
    }
}

/// A database that holds one value, since only an entry can be looked at as a value of any type.
struct Held(Keyspace);

impl Held {
    fn new(value: NewValue<'_>) -> Held {
        let mut keyspace = Keyspace::new(1, [3, 4]);
        keyspace.db_mut(0).set(b"k", value, None);
        Held(keyspace)
    }

    fn db(&self) -> &Db {
        self.0.db(0)
    }

    fn value(&self) -> ValueRef<'_> {
        self.db().get(b"k").unwrap().value()
    }

    fn form(&self) -> String {
        let entry = self.db().get(b"k").unwrap();
        format!("{} {}", entry.type_().name(), entry.encoding().name())
    }

    fn dump(&self, version: Version) -> Vec<u8> {
        payload::dump(self.value(), options(version))
    }
}

/// What a value says, whatever its form.
fn contents(value: ValueRef<'_>) -> Vec<String> {
    let text = |element: Element<'_>| String::from_utf8_lossy(&element.to_vec()).into_owned();
    let mut said = Vec::new();
    match value {
        ValueRef::String(string) => said.push(String::from_utf8_lossy(&string.bytes()).into()),
        ValueRef::List(list) => list.for_each(|element| said.push(text(element))),
        ValueRef::Set(set) => said.extend(set.iter().map(text)),
        ValueRef::ZSet(zset) => {
            said.extend(
                zset.iter()
                    .map(|(m, score)| format!("{}={score:?}", text(m))),
            );
        }
        ValueRef::Hash(hash) => {
            said.extend(hash.iter().map(|(f, v)| format!("{}={}", text(f), text(v))));
        }
        ValueRef::Stream(stream) => said.push(format!("{stream:?}")),
    }
    if !matches!(value, ValueRef::List(_) | ValueRef::ZSet(_)) {
        said.sort();
    }
    said
}

fn limits() -> BuildLimits {
    BuildLimits::usual()
}

fn a_list(elements: usize, length: usize) -> List {
    let mut list = List::Packed(Listpack::new());
    let limits = limits().list;
    for n in 0..elements {
        let text = format!("{n:0length$}");
        list.make_room(text.len(), 1, &limits);
        list.push(End::Tail, text.as_bytes(), &limits);
    }
    list
}

fn a_set(members: impl Iterator<Item = String>) -> Set {
    let mut set = Set::new();
    for member in members {
        set.insert(Element::from(member.as_bytes()), &limits().set);
    }
    set
}

fn a_zset(members: usize, prefix: &str) -> ZSet {
    let mut zset = ZSet::new();
    for n in 0..members {
        let score = [f64::INFINITY, -1.5, 0.1, 3.0, f64::NEG_INFINITY][n % 5];
        let member = format!("{prefix}{n}");
        zset.add(member.as_bytes(), score, Add::default(), &limits().zset);
    }
    zset
}

fn a_hash(fields: usize, length: usize) -> Hash {
    let mut hash = Hash::new();
    for n in 0..fields {
        let value = format!("{n:0length$}");
        hash.set(format!("f{n}").as_bytes(), value.as_bytes(), &limits().hash);
    }
    hash
}

fn a_stream(entries: u64) -> Box<Stream> {
    let mut stream = Box::new(Stream::new());
    let limits = StreamLimits {
        node_max_bytes: 4096,
        node_max_entries: 10,
    };
    for n in 1..=entries {
        let words = [&b"field"[..], b"value", b"n", b"1"];
        let words = words[..if n % 3 == 0 { 2 } else { 4 }].iter().copied();
        let log = stream.log_mut();
        log.append(NewId::Exact(StreamId::new(n, 7)), words, 0, limits)
            .unwrap();
    }
    stream.log_mut().delete(&[StreamId::new(2, 7)]);
    stream.create_group(b"idle", Group::new(StreamId::MIN, None));
    let mut group = Group::new(StreamId::new(3, 7), Some(2));
    let consumers: Vec<ConsumerId> = [&b"alice"[..], b"bob"]
        .iter()
        .map(|name| group.create_consumer(name, 1234).unwrap())
        .collect();
    if entries > 0 {
        group.deliver(StreamId::new(1, 7), consumers[0], 5000);
        group.deliver(StreamId::new(3, 7), consumers[1], 6000);
    }
    stream.create_group(b"busy", group);
    stream
}

/// A value of every type and encoding, with its name.
fn samples() -> Vec<(&'static str, Held)> {
    let numbers = |n: i64| (0..n).map(|n| (n * 1_000_003).to_string());
    let names = |n: i64| (0..n).map(|n| format!("member:{n}"));
    let held = |object: crate::keyspace::Object| Held::new(NewValue::Object(object));
    vec![
        ("string int", Held::new(NewValue::Int(-77))),
        ("string embstr", Held::new(NewValue::Bytes(b"text"))),
        ("string raw", Held::new(NewValue::Bytes(&[b'x'; 5000]))),
        ("list listpack", held(a_list(20, 3).into())),
        ("list quicklist", held(a_list(5000, 9).into())),
        ("set intset", held(a_set(numbers(200)).into())),
        (
            "set listpack",
            held(a_set(names(20).chain(numbers(3))).into()),
        ),
        ("set hashtable", held(a_set(names(1000)).into())),
        ("zset listpack", held(a_zset(30, "m").into())),
        ("zset skiplist", held(a_zset(500, "m").into())),
        ("hash listpack", held(a_hash(10, 5).into())),
        ("hash hashtable", held(a_hash(10, 100).into())),
        ("stream stream", held(a_stream(0).into())),
        ("stream stream", held(a_stream(95).into())),
    ]
}

#[test]
fn every_value_comes_back_from_every_version() {
    for (name, held) in samples() {
        assert_eq!(held.form(), name);
        for version in VERSIONS {
            let dump = held.dump(version);
            let back = Held::new(payload::restore(&dump, &limits(), true).unwrap());
            let is_old_stream = name.starts_with("stream") && version < Version::V11;
            if !is_old_stream {
                assert_eq!(contents(back.value()), contents(held.value()), "{name}");
            }
            assert_eq!(back.form(), name, "{version:?}");
            let again = back.dump(version);
            assert_eq!(again.len(), dump.len(), "{name} {version:?}");
        }
    }
}

#[test]
fn small_values_have_the_bytes_of_the_reference() {
    let held = |object: crate::keyspace::Object| Held::new(NewValue::Object(object));
    for (held, dump) in [
        (
            held(a_list(2, 1).into()),
            &b"\x12\x01\x02\x0b\x0b\0\0\0\x02\0\x00\x01\x01\x01\xff\x0b\0"[..],
        ),
        (
            held(a_set(["5".into(), "a".into()].into_iter()).into()),
            b"\x14\x0c\x0c\0\0\0\x02\0\x05\x01\x81a\x02\xff\x0b\0",
        ),
        (
            held(a_set(["5".into()].into_iter()).into()),
            b"\x0b\x0a\x02\0\0\0\x01\0\0\0\x05\0\x0b\0",
        ),
    ] {
        let found = held.dump(Version::V11);
        assert_eq!(found[..found.len() - 8], *dump);
    }
}

/// A payload of these bytes, type first, with a footer that is right.
fn sealed(body: &[u8]) -> Vec<u8> {
    let text = payload::dump(
        ValueRef::String(crate::keyspace::StringRef::Int(0)),
        options(Version::V11),
    );
    let mut payload = body.to_vec();
    payload.extend(&text[text.len() - 10..]);
    payload
}

fn opened(body: &[u8], limits: &BuildLimits) -> Result<Held, RdbErrorKind> {
    match payload::restore(&sealed(body), limits, false) {
        Ok(value) => Ok(Held::new(value)),
        Err(PayloadError::Value(kind)) => Err(kind),
        Err(PayloadError::Footer) => panic!("the footer is right"),
    }
}

/// A type and a string, as a body.
fn packed(value_type: ValueType, bytes: &[u8]) -> Vec<u8> {
    let mut body = vec![value_type.id(), 0x80];
    body.extend((bytes.len() as u32).to_be_bytes());
    body.extend(bytes);
    body
}

fn listpack(elements: &[&str]) -> Vec<u8> {
    let mut pack = Listpack::new();
    for element in elements {
        pack.push_back(element.as_bytes());
    }
    pack.as_ref().to_framed()
}

#[test]
fn forms_of_old_versions_become_those_of_today() {
    let pairs = ziplist(&[b"\x01a", b"\xf2", b"\x01b", b"\x03two"]);
    let scores = ziplist(&[b"\x01a", b"\xf2", b"\x01b", b"\x032.5"]);
    let zipmap = b"\x02\x01a\x01\x001\x01b\x03\x02two--\xff";
    let two_lists = [
        &[ValueType::ListQuicklist.id(), 2, pairs.len() as u8][..],
        &pairs,
    ];
    let two_lists = [&two_lists.concat()[..], &[pairs.len() as u8], &pairs].concat();
    for (body, form, says) in [
        (
            packed(ValueType::HashZiplist, &pairs),
            "hash listpack",
            &["a=1", "b=two"][..],
        ),
        (
            packed(ValueType::HashZipmap, zipmap),
            "hash listpack",
            &["a=1", "b=two"],
        ),
        (
            packed(ValueType::ZsetZiplist, &scores),
            "zset listpack",
            &["a=1.0", "b=2.5"],
        ),
        (
            packed(ValueType::ListZiplist, &pairs),
            "list quicklist",
            &["a", "1", "b", "two"],
        ),
        (
            two_lists,
            "list quicklist",
            &["a", "1", "b", "two", "a", "1", "b", "two"],
        ),
        (
            b"\x01\x02\x01a\xc0\x05".to_vec(),
            "list listpack",
            &["a", "5"],
        ),
        (
            b"\x02\x02\x01a\xc0\x05".to_vec(),
            "set listpack",
            &["5", "a"],
        ),
        (
            b"\x02\x02\xc0\x07\xc0\x05".to_vec(),
            "set intset",
            &["5", "7"],
        ),
        (b"\x04\x01\x01a\xc0\x05".to_vec(), "hash listpack", &["a=5"]),
        (
            b"\x03\x02\x01a\x03-.5\x01b\xff".to_vec(),
            "zset listpack",
            &["b=-inf", "a=-0.5"],
        ),
    ] {
        let held = opened(&body, &limits()).unwrap();
        assert_eq!(held.form(), form);
        assert_eq!(contents(held.value()), says, "{form}");
    }
}

#[test]
fn what_is_too_long_for_its_form_takes_the_larger_one() {
    let mut small = limits();
    small.hash.max_listpack_entries = 1;
    small.set.max_listpack_entries = 1;
    small.set.max_intset_entries = 1;
    small.zset.max_listpack_entries = 1;
    let pairs = listpack(&["a", "1", "b", "2"]);
    for (body, form) in [
        (packed(ValueType::HashListpack, &pairs), "hash hashtable"),
        (packed(ValueType::SetListpack, &pairs), "set hashtable"),
        (packed(ValueType::ZsetListpack, &pairs), "zset skiplist"),
        (
            packed(ValueType::SetIntset, b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0"),
            "set hashtable",
        ),
        (
            packed(
                ValueType::HashZipmap,
                b"\x02\x01a\x01\x001\x01b\x01\x002\xff",
            ),
            "hash hashtable",
        ),
        (b"\x04\x02\x01a\x01b\x01c\x01d".to_vec(), "hash hashtable"),
        (b"\x02\x02\x01a\x01b".to_vec(), "set hashtable"),
    ] {
        assert_eq!(opened(&body, &small).unwrap().form(), form);
    }
    let long = "x".repeat(65);
    let zipmap = [b"\x01\x01a\x41\x00", long.as_bytes(), b"\xff"].concat();
    let held = opened(&packed(ValueType::HashZipmap, &zipmap), &limits()).unwrap();
    assert_eq!(held.form(), "hash hashtable");
    // Lengths are not looked at where nothing has to be converted.
    let pairs = listpack(&["a", &long]);
    let held = opened(&packed(ValueType::HashListpack, &pairs), &limits()).unwrap();
    assert_eq!(held.form(), "hash listpack");
}

#[test]
fn values_that_contradict_themselves_are_refused() {
    let doubled = listpack(&["a", "1", "a", "1"]);
    let unordered = listpack(&["a", "2", "b", "1"]);
    let spelled = listpack(&["b", "1", "a", "1"]);
    let unscored = listpack(&["a", "x"]);
    let nan = listpack(&["a", "nan"]);
    let odd = listpack(&["a", "1", "b"]);
    for (body, flaw) in [
        (
            packed(ValueType::HashListpack, &doubled),
            Flaw::HashListpack,
        ),
        (packed(ValueType::HashListpack, &odd), Flaw::HashListpack),
        (packed(ValueType::SetListpack, &doubled), Flaw::SetListpack),
        (
            packed(ValueType::ZsetListpack, &doubled),
            Flaw::ZsetListpack,
        ),
        (
            packed(ValueType::ZsetListpack, &unordered),
            Flaw::ZsetListpack,
        ),
        (
            packed(ValueType::ZsetListpack, &spelled),
            Flaw::ZsetListpack,
        ),
        (
            packed(ValueType::ZsetListpack, &unscored),
            Flaw::ZsetListpack,
        ),
        (packed(ValueType::ZsetListpack, &nan), Flaw::ZsetListpack),
        (
            packed(ValueType::SetIntset, b"\x02\0\0\0\0\0\0\0"),
            Flaw::Intset,
        ),
        (packed(ValueType::HashZiplist, &doubled), Flaw::HashZiplist),
        (packed(ValueType::HashZipmap, b"\0\xff"), Flaw::Zipmap),
        (b"\x12\x01\x03\x01a".to_vec(), Flaw::ListNode),
        (b"\x12\x01\x02\x00".to_vec(), Flaw::ListNode),
        (b"\x12\x01\x02\x01a".to_vec(), Flaw::Listpack),
        (b"\x0e\x01\x01a".to_vec(), Flaw::Ziplist),
        (b"\x02\x02\x01a\x01a".to_vec(), Flaw::DuplicateMember),
        (b"\x02\x02\xc0\x01\xc0\x01".to_vec(), Flaw::DuplicateMember),
        (
            b"\x04\x02\x01a\x01b\x01a\x01b".to_vec(),
            Flaw::DuplicateField,
        ),
        (b"\x03\x01\x01a\xfd".to_vec(), Flaw::Score),
        (
            b"\x03\x02\x01a\xfe\x01a\xff".to_vec(),
            Flaw::DuplicateScored,
        ),
        (
            b"\x15\x01\x01a\x01b".to_vec(),
            Flaw::Stream(RestoreError::NodeId),
        ),
    ] {
        assert_eq!(opened(&body, &limits()).err(), Some(flaw.into()));
    }
    let mut few = limits();
    few.hash.max_listpack_entries = 1;
    few.set.max_listpack_entries = 1;
    few.zset.max_listpack_entries = 1;
    for value_type in [
        ValueType::HashListpack,
        ValueType::SetListpack,
        ValueType::ZsetListpack,
    ] {
        assert!(opened(&packed(value_type, &doubled), &few).is_err());
    }
}

#[test]
fn values_without_members_are_refused_in_a_payload() {
    for body in [
        &b"\x01\0"[..],
        b"\x02\0",
        b"\x04\0",
        b"\x05\0",
        b"\x0e\0",
        b"\x12\0",
        &packed(ValueType::HashListpack, &listpack(&[])),
        &packed(ValueType::SetListpack, &listpack(&[])),
        &packed(ValueType::ZsetListpack, &listpack(&[])),
        &packed(ValueType::ListZiplist, &ziplist(&[])),
    ] {
        assert_eq!(
            opened(body, &limits()).err(),
            Some(RdbErrorKind::EmptyValue)
        );
    }
}

#[test]
fn a_length_that_lies_reserves_nothing() {
    // Each says that it has 2^62 members, and ends.
    for id in [1, 2, 3, 4, 5, 14, 18, 15, 19, 21] {
        let body = [id, 0x81, 0x40, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            opened(&body, &limits()).err(),
            Some(RdbErrorKind::UnexpectedEnd)
        );
    }
}

#[test]
fn a_footer_that_is_wrong_is_told_from_a_value_that_is() {
    let sound = samples()[0].1.dump(Version::V11);
    let verdict = |payload: &[u8], verify| payload::restore(payload, &limits(), verify).err();
    assert_eq!(verdict(&sound, true), None);
    for at in 0..sound.len() {
        let mut broken = sound.clone();
        broken[at] ^= 0x10;
        assert_eq!(verdict(&broken, true), Some(PayloadError::Footer));
    }
    for cut in 0..10 {
        assert_eq!(verdict(&sound[..cut], false), Some(PayloadError::Footer));
    }
    let mut newer = sound.clone();
    let version = newer.len() - 10;
    newer[version] = 12;
    assert_eq!(verdict(&newer, false), Some(PayloadError::Footer));
}

#[test]
fn every_flipped_byte_of_a_value_is_survived() {
    for (_, held) in samples() {
        for version in VERSIONS {
            let dump = held.dump(version);
            let body = &dump[..dump.len() - 10];
            let step = 1 + body.len() / 60;
            for at in (0..body.len()).step_by(step) {
                for flip in [1, 0x80, 0xff] {
                    let mut body = body.to_vec();
                    body[at] ^= flip;
                    if let Ok(held) = opened(&body, &limits()) {
                        std::hint::black_box(contents(held.value()));
                    }
                }
            }
        }
    }
}
