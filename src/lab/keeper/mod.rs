//! The keeper: the one process that a lab belongs to.
//!
//! It starts the nodes and ends with them, owns the relay, the writers and the record, and answers
//! the requests of scripts, one after the other, in the order in which they come. All that decides
//! runs in one thread, so nothing here is locked; other threads only bring messages (what was asked,
//! what was seen) and one of its own ticks looks at what cannot speak for itself: processes that
//! have ended, logs that have grown.
//!
//! A request that waits for something is a [`waiting::Waiter`], which is asked again at each tick;
//! meanwhile others are answered.

mod clients;
mod control;
mod links;
mod processes;
mod recorder;
mod start;
mod status;
mod step;
pub mod views;
pub mod waiting;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::addresses::Subnet;
use super::hosts::Hosts;
use super::log::{self, LogTail};
use super::model::{Entry, ProcessState, UnixUs, What};
use super::node::Node;
use super::plan::Plan;
use super::relay::Relay;
use super::request::{Answer, Ask, Request};
use super::view::{Directory, View};
use super::watch::Watch;
use clients::Clients;
use recorder::Recorder;
use views::Views;
use waiting::Waiter;

use crate::sys::clock;

pub use control::ask;
pub use start::run;

/// How often the keeper looks at what cannot speak for itself.
const TICK: Duration = Duration::from_millis(10);
/// How often it reads logs, and writes the record down.
const READ_LOGS_EVERY: Duration = Duration::from_millis(50);
/// How often it looks whether anybody wants it.
const LOOK_FOR_OWNER_EVERY: Duration = Duration::from_secs(1);
/// The socket in the folder of a lab that requests come by.
pub const CONTROL_SOCKET: &str = "control.sock";
/// The plan, by which a folder is known as that of a lab.
pub const PLAN_FILE: &str = "plan.json";
/// The record.
pub const RECORD_FILE: &str = "record.jsonl";
/// Why a keeper has ended badly.
pub const ERROR_FILE: &str = "keeper.err";

/// What other threads tell the keeper.
enum Message {
    /// A request, and whom to answer.
    Asked(Request, Sender<Answer>),
    /// How the node of this number looks.
    Seen(usize, View),
}

/// See the module's head.
pub struct Keeper {
    folder: PathBuf,
    plan: Plan,
    subnet: Subnet,
    relay: Relay,
    hosts: Hosts,
    who: Directory,
    nodes: Vec<Node>,
    logs: Vec<LogTail>,
    views: Views,
    clients: Clients,
    record: Recorder,
    waiters: Vec<Waiter>,
    /// Events of Sentinels since the last step of the script.
    events: Vec<String>,
    inbox: Receiver<Message>,
    /// Ends before the nodes do.
    watch: Option<Watch>,
    /// The process that ends the lab with itself.
    owner: Option<u32>,
    ended: bool,
}

fn now_us() -> UnixUs {
    clock::now().unix_us
}

impl Keeper {
    /// Serves until it is told to end, or nobody is left who could tell it.
    ///
    /// # Errors
    ///
    /// The record cannot be written.
    fn serve(&mut self) -> io::Result<()> {
        let mut next_logs = Instant::now();
        let mut next_owner = Instant::now();
        let mut next_tick = Instant::now();
        while !self.ended {
            let wait = next_tick.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(wait) {
                Ok(Message::Asked(request, reply)) => self.answer(request, reply),
                Ok(Message::Seen(node, view)) => self.see(node, view),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now < next_tick {
                continue;
            }
            next_tick = now + TICK;
            self.note_ends();
            if now >= next_logs {
                next_logs = now + READ_LOGS_EVERY;
                self.read_logs();
                self.take_from_clients();
                self.record.flush()?;
            }
            if now >= next_owner {
                next_owner = now + LOOK_FOR_OWNER_EVERY;
                self.ended |= !self.is_wanted();
            }
            self.ask_waiters();
        }
        self.end()
    }

    /// Whether its owner lives, and its folder is there.
    fn is_wanted(&self) -> bool {
        self.owner_lives() && self.folder.join(PLAN_FILE).exists()
    }

    fn end(&mut self) -> io::Result<()> {
        self.watch = None;
        for entry in self.clients.stop_all() {
            self.record.note(entry);
        }
        for node in &mut self.nodes {
            let _ = node.kill();
        }
        self.record.note(Entry::Ended { at_us: now_us() });
        let written = self.record.flush();
        if !self.owner_lives() {
            // Nobody else would remove it.
            let _ = fs::remove_dir_all(&self.folder);
        }
        written
    }

    fn owner_lives(&self) -> bool {
        let lives = |pid: u32| PathBuf::from(format!("/proc/{pid}")).exists();
        self.owner.is_none_or(lives)
    }

    fn event(&mut self, at_us: UnixUs, what: What) {
        self.record.event(at_us, what);
    }

    fn answer(&mut self, request: Request, reply: Sender<Answer>) {
        if let Ask::WaitFor {
            condition,
            timeout_ms,
        } = request.ask
        {
            let waiter = Waiter {
                words: request.words,
                condition,
                since_us: now_us(),
                deadline: Instant::now() + Duration::from_millis(timeout_ms),
                writes_before: self.clients.accepted(),
                reply,
            };
            return self.waiters.push(waiter);
        }
        let answer = match self.step(&request) {
            Ok(answer) => answer,
            Err(why) => Answer::Failed { why },
        };
        // Whoever has asked may be gone.
        let _ = reply.send(answer);
    }

    fn see(&mut self, number: usize, view: View) {
        if let View::Server(sample) = &view {
            self.record.note(Entry::Sample(sample.clone()));
            if let Some((role, follows)) = self.views.new_role(number, sample) {
                let what = What::Role {
                    node: sample.node.clone(),
                    role,
                    follows,
                };
                self.event(sample.at_us, what);
            }
        }
        self.views.see(number, view);
    }

    /// Notes processes that have ended by themselves.
    fn note_ends(&mut self) {
        for number in 0..self.nodes.len() {
            if let Some(detail) = self.nodes[number].take_end() {
                let name = self.nodes[number].name().to_owned();
                self.relay.close(&name);
                self.views.forget(number);
                self.note_state(number, detail);
            }
        }
    }

    fn note_state(&mut self, number: usize, detail: String) {
        let node = &self.nodes[number];
        let what = What::Process {
            node: node.name().to_owned(),
            state: node.state(),
            detail,
        };
        self.event(now_us(), what);
    }

    fn read_logs(&mut self) {
        for (node, tail) in self.nodes.iter().zip(&mut self.logs) {
            let lines = match tail.take_lines() {
                Ok(lines) => lines,
                Err(e) => vec![format!("{}: {e}", tail.path().display())],
            };
            for line in lines {
                let kind = node.planned.facts.kind;
                let parsed = log::parse(&line);
                let Some(what) = parsed.and_then(|line| log::mark(node.name(), kind, line)) else {
                    continue;
                };
                let at_us = parsed.map_or_else(now_us, |line| line.at_us);
                if let What::Sentinel { name, .. } = &what {
                    self.events.push(name.clone());
                }
                self.record.event(at_us, what);
            }
        }
    }

    fn node(&self, name: &str) -> Result<usize, String> {
        let found = self.nodes.iter().position(|node| node.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.nodes.iter().map(Node::name).collect();
            format!("there is no node '{name}'; there are {}", known.join(" "))
        })
    }

    /// A server by its name.
    fn server(&self, name: &str) -> Result<usize, String> {
        let number = self.node(name)?;
        match self.nodes[number].is_server() {
            true => Ok(number),
            false => Err(format!("{name} is no server")),
        }
    }

    fn runs(&self, number: usize) -> bool {
        self.nodes[number].state() == ProcessState::Up
    }
}
