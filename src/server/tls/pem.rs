//! Certificates and keys from PEM files (RFC 7468), with a password where the key has one.
//!
//! A key with a password is either PKCS#8's `ENCRYPTED PRIVATE KEY` (RFC 5958), which OpenSSL
//! writes by default, or in the older form of OpenSSL, where two headers in the file tell how it
//! was encrypted (RFC 1421, with the key derivation of `EVP_BytesToKey`: MD5, one round).

use std::path::Path;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::base::errno::os_text;

/// A file of certificates or keys is no larger.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// All certificates of a file, in their order.
///
/// # Errors
///
/// The file cannot be read, is no PEM, or has none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = sections(path)?
        .into_iter()
        .filter(|section| is_certificate(section.tag()))
        .map(|section| CertificateDer::from(section.into_contents()))
        .collect();
    match found.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(found),
    }
}

fn is_certificate(tag: &str) -> bool {
    matches!(
        tag,
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
    )
}

/// The first private key of a file.
///
/// # Errors
///
/// The file cannot be read, is no PEM, has none, or one that this password does not open.
pub fn private_key(path: &Path, password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, String> {
    let key = sections(path)?
        .into_iter()
        .find(|section| section.tag().ends_with("PRIVATE KEY"))
        .ok_or("there is no private key in it")?;
    let needs = "it is encrypted, and no password is set";
    let form = Form::of(key.tag()).ok_or_else(|| format!("{} is not supported", key.tag()))?;
    let der = match (form, key.headers().get("DEK-Info")) {
        (Form::Encrypted, _) => {
            let info = EncryptedPrivateKeyInfoRef::try_from(key.contents())
                .map_err(|e| format!("it is broken: {e}"))?;
            let opened = info
                .decrypt(password.ok_or(needs)?)
                .map_err(wrong_password)?;
            return Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into());
        }
        (_, Some(info)) => open_old(info, key.contents(), password.ok_or(needs)?)?,
        (_, None) => key.contents().to_vec(),
    };
    Ok(match form {
        Form::Rsa => PrivatePkcs1KeyDer::from(der).into(),
        Form::Ec => PrivateSec1KeyDer::from(der).into(),
        Form::Plain | Form::Encrypted => PrivatePkcs8KeyDer::from(der).into(),
    })
}

/// What stands between the lines of a private key.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Encrypted,
    Rsa,
    Ec,
}

impl Form {
    fn of(tag: &str) -> Option<Form> {
        Some(match tag {
            "PRIVATE KEY" => Form::Plain,
            "ENCRYPTED PRIVATE KEY" => Form::Encrypted,
            "RSA PRIVATE KEY" => Form::Rsa,
            "EC PRIVATE KEY" => Form::Ec,
            _ => return None,
        })
    }
}

fn wrong_password(e: impl std::fmt::Display) -> String {
    format!("it cannot be decrypted (is the password right?): {e}")
}

fn sections(path: &Path) -> Result<Vec<pem::Pem>, String> {
    let told = |e: &std::io::Error| os_text(e);
    let size = std::fs::metadata(path).map_err(|e| told(&e))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read(path).map_err(|e| told(&e))?;
    pem::parse_many(text).map_err(|e| format!("it is no PEM: {e}"))
}

/// Opens a key in OpenSSL's older form; `info` names the cipher and its start, as
/// `AES-256-CBC,0123…`.
fn open_old(info: &str, contents: &[u8], password: &[u8]) -> Result<Vec<u8>, String> {
    let (name, start) = info.split_once(',').ok_or("its DEK-Info is broken")?;
    let (algorithm, key_bytes): (&'static Algorithm, usize) = match name.trim() {
        "AES-128-CBC" => (&AES_128, 16),
        "AES-192-CBC" => (&AES_192, 24),
        "AES-256-CBC" => (&AES_256, 32),
        other => {
            return Err(format!(
                "its cipher {other} is not supported; 'openssl pkcs8 -topk8' makes another"
            ));
        }
    };
    let start = from_hex(start.trim()).ok_or("its DEK-Info is broken")?;
    let start: [u8; 16] = start.try_into().map_err(|_| "its DEK-Info is broken")?;
    let key = derive_key(password, &start[..8], key_bytes);
    let cannot = |_| wrong_password("bad padding");
    let key = UnboundCipherKey::new(algorithm, &key).map_err(cannot)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(cannot)?;
    let mut bytes = contents.to_vec();
    let context = DecryptionContext::Iv128(start.into());
    let opened = key.decrypt(&mut bytes, context).map_err(cannot)?;
    Ok(opened.to_vec())
}

/// `EVP_BytesToKey` with MD5 and one round: each block is the digest of the one before, the
/// password and the salt.
fn derive_key(password: &[u8], salt: &[u8], bytes: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut block: Vec<u8> = Vec::new();
    while key.len() < bytes {
        let digest = Md5::new()
            .chain_update(&block)
            .chain_update(password)
            .chain_update(salt)
            .finalize();
        block = digest.to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(bytes);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
