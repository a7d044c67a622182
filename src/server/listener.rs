//! The sockets that clients connect to.
//!
//! Every address of `bind` and the `unixsocket` become one listener each. An address written with
//! a leading `-` may be missing from the machine; any other failure refuses the start, or the
//! `CONFIG SET` that asked for it. All listeners share one rule: the new set is opened whole before
//! the old one is closed, so that a refused change leaves the server reachable.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::base::errno::os_text;
use crate::config::Settings;
use crate::engine::path_of;

/// A listening socket.
pub enum Listener {
    /// On an address and port.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixListener),
}

/// A connection just accepted, with what is known of both ends.
pub struct Accepted {
    /// The socket.
    pub stream: Stream,
    /// The peer, as `CLIENT LIST` shows it.
    pub addr: String,
    /// Our end, likewise.
    pub local_addr: String,
    /// The peer is on this machine.
    pub is_local: bool,
}

/// All sockets that clients connect to.
#[derive(Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Listens where the settings ask for.
    pub fn replace(&mut self, registry: &mio::Registry, settings: &Settings) -> Result<(), String> {
        self.0.clear();
        self.0 = open_all(settings)?;
        for (key, listener) in self.0.iter_mut().enumerate() {
            listener
                .register(registry, super::world::listener_token(key))
                .map_err(|e| format!("Cannot watch a listening socket: {e}"))?;
        }
        Ok(())
    }

    /// The change is final.
    pub fn settle(&mut self) {}

    /// Closes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The socket that the poll knows by this number.
    pub fn get(&self, key: usize) -> Option<&Listener> {
        self.0.get(key)
    }

    /// The ways of listening that are in use.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.0.iter().map(Listener::kind).collect()
    }
}

/// A connected socket of either family.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
}

impl Stream {
    /// The descriptor.
    pub fn fd(&self) -> i32 {
        match self {
            Stream::Tcp(s) => s.as_raw_fd(),
            Stream::Unix(s) => s.as_raw_fd(),
        }
    }
}

impl io::Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write(buf),
            Stream::Unix(s) => s.write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write_vectored(bufs),
            Stream::Unix(s) => s.write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl mio::event::Source for Stream {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.register(registry, token, interests),
            Stream::Unix(s) => s.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.reregister(registry, token, interests),
            Stream::Unix(s) => s.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.deregister(registry),
            Stream::Unix(s) => s.deregister(registry),
        }
    }
}

/// Opens every listener that the settings ask for.
///
/// # Errors
///
/// The text names the address and what went wrong with it.
pub fn open_all(settings: &Settings) -> Result<Vec<Listener>, String> {
    let mut listeners = open_tcp(settings)?;
    if settings
        .unixsocket
        .as_ref()
        .is_some_and(|path| !path.is_empty())
    {
        listeners.push(open_unix(settings)?);
    }
    Ok(listeners)
}

fn open_tcp(settings: &Settings) -> Result<Vec<Listener>, String> {
    let port = settings.port;
    let mut listeners = Vec::new();
    if port == 0 {
        return Ok(listeners);
    }
    for address in settings.bind.iter() {
        let (name, optional) = (address.host, address.optional);
        match open_one(name, port, settings.tcp_backlog as i32) {
            Ok(listener) => {
                mark(&listener, settings.socket_mark_id);
                listeners.push(Listener::Tcp(listener));
            }
            Err(e) if optional && is_absent(&e) => {}
            Err(e) => {
                log::warn!(
                    "Could not create server TCP listening socket {name}:{port}: {}",
                    os_text(&e)
                );
                return Err(format!("Failed listening on port {port} (tcp), aborting."));
            }
        }
    }
    let none_wanted = settings.bind.iter().next().is_none();
    if listeners.is_empty() && !none_wanted {
        return Err(format!("Failed listening on port {port} (tcp), aborting."));
    }
    Ok(listeners)
}

/// Marks a socket, and with it those of its clients, for packet filters; that is a privilege.
fn mark(listener: &TcpListener, id: u32) {
    if id > 0
        && let Err(e) = SockRef::from(listener).set_mark(id)
    {
        log::warn!(
            "Cannot mark the listening socket with {id}: {}",
            os_text(&e)
        );
    }
}

/// The machine does not have this address or address family.
fn is_absent(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(
            libc::EADDRNOTAVAIL
                | libc::EAFNOSUPPORT
                | libc::EPROTONOSUPPORT
                | libc::ESOCKTNOSUPPORT
                | libc::EPFNOSUPPORT
                | libc::ENOPROTOOPT
        )
    )
}

fn open_one(name: &str, port: u16, backlog: i32) -> io::Result<TcpListener> {
    let address = match name {
        "*" => SocketAddr::from(([0, 0, 0, 0], port)),
        "::*" => SocketAddr::from(([0u16; 8], port)),
        name => match name.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port),
            Err(_) => (name, port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?,
        },
    };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn open_unix(settings: &Settings) -> Result<Listener, String> {
    let path = path_of(settings.unixsocket.as_deref().unwrap_or_default());
    let describe =
        |e: io::Error| format!("Failed opening Unix socket: bind: {}: {e}", path.display());
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(describe)?;
    if settings.unixsocketperm != 0 {
        let mode = std::fs::Permissions::from_mode(settings.unixsocketperm);
        std::fs::set_permissions(&path, mode).map_err(describe)?;
    }
    Ok(Listener::Unix(listener))
}

impl Listener {
    /// The next waiting connection, or `WouldBlock`.
    pub fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                let local_addr = stream
                    .local_addr()
                    .map(|a| endpoint(&a))
                    .unwrap_or_default();
                Ok(Accepted {
                    addr: endpoint(&peer),
                    local_addr,
                    is_local: peer.ip().to_canonical().is_loopback(),
                    stream: Stream::Tcp(stream),
                })
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let path = listener.local_addr().ok();
                let path = path.as_ref().and_then(|a| a.as_pathname());
                let name = format!(
                    "{}:0",
                    path.map(|p| p.display().to_string()).unwrap_or_default()
                );
                Ok(Accepted {
                    addr: name.clone(),
                    local_addr: name,
                    is_local: true,
                    stream: Stream::Unix(stream),
                })
            }
        }
    }

    /// `tcp` or `unix`, for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Listener::Tcp(_) => "tcp",
            Listener::Unix(_) => "unix",
        }
    }

    /// Starts to watch for connections.
    pub fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        match self {
            Listener::Tcp(l) => registry.register(l, token, mio::Interest::READABLE),
            Listener::Unix(l) => registry.register(l, token, mio::Interest::READABLE),
        }
    }
}

/// `ip:port`, with brackets around an IPv6 address.
pub fn endpoint(address: &SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_carry_their_mark_where_that_is_allowed() {
        let allowed = {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_mark(1).is_ok()
        };
        let listener = open_one("127.0.0.1", 0, 5).unwrap();
        let marked = || SockRef::from(&listener).mark().unwrap();
        mark(&listener, 0);
        assert_eq!(marked(), 0);
        mark(&listener, 77);
        assert_eq!(marked(), if allowed { 77 } else { 0 });
    }
}
