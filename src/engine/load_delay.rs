//! `key-load-delay`: pauses that make a load last, so that tests can see what happens meanwhile.
//!
//! A pause is due for each key or command, so what is loaded between two looks at the clients
//! should be one: a slice grows while none ends within it, and shrinks when several do.

use std::ops::RangeInclusive;

use crate::base::time::Now;
use crate::config::Settings;

/// Bytes loaded between two looks at the clients, at most; fewer if
/// `loading-process-events-interval-bytes` says so.
const SLICE_BYTES: usize = 256 * 1024;
/// The same while there are pauses.
const DELAYED_SLICE_BYTES: RangeInclusive<usize> = 1024..=64 * 1024;

/// How far a load is to be held up.
pub struct LoadDelay {
    /// The load pauses until then, in monotonic microseconds.
    resumes_at_us: u64,
    /// Bytes to load next, while there are pauses.
    slice_bytes: usize,
}

impl Default for LoadDelay {
    fn default() -> LoadDelay {
        LoadDelay {
            resumes_at_us: 0,
            slice_bytes: *DELAYED_SLICE_BYTES.start(),
        }
    }
}

/// How long so many keys are to be delayed: each by so many microseconds, or, if the number is
/// negative, one in so many by a microsecond.
fn delay_us(delay: i32, keys: u64) -> u64 {
    let size = u64::from(delay.unsigned_abs());
    match delay {
        0.. => keys * size,
        _ => keys / size,
    }
}

impl LoadDelay {
    /// Bytes to load in one slice.
    pub fn slice_bytes(&self, settings: &Settings) -> usize {
        match settings.key_load_delay {
            0 => SLICE_BYTES.min(settings.loading_process_events_interval_bytes as usize),
            _ => self.slice_bytes,
        }
    }

    /// A slice was loaded, which brought the number of keys and commands from `before` to `after`.
    pub fn pause_after(&mut self, before: u64, after: u64, settings: &Settings, now: Now) {
        let due_us = |count| delay_us(settings.key_load_delay, count);
        self.resumes_at_us = now.mono_us + due_us(after) - due_us(before);
        let wanted = match after - before {
            0 => self.slice_bytes * 2,
            1 => self.slice_bytes,
            2.. => self.slice_bytes / 2,
        };
        let (least, most) = DELAYED_SLICE_BYTES.into_inner();
        self.slice_bytes = wanted.clamp(least, most);
    }

    /// Ends the pause if there are to be none any more.
    pub fn follow(&mut self, settings: &Settings) {
        if settings.key_load_delay == 0 {
            self.resumes_at_us = 0;
        }
    }

    /// When the load goes on, in monotonic microseconds.
    pub fn resumes_at_us(&self) -> u64 {
        self.resumes_at_us
    }

    /// How long the load has to pause yet, in microseconds.
    pub fn pause_us(&self, now: Now) -> u64 {
        self.resumes_at_us.saturating_sub(now.mono_us)
    }

    /// Whether the load pauses.
    pub fn pauses(&self, now: Now) -> bool {
        self.pause_us(now) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(key_load_delay: i32) -> Settings {
        Settings {
            key_load_delay,
            ..Settings::default()
        }
    }

    #[test]
    fn a_negative_delay_is_one_microsecond_for_so_many_keys() {
        assert_eq!([0, 1, 5].map(|keys| delay_us(50, keys)), [0, 50, 250]);
        assert_eq!(
            [0, 24, 25, 74].map(|keys| delay_us(-25, keys)),
            [0, 0, 1, 2]
        );
        assert_eq!(delay_us(i32::MIN, 1 << 32), 2);
    }

    #[test]
    fn what_was_loaded_is_paused_for() {
        let now = Now::default();
        for (setting, before, after, us) in [
            (100, 5, 8, 300),
            (100, 5, 5, 0),
            (-10, 5, 8, 0),
            (-10, 5, 31, 3),
            (0, 5, 8, 0),
        ] {
            let mut delay = LoadDelay::default();
            delay.pause_after(before, after, &settings(setting), now);
            let pause_us = delay.resumes_at_us() - now.mono_us;
            assert_eq!(pause_us, us, "{setting} {before} {after}");
            assert_eq!(delay.pauses(now), us > 0);
        }
        let mut delay = LoadDelay::default();
        delay.pause_after(0, 1000, &settings(1000), now);
        delay.follow(&settings(0));
        assert!(!delay.pauses(now));
    }

    #[test]
    fn a_slice_comes_to_hold_about_one_key() {
        for key_bytes in [10, 3000, 10_000, 50_000] {
            let mut delay = LoadDelay::default();
            let (mut bytes, mut slices) = (0, 0);
            while bytes < 1000 * key_bytes {
                let next = bytes + delay.slice_bytes(&settings(1));
                let keys = |bytes: usize| (bytes / key_bytes) as u64;
                delay.pause_after(keys(bytes), keys(next), &settings(1), Now::default());
                (bytes, slices) = (next, slices + 1);
            }
            assert!(slices <= 3000, "{key_bytes}: {slices}");
            assert!(delay.slice_bytes(&settings(1)) <= 2 * key_bytes.max(1024));
        }
        let unhurried = LoadDelay::default().slice_bytes(&settings(0));
        assert!(unhurried > 100_000);
    }
}
