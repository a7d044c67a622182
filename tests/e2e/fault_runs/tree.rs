//! The tree of a run: a master, two replicas of it, and one replica of each of these.
//!
//! ```text
//!          M
//!       0/   \1        links, each a relay that can be broken
//!       A     B
//!      2|     |3
//!       C     D
//! ```

use std::process::ExitStatus;
use std::time::Instant;

use super::promises::{Death, Keeps, Trouble};
use crate::harness::*;

use Make::{Ours, Stock};

pub const MASTER_NODE: usize = 0;
const NAMES: [&str; 5] = ["M", "A", "B", "C", "D"];
/// Whom each replica follows, M's first.
const PARENTS: [usize; 4] = [0, 0, 1, 2];

/// Of which make M, A, B, C and D are.
const LAYOUTS: [[Make; 5]; 6] = [
    [Ours, Ours, Ours, Ours, Ours],
    [Ours, Stock, Stock, Ours, Ours],
    [Stock, Ours, Ours, Ours, Ours],
    [Ours, Ours, Stock, Stock, Ours],
    [Stock, Stock, Ours, Ours, Stock],
    [Ours, Ours, Ours, Stock, Ours],
];

/// Room on the disk of a server.
const DISK_BYTES: usize = 24 * 1024 * 1024;

/// What no server may say, whatever is done to it.
const SIGNS_OF_A_FAULT: &[&str] = &[
    "panicked at",
    "BUG REPORT",
    "Guru Meditation",
    "ASSERTION FAILED",
    "STREAM DRIFT",
];

/// What a server may say that ends because its disk fails, or no child comes about.
const GOOD_REASONS: &[&str] = &[
    "when the AOF fsync policy is 'always'",
    "the AOF can't be turned on. Exiting now",
];

pub struct Node {
    pub name: &'static str,
    pub make: Make,
    pub keeps: Keeps,
    pub server: Server,
    /// Since when its disk or its children were made to fail first.
    pub failing_since: Option<Instant>,
}

pub struct Tree {
    pub nodes: Vec<Node>,
    pub links: Vec<Proxy>,
    pub deaths: Vec<Death>,
    /// What was last wrong with the master, short of its death.
    pub trouble: Option<Trouble>,
}

impl Tree {
    /// Starts a tree. A run that is to hand the master's place over has a backlog that reaches.
    pub fn start(seed: u64, rng: &mut Rng, hands_over: bool) -> Tree {
        let layout = LAYOUTS[(seed % LAYOUTS.len() as u64) as usize];
        let backlog = match hands_over {
            true => "64mb",
            false => rng.pick(&["64kb", "1mb", "64mb"]),
        };
        let diskless = rng.pick(&["yes", "no"]);
        let load = rng.pick(&["disabled", "swapdb"]);
        let (mut nodes, mut links): (Vec<Node>, Vec<Proxy>) = (Vec::new(), Vec::new());
        // All disks are there before the first server starts: each one begins a new mount
        // namespace, and what is mounted later is seen by those in the last one only.
        for (index, make) in layout.into_iter().enumerate() {
            let mut options = make
                .server()
                .config(format!("repl-backlog-size {backlog}"))
                .config(format!("repl-diskless-sync {diskless}"))
                .config(format!("repl-diskless-load {load}"))
                .config("repl-timeout 5")
                .config("repl-ping-replica-period 1")
                .config("replica-ignore-disk-write-errors yes")
                .config("auto-aof-rewrite-min-size 200kb")
                .small_disk(DISK_BYTES)
                .calls_can_fail();
            let keeps = *rng.pick(&[&Keeps::Nothing, &Keeps::EverySecond, &Keeps::Always]);
            options = match keeps {
                Keeps::Nothing => options,
                Keeps::EverySecond => options.config("appendonly yes"),
                Keeps::Always => options.config("appendonly yes\nappendfsync always"),
            };
            if index > MASTER_NODE {
                let link = Proxy::to(nodes[PARENTS[index - 1]].server.port);
                options = options.config(format!("replicaof 127.0.0.1 {}", link.port));
                links.push(link);
            }
            nodes.push(Node {
                name: NAMES[index],
                make,
                keeps,
                server: Server::prepare(options),
                failing_since: None,
            });
        }
        for node in &mut nodes {
            node.server.start_again();
        }
        Tree {
            nodes,
            links,
            deaths: Vec::new(),
            trouble: None,
        }
    }

    pub fn master(&self) -> &Node {
        &self.nodes[MASTER_NODE]
    }

    /// Between whom a link is.
    pub fn link_name(index: usize) -> String {
        format!("{}{}", NAMES[PARENTS[index]], NAMES[index + 1])
    }

    /// What its clients may ask a server about what they have written.
    pub fn questions(node: &Node) -> &'static [&'static str] {
        match (node.make, node.keeps) {
            (Stock, _) => &["WAIT 1 200", "WAIT 2 200"],
            (Ours, Keeps::Nothing) => &["WAIT 1 200", "WAIT 2 200", "WAITAOF 0 1 300"],
            (Ours, _) => &[
                "WAIT 1 200",
                "WAIT 2 200",
                "WAITAOF 1 0 300",
                "WAITAOF 0 1 300",
            ],
        }
    }

    /// The replicas of the master that know where in the history their file ends, if the master
    /// can tell what they have on disk.
    pub fn with_files_that_count(&self) -> Vec<usize> {
        let counts = |index: &usize| {
            let node = &self.nodes[*index];
            node.make == Ours && node.keeps != Keeps::Nothing && self.master().make == Ours
        };
        [1, 2].into_iter().filter(counts).collect()
    }

    /// What there is, in a line.
    pub fn describe(&self) -> String {
        let node = |n: &Node| format!("{}: {:?} {:?}", n.name, n.make, n.keeps);
        let nodes: Vec<String> = self.nodes.iter().map(node).collect();
        nodes.join(", ")
    }

    /// Something is wrong with the master from now on.
    pub fn begin_trouble(&mut self) {
        let begin = Instant::now();
        self.trouble = Some(match self.trouble {
            Some(trouble) if trouble.end.is_none() => trouble,
            _ => Trouble { begin, end: None },
        });
    }

    pub fn end_trouble(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.end.get_or_insert_with(Instant::now);
        }
    }

    /// The server has died, and serves again by now.
    pub fn note_death(&mut self, index: usize, at: Instant) {
        if index == MASTER_NODE {
            let keeps = self.master().keeps;
            self.deaths.push(Death::of_process(keeps, at, self.trouble));
        }
    }

    /// Starts every server again that has ended by itself, had a reason to, and has it no more.
    /// Returns which.
    #[track_caller]
    pub fn revive(&mut self, is_well: impl Fn(usize) -> bool) -> Vec<&'static str> {
        let mut ended = Vec::new();
        for index in (0..self.nodes.len()).filter(|index| is_well(*index)) {
            let node = &mut self.nodes[index];
            let Some(status) = wait_answer_or_end(&mut node.server) else {
                continue;
            };
            let since = assert_good_reason(node, status);
            ended.push(node.name);
            node.server.start_again();
            self.note_death(index, since);
        }
        ended
    }

    /// Waits until all servers hold the same at the same offset. Nobody may write meanwhile.
    #[track_caller]
    pub fn wait_equal(&self) {
        let followers = self.nodes.iter().filter(|node| {
            let role = node.server.info("role");
            role == "slave"
        });
        followers.for_each(|node| wait_link_up(&node.server));
        let servers: Vec<&Server> = self.nodes.iter().map(|node| &node.server).collect();
        wait_same_data(&servers);
        self.wait_same_sums();
        for node in &self.nodes {
            let log = node.server.log();
            let sign = SIGNS_OF_A_FAULT.iter().find(|sign| log.contains(**sign));
            assert_eq!(sign, None, "{}\n{log}", node.name);
        }
    }

    /// What our servers have summed up of the stream is the same at the same offset, where they
    /// know it. The master goes on with its pings.
    #[track_caller]
    fn wait_same_sums(&self) {
        let ours = self.nodes.iter().filter(|node| node.make == Ours);
        let servers: Vec<&Server> = ours.map(|node| &node.server).collect();
        let sums = || {
            let info = |server: &&Server| server.ask("INFO replication");
            let field = |info: &String, name| info_field(info, name);
            let infos: Vec<String> = servers.iter().map(info).collect();
            let sum = |info| {
                (
                    field(info, "master_repl_offset"),
                    field(info, "repl_stream_sum"),
                )
            };
            let mut sums: Vec<_> = infos.iter().map(sum).collect();
            sums.retain(|(_, sum)| !sum.is_empty() && sum != "unknown");
            sums
        };
        wait_for(
            "the sums of the stream are the same",
            || {
                let sums = sums();
                sums.iter().all(|sum| *sum == sums[0]).then_some(())
            },
            || format!("{:?}", sums()),
        );
    }
}

/// Waits until a server answers, or has ended: what it met with before it was mended may still be
/// about to end it. How it has ended, if it has.
#[track_caller]
fn wait_answer_or_end(server: &mut Server) -> Option<ExitStatus> {
    wait_for(
        "the server answers or ends",
        || {
            let ended = server.has_ended();
            (ended.is_some() || server.try_ask("PING").is_some()).then_some(ended)
        },
        String::new,
    )
}

/// Since when the server has had a reason to end.
#[track_caller]
fn assert_good_reason(node: &Node, status: ExitStatus) -> Instant {
    let log = node.server.log();
    let tail: Vec<&str> = log.lines().rev().take(5).collect();
    let said = GOOD_REASONS
        .iter()
        .any(|reason| tail.iter().any(|line| line.contains(reason)));
    let since = node
        .failing_since
        .filter(|_| said && status.code() == Some(1));
    since.unwrap_or_else(|| panic!("{} ended by itself: {status}\n{log}", node.name))
}
