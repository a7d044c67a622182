//! The sockets of the operating system, as the engine uses them.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use super::tls::stream::TlsSocket;
use crate::engine::world::{Connecting, Socket};
use crate::sys;

/// A connected socket of either family.
#[derive(Debug)]
pub enum OsSocket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
    /// TCP, encrypted. Large, and rare beside the others.
    Tls(Box<TlsSocket>),
}

impl OsSocket {
    /// The descriptor.
    pub fn fd(&self) -> i32 {
        match self {
            OsSocket::Tcp(s) => s.as_raw_fd(),
            OsSocket::Unix(s) => s.as_raw_fd(),
            OsSocket::Tls(s) => s.fd(),
        }
    }

    /// The TCP socket, encrypted or not.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            OsSocket::Tcp(s) => Some(s),
            OsSocket::Tls(s) => Some(s.stream()),
            OsSocket::Unix(_) => None,
        }
    }

    /// It may have bytes to send of which the engine knows nothing.
    pub fn has_own_bytes(&self) -> bool {
        matches!(self, OsSocket::Tls(_))
    }

    /// The last word, where the protocol has one.
    pub fn say_goodbye(&mut self) {
        if let OsSocket::Tls(s) = self {
            s.say_goodbye();
        }
    }
}

impl mio::event::Source for OsSocket {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            OsSocket::Tcp(s) => s.register(registry, token, interests),
            OsSocket::Unix(s) => s.register(registry, token, interests),
            OsSocket::Tls(s) => s.stream_mut().register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            OsSocket::Tcp(s) => s.reregister(registry, token, interests),
            OsSocket::Unix(s) => s.reregister(registry, token, interests),
            OsSocket::Tls(s) => s.stream_mut().reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match self {
            OsSocket::Tcp(s) => s.deregister(registry),
            OsSocket::Unix(s) => s.deregister(registry),
            OsSocket::Tls(s) => s.stream_mut().deregister(registry),
        }
    }
}

impl Socket for OsSocket {
    #[inline]
    fn read_append(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        match self {
            OsSocket::Tls(s) => s.read_append(into, bytes_max),
            plain => sys::read::read_append(plain.fd(), into, bytes_max),
        }
    }

    #[inline]
    fn has_more(&self) -> bool {
        match self {
            OsSocket::Tls(s) => s.has_more(),
            OsSocket::Tcp(_) | OsSocket::Unix(_) => false,
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            OsSocket::Tcp(s) => s.write(bytes),
            OsSocket::Unix(s) => s.write(bytes),
            OsSocket::Tls(s) => s.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            OsSocket::Tcp(s) => s.write_vectored(slices),
            OsSocket::Unix(s) => s.write_vectored(slices),
            OsSocket::Tls(s) => s.write_vectored(slices),
        }
    }

    #[inline]
    fn has_unsent(&self) -> bool {
        match self {
            OsSocket::Tls(s) => s.has_unsent(),
            OsSocket::Tcp(_) | OsSocket::Unix(_) => false,
        }
    }

    #[inline]
    fn flush(&mut self) -> io::Result<bool> {
        match self {
            OsSocket::Tls(s) => s.flush(),
            OsSocket::Tcp(_) | OsSocket::Unix(_) => Ok(true),
        }
    }

    fn connecting(&mut self) -> Connecting {
        match self {
            OsSocket::Tcp(stream) => connecting(stream),
            OsSocket::Unix(_) => Connecting::Done,
            OsSocket::Tls(s) => s.connecting(connecting),
        }
    }

    fn set_nodelay(&self, on: bool) {
        if let Some(stream) = self.tcp() {
            // Without it there are more packets or later ones, nothing worse.
            let _ = stream.set_nodelay(on);
        }
    }

    fn set_keepalive(&self, seconds: u32) {
        let Some(stream) = self.tcp() else {
            return;
        };
        if seconds > 0 {
            let probe = Duration::from_secs(u64::from(seconds / 3).max(1));
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(u64::from(seconds)))
                .with_interval(probe)
                .with_retries(3);
            let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
        }
    }

    fn endpoints(&self) -> (String, String) {
        let Some(stream) = self.tcp() else {
            return (String::new(), String::new());
        };
        let text =
            |address: io::Result<SocketAddr>| address.map(|a| endpoint(&a)).unwrap_or_default();
        (text(stream.peer_addr()), text(stream.local_addr()))
    }

    fn descriptor(&self) -> i32 {
        self.fd()
    }
}

/// How far a TCP connection of ours is.
fn connecting(stream: &TcpStream) -> Connecting {
    match stream.take_error() {
        Ok(Some(e)) | Err(e) => return Connecting::Failed(e),
        Ok(None) => {}
    }
    match stream.peer_addr() {
        Ok(_) => Connecting::Done,
        Err(e) if e.kind() == ErrorKind::NotConnected => Connecting::Pending,
        Err(e) => Connecting::Failed(e),
    }
}

/// Begins to connect without waiting.
///
/// # Errors
///
/// The system refuses at once.
pub fn begin_connect(to: SocketAddr, from: Option<&str>) -> io::Result<TcpStream> {
    let socket = RawSocket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(ip) = from.and_then(|from| from.parse::<IpAddr>().ok()) {
        // A connection from another address is better than none.
        let bound = socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&SocketAddr::new(ip, 0).into()));
        if let Err(e) = bound {
            log::warn!("Cannot connect from {ip} as bind-source-addr asks: {e}");
        }
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(e) => return Err(e),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// `ip:port`, with brackets around an IPv6 address.
pub fn endpoint(address: &SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
    }
}
