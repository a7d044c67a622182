//! TLS: what the settings ask for, and the sessions that are made of it.
//!
//! A change of certificates makes new [`Configs`]; connections that are open keep what they began
//! with. Everything is read and checked before anything is replaced, so a mistake in a
//! `CONFIG SET` changes nothing.
//!
//! | file | holds |
//! |---|---|
//! | `stream.rs`, `session.rs` | a socket whose bytes are encrypted; one side of a session |
//! | `pem.rs` | certificates and keys from files |
//! | `ciphers.rs` | protocols and ciphers, by OpenSSL's words |
//! | `verify.rs` | whom we trust |
//! | `sessions.rs` | sessions that clients may resume |

mod ciphers;
mod pem;
mod session;
mod sessions;
pub mod stream;
#[cfg(test)]
mod testing;
mod verify;

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use self::sessions::Sessions;
use self::stream::{Room, TlsSocket};
use self::verify::{ClientJudge, ServerJudge, Trust};
use crate::config::{Settings, TlsAuthClients};
use crate::engine::path_of;

/// What connections are made of, once TLS is set up.
struct Configs {
    server: Arc<ServerConfig>,
    /// For connections of our own; none while no authority is trusted.
    client: Option<Arc<ClientConfig>>,
}

/// TLS as it is set up; see the module's head.
#[derive(Default)]
pub struct Tls {
    configs: Option<Configs>,
    room: Rc<Room>,
}

impl Tls {
    /// Sets everything up anew as the settings ask for, if they ask for TLS at all.
    ///
    /// # Errors
    ///
    /// A text for the log. Everything is as it was before.
    pub fn configure(&mut self, settings: &Settings) -> Result<(), String> {
        if settings.tls_port != 0 || settings.tls_replication || settings.tls_cluster {
            self.configs = Some(Configs::new(settings)?);
        }
        Ok(())
    }

    /// Makes a connection that was just accepted one of TLS.
    ///
    /// # Errors
    ///
    /// TLS is not set up.
    pub fn server_side<T: Read + Write>(&self, stream: T) -> io::Result<TlsSocket<T>> {
        let configs = self.configs.as_ref().ok_or_else(not_set_up)?;
        let session = UnbufferedServerConnection::new(Arc::clone(&configs.server));
        let session = session.map_err(io::Error::other)?;
        Ok(TlsSocket::accepted(stream, session, Rc::clone(&self.room)))
    }

    /// Makes a connection of our own one of TLS, before it is open.
    ///
    /// # Errors
    ///
    /// TLS is not set up for that.
    pub fn client_side<T: Read + Write>(&self, stream: T, to: IpAddr) -> io::Result<TlsSocket<T>> {
        let configs = self.configs.as_ref();
        let client = configs.and_then(|configs| configs.client.as_ref());
        let client = Arc::clone(client.ok_or_else(not_set_up)?);
        let name = ServerName::IpAddress(to.into());
        let session = UnbufferedClientConnection::new(client, name).map_err(io::Error::other)?;
        let room = Rc::clone(&self.room);
        Ok(TlsSocket::connecting_to(stream, session, room))
    }
}

fn not_set_up() -> io::Error {
    io::Error::other("TLS is not set up")
}

impl Configs {
    fn new(settings: &Settings) -> Result<Configs, String> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: ciphers::suites(
                text(&settings.tls_ciphers).as_deref(),
                text(&settings.tls_ciphersuites).as_deref(),
            )?,
            ..default_provider()
        });
        let certified = own_key(settings, &provider)?;
        let trust = authorities(settings)?.map(|all| Arc::new(Trust::new(all, &provider)));
        if settings.tls_dh_params_file.is_some() {
            log::info!(
                "tls-dh-params-file is not needed: keys are agreed on over elliptic curves only."
            );
        }
        Ok(Configs {
            client: match &trust {
                Some(trust) => Some(client_config(settings, &provider, trust, &certified)?),
                None => None,
            },
            server: server_config(settings, &provider, trust, certified)?,
        })
    }
}

fn server_config(
    settings: &Settings,
    provider: &Arc<CryptoProvider>,
    trust: Option<Arc<Trust>>,
    certified: Arc<CertifiedKey>,
) -> Result<Arc<ServerConfig>, String> {
    let versions = ciphers::protocols(text(&settings.tls_protocols).as_deref())?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions)
        .map_err(|e| format!("Failed to configure protocols: {e}"))?;
    let judge = match trust {
        Some(trust) => ClientJudge::new(trust, settings.tls_auth_clients, provider)?,
        None => None,
    };
    let builder = match judge {
        Some(judge) => builder.with_client_cert_verifier(judge),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Own(certified)));
    config.ignore_client_order = settings.tls_prefer_server_ciphers;
    config.session_storage = match settings.tls_session_caching {
        true => Arc::new(Sessions::new(
            settings.tls_session_cache_size,
            settings.tls_session_cache_timeout,
        )),
        false => Arc::new(NoServerSessionStorage {}),
    };
    if !settings.tls_session_caching {
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn client_config(
    settings: &Settings,
    provider: &Arc<CryptoProvider>,
    trust: &Arc<Trust>,
    of_server: &Arc<CertifiedKey>,
) -> Result<Arc<ClientConfig>, String> {
    let certified = match &settings.tls_client_cert_file {
        Some(file) => {
            let key = (settings.tls_client_key_file.as_deref())
                .ok_or("No tls-client-key-file configured!")?;
            let password = settings.tls_client_key_file_pass.as_deref();
            certified_key(&path_of(file), &path_of(key), password, provider)?
        }
        // That of the server serves here as well.
        None => Arc::clone(of_server),
    };
    let versions = ciphers::protocols(text(&settings.tls_protocols).as_deref())?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions)
        .map_err(|e| format!("Failed to configure protocols: {e}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerJudge(Arc::clone(trust))))
        .with_client_cert_resolver(Arc::new(Own(certified)));
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The certificate and key that our own side shows, whoever asks.
#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl rustls::client::ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = self.0.key.choose_scheme(schemes).is_some();
        fits.then(|| Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn own_key(settings: &Settings, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, String> {
    let cert = (settings.tls_cert_file.as_deref()).ok_or("No tls-cert-file configured!")?;
    let key = (settings.tls_key_file.as_deref()).ok_or("No tls-key-file configured!")?;
    let password = settings.tls_key_file_pass.as_deref();
    certified_key(&path_of(cert), &path_of(key), password, provider)
}

fn certified_key(
    cert: &Path,
    key: &Path,
    password: Option<&[u8]>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let chain = pem::certificates(cert)
        .map_err(|why| format!("Failed to load certificate: {}: {why}", cert.display()))?;
    let failed = |why: String| format!("Failed to load private key: {}: {why}", key.display());
    let der = pem::private_key(key, password).map_err(failed)?;
    let signing = provider.key_provider.load_private_key(der);
    let certified = CertifiedKey::new(chain, signing.map_err(|e| failed(e.to_string()))?);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(failed(
            format!("it does not belong to the certificate {}", cert.display()),
        )),
        // A certificate that cannot be read here may be one that the peer reads.
        _ => Ok(Arc::new(certified)),
    }
}

/// The certificates of the authorities that are trusted; none if no place is named for them.
fn authorities(settings: &Settings) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
    let file = settings.tls_ca_cert_file.as_deref().map(path_of);
    let dir = settings.tls_ca_cert_dir.as_deref().map(path_of);
    let needed = settings.tls_auth_clients != TlsAuthClients::No
        || settings.tls_replication
        || settings.tls_cluster;
    if file.is_none() && dir.is_none() {
        return match needed {
            true => Err(
                "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, \
                 tls-replication or tls-auth-clients are enabled!"
                    .to_owned(),
            ),
            false => Ok(None),
        };
    }
    let failed =
        |why: String| format!("Failed to configure CA certificate(s) file/directory: {why}");
    let mut all = Vec::new();
    if let Some(file) = file {
        let found = pem::certificates(&file);
        all = found.map_err(|why| failed(format!("{}: {why}", file.display())))?;
    }
    if let Some(dir) = dir {
        let cannot = |e: io::Error| failed(format!("{}: {e}", dir.display()));
        for entry in std::fs::read_dir(&dir).map_err(cannot)? {
            // What is no certificate lies there by accident, and is of no concern.
            let path = entry.map_err(cannot)?.path();
            if path.is_file() {
                all.extend(pem::certificates(&path).unwrap_or_default());
            }
        }
    }
    Ok(Some(all))
}

fn text(bytes: &Option<Vec<u8>>) -> Option<String> {
    bytes
        .as_deref()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests;
