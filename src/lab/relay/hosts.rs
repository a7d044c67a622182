//! Who is at which address, and the links between them.
//!
//! Hosts and links come into being when they are first named, and stay: there are as many as a lab
//! has. Addresses of nobody belong to one host, [`OUTSIDE`].

use std::collections::HashMap;
use std::net::IpAddr;

use super::shape::Link;

/// The name of whoever connects from an address that belongs to no host.
pub const OUTSIDE: &str = "outside";

/// A host, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostId(usize);

/// A link, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(usize);

/// A link and what has passed it.
#[derive(Debug)]
pub struct Route {
    /// Where its bytes come from.
    pub from: HostId,
    /// Where they go.
    pub to: HostId,
    /// What it does to them.
    pub link: Link,
    /// Bytes that have passed it.
    pub bytes: u64,
}

/// All hosts and links.
#[derive(Debug, Default)]
pub struct Hosts {
    names: Vec<String>,
    by_name: HashMap<String, HostId>,
    by_ip: HashMap<IpAddr, HostId>,
    routes: Vec<Route>,
    by_ends: HashMap<(HostId, HostId), LinkId>,
}

impl Hosts {
    /// The host of this name.
    pub fn named(&mut self, name: &str) -> HostId {
        if let Some(&host) = self.by_name.get(name) {
            return host;
        }
        let host = HostId(self.names.len());
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), host);
        host
    }

    /// An address belongs to a host from now on.
    pub fn locate(&mut self, ip: IpAddr, host: HostId) {
        self.by_ip.insert(ip, host);
    }

    /// The host at an address.
    pub fn at(&mut self, ip: IpAddr) -> HostId {
        match self.by_ip.get(&ip) {
            Some(&host) => host,
            None => self.named(OUTSIDE),
        }
    }

    /// The name of a host.
    pub fn name(&self, host: HostId) -> &str {
        &self.names[host.0]
    }

    /// The link from one host to another.
    pub fn link(&mut self, from: HostId, to: HostId) -> LinkId {
        let routes = &mut self.routes;
        *self.by_ends.entry((from, to)).or_insert_with(|| {
            routes.push(Route {
                from,
                to,
                link: Link::default(),
                bytes: 0,
            });
            LinkId(routes.len() - 1)
        })
    }

    /// What is known of a link.
    pub fn route(&self, link: LinkId) -> &Route {
        &self.routes[link.0]
    }

    /// The same, to change it.
    pub fn route_mut(&mut self, link: LinkId) -> &mut Route {
        &mut self.routes[link.0]
    }

    /// All links, in the order in which they were first named.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.routes.len()).map(LinkId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_name_and_address_and_a_link_has_a_direction() {
        let mut hosts = Hosts::default();
        let (m1, r1) = (hosts.named("m1"), hosts.named("r1"));
        hosts.locate([127, 1, 1, 101].into(), m1);
        hosts.locate([127, 1, 1, 1].into(), m1);
        assert_eq!(hosts.at([127, 1, 1, 1].into()), m1);
        assert_eq!(hosts.at([127, 1, 1, 101].into()), m1);
        let stranger = hosts.at([127, 0, 0, 1].into());
        assert_eq!(hosts.name(stranger), OUTSIDE);
        assert_ne!(hosts.link(m1, r1), hosts.link(r1, m1));
        assert_eq!(hosts.link(m1, r1), hosts.link(m1, r1));
        assert_eq!(hosts.links().count(), 2);
    }
}
