//! Signals as events of the loop.
//!
//! The signals that the server acts on are blocked and read from a descriptor (`signalfd`), so
//! that no code of ours ever runs inside a signal handler, where almost nothing is allowed. The
//! descriptor takes part in the poll like any socket. Signals of one kind that arrive together
//! are delivered as one: whoever hears of a child reaps until there is none left.
//!
//! Blocking is per thread and inherited, so [`Signals::new`] must run before the first helper
//! thread starts, and every child undoes it by [`prepare_child`] or [`prepare_program`].

use std::io;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

/// The signals that the server acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`: shut down as configured.
    Terminate,
    /// `SIGINT`: shut down as configured; the second one, at once.
    Interrupt,
    /// `SIGUSR1`: end quietly.
    User1,
    /// `SIGCHLD`: a child has ended.
    Child,
}

const ALL: [(Signal, libc::c_int); 4] = [
    (Signal::Terminate, libc::SIGTERM),
    (Signal::Interrupt, libc::SIGINT),
    (Signal::User1, libc::SIGUSR1),
    (Signal::Child, libc::SIGCHLD),
];

/// A signal that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which one.
    pub signal: Signal,
    /// The process that sent it, or the child that ended.
    pub sender: i32,
}

/// The descriptor that signals are read from.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Starts to receive signals, and ignores those that would only do harm: `SIGHUP`, which a
    /// closing terminal sends, and `SIGPIPE`, which a closing peer causes.
    ///
    /// # Errors
    ///
    /// Those of `signalfd(2)` and `sigprocmask(2)`.
    pub fn new() -> io::Result<Signals> {
        set_disposition(libc::SIGHUP, libc::SIG_IGN);
        set_disposition(libc::SIGPIPE, libc::SIG_IGN);
        let set = signal_set();
        change_mask(libc::SIG_BLOCK, &set)?;
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: `set` is a valid set that outlives the call.
        let fd = unsafe { libc::signalfd(-1, &raw const set, flags) };
        super::check(fd)?;
        // SAFETY: the descriptor is fresh and nobody else knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Signals { fd })
    }

    /// The next signal, or `None` when all have been read.
    pub fn next(&self) -> Option<Received> {
        loop {
            // SAFETY: the structure is plain numbers, for which zeros are a value.
            let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
            let size = size_of_val(&info);
            // SAFETY: `info` is a valid place for `size` bytes.
            let got = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), size) };
            if got != size as isize {
                // Nothing there; the descriptor has no other way to fail.
                return None;
            }
            let number = info.ssi_signo as libc::c_int;
            if let Some((signal, _)) = ALL.iter().find(|(_, n)| *n == number) {
                return Some(Received {
                    signal: *signal,
                    sender: info.ssi_pid as i32,
                });
            }
        }
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Whether a signal has arrived that was not read yet: for work that keeps the loop from reading.
pub fn is_pending(signal: Signal) -> bool {
    ALL.iter().any(|(known, number)| {
        // SAFETY: `sigpending` makes `set` a valid set, and the number is that of a signal, so
        // neither call can fail.
        *known == signal
            && unsafe {
                let mut set = std::mem::zeroed();
                libc::sigpending(&raw mut set) == 0
                    && libc::sigismember(&raw const set, *number) == 1
            }
    })
}

/// Gives a forked worker its own reactions: `SIGUSR1` ends it, as its parent asks, and a keyboard
/// interrupt or a termination meant for the server leaves it to its parent to decide.
pub fn prepare_child() {
    set_disposition(libc::SIGUSR1, libc::SIG_DFL);
    set_disposition(libc::SIGCHLD, libc::SIG_DFL);
    set_disposition(libc::SIGINT, libc::SIG_IGN);
    set_disposition(libc::SIGTERM, libc::SIG_IGN);
    unblock();
}

/// Gives a program that is about to be executed the reactions that every program expects.
pub fn prepare_program() {
    for number in [libc::SIGHUP, libc::SIGPIPE]
        .into_iter()
        .chain(ALL.map(|(_, number)| number))
    {
        set_disposition(number, libc::SIG_DFL);
    }
    unblock();
}

fn unblock() {
    // The set is valid and the request known, so there is no way to fail.
    let _ = change_mask(libc::SIG_UNBLOCK, &signal_set());
}

fn signal_set() -> libc::sigset_t {
    // SAFETY: `sigemptyset` makes `set` a valid set, which `sigaddset` needs; the numbers are
    // those of existing signals, so neither can fail.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for (_, number) in ALL {
            libc::sigaddset(&raw mut set, number);
        }
        set
    }
}

fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is valid for the call; the previous mask is not asked for.
    match unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn set_disposition(signal: libc::c_int, reaction: libc::sighandler_t) {
    // SAFETY: the reaction is one of the two constants, never code of ours.
    unsafe { libc::signal(signal, reaction) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    /// Signals belong to the whole process, so each test has one of its own.
    fn in_a_child(test: impl FnOnce() -> bool) {
        match process::fork().unwrap() {
            ForkResult::Child => process::exit_now(i32::from(!test())),
            ForkResult::Parent { child } => {
                assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
            }
        }
    }

    fn me() -> i32 {
        std::process::id() as i32
    }

    #[test]
    fn signals_arrive_one_by_one_with_their_sender() {
        in_a_child(|| {
            let signals = Signals::new().unwrap();
            let nothing = signals.next().is_none();
            for number in [libc::SIGTERM, libc::SIGUSR1] {
                process::send_signal(me(), number).unwrap();
            }
            let mut got = [signals.next(), signals.next()];
            got.sort_by_key(|r| r.map(|r| r.signal == Signal::Terminate));
            nothing
                && got[0]
                    == Some(Received {
                        signal: Signal::User1,
                        sender: me(),
                    })
                && got[1]
                    == Some(Received {
                        signal: Signal::Terminate,
                        sender: me(),
                    })
                && signals.next().is_none()
        });
    }

    #[test]
    fn a_signal_is_pending_until_it_is_read() {
        in_a_child(|| {
            let signals = Signals::new().unwrap();
            let before = is_pending(Signal::Interrupt);
            process::send_signal(me(), libc::SIGINT).unwrap();
            let sent = is_pending(Signal::Interrupt) && !is_pending(Signal::Terminate);
            signals.next();
            !before && sent && !is_pending(Signal::Interrupt)
        });
    }

    #[test]
    fn a_hangup_and_a_broken_pipe_do_nothing() {
        in_a_child(|| {
            let signals = Signals::new().unwrap();
            process::send_signal(me(), libc::SIGHUP).unwrap();
            process::send_signal(me(), libc::SIGPIPE).unwrap();
            signals.next().is_none()
        });
    }

    #[test]
    fn the_end_of_a_child_is_told() {
        in_a_child(|| {
            let signals = Signals::new().unwrap();
            let ForkResult::Parent { child } = process::fork().unwrap() else {
                process::exit_now(0)
            };
            process::wait_for(child).unwrap();
            signals.next()
                == Some(Received {
                    signal: Signal::Child,
                    sender: child,
                })
        });
    }

    #[test]
    fn a_worker_ends_at_the_user_signal_and_ignores_the_servers() {
        in_a_child(|| {
            let _signals = Signals::new().unwrap();
            let ForkResult::Parent { child } = process::fork().unwrap() else {
                prepare_child();
                process::send_signal(me(), libc::SIGTERM).unwrap();
                process::send_signal(me(), libc::SIGINT).unwrap();
                process::send_signal(me(), libc::SIGUSR1).unwrap();
                process::exit_now(9)
            };
            process::wait_for(child).unwrap() == Exit::Signal(libc::SIGUSR1)
        });
    }

    #[test]
    fn a_program_ends_at_a_termination() {
        in_a_child(|| {
            let _signals = Signals::new().unwrap();
            let ForkResult::Parent { child } = process::fork().unwrap() else {
                prepare_program();
                process::send_signal(me(), libc::SIGTERM).unwrap();
                process::exit_now(9)
            };
            process::wait_for(child).unwrap() == Exit::Signal(libc::SIGTERM)
        });
    }
}
