//! Persistence codecs. Knows nothing of fork or sockets.

pub mod rdb;
