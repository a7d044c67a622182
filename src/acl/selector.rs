//! A selector: commands with the keys and channels that they may be used on.

use super::catalog::Catalog;
use super::commands::Commands;
use super::error::RuleError;
use super::patterns::{Access, Channels, Keys};
use super::words;
use crate::base::quoting::split_args;
use crate::resp::args::Args;

/// A word of a command that is a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUse {
    /// Its place.
    pub index: usize,
    /// What is done with the value.
    pub access: Access,
}

/// A command that somebody wants to run.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its number.
    pub id: usize,
    /// It is open to everybody, as what one logs in with.
    pub is_open: bool,
    /// Its words.
    pub args: &'a Args<'a>,
    /// Those that are keys.
    pub keys: &'a [KeyUse],
    /// Those that are channels.
    pub channels: std::ops::Range<usize>,
    /// The channels are patterns.
    pub patterns: bool,
}

/// What of a command is refused. What comes later is more worth telling: a command that is open,
/// but not with this key, is nearer to what was meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denied {
    /// The command itself.
    Command,
    /// The key at this place.
    Key(usize),
    /// The channel at this place.
    Channel(usize),
}

impl Denied {
    /// The place of the word that is refused.
    pub fn index(self) -> usize {
        match self {
            Denied::Command => 0,
            Denied::Key(index) | Denied::Channel(index) => index,
        }
    }
}

/// What rules depend on.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// All commands.
    pub catalog: &'a dyn Catalog,
    /// What is new has all channels.
    pub all_channels: bool,
}

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// Which commands.
    pub commands: Commands,
    /// On which keys.
    pub keys: Keys,
    /// On which channels.
    pub channels: Channels,
}

impl Selector {
    /// One that opens nothing, but for channels where that is the rule.
    pub fn new(all_channels: bool) -> Selector {
        Selector {
            commands: Commands::begin(false),
            keys: Keys::none(),
            channels: match all_channels {
                true => Channels::All,
                false => Channels::none(),
            },
        }
    }

    /// One that opens all.
    pub fn all() -> Selector {
        Selector {
            commands: Commands::begin(true),
            keys: Keys::All,
            channels: Channels::All,
        }
    }

    /// One with these rules, which stood between parentheses.
    pub fn parse(text: &[u8], rules: Rules<'_>) -> Result<Selector, RuleError> {
        let mut selector = Selector::new(rules.all_channels);
        for rule in split_args(text).ok_or(RuleError::Syntax)? {
            selector.apply(&rule, rules)?;
        }
        Ok(selector)
    }

    /// Whether it opens everything.
    pub fn is_unrestricted(&self) -> bool {
        self.commands.is_unrestricted() && self.keys == Keys::All && self.channels == Channels::All
    }

    /// Applies a rule about commands, keys or channels.
    pub fn apply(&mut self, rule: &[u8], rules: Rules<'_>) -> Result<(), RuleError> {
        let is = |name: &str| rule.eq_ignore_ascii_case(name.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.keys = Keys::All,
            _ if is("resetkeys") => self.keys = Keys::none(),
            _ if is("allchannels") || is("&*") => self.channels = Channels::All,
            _ if is("resetchannels") => self.channels = Channels::none(),
            _ if is("allcommands") => self.commands = Commands::begin(true),
            _ if is("nocommands") => self.commands = Commands::begin(false),
            [b'~' | b'%', ..] => self.keys.add(rule)?,
            [b'&', pattern @ ..] => self.channels.add(pattern)?,
            [b'+' | b'-', ..] => self.commands.apply(rule, rules.catalog)?,
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Whether it opens all of a command.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Denied> {
        let args = request.args;
        if !request.is_open && !self.commands.admit(request.id, args.get(1)) {
            return Err(Denied::Command);
        }
        for key in request.keys {
            if !self.keys.admit(&args[key.index], key.access) {
                return Err(Denied::Key(key.index));
            }
        }
        for index in request.channels.clone() {
            if !self.channels.admit(&args[index], request.patterns) {
                return Err(Denied::Channel(index));
            }
        }
        Ok(())
    }

    /// The rules that make it.
    pub fn rules(&self) -> Vec<u8> {
        let mut line = self.keys.rules();
        if self.channels != Channels::All {
            words::push(&mut line, b"resetchannels");
        }
        let channels = self.channels.rules();
        for part in [channels, self.commands.rules()] {
            if !part.is_empty() {
                words::push(&mut line, &part);
            }
        }
        line
    }
}
