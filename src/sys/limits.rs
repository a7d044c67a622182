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

/// A wish that is refused is cut by multiples of this.
const STEP: u64 = 16;

/// Raises the limit on open files to `wanted`, or to the most that the system allows of what is a
/// multiple of sixteen less. Never lowers it.
pub fn raise_descriptors(wanted: u64) -> Raised {
    let (soft, hard) = match descriptors() {
        Ok(limits) => limits,
        Err(error) => {
            return Raised {
                reached: 0,
                refused: Some(error),
            };
        }
    };
    // The hard limit is raised where that is needed and allowed, and never lowered, since an
    // ordinary user could not raise it again.
    let set = |limit: u64| set_descriptors(limit, hard.max(limit));
    let mut raised = Raised {
        reached: soft,
        refused: None,
    };
    if wanted <= soft {
        return raised;
    }
    match set(wanted) {
        Ok(()) => {
            raised.reached = wanted;
            return raised;
        }
        Err(error) => raised.refused = Some(error),
    }
    // What is allowed ends somewhere between `refused` steps less and `allowed` steps less.
    let (mut refused, mut allowed) = (0, (wanted - soft).div_ceil(STEP));
    while refused + 1 < allowed {
        let steps = refused.midpoint(allowed);
        let limit = wanted - steps * STEP;
        match set(limit) {
            Ok(()) => {
                allowed = steps;
                raised.reached = limit;
            }
            Err(error) => {
                refused = steps;
                raised.refused = Some(error);
            }
        }
    }
    raised
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
        assert_eq!(descriptors().unwrap().0, raised.reached);
    }
}
