//! Floor 5: the command table, dispatch, one file per family.
//!
//! A command is a row ([`row`]) with a handler under it. [`table`] makes rows findable,
//! [`dispatch`] runs one command of one client, [`context`] says what a handler may touch and how
//! it reports changes, [`host`] what it may ask of the server. Handlers compute first and reply
//! second; they know nothing of sockets, children or the replica link's inside.

pub mod config;
pub mod connection;
pub mod context;
pub mod debug;
pub mod dispatch;
pub mod error;
pub mod host;
pub mod info;
pub mod introspection;
pub mod keyspec;
pub mod latency;
pub mod replication;
pub mod row;
pub mod server;
pub mod session;
pub mod stats;
pub mod table;
pub mod wording;

use row::Row;

/// The rows of every family.
pub const FAMILIES: &[&[Row]] = &[
    connection::ROWS,
    server::ROWS,
    info::ROWS,
    config::ROWS,
    introspection::ROWS,
    replication::ROWS,
    debug::ROWS,
];
