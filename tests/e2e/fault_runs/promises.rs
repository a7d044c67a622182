//! What was promised, and whether it was kept.
//!
//! A write that was acknowledged must be there in the end, unless the master has lost it in one of
//! its deaths, and might:
//!
//! | the master | may lose when its process dies |
//! |---|---|
//! | keeps no file | everything |
//! | `appendfsync everysec` | three seconds, more if its disk fails; nothing that `WAITAOF` told |
//! | `appendfsync always` | nothing |
//! | is given up for a replica | what no replica had, as `WAIT` has told, since all were equal |
//! | is, and its replicas are killed, too | what none had on disk, as `WAITAOF` has told |
//!
//! `WAIT` promises nothing about a master that starts again empty: its replicas take that over. A
//! write that was refused must not be there, and no write is there twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::clients::{Answer, Entry, Kind, Ledgers, counter_key, list_key, string_key};
use crate::harness::*;

/// A write waits for a sync for two seconds; the rest is for a test that is held up.
const POSTPONED_AT_MOST: Duration = Duration::from_secs(3);

/// What a server keeps on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    Nothing,
    EverySecond,
    Always,
}

/// What a death of the master leaves.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    All,
    /// What is on disk, and what was acknowledged before.
    Before(Instant),
    /// What a replica had, and what was acknowledged before.
    Replicated(Instant),
    /// What a replica had on disk, and what was acknowledged before.
    OnDisksOfReplicas(Instant),
}

/// A death of the master, and what follows until another process has taken over.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    left: Left,
    over: Instant,
}

impl Death {
    /// The process died at this time, or later, and its successor serves by now. `trouble` is when
    /// its disk, or all of it, began to stand still, if that was a short time before.
    pub fn of_process(keeps: Keeps, at: Instant, trouble: Option<Trouble>) -> Death {
        let from = at - POSTPONED_AT_MOST;
        let trouble = trouble.filter(|trouble| trouble.end.is_none_or(|end| end > from));
        let from = trouble.map_or(from, |t| from.min(t.begin - POSTPONED_AT_MOST));
        Death {
            left: match keeps {
                Keeps::Nothing => Left::Nothing,
                Keeps::EverySecond => Left::Before(from),
                Keeps::Always => Left::All,
            },
            over: Instant::now(),
        }
    }

    /// A replica has taken over by now. All servers were equal at this time, also on the disks of
    /// the replicas if `killed` says that these have died, too.
    pub fn of_reign(equal: Instant, killed: bool) -> Death {
        Death {
            left: match killed {
                false => Left::Replicated(equal),
                true => Left::OnDisksOfReplicas(equal),
            },
            over: Instant::now(),
        }
    }

    fn leaves(&self, entry: &Entry, done: Instant) -> bool {
        let survives = match self.left {
            Left::Nothing => false,
            Left::All => true,
            Left::Before(time) => entry.on_disk || done < time,
            Left::Replicated(time) => entry.replicas > 0 || done < time,
            Left::OnDisksOfReplicas(time) => entry.replicas_on_disk > 0 || done < time,
        };
        survives || done > self.over
    }
}

/// When something was wrong with the master's disk, or it stood still.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub begin: Instant,
    pub end: Option<Instant>,
}

fn is_promised(entry: &Entry, deaths: &[Death]) -> bool {
    match entry.answer {
        Answer::Done(done) => deaths.iter().all(|death| death.leaves(entry, done)),
        Answer::None | Answer::Refused => false,
    }
}

/// How many writes were promised.
pub fn count(ledgers: &Ledgers, deaths: &[Death]) -> usize {
    let of_one = |entries: &[Entry]| entries.iter().filter(|e| is_promised(e, deaths)).count();
    ledgers.all().map(|ledger| of_one(&ledger.entries)).sum()
}

/// Looks for everything at one server.
#[track_caller]
pub fn check(server: &Server, ledgers: &Ledgers, deaths: &[Death]) {
    let mut broken = Vec::new();
    for (client, ledger) in ledgers.all().enumerate() {
        if let Some(text) = &ledger.surprise {
            broken.push(format!("client {client} was refused with {text:?}"));
        }
        let found = Found::of(server, client, &ledger.entries);
        let mut counts = (0, 0);
        for (number, entry) in ledger.entries.iter().enumerate() {
            let promised = is_promised(entry, deaths);
            let refused = entry.answer == Answer::Refused;
            if entry.kind == Kind::Incr {
                counts.0 += i64::from(promised);
                counts.1 += i64::from(!refused);
                continue;
            }
            let times = found.times(entry.kind, number);
            let what = match (times, promised, refused) {
                (0, true, _) => "is lost",
                (1.., _, true) => "was refused and is there",
                (2.., ..) => "is there more than once",
                _ => continue,
            };
            broken.push(format!("{number} of client {client} {what}: {entry:?}"));
        }
        if found.count < counts.0 || found.count > counts.1 {
            let count = found.count;
            broken.push(format!(
                "client {client} counted to {count}, not {counts:?}"
            ));
        }
    }
    let first: Vec<&String> = broken.iter().take(10).collect();
    assert!(
        broken.is_empty(),
        "{} promises are broken, of these deaths: {deaths:?}\n{first:#?}\n{}",
        broken.len(),
        server.log_tail()
    );
}

/// What of one client's writes is there.
struct Found {
    strings: Vec<usize>,
    list: BTreeMap<usize, usize>,
    count: i64,
}

impl Found {
    #[track_caller]
    fn of(server: &Server, client: usize, entries: &[Entry]) -> Found {
        let numbers: Vec<usize> = (0..entries.len()).collect();
        let mut strings = Vec::new();
        for chunk in numbers.chunks(500) {
            let keys = chunk.iter().map(|number| string_key(client, *number));
            let words: Vec<String> = ["MGET".to_owned()].into_iter().chain(keys).collect();
            let values = server.command(&words);
            let right = |(value, number): (&Value, &usize)| match value {
                Value::Null => 0,
                value => {
                    assert_eq!(value.to_string(), number.to_string());
                    1
                }
            };
            strings.extend(values.items().iter().zip(chunk).map(right));
        }
        let mut list = BTreeMap::new();
        for number in server
            .command(&["LRANGE", &list_key(client), "0", "-1"])
            .items()
        {
            let number = number.to_string().parse().expect("a number");
            *list.entry(number).or_default() += 1;
        }
        let count = server.command(&["GET", &counter_key(client)]).to_string();
        Found {
            strings,
            list,
            count: count.parse().unwrap_or(0),
        }
    }

    fn times(&self, kind: Kind, number: usize) -> usize {
        match kind {
            Kind::Set => self.strings[number],
            _ => self.list.get(&number).copied().unwrap_or(0),
        }
    }
}
