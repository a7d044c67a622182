//! Certificates for tests, made anew for each.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

use super::Tls;
use crate::config::{Config, Settings};

/// An authority, and what it has signed, as files.
pub struct Certificates {
    dir: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// An authority (`ca.crt`) and one certificate for everything (`own.crt`, `own.key`).
    pub fn new() -> Certificates {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let dir = TempDir::new().unwrap();
        // Each has a name of its own, so that a certificate of one is not taken for one of another.
        let name = dir.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let made = Certificates { dir, authority };
        made.write("ca.crt", &made.authority.pem());
        made.sign("own", |_| {});
        made
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Has the authority sign a certificate that `change` has changed; `name.crt` and `name.key`.
    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.crt"), &signed.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// The same, of a time that is over.
    pub fn sign_expired(&self, name: &str) {
        self.sign(name, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        });
    }

    /// Settings that use a certificate.
    pub fn settings(&self, name: &str) -> Settings {
        let file = |name: &str| {
            let path = self.path(name);
            Some(path.into_os_string().into_encoded_bytes())
        };
        let mut settings = Config::defaults(self.dir()).settings;
        settings.tls_port = 1;
        settings.tls_cert_file = file(&format!("{name}.crt"));
        settings.tls_key_file = file(&format!("{name}.key"));
        settings.tls_ca_cert_file = file("ca.crt");
        settings
    }

    /// TLS set up with `own.crt`.
    pub fn tls(&self) -> Tls {
        let mut tls = Tls::default();
        tls.configure(&self.settings("own")).unwrap();
        tls
    }
}
