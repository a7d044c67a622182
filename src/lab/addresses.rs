//! Where the hosts of a lab are: addresses of the loopback network that nobody else uses.
//!
//! All of 127.0.0.0/8 is the loopback interface, and any process may bind any address of it. A lab
//! takes one /24 of it. A node is reached by its *public* address, at which the relay listens, and
//! listens itself at a *hidden* one; what it opens comes from the hidden one (`bind-source-addr`).
//! Clients have addresses of their own. So the relay knows both ends of each connection by name,
//! and all servers can have the port that servers have.
//!
//! ```text
//!   r1 ─ from 127.X.Y.102 ─► 127.X.Y.1:6379 (relay) ─► 127.X.Y.101:6379 ─ m1
//!        r1, hidden            m1, public                m1, hidden
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::base::rng::Rng;

/// The port of servers.
pub const SERVER_PORT: u16 = 6379;
/// The port of Sentinels.
pub const SENTINEL_PORT: u16 = 26379;
/// Nodes that a lab may have.
pub const NODES_MAX: usize = 99;
/// Clients that it may have.
pub const CLIENTS_MAX: usize = 54;

const HIDDEN: u8 = 100;
const CLIENTS: u8 = 200;
/// The address that says that a network is taken.
const CLAIM: u8 = 255;
const CLAIM_PORT: u16 = 6379;
const TRIES: usize = 1000;

/// The /24 of a lab. It is taken as long as this lives.
#[derive(Debug)]
pub struct Subnet {
    second: u8,
    third: u8,
    /// Two labs cannot bind the same address.
    _claim: TcpListener,
}

impl Subnet {
    /// Takes a network that no other lab has.
    ///
    /// # Errors
    ///
    /// None is to be had, or the loopback interface has no such addresses.
    pub fn claim(rng: &mut Rng) -> io::Result<Subnet> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            // 127.0.0.x belongs to everybody.
            let (second, third) = (1 + rng.below(254) as u8, rng.below(255) as u8);
            let address = Ipv4Addr::new(127, second, third, CLAIM);
            match TcpListener::bind((address, CLAIM_PORT)) {
                Ok(claim) => {
                    return Ok(Subnet {
                        second,
                        third,
                        _claim: claim,
                    });
                }
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn ip(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(127, self.second, self.third, last).into()
    }

    /// Where others reach the node of this number, from 0.
    pub fn public(&self, node: usize, port: u16) -> SocketAddr {
        assert!(node < NODES_MAX, "a lab has no more nodes");
        SocketAddr::new(self.ip(1 + node as u8), port)
    }

    /// Where the node itself is.
    pub fn hidden(&self, node: usize, port: u16) -> SocketAddr {
        assert!(node < NODES_MAX, "a lab has no more nodes");
        SocketAddr::new(self.ip(HIDDEN + 1 + node as u8), port)
    }

    /// Where the client of this number, from 0, connects from.
    pub fn client(&self, client: usize) -> IpAddr {
        assert!(client < CLIENTS_MAX, "a lab has no more clients");
        self.ip(CLIENTS + 1 + client as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labs_have_different_networks_and_no_address_has_two_meanings() {
        let mut rng = Rng::from_seed(1);
        let first = Subnet::claim(&mut rng).expect("there are thousands");
        let mut same = Rng::from_seed(1);
        let second = Subnet::claim(&mut same).expect("there are thousands");
        assert_ne!(first.client(0), second.client(0));

        let mut all: Vec<IpAddr> = Vec::new();
        for node in 0..NODES_MAX {
            all.push(first.public(node, SERVER_PORT).ip());
            all.push(first.hidden(node, SERVER_PORT).ip());
        }
        all.extend((0..CLIENTS_MAX).map(|client| first.client(client)));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
