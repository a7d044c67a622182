//! What a keeper knows and owns, and the few words that all its parts use.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use super::clients::Clients;
use super::recorder::Recorder;
use super::views::Views;
use crate::lab::addresses::Subnet;
use crate::lab::hosts::Hosts;
use crate::lab::log::LogTail;
use crate::lab::model::{ProcessState, UnixUs, What};
use crate::lab::node::Node;
use crate::lab::plan::Plan;
use crate::lab::relay::Relay;
use crate::lab::request::{Answer, Condition, Request};
use crate::lab::view::{Directory, View};
use crate::lab::watch::Watch;
use crate::sys::clock;

/// What other threads tell the keeper.
pub(super) enum Message {
    /// A request, and whom to answer.
    Asked(Request, Sender<Answer>),
    /// How the node of this number looks.
    Seen(usize, View),
}

/// A lab, and all that belongs to it.
pub struct Keeper {
    pub(super) folder: PathBuf,
    pub(super) plan: Plan,
    pub(super) subnet: Subnet,
    pub(super) relay: Relay,
    pub(super) hosts: Hosts,
    pub(super) who: Directory,
    pub(super) nodes: Vec<Node>,
    pub(super) logs: Vec<LogTail>,
    pub(super) views: Views,
    pub(super) clients: Clients,
    pub(super) record: Recorder,
    pub(super) waiters: Vec<Waiter>,
    /// Events of Sentinels since the last step of the script.
    pub(super) events: Vec<String>,
    pub(super) inbox: Receiver<Message>,
    /// Ends before the nodes do.
    pub(super) watch: Option<Watch>,
    /// The process that ends the lab with itself.
    pub(super) owner: Option<u32>,
    pub(super) ended: bool,
}

/// A script that waits.
pub(super) struct Waiter {
    /// Its words.
    pub words: String,
    /// What it waits for.
    pub condition: Condition,
    /// When it began to wait.
    pub since_us: UnixUs,
    /// When it gives up.
    pub deadline: Instant,
    /// Accepted writes when it began.
    pub writes_before: u64,
    /// Whom to tell.
    pub reply: Sender<Answer>,
}

/// The time of the record.
pub(super) fn now_us() -> UnixUs {
    clock::now().unix_us
}

impl Keeper {
    pub(super) fn event(&mut self, at_us: UnixUs, what: What) {
        self.record.event(at_us, what);
    }

    pub(super) fn note_state(&mut self, number: usize, detail: String) {
        let node = &self.nodes[number];
        let what = What::Process {
            node: node.name().to_owned(),
            state: node.state(),
            detail,
        };
        self.event(now_us(), what);
    }

    pub(super) fn node(&self, name: &str) -> Result<usize, String> {
        let found = self.nodes.iter().position(|node| node.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.nodes.iter().map(Node::name).collect();
            format!("there is no node '{name}'; there are {}", known.join(" "))
        })
    }

    /// A server by its name.
    pub(super) fn server(&self, name: &str) -> Result<usize, String> {
        let number = self.node(name)?;
        match self.nodes[number].is_server() {
            true => Ok(number),
            false => Err(format!("{name} is no server")),
        }
    }

    pub(super) fn runs(&self, number: usize) -> bool {
        self.nodes[number].state() == ProcessState::Up
    }
}
