//! What a script asks of the keeper, and how it is said on a command line.
//!
//! The words are understood where they are typed, so that a mistake costs no round trip and the
//! keeper only ever gets requests that have a meaning. Which hosts there are only the keeper knows:
//! names travel as they were typed ([`super::hosts`]).

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::{RATE_DEFAULT, TIMEOUT_DEFAULT};
use super::model::NodeKind;
use crate::base::memsize;

/// How long is waited for a condition unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A request, with the words in which it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The words of the script, without the name of the program.
    pub words: String,
    /// What they mean.
    pub ask: Ask,
}

/// What can be asked of a keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Do something to the processes of nodes.
    Process {
        /// Names of nodes.
        nodes: Vec<String>,
        /// What.
        what: ProcessChange,
    },
    /// Change links.
    Link {
        /// Names of hosts on the one side.
        from: Vec<String>,
        /// And on the other.
        to: Vec<String>,
        /// Only bytes from the first to the second.
        one_way: bool,
        /// How.
        what: LinkChange,
    },
    /// Cut all links between hosts of different sides.
    Partition {
        /// Names of hosts, side by side.
        sides: Vec<Vec<String>>,
    },
    /// All links are as they were at the beginning.
    HealAll,
    /// `REPLICAOF` for a server.
    Follow {
        /// Which server.
        node: String,
        /// Whom it follows from now on; nobody if there is none.
        master: Option<String>,
    },
    /// A planned failover, by a Sentinel.
    Failover {
        /// Losing nothing, by the server's own `FAILOVER`.
        coordinated: bool,
        /// The Sentinel that is asked; the first that runs, if none is named.
        sentinel: Option<String>,
    },
    /// Start a writer.
    Load(Load),
    /// Start readers at these servers.
    Readers {
        /// Names of servers.
        nodes: Vec<String>,
    },
    /// All writers and readers end.
    StopLoad,
    /// Wait until something is so.
    WaitFor {
        /// What.
        condition: Condition,
        /// For so long at most, in milliseconds.
        timeout_ms: u64,
    },
    /// Compare what writers were told with what a server has.
    Check {
        /// The server; the master, if none is named.
        node: Option<String>,
    },
    /// Say how everything is.
    Status,
    /// Say what those who wait are waiting for.
    Missing,
    /// Say where a node can be asked past the relay.
    Address {
        /// Which.
        node: String,
    },
    /// A note for the record.
    Note,
    /// Write down all that is known by now.
    Flush,
    /// End all nodes and the keeper.
    Down,
}

/// What can be done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessChange {
    /// `SIGKILL`.
    Kill,
    /// `SIGTERM`, and wait for its end.
    Shutdown,
    /// `SIGSTOP`.
    Stop,
    /// `SIGCONT`.
    Cont,
    /// Start it again, with what its folder holds; one that runs is shut down first.
    Restart,
    /// Remove its data; it must be down.
    Wipe,
}

/// How a link can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkChange {
    /// Nothing passes.
    Cut,
    /// All passes as it comes.
    Heal,
    /// It takes so many microseconds more.
    Delay(u64),
    /// So many bytes a second pass; 0 for as many as come.
    Rate(u64),
}

/// A writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Its name, which is that of a host.
    pub name: String,
    /// Whether, and by how many replicas, it has its writes confirmed.
    pub wait: u32,
    /// How many writes it has under way.
    pub pipeline: u32,
    /// The node that it stays with; it asks the Sentinels if there is none.
    pub fixed: Option<String>,
    /// Writes a second; as fast as it goes if there is none.
    pub rate: Option<u32>,
    /// How long it waits for a reply, in milliseconds.
    pub timeout_ms: u64,
}

/// What can be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "until", rename_all = "kebab-case")]
pub enum Condition {
    /// Every server that runs is a master or has all that its master had a moment ago.
    Synced,
    /// The same, and all Sentinels that run know everybody and find nothing wrong.
    Whole,
    /// All Sentinels that run name this server, and it is a master.
    Master {
        /// Which.
        node: String,
    },
    /// The same of any server but this one.
    OtherMaster {
        /// Which not.
        node: String,
    },
    /// A server has a role.
    Role {
        /// Which server.
        node: String,
        /// `master` or `slave`.
        role: String,
    },
    /// A replica's link to its master is up, or down.
    LinkIs {
        /// Which replica.
        node: String,
        /// Up.
        up: bool,
    },
    /// A server has come so far.
    Offset {
        /// Which server.
        node: String,
        /// Its offset, in bytes, at least.
        bytes: u64,
    },
    /// A process is there and answers, or is gone.
    Runs {
        /// Which node.
        node: String,
        /// It is there.
        up: bool,
    },
    /// So many more writes than now were accepted.
    Writes {
        /// How many.
        count: u64,
    },
    /// A Sentinel has logged this event since the script's last step.
    Event {
        /// Its name.
        name: String,
    },
    /// So much time passes.
    Time {
        /// How much, in milliseconds.
        ms: u64,
    },
}

/// What the keeper answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; what there is to say, if anything.
    Done {
        /// Text for people.
        text: String,
    },
    /// It is not, and why.
    Failed {
        /// Text for people.
        why: String,
    },
    /// Where a node can be asked.
    At {
        /// Its address past the relay.
        address: SocketAddr,
        /// What it is.
        kind: NodeKind,
    },
}

/// How the requests are said, for people.
pub const USAGE: &str = "  kill NODE…                 end processes by SIGKILL
  shutdown NODE…             end processes by SIGTERM
  stop NODE…, cont NODE…     hold processes up by SIGSTOP, and let them go on
  restart NODE…              start them again, with the data that they have left
  wipe NODE…                 remove the data of nodes that are down
  cut A B                    nothing passes between A and B (--one-way: from A to B)
  delay A B 250ms            it takes so much longer, each way (or --one-way)
  rate A B 1mb               so many bytes a second pass, each way (or --one-way)
  heal [A B]                 undo these, everywhere or between A and B
  partition A,B C,D          nothing passes between the sides
  slaveof NODE MASTER|no one
  failover [coordinated] [SENTINEL]
  load NAME [--wait N] [--pipeline N] [--stay NODE] [--rate N|max] [--timeout 500ms]
                             a writer that asks the Sentinels for the master, or stays with NODE
  readers [NODE…]            readers that measure how old the data of servers is
  stop-load                  writers and readers end
  check [NODE]               which acknowledged writes are there, which are lost
  wait-for CONDITION [--timeout 30s], where CONDITION is one of
      synced, whole, master NODE, other-master NODE, role NODE master|slave, offset NODE N,
      link NODE up|down, up NODE, down NODE, writes N, event NAME, time 5s
  note WORDS                 a mark in the report
  cli NODE WORD…             a command for a node, past the relay
  address NODE               where it listens past the relay, for other programs
";

/// Reads a length of time: `250ms`, `1.5s`, `2m`.
pub fn parse_time(word: &str) -> Option<Duration> {
    let digits = word.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let number: f64 = word[..digits].parse().ok()?;
    let seconds = match &word[digits..] {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    };
    // A day is more than any experiment takes.
    (seconds <= 86_400.0).then(|| Duration::from_secs_f64(seconds))
}

fn time(word: &str) -> Result<Duration, String> {
    parse_time(word).ok_or(format!("'{word}' is no time; say 250ms, 1.5s or 2m"))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

/// Takes `--name` out of the words, if it is there.
fn take_flag(words: &mut Vec<String>, name: &str) -> bool {
    let before = words.len();
    words.retain(|word| word != name);
    words.len() < before
}

/// Takes `--name VALUE` or `--name=VALUE` out of the words, if it is there.
fn take_value(words: &mut Vec<String>, name: &str) -> Result<Option<String>, String> {
    let glued = format!("{name}=");
    let Some(at) = words
        .iter()
        .position(|word| word == name || word.starts_with(&glued))
    else {
        return Ok(None);
    };
    let word = words.remove(at);
    match word.strip_prefix(&glued) {
        Some(value) => Ok(Some(value.to_owned())),
        None if at < words.len() => Ok(Some(words.remove(at))),
        None => Err(format!("{name} wants a value")),
    }
}

/// Whatever is left over was not understood.
fn expect_no_options(words: &[String]) -> Result<(), String> {
    match words.iter().find(|word| word.starts_with("--")) {
        Some(word) => Err(format!("there is no option {word} here")),
        None => Ok(()),
    }
}

impl Request {
    /// Reads a request; none if its first word is not one of those that are for the keeper.
    ///
    /// # Errors
    ///
    /// What was said makes no sense; the text says why.
    pub fn read(words: &[String]) -> Result<Option<Request>, String> {
        let Some((verb, rest)) = words.split_first() else {
            return Ok(None);
        };
        let Some(ask) = Ask::read(verb, rest.to_vec())? else {
            return Ok(None);
        };
        let words = words.join(" ");
        Ok(Some(Request { words, ask }))
    }
}

impl Ask {
    fn read(verb: &str, mut words: Vec<String>) -> Result<Option<Ask>, String> {
        let process = |what| {
            expect_no_options(&words)?;
            match words.is_empty() {
                true => Err(format!("{verb} wants the names of nodes")),
                false => Ok(Some(Ask::Process {
                    nodes: words.clone(),
                    what,
                })),
            }
        };
        Ok(Some(match verb {
            "kill" => return process(ProcessChange::Kill),
            "shutdown" => return process(ProcessChange::Shutdown),
            "stop" => return process(ProcessChange::Stop),
            "cont" => return process(ProcessChange::Cont),
            "restart" | "start" => return process(ProcessChange::Restart),
            "wipe" => return process(ProcessChange::Wipe),
            "heal" if words.is_empty() => Ask::HealAll,
            "cut" | "heal" | "delay" | "rate" => read_link(verb, words)?,
            "partition" => read_partition(&words)?,
            "slaveof" | "replicaof" => read_follow(&words)?,
            "failover" => {
                let coordinated = words.first().is_some_and(|word| word == "coordinated");
                words.drain(..usize::from(coordinated));
                Ask::Failover {
                    coordinated,
                    sentinel: at_most_one(verb, words)?,
                }
            }
            "load" => Ask::Load(read_load(words)?),
            "readers" => Ask::Readers { nodes: words },
            "stop-load" => Ask::StopLoad,
            "wait-for" => {
                let timeout = take_value(&mut words, "--timeout")?;
                let timeout = timeout.map_or(Ok(PATIENCE), |word| time(&word))?;
                Ask::WaitFor {
                    condition: read_condition(&words)?,
                    timeout_ms: timeout.as_millis() as u64,
                }
            }
            "check" => Ask::Check {
                node: at_most_one(verb, words)?,
            },
            "note" => Ask::Note,
            _ => return Ok(None),
        }))
    }
}

fn at_most_one(verb: &str, mut words: Vec<String>) -> Result<Option<String>, String> {
    expect_no_options(&words)?;
    match words.len() {
        0 | 1 => Ok(words.pop()),
        _ => Err(format!("{verb} takes one name")),
    }
}

fn read_link(verb: &str, mut words: Vec<String>) -> Result<Ask, String> {
    let one_way = take_flag(&mut words, "--one-way");
    expect_no_options(&words)?;
    let what = match (verb, &words[..]) {
        ("cut", [_, _]) => LinkChange::Cut,
        ("heal", [_, _]) => LinkChange::Heal,
        ("delay", [_, _, word]) => LinkChange::Delay(time(word)?.as_micros() as u64),
        ("rate", [_, _, word]) => {
            let rate = memsize::parse(word.as_bytes());
            LinkChange::Rate(rate.ok_or(format!("'{word}' is no size; say 100kb or 1mb"))?)
        }
        ("cut" | "heal", _) => return Err(format!("{verb} wants two names of hosts")),
        _ => return Err(format!("{verb} wants two names of hosts and how much")),
    };
    Ok(Ask::Link {
        from: vec![words[0].clone()],
        to: vec![words[1].clone()],
        one_way,
        what,
    })
}

/// Sides are words, or what stands between slashes.
fn read_partition(words: &[String]) -> Result<Ask, String> {
    expect_no_options(words)?;
    let sides: Vec<Vec<String>> = match words.iter().any(|word| word == "/") {
        true => words.split(|word| word == "/").map(<[_]>::to_vec).collect(),
        false => words.iter().map(|word| vec![word.clone()]).collect(),
    };
    if sides.len() < 2 || sides.iter().any(Vec::is_empty) {
        return Err("partition wants two sides or more: partition m1,w1 r1,r2".to_owned());
    }
    Ok(Ask::Partition { sides })
}

fn read_follow(words: &[String]) -> Result<Ask, String> {
    let (node, master) = match words {
        [node, no, one] if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") => {
            (node, None)
        }
        [node, master] => (node, Some(master.clone())),
        _ => return Err("slaveof wants a node, and a master or 'no one'".to_owned()),
    };
    let node = node.clone();
    Ok(Ask::Follow { node, master })
}

fn read_load(mut words: Vec<String>) -> Result<Load, String> {
    let wait = take_value(&mut words, "--wait")?;
    let pipeline = take_value(&mut words, "--pipeline")?;
    let fixed = take_value(&mut words, "--stay")?;
    let rate = take_value(&mut words, "--rate")?;
    let timeout = take_value(&mut words, "--timeout")?;
    expect_no_options(&words)?;
    let [name] = &words[..] else {
        return Err("load wants one name for the writer".to_owned());
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("'{name}' is no name for a writer"));
    }
    let rate = match rate.as_deref() {
        None => Some(RATE_DEFAULT),
        Some("max") => None,
        Some(word) => Some(number(word)?),
    };
    let timeout = timeout.map_or(Ok(TIMEOUT_DEFAULT), |word| time(&word))?;
    let load = Load {
        name: name.clone(),
        wait: wait.map_or(Ok(0), |word| number(&word))?,
        pipeline: pipeline.map_or(Ok(1), |word| number(&word))?,
        fixed,
        rate,
        timeout_ms: timeout.as_millis() as u64,
    };
    match load {
        Load { pipeline: 0, .. } | Load { rate: Some(0), .. } => {
            Err("a writer that writes nothing is none".to_owned())
        }
        Load { wait, pipeline, .. } if wait > 0 && pipeline > 1 => {
            Err("a writer waits for replicas or pipelines, not both".to_owned())
        }
        load => Ok(load),
    }
}

fn read_condition(words: &[String]) -> Result<Condition, String> {
    expect_no_options(words)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let owned = str::to_owned;
    Ok(match words[..] {
        ["synced"] => Condition::Synced,
        ["whole"] => Condition::Whole,
        ["master", node] => Condition::Master { node: owned(node) },
        ["other-master", node] => Condition::OtherMaster { node: owned(node) },
        ["role", node, role @ ("master" | "slave" | "replica")] => Condition::Role {
            node: owned(node),
            role: owned(if role == "replica" { "slave" } else { role }),
        },
        ["link", node, state @ ("up" | "down")] => Condition::LinkIs {
            node: owned(node),
            up: state == "up",
        },
        ["offset", node, bytes] => Condition::Offset {
            node: owned(node),
            bytes: number(bytes)?,
        },
        [state @ ("up" | "down"), node] => Condition::Runs {
            node: owned(node),
            up: state == "up",
        },
        ["writes", count] => Condition::Writes {
            count: number(count)?,
        },
        ["event", name] => Condition::Event { name: owned(name) },
        ["time", word] => Condition::Time {
            ms: time(word)?.as_millis() as u64,
        },
        _ => {
            return Err(format!(
                "'{}' is nothing that can be waited for; see redis-lab help",
                words.join(" ")
            ));
        }
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
