//! Connections that others make to us, until they are clients.

use std::io::ErrorKind;

use super::runtime::Runtime;
use super::world::{Accepted, Connecting, Service, Socket, World};
use crate::commands::env::Env;

/// Connections accepted from one listener in one tick.
const ACCEPTS_PER_TICK_MAX: usize = 1000;

/// What a client is told that comes when `maxclients` are here.
const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// What a client from another machine is told while nothing protects the server.
const PROTECTED_MODE: &[u8] = b"-DENIED Redis is running in protected mode because protected \
mode is enabled and no password is set for the default user. In this mode connections are only \
accepted from the loopback interface. If you want to connect from external computers to Redis you \
may adopt one of the following solutions: 1) Just disable protected mode sending the command \
'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same \
host the server is running, however MAKE SURE Redis is not publicly accessible from internet if \
you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable \
the protected mode by editing the Redis configuration file, and setting the protected mode option \
to 'no', and then restarting the server. 3) If you started the server manually just for testing, \
restart it with the '--protected-mode no' option. 4) Set up an authentication password for the \
default user. NOTE: You only need to do one of the above things in order for the server to start \
accepting connections from the outside.\r\n";

impl<W: World> Runtime<W> {
    /// Takes in what waits at a listener.
    pub fn accept(&mut self, env: &mut Env, index: usize) {
        for _ in 0..ACCEPTS_PER_TICK_MAX {
            match self.world.accept(index) {
                Ok(accepted) => match accepted.service {
                    Service::Clients => self.receive(env, accepted),
                    Service::Metrics => {
                        self.admit_for_metrics(env, accepted);
                        break;
                    }
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    log::warn!("Accepting client connection: {e}");
                    // Those that wait are not announced again: periodic work tries again.
                    self.to_accept_later.push(index);
                    return;
                }
            }
        }
        self.to_accept.push(index);
    }

    /// A connection was accepted: it becomes a client when it is open, which most are already.
    fn receive(&mut self, env: &mut Env, mut accepted: Accepted<W::Socket>) {
        if !self.make_room_for_one(env) {
            return self.admit(env, accepted, false);
        }
        match accepted.socket.connecting() {
            Connecting::Done => self.admit(env, accepted, false),
            Connecting::Pending => self.begin_arriving(env, accepted),
            Connecting::Failed(e) => self.refuse_arriving(env, accepted, &e),
        }
    }

    /// Makes an open connection a client, unless there are too many or it comes from where it must
    /// not. `watched`: it is told of already, under another name.
    pub(super) fn admit(&mut self, env: &mut Env, accepted: Accepted<W::Socket>, watched: bool) {
        let refusal = if self.clients.len() >= env.config.maxclients as usize {
            Some(TOO_MANY_CLIENTS)
        } else if env.config.protected_mode
            && env.users.default_user().rights().any_password
            && !accepted.is_local
        {
            Some(PROTECTED_MODE)
        } else {
            None
        };
        let Runtime { clients, world, .. } = self;
        match refusal {
            Some(text) => {
                env.stats.connections_rejected += 1;
                let mut socket = accepted.socket;
                // Whether the last word arrives is the peer's luck.
                let _ = socket.write(text);
                world.close(socket);
            }
            None => {
                env.stats.connections_received += 1;
                accepted.socket.set_nodelay(true);
                accepted.socket.set_keepalive(env.config.tcp_keepalive);
                clients.admit(accepted, watched, env, world);
            }
        }
    }
}
