//! `make bench-failover`: how long nobody can write when a master goes, ours beside its peers.
//!
//! Every make has a master, two replicas and three sentinels (quorum 2) with the same settings. A
//! client writes numbers, one after another, asks the sentinels for the master as soon as a write
//! fails, and tries again a millisecond later. What is measured is the time from the blow to the
//! first write that another server accepts, and what became of the writes that were acknowledged.
//! Then what was killed starts again as it was left, and the next round begins when the group is
//! whole: all follow one master with equal data, and the sentinels agree about everyone. The makes
//! take turns round by round.
//!
//! What runs is chosen by environment variables (see `Settings`); the output is one Markdown table.

#[path = "../peers/environment.rs"]
#[allow(dead_code, reason = "shared with the other benchmark")]
mod environment;
mod events;
mod group;
#[path = "../peers/peer.rs"]
#[allow(dead_code, reason = "shared with the other benchmark")]
mod peer;
mod process;
#[path = "../peers/report.rs"]
#[allow(dead_code, reason = "shared with the other benchmark")]
mod report;
mod round;
mod scenario;
mod settings;
mod table;
mod wire;
mod writer;

use std::thread;

use group::Group;
use round::{Round, finish, strike};
use scenario::Scenario;
use settings::{Make, Settings};

fn main() {
    let settings = Settings::from_env();
    let makes = settings.makes();
    settings.describe(&makes);
    table::begin(&makes);
    for scenario in settings.scenarios() {
        let rounds = alternate(&settings, &makes, scenario);
        table::rows(scenario, &rounds);
    }
}

/// All rounds of a scenario, by make.
fn alternate(settings: &Settings, makes: &[Make], scenario: Scenario) -> Vec<Vec<Round>> {
    let mut groups: Vec<Group> = makes
        .iter()
        .map(|make| Group::start(make, settings))
        .collect();
    let mut rounds: Vec<Vec<Round>> = makes.iter().map(|_| Vec::new()).collect();
    for number in 0..settings.rounds {
        let struck: Vec<Round> = groups
            .iter_mut()
            .map(|group| strike(group, scenario, settings, number))
            .collect();
        // Getting whole again takes long and little processor time: the groups do it together.
        let finished: Vec<Round> = thread::scope(|scope| {
            let threads: Vec<_> = groups
                .iter_mut()
                .zip(struck)
                .map(|(group, round)| scope.spawn(move || finish(group, round)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("the group gets whole again"))
                .collect()
        });
        for (rounds, round) in rounds.iter_mut().zip(finished) {
            settings.tell(scenario, number, &round);
            rounds.push(round);
        }
    }
    rounds
}
