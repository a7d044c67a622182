//! Floor 6: the reactor, connections, timers, children and the wiring of everything.
//!
//! [`Server`] is two halves: the [`Env`] that commands work on, and the [`Hub`] with everything
//! that has a descriptor or a deadline. [`Server::run`] is the loop; [`Server::tick`] is one turn
//! of it, and shows every entry to the program on one screen:
//!
//! ```text
//! poll → what woke us (accept, read + parse + execute, children, link) → connections to be
//! continued → load a slice → timers → before sleep: expire · wake waiters · feed replicas · write
//! replies · sweep
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `hub.rs` | the list of what can wake the server; connections as a set |
//! | `conn.rs`, `inbuf.rs`, `io.rs` | one connection, its read buffer; reading, running, writing |
//! | `listener.rs` | sockets that clients connect to |
//! | `link.rs`, `incoming.rs`, `stream.rs` | our connection to our master and what it sends |
//! | `replicas.rs`, `transfer.rs` | the driver of the machines; what replicas are sent |
//! | `snapshot.rs`, `children.rs`, `sync_file.rs` | saving, the child that saves, files for syncs |
//! | `loading.rs` | loading, a slice at a time |
//! | `host.rs`, `apply.rs`, `clients.rs`, `debug.rs` | what commands and directives ask for |
//! | `cron.rs`, `rates.rs`, `peak.rs` | periodic work |
//! | `waiting.rs`, `pause.rs` | clients whose commands wait, or are held back |
//! | `startup.rs`, `shutdown.rs`, `logger.rs`, `crash.rs`, `oom.rs` | the life of the process |
//! | `helper.rs` | the thread for what may drag |

mod apply;
mod children;
mod client_memory;
mod clients;
mod conn;
mod crash;
mod cron;
mod debug;
mod helper;
mod host;
mod hub;
mod inbuf;
mod incoming;
mod io;
mod link;
mod listener;
mod loading;
mod logger;
mod look_ahead;
mod migrate;
mod oom;
mod pause;
mod peak;
mod rates;
mod replicas;
mod shutdown;
mod snapshot;
pub mod startup;
mod stream;
mod sync_file;
mod transfer;
mod waiting;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use mio::unix::SourceFd;
use mio::{Events, Interest};

use crate::commands::context::Env;
use crate::commands::eviction::make_room;
use crate::keyspace::expiry::{ExpiryCycle, Pace};
use crate::sys;
use crate::sys::signals::{Signal, Signals};
use cron::Cron;
use hub::{Hub, Wake};
use shutdown::Shutdown;

/// Events taken from the poll at once.
const EVENTS_MAX: usize = 1024;
/// Connections accepted from one listener in one tick.
const ACCEPTS_PER_TICK_MAX: usize = 1000;

/// The path that a directive's bytes are.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The whole server; see the module's head.
pub struct Server {
    env: Env,
    hub: Hub,
    cron: Cron,
    cycle: ExpiryCycle,
    signals: Signals,
}

impl Server {
    /// Serves until told to leave. Returns the process's exit status.
    pub fn run(&mut self) -> i32 {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while self.hub.shutdown != Shutdown::Done {
            if let Err(e) = self.tick(&mut events) {
                log::warn!("{e}");
                return 1;
            }
        }
        self.hub.leave(&self.env);
        self.leave_keys();
        0
    }

    /// Leaves the data to the kernel, which takes all memory back at once; to free it key by key
    /// would make the end of a large server last for many seconds.
    fn leave_keys(&mut self) {
        let empty = self.env.keyspace.new_like();
        std::mem::forget(std::mem::replace(&mut self.env.keyspace, empty));
    }

    /// One turn of the loop.
    ///
    /// # Errors
    ///
    /// The server cannot go on; the text says why.
    fn tick(&mut self, events: &mut Events) -> Result<(), String> {
        let sleep = self.time_to_sleep();
        if let Err(e) = self.hub.poll.poll(events, Some(sleep))
            && e.kind() != ErrorKind::Interrupted
        {
            return Err(format!("Polling failed: {e}"));
        }
        self.env.now = sys::clock::now();
        let started_us = self.env.now.mono_us;
        let commands_before = self.env.stats.commands_processed;
        self.continue_connections();
        for event in events.iter() {
            if self.hub.shutdown == Shutdown::Done {
                break;
            }
            let (readable, writable) = (
                event.is_readable() || event.is_read_closed() || event.is_error(),
                event.is_writable(),
            );
            let wake = Wake::from_token(event.token());
            if event.is_read_closed() {
                self.note_end(wake);
            }
            self.on_wake(wake, readable, writable);
        }
        let Server { env, hub, .. } = self;
        hub.step_load(env)?;
        self.run_cron();
        self.before_sleep();
        let stats = &mut self.env.stats;
        let commands = stats.commands_processed.saturating_sub(commands_before);
        stats.note_turn(started_us, sys::clock::monotonic_ns() / 1000, commands);
        Ok(())
    }

    /// Handles one of the things that can wake the server.
    fn on_wake(&mut self, wake: Wake, readable: bool, writable: bool) {
        let Server { env, hub, .. } = self;
        match wake {
            Wake::Conn(key) => {
                if writable {
                    self.on_writable(key);
                }
                if readable {
                    self.on_readable(key);
                }
            }
            Wake::Listener(index) => self.accept(index),
            Wake::Master => self.on_master_event(readable, writable),
            Wake::Resolver => hub.on_resolved(env),
            Wake::ChildReport => {
                if let Some(child) = &mut hub.children.snapshot {
                    child.read_reports(env.now);
                }
            }
            Wake::ChildData => hub.forward_snapshot(env),
            Wake::Signal => self.take_signals(),
        }
    }

    /// Remembers that a connection's peer has closed. The event may have come with the last data
    /// and is told once, so a short read is no reason to stop before the end is read.
    fn note_end(&mut self, wake: Wake) {
        if let Wake::Conn(key) = wake
            && let Some(conn) = self.hub.conns.get_mut(key)
        {
            conn.input.ends = true;
        }
    }

    /// Goes on with connections that had more to say than one turn takes.
    fn continue_connections(&mut self) {
        for key in std::mem::take(&mut self.hub.to_continue) {
            if self.hub.shutdown != Shutdown::Done {
                self.on_readable(key);
            }
        }
        if std::mem::take(&mut self.hub.master_waits) {
            self.on_master_event(true, false);
        }
        if std::mem::take(&mut self.hub.transfer_waits) {
            self.hub.forward_snapshot(&mut self.env);
        }
        if self.hub.pauses.end_overdue(self.env.now.mono_ms()) {
            self.hub.refresh_gates(&mut self.env);
        }
        if self.hub.has_held && !self.hub.pauses.any() {
            self.hub.has_held = false;
            let held =
                |(key, conn): (usize, &conn::Conn)| (!conn.input.held.is_empty()).then_some(key);
            let keys: Vec<usize> = self.hub.conns.iter().filter_map(held).collect();
            for key in keys {
                self.run_held(key);
            }
        }
    }

    /// A socket takes bytes again.
    fn on_writable(&mut self, key: usize) {
        let Some(conn) = self.hub.conns.get(key) else {
            return;
        };
        if !conn.wants_writable {
            return;
        }
        let receives_snapshot = conn.replica.is_some() && conn.file.is_none();
        self.write_to(key);
        if receives_snapshot && self.hub.children.snapshot.is_some() {
            self.hub.forward_snapshot(&mut self.env);
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TICK_MAX {
            let Some(listener) = self.hub.listeners.get(index) else {
                return;
            };
            match listener.accept() {
                Ok(accepted) => self.admit(accepted),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    log::warn!("Accepting client connection: {e}");
                    return;
                }
            }
        }
    }

    /// Takes a connection in, unless there are too many or it comes from where it must not.
    fn admit(&mut self, accepted: listener::Accepted) {
        let Server { env, hub, .. } = self;
        let refusal = if hub.conns.len() >= env.config.maxclients as usize {
            env.stats.connections_rejected += 1;
            Some(listener::TOO_MANY_CLIENTS)
        } else if env.config.protected_mode
            && env.config.requirepass.is_none()
            && !accepted.is_local
        {
            env.stats.connections_rejected += 1;
            Some(listener::PROTECTED_MODE)
        } else {
            None
        };
        match refusal {
            Some(text) => accepted.refuse(text),
            None => {
                env.stats.connections_received += 1;
                accepted.tune(env.config.tcp_keepalive);
                hub.add_client(accepted, env);
            }
        }
    }

    fn take_signals(&mut self) {
        while let Some(received) = self.signals.next() {
            let Server { env, hub, .. } = self;
            match received.signal {
                Signal::Child => hub.reap_children(env),
                Signal::User1 => {}
                signal @ (Signal::Terminate | Signal::Interrupt) => {
                    hub.shutdown_by_signal(env, signal);
                }
            }
        }
    }

    /// The end of a tick: what it changed goes out.
    fn before_sleep(&mut self) {
        if self.hub.shutdown == Shutdown::Done {
            // The data set is saved, so nothing may change it any more.
            self.feed_replicas();
            return self.write_replies();
        }
        if self.env.keyspace.expires_len() > 0 && !self.hub.cron_paused {
            self.expire_keys(Pace::Fast);
        }
        let Server { env, hub, .. } = self;
        if env.eviction.is_going_on() {
            hub.evict_clients(env);
            make_room(env, hub);
        }
        self.wake_waiters();
        self.feed_replicas();
        self.write_replies();
        let Server { env, hub, .. } = self;
        hub.evict_clients(env);
        for garbage in env.garbage.drain(..) {
            hub.free_garbage(garbage, true);
        }
        for client in hub.sweep(env) {
            hub.drive(env, |r, e, out| r.on_client_closed(client, e, out));
            // It may have been the one that the others were waiting for.
            hub.transfer_waits |= hub.transfers_snapshot();
        }
    }

    /// Starts to receive signals through the poll.
    fn watch_signals(&self) -> std::io::Result<()> {
        let fd = self.signals.as_raw_fd();
        let registry = self.hub.poll.registry();
        registry.register(&mut SourceFd(&fd), Wake::Signal.token(), Interest::READABLE)
    }
}
