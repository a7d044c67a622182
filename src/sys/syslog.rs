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
//! Every message goes through a socket of its own, so a forked child that has closed whatever it
//! inherited can send them as well.

use std::fmt;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::base::line::Line;
use crate::base::local_time::LocalTime;

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
    daemon: SocketAddr,
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
    /// The daemon's name is too long for a socket.
    pub fn new(ident: &str, facility: u8) -> io::Result<Syslog> {
        Syslog::to(Path::new(SOCKET), ident, facility)
    }

    fn to(daemon: &Path, ident: &str, facility: u8) -> io::Result<Syslog> {
        Ok(Syslog {
            daemon: SocketAddr::from_pathname(daemon)?,
            facility,
            ident: ident.to_owned(),
        })
    }

    /// Sends a message of this time. Returns whether the daemon got it.
    pub fn send(&self, severity: Severity, time: LocalTime, message: fmt::Arguments<'_>) -> bool {
        let text = Line::of(format_args!(
            "<{}>{} {}[{}]: {message}",
            self.facility * 8 + severity as u8,
            time.for_syslog(),
            self.ident,
            std::process::id(),
        ));
        let send = || {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.send_to_addr(text.text(), &self.daemon)
        };
        send().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(syslog: &Syslog, severity: Severity, message: &str) -> bool {
        syslog.send(severity, LocalTime::new(0, 0), format_args!("{message}"))
    }

    #[test]
    fn messages_have_the_form_of_the_protocol_and_a_daemon_that_returns_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let syslog = Syslog::to(&path, "redis", 16).unwrap();
        assert!(!send(&syslog, Severity::Notice, "nobody listens"));
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            assert!(send(&syslog, Severity::Notice, "Ready"));
            let mut buffer = [0; 100];
            let len = daemon.recv(&mut buffer).unwrap();
            let text = str::from_utf8(&buffer[..len]).unwrap();
            let pid = std::process::id();
            assert_eq!(text, format!("<133>Jan  1 00:00:00 redis[{pid}]: Ready"));
            drop(daemon);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_daemon_that_reads_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::to(&path, "redis", 1).unwrap();
        let sent = (0..100_000)
            .take_while(|_| send(&syslog, Severity::Debug, "x"))
            .count();
        assert!(sent < 100_000);
    }
}
