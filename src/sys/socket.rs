//! What the kernel knows of a socket and no library asks.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// How `ioctl(2)` is asked for bytes that were not sent, by `linux/sockios.h`.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;

/// Bytes that were written to a TCP socket and have not left: its peer has no room for them.
///
/// # Errors
///
/// Those of `ioctl(2)`: it is no such socket.
pub fn unsent_bytes(socket: &impl AsFd) -> io::Result<usize> {
    let mut unsent: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and `unsent` is a valid place
    // for the one number that this request answers with.
    super::check(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCOUTQNSD, &raw mut unsent) })?;
    Ok(unsent as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_nobody_reads_stays_with_the_sender() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let mut sender = TcpStream::connect(address).expect("it listens");
        assert_eq!(unsent_bytes(&sender).expect("a socket"), 0);
        let _peer = listener.accept().expect("it has connected");
        sender.set_nonblocking(true).expect("a socket");
        while sender.write(&[0; 65536]).is_ok() {}
        assert!(unsent_bytes(&sender).expect("a socket") > 0);
        let file = tempfile::tempfile().expect("a file");
        assert!(unsent_bytes(&file).is_err());
    }
}
