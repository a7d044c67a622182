//! Where an instance is: by address, or by a name that stands for one.

use std::net::IpAddr;

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As we were told: an address or a name.
    pub host: String,
    /// The address. None for a name that was not looked up yet.
    pub ip: Option<IpAddr>,
    /// The port; 0 is an address that was found to be wrong.
    pub port: u16,
}

impl Address {
    /// The address that a host and a port are.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        let host = host.into();
        let ip = host.parse().ok();
        Address { host, ip, port }
    }

    /// Whether the host is given by name.
    pub fn is_named(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// How it is shown and announced: by name where it has one and `by_name` asks for that.
    pub fn shown(&self, by_name: bool) -> String {
        match self.ip {
            Some(ip) if !by_name => ip.to_string(),
            _ => self.host.clone(),
        }
    }

    /// Whether a host, as somebody else has told it, is this one.
    pub fn is_host(&self, host: &str) -> bool {
        if self.host.eq_ignore_ascii_case(host) {
            return true;
        }
        let other: Option<IpAddr> = host.parse().ok();
        other.is_some() && other == self.ip
    }

    /// Whether a host and a port, as somebody else has told them, are this one.
    pub fn is(&self, host: &str, port: u16) -> bool {
        self.port == port && self.is_host(host)
    }

    /// Whether both are the same place.
    pub fn is_same(&self, other: &Address) -> bool {
        let same_ip = self.ip.is_some() && self.ip == other.ip;
        self.port == other.port && (same_ip || self.host.eq_ignore_ascii_case(&other.host))
    }
}
