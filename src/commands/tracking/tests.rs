//! Who is told of which keys, and when.

use super::super::testing::Rig;
use crate::config::MaxmemoryPolicy;
use crate::resp::writer::Protocol;

/// A rig in which the speaker, client 1, is told by pushes.
fn tracking(options: &str) -> Rig {
    let mut rig = Rig::new();
    rig.session.protocol = Protocol::Resp3;
    assert_eq!(rig.run(&format!("CLIENT TRACKING ON {options}")), "+OK\r\n");
    rig
}

/// What the speaker was told since the last call, in words.
fn told(rig: &mut Rig) -> Vec<String> {
    let all = std::mem::take(&mut rig.host.delivered);
    let words = |text: &str| {
        let words = text.split("\r\n").filter(|word| !word.starts_with('$'));
        words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    all.iter()
        .map(|(to, text)| format!("{to}: {}", words(text)))
        .collect()
}

/// Another client sets these keys.
fn set_all(rig: &mut Rig, keys: &[&str]) {
    for key in keys {
        rig.run_as(2, &format!("SET {key} 1"));
    }
}

#[test]
fn a_client_is_told_once_of_what_it_has_read() {
    let mut rig = tracking("");
    rig.run("GET a");
    rig.run("MGET b c");
    rig.run_as(2, "SET a 1");
    rig.run_as(2, "SET a 2");
    rig.run_as(2, "MSET b 1 x 1");
    assert_eq!(
        told(&mut rig),
        ["1: >2 invalidate *1 a", "1: >2 invalidate *1 b"]
    );
    rig.run_as(2, "FLUSHALL");
    assert_eq!(told(&mut rig), ["1: >2 invalidate _"]);
    rig.run("CLIENT TRACKING OFF");
    rig.run("GET a");
    rig.run_as(2, "SET a 1");
    assert!(told(&mut rig).is_empty() && !rig.env.observers.see_all());
}

#[test]
fn of_its_own_changes_a_client_is_told_behind_the_reply_or_not_at_all() {
    let mut rig = tracking("");
    rig.run("GET a");
    let expected = "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n";
    assert_eq!(rig.run("SET a 1"), expected);
    let mut rig = tracking("NOLOOP");
    rig.run("GET a");
    assert_eq!(rig.run("SET a 1"), "+OK\r\n");
    rig.run("GET a");
    rig.run_as(2, "SET a 2");
    assert_eq!(told(&mut rig), ["1: >2 invalidate *1 a"]);
}

#[test]
fn keys_that_expire_are_changed_by_nobody() {
    let mut rig = tracking("NOLOOP");
    rig.run("SET a 1 PX 10");
    rig.run("GET a");
    rig.advance_ms(11);
    rig.run_as(2, "GET a");
    assert_eq!(told(&mut rig), ["1: >2 invalidate *1 a"]);
}

#[test]
fn a_client_chooses_which_reads_count() {
    let mut rig = tracking("OPTIN");
    rig.run("GET a");
    rig.run("CLIENT CACHING YES");
    rig.run("GET b");
    rig.run("GET c");
    set_all(&mut rig, &["a", "b", "c"]);
    assert_eq!(told(&mut rig), ["1: >2 invalidate *1 b"]);
    let mut rig = tracking("OPTOUT");
    rig.run("GET a");
    rig.run("CLIENT CACHING NO");
    rig.run("GET b");
    rig.run("GET c");
    set_all(&mut rig, &["a", "b", "c"]);
    assert_eq!(
        told(&mut rig),
        ["1: >2 invalidate *1 a", "1: >2 invalidate *1 c"]
    );
}

#[test]
fn a_choice_before_a_transaction_holds_for_all_of_it() {
    let mut rig = tracking("OPTIN");
    for line in [
        "CLIENT CACHING YES",
        "MULTI",
        "GET a",
        "GET b",
        "EXEC",
        "GET c",
    ] {
        rig.run(line);
    }
    set_all(&mut rig, &["a", "b", "c"]);
    assert_eq!(
        told(&mut rig),
        ["1: >2 invalidate *1 a", "1: >2 invalidate *1 b"]
    );
}

#[test]
fn prefixes_are_heard_of_together() {
    let mut rig = tracking("BCAST PREFIX a PREFIX b");
    set_all(&mut rig, &["ab", "b", "c", "ab"]);
    assert!(told(&mut rig).is_empty());
    rig.env.broadcast_invalidations();
    rig.run_as(2, "PING");
    assert_eq!(
        told(&mut rig),
        ["1: >2 invalidate *1 ab", "1: >2 invalidate *1 b"]
    );
    rig.env.broadcast_invalidations();
    assert!(rig.env.outbox.is_empty());
}

#[test]
fn how_keys_are_tracked_is_shown() {
    let mut rig = tracking("OPTIN NOLOOP");
    rig.run("CLIENT CACHING YES");
    let shown = "%3\r\n$5\r\nflags\r\n~4\r\n$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n\
                 $6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n";
    assert_eq!(rig.run("CLIENT TRACKINGINFO"), shown);
    assert_eq!(rig.run("CLIENT GETREDIR"), ":0\r\n");
    rig.run("RESET");
    assert_eq!(rig.run("CLIENT GETREDIR"), ":-1\r\n");
    assert!(rig.env.tracking.is_off());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut rig = Rig::new();
    rig.expect_refusals(&[
        ("CLIENT TRACKING MAYBE", "ERR syntax error"),
        (
            "CLIENT TRACKING ON PREFIX a",
            "ERR PREFIX option requires BCAST mode to be enabled",
        ),
        (
            "CLIENT TRACKING ON REDIRECT 9",
            "ERR The client ID you want redirect to does not exist",
        ),
        (
            "CLIENT TRACKING ON REDIRECT x",
            "ERR value is not an integer or out of range",
        ),
        (
            "CLIENT TRACKING ON BCAST OPTIN",
            "ERR OPTIN and OPTOUT are not compatible with BCAST",
        ),
        (
            "CLIENT TRACKING ON OPTIN OPTOUT",
            "ERR You can't specify both OPTIN mode and OPTOUT mode",
        ),
        (
            "CLIENT TRACKING ON BCAST PREFIX a PREFIX ab",
            "ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single \
             client must not overlap.",
        ),
        (
            "CLIENT CACHING YES",
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        ),
    ]);
    rig.run("CLIENT TRACKING ON BCAST PREFIX a");
    rig.expect_refusals(&[
        (
            "CLIENT TRACKING ON BCAST PREFIX ab",
            "ERR Prefix 'ab' overlaps with an existing prefix 'a'. Prefixes for a single client \
             must not overlap.",
        ),
        (
            "CLIENT TRACKING ON",
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, \
             and then re-enabling it with a different mode.",
        ),
        (
            "CLIENT CACHING YES",
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        ),
        ("CLIENT CACHING x", "ERR syntax error"),
    ]);
}

#[test]
fn the_table_of_keys_is_kept_short() {
    let mut rig = tracking("");
    rig.env.config.tracking_table_max_keys = 3;
    for key in ["a", "b", "c", "d", "e"] {
        rig.run(&format!("GET {key}"));
    }
    assert_eq!(rig.env.tracking.keys(), 3);
}

#[test]
fn a_client_is_told_of_evictions_before_the_command_that_caused_them_runs() {
    let mut rig = tracking("");
    rig.run("SET a 1 EX 1000");
    rig.run("GET a");
    rig.env.config.maxmemory = 150;
    rig.env.config.maxmemory_policy = MaxmemoryPolicy::VolatileRandom;
    rig.run("SET b 1");
    let expected = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n$1\r\n1\r\n";
    assert_eq!(rig.run("GET b"), expected);
}
