//! What can be set for each master, in the file and by `SENTINEL SET`.

use std::collections::BTreeMap;

/// Commands that a server knows under another name: from what they are called in general, in lower
/// case, to what they are called there.
pub type RenamedCommands = BTreeMap<Vec<u8>, Vec<u8>>;

/// What can be set for each master. Times are in milliseconds, and at most
/// [`TIME_MS_MAX`](super::TIME_MS_MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterOptions {
    /// `quorum`: so many Sentinels have to agree that it is down.
    pub quorum: u32,
    /// `down-after-milliseconds`: silence for so long is taken for being down.
    pub down_after_ms: u64,
    /// `down-after-refused-milliseconds`: so long after a connection was refused or reset, an
    /// instance that still takes none is taken for being down. 0 treats that like silence.
    pub down_after_refused_ms: u64,
    /// `failover-timeout`.
    pub failover_timeout_ms: u64,
    /// `parallel-syncs`: so many replicas at a time are sent to the new master. 0: none is, until
    /// the time for that is up.
    pub parallel_syncs: u32,
    /// `master-reboot-down-after-period`: a master that was started anew and still loads after so
    /// long is taken for being down. 0: never for that reason.
    pub reboot_down_after_ms: u64,
    /// `notification-script`: the program that is told of important events.
    pub notification_script: Option<Vec<u8>>,
    /// `client-reconfig-script`: the program that is told of a new master.
    pub client_reconfig_script: Option<Vec<u8>>,
    /// `auth-user`: in whose name it and its replicas are spoken to.
    pub user: Option<Vec<u8>>,
    /// `auth-pass`: with which password.
    pub password: Option<Vec<u8>>,
    /// `rename-command`.
    pub renamed: RenamedCommands,
    /// `forget-replicas-after-seconds`: a replica that was down for so long is forgotten. 0: never.
    pub forget_replicas_after_s: u64,
    /// `forget-sentinels-after-seconds`: the same of a peer. A peer that is forgotten counts no
    /// more when a majority is counted.
    pub forget_sentinels_after_s: u64,
}

impl MasterOptions {
    /// The defaults, with a quorum.
    pub fn new(quorum: u32) -> MasterOptions {
        MasterOptions {
            quorum,
            down_after_ms: 30_000,
            down_after_refused_ms: 200,
            failover_timeout_ms: 180_000,
            parallel_syncs: 1,
            reboot_down_after_ms: 0,
            notification_script: None,
            client_reconfig_script: None,
            user: None,
            password: None,
            renamed: RenamedCommands::new(),
            forget_replicas_after_s: 0,
            forget_sentinels_after_s: 0,
        }
    }
}
