//! The system's log: datagrams to the socket on which its daemon listens.
//!
//! Messages have the form of RFC 3164, as the C library sends them:
//!
//! ```text
//! <133>Nov 21 23:12:45 redis[4711]: Ready to accept connections tcp
//! ```
//!
//! The number is the facility times eight plus the severity. Nobody waits for the daemon: while it
//! is away or does not keep up, messages are lost to it. When it comes back it is found again.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::clock;

/// Where daemons listen.
const SOCKET: &str = "/dev/log";

/// How grave a message is; the discriminants are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something may be wrong.
    Warning = 4,
    /// Normal, but of note.
    Notice = 5,
    /// For information.
    Info = 6,
    /// For debugging.
    Debug = 7,
}

/// A sender of messages to the system's log.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    daemon: PathBuf,
    /// Who is speaking, by number: 1 is a user's process, 16 to 23 are for local use.
    facility: u8,
    ident: String,
}

impl Syslog {
    /// A sender under the name `ident`, of a facility by its number in the protocol. The daemon
    /// need not be there yet.
    ///
    /// # Errors
    ///
    /// There is no descriptor left for a socket.
    pub fn new(ident: &str, facility: u8) -> io::Result<Syslog> {
        Syslog::to(PathBuf::from(SOCKET), ident, facility)
    }

    fn to(daemon: PathBuf, ident: &str, facility: u8) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Syslog {
            socket,
            daemon,
            facility,
            ident: ident.to_owned(),
        })
    }

    /// Sends a message. Returns whether the daemon got it.
    pub fn send(&self, severity: Severity, message: &str) -> bool {
        let text = format!(
            "<{}>{} {}[{}]: {message}",
            self.facility * 8 + severity as u8,
            clock::syslog_time_text(),
            self.ident,
            std::process::id(),
        );
        self.socket.send_to(text.as_bytes(), &self.daemon).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_form_of_the_protocol_and_a_daemon_that_returns_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let syslog = Syslog::to(path.clone(), "redis", 16).unwrap();
        assert!(!syslog.send(Severity::Notice, "nobody listens"));
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            assert!(syslog.send(Severity::Notice, "Ready"));
            let mut buffer = [0; 100];
            let len = daemon.recv(&mut buffer).unwrap();
            let text = str::from_utf8(&buffer[..len]).unwrap();
            let end = format!(" redis[{}]: Ready", std::process::id());
            assert!(text.starts_with("<133>") && text.ends_with(&end), "{text}");
            assert_eq!(text.len(), "<133>Nov  1 23:12:45".len() + end.len());
            drop(daemon);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_daemon_that_reads_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::to(path, "redis", 1).unwrap();
        let sent = (0..100_000)
            .take_while(|_| syslog.send(Severity::Debug, "x"))
            .count();
        assert!(sent < 100_000);
    }
}
