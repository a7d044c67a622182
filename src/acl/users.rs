//! All users, by name. There is always one called `default`, with whom connections begin.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::RuleError;
use super::password;
use super::selector::Rules;
use super::user::{Rights, User};
use super::words;

/// With whom connections begin.
pub const DEFAULT: &[u8] = b"default";

/// A rule of a definition that is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadRules {
    /// This parenthesis is never closed.
    Unmatched(Vec<u8>),
    /// This rule is wrong.
    Rule(Vec<u8>, RuleError),
}

impl BadRules {
    /// What to say to who changes a user.
    pub fn text(&self) -> Vec<u8> {
        match self {
            BadRules::Unmatched(word) => {
                let before = b"Unmatched parenthesis in acl selector starting at '";
                [&before[..], word, b"'."].concat()
            }
            BadRules::Rule(rule, error) => {
                let text = error.text().as_bytes();
                [b"Error in ACL SETUSER modifier '", &**rule, b"': ", text].concat()
            }
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Rc<User>>,
    default: Rc<User>,
    /// Nobody knows it, and passwords are made from it.
    secret: [u8; 32],
    generated: u64,
}

impl Users {
    /// Only the default user, who may do everything, with this password if there is one.
    pub fn new(password: Option<&[u8]>, secret: [u8; 32]) -> Users {
        let mut rights = Rights::all();
        rights.set_password(password);
        let default = Rc::new(User::new(DEFAULT, rights));
        Users {
            by_name: BTreeMap::from([(DEFAULT.into(), default.clone())]),
            default,
            secret,
            generated: 0,
        }
    }

    /// With whom connections begin.
    pub fn default_user(&self) -> &Rc<User> {
        &self.default
    }

    /// Whether connections are logged in as the default user without a password.
    pub fn is_open(&self) -> bool {
        let rights = self.default.rights();
        rights.enabled && rights.any_password
    }

    /// The user of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Rc<User>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rc<User>> {
        self.by_name.values()
    }

    /// Their lines, as files have them.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.iter().map(|user| user.line()).collect()
    }

    /// Who logs in with this name and password, if that is right.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Rc<User>> {
        let user = self.get(name)?;
        user.rights().accept(password).then(|| user.clone())
    }

    /// What a user of this name, new or not, may do after these rules.
    pub fn plan<'a>(
        &self,
        name: &[u8],
        rule_words: impl IntoIterator<Item = &'a [u8]>,
        rules: Rules<'_>,
    ) -> Result<Rights, BadRules> {
        let rights = match self.get(name) {
            Some(user) => user.rights().clone(),
            None => Rights::new(rules.all_channels),
        };
        changed(rights, rule_words, rules)
    }

    /// Gives a user of this name, new or not, these rights.
    pub fn put(&mut self, name: &[u8], rights: Rights) {
        match self.by_name.get(name) {
            Some(user) => user.set_rights(rights),
            None => {
                let user = Rc::new(User::new(name, rights));
                self.by_name.insert(name.into(), user);
            }
        }
    }

    /// Removes a user, who is not the default one.
    pub fn remove(&mut self, name: &[u8]) -> Option<Rc<User>> {
        assert_ne!(name, DEFAULT, "there is always a default user");
        self.by_name.remove(name)
    }

    /// Puts these users in the place of all. Those who are no more are returned; the default user
    /// stays the same, with other rights.
    pub fn replace(&mut self, users: Vec<(Vec<u8>, Rights)>) -> Vec<Rc<User>> {
        self.by_name.remove(DEFAULT);
        let removed = std::mem::take(&mut self.by_name);
        self.by_name.insert(DEFAULT.into(), self.default.clone());
        self.default.set_rights(Rights::all());
        for (name, rights) in users {
            self.put(&name, rights);
        }
        removed.into_values().collect()
    }

    /// Gives the default user this password and no other; without one, any is right.
    pub fn set_default_password(&mut self, password: Option<&[u8]>) {
        let mut rights = self.default.rights().clone();
        rights.set_password(password);
        self.default.set_rights(rights);
    }

    /// A password of so many hexadecimal digits that nobody can guess.
    pub fn generate_password(&mut self, digits: usize) -> Vec<u8> {
        self.generated += 1;
        password::generate(&self.secret, self.generated, digits)
    }
}

/// Rights after more rules, all of which are right.
pub fn changed<'a>(
    mut rights: Rights,
    rule_words: impl IntoIterator<Item = &'a [u8]>,
    rules: Rules<'_>,
) -> Result<Rights, BadRules> {
    let merged = words::merge(rule_words);
    for rule in merged.map_err(|word| BadRules::Unmatched(word.to_vec()))? {
        let applied = rights.apply(&rule, rules);
        applied.map_err(|error| BadRules::Rule(rule, error))?;
    }
    Ok(rights)
}

/// Whether a user can be called so.
pub fn is_name(name: &[u8]) -> bool {
    words::is_plain(name)
}
