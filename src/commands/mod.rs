//! The command table, dispatch, one file per family.
//!
//! A command is a row ([`row`]) with a handler under it. [`table`] makes rows findable,
//! [`dispatch`] asks whether a command of a client may run, [`call`] runs it. [`context`] is what a
//! handler gets: what it may touch ([`mod@env`]), in whose name ([`session`]), and what it may ask
//! of the server ([`host`]). It reports what it did ([`report`]). Handlers compute first and reply
//! second; they know nothing of sockets, children or the replica link's inside.

pub mod acl;
pub mod activity;
pub mod aof_feed;
mod aof_place;
mod art;
pub mod bitmap;
pub mod blocking;
pub mod call;
pub mod chance;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod context;
pub mod cursor;
pub mod deadline;
pub mod debug;
pub mod dispatch;
pub mod env;
pub mod error;
pub mod events;
pub mod eviction;
pub mod first_of;
pub mod functions;
#[cfg(test)]
mod fuzz_tests;
pub mod garbage;
pub mod gates;
pub mod geo;
pub mod hash;
pub mod host;
pub mod hyperloglog;
pub mod info;
pub mod introspection;
pub mod keys;
pub mod keyspec;
pub mod latency;
pub mod limits;
pub mod list;
pub mod lookup;
pub mod memory;
pub mod metrics;
pub mod module;
pub mod monitor;
pub mod observe;
pub mod observers;
pub mod operand;
pub mod own_expiries;
pub mod prefetch;
pub mod pubsub;
pub mod replication;
pub mod report;
#[cfg(test)]
mod rewrite_tests;
pub mod row;
pub mod scripting;
pub mod sentinel;
pub mod server;
pub mod session;
pub mod set;
pub mod slowlog;
pub mod stats;
pub mod stream;
pub mod string;
pub mod table;
#[cfg(test)]
pub mod testing;
pub mod tracking;
pub mod transaction;
pub mod unit;
pub mod wait;
pub mod watch;
pub mod wording;
pub mod zset;

use row::Row;

/// The rows of every family.
pub const FAMILIES: &[&[Row]] = &[
    string::get::ROWS,
    string::set::ROWS,
    string::many::ROWS,
    string::range::ROWS,
    string::counter::ROWS,
    string::lcs::ROWS,
    list::push::ROWS,
    list::pop::ROWS,
    list::read::ROWS,
    list::change::ROWS,
    list::transfer::ROWS,
    list::many::ROWS,
    list::blocking::ROWS,
    bitmap::bit::ROWS,
    bitmap::count::ROWS,
    bitmap::combine::ROWS,
    bitmap::field::ROWS,
    hyperloglog::ROWS,
    zset::add::ROWS,
    zset::remove::ROWS,
    zset::score::ROWS,
    zset::range::ROWS,
    zset::pop::ROWS,
    zset::wait::ROWS,
    zset::combine::ROWS,
    zset::walk::ROWS,
    hash::write::ROWS,
    hash::read::ROWS,
    hash::counter::ROWS,
    hash::random::ROWS,
    set::change::ROWS,
    set::read::ROWS,
    set::random::ROWS,
    set::combine::ROWS,
    geo::add::ROWS,
    geo::show::ROWS,
    geo::search::ROWS,
    geo::radius::ROWS,
    keys::presence::ROWS,
    keys::expire::ROWS,
    keys::ttl::ROWS,
    keys::scan::ROWS,
    keys::transfer::ROWS,
    keys::dump::ROWS,
    keys::migrate::ROWS,
    keys::object::ROWS,
    keys::sort::ROWS,
    keys::database::ROWS,
    stream::append::ROWS,
    stream::shorten::ROWS,
    stream::range::ROWS,
    stream::read::ROWS,
    stream::group::ROWS,
    stream::pending::ROWS,
    stream::claim::ROWS,
    stream::info::ROWS,
    connection::ROWS,
    acl::ROWS,
    wait::ROWS,
    pubsub::ROWS,
    transaction::ROWS,
    functions::ROWS,
    scripting::ROWS,
    server::ROWS,
    info::ROWS,
    memory::ROWS,
    config::ROWS,
    introspection::ROWS,
    slowlog::ROWS,
    latency::ROWS,
    monitor::ROWS,
    replication::ROWS,
    debug::ROWS,
    cluster::ROWS,
    module::ROWS,
    sentinel::ROWS,
];
