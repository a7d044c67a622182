//! Clients whose commands wait: run again, told that their time has run out, let go on.
//!
//! Who waits for what is the business of [`blocking`]; here are their sessions and replies. While
//! a client waits, what it sends is read, so that its end is noticed, but not parsed. When its
//! command is done, the connection joins `to_resume`, and the end of the tick runs what had to
//! wait behind that command.

use super::Server;
use super::conn::FREE_OUTPUT_BYTES;
use super::hub::{Hub, output_limit};
use crate::commands::blocking::{self, Wait};
use crate::commands::context::{Ctx, Env};
use crate::commands::error::CmdError;
use crate::commands::session::{Closing, Session};
use crate::commands::table::Command;
use crate::resp::writer::Reply;
use crate::sys;

const ROLE_CHANGED: CmdError = CmdError::Fixed(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

impl Hub {
    /// Lends the session of a connection, and a reply that goes on where its output ends.
    pub fn lend(&mut self, key: usize, env: &Env) -> (Box<Session>, Reply) {
        let conn = &mut self.conns[key];
        let session = conn.session.take();
        let session = session.expect("no command of this client is running");
        let buf = match conn.output.buf.capacity() {
            0 => self.pool.take(),
            _ => std::mem::take(&mut conn.output.buf),
        };
        let mut reply = Reply::with_buf(buf, session.protocol);
        reply.set_due(FREE_OUTPUT_BYTES);
        let hard = output_limit(&session, env).hard as usize;
        if hard > 0 {
            reply.set_limit(hard.max(FREE_OUTPUT_BYTES));
        }
        (session, reply)
    }

    /// Takes back what was lent. Actions of the command (the answer to `PSYNC`) may have been
    /// queued meanwhile; they come after its replies.
    pub fn put_back(&mut self, key: usize, session: Box<Session>, mut reply: Reply) {
        let conn = &mut self.conns[key];
        conn.session = Some(session);
        let mut replies = reply.take_buf();
        replies.append(&mut conn.output.buf);
        conn.output.buf = replies;
    }

    /// Between two commands of a turn: sees to what the first one led to before the second one
    /// runs. Those whose keys are ready are served, and what the replies take is accounted for, so
    /// that clients may be closed; this one, too.
    pub fn settle(
        &mut self,
        key: usize,
        session: Box<Session>,
        reply: Reply,
        env: &mut Env,
    ) -> (Box<Session>, Reply) {
        self.put_back(key, session, reply);
        self.serve_waiters(env);
        self.after_commands(key, env);
        self.evict_clients(env);
        env.last_command_end_ns = env.clock.ns();
        self.lend(key, env)
    }

    /// Serves those who wait for keys that are ready now. What they run begins now, and not with
    /// the command that made the keys ready, which may have taken long.
    pub fn serve_waiters(&mut self, env: &mut Env) {
        if env.waiters.has_ready() {
            env.now = sys::clock::now();
            blocking::serve(env, self);
        }
    }

    /// Runs the command of a client that waits again.
    pub fn resume_client(&mut self, env: &mut Env, client: u64) {
        let Some(key) = self.waiting_key(env, client) else {
            return;
        };
        let (command, words) = self.parked_command(env, key);
        if self.holds_back(self.conns[key].session(), command, words) {
            return self.postpone(env, key);
        }
        sys::crash::note_command(command.map_or(&"unknown", |c| &c.full_name));
        let (mut session, mut reply) = self.lend(key, env);
        env.last_command_end_ns = env.clock.ns();
        blocking::resume(&mut Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            host: self,
        });
        let done = !session.wait.is_parked();
        self.put_back(key, session, reply);
        self.after_commands(key, env);
        if done {
            self.to_resume.push(key);
        }
    }

    /// Ends the wait of a client; `false` if it does not wait.
    pub fn end_wait(&mut self, env: &mut Env, client: u64, refusal: Option<&CmdError>) -> bool {
        let Some(key) = self.waiting_key(env, client) else {
            return false;
        };
        let (mut session, mut reply) = self.lend(key, env);
        let mut ctx = Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            host: self,
        };
        blocking::end_wait(&mut ctx, refusal);
        self.shutdown.forget(client);
        self.put_back(key, session, reply);
        self.after_commands(key, env);
        self.to_resume.push(key);
        true
    }

    /// The connection of a client that waits. One that is being closed waits no more.
    fn waiting_key(&mut self, env: &mut Env, client: u64) -> Option<usize> {
        let key = self.key_of(client)?;
        let session = self.conns[key].session.as_deref()?;
        if session.closing != Closing::No {
            env.waiters.remove(client);
            return None;
        }
        session.wait.is_parked().then_some(key)
    }

    /// The command with which a client waits, and how many words it has.
    fn parked_command(&self, env: &Env, key: usize) -> (Option<&'static Command>, usize) {
        let words = match &self.conns[key].session().wait {
            Wait::Parked(parked) => parked.words.as_ref(),
            Wait::Resumed(_) | Wait::No => None,
        };
        words.map_or((None, 0), |words| {
            let args = words.args();
            (env.table.find(&args), args.len())
        })
    }

    /// While `CLIENT PAUSE` holds its command back, a client does not wait for its keys, but for
    /// the end of the pause.
    fn postpone(&mut self, env: &mut Env, key: usize) {
        let conn = &mut self.conns[key];
        let session = conn.session_mut();
        env.waiters.remove(session.id);
        if let Wait::Parked(parked) = std::mem::take(&mut session.wait) {
            let words = parked.words.expect("a parked command has words");
            conn.input.held.push_front(words);
        }
        self.has_held = true;
    }

    /// We have become a replica: what clients wait for may never come, or not from here.
    pub fn end_all_waits(&mut self, env: &mut Env) {
        for client in env.waiters.clients() {
            if self.end_wait(env, client, Some(&ROLE_CHANGED))
                && let Some(key) = self.key_of(client)
            {
                self.conns[key].session_mut().closing = Closing::AfterReplies;
                self.after_commands(key, env);
            }
        }
    }
}

impl Server {
    /// Tells subscribers what the server did by itself, serves whom the end of a tick finds ready,
    /// and ends the waits whose time has run out. Those who waited then go on with what they sent
    /// meanwhile.
    pub(super) fn wake_waiters(&mut self) {
        let Server { env, hub, .. } = self;
        hub.deliver_messages(env, None);
        hub.serve_waiters(env);
        while let Some(client) = env.waiters.overdue(env.now.mono_ms()) {
            if !hub.end_wait(env, client, None) {
                env.waiters.remove(client);
            }
        }
        while !self.hub.to_resume.is_empty() {
            for key in std::mem::take(&mut self.hub.to_resume) {
                self.run_held(key);
            }
        }
    }
}
