//! The table against a model, with elements that are numbers in boxes.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::segment::{comfortable, fitting_size, next_size};
use super::*;
use crate::base::rng::Rng;
use crate::base::size_class::size_class;

/// A leaked box with a hash and an identity; the tests free it by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Boxed(NonNull<Element>);

#[derive(Debug)]
struct Element {
    hash: u64,
    id: u64,
}

// SAFETY: both ways carry the pointer along unchanged.
unsafe impl Handle for Boxed {
    fn into_pointer(self) -> NonNull<u8> {
        self.0.cast()
    }

    unsafe fn from_pointer(pointer: NonNull<u8>) -> Self {
        Boxed(pointer.cast())
    }
}

impl Boxed {
    fn new(hash: u64, id: u64) -> Boxed {
        Boxed(NonNull::from(Box::leak(Box::new(Element { hash, id }))))
    }

    fn element(&self) -> &Element {
        // SAFETY: tests free elements only after they have left the table.
        unsafe { self.0.as_ref() }
    }

    fn free(self) {
        // SAFETY: it was leaked from a box, and tests free it once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

fn hash_of(handle: Boxed) -> u64 {
    handle.element().hash
}

/// Random histories of each kind; few under the tools that see misuse of memory.
const CASES: u32 = if cfg!(miri) {
    2
} else if cfg!(system_allocator) {
    8
} else {
    48
};

/// A table of numbers under some hash function.
struct Numbers {
    table: Table<Boxed>,
    hash: fn(u64) -> u64,
}

/// Scatters well enough to stand for the real hash.
fn scatter(id: u64) -> u64 {
    let mixed = (id ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

impl Numbers {
    fn new(hash: fn(u64) -> u64) -> Numbers {
        Numbers {
            table: Table::new(),
            hash,
        }
    }

    fn with_range(ids: std::ops::Range<u64>) -> Numbers {
        let mut numbers = Numbers::new(scatter);
        ids.for_each(|id| assert!(numbers.insert(id)));
        numbers
    }

    fn find(&self, id: u64) -> Option<Found<Boxed>> {
        let is_it = |handle: Boxed| handle.element().id == id;
        self.table.find((self.hash)(id), is_it)
    }

    fn insert(&mut self, id: u64) -> bool {
        let is_new = self.find(id).is_none();
        if is_new {
            let hash = (self.hash)(id);
            self.table.insert(hash, Boxed::new(hash, id), hash_of);
        }
        is_new
    }

    fn remove(&mut self, id: u64) -> bool {
        let found = self.find(id);
        if let Some(found) = found {
            let handle = self.table.remove(found, hash_of);
            assert_eq!(handle.element().id, id);
            handle.free();
        }
        found.is_some()
    }

    fn ids(&self) -> Vec<u64> {
        self.table
            .iter()
            .map(|handle| handle.element().id)
            .collect()
    }

    /// One step of a scan, with what it saw.
    fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<u64>) {
        let mut seen = Vec::new();
        let visit = |handle: Boxed| seen.push(handle.element().id);
        let next = self.table.scan(cursor, count, 10 * count, visit);
        (next, seen)
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        let table = std::mem::take(&mut self.table);
        let handles: Vec<Boxed> = table.iter().collect();
        drop(table);
        handles.into_iter().for_each(Boxed::free);
    }
}

/// Hash functions from good to hopeless.
const HASHES: [fn(u64) -> u64; 5] = [
    scatter,
    // Few distinct values.
    |id| scatter(id % 16),
    // Nothing but a prefix: all in one corner of the hash space.
    |id| id,
    // The middle bits are constant, so marks hardly differ.
    |id| id.rotate_right(4),
    |_| 0x1234_5678_9abc_def0,
];

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Remove(u64),
    InsertMany(u64, u64),
    RemoveMany(u64, u64),
    Hold(bool),
    Scan(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..4000u64;
    prop_oneof![
        3 => id.clone().prop_map(Step::Insert),
        3 => id.clone().prop_map(Step::Remove),
        2 => (id.clone(), 0..1500u64).prop_map(|(from, n)| Step::InsertMany(from, n)),
        2 => (id, 0..1500u64).prop_map(|(from, n)| Step::RemoveMany(from, n)),
        1 => any::<bool>().prop_map(Step::Hold),
        3 => (1..50u8).prop_map(Step::Scan),
    ]
}

/// Runs the steps against a set. A scan goes on all the while; whatever was there from its start
/// to its end must have been seen.
fn check_against_set(hash: fn(u64) -> u64, steps: Vec<Step>) {
    let mut numbers = Numbers::new(hash);
    let mut model = HashSet::new();
    let (mut cursor, mut owed) = (0, HashSet::new());
    for step in steps {
        match step {
            Step::Insert(id) => assert_eq!(numbers.insert(id), model.insert(id)),
            Step::Remove(id) => assert_eq!(numbers.remove(id), model.remove(&id)),
            Step::InsertMany(from, n) => {
                (from..from + n).for_each(|id| assert_eq!(numbers.insert(id), model.insert(id)));
            }
            Step::RemoveMany(from, n) => {
                (from..from + n).for_each(|id| assert_eq!(numbers.remove(id), model.remove(&id)));
            }
            Step::Hold(hold) => {
                numbers.table.hold(hold);
                numbers.table.settle(2, hash_of);
            }
            Step::Scan(count) => {
                if cursor == 0 {
                    owed = model.clone();
                }
                let (next, seen) = numbers.scan(cursor, usize::from(count));
                for id in seen {
                    assert!(model.contains(&id));
                    owed.remove(&id);
                }
                cursor = next;
                if cursor == 0 {
                    assert!(owed.is_empty(), "never seen: {owed:?}");
                }
            }
        }
        owed.retain(|id| model.contains(id));
        assert_eq!(numbers.table.len(), model.len());
        if cursor % 7 == 0 {
            let ids = numbers.ids();
            assert_eq!(ids.len(), model.len());
            assert!(ids.iter().all(|id| model.contains(id)));
        }
    }
    assert!((0..5500).all(|id| numbers.find(id).is_some() == model.contains(&id)));
    numbers.table.check_invariants(hash_of);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_table_behaves_like_a_set_and_scans_keep_their_promise(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        check_against_set(scatter, steps);
    }

    #[test]
    fn bad_hashes_make_it_slow_but_not_wrong(
        hash in 1..HASHES.len(),
        steps in prop::collection::vec(step(), 1..12),
    ) {
        check_against_set(HASHES[hash], steps);
    }
}

#[test]
fn a_full_scan_of_a_quiet_table_sees_everything_once() {
    let numbers = Numbers::with_range(0..50_000);
    let (mut cursor, mut times) = (0, HashMap::<u64, u32>::new());
    loop {
        let (next, seen) = numbers.scan(cursor, 10);
        assert!(seen.len() <= 10 + 4 * bucket::SLOTS, "{}", seen.len());
        seen.into_iter()
            .for_each(|id| *times.entry(id).or_default() += 1);
        assert!(next == 0 || next > cursor);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(times.len(), 50_000);
    assert!(times.values().all(|&n| n == 1));
}

#[test]
fn growth_during_a_scan_neither_hides_nor_repeats_anything() {
    let mut numbers = Numbers::with_range(0..1_000);
    let (mut cursor, mut times) = (0, HashMap::<u64, u32>::new());
    let mut newcomers = 1_000..60_000;
    loop {
        let (next, seen) = numbers.scan(cursor, 5);
        seen.into_iter()
            .for_each(|id| *times.entry(id).or_default() += 1);
        cursor = next;
        if cursor == 0 {
            break;
        }
        newcomers
            .by_ref()
            .take(300)
            .for_each(|id| assert!(numbers.insert(id)));
    }
    assert!((0..1_000).all(|id| times.get(&id) == Some(&1)));
    assert!(times.values().all(|&n| n == 1));
}

#[test]
fn shrinking_during_a_scan_hides_nothing() {
    let mut numbers = Numbers::with_range(0..60_000);
    let (mut cursor, mut seen_ever) = (0, HashSet::new());
    let mut leavers = 1_000..60_000;
    loop {
        let (next, seen) = numbers.scan(cursor, 5);
        seen_ever.extend(seen);
        cursor = next;
        if cursor == 0 {
            break;
        }
        leavers
            .by_ref()
            .take(300)
            .for_each(|id| assert!(numbers.remove(id)));
    }
    assert!((0..1_000).all(|id| seen_ever.contains(&id)));
}

#[test]
fn any_number_is_a_cursor() {
    let numbers = Numbers::with_range(0..10_000);
    for cursor in [1, 12345, 1 << 47, (1 << 48) - 1, 1 << 48, u64::MAX] {
        let (next, _) = numbers.scan(cursor, 10);
        assert!(next < 1 << 48);
    }
    assert_eq!(Numbers::new(scatter).scan(77, 10), (0, Vec::new()));
}

#[test]
fn tables_are_well_filled_at_every_size() {
    let mut numbers = Numbers::new(scatter);
    let mut worst = 0.0f64;
    for id in 0..200_000 {
        numbers.insert(id);
        if id >= 1_000 && id % 500 == 0 {
            worst = worst.max(numbers.table.memory() as f64 / (id + 1) as f64);
        }
    }
    assert!(worst < 14.5, "{worst} bytes an element");
    numbers.table.check_invariants(hash_of);
}

#[test]
fn emptied_tables_give_their_memory_back() {
    let mut numbers = Numbers::with_range(0..200_000);
    for id in 0..199_000 {
        numbers.remove(id);
    }
    numbers.table.check_invariants(hash_of);
    assert!(
        numbers.table.memory() < 60_000,
        "{}",
        numbers.table.memory()
    );
    for id in 199_000..200_000 {
        numbers.remove(id);
    }
    assert_eq!(numbers.table.memory(), 0);
}

#[test]
fn a_reserved_table_hardly_grows_any_more() {
    for n in [1, 7, 100, 3_000, 50_000, 200_000] {
        let mut numbers = Numbers::new(scatter);
        numbers.table.reserve(n as usize);
        let reserved = numbers.table.slots();
        (0..n).for_each(|id| assert!(numbers.insert(id)));
        assert!(numbers.table.slots() <= reserved + reserved / 20, "{n}");
        assert!(reserved < n as usize * 2 + 7, "{n}: {reserved}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes too much memory")]
fn an_absurd_reservation_is_cut_down() {
    let mut absurd = Table::<Boxed>::new();
    absurd.reserve(usize::MAX);
    assert!(absurd.memory() < 1 << 29);
}

#[test]
fn a_held_table_keeps_still_until_it_is_crammed() {
    let mut numbers = Numbers::with_range(0..20_000);
    let slots = numbers.table.slots();
    numbers.table.hold(true);
    (0..10_000).for_each(|id| assert!(numbers.remove(id)));
    assert_eq!(numbers.table.slots(), slots);
    let room = slots * 9 / 10 - 10_000;
    (30_000..30_000 + room as u64).for_each(|id| assert!(numbers.insert(id)));
    let after = numbers.table.slots();
    assert!(after < slots + slots / 20, "{slots} slots became {after}");
    (60_000..90_000).for_each(|id| assert!(numbers.insert(id)));
    assert!(numbers.table.slots() > after);
    assert!((60_000..90_000).all(|id| numbers.find(id).is_some()));
    numbers.table.check_invariants(hash_of);
}

#[test]
fn a_table_that_was_emptied_while_it_was_held_shrinks_afterwards() {
    for left in [0, 1, 700, 5_000] {
        let mut numbers = Numbers::with_range(0..20_000);
        numbers.table.hold(true);
        (left..20_000).for_each(|id| assert!(numbers.remove(id)));
        let held = numbers.table.memory();
        numbers.table.settle(usize::MAX, hash_of);
        assert_eq!(numbers.table.memory(), held, "it is held");
        numbers.table.hold(false);
        for _ in 0..1000 {
            numbers.table.settle(1, hash_of);
            numbers.table.check_invariants(hash_of);
        }
        let bound = 64 + left as usize * 24;
        let memory = numbers.table.memory();
        assert!(memory <= bound, "{memory} bytes for {left} elements");
        assert!((0..left).all(|id| numbers.find(id).is_some()));
    }
}

#[test]
fn random_reaches_everything_about_equally() {
    let numbers = Numbers::with_range(0..300);
    let mut rng = Rng::from_seed(1);
    let mut times = HashMap::<u64, u32>::new();
    for _ in 0..60_000 {
        let handle = numbers.table.random(&mut rng).unwrap();
        *times.entry(handle.element().id).or_default() += 1;
    }
    assert_eq!(times.len(), 300);
    assert!(times.values().all(|n| (100..=320).contains(n)));
    assert!(Numbers::new(scatter).table.random(&mut rng).is_none());
}

#[test]
fn random_is_as_fair_in_a_table_that_was_emptied_from_one_end() {
    for held in [false, true] {
        let mut numbers = Numbers::with_range(0..20_000);
        numbers.table.hold(held);
        let mut ids = Vec::new();
        numbers.table.scan(0, usize::MAX, usize::MAX, |handle| {
            ids.push(handle.element().id)
        });
        let left = ids.split_off(ids.len() - 30);
        ids.iter().for_each(|id| assert!(numbers.remove(*id)));
        let mut rng = Rng::from_seed(1);
        let mut times = HashMap::<u64, u32>::new();
        for _ in 0..30_000 {
            let handle = numbers.table.random(&mut rng).unwrap();
            *times.entry(handle.element().id).or_default() += 1;
        }
        let fair = |id: &u64| times.get(id).is_some_and(|n| (850..=1150).contains(n));
        assert!(left.iter().all(fair), "held: {held}, {times:?}");
    }
}

#[test]
fn random_finds_the_last_element_of_a_held_table() {
    let mut numbers = Numbers::with_range(0..50_000);
    numbers.table.hold(true);
    (1..50_000).for_each(|id| assert!(numbers.remove(id)));
    let mut rng = Rng::from_seed(1);
    for _ in 0..10 {
        assert_eq!(numbers.table.random(&mut rng).unwrap().element().id, 0);
    }
}

#[test]
fn a_handle_is_replaced_in_its_seat() {
    let mut numbers = Numbers::with_range(0..1_000);
    let found = numbers.find(500).unwrap();
    let old = found.handle;
    let new = Boxed::new(old.element().hash, 500);
    numbers.table.set(found, new);
    old.free();
    assert!(numbers.find(500).unwrap().handle == new);
    assert_eq!(numbers.table.len(), 1_000);
}

#[test]
#[should_panic(expected = "assertion")]
fn a_stale_place_is_refused() {
    let mut numbers = Numbers::with_range(0..7);
    let last = numbers.find(6).unwrap();
    (0..6).for_each(|id| assert!(numbers.remove(id)));
    numbers.table.set(last, last.handle);
}

#[test]
fn bucket_arrays_fill_their_size_classes() {
    let mut n_buckets = 1;
    let mut sizes = Vec::new();
    while n_buckets < 600 {
        assert_eq!(size_class(n_buckets as usize * 64), n_buckets as usize * 64);
        assert!(fitting_size(comfortable(n_buckets)) >= n_buckets);
        sizes.push(n_buckets);
        n_buckets = next_size(n_buckets);
    }
    assert_eq!(
        sizes[..14],
        [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24]
    );
    assert!(sizes.contains(&segment::BUCKETS_MAX));
}

#[test]
fn dropping_a_table_frees_buckets_not_elements() {
    let handle = Boxed::new(1, 1);
    let mut table = Table::new();
    table.insert(1, handle, hash_of);
    drop(table);
    assert_eq!(handle.element().id, 1);
    handle.free();
}
