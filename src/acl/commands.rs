//! Which commands are open.
//!
//! What is open is a bit for each command. The bits alone do not tell how they came to be, and
//! what is open of commands that come later; so the rules are kept as well, those that others
//! made pointless left out.

use super::catalog::{Catalog, Entry};
use super::error::RuleError;
use super::words;

const WORD: usize = u64::BITS as usize;

/// Which commands are open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Commands {
    /// Begun with `+@all`: what no bit stands for is open.
    all: bool,
    /// Begun with `+@all`, and nothing was taken away since.
    unrestricted: bool,
    /// A bit for each command, as far as any was changed.
    bits: Vec<u64>,
    /// First arguments with which closed commands are open, by the numbers of these.
    arguments: Vec<(usize, Vec<u8>)>,
    rules: Vec<Rule>,
}

/// A rule behind `+@all` or `-@all`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    allow: bool,
    /// `get`, `client|list`, `select|0` or `@read`.
    what: Vec<u8>,
}

impl Commands {
    /// All of them, also those to come, or none.
    pub fn begin(all: bool) -> Commands {
        Commands {
            all,
            unrestricted: all,
            ..Commands::default()
        }
    }

    /// Whether every command is open.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// Whether a command is open that has this first argument.
    #[inline]
    pub fn admit(&self, id: usize, argument: Option<&[u8]>) -> bool {
        self.unrestricted || self.bit(id) || self.admit_argument(id, argument)
    }

    fn admit_argument(&self, id: usize, argument: Option<&[u8]>) -> bool {
        let Some(argument) = argument else {
            return false;
        };
        let mut open = self.arguments.iter();
        open.any(|(of, known)| *of == id && known.eq_ignore_ascii_case(argument))
    }

    fn bit(&self, id: usize) -> bool {
        match self.bits.get(id / WORD) {
            Some(word) => word >> (id % WORD) & 1 == 1,
            None => self.all,
        }
    }

    fn set_bit(&mut self, id: usize, on: bool) {
        if self.bits.len() <= id / WORD {
            let rest = if self.all { u64::MAX } else { 0 };
            self.bits.resize(id / WORD + 1, rest);
        }
        let bit = 1 << (id % WORD);
        match on {
            true => self.bits[id / WORD] |= bit,
            false => {
                self.bits[id / WORD] &= !bit;
                self.unrestricted = false;
            }
        }
    }

    /// Opens or closes a command and its subcommands.
    fn set(&mut self, entry: &Entry, allow: bool) {
        self.set_bit(entry.id, allow);
        self.arguments.retain(|(of, _)| *of != entry.id);
        for member in entry.members.clone() {
            self.set_bit(member, allow);
        }
    }

    /// Applies a rule that begins with `+` or `-`.
    pub fn apply(&mut self, rule: &[u8], catalog: &dyn Catalog) -> Result<(), RuleError> {
        let (allow, what) = (rule.starts_with(b"+"), &rule[1..]);
        if what.eq_ignore_ascii_case(b"@all") {
            *self = Commands::begin(allow);
            return Ok(());
        }
        if let Some(category) = what.strip_prefix(b"@") {
            let category = catalog.category(category).ok_or(RuleError::Unknown)?;
            let all = (0..catalog.count()).map(|id| catalog.entry(id));
            for entry in all.filter(|entry| entry.categories & category != 0) {
                self.set(&entry, allow);
            }
            self.note(allow, what);
            return Ok(());
        }
        match catalog.find(what) {
            Some(entry) => {
                self.set(&entry, allow);
                self.note(allow, what);
                Ok(())
            }
            None if allow => self.allow_argument(what, catalog),
            None => Err(RuleError::Unknown),
        }
    }

    /// Applies `command|argument`, which is no subcommand.
    fn allow_argument(&mut self, what: &[u8], catalog: &dyn Catalog) -> Result<(), RuleError> {
        let bar = what.iter().rposition(|byte| *byte == b'|');
        let bar = bar.ok_or(RuleError::Unknown)?;
        let entry = catalog.find(&what[..bar]).ok_or(RuleError::Unknown)?;
        let argument = &what[bar + 1..];
        if entry.is_member() {
            return Err(RuleError::ArgumentOfMember);
        }
        if argument.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !entry.members.is_empty() {
            return Err(RuleError::Unknown);
        }
        log::warn!(
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse \
             of ACL and may get disabled in the future (offender: +{})",
            String::from_utf8_lossy(what)
        );
        let known = (entry.id, argument.to_ascii_lowercase());
        if !self.arguments.contains(&known) {
            self.arguments.push(known);
        }
        self.note(true, what);
        Ok(())
    }

    /// Keeps a rule in place of those about the same commands.
    fn note(&mut self, allow: bool, what: &[u8]) {
        let what = what.to_ascii_lowercase();
        self.rules.retain(|rule| {
            let rest = rule.what.strip_prefix(what.as_slice());
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"|"))
        });
        self.rules.push(Rule { allow, what });
    }

    /// The rules that open just these.
    pub fn rules(&self) -> Vec<u8> {
        let sign = |allow| if allow { b'+' } else { b'-' };
        let mut line = vec![sign(self.all)];
        line.extend_from_slice(b"@all");
        for rule in &self.rules {
            let word = [&[sign(rule.allow)], rule.what.as_slice()].concat();
            words::push(&mut line, &word);
        }
        line
    }
}
