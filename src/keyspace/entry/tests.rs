//! Every form of entry through every change it can undergo.

use std::panic::catch_unwind;

use super::*;
use crate::keyspace::value::{EMBSTR_LEN_MAX, NewValue};

const EMBEDDED: usize = EMBEDDED_LEN_MAX;

/// One value of each form and encoding.
fn values() -> Vec<NewValue<'static>> {
    static LONG: [u8; EMBEDDED + 1] = [b'l'; EMBEDDED + 1];
    let long = &LONG[..];
    vec![
        NewValue::Int(i64::MIN),
        NewValue::Bytes(b""),
        NewValue::Bytes(b"short"),
        NewValue::RawBytes(b"short"),
        NewValue::Bytes(&long[..100]),
        NewValue::Bytes(&long[..EMBEDDED]),
        NewValue::Bytes(long),
        NewValue::Owned(b"short".to_vec()),
        NewValue::Owned(long.to_vec()),
    ]
}

/// What an entry with this value must look like.
fn expected(value: &NewValue<'_>) -> (Encoding, Vec<u8>) {
    let by_len = |bytes: &[u8]| match bytes.len() {
        0..=EMBSTR_LEN_MAX => (Encoding::Embstr, bytes.to_vec()),
        _ => (Encoding::Raw, bytes.to_vec()),
    };
    match value {
        NewValue::Int(int) => (Encoding::Int, int.to_string().into_bytes()),
        NewValue::Bytes(bytes) => by_len(bytes),
        NewValue::RawBytes(bytes) => (Encoding::Raw, bytes.to_vec()),
        NewValue::Owned(bytes) => by_len(bytes),
        NewValue::Object(_) | NewValue::Packed { .. } => {
            unreachable!("these tests are about strings")
        }
    }
}

fn check(entry: &OwnedEntry, key: &[u8], value: &NewValue<'_>, expire: Option<i64>) {
    let entry = entry.entry();
    let (encoding, text) = expected(value);
    assert_eq!(entry.key(), key);
    assert_eq!(entry.type_(), Type::String);
    assert_eq!(entry.encoding(), encoding);
    assert_eq!(entry.string().bytes().as_ref(), text);
    assert_eq!(entry.string_len(), text.len());
    assert_eq!(entry.expire_at_ms(), expire);
    assert_eq!(entry.access(), 0xabcdef);
}

fn keys() -> Vec<Vec<u8>> {
    [0, 1, 16, 100, 65_534, 65_535, 70_000]
        .map(|len| vec![b'k'; len])
        .to_vec()
}

const EXPIRIES: [Option<i64>; 3] = [None, Some(1), Some(i64::MAX)];

#[test]
fn every_value_replaces_every_other_under_every_expiry() {
    for key in [b"k".to_vec(), vec![b'k'; 70_000]] {
        for old in values() {
            for new in values() {
                for (before, after) in EXPIRIES.into_iter().zip([Some(2), None, Some(3)]) {
                    let entry = OwnedEntry::new(&key, old.clone(), before, 0xabcdef);
                    check(&entry, &key, &old, before);
                    let entry = entry.with_value(new.clone(), after);
                    check(&entry, &key, &new, after);
                }
            }
        }
    }
}

#[test]
fn an_expiry_comes_and_goes_without_touching_the_rest() {
    for key in keys() {
        for value in values() {
            let mut entry = OwnedEntry::new(&key, value.clone(), None, 0xabcdef);
            for expire in [Some(7), Some(8), None, None, Some(-9), None] {
                entry = entry.with_expire(expire);
                check(&entry, &key, &value, expire);
            }
        }
    }
}

#[test]
fn an_entry_can_be_renamed_and_duplicated() {
    for from in keys() {
        for to in keys() {
            for value in values() {
                let entry = OwnedEntry::new(&from, value.clone(), Some(5), 0xabcdef);
                check(&entry.entry().duplicate(&to), &to, &value, Some(5));
                check(&entry.with_key(&to), &to, &value, Some(5));
            }
        }
    }
}

#[test]
fn a_growable_string_keeps_its_text_and_becomes_raw() {
    for value in values() {
        let mut entry = OwnedEntry::new(b"key", value.clone(), Some(5), 0xabcdef).growable();
        let (_, mut text) = expected(&value);
        assert_eq!(entry.entry().encoding(), Encoding::Raw);
        assert_eq!(entry.entry().string(), StringRef::Bytes(&text));
        let string = entry.entry_mut().into_string_mut().unwrap();
        string.extend_from_slice(&[b'x'; 10_000]);
        text.extend_from_slice(&[b'x'; 10_000]);
        assert_eq!(entry.entry().string(), StringRef::Bytes(&text));
        assert_eq!(entry.entry().expire_at_ms(), Some(5));
        entry = entry.with_value(NewValue::Int(1), None);
        check(&entry, b"key", &NewValue::Int(1), None);
    }
}

#[test]
fn a_long_argument_is_moved_not_copied() {
    let argument = vec![b'a'; 100_000];
    let address = argument.as_ptr();
    let entry = OwnedEntry::new(b"k", NewValue::Owned(argument), None, 0);
    let entry = entry.with_expire(Some(1)).with_key(b"other");
    let StringRef::Bytes(bytes) = entry.entry().string() else {
        panic!("a string of letters is not an integer")
    };
    assert_eq!(bytes.as_ptr(), address);
}

#[test]
fn a_value_of_the_same_size_class_stays_in_place() {
    let mut entry = OwnedEntry::new(b"sixteen byte key", NewValue::Bytes(&[b'v'; 32]), None, 0);
    let address = entry.address();
    for len in [25, 32, 28] {
        entry = entry.with_value(NewValue::Bytes(&[b'w'; 32][..len]), None);
        assert!(entry.address() == address);
    }
    entry = entry.with_value(NewValue::Bytes(&[b'w'; 33]), None);
    assert_eq!(entry.entry().memory_usage(), 64);
}

#[test]
fn memory_is_counted_by_size_class() {
    let usage = |key: &[u8], value, expire| {
        let entry = OwnedEntry::new(key, value, expire, 0);
        entry.entry().memory_usage()
    };
    let key = b"key:000000000001";
    assert_eq!(usage(key, NewValue::Bytes(&[b'v'; 32]), None), 56);
    assert_eq!(usage(key, NewValue::Bytes(&[b'v'; 32]), Some(1)), 64);
    assert_eq!(usage(key, NewValue::Int(1), None), 32);
    assert_eq!(usage(key, NewValue::Owned(vec![0; 8192]), None), 48 + 8192);
}

#[test]
fn integers_change_in_place_and_nothing_else_does() {
    let mut entry = OwnedEntry::new(b"k", NewValue::Int(1), Some(2), 0xabcdef);
    assert!(entry.entry_mut().set_int(-5));
    check(&entry, b"k", &NewValue::Int(-5), Some(2));
    let mut entry = entry.with_value(NewValue::Bytes(b"1"), None);
    assert!(!entry.entry_mut().set_int(-5));
}

#[test]
fn an_encoding_that_does_not_suit_the_value_is_a_name_and_no_more() {
    let packed = NewValue::Packed {
        type_: Type::Hash,
        encoding: Encoding::Int,
        bytes: b"",
    };
    let mut entry = OwnedEntry::new(b"", packed, None, 0);
    assert!(!entry.entry_mut().set_int(-1));
    assert_eq!(entry.entry().encoding(), Encoding::Int);
}

/// A collection that claims to be of one type and is taken apart into the box of another.
struct Impostor;

impl Collection for Impostor {
    const TYPE: Type = Type::Hash;
    type Ref<'a> = ();

    fn empty() -> Impostor {
        Impostor
    }

    fn is_vacant(&self) -> bool {
        false
    }

    fn encoding(&self) -> Encoding {
        Encoding::Hashtable
    }

    fn into_parts(self) -> Parts {
        Parts::Boxed(Boxed::Stream(Box::default()))
    }

    fn from_parts(_: Encoding, _: Parts) -> Impostor {
        Impostor
    }

    fn view(_: Encoding, _: PartsRef<'_>) {}
}

#[test]
fn a_box_is_only_kept_under_its_own_type() {
    let as_new = || OwnedEntry::new(b"k", NewValue::Object(Impostor.into()), None, 0);
    assert!(catch_unwind(as_new).is_err());
    let as_change = || {
        let entry = OwnedEntry::new(b"k", NewValue::Bytes(b"v"), None, 0);
        entry.with_collection(Impostor, &mut Vec::new())
    };
    assert!(catch_unwind(as_change).is_err());
}

#[test]
fn only_a_string_is_made_growable() {
    let hash = || OwnedEntry::new(b"k", NewValue::Object(Hash::new().into()), None, 0);
    assert!(catch_unwind(|| hash().growable()).is_err());
}

#[test]
fn access_bits_change_alone() {
    let entry = OwnedEntry::new(b"k", NewValue::Bytes(b"v"), Some(2), 1);
    let view = entry.entry();
    let key = view.key();
    view.set_access(0xabcdef);
    assert_eq!(key, b"k");
    check(&entry, b"k", &NewValue::Bytes(b"v"), Some(2));
}
