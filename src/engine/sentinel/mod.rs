//! The driver of the Sentinel: carries out what the machine asks for, and tells it what happens.
//!
//! The machine (`sentinel/`) only notes what it is told while events come in; the end of the tick
//! has it act, and carries out its actions, in order, before the write phase. What that leads to at
//! once (a connection that is refused, a program that cannot be started) it is told, and acts again
//! in the same tick, for a bounded number of rounds.
//!
//! | file | holds |
//! |---|---|
//! | `state.rs` | what there is |
//! | `links.rs` | its connections |
//! | `saving.rs` | its configuration file |
//! | `scripts.rs` | the programs that it runs |

mod links;
mod saving;
mod scripts;
pub mod state;

use super::Engine;
use super::runtime::Runtime;
use super::world::{ProcessEnd, World};
use crate::commands::env::Env;
use crate::sentinel::Action;
use state::own_of;

/// How often the machine acts in one tick, at most.
const ROUNDS_PER_TICK_MAX: usize = 16;

impl<W: World> Engine<W> {
    /// Has the Sentinel decide on what the tick has brought, and lets those hear of it who are
    /// subscribed, or wait for it; a server that is none only serves those who wait.
    pub(super) fn act_and_wake(&mut self) {
        for _ in 0..ROUNDS_PER_TICK_MAX {
            let acted = self.runtime.act_as_sentinel(&mut self.env);
            self.wake_waiters();
            self.runtime.sentinel.is_unsettled = acted;
            if !acted {
                return;
            }
        }
    }
}

impl<W: World> Runtime<W> {
    /// Sets the Sentinel going.
    ///
    /// # Errors
    ///
    /// Its configuration file cannot be read.
    pub(super) fn begin_as_sentinel(&mut self, env: &mut Env) -> Result<(), String> {
        self.read_sentinel_file(env)?;
        if let Some(sentinel) = &mut env.sentinel {
            sentinel.start(env.now);
        }
        self.save_new_id(env);
        self.sentinel.is_unsettled = true;
        self.announce_ready(env);
        Ok(())
    }

    /// What the Sentinel has to know of the server around it may have changed.
    pub(super) fn renew_own(&mut self, env: &mut Env) {
        if let Some(sentinel) = &mut env.sentinel {
            sentinel.set_own(own_of(&env.config, &self.world));
        }
    }

    /// Has the machine act once, and carries out what it asks for. Whether there was anything.
    fn act_as_sentinel(&mut self, env: &mut Env) -> bool {
        let Some(sentinel) = &mut env.sentinel else {
            return false;
        };
        sentinel.act(env.now);
        let actions = sentinel.take_actions();
        let acted = !actions.is_empty();
        for action in actions {
            self.carry_out_as_sentinel(env, action);
        }
        acted
    }

    fn carry_out_as_sentinel(&mut self, env: &mut Env, action: Action) {
        match action {
            Action::Connect {
                conn,
                host,
                port,
                timeout_ms,
            } => self.connect_sentinel(env, conn, host, port, timeout_ms),
            Action::Send { conn, bytes } => self.send_for_sentinel(env, conn, &bytes),
            Action::Close { conn } => self.close_for_sentinel(conn),
            Action::Publish { event, text } => {
                *env.stats.sentinel_events.entry(event).or_default() += 1;
                let (event, text) = (event.as_bytes(), text.as_bytes());
                env.pubsub.publish(event, text, &mut env.outbox);
            }
            Action::Log(level, text) => {
                log::log!(level, "{text}");
                #[cfg(test)]
                self.sentinel.told.push(text);
            }
            Action::Save => self.save_sentinel(env),
            Action::RunScript { script, path, args } => {
                self.run_script(env, script, &path, &args);
            }
            Action::KillScript { script } => self.kill_script(script),
            Action::Answer { client, answer } => self.answer_waiting(env, client, &answer),
            Action::EndProcess { status } => {
                self.world.end_process(ProcessEnd::Exit(status));
            }
        }
    }
}
