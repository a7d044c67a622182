//! The RESP wire protocol, parser and writer. Knows nothing of sockets or commands.

pub mod args;
pub mod parser;
pub mod reply;
pub mod reply_parser;
pub mod writer;
