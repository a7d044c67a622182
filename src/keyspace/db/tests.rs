//! A database against a model of it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::super::collection::Collection;
#[cfg(not(system_allocator))]
use super::super::collection::{Parts, PartsRef};
use super::super::kind::{Encoding, Type};
use super::super::value::StringRef;
use super::*;
use crate::base::rng::Rng;
use crate::data::hash::Hash;
use crate::data::list::{List, ListRef};
#[cfg(not(system_allocator))]
use crate::sys::process::{self, Exit, ForkResult};

fn db() -> Db {
    Db::new(KeyHasher::from_seed([3, 4]))
}

#[derive(Clone, Debug, PartialEq)]
struct Model {
    text: Vec<u8>,
    expire: Option<i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Set(u16, Vec<u8>, Option<i64>),
    SetKeepTtl(u16, Vec<u8>),
    SetExpire(u16, Option<i64>),
    Append(u16, Vec<u8>),
    SetInt(u16, i64),
    Remove(u16),
    Rename(u16, u16),
    Sweep(i64),
    Hold(bool),
    Clear,
}

fn key(number: u16) -> Vec<u8> {
    let mut key = format!("key:{number}").into_bytes();
    if number.is_multiple_of(50) {
        key.resize(65_530 + usize::from(number / 50), b'.');
    }
    key
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..80),
        (any::<u8>(), 3_900..4_200usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..200u16;
    let expire = || prop::option::of(1..1_000i64);
    prop_oneof![
        8 => (number(), text(), expire()).prop_map(|(n, t, e)| Step::Set(n, t, e)),
        2 => (number(), text()).prop_map(|(n, t)| Step::SetKeepTtl(n, t)),
        4 => (number(), expire()).prop_map(|(n, e)| Step::SetExpire(n, e)),
        3 => (number(), text()).prop_map(|(n, t)| Step::Append(n, t)),
        2 => (number(), any::<i64>()).prop_map(|(n, i)| Step::SetInt(n, i)),
        5 => number().prop_map(Step::Remove),
        3 => (number(), number()).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (0..1_000i64).prop_map(Step::Sweep),
        1 => any::<bool>().prop_map(Step::Hold),
        1 => Just(Step::Clear),
    ]
}

/// Applies a step to both, and compares what they answer.
fn apply(db: &mut Db, model: &mut BTreeMap<u16, Model>, step: Step) {
    match step {
        Step::Set(n, text, expire) => {
            db.set(&key(n), NewValue::from_bytes_auto(&text), expire);
            model.insert(n, Model { text, expire });
        }
        Step::SetKeepTtl(n, text) => {
            db.set_keep_ttl(&key(n), NewValue::from_vec_auto(text.clone()));
            let expire = model.get(&n).and_then(|value| value.expire);
            model.insert(n, Model { text, expire });
        }
        Step::SetExpire(n, expire) => {
            let known = model.get_mut(&n).map(|value| value.expire = expire);
            assert_eq!(db.set_expire(&key(n), expire), known.is_some());
        }
        Step::Append(n, text) => {
            let string = db.string_mut(&key(n));
            let known = model.get_mut(&n);
            assert_eq!(string.is_some(), known.is_some());
            if let (Some(string), Some(known)) = (string, known) {
                string.extend_from_slice(&text);
                known.text.extend_from_slice(&text);
            }
        }
        Step::SetInt(n, int) => {
            if db
                .get_mut(&key(n))
                .is_some_and(|mut entry| entry.set_int(int))
            {
                model.get_mut(&n).unwrap().text = int.to_string().into_bytes();
            }
        }
        Step::Remove(n) => {
            let removed = db.remove(&key(n));
            let removed = removed.map(|entry| entry.entry().string().bytes().into_owned());
            assert_eq!(removed, model.remove(&n).map(|value| value.text));
        }
        Step::Rename(a, b) => {
            assert_eq!(db.rename(&key(a), &key(b)), model.contains_key(&a));
            if let Some(value) = model.remove(&a) {
                model.insert(b, value);
            }
        }
        Step::Sweep(now) => {
            db.sweep(1_000, now, &mut |entry| {
                assert!(entry.entry().expire_at_ms().unwrap() < now);
            });
            db.sweep(1_000, now, &mut |_| {});
            model.retain(|_, value| value.expire.is_none_or(|at| at >= now));
        }
        Step::Hold(hold) => {
            db.hold_growth(hold);
            db.settle(2);
        }
        Step::Clear => {
            assert_eq!(db.clear().len(), model.len());
            model.clear();
        }
    }
}

fn compare(db: &Db, model: &BTreeMap<u16, Model>) {
    assert_eq!(db.len(), model.len());
    let expiring = model
        .values()
        .filter(|value| value.expire.is_some())
        .count();
    assert_eq!(db.expires_len(), expiring);
    for (&n, value) in model {
        let entry = db.get(&key(n)).expect("the model has it");
        assert_eq!(entry.key(), key(n));
        assert_eq!(entry.string().bytes().as_ref(), value.text);
        assert_eq!(entry.expire_at_ms(), value.expire);
    }
    assert_eq!(db.iter().count(), model.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]

    #[test]
    fn a_database_does_what_its_model_does(steps in prop::collection::vec(step(), 1..300)) {
        let mut db = db();
        let mut model = BTreeMap::new();
        for step in steps {
            apply(&mut db, &mut model, step);
        }
        compare(&db, &model);
    }
}

#[test]
fn encodings_follow_what_was_done() {
    let mut db = db();
    let encoding = |db: &Db| db.get(b"k").unwrap().encoding();
    db.set(b"k", NewValue::from_bytes_auto(b"10"), None);
    assert_eq!(encoding(&db), Encoding::Int);
    db.string_mut(b"k").unwrap().push(b'1');
    assert_eq!(encoding(&db), Encoding::Raw);
    assert_eq!(db.get(b"k").unwrap().string(), StringRef::Bytes(b"101"));
    db.set(b"k", NewValue::from_bytes_auto(&[b'x'; 44]), None);
    assert_eq!(encoding(&db), Encoding::Embstr);
    db.set(b"k", NewValue::from_bytes_auto(&[b'x'; 45]), None);
    assert_eq!(encoding(&db), Encoding::Raw);
    db.set(b"k", NewValue::RawBytes(b"short"), None);
    assert_eq!(encoding(&db), Encoding::Raw);
}

#[test]
fn an_entry_inserted_over_another_is_given_back() {
    let mut db = db();
    db.set(b"k", NewValue::Int(1), Some(5));
    let copy = db.get(b"k").unwrap().duplicate(b"k");
    let copy = db.insert(copy).expect_err("the key is taken");
    db.remove(b"k");
    assert_eq!(db.insert(copy).unwrap().expire_at_ms(), Some(5));
    assert_eq!(db.expires_len(), 1);
}

#[test]
fn renaming_a_key_to_itself_changes_nothing() {
    let mut db = db();
    assert!(!db.rename(b"k", b"k"));
    db.set(b"k", NewValue::Int(1), None);
    assert!(db.rename(b"k", b"k"));
    assert_eq!(db.get(b"k").unwrap().string(), StringRef::Int(1));
}

#[test]
fn access_bits_are_born_with_the_key_and_survive_overwriting() {
    let mut db = db();
    db.set_new_access(7);
    assert_eq!(db.set(b"k", NewValue::Int(1), None).access(), 7);
    db.set_new_access(8);
    assert_eq!(
        db.set(b"k", NewValue::Bytes(b"longer than before"), Some(1))
            .access(),
        7
    );
    db.get(b"k").unwrap().set_access(9);
    assert_eq!(db.set_keep_ttl(b"k", NewValue::Int(1)).access(), 9);
}

#[test]
fn prefetching_is_harmless_whatever_is_there() {
    let mut db = db();
    db.prefetch_bucket(db.hash(b"k"));
    db.prefetch_entry(db.hash(b"k"));
    db.set(b"k", NewValue::Int(1), None);
    for key in [b"k", b"l"] {
        db.prefetch_bucket(db.hash(key));
        db.prefetch_entry(db.hash(key));
    }
}

#[test]
fn random_keys_come_from_the_right_table() {
    let mut db = db();
    let mut rng = Rng::from_seed(1);
    assert!(db.random(&mut rng).is_none());
    for n in 0..100 {
        db.set(&key(n), NewValue::Int(1), (n < 10).then_some(5));
    }
    for _ in 0..1_000 {
        assert!(db.random(&mut rng).is_some());
        let expiring = db.random_expiring(&mut rng).unwrap();
        assert_eq!(expiring.expire_at_ms(), Some(5));
    }
}

#[test]
fn a_scan_lends_each_entry_once() {
    let mut db = db();
    for n in 0..1_000 {
        db.set(&key(n), NewValue::Int(i64::from(n)), None);
    }
    let (mut cursor, mut sum) = (0, 0);
    loop {
        cursor = db.scan(cursor, 10, &mut |entry| match entry.string() {
            StringRef::Int(int) => sum += int,
            StringRef::Bytes(_) => unreachable!("all values are integers"),
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(sum, 999 * 1_000 / 2);
}

/// The elements of a list.
fn elements(db: &Db, key: &[u8]) -> Vec<Vec<u8>> {
    match db.get(key).unwrap().collection::<List>() {
        Some(ListRef::Packed(packed)) => packed.iter().map(|element| element.to_vec()).collect(),
        _ => panic!("not a packed list"),
    }
}

/// Appends to a list.
fn push(db: &mut Db, key: &[u8], element: &[u8]) {
    let mut edit = db.edit_or_new::<List>(key, |_| {}).unwrap();
    match &mut *edit {
        List::Packed(packed) => packed.push_back(element),
        List::Quick(_) => panic!("too large"),
    };
}

#[test]
fn collections_come_and_go_with_their_members() {
    let mut db = db();
    drop(db.edit_or_new::<List>(b"k", |_| {}).unwrap());
    assert!(!db.contains(b"k"), "a new one without members gets no key");
    push(&mut db, b"k", b"one");
    db.set_expire(b"k", Some(5000));
    push(&mut db, b"k", b"2");
    assert_eq!(elements(&db, b"k"), [b"one".to_vec(), b"2".to_vec()]);
    let entry = db.get(b"k").unwrap();
    assert_eq!(
        (entry.type_(), entry.encoding()),
        (Type::List, Encoding::Listpack)
    );
    assert_eq!(entry.expire_at_ms(), Some(5000));
    assert!(entry.collection::<Hash>().is_none());
    assert_eq!(db.edit::<Hash>(b"k", |_| {}).err(), Some(WrongType));
    let mut edit = db.edit::<List>(b"k", |_| {}).unwrap().unwrap();
    *edit = List::empty();
    assert!(edit.finish());
    assert_eq!((db.len(), db.expires_len()), (0, 0));
    assert!(db.edit::<List>(b"k", |_| {}).unwrap().is_none());
}

#[test]
fn packed_collections_move_out_of_the_entry_and_back() {
    let mut db = db();
    let long = [b'x'; 200];
    for n in 1..=8 {
        push(&mut db, b"k", &long);
        assert_eq!(elements(&db, b"k"), vec![long.to_vec(); n]);
    }
    db.rename(b"k", b"other");
    let copy = db.get(b"other").unwrap().duplicate(b"copy");
    db.insert(copy).unwrap();
    for n in (0..8).rev() {
        let mut edit = db.edit::<List>(b"other", |_| {}).unwrap().unwrap();
        if let List::Packed(packed) = &mut *edit {
            packed.remove_range(0, 1);
        }
        assert_eq!(edit.finish(), n == 0);
        if n > 0 {
            assert_eq!(elements(&db, b"other"), vec![long.to_vec(); n]);
        }
    }
    assert_eq!(elements(&db, b"copy"), vec![long.to_vec(); 8]);
    db.set(b"copy", NewValue::Bytes(b"now a string"), None);
    assert_eq!(db.get(b"copy").unwrap().type_(), Type::String);
}

#[test]
fn only_a_string_can_be_borrowed_as_one() {
    let mut db = db();
    push(&mut db, b"k", b"an element");
    assert!(catch_unwind(AssertUnwindSafe(|| db.string_mut(b"k").is_some())).is_err());
    assert_eq!(elements(&db, b"k"), [b"an element"]);
}

// Leaks on purpose, which those who watch the heap cannot know.
#[cfg(not(system_allocator))]
#[test]
fn a_leaked_edit_costs_the_value_and_nothing_else() {
    for n in [1, 100] {
        let mut db = db();
        (0..n).for_each(|_| push(&mut db, b"k", &[b'x'; 200]));
        std::mem::forget(db.edit::<List>(b"k", |_| {}).unwrap().unwrap());
        assert_eq!(db.get(b"k").unwrap().key(), b"k");
        db.set(b"k", NewValue::Bytes(b"new"), None);
        assert_eq!(db.get(b"k").unwrap().string(), StringRef::Bytes(b"new"));
    }
}

/// A collection that cannot be put back.
#[cfg(not(system_allocator))]
struct Stubborn;

#[cfg(not(system_allocator))]
impl Collection for Stubborn {
    const TYPE: Type = Type::List;
    type Ref<'a> = ();

    fn empty() -> Stubborn {
        Stubborn
    }

    fn is_vacant(&self) -> bool {
        false
    }

    fn encoding(&self) -> Encoding {
        panic!("a collection that cannot be put back")
    }

    fn into_parts(self) -> Parts {
        unreachable!("it is asked for its encoding before")
    }

    fn from_parts(_: Encoding, _: Parts) -> Stubborn {
        Stubborn
    }

    fn view(_: Encoding, _: PartsRef<'_>) {}
}

// Ends a child with all that it has, which is a leak to those who watch the heap.
#[cfg(not(system_allocator))]
#[test]
fn a_panic_halfway_through_a_change_leaves_nobody_to_see_the_database() {
    let ended = match process::fork().unwrap() {
        ForkResult::Parent { child } => process::wait_for(child).unwrap(),
        ForkResult::Child => {
            let mut db = db();
            push(&mut db, b"k", b"an element");
            std::panic::set_hook(Box::new(|_| {}));
            let change = || drop(db.edit::<Stubborn>(b"k", |_| {}));
            let _ = catch_unwind(AssertUnwindSafe(change));
            process::exit_now(0)
        }
    };
    assert_eq!(ended, Exit::Signal(6));
}
