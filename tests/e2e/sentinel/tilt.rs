//! Clocks that jump and processes that stand still.

use crate::harness::*;

const SHORT: &str = "SENTINEL DEBUG tilt-trigger 400 tilt-period 1500";

#[test]
fn a_sentinel_that_stood_still_only_looks_on_for_a_while() {
    let mut group = Plan::ours(2, 2).quorum(1).start();
    let (old, id) = (group.servers[0].port, group.sentinels[0].id());
    // The other one only tells the time: it never has the majority, and neither has the first
    // without it.
    assert_eq!(group.sentinels[0].ask(SHORT), "OK");
    group.sentinels[0].freeze();
    group.sentinels[1].wait_event(&format!("+sdown sentinel {id}"));
    group.servers[0].kill();
    group.sentinels[1].wait_event(&format!("+sdown master {MASTER}"));
    group.sentinels[0].thaw();
    let sentinel = &group.sentinels[0];
    sentinel.wait_event("+tilt #tilt mode entered");
    assert_eq!(sentinel.info("sentinel_tilt"), "1");
    assert!(sentinel.info_number("sentinel_tilt_since_seconds") >= 0);
    let question = format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {old} 0 *");
    assert_eq!(sentinel.ask(&question), "[0 * 0]");
    sentinel.wait_event("-tilt #tilt mode exited");
    assert_eq!(sentinel.info("sentinel_tilt"), "0");
    assert_eq!(sentinel.info("sentinel_tilt_since_seconds"), "-1");
    let events = sentinel.events();
    let at = |start: &str| events.iter().position(|e| e.starts_with(start)).unwrap();
    let meanwhile = &events[at("+tilt")..at("-tilt")];
    let acts = ["+odown", "+sdown master", "+try-failover"];
    let acted = |event: &&String| acts.iter().any(|act| event.starts_with(act));
    assert_eq!(meanwhile.iter().find(acted), None, "{meanwhile:?}");
    group.wait_failover(old);
    group.settle();
}
