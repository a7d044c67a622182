//! What tests of reports need: a record written by hand, and a judge of markup.
//!
//! The record is written as a keeper would have: a clock, events, and what watchers and writers
//! note down every tenth of a second. Two runs are told at length, for they are what a page is for:
//! a master that is killed, and one that is cut off together with a client.

use crate::lab::model::{
    Entry, Event, LinkState, NodeFacts, NodeKind, ProcessState, Record, Sample, Setup, Staleness,
    UnixUs, Verdict, What, Writes,
};

/// When all runs of tests begin.
pub const START_US: UnixUs = 1_700_000_000_000_000;
const TENTH_US: i64 = 100_000;

/// A time of a run, given in milliseconds since its beginning.
pub fn at(ms: i64) -> UnixUs {
    START_US + ms * 1000
}

/// A record in the making.
#[derive(Debug, Default)]
pub struct Scribe {
    /// What is written so far.
    pub record: Record,
}

impl Scribe {
    /// A record that has begun.
    pub fn begun(title: &str) -> Scribe {
        let mut scribe = Scribe::default();
        scribe.record.entries.push(Entry::Begun(Setup {
            title: title.to_owned(),
            question: "How long can nobody write, and what is lost?".to_owned(),
            seed: 42,
            at_us: START_US,
            settings: vec![("down-after-milliseconds".to_owned(), "1000".to_owned())],
        }));
        scribe
    }

    /// Adds nodes: names that begin with `s` are Sentinels.
    pub fn nodes(&mut self, names: &[&str]) {
        for (i, name) in names.iter().enumerate() {
            let is_sentinel = name.starts_with('s');
            let port = if is_sentinel { 26379 } else { 6379 };
            self.record.entries.push(Entry::Node(NodeFacts {
                name: (*name).to_owned(),
                kind: if is_sentinel {
                    NodeKind::Sentinel
                } else {
                    NodeKind::Server
                },
                address: ([127, 11, 3, i as u8 + 1], port).into(),
                program: "/usr/bin/redis-server".to_owned(),
                version: "7.2.4 (tanist 0.1.0)".to_owned(),
            }));
            self.process(0, name, ProcessState::Up);
        }
    }

    /// Adds something that happened.
    pub fn event(&mut self, ms: i64, what: What) {
        let at_us = at(ms);
        self.record
            .entries
            .push(Entry::Event(Event { at_us, what }));
    }

    /// Adds a step of the script.
    pub fn step(&mut self, ms: i64, words: &str) {
        let words = words.to_owned();
        self.event(ms, What::Step { words });
    }

    /// Adds a condition that the script waited for.
    pub fn awaited(&mut self, ms: i64, words: &str, held: bool) {
        let words = words.to_owned();
        self.event(ms, What::Awaited { words, held });
    }

    /// Adds a state of a process.
    pub fn process(&mut self, ms: i64, node: &str, state: ProcessState) {
        let is_down = state == ProcessState::Down;
        let what = What::Process {
            node: node.to_owned(),
            state,
            detail: if is_down { "killed by signal 9" } else { "" }.to_owned(),
        };
        self.event(ms, what);
    }

    /// Adds a role in which a server was seen.
    pub fn role(&mut self, ms: i64, node: &str, follows: Option<&str>) {
        let what = What::Role {
            node: node.to_owned(),
            role: if follows.is_some() { "slave" } else { "master" }.to_owned(),
            follows: follows.map(str::to_owned),
        };
        self.event(ms, what);
    }

    /// Adds an event of a Sentinel.
    pub fn sentinel(&mut self, ms: i64, node: &str, name: &str, text: &str) {
        let what = What::Sentinel {
            node: node.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
        };
        self.event(ms, what);
    }

    /// Adds that links between two groups of hosts were cut, or healed, in both directions.
    pub fn part(&mut self, ms: i64, one: &[&str], other: &[&str], cut: bool) {
        let state = LinkState {
            cut,
            ..LinkState::default()
        };
        for a in one {
            for b in other {
                for (from, to) in [(a, b), (b, a)] {
                    let (from, to) = ((*from).to_owned(), (*to).to_owned());
                    self.event(ms, What::Link { from, to, state });
                }
            }
        }
    }

    /// Adds what a writer did from one time to another: so many writes accepted, or failed, in each
    /// tenth of a second.
    pub fn writes(&mut self, writer: &str, (from, to): (i64, i64), accepted: u32, failed: u32) {
        for (i, at_us) in (at(from)..at(to)).step_by(TENTH_US as usize).enumerate() {
            // Nobody writes quite evenly.
            let waver = (i * 7919 % 13) as u32;
            self.record.entries.push(Entry::Writes(Writes {
                at_us,
                writer: writer.to_owned(),
                accepted: accepted.saturating_sub(if accepted > 20 { waver } else { 0 }),
                failed,
                slowest_us: 900,
            }));
        }
    }

    /// Adds how a server was seen every tenth of a second: its role, and its offset, which grows
    /// by `grows` a tenth from `offset`.
    pub fn samples(
        &mut self,
        node: &str,
        (from, to): (i64, i64),
        follows: Option<&str>,
        (offset, grows): (u64, u64),
    ) {
        for (i, at_us) in (at(from)..at(to)).step_by(TENTH_US as usize).enumerate() {
            self.record.entries.push(Entry::Sample(Sample {
                at_us,
                node: node.to_owned(),
                role: Some(if follows.is_some() { "slave" } else { "master" }.to_owned()),
                follows: follows.map(str::to_owned),
                link_up: follows.map(|_| true),
                offset: Some(offset + grows * i as u64),
                lag_ms: follows.map(|_| 2 + (i * 31 % 7) as u64),
                ..Sample::default()
            }));
        }
    }

    /// Adds a server that does not answer.
    pub fn silence(&mut self, node: &str, (from, to): (i64, i64)) {
        for at_us in (at(from)..at(to)).step_by(TENTH_US as usize) {
            self.record.entries.push(Entry::Sample(Sample {
                at_us,
                node: node.to_owned(),
                silent: true,
                ..Sample::default()
            }));
        }
    }

    /// Adds how old it was what a reader saw, every half second.
    pub fn reads(&mut self, node: &str, (from, to): (i64, i64), ms: u64) {
        for (i, at_us) in (at(from)..at(to))
            .step_by(5 * TENTH_US as usize)
            .enumerate()
        {
            self.record.entries.push(Entry::Read(Staleness {
                at_us,
                node: node.to_owned(),
                ms: ms + (i * 17 % 5) as u64,
            }));
        }
    }

    /// Adds a verdict.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.record.entries.push(Entry::Verdict(verdict));
    }

    /// Ends the record.
    pub fn ended(mut self, ms: i64) -> Record {
        self.record.entries.push(Entry::Ended { at_us: at(ms) });
        self.record
    }

    /// Adds what three Sentinels log of a failover from the node with address number `old` to the
    /// one with `new`, the last step of which is at `ms`.
    pub fn failover(&mut self, ms: i64, old: u8, new: u8, epoch: u32) {
        let master = format!("master mymaster 127.11.3.{old} 6379");
        let to = format!("127.11.3.{new}");
        let slave = format!("slave {to}:6379 {to} 6379 @ mymaster 127.11.3.{old} 6379");
        let switch = format!("mymaster 127.11.3.{old} 6379 {to} 6379");
        for (i, node) in ["s2", "s1", "s3"].into_iter().enumerate() {
            self.sentinel(ms - 460 + 13 * i as i64, node, "+sdown", &master);
        }
        self.sentinel(ms - 420, "s2", "+odown", &format!("{master} #quorum 2/2"));
        self.sentinel(ms - 419, "s2", "+new-epoch", &epoch.to_string());
        self.sentinel(ms - 418, "s2", "+try-failover", &master);
        for (i, node) in ["s2", "s1", "s3"].into_iter().enumerate() {
            let vote = format!("0123456789abcdef0123456789abcdef01234567 {epoch}");
            self.sentinel(ms - 415 + i as i64, node, "+vote-for-leader", &vote);
        }
        self.sentinel(ms - 400, "s2", "+elected-leader", &master);
        self.sentinel(ms - 399, "s2", "+failover-state-select-slave", &master);
        self.sentinel(ms - 340, "s2", "+selected-slave", &slave);
        self.sentinel(ms - 339, "s2", "+failover-state-send-slaveof-noone", &slave);
        self.sentinel(ms - 180, "s2", "+promoted-slave", &slave);
        self.sentinel(ms - 179, "s2", "+failover-state-reconf-slaves", &master);
        for node in ["s1", "s3"] {
            let from = format!("sentinel x 127.11.3.5 26379 @ mymaster 127.11.3.{old} 6379");
            self.sentinel(ms - 120, node, "+config-update-from", &from);
            self.sentinel(ms - 120, node, "+switch-master", &switch);
        }
        self.sentinel(ms - 1, "s2", "+failover-end", &master);
        self.sentinel(ms, "s2", "+switch-master", &switch);
    }
}

fn roles(run: &mut Scribe) {
    run.role(200, "m1", None);
    run.role(230, "r1", Some("m1"));
    run.role(260, "r2", Some("m1"));
}

/// A run of 20 s: the master `m1` is killed after 5 s, `r1` takes over, and `m1` comes back.
pub fn kill_of_the_master() -> Record {
    let mut run = Scribe::begun("kill-master");
    run.nodes(&["m1", "r1", "r2", "s1", "s2", "s3"]);
    roles(&mut run);
    run.awaited(830, "wait-for synced", true);
    run.step(900, "load --writers 1");
    run.step(5_000, "kill m1");
    run.process(5_003, "m1", ProcessState::Down);
    run.failover(6_650, 1, 2, 1);
    run.role(6_320, "r1", None);
    run.role(6_590, "r2", Some("r1"));
    run.awaited(6_400, "wait-for master r1", true);
    run.step(11_000, "restart m1");
    run.process(11_020, "m1", ProcessState::Up);
    run.event(
        11_500,
        What::Note {
            words: "the old master is back".to_owned(),
        },
    );
    let text = "slave 127.11.3.1:6379 127.11.3.1 6379 @ mymaster 127.11.3.2 6379";
    run.sentinel(12_150, "s1", "+convert-to-slave", text);
    run.sentinel(11_200, "s1", "-sdown", text);
    run.sentinel(11_230, "s3", "-sdown", text);
    run.awaited(12_400, "wait-for role m1 replica", true);
    run.samples("m1", (200, 5_000), None, (0, 24_000));
    run.samples("r1", (230, 6_300), Some("m1"), (0, 23_800));
    run.samples("r1", (6_330, 20_000), None, (1_160_000, 24_000));
    run.samples("r2", (260, 5_900), Some("m1"), (0, 23_700));
    run.samples("r2", (7_000, 20_000), Some("r1"), (1_310_000, 23_990));
    run.samples("m1", (11_200, 12_100), None, (1_150_000, 0));
    run.samples("m1", (12_300, 20_000), Some("r1"), (2_590_000, 24_010));
    run.writes("w1", (1_000, 5_000), 220, 0);
    run.writes("w1", (5_000, 6_600), 0, 9);
    run.writes("w1", (6_600, 20_000), 225, 0);
    run.reads("r2", (1_000, 5_900), 3);
    run.reads("r2", (7_000, 20_000), 4);
    run.verdict(Verdict {
        writer: "w1".to_owned(),
        kind: "plain".to_owned(),
        route: "asks the Sentinels".to_owned(),
        sent: 38_412,
        acknowledged: 38_268,
        present: 38_268,
        refused: 12,
        unknown: 132,
        unacknowledged_present: 3,
        longest_gap: Some((at(5_001), 1_583_000)),
        ..Verdict::default()
    });
    run.ended(20_000)
}

/// A run of 30 s: `m1` is cut off together with a client, which loses what it writes there.
pub fn partition_with_a_client() -> Record {
    let mut run = Scribe::begun("partition-with-client");
    run.nodes(&["m1", "r1", "r2", "s1", "s2", "s3"]);
    roles(&mut run);
    run.step(300, "load --writers 2");
    run.step(8_000, "partition {m1,inside} {r1,r2,s1,s2,s3,outside}");
    let others = ["r1", "r2", "s1", "s2", "s3", "outside"];
    run.part(8_001, &["m1", "inside"], &others, true);
    run.failover(10_350, 1, 2, 1);
    run.role(10_020, "r1", None);
    run.awaited(10_100, "wait-for master r1", true);
    run.step(18_000, "heal");
    run.part(18_001, &["m1", "inside"], &others, false);
    run.role(20_400, "m1", Some("r1"));
    run.awaited(20_410, "wait-for role m1 replica", true);
    run.step(21_000, "delay r1 r2 250ms");
    let state = LinkState {
        delay_us: 250_000,
        ..LinkState::default()
    };
    let (from, to) = ("r1".to_owned(), "r2".to_owned());
    run.event(21_001, What::Link { from, to, state });
    run.samples("m1", (200, 20_300), None, (0, 24_000));
    run.samples("m1", (20_500, 30_000), Some("r1"), (4_800_000, 24_000));
    run.samples("r1", (230, 9_900), Some("m1"), (0, 23_990));
    run.samples("r1", (10_030, 30_000), None, (2_000_000, 24_000));
    run.samples("r2", (260, 9_900), Some("m1"), (0, 23_990));
    run.silence("r2", (9_900, 10_500));
    run.samples("r2", (10_600, 30_000), Some("r1"), (2_000_000, 24_000));
    run.writes("inside", (400, 18_300), 110, 0);
    run.writes("inside", (18_300, 20_400), 0, 40);
    run.writes("inside", (20_400, 30_000), 110, 0);
    run.writes("outside", (400, 8_000), 120, 0);
    run.writes("outside", (8_000, 10_200), 0, 3);
    run.writes("outside", (10_200, 30_000), 120, 0);
    run.verdict(Verdict {
        writer: "inside".to_owned(),
        kind: "WAIT 1".to_owned(),
        route: "stays with m1".to_owned(),
        sent: 30_100,
        acknowledged: 29_870,
        promised: 8_300,
        present: 18_800,
        lost: 11_070,
        promised_lost: 2,
        in_ledger: Some(11_069),
        refused: 200,
        unknown: 30,
        lost_ranges: vec![(8_412, 19_400), (19_402, 19_482), (19_490, 19_490)],
        longest_gap: Some((at(18_290), 2_130_000)),
        ..Verdict::default()
    });
    run.verdict(Verdict {
        writer: "outside".to_owned(),
        kind: "plain".to_owned(),
        route: "asks the Sentinels".to_owned(),
        sent: 33_020,
        acknowledged: 33_000,
        present: 33_000,
        unknown: 20,
        longest_gap: Some((at(8_002), 2_231_000)),
        ..Verdict::default()
    });
    run.ended(30_000)
}

/// Why `html` is not well-formed, or does what a page must not; none if all is well.
pub fn fault(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    for forbidden in [
        "<script", "http://", "https://", "@import", "url(//", "<iframe", "<img",
    ] {
        if lower.contains(forbidden) {
            return Some(format!("it holds {forbidden}"));
        }
    }
    let mut open: Vec<&str> = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let Some(end) = rest[start..].find('>') else {
            return Some("a tag has no end".to_owned());
        };
        let tag = &rest[start + 1..start + end];
        rest = &rest[start + end + 1..];
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap_or_default();
        if tag.starts_with('!') || ["meta", "link"].contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return Some(format!("</{name}> ends what is not open"));
            }
            continue;
        }
        if tag.matches('"').count() % 2 == 1 {
            return Some(format!("<{tag}> has half a value"));
        }
        if let Some((_, id)) = tag.split_once(" id=\"") {
            let id = id.split('"').next().unwrap_or_default();
            if ids.contains(&id) {
                return Some(format!("two elements are called {id}"));
            }
            ids.push(id);
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    (!open.is_empty()).then(|| format!("{open:?} is open at the end"))
}
