//! A client's connection to the master, made and made again by its route.
//!
//! A connection counts once the server has answered on it: to `ROLE`, that it is a master, or,
//! where the client does not care, anything at all to `PING`. For a connection alone says little:
//! the one to a stopped server is accepted by the system, and one through a relay by the relay.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::route::{Route, Turn, is_master, master_of};
use super::worker::Halt;
use crate::lab::wire::Wire;

/// Who waits for a Sentinel waits no longer than this before it asks the next one.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(200);
/// The shortest limit that the system takes.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// How long a client waits between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// See the module's head.
#[derive(Debug)]
pub(super) struct Link {
    route: Route,
    from: IpAddr,
    timeout: Duration,
    turn: Turn,
    to: Option<(SocketAddr, Wire)>,
}

impl Link {
    /// A client at `from` that goes by this route and waits so long for a reply. It is not
    /// connected.
    pub fn new(route: Route, from: IpAddr, timeout: Duration) -> Link {
        let count = match &route {
            Route::Sentinels { addresses, .. } => addresses.len(),
            Route::Fixed(_) => 1,
        };
        Link {
            route,
            from,
            timeout: timeout.max(TIMEOUT_MIN),
            turn: Turn::new(count),
            to: None,
        }
    }

    /// How long a reply may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whom it is connected to.
    pub fn at(&self) -> Option<SocketAddr> {
        self.to.as_ref().map(|(address, _)| *address)
    }

    /// Whether another server may be the better one.
    pub fn has_choice(&self) -> bool {
        matches!(self.route, Route::Sentinels { .. })
    }

    /// The connection; a new one, if there is none. Gives up early when it is to stop.
    ///
    /// # Errors
    ///
    /// No master is to be found at this try, or it does not answer.
    pub fn wire(&mut self, halt: &Halt) -> io::Result<&mut Wire> {
        if self.to.is_none() {
            match self.connect(halt) {
                Ok(to) => self.to = Some(to),
                Err(e) => {
                    self.turn.on_failure();
                    return Err(e);
                }
            }
        }
        let (_, wire) = self.to.as_mut().expect("it is connected");
        Ok(wire)
    }

    /// Closes the connection: the server is no good, or out of step.
    pub fn leave(&mut self) {
        self.to = None;
        self.turn.on_failure();
    }

    fn connect(&self, halt: &Halt) -> io::Result<(SocketAddr, Wire)> {
        let (addresses, master_name) = match &self.route {
            Route::Fixed(address) => {
                let wire = self.connect_any(*address).map_err(at(*address))?;
                return Ok((*address, wire));
            }
            Route::Sentinels {
                addresses,
                master_name,
            } => (addresses, master_name),
        };
        let Some(sentinel) = addresses.get(self.turn.whom()) else {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "there is no Sentinel to ask",
            ));
        };
        let address = self
            .ask_sentinel(*sentinel, master_name)
            .map_err(at(*sentinel))?;
        if halt.is_asked() {
            return Err(ErrorKind::Interrupted.into());
        }
        let wire = self.connect_master(address).map_err(at(address))?;
        Ok((address, wire))
    }

    fn ask_sentinel(&self, sentinel: SocketAddr, master_name: &str) -> io::Result<SocketAddr> {
        let timeout = self.timeout.min(SENTINEL_TIMEOUT);
        let mut wire = Wire::connect(sentinel, Some(self.from), timeout)?;
        let name = master_name.as_bytes();
        let answer = wire.ask(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name])?;
        master_of(&answer).ok_or_else(|| io::Error::other("it names no master"))
    }

    fn connect_any(&self, address: SocketAddr) -> io::Result<Wire> {
        let mut wire = Wire::connect(address, Some(self.from), self.timeout)?;
        wire.ask(&[b"PING"])?;
        Ok(wire)
    }

    fn connect_master(&self, address: SocketAddr) -> io::Result<Wire> {
        let mut wire = Wire::connect(address, Some(self.from), self.timeout)?;
        let answer = wire.ask(&[b"ROLE"])?;
        match answer.error() {
            Some(error) => Err(io::Error::other(String::from_utf8_lossy(error))),
            None if is_master(&answer) => Ok(wire),
            None => Err(io::Error::other("it is no master")),
        }
    }
}

/// Says where it went wrong.
fn at(address: SocketAddr) -> impl Fn(io::Error) -> io::Error {
    move |e| io::Error::new(e.kind(), format!("{address}: {e}"))
}
