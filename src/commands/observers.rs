//! Who looks at the commands that are run: the slow log, the latency monitor, `MONITOR`.
//!
//! Nearly always nobody does. So all of them share one number, the run time from which on a command
//! is worth a look; what looks at it then is [`super::observe`]. While somebody wants to see every
//! command the number is 0.

use super::env::Env;
use super::latency::events::LatencyEvents;
use super::slowlog::log::SlowLog;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Observers {
    /// The run time from which on a command is looked at, in nanoseconds.
    pub from_ns: u64,
    /// Commands that took long.
    pub slow_log: SlowLog,
    /// Everything that took long.
    pub latency: LatencyEvents,
    /// The clients that see every command, in the order in which they asked for it.
    pub monitors: Vec<u64>,
}

impl Observers {
    /// Whether every command is looked at.
    #[inline]
    pub fn see_all(&self) -> bool {
        self.from_ns == 0
    }
}

impl Env {
    /// Looks again at what commands are observed; to be called when the settings have changed, or
    /// an observer has come or gone.
    pub fn renew_observers(&mut self) {
        let all = !self.observers.monitors.is_empty();
        let slow_ns = slow_from_ns(self.config.slowlog_log_slower_than);
        let spike_ns = spike_from_ns(self.config.latency_monitor_threshold);
        self.observers.from_ns = if all { 0 } else { slow_ns.min(spike_ns) };
        let kept = self.config.slowlog_max_len;
        self.observers.slow_log.shorten(kept);
    }

    /// Client `id` is to see every command from now on.
    pub fn add_monitor(&mut self, id: u64) {
        self.observers.monitors.push(id);
        self.renew_observers();
    }

    /// It is to see no more.
    pub fn remove_monitor(&mut self, id: u64) {
        self.observers.monitors.retain(|monitor| *monitor != id);
        self.renew_observers();
    }

    /// Whether the time that something takes is of interest. Nobody measures else.
    #[inline]
    fn monitors_latency(&self) -> bool {
        self.config.latency_monitor_threshold > 0
    }

    /// Does something; the time that it takes is noted if that is long.
    pub fn measure<T>(&mut self, event: &'static str, act: impl FnOnce(&mut Env) -> T) -> T {
        if !self.monitors_latency() {
            return act(self);
        }
        let start_ns = self.clock.ns();
        let result = act(self);
        let spent_ns = self.clock.ns().saturating_sub(start_ns);
        self.note_latency(event, spent_ns);
        result
    }

    /// Something took so long, which is noted if that was long.
    pub fn note_latency(&mut self, event: &'static str, spent_ns: u64) {
        if spent_ns >= spike_from_ns(self.config.latency_monitor_threshold) {
            let now_s = self.now.unix_s();
            self.observers
                .latency
                .note(event, now_s, spent_ns / NS_IN_MS);
        }
    }
}

const NS_IN_MS: u64 = 1_000_000;

/// From which run time on a command is slow; a negative setting says never.
pub fn slow_from_ns(slower_than_us: i64) -> u64 {
    (slower_than_us as u64).saturating_mul(1000)
}

/// From which run time on something is a spike; a setting of 0 says never.
fn spike_from_ns(threshold_ms: u64) -> u64 {
    match threshold_ms {
        0 => u64::MAX,
        ms => ms.saturating_mul(NS_IN_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    #[test]
    fn the_lowest_threshold_holds_and_those_who_see_all_lower_it_to_nothing() {
        let mut rig = Rig::new();
        assert_eq!(rig.env.observers.from_ns, 10_000_000);
        rig.env.config.latency_monitor_threshold = 2;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, 2_000_000);
        rig.env.config.slowlog_log_slower_than = -1;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, 2_000_000);
        rig.env.config.latency_monitor_threshold = 0;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, u64::MAX);
        rig.env.add_monitor(7);
        assert!(rig.env.observers.see_all());
        rig.env.remove_monitor(7);
        assert_eq!(rig.env.observers.from_ns, u64::MAX);
        rig.env.config.slowlog_log_slower_than = 0;
        rig.env.renew_observers();
        assert!(rig.env.observers.see_all());
    }
}
