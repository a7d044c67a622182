//! The checker, against histories in which it is known what went wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::lab::model::Verdict;

const ALL: [Outcome; 4] = [
    Outcome::Refused,
    Outcome::Unknown,
    Outcome::Acknowledged,
    Outcome::Promised,
];

fn outcomes(list: &[Outcome]) -> Outcomes {
    Outcomes {
        writer: "plain".to_owned(),
        list: list.to_vec(),
        longest_gap: Some((3, 4)),
        ..Outcomes::default()
    }
}

/// What is found where these are the values of the first list.
fn found(values: &[&str]) -> Found {
    let mut found = Found::default();
    values
        .iter()
        .for_each(|value| found.push(0, value.as_bytes()));
    found
}

#[test]
fn each_write_has_one_fate() {
    use Outcome::{Acknowledged, Promised, Refused, Unknown};
    let told = [
        Acknowledged,
        Promised,
        Acknowledged,
        Promised,
        Refused,
        Refused,
        Unknown,
        Unknown,
    ];
    let ledger = BTreeSet::from([3, 5, 7, 99]);
    let got = check(
        &outcomes(&told),
        &found(&["1", "2", "5", "7"]),
        Some(&ledger),
    );
    let want = Verdict {
        writer: "plain".to_owned(),
        sent: 8,
        acknowledged: 4,
        promised: 2,
        refused: 2,
        unknown: 2,
        present: 2,
        lost: 2,
        promised_lost: 1,
        in_ledger: Some(1),
        unacknowledged_present: 2,
        lost_ranges: vec![(3, 4)],
        longest_gap: Some((3, 4)),
        ..Verdict::default()
    };
    assert_eq!(got, want);
}

#[test]
fn order_and_copies_are_told_apart() {
    let told = outcomes(&[Outcome::Acknowledged; 6]);
    let faults = |values: &[&str]| {
        let verdict = check(&told, &found(values), None);
        assert_eq!(verdict.in_ledger, None);
        (verdict.reordered, verdict.duplicated)
    };
    assert_eq!(faults(&["1", "2", "3", "4", "5", "6"]), (0, 0));
    assert_eq!(faults(&["1", "3", "2", "4"]), (1, 0));
    assert_eq!(faults(&["2", "3", "4", "1"]), (3, 0));
    // Copies that come later are no reordering, however many there are.
    assert_eq!(faults(&["1", "2", "1", "2", "2", "3"]), (0, 2));
    assert_eq!(faults(&["2", "1", "2", "1"]), (1, 2));
}

#[test]
fn what_no_writer_has_written_is_foreign() {
    let told = outcomes(&[Outcome::Acknowledged; 2]);
    let junk = [
        "0",
        "3",
        "-1",
        "01",
        "+1",
        " 1",
        "",
        "x",
        "1.0",
        "18446744073709551616",
    ];
    let mut values = junk.to_vec();
    values.extend(["1", "2"]);
    let verdict = check(&told, &found(&values), None);
    assert_eq!((verdict.foreign, verdict.present), (junk.len() as u64, 2));
    assert_eq!((verdict.reordered, verdict.duplicated), (0, 0));

    // A number in a list that is not its own was not written there.
    let mut elsewhere = found(&["1"]);
    elsewhere.push(7, b"2");
    assert_eq!(elsewhere.len(), 2);
    let verdict = check(&told, &elsewhere, None);
    assert_eq!((verdict.foreign, verdict.lost), (1, 1));
}

#[test]
fn a_writer_that_wrote_nothing_lost_nothing() {
    let verdict = check(
        &Outcomes::default(),
        &Found::default(),
        Some(&BTreeSet::new()),
    );
    let want = Verdict {
        in_ledger: Some(0),
        ..Verdict::default()
    };
    assert_eq!(verdict, want);
}

#[test]
fn only_the_first_ranges_are_told() {
    let told = outcomes(&[Outcome::Acknowledged; 100]);
    let odd: Vec<String> = (1..=100).step_by(2).map(|n| n.to_string()).collect();
    let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
    let verdict = check(&told, &found(&odd), None);
    assert_eq!((verdict.lost, verdict.lost_ranges.len()), (50, 20));
    assert_eq!(verdict.lost_ranges[19], (40, 40));
}

/// What is planted for one write.
#[derive(Clone, Debug)]
struct Planted {
    outcome: Outcome,
    is_there: bool,
    in_ledger: bool,
    /// Copies of it at its list's end.
    copies: u8,
    /// It changes places with the one before it.
    swapped: bool,
    /// Something else follows it.
    foreign: Option<String>,
}

fn planted() -> impl Strategy<Value = Planted> {
    let rarely = || prop::bool::weighted(0.1);
    let foreign = prop::option::weighted(0.05, "(x[0-9]{1,3}|0|-[1-9]|0[1-9]|999[0-9]{5}|)");
    let copies = prop_oneof![9 => Just(0u8), 1 => 1..4u8];
    let outcome = prop::sample::select(&ALL[..]);
    let parts = (outcome, any::<bool>(), rarely(), copies, rarely(), foreign);
    parts.prop_map(
        |(outcome, is_there, in_ledger, copies, swapped, foreign)| Planted {
            outcome,
            is_there,
            in_ledger,
            copies,
            swapped,
            foreign,
        },
    )
}

/// A server that has what was planted, and what a checker must say.
fn build(history: &[Planted]) -> (Found, BTreeSet<u64>, Verdict) {
    let mut want = Verdict {
        writer: "plain".to_owned(),
        sent: history.len() as u64,
        longest_gap: Some((3, 4)),
        in_ledger: Some(0),
        ..Verdict::default()
    };
    let mut server = Found::default();
    let mut ledger = BTreeSet::new();
    let mut lost = Vec::new();
    for (chunk, part) in history.chunks(1000).enumerate() {
        // The list, its copies, and whether its last one has been moved.
        let (mut list, mut copies, mut moved) = (Vec::<String>::new(), Vec::new(), true);
        for (index, one) in part.iter().enumerate() {
            let number = (chunk * 1000 + index + 1) as u64;
            if one.in_ledger {
                ledger.insert(number);
            }
            count(one, number, &mut want, &mut lost);
            if one.is_there {
                list.push(number.to_string());
                copies.extend((0..one.copies).map(|_| number.to_string()));
                let swaps = one.swapped && !moved;
                if swaps {
                    let last = list.len() - 1;
                    list.swap(last - 1, last);
                    want.reordered += 1;
                }
                moved = swaps;
            }
            if let Some(foreign) = &one.foreign {
                list.push(foreign.clone());
                want.foreign += 1;
                moved = true;
            }
        }
        list.extend(copies);
        list.iter()
            .for_each(|value| server.push(chunk as u64, value.as_bytes()));
    }
    want.lost_ranges = ranges(&lost);
    (server, ledger, want)
}

fn count(one: &Planted, number: u64, want: &mut Verdict, lost: &mut Vec<u64>) {
    let (there, accepted) = (one.is_there, one.outcome.is_accepted());
    let promised = one.outcome == Outcome::Promised;
    want.acknowledged += u64::from(accepted);
    want.promised += u64::from(promised);
    want.refused += u64::from(one.outcome == Outcome::Refused);
    want.unknown += u64::from(one.outcome == Outcome::Unknown);
    want.present += u64::from(accepted && there);
    want.unacknowledged_present += u64::from(!accepted && there);
    want.duplicated += u64::from(there && one.copies > 0);
    if accepted && !there {
        want.lost += 1;
        want.promised_lost += u64::from(promised);
        *want.in_ledger.get_or_insert(0) += u64::from(one.in_ledger);
        lost.push(number);
    }
}

/// Numbers as ranges, the slow way.
fn ranges(numbers: &[u64]) -> Vec<(u64, u64)> {
    let begins = numbers.iter().filter(|n| !numbers.contains(&(**n - 1)));
    let end = |n: &u64| {
        (
            *n,
            (*n..).find(|m| !numbers.contains(&(m + 1))).unwrap_or(*n),
        )
    };
    begins.map(end).take(20).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn planted_faults_are_counted_exactly(
        history in prop::collection::vec(planted(), 0..80),
        // Whole lists before it, so that the faults are in others than the first, too.
        before in 0..3usize,
    ) {
        let sound = Planted {
            outcome: Outcome::Acknowledged,
            is_there: true,
            in_ledger: false,
            copies: 0,
            swapped: false,
            foreign: None,
        };
        let mut whole = vec![sound; before * 970];
        whole.extend(history);
        let told: Vec<Outcome> = whole.iter().map(|one| one.outcome).collect();
        let (server, ledger, want) = build(&whole);
        prop_assert_eq!(check(&outcomes(&told), &server, Some(&ledger)), want);
    }

    #[test]
    fn any_order_is_judged_as_by_comparing_all_pairs(
        values in prop::collection::vec(1..30u64, 0..60),
    ) {
        let mut server = Found::default();
        values.iter().for_each(|value| server.push(0, value.to_string().as_bytes()));
        let mut firsts = Vec::new();
        for value in &values {
            if !firsts.contains(value) {
                firsts.push(*value);
            }
        }
        let early = |(place, value): (usize, &u64)| firsts[place..].iter().any(|v| v < value);
        let reordered = firsts.iter().enumerate().filter(|one| early(*one)).count();
        let several = |value: &&u64| values.iter().filter(|v| v == value).count() > 1;
        let duplicated = firsts.iter().filter(several).count();
        let verdict = check(&outcomes(&[Outcome::Unknown; 29]), &server, None);
        prop_assert_eq!(verdict.reordered, reordered as u64);
        prop_assert_eq!(verdict.duplicated, duplicated as u64);
        prop_assert_eq!(verdict.unacknowledged_present, firsts.len() as u64);
    }
}
