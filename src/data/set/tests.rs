//! Sets against the standard library's, over all forms, and the thresholds between them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;

fn limits(intset: usize, listpack: usize, value: usize) -> SetLimits {
    SetLimits {
        max_intset_entries: intset,
        max_listpack_entries: listpack,
        max_listpack_value: value,
        hasher: KeyHasher::from_seed([1, 2]),
    }
}

/// The reference's.
fn usual() -> SetLimits {
    limits(512, 128, 64)
}

fn form(set: &Set) -> &'static str {
    match set {
        Set::Ints(_) => "intset",
        Set::Packed(_) => "listpack",
        Set::Table(_) => "hashtable",
    }
}

fn text(text: &str) -> Element<'_> {
    Element::Bytes(text.as_bytes())
}

/// As `SADD` does it.
fn add(set: &mut Set, members: &[&str], limits: &SetLimits) {
    if set.is_empty() {
        *set = Set::with_room_for(members.len(), members[0].as_bytes(), limits);
    } else {
        set.expect(members.len(), limits);
    }
    for member in members {
        set.insert(text(member), limits);
    }
}

fn members(set: &Set) -> BTreeSet<Vec<u8>> {
    let members: Vec<_> = set.as_ref().iter().map(Element::to_vec).collect();
    let all: BTreeSet<_> = members.iter().cloned().collect();
    assert_eq!((all.len(), set.len()), (members.len(), members.len()));
    all
}

/// A set of the integers from 0 to `len` in one of the three forms.
fn numbers(len: i64, form_wanted: &str) -> Set {
    let limits = match form_wanted {
        "intset" => limits(10_000, 0, 64),
        "listpack" => limits(0, 10_000, 64),
        _ => limits(0, 0, 64),
    };
    let mut set = Set::with_room_for(1, b"0", &limits);
    for n in 0..len {
        assert!(set.insert(Element::Int(n), &limits));
    }
    assert_eq!(form(&set), form_wanted);
    set
}

const FORMS: [&str; 3] = ["intset", "listpack", "hashtable"];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (-30..30i64).prop_map(|n| n.to_string()),
        1 => (0..9usize).prop_map(|n| format!("0{n}")),
        2 => (0..70usize).prop_map(|n| "x".repeat(n)),
        1 => Just(i64::MIN.to_string()),
    ]
}

proptest! {
    #[test]
    fn a_set_is_a_set(
        steps in prop::collection::vec((0..10u8, word(), any::<bool>()), 1..200),
        most in (0..40usize, 0..40usize),
    ) {
        let limits = limits(most.0, most.1, 64);
        let mut set = Set::new();
        let mut model: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (what, word, parsed) in steps {
            let member = if parsed { Element::from(word.as_bytes()) } else { text(&word) };
            let bytes = word.as_bytes().to_vec();
            if what < 7 {
                prop_assert_eq!(set.insert(member, &limits), model.insert(bytes));
                prop_assert!(set.as_ref().contains(member));
            } else {
                prop_assert_eq!(set.remove(member), model.remove(&bytes));
                prop_assert!(!set.as_ref().contains(member));
            }
            prop_assert_eq!(set.len(), model.len());
        }
        prop_assert_eq!(&members(&set), &model);
        prop_assert_eq!(&members(&set.clone()), &model);
        let mut compact = set.clone();
        compact.compact(&limits);
        prop_assert_eq!(&members(&compact), &model);
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.as_ref().scan(cursor, 5, &mut |member| {
                scanned.insert(member.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(scanned, model);
    }

    #[test]
    fn what_is_popped_is_gone(len in 1..200i64, count in 0..200usize, form in 0..3usize) {
        let mut set = numbers(len, FORMS[form]);
        let before = members(&set);
        let count = count.min(len as usize - 1);
        let mut popped = BTreeSet::new();
        let mut rng = Rng::from_seed(len as u64);
        set.pop_many(count, &usual(), &mut rng, &mut |member| {
            assert!(popped.insert(member.to_vec()));
        });
        prop_assert_eq!(popped.len(), count);
        let rest = members(&set);
        prop_assert!(rest.is_disjoint(&popped));
        prop_assert_eq!(rest.union(&popped).cloned().collect::<BTreeSet<_>>(), before);
    }
}

#[test]
fn the_first_member_and_the_number_to_come_choose_the_form() {
    for (count, member, chosen) in [
        (1, "1", "intset"),
        (1, "01", "listpack"),
        (1, "a", "listpack"),
        (512, "1", "intset"),
        (513, "1", "hashtable"),
        (128, "a", "listpack"),
        (129, "a", "hashtable"),
    ] {
        let set = Set::with_room_for(count, member.as_bytes(), &usual());
        assert_eq!(form(&set), chosen, "{count} {member}");
    }
}

#[test]
fn an_intset_grows_into_a_table() {
    let limits = limits(3, 10, 5);
    let mut set = Set::new();
    add(&mut set, &["1", "2", "3"], &limits);
    assert_eq!(form(&set), "intset");
    add(&mut set, &["3"], &limits);
    assert_eq!(form(&set), "intset");
    add(&mut set, &["4"], &limits);
    assert_eq!(form(&set), "hashtable");
}

#[test]
fn text_makes_an_intset_a_listpack_where_all_of_it_fits_one() {
    for (ints, member, becomes) in [
        (&["1", "2"][..], "a", "listpack"),
        (&["1", "2"], "abcdef", "hashtable"),
        (&["1", "2", "3"], "a", "hashtable"),
        (&["-12345"], "a", "hashtable"),
        (&["12345"], "a", "listpack"),
    ] {
        let limits = limits(10, 3, 5);
        let mut set = Set::new();
        add(&mut set, ints, &limits);
        assert_eq!(form(&set), "intset");
        add(&mut set, &[member], &limits);
        assert_eq!(form(&set), becomes, "{ints:?} {member}");
        assert_eq!(set.len(), ints.len() + 1);
    }
}

#[test]
fn a_listpack_grows_into_a_table() {
    let limits = limits(3, 3, 5);
    let mut set = Set::new();
    add(&mut set, &["a", "b", "c"], &limits);
    add(&mut set, &["c"], &limits);
    assert_eq!(form(&set), "listpack");
    add(&mut set, &["d"], &limits);
    assert_eq!(form(&set), "hashtable");
    let mut set = Set::new();
    add(&mut set, &["a", "abcdef"], &limits);
    assert_eq!((form(&set), set.len()), ("hashtable", 2));
}

#[test]
fn announcing_too_many_makes_a_table() {
    for (first, many, becomes) in [
        ("1", 4, "hashtable"),
        ("1", 3, "intset"),
        ("a", 4, "hashtable"),
        ("a", 3, "listpack"),
    ] {
        let limits = limits(3, 3, 5);
        let mut set = Set::new();
        add(&mut set, &[first], &limits);
        set.expect(many, &limits);
        assert_eq!(form(&set), becomes, "{first} {many}");
    }
}

#[test]
fn only_integers_and_few_of_them_become_an_intset() {
    for (len, more, becomes) in [
        (3, "7", "intset"),
        (3, "x", "hashtable"),
        (4, "7", "hashtable"),
    ] {
        let mut set = numbers(len, "hashtable");
        set.insert(text(more), &usual());
        set.compact(&limits(4, 10, 10));
        assert_eq!(form(&set), becomes, "{len} {more}");
    }
}

#[test]
fn a_table_that_loses_most_members_at_once_becomes_small_again() {
    for (form_before, form_after) in [
        ("intset", "intset"),
        ("listpack", "listpack"),
        ("hashtable", "listpack"),
    ] {
        let mut set = numbers(600, form_before);
        let mut rng = Rng::from_seed(1);
        set.pop_many(499, &usual(), &mut rng, &mut |_| {});
        assert_eq!(form(&set), form_before);
        set.pop_many(90, &usual(), &mut rng, &mut |_| {});
        assert_eq!((form(&set), set.len()), (form_after, 11));
    }
}

#[test]
fn every_member_is_drawn_as_often_in_any_form() {
    for form in FORMS {
        let mut rng = Rng::from_seed(9);
        let set = numbers(50, form);
        let view = set.as_ref();
        let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut count = |member: Element<'_>| *counts.entry(member.to_vec()).or_default() += 1;
        view.draw(5_000, &mut rng, &mut |member| count(member));
        (0..5_000).for_each(|_| count(view.random(&mut rng).unwrap()));
        (0..1_000).for_each(|_| view.sample(10, &mut rng, &mut |member| count(member)));
        for _ in 0..1_000 {
            let popped = set.clone().pop(&mut rng).unwrap();
            count(Element::Bytes(&popped));
        }
        assert_eq!(counts.len(), 50);
        let expected = 300..540;
        assert!(
            counts.values().all(|n| expected.contains(n)),
            "{form} {counts:?}"
        );
    }
}
