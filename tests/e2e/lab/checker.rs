//! The checker, checked: against a count by hand, and against data that was changed behind the
//! servers' backs.

use std::collections::BTreeSet;

use crate::harness::*;

/// All numbers that a writer has left at a node, read list by list.
fn numbers(lab: &Lab, node: &str, writer: &str) -> BTreeSet<u64> {
    let keys = lab.say(&format!("cli {node} KEYS lab:{writer}:*"));
    let keys = keys.lines().filter_map(|line| line.split('"').nth(1));
    let mut numbers = BTreeSet::new();
    for key in keys {
        let list = lab.say(&format!("cli {node} LRANGE {key} 0 -1"));
        let members = list.lines().filter_map(|line| line.split('"').nth(1));
        numbers.extend(members.map(|member| member.parse::<u64>().expect("a number")));
    }
    numbers
}

/// Those whose acknowledgement was lost with the link are there and count for nobody.
fn verdict(lab: &Lab, writer: &str) -> serde_json::Value {
    let path = lab.path("report.json");
    lab.say(&format!("report --json {}", path.to_str().expect("text")));
    let report = std::fs::read_to_string(path).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let verdicts = report["verdicts"].as_array().expect("verdicts").clone();
    let mut own = verdicts
        .into_iter()
        .filter(|verdict| verdict["writer"] == writer);
    own.next_back().expect("a verdict")
}

#[test]
fn on_a_stock_pair_with_a_partition_the_checker_counts_what_is_missing() {
    let lab = Lab::of(stock_path());
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("load minority --rate 500 --stay m1");
    lab.say("wait-for writes 300");
    lab.say("cut m1 r1");
    lab.say("wait-for writes 300");
    lab.say("slaveof r1 no one");
    lab.say("stop-load");
    let acknowledged = numbers(&lab, "m1", "minority");
    lab.say("heal");
    lab.say("slaveof m1 r1");
    lab.say("wait-for synced");
    lab.say("check r1");
    let left = numbers(&lab, "r1", "minority");
    let missing: Vec<u64> = acknowledged.difference(&left).copied().collect();
    let verdict = verdict(&lab, "minority");
    assert!(missing.len() > 200, "{missing:?}");
    assert_eq!(verdict["lost"], missing.len());
    assert_eq!(verdict["present"], left.len());
    assert_eq!(verdict["acknowledged"], acknowledged.len());
    let (first, last) = (missing[0], missing[missing.len() - 1]);
    assert_eq!(verdict["lost_ranges"], serde_json::json!([[first, last]]));
}

#[test]
fn data_that_was_changed_behind_the_servers_back_is_found() {
    let lab = Lab::ours();
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("load w --rate max");
    lab.say("wait-for writes 1500");
    lab.say("stop-load");
    lab.say("wait-for synced");
    let whole = numbers(&lab, "m1", "w");
    assert!(whole.len() >= 1500);
    // One is lost, one is there twice, one has a neighbour's place, one is nobody's.
    let key = "lab:w:0";
    lab.say(&format!("cli m1 LREM {key} 1 17"));
    lab.say(&format!("cli m1 RPUSH {key} 18"));
    lab.say(&format!("cli m1 LREM {key} 1 40"));
    lab.say(&format!("cli m1 LINSERT {key} AFTER 41 40"));
    lab.say(&format!("cli m1 RPUSH {key} nobody"));
    lab.say("check m1");
    let verdict = verdict(&lab, "w");
    for (figure, expected) in [
        ("lost", 1),
        ("present", whole.len() - 1),
        ("duplicated", 1),
        ("reordered", 1),
        ("foreign", 1),
        ("unknown", 0),
    ] {
        assert_eq!(verdict[figure], expected, "{figure} of {verdict}");
    }
    assert_eq!(verdict["lost_ranges"], serde_json::json!([[17, 17]]));
}
