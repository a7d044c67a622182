//! One blow and what comes of it.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::events::{Event, Watch};
use crate::group::Group;
use crate::process::Process;
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::wire::{Reply, Wire};
use crate::writer::{Accepted, Writer, count_lost};

/// Writes before the blow, and after it at the new master.
const WARM_UP: usize = 200;

const PATIENCE: Duration = Duration::from_secs(30);

/// Between two writes of the client that has not heard of a new master.
const STRAY_PAUSE: Duration = Duration::from_millis(5);

pub struct Round {
    scenario: Scenario,
    key: String,
    old_master: usize,
    begin: Instant,
    accepted: Vec<Accepted>,
    events: Vec<Event>,
    /// From the blow to the first write that another server accepted; nothing if none did.
    pub first_write: Option<Duration>,
    /// The longest time without an accepted write.
    pub gap: Duration,
    /// Acknowledged writes that the group does not have in the end.
    pub lost: usize,
    /// Writes that a server has and the master has not, in the end.
    pub kept: usize,
    /// From the return of the old master until it refuses writes.
    pub demoted: Option<Duration>,
    /// How many writes of a client without news it took until then.
    pub strays: usize,
}

impl Round {
    pub fn acknowledged(&self) -> usize {
        self.accepted.len()
    }

    /// When the sentinels first said this of the master, from the blow on.
    pub fn first(&self, kind: &str) -> Option<Duration> {
        let event = self.events.iter().find(|event| event.kind == kind);
        Some(event?.at - self.begin)
    }

    /// The same for what was said last.
    pub fn last(&self, kind: &str) -> Option<Duration> {
        let event = self.events.iter().rev().find(|event| event.kind == kind);
        Some(event?.at - self.begin)
    }

    pub fn summary(&self) -> String {
        format!(
            "first write {:?}, gap {:?}, {} acknowledged, {} lost, {} kept, \
             back {:?} with {} strays",
            self.first_write,
            self.gap,
            self.acknowledged(),
            self.lost,
            self.kept,
            self.demoted,
            self.strays
        )
    }
}

/// The blow, until another master is written to and all living sentinels name it.
pub fn strike(group: &mut Group, scenario: Scenario, settings: &Settings, number: usize) -> Round {
    let key = format!("writes:{number}");
    let old_master = group.master;
    let old_port = group.servers[old_master].port;
    let heir = group.heir();
    let watch = Watch::start(&group.sentinel_ports());
    let writer = Writer::start(group.sentinel_ports(), key.clone());
    assert!(
        writer.wait(WARM_UP, |_| true, PATIENCE),
        "nobody takes writes"
    );
    let begin = Instant::now();
    scenario.happen(group, heir);
    let moved = writer.wait(WARM_UP, |port| port != old_port, settings.limit);
    let accepted = writer.stop();
    if moved {
        await_agreement(group, old_port);
    } else {
        eprintln!("{}: no new master\n{}", scenario.name(), group.logs());
    }
    let mut events = watch.stop();
    let of_master = |event: &Event| {
        event.text.starts_with("master ")
            || ["+switch-master", "+promoted-slave"].contains(&event.kind.as_str())
    };
    events.retain(|event| event.at >= begin && of_master(event));
    let another = accepted
        .iter()
        .find(|one| one.at > begin && one.port != old_port);
    Round {
        scenario,
        key,
        old_master,
        begin,
        first_write: another.map(|one| one.at - begin),
        gap: longest_gap(&accepted, begin),
        accepted,
        events,
        lost: 0,
        kept: 0,
        demoted: None,
        strays: 0,
    }
}

fn longest_gap(accepted: &[Accepted], begin: Instant) -> Duration {
    let around = accepted.windows(2).filter(|two| two[1].at > begin);
    around
        .map(|two| two[1].at - two[0].at)
        .max()
        .unwrap_or_default()
}

fn await_agreement(group: &Group, old_port: u16) {
    let deadline = Instant::now() + PATIENCE;
    let living = |sentinel: &usize| group.sentinels[*sentinel].is_running();
    for sentinel in (0..group.sentinels.len()).filter(living) {
        while group.named_by(sentinel).is_none_or(|port| port == old_port) {
            assert!(
                Instant::now() < deadline,
                "the sentinels disagree\n{}",
                group.logs()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Everything comes back, and the group gets whole; then the writes are counted.
pub fn finish(group: &mut Group, mut round: Round) -> Round {
    if round.scenario.takes_master_away() && round.first_write.is_some() {
        let stray = format!("stray:{}", round.key);
        let (demoted, strays) = bring_back_and_write(&mut group.servers[round.old_master], &stray);
        round.demoted = demoted;
        round.strays = strays;
    }
    for process in group.servers.iter_mut().chain(&mut group.sentinels) {
        process.bring_back();
    }
    group.await_whole();
    let list = |server: &Process| numbers(server, &round.key);
    let master = list(&group.servers[group.master]);
    round.lost = count_lost(&round.accepted, &master);
    for server in &group.servers {
        let strays = server.ask(&["LLEN", &format!("stray:{}", round.key)]);
        let Reply::Integer(strays) = strays else {
            panic!("{strays:?}");
        };
        round.kept += list(server).difference(&master).count() + strays as usize;
    }
    group.servers[group.master].ask(&["DEL", &round.key]);
    round
}

/// A client that has heard of nothing writes to the old master as soon as it is back. Returns for
/// how long, and how often, it was served.
fn bring_back_and_write(server: &mut Process, key: &str) -> (Option<Duration>, usize) {
    let Some(back) = server.bring_back() else {
        return (None, 0);
    };
    let (mut strays, mut wire) = (0, None);
    while back.elapsed() < PATIENCE {
        if wire.is_none() {
            wire = Wire::connect(server.port, Some(Duration::from_secs(1))).ok();
        }
        match wire
            .as_mut()
            .map(|wire: &mut Wire| wire.ask(&["RPUSH", key, "stray"]))
        {
            Some(Ok(Reply::Integer(_))) => strays += 1,
            Some(Ok(Reply::Error(error))) if error.starts_with("READONLY") => {
                return (Some(back.elapsed()), strays);
            }
            Some(Ok(_)) => {}
            _ => wire = None,
        }
        thread::sleep(STRAY_PAUSE);
    }
    (None, strays)
}

fn numbers(server: &Process, key: &str) -> HashSet<u64> {
    let reply = server.ask(&["LRANGE", key, "0", "-1"]);
    let number = |one: &Reply| one.text().and_then(|text| text.parse().ok());
    reply.elements().iter().filter_map(number).collect()
}
