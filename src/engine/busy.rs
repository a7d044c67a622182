//! Serving others in the middle of a script that takes long.
//!
//! A script runs deep within a tick, and asks for this from there every now and then
//! ([`Host::serve_while_busy`]). What is done is a tick of its own, as small as can be: clients
//! come, are read, get the few commands that rows allow meanwhile run and all others refused, and
//! have their replies written, in the order of every write phase. Everything else waits for the
//! script's end: timers, expiry and eviction, clients that wait for keys, our master's stream, and
//! the results of children and threads. Such events are kept and handled when the script has ended.
//!
//! What the script has done so far is half of something. So its unit and what it has to say to
//! subscribers are out of reach while others are served, and the instant that it sees stands still.
//! Its client's session is lent out as always while a command runs, so that client is left alone:
//! what it sends, and its end, is seen afterwards.
//!
//! [`Host::serve_while_busy`]: crate::commands::host::Host::serve_while_busy

use super::runtime::Runtime;
use super::world::{Event, ProcessEnd, Wake, World};
use crate::base::time::Now;
use crate::commands::env::Env;
use crate::commands::pubsub::outbox::Outbox;
use crate::commands::scripting::busy::Verdict;
use crate::commands::unit::operations::Unit;

/// How often it is looked, one time after the other, whether more has happened.
const ROUNDS_MAX: usize = 4;

/// What is the script's, as long as others are served.
struct Aside {
    now: Now,
    unit: Unit,
    outbox: Outbox,
    speaker: u64,
    is_replaying: bool,
}

impl Aside {
    fn take(env: &mut Env) -> Aside {
        Aside {
            now: env.now,
            unit: std::mem::take(&mut env.unit),
            outbox: std::mem::take(&mut env.outbox),
            speaker: env.observers.speaker,
            is_replaying: std::mem::take(&mut env.is_replaying),
        }
    }

    fn put_back(self, env: &mut Env) {
        env.set_now(self.now);
        env.unit = self.unit;
        env.outbox = self.outbox;
        env.observers.speaker = self.speaker;
        env.is_replaying = self.is_replaying;
        // The time that others took is not that of the script's next command.
        env.last_command_end_ns = env.clock.ns();
    }
}

impl<W: World> Runtime<W> {
    /// See the module's head.
    pub fn serve_others(&mut self, env: &mut Env) -> Verdict {
        let aside = Aside::take(env);
        env.set_now(self.world.now());
        self.look_again(env);
        let mut verdict = Verdict::GoOn;
        for _ in 0..ROUNDS_MAX {
            let mut events = Vec::new();
            self.world.take_events(&mut events);
            let has_happened = !events.is_empty() || !self.clients.to_continue.is_empty();
            for event in events {
                self.on_event_while_busy(env, event);
            }
            self.go_on_while_busy(env);
            if let Err(fatal) = self.write_phase(env) {
                self.fatal = Some(fatal);
                verdict = Verdict::KILLED;
                break;
            }
            self.continue_hard_shutdown(env);
            // Who asked for the end sees its connection close when nobody can connect any more.
            if self.is_over() {
                self.leave_in_the_middle(env);
                verdict = Verdict::KILLED;
                break;
            }
            self.forget_gone(env);
            self.clients.remove_forgotten(&mut self.world);
            if !has_happened {
                break;
            }
        }
        aside.put_back(env);
        verdict
    }

    /// A poll tells of readiness once. What it told this tick may stand behind the script's command
    /// in the list of events, so for once everybody is looked at.
    fn look_again(&mut self, env: &mut Env) {
        if !self.put_off.must_look() {
            return;
        }
        for listener in self.world.listener_numbers() {
            self.accept(env, listener);
        }
        self.metrics.look_again();
        for key in self.clients.keys() {
            self.read_unless_lent(env, key);
        }
    }

    /// Handles what others are served by, and keeps the rest.
    fn on_event_while_busy(&mut self, env: &mut Env, event: Event) {
        match event {
            Event::Ready {
                wake: Wake::Client(key),
                readable,
                writable,
                ended,
            } => {
                self.note_client(key, writable, ended);
                if readable {
                    self.read_unless_lent(env, key);
                }
            }
            Event::Ready {
                wake: Wake::Listener(index),
                ..
            } => self.accept(env, index),
            Event::Ready {
                wake: Wake::Arriving(key),
                ..
            } => self.go_on_arriving(env, key),
            Event::Ready {
                wake: Wake::Metrics(key),
                readable,
                writable,
                ..
            } => self.metrics.on_ready(key, readable, writable),
            Event::Ready {
                wake: Wake::ChildData,
                ..
            } => self.snapshots.want_forwarding(),
            Event::Signal(signal) => self.shutdown_by_signal(env, signal),
            other => self.put_off.push(other),
        }
    }

    /// Goes on with what had more to do than one turn takes.
    fn go_on_while_busy(&mut self, env: &mut Env) {
        for key in std::mem::take(&mut self.clients.to_continue) {
            self.read_unless_lent(env, key);
        }
        for listener in std::mem::take(&mut self.to_accept) {
            self.accept(env, listener);
        }
    }

    /// Reads from a client, unless a command of it is running: then later.
    fn read_unless_lent(&mut self, env: &mut Env, key: usize) {
        let Some(conn) = self.clients.get(key) else {
            return;
        };
        if conn.session.is_some() {
            self.on_readable(env, key);
        } else if !self.clients.to_continue.contains(&key) {
            self.clients.to_continue.push(key);
        }
    }

    /// The process ends here and now: what the script has done so far must not be told to anybody.
    fn leave_in_the_middle(&mut self, env: &mut Env) {
        self.world.leave(&env.config);
        self.world.end_process(ProcessEnd::Exit(0));
    }
}
