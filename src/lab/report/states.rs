//! What each node was at each time: its role, whom it followed, and whether it was there at all.
//!
//! A role is known when a server was seen in it, at one instant; it is taken to last until the
//! server is seen in another one, or its process ends. The state of the process is known exactly,
//! for the keeper owns it.

use super::history::{History, Node};
use crate::lab::model::{NodeKind, ProcessState, Sample, UnixUs, What};

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was not seen yet.
    Unknown,
    /// A server that takes writes.
    Master,
    /// A server that follows another.
    Replica {
        /// Whom; none if that is not known.
        of: Option<String>,
        /// Whether its link to it is up; taken to be, until it is seen otherwise.
        is_linked: bool,
    },
    /// A Sentinel.
    Sentinel,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was not started yet.
    Absent,
    /// It answers, as far as is known.
    Up,
    /// Its process runs, and it does not answer.
    Silent,
    /// Its process stands still.
    Stopped,
    /// Its process is gone.
    Down,
}

/// A time in which a node was the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// When it began.
    pub from_us: UnixUs,
    /// When it ended.
    pub to_us: UnixUs,
    /// Its role.
    pub role: Role,
    /// Its health.
    pub health: Health,
}

/// What `node` was from the beginning to the end, without a hole.
pub fn bands(history: &History, node: &Node) -> Vec<Band> {
    let mut seen = observations(history, &node.name);
    seen.sort_by_key(|(at_us, _)| *at_us);
    let is_started = |seen: &Seen| matches!(seen, Seen::Process(ProcessState::Up));
    let is_process = |seen: &&(UnixUs, Seen)| matches!(seen.1, Seen::Process(_));
    let starts_later = seen
        .iter()
        .find(is_process)
        .is_some_and(|(_, seen)| is_started(seen));
    let mut state = State {
        role: match node.kind {
            NodeKind::Server => Role::Unknown,
            NodeKind::Sentinel => Role::Sentinel,
        },
        health: if starts_later {
            Health::Absent
        } else {
            Health::Up
        },
    };
    let mut bands = Vec::new();
    let mut from_us = history.from_us;
    for (at_us, what) in seen {
        let before = state.clone();
        state.see(&what);
        if state != before {
            let to_us = at_us.clamp(from_us, history.to_us);
            push(&mut bands, from_us, to_us, before);
            from_us = to_us;
        }
    }
    push(&mut bands, from_us, history.to_us, state);
    bands
}

fn push(bands: &mut Vec<Band>, from_us: UnixUs, to_us: UnixUs, state: State) {
    if from_us < to_us {
        let State { role, health } = state;
        bands.push(Band {
            from_us,
            to_us,
            role,
            health,
        });
    }
}

enum Seen<'a> {
    Process(ProcessState),
    Role(&'a str, Option<&'a str>),
    Sample(&'a Sample),
}

fn observations<'h>(history: &'h History, name: &str) -> Vec<(UnixUs, Seen<'h>)> {
    let mut seen = Vec::new();
    for event in &history.events {
        match &event.what {
            What::Process { node, state, .. } if node == name => {
                seen.push((event.at_us, Seen::Process(*state)));
            }
            What::Role {
                node,
                role,
                follows,
            } if node == name => seen.push((event.at_us, Seen::Role(role, follows.as_deref()))),
            _ => {}
        }
    }
    let samples = history.samples.get(name).map_or(&[][..], Vec::as_slice);
    seen.extend(
        samples
            .iter()
            .map(|sample| (sample.at_us, Seen::Sample(sample))),
    );
    seen
}

#[derive(Clone, PartialEq)]
struct State {
    role: Role,
    health: Health,
}

impl State {
    fn see(&mut self, what: &Seen) {
        match what {
            Seen::Process(ProcessState::Up) => {
                if matches!(self.health, Health::Down | Health::Absent) {
                    self.forget_role();
                }
                self.health = Health::Up;
            }
            Seen::Process(ProcessState::Stopped) => self.health = Health::Stopped,
            Seen::Process(ProcessState::Down) => {
                self.forget_role();
                self.health = Health::Down;
            }
            // An answer that is written down late says nothing of a process that is gone.
            _ if matches!(self.health, Health::Down | Health::Absent) => {}
            Seen::Role(role, follows) => self.take_role(role, *follows, None),
            Seen::Sample(sample) if sample.silent => {
                if self.health == Health::Up {
                    self.health = Health::Silent;
                }
            }
            Seen::Sample(sample) => {
                if self.health == Health::Silent {
                    self.health = Health::Up;
                }
                if let Some(role) = &sample.role {
                    self.take_role(role, sample.follows.as_deref(), sample.link_up);
                }
            }
        }
    }

    fn take_role(&mut self, role: &str, follows: Option<&str>, link_up: Option<bool>) {
        if role == "master" {
            self.role = Role::Master;
            return;
        }
        let known = match &self.role {
            Role::Replica { of, is_linked } if of.as_deref() == follows => *is_linked,
            _ => true,
        };
        self.role = Role::Replica {
            of: follows.map(str::to_owned),
            is_linked: link_up.unwrap_or(known),
        };
    }

    fn forget_role(&mut self) {
        if self.role != Role::Sentinel {
            self.role = Role::Unknown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::testing::{START_US, Scribe};

    #[test]
    fn a_server_is_what_it_was_seen_as_until_it_is_seen_otherwise_or_ends() {
        let mut run = Scribe::begun("");
        run.nodes(&["r1"]);
        run.role(100, "r1", Some("m1"));
        run.samples("r1", (200, 300), Some("m1"), (0, 0));
        run.silence("r1", (300, 400));
        run.samples("r1", (400, 500), None, (0, 0));
        run.process(600, "r1", ProcessState::Stopped);
        run.silence("r1", (650, 690));
        run.process(700, "r1", ProcessState::Up);
        run.process(800, "r1", ProcessState::Down);
        // An answer that was underway when the process ended.
        run.samples("r1", (801, 802), None, (0, 0));
        run.process(900, "r1", ProcessState::Up);
        let record = run.ended(1_000);
        let history = History::of(&record);
        let bands = bands(&history, &history.nodes[0]);
        let replica = || Role::Replica {
            of: Some("m1".to_owned()),
            is_linked: true,
        };
        let expected = [
            (0, 100, Role::Unknown, Health::Up),
            (100, 300, replica(), Health::Up),
            (300, 400, replica(), Health::Silent),
            (400, 600, Role::Master, Health::Up),
            (600, 700, Role::Master, Health::Stopped),
            (700, 800, Role::Master, Health::Up),
            (800, 900, Role::Unknown, Health::Down),
            (900, 1_000, Role::Unknown, Health::Up),
        ];
        let ms = |us: UnixUs| (us - START_US) / 1000;
        let seen: Vec<_> = bands
            .into_iter()
            .map(|band| (ms(band.from_us), ms(band.to_us), band.role, band.health))
            .collect();
        assert_eq!(seen, expected);
    }
}
