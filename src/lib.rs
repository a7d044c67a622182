//! Tanist: a `redis-server` replacement for Linux with replication and failover at its heart.
//!
//! The modules are floors of a house; an import points down, never up. `ARCHITECTURE.md` tells
//! what each floor holds and what it must not know; `tests/tidy.rs` holds the code to it.

pub mod base;
pub mod http;
pub mod resp;
pub mod sys;

pub mod lab;

pub mod table;

pub mod data;

pub mod keyspace;

pub mod persist;

pub mod acl;

pub mod config;

pub mod replication;
pub mod sentinel;

pub mod commands;

pub mod engine;

pub mod server;

/// jemalloc, for its size classes, its figures, and because it forks safely.
#[cfg(not(system_allocator))]
#[global_allocator]
static ALLOCATOR: sys::allocator::Allocator = sys::allocator::Allocator;
