//! The tables against the standard library's, with names and values of all lengths.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::base::size_class::size_class;

/// Random histories of each kind; few under the tools that see misuse of memory.
const CASES: u32 = if cfg!(miri) {
    1
} else if cfg!(system_allocator) {
    20
} else {
    256
};

fn hasher() -> KeyHasher {
    KeyHasher::from_seed([3, 4])
}

/// What is done to a table.
#[derive(Clone, Debug)]
enum Step {
    Set(usize, Vec<u8>),
    Remove(usize),
    PopRandom(u64),
    Copy,
}

/// Names of lengths on both sides of where the form of lengths changes; few, so that they recur.
fn name(id: usize) -> Vec<u8> {
    let len = [1, 7, 16, 33, 253, 254, 300][id % 7];
    let mut name = format!("{id}:").into_bytes();
    name.resize(name.len().max(len), b'x');
    name
}

fn step() -> impl Strategy<Value = Step> {
    let value_len = prop_oneof![0..60usize, 240..270usize, 1000..1001usize];
    let value = (value_len, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    prop_oneof![
        8 => (0..400usize, value).prop_map(|(id, value)| Step::Set(id, value)),
        4 => (0..400usize).prop_map(Step::Remove),
        1 => any::<u64>().prop_map(Step::PopRandom),
        1 => Just(Step::Copy),
    ]
}

fn contents(table: &HashTable) -> HashMap<Vec<u8>, Vec<u8>> {
    let pair = |field: Field<'_>| (field.name().to_vec(), field.value().to_vec());
    let pairs: Vec<_> = table.iter().map(pair).collect();
    let map: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "no field twice");
    map
}

fn exact_memory(table: &HashTable) -> usize {
    let stored = |len: usize| len + if len < 254 { 1 } else { 5 };
    let element =
        |field: Field<'_>| size_class(stored(field.name().len()) + stored(field.value().len()));
    size_of::<HashTable>() + table.table.memory() + table.iter().map(element).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_hash_is_a_map(steps in prop::collection::vec(step(), 1..400)) {
        let mut table = HashTable::new(hasher());
        let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for step in steps {
            match step {
                Step::Set(id, value) => {
                    let is_new = model.insert(name(id), value.clone()).is_none();
                    prop_assert_eq!(table.set(&name(id), &value), is_new);
                    prop_assert_eq!(table.get(&name(id)).map(Field::value), Some(&value[..]));
                }
                Step::Remove(id) => {
                    let was_there = model.remove(&name(id)).is_some();
                    prop_assert_eq!(table.remove(&name(id)), was_there);
                    prop_assert!(!table.contains(&name(id)));
                }
                Step::PopRandom(seed) => {
                    let popped = table.pop_random(&mut Rng::from_seed(seed));
                    prop_assert_eq!(popped.is_some(), !model.is_empty());
                    prop_assert!(popped.is_none_or(|name| model.remove(&name).is_some()));
                }
                Step::Copy => table = table.clone(),
            }
            prop_assert_eq!(table.len(), model.len());
        }
        prop_assert_eq!(exact_memory(&table), table.memory());
        prop_assert_eq!(contents(&table), model);
    }

    #[test]
    fn a_set_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..300usize), 1..600)) {
        let mut table = SetTable::with_capacity(10, hasher());
        let mut model = HashSet::new();
        for (adds, id) in steps {
            if adds {
                prop_assert_eq!(table.insert(&name(id)), model.insert(name(id)));
            } else {
                prop_assert_eq!(table.remove(&name(id)), model.remove(&name(id)));
            }
        }
        let members: HashSet<_> = table.iter().map(|member| member.name().to_vec()).collect();
        prop_assert_eq!(table.len(), members.len());
        prop_assert_eq!(members, model);
    }

    #[test]
    fn a_scan_sees_all_that_stays(
        stay in prop::collection::hash_set(0..3000usize, 1..200),
        churn in prop::collection::vec((any::<bool>(), 3000..6000usize), 0..600),
        count in 1..30usize,
    ) {
        let mut table = SetTable::new(hasher());
        stay.iter().for_each(|id| assert!(table.insert(&name(*id))));
        let mut churn = churn.into_iter();
        let (mut cursor, mut seen) = (0, HashSet::new());
        loop {
            cursor = table.scan(cursor, count, &mut |member| {
                seen.insert(member.name().to_vec());
            });
            if cursor == 0 {
                break;
            }
            prop_assert!(cursor < 1 << 48);
            for (adds, id) in churn.by_ref().take(20) {
                if adds {
                    table.insert(&name(id));
                } else {
                    table.remove(&name(id));
                }
            }
        }
        prop_assert!(stay.iter().all(|id| seen.contains(&name(*id))));
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn a_big_hash_takes_at_most_seventy_bytes_a_field() {
    let mut table = HashTable::new(hasher());
    for id in 0..50_000 {
        table.set(format!("field:{id:010}").as_bytes(), &[b'v'; 32]);
    }
    // Segments are smaller in tests than in earnest, but as full.
    assert!(table.memory() / 50_000 <= 70, "{}", table.memory() / 50_000);
}

#[test]
fn values_are_overwritten_in_place_where_they_fit() {
    let mut table = HashTable::new(hasher());
    table.set(b"field", &[b'a'; 20]);
    let place = |table: &HashTable| table.get(b"field").unwrap().name().as_ptr();
    let before = place(&table);
    assert!(!table.set(b"field", &[b'b'; 24]));
    assert_eq!(place(&table), before);
    assert_eq!(table.get(b"field").unwrap().value(), [b'b'; 24]);
    table.set(b"field", &[b'c'; 500]);
    assert_eq!(table.get(b"field").unwrap().value(), [b'c'; 500]);
}

#[test]
fn a_copy_shares_nothing() {
    let mut table = HashTable::new(hasher());
    (0..100).for_each(|id| assert!(table.set(&name(id), b"old")));
    let copy = table.clone();
    (0..100).for_each(|id| assert!(!table.set(&name(id), b"new")));
    drop(table);
    assert!(copy.iter().all(|field| field.value() == b"old"));
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn every_element_has_the_same_chance() {
    let mut table = SetTable::new(hasher());
    let n = 1000;
    (0..n).for_each(|id| assert!(table.insert(&name(id))));
    let mut rng = Rng::from_seed(5);
    let mut counts: HashMap<&[u8], f64> = HashMap::new();
    let draws_each = 200.0;
    for _ in 0..n * draws_each as usize {
        *counts
            .entry(table.random(&mut rng).unwrap().name())
            .or_default() += 1.0;
    }
    assert_eq!(counts.len(), n);
    let deviation = |count: &f64| (count - draws_each).powi(2) / draws_each;
    let chi_square: f64 = counts.values().map(deviation).sum();
    // With 999 degrees of freedom the mean is 999 and the standard deviation 45.
    assert!(chi_square < 999.0 + 5.0 * 45.0, "{chi_square}");
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn samples_are_of_different_elements_each_with_the_same_chance() {
    let mut table = SetTable::new(hasher());
    (0..60).for_each(|id| assert!(table.insert(&name(id))));
    let mut rng = Rng::from_seed(8);
    for count in [1, 10, 20, 21, 50, 59, 60, 100] {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        for _ in 0..500 {
            let mut sample = HashSet::new();
            table.sample(count, &mut rng, &mut |member| {
                assert!(sample.insert(member.name()));
                *counts.entry(member.name()).or_default() += 1;
            });
            assert_eq!(sample.len(), count.min(60));
        }
        let mean = 500.0 * count.min(60) as f64 / 60.0;
        let deviation = 6.0 * mean.sqrt();
        assert_eq!(counts.len(), 60);
        for drawn in counts.values() {
            assert!((*drawn as f64 - mean).abs() < deviation, "{count}: {drawn}");
        }
    }
}

#[test]
fn tables_may_be_dropped_elsewhere() {
    let mut table = HashTable::new(hasher());
    (0..500).for_each(|id| assert!(table.set(&name(id), &name(id + 1))));
    std::thread::spawn(move || drop(table)).join().unwrap();
}
