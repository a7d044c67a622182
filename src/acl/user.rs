//! A user: a name, passwords, and what is open to whoever has logged in with them.

use std::cell::{Cell, Ref, RefCell};

use super::error::RuleError;
use super::password::{self, Hash};
use super::patterns::{Access, Channels, Keys};
use super::selector::{Denied, Request, Rules, Selector};
use super::words;

/// What a user may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    /// One may log in.
    pub enabled: bool,
    /// Any password is right.
    pub any_password: bool,
    /// The user's serialized values are not checked in depth.
    pub skip_sanitize: bool,
    passwords: Vec<Hash>,
    /// What the rules outside of parentheses open.
    root: Selector,
    /// What those within parentheses open besides.
    others: Vec<Selector>,
}

impl Rights {
    /// Those of a new user, who may do nothing.
    pub fn new(all_channels: bool) -> Rights {
        Rights {
            enabled: false,
            any_password: false,
            skip_sanitize: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            others: Vec::new(),
        }
    }

    /// Those of who may log in with any password and do everything.
    pub fn all() -> Rights {
        Rights {
            enabled: true,
            any_password: true,
            root: Selector::all(),
            ..Rights::new(true)
        }
    }

    /// Only this password is right; without one, any is.
    pub fn set_password(&mut self, password: Option<&[u8]>) {
        self.any_password = password.is_none();
        self.passwords = password.map(password::hash).into_iter().collect();
    }

    /// Whether one may log in with this password.
    pub fn accept(&self, password: &[u8]) -> bool {
        if !self.enabled || self.any_password {
            return self.enabled;
        }
        let given = password::hash(password);
        let mut accepted = false;
        for known in &self.passwords {
            accepted |= password::same(known, &given);
        }
        accepted
    }

    /// Applies one rule.
    pub fn apply(&mut self, rule: &[u8], rules: Rules<'_>) -> Result<(), RuleError> {
        let is = |name: &str| rule.eq_ignore_ascii_case(name.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("skip-sanitize-payload") => self.skip_sanitize = true,
            _ if is("sanitize-payload") => self.skip_sanitize = false,
            _ if is("nopass") => self.set_password(None),
            _ if is("resetpass") => self.reset_passwords(),
            [b'>', password @ ..] => self.add_password(password::hash(password)),
            [b'#', hash @ ..] => self.add_password(password::parse(hash)?),
            [b'<', password @ ..] => self.remove_password(&password::hash(password))?,
            [b'!', hash @ ..] => self.remove_password(&password::parse(hash)?)?,
            [b'(', selector @ .., b')'] => self.others.push(Selector::parse(selector, rules)?),
            _ if is("clearselectors") => self.others.clear(),
            _ if is("reset") => *self = Rights::new(rules.all_channels),
            _ => self.root.apply(rule, rules)?,
        }
        Ok(())
    }

    fn reset_passwords(&mut self) {
        self.any_password = false;
        self.passwords.clear();
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.any_password = false;
    }

    fn remove_password(&mut self, hash: &Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// All selectors, that outside of parentheses first.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// The names of what is on or off, in their order.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            Some(if self.enabled { "on" } else { "off" }),
            self.any_password.then_some("nopass"),
            Some(match self.skip_sanitize {
                true => "skip-sanitize-payload",
                false => "sanitize-payload",
            }),
        ];
        flags.into_iter().flatten()
    }

    /// The hashes of the passwords.
    pub fn passwords(&self) -> &[Hash] {
        &self.passwords
    }

    /// The rules that make them.
    pub fn rules(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for flag in self.flags() {
            words::push(&mut line, flag.as_bytes());
        }
        for hash in &self.passwords {
            words::push(&mut line, &[b"#", &hash[..]].concat());
        }
        words::push(&mut line, &self.root.rules());
        for selector in &self.others {
            words::push(&mut line, &[b"(", &*selector.rules(), b")"].concat());
        }
        line
    }

    /// Whether a command is open in all its parts; if not, what of it to tell.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Denied> {
        let mut worst = Denied::Command;
        for selector in self.selectors() {
            match selector.check(request) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether a command is open and, by the same selector, every key for this besides.
    pub fn check_with_every_key(&self, request: &Request<'_>, access: Access) -> bool {
        self.selectors()
            .any(|s| s.check(request).is_ok() && s.keys.admit_every(access))
    }

    /// Whether keys have to be looked at to tell what is open.
    pub fn depend_on_keys(&self) -> bool {
        self.selectors().any(|s| s.keys != Keys::All)
    }

    /// The channels that any selector opens.
    pub fn channels(&self) -> Channels {
        let mut patterns = Vec::new();
        for selector in self.selectors() {
            match selector.channels.patterns() {
                None => return Channels::All,
                Some(more) => patterns.extend_from_slice(more),
            }
        }
        Channels::Matching(patterns)
    }
}

/// A user, shared by all who are logged in: what changes, changes for all of them at once.
#[derive(Debug)]
pub struct User {
    name: Box<[u8]>,
    /// Everything is open.
    unrestricted: Cell<bool>,
    rights: RefCell<Rights>,
}

impl User {
    /// A user of this name.
    pub fn new(name: &[u8], rights: Rights) -> User {
        let user = User {
            name: name.into(),
            unrestricted: Cell::new(false),
            rights: RefCell::new(rights),
        };
        user.refresh();
        user
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether everything is open, so that there is nothing to ask.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted.get()
    }

    /// What the user may do.
    pub fn rights(&self) -> Ref<'_, Rights> {
        self.rights.borrow()
    }

    /// Changes what the user may do.
    pub fn set_rights(&self, rights: Rights) {
        *self.rights.borrow_mut() = rights;
        self.refresh();
    }

    fn refresh(&self) {
        let unrestricted = self.rights().selectors().any(Selector::is_unrestricted);
        self.unrestricted.set(unrestricted);
    }

    /// The line that makes the user.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.rights().rules()].concat()
    }
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
