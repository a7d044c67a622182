//! How readily the kernel kills this process when memory runs out, by its role.
//!
//! A replica gives way before its master, and a snapshot child before either. The score that the
//! process was started with is kept, to be the base of relative scores and to come back when the
//! directive is switched off.

use super::hub::Hub;
use crate::base::errno::os_text;
use crate::config::{OomScoreAdj, Settings};
use crate::sys::usage;

/// The part that a process plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A master.
    Master,
    /// A replica.
    Replica,
    /// A child that writes a snapshot.
    Child,
}

/// The score for a part, or none where it is to be left alone.
fn score(settings: &Settings, part: Part, base: i32) -> Option<i32> {
    let values = settings.oom_score_adj_values;
    let value = match part {
        Part::Master => values.master,
        Part::Replica => values.replica,
        Part::Child => values.child,
    };
    match settings.oom_score_adj {
        OomScoreAdj::No => None,
        OomScoreAdj::Relative => Some(base.saturating_add(value)),
        OomScoreAdj::Absolute => Some(value),
    }
}

impl Hub {
    /// Sets the score that the settings ask for.
    ///
    /// # Errors
    ///
    /// The kernel refuses it; the reason is in the log.
    pub fn apply_oom_score(&mut self, settings: &Settings, part: Part) -> Result<(), &'static str> {
        const REFUSED: &str = "Failed to apply new oom_score_adj configuration, check server logs.";
        let off = settings.oom_score_adj == OomScoreAdj::No;
        let base = match self.oom_base {
            Some(base) => base,
            None if off => return Ok(()),
            None => usage::oom_score_adj().map_err(|e| {
                log::warn!("Unable to read oom_score_adj: {}", os_text(&e));
                REFUSED
            })?,
        };
        self.oom_base = (!off).then_some(base);
        let wanted = score(settings, part, base).unwrap_or(base);
        usage::set_oom_score_adj(wanted).map_err(|e| {
            log::warn!("Unable to write oom_score_adj: {}", os_text(&e));
            REFUSED
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_part_and_mode() {
        let mut settings = Settings::default();
        assert_eq!(score(&settings, Part::Child, 100), None);
        settings.oom_score_adj = OomScoreAdj::Relative;
        assert_eq!(score(&settings, Part::Replica, 100), Some(300));
        settings.oom_score_adj = OomScoreAdj::Absolute;
        assert_eq!(score(&settings, Part::Child, 100), Some(800));
        assert_eq!(score(&settings, Part::Master, 100), Some(0));
    }
}
