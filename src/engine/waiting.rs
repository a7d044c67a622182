//! Clients whose commands wait: run again, told that their time has run out or that they have got
//! what they waited for, let go on.
//!
//! Who waits for what is the business of [`blocking`]; here are their sessions and replies. While
//! a client waits, what it sends is read, so that its end is noticed, but not parsed. When its
//! command is done, the connection joins `to_resume`, and the end of the tick runs what had to
//! wait behind that command.

use super::Engine;
use super::runtime::Runtime;
use super::world::World;
use crate::commands::blocking::{self};
use crate::commands::context::Ctx;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::wait::NO_FILE;
use crate::sentinel::Answer;

const ROLE_CHANGED: CmdError = CmdError::Fixed(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

impl<W: World> Runtime<W> {
    /// Runs the command of a client that waits again.
    pub fn resume_client(&mut self, env: &mut Env, client: u64) {
        let Some(key) = self.waiting_key(env, client) else {
            return;
        };
        let (mut session, mut reply) = self.clients.lend(key, env);
        // It was not silent: it waited.
        self.clients[key].last_interaction_ms = env.now.mono_ms();
        env.last_command_end_ns = env.clock.ns();
        blocking::resume(&mut Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            table: self.table,
            host: self,
        });
        let done = !session.activity.is_waiting();
        if session.activity.is_held() {
            self.clients.note_held(session.id);
        }
        self.clients.put_back(key, session, reply);
        self.clients.after_commands(key, env);
        if done {
            self.clients.to_resume.push(key);
        }
    }

    /// Ends the wait of a client; `false` if it does not wait.
    pub fn end_wait(&mut self, env: &mut Env, client: u64, refusal: Option<&CmdError>) -> bool {
        let Some(key) = self.waiting_key(env, client) else {
            return false;
        };
        self.conclude_wait(env, key, |ctx| blocking::end_wait(ctx, refusal));
        self.shutdown.forget(client);
        true
    }

    /// Gives a client the answer that it waits for, if it still does.
    pub fn answer_waiting(&mut self, env: &mut Env, client: u64, answer: &Answer) {
        if let Some(key) = self.waiting_key(env, client)
            && env.waiters.awaits_answer(client)
        {
            self.conclude_wait(env, key, |ctx| blocking::answer(ctx, answer));
        }
    }

    /// Ends the wait on a connection; what stood behind it goes on at the end of the tick.
    fn conclude_wait(&mut self, env: &mut Env, key: usize, end: impl FnOnce(&mut Ctx<'_>)) {
        let (mut session, mut reply) = self.clients.lend(key, env);
        self.clients[key].last_interaction_ms = env.now.mono_ms();
        end(&mut Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            table: self.table,
            host: self,
        });
        self.clients.put_back(key, session, reply);
        self.clients.after_commands(key, env);
        self.clients.to_resume.push(key);
    }

    /// Ends the waits of those who have got the acknowledgements that they wait for.
    fn serve_acked(&mut self, env: &mut Env) {
        for served in env.served_by_acks() {
            let refusal = served.in_vain.then_some(&NO_FILE);
            if !self.end_wait(env, served.client, refusal) {
                env.waiters.remove(served.client);
            }
        }
    }

    /// The connection of a client that waits. One that is being closed waits no more.
    fn waiting_key(&mut self, env: &mut Env, client: u64) -> Option<usize> {
        let key = self.clients.key_of(client)?;
        let session = self.clients[key].session.as_deref()?;
        if session.activity.is_closing() {
            env.waiters.remove(client);
            return None;
        }
        session.activity.is_parked().then_some(key)
    }

    /// We have become a replica: what clients wait for may never come, or not from here.
    pub fn end_all_waits(&mut self, env: &mut Env) {
        for client in env.waiters.clients() {
            if self.end_wait(env, client, Some(&ROLE_CHANGED))
                && let Some(key) = self.clients.key_of(client)
            {
                self.clients[key]
                    .session_mut()
                    .activity
                    .close_after_replies();
                self.clients.after_commands(key, env);
            }
        }
    }
}

impl<W: World> Engine<W> {
    /// Tells subscribers what the server did by itself, serves whom the end of a tick finds ready,
    /// and ends the waits whose time has run out. Those who waited then go on with what they sent
    /// meanwhile.
    pub fn wake_waiters(&mut self) {
        let Engine { env, runtime, .. } = self;
        runtime.clients.deliver_messages(env, None);
        runtime.serve_waiters(env);
        while let Some(client) = env.waiters.overdue(env.now.mono_ms()) {
            if !runtime.end_wait(env, client, None) {
                env.waiters.remove(client);
            }
        }
        runtime.serve_acked(env);
        while !self.runtime.clients.to_resume.is_empty() {
            for key in std::mem::take(&mut self.runtime.clients.to_resume) {
                self.runtime.run_held(&mut self.env, key);
            }
        }
        self.env.broadcast_invalidations();
        self.env.shorten_tracking();
        (self.runtime.clients).deliver_messages(&mut self.env, None);
    }
}
