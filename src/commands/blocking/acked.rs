//! What has been acknowledged: by replicas, and by our own append-only file.

use super::acks::{AckNeed, AckOf, AckWait, Level, Progress, Served};
use crate::commands::env::Env;
use crate::resp::writer::Reply;

impl Env {
    /// Whether a wait is over before it has begun.
    pub fn has_acks(&self, wait: AckWait) -> bool {
        matches!(self.ack_level(wait.need), Level::UpTo(offset) if offset >= wait.offset)
    }

    /// Replies to one who waits with what there is now, be it enough or not.
    pub fn reply_acks(&self, wait: AckWait, reply: &mut Reply) {
        let source = self.replication.source();
        match wait.need.of {
            AckOf::Run => reply.int(source.count_acked(wait.offset) as i64),
            AckOf::Stored { .. } => {
                let here = self.persistence.fsynced_offset;
                reply.array(2);
                reply.int(here.is_some_and(|offset| offset >= wait.offset).into());
                reply.int(source.count_fsynced(wait.offset) as i64);
            }
        }
    }

    /// How far a need is met.
    fn ack_level(&self, need: AckNeed) -> Level {
        let source = self.replication.source();
        let offset = match need.of {
            AckOf::Run => source.acked_by(need.replicas),
            AckOf::Stored { here: false } => source.fsynced_by(need.replicas),
            AckOf::Stored { here: true } if !self.config.appendonly => return Level::Never,
            AckOf::Stored { here: true } => {
                let there = source.fsynced_by(need.replicas);
                there
                    .zip(self.persistence.fsynced_offset)
                    .map(|(a, b)| a.min(b))
            }
        };
        offset.map_or(Level::None, Level::UpTo)
    }

    /// Those whose wait for acknowledgements is over now, in the order in which they began.
    pub fn served_by_acks(&mut self) -> Vec<Served> {
        if self.waiters.acks.is_empty() {
            return Vec::new();
        }
        let progress = self.ack_progress();
        if !self.waiters.acks.note_news(progress) {
            return Vec::new();
        }
        self.waiters.acks.served(|need| self.ack_level(need))
    }

    /// Whether somebody who waits for acknowledgements may have what he waits for.
    pub fn has_ack_news(&self) -> bool {
        !self.waiters.acks.is_empty() && self.waiters.acks.is_news(self.ack_progress())
    }

    fn ack_progress(&self) -> Progress {
        Progress {
            replicas: self.replication.source().ack_changes(),
            fsynced: self.persistence.fsynced_offset,
            file: self.config.appendonly,
        }
    }
}
