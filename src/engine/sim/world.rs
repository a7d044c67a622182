//! One server's world in the simulator: its share of the network, its disk, its child, its clock.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::disk::{BegunSync, ProcessEnded, SimDisk, SimFile};
use super::net::{HostId, SharedNet, SimSocket, address_of};
use super::programs::Programs;
use super::survival::Seen;
use crate::base::replace::Replacement;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::commands::error::CmdError;
use crate::config::{Apply, Reason, Settings};
use crate::engine::snapshot_work::{Product, SnapshotWork};
use crate::engine::world::{
    Accepted, Clock, Event, Interest, Job, Jobs, Lifecycle, Network, ProcessChange, ProcessControl,
    ProcessEnd, ProcessRole, Service, Transport, Wake, WorkFigures,
};
use crate::sys::memory::MemoryStats;
use crate::sys::process::Exit;
use crate::sys::signals::Signal;

/// When the simulation begins, in microseconds since the epoch.
const EPOCH_US: i64 = 1_700_000_000_000_000;
/// Bytes that a child hands over at once.
const CHILD_PIECE_BYTES: usize = 3000;

/// That a sync on another thread has ended is told so much later, in microseconds.
const SYNC_TOLD_US: u64 = 1000;

/// A step of a file's replacement takes so long, in microseconds, but for the sync.
const REPLACE_STEP_US_MAX: u64 = 1000;
/// A program that is killed is gone so much later, in microseconds.
const KILLED_AFTER_US: u64 = 1000;

/// A file that takes the place of another, step by step.
struct Replacing {
    /// When the next step is made, in microseconds.
    at_us: u64,
    request: u64,
    replacement: Replacement<SimFile>,
}

/// A child that saves. What it writes is known at once; it takes its time all the same.
struct SimChild {
    pid: i32,
    /// The file that it makes, if it makes one.
    target: Option<PathBuf>,
    result: Result<Vec<u8>, String>,
    /// How much of it may be read from the pipe by now.
    produced: usize,
    read: usize,
    next_us: u64,
    /// The data has ended, or the file is in place; only the end of the process is to be told.
    exit: Option<Exit>,
}

/// See the module's head.
pub struct SimWorld {
    host: HostId,
    net: SharedNet,
    disk: SimDisk,
    rng: Rng,
    child: Option<SimChild>,
    pids: i32,
    /// Events that will be told at their time, in microseconds.
    coming: Vec<(u64, Event)>,
    /// Syncs that run, with the time when they end and the numbers of their requests.
    syncs: Vec<(u64, u64, BegunSync)>,
    replacing: Vec<Replacing>,
    /// The programs that can be started.
    pub programs: Programs,
    /// How far this server's own time is ahead, because it slept or waited for its disk.
    pub ahead_us: u64,
    /// How far its wall clock is ahead of everybody else's, in microseconds.
    pub skew_us: i64,
    /// Names are answered with these addresses before the right one.
    pub decoys: Vec<SocketAddr>,
    /// Children fail at times.
    pub children_fail: bool,
    /// No child does its work.
    pub children_die: bool,
    /// The data with which the last rewrite of the append-only file has begun, since somebody
    /// looked.
    pub rewritten: Option<Seen>,
}

impl SimWorld {
    /// The world of a host.
    pub fn new(host: HostId, net: &SharedNet, disk: SimDisk, rng: Rng) -> SimWorld {
        SimWorld {
            host,
            net: Rc::clone(net),
            disk,
            rng,
            child: None,
            pids: 100,
            coming: Vec::new(),
            syncs: Vec::new(),
            replacing: Vec::new(),
            programs: Programs::default(),
            ahead_us: 0,
            skew_us: 0,
            decoys: Vec::new(),
            children_fail: false,
            children_die: false,
            rewritten: None,
        }
    }

    fn now_us(&self) -> u64 {
        self.net.borrow().now_us + self.ahead_us
    }

    /// Time that the disk has taken passes for this server alone.
    pub fn pass_disk_time(&mut self) {
        self.ahead_us += self.disk.take_spent_us();
    }

    /// When something of its own will happen next, in microseconds.
    pub fn next_us(&self) -> Option<u64> {
        let child = self.child.as_ref().map(|child| child.next_us);
        let coming = self.coming.iter().map(|(at, _)| *at);
        let syncs = self.syncs.iter().map(|(at, ..)| *at);
        let replacing = self.replacing.iter().map(|replacing| replacing.at_us);
        coming.chain(syncs).chain(child).chain(replacing).min()
    }

    /// Whether a sync runs on another thread, or has ended without a word yet.
    pub fn is_syncing(&self) -> bool {
        let is_sync = |(_, event): &(u64, Event)| matches!(event, Event::Synced { .. });
        !self.syncs.is_empty() || self.coming.iter().any(is_sync)
    }

    /// Whether a child runs.
    pub fn has_child(&self) -> bool {
        self.child.is_some()
    }

    /// What is to be told now, the network's events included.
    pub fn take_events(&mut self) -> Vec<Event> {
        let now_us = self.net.borrow().now_us;
        for (at, request, sync) in self.syncs.extract_if(.., |(at, ..)| *at <= now_us) {
            let result = sync.end();
            let told_at = at + SYNC_TOLD_US;
            self.coming
                .push((told_at, Event::Synced { request, result }));
        }
        self.step_replacements(now_us);
        let mut events = self.net.borrow_mut().take_events(self.host);
        let (due, later) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|(at, _)| *at <= now_us);
        self.coming = later;
        let due: Vec<(u64, Event)> = due;
        events.extend(due.into_iter().map(|(_, event)| event));
        self.step_child(now_us, &mut events);
        events
    }

    /// Another thread makes the steps that are due; what they cost is that thread's time.
    fn step_replacements(&mut self, now_us: u64) {
        self.pass_disk_time();
        for mut replacing in std::mem::take(&mut self.replacing) {
            if replacing.at_us > now_us {
                self.replacing.push(replacing);
                continue;
            }
            let syncs_before = self.disk.syncs();
            let made = replacing.replacement.step(&mut self.disk);
            let mut spent_us = self.disk.take_spent_us();
            spent_us += match self.disk.syncs() > syncs_before {
                true => self.disk.sync_us(&mut self.rng),
                false => 1 + self.rng.below(REPLACE_STEP_US_MAX),
            };
            replacing.at_us = now_us + spent_us;
            let result = match made {
                Ok(false) => {
                    self.replacing.push(replacing);
                    continue;
                }
                Ok(true) => Ok(()),
                Err(e) => Err(e),
            };
            let request = replacing.request;
            let told = Event::Replaced { request, result };
            self.coming.push((replacing.at_us, told));
        }
    }

    fn step_child(&mut self, now_us: u64, events: &mut Vec<Event>) {
        let Some(child) = &mut self.child else { return };
        if child.next_us > now_us {
            return;
        }
        child.next_us = now_us + 1000 + self.rng.below(50_000);
        if let Some(exit) = child.exit {
            let pid = child.pid;
            if child.target.is_none() && child.read < child.produced {
                // A pipe outlives its writer until it is read.
                return;
            }
            self.child = None;
            events.push(Event::ChildExited { pid, exit });
            return;
        }
        match (&child.result, &child.target) {
            (Err(_), _) => child.exit = Some(Exit::Code(1)),
            (Ok(bytes), None) => {
                let left = bytes.len() - child.produced;
                child.produced += left.min(CHILD_PIECE_BYTES);
                if child.produced == bytes.len() {
                    child.exit = Some(Exit::Code(0));
                }
                events.push(Event::Ready {
                    wake: Wake::ChildData,
                    readable: true,
                    writable: false,
                    ended: child.exit.is_some(),
                });
            }
            (Ok(bytes), Some(target)) => {
                let stored = self.disk.store(target, bytes.clone());
                child.exit = Some(Exit::Code(i32::from(stored.is_err())));
            }
        }
    }
}

impl Clock for SimWorld {
    fn now(&self) -> Now {
        let now_us = self.now_us();
        Now {
            unix_us: EPOCH_US + now_us as i64 + self.skew_us,
            mono_us: now_us,
        }
    }

    fn mono_ns(&self) -> u64 {
        self.now_us() * 1000
    }

    fn ahead_of_utc_s(&self) -> i32 {
        0
    }

    fn sleep(&mut self, time: Duration) {
        self.ahead_us += time.as_micros() as u64;
    }
}

impl Network for SimWorld {
    type Socket = SimSocket;

    fn listen(&mut self, _: &Settings) -> Result<(), String> {
        self.net.borrow_mut().bring_up(self.host);
        Ok(())
    }

    fn settle_listening(&mut self) {}

    fn listeners(&self) -> Vec<&'static str> {
        vec!["tcp"]
    }

    fn listener_numbers(&self) -> Vec<usize> {
        vec![0]
    }

    fn stop_listening(&mut self) {}

    fn accept(&mut self, _: usize) -> io::Result<Accepted<SimSocket>> {
        let accepted = SimSocket::accept(&self.net, self.host);
        let (socket, peer) = accepted.ok_or(ErrorKind::WouldBlock)?;
        Ok(Accepted {
            socket,
            addr: address_of(peer % 250).to_string(),
            local_addr: address_of(self.host).to_string(),
            is_local: true,
            unix_socket: false,
            service: Service::Clients,
        })
    }

    fn connect(&mut self, to: SocketAddr, _: Option<&str>, _: Transport) -> io::Result<SimSocket> {
        Ok(SimSocket::connect(&self.net, self.host, to))
    }

    fn take_events(&mut self, into: &mut Vec<Event>) {
        into.extend(SimWorld::take_events(self));
    }

    fn watch(&mut self, socket: &mut SimSocket, wake: Wake, interest: Interest) -> io::Result<()> {
        socket.watch(wake, interest);
        Ok(())
    }

    fn rewatch(
        &mut self,
        socket: &mut SimSocket,
        wake: Wake,
        interest: Interest,
    ) -> io::Result<()> {
        socket.watch(wake, interest);
        Ok(())
    }

    fn close(&mut self, socket: SimSocket) {
        drop(socket);
    }

    fn wait_for(&mut self, _: &mut SimSocket, _: bool, time: Duration) -> bool {
        // Nothing moves in the network while one server holds the world up.
        self.sleep(time);
        false
    }

    fn resolve(&mut self, request: u64, host: &str, _: u16) {
        let answer = self.resolve_now(host, 0);
        let at = self.net.borrow().now_us + self.rng.below(30_000);
        self.coming.push((at, Event::Resolved { request, answer }));
    }

    fn resolve_now(&mut self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let number = host.strip_prefix('n').and_then(|n| n.parse().ok());
        let address = address_of(number.ok_or(ErrorKind::AddrNotAvailable)?);
        let mut answer = self.decoys.clone();
        answer.push(address);
        Ok(answer)
    }
}

impl Jobs for SimWorld {
    type Disk = SimDisk;

    fn disk(&mut self) -> &mut SimDisk {
        &mut self.disk
    }

    fn fork(&mut self, work: &SnapshotWork<'_>) -> io::Result<i32> {
        if self.children_fail && self.rng.below(50) == 0 {
            return Err(ErrorKind::OutOfMemory.into());
        }
        if let Product::AofBase { .. } = work.product {
            self.rewritten = Some(Seen::of(work.keyspace));
        }
        let mut bytes = Vec::new();
        let result = match self.rng.below(30) {
            _ if self.children_die => Err("every child dies".to_owned()),
            0 if self.children_fail => Err("the child has died".to_owned()),
            _ => work.write_pipe(&mut bytes, &mut ()),
        };
        self.pids += 1;
        let now_us = self.net.borrow().now_us;
        self.child = Some(SimChild {
            pid: self.pids,
            target: work.product.file(self.pids as u32),
            result: result.map(|()| bytes),
            produced: 0,
            read: 0,
            next_us: now_us + 1000 + self.rng.below(1_000_000),
            exit: None,
        });
        Ok(self.pids)
    }

    fn read_child(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(child) = &mut self.child else {
            return Ok(0);
        };
        let Ok(bytes) = &child.result else {
            return Ok(0);
        };
        let ready = &bytes[child.read..child.produced];
        let count = ready.len().min(into.len());
        into[..count].copy_from_slice(&ready[..count]);
        child.read += count;
        match (count, child.exit) {
            (0, None) => Err(ErrorKind::WouldBlock.into()),
            (count, _) => Ok(count),
        }
    }

    fn stop_child(&mut self, pid: i32) {
        if let Some(child) = self.child.as_mut().filter(|child| child.pid == pid) {
            child.result = Err("killed".to_owned());
            child.exit = Some(Exit::Signal(libc::SIGUSR1));
            child.read = child.produced;
        }
    }

    fn disown_child(&mut self, _: i32) {
        self.child = None;
    }

    fn spawn(&mut self, program: &Path, args: &[String]) -> io::Result<i32> {
        let ending = self.programs.run(program, args)?;
        self.pids += 1;
        let (pid, exit) = (self.pids, ending.exit);
        let at = self.net.borrow().now_us + ending.after_us;
        self.coming.push((at, Event::ChildExited { pid, exit }));
        Ok(pid)
    }

    fn kill_program(&mut self, pid: i32) {
        let now_us = self.net.borrow().now_us;
        for (at, event) in &mut self.coming {
            if let Event::ChildExited { pid: ended, exit } = event
                && *ended == pid
            {
                *at = now_us + KILLED_AFTER_US;
                *exit = Exit::Signal(libc::SIGKILL);
            }
        }
    }

    fn submit(&mut self, job: Job<SimFile>) {
        match job {
            Job::Replace {
                request,
                path,
                text,
            } => self.replacing.push(Replacing {
                at_us: self.net.borrow().now_us + 1 + self.rng.below(REPLACE_STEP_US_MAX),
                request,
                replacement: Replacement::new(&path, text),
            }),
            Job::Free(garbage) => drop(garbage),
            Job::Close(file) => drop(file),
            Job::Sync { request, file } => {
                let at = self.net.borrow().now_us + self.disk.sync_us(&mut self.rng);
                self.syncs.push((at, request, file.begin_sync()));
            }
        }
    }

    fn work(&self) -> WorkFigures {
        WorkFigures::default()
    }

    fn reset_work(&mut self) {}
}

impl ProcessControl for SimWorld {
    fn on_second(&mut self) {}

    fn watch_loop(&mut self, _: Duration) {}

    fn pid(&self) -> u32 {
        1
    }

    fn interrupt_is_pending(&self) -> bool {
        false
    }

    fn used_memory(&self) -> usize {
        1 << 20
    }

    fn memory(&self) -> MemoryStats {
        MemoryStats {
            used: 1 << 20,
            ..MemoryStats::default()
        }
    }

    fn apply(&mut self, _: Apply, _: &ProcessChange<'_>) -> Result<(), Reason> {
        Ok(())
    }

    fn set_role(&mut self, _: ProcessRole, _: &Settings) {}

    fn tell_supervisor(&mut self, _: Lifecycle) {}

    fn supervised(&self) -> &'static str {
        "no"
    }

    fn executable(&self) -> &Path {
        Path::new("/sim/redis-server")
    }

    fn leave(&mut self, _: &Settings) {}

    fn end_process(&mut self, how: ProcessEnd) -> CmdError {
        if let ProcessEnd::Exit(_) = how {
            resume_unwind(Box::new(ProcessEnded));
        }
        panic!("nobody in the simulator asks for the end of a process by {how:?}");
    }
}

/// The signal with which a node is asked to leave.
pub fn terminate() -> Event {
    Event::Signal(Signal::Terminate)
}
