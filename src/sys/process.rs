//! Child processes: making them, hearing of their end, sending them signals, and detaching.
//!
//! A snapshot is taken by a forked child that owns a copy of the memory as it was: all of it, with
//! whatever other threads had in their hands, and none of those threads. A lock that one of them
//! held stays locked in the child for ever. So what a child may do is a short list, see [`fork`],
//! and it leaves by [`exit_now`], so that no destructor, buffer or exit handler of the parent runs
//! twice.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// On which side of a fork one woke up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkResult {
    /// The original process; the child has this id.
    Parent {
        /// The child's process id.
        child: i32,
    },
    /// The new process.
    Child,
}

/// Makes a copy of this process, in which the calling thread alone goes on.
///
/// The child may read and change what that thread owns, use the heap, files and pipes, and log. It
/// must not use what other threads lock as well: channels to them, Rust's standard streams, the
/// look-up of names, local time, backtraces. It ends by [`exit_now`] or by a signal, and never
/// returns to the code that served the parent.
///
/// # Errors
///
/// Those of `fork(2)`: no memory, or too many processes.
pub fn fork() -> io::Result<ForkResult> {
    // SAFETY: what the child uses is whole and not locked, whatever other threads do now:
    // - The data set and all else of the server belong to the thread that forks.
    // - The heap: jemalloc takes its locks before a fork and lets them go on both sides
    //   (`pthread_atfork`), and so does the C library with those of its own heap and streams. So
    //   threads may allocate, free, and resolve names meanwhile.
    // - The log takes no lock (`server/logger.rs`): atomics, cells that are set once, and `open`,
    //   `write`, `close`. It does not ask the C library for the local time, which has a lock that
    //   nobody looks after.
    // - Texts of the system's errors are under a lock that is only ever taken for reading.
    // - A panic in the child is a line of the log and an abort (`server/crash.rs`): it does not
    //   unwind into the parent's code, and takes no backtrace, which has a lock. The handler of the
    //   abort does look for names, last of all, under an alarm that ends it.
    // What else the standard library locks (its streams, the environment, threads, channels) the
    // child must not use, which is the contract above.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(ForkResult::Child),
        child => Ok(ForkResult::Parent { child }),
    }
}

/// Ends the process at once: no destructors, no exit handlers, no flushing.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ending the process needs no state to be sound.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor above standard error but these.
pub fn close_descriptors_except(kept: &[i32]) {
    let mut kept: Vec<u32> = kept
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .collect();
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept.into_iter().chain([u32::MAX]) {
        if from < fd {
            // SAFETY: closing descriptors touches no memory, and nothing here has memory mapped by
            // one. Who still owns a descriptor that is closed gets an error when it uses it.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
        }
        from = fd.saturating_add(1);
    }
}

/// Crashes the process as a stray pointer would.
pub fn crash_by_bad_access() -> ! {
    // A stray pointer of Rust would be undefined behaviour; a stray instruction is a crash.
    const STRAY: usize = 8;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the address is in the first page, which belongs to nobody and is never mapped. So
    // the processor refuses the first instruction, and if not that, then the second.
    unsafe {
        asm!("mov byte ptr [{0}], 0", "ud2", in(reg) STRAY, options(noreturn, nostack))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("strb wzr, [{0}]", "udf #0", in(reg) STRAY, options(noreturn, nostack))
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = STRAY;
        std::process::abort()
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether it ended by itself and reported success.
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }

    fn from_status(status: libc::c_int) -> Exit {
        if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            Exit::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// Takes note of one child that has ended, without waiting; `None` when there is none (more).
///
/// # Errors
///
/// Those of `waitpid(2)`; having no children at all is not one.
pub fn reap_any() -> io::Result<Option<(i32, Exit)>> {
    reap(-1)
}

/// As [`reap_any`], for one child only.
///
/// # Errors
///
/// Those of `waitpid(2)`; a child that is not ours counts as one that has not ended.
pub fn reap_child(child: i32) -> io::Result<Option<Exit>> {
    Ok(reap(child)?.map(|(_, exit)| exit))
}

fn reap(which: i32) -> io::Result<Option<(i32, Exit)>> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    match unsafe { libc::waitpid(which, &raw mut status, libc::WNOHANG) } {
        0 => Ok(None),
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
            error => Err(error),
        },
        child => Ok(Some((child, Exit::from_status(status)))),
    }
}

/// Waits until `child` has ended.
///
/// # Errors
///
/// Those of `waitpid(2)`, such as a child that is not ours.
pub fn wait_for(child: i32) -> io::Result<Exit> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            return Ok(Exit::from_status(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Has a program that is about to be started end, by `SIGKILL`, when the thread that starts it
/// does: for helpers that nobody would find again.
pub fn end_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let request = move || {
        // SAFETY: both calls take plain numbers and may be made between fork and exec.
        let is_orphan = unsafe {
            super::check(libc::prctl(
                libc::PR_SET_PDEATHSIG,
                libc::SIGKILL as libc::c_ulong,
            ))?;
            libc::getppid() as u32 != parent
        };
        // The parent may have ended before the request was made.
        match is_orphan {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(()),
        }
    };
    // SAFETY: the closure allocates nothing, takes no lock and makes only calls that are allowed
    // between fork and exec.
    unsafe { command.pre_exec(request) };
}

/// Sends a signal to a process.
///
/// # Errors
///
/// Those of `kill(2)`: no such process, or not allowed.
pub fn send_signal(process: i32, signal: i32) -> io::Result<()> {
    assert!(process > 0, "other numbers mean whole groups of processes");
    // SAFETY: the call takes plain numbers.
    super::check(unsafe { libc::kill(process, signal) })
}

/// Sends a signal to all processes of the group that this process leads.
///
/// # Errors
///
/// Those of `kill(2)`: no such group, or not allowed.
pub fn send_signal_to_group(leader: i32, signal: i32) -> io::Result<()> {
    assert!(leader > 1, "other numbers mean our own group, or everybody");
    // SAFETY: the call takes plain numbers.
    super::check(unsafe { libc::kill(-leader, signal) })
}

/// Detaches from the terminal: goes on in a child that leads a session of its own, with the
/// standard streams at `/dev/null`, while the process that was started exits successfully.
///
/// Call it before there are threads, sockets or files that both processes would share.
///
/// # Errors
///
/// Those of `fork(2)` and of opening `/dev/null`.
pub fn daemonize() -> io::Result<()> {
    if let ForkResult::Parent { .. } = fork()? {
        exit_now(0);
    }
    // SAFETY: the call takes nothing; it only fails for the leader of a process group, which a
    // fresh child is not.
    unsafe { libc::setsid() };
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for standard in 0..=2 {
        // SAFETY: both are descriptors of this process; whoever uses a standard stream finds it
        // open, as before.
        super::check(unsafe { libc::dup2(null.as_raw_fd(), standard) }.min(0))?;
    }
    Ok(())
}

/// Writes this process's id and a line end to `path`.
///
/// # Errors
///
/// Those of writing a file.
pub fn write_pid_file(path: &Path) -> io::Result<()> {
    fs::write(path, format!("{}\n", std::process::id()))
}

/// Removes a pid file if it still names this process; another server may have taken the name.
///
/// # Errors
///
/// Those of removing a file.
pub fn remove_pid_file(path: &Path) -> io::Result<()> {
    let ours = std::process::id().to_string();
    match fs::read_to_string(path) {
        Ok(text) if text.trim() != ours => Ok(()),
        _ => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `child` in a fork; its return value is the exit code.
    fn fork_and(child: impl FnOnce() -> i32) -> i32 {
        match fork().unwrap() {
            ForkResult::Child => exit_now(child()),
            ForkResult::Parent { child } => child,
        }
    }

    #[test]
    fn a_child_reports_how_it_ended() {
        let child = fork_and(|| 7);
        let exit = wait_for(child).unwrap();
        assert_eq!(exit, Exit::Code(7));
        assert!(!exit.is_success());
        assert!(wait_for(fork_and(|| 0)).unwrap().is_success());
    }

    #[test]
    fn a_killed_child_names_the_signal() {
        let child = fork_and(|| {
            std::thread::sleep(std::time::Duration::from_secs(20));
            0
        });
        assert_eq!(reap_child(child).unwrap(), None);
        send_signal(child, libc::SIGKILL).unwrap();
        assert_eq!(wait_for(child).unwrap(), Exit::Signal(libc::SIGKILL));
    }

    #[test]
    fn reaping_does_not_wait_and_strangers_are_not_ours() {
        assert_eq!(reap_child(std::process::id() as i32).unwrap(), None);
        let child = fork_and(|| 3);
        let exit = loop {
            match reap_child(child).unwrap() {
                Some(exit) => break exit,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(exit, Exit::Code(3));
    }

    #[test]
    fn a_child_can_allocate_and_free_while_other_threads_do_the_same() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        drop(std::hint::black_box(vec![1u8; 3000]));
                    }
                });
            }
            for _ in 0..20 {
                let child = fork_and(|| {
                    let blocks: Vec<Vec<u8>> = (1..500).map(|n| vec![7; n * 10]).collect();
                    i32::from(blocks.iter().map(Vec::len).sum::<usize>() != 1_247_500)
                });
                assert_eq!(wait_for(child).unwrap(), Exit::Code(0));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn a_detached_process_leads_a_session_and_has_no_terminal() {
        let (mut reader, writer) = io::pipe().unwrap();
        let child = fork_and(move || {
            if daemonize().is_err() {
                return 1;
            }
            let leads = {
                // SAFETY: the call takes a plain number and gives one.
                let session = unsafe { libc::getsid(0) };
                session == std::process::id() as i32
            };
            let stdin = fs::read_link("/proc/self/fd/0").unwrap_or_default();
            let fine = leads && stdin == Path::new("/dev/null");
            let _ = io::Write::write_all(&mut &writer, &[u8::from(fine)]);
            0
        });
        assert_eq!(wait_for(child).unwrap(), Exit::Code(0));
        let mut answer = Vec::new();
        io::Read::read_to_end(&mut reader, &mut answer).unwrap();
        assert_eq!(answer, [1]);
    }

    #[test]
    fn a_pid_file_is_removed_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.pid");
        write_pid_file(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        fs::write(&path, "1\n").unwrap();
        remove_pid_file(&path).unwrap();
        assert!(path.exists());
        write_pid_file(&path).unwrap();
        remove_pid_file(&path).unwrap();
        assert!(!path.exists());
    }
}
