//! Rewrites that were tried, and how long automatic ones wait after failures.

/// From so many failures in a row on, automatic rewrites wait.
const FAILURES_BEFORE_LIMIT: u64 = 3;
/// The longest wait, in minutes.
const LIMIT_MINUTES_MAX: u64 = 60;

/// Rewrites, as far as they outlast a child.
#[derive(Debug)]
pub(super) struct Attempts {
    /// One is to be begun by periodic work, since it was asked for when none could be.
    pub(super) scheduled: bool,
    /// Rewrites since the start.
    pub(super) started: u64,
    /// Whether the last one succeeded.
    pub(super) last_ok: bool,
    /// How long the last one took, in seconds; -1 before the first.
    pub(super) last_duration_s: i64,
    /// Copy-on-write bytes of the last child.
    pub(super) last_cow_bytes: u64,
    pub(super) failures_in_a_row: u64,
    pub(super) limit: Limit,
    /// When one was tried last, in monotonic milliseconds.
    pub(super) tried_ms: Option<u64>,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            scheduled: false,
            started: 0,
            last_ok: true,
            last_duration_s: -1,
            last_cow_bytes: 0,
            failures_in_a_row: 0,
            limit: Limit::default(),
            tried_ms: None,
        }
    }
}

/// How long automatic rewrites wait after failures: a minute, then twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Limit {
    pub(super) delay_minutes: u64,
    /// None may be begun before, in monotonic milliseconds.
    pub(super) until_ms: Option<u64>,
}

impl Limit {
    /// Whether a rewrite has to wait, with so many failures before it.
    pub(super) fn holds(&mut self, failures: u64, now_ms: u64) -> bool {
        if failures < FAILURES_BEFORE_LIMIT {
            *self = Limit::default();
            return false;
        }
        if let Some(until_ms) = self.until_ms {
            if now_ms < until_ms {
                return true;
            }
            self.until_ms = None;
            return false;
        }
        self.delay_minutes = (self.delay_minutes * 2).clamp(1, LIMIT_MINUTES_MAX);
        self.until_ms = Some(now_ms + self.delay_minutes * 60_000);
        log::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \
             {} minutes",
            self.delay_minutes
        );
        true
    }
}
