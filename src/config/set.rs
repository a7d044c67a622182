//! `CONFIG SET`: several directives at once, all or nothing.
//!
//! Three steps, so that a refusal anywhere leaves no trace:
//!
//! 1. [`plan`] finds every directive, asks whether it may change now, and sets the arguments on a
//!    copy of the settings;
//! 2. [`Change::carry_out`] runs the hook of each directive that really changed, each hook once,
//!    against the new settings;
//! 3. the caller stores the settings that it gets back.
//!
//! When a hook refuses, the hooks that have run are run again with the old settings, in the order
//! of the first time, and the copy is dropped.

use super::checks;
use super::row::{Apply, Row, Traits};
use super::table::Settings;
use super::value::{Occasion, Reason};

/// What the answer depends on besides the settings.
#[derive(Clone, Copy, Debug)]
pub struct SetContext {
    /// A data set is being loaded.
    pub loading: bool,
    /// The client is on this host.
    pub client_is_local: bool,
}

/// Why nothing was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no directive of this name.
    Unknown(Vec<u8>),
    /// A directive cannot change while a data set is being loaded.
    Loading,
    /// A directive or its hook said no.
    Refused {
        /// The directive.
        name: Vec<u8>,
        /// What it said.
        reason: Reason,
    },
}

impl SetError {
    /// The error reply, code word included.
    pub fn reply(&self) -> Vec<u8> {
        match self {
            SetError::Unknown(name) => [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                name.as_slice(),
                b"'",
            ]
            .concat(),
            SetError::Loading => b"LOADING Redis is loading the dataset in memory".to_vec(),
            SetError::Refused { name, reason } => [
                b"ERR CONFIG SET failed (possibly related to argument '",
                name.as_slice(),
                b"') - ",
                reason.as_bytes(),
            ]
            .concat(),
        }
    }
}

/// Settings that differ from the current ones, and what makes the difference real.
#[derive(Debug)]
#[must_use = "a planned change does nothing until it is carried out"]
pub struct Change {
    before: Settings,
    after: Settings,
    /// Each hook once, with the first directive that asked for it.
    hooks: Vec<(Apply, &'static str)>,
}

/// Checks all pairs of name and value, and sets them on a copy of `current`.
pub fn plan(
    current: &Settings,
    pairs: &[(&[u8], &[u8])],
    context: SetContext,
) -> Result<Change, SetError> {
    let mut chosen: Vec<(&'static Row, &'static str)> = Vec::with_capacity(pairs.len());
    for (name, _) in pairs {
        let refused = |reason: &'static str| SetError::Refused {
            name: name.to_vec(),
            reason: reason.into(),
        };
        let row = Row::find(name).ok_or_else(|| SetError::Unknown(name.to_vec()))?;
        if !row.is_mutable() {
            return Err(refused("can't set immutable config"));
        }
        let protection = current.enable_protected_configs;
        if row.is(Traits::PROTECTED) && !protection.allows(context.client_is_local) {
            return Err(refused("can't set protected config"));
        }
        if row.is(Traits::DENY_LOADING) && context.loading {
            return Err(SetError::Loading);
        }
        if chosen.iter().any(|(other, _)| other.name == row.name) {
            return Err(refused("duplicate parameter"));
        }
        chosen.push((row, row.own_name(name)));
    }
    let mut change = Change {
        before: current.clone(),
        after: current.clone(),
        hooks: Vec::new(),
    };
    for ((row, name), (_, value)) in chosen.iter().zip(pairs) {
        let refused = |reason| SetError::Refused {
            name: name.as_bytes().to_vec(),
            reason,
        };
        let args = command_args(row, value);
        row.set(&mut change.after, &args, Occasion::Command)
            .map_err(refused)?;
        change.note_hook(row, name);
    }
    Ok(change)
}

/// The arguments that a value is: one, or for directives that take several, what stands between
/// spaces.
fn command_args(row: &Row, value: &[u8]) -> Vec<Vec<u8>> {
    if !row.is(Traits::MULTI) {
        return vec![value.to_vec()];
    }
    if value.is_empty() {
        return Vec::new();
    }
    value
        .split(|byte| *byte == b' ')
        .map(<[u8]>::to_vec)
        .collect()
}

impl Change {
    fn note_hook(&mut self, row: &Row, name: &'static str) {
        let is_noted = self.hooks.iter().any(|(hook, _)| *hook == row.apply);
        let is_changed =
            row.is(Traits::VOLATILE) || row.show(&self.before) != row.show(&self.after);
        if row.apply != Apply::None && !is_noted && is_changed {
            self.hooks.push((row.apply, name));
        }
    }

    /// Runs the hooks and gives the settings to store; or undoes them and says who refused.
    pub fn carry_out(
        self,
        mut apply: impl FnMut(Apply, &Settings) -> Result<(), Reason>,
    ) -> Result<Settings, SetError> {
        for (position, (hook, name)) in self.hooks.iter().enumerate() {
            let Err(reason) = apply(*hook, &self.after) else {
                continue;
            };
            log::warn!(
                "Failed applying new configuration. Possibly related to new {name} setting. \
                 Restoring previous settings."
            );
            for (hook, _) in &self.hooks[..=position] {
                if let Err(reason) = apply(*hook, &self.before) {
                    log::warn!("Failed applying restored failed CONFIG SET command: {reason}");
                }
            }
            return Err(SetError::Refused {
                name: name.as_bytes().to_vec(),
                reason,
            });
        }
        for doubt in checks::doubts(&self.after) {
            if !checks::doubts(&self.before).contains(&doubt) {
                log::warn!("{doubt}");
            }
        }
        Ok(self.after)
    }
}
