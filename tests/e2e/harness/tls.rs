//! Certificates that a test makes for itself, and clients that speak TLS.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use super::{Options, redis_cli};

/// An authority, and files of what it has signed.
pub struct Certificates {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// An authority (`ca.crt`), and a certificate for servers and clients alike (`own`).
    pub fn new() -> Certificates {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = folder.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let made = Certificates { folder, authority };
        fs::write(made.path("ca.crt"), made.authority.pem()).unwrap();
        made.sign("own", 2100);
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same, as text.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes `name.crt`, good until the begin of a year, and `name.key`.
    pub fn sign(&self, name: &str, until: i32) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.path(&format!("{name}.crt")), signed.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Has a server show the certificate `own` on this port, and use TLS for its own links.
    pub fn on(&self, tls_port: u16, options: Options) -> Options {
        let of = |directive: &str, name: &str| format!("{directive} {}", self.file(name));
        options
            .config(format!("tls-port {tls_port}"))
            .config(of("tls-cert-file", "own.crt"))
            .config(of("tls-key-file", "own.key"))
            .config(of("tls-ca-cert-file", "ca.crt"))
            .config("tls-replication yes")
    }

    /// Runs the real `redis-cli` over TLS, with the certificate `own`.
    pub fn cli(&self, port: u16, args: &[&str]) -> String {
        let (ca, crt, key) = (
            self.file("ca.crt"),
            self.file("own.crt"),
            self.file("own.key"),
        );
        let tls = ["--tls", "--cacert", &ca, "--cert", &crt, "--key", &key];
        redis_cli(port, &[&tls, args].concat())
    }

    /// What a client that trusts the authority is made of; it shows the certificate of that name.
    pub fn client(&self, shows: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        Arc::new(match shows {
            None => config.with_no_client_auth(),
            Some(name) => {
                let chain = CertificateDer::from_pem_file(self.path(&format!("{name}.crt")));
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
                let chain = vec![chain.unwrap()];
                config.with_client_auth_cert(chain, key.unwrap()).unwrap()
            }
        })
    }
}

/// A client over TLS.
pub struct TlsConn(StreamOwned<ClientConnection, TcpStream>);

impl TlsConn {
    /// Connects. The handshake happens with the first bytes.
    pub fn new(port: u16, config: &Arc<ClientConfig>) -> TlsConn {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(40)))
            .unwrap();
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).unwrap();
        TlsConn(StreamOwned::new(session, socket))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Sends a line and reads exactly as much as is expected.
    pub fn expect(&mut self, line: &str, reply: &str) {
        self.send(format!("{line}\r\n").as_bytes()).unwrap();
        let mut got = vec![0; reply.len()];
        self.0.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), reply, "{line}");
    }

    /// Sends a line and says why there is no reply, if there is none.
    pub fn try_line(&mut self, line: &str) -> io::Result<()> {
        self.send(format!("{line}\r\n").as_bytes())?;
        let mut byte = [0];
        match self.0.read(&mut byte)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    pub fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(into)
    }

    /// All that comes until the other side has said that it is the end; an end without a word is
    /// an error.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all)?;
        Ok(all)
    }

    /// Whether the session goes on where an earlier one ended.
    pub fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The certificate that the server has shown.
    pub fn shown(&self) -> Vec<u8> {
        let shown = self.0.conn.peer_certificates();
        shown.map(|chain| chain[0].to_vec()).unwrap_or_default()
    }
}
