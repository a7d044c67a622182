//! How readily the kernel kills this process when memory runs out, by its role.
//!
//! A replica gives way before its master, and a snapshot child before either. The score that the
//! process was started with is kept, to be the base of relative scores and to come back when the
//! directive is switched off.

use crate::base::errno::os_text;
use crate::config::{OomScoreAdj, Settings};
use crate::engine::world::ProcessRole;
use crate::sys::usage;

/// The score for a part, or none where it is to be left alone.
fn score(settings: &Settings, role: ProcessRole, base: i32) -> Option<i32> {
    let values = settings.oom_score_adj_values;
    let value = match role {
        ProcessRole::Master | ProcessRole::Sentinel => values.master,
        ProcessRole::Replica => values.replica,
        ProcessRole::Child => values.child,
    };
    match settings.oom_score_adj {
        OomScoreAdj::No => None,
        OomScoreAdj::Relative => Some(base.saturating_add(value)),
        OomScoreAdj::Absolute => Some(value),
    }
}

/// Sets the score that the settings ask for. `base` is the score that the process was started with,
/// if another is in force; what comes back is to be remembered as that.
///
/// # Errors
///
/// The kernel refuses it; the reason is in the log.
pub fn apply(
    settings: &Settings,
    role: ProcessRole,
    base: Option<i32>,
) -> Result<Option<i32>, &'static str> {
    const REFUSED: &str = "Failed to apply new oom_score_adj configuration, check server logs.";
    let off = settings.oom_score_adj == OomScoreAdj::No;
    let base = match base {
        Some(base) => base,
        None if off => return Ok(None),
        None => usage::oom_score_adj().map_err(|e| {
            log::warn!("Unable to read oom_score_adj: {}", os_text(&e));
            REFUSED
        })?,
    };
    let wanted = score(settings, role, base).unwrap_or(base);
    usage::set_oom_score_adj(wanted).map_err(|e| {
        log::warn!("Unable to write oom_score_adj: {}", os_text(&e));
        REFUSED
    })?;
    Ok((!off).then_some(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_part_and_mode() {
        let mut settings = Settings::default();
        assert_eq!(score(&settings, ProcessRole::Child, 100), None);
        settings.oom_score_adj = OomScoreAdj::Relative;
        assert_eq!(score(&settings, ProcessRole::Replica, 100), Some(300));
        settings.oom_score_adj = OomScoreAdj::Absolute;
        assert_eq!(score(&settings, ProcessRole::Child, 100), Some(800));
        assert_eq!(score(&settings, ProcessRole::Master, 100), Some(0));
    }
}
