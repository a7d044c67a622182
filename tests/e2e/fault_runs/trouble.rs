//! What can be done to a tree, and undone.

use std::time::{Duration, Instant};

use super::promises::Keeps;
use super::tree::{MASTER_NODE, Node, Tree};
use crate::harness::*;

/// What is done to a server, or to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// SIGKILL, and a start.
    Kill,
    /// SIGSTOP.
    Freeze,
    FullDisk,
    ReadOnlyFolder,
    NoChildren,
    NoSync,
    /// The time of day is wrong.
    ClockJump,
    /// Its link is closed, and may be made again.
    Cut,
    /// Its link is closed, and cannot be made again.
    Sever,
    /// Its link stays open, and nothing comes through.
    HalfOpen,
    Delay,
    /// Next to nothing is read from its link.
    SlowReader,
}

const KINDS: &[&Kind] = &[
    &Kind::Kill,
    &Kind::Kill,
    &Kind::Freeze,
    &Kind::FullDisk,
    &Kind::ReadOnlyFolder,
    &Kind::NoChildren,
    &Kind::NoSync,
    &Kind::ClockJump,
    &Kind::Cut,
    &Kind::Sever,
    &Kind::HalfOpen,
    &Kind::Delay,
    &Kind::SlowReader,
];

const CLOCK_ERRORS_S: &[&i64] = &[&-86_400, &-7, &7, &3600, &400_000];

/// A fault: of what kind, and of which server or link.
pub struct Fault {
    pub kind: Kind,
    pub at: usize,
    clock_error_s: i64,
    /// Bytes that are left on a disk that is full.
    room: usize,
    folder: Option<ReadOnly>,
    /// Since when, if it is on.
    since: Option<Instant>,
}

impl Fault {
    pub fn draw(rng: &mut Rng) -> Fault {
        let kind = *rng.pick(KINDS);
        let at = match kind.is_of_link() {
            true => rng.below(4) as usize,
            // The master more often than others: what is promised rests on it.
            false => (rng.below(7) as usize).saturating_sub(2),
        };
        Fault {
            kind,
            at,
            clock_error_s: *rng.pick(CLOCK_ERRORS_S),
            room: rng.below(64 * 1024) as usize,
            folder: None,
            since: None,
        }
    }

    pub fn name(&self, tree: &Tree) -> String {
        let place = match self.kind.is_of_link() {
            true => Tree::link_name(self.at),
            false => tree.nodes[self.at].name.to_owned(),
        };
        match self.kind {
            Kind::ClockJump => format!("ClockJump({:+} s) {place}", self.clock_error_s),
            kind => format!("{kind:?} {place}"),
        }
    }

    /// Breaks it. False if that cannot be done here.
    pub fn begin(&mut self, tree: &mut Tree) -> bool {
        if !self.is_possible(tree) {
            return false;
        }
        self.since = Some(Instant::now());
        if self.holds_files_up() {
            tree.begin_trouble();
        }
        if self.kind.is_of_link() {
            self.break_link(&tree.links[self.at]);
            return true;
        }
        let node = &mut tree.nodes[self.at];
        if self.kind.ends_servers() {
            node.failing_since.get_or_insert_with(Instant::now);
        }
        match self.kind {
            Kind::Kill => node.server.kill(),
            Kind::Freeze => node.server.freeze(),
            Kind::FullDisk => node.server.disk().fill(self.room),
            Kind::ReadOnlyFolder => self.folder = Some(ReadOnly::make(aof_folder(&node.server))),
            Kind::NoChildren => node.server.fail_calls(&["fork"]),
            Kind::NoSync => node.server.fail_calls(&["fsync", "fdatasync"]),
            Kind::ClockJump => node.server.shift_clock(self.clock_error_s),
            _ => {}
        }
        true
    }

    fn is_possible(&self, tree: &Tree) -> bool {
        if self.kind.is_of_link() {
            return true;
        }
        let node = &tree.nodes[self.at];
        match self.kind {
            Kind::Freeze => node.server.is_running(),
            Kind::FullDisk => node.server.has_disk() && !breaks_its_file(node),
            Kind::ReadOnlyFolder => node.server.has_disk() && node.keeps != Keeps::Nothing,
            _ => true,
        }
    }

    fn break_link(&self, link: &Proxy) {
        match self.kind {
            Kind::Cut => link.cut(),
            Kind::Sever => link.sever(),
            Kind::HalfOpen => link.stall(),
            Kind::Delay => link.delay(Duration::from_millis(40)),
            _ => link.slow_down(),
        }
    }

    /// Undoes it.
    #[track_caller]
    pub fn end(&mut self, tree: &mut Tree) {
        let Some(since) = self.since.take() else {
            return;
        };
        if self.kind.is_of_link() {
            tree.links[self.at].mend();
            tree.links[self.at].delay(Duration::ZERO);
            return;
        }
        let server = &mut tree.nodes[self.at].server;
        match self.kind {
            Kind::Kill => {
                server.start_again();
                tree.note_death(self.at, since);
            }
            Kind::Freeze if server.is_running() => server.thaw(),
            Kind::FullDisk => server.disk().empty(),
            Kind::ReadOnlyFolder => drop(self.folder.take()),
            Kind::NoChildren | Kind::NoSync | Kind::ClockJump => server.mend_calls(),
            _ => {}
        }
    }

    /// Whether it is the same of the same.
    pub fn is_like(&self, other: &Fault) -> bool {
        (self.kind, self.at) == (other.kind, other.at)
    }

    /// Whether this server stands still of it, or is dead.
    pub fn holds(&self, index: usize) -> bool {
        matches!(self.kind, Kind::Freeze | Kind::Kill) && self.at == index
    }

    /// Which server starts when it is undone.
    pub fn starts(&self) -> Option<usize> {
        (self.kind == Kind::Kill).then_some(self.at)
    }

    /// Whether this server may end of it.
    pub fn may_end(&self, index: usize) -> bool {
        self.kind.ends_servers() && self.at == index
    }

    /// Whether what is written to the master may stay in memory meanwhile.
    pub fn holds_files_up(&self) -> bool {
        (self.kind.ends_servers() || self.kind == Kind::Freeze) && self.at == MASTER_NODE
    }
}

/// A stock server of version 7.0 cuts off what it could write of a command, and goes on where that
/// had ended: there are zeros in its file then, and it does not start any more.
fn breaks_its_file(node: &Node) -> bool {
    node.make == Make::Stock && node.keeps == Keeps::EverySecond
}

impl Kind {
    fn is_of_link(self) -> bool {
        matches!(
            self,
            Kind::Cut | Kind::Sever | Kind::HalfOpen | Kind::Delay | Kind::SlowReader
        )
    }

    /// When it is undone among others: a server that was killed starts with a disk that works, and
    /// with a clock that is still wrong.
    pub fn undone_as(self) -> u8 {
        match self {
            Kind::Kill => 1,
            Kind::ClockJump => 2,
            _ => 0,
        }
    }

    /// Whether a server may end of it.
    fn ends_servers(self) -> bool {
        matches!(
            self,
            Kind::FullDisk | Kind::ReadOnlyFolder | Kind::NoChildren | Kind::NoSync
        )
    }
}
