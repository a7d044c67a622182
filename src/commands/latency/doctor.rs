//! `LATENCY DOCTOR`: what took long, and what may help, in words for people.

use std::fmt::Write as _;

use super::events::{Sample, Series};
use crate::commands::env::Env;
use crate::config::{Appendfsync, Settings};

/// The report.
pub fn report(env: &Env) -> String {
    let events = &env.observers.latency;
    if events.is_empty() {
        return match env.config.latency_monitor_threshold {
            0 => {
                "Latency monitoring is off, so nothing is known. CONFIG SET \
                  latency-monitor-threshold <milliseconds> switches it on.\n"
            }
            _ => "Nothing took as long as the threshold until now.\n",
        }
        .to_owned();
    }
    let mut text = "These took longer than the threshold:\n\n".to_owned();
    for (number, (event, series)) in events.iter().enumerate() {
        let line = describe(series, env.now.unix_s());
        let _ = writeln!(text, "{}. {event}: {line}", number + 1);
    }
    let applies = |advice: &&Advice| {
        let fits = |event: &&str| events.get(event.as_bytes()).is_some();
        advice.events.iter().any(fits) && (advice.holds)(&env.config)
    };
    let advice: Vec<&Advice> = ADVICE.iter().filter(applies).collect();
    if advice.is_empty() {
        text.push_str("\nThere is no general remedy for these.\n");
        return text;
    }
    text.push_str("\nWhat may help:\n\n");
    for advice in advice {
        let _ = writeln!(text, "- {}", advice.text);
    }
    text
}

/// How often it took long, and how long.
fn describe(series: &Series, now_s: i64) -> String {
    let samples: Vec<Sample> = series.samples().collect();
    let count = samples.len() as u64;
    let average = samples.iter().map(|sample| sample.spent_ms).sum::<u64>() / count;
    let deviations = samples.iter().map(|s| s.spent_ms.abs_diff(average));
    let deviation = deviations.sum::<u64>() / count;
    let period_s = (now_s - samples[0].unix_s).max(1);
    let apart_s = period_s as f64 / count as f64;
    format!(
        "{count} times, {average} ms on average (mean deviation {deviation} ms), one every \
         {apart_s:.2} s, the worst ever {} ms.",
        series.worst_ms()
    )
}

/// Something that may help.
struct Advice {
    /// Against these events.
    events: &'static [&'static str],
    /// With these settings.
    holds: fn(&Settings) -> bool,
    text: &'static str,
}

const FREEING: &[&str] = &["command", "expire-cycle", "expire-del", "eviction-del"];
const DISK: &[&str] = &[
    "aof-write-pending-fsync",
    "aof-write-alone",
    "aof-fstat",
    "aof-rename",
    "rdb-unlink-temp-file",
];

const ADVICE: &[Advice] = &[
    Advice {
        events: &["fork"],
        holds: |_| true,
        text: "A fork copies the page tables, so it grows with the memory in use. Several smaller \
               servers fork faster than a large one, and some virtual machines are slow at it.",
    },
    Advice {
        events: &["command"],
        holds: |config| config.slowlog_log_slower_than < 0,
        text: "Switch the slow log on (slowlog-log-slower-than) to see which commands it is.",
    },
    Advice {
        events: &["command"],
        holds: |config| config.slowlog_log_slower_than >= 0,
        text: "Look into SLOWLOG GET to see which commands it is; slowlog-log-slower-than should \
               not be above latency-monitor-threshold, or it does not show all.",
    },
    Advice {
        events: &["fast-command"],
        holds: |_| true,
        text: "These commands cannot take long by themselves, so the server did not get the \
               processor. Look for other load on this machine, for noisy neighbours of a virtual \
               one, and for swapping.",
    },
    Advice {
        events: FREEING,
        holds: |_| true,
        text: "To free a large value takes time. The lazyfree-* directives leave that to another \
               thread; UNLINK does, too.",
    },
    Advice {
        events: &["expire-cycle"],
        holds: |config| config.hz < 100,
        text: "With a larger hz, expired keys are deleted in more and smaller steps.",
    },
    Advice {
        events: &["eviction-cycle"],
        holds: |_| true,
        text: "Many keys had to go at once. That follows from a smaller maxmemory, or from one \
               command that stores a lot.",
    },
    Advice {
        events: &["aof-write-active-child"],
        holds: |config| !config.no_appendfsync_on_rewrite,
        text: "While a child writes, the disk is busy. With no-appendfsync-on-rewrite the server \
               does not sync meanwhile, and may lose more if the machine stops.",
    },
    Advice {
        events: &["aof-fsync-always"],
        holds: |config| config.appendfsync == Appendfsync::Always,
        text: "With appendfsync always each reply waits for the disk. With everysec it does not, \
               and at most a second or two is lost if the machine stops.",
    },
    Advice {
        events: DISK,
        holds: |_| true,
        text: "The disk was busy. Local disks answer faster than those over a network; see who \
               else writes to this one.",
    },
];
