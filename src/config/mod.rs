//! One table of directives that file, argv and `CONFIG` all read.
//!
//! ```text
//!  argv ─ sources ─┐
//!  file ───────────┼─ load ──┐                      ┌─ get ─── CONFIG GET
//!  stdin ──────────┘         ├─ table ── Settings ──┤
//!  CONFIG SET ───────── set ─┘  rows      fields    └─ rewrite ── file
//! ```
//!
//! A directive is one row of `table.rs`: it makes a typed field of [`Settings`] and a [`Row`] that
//! knows the rest. All five ways in and out go through the rows, so none of them has a list of
//! directives of its own, and a new directive is a new row. How a type of setting is read and
//! written is beside that type: `value.rs` (flags, numbers, text), `choice.rs` (one of a few
//! names), `places.rs`, `notify.rs`, `special.rs` (types of one directive).
//!
//! This floor does not know what a directive is for. Where a change needs work beyond the new
//! value, the row names a hook ([`Apply`]) and the server does that work: [`plan`] prepares a
//! change, [`Change::carry_out`] runs the hooks and undoes them when one refuses.
//!
//! Errors are those of Redis 7.2.4, byte for byte. Two things differ on purpose: an amount of
//! memory that overflows is refused instead of wrapped, and what Tanist does not have (cluster
//! mode, modules) is refused with that reason instead of being silently without effect.

mod checks;
mod choice;
mod error;
mod get;
mod load;
mod notify;
mod places;
mod rewrite;
mod row;
pub mod sentinel;
mod set;
mod sources;
mod special;
mod table;
mod value;
mod wildcards;

pub use choice::{
    AclPubsubDefault, Appendfsync, ClusterPreferredEndpointType, LogLevel, MaxmemoryPolicy,
    OomScoreAdj, PropagationErrorBehavior, ProtectedAction, ReplDisklessLoad, ReplicaLineageGuard,
    SanitizeDumpPayload, Supervised, SyslogFacility, TlsAuthClients,
};
pub use error::{ConfigError, SourceLine};
pub use get::{crash_report_lines, get};
pub use load::{Config, RenamedCommand, UserLine};
pub use notify::NotifyEvents;
pub use places::{BindAddress, BindAddresses, MasterAddress, MetricsAddresses, WorkingDir};
pub use rewrite::{Extent, rewrite, rewrite_file, rewrite_sentinel};
pub use row::{Apply, Row, Traits};
pub use set::{Change, SetContext, SetError, plan};
pub use sources::Sources;
pub use special::{
    ClientsMemory, OomScoreAdjValues, OutputLimit, OutputLimits, Percentiles, SaveAtShutdown,
    SavePoint, SavePoints, ShutdownOnSignal,
};
pub use table::{Settings, TABLE};
pub use value::{NumberFormat, NumberRule, Occasion, Reason, Value};

impl Settings {
    /// The port to name where there is room for only one; 0 if there is none.
    pub fn main_port(&self) -> u16 {
        match self.port {
            0 => self.tls_port,
            port => port,
        }
    }

    /// The port to tell other servers: they connect to us as we connect to them.
    pub fn link_port(&self) -> u16 {
        match self.tls_replication && self.tls_port != 0 {
            true => self.tls_port,
            false => self.port,
        }
    }
}

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod rewrite_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod table_tests;
