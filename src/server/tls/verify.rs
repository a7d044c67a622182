//! Whether a certificate that a peer shows is trusted.
//!
//! As in the reference, a certificate has to come from an authority that we trust; whose name is in
//! it does not matter, since the certificates of a group of servers often name none that fits.
//!
//! `webpki` follows RFC 5280 and nothing else. Three kinds of certificates that OpenSSL accepts,
//! and that people have, are looked at here instead:
//!
//! - one that is itself among the trusted ones, as where one self-signed certificate serves as
//!   server's and authority's: it is trusted while it is valid;
//! - one of version 1, which `openssl x509 -req` made for many years where it was given no
//!   extensions;
//! - one that says of itself that it may sign others, which `openssl req -x509 -CA` makes unless it
//!   is told otherwise.
//!
//! The last two are trusted while they are valid, if an authority that we trust has signed them,
//! with nobody between. All three have to be meant for what they are used for, as far as they say
//! what that is.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Version};

use crate::config::TlsAuthClients;

/// Authorities that we trust.
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// The same, as they were given.
    certificates: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} authorities)", self.certificates.len())
    }
}

impl Trust {
    /// Those who are named by these certificates. What is no certificate of an authority, as is
    /// common in a folder of them, is trusted only as itself.
    pub fn new(certificates: Vec<CertificateDer<'static>>, provider: &CryptoProvider) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        Trust {
            roots: Arc::new(roots),
            certificates,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Looks at a certificate of one of the kinds in the module's head; none if it is of none.
    fn judge_special(
        &self,
        certificate: &CertificateDer<'_>,
        purpose: Purpose,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let is_own = self.certificates.iter().any(|own| own == certificate);
        if !is_own && parsed.version() != X509Version::V1 && !parsed.is_ca() {
            return None;
        }
        let validity = parsed.validity();
        let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let refusal = if now_s < validity.not_before.timestamp() {
            Some(CertificateError::NotValidYet)
        } else if now_s > validity.not_after.timestamp() {
            Some(CertificateError::Expired)
        } else if !is_own && !self.has_signed(&parsed, certificate) {
            Some(CertificateError::UnknownIssuer)
        } else if !purpose.fits(&parsed) {
            Some(CertificateError::InvalidPurpose)
        } else {
            None
        };
        Some(refusal.map_or(Ok(()), |why| Err(why.into())))
    }

    /// Whether an authority has signed this certificate.
    fn has_signed(&self, parsed: &X509Certificate<'_>, certificate: &[u8]) -> bool {
        let Some(algorithm) = signature_algorithm(certificate) else {
            return false;
        };
        let message = parsed.tbs_certificate.as_ref();
        let signature = &parsed.signature_value.data;
        let is_issuer = |root: &&CertificateDer<'_>| {
            X509Certificate::from_der(root).is_ok_and(|(_, root)| {
                root.subject().as_raw() == parsed.issuer().as_raw()
                    && (root.version() == X509Version::V1 || root.is_ca())
            })
        };
        self.certificates.iter().filter(is_issuer).any(|root| {
            let key = public_key(root);
            let fitting = self
                .algorithms
                .all
                .iter()
                .copied()
                .filter(|candidate| candidate.signature_alg_id().as_ref() == algorithm);
            key.is_some_and(|key| key.has_signed(message, signature, fitting))
        })
    }

    fn check_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !is_of_version_1(certificate) {
            return verify_tls12_signature(message, certificate, signed, &self.algorithms);
        }
        let schemes = self.algorithms.mapping;
        let of_scheme = schemes.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let is_signed = of_scheme.is_some_and(|(_, algorithms)| {
            let key = public_key(certificate);
            let algorithms = algorithms.iter().copied();
            key.is_some_and(|key| key.has_signed(message, signed.signature(), algorithms))
        });
        match is_signed {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn check_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match X509Certificate::from_der(certificate) {
            Ok((_, parsed)) if parsed.version() == X509Version::V1 => {
                let key = SubjectPublicKeyInfoDer::from(parsed.tbs_certificate.subject_pki.raw);
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
            _ => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }
}

/// What a certificate is used for.
#[derive(Clone, Copy)]
enum Purpose {
    Server,
    Client,
}

impl Purpose {
    /// Whether a certificate is meant for it, and asks for nothing that is not looked at here.
    fn fits(self, parsed: &X509Certificate<'_>) -> bool {
        parsed
            .extensions()
            .iter()
            .all(|extension| match extension.parsed_extension() {
                ParsedExtension::KeyUsage(usage) => {
                    usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    let is_meant = match self {
                        Purpose::Server => usage.server_auth,
                        Purpose::Client => usage.client_auth,
                    };
                    usage.any || is_meant
                }
                ParsedExtension::BasicConstraints(_)
                | ParsedExtension::SubjectAlternativeName(_) => true,
                _ => !extension.critical,
            })
    }
}

fn is_of_version_1(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.version() == X509Version::V1)
}

/// A public key as it stands in a certificate.
struct PublicKey<'a> {
    /// The contents of its `AlgorithmIdentifier`.
    algorithm: &'a [u8],
    bytes: &'a [u8],
}

impl PublicKey<'_> {
    fn has_signed<'a>(
        &self,
        message: &[u8],
        signature: &[u8],
        mut algorithms: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    ) -> bool {
        algorithms.any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == self.algorithm
                && algorithm
                    .verify_signature(self.bytes, message, signature)
                    .is_ok()
        })
    }
}

fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<PublicKey<'a>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let info = element(parsed.tbs_certificate.subject_pki.raw)?;
    let algorithm = element(info.contents)?;
    let bits = element(algorithm.rest)?;
    // A bit string begins with the number of bits that its last byte does not have.
    let bytes = bits.contents.strip_prefix(&[0])?;
    Some(PublicKey {
        algorithm: algorithm.contents,
        bytes,
    })
}

/// The contents of the `AlgorithmIdentifier` that a certificate names for its signature.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let signed = element(element(certificate)?.contents)?;
    Some(element(signed.rest)?.contents)
}

/// One value in DER, and what stands behind it.
struct Element<'a> {
    contents: &'a [u8],
    rest: &'a [u8],
}

/// The first value of some DER (X.690, 8.1): a tag of one byte, a length of up to five, contents.
fn element(der: &[u8]) -> Option<Element<'_>> {
    let (_tag, der) = der.split_first()?;
    let (first, mut der) = der.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let count = length - 0x80;
        if count > 4 {
            return None;
        }
        let (digits, rest) = der.split_at_checked(count)?;
        length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        der = rest;
    }
    let (contents, rest) = der.split_at_checked(length)?;
    Some(Element { contents, rest })
}

/// Judges those who connect to us.
#[derive(Debug)]
pub struct ClientJudge {
    trust: Arc<Trust>,
    ordinary: Arc<dyn ClientCertVerifier>,
}

impl ClientJudge {
    /// For clients that must show a certificate, or may; none if they are not asked for one.
    ///
    /// # Errors
    ///
    /// No authority is trusted, so that nobody could be let in.
    pub fn new(
        trust: Arc<Trust>,
        mode: TlsAuthClients,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<ClientJudge>>, String> {
        let builder = || {
            let roots = Arc::clone(&trust.roots);
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        };
        let built = match mode {
            TlsAuthClients::No => return Ok(None),
            TlsAuthClients::Yes => builder().build(),
            TlsAuthClients::Optional => builder().allow_unauthenticated().build(),
        };
        let ordinary = built.map_err(|e| format!("Cannot verify clients: {e}"))?;
        Ok(Some(Arc::new(ClientJudge { trust, ordinary })))
    }
}

impl ClientCertVerifier for ClientJudge {
    fn client_auth_mandatory(&self) -> bool {
        self.ordinary.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.ordinary.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.trust.judge_special(certificate, Purpose::Client, now) {
            Some(judged) => judged.map(|()| ClientCertVerified::assertion()),
            None => self.ordinary.verify_client_cert(certificate, between, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.check_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.check_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// Judges those whom we connect to.
#[derive(Debug)]
pub struct ServerJudge(pub Arc<Trust>);

impl ServerCertVerifier for ServerJudge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(judged) = self.0.judge_special(certificate, Purpose::Server, now) {
            return judged.map(|()| ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.0.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.0.roots,
            between,
            now,
            algorithms,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.check_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.check_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
