//! Which keys and which channels are open, by patterns.

use bitflags::bitflags;

use super::error::RuleError;
use super::words;
use crate::base::glob::glob_match;

bitflags! {
    /// What may be done with the value of a key.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u8 {
        /// Its data may be read.
        const READ = 1;
        /// It may be changed.
        const WRITE = 1 << 1;
    }
}

/// Keys whose names match a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
struct KeyPattern {
    pattern: Box<[u8]>,
    access: Access,
}

impl KeyPattern {
    /// Parses what stands behind `~` or `%`.
    fn parse(rule: &[u8]) -> Result<KeyPattern, RuleError> {
        let (access, pattern) = match rule.split_first() {
            Some((b'~', pattern)) => (Access::all(), pattern),
            Some((_, rest)) => {
                let end = rest.iter().position(|byte| *byte == b'~');
                let letters = &rest[..end.unwrap_or(rest.len())];
                let pattern = end.map_or(&[][..], |end| &rest[end + 1..]);
                (parse_access(letters)?, pattern)
            }
            None => return Err(RuleError::Syntax),
        };
        match words::is_plain(pattern) {
            true => Ok(KeyPattern {
                pattern: pattern.into(),
                access,
            }),
            false => Err(RuleError::Syntax),
        }
    }

    fn rule(&self) -> Vec<u8> {
        let mark: &[u8] = match (
            self.access.contains(Access::READ),
            self.access.contains(Access::WRITE),
        ) {
            (true, false) => b"%R~",
            (false, true) => b"%W~",
            _ => b"~",
        };
        [mark, &self.pattern].concat()
    }
}

/// Parses the letters between `%` and `~`: each once, and at least one.
fn parse_access(letters: &[u8]) -> Result<Access, RuleError> {
    let mut access = Access::empty();
    for letter in letters {
        let one = match letter.to_ascii_uppercase() {
            b'R' => Access::READ,
            b'W' => Access::WRITE,
            _ => return Err(RuleError::Syntax),
        };
        if access.contains(one) {
            return Err(RuleError::Syntax);
        }
        access |= one;
    }
    match access.is_empty() {
        true => Err(RuleError::Syntax),
        false => Ok(access),
    }
}

/// Which keys are open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keys {
    /// All of them.
    All,
    /// Those that match one of these patterns.
    Matching(KeyPatterns),
}

/// Patterns of keys, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyPatterns(Vec<KeyPattern>);

impl Keys {
    /// None of them.
    pub fn none() -> Keys {
        Keys::Matching(KeyPatterns::default())
    }

    /// Opens the keys of a rule that begins with `~` or `%`.
    pub fn add(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let Keys::Matching(KeyPatterns(patterns)) = self else {
            return Err(RuleError::AllKeys);
        };
        let new = KeyPattern::parse(rule)?;
        match patterns.iter_mut().find(|old| old.pattern == new.pattern) {
            Some(old) => old.access |= new.access,
            None => patterns.push(new),
        }
        Ok(())
    }

    /// Whether a key is open for this.
    pub fn admit(&self, key: &[u8], access: Access) -> bool {
        match self {
            Keys::All => true,
            Keys::Matching(KeyPatterns(patterns)) => patterns
                .iter()
                .any(|p| p.access.contains(access) && glob_match(&p.pattern, key, false)),
        }
    }

    /// Whether every key is open for this, whatever its name may be.
    pub fn admit_every(&self, access: Access) -> bool {
        match self {
            Keys::All => true,
            Keys::Matching(KeyPatterns(patterns)) => {
                let is_for_all = |p: &KeyPattern| *p.pattern == *b"*";
                patterns
                    .iter()
                    .any(|p| p.access.contains(access) && is_for_all(p))
            }
        }
    }

    /// The rules that open them.
    pub fn rules(&self) -> Vec<u8> {
        match self {
            Keys::All => b"~*".to_vec(),
            Keys::Matching(KeyPatterns(patterns)) => {
                let rules: Vec<_> = patterns.iter().map(KeyPattern::rule).collect();
                rules.join(&b' ')
            }
        }
    }
}

/// Which channels are open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Channels {
    /// All of them.
    All,
    /// Those that match one of these patterns.
    Matching(Vec<Box<[u8]>>),
}

impl Channels {
    /// None of them.
    pub fn none() -> Channels {
        Channels::Matching(Vec::new())
    }

    /// Opens the channels that match a pattern.
    pub fn add(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        let Channels::Matching(patterns) = self else {
            return Err(RuleError::AllChannels);
        };
        if !words::is_plain(pattern) {
            return Err(RuleError::Syntax);
        }
        if !patterns.iter().any(|known| **known == *pattern) {
            patterns.push(pattern.into());
        }
        Ok(())
    }

    /// Whether a channel is open. A pattern to subscribe to is open only if it stands here letter
    /// by letter.
    pub fn admit(&self, channel: &[u8], is_pattern: bool) -> bool {
        match self {
            Channels::All => true,
            Channels::Matching(patterns) if is_pattern => {
                patterns.iter().any(|known| **known == *channel)
            }
            Channels::Matching(patterns) => patterns
                .iter()
                .any(|pattern| glob_match(pattern, channel, false)),
        }
    }

    /// Whether a pattern of theirs is one of these, or all are open.
    pub fn include(&self, pattern: &[u8]) -> bool {
        self.admit(pattern, true)
    }

    /// The patterns, if not all are open.
    pub fn patterns(&self) -> Option<&[Box<[u8]>]> {
        match self {
            Channels::All => None,
            Channels::Matching(patterns) => Some(patterns),
        }
    }

    /// The rules that open them.
    pub fn rules(&self) -> Vec<u8> {
        match self {
            Channels::All => b"&*".to_vec(),
            Channels::Matching(patterns) => {
                let rules: Vec<_> = patterns.iter().map(|p| [b"&", &**p].concat()).collect();
                rules.join(&b' ')
            }
        }
    }
}
