//! Which processors a thread may run on, in the notation of `server_cpulist`: numbers and ranges
//! separated by commas, ranges perhaps with a stride, as in `0,2-5,8-15:2`.

use std::io;

/// The processors of a list in ascending order, or `None` where it cannot be understood.
pub fn parse_cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (range, stride) = match part.split_once(':') {
            Some((range, stride)) => (range, stride.trim().parse().ok().filter(|&n| n > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (parse_cpu(first)?, parse_cpu(last)?),
            None => (parse_cpu(range)?, parse_cpu(range)?),
        };
        if last < first {
            return None;
        }
        cpus.extend((first..=last).step_by(stride));
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

fn parse_cpu(text: &str) -> Option<usize> {
    text.trim()
        .parse()
        .ok()
        .filter(|&cpu| cpu < libc::CPU_SETSIZE as usize)
}

/// Keeps the calling thread (and the threads and processes it makes) to these processors.
///
/// # Errors
///
/// Those of `sched_setaffinity(2)`: none of the processors exists or is allowed.
pub fn set_affinity(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: the set is an array of bits, for which zeros are a value; the processors are below
    // its size, which the assertion makes sure of.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus {
            assert!(cpu < libc::CPU_SETSIZE as usize, "no such processor: {cpu}");
            libc::CPU_SET(cpu, &mut set);
        }
        set
    };
    // SAFETY: `set` is valid and its size is given; 0 is the calling thread.
    super::check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) })
}

/// The processors that the calling thread may run on.
///
/// # Errors
///
/// Those of `sched_getaffinity(2)`.
pub fn affinity() -> io::Result<Vec<usize>> {
    // SAFETY: the set is an array of bits, for which zeros are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid place for the result and its size is given.
    super::check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
    // SAFETY: every number asked for is below the size of the set.
    let is_in = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_in).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        for (text, expected) in [
            ("0", &[0][..]),
            ("0,2,3", &[0, 2, 3]),
            ("1-3", &[1, 2, 3]),
            ("8-15:2", &[8, 10, 12, 14]),
            ("5,0-2, 1", &[0, 1, 2, 5]),
        ] {
            assert_eq!(parse_cpu_list(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            ",",
            "a",
            "1-",
            "3-1",
            "1-3:0",
            "1:x",
            "0-99999999",
            "-1",
        ] {
            assert_eq!(parse_cpu_list(text), None, "{text}");
        }
    }

    #[test]
    fn a_thread_can_be_kept_to_one_processor() {
        std::thread::spawn(|| {
            let first = affinity().unwrap()[0];
            set_affinity(&[first]).unwrap();
            assert_eq!(affinity().unwrap(), [first]);
            assert!(set_affinity(&[]).is_err());
        })
        .join()
        .unwrap();
    }
}
