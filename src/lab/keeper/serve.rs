//! The loop of a keeper: what others say, and its own ticks.

use std::fs;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::files::PLAN_FILE;
use super::state::{Keeper, Message, Waiter, now_us};
use crate::lab::model::{Entry, What};
use crate::lab::request::{Answer, Ask, Request};
use crate::lab::view::View;

/// How often the keeper looks at what cannot speak for itself.
const TICK: Duration = Duration::from_millis(10);
/// How often it reads logs, and writes the record down.
const READ_LOGS_EVERY: Duration = Duration::from_millis(50);
/// How often it looks whether anybody wants it.
const LOOK_FOR_OWNER_EVERY: Duration = Duration::from_secs(1);
impl Keeper {
    /// Serves until it is told to end, or nobody is left who could tell it.
    ///
    /// # Errors
    ///
    /// The record cannot be written.
    pub(super) fn serve(&mut self) -> io::Result<()> {
        let mut failed = None;
        let mut next_logs = Instant::now();
        let mut next_owner = Instant::now();
        let mut next_tick = Instant::now();
        while !self.ended {
            let wait = next_tick.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(wait) {
                Ok(Message::Asked(request, reply)) => self.answer(request, reply),
                Ok(Message::Seen(node, view)) => self.see(node, view),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now < next_tick {
                continue;
            }
            next_tick = now + TICK;
            self.note_ends();
            if now >= next_logs {
                next_logs = now + READ_LOGS_EVERY;
                self.read_logs();
                self.take_from_clients();
                if let Err(e) = self.record.flush() {
                    failed = Some(e);
                    break;
                }
            }
            if now >= next_owner {
                next_owner = now + LOOK_FOR_OWNER_EVERY;
                self.ended |= !self.is_wanted();
            }
            self.ask_waiters();
        }
        let ended = self.end();
        failed.map_or(ended, Err)
    }

    /// Whether its owner lives, and its folder is there.
    pub(super) fn is_wanted(&self) -> bool {
        self.owner_lives() && self.folder.join(PLAN_FILE).exists()
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        self.watch = None;
        for entry in self.clients.stop_all() {
            self.record.note(entry);
        }
        for node in &mut self.nodes {
            let _ = node.kill();
        }
        self.record.note(Entry::Ended { at_us: now_us() });
        let written = self.record.flush();
        if !self.owner_lives() {
            // Nobody else would remove it.
            let _ = fs::remove_dir_all(&self.folder);
        }
        written
    }

    pub(super) fn owner_lives(&self) -> bool {
        // One that has ended and that nobody has taken note of is still there.
        let lives = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
            state.is_some_and(|state| state != Some('Z') && state != Some('X'))
        };
        self.owner.is_none_or(lives)
    }

    pub(super) fn answer(&mut self, request: Request, reply: Sender<Answer>) {
        if let Ask::WaitFor {
            condition,
            timeout_ms,
        } = request.ask
        {
            let waiter = Waiter {
                words: request.words,
                condition,
                since_us: now_us(),
                deadline: Instant::now() + Duration::from_millis(timeout_ms),
                writes_before: self.clients.accepted(),
                reply,
            };
            return self.waiters.push(waiter);
        }
        let answer = match self.step(&request) {
            Ok(answer) => answer,
            Err(why) => Answer::Failed { why },
        };
        // Whoever has asked may be gone.
        let _ = reply.send(answer);
    }

    pub(super) fn see(&mut self, number: usize, view: View) {
        if let View::Server(sample) = &view {
            self.record.note(Entry::Sample(sample.clone()));
            if let Some((role, follows)) = self.views.new_role(number, sample) {
                let what = What::Role {
                    node: sample.node.clone(),
                    role,
                    follows,
                };
                self.event(sample.at_us, what);
            }
        }
        self.views.see(number, view);
    }

    /// Notes processes that have ended by themselves.
    pub(super) fn note_ends(&mut self) {
        for number in 0..self.nodes.len() {
            if let Some(detail) = self.nodes[number].take_end() {
                let name = self.nodes[number].name().to_owned();
                self.relay.close(&name);
                self.views.forget(number);
                self.note_state(number, detail);
            }
        }
    }
}
