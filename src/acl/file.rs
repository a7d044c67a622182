//! The file of users: a line for each, and nothing else but empty lines.
//!
//! A file is taken as a whole or not at all: who has made a mistake in one line does not want
//! half of the users.

use std::fs;
use std::io;
use std::path::Path;

use super::error::RuleError;
use super::selector::Rules;
use super::user::Rights;
use super::words;
use crate::base::errno::os_text;
use crate::base::replace::Replacement;
use crate::sys::disk::OsDisk;

/// The users of a file with this name and text.
///
/// # Errors
///
/// What is wrong, of all lines, in one line.
pub fn parse(name: &str, text: &[u8], rules: Rules<'_>) -> Result<Vec<(Vec<u8>, Rights)>, Vec<u8>> {
    let mut reader = Reader {
        name,
        rules,
        users: Vec::new(),
        errors: Vec::new(),
    };
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() {
            reader.read(index + 1, line);
        }
    }
    if reader.errors.is_empty() {
        return Ok(reader.users);
    }
    reader.errors.extend_from_slice(
        b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
    Err(reader.errors)
}

struct Reader<'a> {
    name: &'a str,
    rules: Rules<'a>,
    users: Vec<(Vec<u8>, Rights)>,
    errors: Vec<u8>,
}

impl Reader<'_> {
    fn read(&mut self, line: usize, text: &[u8]) {
        let mut parts = text.split(|byte| *byte == b' ');
        let (keyword, user) = (parts.next().unwrap_or_default(), parts.next());
        let (b"user", Some(user)) = (keyword, user) else {
            let what = "should start with user keyword followed by the username. ";
            let text = format!("{}:{line} {what}", self.name);
            self.errors.extend_from_slice(text.as_bytes());
            return;
        };
        if !words::is_plain(user) {
            let before = format!("'{}:{line}: username '", self.name);
            self.complain(before.as_bytes(), user, b"' contains invalid characters. ");
            return;
        }
        if self.users.iter().any(|(known, _)| known == user) {
            let after = format!("' found on line {line}. ");
            self.complain(b"WARNING: Duplicate user '", user, after.as_bytes());
            return;
        }
        let rights = self.read_rules(line, parts);
        self.users.push((user.to_vec(), rights));
    }

    fn read_rules<'a>(&mut self, line: usize, parts: impl Iterator<Item = &'a [u8]>) -> Rights {
        let mut rights = Rights::new(self.rules.all_channels);
        let place = format!("{}:{line}: ", self.name);
        let Ok(merged) = words::merge(parts) else {
            let what = b"Unmatched parenthesis in selector definition.";
            self.complain(place.as_bytes(), b"", what);
            return rights;
        };
        let mut told = false;
        for rule in merged {
            let rule = rule.trim_ascii();
            let Err(error) = rights.apply(rule, self.rules) else {
                continue;
            };
            if error == RuleError::Unknown {
                // Such a rule holds no secret, so it can be shown.
                let before = format!("{place}Error in applying operation '");
                let after = format!("': {}. ", error.text());
                self.complain(before.as_bytes(), rule, after.as_bytes());
            } else if !told {
                // The first is enough: others may only follow from it.
                self.complain(place.as_bytes(), error.text().as_bytes(), b". ");
                told = true;
            }
        }
        rights
    }

    fn complain(&mut self, before: &[u8], what: &[u8], after: &[u8]) {
        for part in [before, what, after] {
            self.errors.extend_from_slice(part);
        }
    }
}

/// Reads the file at `path`, which is called `name`.
///
/// # Errors
///
/// What is wrong, in one line.
pub fn load(path: &Path, name: &str, rules: Rules<'_>) -> Result<Vec<(Vec<u8>, Rights)>, Vec<u8>> {
    let text = fs::read(path).map_err(|error| {
        let reason = os_text(&error);
        format!("Error loading ACLs, opening file '{name}': {reason}").into_bytes()
    })?;
    parse(name, &text, rules)
}

/// Writes these lines in the place of the file at `path`.
pub fn save(path: &Path, lines: &[Vec<u8>]) -> io::Result<()> {
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    let suffix = format!(".tmp-{}", std::process::id());
    Replacement::by_way_of(path, &suffix, text.into()).run(&mut OsDisk)
}

#[cfg(test)]
mod tests {
    use super::super::catalog::testing::Few;
    use super::*;

    const RULES: Rules<'static> = Rules {
        catalog: &Few,
        all_channels: false,
    };

    #[test]
    fn a_file_has_a_line_for_each_user() {
        let text = b"user alice on +@all ~* &* >abc\n\n user bob on (+get ~a ) (%W~b +set)\r\n";
        let users = parse("f", text, RULES).expect("a good file");
        let names: Vec<_> = users.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [&b"alice"[..], b"bob"]);
        assert!(users[0].1.accept(b"abc"));
        let rules = String::from_utf8(users[1].1.rules()).expect("text");
        assert_eq!(
            rules,
            "on sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%W~b \
             resetchannels -@all +set)"
        );
    }

    #[test]
    fn all_that_is_wrong_with_a_file_is_told() {
        let text =
            b"bob on\nuser a +nothing\nuser a off\nuser c off (+get\nuser d x y\nuser\tx on\n";
        let errors = parse("f", text, RULES).expect_err("a bad file");
        assert_eq!(
            String::from_utf8(errors).expect("text"),
            "f:1 should start with user keyword followed by the username. f:2: Error in applying \
             operation '+nothing': Unknown command or category name in ACL. WARNING: Duplicate \
             user 'a' found on line 3. f:4: Unmatched parenthesis in selector definition.f:5: \
             Syntax error. f:6 should start with user keyword followed by the username. WARNING: \
             ACL errors detected, no change to the previously active ACL rules was performed"
        );
    }
}
