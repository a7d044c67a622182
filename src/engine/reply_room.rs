//! How much of a client's replies may wait to be written before it counts as its own: towards the
//! limits of output, and as memory of the client.
//!
//! The buffers themselves come from a pool. This follows what the client really gets, within
//! bounds: who is sent little has little room, and a reply that is out of the ordinary counts soon.

use std::cmp::Ordering;

/// The most.
pub const MAX: usize = 16 * 1024;
/// The least.
const MIN: usize = 1024;

/// How rooms are fitted to their use.
#[derive(Clone, Copy, Debug)]
pub struct Fitting {
    /// They are fitted at all.
    pub on: bool,
    /// After so many milliseconds the largest use is forgotten; if it ever is.
    pub peak_reset_ms: Option<u64>,
}

impl Fitting {
    /// What holds unless a test wants it otherwise.
    pub const DEFAULT_PEAK_RESET_MS: u64 = 5000;
}

impl Default for Fitting {
    fn default() -> Self {
        Fitting {
            on: true,
            peak_reset_ms: Some(Fitting::DEFAULT_PEAK_RESET_MS),
        }
    }
}

/// See the module's head.
#[derive(Clone, Copy, Debug)]
pub struct ReplyRoom {
    bytes: u32,
    /// The most that was in use since `since_ms`; never more than there is.
    peak: u32,
    since_ms: u64,
}

impl Default for ReplyRoom {
    fn default() -> Self {
        ReplyRoom {
            bytes: MAX as u32,
            peak: MAX as u32,
            since_ms: 0,
        }
    }
}

impl ReplyRoom {
    /// How much it is.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// The most of it that was in use of late.
    pub fn peak(&self) -> usize {
        self.peak as usize
    }

    /// So much waits.
    #[inline]
    pub fn note(&mut self, waiting: usize) {
        self.peak = self.peak.max(waiting.min(self.bytes()) as u32);
    }

    /// Fits it to its use, by one step; says whether it is greater or less than before. So much
    /// waits now, at `now_ms` of the monotonic clock.
    pub fn fit(&mut self, waiting: usize, now_ms: u64, fitting: Fitting) -> Ordering {
        if !fitting.on {
            return Ordering::Equal;
        }
        let before = self.bytes;
        if self.peak() < self.bytes() / 2 {
            self.bytes = (self.peak + 1).max(MIN as u32);
        } else if self.peak == self.bytes {
            self.bytes = (self.bytes * 2).min(MAX as u32);
        }
        let age_ms = now_ms.saturating_sub(self.since_ms);
        if fitting.peak_reset_ms.is_some_and(|limit| age_ms >= limit) {
            self.peak = waiting.min(self.bytes()) as u32;
            self.since_ms = now_ms;
        }
        self.bytes.cmp(&before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_with_its_use_and_grows_again() {
        let mut room = ReplyRoom::default();
        let forgetful = Fitting {
            peak_reset_ms: Some(100),
            ..Fitting::default()
        };
        room.fit(0, 50, forgetful);
        assert_eq!((room.bytes(), room.peak()), (MAX, MAX));
        room.fit(0, 100, forgetful);
        assert_eq!((room.bytes(), room.peak()), (MAX, 0));
        room.note(3000);
        assert_eq!(room.fit(0, 150, forgetful), Ordering::Less);
        assert_eq!(room.bytes(), 3001);
        room.fit(0, 200, forgetful);
        room.fit(0, 250, forgetful);
        assert_eq!((room.bytes(), room.peak()), (MIN, 0));
        let loyal = Fitting {
            peak_reset_ms: None,
            ..forgetful
        };
        for bytes in [2048, 4096, 8192, MAX] {
            room.note(30_000);
            assert_eq!(room.fit(0, 10_000, loyal), Ordering::Greater);
            assert_eq!(room.bytes(), bytes);
        }
        room.note(30_000);
        assert_eq!(room.fit(0, 10_000, loyal), Ordering::Equal);
    }

    #[test]
    fn it_stays_as_it_is_while_it_is_not_to_be_fitted() {
        let mut room = ReplyRoom::default();
        let off = Fitting {
            on: false,
            ..Fitting::default()
        };
        room.fit(0, 100_000, off);
        room.fit(0, 200_000, off);
        assert_eq!(room.bytes(), MAX);
    }
}
