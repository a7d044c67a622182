//! The process title: what `ps` and `top` show, such as `redis-server 127.0.0.1:6379`.
//!
//! Linux shows the memory in which the kernel once laid down the arguments, so changing the title
//! means writing there. The room for it is what the arguments and, directly behind them, the
//! environment took; the kernel follows a title from the first into the second. Whoever reads the
//! environment must not find the title there, so it is first moved to memory of its own.
//!
//! [`ProcessTitle::claim`] therefore comes after the arguments have been read (they are gone from
//! then on) and before there are threads. Where the areas cannot be found out, or there are
//! threads already, there is no title to set and nothing is lost.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// The memory that the title is written to.
#[derive(Debug)]
pub struct ProcessTitle {
    area: Range<usize>,
}

impl ProcessTitle {
    /// Takes over the memory of the arguments and the environment that the process was started
    /// with. `std::env::args` gives nothing useful from now on; `std::env::vars` goes on as ever.
    /// `None` if the memory is unknown or there is more than one thread.
    pub fn claim() -> Option<ProcessTitle> {
        if !is_single_threaded() {
            return None;
        }
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let area = initial_strings(&stat)?;
        let variables = std::env::vars_os().collect::<Vec<_>>();
        // SAFETY: there are no other threads, as was just counted, so nobody is reading the
        // environment. Emptied, it has nothing in the area; what is set then gets new memory.
        unsafe {
            libc::clearenv();
            for (name, value) in variables {
                // Names that the C library would not take are nothing that it would give either.
                if !name.as_bytes().contains(&b'=') {
                    std::env::set_var(name, value);
                }
            }
        }
        Some(ProcessTitle { area })
    }

    /// Shows `title` from now on, cut to the room there is.
    pub fn set(&mut self, title: &str) {
        let room = self.area.len();
        let mut text = vec![0u8; room];
        // The last byte stays zero: it ends the text, whatever follows in memory.
        let len = title.len().min(room - 1);
        text[..len].copy_from_slice(&title.as_bytes()[..len]);
        let target = std::ptr::with_exposed_provenance_mut::<u8>(self.area.start);
        // SAFETY: the kernel names the area as the one it wrote this process's strings to; it is
        // mapped readable and writable for the life of the process. The environment has left it
        // (`claim`). The standard library still knows where the arguments were, but copies them
        // when it is asked, which `main` does once, before there is a title.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), target, room) };
    }
}

/// Whether the calling thread is the only one of its process.
pub(super) fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// The addresses of the strings that the process was started with, from the text of its `stat`
/// file: the arguments, and the environment where it follows directly.
fn initial_strings(stat: &str) -> Option<Range<usize>> {
    // The command's name may hold blanks and parentheses; what follows the last one is numbers.
    let (_, rest) = stat.rsplit_once(") ")?;
    // The rest begins with field 3; `arg_start` to `env_end` are the fields 48 to 51.
    let mut fields = rest
        .split_ascii_whitespace()
        .skip(48 - 3)
        .map(|f| f.parse::<usize>().ok());
    let mut next = || fields.next().flatten();
    let (arg_start, arg_end, env_start, env_end) = (next()?, next()?, next()?, next()?);
    if arg_start == 0 || arg_end <= arg_start {
        return None;
    }
    let end = if env_start == arg_end {
        env_end.max(arg_end)
    } else {
        arg_end
    };
    Some(arg_start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    #[test]
    fn the_area_is_read_from_the_stat_file() {
        let numbers = |tail: &str| format!("7 (a b) c) S{} {tail}", " 1".repeat(44));
        assert_eq!(
            initial_strings(&numbers("100 110 110 150 0")),
            Some(100..150)
        );
        assert_eq!(
            initial_strings(&numbers("100 110 120 150 0")),
            Some(100..110)
        );
        assert_eq!(initial_strings(&numbers("0 0 0 0 0")), None);
        assert_eq!(initial_strings("7 (x) S 1 2"), None);
    }

    #[test]
    fn the_title_shows_and_the_environment_stays() {
        let check = || {
            let before: Vec<_> = std::env::vars_os().collect();
            let Some(mut title) = ProcessTitle::claim() else {
                return true;
            };
            let mut shown = |text: &str| {
                title.set(text);
                let shown = std::fs::read("/proc/self/cmdline").unwrap_or_default();
                shown.split(|&c| c == 0).next() == Some(text.as_bytes())
            };
            shown("redis-server 127.0.0.1:6379")
                && shown("short")
                && before == std::env::vars_os().collect::<Vec<_>>()
        };
        match process::fork().unwrap() {
            ForkResult::Child => process::exit_now(i32::from(!check())),
            ForkResult::Parent { child } => {
                assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
            }
        }
    }
}
