//! Conditions that scripts wait for, so that none has to sleep and hope.
//!
//! A condition holds by what was seen *after* the wait began: what was seen before may be so no
//! more. One that does not hold says what is missing, and the last such word is what the script is
//! told when its time is up.

use std::time::Instant;

use super::state::{Keeper, Waiter, now_us};
use crate::lab::model::{ProcessState, UnixUs, What};
use crate::lab::request::{Answer, Condition};

/// What is missing for a condition to hold.
type Lack = Result<(), String>;

fn unless(holds: bool, lack: impl FnOnce() -> String) -> Lack {
    match holds {
        true => Ok(()),
        false => Err(lack()),
    }
}

impl Keeper {
    /// Answers those whose condition holds, and those who have waited long enough.
    pub(super) fn ask_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let lack = self.find_lack(&waiter);
            let is_late = Instant::now() >= waiter.deadline;
            let answer = match lack {
                Err(_) if !is_late => {
                    self.waiters.push(waiter);
                    continue;
                }
                Err(lack) => Answer::Failed {
                    why: format!("{}: not in time; {lack}", waiter.words),
                },
                Ok(()) => Answer::Done {
                    text: String::new(),
                },
            };
            let what = What::Awaited {
                words: waiter.words,
                held: matches!(answer, Answer::Done { .. }),
            };
            self.event(now_us(), what);
            let _ = waiter.reply.send(answer);
        }
    }

    /// What is missing for those who wait, a line each.
    pub(super) fn missing(&self) -> String {
        let lacks = self.waiters.iter().filter_map(|waiter| {
            let lack = self.find_lack(waiter).err()?;
            Some(format!("{}: {lack}\n", waiter.words))
        });
        lacks.collect()
    }

    fn find_lack(&self, waiter: &Waiter) -> Lack {
        let since_us = waiter.since_us;
        match &waiter.condition {
            Condition::Synced => self.lack_of_sync(since_us),
            Condition::Whole => self.lack_of_whole(since_us),
            Condition::Master { node } => self.lack_of_master(self.server(node)?, since_us),
            Condition::OtherMaster { node } => {
                let not = self.server(node)?;
                let others = (0..self.nodes.len())
                    .filter(|other| *other != not && self.plan.is_beside(*other, not));
                let mut lacks = others.map(|other| self.lack_of_master(other, since_us));
                unless(lacks.any(|lack| lack.is_ok()), || {
                    format!("no server but {node} is named master by all Sentinels")
                })
            }
            Condition::Role { node, role } => {
                let seen = self.views.server_since(self.server(node)?, since_us);
                let is = seen.and_then(|seen| seen.role.as_deref());
                unless(is == Some(role), || {
                    format!("{node} is {}", is.unwrap_or("silent"))
                })
            }
            Condition::LinkIs { node, up } => {
                let seen = self.views.server_since(self.server(node)?, since_us);
                let is = seen.and_then(|seen| seen.link_up);
                unless(is == Some(*up), || match is {
                    None => format!("{node} says nothing of a link"),
                    Some(true) => format!("the link of {node} is up"),
                    Some(false) => format!("the link of {node} is down"),
                })
            }
            Condition::Offset { node, bytes } => {
                let seen = self.views.server_since(self.server(node)?, since_us);
                let is = seen.and_then(|seen| seen.offset).unwrap_or(0);
                unless(is >= *bytes, || format!("{node} is at {is}"))
            }
            Condition::Runs { node, up } => {
                let number = self.node(node)?;
                let state = self.nodes[number].state();
                let is_seen = self.views.server_since(number, since_us).is_some()
                    || self.views.sentinel_since(number, since_us).is_some();
                match up {
                    true => unless(state == ProcessState::Up && is_seen, || {
                        format!("{node} does not answer")
                    }),
                    false => unless(state == ProcessState::Down, || format!("{node} runs")),
                }
            }
            Condition::Writes { count } => {
                let more = self.clients.accepted().saturating_sub(waiter.writes_before);
                unless(more >= *count, || format!("{more} were accepted"))
            }
            Condition::Event { name } => unless(self.events.contains(name), || {
                format!("no Sentinel has said {name}")
            }),
            Condition::Time { ms } => {
                let until_us = since_us + *ms as i64 * 1000;
                unless(now_us() >= until_us, || "it is not over".to_owned())
            }
        }
    }

    /// Numbers of the nodes that run, servers or Sentinels.
    fn running(&self, servers: bool) -> impl Iterator<Item = usize> {
        (0..self.nodes.len())
            .filter(move |number| self.nodes[*number].is_server() == servers && self.runs(*number))
    }

    fn lack_of_sync(&self, since_us: UnixUs) -> Lack {
        for number in self.running(true) {
            let name = self.nodes[number].name();
            let seen = self.views.server_since(number, since_us);
            let seen = seen.ok_or_else(|| format!("{name} has not answered"))?;
            match seen.role.as_deref() {
                Some("master") => continue,
                Some("slave") => {}
                _ => return Err(format!("{name} says no role")),
            }
            unless(seen.link_up == Some(true), || {
                format!("the link of {name} to its master is down")
            })?;
            let master = seen.follows.as_deref().unwrap_or_default();
            // A master that is none of ours cannot be asked.
            let Ok(master) = self.node(master) else {
                continue;
            };
            let wanted = self.views.offset_between(master, since_us, seen.at_us);
            let wanted = wanted.ok_or_else(|| format!("the master of {name} has not answered"))?;
            unless(seen.offset >= Some(wanted), || {
                let at = seen.offset.unwrap_or(0);
                format!("{name} is at {at}, its master at {wanted}")
            })?;
        }
        Ok(())
    }

    fn lack_of_whole(&self, since_us: UnixUs) -> Lack {
        self.lack_of_sync(since_us)?;
        let is_master = |number: &usize| {
            let seen = self.views.server(*number);
            seen.is_some_and(|seen| seen.role.as_deref() == Some("master"))
        };
        let masters = self.running(true).filter(is_master).count();
        unless(masters == self.plan.masters, || {
            format!("there are {masters} masters")
        })?;
        for number in self.running(false) {
            let name = self.nodes[number].name();
            let seen = self.views.sentinel_since(number, since_us);
            let seen = seen.ok_or_else(|| format!("{name} has not answered"))?;
            unless(seen.masters.len() == self.plan.masters, || {
                format!("{name} watches {} masters", seen.masters.len())
            })?;
            for master in &seen.masters {
                let of = &master.name;
                unless(master.flags == "master", || {
                    format!("{name} calls {of} {}", master.flags)
                })?;
                unless(master.replicas >= self.plan.replicas_of_master(), || {
                    format!("{name} knows {} replicas of {of}", master.replicas)
                })?;
                unless(master.sentinels + 1 == self.plan.sentinels, || {
                    format!("{name} knows {} other Sentinels", master.sentinels)
                })?;
                self.lack_of_master(self.server(&master.at)?, since_us)?;
            }
        }
        Ok(())
    }

    /// What is missing for a server to be the master: it is one, and all Sentinels that run name
    /// it.
    fn lack_of_master(&self, number: usize, since_us: UnixUs) -> Lack {
        let name = self.nodes[number].name();
        unless(self.runs(number), || format!("{name} does not run"))?;
        let seen = self.views.server_since(number, since_us);
        let role = seen.and_then(|seen| seen.role.as_deref());
        unless(role == Some("master"), || {
            format!("{name} is {}", role.unwrap_or("silent"))
        })?;
        for sentinel in self.running(false) {
            let who = self.nodes[sentinel].name();
            let view = self.views.sentinel_since(sentinel, since_us);
            let view = view.ok_or_else(|| format!("{who} has not answered"))?;
            let names = view.masters.iter().any(|master| master.at == name);
            unless(names, || format!("{who} names another master than {name}"))?;
        }
        Ok(())
    }
}
