//! What is known of a connection to our master and of what comes over it: why it did not come
//! about, how it ended, and of which place a snapshot is.

use crate::replication::identity::ReplId;

/// Why no connection to our master came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// It could not even be begun: the name does not resolve, no socket is to be had.
    NotBegun(String),
    /// The system tried and failed: refused, unreachable.
    Socket(String),
}

/// How the connection to our master ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It broke, or the master closed it.
    Lost(String),
    /// The stream made no sense, and we closed it. What we have cannot be continued.
    ProtocolError,
}

/// Which place in which history a snapshot of our master is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This offset of this history.
    Known { id: ReplId, offset: u64 },
    /// The master did not say: it only knows `SYNC`, or its `+FULLRESYNC` makes no sense.
    Unknown,
}

impl Origin {
    /// The history, if the master said so.
    pub fn id(self) -> Option<ReplId> {
        match self {
            Origin::Known { id, .. } => Some(id),
            Origin::Unknown => None,
        }
    }
}
