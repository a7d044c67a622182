//! How fast snapshots are sent: `repl-snapshot-bandwidth`, for all of them together.
//!
//! A purse of bytes fills at that rate, up to what a tenth of a second brings. Who has something to
//! send may do so while there is anything in it, and takes out what it has sent, which may leave a
//! debt; pieces are small enough that a debt is paid soon. Who finds it empty waits in line, and
//! the engine wakes up when there is something in it again: no tick is spent on looking.

use std::collections::VecDeque;

use crate::base::time::Now;
use crate::config::Settings;

/// Turns in a second; one fills the purse.
const TURNS_PER_SECOND: u64 = 10;
/// Pieces are not smaller than this, however low the rate is.
const PIECE_BYTES_MIN: u64 = 1024;
/// Parts of a byte in which the purse counts, so that no time is lost between two looks: those
/// that a rate of one byte a second brings in a microsecond.
const PARTS: i128 = 1_000_000;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Pacing {
    /// What is in the purse, in parts of a byte; less than nothing is a debt.
    parts: i128,
    /// Up to when it was filled, in monotonic microseconds.
    filled_us: u64,
    /// Replicas that wait, in order.
    waiting: VecDeque<u64>,
    /// The snapshot of a child waits.
    forwarding: bool,
}

impl Pacing {
    fn fill(&mut self, rate: u64, now: Now) {
        let us = now.mono_us.saturating_sub(self.filled_us);
        self.filled_us = now.mono_us;
        let full = i128::from(rate / TURNS_PER_SECOND + 1) * PARTS;
        let more = self.parts + i128::from(us) * i128::from(rate);
        self.parts = more.min(full);
    }

    /// Whether anything may be sent now.
    pub fn may_send(&mut self, settings: &Settings, now: Now) -> bool {
        let rate = settings.repl_snapshot_bandwidth;
        if rate == 0 {
            self.parts = 0;
            return true;
        }
        self.fill(rate, now);
        self.parts > 0
    }

    /// How much to send at once, where otherwise it would be `most`.
    pub fn piece_bytes(&self, settings: &Settings, most: usize) -> usize {
        match settings.repl_snapshot_bandwidth {
            0 => most,
            rate => (rate / TURNS_PER_SECOND)
                .max(PIECE_BYTES_MIN)
                .min(most as u64) as usize,
        }
    }

    /// So many bytes were sent.
    pub fn spent(&mut self, bytes: usize) {
        self.parts -= bytes as i128 * PARTS;
    }

    /// This replica waits for its turn.
    pub fn wait(&mut self, client: u64) {
        if !self.waiting.contains(&client) {
            self.waiting.push_back(client);
        }
    }

    /// The snapshot of a child waits for its turn.
    pub fn forwarding_waits(&mut self) {
        self.forwarding = true;
    }

    /// When those who wait may go on, in monotonic microseconds; none if nobody waits.
    pub fn wakes_at_us(&self, settings: &Settings) -> Option<u64> {
        if self.waiting.is_empty() && !self.forwarding {
            return None;
        }
        let debt = (-self.parts).max(0) as u128;
        match u128::from(settings.repl_snapshot_bandwidth) {
            0 => Some(0),
            rate => Some(self.filled_us.saturating_add((debt / rate + 1) as u64)),
        }
    }

    /// Whether those who wait may go on.
    pub fn is_due(&self, settings: &Settings, now: Now) -> bool {
        let wakes_at_us = self.wakes_at_us(settings);
        wakes_at_us.is_some_and(|at_us| at_us <= now.mono_us)
    }

    /// Those who waited, in order, and whether the snapshot of a child is one of them.
    pub fn take_waiting(&mut self) -> (VecDeque<u64>, bool) {
        let forwarding = std::mem::take(&mut self.forwarding);
        (std::mem::take(&mut self.waiting), forwarding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_by_who_sends_whenever_it_may() {
        for rate in [1, 100, 999, 64 * 1024, 10_000_000] {
            let settings = Settings {
                repl_snapshot_bandwidth: rate,
                ..Settings::default()
            };
            let mut pacing = Pacing::default();
            let begin = Now::at_unix_ms(1_700_000_000_000);
            let mut now = begin;
            assert!(pacing.may_send(&settings, now));
            let (mut sent, mut looks) = (0, 0);
            while now.mono_us < begin.mono_us + 100_000_000 {
                looks += 1;
                if pacing.may_send(&settings, now) {
                    let piece = pacing.piece_bytes(&settings, 256 * 1024);
                    pacing.spent(piece);
                    sent += piece as u64;
                    continue;
                }
                pacing.wait(1);
                let at_us = pacing.wakes_at_us(&settings).expect("it waits");
                assert!(at_us > now.mono_us, "a tick for nothing");
                now.mono_us = at_us;
                assert!(pacing.is_due(&settings, now));
                assert_eq!(pacing.take_waiting().0, [1]);
            }
            let piece = pacing.piece_bytes(&settings, 256 * 1024) as u64;
            let may = rate * 100 + 2 * piece + rate / 10;
            assert!(
                sent <= may && sent + 2 * piece >= rate * 99,
                "{sent} at {rate}"
            );
            assert!(looks < 10_000, "{looks} looks at {rate}");
        }
    }

    #[test]
    fn nobody_waits_without_a_limit() {
        let settings = Settings::default();
        let mut pacing = Pacing::default();
        pacing.spent(1_000_000_000);
        pacing.wait(7);
        let now = Now::at_unix_ms(1_700_000_000_000);
        assert!(pacing.is_due(&settings, now));
        assert!(pacing.may_send(&settings, now));
        assert_eq!(pacing.piece_bytes(&settings, 1000), 1000);
    }
}
