//! Which protocols and ciphers are spoken, from the words of OpenSSL that the directives take.
//!
//! `tls-ciphers` is a list of words, each of which chooses among the suites of TLS 1.2:
//!
//! | word | does |
//! |---|---|
//! | `W` | appends the suites that it names, unless they are there already |
//! | `W+V` | the same, for suites that both name |
//! | `-W` | takes them out; a later word may bring them back |
//! | `!W` | takes them out for good |
//! | `+W` | moves those that are there to the end |
//! | `@STRENGTH`, `@SECLEVEL=n` | nothing: all suites here are strong |
//!
//! OpenSSL knows many suites that are not here, and for good reasons: whatever has no forward
//! secrecy, or no authenticated encryption. A list of which nothing is left is refused; one that
//! asks for suites that are not here, beside others, works without them, as with an OpenSSL that
//! was built without them.

use rustls::crypto::aws_lc_rs::cipher_suite as suite;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

/// A suite by the name that OpenSSL has for it, and the words that choose it.
struct Named {
    name: &'static str,
    words: &'static [&'static str],
    suite: SupportedCipherSuite,
}

/// Suites of TLS 1.2, the best first.
static TLS12: &[Named] = &[
    Named {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["aECDSA", "ECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Named {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["aRSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Named {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["aECDSA", "ECDSA", "CHACHA20", "SHA256"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Named {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["aRSA", "CHACHA20", "SHA256"],
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Named {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["aECDSA", "ECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Named {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["aRSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
];

/// Words that choose every suite of TLS 1.2 that is here.
const WORDS_OF_ALL: &[&str] = &[
    "DEFAULT", "ALL", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "AEAD",
];

/// Suites of TLS 1.3, the best first.
static TLS13: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
];

impl Named {
    fn is_called(&self, word: &str) -> bool {
        self.name == word || self.words.contains(&word) || WORDS_OF_ALL.contains(&word)
    }

    /// Whether a word without its sign names it.
    fn is_named_by(&self, words: &str) -> bool {
        words.split('+').all(|word| self.is_called(word))
    }
}

/// The suites that the two lists choose, those of TLS 1.3 first; nothing chooses all of its kind.
///
/// # Errors
///
/// Nothing is left of one of them.
pub fn suites(
    ciphers: Option<&str>,
    ciphersuites: Option<&str>,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut all = choose_tls13(ciphersuites)?;
    all.extend(choose_tls12(ciphers.unwrap_or("DEFAULT"))?);
    Ok(all)
}

fn choose_tls12(list: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut banned: Vec<usize> = Vec::new();
    for word in list.split([':', ',', ' ', ';']).filter(|w| !w.is_empty()) {
        let (sign, rest) = match word.as_bytes()[0] {
            sign @ (b'!' | b'-' | b'+') => (sign, &word[1..]),
            b'@' => continue,
            _ => (b' ', word),
        };
        let is_meant = |index: &usize| TLS12[*index].is_named_by(rest);
        match sign {
            b'!' => {
                banned.extend((0..TLS12.len()).filter(is_meant));
                chosen.retain(|index| !is_meant(index));
            }
            b'-' => chosen.retain(|index| !is_meant(index)),
            b'+' => {
                let moved: Vec<usize> = chosen.iter().copied().filter(|i| is_meant(i)).collect();
                chosen.retain(|index| !is_meant(index));
                chosen.extend(moved);
            }
            _ => {
                for index in (0..TLS12.len()).filter(is_meant) {
                    if !chosen.contains(&index) && !banned.contains(&index) {
                        chosen.push(index);
                    }
                }
            }
        }
    }
    if chosen.is_empty() {
        let names: Vec<&str> = TLS12.iter().map(|named| named.name).collect();
        return Err(format!(
            "Failed to configure ciphers: {list}: none of them is supported, which are {}",
            names.join(":")
        ));
    }
    Ok(chosen.into_iter().map(|index| TLS12[index].suite).collect())
}

fn choose_tls13(list: Option<&str>) -> Result<Vec<SupportedCipherSuite>, String> {
    let Some(list) = list else {
        return Ok(TLS13.iter().map(|(_, suite)| *suite).collect());
    };
    let mut chosen = Vec::new();
    for word in list.split(':').map(str::trim) {
        if let Some((_, suite)) = TLS13.iter().find(|(name, _)| *name == word)
            && !chosen.contains(suite)
        {
            chosen.push(*suite);
        }
    }
    if chosen.is_empty() {
        let names: Vec<&str> = TLS13.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "Failed to configure ciphersuites: {list}: none of them is supported, which are {}",
            names.join(":")
        ));
    }
    Ok(chosen)
}

/// The protocols that a list allows, the newest first; nothing allows all that are here.
///
/// # Errors
///
/// A word of it is no protocol, or one that is not here.
pub fn protocols(list: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in list.unwrap_or("TLSv1.2 TLSv1.3").split_ascii_whitespace() {
        let version = match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => &version::TLS13,
            "tlsv1.2" => &version::TLS12,
            "tlsv1" | "tlsv1.1" => {
                return Err(format!(
                    "Invalid tls-protocols specified: {word} is broken and not supported; TLSv1.2 \
                     and TLSv1.3 are"
                ));
            }
            _ => return Err(format!("Invalid tls-protocols specified: {word}")),
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    match versions.is_empty() {
        true => Err("Invalid tls-protocols specified: there is none".to_owned()),
        false => Ok(versions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let chosen = choose_tls12(list).unwrap();
        let name = |suite: &SupportedCipherSuite| {
            let found = TLS12.iter().find(|named| named.suite == *suite);
            found.unwrap().name
        };
        chosen.iter().map(name).collect()
    }

    #[test]
    fn words_choose_ban_and_move_suites() {
        let all: Vec<&str> = TLS12.iter().map(|named| named.name).collect();
        assert_eq!(names("DEFAULT"), all);
        assert_eq!(names("DEFAULT:!MEDIUM:-AES128-SHA256"), all);
        assert_eq!(names("HIGH:!aNULL:!MD5 @STRENGTH"), all);
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA"),
            ["ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(names("aRSA+AES256"), ["ECDHE-RSA-AES256-GCM-SHA384"]);
        assert_eq!(
            names("ALL:!aECDSA:+AES256:-CHACHA20"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        // What is banned stays so; what was taken out comes back.
        assert_eq!(
            names("!CHACHA20:CHACHA20:ALL:-AES:AESGCM+AES128+aRSA"),
            ["ECDHE-RSA-AES128-GCM-SHA256"]
        );
    }

    #[test]
    fn a_list_of_which_nothing_is_left_is_refused_with_what_there_is() {
        let refusal = choose_tls12("AES128-SHA256:AES256-SHA256").unwrap_err();
        assert!(refusal.contains("AES128-SHA256:AES256-SHA256"), "{refusal}");
        assert!(refusal.contains("ECDHE-RSA-AES256-GCM-SHA384"), "{refusal}");
        assert!(choose_tls12("ALL:!ALL").is_err());
        let refusal = choose_tls13(Some("TLS_AES_128_CCM_SHA256")).unwrap_err();
        assert!(refusal.contains("TLS_AES_128_GCM_SHA256"), "{refusal}");
        let one = choose_tls13(Some("TLS_CHACHA20_POLY1305_SHA256:x")).unwrap();
        assert_eq!(one, [suite::TLS13_CHACHA20_POLY1305_SHA256]);
    }

    #[test]
    fn old_protocols_are_refused_by_name() {
        assert_eq!(protocols(None).unwrap().len(), 2);
        assert_eq!(protocols(Some("TLSv1.2")).unwrap(), [&version::TLS12]);
        assert_eq!(
            protocols(Some("tlsv1.3 TLSv1.3")).unwrap(),
            [&version::TLS13]
        );
        for bad in ["TLSv1.1 TLSv1.2", "TLSv1", "SSLv3", "x", " "] {
            let refusal = protocols(Some(bad)).unwrap_err();
            assert!(refusal.starts_with("Invalid tls-protocols"), "{refusal}");
        }
    }
}
