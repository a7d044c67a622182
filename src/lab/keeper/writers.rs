//! Starts writers and readers, ends them, and says what became of the writes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::clients::Running;
use super::state::Keeper;
use crate::lab::addresses::CLIENTS_MAX;
use crate::lab::hosts::HostKind;
use crate::lab::load::{
    CLOCK_EVERY_DEFAULT, Clock, ClockPlan, Kind, ReaderPlan, Readers, Route, TIMEOUT_DEFAULT,
    Writer, WriterPlan, check, fetch, read_ledger,
};
use crate::lab::model::{Entry, ProcessState, Verdict};
use crate::lab::node::Node;
use crate::lab::plan;
use crate::lab::request::Load;
use crate::lab::wire::Wire;

/// How often readers look at each server.
const READ_EVERY: Duration = Duration::from_millis(50);
/// How long readers wait for a reply.
const READ_TIME_MAX: Duration = TIMEOUT_DEFAULT;
/// How long `WAIT` waits, as a part of the time that its writer waits for a reply.
const WAIT_TIME_PART: u32 = 2;
/// How long a question of the checker may take.
const CHECK_TIME_MAX: Duration = Duration::from_secs(10);
/// The host that readers are.
const READERS: &str = "readers";

impl Keeper {
    /// An address for one more client, which the relay knows by this name.
    fn add_client(&mut self, name: &str) -> Result<IpAddr, String> {
        if self.clients.count == CLIENTS_MAX {
            return Err(format!("a lab has {CLIENTS_MAX} clients at most"));
        }
        self.hosts.add(name, HostKind::Client)?;
        let ip = self.subnet.client(self.clients.count);
        self.clients.count += 1;
        self.relay.add_host(name, &[ip]);
        Ok(ip)
    }

    /// The name of the master that requests mean which name none.
    pub(super) fn master_name(&self) -> String {
        plan::master_name(&self.plan, 0)
    }

    /// How clients find the master: by the Sentinels, and where there are none it is the first
    /// server for ever.
    fn route(&self) -> Route {
        let sentinels = self.nodes.iter().filter(|node| !node.is_server());
        let addresses: Vec<SocketAddr> = sentinels.map(|node| node.planned.facts.address).collect();
        match addresses.is_empty() {
            true => Route::Fixed(self.nodes[0].planned.facts.address),
            false => Route::Sentinels {
                addresses,
                master_name: self.master_name(),
            },
        }
    }

    /// Starts a writer.
    ///
    /// # Errors
    ///
    /// The name is taken, or the node that it is to stay with is not there.
    pub(super) fn start_writer(&mut self, load: &Load) -> Result<String, String> {
        let mut fixed = load.fixed.clone();
        let route = match &load.fixed {
            Some(node) => Route::Fixed(self.nodes[self.server(node)?].planned.facts.address),
            None => self.route(),
        };
        if let (Route::Fixed(_), None) = (&route, &fixed) {
            fixed = Some(self.nodes[0].name().to_owned());
        }
        let timeout = Duration::from_millis(load.timeout_ms.max(1));
        let kind = match (load.wait, load.pipeline) {
            (0, 0 | 1) => Kind::Plain,
            (0, depth) => Kind::Pipeline { depth },
            (replicas, _) => Kind::Wait {
                replicas,
                limit: timeout / WAIT_TIME_PART,
            },
        };
        let from = self.add_client(&load.name)?;
        let plan = WriterPlan {
            name: load.name.clone(),
            kind,
            route,
            rate: load.rate,
            from,
            timeout,
        };
        let writer = Writer::start(plan).map_err(|e| e.to_string())?;
        self.clients.writers.push(Running {
            name: load.name.clone(),
            fixed,
            writer,
        });
        Ok(String::new())
    }

    /// Starts readers at these servers, all if none is named.
    ///
    /// # Errors
    ///
    /// There are readers already, or no such servers.
    pub(super) fn start_readers(&mut self, names: &[String]) -> Result<String, String> {
        let names = match names.is_empty() {
            true => self.hosts.expand(&["servers".to_owned()])?,
            false => self.hosts.expand(names)?,
        };
        let mut servers = Vec::new();
        for name in names {
            let address = self.nodes[self.server(&name)?].planned.facts.address;
            servers.push((address, name));
        }
        let from = self.add_client(READERS)?;
        let timeout = READ_TIME_MAX;
        let clock = ClockPlan {
            route: self.route(),
            every: CLOCK_EVERY_DEFAULT,
            from,
            timeout,
        };
        let readers = ReaderPlan {
            every: READ_EVERY,
            from,
            timeout,
        };
        self.clients.clock = Some(Clock::start(clock).map_err(|e| e.to_string())?);
        self.clients.readers = Some(Readers::start(readers, &servers).map_err(|e| e.to_string())?);
        Ok(String::new())
    }

    /// Notes what writers and readers have done.
    pub(super) fn take_from_clients(&mut self) {
        for entry in self.clients.take_entries() {
            if let Entry::Read(read) = &entry {
                self.clients.staleness.insert(read.node.clone(), read.ms);
            }
            self.record.note(entry);
        }
    }

    /// Ends writers and readers.
    pub(super) fn stop_clients(&mut self) -> String {
        for entry in self.clients.stop_all() {
            self.record.note(entry);
        }
        String::new()
    }

    /// Ends writers and says what became of the writes of each, by what a server has.
    ///
    /// # Errors
    ///
    /// It is not clear which server is asked, or it does not answer.
    pub(super) fn check(&mut self, node: Option<&str>) -> Result<String, String> {
        self.stop_clients();
        if self.clients.outcomes.is_empty() {
            return Err("nobody has written; say load before".to_owned());
        }
        let number = match node {
            Some(name) => self.server(name)?,
            None => self.the_master()?,
        };
        let name = self.nodes[number].name();
        let mut verdicts: Vec<Verdict> = Vec::new();
        let hidden = self.nodes[number].planned.hidden;
        let mut wire = Wire::connect(hidden, None, CHECK_TIME_MAX)
            .map_err(|e| format!("{name} cannot be asked: {e}"))?;
        let ledgers: Vec<Vec<u8>> = self.nodes.iter().flat_map(Node::ledgers).collect();
        for (outcomes, fixed) in &self.clients.outcomes {
            let found = fetch(&mut wire, &outcomes.writer);
            let found = found.map_err(|e| format!("{name} cannot be asked: {e}"))?;
            let mut noted = BTreeSet::new();
            for ledger in &ledgers {
                read_ledger(ledger, &outcomes.writer, &mut noted);
            }
            let noted = (!ledgers.is_empty()).then_some(&noted);
            let mut verdict = check(outcomes, &found, noted);
            if let Some(fixed) = fixed {
                verdict.route = format!("stays with {fixed}");
            }
            verdicts.push(verdict);
        }
        let mut text = format!("by what {name} has:\n");
        for verdict in verdicts {
            text.push_str(&describe(&verdict));
            self.record.note(Entry::Verdict(verdict));
        }
        Ok(text)
    }

    /// The server that is the master: the one that most Sentinels name, or the only one that plays
    /// the part.
    fn the_master(&self) -> Result<usize, String> {
        let mut votes = vec![0; self.nodes.len()];
        for number in 0..self.nodes.len() {
            let view = self.views.sentinel(number).filter(|view| !view.silent);
            let named =
                view.and_then(|view| view.masters.iter().find(|m| m.name == self.master_name()));
            if let Some(number) = named.and_then(|master| self.node(&master.at).ok()) {
                votes[number] += 1;
            }
        }
        let is_master = |number: &usize| {
            let seen = self.views.server(*number).filter(|seen| !seen.silent);
            let is_up = self.nodes[*number].state() == ProcessState::Up;
            is_up && seen.is_some_and(|seen| seen.role.as_deref() == Some("master"))
        };
        let named = (0..votes.len()).filter(|number| votes[*number] > 0);
        if let Some(number) = named.max_by_key(|number| votes[*number]) {
            return Ok(number);
        }
        let masters: Vec<usize> = (0..self.nodes.len()).filter(is_master).collect();
        match masters[..] {
            [one] => Ok(one),
            [] => Err("there is no master; name the server to check".to_owned()),
            _ => Err("there are several masters; name the server to check".to_owned()),
        }
    }
}

/// A verdict as a line for people.
fn describe(verdict: &Verdict) -> String {
    let ranges: Vec<String> = verdict
        .lost_ranges
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    let lost = match verdict.lost {
        0 => "0 lost".to_owned(),
        count => format!("{count} lost ({})", ranges.join(" ")),
    };
    let noted = match verdict.in_ledger {
        Some(count) if verdict.lost > 0 => format!(", {count} of them in a ledger"),
        _ => String::new(),
    };
    let gap = match verdict.longest_gap {
        Some((_, us)) => format!("longest time without an accepted write {} ms", us / 1000),
        None => "nothing was accepted".to_owned(),
    };
    format!(
        "{} ({}, {}): {} acknowledged, {} present, {lost}{noted}, {} promised lost, {} duplicated, \
         {} reordered, {} unacknowledged but there; {gap}\n",
        verdict.writer,
        verdict.kind,
        verdict.route,
        verdict.acknowledged,
        verdict.present,
        verdict.promised_lost,
        verdict.duplicated,
        verdict.reordered,
        verdict.unacknowledged_present,
    )
}
