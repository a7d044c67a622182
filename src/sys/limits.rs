//! Limits of the process: how many files and sockets it may have open.

use std::io;

/// The limits on open files: the one in force and the one it may be raised to.
///
/// # Errors
///
/// Those of `getrlimit(2)`.
pub fn descriptors() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the result.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    super::check(result)?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// What became of a wish for more descriptors.
#[derive(Debug)]
pub struct Raised {
    /// The limit now in force.
    pub reached: u64,
    /// Why the system refused more, if it did.
    pub refused: Option<io::Error>,
}

/// Raises the limit on open files to `wanted`, or as near to it as the system allows, trying ever
/// fewer. Never lowers it.
pub fn raise_descriptors(wanted: u64) -> Raised {
    const STEP: u64 = 16;
    let (soft, hard) = match descriptors() {
        Ok(limits) => limits,
        Err(error) => {
            return Raised {
                reached: 0,
                refused: Some(error),
            };
        }
    };
    let mut refused = None;
    let mut try_next = wanted;
    while try_next > soft {
        // The hard limit is raised where that is needed and allowed, and never lowered, since an
        // ordinary user could not raise it again.
        match set_descriptors(try_next, hard.max(try_next)) {
            Ok(()) => {
                return Raised {
                    reached: try_next,
                    refused,
                };
            }
            Err(error) => refused = Some(error),
        }
        try_next = (try_next - STEP.min(try_next)).min(descriptors_ceiling());
    }
    Raised {
        reached: soft,
        refused,
    }
}

/// What the kernel grants to nobody: the most descriptors of any process.
fn descriptors_ceiling() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap_or_default();
    text.trim().parse().unwrap_or(u64::MAX)
}

fn set_descriptors(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` outlives the call, which only reads it.
    super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_at_most_the_hard_one() {
        let (soft, hard) = descriptors().unwrap();
        assert!(soft > 0 && soft <= hard);
    }

    #[test]
    fn a_smaller_wish_changes_nothing() {
        let before = descriptors().unwrap();
        let raised = raise_descriptors(1);
        assert_eq!(raised.reached, before.0);
        assert!(raised.refused.is_none());
        assert_eq!(descriptors().unwrap(), before);
    }

    #[test]
    fn an_impossible_wish_ends_near_the_hard_limit() {
        let (soft, hard) = descriptors().unwrap();
        let raised = raise_descriptors(u64::from(u32::MAX));
        assert!(raised.reached >= soft);
        assert!(raised.reached + 16 > hard || raised.reached == soft);
        assert!(raised.refused.is_some());
    }
}
