//! One server on a stage: the test plays everybody else, and may look at a single tick.
//!
//! Bytes are under way for no time here, and nothing limits a pipe, unless a test sets that. A test
//! reads as a dialogue:
//!
//! ```ignore
//! let mut stage = Stage::new(|_| {});
//! let mut client = stage.connect();
//! client.say("SET a 1");
//! stage.settle();
//! assert_eq!(client.heard(), "+OK");
//! ```
//!
//! [`Stage::settle`] lets no time pass. What is not done by then would be done only when a timer
//! rings or somebody happens to knock, so a test that looks for the effect behind it sees what a
//! server has forgotten to go on with.

use std::rc::Rc;

use super::cluster::Cluster;
use super::disk::SimDisk;
use super::net::{HostId, SharedNet, SimSocket, address_of};
use super::node::Node;
use crate::commands::env::Env;
use crate::config::Settings;
use crate::engine::world::Socket;
use crate::resp::args::encode_command;

/// The server.
pub const SERVER: HostId = 0;
/// The master that a test plays.
pub const MASTER: HostId = 1;
/// Clients and replicas have numbers from here on.
const FIRST_PEER: HostId = 10;
/// So many bytes fit a pipe without a limit.
pub const NO_LIMIT: usize = usize::MAX / 2;
/// A server that was told to follow somebody connects within this time.
const DIAL_MS_MAX: u64 = 5000;

/// See the module's head.
pub struct Stage {
    /// The server's surroundings.
    pub cluster: Cluster,
    peers: HostId,
}

impl Stage {
    /// A server that has started, with these changes of the default settings.
    pub fn new(configure: impl FnOnce(&mut Settings)) -> Stage {
        Stage::with_disk(SimDisk::default(), configure)
    }

    /// The same with what some earlier server has left.
    pub fn with_disk(disk: SimDisk, configure: impl FnOnce(&mut Settings)) -> Stage {
        let mut stage = Stage::prepared(disk, configure);
        stage.start();
        stage
    }

    /// The same before it is started.
    pub fn prepared(disk: SimDisk, configure: impl FnOnce(&mut Settings)) -> Stage {
        let mut cluster = Cluster::new(1, 0);
        {
            let mut net = cluster.net.borrow_mut();
            net.latency_us_max = 0;
            // Tests look at single ticks, and a handshake takes one.
            net.handshakes = false;
            net.pipe_bytes = NO_LIMIT;
            net.bring_up(MASTER);
        }
        let mut settings = Settings {
            repl_diskless_sync_delay: 0,
            ..Settings::default()
        };
        settings.save.0.clear();
        configure(&mut settings);
        let mut node = Node::new(SERVER, settings);
        node.disk = disk;
        cluster.nodes.push(node);
        Stage { cluster, peers: 0 }
    }

    /// The server.
    pub fn server(&mut self) -> &mut Node {
        &mut self.cluster.nodes[SERVER]
    }

    /// Its disk.
    pub fn disk(&self) -> SimDisk {
        self.cluster.nodes[SERVER].disk.clone()
    }

    /// Its process is killed, and it is started again.
    pub fn restart(&mut self) {
        self.cluster.kill(SERVER);
        self.start();
    }

    /// Its machine loses power, and it is started again.
    pub fn lose_power(&mut self) {
        let net = Rc::clone(&self.cluster.net);
        self.server().lose_power(&net);
        self.start();
    }

    /// It is started, if it does not run, and has all loaded when it does.
    pub fn start(&mut self) {
        self.cluster.start(SERVER, None);
        self.settle();
    }

    /// What its commands work on.
    pub fn env(&self) -> &Env {
        self.cluster.nodes[SERVER].env().expect("it runs")
    }

    /// The offset up to which it has run the stream of its master, or written its own.
    pub fn offset(&self) -> u64 {
        self.env().replication.identity().offset()
    }

    /// Bytes under way to one end, or waiting there, at most from now on.
    pub fn limit_pipes(&mut self, bytes: usize) {
        self.cluster.net.borrow_mut().pipe_bytes = bytes;
    }

    // ---- Time ----

    /// One tick, with all that has happened.
    pub fn tick(&mut self) {
        let net = Rc::clone(&self.cluster.net);
        net.borrow_mut().settle();
        self.server().tick(&net);
    }

    /// Lets the server run as long as it can without time passing.
    pub fn settle(&mut self) {
        loop {
            self.cluster.run_instant();
            if self.cluster.next_us() > self.cluster.net.borrow().now_us {
                return;
            }
        }
    }

    /// Lets time pass.
    pub fn advance_ms(&mut self, ms: u64) {
        self.cluster.run_ms(ms);
        self.settle();
    }

    // ---- Peers ----

    /// A client that has connected.
    pub fn connect(&mut self) -> Peer {
        let host = FIRST_PEER + self.peers;
        self.peers += 1;
        let net = &self.cluster.net;
        let socket = SimSocket::connect(net, host, address_of(SERVER));
        let peer = Peer::new(net, host, socket);
        self.settle();
        peer
    }

    /// The connection that the server makes to its master, if it makes one soon.
    pub fn dialled(&mut self) -> Option<Peer> {
        for _ in 0..DIAL_MS_MAX / 10 {
            if let Some((socket, _)) = SimSocket::accept(&self.cluster.net, MASTER) {
                return Some(Peer::new(&self.cluster.net, MASTER, socket));
            }
            self.advance_ms(10);
        }
        None
    }

    /// What a fresh client is told.
    pub fn ask(&mut self, line: &str) -> String {
        let mut client = self.connect();
        client.say(line);
        self.settle();
        let heard = client.heard();
        drop(client);
        self.settle();
        heard
    }

    /// A field of `INFO`.
    pub fn info(&mut self, field: &str) -> String {
        let text = self.ask("INFO everything");
        let value = |word: &str| Some(word.strip_prefix(field)?.strip_prefix(':')?.to_owned());
        text.split(' ').find_map(value).unwrap_or_default()
    }
}

/// Somebody at the other end of a connection of the server. Dropped, it closes the connection.
pub struct Peer {
    /// Its number in the network.
    pub host: HostId,
    net: SharedNet,
    socket: SimSocket,
    received: Vec<u8>,
    closed: bool,
}

impl Peer {
    fn new(net: &SharedNet, host: HostId, socket: SimSocket) -> Peer {
        Peer {
            host,
            net: Rc::clone(net),
            socket,
            received: Vec::new(),
            closed: false,
        }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.socket.write(bytes).expect("the connection is open");
        assert_eq!(sent, bytes.len(), "the pipe takes it all");
    }

    /// Sends a command, word by word.
    pub fn say(&mut self, line: &str) {
        self.send(&command(line));
    }

    /// Breaks the connection, as a machine that dies does.
    pub fn reset(self) {
        self.net.borrow_mut().cut(self.host, SERVER);
    }

    /// What came since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.read_all();
        std::mem::take(&mut self.received)
    }

    /// The same as text, with a space for each end of a line.
    pub fn heard(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.take()).replace("\r\n", " ");
        text.trim_end().to_owned()
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        self.read_all();
        self.closed
    }

    fn read_all(&mut self) {
        self.net.borrow_mut().settle();
        while !self.closed {
            match self.socket.read_append(&mut self.received, NO_LIMIT) {
                Ok(n) => self.closed = n == 0,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => self.closed = true,
            }
        }
    }
}

/// A command as it goes over the wire, from its words.
pub fn command(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    encode_command(&words, &mut bytes);
    bytes
}
