//! The table of what can be set for each master: the one list that the file, its rewriting and
//! `SENTINEL SET` read.
//!
//! The two ways in differ in what they forgive. A line of the file is read as C reads numbers,
//! with whatever stands behind the digits; a command wants a number and nothing else. Each has
//! texts of its own for what is wrong.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use super::MasterOptions;
use crate::base::numbers;
use crate::config::value::{Reason, bare_or_quoted};

/// The longest time that can be set, in milliseconds: sums of a few such times never overflow.
pub const TIME_MS_MAX: u64 = 1 << 53;
const TIME_S_MAX: u64 = TIME_MS_MAX / 1000;
const COUNT_MAX: u64 = i32::MAX as u64;

const NOT_POSITIVE: &str = "negative or zero time parameter.";
const NEGATIVE: &str = "negative time parameter.";
const TOO_LARGE: &str = "Number out of range.";

/// Something that can be set for a master.
pub struct MasterOption {
    /// What it is called in the file and by `SENTINEL SET`.
    pub name: &'static str,
    /// Whether its value is kept out of the log and of events.
    pub is_secret: bool,
    /// Whether a change only counts for connections that are made afterwards.
    pub drops_links: bool,
    /// Whether there are lines of this name; what is no line of its own stands in another.
    has_line: bool,
    kind: Kind,
}

/// What a value is, and where it is kept.
enum Kind {
    Number {
        get: fn(&MasterOptions) -> u64,
        set: fn(&mut MasterOptions, u64),
        /// Least and greatest by command.
        bounds: (u64, u64),
        /// What the file says to a number below the least; without a text it takes 0 for that.
        too_small: Option<&'static str>,
    },
    Script {
        get: fn(&MasterOptions) -> &Option<Vec<u8>>,
        get_mut: fn(&mut MasterOptions) -> &mut Option<Vec<u8>>,
        missing: &'static str,
    },
    Text {
        get: fn(&MasterOptions) -> &Option<Vec<u8>>,
        get_mut: fn(&mut MasterOptions) -> &mut Option<Vec<u8>>,
    },
    /// Two values: what a command is called in general, and what it is called there.
    Renaming,
}

/// All of them, in the order in which they are written.
pub static MASTER_OPTIONS: &[MasterOption] = &[
    MasterOption {
        has_line: false,
        ..number(
            "quorum",
            |options| options.quorum.into(),
            |options, value| options.quorum = small(value),
            (1, COUNT_MAX),
            None,
        )
    },
    time(
        "down-after-milliseconds",
        |options| options.down_after_ms,
        |options, value| options.down_after_ms = value,
        1,
    ),
    time(
        "down-after-refused-milliseconds",
        |options| options.down_after_refused_ms,
        |options, value| options.down_after_refused_ms = value,
        0,
    ),
    time(
        "failover-timeout",
        |options| options.failover_timeout_ms,
        |options, value| options.failover_timeout_ms = value,
        1,
    ),
    number(
        "parallel-syncs",
        |options| options.parallel_syncs.into(),
        |options, value| options.parallel_syncs = small(value),
        (1, COUNT_MAX),
        None,
    ),
    script(
        "notification-script",
        |options| &options.notification_script,
        |options| &mut options.notification_script,
        "Notification script seems non existing or non executable.",
    ),
    script(
        "client-reconfig-script",
        |options| &options.client_reconfig_script,
        |options| &mut options.client_reconfig_script,
        "Client reconfiguration script seems non existing or non executable.",
    ),
    MasterOption {
        is_secret: true,
        ..credential(
            "auth-pass",
            |options| &options.password,
            |options| &mut options.password,
        )
    },
    credential(
        "auth-user",
        |options| &options.user,
        |options| &mut options.user,
    ),
    time(
        "master-reboot-down-after-period",
        |options| options.reboot_down_after_ms,
        |options, value| options.reboot_down_after_ms = value,
        0,
    ),
    number(
        "forget-replicas-after-seconds",
        |options| options.forget_replicas_after_s,
        |options, value| options.forget_replicas_after_s = value,
        (0, TIME_S_MAX),
        Some(NEGATIVE),
    ),
    number(
        "forget-sentinels-after-seconds",
        |options| options.forget_sentinels_after_s,
        |options, value| options.forget_sentinels_after_s = value,
        (0, TIME_S_MAX),
        Some(NEGATIVE),
    ),
    option("rename-command", Kind::Renaming),
];

/// Builders, for the table alone.
const fn option(name: &'static str, kind: Kind) -> MasterOption {
    MasterOption {
        name,
        is_secret: false,
        drops_links: false,
        has_line: true,
        kind,
    }
}

const fn number(
    name: &'static str,
    get: fn(&MasterOptions) -> u64,
    set: fn(&mut MasterOptions, u64),
    bounds: (u64, u64),
    too_small: Option<&'static str>,
) -> MasterOption {
    let kind = Kind::Number {
        get,
        set,
        bounds,
        too_small,
    };
    option(name, kind)
}

const fn time(
    name: &'static str,
    get: fn(&MasterOptions) -> u64,
    set: fn(&mut MasterOptions, u64),
    least: u64,
) -> MasterOption {
    let too_small = if least > 0 { NOT_POSITIVE } else { NEGATIVE };
    number(name, get, set, (least, TIME_MS_MAX), Some(too_small))
}

const fn script(
    name: &'static str,
    get: fn(&MasterOptions) -> &Option<Vec<u8>>,
    get_mut: fn(&mut MasterOptions) -> &mut Option<Vec<u8>>,
    missing: &'static str,
) -> MasterOption {
    let kind = Kind::Script {
        get,
        get_mut,
        missing,
    };
    option(name, kind)
}

const fn credential(
    name: &'static str,
    get: fn(&MasterOptions) -> &Option<Vec<u8>>,
    get_mut: fn(&mut MasterOptions) -> &mut Option<Vec<u8>>,
) -> MasterOption {
    MasterOption {
        drops_links: true,
        ..option(name, Kind::Text { get, get_mut })
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).expect("a row's bounds fit the type of its setting")
}

/// What a change by `SENTINEL SET` depends on beside its words.
pub struct SetContext<'a> {
    /// `deny-scripts-reconfig`.
    pub deny_scripts: bool,
    /// Whether there is a program at this path that we may run.
    pub is_executable: &'a dyn Fn(&[u8]) -> bool,
}

/// What `SENTINEL SET` has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSet {
    /// So many words it has taken: the option and its values.
    pub words: usize,
    /// These words as events may show them.
    pub shown: String,
    /// Whether the connections to the master and its replicas have to be made anew.
    pub drops_links: bool,
}

/// Why `SENTINEL SET` does not change an option. The texts are those that the client reads, behind
/// the code of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// There is no such option, or it wants more values.
    Unknown {
        /// What it was called.
        option: String,
    },
    /// The value makes no sense.
    Invalid {
        /// The value.
        value: String,
        /// The option.
        option: String,
    },
    /// Scripts may only be changed in the file.
    ScriptsDenied,
    /// There is no such program; the text.
    NotExecutable(&'static str),
}

impl Display for OptionError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::Unknown { option } => write!(
                f,
                "Unknown option or number of arguments for SENTINEL SET '{option}'"
            ),
            OptionError::Invalid { value, option } => {
                write!(f, "Invalid argument '{value}' for SENTINEL SET '{option}'")
            }
            OptionError::ScriptsDenied => f.write_str(
                "Reconfiguration of scripts path is denied for security reasons. Check the \
                 deny-scripts-reconfig configuration directive in your Sentinel configuration",
            ),
            OptionError::NotExecutable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for OptionError {}

/// Why a value is refused, where the option is known.
enum Refusal {
    /// The value in this place makes no sense.
    Value(usize),
    Whole(OptionError),
}

fn optional(text: &[u8]) -> Option<Vec<u8>> {
    (!text.is_empty()).then(|| text.to_vec())
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl MasterOption {
    /// The one of this name, in any case.
    pub fn find(name: &[u8]) -> Option<&'static MasterOption> {
        let is_it = |option: &&MasterOption| option.name.as_bytes().eq_ignore_ascii_case(name);
        MASTER_OPTIONS.iter().find(is_it)
    }

    /// The one that a line of the file begins with.
    pub(super) fn of_line(name: &[u8]) -> Option<&'static MasterOption> {
        MasterOption::find(name).filter(|option| option.has_line)
    }

    /// How many values it takes.
    pub fn values(&self) -> usize {
        match self.kind {
            Kind::Renaming => 2,
            _ => 1,
        }
    }

    /// Takes what a line of the file says.
    pub(super) fn set_from_line(
        &self,
        options: &mut MasterOptions,
        values: &[Vec<u8>],
        is_executable: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), Reason> {
        match &self.kind {
            Kind::Number {
                set,
                bounds: (least, greatest),
                too_small,
                ..
            } => {
                let (number, _) = numbers::leading_i64(&values[0]);
                let number = match (u64::try_from(number), too_small) {
                    (Ok(number), None) => number,
                    (Ok(number), Some(_)) if number >= *least => number,
                    (_, Some(text)) => return Err((*text).into()),
                    (Err(_), None) => 0,
                };
                if number > *greatest {
                    return Err(TOO_LARGE.into());
                }
                set(options, number);
            }
            Kind::Script {
                get_mut, missing, ..
            } => {
                if values[0].is_empty() || !is_executable(&values[0]) {
                    return Err((*missing).into());
                }
                *get_mut(options) = Some(values[0].clone());
            }
            Kind::Text { get_mut, .. } => *get_mut(options) = optional(&values[0]),
            Kind::Renaming => {
                let [command, name] = values else {
                    unreachable!("a renaming has two values");
                };
                if command.is_empty() || name.is_empty() {
                    return Err("Empty name of a command in rename-command.".into());
                }
                let command = command.to_ascii_lowercase();
                if options.renamed.insert(command, name.clone()).is_some() {
                    return Err("Same command renamed multiple times with rename-command.".into());
                }
            }
        }
        Ok(())
    }

    /// Takes what a client says.
    fn set_by_command(
        &self,
        options: &mut MasterOptions,
        values: &[&[u8]],
        context: &SetContext<'_>,
    ) -> Result<(), Refusal> {
        match &self.kind {
            Kind::Number {
                set,
                bounds: (least, greatest),
                ..
            } => {
                let number = numbers::parse_i64(values[0]).and_then(|n| u64::try_from(n).ok());
                let is_valid = |number: &u64| (*least..=*greatest).contains(number);
                set(options, number.filter(is_valid).ok_or(Refusal::Value(0))?);
            }
            Kind::Script {
                get_mut, missing, ..
            } => {
                if context.deny_scripts {
                    return Err(Refusal::Whole(OptionError::ScriptsDenied));
                }
                if !values[0].is_empty() && !(context.is_executable)(values[0]) {
                    let text = missing.trim_end_matches('.');
                    return Err(Refusal::Whole(OptionError::NotExecutable(text)));
                }
                *get_mut(options) = optional(values[0]);
            }
            Kind::Text { get_mut, .. } => *get_mut(options) = optional(values[0]),
            Kind::Renaming => {
                if let Some(empty) = values.iter().rposition(|value| value.is_empty()) {
                    return Err(Refusal::Value(empty));
                }
                let command = values[0].to_ascii_lowercase();
                if values[0].eq_ignore_ascii_case(values[1]) {
                    options.renamed.remove(&command);
                } else {
                    options.renamed.insert(command, values[1].to_vec());
                }
            }
        }
        Ok(())
    }

    /// What stands behind the master's name in a file that is to give this setting again, line by
    /// line; no line where absence says it.
    pub(super) fn saved(&self, options: &MasterOptions) -> Vec<Vec<u8>> {
        match &self.kind {
            _ if !self.has_line => Vec::new(),
            Kind::Number { get, .. } => vec![get(options).to_string().into_bytes()],
            Kind::Script { get, .. } | Kind::Text { get, .. } => get(options)
                .iter()
                .map(|text| bare_or_quoted(text))
                .collect(),
            Kind::Renaming => {
                let pair = |(command, name): (&Vec<u8>, &Vec<u8>)| {
                    let command = bare_or_quoted(&command.to_ascii_uppercase());
                    [&command[..], b" ", &bare_or_quoted(name)].concat()
                };
                options.renamed.iter().map(pair).collect()
            }
        }
    }
}

impl MasterOptions {
    /// Takes one option from the words behind the master's name in `SENTINEL SET`: the option, its
    /// values, and what follows them. Nothing is changed on an error.
    pub fn set(
        &mut self,
        words: &[&[u8]],
        context: &SetContext<'_>,
    ) -> Result<OptionSet, OptionError> {
        let name = words.first().copied().unwrap_or_default();
        let option = MasterOption::find(name).filter(|option| words.len() > option.values());
        let Some(option) = option else {
            let option = lossy(name).into_owned();
            return Err(OptionError::Unknown { option });
        };
        let taken = &words[..=option.values()];
        let values = &taken[1..];
        option
            .set_by_command(self, values, context)
            .map_err(|refusal| match refusal {
                Refusal::Whole(error) => error,
                Refusal::Value(place) => OptionError::Invalid {
                    value: lossy(values[place]).into_owned(),
                    option: lossy(name).into_owned(),
                },
            })?;
        let shown = |(place, word): (usize, &&[u8])| match place {
            1.. if option.is_secret => "******".to_owned(),
            _ => lossy(word).into_owned(),
        };
        let shown: Vec<String> = taken.iter().enumerate().map(shown).collect();
        Ok(OptionSet {
            words: taken.len(),
            shown: shown.join(" "),
            drops_links: option.drops_links,
        })
    }
}
