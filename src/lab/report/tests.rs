//! Reports of records written by hand.

use super::testing::{START_US, Scribe, at, fault, kill_of_the_master, partition_with_a_client};
use super::*;
use crate::lab::model::{
    Entry, Event, LinkState, ProcessState, Record, Sample, Setup, Verdict, What, Writes,
};

const NODES: [&str; 6] = ["m1", "r1", "r2", "s1", "s2", "s3"];

fn only(summary: &Summary) -> &Failover {
    assert_eq!(summary.failovers.len(), 1, "{:?}", summary.failovers);
    &summary.failovers[0]
}

#[test]
fn a_killed_master_is_missed_replaced_and_written_to_again() {
    let summary = summarize(&kill_of_the_master());
    let failover = only(&summary);
    let trouble = failover.trouble.as_ref().expect("it was killed");
    assert_eq!(
        (trouble.kind, trouble.step.as_str()),
        (TroubleKind::Down, "kill m1")
    );
    assert_eq!(
        (failover.began_us, failover.from.as_str()),
        (at(5_003), "m1")
    );
    assert_eq!(failover.to.as_deref(), Some("r1"));
    let times = [
        failover.sdown_us,
        failover.odown_us,
        failover.elected_us,
        failover.promoted_us,
        failover.switched_us,
        failover.first_write_us,
        failover.ended_us,
    ];
    let since = [6_190, 6_230, 6_250, 6_320, 6_530, 6_584, 6_649];
    assert_eq!(times, since.map(|ms| Some((ms - 5_003) * 1000)));
    assert_eq!(failover.election_us(), Some(20_000));
    assert_eq!(failover.promotion_us(), Some(70_000));
    assert!(summary.complete && summary.all_held && summary.is_checked());
    assert_eq!(
        summary.nobody_wrote.map(|pause| pause.length_us),
        Some(1_583_000)
    );
    let lag = summary
        .servers
        .iter()
        .map(|server| (server.lag_ms, server.staleness_ms));
    let expected = [(Some(8), None), (Some(8), None), (Some(8), Some(8))];
    assert_eq!(lag.collect::<Vec<_>>(), expected);
    assert_eq!(
        summary.sentence,
        "m1 was killed; nobody could write for 1.58 s; r1 took over; no acknowledged write was \
         lost."
    );
}

#[test]
fn a_client_on_the_side_of_a_lost_master_is_told_from_the_others() {
    let summary = summarize(&partition_with_a_client());
    let failover = only(&summary);
    let trouble = failover.trouble.as_ref().expect("it was cut off");
    assert_eq!((trouble.kind, trouble.at_us), (TroubleKind::Cut, at(8_001)));
    // The first write is that of the client outside, at the end of its gap.
    assert_eq!(failover.first_write_us, Some(2_232_000));
    assert_eq!(summary.nobody_wrote, None);
    assert_eq!(
        (summary.lost(), summary.in_ledger()),
        (11_070, Some(11_069))
    );
    assert_eq!(
        summary.sentence,
        "m1 was cut off from r1, r2, s1, s2 and 2 more; the writer outside could not write for \
         2.23 s; r1 took over; 11,070 of 62,870 acknowledged writes were lost, all written by \
         inside, 2 of them promised by WAIT, 11,069 of them noted in a ledger."
    );
}

#[test]
fn several_failovers_are_told_apart() {
    let mut run = Scribe::begun("there and back");
    run.nodes(&NODES);
    run.role(100, "m1", None);
    run.role(110, "r1", Some("m1"));
    run.process(1_000, "m1", ProcessState::Down);
    run.failover(3_000, 1, 2, 1);
    run.role(2_850, "r1", None);
    run.process(5_000, "m1", ProcessState::Up);
    run.role(5_100, "m1", None);
    run.role(6_000, "m1", Some("r1"));
    run.process(8_000, "r1", ProcessState::Stopped);
    run.failover(10_000, 2, 1, 2);
    run.role(9_900, "m1", None);
    let summary = summarize(&run.ended(12_000));
    let told = summary.failovers.iter().map(|failover| {
        let kind = failover.trouble.as_ref().map(|trouble| trouble.kind);
        (
            failover.from.as_str(),
            failover.to.as_deref(),
            kind,
            failover.promoted_us,
        )
    });
    let expected = [
        ("m1", Some("r1"), Some(TroubleKind::Down), Some(1_820_000)),
        (
            "r1",
            Some("m1"),
            Some(TroubleKind::Stopped),
            Some(1_820_000),
        ),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let sentence = "m1 was killed; there were 2 failovers in all (m1 → r1 → m1); nothing was \
                    written, so nothing can be said of lost writes.";
    assert_eq!(summary.sentence, sentence);
}

#[test]
fn a_master_that_answers_again_is_replaced_all_the_same_once_that_has_begun() {
    let mut run = Scribe::begun("");
    run.nodes(&NODES);
    let master = "master mymaster 127.11.3.1 6379";
    run.process(1_000, "m1", ProcessState::Stopped);
    run.failover(3_000, 1, 2, 1);
    run.sentinel(2_590, "s2", "-sdown", master);
    run.sentinel(2_591, "s2", "-odown", master);
    let summary = summarize(&run.ended(4_000));
    let failover = only(&summary);
    assert_eq!(
        (failover.to.as_deref(), failover.sdown_us),
        (Some("r1"), Some(1_540_000))
    );
}

#[test]
fn what_was_done_to_a_server_before_it_was_master_is_no_trouble_of_its_own() {
    let mut run = Scribe::begun("");
    run.nodes(&NODES);
    run.part(500, &["m1"], &["r1", "r2"], true);
    run.process(1_000, "m1", ProcessState::Down);
    run.failover(3_000, 1, 2, 1);
    run.failover(6_000, 2, 3, 2);
    let summary = summarize(&run.ended(8_000));
    let troubles = summary
        .failovers
        .iter()
        .map(|failover| failover.trouble.as_ref());
    let troubles: Vec<_> = troubles
        .map(|trouble| trouble.map(|trouble| trouble.kind))
        .collect();
    assert_eq!(troubles, [Some(TroubleKind::Down), None]);
}

#[test]
fn a_sentinel_may_log_a_failover_before_the_step_that_asks_for_it() {
    let mut run = Scribe::begun("");
    run.nodes(&NODES);
    run.step(1_001, "failover coordinated");
    // A log has whole milliseconds.
    run.sentinel(
        1_000,
        "s1",
        "+try-failover",
        "master mymaster 127.11.3.1 6379",
    );
    let summary = summarize(&run.ended(2_000));
    let trouble = only(&summary)
        .trouble
        .as_ref()
        .map(|trouble| trouble.step.as_str());
    assert_eq!(trouble, Some("failover coordinated"));
}

#[test]
fn a_change_of_roles_that_was_asked_for_needs_no_sentinel() {
    let mut run = Scribe::begun("");
    run.nodes(&NODES[..3]);
    run.role(100, "m1", None);
    run.role(110, "r1", Some("m1"));
    run.role(110, "r2", Some("m1"));
    run.step(2_000, "cli m1 FAILOVER TO r1");
    run.step(2_100, "wait-for master r1");
    // The old master may be seen in its new role first.
    run.role(2_200, "m1", Some("r1"));
    run.role(2_240, "r1", None);
    run.role(2_300, "r2", Some("r1"));
    let summary = summarize(&run.ended(3_000));
    let failover = only(&summary);
    assert_eq!(failover.to.as_deref(), Some("r1"));
    assert_eq!(
        (failover.promoted_us, failover.detection_us()),
        (Some(240_000), None)
    );
    let trouble = failover.trouble.as_ref().map(|trouble| trouble.kind);
    assert_eq!(trouble, Some(TroubleKind::Asked));
}

#[test]
fn neither_a_suspicion_nor_a_restart_nor_the_end_of_a_chain_is_a_failover() {
    let mut run = Scribe::begun("");
    run.nodes(&NODES);
    run.role(100, "m1", None);
    run.role(110, "r1", Some("m1"));
    run.role(110, "r2", Some("r1"));
    let master = "master mymaster 127.11.3.1 6379";
    run.sentinel(1_000, "s1", "+sdown", master);
    run.sentinel(1_200, "s1", "-sdown", master);
    run.process(2_000, "r1", ProcessState::Down);
    run.process(3_000, "r1", ProcessState::Up);
    run.role(3_100, "r1", None);
    run.role(3_500, "r1", Some("m1"));
    run.role(4_000, "r2", None);
    let summary = summarize(&run.ended(5_000));
    assert_eq!(summary.failovers, []);
    assert!(
        summary
            .sentence
            .starts_with("r1 was killed; no other server took over;")
    );
}

#[test]
fn a_master_that_nobody_replaces_is_a_failover_to_nobody() {
    let mut run = Scribe::begun("a minority of Sentinels");
    run.nodes(&NODES[..4]);
    run.process(1_000, "m1", ProcessState::Down);
    run.sentinel(2_000, "s1", "+sdown", "master mymaster 127.11.3.1 6379");
    run.writes("w1", (0, 1_000), 10, 0);
    run.writes("w1", (1_000, 4_000), 0, 1);
    let summary = summarize(&run.ended(4_000));
    let failover = only(&summary);
    assert_eq!(
        (failover.to.as_deref(), failover.sdown_us),
        (None, Some(1_000_000))
    );
    assert_eq!(failover.first_write_us, None);
    let sentence = "m1 was killed; nobody could write for 3.00 s, until the end; no other server \
                    took over; what became of 100 acknowledged writes was not checked.";
    assert_eq!(summary.sentence, sentence);
}

#[test]
fn a_record_that_breaks_off_is_reported_as_far_as_it_goes() {
    let mut record = kill_of_the_master();
    record.entries.retain(|entry| match entry {
        Entry::Verdict(_) | Entry::Ended { .. } => false,
        Entry::Event(event) => event.at_us < at(6_300),
        Entry::Writes(writes) => writes.at_us < at(6_300),
        Entry::Sample(sample) => sample.at_us < at(6_300),
        Entry::Read(read) => read.at_us < at(6_300),
        _ => true,
    });
    let summary = summarize(&record);
    assert!(!summary.complete && !summary.is_checked());
    assert_eq!(only(&summary).to, None);
    assert_eq!(
        summary.longest_gap().map(|gap| gap.length_us),
        Some(1_300_000)
    );
    assert!(line(&record).contains(" lost=- ") && line(&record).contains(" w1.lost=- "));
    assert!(
        summary
            .sentence
            .ends_with("the record ends in the middle of the run.")
    );
    assert_eq!(fault(&html(&record)), None);
}

#[test]
fn what_the_script_waited_for_in_vain_is_told() {
    let mut run = Scribe::begun("");
    run.step(10, "wait-for master r1");
    run.awaited(900, "wait-for master r1", false);
    let record = run.ended(1_000);
    let summary = summarize(&record);
    assert!(!summary.all_held);
    assert!(
        summary
            .sentence
            .ends_with("the script waited in vain for “master r1”.")
    );
    assert!(html(&record).contains("✗ did not come true after 890 ms"));
}

#[test]
fn writes_that_never_stopped_have_no_gap_to_show() {
    let mut run = Scribe::begun("calm");
    run.nodes(&NODES[..1]);
    run.writes("w1", (100, 900), 10, 0);
    run.verdict(Verdict {
        writer: "w1".to_owned(),
        acknowledged: 80,
        present: 80,
        longest_gap: Some((at(300), 9_500)),
        ..Verdict::default()
    });
    let record = run.ended(1_000);
    let sentence = "Writes went on without a pause longer than 9.5 ms; no server took over from \
                    another; no acknowledged write was lost.";
    assert_eq!(summarize(&record).sentence, sentence);
    let page = html(&record);
    assert!(page.contains("writes never stopped") && !page.contains("could not write"));
}

#[test]
fn no_entry_at_all_makes_a_page_all_the_same() {
    let records = [
        Record::default(),
        Scribe::begun("").ended(0),
        Record {
            entries: vec![Entry::Ended { at_us: i64::MIN }],
        },
    ];
    for record in records {
        assert_eq!(fault(&html(&record)), None);
        assert!(line(&record).contains("failovers=0"));
    }
}

#[test]
fn pages_are_well_formed_and_hold_all_that_is_to_be_seen() {
    let page = html(&kill_of_the_master());
    assert_eq!(fault(&page), None);
    let parts = [
        "<html lang=\"en\">",
        "<title>kill-master</title>",
        "id=\"run-wide\"",
        "id=\"failover-1-narrow\"",
        "data-node=\"m1\" role=\"img\" aria-label=\"m1: starting from",
        "down from 5.003 s to 11.020 s (6.02 s)",
        "aria-label=\"Gap: nobody could write: 1.58 s\"",
        "+switch-master m1 → r1 ×3",
        "the old master is back",
        "all 38,268 acknowledged writes are there.",
    ];
    for part in parts {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("In a ledger"), "no server keeps one");

    let page = html(&partition_with_a_client());
    assert_eq!(fault(&page), None);
    let parts = [
        "are lost: 8412–19400, 19402–19482 and 19490.",
        "In a ledger",
        "aria-label=\"inside m1 ⇄ outside r1 r2 s1 s2 s3: ⇄ cut from 8.001 s",
        "aria-label=\"r1 → r2: → 250 ms later from 21.001 s",
    ];
    for part in parts {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn whatever_a_record_holds_is_nothing_but_text() {
    let hostile = "\"'><script src=x>&\u{0}</svg><img onerror=y>";
    let mut run = Scribe::begun(hostile);
    run.nodes(&[hostile, "r1"]);
    run.step(10, hostile);
    run.awaited(20, hostile, false);
    run.process(30, hostile, ProcessState::Down);
    run.part(40, &[hostile], &["r1"], true);
    run.role(50, hostile, Some(hostile));
    run.sentinel(60, hostile, hostile, hostile);
    run.sentinel(
        70,
        "s1",
        "+switch-master",
        &format!("x {} 1 {} 2", hostile.replace(' ', ""), "y"),
    );
    for what in [
        What::Logged {
            node: hostile.to_owned(),
            text: hostile.to_owned(),
        },
        What::Note {
            words: hostile.to_owned(),
        },
    ] {
        run.event(80, what);
    }
    run.writes(hostile, (0, 900), 5, 1);
    run.samples(hostile, (0, 900), None, (u64::MAX - 99, 1));
    run.reads(hostile, (0, 900), u64::MAX - 9);
    let words = || hostile.to_owned();
    let (writer, kind, route) = (words(), words(), words());
    run.verdict(Verdict {
        writer,
        kind,
        route,
        ..Verdict::default()
    });
    run.record.entries.push(Entry::Begun(Setup {
        title: words(),
        question: words(),
        settings: vec![(words(), words())],
        at_us: START_US,
        ..Setup::default()
    }));
    let record = run.ended(1_000);
    let page = html(&record);
    assert_eq!(fault(&page), None);
    assert!(!page.contains("onerror=y>"));
    let summaries = vec![summarize(&record)];
    let label = hostile.to_owned();
    let page = distribution::of(hostile, &[distribution::Runs { label, summaries }]).html();
    assert_eq!(fault(&page), None);
    let line = line(&record);
    assert!(!line.contains(['<', '"', '\'', '\n', '&']), "{line}");
}

#[test]
fn times_from_nowhere_do_no_harm() {
    let mut run = Scribe::begun("");
    run.nodes(&["m1", "r1"]);
    for ms in [i64::MIN / 1000, -5_000, i64::MAX / 2000] {
        run.record.entries.push(Entry::Event(model_event(ms)));
        run.record.entries.push(Entry::Writes(Writes {
            at_us: ms,
            accepted: 1,
            ..Writes::default()
        }));
        run.record.entries.push(Entry::Sample(Sample {
            at_us: ms,
            node: "m1".to_owned(),
            offset: Some(7),
            ..Sample::default()
        }));
    }
    let longest_gap = Some((i64::MIN, u64::MAX));
    run.verdict(Verdict {
        longest_gap,
        ..Verdict::default()
    });
    let broken_off = run.record.clone();
    for record in [run.ended(5_000), broken_off] {
        assert_eq!(fault(&html(&record)), None);
    }
}

fn model_event(at_us: i64) -> Event {
    let state = LinkState {
        delay_us: 1,
        ..LinkState::default()
    };
    let (from, to) = ("m1".to_owned(), "r1".to_owned());
    Event {
        at_us,
        what: What::Link { from, to, state },
    }
}

#[test]
fn hours_of_a_run_make_no_larger_page_than_minutes() {
    let mut run = Scribe::begun("hours");
    run.nodes(&NODES);
    let hours = 2 * 3_600_000;
    for node in ["m1", "r1", "r2"] {
        run.samples(node, (0, hours), (node != "m1").then_some("m1"), (0, 1_000));
    }
    run.writes("w1", (0, hours), 100, 1);
    for second in 0..7_200 {
        let ms = second * 1000;
        run.step(ms, "cut m1 r1");
        run.part(ms, &["m1"], &["r1"], second % 2 == 0);
        run.role(ms, "r2", Some(if second % 2 == 0 { "m1" } else { "r1" }));
        run.sentinel(
            ms,
            "s1",
            "+sdown",
            &format!("master m 127.11.3.{} 6379", second % 250),
        );
        run.event(
            ms,
            What::Note {
                words: format!("second {second}"),
            },
        );
    }
    let page = html(&run.ended(hours));
    assert_eq!(fault(&page), None);
    let shapes = ["<path", "<rect", "<text"].map(|shape| page.matches(shape).count());
    assert!(shapes.iter().sum::<usize>() < 16_000, "{shapes:?}");
    assert!(page.len() < 4_000_000, "{}", page.len());
    assert!(page.contains("events are left out here"));
}

#[test]
fn a_line_for_scripts_has_stable_keys() {
    let line = line(&kill_of_the_master());
    assert_eq!(
        line,
        "title=kill-master seed=42 complete=yes held=yes failovers=1 master=r1 sdown_ms=1187.0 \
         odown_ms=1227.0 detection_ms=1227.0 election_ms=20.0 promotion_ms=70.0 \
         promoted_ms=1317.0 switched_ms=1527.0 first_write_ms=1581.0 gap_ms=1583.0 \
         nobody_wrote_ms=1583.0 checked=yes acknowledged=38268 lost=0 promised_lost=0 \
         in_ledger=- duplicated=0 reordered=0 w1.acknowledged=38268 w1.lost=0 w1.gap_ms=1583.0"
    );
}

#[test]
fn json_has_stable_fields() {
    let json: serde_json::Value =
        serde_json::from_str(&json(&kill_of_the_master())).expect("it is JSON");
    let fields: Vec<&str> = json
        .as_object()
        .expect("an object")
        .keys()
        .map(|k| &**k)
        .collect();
    let expected = [
        "complete", "events", "format", "from_us", "nodes", "question", "seed", "settings",
        "summary", "title", "to_us", "verdicts",
    ];
    assert_eq!(fields, expected);
    let failover = &json["summary"]["failovers"][0];
    assert_eq!(failover["trouble"]["kind"], "down");
    assert_eq!(failover["stages"]["election_us"], 20_000);
    assert_eq!(json["nodes"][0]["name"], "m1");
    assert_eq!(json["events"][0]["what"], "process");
    assert_eq!(json["verdicts"][0]["lost"], 0);
    let again: Summary = serde_json::from_value(json["summary"].clone()).expect("as it was");
    assert_eq!(again, summarize(&kill_of_the_master()));
}
