//! Carries out the requests that are done at once.

use std::time::Duration;

use super::state::{Keeper, now_us};
use crate::lab::model::{ProcessState, What};
use crate::lab::request::{Answer, Ask, Request};
use crate::lab::wire::Wire;
use crate::resp::reply::Value;

/// Within this time a node that runs answers.
const PATIENCE: Duration = Duration::from_secs(5);

impl Keeper {
    /// Carries out one request, and notes it as a step of the script where it changes something.
    ///
    /// # Errors
    ///
    /// Says why it could not be done.
    pub(super) fn step(&mut self, request: &Request) -> Result<Answer, String> {
        if request.ask.is_step() {
            self.events.clear();
            let words = request.words.clone();
            let what = match request.ask {
                Ask::Note => What::Note {
                    words: words.trim_start_matches("note ").to_owned(),
                },
                _ => What::Step { words },
            };
            self.event(now_us(), what);
        }
        let text = match &request.ask {
            Ask::Process { nodes, what } => self.change_processes(nodes, *what)?,
            Ask::Link {
                from,
                to,
                one_way,
                what,
            } => self.change_links(from, to, *one_way, *what)?,
            Ask::Partition { sides } => self.partition(sides)?,
            Ask::HealAll => self.heal_all(),
            Ask::Follow { node, master } => self.follow(node, master.as_deref())?,
            Ask::Failover {
                coordinated,
                sentinel,
            } => self.fail_over(*coordinated, sentinel.as_deref())?,
            Ask::Load(load) => self.start_writer(load)?,
            Ask::Readers { nodes } => self.start_readers(nodes)?,
            Ask::StopLoad => self.stop_clients(),
            Ask::Check { node } => self.check(node.as_deref())?,
            Ask::Status => self.status(),
            Ask::Missing => self.missing(),
            Ask::Address { node } => {
                let node = &self.nodes[self.node(node)?];
                return Ok(Answer::At {
                    address: node.planned.hidden,
                    kind: node.planned.facts.kind,
                });
            }
            Ask::Note => String::new(),
            Ask::Flush => {
                self.read_logs();
                self.take_from_clients();
                let flushed = self.record.flush();
                flushed.map_err(|e| format!("the record: {e}"))?;
                String::new()
            }
            Ask::Down => {
                self.ended = true;
                String::new()
            }
            Ask::WaitFor { .. } => unreachable!("waiters are kept elsewhere"),
        };
        Ok(Answer::Done { text })
    }

    /// Asks a node past the relay; what it answers as one line.
    pub(super) fn ask_node(&self, number: usize, argv: &[&str]) -> Result<String, String> {
        let node = &self.nodes[number];
        let name = node.name();
        if node.state() != ProcessState::Up {
            return Err(format!("{name} does not run"));
        }
        let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
        let answer = Wire::connect(node.planned.hidden, None, PATIENCE)
            .and_then(|mut wire| wire.ask(&argv))
            .map_err(|e| format!("{name}: {e}"))?;
        match answer {
            Value::Error(text) => Err(format!("{name}: {}", String::from_utf8_lossy(&text))),
            other => Ok(String::from_utf8_lossy(other.text().unwrap_or_default()).into_owned()),
        }
    }

    fn follow(&mut self, node: &str, master: Option<&str>) -> Result<String, String> {
        let node = self.server(node)?;
        let answer = match master {
            None => self.ask_node(node, &["REPLICAOF", "NO", "ONE"]),
            Some(master) => {
                let at = self.nodes[self.server(master)?].planned.facts.address;
                let (ip, port) = (at.ip().to_string(), at.port().to_string());
                self.ask_node(node, &["REPLICAOF", &ip, &port])
            }
        }?;
        // What was seen of it before says nothing about it any more.
        self.views.forget(node);
        Ok(answer)
    }

    fn fail_over(&mut self, coordinated: bool, sentinel: Option<&str>) -> Result<String, String> {
        let number = match sentinel {
            Some(name) => self.node(name)?,
            None => {
                let mut sentinels = (0..self.nodes.len()).filter(|n| !self.nodes[*n].is_server());
                let found = sentinels.find(|number| self.runs(*number));
                found.ok_or("no Sentinel runs that could be asked")?
            }
        };
        let master = self.master_name();
        let mut argv = vec!["SENTINEL", "FAILOVER", &master];
        argv.extend(coordinated.then_some("COORDINATED"));
        self.ask_node(number, &argv)
    }
}

impl Ask {
    /// Whether it is a step of an experiment, which the report shows.
    fn is_step(&self) -> bool {
        match self {
            Ask::Status
            | Ask::Missing
            | Ask::Address { .. }
            | Ask::Flush
            | Ask::Down
            | Ask::WaitFor { .. } => false,
            Ask::Process { .. }
            | Ask::Link { .. }
            | Ask::Partition { .. }
            | Ask::HealAll
            | Ask::Follow { .. }
            | Ask::Failover { .. }
            | Ask::Load(_)
            | Ask::Readers { .. }
            | Ask::StopLoad
            | Ask::Check { .. }
            | Ask::Note => true,
        }
    }
}
