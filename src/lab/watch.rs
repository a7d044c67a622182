//! Looks at every node ten times a second, past the relay, so that what is seen does not depend on
//! what the experiment does to links.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::model::{NodeKind, Sample};
use super::view::{Directory, SentinelView, View, read_info, read_masters};
use super::wire::Wire;
use crate::resp::reply::Value;
use crate::sys::clock;

/// How often a node is looked at.
pub const EVERY: Duration = Duration::from_millis(100);
/// A node that does not answer in this time is silent.
const PATIENCE: Duration = Duration::from_millis(300);

/// A node that is to be watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where it is, past the relay.
    pub hidden: SocketAddr,
}

/// The threads that look, one for each node. Dropping it ends them.
#[derive(Debug)]
pub struct Watch {
    ends: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Looks at these nodes from now on, and says to `seen` what it sees: the node's number, and
    /// how it looks.
    pub fn start<S>(nodes: Vec<Watched>, who: &Directory, seen: S) -> Watch
    where
        S: Fn(usize, View) + Clone + Send + 'static,
    {
        let who = Arc::new(who.clone());
        let (mut ends, mut threads) = (Vec::new(), Vec::new());
        for (number, node) in nodes.into_iter().enumerate() {
            let (end, ended) = channel();
            let (who, seen) = (Arc::clone(&who), seen.clone());
            ends.push(end);
            threads.push(thread::spawn(move || {
                look_at(&node, &who, &ended, |view| seen(number, view));
            }));
        }
        Watch { ends, threads }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ends.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn look_at(node: &Watched, who: &Directory, ended: &Receiver<()>, seen: impl Fn(View)) {
    let mut wire = None;
    let mut next = Instant::now();
    loop {
        seen(match ask(node, &mut wire) {
            Some(reply) => understand(node, &reply, who),
            None => silent(node),
        });
        // Looks that were missed are not made up for.
        next = (next + EVERY).max(Instant::now());
        let wait = next.saturating_duration_since(Instant::now());
        if ended.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn ask(node: &Watched, wire: &mut Option<Wire>) -> Option<Value> {
    let question: &[&[u8]] = match node.kind {
        NodeKind::Server => &[b"INFO"],
        NodeKind::Sentinel => &[b"SENTINEL", b"MASTERS"],
    };
    if wire.is_none() {
        *wire = Wire::connect(node.hidden, None, PATIENCE).ok();
    }
    let answer = wire.as_mut()?.ask(question);
    // A reply that comes late would be taken for that of the next question.
    if answer.is_err() {
        *wire = None;
    }
    match answer {
        Ok(Value::Error(_)) => None,
        Ok(reply) => Some(reply),
        Err(_) => None,
    }
}

fn understand(node: &Watched, reply: &Value, who: &Directory) -> View {
    let at_us = clock::now().unix_us;
    match node.kind {
        NodeKind::Server => {
            let text = String::from_utf8_lossy(reply.text().unwrap_or_default());
            View::Server(read_info(&node.name, at_us, &text, who))
        }
        NodeKind::Sentinel => View::Sentinel(read_masters(at_us, reply, who)),
    }
}

fn silent(node: &Watched) -> View {
    let at_us = clock::now().unix_us;
    match node.kind {
        NodeKind::Server => View::Server(Sample {
            at_us,
            node: node.name.clone(),
            silent: true,
            ..Sample::default()
        }),
        NodeKind::Sentinel => View::Sentinel(SentinelView {
            at_us,
            silent: true,
            masters: Vec::new(),
        }),
    }
}
