//! One socket that clients connect to.

use std::io;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry};

use crate::engine::world::{Accepted, Service, Wake};
use crate::server::socket::{OsSocket, endpoint};
use crate::server::tls::Tls;
use crate::server::token::token_of;

/// A listening socket.
pub enum Listener {
    /// On an address and port.
    Tcp(TcpListener),
    /// The same, for clients that speak TLS.
    Tls(TcpListener),
    /// On a path.
    Unix(UnixListener),
}

impl Listener {
    /// The next waiting connection, or `WouldBlock`. Whom the listener is there for, its owner
    /// knows.
    pub fn accept(&self, tls: &Tls) -> io::Result<Accepted<OsSocket>> {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener) => {
                let (stream, peer) = listener.accept()?;
                let local_addr = stream
                    .local_addr()
                    .map(|a| endpoint(&a))
                    .unwrap_or_default();
                Ok(Accepted {
                    socket: match self {
                        Listener::Tls(_) => OsSocket::Tls(Box::new(tls.server_side(stream)?)),
                        _ => OsSocket::Tcp(stream),
                    },
                    addr: endpoint(&peer),
                    local_addr,
                    is_local: peer.ip().to_canonical().is_loopback(),
                    unix_socket: false,
                    service: Service::Clients,
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
                    socket: OsSocket::Unix(stream),
                    addr: name.clone(),
                    local_addr: name,
                    is_local: true,
                    unix_socket: true,
                    service: Service::Clients,
                })
            }
        }
    }

    /// `tcp`, `tls` or `unix`, for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Listener::Tcp(_) => "tcp",
            Listener::Tls(_) => "tls",
            Listener::Unix(_) => "unix",
        }
    }

    /// Starts to watch for connections.
    pub fn register(&mut self, registry: &Registry, key: usize) -> io::Result<()> {
        let token = token_of(Wake::Listener(key));
        match self {
            Listener::Tcp(l) | Listener::Tls(l) => registry.register(l, token, Interest::READABLE),
            Listener::Unix(l) => registry.register(l, token, Interest::READABLE),
        }
    }

    /// Ends that.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Listener::Tcp(l) | Listener::Tls(l) => registry.deregister(l),
            Listener::Unix(l) => registry.deregister(l),
        }
    }
}
