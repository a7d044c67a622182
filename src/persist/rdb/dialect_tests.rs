//! Snapshots in the formats of Redis 7.4 and Valkey 9, put together from what is known of these.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tikv_jemalloc_ctl::thread::allocatedp;

use super::check;
use super::decoder::{DecoderOptions, Purpose, Unknown};
use super::encoder::{Encoder, EncoderOptions};
use super::error::Flaw;
use super::fill::{AccessBits, DuplicateKeys, ExpiredKeys, Fill, FillOptions};
use super::format::{ValueType, Version, length, opcode};
use super::head::holds_key;
use super::load::StreamLoader;
use super::payload::{self, PayloadError};
use super::{RdbError, RdbErrorKind, Stage};
use crate::base::crc64::Crc64;
use crate::data::listpack::{Listpack, ListpackRef};
use crate::keyspace::{Keyspace, ValueRef};

/// A moment after which nothing expires here.
const NOW_MS: i64 = 1_700_000_000_000;
/// Loading so few bytes, or damaged ones, takes no more memory than this.
const ALLOCATED_BYTES_MAX: u64 = 8 << 20;

const OPTIONS: EncoderOptions = EncoderOptions {
    version: Version::V11,
    compression: true,
    checksum: true,
};

/// The types of hashes whose fields may expire.
const REDIS_TYPES: [ValueType; 4] = [
    ValueType::HashTtlPreGa,
    ValueType::HashListpackTtlPreGa,
    ValueType::HashTtl,
    ValueType::HashListpackTtl,
];

/// A field, its value, and when it expires.
type Field<'a> = (&'a str, &'a str, Option<i64>);

/// What a snapshot consists of, one after the other.
struct Parts(Encoder<Vec<u8>>);

impl Parts {
    fn new() -> Parts {
        Parts(Encoder::bare(Vec::new(), OPTIONS))
    }

    fn raw(mut self, bytes: &[u8]) -> Parts {
        self.0.raw(bytes).unwrap();
        self
    }

    fn length(mut self, length: u64) -> Parts {
        self.0.length(length).unwrap();
        self
    }

    fn string(mut self, text: impl AsRef<[u8]>) -> Parts {
        self.0.string(text.as_ref()).unwrap();
        self
    }

    fn text(self, key: &str, value: &str) -> Parts {
        self.raw(&[ValueType::String.id()])
            .string(key)
            .string(value)
    }

    fn aux(self, name: &str, value: &str) -> Parts {
        self.raw(&[opcode::AUX]).string(name).string(value)
    }

    fn database(self, db: u64, keys: u64) -> Parts {
        let parts = self.raw(&[opcode::SELECTDB]).length(db);
        parts.raw(&[opcode::RESIZEDB]).length(keys).length(0)
    }

    /// Redis 7.4: sizes of the slot that the keys behind it are in.
    fn slot_info(self, slot: u64, keys: u64, expires: u64) -> Parts {
        let parts = self.raw(&[opcode::SLOT_INFO]);
        parts.length(slot).length(keys).length(expires)
    }

    /// Valkey 9: the name of an import of slots, and their ranges.
    fn slot_import(self, name: &str, ranges: &[(u64, u64)]) -> Parts {
        let mut parts = self.raw(&[opcode::SLOT_IMPORT]).string(name);
        parts = parts.length(ranges.len() as u64);
        for (first, last) in ranges {
            parts = parts.length(*first).length(*last);
        }
        parts
    }

    fn module_value(self, key: &str) -> Parts {
        let parts = self.raw(&[ValueType::Module2.id()]).string(key);
        parts
            .length(1 << 10)
            .length(2)
            .length(7)
            .length(5)
            .string("text")
            .length(0)
    }

    fn module_aux(self) -> Parts {
        let parts = self.raw(&[opcode::MODULE_AUX]);
        parts
            .length(1 << 10)
            .length(2)
            .length(1)
            .length(5)
            .string("text")
            .length(0)
    }

    /// A hash as this type has it.
    fn hash(self, value_type: ValueType, key: &str, fields: &[Field<'_>]) -> Parts {
        let mut parts = self.raw(&[value_type.id()]).string(key);
        let earliest_ms = fields.iter().filter_map(|field| field.2).min().unwrap_or(0);
        if matches!(value_type, ValueType::HashTtl | ValueType::HashListpackTtl) {
            parts = parts.raw(&earliest_ms.to_le_bytes());
        }
        if matches!(
            value_type,
            ValueType::HashListpackTtl | ValueType::HashListpackTtlPreGa
        ) {
            return parts.string(framed(&pack_of(fields)));
        }
        parts = parts.length(fields.len() as u64);
        for (field, value, expiry) in fields {
            parts = match value_type {
                ValueType::HashTtlValkey => {
                    let expiry = expiry.unwrap_or(-1).to_le_bytes();
                    parts.string(field).string(value).raw(&expiry)
                }
                ValueType::HashTtl => {
                    let offset = expiry.map_or(0, |at_ms| at_ms - earliest_ms + 1);
                    parts.length(offset as u64).string(field).string(value)
                }
                _ => {
                    let at_ms = expiry.unwrap_or(0);
                    parts.length(at_ms as u64).string(field).string(value)
                }
            };
        }
        parts
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_sink().unwrap()
    }

    /// The snapshot, with this header, end mark and checksum.
    fn file(self, header: &[u8]) -> Vec<u8> {
        let mut file = [header, &self.bytes(), &[opcode::EOF]].concat();
        file.extend_from_slice(&checksum_of(&file).to_le_bytes());
        file
    }
}

fn checksum_of(bytes: &[u8]) -> u64 {
    let mut checksum = Crc64::default();
    checksum.update(bytes);
    checksum.value()
}

/// Fields, values, and when they expire, where 0 is never.
fn pack_of(fields: &[Field<'_>]) -> Listpack {
    let mut pack = Listpack::new();
    for (field, value, expiry) in fields {
        pack.push_back(field.as_bytes());
        pack.push_back(value.as_bytes());
        pack.push_back(expiry.unwrap_or(0));
    }
    pack
}

/// A listpack with the lengths in front of it and the end behind it.
fn framed(pack: &Listpack) -> Vec<u8> {
    let mut encoder = Encoder::bare(
        Vec::new(),
        EncoderOptions {
            compression: false,
            ..OPTIONS
        },
    );
    encoder.listpack(pack.as_ref()).unwrap();
    let bytes = encoder.into_sink().unwrap();
    let header = match bytes[0] & length::FORM_MASK {
        length::FORM_6_BITS => 1,
        length::FORM_14_BITS => 2,
        _ => 5,
    };
    let bytes = bytes[header..].to_vec();
    assert!(ListpackRef::validate(&bytes).is_ok());
    bytes
}

/// What is there after a load.
struct Loaded {
    keyspace: Keyspace,
    unknown_keys: u64,
}

impl Loaded {
    fn hash(&self, key: &str) -> BTreeMap<String, String> {
        let entry = self.keyspace.db(0).get(key.as_bytes()).expect(key);
        let ValueRef::Hash(hash) = entry.value() else {
            panic!("{key} is no hash");
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = hash.iter();
        pairs
            .map(|(field, value)| (field.with_bytes(lossy), value.with_bytes(lossy)))
            .collect()
    }

    fn has(&self, key: &str) -> bool {
        self.keyspace.db(0).get(key.as_bytes()).is_some()
    }
}

fn load(bytes: &[u8], piece: usize, unknown: Unknown) -> Result<Loaded, RdbError> {
    let mut keyspace = Keyspace::new(16, [1, 2]);
    let mut fill = Fill::new(FillOptions {
        now_ms: NOW_MS,
        expired: ExpiredKeys::Drop,
        duplicates: DuplicateKeys::Refuse,
        access: AccessBits::Lru,
        stream_bytes: Some(bytes.len() as u64),
    });
    let mut loader = StreamLoader::new(DecoderOptions {
        unknown,
        stream_bytes: Some(bytes.len() as u64),
        ..DecoderOptions::usual(Purpose::Load)
    });
    for piece in bytes.chunks(piece) {
        let mut sink = fill.sink(&mut keyspace, |_, _| {}, |_| Ok(()));
        loader.push(piece, &mut sink)?;
    }
    if !loader.is_done() {
        return Err(loader.unexpected_end());
    }
    Ok(Loaded {
        unknown_keys: fill.unknown_keys(),
        keyspace,
    })
}

fn refused(bytes: &[u8]) -> RdbErrorKind {
    let errors = [1, 7, 1 << 20].map(|piece| match load(bytes, piece, Unknown::Refuse) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    });
    assert!(errors.iter().all(|error| *error == errors[0]));
    errors[0].kind.clone()
}

/// Every type of a hash whose fields may expire, and the header of a file that may have it.
fn types() -> impl Iterator<Item = (ValueType, &'static [u8; 9])> {
    let redis = REDIS_TYPES.map(|value_type| (value_type, b"REDIS0012"));
    redis
        .into_iter()
        .chain([(ValueType::HashTtlValkey, b"VALKEY080")])
}

const NO_TTL: [Field<'_>; 3] = [("f", "v", None), ("12", "-34", None), ("long", LONG, None)];
const LONG: &str = "a value that is longer than the sixty-four bytes that a listpack may hold here";

#[test]
fn a_hash_of_which_no_field_expires_is_a_plain_hash() {
    for (value_type, header) in types() {
        for fields in [&NO_TTL[..], &NO_TTL[..2]] {
            let parts = Parts::new().aux("redis-ver", "7.4.1").database(0, 2);
            let bytes = parts
                .hash(value_type, "h", fields)
                .text("k", "v")
                .file(header);
            for piece in [1, 9, 1 << 20] {
                let loaded = load(&bytes, piece, Unknown::Refuse).unwrap();
                let expected = fields
                    .iter()
                    .map(|(f, v, _)| (f.to_string(), v.to_string()));
                assert_eq!(loaded.hash("h"), expected.collect(), "{value_type:?}");
                assert!(loaded.has("k"));
                assert_eq!(loaded.unknown_keys, 0);
            }
        }
    }
}

#[test]
fn a_hash_with_more_fields_than_a_listpack_takes_is_loaded() {
    let names: Vec<String> = (0..2000).map(|n| format!("field:{n}")).collect();
    let fields: Vec<Field<'_>> = names.iter().map(|name| (&**name, "v", None)).collect();
    for (value_type, header) in types() {
        let bytes = Parts::new().hash(value_type, "h", &fields).file(header);
        let loaded = load(&bytes, 1000, Unknown::Refuse).unwrap();
        assert_eq!(loaded.hash("h").len(), fields.len());
    }
}

#[test]
fn a_hash_with_a_field_that_expires_is_refused_by_name_or_skipped_whole() {
    for (value_type, header) in types() {
        for at in 0..NO_TTL.len() {
            let mut fields = NO_TTL;
            fields[at].2 = Some(NOW_MS + 60_000);
            let parts = Parts::new()
                .text("before", "1")
                .hash(value_type, "the hash", &fields);
            let bytes = parts.text("after", "2").file(header);
            let key = b"the hash".to_vec();
            assert_eq!(refused(&bytes), RdbErrorKind::FieldExpiry { key });
            let loaded = load(&bytes, 3, Unknown::Skip).unwrap();
            assert_eq!(loaded.unknown_keys, 1);
            assert!(loaded.has("before") && loaded.has("after") && !loaded.has("the hash"));
        }
    }
}

#[test]
fn what_is_known_of_a_skipped_key_is_not_said_of_the_next_one() {
    let mut fields = NO_TTL;
    fields[0].2 = Some(NOW_MS + 60_000);
    let mut parts = Parts::new()
        .raw(&[opcode::EXPIRETIME_MS])
        .raw(&[1, 0, 0, 0, 0, 0, 0, 0]);
    parts = parts.hash(ValueType::HashTtl, "h", &fields).text("k", "v");
    let loaded = load(&parts.file(b"REDIS0012"), 5, Unknown::Skip).unwrap();
    assert!(loaded.has("k") && !loaded.has("h"));
}

#[test]
fn modules_and_imports_of_slots_are_refused_or_counted() {
    let parts = Parts::new()
        .module_aux()
        .database(0, 2)
        .module_value("m")
        .text("k", "v");
    let bytes = parts.file(b"REDIS0012");
    assert!(matches!(refused(&bytes), RdbErrorKind::NoModuleForAux(_)));
    let loaded = load(&bytes, 4, Unknown::Skip).unwrap();
    assert!(loaded.has("k") && !loaded.has("m"));
    assert_eq!(loaded.unknown_keys, 1);

    let error = refused(&Parts::new().module_value("m").file(b"REDIS0012"));
    assert!(error.to_string().contains("of key 'm'"), "{error}");

    let parts = Parts::new().slot_import(&"a".repeat(40), &[(1, 5), (7, 16383)]);
    let bytes = parts.text("k", "v").file(b"VALKEY080");
    assert_eq!(refused(&bytes), RdbErrorKind::SlotImport);
    let loaded = load(&bytes, 2, Unknown::Skip).unwrap();
    assert!(loaded.has("k"));
    assert!(holds_key(&*bytes).unwrap());
}

#[test]
fn sizes_of_slots_are_passed_over() {
    let parts = || Parts::new().database(0, 1).slot_info(93, 1, u64::MAX);
    for header in [b"REDIS0012", b"VALKEY080"] {
        let bytes = parts().text("k", "v").file(header);
        assert!(load(&bytes, 1, Unknown::Refuse).unwrap().has("k"));
        assert!(holds_key(&*bytes).unwrap());
        assert!(!holds_key(&*parts().file(header)).unwrap());
    }
    let kind = RdbErrorKind::UnknownType(opcode::SLOT_INFO);
    assert_eq!(refused(&parts().file(b"REDIS0011")), kind);
}

#[test]
fn a_number_means_what_its_file_means_by_it() {
    for (value_type, header) in types() {
        let of = |header| Parts::new().hash(value_type, "h", &NO_TTL).file(header);
        let kind = RdbErrorKind::UnknownType(value_type.id());
        assert_eq!(refused(&of(b"REDIS0011")), kind);
        if header == b"REDIS0012" && value_type.id() != 22 {
            assert_eq!(refused(&of(b"VALKEY080")), kind);
        }
    }
    // What nobody knows the length of cannot be skipped.
    for unknown in [26, 100, 242] {
        let bytes = Parts::new().raw(&[unknown]).file(b"VALKEY080");
        let error = load(&bytes, 100, Unknown::Skip)
            .err()
            .expect("no length is known");
        assert_eq!(error.kind, RdbErrorKind::UnknownType(unknown));
    }
}

#[test]
fn flaws_of_hashes_are_found_in_every_form() {
    for (value_type, header) in types() {
        let fields = [("f", "v", None), ("f", "w", None)];
        let bytes = Parts::new().hash(value_type, "h", &fields).file(header);
        assert_eq!(refused(&bytes), Flaw::DuplicateField.into());
        let bytes = Parts::new()
            .hash(value_type, "h", &[])
            .text("k", "v")
            .file(header);
        let loaded = load(&bytes, 100, Unknown::Refuse).unwrap();
        assert!(loaded.has("k") && !loaded.has("h"));
    }
    let mut uneven = pack_of(&NO_TTL);
    uneven.push_back(b"f".as_slice());
    let mut no_time = Listpack::new();
    for text in ["f", "v", "soon"] {
        no_time.push_back(text.as_bytes());
    }
    for pack in [framed(&uneven), framed(&no_time), b"no listpack".to_vec()] {
        let parts = Parts::new()
            .raw(&[ValueType::HashListpackTtl.id()])
            .string("h");
        let bytes = parts.raw(&[0; 8]).string(pack).file(b"REDIS0012");
        assert_eq!(refused(&bytes), Flaw::HashListpack.into());
    }
}

#[test]
fn a_check_finds_what_a_load_would_refuse() {
    let report_of = |bytes: &[u8]| {
        let mut report = Vec::new();
        let is_sound = check::check(bytes, NOW_MS, &mut report).unwrap();
        (is_sound, String::from_utf8(report).unwrap())
    };
    let (is_sound, report) = report_of(
        &Parts::new()
            .slot_info(1, 1, 0)
            .hash(ValueType::HashTtl, "h", &NO_TTL)
            .file(b"REDIS0012"),
    );
    assert!(is_sound && report.contains("Checksum OK"), "{report}");
    let fields = [("f", "v", Some(NOW_MS))];
    for (value_type, header) in types() {
        let bytes = Parts::new()
            .hash(value_type, "the hash", &fields)
            .file(header);
        let (is_sound, report) = report_of(&bytes);
        assert!(
            !is_sound && report.contains("Reading key 'the hash'"),
            "{report}"
        );
    }
}

/// What the reference, which knows of no newer version, does with a value of one.
#[test]
fn payloads_of_newer_versions_are_refused() {
    let limits = super::build::BuildLimits::usual();
    let restore = |version: u16, value: Parts| {
        let mut payload = [&value.bytes()[..], &version.to_le_bytes()].concat();
        payload.extend_from_slice(&checksum_of(&payload).to_le_bytes());
        payload::restore(&payload, &limits, true).map(|_| ()).err()
    };
    let text = || Parts::new().raw(&[ValueType::String.id()]).string("v");
    assert_eq!(restore(11, text()), None);
    for version in [12, 80] {
        assert_eq!(restore(version, text()), Some(PayloadError::Footer));
    }
    let hash = Parts::new().raw(&[22]).length(0);
    let kind = RdbErrorKind::UnknownType(22);
    assert_eq!(restore(11, hash), Some(PayloadError::Value(kind)));
}

/// A file of each dialect with something of everything.
fn samples() -> [Vec<u8>; 2] {
    let mut fields = NO_TTL;
    fields[1].2 = Some(NOW_MS + 1);
    let mut redis = Parts::new()
        .module_aux()
        .database(0, 9)
        .slot_info(1, 9, 1)
        .module_value("m");
    for value_type in REDIS_TYPES {
        let name = format!("plain {value_type:?}");
        redis = redis.hash(value_type, &name, &NO_TTL);
        redis = redis.hash(value_type, &name.replace("plain", "timed"), &fields);
    }
    let mut valkey = Parts::new().slot_import("name", &[(1, 2)]).database(0, 2);
    valkey = valkey.hash(ValueType::HashTtlValkey, "plain", &NO_TTL);
    valkey = valkey.hash(ValueType::HashTtlValkey, "timed", &fields);
    [redis.file(b"REDIS0012"), valkey.file(b"VALKEY080")]
}

#[test]
fn every_cut_is_an_unexpected_end() {
    for bytes in samples() {
        assert!(load(&bytes, 11, Unknown::Skip).is_ok());
        for cut in 0..bytes.len() {
            let error = load(&bytes[..cut], 11, Unknown::Skip)
                .err()
                .expect("it is cut");
            assert_eq!(error.kind, RdbErrorKind::UnexpectedEnd, "cut at {cut}");
        }
    }
}

/// Bytes that this thread allocates meanwhile.
fn allocated_by(run: impl FnOnce()) -> u64 {
    let allocated = allocatedp::read().expect("the figures of jemalloc");
    let before = allocated.get();
    run();
    allocated.get() - before
}

#[test]
fn every_flipped_bit_is_survived_in_little_memory() {
    for bytes in samples() {
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            for unknown in [Unknown::Skip, Unknown::Refuse] {
                let spent = allocated_by(|| drop(load(&bytes, 1 + bit % 50, unknown)));
                assert!(spent < ALLOCATED_BYTES_MAX, "{spent} bytes for bit {bit}");
            }
        }
    }
}

#[test]
fn lengths_that_lie_reserve_nothing() {
    const HUGE: u64 = u64::MAX - 1;
    let start = |id: u8| Parts::new().raw(&[id]).string("h");
    let lies = [
        (b"REDIS0012", start(22).length(HUGE)),
        (b"REDIS0012", start(24).raw(&[0; 8]).length(HUGE)),
        (
            b"REDIS0012",
            start(25).raw(&[0; 8]).raw(&[0x81]).raw(&HUGE.to_be_bytes()),
        ),
        (
            b"REDIS0012",
            start(23).raw(&[0xc3]).length(4).length(HUGE).raw(b"abcd"),
        ),
        (b"VALKEY080", start(22).length(HUGE)),
        (
            b"VALKEY080",
            Parts::new()
                .raw(&[opcode::SLOT_IMPORT])
                .string("n")
                .length(HUGE),
        ),
    ];
    for (header, parts) in lies {
        let bytes = parts.file(header);
        let spent = allocated_by(|| {
            let error = load(&bytes, 10, Unknown::Skip).err().expect("it lies");
            assert_ne!(error.stage, Stage::Start);
            let _ = holds_key(&*bytes);
        });
        assert!(spent < ALLOCATED_BYTES_MAX, "{spent} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        body in prop::collection::vec(any::<u8>(), 0..300),
        first in prop::sample::select(vec![22u8, 23, 24, 25, 243, 244]),
        piece in 1usize..300,
        is_valkey in any::<bool>(),
    ) {
        let header = if is_valkey { b"VALKEY080" } else { b"REDIS0012" };
        let bytes = [header, &[first, 1, b'k'][..], &body].concat();
        let _ = load(&bytes, piece, Unknown::Skip);
        let _ = holds_key(&*bytes);
    }
}
