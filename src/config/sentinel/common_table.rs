//! The table of what holds for all masters: the one list that the file, its rewriting and
//! `SENTINEL CONFIG` read.
//!
//! `SENTINEL CONFIG` knows one name more, `loglevel`, which is a setting of the process.

use std::fmt::{self, Display, Formatter};

use super::{CommonOptions, is_plain_word};
use crate::base::glob::glob_match;
use crate::base::numbers;
use crate::config::LogLevel;
use crate::config::value::{Reason, bare_or_quoted, quoted};

/// The name of the row that is no option of ours.
const LOGLEVEL: &str = "loglevel";

/// Something that holds for all masters.
pub(super) struct CommonOption {
    /// What it is called in the file and by `SENTINEL CONFIG`.
    pub(super) name: &'static str,
    /// Whether it stands in the file only.
    only_in_file: bool,
    /// Whether a change only counts for connections to peers that are made afterwards.
    drops_links: bool,
    kind: Kind,
}

/// What the value is, and where it is kept.
enum Kind {
    YesOrNo {
        get: fn(&CommonOptions) -> bool,
        set: fn(&mut CommonOptions, bool),
        neither: &'static str,
    },
    Credential {
        get: fn(&CommonOptions) -> &Option<Vec<u8>>,
        get_mut: fn(&mut CommonOptions) -> &mut Option<Vec<u8>>,
    },
    AnnounceIp,
    AnnouncePort,
    LogLevel,
}

/// All of them, in the order in which `SENTINEL CONFIG GET` shows them.
pub(super) static COMMON_OPTIONS: &[CommonOption] = &[
    CommonOption {
        only_in_file: true,
        ..option(
            "deny-scripts-reconfig",
            Kind::YesOrNo {
                get: |common| common.deny_scripts_reconfig,
                set: |common, yes| common.deny_scripts_reconfig = yes,
                neither: "Please specify yes or no for the deny-scripts-reconfig options.",
            },
        )
    },
    option(
        "resolve-hostnames",
        Kind::YesOrNo {
            get: |common| common.resolve_hostnames,
            set: |common, yes| common.resolve_hostnames = yes,
            neither: "Please specify yes or no for the resolve-hostnames option.",
        },
    ),
    option(
        "announce-hostnames",
        Kind::YesOrNo {
            get: |common| common.announce_hostnames,
            set: |common, yes| common.announce_hostnames = yes,
            neither: "Please specify yes or no for the announce-hostnames option.",
        },
    ),
    option("announce-ip", Kind::AnnounceIp),
    option("announce-port", Kind::AnnouncePort),
    CommonOption {
        drops_links: true,
        ..option(
            "sentinel-user",
            Kind::Credential {
                get: |common| &common.peer_user,
                get_mut: |common| &mut common.peer_user,
            },
        )
    },
    CommonOption {
        drops_links: true,
        ..option(
            "sentinel-pass",
            Kind::Credential {
                get: |common| &common.peer_password,
                get_mut: |common| &mut common.peer_password,
            },
        )
    },
    option(LOGLEVEL, Kind::LogLevel),
];

const fn option(name: &'static str, kind: Kind) -> CommonOption {
    CommonOption {
        name,
        only_in_file: false,
        drops_links: false,
        kind,
    }
}

const LOG_LEVELS: [LogLevel; 5] = [
    LogLevel::Debug,
    LogLevel::Verbose,
    LogLevel::Notice,
    LogLevel::Warning,
    LogLevel::Nothing,
];

fn yes_or_no(value: &[u8]) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case(b"yes") => Some(true),
        _ if value.eq_ignore_ascii_case(b"no") => Some(false),
        _ => None,
    }
}

const fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn plain(value: &[u8]) -> Option<String> {
    is_plain_word(value).then(|| String::from_utf8_lossy(value).into_owned())
}

/// Port 0 is none.
fn port(number: i64) -> Option<Option<u16>> {
    let number = u16::try_from(number).ok()?;
    Some((number != 0).then_some(number))
}

impl CommonOption {
    /// The one that a line of the file begins with.
    pub(super) fn of_line(name: &[u8]) -> Option<&'static CommonOption> {
        let is_it = |option: &&CommonOption| option.name.as_bytes().eq_ignore_ascii_case(name);
        let is_line = |option: &&CommonOption| !matches!(option.kind, Kind::LogLevel);
        COMMON_OPTIONS.iter().find(is_it).filter(is_line)
    }

    /// Takes what a line of the file says. Empty text says nothing.
    pub(super) fn set_from_line(
        &self,
        common: &mut CommonOptions,
        value: &[u8],
    ) -> Result<(), Reason> {
        match &self.kind {
            Kind::YesOrNo { set, neither, .. } => {
                set(common, yes_or_no(value).ok_or(*neither)?);
            }
            Kind::Credential { .. } | Kind::AnnounceIp if value.is_empty() => {}
            Kind::Credential { get_mut, .. } => *get_mut(common) = Some(value.to_vec()),
            Kind::AnnounceIp => {
                common.announce_ip = Some(plain(value).ok_or("Invalid announce-ip.")?);
            }
            Kind::AnnouncePort => {
                let (number, _) = numbers::leading_i64(value);
                common.announce_port = port(number).ok_or("Invalid port number.")?;
            }
            Kind::LogLevel => {}
        }
        Ok(())
    }

    /// Takes what a client says; None if that makes no sense. Empty text means that there is none.
    fn set_by_command(&self, change: &mut CommonChange, value: &[u8]) -> Option<()> {
        let common = &mut change.common;
        match &self.kind {
            Kind::YesOrNo { set, .. } => set(common, yes_or_no(value)?),
            Kind::Credential { get_mut, .. } => {
                *get_mut(common) = (!value.is_empty()).then(|| value.to_vec());
            }
            Kind::AnnounceIp if value.is_empty() => common.announce_ip = None,
            Kind::AnnounceIp => common.announce_ip = Some(plain(value)?),
            Kind::AnnouncePort => common.announce_port = port(numbers::parse_i64(value)?)?,
            Kind::LogLevel => {
                let is_it = |level: &LogLevel| level.name().as_bytes().eq_ignore_ascii_case(value);
                change.loglevel = Some(LOG_LEVELS.into_iter().find(is_it)?);
            }
        }
        change.drops_peer_links |= self.drops_links;
        Some(())
    }

    /// As `SENTINEL CONFIG GET` shows it.
    fn show(&self, common: &CommonOptions, loglevel: LogLevel) -> Vec<u8> {
        match &self.kind {
            Kind::YesOrNo { get, .. } => yes_no(get(common)).into(),
            Kind::Credential { get, .. } => get(common).clone().unwrap_or_default(),
            Kind::AnnounceIp => common.announce_ip.clone().unwrap_or_default().into(),
            Kind::AnnouncePort => common.announce_port.unwrap_or(0).to_string().into(),
            Kind::LogLevel => loglevel.name().into(),
        }
    }

    /// What stands behind its name in a file that is to give this setting again; no line where
    /// absence says it.
    pub(super) fn saved(&self, common: &CommonOptions) -> Option<Vec<u8>> {
        match &self.kind {
            Kind::YesOrNo { get, .. } => Some(yes_no(get(common)).into()),
            Kind::Credential { get, .. } => get(common).as_ref().map(|text| bare_or_quoted(text)),
            Kind::AnnounceIp => common.announce_ip.as_ref().map(|ip| quoted(ip.as_bytes())),
            Kind::AnnouncePort => common.announce_port.map(|port| port.to_string().into()),
            Kind::LogLevel => None,
        }
    }
}

/// What `SENTINEL CONFIG SET` is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonChange {
    /// What holds for all masters afterwards.
    pub common: CommonOptions,
    /// The new `loglevel`, if that was among it.
    pub loglevel: Option<LogLevel>,
    /// Whether the connections to peers have to be made anew.
    pub drops_peer_links: bool,
}

/// Why `SENTINEL CONFIG SET` changes nothing. The texts are those that the client reads, behind the
/// code of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommonError {
    /// There is no such option.
    Unknown(String),
    /// It is named twice.
    Duplicate(String),
    /// Nothing stands behind it.
    NoValue(String),
    /// The value makes no sense.
    Invalid {
        /// The value.
        value: String,
        /// The option.
        option: String,
    },
}

impl Display for CommonError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CommonError::Unknown(option) => {
                write!(f, "Invalid argument '{option}' to SENTINEL CONFIG SET")
            }
            CommonError::Duplicate(option) => {
                write!(f, "Duplicate argument '{option}' to SENTINEL CONFIG SET")
            }
            CommonError::NoValue(option) => write!(f, "Missing argument '{option}' value"),
            CommonError::Invalid { value, option } => {
                write!(
                    f,
                    "Invalid value '{value}' to SENTINEL CONFIG SET '{option}'"
                )
            }
        }
    }
}

impl std::error::Error for CommonError {}

impl CommonOptions {
    /// What `SENTINEL CONFIG SET` would make of this: all of it or nothing. The words are options,
    /// each with its value behind it.
    pub fn plan(&self, words: &[&[u8]]) -> Result<CommonChange, CommonError> {
        let lossy = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let mut change = CommonChange {
            common: self.clone(),
            loglevel: None,
            drops_peer_links: false,
        };
        let mut named: Vec<&str> = Vec::new();
        for pair in words.chunks(2) {
            let word = pair[0];
            let is_it = |option: &&CommonOption| option.name.as_bytes().eq_ignore_ascii_case(word);
            let option = COMMON_OPTIONS.iter().find(is_it);
            let Some(option) = option.filter(|option| !option.only_in_file) else {
                return Err(CommonError::Unknown(lossy(word)));
            };
            if named.contains(&option.name) {
                return Err(CommonError::Duplicate(lossy(word)));
            }
            named.push(option.name);
            let Some(value) = pair.get(1) else {
                return Err(CommonError::NoValue(lossy(word)));
            };
            option
                .set_by_command(&mut change, value)
                .ok_or_else(|| CommonError::Invalid {
                    value: lossy(value),
                    option: lossy(word),
                })?;
        }
        Ok(change)
    }

    /// What `SENTINEL CONFIG GET` shows for these patterns, each name once.
    pub fn show(&self, loglevel: LogLevel, patterns: &[&[u8]]) -> Vec<(&'static str, Vec<u8>)> {
        let mut shown: Vec<(&'static str, Vec<u8>)> = Vec::new();
        for pattern in patterns {
            for option in COMMON_OPTIONS.iter().filter(|option| !option.only_in_file) {
                let is_asked = glob_match(pattern, option.name.as_bytes(), true);
                if is_asked && !shown.iter().any(|(name, _)| *name == option.name) {
                    shown.push((option.name, option.show(self, loglevel)));
                }
            }
        }
        shown
    }
}
