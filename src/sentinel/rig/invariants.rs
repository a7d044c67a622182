//! What must hold in the room, and what a test waits for.

use super::*;
use crate::sentinel::failover::Reason;

impl Rig {
    pub(super) fn note_event(&mut self, n: usize, event: &'static str, text: &str) {
        let at_ms = self.ms();
        self.story.push((at_ms, n, format!("{event} {text}")));
        if event == "+vote-for-leader" {
            let mut words = text.split(' ');
            let (leader, epoch) = (words.next().unwrap_or_default(), words.next());
            let epoch: u64 = epoch
                .and_then(|epoch| epoch.parse().ok())
                .expect("an epoch");
            // With one master its name need not be known.
            let key = (n, String::new(), epoch);
            let first = self
                .votes
                .entry(key)
                .or_insert_with(|| leader.to_owned())
                .clone();
            if self.masters_len() == 1 {
                assert_eq!(first, leader, "two votes in epoch {epoch}\n{}", self.told());
            }
        }
        if event == "+elected-leader" {
            let name = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let machine = self.seats[n].machine.as_ref().expect("it runs");
            let master = machine.master(name.as_bytes()).expect("a master");
            let attempt = master.failover.attempt();
            // Who does what an operator wants asks nobody.
            let voted = attempt.filter(|attempt| attempt.reason == Reason::Down);
            let epoch = voted.map_or(0, |attempt| attempt.epoch);
            if epoch > 0 {
                let first = *self.leaders.entry((name, epoch)).or_insert(n);
                assert_eq!(first, n, "two leaders in epoch {epoch}\n{}", self.told());
            }
        }
    }

    pub(super) fn masters_len(&self) -> usize {
        self.seats
            .iter()
            .map(|seat| seat.disk.masters.len())
            .max()
            .unwrap_or(0)
    }

    /// Where a Sentinel takes a master to be.
    pub fn named(&self, n: usize, master: usize) -> Option<usize> {
        let machine = self.seats[n].machine.as_ref()?;
        let master = machine.master(name_of(master).as_bytes())?;
        match Place::at(&master.current_address().host) {
            Some(Place::Server(n)) => Some(n),
            _ => None,
        }
    }

    /// Whether all Sentinels that run know each other and the replicas of all masters.
    pub fn is_acquainted(&self, masters: usize, replicas: usize) -> bool {
        let others = self.seats.len() - 1;
        let knows = |n: usize| {
            let Some(machine) = &self.seats[n].machine else {
                return false;
            };
            machine.masters_len() == masters
                && machine.masters().all(|master| {
                    let heard = master.replicas.iter().all(|r| r.view.info_at_ms.is_some());
                    master.replicas.len() == replicas && master.peers.len() == others && heard
                })
        };
        self.running().all(knows)
    }

    /// Whether all Sentinels that run name the same master, which is one and which all other
    /// servers of the group that run follow.
    pub fn is_settled(&self, master: usize, servers: std::ops::Range<usize>) -> bool {
        let mut named = self.running().map(|n| self.named(n, master));
        let Some(Some(first)) = named.next() else {
            return false;
        };
        let runs = |n: &usize| self.servers[*n].process == Process::Running;
        named.all(|other| other == Some(first))
            && self.servers[first].process == Process::Running
            && self.servers[first].master.is_none()
            && servers.filter(runs).all(|n| self.leads_to(n, first))
    }

    /// Whether a server follows another one, perhaps by way of others.
    pub(super) fn leads_to(&self, n: usize, target: usize) -> bool {
        let mut at = n;
        for _ in 0..self.servers.len() {
            if at == target {
                return true;
            }
            match self.servers[at].master {
                Some(next) if self.servers[at].link_up => at = next,
                _ => return false,
            }
        }
        false
    }
}
