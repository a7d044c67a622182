//! Publish and subscribe: channels, patterns, shard channels.
//!
//! [`registry`] knows who is subscribed to what, [`outbox`] holds messages until the command that
//! sent them has ended.

pub mod outbox;
pub mod registry;

use super::context::Env;

impl Env {
    /// Sends a message to the subscribers of a channel; says how many copies went out.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        self.pubsub.publish(channel, message, &mut self.outbox)
    }
}
