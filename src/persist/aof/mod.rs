//! The append-only file.

pub mod commands;
