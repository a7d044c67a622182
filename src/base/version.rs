//! What this server calls itself, and what it stands in for.

/// The version of Redis whose behaviour is shown, to clients, replicas and in files.
pub const REDIS_VERSION: &str = "7.2.4";

/// The version of this program.
pub const TANIST_VERSION: &str = env!("CARGO_PKG_VERSION");
