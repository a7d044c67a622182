//! What a server spends on clients that speak TLS.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Certificates that servers and the load share, as files.
pub struct Secrets {
    folder: tempfile::TempDir,
    /// How the load connects.
    pub client: Arc<ClientConfig>,
}

impl Secrets {
    /// An authority, and one certificate for all servers; clients show none.
    pub fn new() -> Secrets {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let own = own.signed_by(&key, &authority).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("ca.crt", authority.pem()),
            ("own.crt", own.pem()),
            ("own.key", key.serialize_pem()),
        ] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let client = ClientConfig::builder().with_root_certificates(roots);
        Secrets {
            folder,
            client: Arc::new(client.with_no_client_auth()),
        }
    }

    /// The options of a server that listens for TLS on this port.
    pub fn options(&self, port: u16) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        vec![
            ("tls-port", port.to_string()),
            ("tls-cert-file", file("own.crt")),
            ("tls-key-file", file("own.key")),
            ("tls-ca-cert-file", file("ca.crt")),
            ("tls-auth-clients", "no".to_owned()),
        ]
    }
}

/// A connection of the load, encrypted or not.
pub enum Stream {
    Plain(TcpStream),
    Tls(TcpStream, Box<ClientConnection>),
}

impl Stream {
    /// Over a socket that still blocks.
    pub fn new(mut socket: std::net::TcpStream, tls: Option<&Arc<ClientConfig>>) -> Stream {
        let session = tls.map(|config| {
            let name = "localhost".try_into().expect("a name");
            let mut session = ClientConnection::new(Arc::clone(config), name).expect("a session");
            session.set_buffer_limit(None);
            session.complete_io(&mut socket).expect("a handshake");
            Box::new(session)
        });
        socket.set_nonblocking(true).expect("nonblocking");
        let socket = TcpStream::from_std(socket);
        match session {
            Some(session) => Stream::Tls(socket, session),
            None => Stream::Plain(socket),
        }
    }

    pub fn socket(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(socket) | Stream::Tls(socket, _) => socket,
        }
    }

    /// Whether a read that does not fill the buffer has drained the socket.
    pub fn drains_by_a_short_read(&self) -> bool {
        matches!(self, Stream::Plain(_))
    }

    /// Sends what was taken and not sent yet.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Stream::Tls(socket, session) = self {
            while session.wants_write() {
                session.write_tls(socket)?;
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (socket, session) = match self {
            Stream::Plain(socket) => return socket.read(into),
            Stream::Tls(socket, session) => (socket, session),
        };
        loop {
            match session.reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            if session.read_tls(socket)? == 0 {
                return Ok(0);
            }
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(_, session) => session.writer().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Stream::flush(self)
    }
}
