//! Both shapes of a sorted set must give the same answers, and change from one to the other where
//! the reference does.

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::data::listpack::Element;
use crate::table::KeyHasher;

fn limits(entries: usize, value: usize) -> ZSetLimits {
    ZSetLimits {
        max_listpack_entries: entries,
        max_listpack_value: value,
        hasher: KeyHasher::from_seed([1, 9]),
    }
}

fn members(set: ZSetRef<'_>) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(|(m, s)| (m.to_vec(), s)).collect()
}

fn set_of(pairs: &[(&[u8], f64)], limits: &ZSetLimits) -> ZSet {
    let mut set = ZSet::new();
    for (member, score) in pairs {
        set.add(member, *score, Add::default(), limits);
    }
    set
}

fn is_packed(set: &ZSet) -> bool {
    matches!(set, ZSet::Packed(_))
}

#[test]
fn scores_are_spelled_as_the_reference_spells_them() {
    let scores = [3.0, -0.0, 2.5, f64::INFINITY, 1e20, 1e17];
    let mut listpack = Listpack::new();
    for score in scores {
        packed::insert(&mut listpack, None, b"m", score);
    }
    let elements: Vec<_> = listpack.as_ref().iter().skip(1).step_by(2).collect();
    let expected: [Element<'_>; 6] = [
        Element::Int(3),
        Element::Int(0),
        Element::Bytes(b"2.5"),
        Element::Bytes(b"inf"),
        Element::Bytes(b"1e+20"),
        Element::Int(100_000_000_000_000_000),
    ];
    assert_eq!(elements, expected);
}

#[test]
fn it_is_a_tree_from_the_first_member_that_is_too_long_or_one_too_many() {
    let limits = limits(3, 4);
    let mut set = set_of(&[(b"a", 1.0), (b"b", 2.0), (b"cccc", 3.0)], &limits);
    assert!(is_packed(&set));
    assert_eq!(
        set.add(b"a", 9.0, Add::default(), &limits),
        Added::Updated(9.0)
    );
    assert!(is_packed(&set));
    assert_eq!(set.add(b"d", 0.5, Add::default(), &limits), Added::New(0.5));
    assert!(!is_packed(&set));
    set.remove(b"d");
    assert!(!is_packed(&set));
    assert!(!is_packed(&set_of(&[(b"ddddd", 1.0)], &limits)));
    let mut refused = ZSet::new();
    let only_present = Add {
        unless: Unless::Absent,
        ..Add::default()
    };
    assert_eq!(
        refused.add(b"ddddd", 1.0, only_present, &limits),
        Added::Refused
    );
    assert!(is_packed(&refused));
}

#[test]
fn a_command_with_too_many_members_finds_a_tree() {
    let limits = limits(3, 4);
    let mut set = ZSet::new();
    set.expect(3, 4, &limits);
    assert!(is_packed(&set));
    set.expect(1, 5, &limits);
    assert!(!is_packed(&set));
    let mut set = set_of(&[(b"a", 1.0)], &limits);
    set.expect(1, 5, &limits);
    assert!(is_packed(&set));
    set.expect(4, 1, &limits);
    assert!(!is_packed(&set));
    assert_eq!(members(set.as_ref()), [(b"a".to_vec(), 1.0)]);
}

#[test]
fn what_was_computed_as_a_whole_is_packed_if_it_is_small() {
    let limits = limits(3, 4);
    let build = |names: &[&str]| {
        let mut builder = Builder::new(limits.hasher.clone(), 0);
        for name in names {
            builder.update(name.as_bytes(), |_| 1.0);
        }
        ZSet::compact(builder.finish(), &limits)
    };
    assert!(is_packed(&build(&["a", "b", "cccc"])));
    assert!(!is_packed(&build(&["a", "b", "c", "d"])));
    assert!(!is_packed(&build(&["ccccc"])));
    let texts = members(build(&["b", "12", "a"]).as_ref());
    assert_eq!(
        texts.iter().map(|(m, _)| &m[..]).collect::<Vec<_>>(),
        [&b"12"[..], b"a", b"b"]
    );
}

#[test]
fn conditions_decide_like_the_options_of_zadd() {
    let add = |unless, only, increment| Add {
        unless,
        only,
        increment,
    };
    use {Only::*, Unless::*};
    let inf = f64::INFINITY;
    let cases = [
        (add(Never, Either, false), 2.0, None, Added::New(2.0)),
        (add(Never, Either, false), 2.0, Some(2.0), Added::Same(2.0)),
        (
            add(Never, Either, false),
            -0.0,
            Some(0.0),
            Added::Same(-0.0),
        ),
        (
            add(Never, Either, false),
            1.0,
            Some(2.0),
            Added::Updated(1.0),
        ),
        (
            add(Never, Either, true),
            1.0,
            Some(2.0),
            Added::Updated(3.0),
        ),
        (add(Never, Either, true), inf, Some(-inf), Added::NotANumber),
        (add(Present, Either, false), 1.0, Some(2.0), Added::Refused),
        (add(Present, Either, true), inf, Some(-inf), Added::Refused),
        (add(Present, Either, false), 1.0, None, Added::New(1.0)),
        (add(Absent, Either, false), 1.0, None, Added::Refused),
        (
            add(Absent, Either, false),
            1.0,
            Some(2.0),
            Added::Updated(1.0),
        ),
        (add(Never, Up, false), 1.0, Some(2.0), Added::Refused),
        (add(Never, Up, false), 2.0, Some(2.0), Added::Refused),
        (add(Never, Up, false), 3.0, Some(2.0), Added::Updated(3.0)),
        (add(Never, Up, true), -1.0, Some(2.0), Added::Refused),
        (add(Never, Up, false), 1.0, None, Added::New(1.0)),
        (add(Never, Down, false), 3.0, Some(2.0), Added::Refused),
        (add(Never, Down, false), 1.0, Some(2.0), Added::Updated(1.0)),
    ];
    for (how, score, old, expected) in cases {
        assert_eq!(how.decide(score, old), expected, "{how:?} {score} {old:?}");
    }
}

#[test]
fn samples_are_distinct_and_as_many_as_asked_for() {
    for limit in [0, 100] {
        let limits = limits(limit, 64);
        let mut set = ZSet::new();
        for n in 0..60 {
            set.add(format!("m{n}").as_bytes(), 1.0, Add::default(), &limits);
        }
        let mut rng = Rng::from_seed(5);
        for count in [0, 1, 7, 19, 20, 40, 60, 99] {
            let mut seen = std::collections::HashSet::new();
            set.as_ref().sample(count, &mut rng, &mut |(member, _)| {
                assert!(seen.insert(member.to_vec()));
            });
            assert_eq!(seen.len(), count.min(60));
        }
        let mut drawn = 0;
        set.as_ref().draw(500, &mut rng, &mut |_| drawn += 1);
        assert_eq!(drawn, 500);
        assert!(set.as_ref().random(&mut rng).is_some());
    }
    assert!(
        ZSet::new()
            .as_ref()
            .random(&mut Rng::from_seed(5))
            .is_none()
    );
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8, i8, Add),
    Remove(u8),
    RemoveRanks(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let unless = prop_oneof![
        Just(Unless::Never),
        Just(Unless::Present),
        Just(Unless::Absent)
    ];
    let only = prop_oneof![Just(Only::Either), Just(Only::Up), Just(Only::Down)];
    let how = (unless, only, any::<bool>()).prop_map(|(unless, only, increment)| Add {
        unless,
        only,
        increment,
    });
    prop_oneof![
        8 => (0..40u8, any::<i8>(), how).prop_map(|(m, s, how)| Step::Add(m, s, how)),
        2 => (0..40u8).prop_map(Step::Remove),
        1 => (any::<u8>(), 0..6u8).prop_map(|(at, n)| Step::RemoveRanks(at, n)),
    ]
}

/// Members of which some read as integers.
fn name(n: u8) -> Vec<u8> {
    match n % 3 {
        0 => format!("{n}").into_bytes(),
        1 => format!("-{n}").into_bytes(),
        _ => format!("m{n}").into_bytes(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(system_allocator) { 6 } else { 60 }))]

    #[test]
    fn both_shapes_agree(steps in prop::collection::vec(step(), 0..200)) {
        let packing = limits(1000, 64);
        let (mut packed, mut tree) = (ZSet::new(), ZSet::new());
        tree.convert(&packing);
        for step in steps {
            match step {
                Step::Add(m, score, how) => {
                    let score = f64::from(score) / 4.0;
                    let added = packed.add(&name(m), score, how, &packing);
                    assert_eq!(added, tree.add(&name(m), score, how, &packing));
                }
                Step::Remove(m) => assert_eq!(packed.remove(&name(m)), tree.remove(&name(m))),
                Step::RemoveRanks(at, n) => {
                    let start = usize::from(at) % (packed.len() + 1);
                    let ranks = start..packed.len().min(start + usize::from(n));
                    packed.remove_ranks(ranks.clone());
                    tree.remove_ranks(ranks);
                    assert_eq!(members(packed.as_ref()), members(tree.as_ref()));
                }
            }
        }
        assert!(is_packed(&packed) && !is_packed(&tree));
        let (a, b) = (packed.as_ref(), tree.as_ref());
        let all = members(a);
        assert_eq!(&all, &members(b));
        assert_eq!(&all, &members(packed.clone().as_ref()));
        for n in 0..40 {
            assert_eq!(a.rank(&name(n)), b.rank(&name(n)));
            assert_eq!(a.score(&name(n)), b.score(&name(n)));
        }
        for (_, score) in &all {
            for cut in [Cut::BeforeScore(*score), Cut::AfterScore(*score)] {
                assert_eq!(a.position(cut), b.position(cut));
            }
        }
        for (from, to) in [(0, all.len()), (all.len() / 3, all.len() / 2)] {
            let forth = |set: ZSetRef<'_>| {
                set.range(from..to).map(|(m, s)| (m.to_vec(), s)).collect::<Vec<_>>()
            };
            let back = |set: ZSetRef<'_>| {
                set.range(from..to).rev().map(|(m, s)| (m.to_vec(), s)).collect::<Vec<_>>()
            };
            assert_eq!(forth(a), all[from..to].to_vec());
            assert_eq!(forth(a), forth(b));
            assert_eq!(back(a), back(b));
            assert_eq!(back(a).into_iter().rev().collect::<Vec<_>>(), forth(a));
        }
    }

    #[test]
    fn cuts_by_bytes_agree(present in prop::collection::btree_set(0..40u8, 0..40), cut in 0..40u8) {
        let packing = limits(1000, 64);
        let mut packed = ZSet::new();
        for n in present {
            packed.add(&name(n), 0.0, Add::default(), &packing);
        }
        let mut tree = packed.clone();
        tree.convert(&packing);
        let cut = name(cut);
        let cuts = [Cut::Lowest, Cut::BeforeBytes(&cut), Cut::AfterBytes(&cut), Cut::Highest];
        for from in cuts {
            for to in cuts {
                assert_eq!(packed.as_ref().between(from, to), tree.as_ref().between(from, to));
            }
        }
    }
}
