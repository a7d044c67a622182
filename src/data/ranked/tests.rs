//! The tree and the table against the plainest model of a sorted set.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::member::Member;
use super::node::LEAF_SLOTS;
use super::*;

/// Random histories of each kind; few under the tools that see misuse of memory.
const CASES: u32 = if cfg!(miri) {
    1
} else if cfg!(system_allocator) {
    6
} else {
    60
};

/// Steps of a history, or members of a set, where it takes many for a tree of several levels.
const MANY: usize = if cfg!(miri) { 120 } else { 600 };

fn hasher() -> KeyHasher {
    KeyHasher::from_seed([3, 5])
}

/// The plainest sorted set.
#[derive(Default, Clone, Debug)]
struct Model(Vec<(f64, Vec<u8>)>);

impl Model {
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        self.0.iter().position(|(_, other)| other == bytes)
    }

    fn set(&mut self, bytes: &[u8], score: f64) {
        self.remove(bytes);
        self.0.push((score, bytes.to_vec()));
        self.0.sort_by(|a, b| a.partial_cmp(b).unwrap());
    }

    fn remove(&mut self, bytes: &[u8]) -> Option<f64> {
        Some(self.0.remove(self.find(bytes)?).0)
    }

    fn pairs(&self) -> Vec<(&[u8], f64)> {
        self.0.iter().map(|(s, b)| (b.as_slice(), *s)).collect()
    }
}

fn check(set: &SortedSet, model: &Model) {
    set.tree.check_invariants();
    let pairs = model.pairs();
    assert_eq!(set.len(), pairs.len());
    assert_eq!(set.members.table.len(), pairs.len());
    assert_eq!(set.range(0..set.len()).collect::<Vec<_>>(), pairs);
    let backwards: Vec<_> = pairs.iter().rev().copied().collect();
    assert_eq!(set.range(0..set.len()).rev().collect::<Vec<_>>(), backwards);
}

fn member(n: u16) -> Vec<u8> {
    let mut bytes = format!("{n}").into_bytes();
    // Some are long enough for a length of two bytes, one is empty.
    if n % 50 == 7 {
        bytes.resize(300, b'x');
    } else if n == 9 {
        bytes.clear();
    }
    bytes
}

fn score(n: u8) -> f64 {
    match n {
        0 => f64::NEG_INFINITY,
        1 => f64::INFINITY,
        2 => -0.0,
        3 => 0.0,
        n => f64::from(n / 4) / 2.0 - 10.0,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u16, u8),
    Remove(u16),
    RemoveRanks(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..400u16, any::<u8>()).prop_map(|(m, s)| Step::Set(m, s)),
        5 => (0..400u16).prop_map(Step::Remove),
        1 => (any::<u16>(), 0..60u16).prop_map(|(at, n)| Step::RemoveRanks(at, n)),
    ]
}

fn run(set: &mut SortedSet, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(m, s) => {
            let (bytes, score) = (member(m), score(s));
            let old = model.find(&bytes).map(|at| model.0[at].0);
            let update = set.update(&bytes, |seen| {
                assert_eq!(seen, old);
                Some(score)
            });
            assert_eq!((update.old, update.new), (old, Some(score)));
            if old != Some(score) {
                model.set(&bytes, score);
            }
        }
        Step::Remove(m) => assert_eq!(set.remove(&member(m)), model.remove(&member(m))),
        Step::RemoveRanks(at, n) => {
            let first = usize::from(at) % (set.len() + 1);
            let ranks = first..set.len().min(first + usize::from(n));
            model.0.drain(ranks.clone());
            set.remove_ranks(ranks);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn any_history_leaves_what_a_sorted_list_would(
        steps in prop::collection::vec(step(), 0..MANY),
    ) {
        let (mut set, mut model) = (SortedSet::new(hasher()), Model::default());
        for (n, step) in steps.iter().enumerate() {
            run(&mut set, &mut model, step);
            if n % 16 == 0 {
                check(&set, &model);
            }
        }
        check(&set, &model);
        for (rank, (score, bytes)) in model.0.iter().enumerate() {
            assert_eq!(set.rank(bytes), Some((rank, *score)));
            assert_eq!(set.score(bytes), Some(*score));
        }
        for n in 0..=255 {
            let cut = score(n);
            let below = model.0.iter().filter(|(s, _)| *s < cut).count();
            let up_to = model.0.iter().filter(|(s, _)| *s <= cut).count();
            assert_eq!(set.position(Cut::BeforeScore(cut)), below);
            assert_eq!(set.position(Cut::AfterScore(cut)), up_to);
        }
        check(&set.clone(), &model);
    }

    #[test]
    fn members_of_one_score_are_cut_by_their_bytes(
        members in prop::collection::btree_set(0..300u16, 0..200),
        cuts in prop::collection::vec(0..300u16, 20),
    ) {
        let mut set = SortedSet::new(hasher());
        members.iter().for_each(|m| { set.update(&member(*m), |_| Some(7.0)); });
        set.tree.check_invariants();
        for cut in cuts.into_iter().map(member) {
            let before = members.iter().filter(|m| member(**m) < cut).count();
            let up_to = members.iter().filter(|m| member(**m) <= cut).count();
            assert_eq!(set.position(Cut::BeforeBytes(&cut)), before);
            assert_eq!(set.position(Cut::AfterBytes(&cut)), up_to);
        }
    }

    #[test]
    fn every_part_of_a_range_can_be_walked_from_both_ends(
        len in 0..200usize, a in 0..200usize, b in 0..200usize, turns in any::<u64>(),
    ) {
        let mut set = SortedSet::new(hasher());
        (0..len).for_each(|n| { set.update(&member(n as u16), |_| Some(n as f64)); });
        let (from, to) = (a.min(b).min(len), a.max(b).min(len));
        let mut range = set.range(from..to);
        let mut expected = from..to;
        for turn in 0.. {
            assert_eq!(range.len(), expected.len());
            let front = turns >> (turn % 64) & 1 == 0;
            let (got, rank) = if front {
                (range.next(), expected.next())
            } else {
                (range.next_back(), expected.next_back())
            };
            assert_eq!(got.map(|(_, score)| score), rank.map(|rank| rank as f64));
            if rank.is_none() {
                break;
            }
        }
    }

    #[test]
    fn a_builder_makes_the_set_that_single_steps_would(
        steps in prop::collection::vec((0..300u16, any::<u8>()), 0..MANY),
    ) {
        let mut builder = Builder::new(hasher(), 10);
        let mut model = Model::default();
        for (m, s) in steps {
            let bytes = member(m);
            let is_new = model.find(&bytes).is_none();
            assert_eq!(builder.update(&bytes, |_| score(s)), is_new);
            model.set(&bytes, score(s));
        }
        assert_eq!(builder.len(), model.0.len());
        check(&builder.finish(), &model);
    }
}

#[test]
fn an_empty_set_answers() {
    let set = SortedSet::new(hasher());
    assert!(set.is_empty() && set.score(b"a").is_none() && set.rank(b"a").is_none());
    assert_eq!(set.position(Cut::AfterScore(f64::INFINITY)), 0);
    assert_eq!(set.range(0..0).next(), None);
    assert_eq!(set.scan(0, 10, &mut |_, _| panic!("nobody is there")), 0);
}

#[test]
fn members_that_come_in_order_fill_their_leaves() {
    for direction in [1.0, -1.0] {
        let mut set = SortedSet::new(hasher());
        (0..MANY).for_each(|n| {
            set.update(&member(n as u16), |_| Some(n as f64 * direction));
        });
        set.tree.check_invariants();
        let (mut rank, mut leaves) = (0, 0);
        while rank < set.len() {
            rank += set.tree.leaf_at(rank).0.len();
            leaves += 1;
        }
        assert_eq!(leaves, MANY.div_ceil(LEAF_SLOTS));
    }
}

#[test]
fn emptying_from_either_end_takes_every_member_once() {
    for from_top in [false, true] {
        let mut set = SortedSet::new(hasher());
        (0..MANY).for_each(|n| {
            set.update(&member(n as u16), |_| Some((n % 10) as f64));
        });
        let mut seen = 0;
        while !set.is_empty() {
            let at = if from_top { set.len() - 1 } else { 0 };
            set.remove_ranks(at..at + 1);
            seen += 1;
            set.tree.check_invariants();
        }
        assert_eq!(
            (seen, set.members.bytes, set.members.table.memory()),
            (MANY, 0, 0)
        );
    }
}

#[test]
fn a_score_that_is_no_number_is_refused_and_nothing_changes() {
    let mut set = SortedSet::new(hasher());
    let mut builder = Builder::new(hasher(), 1);
    for score in [1.0, 2.0] {
        set.update(b"there", |_| Some(score));
        builder.update(b"there", |_| score);
    }
    for bytes in [&b"there"[..], b"new"] {
        let update = AssertUnwindSafe(|| set.update(bytes, |_| Some(f64::NAN)));
        assert!(catch_unwind(update).is_err());
        let update = AssertUnwindSafe(|| builder.update(bytes, |_| f64::NAN));
        assert!(catch_unwind(update).is_err());
    }
    let model = Model(vec![(2.0, b"there".to_vec())]);
    check(&set, &model);
    check(&builder.finish(), &model);
}

#[test]
fn a_scan_reaches_everybody() {
    let mut set = SortedSet::new(hasher());
    (0..200u16).for_each(|n| {
        set.update(&n.to_be_bytes(), |_| Some(1.5));
    });
    let mut seen = std::collections::HashSet::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 10, &mut |bytes, score| {
            assert_eq!(score, 1.5);
            seen.insert(bytes.to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn prefetching_is_harmless_whatever_is_there() {
    let mut set = SortedSet::new(hasher());
    for size in [0, 1, 10 * LEAF_SLOTS as u16] {
        for n in 0..size {
            set.update(&member(n), |_| Some(f64::from(n / 3)));
        }
        let asked = [0, size / 2, size, u16::MAX].map(|n| Some(set.prefetch_bucket(&member(n))));
        asked
            .iter()
            .flatten()
            .for_each(|hash| set.prefetch_member(*hash));
        set.prefetch_ways(&asked);
        set.prefetch_ways(&[None]);
    }
}

#[test]
fn members_keep_bytes_of_any_length() {
    for len in [0, 1, 253, 254, 3_000_000] {
        let bytes = vec![b'm'; len];
        let member = Member::allocate(2.5, &bytes);
        // SAFETY: the member is ours alone, and freed last.
        unsafe {
            assert!(member.bytes() == bytes && member.score() == 2.5);
            member.set_score(-1.0);
            assert!(member.bytes() == bytes && member.score() == -1.0);
            assert!(member.memory() >= len + 9);
            let size = member.memory();
            assert_eq!(member.free(), size);
        }
    }
}

#[test]
fn a_member_of_sixteen_bytes_costs_thirty_two() {
    let member = Member::allocate(1.0, &[b'x'; 16]);
    // SAFETY: the member is ours alone.
    assert_eq!(unsafe { member.free() }, 32);
}

#[test]
fn sets_may_be_freed_elsewhere() {
    fn is_send<T: Send>() {}
    is_send::<SortedSet>();
    is_send::<Builder>();
}
