//! Persistence codecs. Knows nothing of fork or sockets.

pub mod aof;
pub mod ledger;
pub mod rdb;
