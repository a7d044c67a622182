//! The world, as the engine sees it: clock, sockets, disk, children, workers.
//!
//! The engine asks for things through [`World`] (a [`Clock`], a [`Network`], [`Jobs`] and
//! [`ProcessControl`]) and is told what happened by [`Event`]s; it never waits. `server/` makes a
//! world of the operating system, the simulator one of a virtual network, disk and clock; dispatch
//! is static, so neither costs the other anything.
//!
//! Two rules make a world replaceable. What is asked for and can be answered at once is answered
//! by the return value; what takes time (a name to be resolved, a child, work on another thread)
//! is answered by an event, exactly once. And readiness is told when it *begins* (as an
//! edge-triggered poll does): the engine reads and writes until the socket has nothing more, and
//! remembers by itself where it stopped before that.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::snapshot_work::SnapshotWork;
use crate::base::disk::Disk;
use crate::base::time::Now;
use crate::commands::error::CmdError;
use crate::commands::garbage::Garbage;
use crate::config::{Apply, Reason, Settings};
use crate::replication::SyncKind;
use crate::sys::memory::MemoryStats;
use crate::sys::process::Exit;
use crate::sys::signals::Signal;

/// Whom a socket or pipe belongs to, so that its readiness finds its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// A listener, by its number.
    Listener(usize),
    /// A client or replica, by the number of its connection.
    Client(usize),
    /// A connection that we made, by its number.
    Outgoing(usize),
    /// A connection that was accepted and is not open yet, by its number.
    Arriving(usize),
    /// A connection of somebody who wants metrics, by its number.
    Metrics(usize),
    /// The data of the child that writes a snapshot.
    ChildData,
}

/// What a connection wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// That there is something to read.
    Read,
    /// That, and that the socket takes more.
    ReadWrite,
}

/// Something that happened. This is the closed list of what can wake the engine, beside time.
#[derive(Debug)]
pub enum Event {
    /// A socket or pipe has become ready.
    Ready {
        /// Whose.
        wake: Wake,
        /// It has something to read, or an error to report.
        readable: bool,
        /// It takes bytes.
        writable: bool,
        /// The peer has said that it sends no more. That is told once, and may come with the last
        /// data, so a short read is no reason to stop before the end is read.
        ended: bool,
    },
    /// A name was resolved, or could not be.
    Resolved {
        /// The number of the request.
        request: u64,
        /// Every address, in the order in which they are to be tried; at least one.
        answer: io::Result<Vec<SocketAddr>>,
    },
    /// A file was brought to disk, or could not be.
    Synced {
        /// The number of the request.
        request: u64,
        /// What became of it.
        result: io::Result<()>,
    },
    /// A file was replaced, or could not be.
    Replaced {
        /// The number of the request.
        request: u64,
        /// What became of it; see [`Replacement`](crate::base::replace::Replacement).
        result: io::Result<()>,
    },
    /// A child says how far it is.
    ChildReport {
        /// Which.
        pid: i32,
        /// Its report.
        report: ChildReport,
    },
    /// A child has ended.
    ChildExited {
        /// Which.
        pid: i32,
        /// How.
        exit: Exit,
    },
    /// A signal asks the server to leave.
    Signal(Signal),
}

/// What a child that saves tells its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildReport {
    /// Keys written.
    pub keys: u64,
    /// Bytes of memory that copy-on-write has cost so far.
    pub copied_bytes: u64,
}

/// Work that may block or drag, for another thread.
pub enum Job<F> {
    /// Free values.
    Free(Garbage),
    /// Close a file whose last reference this is: that frees its blocks.
    Close(F),
    /// Bring a file to disk; answered by [`Event::Synced`].
    Sync {
        /// The number of the request.
        request: u64,
        /// The file.
        file: F,
    },
    /// Put a text in place of a file, wholly or not at all, durably; answered by
    /// [`Event::Replaced`].
    Replace {
        /// The number of the request.
        request: u64,
        /// The file.
        path: PathBuf,
        /// What it shall hold.
        text: Bytes,
    },
}

/// What other threads have been asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkFigures {
    /// Objects still to be freed.
    pub pending: usize,
    /// Objects freed since the start or the last reset.
    pub freed: u64,
}

/// Whom a listener is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Clients.
    Clients,
    /// Those who want metrics.
    Metrics,
}

/// A connection just accepted, with what is known of both ends.
pub struct Accepted<S> {
    /// The socket.
    pub socket: S,
    /// The peer, as `CLIENT LIST` shows it.
    pub addr: String,
    /// Our end, likewise.
    pub local_addr: String,
    /// The peer is on this machine.
    pub is_local: bool,
    /// It came through a Unix socket.
    pub unix_socket: bool,
    /// What it is for.
    pub service: Service,
}

/// How a connection of ours carries its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// As they are.
    Plain,
    /// Encrypted.
    Tls,
}

impl Transport {
    /// Encrypted or not.
    pub fn encrypted(yes: bool) -> Transport {
        match yes {
            true => Transport::Tls,
            false => Transport::Plain,
        }
    }
}

/// How far a connection is.
#[derive(Debug)]
pub enum Connecting {
    /// The other side has not answered yet.
    Pending,
    /// It is open.
    Done,
    /// It failed.
    Failed(io::Error),
}

/// A connected stream of bytes, nothing of which ever blocks.
pub trait Socket {
    /// Reads once, appending at most `bytes_max` bytes, for which there must be room; 0 is the end.
    fn read_append(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize>;
    /// Whether there is something to read, or the end, that no event will tell of.
    fn has_more(&self) -> bool {
        false
    }
    /// Writes some of the bytes; all of them, unless the socket is full. One that changes them on
    /// their way may keep a bounded number of those that it has taken; see [`Socket::flush`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes some of the slices.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Whether it keeps something that [`Socket::flush`] sends.
    fn has_unsent(&self) -> bool {
        false
    }
    /// Sends what the socket has taken and kept, and what it has to say by itself; `false` if
    /// something is left. Writing does the same first.
    fn flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }
    /// Goes on with the opening of a connection, and says how far it is. That of one that was begun
    /// by [`Network::connect`] takes time, and so may that of one that was accepted.
    fn connecting(&mut self) -> Connecting;
    /// Whether small pieces are sent at once, or gathered by the system.
    fn set_nodelay(&self, on: bool);
    /// Has the system probe a peer that is silent for so many seconds; 0 does not.
    fn set_keepalive(&self, seconds: u32);
    /// Both ends as `ip:port`: the peer's, and ours.
    fn endpoints(&self) -> (String, String);
    /// A number for it, for `CLIENT LIST`.
    fn descriptor(&self) -> i32;
}

/// What time it is.
pub trait Clock {
    /// The instant now.
    fn now(&self) -> Now;
    /// Nanoseconds of the monotonic clock, to measure with.
    fn mono_ns(&self) -> u64;
    /// How many seconds local time is ahead of UTC.
    fn ahead_of_utc_s(&self) -> i32;
    /// Holds everything up for a while; only tests and `DEBUG` ask for that.
    fn sleep(&mut self, time: Duration);
}

/// Sockets, and the addresses that names stand for.
pub trait Network {
    /// Its sockets.
    type Socket: Socket;

    /// Listens where `settings` say. What is listened on already stays open until the change is
    /// settled; when something cannot be opened, all stays as it was.
    fn listen(&mut self, settings: &Settings) -> Result<(), String>;
    /// The last change of where to listen is final: what is not wanted any more is closed.
    fn settle_listening(&mut self);
    /// What it listens on for clients, each once: `tcp`, `tls`, `unix`.
    fn listeners(&self) -> Vec<&'static str>;
    /// The numbers of all listeners.
    fn listener_numbers(&self) -> Vec<usize>;
    /// Listens no more.
    fn stop_listening(&mut self);
    /// The next connection that waits, or `WouldBlock`.
    fn accept(&mut self, listener: usize) -> io::Result<Accepted<Self::Socket>>;
    /// Begins to make a connection, from this address if one is given.
    fn connect(
        &mut self,
        to: SocketAddr,
        from: Option<&str>,
        transport: Transport,
    ) -> io::Result<Self::Socket>;
    /// What has happened by now, of whatever kind.
    fn take_events(&mut self, into: &mut Vec<Event>);
    /// Starts to tell the readiness of a socket.
    fn watch(
        &mut self,
        socket: &mut Self::Socket,
        wake: Wake,
        interest: Interest,
    ) -> io::Result<()>;
    /// Changes what is told of a socket.
    fn rewatch(
        &mut self,
        socket: &mut Self::Socket,
        wake: Wake,
        interest: Interest,
    ) -> io::Result<()>;
    /// Closes a socket that may be watched.
    fn close(&mut self, socket: Self::Socket);
    /// Waits, and does nothing else, until a socket takes bytes (`to_write`) or has some; at most
    /// so long. `false`: it was not ready.
    fn wait_for(&mut self, socket: &mut Self::Socket, to_write: bool, time: Duration) -> bool;
    /// Looks a name up; answered by [`Event::Resolved`].
    fn resolve(&mut self, request: u64, host: &str, port: u16);
    /// Looks a name up and waits for the answer.
    fn resolve_now(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// What runs beside the engine: children, which have a copy of its memory, and threads, which are
/// handed what is theirs.
pub trait Jobs {
    /// The disk that they share with the engine.
    type Disk: Disk + Clone;

    /// The disk.
    fn disk(&mut self) -> &mut Self::Disk;
    /// Forks a child that does this work; answered by [`Event::ChildExited`].
    fn fork(&mut self, work: &SnapshotWork<'_>) -> io::Result<i32>;
    /// Reads once what the child that writes a snapshot has for replicas; 0 is the end.
    fn read_child(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Asks a child to stop at once.
    fn stop_child(&mut self, pid: i32);
    /// Wants to hear no more of a child that was asked to stop, whenever it does; that may take
    /// long, if it waits for its disk.
    fn disown_child(&mut self, pid: i32);
    /// Starts a program with these arguments, in a process group of its own and with nothing to
    /// read; answered by [`Event::ChildExited`].
    fn spawn(&mut self, program: &Path, args: &[String]) -> io::Result<i32>;
    /// Kills a program that was started, and what it has started itself. It must not have ended
    /// already.
    fn kill_program(&mut self, pid: i32);
    /// Hands work over.
    fn submit(&mut self, job: Job<<Self::Disk as Disk>::File>);
    /// What becomes of it.
    fn work(&self) -> WorkFigures;
    /// Starts the count of freed objects anew.
    fn reset_work(&mut self);
}

/// The process that the engine runs in.
pub trait ProcessControl {
    /// The number of this process; it names temporary files.
    fn pid(&self) -> u32;
    /// Whether somebody has asked for the process to be interrupted, and was not heard yet.
    fn interrupt_is_pending(&self) -> bool;
    /// The loop comes back within this time; if it does not, where it stands is logged.
    fn watch_loop(&mut self, period: Duration);
    /// Another second has begun: whatever the world has to do by itself now and then is due.
    fn on_second(&mut self);
    /// Bytes of memory in use; cheap.
    fn used_memory(&self) -> usize;
    /// The allocator's figures; not so cheap.
    fn memory(&self) -> MemoryStats;
    /// Makes a directive that concerns the process take effect.
    fn apply(&mut self, hook: Apply, change: &ProcessChange<'_>) -> Result<(), Reason>;
    /// The part that this server plays has changed.
    fn set_role(&mut self, role: ProcessRole, settings: &Settings);
    /// Tells a supervisor how we are.
    fn tell_supervisor(&mut self, state: Lifecycle);
    /// How the process is supervised: `no`, `systemd`, `upstart`.
    fn supervised(&self) -> &'static str;
    /// The path of the executable.
    fn executable(&self) -> &Path;
    /// The last acts of a server that ends: what it leaves behind in the file system goes.
    fn leave(&mut self, settings: &Settings);
    /// Ends the process, or replaces it. Returns only if the process could not be replaced.
    fn end_process(&mut self, how: ProcessEnd) -> CmdError;
}

/// All of it; see the module's head.
pub trait World: Clock + Network + Jobs + ProcessControl {}

impl<W: Clock + Network + Jobs + ProcessControl> World for W {}

/// What a directive's change is about, for [`World::apply`].
#[derive(Clone, Copy)]
pub struct ProcessChange<'a> {
    /// The settings that shall hold.
    pub settings: &'a Settings,
    /// The configuration file.
    pub config_file: Option<&'a Path>,
    /// The part that this server plays.
    pub role: ProcessRole,
}

/// The part that a process plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessRole {
    /// A master.
    Master,
    /// A replica.
    Replica,
    /// A Sentinel.
    Sentinel,
    /// A child that writes a snapshot.
    Child,
}

/// A stage in the life of the server that a supervisor hears of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifecycle {
    /// Clients are served.
    Ready {
        /// As a replica, which takes no writes.
        replica: bool,
    },
    /// Our copy follows our master.
    InSync(SyncKind),
    /// The server begins to leave.
    Stopping,
    /// The snapshot before the end is written.
    SavingAtEnd,
    /// That has failed, and the server stays.
    CannotSaveAtEnd,
}

/// How a process ends, for `DEBUG` and for a user who insists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessEnd {
    /// By a bad memory access.
    Segfault,
    /// At once, with this status.
    Exit(i32),
    /// A fresh process of the same executable and arguments takes its place.
    Restart,
}
