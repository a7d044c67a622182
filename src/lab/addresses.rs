//! Where the hosts of a lab are: addresses of the loopback network that nobody else uses.
//!
//! All of 127.0.0.0/8 is the loopback interface, and any process may bind any address of it. A lab
//! takes one /24 of it. A node is reached by its *public* address, at which the relay listens, and
//! listens itself at a *hidden* one; what it opens comes from the hidden one (`bind-source-addr`).
//! Clients have addresses of their own. So the relay knows both ends of each connection by name,
//! and all servers can have the port that servers have, unless somebody listens there on all
//! addresses of the machine.
//!
//! ```text
//!   r1 ─ from 127.X.Y.102 ─► 127.X.Y.1:6379 (relay) ─► 127.X.Y.101:6379 ─ m1
//!        r1, hidden            m1, public                m1, hidden
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::model::NodeKind;
use crate::base::rng::Rng;

/// The port of servers, where it is free on all addresses.
const SERVER_PORT: u16 = 6379;
/// The port of Sentinels, likewise.
const SENTINEL_PORT: u16 = 26379;
/// A server that listens on all addresses has its port for good; then these much higher ones serve.
const PORT_SHIFTS: [u16; 4] = [0, 1000, 2000, 3000];
/// Nodes that a lab may have.
pub const NODES_MAX: usize = 99;
/// Clients that it may have.
pub const CLIENTS_MAX: usize = 54;

const HIDDEN: u8 = 100;
const CLIENTS: u8 = 200;
/// The address that says that a network is taken.
const CLAIM: u8 = 255;
/// Networks that are tried with the same ports.
const TRIES: usize = 250;

/// The /24 of a lab. It is taken as long as this lives.
#[derive(Debug)]
pub struct Subnet {
    second: u8,
    third: u8,
    port_shift: u16,
    /// Two labs cannot bind the same address.
    _claim: [TcpListener; 2],
}

impl Subnet {
    /// Takes a network that no other lab has.
    ///
    /// # Errors
    ///
    /// None is to be had, or the loopback interface has no such addresses.
    pub fn claim(rng: &mut Rng) -> io::Result<Subnet> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port_shift in PORT_SHIFTS {
            for _ in 0..TRIES {
                // 127.0.0.x belongs to everybody.
                let (second, third) = (1 + rng.below(254) as u8, rng.below(255) as u8);
                let bind = |port: u16| {
                    let address = Ipv4Addr::new(127, second, third, CLAIM);
                    TcpListener::bind((address, port + port_shift))
                };
                match bind(SERVER_PORT).and_then(|one| Ok([one, bind(SENTINEL_PORT)?])) {
                    Ok(claim) => {
                        return Ok(Subnet {
                            second,
                            third,
                            port_shift,
                            _claim: claim,
                        });
                    }
                    Err(e) => last = e,
                }
            }
        }
        Err(last)
    }

    /// The port of nodes of this kind.
    pub fn port(&self, kind: NodeKind) -> u16 {
        self.port_shift
            + match kind {
                NodeKind::Server => SERVER_PORT,
                NodeKind::Sentinel => SENTINEL_PORT,
            }
    }

    fn ip(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(127, self.second, self.third, last).into()
    }

    /// Where others reach the node of this number, from 0.
    pub fn public(&self, node: usize, kind: NodeKind) -> SocketAddr {
        assert!(node < NODES_MAX, "a lab has no more nodes");
        SocketAddr::new(self.ip(1 + node as u8), self.port(kind))
    }

    /// Where the node itself is.
    pub fn hidden(&self, node: usize, kind: NodeKind) -> SocketAddr {
        assert!(node < NODES_MAX, "a lab has no more nodes");
        SocketAddr::new(self.ip(HIDDEN + 1 + node as u8), self.port(kind))
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
            all.push(first.public(node, NodeKind::Server).ip());
            all.push(first.hidden(node, NodeKind::Server).ip());
        }
        all.extend((0..CLIENTS_MAX).map(|client| first.client(client)));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
