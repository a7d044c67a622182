//! The failovers of a run: what began each of them, and when it came how far.
//!
//! A failover is known by the master that it replaces. It begins with the trouble — the last thing
//! before the first sign of it that was done to that master — and the signs are what Sentinels log
//! and the roles in which servers are seen. Several Sentinels log the same at different times, and
//! some of them learn of it long after it is over; so the first time counts, and what comes later
//! about a master that was replaced already belongs to the failover that replaced it.
//!
//! A suspicion that was never agreed upon (`+sdown` without `+odown`) and that went away is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::history::History;
use super::sentinel_event;
use super::trouble::{self, Trouble};
use crate::lab::model::{Event, ProcessState, UnixUs, What};

/// So soon after it was started, a server has the role that it is configured to have.
const STARTING_US: i64 = 3_000_000;

/// One failover. Its times are microseconds since `began_us`; none for what did not happen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failover {
    /// What was done to the master before; none if nothing was, as far as the record tells.
    pub trouble: Option<Trouble>,
    /// When that was done, or else the first sign.
    pub began_us: UnixUs,
    /// The server that was master.
    pub from: String,
    /// The server that took over; none if none did.
    pub to: Option<String>,
    /// The first Sentinel missed the master (`+sdown`).
    pub sdown_us: Option<u64>,
    /// Enough Sentinels agreed that it is gone (`+odown`).
    pub odown_us: Option<u64>,
    /// A Sentinel was elected to replace it (`+elected-leader`); the last time, if it was tried
    /// several times.
    pub elected_us: Option<u64>,
    /// The new master took over: it was seen in its role, or a Sentinel said so
    /// (`+promoted-slave`).
    pub promoted_us: Option<u64>,
    /// The first Sentinel told clients of it (`+switch-master`).
    pub switched_us: Option<u64>,
    /// The first write was accepted after writes had stopped.
    pub first_write_us: Option<u64>,
    /// The leader was through with it (`+failover-end`).
    pub ended_us: Option<u64>,
    /// Tries that were given up (`-failover-abort-…`).
    pub given_up: u32,
}

impl Failover {
    /// From the trouble until enough Sentinels agreed on it, in microseconds.
    pub fn detection_us(&self) -> Option<u64> {
        self.odown_us
    }

    /// From there until a leader was elected; from the trouble if no agreement was needed.
    pub fn election_us(&self) -> Option<u64> {
        Some(self.elected_us?.saturating_sub(self.odown_us.unwrap_or(0)))
    }

    /// From there until the new master had its role; from the trouble if there was no election.
    pub fn promotion_us(&self) -> Option<u64> {
        Some(
            self.promoted_us?
                .saturating_sub(self.elected_us.unwrap_or(0)),
        )
    }
}

/// The failovers of a run, in the order in which they began. When the first write was accepted is
/// left open: that is for those who know the writers.
pub fn failovers(history: &History) -> Vec<Failover> {
    let mut tracker = Tracker::new(history);
    for (index, event) in history.events.iter().enumerate() {
        tracker.on_event(index, event);
    }
    let found = tracker.found.into_iter();
    let mut all: Vec<Failover> = found
        .filter(Course::is_failover)
        .map(|course| course.finish(history))
        .collect();
    all.sort_by_key(|failover| failover.began_us);
    all
}

/// A failover under way, with times as they are in the record.
#[derive(Debug, Default)]
struct Course {
    from: String,
    to: Option<String>,
    /// Since when that was master, as far as it took over itself.
    since: UnixUs,
    /// The index of the event that was its first sign.
    first_sign: usize,
    sdown: Option<UnixUs>,
    odown: Option<UnixUs>,
    tried: Option<UnixUs>,
    elected: Option<UnixUs>,
    promoted: Option<UnixUs>,
    switched: Option<UnixUs>,
    ended: Option<UnixUs>,
    given_up: u32,
    /// The master answered again before anything was done.
    blew_over: bool,
}

impl Course {
    fn is_failover(&self) -> bool {
        !self.blew_over || self.to.is_some()
    }

    fn finish(self, history: &History) -> Failover {
        let sign = history.events[self.first_sign].at_us;
        let trouble = trouble::before(history, self.first_sign, &self.from, self.since);
        let began_us = trouble.as_ref().map_or(sign, |trouble| trouble.at_us);
        let since = |at: Option<UnixUs>| Some(at?.saturating_sub(began_us).max(0) as u64);
        Failover {
            began_us,
            trouble,
            from: self.from,
            to: self.to,
            sdown_us: since(self.sdown),
            odown_us: since(self.odown),
            elected_us: since(self.elected),
            promoted_us: since(self.promoted),
            switched_us: since(self.switched),
            first_write_us: None,
            ended_us: since(self.ended),
            given_up: self.given_up,
        }
    }
}

struct Tracker<'h, 'a> {
    history: &'h History<'a>,
    found: Vec<Course>,
    /// The failover under way from each master.
    open: BTreeMap<String, usize>,
    /// Servers that were master and were replaced, by the failover that did it.
    replaced: BTreeMap<String, usize>,
    /// When servers took over.
    masters: BTreeMap<String, UnixUs>,
    /// The servers that were last seen as a replica, and of whom.
    replicas: BTreeMap<String, Option<String>>,
    /// Nodes whose process has ended, and when it came up again, if it has.
    restarted: BTreeMap<String, Option<UnixUs>>,
}

impl<'h, 'a> Tracker<'h, 'a> {
    fn new(history: &'h History<'a>) -> Tracker<'h, 'a> {
        Tracker {
            history,
            found: Vec::new(),
            open: BTreeMap::new(),
            replaced: BTreeMap::new(),
            masters: BTreeMap::new(),
            replicas: BTreeMap::new(),
            restarted: BTreeMap::new(),
        }
    }

    fn on_event(&mut self, index: usize, event: &Event) {
        match &event.what {
            What::Sentinel { name, text, .. } => self.on_sentinel(index, event.at_us, name, text),
            What::Role {
                node,
                role,
                follows,
            } => self.on_role(index, event.at_us, node, role, follows.as_deref()),
            What::Process { node, state, .. } => self.on_process(event.at_us, node, *state),
            _ => {}
        }
    }

    fn on_process(&mut self, at: UnixUs, node: &str, state: ProcessState) {
        match state {
            ProcessState::Up => {
                if let Some(up) = self.restarted.get_mut(node) {
                    up.get_or_insert(at);
                }
            }
            ProcessState::Down => {
                self.restarted.insert(node.to_owned(), None);
            }
            ProcessState::Stopped => {}
        }
    }

    fn on_sentinel(&mut self, index: usize, at: UnixUs, name: &str, text: &str) {
        if name == "+switch-master" {
            if let Some((old, new)) = sentinel_event::switched(text) {
                let old = self.history.name_at(&old).to_owned();
                let new = self.history.name_at(&new).to_owned();
                let course = self.course(index, &old);
                first(&mut course.switched, at);
                self.take_over(&old, &new, at);
            }
            return;
        }
        let Some(subject) = sentinel_event::subject(text) else {
            return;
        };
        let history = self.history;
        let master = history.name_at(&subject.master).to_owned();
        let of_master = subject.kind == "master";
        match name {
            "+sdown" if of_master => first(&mut self.course(index, &master).sdown, at),
            "+odown" => first(&mut self.course(index, &master).odown, at),
            "+try-failover" => first(&mut self.course(index, &master).tried, at),
            "+elected-leader" => {
                let course = self.course(index, &master);
                if course.promoted.is_none() {
                    course.elected = Some(at);
                }
            }
            "+promoted-slave" => {
                let new = history.name_at(&subject.address).to_owned();
                first(&mut self.course(index, &master).promoted, at);
                self.take_over(&master, &new, at);
            }
            "+failover-end" | "+failover-end-for-timeout" => {
                if let Some(course) = self.known(&master) {
                    first(&mut course.ended, at);
                }
            }
            "-sdown" | "-odown" if of_master => self.on_recovery(&master),
            name if name.starts_with("-failover-abort") => {
                if let Some(course) = self.known(&master) {
                    course.given_up += 1;
                }
            }
            _ => {}
        }
    }

    /// A master that answers again ends a suspicion, but not a failover that a Sentinel has begun:
    /// that one goes on all the same.
    fn on_recovery(&mut self, master: &str) {
        if let Some(index) = self.open.get(master).copied()
            && self.found[index].tried.is_none()
        {
            self.open.remove(master);
            let course = &mut self.found[index];
            course.blew_over = course.odown.is_none();
        }
    }

    fn on_role(&mut self, index: usize, at: UnixUs, node: &str, role: &str, follows: Option<&str>) {
        if role != "master" {
            self.replicas
                .insert(node.to_owned(), follows.map(str::to_owned));
            return;
        }
        let Some(followed) = self.replicas.remove(node) else {
            return;
        };
        // Who comes back as what it is configured to be has not taken over from anybody.
        let up = self.restarted.get(node).copied().flatten();
        if up.is_some_and(|up| at.saturating_sub(up) < STARTING_US) {
            return;
        }
        let Some(old) = followed.or_else(|| self.open.keys().next().cloned()) else {
            return;
        };
        // Nor has who only leaves another replica that it followed.
        let is_chain = matches!(self.replicas.get(&old), Some(of) if of.as_deref() != Some(node));
        if old == node || is_chain {
            return;
        }
        // It may have followed one that was replaced already: then this is the failover of that.
        let course = self.course(index, &old);
        if course.to.as_deref().is_none_or(|to| to == node) {
            course.promoted = Some(course.promoted.map_or(at, |known| known.min(at)));
            self.take_over(&old, node, at);
        }
    }

    /// The failover from `master`, which may begin herewith.
    fn course(&mut self, index: usize, master: &str) -> &mut Course {
        let known = self.open.get(master).or_else(|| self.replaced.get(master));
        let at = match known {
            Some(at) => *at,
            None => {
                self.found.push(Course {
                    from: master.to_owned(),
                    since: self.masters.get(master).copied().unwrap_or(UnixUs::MIN),
                    first_sign: index,
                    ..Course::default()
                });
                self.open.insert(master.to_owned(), self.found.len() - 1);
                self.found.len() - 1
            }
        };
        &mut self.found[at]
    }

    fn known(&mut self, master: &str) -> Option<&mut Course> {
        let at = self
            .open
            .get(master)
            .or_else(|| self.replaced.get(master))?;
        Some(&mut self.found[*at])
    }

    fn take_over(&mut self, old: &str, new: &str, at: UnixUs) {
        if let Some(at) = self.open.remove(old) {
            self.replaced.insert(old.to_owned(), at);
        }
        if let Some(at) = self.replaced.get(old) {
            self.found[*at].to.get_or_insert_with(|| new.to_owned());
        }
        self.replaced.remove(new);
        self.masters.entry(new.to_owned()).or_insert(at);
        self.masters.remove(old);
    }
}

fn first(slot: &mut Option<UnixUs>, at: UnixUs) {
    slot.get_or_insert(at);
}
