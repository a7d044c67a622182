//! The clocks: time of day, monotonic time, and a counter cheap enough to read per command.
//!
//! `clock_gettime` costs some twenty nanoseconds even without entering the kernel; twice per
//! command that would be a tenth of a pipelined `GET`. [`CycleClock`] reads the processor's time
//! stamp counter instead, where the kernel itself trusts it, and falls back otherwise.

use crate::base::time::Now;

/// The instant now, by both clocks.
pub fn now() -> Now {
    Now {
        unix_us: read(libc::CLOCK_REALTIME) / 1000,
        mono_us: monotonic_ns() / 1000,
    }
}

/// Nanoseconds of the monotonic clock.
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC) as u64
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `t` is a valid place for the result; the clocks asked for exist on every Linux, so
    // the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

/// Seconds that local time is ahead of UTC now. The C library looks it up under a lock of its own.
pub fn ahead_of_utc_s() -> i32 {
    let seconds: libc::time_t = read(libc::CLOCK_REALTIME) / 1_000_000_000;
    // SAFETY: `tm` is plain data for which zero is a value; both pointers are valid for the call.
    let local = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut local);
        local
    };
    local.tm_gmtoff as i32
}

/// A cheap clock for measuring short stretches; its zero means nothing.
#[derive(Clone, Copy, Debug)]
pub struct CycleClock {
    /// Nanoseconds per cycle, as a fraction of 2^32; 0 where the counter is not read.
    scale: u64,
    /// It shows no time at all.
    stopped: bool,
}

impl CycleClock {
    /// A clock that reads the time stamp counter if the kernel uses it as its own clock source;
    /// calibration takes a fifth of a millisecond.
    pub fn new() -> CycleClock {
        let trusted = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"];
        let source = super::facts::clock_source();
        if !source.is_some_and(|source| trusted.contains(&&*source)) || cycles() == 0 {
            return CycleClock {
                scale: 0,
                stopped: false,
            };
        }
        let (start_ns, start) = (monotonic_ns(), cycles());
        while monotonic_ns() - start_ns < 200_000 {
            std::hint::spin_loop();
        }
        let (spent_ns, spent) = (monotonic_ns() - start_ns, cycles() - start);
        CycleClock {
            scale: (spent_ns << 32).checked_div(spent).unwrap_or(0),
            stopped: false,
        }
    }

    /// A clock that always shows the same instant, for runs that are to repeat themselves.
    pub fn stopped() -> CycleClock {
        CycleClock {
            scale: 0,
            stopped: true,
        }
    }

    /// Whether this is such a run: what differs from one to the next has no place in it, not even
    /// in the length of a reply.
    pub fn is_stopped(self) -> bool {
        self.stopped
    }

    /// Nanoseconds since some fixed instant.
    #[inline]
    pub fn ns(self) -> u64 {
        if self.scale == 0 {
            return if self.stopped { 0 } else { monotonic_ns() };
        }
        ((u128::from(cycles()) * u128::from(self.scale)) >> 32) as u64
    }
}

impl Default for CycleClock {
    fn default() -> CycleClock {
        CycleClock::new()
    }
}

/// The time stamp counter, or 0 where there is none that we know.
#[inline]
fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cycle_clock_agrees_with_the_monotonic_one() {
        let clock = CycleClock::new();
        let (a, m) = (clock.ns(), monotonic_ns());
        while monotonic_ns() - m < 2_000_000 {
            std::hint::spin_loop();
        }
        let by_cycles = clock.ns() - a;
        // The thread may be descheduled between the two readings; only gross disagreement counts.
        assert!(by_cycles >= 1_900_000, "{by_cycles}");
    }

    #[test]
    fn no_place_is_more_than_a_day_away_from_utc() {
        assert!(ahead_of_utc_s().abs() < 24 * 3600);
    }
}
