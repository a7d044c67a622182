//! Client-side caching: clients that keep what they have read are told when it changes.
//!
//! [`registry`] knows who keeps what. Here is what feeds it (a command that has read, a key that
//! was touched, a database that was emptied) and what comes out: notices in the outbox, which the
//! engine words for whoever gets them, since only it knows their protocols.
//!
//! The messages to a client whose command is running go behind its reply, like all messages.

pub mod registry;

use super::context::{Command, Ctx};
use super::env::Env;
use super::keyspec::keys_of;
use super::row::Flags;
use crate::resp::args::{Args, array_header, bulk};
use registry::Notice;

/// Keys that are forgotten at a time to keep within `tracking-table-max-keys`.
const FORGOTTEN_AT_ONCE: usize = 100;

/// A command has run in the name of a client that may track keys: what it has read is remembered.
pub fn after_command(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>) {
    let client = ctx.session.id;
    // What a script reads its own commands tell.
    let others = Flags::PUBSUB.union(Flags::RUNS_CODE);
    let reads = command.flags.contains(Flags::READONLY) && !command.flags.intersects(others);
    if reads && ctx.env.tracking.remembers(client) {
        let mut keys = Vec::new();
        keys_of(command.row, args, &mut keys);
        for key in keys {
            ctx.env.tracking.remember(client, &args[key.index]);
        }
    }
    if !ctx.env.unit.is_nested() {
        if ctx.session.transaction.is_none() {
            ctx.env.tracking.end_command(client);
        }
        ctx.env.shorten_tracking();
    }
}

impl Env {
    /// Whose command runs, as far as those who track keys are concerned.
    pub fn set_speaker(&mut self, client: u64) {
        self.observers.speaker = client;
    }

    /// A key has changed: those who keep it are told.
    pub fn invalidate(&mut self, key: &[u8]) {
        let by = self.observers.speaker;
        let notices = self.tracking.on_change(key, by);
        self.tell_of_keys(&notices, &[key]);
    }

    /// All keys, or those of a database, are gone: that is told to everybody who tracks keys.
    pub fn invalidate_all(&mut self) {
        if self.tracking.is_off() {
            return;
        }
        for notice in self.tracking.on_flush() {
            let to = notice.redirect.unwrap_or(notice.tracker);
            self.outbox.send_invalidation(to, notice.tracker, None);
        }
    }

    /// Keeps within `tracking-table-max-keys`, by and by.
    pub fn shorten_tracking(&mut self) {
        let keys_max = match self.config.tracking_table_max_keys {
            0 => return,
            keys_max => keys_max,
        };
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((key, notices)) = self.tracking.shorten(keys_max, &mut self.rng) else {
                return;
            };
            self.tell_of_keys(&notices, &[&key]);
        }
    }

    /// Tells those who hear of prefixes what has changed under them since the last call.
    pub fn broadcast_invalidations(&mut self) {
        if self.tracking.prefixes() == 0 {
            return;
        }
        for (notice, keys) in self.tracking.take_broadcasts() {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
            self.tell_of_keys(&[notice], &keys);
        }
    }

    fn tell_of_keys(&mut self, notices: &[Notice], keys: &[&[u8]]) {
        if notices.is_empty() {
            return;
        }
        let mut words = Vec::new();
        array_header(keys.len(), &mut words);
        keys.iter().for_each(|key| bulk(key, &mut words));
        for notice in notices {
            let to = notice.redirect.unwrap_or(notice.tracker);
            let words = Some(&words[..]);
            self.outbox.send_invalidation(to, notice.tracker, words);
        }
    }

    /// The client that was told in place of `tracker` is gone.
    pub fn redirection_is_broken(&mut self, tracker: u64) {
        if let Some(tracker) = self.tracking.of_mut(tracker) {
            tracker.redirect_is_broken = true;
        }
    }

    /// A client does not track keys any more.
    pub fn stop_tracking(&mut self, client: u64) {
        if self.tracking.of(client).is_some() {
            self.tracking.disable(client);
            self.renew_observers();
        }
    }
}

#[cfg(test)]
mod tests;
