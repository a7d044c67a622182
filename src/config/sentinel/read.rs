//! From `sentinel …` lines to what they mean.
//!
//! The order of lines does not matter: first comes what holds for all masters, then the masters
//! themselves, then what is said of each. So a line is only judged when all have been seen, and of
//! several that are wrong the first in this order is told.
//!
//! Nothing is looked up here. A host that is no address is a name, and names are only taken where
//! `resolve-hostnames` says that there may be some.

use std::net::IpAddr;

use super::common_table::CommonOption;
use super::master_table::MasterOption;
use super::{ID_LENGTH, MasterConfig, MasterOptions, PeerConfig, SentinelConfig, is_plain_word};
use crate::base::numbers;
use crate::config::error::{ConfigError, SourceLine};
use crate::config::value::Reason;

const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";
const NO_SUCH_MASTER: &str = "No such master with specified name.";
const INVALID_PORT: &str = "Invalid port number.";
const UNRESOLVED: &str = "Can't resolve instance hostname.";
const INVALID_EPOCH: &str = "Invalid epoch.";

/// A line, without its first word.
pub(in crate::config) struct SentinelLine {
    /// The directive and what stands behind it; there is at least the directive.
    pub(in crate::config) words: Vec<Vec<u8>>,
    /// Where that stands.
    pub(in crate::config) place: SourceLine,
}

/// When a line is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Common,
    Masters,
    OfMasters,
}

impl Round {
    fn of(directive: &[u8]) -> Round {
        if is(directive, "monitor") {
            Round::Masters
        } else if is(directive, "current-epoch")
            || is(directive, "myid")
            || CommonOption::of_line(directive).is_some()
        {
            Round::Common
        } else {
            Round::OfMasters
        }
    }
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// Reads all lines.
pub(in crate::config) fn read(
    lines: &[SentinelLine],
    is_executable: &dyn Fn(&[u8]) -> bool,
) -> Result<SentinelConfig, ConfigError> {
    let mut reader = Reader {
        config: SentinelConfig::default(),
        is_executable,
    };
    for round in [Round::Common, Round::Masters, Round::OfMasters] {
        let of_round = |line: &&SentinelLine| Round::of(&line.words[0]) == round;
        for line in lines.iter().filter(of_round) {
            let directive = line.words[0].to_ascii_lowercase();
            reader
                .read_line(round, &directive, &line.words[1..])
                .map_err(|reason| line.place.error(reason))?;
        }
    }
    Ok(reader.config)
}

struct Reader<'a> {
    config: SentinelConfig,
    is_executable: &'a dyn Fn(&[u8]) -> bool,
}

impl Reader<'_> {
    fn read_line(
        &mut self,
        round: Round,
        directive: &[u8],
        args: &[Vec<u8>],
    ) -> Result<(), Reason> {
        match (round, args) {
            (Round::Common, [value]) => self.read_common(directive, value),
            (Round::Masters, [name, host, port, quorum]) => {
                self.read_monitor(name, host, port, quorum)
            }
            (Round::OfMasters, args) => self.read_of_master(directive, args),
            _ => Err(UNRECOGNIZED.into()),
        }
    }

    fn read_common(&mut self, directive: &[u8], value: &[u8]) -> Result<(), Reason> {
        if let Some(option) = CommonOption::of_line(directive) {
            return option.set_from_line(&mut self.config.common, value);
        }
        if directive == b"current-epoch" {
            self.raise_epoch(read_epoch(value)?);
            return Ok(());
        }
        if value.len() != ID_LENGTH || !is_plain_word(value) {
            return Err("Malformed Sentinel id in myid option.".into());
        }
        self.config.id = Some(text(value));
        Ok(())
    }

    fn raise_epoch(&mut self, epoch: u64) {
        self.config.current_epoch = self.config.current_epoch.max(epoch);
    }

    fn read_monitor(
        &mut self,
        name: &[u8],
        host: &[u8],
        port: &[u8],
        quorum: &[u8],
    ) -> Result<(), Reason> {
        let (quorum, _) = numbers::leading_i64(quorum);
        if quorum <= 0 {
            return Err("Quorum must be 1 or greater.".into());
        }
        let quorum = i32::try_from(quorum).map_err(|_| "Number out of range.")?;
        let (host, port) = self.read_address(host, port)?;
        if !is_plain_word(name) {
            return Err("A master's name must be text without blanks and commas.".into());
        }
        if self.config.master(name).is_some() {
            return Err("Duplicate master name.".into());
        }
        self.config.masters.push(MasterConfig {
            name: text(name),
            host,
            port,
            options: MasterOptions::new(quorum.unsigned_abs()),
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            peers: Vec::new(),
        });
        Ok(())
    }

    fn read_address(&self, host: &[u8], port: &[u8]) -> Result<(String, u16), Reason> {
        let (port, _) = numbers::leading_i64(port);
        let port = u16::try_from(port).map_err(|_| INVALID_PORT)?;
        if !self.config.common.accepts_host(host) {
            let host = String::from_utf8_lossy(host);
            log::warn!("Failed to resolve hostname '{host}'");
            return Err(UNRESOLVED.into());
        }
        Ok((text(host), port))
    }

    fn read_of_master(&mut self, directive: &[u8], args: &[Vec<u8>]) -> Result<(), Reason> {
        if let Some(option) = MasterOption::of_line(directive)
            && args.len() == 1 + option.values()
        {
            let is_executable = self.is_executable;
            let master = self.master(&args[0])?;
            return option.set_from_line(&mut master.options, &args[1..], is_executable);
        }
        match (directive, args) {
            (b"config-epoch", [name, epoch]) => {
                let master = self.master(name)?;
                let epoch = read_epoch(epoch)?;
                master.config_epoch = epoch;
                self.raise_epoch(epoch);
            }
            (b"leader-epoch", [name, epoch]) => {
                self.master(name)?.leader_epoch = read_epoch(epoch)?;
            }
            (b"known-slave" | b"known-replica", [name, host, port]) => {
                self.read_replica(name, host, port)?;
            }
            // Written by versions in which a Sentinel had no id: it will be heard of again.
            (b"known-sentinel", [_, _, _]) => {}
            (b"known-sentinel", [name, host, port, id]) => {
                self.read_peer(name, host, port, id)?;
            }
            _ => return Err(UNRECOGNIZED.into()),
        }
        Ok(())
    }

    fn read_replica(&mut self, name: &[u8], host: &[u8], port: &[u8]) -> Result<(), Reason> {
        self.master(name)?;
        let (host, port) = self.read_address(host, port)?;
        let master = self.master(name)?;
        let is_same =
            |(other, other_port): &(String, u16)| port == *other_port && is_same_host(&host, other);
        if master.replicas.iter().any(is_same) {
            return Err("Duplicate hostname and port for replica.".into());
        }
        master.replicas.push((host, port));
        Ok(())
    }

    fn read_peer(
        &mut self,
        name: &[u8],
        host: &[u8],
        port: &[u8],
        id: &[u8],
    ) -> Result<(), Reason> {
        self.master(name)?;
        let (host, port) = self.read_address(host, port)?;
        if !is_plain_word(id) {
            return Err("Malformed Sentinel id in known-sentinel option.".into());
        }
        let (id, master) = (text(id), self.master(name)?);
        if master.peers.iter().any(|peer| peer.id == id) {
            return Err("Duplicate runid for sentinel.".into());
        }
        master.peers.push(PeerConfig { host, port, id });
        Ok(())
    }

    fn master(&mut self, name: &[u8]) -> Result<&mut MasterConfig, Reason> {
        let mut masters = self.config.masters.iter_mut();
        let master = masters.find(|master| master.name.as_bytes() == name);
        master.ok_or_else(|| NO_SUCH_MASTER.into())
    }
}

/// An epoch that is not understood must not pass for 0: a vote would be forgotten.
fn read_epoch(value: &[u8]) -> Result<u64, Reason> {
    let digits = str::from_utf8(value).map_err(|_| INVALID_EPOCH)?;
    digits.parse().map_err(|_| INVALID_EPOCH.into())
}

/// Of bytes that were found to be text.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

pub(super) fn is_same_host(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}
