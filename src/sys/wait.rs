//! Waiting for one descriptor, where the whole program is to wait for nothing else.

use std::os::fd::RawFd;
use std::time::Duration;

/// Waits until a descriptor takes bytes (`to_write`) or has some, or is broken, at most so long.
/// `false`: nothing of that has happened.
pub fn wait_for(fd: RawFd, to_write: bool, time: Duration) -> bool {
    let mut polled = libc::pollfd {
        fd,
        events: if to_write {
            libc::POLLOUT
        } else {
            libc::POLLIN
        },
        revents: 0,
    };
    // Rounded up, since a wait of no time at all would make a busy loop of its user's.
    let ms = i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    // SAFETY: `polled` is one valid entry, as the count says, and outlives the call.
    let ready = unsafe { libc::poll(&raw mut polled, 1, ms) };
    ready > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_is_waited_for_and_no_longer_than_asked() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let fd = b.as_raw_fd();
        assert!(!wait_for(fd, false, Duration::from_millis(1)));
        assert!(wait_for(fd, true, Duration::from_secs(60)));
        a.write_all(b"x").unwrap();
        assert!(wait_for(fd, false, Duration::from_secs(60)));
    }
}
