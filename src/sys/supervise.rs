//! Telling a supervisor that the server is ready.
//!
//! systemd names a socket in `NOTIFY_SOCKET` and takes short messages there; upstart waits for
//! the process to stop itself. Neither needs a library.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A supervisor that waits for word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// systemd with `Type=notify`.
    Systemd,
    /// upstart with `expect stop`.
    Upstart,
}

/// The supervisor that the environment speaks of, if any.
pub fn detect() -> Option<Supervisor> {
    if std::env::var_os("UPSTART_JOB").is_some() {
        Some(Supervisor::Upstart)
    } else if std::env::var_os("NOTIFY_SOCKET").is_some() {
        Some(Supervisor::Systemd)
    } else {
        None
    }
}

/// Sends systemd a message such as `READY=1\n`; `Ok(false)` when it did not ask for any.
///
/// # Errors
///
/// Those of sending a datagram to the socket that systemd named.
pub fn notify_systemd(message: &str) -> io::Result<bool> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(false);
    };
    notify(path.as_bytes(), message).map(|()| true)
}

/// A leading `@` stands for the namespace of names that are no files.
fn notify(path: &[u8], message: &str) -> io::Result<()> {
    let address = match path {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    let sent = socket.send_to_addr(message.as_bytes(), &address)?;
    if sent == message.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Stops this process, by which upstart knows that it is ready; upstart lets it go on at once.
///
/// # Errors
///
/// Those of `raise(3)`.
pub fn stop_for_upstart() -> io::Result<()> {
    // SAFETY: the signal is a known one and stops the process without running any code.
    match unsafe { libc::raise(libc::SIGSTOP) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    fn receive(socket: &UnixDatagram) -> Vec<u8> {
        let mut buf = [0; 64];
        let n = socket.recv(&mut buf).unwrap();
        buf[..n].to_vec()
    }

    #[test]
    fn messages_reach_a_socket_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        notify(path.as_os_str().as_bytes(), "READY=1\n").unwrap();
        assert_eq!(receive(&socket), b"READY=1\n");

        let name = format!("tanist-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        notify(format!("@{name}").as_bytes(), "STATUS=x\n").unwrap();
        assert_eq!(receive(&socket), b"STATUS=x\n");
        assert!(notify(b"/no/such/socket", "x").is_err());
    }

    #[test]
    fn a_process_stopped_for_upstart_goes_on_when_told() {
        match process::fork().unwrap() {
            ForkResult::Child => process::exit_now(i32::from(stop_for_upstart().is_err())),
            ForkResult::Parent { child } => {
                let mut status = 0;
                // SAFETY: `status` is a valid place for the result.
                unsafe { libc::waitpid(child, &raw mut status, libc::WUNTRACED) };
                assert!(libc::WIFSTOPPED(status));
                process::send_signal(child, libc::SIGCONT).unwrap();
                assert_eq!(process::wait_for(child).unwrap(), Exit::Code(0));
            }
        }
    }
}
