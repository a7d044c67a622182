//! Settings that name a place: where to listen, where the master is, where files are.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::special::join;
use super::value::{
    NumberRule, Occasion, Reason, Value, bare_or_quoted, lenient_i64, only_arg, os_text, quoted,
};

/// Most addresses that `bind` takes.
const BIND_ADDRESSES_MAX: usize = 16;

fn text(arg: &[u8], reason: &'static str) -> Result<String, Reason> {
    String::from_utf8(arg.to_vec()).map_err(|_| reason.into())
}

/// `bind`: the addresses to listen on, as they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<String>);

/// One address of `bind`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAddress<'a> {
    /// The host may lack this address: the server starts without it.
    pub optional: bool,
    /// A name, an IP address, `*` (all of IPv4) or `::*` (all of IPv6).
    pub host: &'a str,
}

impl Default for BindAddresses {
    fn default() -> BindAddresses {
        BindAddresses(vec!["*".to_owned(), "-::*".to_owned()])
    }
}

impl BindAddresses {
    /// The addresses one by one.
    pub fn iter(&self) -> impl Iterator<Item = BindAddress<'_>> {
        self.0
            .iter()
            .map(|address| match address.strip_prefix('-') {
                Some(host) => BindAddress {
                    optional: true,
                    host,
                },
                None => BindAddress {
                    optional: false,
                    host: address,
                },
            })
    }
}

impl BindAddresses {
    /// As a file has them.
    fn line(&self) -> Vec<Vec<u8>> {
        if self.0.is_empty() {
            return vec![b"\"\"".to_vec()];
        }
        let addresses = self.0.iter();
        let words = addresses.map(|address| bare_or_quoted(address.as_bytes()));
        vec![join(words)]
    }
}

impl Value for BindAddresses {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        if args.len() > BIND_ADDRESSES_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let nothing = matches!(args, [arg] if arg.is_empty());
        let args = if nothing { &[] } else { args };
        let address = |arg: &Vec<u8>| text(arg, "Invalid bind address");
        self.0 = args.iter().map(address).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        self.0.join(" ").into_bytes()
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        match *self == BindAddresses::default() {
            true => Vec::new(),
            false => self.line(),
        }
    }
}

/// `metrics-bind`: the addresses to listen on for metrics. Nobody logs in there, so by default it
/// is this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsAddresses(pub BindAddresses);

impl Default for MetricsAddresses {
    fn default() -> MetricsAddresses {
        let addresses = ["127.0.0.1", "-::1"];
        MetricsAddresses(BindAddresses(addresses.map(str::to_owned).to_vec()))
    }
}

impl Value for MetricsAddresses {
    fn set(&mut self, args: &[Vec<u8>], rule: &NumberRule, at: Occasion) -> Result<(), Reason> {
        self.0.set(args, rule, at)
    }

    fn show(&self, rule: &NumberRule) -> Vec<u8> {
        self.0.show(rule)
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        match *self == MetricsAddresses::default() {
            true => Vec::new(),
            false => self.0.line(),
        }
    }
}

/// Where a master is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterAddress {
    /// A name or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// `replicaof`: the master of this server, if it is not one itself.
impl Value for Option<MasterAddress> {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let [host, port] = args else {
            return Err("wrong number of arguments".into());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            *self = None;
            return Ok(());
        }
        let port = lenient_i64(port).and_then(|port| u16::try_from(port).ok());
        *self = Some(MasterAddress {
            host: text(host, "Invalid master host")?,
            port: port.ok_or("Invalid master port")?,
        });
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        let args = self
            .as_ref()
            .map(|master| format!("{} {}", master.host, master.port));
        args.unwrap_or_default().into_bytes()
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        let args = |master: &MasterAddress| {
            let host = bare_or_quoted(master.host.as_bytes());
            join([host, master.port.to_string().into_bytes()])
        };
        self.iter().map(args).collect()
    }
}

/// `dir`: the directory that relative paths start from, absolute and without links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingDir(pub PathBuf);

impl WorkingDir {
    /// A path as seen from this directory.
    pub fn join(&self, path: &[u8]) -> PathBuf {
        self.0.join(Path::new(OsStr::from_bytes(path)))
    }
}

impl Value for WorkingDir {
    /// Relative to the directory so far. Resolving `.` in it fails just where entering it would.
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        if arg.is_empty() {
            return Err("No such file or directory".into());
        }
        let path = self.join(arg);
        self.0 = fs::canonicalize(path.join(".")).map_err(|error| os_text(&error))?;
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        self.0.clone().into_os_string().into_vec()
    }

    fn saved(&self, rule: &NumberRule) -> Vec<Vec<u8>> {
        vec![quoted(&self.show(rule))]
    }
}
