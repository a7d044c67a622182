//! Servers and sentinels of both makes that are killed, stopped and cut off at random.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::clients::Client;
use crate::harness::*;

use Make::{Ours, Stock};

/// How long it goes on; `TANIST_TEST_CHAOS_SECONDS` says otherwise.
const ORDINARY_SECONDS: u64 = 8;

/// Everything that can be broken.
struct Chaos {
    rng: Rng,
    group: Group,
    /// Where each sentinel is met by the others; a door that is closed cuts off one way only.
    doors: Vec<Proxy>,
    frozen: Vec<u16>,
}

impl Chaos {
    fn start(rng: Rng) -> Chaos {
        let group = Plan::new(&[Ours, Stock, Ours], &[Ours, Stock, Ours])
            .line(format!("sentinel failover-timeout {MASTER} 2000"))
            .start();
        let doors: Vec<Proxy> = group.sentinels.iter().map(|s| Proxy::to(s.port)).collect();
        for (sentinel, door) in group.sentinels.iter().zip(&doors) {
            let announce = format!("SENTINEL CONFIG SET announce-port {}", door.port);
            assert_eq!(sentinel.ask(&announce), "OK");
        }
        let frozen = Vec::new();
        let chaos = Chaos {
            rng,
            group,
            doors,
            frozen,
        };
        wait_until("the sentinels know each other by their doors", || {
            chaos
                .group
                .sentinels
                .iter()
                .enumerate()
                .all(|(own, sentinel)| {
                    let peers = sentinel.sentinels();
                    chaos.doors.iter().enumerate().all(|(index, door)| {
                        let known = |p: &Fields| p.get("port") == door.port.to_string();
                        index == own || peers.iter().any(known)
                    })
                })
        });
        chaos.group.wait_known();
        chaos
    }

    /// Breaks something or mends it again.
    fn step(&mut self) {
        let index = self.rng.below(3) as usize;
        let is_server = self.rng.chance(50);
        let server: &mut Server = match is_server {
            true => &mut self.group.servers[index],
            false => &mut self.group.sentinels[index],
        };
        let is_frozen = self.frozen.contains(&server.port);
        match self.rng.below(3) {
            0 if !server.is_running() => match is_server {
                true => server.start_again(),
                false => self.group.sentinels[index].return_to_life(),
            },
            0 => {
                self.frozen.retain(|port| *port != server.port);
                server.kill();
            }
            1 if is_frozen => {
                self.frozen.retain(|port| *port != server.port);
                server.thaw();
            }
            1 if server.is_running() => {
                server.freeze();
                self.frozen.push(server.port);
            }
            _ => {
                let door = &self.doors[index];
                match self.rng.below(3) {
                    0 => door.stall(),
                    1 => door.sever(),
                    _ => door.mend(),
                }
            }
        }
    }

    fn heal(&mut self) {
        self.doors.iter().for_each(Proxy::mend);
        for server in &mut self.group.servers {
            match server.is_running() {
                true => server.thaw(),
                false => server.start_again(),
            }
        }
        for sentinel in &mut self.group.sentinels {
            match sentinel.is_running() {
                true => sentinel.thaw(),
                false => sentinel.return_to_life(),
            }
        }
    }
}

#[test]
fn whatever_is_killed_stopped_and_cut_off_one_master_is_left_and_no_vote_is_given_twice() {
    let (rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let seconds = std::env::var("TANIST_TEST_CHAOS_SECONDS").map(|text| text.parse());
    let seconds = seconds
        .unwrap_or(Ok(ORDINARY_SECONDS))
        .expect("a number of seconds");
    let mut chaos = Chaos::start(rng);
    let client = Client::of(&chaos.group);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        chaos.step();
        // This is no wait for anything: it is how fast things break.
        let pace = 100 + chaos.rng.below(700);
        sleep(Duration::from_millis(pace));
    }
    chaos.heal();
    client.wait_going_on();
    drop(client);
    chaos.group.settle();
}
