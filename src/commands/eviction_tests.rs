//! Evictions, with a server that says a hundred bytes for each key.

use super::*;
use crate::commands::testing::Rig;

fn full_rig(policy: MaxmemoryPolicy) -> Rig {
    let mut rig = Rig::new();
    rig.env.config.maxmemory_policy = policy;
    rig.env.config.maxmemory_eviction_tenacity = TENACITY_UNBOUNDED;
    for n in 0..100 {
        rig.run(&format!("SET k{n} v"));
    }
    rig
}

#[test]
fn without_a_policy_only_commands_that_need_memory_are_refused() {
    let mut rig = full_rig(MaxmemoryPolicy::Noeviction);
    rig.env.config.maxmemory = 5_000;
    let refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    assert_eq!(rig.run("SET k v"), refusal);
    assert_eq!(rig.run("GET k1"), "$1\r\nv\r\n");
    assert_eq!(rig.run("DEL k1"), ":1\r\n");
    assert_eq!(rig.env.keyspace.len(), 99);
}

#[test]
fn keys_go_until_the_limit_holds_and_replicas_are_told() {
    for policy in [MaxmemoryPolicy::AllkeysRandom, MaxmemoryPolicy::AllkeysLru] {
        let mut rig = full_rig(policy);
        rig.propagated();
        rig.env.config.maxmemory = 5_000;
        assert_eq!(rig.run("PING"), "+PONG\r\n");
        assert_eq!(rig.env.keyspace.len(), 50);
        assert_eq!(rig.env.stats.evicted_keys, 50);
        let told = rig.propagated();
        let deletions = told.iter().filter(|line| line.starts_with("DEL k"));
        assert_eq!(deletions.count(), 50, "{told:?}");
        assert!(!rig.env.eviction.is_going_on());
    }
}

#[test]
fn the_keys_that_expire_first_go_first_and_others_stay() {
    let mut rig = full_rig(MaxmemoryPolicy::VolatileTtl);
    rig.env.config.maxmemory_samples = 100;
    for n in 0..30 {
        rig.run(&format!("EXPIRE k{n} {}", 100 + n));
    }
    rig.env.config.maxmemory = 9_000;
    rig.run("PING");
    for n in 0..30 {
        let left = if n < 10 { ":0\r\n" } else { ":1\r\n" };
        assert_eq!(rig.run(&format!("EXISTS k{n}")), left, "{n}");
    }
    rig.env.config.maxmemory = 6_000;
    let refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    assert_eq!(rig.run("SET k0 v"), refusal);
    assert_eq!(rig.env.keyspace.len(), 70);
    assert_eq!(rig.env.keyspace.expires_len(), 0);
}

#[test]
fn the_least_used_keys_go_first() {
    let mut rig = full_rig(MaxmemoryPolicy::AllkeysLru);
    rig.env.config.maxmemory_samples = 100;
    rig.advance_ms(10_000);
    for n in 50..100 {
        rig.run(&format!("GET k{n}"));
    }
    rig.env.config.maxmemory = 5_000;
    rig.run("PING");
    for n in 0..100 {
        let left = if n < 50 { ":0\r\n" } else { ":1\r\n" };
        assert_eq!(rig.run(&format!("EXISTS k{n}")), left, "{n}");
    }
}

#[test]
fn a_replica_leaves_evictions_to_its_master() {
    let mut rig = full_rig(MaxmemoryPolicy::AllkeysLru);
    rig.env.gates.replica = true;
    rig.env.config.maxmemory = 5_000;
    rig.run("PING");
    assert_eq!(rig.env.keyspace.len(), 100);
    rig.env.config.replica_ignore_maxmemory = false;
    rig.run("PING");
    assert_eq!(rig.env.keyspace.len(), 50);
}

#[test]
fn the_time_for_a_round_grows_with_tenacity() {
    assert_eq!(time_limit_ns(0), 0);
    assert_eq!(time_limit_ns(10), 500_000);
    assert!(time_limit_ns(99) > 100_000_000_000);
    assert_eq!(time_limit_ns(100), u64::MAX);
}
