//! The client: writes number after number, and finds the new master by asking the sentinels.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::group::NAME;
use crate::wire::{Reply, Wire};

/// Between two writes, and between two tries.
const PAUSE: Duration = Duration::from_millis(1);

/// A server or sentinel that takes longer is given up and looked for anew.
const PATIENCE: Duration = Duration::from_millis(20);

const LOOK_EVERY: Duration = Duration::from_millis(1);

/// An acknowledged write.
#[derive(Clone, Copy)]
pub struct Accepted {
    pub number: u64,
    pub at: Instant,
    /// Who accepted it.
    pub port: u16,
}

pub struct Writer {
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Appends numbers to a list, at whoever is the master.
    pub fn start(sentinels: Vec<u16>, key: String) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let (stopped, done) = (Arc::clone(&stop), Arc::clone(&accepted));
        let thread = thread::spawn(move || {
            let (mut connection, mut number) = (None, 0);
            while !stopped.load(Ordering::SeqCst) {
                number += 1;
                match write(&mut connection, &sentinels, &key, number) {
                    Some(one) => done.lock().expect("no panic").push(one),
                    None => connection = None,
                }
                thread::sleep(PAUSE);
            }
        });
        Writer {
            stop,
            accepted,
            thread,
        }
    }

    /// Waits until so many writes were accepted by servers that pass, or for the time given.
    pub fn wait(&self, count: usize, by: impl Fn(u16) -> bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let accepted = self.accepted.lock().expect("no panic");
            let passing = accepted.iter().rev().take_while(|one| by(one.port)).count();
            drop(accepted);
            if passing >= count {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    pub fn stop(self) -> Vec<Accepted> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("no panic");
        let accepted = self.accepted.lock().expect("no panic");
        accepted.clone()
    }
}

/// Tries one write, connecting first where there is no connection.
fn write(
    connection: &mut Option<(u16, Wire)>,
    sentinels: &[u16],
    key: &str,
    number: u64,
) -> Option<Accepted> {
    if connection.is_none() {
        let port = sentinels.iter().find_map(|sentinel| master_by(*sentinel))?;
        *connection = Some((port, Wire::connect(port, Some(PATIENCE)).ok()?));
    }
    let (port, wire) = connection.as_mut()?;
    let port = *port;
    let reply = wire.ask(&["RPUSH", key, &number.to_string()]).ok()?;
    let accepted = Accepted {
        number,
        at: Instant::now(),
        port,
    };
    matches!(reply, Reply::Integer(_)).then_some(accepted)
}

fn master_by(sentinel: u16) -> Option<u16> {
    let mut wire = Wire::connect(sentinel, Some(PATIENCE)).ok()?;
    let reply = wire
        .ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])
        .ok()?;
    reply.elements().get(1)?.text()?.parse().ok()
}

/// How many of the acknowledged writes are in none of what a server has.
pub fn count_lost(accepted: &[Accepted], present: &HashSet<u64>) -> usize {
    let missing = |one: &&Accepted| !present.contains(&one.number);
    accepted.iter().filter(missing).count()
}
