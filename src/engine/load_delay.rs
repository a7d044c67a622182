//! `key-load-delay`: pauses that make a load last, so that tests can see what happens meanwhile.
//!
//! A pause is due for each key or command. No clock of ours is finer than a millisecond, so shorter
//! pauses are added up, and a slice of the load is to be worth some milliseconds: it grows while it
//! is worth less, and shrinks when it is worth more.

use std::ops::RangeInclusive;

use crate::base::time::Now;
use crate::config::Settings;

/// Bytes loaded between two looks at the clients, at most; fewer if
/// `loading-process-events-interval-bytes` says so.
const SLICE_BYTES: usize = 256 * 1024;
/// The same while there are pauses.
const DELAYED_SLICE_BYTES: RangeInclusive<usize> = 1024..=64 * 1024;
/// How long the pause after a slice is to be, in microseconds; a shorter one is not made at once.
const PAUSE_US: RangeInclusive<u64> = 1000..=10_000;

/// How far a load is to be held up.
pub struct LoadDelay {
    /// The load pauses until then, in monotonic microseconds.
    resumes_at_us: u64,
    /// Pauses that were too short to be made, in microseconds.
    owed_us: u64,
    /// Bytes to load next, while there are pauses.
    slice_bytes: usize,
}

impl Default for LoadDelay {
    fn default() -> LoadDelay {
        LoadDelay {
            resumes_at_us: 0,
            owed_us: 0,
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
        let pause_us = due_us(after) - due_us(before);
        let (shortest, longest) = PAUSE_US.into_inner();
        self.owed_us += pause_us;
        if self.owed_us >= shortest {
            self.resumes_at_us = now.mono_us + std::mem::take(&mut self.owed_us);
        }
        let wanted = if pause_us < shortest {
            self.slice_bytes * 2
        } else if pause_us > longest {
            self.slice_bytes / 2
        } else {
            self.slice_bytes
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

    /// Loads so many keys of that size in virtual time. Returns how long it took, in microseconds,
    /// and the number of slices.
    fn load(keys: u64, key_bytes: usize, settings: &Settings) -> (u64, u64) {
        let (mut delay, mut now, mut slices) = (LoadDelay::default(), Now::default(), 0);
        let (start_us, mut bytes, mut loaded) = (now.mono_us, 0, 0);
        while loaded < keys {
            bytes += delay.slice_bytes(settings);
            let before = std::mem::replace(&mut loaded, keys.min((bytes / key_bytes) as u64));
            delay.pause_after(before, loaded, settings, now);
            now.mono_us += delay.pause_us(now);
            slices += 1;
        }
        (now.mono_us - start_us, slices)
    }

    #[test]
    fn a_load_takes_as_long_as_its_keys_are_to_be_delayed() {
        for setting in [0, 1, 100, 5000, 300_000, -10] {
            for key_bytes in [10, 1000, 10_000, 1_000_000] {
                let due_us = delay_us(setting, 1000);
                let (spent_us, _) = load(1000, key_bytes, &settings(setting));
                let is_about_that = spent_us <= due_us && due_us - spent_us < 1000;
                assert!(is_about_that, "{setting} {key_bytes}: {spent_us}");
            }
        }
    }

    #[test]
    fn slices_are_few_and_their_pauses_short() {
        for (setting, key_bytes, most) in [(100, 10, 40), (100, 10_000, 310), (5000, 100, 1010)] {
            let (_, slices) = load(1000, key_bytes, &settings(setting));
            assert!(slices <= most, "{setting} {key_bytes}: {slices}");
        }
        let (spent_us, slices) = load(10_000, 10, &settings(100));
        assert!(spent_us / slices <= 20_000, "{slices}");
    }

    #[test]
    fn pauses_end_when_there_are_to_be_none_any_more() {
        let (mut delay, now) = (LoadDelay::default(), Now::default());
        delay.pause_after(0, 1000, &settings(1000), now);
        assert!(delay.pauses(now));
        delay.follow(&settings(0));
        assert!(!delay.pauses(now));
        assert_eq!(delay.resumes_at_us(), 0);
    }
}
