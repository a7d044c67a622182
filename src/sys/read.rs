//! Reading into the unused part of a vector, which the standard library cannot do yet without
//! filling it with zeros first.

use std::io;
use std::os::fd::RawFd;

/// Reads once, appending at most `max` bytes to `buf`, for which it must have room. Returns the
/// number of bytes; 0 is the end of the stream.
///
/// # Errors
///
/// Those of `read(2)`, `WouldBlock` among them; an interrupted call is repeated.
///
/// # Panics
///
/// There is less room than `max`.
pub fn read_append(fd: RawFd, buf: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    assert!(buf.capacity() - buf.len() >= max, "no room for {max} bytes");
    loop {
        let spare = buf.spare_capacity_mut();
        // SAFETY: `spare` begins at the vector's end and has at least `max` bytes, asserted above;
        // the kernel writes at most `max` of them.
        let n = unsafe { libc::read(fd, spare.as_mut_ptr().cast(), max) };
        if let Ok(n) = usize::try_from(n) {
            // SAFETY: the kernel has initialised the first `n` bytes behind the old end.
            unsafe { buf.set_len(buf.len() + n) };
            return Ok(n);
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_are_appended_and_the_end_is_told() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut buf = b"x".to_vec();
        buf.reserve(10);
        a.write_all(b"hello").unwrap();
        assert_eq!(read_append(b.as_raw_fd(), &mut buf, 3).unwrap(), 3);
        assert_eq!(read_append(b.as_raw_fd(), &mut buf, 3).unwrap(), 2);
        assert_eq!(buf, b"xhello");
        b.set_nonblocking(true).unwrap();
        let e = read_append(b.as_raw_fd(), &mut buf, 3).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        // Not dropped: a child that another test forks may hold a copy of the descriptor.
        a.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(read_append(b.as_raw_fd(), &mut buf, 3).unwrap(), 0);
    }
}
