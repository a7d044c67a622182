//! Opening listening sockets: what is asked for, in which order, and what may be missing.
//!
//! First every socket is bound, which is what can fail, then every one begins to listen: when an
//! address is taken, no connection has reached another one yet that is closed again.
//!
//! An address overlaps with another when one of the two stands for all (`*`). The kernel refuses
//! to bind it while the other listens, even within one process. An old socket that is about to
//! go must not stand in the way of its successor, nor be closed before it; so for as long as the
//! new ones are being opened, both have `SO_REUSEPORT`, which lets sockets of one user share a
//! port. It is taken away again, so a second server that is started by mistake finds the port
//! taken, as ever.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::socket::Listener;
use crate::base::errno::os_text;
use crate::config::{BindAddress, BindAddresses, Settings};
use crate::engine::path_of;
use crate::engine::world::Service;

/// Bytes of the longest name of a Unix socket, with its end mark.
const UNIX_PATH_BYTES: usize = 108;

/// What is spoken on a TCP port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// The protocol as it is.
    Plain,
    /// The same over TLS.
    Tls,
}

impl Spoken {
    /// Its name, for the log.
    fn name(self) -> &'static str {
        match self {
            Spoken::Plain => "tcp",
            Spoken::Tls => "tls",
        }
    }

    fn listener(self, socket: Socket) -> Listener {
        let listener = TcpListener::from_std(socket.into());
        match self {
            Spoken::Plain => Listener::Tcp(listener),
            Spoken::Tls => Listener::Tls(listener),
        }
    }
}

/// Where a socket listens: two sockets of one place do the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddr {
    /// An address and port.
    Tcp(SocketAddr, Spoken),
    /// A path as it was given; where that is was decided when the socket was opened.
    Unix(PathBuf),
}

impl ListenAddr {
    /// While one of them listens, the other cannot.
    fn overlaps(&self, other: &ListenAddr) -> bool {
        match (self, other) {
            (ListenAddr::Tcp(a, _), ListenAddr::Tcp(b, _)) => {
                let (one, two) = (a.ip(), b.ip());
                let of_all = one.is_unspecified() || two.is_unspecified();
                // IPv6 sockets take IPv6 only, so the families are never in each other's way.
                a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && (of_all || one == two)
            }
            (ListenAddr::Unix(a), ListenAddr::Unix(b)) => a == b,
            _ => false,
        }
    }
}

/// A socket that the settings ask for.
pub struct Wanted {
    /// Where.
    pub place: ListenAddr,
    /// Whom for.
    pub service: Service,
    /// The port, for the log.
    port: u16,
    /// The same, as it was written.
    name: String,
    /// The machine may lack it.
    optional: bool,
}

/// Why a socket was not opened.
struct Refusal {
    text: String,
    errno: Option<i32>,
}

impl Refusal {
    fn of(call: &str, e: &io::Error) -> Refusal {
        Refusal {
            text: format!("{call}: {}", os_text(e)),
            errno: e.raw_os_error(),
        }
    }

    /// The machine has no such address or address family, and need not have it.
    fn is_excused(&self, wanted: &Wanted) -> bool {
        match self.errno {
            Some(libc::EADDRNOTAVAIL) => wanted.optional,
            Some(
                libc::EAFNOSUPPORT
                | libc::EPROTONOSUPPORT
                | libc::ESOCKTNOSUPPORT
                | libc::EPFNOSUPPORT
                | libc::ENOPROTOOPT,
            ) => true,
            _ => false,
        }
    }
}

/// What the settings ask for, in their order.
///
/// # Errors
///
/// A name does not stand for an address; the text is for the log.
pub fn wanted(settings: &Settings) -> Result<Vec<Wanted>, String> {
    let mut all = Vec::new();
    let metrics = &settings.metrics_bind.0;
    let (bind, clients) = (&settings.bind, Service::Clients);
    want_tcp(&mut all, (clients, Spoken::Plain), settings.port, bind)?;
    want_tcp(&mut all, (clients, Spoken::Tls), settings.tls_port, bind)?;
    let plain = (Service::Metrics, Spoken::Plain);
    want_tcp(&mut all, plain, settings.metrics_port, metrics)?;
    if let Some(path) = settings.unixsocket.as_deref().filter(|p| !p.is_empty()) {
        all.push(Wanted {
            place: ListenAddr::Unix(path_of(path)),
            service: Service::Clients,
            port: 0,
            name: String::from_utf8_lossy(path).into_owned(),
            optional: false,
        });
    }
    Ok(all)
}

/// Adds the addresses of a port; 0 is none.
fn want_tcp(
    all: &mut Vec<Wanted>,
    (service, spoken): (Service, Spoken),
    port: u16,
    bind: &BindAddresses,
) -> Result<(), String> {
    for BindAddress { host, optional } in bind.iter().filter(|_| port != 0) {
        let address = resolve(host, port).map_err(|text| {
            log_refusal(host, port, &text);
            failed_listening(port, spoken)
        })?;
        all.push(Wanted {
            place: ListenAddr::Tcp(address, spoken),
            service,
            port,
            name: host.to_owned(),
            optional,
        });
    }
    Ok(())
}

/// The address of a name; one with a colon is of IPv6, any other of IPv4.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let is_v6 = host.contains(':');
    let ip = match host {
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        host => host.parse().ok(),
    };
    if let Some(ip) = ip {
        return Ok(SocketAddr::new(ip, port));
    }
    let unknown = "Name or service not known";
    let found = (host, port).to_socket_addrs().map_err(|e| {
        // The library says what it did; the rest is the system's word.
        let text = os_text(&e);
        let words = text.strip_prefix("failed to lookup address information: ");
        words.unwrap_or(&text).to_owned()
    })?;
    let mut of_family = found.filter(|address| address.is_ipv6() == is_v6);
    of_family.next().ok_or_else(|| unknown.to_owned())
}

fn log_refusal(name: &str, port: u16, text: &str) {
    log::warn!("Warning: Could not create server TCP listening socket {name}:{port}: {text}");
}

fn failed_listening(port: u16, spoken: Spoken) -> String {
    format!(
        "Failed listening on port {port} ({}), aborting.",
        spoken.name()
    )
}

/// Opens all that is wanted, but for what may be missing, or nothing. The sockets of `leaving` are
/// about to be closed: they are not in the way.
///
/// # Errors
///
/// The text is for the log, where the address that is to blame is named already.
pub fn open_all(
    wanted: Vec<Wanted>,
    leaving: &[(&ListenAddr, &Listener)],
    settings: &Settings,
) -> Result<Vec<(ListenAddr, Service, Listener)>, String> {
    let backlog = settings.tcp_backlog as i32;
    let mut sharing = Sharing::default();
    let mut bound: Vec<(Wanted, Spoken, Socket)> = Vec::new();
    let mut paths = Vec::new();
    for wanted in wanted {
        let ListenAddr::Tcp(address, spoken) = wanted.place else {
            paths.push(wanted);
            continue;
        };
        let overlaps = |place: &ListenAddr| place.overlaps(&wanted.place);
        // Two new ones that overlap are a mistake that the kernel shall see.
        let may_share = !bound.iter().any(|(other, ..)| overlaps(&other.place));
        let in_the_way = |(place, _): &&(&ListenAddr, &Listener)| may_share && overlaps(place);
        let old: Vec<_> = leaving.iter().filter(in_the_way).collect();
        for (_, listener) in &old {
            sharing.join(listener);
        }
        match bind_tcp(address, !old.is_empty()) {
            Ok(socket) => bound.push((wanted, spoken, socket)),
            Err(refusal) => excuse(&wanted, spoken, &refusal)?,
        }
    }
    let mut opened = Vec::new();
    for (wanted, spoken, socket) in bound {
        // An address that is taken is told in the words of the call that finds it out mostly.
        match socket.listen(backlog) {
            Ok(()) => {
                mark(&socket, settings.socket_mark_id);
                opened.push((wanted.place, wanted.service, spoken, socket));
            }
            Err(e) if e.raw_os_error() == Some(libc::EADDRINUSE) => {
                excuse(&wanted, spoken, &Refusal::of("bind", &e))?;
            }
            Err(e) => excuse(&wanted, spoken, &Refusal::of("listen", &e))?,
        }
    }
    let mut listeners = Vec::new();
    for (place, service, spoken, socket) in opened {
        // Only a socket that has just shared a port can refuse, and such a one is none the worse.
        let _ = socket.set_reuse_port(false);
        listeners.push((place, service, spoken.listener(socket)));
    }
    for wanted in paths {
        let ListenAddr::Unix(path) = &wanted.place else {
            continue;
        };
        let socket = listen_unix(path, settings.unixsocketperm, backlog)
            .map_err(|refusal| format!("Failed opening Unix socket: {}", refusal.text))?;
        let listener = Listener::Unix(UnixListener::from_std(socket.into()));
        listeners.push((wanted.place, wanted.service, listener));
    }
    Ok(listeners)
}

/// Says in the log what is missing; an error if it must not be.
fn excuse(wanted: &Wanted, spoken: Spoken, refusal: &Refusal) -> Result<(), String> {
    log_refusal(&wanted.name, wanted.port, &refusal.text);
    if refusal.is_excused(wanted) {
        Ok(())
    } else {
        Err(failed_listening(wanted.port, spoken))
    }
}

/// Old sockets that let new ones have their port, until this is dropped.
#[derive(Default)]
struct Sharing<'a>(Vec<SockRef<'a>>);

impl<'a> Sharing<'a> {
    /// Has one more socket share its port. One that refuses stays in the way, as the binding of
    /// its successor will show.
    fn join(&mut self, listener: &'a Listener) {
        if let Listener::Tcp(listener) | Listener::Tls(listener) = listener {
            let socket = SockRef::from(listener);
            let _ = socket.set_reuse_port(true);
            self.0.push(socket);
        }
    }
}

impl Drop for Sharing<'_> {
    fn drop(&mut self) {
        for socket in &self.0 {
            let _ = socket.set_reuse_port(false);
        }
    }
}

fn bind_tcp(address: SocketAddr, shares: bool) -> Result<Socket, Refusal> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map_err(|e| {
        let errno = e.raw_os_error();
        let number = errno.unwrap_or(0);
        Refusal {
            text: format!("unable to bind socket, errno: {number}"),
            errno,
        }
    })?;
    let set = || {
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shares)?;
        socket.set_nonblocking(true)
    };
    set().map_err(|e| Refusal::of("setsockopt", &e))?;
    socket
        .bind(&address.into())
        .map_err(|e| Refusal::of("bind", &e))?;
    Ok(socket)
}

/// Marks a socket, and with it those of its clients, for packet filters; that is a privilege.
pub(super) fn mark(socket: &Socket, id: u32) {
    if id > 0
        && let Err(e) = socket.set_mark(id)
    {
        log::warn!(
            "Cannot mark the listening socket with {id}: {}",
            os_text(&e)
        );
    }
}

/// Takes a path, whatever is there. The permissions are set before anybody can connect.
fn listen_unix(path: &Path, permissions: u32, backlog: i32) -> Result<Socket, Refusal> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes >= UNIX_PATH_BYTES {
        return Err(Refusal {
            text: format!("unix socket path too long ({bytes}), must be under {UNIX_PATH_BYTES}"),
            errno: None,
        });
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|e| Refusal::of("creating socket", &e))?;
    // What stands in the way and cannot be removed is told by the next call.
    let _ = std::fs::remove_file(path);
    SockAddr::unix(path)
        .and_then(|address| socket.bind(&address))
        .map_err(|e| Refusal::of("bind", &e))?;
    if permissions != 0 {
        let mode = std::fs::Permissions::from_mode(permissions);
        std::fs::set_permissions(path, mode).map_err(|e| Refusal::of("chmod", &e))?;
    }
    socket
        .listen(backlog)
        .map_err(|e| Refusal::of("listen", &e))?;
    Ok(socket)
}
