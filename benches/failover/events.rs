//! What the sentinels say while they act, each event with the moment at which it came.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::wire::{Closer, Wire};

pub struct Event {
    pub at: Instant,
    pub kind: String,
    pub text: String,
}

/// A subscription to everything at every sentinel.
pub struct Watch {
    closers: Vec<Closer>,
    threads: Vec<JoinHandle<Vec<Event>>>,
}

impl Watch {
    pub fn start(sentinels: &[u16]) -> Watch {
        let (mut closers, mut threads) = (Vec::new(), Vec::new());
        for port in sentinels {
            let mut wire = Wire::connect(*port, None).expect("a living sentinel");
            wire.ask(&["PSUBSCRIBE", "*"]).expect("a subscription");
            closers.push(wire.closer().expect("a socket"));
            threads.push(thread::spawn(move || listen(wire)));
        }
        Watch { closers, threads }
    }

    /// Ends the subscription and returns what came, in the order of time.
    pub fn stop(self) -> Vec<Event> {
        self.closers.iter().for_each(Closer::close);
        let heard = |thread: JoinHandle<Vec<Event>>| thread.join().expect("no panic");
        let mut events: Vec<Event> = self.threads.into_iter().flat_map(heard).collect();
        events.sort_by_key(|event| event.at);
        events
    }
}

/// Until the connection ends.
fn listen(mut wire: Wire) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(message) = wire.read() {
        let at = Instant::now();
        if let [_, _, kind, text] = message.elements() {
            events.push(Event {
                at,
                kind: kind.text().unwrap_or_default().to_owned(),
                text: text.text().unwrap_or_default().to_owned(),
            });
        }
    }
    events
}
