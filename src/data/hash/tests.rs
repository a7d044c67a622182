//! Hashes against a map, over both forms, and the thresholds between them.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;

fn limits(max_listpack_entries: usize, max_listpack_value: usize) -> HashLimits {
    HashLimits {
        max_listpack_entries,
        max_listpack_value,
        hasher: KeyHasher::from_seed([1, 2]),
    }
}

fn is_table(hash: &Hash) -> bool {
    matches!(hash, Hash::Table(_))
}

/// A hash of `len` fields in the form that these limits give it.
fn numbered(len: usize, limits: &HashLimits) -> Hash {
    let mut hash = Hash::new();
    for n in 0..len {
        assert!(hash.set(
            format!("f{n}").as_bytes(),
            format!("v{n}").as_bytes(),
            limits
        ));
    }
    hash
}

fn owned(pair: Pair<'_>) -> (Vec<u8>, Vec<u8>) {
    (pair.0.to_vec(), pair.1.to_vec())
}

/// Texts that are integers, spelled in the canonical way or not, and others.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-40..40i64).prop_map(|n| n.to_string().into_bytes()),
        2 => (0..30usize).prop_map(|n| format!("0{n}").into_bytes()),
        4 => (0..80usize).prop_map(|n| vec![b'x'; n]),
    ]
}

proptest! {
    #[test]
    fn a_hash_is_a_map(
        steps in prop::collection::vec((0..10u8, word(), word()), 1..300),
        max_listpack_entries in 0..60usize,
    ) {
        let limits = limits(max_listpack_entries, 64);
        let mut hash = Hash::new();
        let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for (what, field, value) in steps {
            if what < 7 {
                let is_new = model.insert(field.clone(), value.clone()).is_none();
                prop_assert_eq!(hash.set(&field, &value, &limits), is_new);
            } else {
                prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            }
            let view = hash.as_ref();
            prop_assert_eq!(view.len(), model.len());
            prop_assert_eq!(view.is_empty(), model.is_empty());
            prop_assert_eq!(view.get(&field).map(Element::to_vec), model.get(&field).cloned());
            prop_assert_eq!(view.contains(&field), model.contains_key(&field));
        }
        let all: HashMap<_, _> = hash.as_ref().iter().map(owned).collect();
        prop_assert_eq!(&all, &model);
        let copy: HashMap<_, _> = hash.clone().as_ref().iter().map(owned).collect();
        prop_assert_eq!(&copy, &model);
        let mut scanned = HashMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.as_ref().scan(cursor, 7, &mut |pair| {
                scanned.insert(pair.0.to_vec(), pair.1.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&scanned, &model);
    }
}

#[test]
fn one_field_too_many_makes_a_table_and_nothing_makes_a_listpack_again() {
    let limits = limits(4, 10);
    let mut hash = numbered(4, &limits);
    assert!(!is_table(&hash));
    assert!(!hash.set(b"f0", b"again", &limits) && !is_table(&hash));
    assert!(hash.set(b"f4", b"v4", &limits) && is_table(&hash));
    (1..5).for_each(|n| assert!(hash.remove(format!("f{n}").as_bytes())));
    assert!(is_table(&hash));
    assert_eq!(hash.as_ref().get(b"f0"), Some(Element::Bytes(b"again")));
}

#[test]
fn a_field_or_value_that_is_too_long_makes_a_table() {
    for (field, value, long) in [(10, 10, false), (11, 10, true), (10, 11, true)] {
        let mut hash = numbered(1, &limits(4, 10));
        let (field, value) = (vec![b'f'; field], vec![b'v'; value]);
        hash.expect([&field[..], &value].into_iter(), &limits(4, 10));
        assert_eq!(is_table(&hash), long);
        let mut hash = numbered(1, &limits(4, 10));
        hash.set(&field, &value, &limits(4, 10));
        assert_eq!(is_table(&hash), long);
        assert_eq!(hash.len(), 2);
    }
}

#[test]
fn announcing_too_many_pairs_makes_a_table_even_if_they_are_the_same() {
    let limits = limits(4, 10);
    let words = |pairs: usize| vec![&b"same"[..]; 2 * pairs];
    let mut hash = numbered(1, &limits);
    hash.expect(words(4).into_iter(), &limits);
    assert!(!is_table(&hash));
    hash.expect(words(5).into_iter(), &limits);
    assert!(is_table(&hash));
}

#[test]
fn every_field_is_drawn_as_often_in_either_form() {
    let mut rng = Rng::from_seed(4);
    for limits in [limits(1000, 64), limits(0, 64)] {
        let hash = numbered(50, &limits);
        let view = hash.as_ref();
        let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut count = |pair: Pair<'_>| {
            let (field, value) = owned(pair);
            assert_eq!(field[1..], value[1..]);
            *counts.entry(field).or_default() += 1;
        };
        view.draw(5_000, &mut rng, &mut count);
        (0..5_000).for_each(|_| count(view.random(&mut rng).unwrap()));
        (0..1_000).for_each(|_| view.sample(10, &mut rng, &mut count));
        assert_eq!(counts.len(), 50);
        let expected = 280..520;
        assert!(counts.values().all(|n| expected.contains(n)), "{counts:?}");
    }
}
