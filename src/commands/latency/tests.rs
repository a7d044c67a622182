//! What `LATENCY` shows of events and of run times.

use super::super::testing::Rig;
use super::*;

fn with_events() -> Rig {
    let mut rig = Rig::new();
    rig.env.config.latency_monitor_threshold = 10;
    rig.env.renew_observers();
    for ms in [9, 10, 30, 20] {
        rig.env.note_latency("command", ms * 1_000_000);
    }
    rig.advance_ms(2000);
    rig.env.note_latency("command", 15_000_000);
    rig.env.note_latency("fork", 12_999_999);
    rig
}

#[test]
fn only_what_reaches_the_threshold_is_noted_the_worst_of_each_second() {
    let mut rig = with_events();
    let history = "*2\r\n*2\r\n:1700000000\r\n:30\r\n*2\r\n:1700000002\r\n:15\r\n";
    let latest = "*2\r\n*4\r\n$7\r\ncommand\r\n:1700000002\r\n:15\r\n:30\r\n\
                  *4\r\n$4\r\nfork\r\n:1700000002\r\n:12\r\n:12\r\n";
    rig.expect(&[
        ("LATENCY HISTORY command", history),
        ("LATENCY HISTORY nothing", "*0\r\n"),
        ("LATENCY LATEST", latest),
        ("LATENCY RESET nothing COMMAND", ":1\r\n"),
        ("LATENCY HISTORY command", "*0\r\n"),
        ("LATENCY RESET", ":1\r\n"),
        ("LATENCY LATEST", "*0\r\n"),
    ]);
    rig.env.config.latency_monitor_threshold = 0;
    rig.env.note_latency("fork", u64::MAX - 1);
    rig.expect(&[("LATENCY LATEST", "*0\r\n")]);
}

#[test]
fn a_graph_needs_samples() {
    let mut rig = with_events();
    rig.expect_refusals(&[(
        "LATENCY GRAPH nothing",
        "ERR No samples available for event 'nothing'",
    )]);
    let graph = rig.run("LATENCY GRAPH command");
    let head = "command - high 30 ms, low 15 ms (all time high 30 ms)\n";
    assert!(graph.contains(head), "{graph}");
}

#[test]
fn the_doctor_names_what_took_long_and_gives_advice() {
    let mut rig = Rig::new();
    assert!(rig.run("LATENCY DOCTOR").contains("is off"));
    let mut rig = with_events();
    let text = rig.run("LATENCY DOCTOR");
    for part in [
        "1. command: 2 times, 22 ms on average (mean deviation 7 ms), one every 1.00 s",
        "2. fork: 1 times",
        "SLOWLOG GET",
        "page tables",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    rig.run("LATENCY RESET");
    assert!(rig.run("LATENCY DOCTOR").contains("Nothing took as long"));
}

#[test]
fn run_times_are_counted_by_doubling_bounds() {
    let mut histogram = Histogram::default();
    for us in [0, 1, 1, 30, 30, 500_000, 9_000_000] {
        histogram.record(us * 1000);
    }
    let mut reply = Reply::new(crate::resp::writer::Protocol::Resp3);
    distribution(&mut reply, &histogram);
    let text = String::from_utf8_lossy(reply.as_bytes()).replace("\r\n", " ");
    let expected = "%2 $5 calls :7 $14 histogram_usec %4 :1 :3 :33 :5 :541065 :6 :1082130 :7 ";
    assert_eq!(text, expected);
}

#[test]
fn histograms_are_shown_of_what_was_called() {
    let mut rig = Rig::new();
    rig.run("SET a 1");
    rig.run("CLIENT ID");
    rig.run("CLIENT INFO");
    let names = |reply: &str| {
        let words = reply.split("\r\n").collect::<Vec<_>>();
        let starts = words.windows(5).filter(|part| part[3] == "calls");
        starts.map(|part| part[0].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&rig.run("LATENCY HISTOGRAM set nosuch get")), ["set"]);
    let of_client = ["client|id", "client|info"];
    assert_eq!(names(&rig.run("LATENCY HISTOGRAM client")), of_client);
    assert_eq!(
        names(&rig.run("LATENCY HISTOGRAM client|id")),
        ["client|id"]
    );
    assert_eq!(rig.run("LATENCY HISTOGRAM nosuch"), "*0\r\n");
    rig.run("CONFIG RESETSTAT");
    let left = names(&rig.run("LATENCY HISTOGRAM"));
    assert_eq!(left, ["config|resetstat"]);
}
