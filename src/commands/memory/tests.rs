//! What keys take, and the shape of the reports.

use crate::commands::testing::Rig;

fn usage(rig: &mut Rig, line: &str) -> usize {
    let reply = rig.run(line);
    let number = reply
        .strip_prefix(':')
        .and_then(|rest| rest.strip_suffix("\r\n"));
    number.and_then(|text| text.parse().ok()).expect("a number")
}

#[test]
fn longer_values_take_more() {
    let mut rig = Rig::new();
    rig.run("SET small 1");
    rig.run(&format!("SET large {}", "x".repeat(10_000)));
    let small = usage(&mut rig, "MEMORY USAGE small");
    assert!((8..64).contains(&small), "{small}");
    let large = usage(&mut rig, "MEMORY USAGE large SAMPLES 0");
    assert!((10_000..20_000).contains(&large), "{large}");
    assert_eq!(rig.run("MEMORY USAGE absent"), "$-1\r\n");
}

#[test]
fn every_refusal_has_its_exact_words() {
    let mut rig = Rig::new();
    rig.expect_refusals(&[
        ("MEMORY USAGE a SAMPLES", "ERR syntax error"),
        ("MEMORY USAGE a SAMPLES -1", "ERR syntax error"),
        ("MEMORY USAGE a TIMES 1", "ERR syntax error"),
        (
            "MEMORY USAGE a SAMPLES x",
            "ERR value is not an integer or out of range",
        ),
        (
            "MEMORY USAGE",
            "ERR wrong number of arguments for 'memory|usage' command",
        ),
    ]);
}

#[test]
fn reports_have_their_shape() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    let stats = rig.run("MEMORY STATS");
    assert!(
        stats.starts_with("*56\r\n$14\r\npeak.allocated\r\n:"),
        "{stats}"
    );
    assert!(stats.contains("$4\r\ndb.0\r\n*6\r\n"), "{stats}");
    assert!(stats.contains("$10\r\nkeys.count\r\n:1\r\n"), "{stats}");
    assert!(rig.run("MEMORY DOCTOR").contains("hardly any memory"));
    rig.host.facts.memory.used = 100 << 20;
    rig.host.facts.memory.active = 200 << 20;
    assert!(rig.run("MEMORY DOCTOR").contains(" * Fragmentation: "));
    assert_eq!(rig.run("MEMORY PURGE"), "+OK\r\n");
    assert!(
        rig.run("MEMORY MALLOC-STATS")
            .contains("jemalloc statistics")
    );
}
