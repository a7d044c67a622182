//! Sentinels and servers of both makes in one group.

use super::clients::Client;
use crate::harness::*;

use Make::{Ours, Stock};

/// Two failovers and a return in a group of these makes.
#[track_caller]
fn fail_over_twice(servers: &[Make], sentinels: &[Make]) {
    let mut group = Plan::new(servers, sentinels).start();
    let client = Client::of(&group);
    client.wait_going_on();
    let first = group.servers[0].port;
    let second = group.kill_master();
    client.wait_going_on();
    group.servers[0].start_again();
    assert_eq!(group.wait_followed(), second);
    group.wait_known();
    // A sentinel of the other make leads this time.
    let led = |make: Make| {
        let mut pairs = group.sentinels.iter().zip(sentinels);
        pairs.find(|(s, own)| **own == make && s.event_count("+elected-leader") == 0)
    };
    let (next, _) = led(Ours)
        .or_else(|| led(Stock))
        .expect("one that did not lead");
    assert_eq!(next.ask(&format!("SENTINEL FAILOVER {MASTER}")), "OK");
    let third = group.wait_failover(second);
    client.wait_going_on();
    drop(client);
    let last = group.settle();
    // A stock Sentinel that has not heard of the failover yet may make the promoted server a
    // replica again; the group then fails it over once more.
    let converted = format!("+convert-to-slave slave 127.0.0.1:{third} ");
    let mut stock = group.sentinels.iter().zip(sentinels);
    let taken_back = stock.any(|(s, make)| *make == Stock && s.log_count(&converted) > 0);
    assert!(last == third || taken_back, "{last} instead of {third}");
    assert_ne!(first, second);
}

#[test]
fn our_sentinel_among_stock_ones_fails_servers_of_both_makes_over() {
    fail_over_twice(&[Ours, Stock, Ours], &[Ours, Stock, Stock]);
}

#[test]
fn a_stock_sentinel_among_ours_fails_servers_of_both_makes_over() {
    fail_over_twice(&[Stock, Ours, Stock], &[Ours, Ours, Stock]);
}

#[test]
fn our_sentinels_fail_stock_servers_over() {
    fail_over_twice(&[Stock, Stock], &[Ours, Ours, Ours]);
}

#[test]
fn stock_sentinels_fail_our_servers_over() {
    fail_over_twice(&[Ours, Ours], &[Stock, Stock, Stock]);
}
