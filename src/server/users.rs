//! The users of the start: from the lines of the configuration, or from the file of users.

use std::collections::HashSet;

use super::failure::Failure;
use crate::acl::selector::Rules;
use crate::acl::users::{BadRules, DEFAULT, changed, is_name};
use crate::acl::{Rights, RuleError, Users, file};
use crate::commands::acl::all_channels_by_default;
use crate::commands::context::CommandTable;
use crate::config::{Config, UserLine};
use crate::sys;

const BOTH: &str = "Configuring Redis with users defined in redis.conf and at the same setting an \
    ACL file path is invalid. This setup is very likely to lead to configuration errors and \
    security holes, please define either an ACL file or declare users directly in your redis.conf, \
    but not both.";

/// All users, as the configuration has them.
pub(super) fn load(config: &Config, table: &CommandTable) -> Result<Users, Failure> {
    let settings = &config.settings;
    let rules = Rules {
        catalog: table,
        all_channels: all_channels_by_default(settings),
    };
    let secret = sys::entropy::seed().map_err(|e| format!("Cannot start: {e}"))?;
    let password = settings.requirepass.as_deref().filter(|p| !p.is_empty());
    let mut users = Users::new(password, secret);
    check_names(&config.users)?;
    if !settings.aclfile.is_empty() && !config.users.is_empty() {
        return Err(BOTH.to_owned().into());
    }
    for line in &config.users {
        add(&mut users, line, rules)?;
    }
    if !settings.aclfile.is_empty() {
        let name = String::from_utf8_lossy(&settings.aclfile);
        let path = settings.dir.join(&settings.aclfile);
        let read = file::load(&path, &name, rules).map_err(|errors| {
            let errors = String::from_utf8_lossy(&errors);
            format!("Aborting Redis startup because of ACL errors: {errors}")
        })?;
        users.replace(read);
    }
    Ok(users)
}

/// No user has two lines.
fn check_names(lines: &[UserLine]) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for line in lines {
        let name = &line.args[0];
        if !seen.insert(name) {
            let reason = format!(
                "Error in user declaration '{}': Duplicate user found. A user can only be defined \
                 once in config files",
                String::from_utf8_lossy(name)
            );
            return Err(Failure::Config(line.place.error(reason).to_string()));
        }
    }
    Ok(())
}

/// Adds the user of a line.
fn add(users: &mut Users, line: &UserLine, rules: Rules<'_>) -> Result<(), Failure> {
    let [name, words @ ..] = line.args.as_slice() else {
        return Ok(());
    };
    if !is_name(name) {
        return Err(critical("Spaces not allowed in ACL usernames"));
    }
    let words = words.iter().map(Vec::as_slice);
    let made = changed(Rights::new(rules.all_channels), words, rules);
    let rights = made.map_err(|bad| refuse(line, &bad))?;
    if !rights.enabled {
        log::info!(
            "The user '{}' is disabled (there is no 'on' modifier in the user description). Make \
             sure this is not a configuration error.",
            String::from_utf8_lossy(name)
        );
    }
    debug_assert!(users.get(name).is_none() || name == DEFAULT, "names differ");
    users.put(name, rights);
    Ok(())
}

/// What is wrong with a line. A command that nobody knows is told apart: it may be a newer one.
fn refuse(line: &UserLine, bad: &BadRules) -> Failure {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (what, why) = match bad {
        BadRules::Rule(rule, RuleError::Unknown) => {
            let (rule, name) = (text(rule), text(&line.args[0]));
            let why = RuleError::Unknown.text();
            return critical(&format!(
                "Error loading ACL rule '{rule}' for the user named '{name}': {why}"
            ));
        }
        BadRules::Rule(rule, error) => (text(rule), error.text()),
        BadRules::Unmatched(word) => (text(word), "Unmatched parenthesis in acl selector"),
    };
    let reason = format!("Error in user declaration '{what}': {why}");
    Failure::Config(line.place.error(reason).to_string())
}

fn critical(reason: &str) -> Failure {
    log::warn!("{reason}");
    "Critical error while loading ACLs. Exiting."
        .to_owned()
        .into()
}
