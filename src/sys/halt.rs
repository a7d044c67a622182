//! Stopping all other threads, for good: before the memory that they use is tested.
//!
//! The process is about to end, and no thread will ever go on, so it does not matter what each was
//! in the middle of; what matters is that this works whatever state the process is in. Hence no
//! lock is taken and nothing allocated, and a signal is sent to each thread, whose handler waits
//! for ever.
//!
//! Threads block signals, that of the allocator all of them. But two signals no thread ever blocks:
//! those that the C library needs itself, to cancel threads and to change the user of all of them.
//! It does neither any more, so the second one of these is taken; and since the library lets nobody
//! have it, the handler is set by the system call. That has no function for the way back from a
//! handler: ours does not come back.

use std::ffi::{c_int, c_ulong};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::line::Line;

/// The second signal of the C library.
const SIGNAL: c_int = 33;
/// The threads have this long to stop, in milliseconds.
const PATIENCE_MS: u32 = 2000;
/// The structure names a function for the way back.
const SA_RESTORER: c_ulong = 0x0400_0000;

/// Threads that have stopped.
static STOPPED: AtomicUsize = AtomicUsize::new(0);

/// What the kernel knows as a handler, on processors with `SA_RESTORER`.
#[repr(C)]
struct KernelAction {
    handler: usize,
    flags: c_ulong,
    restorer: usize,
    mask: u64,
}

/// Stops all threads but this one; says whether that was possible. They never go on.
pub(super) fn stop_other_threads() -> bool {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) || !set_handler() {
        return false;
    }
    for _ in 0..PATIENCE_MS {
        // Others may be made by those that have not stopped yet.
        let mut others = 0;
        let mut asleep = 0;
        let listed = each_other_thread(|thread| {
            others += 1;
            // SAFETY: the call touches no memory. A second signal to the same thread is not
            // delivered, as its handler blocks all.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
            asleep += usize::from(is_asleep(thread));
        });
        if !listed {
            return false;
        }
        // All of them are in the handler, and asleep: then that is where they sleep.
        if STOPPED.load(Ordering::Acquire) >= others && asleep == others {
            return true;
        }
        // SAFETY: the calls sleep for a millisecond.
        unsafe { libc::usleep(1000) };
    }
    false
}

fn set_handler() -> bool {
    let handler: extern "C" fn(c_int) = stop;
    let action = KernelAction {
        handler: handler as *const () as usize,
        flags: SA_RESTORER | libc::SA_ONSTACK as c_ulong,
        restorer: handler as *const () as usize,
        mask: u64::MAX,
    };
    // SAFETY: the structure has the layout that these processors' kernels know, and is valid for
    // reading. The handler touches an atomic and never returns, so nothing is called on the way
    // back.
    let result = unsafe {
        let set_bytes = size_of_val(&action.mask);
        let old = std::ptr::null_mut::<KernelAction>();
        libc::syscall(
            libc::SYS_rt_sigaction,
            SIGNAL,
            &raw const action,
            old,
            set_bytes,
        )
    };
    result == 0
}

/// The handler.
extern "C" fn stop(_: c_int) {
    STOPPED.fetch_add(1, Ordering::AcqRel);
    loop {
        // SAFETY: waits for none of no descriptors; the call touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) };
    }
}

/// Calls `visit` for every thread of this process but this one; false if they cannot be listed.
fn each_other_thread(mut visit: impl FnMut(i32)) -> bool {
    /// Where in a record of a folder its length is, and its name.
    const LENGTH_AT: usize = 16;
    const NAME_AT: usize = 19;
    // SAFETY: neither call touches memory but the text, which ends with a zero.
    let (me, folder) = unsafe {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        (
            libc::gettid(),
            libc::open(c"/proc/self/task".as_ptr(), flags),
        )
    };
    if folder == -1 {
        return false;
    }
    let mut records = [0u8; 4096];
    let all_read = loop {
        // SAFETY: so many bytes are valid for writing.
        let got = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                folder,
                records.as_mut_ptr(),
                records.len(),
            )
        };
        let Ok(got @ 1..) = usize::try_from(got) else {
            break got == 0;
        };
        let mut at = 0;
        while at < got {
            let name = &records[at + NAME_AT..got];
            let number = name.iter().take_while(|c| c.is_ascii_digit());
            let number = number.fold(0, |number, c| number * 10 + i32::from(c - b'0'));
            if number != 0 && number != me {
                visit(number);
            }
            let length = [records[at + LENGTH_AT], records[at + LENGTH_AT + 1]];
            at += usize::from(u16::from_ne_bytes(length)).max(1);
        }
    };
    // SAFETY: the descriptor is ours and used no more.
    unsafe { libc::close(folder) };
    all_read
}

/// Whether a thread waits in the kernel.
fn is_asleep(thread: i32) -> bool {
    let mut path = Line::default();
    let _ = write!(path, "/proc/self/task/{thread}/stat\0");
    let mut text = [0u8; 512];
    // SAFETY: the path ends with a zero, and so many bytes are valid for writing.
    let got = unsafe {
        let file = libc::open(
            path.text().as_ptr().cast(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        );
        let got = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        got
    };
    let text = &text[..usize::try_from(got).unwrap_or(0)];
    // The name of the thread stands in parentheses, and may hold any.
    let after_name = text.iter().rposition(|c| *c == b')');
    after_name.and_then(|at| text.get(at + 2)) == Some(&b'S')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    #[test]
    fn threads_stop_those_that_block_all_signals_too() {
        let ForkResult::Parent { child } = process::fork().unwrap() else {
            let count = Arc::new(AtomicU64::new(0));
            for blocks in [false, true, true] {
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    if blocks {
                        // SAFETY: the set is made a valid one before it is used.
                        unsafe {
                            let mut set = std::mem::zeroed();
                            libc::sigfillset(&raw mut set);
                            let old = std::ptr::null_mut();
                            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, old);
                        }
                    }
                    loop {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let sleeper = thread::spawn(|| thread::sleep(Duration::from_secs(1000)));
            assert!(!sleeper.is_finished());
            let stopped = stop_other_threads();
            let then = count.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
            let still = count.load(Ordering::Relaxed) == then;
            process::exit_now(i32::from(!(stopped && still)));
        };
        assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
    }
}
