//! What the machine says about itself: names, memory, and the kernel settings that matter to a
//! server that forks.
//!
//! Most of it is read from `/proc` and `/sys`. A fact that cannot be read is absent, never wrong.

use std::io::IsTerminal as _;

/// The names that `uname` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemNames {
    /// The kernel, such as `Linux`.
    pub system: String,
    /// The kernel's release.
    pub release: String,
    /// The processor architecture.
    pub machine: String,
    /// The name of this host.
    pub host: String,
}

/// Asks the kernel for its names.
pub fn system_names() -> SystemNames {
    // SAFETY: `utsname` is plain arrays of bytes, for which zeros are a value.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `names` is a valid place for the result; the call cannot fail with one.
    unsafe { libc::uname(&raw mut names) };
    SystemNames {
        system: text_of(&names.sysname),
        release: text_of(&names.release),
        machine: text_of(&names.machine),
        host: text_of(&names.nodename),
    }
}

/// The bytes of a C character array up to its NUL.
fn text_of(chars: &[libc::c_char]) -> String {
    let bytes: Vec<u8> = chars
        .iter()
        .map(|&c| c as u8)
        .take_while(|&c| c != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Bytes of physical memory.
pub fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes_of_field(&text, "MemTotal:")
}

/// Bytes of a page of memory.
pub fn page_bytes() -> u64 {
    // SAFETY: the call reads a constant of the system.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// The kernel's longest queue of connections that wait to be accepted.
pub fn somaxconn() -> Option<i64> {
    read_number("/proc/sys/net/core/somaxconn")
}

/// The kernel's policy on promising more memory than there is; 1 promises always.
pub fn overcommit_memory() -> Option<i64> {
    read_number("/proc/sys/vm/overcommit_memory")
}

/// Whether the kernel backs all memory with huge pages, which makes a forked child expensive.
pub fn transparent_huge_pages_always() -> Option<bool> {
    let text = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    Some(text.contains("[always]"))
}

/// What the kernel makes the time from, such as `tsc`.
pub fn clock_source() -> Option<String> {
    read_clock_file("current_clocksource")
}

/// All that it could make the time from, between blanks.
pub fn clock_sources() -> Option<String> {
    read_clock_file("available_clocksource")
}

fn read_clock_file(name: &str) -> Option<String> {
    let path = format!("/sys/devices/system/clocksource/clocksource0/{name}");
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Asks for ordinary pages for this process and its children, whatever the system's default.
///
/// # Errors
///
/// Those of `prctl(2)`.
pub fn disable_transparent_huge_pages() -> std::io::Result<()> {
    // All as wide as the kernel reads them: it refuses what is not zero where nothing is wanted.
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: the request takes plain numbers and changes a flag of the process.
    super::check(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, none, none, none) })
}

/// A file that holds one number.
fn read_number(path: &str) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value of a `Name:   123 kB` line, in bytes.
pub(super) fn kilobytes_of_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_names() {
        let names = system_names();
        assert_eq!(names.system, "Linux");
        assert!(!names.release.is_empty() && !names.machine.is_empty());
    }

    #[test]
    fn memory_is_counted_in_whole_pages() {
        assert!(page_bytes().is_power_of_two());
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn kernel_settings_are_numbers_in_range() {
        assert!(somaxconn().is_none_or(|n| n > 0));
        assert!(overcommit_memory().is_none_or(|n| (0..=2).contains(&n)));
    }

    #[test]
    fn fields_of_proc_files_are_found_by_name() {
        let text = "Rss:        120 kB\nPrivate_Dirty:    7 kB\nBroken: x kB\n";
        assert_eq!(kilobytes_of_field(text, "Private_Dirty:"), Some(7 * 1024));
        assert_eq!(kilobytes_of_field(text, "Broken:"), None);
        assert_eq!(kilobytes_of_field(text, "Absent:"), None);
    }
}
