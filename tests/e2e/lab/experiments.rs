//! Every experiment of `scripts/experiments`, with the verdict that it is there to show.
//!
//! What is asserted is what follows from the design of the servers, not how fast this machine is.

use crate::harness::*;

/// Runs it with our servers; that the script has come to its end and checked is asserted for all.
fn run(name: &str) -> Figures {
    run_aloud(name).0
}

/// The same, and all that was said meanwhile.
fn run_aloud(name: &str) -> (Figures, String) {
    let (figures, said) = Lab::ours().run_experiment_aloud(name);
    assert_eq!(figures.text("complete"), "yes");
    assert_eq!(figures.text("checked"), "yes");
    assert_eq!(figures.number("duplicated"), 0.0);
    assert_eq!(figures.number("reordered"), 0.0);
    assert!(figures.number("acknowledged") > 100.0);
    (figures, said)
}

/// The first number behind this text.
#[track_caller]
fn number_behind(said: &str, text: &str) -> f64 {
    let (_, rest) = said
        .split_once(text)
        .unwrap_or_else(|| panic!("no '{text}' in {said}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number behind '{text}' in {said}"))
}

#[test]
fn a_killed_master_is_replaced_and_promised_writes_are_kept() {
    let figures = run("kill-master");
    assert_eq!(figures.text("failovers"), "1");
    assert_ne!(figures.text("master"), "m1");
    assert_eq!(figures.number("promised_lost"), 0.0);
    assert!(figures.number("first_write_ms") >= figures.number("odown_ms"));
    assert!(figures.number("gap_ms") > 0.0);
}

#[test]
fn a_stopped_master_is_replaced_after_the_time_limit() {
    let figures = run("stop-master");
    assert_eq!(figures.text("failovers"), "1");
    assert!(figures.number("detection_ms") >= 900.0, "{figures:?}");
    assert_eq!(figures.number("client.lost"), 0.0);
}

#[test]
fn writes_on_the_side_of_the_minority_are_lost() {
    let figures = run("partition-master");
    assert!(figures.number("minority.lost") > 500.0, "{figures:?}");
    assert!(figures.number("majority.lost") < 5.0, "{figures:?}");
}

#[test]
fn min_replicas_to_write_bounds_what_a_minority_loses() {
    let bounded = run("partition-min-replicas").number("minority.lost");
    assert!(bounded > 0.0);
    // At 500 a second: some three seconds of writes, of more than five.
    assert!(bounded < 2200.0, "{bounded}");
}

#[test]
fn a_coordinated_failover_loses_nothing() {
    let figures = run("planned-failover");
    assert_eq!(figures.text("failovers"), "1");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn an_empty_restart_does_not_empty_the_replicas() {
    let figures = run("empty-restart");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn an_empty_restart_that_sentinels_see_gives_the_data_to_everybody() {
    let figures = run("empty-restart-watched");
    assert_ne!(figures.text("master"), "m1");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn a_slow_replica_arrives_while_writers_write() {
    let figures = run("slow-replica");
    assert_eq!(figures.text("held"), "yes");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn servers_that_are_killed_lose_nothing_and_go_on() {
    let figures = run("killed-servers");
    assert_eq!(figures.text("held"), "yes");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn a_chain_goes_on_when_its_middle_is_back() {
    let figures = run("chain-middle");
    assert_eq!(figures.text("held"), "yes");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn a_minority_of_sentinels_promotes_nobody() {
    let figures = run("sentinel-minority");
    assert_eq!(figures.text("failovers"), "1");
    // Three seconds of them pass while one Sentinel is alone.
    assert!(figures.number("gap_ms") > 3000.0, "{figures:?}");
}

#[test]
fn an_old_master_gives_up_what_nobody_else_has() {
    let figures = run("old-master-returns");
    assert!(figures.number("lost") >= 100.0, "{figures:?}");
    assert_ne!(figures.text("master"), "m1");
}

#[test]
fn wait_for_one_replica_promises_less_than_it_seems() {
    let figures = run("wait-one");
    assert!(figures.number("promised_lost") >= 400.0, "{figures:?}");
    assert_eq!(figures.text("master"), "r2");
}

#[test]
fn a_flapping_link_costs_no_write() {
    let figures = run("flapping-link");
    assert_eq!(figures.text("held"), "yes");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn writes_that_a_demoted_master_loses_are_in_its_ledger_and_can_be_replayed() {
    let (figures, said) = run_aloud("lost-writes");
    assert_eq!(figures.text("held"), "yes");
    // Before the ledger is sent to the new master. What it holds beyond the lost writes would be
    // there twice in the end.
    let lost = number_behind(&said, "present, ");
    assert!(lost >= 500.0, "{said}");
    assert!(
        said.contains(&format!("), {lost} of them in a ledger")),
        "{said}"
    );
    assert!(said.contains("errors: 0"), "{said}");
    assert_eq!(figures.number("lost"), 0.0);
}

#[test]
fn stock_servers_lose_the_writes_of_a_demoted_master_without_a_trace() {
    let figures = Lab::of(stock_path()).run_experiment("lost-writes");
    assert!(figures.number("old.lost") >= 500.0, "{figures:?}");
    assert_eq!(figures.number("new.lost"), 0.0);
    assert_eq!(figures.text("in_ledger"), "-");
}

#[test]
fn lag_is_what_the_links_of_a_chain_add_up_to() {
    let (figures, said) = run_aloud("lag");
    assert_eq!(figures.text("held"), "yes");
    assert_eq!(figures.number("lost"), 0.0);
    for (place, hops) in [
        ("one link, r1: ", 1.0),
        ("one link, r2: ", 1.0),
        ("both links, r1: ", 1.0),
        ("both links, r2: ", 2.0),
    ] {
        let by_itself = number_behind(&said, place);
        let at_its_master = number_behind(&said, &format!("{place}{by_itself} ms by itself, "));
        for lag in [by_itself, at_its_master] {
            assert!((lag - 250.0 * hops).abs() <= 20.0 * hops, "{place}{said}");
        }
    }
}

#[test]
fn stock_servers_tell_of_lag_in_whole_seconds_only() {
    let (figures, said) = Lab::of(stock_path()).run_experiment_aloud("lag");
    assert_eq!(figures.number("lost"), 0.0);
    assert!(
        said.contains("one link, r1: no ms by itself, no ms by m1"),
        "{said}"
    );
    // Whole seconds, below one where nobody is held up.
    assert!(said.contains("one link, stock fields: lag=0 to "), "{said}");
}

#[test]
fn stock_servers_run_the_same_scripts_and_an_empty_restart_empties_them() {
    let figures = Lab::of(stock_path()).run_experiment("empty-restart");
    assert_eq!(figures.number("lost"), figures.number("acknowledged"));
}

#[test]
fn a_script_is_repeated_and_its_figures_are_distributed() {
    let lab = Lab::ours();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/scripts/experiments/planned-failover.sh"
    );
    let (page, json) = (lab.path("page.html"), lab.path("page.json"));
    let text = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    let pair = text(&subject_path());
    let shown = lab.say(&format!(
        "repeat 2 {script} --pair {pair} --html {} --json {}",
        text(&page),
        text(&json)
    ));
    assert!(shown.contains("median"), "{shown}");
    let json = std::fs::read_to_string(json).expect("a report");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["columns"][0]["runs"], 2, "{json}");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!doctype html>") && !page.contains("<script"));
}
