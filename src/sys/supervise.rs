//! Telling a service manager how the server is.
//!
//! systemd names a socket in `NOTIFY_SOCKET` and takes short messages there; upstart waits for
//! the process to stop itself. Neither needs a library.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variable in which upstart names the job that it waits for.
pub const UPSTART_JOB: &str = "UPSTART_JOB";
/// The variable in which systemd names its socket.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// How long a message waits for systemd, which reads them one by one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends systemd a message such as `READY=1\n` to the socket of this name. A leading `@` stands for
/// the namespace of names that are no files.
///
/// # Errors
///
/// The name is none (`EINVAL`), nobody listens there, or nobody reads what comes.
pub fn notify_systemd(socket: &OsStr, message: &str) -> io::Result<()> {
    let no_name = || io::Error::from_raw_os_error(libc::EINVAL);
    let address = match socket.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
        [b'/', _, ..] => SocketAddr::from_pathname(socket),
        _ => return Err(no_name()),
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(PATIENCE))?;
    let address = address.map_err(|_| no_name())?;
    let sent = sender.send_to_addr(message.as_bytes(), &address)?;
    if sent == message.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Stops this process, by which upstart knows that it is ready; upstart lets it go on at once. The
/// programs that this process becomes or starts are not asked to do the same.
///
/// Call it before there are other threads.
///
/// # Errors
///
/// Those of `raise(3)`.
pub fn stop_for_upstart() -> io::Result<()> {
    // SAFETY: the signal is a known one and stops the process without running any code.
    if unsafe { libc::raise(libc::SIGSTOP) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if super::title::is_single_threaded() {
        // SAFETY: there is no other thread that could be reading the environment.
        unsafe { std::env::remove_var(UPSTART_JOB) };
    }
    Ok(())
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

    fn notify(socket: &str, message: &str) -> io::Result<()> {
        notify_systemd(OsStr::new(socket), message)
    }

    #[test]
    fn messages_reach_a_socket_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        notify(path.to_str().unwrap(), "READY=1\n").unwrap();
        assert_eq!(receive(&socket), b"READY=1\n");

        let name = format!("tanist-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        notify(&format!("@{name}"), "STATUS=x\n").unwrap();
        assert_eq!(receive(&socket), b"STATUS=x\n");
    }

    #[test]
    fn a_socket_that_is_none_is_an_error() {
        let long = format!("/{}", "x".repeat(200));
        for (name, code) in [
            ("/no/such/socket", libc::ENOENT),
            ("relative", libc::EINVAL),
            ("", libc::EINVAL),
            ("@", libc::EINVAL),
            (&long, libc::EINVAL),
        ] {
            let error = notify(name, "x").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code), "{name}");
        }
    }

    #[test]
    fn nobody_waits_for_ever_for_a_manager_that_does_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let full = (0..1_000_000).find_map(|_| notify(path.to_str().unwrap(), "x").err());
        assert_eq!(full.unwrap().raw_os_error(), Some(libc::EAGAIN));
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
