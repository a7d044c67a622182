//! What of the machine slows a server down or loses its data: said at the start, and all of it by
//! `redis-server --check-system`.
//!
//! The names of the checks are those of the reference, and so are the words to search for.

use std::io::{self, Write};

use crate::config::Settings;
use crate::sys::usage::{CpuTime, Whose, cpu_time};
use crate::sys::{clock, facts};

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nothing to worry about.
    Fine,
    /// Something, with what to do about it.
    Warning(String),
    /// The machine does not tell.
    Unknown,
}

/// A check by its name.
type Check = (&'static str, fn() -> Verdict);

const CHECKS: [Check; 4] = [
    ("slow-clocksource", slow_clock_source),
    ("xen-clocksource", xen_clock_source),
    ("overcommit", overcommit),
    ("THP", transparent_huge_pages),
];

/// How long the clock is watched. Processor time is counted in hundredths of a second, so this is
/// long enough to see where it goes.
const CLOCK_WATCH_NS: u64 = 50_000_000;

/// Makes all checks and writes what they find to `out`; whether all is fine.
///
/// # Errors
///
/// Those of writing.
pub fn check(out: &mut impl Write) -> io::Result<bool> {
    report(&CHECKS, out)
}

fn report(checks: &[Check], out: &mut impl Write) -> io::Result<bool> {
    let mut all_fine = true;
    for (name, run) in checks {
        write!(out, "[{name}]...")?;
        out.flush()?;
        match run() {
            Verdict::Fine => writeln!(out, "OK")?,
            Verdict::Unknown => writeln!(out, "skipped")?,
            Verdict::Warning(text) => {
                writeln!(out, "WARNING:\n{text}")?;
                all_fine = false;
            }
        }
    }
    Ok(all_fine)
}

/// Logs what of the machine hurts a server, and spares it what it can be spared.
pub fn warn_at_start(settings: &Settings) {
    let warn = |verdict: Verdict| {
        if let Verdict::Warning(text) = verdict {
            log::warn!("WARNING {text}");
        }
    };
    warn(overcommit());
    let huge = transparent_huge_pages();
    let spared = matches!(huge, Verdict::Warning(_))
        && settings.disable_thp
        && facts::disable_transparent_huge_pages().is_ok();
    if !spared {
        warn(huge);
    }
    warn(xen_clock_source());
}

/// A clock that is read through the kernel takes a large part of every command's time.
fn slow_clock_source() -> Verdict {
    let before = cpu_time(Whose::Thread);
    let start_ns = clock::monotonic_ns();
    while clock::monotonic_ns() - start_ns < CLOCK_WATCH_NS {}
    let after = cpu_time(Whose::Thread);
    if is_slow(before, after) {
        let unknown = || "unknown".to_owned();
        let current = facts::clock_source().unwrap_or_else(unknown);
        let available = facts::clock_sources().unwrap_or_else(unknown);
        return Verdict::Warning(format!(
            "Slow system clocksource detected: reading the clock goes through the kernel, which \
             every command pays for. Consider another clocksource. Current clocksource: \
             {current}. Available clocksources: {available}. For example, run the command 'echo \
             tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource' as root; the \
             kernel parameter 'clocksource=' makes it last."
        ));
    }
    Verdict::Fine
}

/// More than a tenth of the time was spent in the kernel.
fn is_slow(before: CpuTime, after: CpuTime) -> bool {
    let in_kernel = after.system_us - before.system_us;
    let in_all = in_kernel + after.user_us - before.user_us;
    in_kernel * 10 > in_all
}

fn xen_clock_source() -> Verdict {
    match facts::clock_source().as_deref() {
        None => Verdict::Unknown,
        Some("xen") => Verdict::Warning(
            "The system uses the 'xen' clocksource, which may be slow. Whether it is here, tells \
             the check [slow-clocksource] of 'redis-server --check-system'."
                .to_owned(),
        ),
        Some(_) => Verdict::Fine,
    }
}

fn overcommit() -> Verdict {
    match facts::overcommit_memory() {
        None => Verdict::Unknown,
        Some(1) => Verdict::Fine,
        Some(_) => Verdict::Warning(
            "Memory overcommit must be enabled! Without it, a background save or replication may \
             fail under low memory condition. To fix this issue add 'vm.overcommit_memory = 1' \
             to /etc/sysctl.conf and then reboot or run the command 'sysctl \
             vm.overcommit_memory=1' for this to take effect."
                .to_owned(),
        ),
    }
}

fn transparent_huge_pages() -> Verdict {
    match facts::transparent_huge_pages_always() {
        None => Verdict::Unknown,
        Some(false) => Verdict::Fine,
        Some(true) => Verdict::Warning(
            "You have Transparent Huge Pages (THP) support enabled in your kernel. This will \
             create latency and memory usage issues with a forked child. To fix this issue run \
             'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as root, and have that \
             done at every start of the machine."
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_its_line_and_one_warning_spoils_the_verdict() {
        let told = |checks: &[Check]| {
            let mut out = Vec::new();
            let fine = report(checks, &mut out).unwrap();
            (String::from_utf8(out).unwrap(), fine)
        };
        let (fine, unknown): (Check, Check) = (("a", || Verdict::Fine), ("b", || Verdict::Unknown));
        assert_eq!(
            told(&[fine, unknown]),
            ("[a]...OK\n[b]...skipped\n".to_owned(), true)
        );
        let bad: Check = ("c", || Verdict::Warning("Beware.".to_owned()));
        assert_eq!(
            told(&[bad, fine]),
            ("[c]...WARNING:\nBeware.\n[a]...OK\n".to_owned(), false)
        );
    }

    #[test]
    fn a_clock_is_slow_if_reading_it_is_the_kernels_work() {
        let time = |user_us, system_us| CpuTime { user_us, system_us };
        let zero = time(0, 0);
        assert!(!is_slow(zero, time(0, 0)));
        assert!(!is_slow(zero, time(45_000, 5_000)));
        assert!(is_slow(zero, time(44_000, 6_000)));
        assert!(is_slow(time(7, 7), time(10_007, 40_007)));
    }
}
