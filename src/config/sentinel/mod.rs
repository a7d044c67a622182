//! The `sentinel …` lines of a configuration file: what the operator asked for, and what the
//! Sentinel itself has written down so as to know it after a restart.
//!
//! Both are one value, [`SentinelConfig`]: read from a file when the Sentinel starts, and made anew
//! from its state each time that changes, to be written back. Who votes, promotes and switches is
//! not known here.

//!
//! ```text
//!  file ── read ──┐                        ┌── write ─── file
//!                 ├─ tables ── Sentinel ───┤
//!  SENTINEL SET ──┘   rows      Config     └── show ──── SENTINEL CONFIG GET
//! ```
//!
//! As with the server's directives, whatever can be set is a row of a table, and all ways in and
//! out go through the rows.

mod common_table;
mod master_table;
mod options;
pub(super) mod read;
pub(super) mod write;

use std::net::IpAddr;

pub use common_table::{CommonChange, CommonError};
pub use master_table::{
    MASTER_OPTIONS, MasterOption, OptionError, OptionSet, SetContext, TIME_MS_MAX,
};
pub use options::{MasterOptions, RenamedCommands};

/// Length of the id of a server or Sentinel, in hexadecimal digits.
pub const ID_LENGTH: usize = 40;

/// All that stands in `sentinel …` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentinelConfig {
    /// `myid`: which Sentinel this is, for its peers. None before its first start.
    pub id: Option<String>,
    /// `current-epoch`: the newest epoch that it has heard of.
    pub current_epoch: u64,
    /// What holds for all masters.
    pub common: CommonOptions,
    /// The masters, in the order of the file.
    pub masters: Vec<MasterConfig>,
}

/// What holds for all masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonOptions {
    /// `announce-ip`: under which address or name it tells its peers to reach it.
    pub announce_ip: Option<String>,
    /// `announce-port`: under which port, never 0.
    pub announce_port: Option<u16>,
    /// `resolve-hostnames`: whether an instance may be given by name.
    pub resolve_hostnames: bool,
    /// `announce-hostnames`: whether clients and peers are told names, where there are any.
    pub announce_hostnames: bool,
    /// `deny-scripts-reconfig`: whether `SENTINEL SET` may not change scripts.
    pub deny_scripts_reconfig: bool,
    /// `sentinel-user`: in whose name it speaks to its peers.
    pub peer_user: Option<Vec<u8>>,
    /// `sentinel-pass`: with which password.
    pub peer_password: Option<Vec<u8>>,
}

impl Default for CommonOptions {
    fn default() -> CommonOptions {
        CommonOptions {
            announce_ip: None,
            announce_port: None,
            resolve_hostnames: false,
            announce_hostnames: false,
            deny_scripts_reconfig: true,
            peer_user: None,
            peer_password: None,
        }
    }
}

impl CommonOptions {
    /// Whether an instance may be given by this host: an address, or a name where names are looked
    /// up.
    pub fn accepts_host(&self, host: &[u8]) -> bool {
        let is_address = || str::from_utf8(host).is_ok_and(|host| host.parse::<IpAddr>().is_ok());
        is_address() || (self.resolve_hostnames && is_plain_word(host))
    }
}

/// Whether a word can be a name in our messages and lines: text, not empty, without blanks, commas
/// and control characters.
pub fn is_plain_word(word: &[u8]) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == ',';
    !word.is_empty() && str::from_utf8(word).is_ok_and(|word| !word.contains(is_bad))
}

impl SentinelConfig {
    /// The master of this name.
    pub fn master(&self, name: &[u8]) -> Option<&MasterConfig> {
        let mut masters = self.masters.iter();
        masters.find(|master| master.name.as_bytes() == name)
    }
}

/// A master, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterConfig {
    /// What it is called.
    pub name: String,
    /// Its address, or its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What can be set for it.
    pub options: MasterOptions,
    /// `config-epoch`: the epoch of the failover that made it the master.
    pub config_epoch: u64,
    /// `leader-epoch`: the last epoch in which this Sentinel has voted.
    pub leader_epoch: u64,
    /// `known-replica`: address or name, and port.
    pub replicas: Vec<(String, u16)>,
    /// `known-sentinel`: the peers that watch it, too.
    pub peers: Vec<PeerConfig>,
}

/// Another Sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Address or name.
    pub host: String,
    /// Port; 0 is an address that was found to be wrong.
    pub port: u16,
    /// Its id.
    pub id: String,
}

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod write_tests;
