//! What the settings ask for, and who is trusted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SigningKey,
};

use super::stream::TlsSocket;
use super::testing::Certificates;
use super::*;
use crate::engine::world::Connecting;

/// A private key: as it is, and under the password `1234` in the two forms that OpenSSL has.
const PLAIN_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIIJ9cELwukUBcetIAalVgeH92GTtZg2XiI6wobKei9xtoAoGCCqGSM49
AwEHoUQDQgAEJ1pnphslDfmdYitt25FaQps9otdPfcOAAwjcoCEj9Rih6Gk4ueb4
EOoVe5/SjLmsZDT9rKi4lEOcRGofR/LU4A==
-----END EC PRIVATE KEY-----
";
const ENCRYPTED_KEY: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiQzWXbWAilIQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECE7AG1Tdh8ycqqaiCIK5CYEgZC1
NKcBdNW97oCJqkIc+pO2VFPdzNDD2HU1M1WLC/v5aOJlP/wPrRtbe1Scg5PhgBPR
DSJDVWc7fCR49rCT/WCQNYXrgO5NOfAu2HR3xrvaryHky4X23kEzkLvOLb0SfxsZ
0fd7NhVD4Nzv0t0MxZM/fwgCGn239ogtOKH+f71GnmcbdfT6V92Xu7s4o/KJ3TU=
-----END ENCRYPTED PRIVATE KEY-----
";
const ENCRYPTED_OLD_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,95523CD4A0FB77B4E9332DA3F541679B

FGCmFafv/ESPaDYLSuuvJ8sXYesdQ+mGxmOnZtuY/uLgGO77K/P1NIfzrT5jKlqd
a1+5PNoZxcEnE9WASG+OXaUbUcreTWSIKfce8pUQWMnZqX+kg3UkolQA9HGBn+Ku
i4gX+Tj2xO2OrODF0fgBTQqI5LC8oCKm06wmtnUkiqE=
-----END EC PRIVATE KEY-----
";
/// The same in an old form, with a cipher that nobody should use.
const ENCRYPTED_DES_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: DES-EDE3-CBC,8E6649123E86640C

hPcZYHLYwF7KyQl5JlXUNzIPX09kK+PYm1QcuVp3Y5BulNcfzrWeRg21oQyo3oqk
qzkqKag1882puwY5pHYwR9gBNDLmAR9clI6TI5hc+VyUhabV5VR3tRTIdLK9O88A
rzYSjlkWSQcVu4lyRRmxE586WP8TR9TiEYgDt2RpMdE=
-----END EC PRIVATE KEY-----
";

/// One end of a wire that takes everything.
#[derive(Clone, Default)]
struct End {
    from: Rc<RefCell<VecDeque<u8>>>,
    to: Rc<RefCell<VecDeque<u8>>>,
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.from.borrow_mut().read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.to.borrow_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both sides of a connection.
fn pair(client: &Tls, server: &Tls) -> (TlsSocket<End>, TlsSocket<End>) {
    let near = End::default();
    let far = End {
        from: Rc::clone(&near.to),
        to: Rc::clone(&near.from),
    };
    let address = "127.0.0.1".parse().unwrap();
    (
        client.client_side(near, address).unwrap(),
        server.server_side(far).unwrap(),
    )
}

/// What each side says of a connection between two.
fn verdicts(client: &Tls, server: &Tls) -> [Option<String>; 2] {
    let (mut client, mut server) = pair(client, server);
    let mut verdicts = [None, None];
    for _ in 0..10 {
        for (socket, verdict) in [&mut client, &mut server].into_iter().zip(&mut verdicts) {
            let result = match socket.connecting(|_| Connecting::Done) {
                // That the other one has had enough is told by what it sends.
                Connecting::Done => socket.read_append(&mut Vec::with_capacity(9), 9).err(),
                Connecting::Pending => None,
                Connecting::Failed(e) => Some(e),
            };
            if let Some(e) = result
                && e.kind() != io::ErrorKind::WouldBlock
                && verdict.is_none()
            {
                *verdict = Some(e.to_string());
            }
        }
    }
    verdicts
}

/// TLS with these settings.
fn set_up(settings: &Settings) -> Tls {
    let mut tls = Tls::default();
    tls.configure(settings).unwrap();
    tls
}

fn refusal(settings: &Settings) -> String {
    Tls::default().configure(settings).unwrap_err()
}

#[test]
fn what_is_missing_or_wrong_is_named_and_changes_nothing() {
    let made = Certificates::new();
    let mut tls = made.tls();
    let good = made.settings("own");
    let name = |name: &str| made.path(name).into_os_string().into_encoded_bytes();
    let mut check = |change: &dyn Fn(&mut Settings), expected: &str| {
        let mut settings = good.clone();
        change(&mut settings);
        let text = tls.configure(&settings).unwrap_err();
        assert!(text.contains(expected), "{text}");
    };
    check(&|s| s.tls_cert_file = None, "No tls-cert-file configured!");
    check(&|s| s.tls_key_file = None, "No tls-key-file configured!");
    check(
        &|s| s.tls_ca_cert_file = None,
        "Either tls-ca-cert-file or tls-ca-cert-dir must be specified",
    );
    check(
        &|s| s.tls_cert_file = Some(b"/nowhere/x.crt".to_vec()),
        "Failed to load certificate: /nowhere/x.crt: No such file or directory",
    );
    check(
        &|s| s.tls_cert_file = Some(name("own.key")),
        "there is no certificate in it",
    );
    check(
        &|s| s.tls_key_file = Some(name("own.crt")),
        "there is no private key in it",
    );
    made.sign("other", |_| {});
    check(
        &|s| s.tls_key_file = Some(name("other.key")),
        "it does not belong to the certificate",
    );
    check(
        &|s| s.tls_client_cert_file = Some(name("own.crt")),
        "No tls-client-key-file configured!",
    );
    check(
        &|s| s.tls_ca_cert_file = Some(name("none.crt")),
        "Failed to configure CA certificate(s) file/directory",
    );
    check(
        &|s| s.tls_protocols = Some(b"TLSv1.1".to_vec()),
        "Invalid tls-protocols specified: TLSv1.1",
    );
    check(
        &|s| s.tls_ciphers = Some(b"AES128-SHA".to_vec()),
        "Failed to configure ciphers: AES128-SHA",
    );
    // All of that has changed nothing.
    assert_eq!(verdicts(&tls, &tls), [None, None]);
    // Who asks for no TLS needs nothing.
    let nothing = Settings {
        tls_port: 0,
        ..Settings::clone(&good)
    };
    let nothing = Settings {
        tls_cert_file: None,
        ..nothing
    };
    assert_eq!(Tls::default().configure(&nothing), Ok(()));
    assert!(Tls::default().server_side(End::default()).is_err());
}

#[test]
fn a_key_opens_with_its_password_in_both_forms() {
    let made = Certificates::new();
    made.write("plain", PLAIN_KEY);
    made.write("encrypted", ENCRYPTED_KEY);
    made.write("old", ENCRYPTED_OLD_KEY);
    made.write("des", ENCRYPTED_DES_KEY);
    let provider = default_provider();
    let public = |name: &str, password: Option<&[u8]>| {
        let key = pem::private_key(&made.path(name), password)?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|e| e.to_string())?;
        Ok::<_, String>(key.public_key().map(|info| info.to_vec()))
    };
    let plain = public("plain", None).unwrap();
    assert!(plain.is_some());
    for name in ["encrypted", "old"] {
        assert_eq!(public(name, Some(b"1234")).unwrap(), plain, "{name}");
        let text = public(name, None).unwrap_err();
        assert_eq!(text, "it is encrypted, and no password is set", "{name}");
        assert!(public(name, Some(b"1235")).is_err(), "{name}");
    }
    let text = public("des", Some(b"1234")).unwrap_err();
    assert!(text.contains("DES-EDE3-CBC is not supported"), "{text}");
    made.write("empty", "");
    assert!(public("empty", None).is_err());
}

#[test]
fn clients_are_asked_for_a_certificate_as_the_settings_say() {
    let made = Certificates::new();
    let with = |mode| {
        let mut settings = made.settings("own");
        settings.tls_auth_clients = mode;
        set_up(&settings)
    };
    let strangers = Certificates::new();
    // Trusts the server, and shows a certificate that the server does not know.
    let mut settings = strangers.settings("own");
    settings.tls_ca_cert_file = made.settings("own").tls_ca_cert_file;
    let stranger = set_up(&settings);
    let friend = made.tls();
    use TlsAuthClients::{No, Optional, Yes};
    for mode in [Yes, Optional, No] {
        assert_eq!(verdicts(&friend, &with(mode)), [None, None]);
    }
    let [of_client, of_server] = verdicts(&stranger, &with(Yes));
    assert_eq!(
        of_server.as_deref(),
        Some("invalid peer certificate: UnknownIssuer")
    );
    assert!(of_client.is_some_and(|text| text.contains("fatal alert")));
    assert!(verdicts(&stranger, &with(Optional))[1].is_some());
    assert_eq!(verdicts(&stranger, &with(No)), [None, None]);
}

#[test]
fn a_server_that_is_not_trusted_is_not_talked_to() {
    let (made, strangers) = (Certificates::new(), Certificates::new());
    let [of_client, _] = verdicts(&made.tls(), &strangers.tls());
    assert_eq!(
        of_client.as_deref(),
        Some("invalid peer certificate: UnknownIssuer")
    );
    made.sign_expired("old");
    let old = set_up(&made.settings("old"));
    let [of_client, _] = verdicts(&made.tls(), &old);
    let of_client = of_client.unwrap();
    assert!(of_client.contains("certificate expired"), "{of_client}");
    let [_, of_server] = verdicts(&old, &made.tls());
    assert!(of_server.is_some_and(|text| text.contains("certificate expired")));
}

#[test]
fn one_certificate_may_be_its_own_authority() {
    let made = Certificates::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["own".to_owned()]).unwrap();
    // As `openssl req -x509` makes it.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    made.write("ca.crt", &params.self_signed(&key).unwrap().pem());
    made.write(
        "self.crt",
        &std::fs::read_to_string(made.path("ca.crt")).unwrap(),
    );
    made.write("self.key", &key.serialize_pem());
    let tls = set_up(&made.settings("self"));
    assert_eq!(verdicts(&tls, &tls), [None, None]);
}

#[test]
fn a_certificate_that_might_sign_others_is_one_all_the_same() {
    let made = Certificates::new();
    let ca = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    made.sign("both", ca);
    let good = set_up(&made.settings("both"));
    assert_eq!(verdicts(&good, &good), [None, None]);
    // What it says that it is for counts.
    made.sign("signs", |params| {
        ca(params);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    made.sign("serves", |params| {
        ca(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let signs = set_up(&made.settings("signs"));
    let text = verdicts(&good, &signs)[0].clone().unwrap();
    assert!(text.contains("InvalidPurpose"), "{text}");
    let serves = set_up(&made.settings("serves"));
    assert_eq!(verdicts(&good, &serves), [None, None]);
    assert!(verdicts(&serves, &good)[1].is_some());
    // And it must not sign for anybody: only who is in the list of authorities may.
    let strangers = Certificates::new();
    strangers.sign("both", ca);
    let strange = set_up(&strangers.settings("both"));
    assert!(verdicts(&strange, &good)[1].is_some());
}

#[test]
fn authorities_are_found_in_a_folder_among_other_files() {
    let made = Certificates::new();
    made.write("readme", "nothing");
    made.write(
        "noise.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let mut settings = made.settings("own");
    settings.tls_ca_cert_file = None;
    settings.tls_ca_cert_dir = Some(made.dir().as_os_str().as_encoded_bytes().to_vec());
    let tls = set_up(&settings);
    assert_eq!(verdicts(&tls, &tls), [None, None]);
}

/// A value in DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut bytes = vec![tag];
    match contents.len() {
        length @ 0..0x80 => bytes.push(length as u8),
        length => {
            bytes.push(0x82);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend(contents);
    bytes
}

/// A certificate of version 1 with its key, signed by `issuer`; both have the name `name`.
fn of_version_1(name: &str, until: &str, issuer: &KeyPair) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    // ecdsa-with-SHA256
    let algorithm = der(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    let common_name = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[name.as_bytes()])]);
    let name = der(0x30, &[&der(0x31, &[&common_name])]);
    let time = |text: &str| der(0x17, &[text.as_bytes()]);
    let validity = der(0x30, &[&time("200101000000Z"), &time(until)]);
    let public = rcgen::PublicKeyData::subject_public_key_info(&key);
    let body = der(
        0x30,
        &[&[2, 1, 7], &algorithm, &name, &validity, &name, &public],
    );
    let signature = issuer.sign(&body).unwrap();
    let whole = der(0x30, &[&body, &algorithm, &der(3, &[&[0], &signature])]);
    (::pem::encode(&::pem::Pem::new("CERTIFICATE", whole)), key)
}

#[test]
fn certificates_of_version_1_are_judged_too() {
    let made = Certificates::new();
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "old");
    made.write("ca.crt", &params.self_signed(&authority).unwrap().pem());
    let with = |until: &str, issuer: &KeyPair| {
        let (certificate, key) = of_version_1("old", until, issuer);
        made.write("v1.crt", &certificate);
        made.write("v1.key", &key.serialize_pem());
        set_up(&made.settings("v1"))
    };
    let good = with("400101000000Z", &authority);
    assert_eq!(verdicts(&good, &good), [None, None]);
    // TLS 1.2 has its own way to sign.
    let mut settings = made.settings("v1");
    settings.tls_protocols = Some(b"TLSv1.2".to_vec());
    let old = set_up(&settings);
    assert_eq!(verdicts(&old, &old), [None, None]);
    let expired = with("210101000000Z", &authority);
    let text = verdicts(&good, &expired)[0].clone().unwrap();
    assert!(
        text.contains("Expired") || text.contains("expired"),
        "{text}"
    );
    let somebody = KeyPair::generate().unwrap();
    let forged = with("400101000000Z", &somebody);
    let text = verdicts(&good, &forged)[0].clone().unwrap();
    assert!(text.contains("UnknownIssuer"), "{text}");
    assert!(verdicts(&forged, &good)[1].is_some());
}

#[test]
fn a_mistake_is_told_by_the_directive_that_is_missing() {
    let made = Certificates::new();
    let mut settings = made.settings("own");
    settings.tls_port = 0;
    settings.tls_replication = true;
    settings.tls_ca_cert_file = None;
    settings.tls_auth_clients = TlsAuthClients::No;
    assert!(refusal(&settings).contains("tls-ca-cert-file"));
    // A server that asks nobody and follows nobody over TLS trusts nobody.
    settings.tls_replication = false;
    settings.tls_port = 1;
    let tls = set_up(&settings);
    assert!(
        tls.client_side(End::default(), "::1".parse().unwrap())
            .is_err()
    );
    assert_eq!(verdicts(&made.tls(), &tls), [None, None]);
}
