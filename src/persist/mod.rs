//! Floor 2: persistence codecs. Knows nothing of fork or sockets.

pub mod rdb;
