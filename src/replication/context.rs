//! What a machine works with while it handles one event.

use super::action::{Action, Facts};
use super::history::History;
use super::settings::ReplicationSettings;
use super::wire;
use crate::base::rng::Rng;

/// Everything that both machines share, borrowed for one event.
pub(super) struct Context<'a> {
    /// The facts of this instant.
    pub facts: Facts,
    pub settings: &'a ReplicationSettings,
    pub rng: &'a mut Rng,
    pub history: &'a mut History,
    /// See [`super::drift`].
    pub drifts: &'a mut u64,
    /// What the event leads to, in order.
    pub out: &'a mut Vec<Action>,
}

impl Context<'_> {
    /// The monotonic time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.facts.now.mono_ms()
    }

    /// Whether more than `repl-timeout` has passed since `since_ms`.
    pub fn timed_out(&self, since_ms: u64) -> bool {
        self.now_ms().saturating_sub(since_ms) > self.settings.timeout_s * 1000
    }

    /// Asks for an action.
    pub fn push(&mut self, action: Action) {
        self.out.push(action);
    }

    /// Sends a command to our master.
    pub fn send_master(&mut self, args: &[&[u8]]) {
        self.push(Action::SendMaster(wire::command(args)));
    }

    /// Logs at notice level.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.push(Action::Log(::log::Level::Info, text.into()));
    }

    /// Logs at warning level.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.push(Action::Log(::log::Level::Warn, text.into()));
    }
}
