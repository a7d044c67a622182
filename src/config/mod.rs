//! Floor 3: one table of directives that file, argv and `CONFIG` all read.

mod checks;
mod choice;
mod error;
mod get;
mod load;
mod notify;
mod places;
mod rewrite;
mod row;
mod set;
mod sources;
mod special;
mod table;
mod value;
mod wildcards;

pub use choice::{
    AclPubsubDefault, Appendfsync, ClusterPreferredEndpointType, LogLevel, MaxmemoryPolicy,
    OomScoreAdj, PropagationErrorBehavior, ProtectedAction, ReplDisklessLoad, SanitizeDumpPayload,
    Supervised, SyslogFacility, TlsAuthClients,
};
pub use error::{ConfigError, Place};
pub use get::get;
pub use load::{Config, RenamedCommand, UserLine};
pub use notify::NotifyEvents;
pub use places::{BindAddress, BindAddresses, MasterAddress, WorkingDir};
pub use rewrite::{rewrite, rewrite_file};
pub use row::{Apply, Occasion, Reason, Row, Traits, Unit};
pub use set::{Change, SetContext, SetError, plan};
pub use sources::Sources;
pub use special::{
    ClientsMemory, OomScoreAdjValues, OutputLimit, OutputLimits, Percentiles, SaveAtShutdown,
    SavePoint, SavePoints, ShutdownOptions,
};
pub use table::{Settings, TABLE};
pub use value::Value;

#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod rewrite_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod table_tests;
