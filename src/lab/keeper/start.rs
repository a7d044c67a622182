//! The beginning of a keeper: it takes its addresses, starts the nodes in an order in which none
//! has to wait for another, and only then takes requests.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::channel;

use super::clients::Clients;
use super::control;
use super::files::{CONTROL_SOCKET, ERROR_FILE, PLAN_FILE, RECORD_FILE};
use super::recorder::Recorder;
use super::state::{Keeper, Message, now_us};
use super::views::Views;
use crate::base::rng::Rng;
use crate::lab::addresses::Subnet;
use crate::lab::hosts::{HostKind, Hosts};
use crate::lab::log::LogTail;
use crate::lab::model::{Entry, Setup};
use crate::lab::node::Node;
use crate::lab::plan::Plan;
use crate::lab::relay::Relay;
use crate::lab::view::Directory;
use crate::lab::watch::{Watch, Watched};
use crate::sys::limits::{descriptors, raise_descriptors};
use crate::sys::process::daemonize;

/// Open files that a keeper may have: each connection through the relay takes two.
const DESCRIPTORS: u64 = 16_384;

/// Runs the keeper of a folder that holds a plan, in the background: the call returns, with the
/// exit code of the process, only when the lab has ended. Why it did not come up stands in a file
/// of the folder.
pub fn run(folder: &Path, owner: Option<u32>) -> u8 {
    let ended = daemonize()
        .map_err(|e| e.to_string())
        .and_then(|()| keep(folder, owner));
    match ended {
        Ok(()) => 0,
        Err(why) => {
            // Without a folder there is nobody left to tell.
            let _ = fs::write(folder.join(ERROR_FILE), why);
            1
        }
    }
}

fn keep(folder: &Path, owner: Option<u32>) -> Result<(), String> {
    // With fewer the relay makes connections wait.
    let most = descriptors().map_or(DESCRIPTORS, |(_, hard)| hard.min(DESCRIPTORS));
    raise_descriptors(most);
    let (inbox, mut keeper) = {
        let text = fs::read(folder.join(PLAN_FILE)).map_err(|e| format!("{PLAN_FILE}: {e}"))?;
        let plan = serde_json::from_slice(&text).map_err(|e| format!("{PLAN_FILE}: {e}"))?;
        let (sender, inbox) = channel();
        let keeper = Keeper::prepare(folder, plan, owner, inbox).map_err(|e| e.to_string())?;
        (sender, keeper)
    };
    keeper.start_nodes()?;
    let seen_by = inbox.clone();
    let watched = keeper.nodes.iter().map(|node| Watched {
        name: node.name().to_owned(),
        kind: node.planned.facts.kind,
        hidden: node.planned.hidden,
    });
    let watch = Watch::start(watched.collect(), &keeper.who, move |number, view| {
        // The keeper may have ended meanwhile.
        let _ = seen_by.send(Message::Seen(number, view));
    });
    keeper.watch = Some(watch);
    control::listen(folder, &inbox).map_err(|e| format!("{CONTROL_SOCKET}: {e}"))?;
    keeper.serve().map_err(|e| format!("{RECORD_FILE}: {e}"))
}

impl Keeper {
    fn prepare(
        folder: &Path,
        plan: Plan,
        owner: Option<u32>,
        inbox: std::sync::mpsc::Receiver<Message>,
    ) -> io::Result<Keeper> {
        // Which addresses a lab has is no part of the experiment, so it need not be repeatable.
        let mut rng = Rng::from_seed(u64::from(std::process::id()) ^ now_us() as u64);
        let subnet = Subnet::claim(&mut rng)?;
        let relay = Relay::start()?;
        let mut record = Recorder::begin(&folder.join(RECORD_FILE))?;
        record.note(Entry::Begun(Setup {
            title: plan.title.clone(),
            question: plan.question.clone(),
            seed: plan.seed,
            at_us: now_us(),
            settings: plan.settings(),
        }));
        let (mut hosts, mut who) = (Hosts::default(), Directory::default());
        let (mut nodes, mut logs) = (Vec::new(), Vec::new());
        for planned in plan.nodes(&subnet, folder) {
            let (name, public) = (&planned.facts.name, planned.facts.address.ip());
            relay.add_host(name, &[public, planned.hidden.ip()]);
            let kind = HostKind::Node(planned.facts.kind);
            hosts.add(name, kind).map_err(io::Error::other)?;
            who.add(public, name);
            record.note(Entry::Node(planned.facts.clone()));
            let node = Node::prepare(planned, folder)?;
            logs.push(LogTail::new(node.log_file()));
            nodes.push(node);
        }
        Ok(Keeper {
            folder: folder.to_owned(),
            views: Views::of(nodes.len()),
            plan,
            subnet,
            relay,
            hosts,
            who,
            nodes,
            logs,
            clients: Clients::default(),
            record,
            waiters: Vec::new(),
            events: Vec::new(),
            inbox,
            watch: None,
            owner,
            ended: false,
        })
    }

    /// Starts all nodes: masters, then replicas, then Sentinels, as they stand in the plan.
    fn start_nodes(&mut self) -> Result<(), String> {
        for number in 0..self.nodes.len() {
            let name = self.nodes[number].name().to_owned();
            self.bring_up(number)
                .map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }
}
