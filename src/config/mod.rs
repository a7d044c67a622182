//! Floor 3: one table of directives that file, argv and `CONFIG` all read.

mod checks;
mod choice;
mod notify;
mod places;
mod row;
mod set;
mod special;
mod table;
mod value;

pub use choice::{
    AclPubsubDefault, Appendfsync, ClusterPreferredEndpointType, LogLevel, MaxmemoryPolicy,
    OomScoreAdj, PropagationErrorBehavior, ProtectedAction, ReplDisklessLoad, SanitizeDumpPayload,
    Supervised, SyslogFacility, TlsAuthClients,
};
pub use notify::NotifyEvents;
pub use places::{BindAddress, BindAddresses, MasterAddress, WorkingDir};
pub use row::{Apply, Occasion, Reason, Row, Traits, Unit};
pub use set::{Change, SetContext, SetError, plan};
pub use special::{
    ClientsMemory, OomScoreAdjValues, OutputLimit, OutputLimits, Percentiles, SaveAtShutdown,
    SavePoint, SavePoints, ShutdownOptions,
};
pub use table::{Settings, TABLE};
pub use value::Value;

#[cfg(test)]
mod table_tests;
