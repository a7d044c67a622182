//! What belongs to the Sentinel beside the machine. What is done with it stands in the files of its
//! parts.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::Settings;
use crate::engine::world::Clock;
use crate::resp::reply_parser::ReplyParser;
use crate::sentinel::ids::IdMap;
use crate::sentinel::{ConnId, Own, ScriptId};

/// What belongs to the Sentinel beside the machine.
#[derive(Default)]
pub struct SentinelDriver {
    pub(super) links: Links,
    pub(super) saving: Saving,
    pub(super) scripts: Scripts,
    /// The machine has not come to rest.
    pub(super) is_unsettled: bool,
    /// What it has logged, for tests to see.
    #[cfg(test)]
    pub told: Vec<String>,
}

impl SentinelDriver {
    /// Whether there is something to do that no event and no deadline will announce.
    pub fn is_busy(&self) -> bool {
        self.is_unsettled || self.links.have_more()
    }
}

/// What a Sentinel has to know of the server around it.
pub fn own_of(settings: &Settings, clock: &impl Clock) -> Own {
    Own {
        port: settings.link_port(),
        password: settings.requirepass.clone().unwrap_or_default(),
        ahead_of_utc_s: clock.ahead_of_utc_s(),
    }
}

/// A connection.
pub(super) struct Link {
    /// Its number in the engine.
    pub(super) key: usize,
    /// What has come over it.
    pub(super) replies: ReplyParser,
    /// It waits in `to_continue`.
    pub(super) has_more: bool,
}

/// The connections of the Sentinel, see `links.rs`.
#[derive(Default)]
pub(super) struct Links {
    pub(super) by_conn: IdMap<ConnId, Link>,
    pub(super) by_key: IdMap<usize, ConnId>,
    /// Those that may have more than was read.
    pub(super) to_continue: VecDeque<ConnId>,
    /// Room to read into; kept for its allocation.
    pub(super) input: Vec<u8>,
}

impl Links {
    /// Whether a connection may have more than was read.
    fn have_more(&self) -> bool {
        !self.to_continue.is_empty()
    }

    /// A connection has been begun.
    pub(super) fn insert(&mut self, conn: ConnId, key: usize) {
        let link = Link {
            key,
            replies: ReplyParser::default(),
            has_more: false,
        };
        let before = (
            self.by_conn.insert(conn, link),
            self.by_key.insert(key, conn),
        );
        assert!(
            before.0.is_none() && before.1.is_none(),
            "a number is used once"
        );
    }

    /// Nothing more is told of a connection. Its number in the engine.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<usize> {
        let link = self.by_conn.remove(&conn)?;
        self.by_key.remove(&link.key);
        Some(link.key)
    }

    /// A connection may have more than was read.
    pub(super) fn note_more(&mut self, conn: ConnId) {
        if let Some(link) = self.by_conn.get_mut(&conn)
            && !std::mem::replace(&mut link.has_more, true)
        {
            self.to_continue.push_back(conn);
        }
    }
}

/// A save that is under way.
pub(super) struct UnderWay {
    pub(super) request: u64,
    /// By which number the machine knows the state.
    pub(super) number: u64,
    pub(super) text: Bytes,
}

/// The configuration file, see `saving.rs`.
#[derive(Default)]
pub(super) struct Saving {
    /// The text of the file, as it was read or last written.
    pub(super) text: Bytes,
    pub(super) under_way: Option<UnderWay>,
    pub(super) requests: u64,
}

/// The programs that run, by their processes and the other way round.
#[derive(Default)]
pub(super) struct Scripts {
    pub(super) by_pid: IdMap<i32, ScriptId>,
    pub(super) pids: IdMap<ScriptId, i32>,
}
