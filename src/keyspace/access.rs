//! The 24 access bits of an entry: when it was last used, or how often.
//!
//! Which of the two they mean depends on the eviction policy, and is the caller's business:
//!
//! * LRU: the clock in seconds, modulo 2^24 (194 days).
//! * LFU: 16 bits of the clock in minutes when the counter was last decayed, 8 bits of a counter
//!   that rises ever more slowly.
//!
//! Pure arithmetic; the clock and the dice are arguments.

use crate::base::rng::Rng;

/// Bits that an entry keeps.
pub const ACCESS_BITS: u32 = 24;
const ACCESS_MASK: u32 = (1 << ACCESS_BITS) - 1;

/// The resolution of the LRU clock.
const LRU_RESOLUTION_MS: i64 = 1000;

/// The counter of a new key: not so low that it is evicted before it had a chance.
const LFU_INITIAL_COUNT: u8 = 5;

/// The LRU clock at this instant.
pub fn lru_clock(now_unix_ms: i64) -> u32 {
    (now_unix_ms / LRU_RESOLUTION_MS) as u32 & ACCESS_MASK
}

/// How long an entry with these LRU bits has been idle. The clock may have wrapped once.
pub fn lru_idle_ms(bits: u32, now_unix_ms: i64) -> u64 {
    let ticks = lru_clock(now_unix_ms).wrapping_sub(bits) & ACCESS_MASK;
    u64::from(ticks) * LRU_RESOLUTION_MS as u64
}

/// The LRU bits of an entry that has been idle for this long (RESTORE, RDB files).
pub fn lru_bits_from_idle(idle_ms: i64, now_unix_ms: i64) -> u32 {
    lru_clock(now_unix_ms.saturating_sub(idle_ms.max(0)).max(0))
}

/// How the LFU counter moves: the two directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LfuTuning {
    /// `lfu-log-factor`: the higher, the slower the counter rises.
    pub log_factor: u32,
    /// `lfu-decay-time`: minutes without use that cost one count; 0 for no decay.
    pub decay_minutes: u32,
}

fn lfu_minutes(now_unix_ms: i64) -> u16 {
    (now_unix_ms / 60_000) as u16
}

/// The bits of a key with this LFU counter.
pub fn lfu_bits(count: u8, now_unix_ms: i64) -> u32 {
    u32::from(lfu_minutes(now_unix_ms)) << 8 | u32::from(count)
}

/// The bits of a new key under an LFU policy.
pub fn lfu_new(now_unix_ms: i64) -> u32 {
    lfu_bits(LFU_INITIAL_COUNT, now_unix_ms)
}

/// The counter that these LFU bits amount to by now: one less for each decay period gone by.
pub fn lfu_count(bits: u32, tuning: LfuTuning, now_unix_ms: i64) -> u8 {
    let count = bits as u8;
    let elapsed = lfu_minutes(now_unix_ms).wrapping_sub((bits >> 8) as u16);
    match u32::from(elapsed).checked_div(tuning.decay_minutes) {
        Some(periods) => u32::from(count).saturating_sub(periods) as u8,
        None => count,
    }
}

/// The LFU bits after one more access: decayed, then perhaps counted up.
pub fn lfu_touch(bits: u32, tuning: LfuTuning, now_unix_ms: i64, rng: &mut Rng) -> u32 {
    let count = lfu_count(bits, tuning, now_unix_ms);
    let above = f64::from(count.saturating_sub(LFU_INITIAL_COUNT));
    let chance = 1.0 / (above * f64::from(tuning.log_factor) + 1.0);
    let counted = count < u8::MAX && rng.unit_f64() < chance;
    lfu_bits(count + u8::from(counted), now_unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const TUNING: LfuTuning = LfuTuning {
        log_factor: 10,
        decay_minutes: 1,
    };

    #[test]
    fn idle_time_counts_seconds_across_the_wrap() {
        let bits = lru_clock(NOW);
        assert_eq!(lru_idle_ms(bits, NOW), 0);
        assert_eq!(lru_idle_ms(bits, NOW + 5_999), 5_000);
        let before_wrap = (1 << ACCESS_BITS) * 1000 - 2_000;
        let bits = lru_clock(before_wrap);
        assert_eq!(bits, (1 << ACCESS_BITS) - 2);
        assert_eq!(lru_idle_ms(bits, before_wrap + 10_000), 10_000);
        assert_eq!(lru_idle_ms(lru_bits_from_idle(42_000, NOW), NOW), 42_000);
    }

    #[test]
    fn a_new_key_starts_at_five_and_decays_a_count_a_minute() {
        let bits = lfu_new(NOW);
        assert_eq!(lfu_count(bits, TUNING, NOW), 5);
        assert_eq!(lfu_count(bits, TUNING, NOW + 3 * 60_000), 2);
        assert_eq!(lfu_count(bits, TUNING, NOW + 30 * 60_000), 0);
        let undecaying = LfuTuning {
            decay_minutes: 0,
            ..TUNING
        };
        assert_eq!(lfu_count(bits, undecaying, NOW + 30 * 60_000), 5);
    }

    #[test]
    fn the_counter_rises_logarithmically_and_saturates() {
        let mut rng = Rng::from_seed(1);
        let mut bits = lfu_new(NOW);
        bits = lfu_touch(bits, TUNING, NOW, &mut rng);
        assert_eq!(lfu_count(bits, TUNING, NOW), 6);
        for _ in 0..1_000 {
            bits = lfu_touch(bits, TUNING, NOW, &mut rng);
        }
        let count = lfu_count(bits, TUNING, NOW);
        assert!((12..=30).contains(&count), "{count}");
        let full = lfu_bits(u8::MAX, NOW);
        let eager = LfuTuning {
            log_factor: 0,
            ..TUNING
        };
        assert_eq!(lfu_touch(full, eager, NOW, &mut rng), full);
    }
}
