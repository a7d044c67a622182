//! The gates: conditions of the whole server under which some commands are refused or held back.
//!
//! The engine keeps them true; the dispatcher asks them before each command. Nearly always all are
//! open, so that is one comparison.

use super::scripting::busy::ScriptKind;

/// Whether a data set is being loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loading {
    /// No.
    No,
    /// Yes, and nothing can be served.
    Exclusive,
    /// Yes, into a second keyspace, while the old one is served.
    Aside,
}

/// What a pause holds back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PauseMode {
    /// Every command.
    All,
    /// Commands that write or may replicate.
    Write,
}

/// Conditions under which some commands are refused. The server keeps them true; the dispatcher
/// looks at them one by one only when [`Gates::all_open`] is false.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gates {
    /// This server is a replica.
    pub replica: bool,
    /// It takes writes from its master only.
    pub read_only: bool,
    /// Its link is down and it must not serve stale data.
    pub stale: bool,
    /// Fewer good replicas than writes require.
    pub replicas_missing: bool,
    /// The last snapshot failed and writes must stop.
    pub snapshots_fail: bool,
    /// The append-only file cannot be written, so writes must stop.
    pub aof_fails: bool,
    /// `CLIENT PAUSE`, a shutdown that waits for replicas, or a failover holds commands back:
    /// nothing changes.
    pub pause: Option<PauseMode>,
    /// A load is running.
    pub loading: Loading,
    /// A script has run for too long.
    pub busy: Option<ScriptKind>,
}

impl Gates {
    /// Nothing is refused.
    pub const OPEN: Gates = Gates {
        replica: false,
        read_only: false,
        stale: false,
        replicas_missing: false,
        snapshots_fail: false,
        aof_fails: false,
        pause: None,
        loading: Loading::No,
        busy: None,
    };

    /// Whether nothing is refused.
    #[inline]
    pub fn all_open(&self) -> bool {
        *self == Gates::OPEN
    }
}
