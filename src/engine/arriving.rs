//! Connections that were accepted and are not open yet: their transport still has something to
//! settle with the peer.
//!
//! Until it is open, a connection is no client: nobody knows who is there, and it may be somebody
//! who never says a word. So what such a one may take is bounded, in three ways:
//!
//! - each has [`OPENING_MS_MAX`] to open;
//! - together with the clients there are never more than `maxclients`, and never more than
//!   [`ARRIVING_MAX`] by themselves. Whoever comes beyond that takes the place of the one that has
//!   been here longest, so strangers who hold connections open keep nobody out, whatever port they
//!   use;
//! - failures are logged, but no more than [`LOGGED_PER_SECOND_MAX`] of them in a second.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

use slab::Slab;

use super::runtime::Runtime;
use super::world::{Accepted, Connecting, Interest, Socket, Wake, World};
use crate::base::errno::os_text;
use crate::commands::env::Env;

/// Milliseconds that a connection may take to open.
const OPENING_MS_MAX: u64 = 30_000;
/// Connections that are opening at the same time, at most.
const ARRIVING_MAX: usize = 4096;
/// Lines about failures in one second, at most.
const LOGGED_PER_SECOND_MAX: u32 = 20;

/// See the module's head.
pub struct Arriving<S> {
    open: Slab<Opening<S>>,
    /// The oldest one first.
    deadlines: BTreeSet<(u64, usize)>,
    log: FailureLog,
    /// Connections that did not open, since the start.
    failed: u64,
}

/// One of them.
struct Opening<S> {
    accepted: Accepted<S>,
    /// Until when it has time, in monotonic milliseconds.
    until_ms: u64,
}

/// How much was said of failures in this second.
#[derive(Default)]
struct FailureLog {
    second: u64,
    logged: u32,
    untold: u64,
}

impl FailureLog {
    /// Whether one more failure is logged.
    fn may_log(&mut self, now_ms: u64) -> bool {
        self.turn(now_ms);
        let may = self.logged < LOGGED_PER_SECOND_MAX;
        match may {
            true => self.logged += 1,
            false => self.untold += 1,
        }
        may
    }

    /// Says how many failures of the last second were not logged.
    fn turn(&mut self, now_ms: u64) {
        let second = now_ms / 1000;
        if second == self.second {
            return;
        }
        if self.untold > 0 {
            log::warn!(
                "Error accepting a client connection: {} more like these",
                self.untold
            );
        }
        *self = FailureLog {
            second,
            ..FailureLog::default()
        };
    }
}

impl<S> Default for Arriving<S> {
    fn default() -> Arriving<S> {
        Arriving {
            open: Slab::new(),
            deadlines: BTreeSet::new(),
            log: FailureLog::default(),
            failed: 0,
        }
    }
}

impl<S: Socket> Arriving<S> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// How many did not open, since the start.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// When the next one has taken too long, in monotonic milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    fn insert(&mut self, accepted: Accepted<S>, now_ms: u64) -> usize {
        let until_ms = now_ms + OPENING_MS_MAX;
        let key = self.open.insert(Opening { accepted, until_ms });
        self.deadlines.insert((until_ms, key));
        key
    }

    fn remove(&mut self, key: usize) -> Option<Accepted<S>> {
        let Opening { accepted, until_ms } = self.open.try_remove(key)?;
        self.deadlines.remove(&(until_ms, key));
        Some(accepted)
    }
}

impl<W: World> Runtime<W> {
    /// Whether there is room for one more connection that opens, or for one more client; one that
    /// has been opening for long makes room for it.
    pub(super) fn make_room_for_one(&mut self, env: &Env) -> bool {
        let max = env.config.maxclients as usize;
        let arriving = &self.arriving;
        let is_full = self.clients.len() + arriving.len() >= max || arriving.len() >= ARRIVING_MAX;
        if is_full && let Some((_, key)) = self.arriving.deadlines.first().copied() {
            let why = "others wait, and this one has been opening for longest";
            self.give_arriving_up(env, key, &io::Error::other(why));
        }
        self.clients.len() + self.arriving.len() < max
    }

    /// Has a connection that was accepted open.
    pub(super) fn begin_arriving(&mut self, env: &mut Env, accepted: Accepted<W::Socket>) {
        let key = self.arriving.insert(accepted, env.now.mono_ms());
        let socket = &mut self.arriving.open[key].accepted.socket;
        let watched = self
            .world
            .watch(socket, Wake::Arriving(key), Interest::ReadWrite);
        if let Err(e) = watched {
            self.give_arriving_up(env, key, &e);
        }
    }

    /// The socket of such a connection is ready for something.
    pub(super) fn go_on_arriving(&mut self, env: &mut Env, key: usize) {
        let Some(opening) = self.arriving.open.get_mut(key) else {
            return;
        };
        match opening.accepted.socket.connecting() {
            Connecting::Pending => {}
            Connecting::Done => {
                if let Some(accepted) = self.arriving.remove(key) {
                    self.admit(env, accepted, true);
                }
            }
            Connecting::Failed(e) => self.give_arriving_up(env, key, &e),
        }
    }

    /// Gives those up that take too long.
    pub(super) fn give_slow_arriving_up(&mut self, env: &Env) {
        let now_ms = env.now.mono_ms();
        while let Some((at_ms, key)) = self.arriving.deadlines.first().copied()
            && at_ms <= now_ms
        {
            let why = io::Error::new(ErrorKind::TimedOut, "the handshake takes too long");
            self.give_arriving_up(env, key, &why);
        }
    }

    fn give_arriving_up(&mut self, env: &Env, key: usize, why: &io::Error) {
        if let Some(accepted) = self.arriving.remove(key) {
            self.refuse_arriving(env, accepted, why);
        }
    }

    /// A connection does not open.
    pub(super) fn refuse_arriving(
        &mut self,
        env: &Env,
        accepted: Accepted<W::Socket>,
        why: &io::Error,
    ) {
        self.arriving.failed += 1;
        let (addr, local_addr) = (&accepted.addr, &accepted.local_addr);
        let text = os_text(why);
        let line =
            format!("Error accepting a client connection: {text} (addr={addr} laddr={local_addr})");
        // Whoever comes and goes without a word has only looked whether we are there.
        if why.kind() == ErrorKind::UnexpectedEof {
            log::debug!("{line}");
        } else if self.arriving.log.may_log(env.now.mono_ms()) {
            log::warn!("{line}");
        }
        self.world.close(accepted.socket);
    }

    /// Says what was not logged in the last second.
    pub(super) fn settle_arriving_log(&mut self, env: &Env) {
        self.arriving.log.turn(env.now.mono_ms());
    }
}
