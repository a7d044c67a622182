//! A watch on the loop: where it stands, when it does not come back in time.
//!
//! A command that takes seconds, a slow disk or a machine that swaps all look alike from outside:
//! nobody is answered. So before the loop goes to work a timer is set, which is set anew whenever
//! it comes round; if it runs out, a signal interrupts whatever holds the loop up, and its handler
//! writes the calls that led there to the log. The work then goes on.
//!
//! The timer's signal goes to the thread of the loop and to no other. The handler does what that
//! of a crash does before it looks for names (`crash`): nothing that takes a lock or allocates.
//! The addresses that it writes become names with `addr2line -e redis-server -f 0x...`.
//!
//! While nobody asks for it, no timer is there and no signal comes.

use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::time::Duration;

use super::crash::{self, Report, WATCHDOG_SIGNAL as SIGNAL};

/// The watch on the thread that made it.
#[derive(Debug)]
pub struct Watchdog {
    timer: libc::timer_t,
}

impl Watchdog {
    /// Makes a watch on the calling thread that sees nothing yet.
    ///
    /// # Errors
    ///
    /// The system has no timer for us.
    pub fn new() -> io::Result<Watchdog> {
        crash::prepare_traces();
        // SAFETY: zeros are a value of both structures, an empty set of signals among them. The
        // handler is of the kind that SA_SIGINFO announces and only does what a handler may, as
        // argued in the module's head. The timer's number is written to a valid place.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_expiry;
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            super::check(libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()))?;
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = SIGNAL;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = ptr::null_mut();
            let clock = libc::CLOCK_MONOTONIC;
            super::check(libc::timer_create(clock, &raw mut event, &raw mut timer))?;
            Ok(Watchdog { timer })
        }
    }

    /// The loop comes back within this time, or where it stands is written to the log, once. Zero
    /// means that it need not come back.
    pub fn expect_within(&self, period: Duration) {
        let value = libc::timespec {
            tv_sec: period.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(period.subsec_nanos() as i32),
        };
        let once = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        // SAFETY: the timer is there as long as this is; `once` is valid for reading, and nothing
        // is written.
        unsafe { libc::timer_settime(self.timer, 0, &raw const once, ptr::null_mut()) };
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: the timer is ours, and used no more. A signal of it that is still on its way
        // finds its handler.
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// The handler. It interrupts code at any place, which must not notice.
extern "C" fn on_expiry(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the place of this thread's `errno` is valid as long as the thread is.
    let errno = unsafe { *libc::__errno_location() };
    let mut out = Report::open();
    out.handler_line(format_args!("\n--- WATCHDOG TIMER EXPIRED ---"));
    out.line(format_args!(
        "Last command begun: {}",
        crash::last_command()
    ));
    out.line(format_args!("\n------ STACK TRACE ------"));
    // SAFETY: the system hands a handler of this kind a valid context.
    if let Some(at) = unsafe { crash::instruction(context) } {
        out.line(format_args!("EIP:"));
        out.symbols(&[at as *mut c_void]);
    }
    out.line(format_args!("\nBacktrace:"));
    out.callers();
    out.handler_line(format_args!("--------\n"));
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Instant;

    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    /// Runs in a child of its own, whose log is returned.
    fn log_of(work: impl FnOnce(Watchdog)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        match process::fork().unwrap() {
            ForkResult::Child => {
                crash::log_file().set(&log).unwrap();
                crash::note_command(&"debug|sleep");
                work(Watchdog::new().unwrap());
                process::exit_now(0)
            }
            ForkResult::Parent { child } => {
                assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
                std::fs::read_to_string(&log).unwrap()
            }
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_loop_that_does_not_come_back_is_shown_once_and_goes_on() {
        let log = log_of(|watchdog| {
            watchdog.expect_within(20 * MS);
            let started = Instant::now();
            sleep(200 * MS);
            assert!(started.elapsed() >= 200 * MS);
        });
        assert_eq!(log.matches(":signal-handler (").count(), 2, "{log}");
        let parts = [
            ") \n--- WATCHDOG TIMER EXPIRED ---\n",
            "Last command begun: debug|sleep\n",
            "\n------ STACK TRACE ------\nEIP:\n",
            "\nBacktrace:\n",
            "[0x",
            ") --------\n\n",
        ];
        let mut rest = &log[..];
        for part in parts {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("no {part:?} in {log}"));
            rest = &rest[at + part.len()..];
        }
        assert_eq!(rest, "");
    }

    #[test]
    fn a_loop_that_comes_back_in_time_or_need_not_is_left_alone() {
        let log = log_of(|watchdog| {
            let started = Instant::now();
            while started.elapsed() < 50 * MS {
                watchdog.expect_within(10_000 * MS);
            }
            watchdog.expect_within(20 * MS);
            watchdog.expect_within(Duration::ZERO);
            sleep(60 * MS);
            watchdog.expect_within(20 * MS);
            drop(watchdog);
            sleep(60 * MS);
        });
        assert_eq!(log, "");
    }
}
