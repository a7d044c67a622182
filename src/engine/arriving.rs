//! Connections that were accepted and are not open yet: their transport still has something to
//! settle with the peer.
//!
//! Until it is open, a connection is no client: nobody knows who is there, and it may be somebody
//! who never says a word. So what such a one may take is bounded, in three ways:
//!
//! - each has half a minute (`set.rs`) to open;
//! - together with the clients there are never more than `maxclients`, and never more than
//!   [`ARRIVING_MAX`] by themselves. Whoever comes beyond that takes the place of the one that has
//!   been here longest, so strangers who hold connections open keep nobody out, whatever port they
//!   use;
//! - failures are logged, but only some of them in a second.

pub mod set;

use std::io::{self, ErrorKind};

use self::set::ARRIVING_MAX;
use super::runtime::Runtime;
use super::world::{Accepted, Connecting, Interest, Socket, Wake, World};
use crate::base::errno::os_text;
use crate::commands::env::Env;

impl<W: World> Runtime<W> {
    /// Whether there is room for one more connection that opens, or for one more client; one that
    /// has been opening for long makes room for it.
    pub(super) fn make_room_for_one(&mut self, env: &Env) -> bool {
        let max = env.config.maxclients as usize;
        let arriving = &self.arriving;
        let is_full = self.clients.len() + arriving.len() >= max || arriving.len() >= ARRIVING_MAX;
        if is_full && let Some(key) = self.arriving.oldest() {
            let why = "others wait, and this one has been opening for longest";
            self.give_arriving_up(env, key, &io::Error::other(why));
        }
        self.clients.len() + self.arriving.len() < max
    }

    /// Has a connection that was accepted open.
    pub(super) fn begin_arriving(&mut self, env: &mut Env, accepted: Accepted<W::Socket>) {
        let key = self.arriving.insert(accepted, env.now.mono_ms());
        let Runtime {
            arriving, world, ..
        } = self;
        let watched = arriving
            .socket(key)
            .map(|socket| world.watch(socket, Wake::Arriving(key), Interest::ReadWrite));
        if let Some(Err(e)) = watched {
            self.give_arriving_up(env, key, &e);
        }
    }

    /// The socket of such a connection is ready for something.
    pub(super) fn go_on_arriving(&mut self, env: &mut Env, key: usize) {
        let Some(socket) = self.arriving.socket(key) else {
            return;
        };
        match socket.connecting() {
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
        while self
            .arriving
            .deadline_ms()
            .is_some_and(|at_ms| at_ms <= now_ms)
            && let Some(key) = self.arriving.oldest()
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
