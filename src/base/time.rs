//! The instant a tick runs at.
//!
//! Everything below `server/` gets the time as an argument: the loop reads the clocks once per
//! tick and passes one `Now` down, so that a command sees a single instant and a test can live at
//! any instant it likes. Two clocks travel together because they answer different questions: the
//! wall clock says when a key expires, the monotonic one how long something has taken.
//!
//! The wall clock may step in either direction between two ticks; the monotonic one never goes
//! back. Durations and timeouts are computed from the latter only.

/// One reading of both clocks, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: microseconds since the Unix epoch.
    pub unix_us: i64,
    /// Monotonic clock: microseconds since an arbitrary fixed point.
    pub mono_us: u64,
}

impl Now {
    /// An instant whose two clocks agree, `unix_ms` milliseconds after the epoch: what tests and
    /// simulations start from.
    pub const fn at_unix_ms(unix_ms: i64) -> Now {
        Now {
            unix_us: unix_ms * 1000,
            mono_us: (unix_ms * 1000) as u64,
        }
    }

    /// Milliseconds since the epoch, the unit of expiry times.
    pub const fn unix_ms(&self) -> i64 {
        self.unix_us / 1000
    }

    /// Seconds since the epoch.
    pub const fn unix_s(&self) -> i64 {
        self.unix_us / 1_000_000
    }

    /// Milliseconds of the monotonic clock.
    pub const fn mono_ms(&self) -> u64 {
        self.mono_us / 1000
    }

    /// The instant `ms` milliseconds later on both clocks.
    pub const fn plus_ms(self, ms: u64) -> Now {
        Now {
            unix_us: self.unix_us + ms as i64 * 1000,
            mono_us: self.mono_us + ms * 1000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_truncate_from_microseconds() {
        let now = Now {
            unix_us: 1_700_000_000_123_999,
            mono_us: 5_999,
        };
        assert_eq!(now.unix_ms(), 1_700_000_000_123);
        assert_eq!(now.unix_s(), 1_700_000_000);
        assert_eq!(now.mono_ms(), 5);
    }

    #[test]
    fn both_clocks_advance_together() {
        let start = Now::at_unix_ms(1_000);
        let later = start.plus_ms(250);
        assert_eq!(later.unix_ms(), 1_250);
        assert_eq!(later.mono_us - start.mono_us, 250_000);
    }
}
