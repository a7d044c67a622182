//! Floor 4: the replication machines, free of sockets, files and clocks.

pub mod identity;
pub mod log;
pub mod stream;
pub mod wire;
