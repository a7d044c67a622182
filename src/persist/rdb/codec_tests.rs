//! The encoder and the decoder against each other, and the decoder against hostile bytes.

use proptest::prelude::*;

use super::decoder::{Decoder, DecoderOptions, Purpose};
use super::encoder::{Encoder, EncoderOptions, KeyMarks, Usage};
use super::error::Flaw;
use super::format::{ValueType, Version};
use super::item::{ChecksumVerdict, Item, KeyAttributes, KeyItem, Value};
use super::{RdbError, RdbErrorKind, Stage};

/// An item that owns what it says.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Aux(Vec<u8>, Vec<u8>),
    SelectDb(u64),
    ResizeDb(u64, u64),
    Function(Vec<u8>),
    ModuleAux(String),
    Text(Vec<u8>, Vec<u8>, KeyAttributes),
    Int(Vec<u8>, i64, KeyAttributes),
    /// A collection, as type and encoding.
    Object(Vec<u8>, String, KeyAttributes),
    Empty(Vec<u8>),
    Module(Vec<u8>),
    ExpiringHash(Vec<u8>),
    SlotImport,
    End(ChecksumVerdict),
}

impl From<Item<'_>> for Owned {
    fn from(item: Item<'_>) -> Owned {
        match item {
            Item::Aux { name, value } => Owned::Aux(name.into(), value.into()),
            Item::SelectDb(db) => Owned::SelectDb(db),
            Item::ResizeDb { keys, expires } => Owned::ResizeDb(keys, expires),
            Item::Function(code) => Owned::Function(code.into()),
            Item::ModuleAux { module } => Owned::ModuleAux(module),
            Item::SlotImport => Owned::SlotImport,
            Item::Key(KeyItem {
                key,
                value,
                attributes,
            }) => match value {
                Value::Bytes(bytes) => Owned::Text(key.into(), bytes.into(), attributes),
                Value::Int(value) => Owned::Int(key.into(), value, attributes),
                Value::Object(object) => {
                    Owned::Object(key.into(), format!("{object:?}"), attributes)
                }
                Value::Packed {
                    type_, encoding, ..
                } => {
                    let form = format!("{} ({})", type_.name(), encoding.name());
                    Owned::Object(key.into(), form, attributes)
                }
                Value::Empty => Owned::Empty(key.into()),
                Value::Module => Owned::Module(key.into()),
                Value::ExpiringHash => Owned::ExpiringHash(key.into()),
            },
            Item::End(verdict) => Owned::End(verdict),
        }
    }
}

/// Decodes `bytes` in slices of `slice` bytes as a caller would, keeping what is left over.
fn decode(bytes: &[u8], slice: usize, purpose: Purpose) -> Result<Vec<Owned>, RdbError> {
    decode_with(bytes, slice, DecoderOptions::usual(purpose))
}

fn decode_with(
    bytes: &[u8],
    slice: usize,
    options: DecoderOptions,
) -> Result<Vec<Owned>, RdbError> {
    let mut decoder = Decoder::new(options);
    let (mut items, mut used, mut given) = (Vec::new(), 0, 0);
    while !decoder.is_done() {
        if given == bytes.len() {
            return Err(decoder.unexpected_end());
        }
        given = (given + slice).min(bytes.len());
        let mut feed = decoder.feed(&bytes[used..given]);
        while let Some(item) = feed.next()? {
            items.push(Owned::from(item));
        }
        used += feed.finish();
        assert_eq!(decoder.offset(), used as u64);
        assert!(decoder.is_done() || decoder.wanted() > given - used);
    }
    assert_eq!(used, bytes.len());
    Ok(items)
}

const OPTIONS: EncoderOptions = EncoderOptions {
    version: Version::V11,
    compression: true,
    checksum: true,
};

fn encode(options: EncoderOptions, fill: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), options).unwrap();
    fill(&mut encoder);
    let written = encoder.written();
    let bytes = encoder.finish().unwrap();
    assert_eq!(written + 9, bytes.len() as u64);
    bytes
}

fn text(encoder: &mut Encoder<Vec<u8>>, key: &[u8], value: &[u8], marks: KeyMarks) {
    encoder.key(key, ValueType::String, marks).unwrap();
    encoder.string(value).unwrap();
}

fn attributes(marks: KeyMarks) -> KeyAttributes {
    KeyAttributes {
        expire_at_ms: marks.expire_at_ms,
        idle_s: match marks.usage {
            Some(Usage::IdleSeconds(seconds)) => Some(seconds),
            _ => None,
        },
        frequency: match marks.usage {
            Some(Usage::Frequency(counter)) => Some(counter),
            _ => None,
        },
    }
}

/// A snapshot with something of everything that the encoder writes.
fn sample() -> Vec<u8> {
    encode(OPTIONS, |encoder| {
        encoder.aux("redis-ver", b"7.2.4").unwrap();
        encoder.aux_int("ctime", 1_700_000_000).unwrap();
        encoder.database(0, 3, 1).unwrap();
        text(
            encoder,
            b"plain",
            b"a value of no special kind",
            KeyMarks::default(),
        );
        text(encoder, b"12", b"-300", KeyMarks::default());
        let marks = KeyMarks {
            expire_at_ms: Some(1_800_000_000_123),
            usage: Some(Usage::IdleSeconds(70)),
        };
        text(encoder, b"packed", &b"0123456789".repeat(30), marks);
        encoder.database(15, 1, 0).unwrap();
        let marks = KeyMarks {
            expire_at_ms: None,
            usage: Some(Usage::Frequency(255)),
        };
        text(encoder, b"", b"", marks);
    })
}

#[test]
fn what_was_encoded_comes_back_item_by_item() {
    let expected = vec![
        Owned::Aux(b"redis-ver".into(), b"7.2.4".into()),
        Owned::Aux(b"ctime".into(), b"1700000000".into()),
        Owned::SelectDb(0),
        Owned::ResizeDb(3, 1),
        Owned::Text(
            b"plain".into(),
            b"a value of no special kind".into(),
            KeyAttributes::default(),
        ),
        Owned::Int(b"12".into(), -300, KeyAttributes::default()),
        Owned::Text(
            b"packed".into(),
            b"0123456789".repeat(30),
            KeyAttributes {
                expire_at_ms: Some(1_800_000_000_123),
                idle_s: Some(70),
                frequency: None,
            },
        ),
        Owned::SelectDb(15),
        Owned::ResizeDb(1, 0),
        Owned::Text(
            b"".into(),
            b"".into(),
            KeyAttributes {
                frequency: Some(255),
                ..KeyAttributes::default()
            },
        ),
        Owned::End(ChecksumVerdict::Correct),
    ];
    let bytes = sample();
    for slice in [1, 2, 3, 7, 64, bytes.len()] {
        assert_eq!(
            decode(&bytes, slice, Purpose::Load).unwrap(),
            expected,
            "slices of {slice}"
        );
    }
}

#[test]
fn integers_and_long_strings_take_their_shortest_form() {
    for (value, encoded) in [
        (&b"127"[..], &b"\xc0\x7f"[..]),
        (b"-129", b"\xc1\x7f\xff"),
        (b"32768", b"\xc2\x00\x80\x00\x00"),
        (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"007", b"\x03007"),
        (b"", b"\x00"),
    ] {
        let bytes = encode(OPTIONS, |encoder| encoder.string(value).unwrap());
        assert_eq!(&bytes[9..bytes.len() - 9], encoded);
        if let Some(value) = crate::base::numbers::parse_i64(value) {
            let bytes = encode(OPTIONS, |encoder| encoder.int(value).unwrap());
            assert_eq!(&bytes[9..bytes.len() - 9], encoded);
        }
    }
    let repeated = [b'a'; 21];
    let bytes = encode(OPTIONS, |encoder| encoder.string(&repeated).unwrap());
    assert_eq!(bytes[9], 0xc3);
    let plain = EncoderOptions {
        compression: false,
        ..OPTIONS
    };
    let bytes = encode(plain, |encoder| encoder.string(&repeated).unwrap());
    assert_eq!(&bytes[9..bytes.len() - 9], b"\x15aaaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn strings_larger_than_the_buffer_go_around_it() {
    let large: Vec<u8> = (0..1_000_000u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    let bytes = encode(OPTIONS, |encoder| {
        text(encoder, b"before", b"b", KeyMarks::default());
        text(encoder, b"large", &large, KeyMarks::default());
        text(encoder, b"after", b"a", KeyMarks::default());
    });
    for slice in [4096, 1 << 20, bytes.len()] {
        let items = decode(&bytes, slice, Purpose::Load).unwrap();
        assert_eq!(
            items[1],
            Owned::Text(b"large".into(), large.clone(), KeyAttributes::default())
        );
        assert_eq!(items.last(), Some(&Owned::End(ChecksumVerdict::Correct)));
    }
}

#[test]
fn every_version_up_to_12_is_read_and_others_are_refused() {
    let body = b"\xfe\x00\x00\x01k\x01v\xff";
    for version in 1..=12 {
        let mut bytes = format!("REDIS{version:04}").into_bytes();
        bytes.extend(body);
        let verdict = if version < 5 {
            ChecksumVerdict::Absent
        } else {
            bytes.extend([0; 8]);
            ChecksumVerdict::Disabled
        };
        assert_eq!(
            decode(&bytes, 5, Purpose::Load).unwrap().last(),
            Some(&Owned::End(verdict))
        );
    }
    for (header, kind) in [
        (b"REDIS0013", RdbErrorKind::UnsupportedVersion(13)),
        (b"REDIS0000", RdbErrorKind::UnsupportedVersion(0)),
        (b"REDISabcd", RdbErrorKind::UnsupportedVersion(0)),
        (b"DRAGON080", RdbErrorKind::WrongSignature),
    ] {
        let error = decode(header, 9, Purpose::Load).unwrap_err();
        assert_eq!((error.kind, error.stage), (kind, Stage::Start));
    }
    let error = decode(b"REDIS0013", 9, Purpose::Load).unwrap_err();
    assert_eq!(error.kind.to_string(), "Can't handle RDB format version 13");
}

#[test]
fn the_writer_names_the_version_it_was_told() {
    for (version, header) in [
        (Version::V9, b"REDIS0009"),
        (Version::V10, b"REDIS0010"),
        (Version::V11, b"REDIS0011"),
    ] {
        let bytes = encode(EncoderOptions { version, ..OPTIONS }, |_| {});
        assert_eq!(&bytes[..9], header);
        decode(&bytes, 100, Purpose::Load).unwrap();
    }
}

#[test]
fn a_checksum_is_compared_unless_it_is_zero_or_unwanted() {
    let end = |bytes: &[u8], verify_checksum| {
        let options = DecoderOptions {
            verify_checksum,
            ..DecoderOptions::usual(Purpose::Load)
        };
        decode_with(bytes, 11, options).map(|items| items.last().cloned())
    };
    let verdict = |verdict| Ok(Some(Owned::End(verdict)));

    let mut bytes = sample();
    assert_eq!(end(&bytes, true), verdict(ChecksumVerdict::Correct));
    assert_eq!(end(&bytes, false), verdict(ChecksumVerdict::NotVerified));
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    let error = end(&bytes, true).unwrap_err();
    assert!(matches!(error.kind, RdbErrorKind::WrongChecksum { .. }));
    assert_eq!(error.stage, Stage::CheckSum);
    assert_eq!(end(&bytes, false), verdict(ChecksumVerdict::NotVerified));

    let bytes = encode(
        EncoderOptions {
            checksum: false,
            ..OPTIONS
        },
        |_| {},
    );
    assert_eq!(end(&bytes, true), verdict(ChecksumVerdict::Disabled));
}

#[test]
fn old_expiry_in_seconds_and_the_never_of_old_writers_are_understood() {
    let bytes = b"REDIS0003\xfd\x10\x00\x00\x00\x00\x01a\x01v\
                  \xfc\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01b\x01v\xff";
    let items = decode(bytes, 1, Purpose::Load).unwrap();
    let expires = KeyAttributes {
        expire_at_ms: Some(16_000),
        ..KeyAttributes::default()
    };
    assert_eq!(items[0], Owned::Text(b"a".into(), b"v".into(), expires));
    assert_eq!(
        items[1],
        Owned::Text(b"b".into(), b"v".into(), KeyAttributes::default())
    );
}

/// A hash, data of a module, a module value, and a function library.
const FOREIGN: &[u8] = b"REDIS0011\xf5\x03lua\
    \xf7\x81\x68\x00\x00\x00\x00\x00\x00\x01\x02\x01\x05\x02hi\x00\
    \xfc\x01\x00\x00\x00\x00\x00\x00\x00\x04\x01h\x01\x01f\x01v\
    \x07\x01m\x01\x02\x05\x00\
    \xff\x00\x00\x00\x00\x00\x00\x00\x00";

#[test]
fn a_check_walks_over_values_of_every_kind() {
    let expires = KeyAttributes {
        expire_at_ms: Some(1),
        ..KeyAttributes::default()
    };
    let expected = vec![
        Owned::Function(b"lua".into()),
        Owned::ModuleAux("aAAAAAAAA".into()),
        Owned::Object(b"h".into(), "hash (listpack)".into(), expires),
        Owned::Module(b"m".into()),
        Owned::End(ChecksumVerdict::Disabled),
    ];
    for slice in [1, 5, 1000] {
        assert_eq!(decode(FOREIGN, slice, Purpose::Check).unwrap(), expected);
    }
}

#[test]
fn collections_without_members_are_told_from_others() {
    let head = [b"REDIS0011", &b"\x04\x01h\x00"[..]].concat();
    let bytes = [
        &head,
        &b"\x10\x01p\x07\x07\x00\x00\x00\x00\x00\xff\xff"[..],
        &[0; 8],
    ]
    .concat();
    let items = decode(&bytes, 3, Purpose::Load).unwrap();
    let empty = |key: &[u8]| Owned::Empty(key.into());
    assert_eq!(items[..2], [empty(b"h"), empty(b"p")]);
}

#[test]
fn a_load_stops_at_what_it_cannot_build() {
    for (record, kind) in [
        (&b"\x06\x01m\x00"[..], RdbErrorKind::PreReleaseModule),
        (
            b"\x04\x01h\x02\x01f\x01v\x01f\x01v",
            Flaw::DuplicateField.into(),
        ),
        (b"\x10\x01h\x02xy", Flaw::HashListpack.into()),
        (
            b"\x07\x01m\x00",
            RdbErrorKind::NoModuleForValue {
                module: "AAAAAAAAA".into(),
                key: Some(b"m".into()),
            },
        ),
        (
            b"\xf7\x00\x02\x00",
            RdbErrorKind::NoModuleForAux("AAAAAAAAA".into()),
        ),
        (b"\xf7\x00\x01\x00", RdbErrorKind::ModuleAuxWithoutWhen),
        (b"\xf6", RdbErrorKind::PreReleaseFunction),
        (b"\x08", RdbErrorKind::UnknownType(8)),
        (b"\xf4", RdbErrorKind::UnknownType(244)),
        (b"\xfe\x82", RdbErrorKind::UnknownLengthEncoding(0x82)),
        (b"\x00\xc9", RdbErrorKind::UnknownStringEncoding(9)),
        (b"\x00\x01k\xc3\x02\x05\x00a", RdbErrorKind::InvalidLzf),
    ] {
        for slice in [1, 100] {
            let error = decode(&[b"REDIS0011", record].concat(), slice, Purpose::Load).unwrap_err();
            assert_eq!(error.kind, kind);
        }
    }
}

#[test]
fn a_fault_names_the_key_and_the_type_it_met() {
    let new = || Decoder::new(DecoderOptions::usual(Purpose::Load));
    let mut decoder = new();
    let bytes = b"REDIS0011\x04\x03abc\x01\xc9";
    assert!(decoder.feed(bytes).next().is_err());
    assert_eq!(decoder.unfinished_type(), Some(ValueType::Hash));
    assert_eq!(decoder.unfinished_key(), Some(&b"abc"[..]));

    let mut decoder = new();
    let bytes = b"REDIS0011\x00\x03abc\x05xy";
    assert!(decoder.feed(bytes).next().unwrap().is_none());
    assert_eq!(decoder.unfinished_key(), Some(&b"abc"[..]));
    let error = decoder.unexpected_end();
    assert_eq!((error.offset, error.stage), (15, Stage::ReadValue));
}

#[test]
fn every_cut_is_an_unexpected_end() {
    for (bytes, purpose) in [
        (sample(), Purpose::Load),
        (sample(), Purpose::Check),
        (FOREIGN.to_vec(), Purpose::Check),
    ] {
        for cut in 0..bytes.len() {
            let error = decode(&bytes[..cut], 13, purpose).unwrap_err();
            assert_eq!(error.kind, RdbErrorKind::UnexpectedEnd, "cut at {cut}");
            assert!(error.offset <= cut as u64);
        }
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    for (bytes, purpose) in [
        (sample(), Purpose::Load),
        (sample(), Purpose::Check),
        (FOREIGN.to_vec(), Purpose::Check),
    ] {
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let slice = 1 + bit % 50;
            let _ = std::hint::black_box(decode_tolerating_rest(&bytes, slice, purpose));
        }
    }
}

/// As [`decode`], for bytes that may end before their last one.
fn decode_tolerating_rest(bytes: &[u8], slice: usize, purpose: Purpose) -> Result<usize, RdbError> {
    let mut decoder = Decoder::new(DecoderOptions::usual(purpose));
    let (mut used, mut given) = (0, 0);
    while !decoder.is_done() && given < bytes.len() {
        given = (given + slice).min(bytes.len());
        let mut feed = decoder.feed(&bytes[used..given]);
        while feed.next()?.is_some() {}
        used += feed.finish();
    }
    Ok(used)
}

fn any_marks() -> impl Strategy<Value = KeyMarks> {
    let usage = prop_oneof![
        Just(None),
        any::<u64>().prop_map(|seconds| Some(Usage::IdleSeconds(seconds))),
        any::<u8>().prop_map(|counter| Some(Usage::Frequency(counter))),
    ];
    // -1 stands for "never" in the format, and is no time that a key could have.
    (prop::option::of(0..i64::MAX), usage).prop_map(|(expire_at_ms, usage)| KeyMarks {
        expire_at_ms,
        usage,
    })
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        (prop::collection::vec(any::<u8>(), 1..8), 0usize..100)
            .prop_map(|(part, n)| part.repeat(n)),
        any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        any::<i16>().prop_map(|value| value.to_string().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_keys_round_trip(
        keys in prop::collection::vec((any_text(), any_text(), any_marks()), 0..20),
        slice in 1usize..300,
    ) {
        let bytes = encode(OPTIONS, |encoder| {
            for (key, value, marks) in &keys {
                text(encoder, key, value, *marks);
            }
        });
        let items = decode(&bytes, slice, Purpose::Load).unwrap();
        prop_assert_eq!(items.len(), keys.len() + 1);
        for (item, (key, value, marks)) in items.into_iter().zip(keys) {
            let item = match item {
                Owned::Int(key, value, attributes) => {
                    Owned::Text(key, value.to_string().into_bytes(), attributes)
                }
                item => item,
            };
            prop_assert_eq!(item, Owned::Text(key, value, attributes(marks)));
        }
    }

    #[test]
    fn any_bytes_are_survived(
        body in prop::collection::vec(any::<u8>(), 0..300),
        slice in 1usize..300,
        check in any::<bool>(),
    ) {
        let bytes = [b"REDIS0011", &body[..]].concat();
        let purpose = if check { Purpose::Check } else { Purpose::Load };
        let _ = decode_tolerating_rest(&bytes, slice, purpose);
    }
}
