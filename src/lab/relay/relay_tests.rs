//! Connections through a relay: listeners, clients and links of the loopback network.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::*;
use crate::base::rng::Rng;
use crate::lab::addresses::Subnet;
use crate::lab::model::NodeKind;

/// What is to happen has happened by then.
const LIMIT: Duration = Duration::from_secs(20);
/// What must not happen has not happened for so long.
const QUIET: Duration = Duration::from_millis(60);

const CUT: LinkState = LinkState {
    cut: true,
    delay_us: 0,
    bytes_per_s: 0,
};
const CALM: LinkState = LinkState {
    cut: false,
    delay_us: 0,
    bytes_per_s: 0,
};

fn delayed(ms: u64) -> LinkState {
    LinkState {
        delay_us: ms * 1000,
        ..CALM
    }
}

/// A relay with a node `m` behind it and a client `c`.
struct Lab {
    relay: Relay,
    net: Subnet,
    listener: TcpListener,
}

impl Lab {
    fn new() -> Lab {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let seed = u64::from(std::process::id()) * 1000 + COUNT.fetch_add(1, Ordering::Relaxed);
        let net = Subnet::claim(&mut Rng::from_seed(seed)).unwrap();
        let relay = Relay::start().unwrap();
        let (public, hidden) = (
            net.public(0, NodeKind::Server),
            net.hidden(0, NodeKind::Server),
        );
        relay.add_host("m", &[public.ip(), hidden.ip()]);
        relay.add_host("c", &[net.client(0)]);
        relay.open("m", public, hidden).unwrap();
        let listener = TcpListener::bind(hidden).unwrap();
        Lab {
            relay,
            net,
            listener,
        }
    }

    fn try_connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(self.net.client(0), 0).into())?;
        socket.connect(&self.net.public(0, NodeKind::Server).into())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    fn connect(&self) -> TcpStream {
        self.try_connect().unwrap()
    }

    fn accept(&self) -> TcpStream {
        wait_until(|| crate::sys::wait::wait_for(fd(&self.listener), false, LIMIT));
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// A connection of the client to the node: both ends.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.connect();
        (client, self.accept())
    }

    fn set_both(&self, state: LinkState) {
        self.relay.set("c", "m", state);
        self.relay.set("m", "c", state);
    }

    fn nobody_comes(&self) -> bool {
        !crate::sys::wait::wait_for(fd(&self.listener), false, QUIET)
    }

    fn connections(&self) -> usize {
        let traffic = self.relay.traffic();
        traffic
            .iter()
            .map(|link| link.connections)
            .max()
            .unwrap_or(0)
    }
}

fn fd(of: &impl std::os::fd::AsRawFd) -> i32 {
    of.as_raw_fd()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn receive(stream: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, expected);
}

fn nothing_comes(stream: &TcpStream) -> bool {
    !crate::sys::wait::wait_for(fd(stream), false, QUIET)
}

fn is_at_end(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 16]).unwrap() == 0
}

fn is_reset(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0; 16]);
    read.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
}

/// Closes a socket with a reset.
fn reset(stream: TcpStream) {
    let socket = Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn bytes_pass_both_ways_and_are_counted() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    client.write_all(b"PING").unwrap();
    receive(&mut node, b"PING");
    node.write_all(b"+PONG").unwrap();
    receive(&mut client, b"+PONG");
    let traffic = lab.relay.traffic();
    let there = traffic.iter().find(|link| link.from == "c").unwrap();
    assert_eq!((&*there.to, there.bytes, there.connections), ("m", 4, 1));
    let back = traffic.iter().find(|link| link.from == "m").unwrap();
    assert_eq!((&*back.to, back.bytes, back.connections), ("c", 5, 1));
    drop((client, node));
    wait_until(|| lab.connections() == 0);
}

#[test]
fn much_passes_unchanged_though_the_receiver_is_slow() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    let sent: Vec<u8> = (0..20_000_000u32)
        .map(|i| (i >> 8) as u8 ^ i as u8)
        .collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        client.write_all(&copy).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut got = Vec::new();
    let mut piece = vec![0; 10_000];
    // Slow at first, such that all buffers fill.
    while got.len() < 100_000 {
        std::thread::sleep(Duration::from_millis(1));
        let count = node.read(&mut piece).unwrap();
        got.extend_from_slice(&piece[..count]);
    }
    node.read_to_end(&mut got).unwrap();
    assert!(got == sent);
    drop(writer.join().unwrap());
}

#[test]
fn a_stranger_is_outside() {
    let lab = Lab::new();
    let mut stranger = TcpStream::connect(lab.net.public(0, NodeKind::Server)).unwrap();
    let mut node = lab.accept();
    stranger.write_all(b"x").unwrap();
    receive(&mut node, b"x");
    let traffic = lab.relay.traffic();
    assert!(
        traffic
            .iter()
            .any(|link| link.from == OUTSIDE && link.bytes == 1)
    );
}

#[test]
fn a_cut_stops_one_direction_and_after_it_all_comes_in_order() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    lab.relay.set("c", "m", CUT);
    assert_eq!(lab.relay.state("c", "m"), CUT);
    assert_eq!(lab.relay.state("m", "c"), CALM);
    client.write_all(b"one").unwrap();
    node.write_all(b"other way").unwrap();
    receive(&mut client, b"other way");
    assert!(nothing_comes(&node));
    client.write_all(b" two").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(nothing_comes(&node));
    lab.relay.set("c", "m", CALM);
    receive(&mut node, b"one two");
    assert!(is_at_end(&mut node));
}

#[test]
fn the_sender_waits_when_buffers_are_full_and_nothing_is_lost() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    lab.set_both(CUT);
    client.set_nonblocking(true).unwrap();
    let mut sent = 0;
    wait_until(|| {
        loop {
            match client.write(&[b'x'; 65536]) {
                Ok(count) => sent += count,
                Err(e) => break e.kind() == ErrorKind::WouldBlock,
            }
        }
    });
    lab.set_both(CALM);
    receive(&mut node, &vec![b'x'; sent]);
    drop(client);
    assert!(is_at_end(&mut node));
}

#[test]
fn the_end_of_a_connection_does_not_pass_a_cut() {
    let lab = Lab::new();
    let (client, mut node) = lab.pair();
    let (resetting, mut node2) = lab.pair();
    lab.relay.set("c", "m", CUT);
    drop(client);
    reset(resetting);
    assert!(nothing_comes(&node));
    assert!(nothing_comes(&node2));
    lab.relay.set("c", "m", CALM);
    assert!(is_at_end(&mut node));
    assert!(is_reset(&mut node2));
}

#[test]
fn a_new_connection_needs_both_directions() {
    for (from, to) in [("c", "m"), ("m", "c")] {
        let lab = Lab::new();
        lab.relay.set(from, to, CUT);
        let mut client = lab.connect();
        client.write_all(b"hello").unwrap();
        assert!(lab.nobody_comes());
        lab.relay.set(from, to, CALM);
        receive(&mut lab.accept(), b"hello");
    }
}

#[test]
fn an_initiator_that_is_reset_before_its_connect_could_pass_leaves_nothing() {
    let lab = Lab::new();
    lab.relay.set("m", "c", CUT);
    let client = lab.connect();
    wait_until(|| lab.connections() == 1);
    reset(client);
    wait_until(|| lab.connections() == 0);
    lab.relay.set("m", "c", CALM);
    assert!(lab.nobody_comes());
}

#[test]
fn half_a_close_is_passed_on_as_such() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    receive(&mut node, b"question");
    assert!(is_at_end(&mut node));
    node.write_all(b"answer").unwrap();
    drop(node);
    receive(&mut client, b"answer");
    assert!(is_at_end(&mut client));
    wait_until(|| lab.connections() == 0);
}

#[test]
fn a_reset_is_passed_on_as_such_both_ways() {
    let lab = Lab::new();
    let (client, mut node) = lab.pair();
    reset(client);
    assert!(is_reset(&mut node));
    let (mut client, mut node) = lab.pair();
    node.write_all(b"last words").unwrap();
    receive(&mut client, b"last words");
    reset(node);
    assert!(is_reset(&mut client));
    // And after one side has ended its half.
    let (mut client, mut node) = lab.pair();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(is_at_end(&mut node));
    reset(node);
    assert!(is_reset(&mut client));
    wait_until(|| lab.connections() == 0);
}

#[test]
fn who_is_gone_resets_who_goes_on_sending() {
    let lab = Lab::new();
    let (mut client, node) = lab.pair();
    drop(node);
    assert!(is_at_end(&mut client));
    wait_until(|| client.write_all(b"are you there").is_err());
    wait_until(|| lab.connections() == 0);
}

#[test]
fn a_target_that_refuses_resets_the_initiator() {
    let mut lab = Lab::new();
    // The place is taken by a listener elsewhere, so that nobody else takes it.
    lab.listener = TcpListener::bind(lab.net.hidden(1, NodeKind::Server)).unwrap();
    let mut client = lab.connect();
    assert!(is_reset(&mut client));
    wait_until(|| lab.connections() == 0);
}

#[test]
fn a_closed_node_refuses_and_resets_and_can_be_opened_again() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    let (mut cut_off, _node2) = lab.pair();
    node.write_all(b"last words").unwrap();
    lab.relay.close("m");
    receive(&mut client, b"last words");
    assert!(is_reset(&mut client));
    assert!(is_reset(&mut cut_off));
    let refused = lab.try_connect().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let (public, hidden) = (
        lab.net.public(0, NodeKind::Server),
        lab.net.hidden(0, NodeKind::Server),
    );
    lab.relay.open("m", public, hidden).unwrap();
    let error = lab.relay.open("m", public, hidden).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let (mut client, mut node) = lab.pair();
    client.write_all(b"again").unwrap();
    receive(&mut node, b"again");
}

#[test]
fn across_a_cut_nobody_learns_that_a_node_was_closed() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    lab.relay.set("m", "c", CUT);
    node.write_all(b"last words").unwrap();
    lab.relay.close("m");
    drop(node);
    assert!(nothing_comes(&client));
    let (public, hidden) = (
        lab.net.public(0, NodeKind::Server),
        lab.net.hidden(0, NodeKind::Server),
    );
    lab.relay.open("m", public, hidden).unwrap();
    assert!(nothing_comes(&client));
    lab.relay.set("m", "c", CALM);
    receive(&mut client, b"last words");
    assert!(is_reset(&mut client));
}

#[test]
fn a_delay_holds_for_the_handshake_and_for_each_byte() {
    let lab = Lab::new();
    lab.relay.set("c", "m", delayed(40));
    lab.relay.set("m", "c", delayed(20));
    let begun = Instant::now();
    let mut client = lab.connect();
    client.write_all(b"x").unwrap();
    let mut node = lab.accept();
    receive(&mut node, b"x");
    let least = Duration::from_millis(40 + 20 + 40);
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    let begun = Instant::now();
    node.write_all(b"y").unwrap();
    node.shutdown(Shutdown::Write).unwrap();
    receive(&mut client, b"y");
    assert!(is_at_end(&mut client));
    assert!(
        begun.elapsed() >= Duration::from_millis(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_lowered_delay_holds_at_once_and_keeps_the_order() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    lab.relay.set("c", "m", delayed(3_600_000));
    client.write_all(b"first ").unwrap();
    assert!(nothing_comes(&node));
    lab.relay.set("c", "m", CALM);
    client.write_all(b"second").unwrap();
    receive(&mut node, b"first second");
}

#[test]
fn a_rate_is_kept() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    let slow = LinkState {
        bytes_per_s: 1_000_000,
        ..CALM
    };
    lab.relay.set("c", "m", slow);
    let begun = Instant::now();
    client.write_all(&[b'x'; 100_000]).unwrap();
    receive(&mut node, &[b'x'; 100_000]);
    // All but the burst had to wait.
    assert!(
        begun.elapsed() >= Duration::from_millis(75),
        "{:?}",
        begun.elapsed()
    );
    lab.relay.set("c", "m", CALM);
    client.write_all(&[b'x'; 100_000]).unwrap();
    receive(&mut node, &[b'x'; 100_000]);
}

#[test]
fn many_connections_at_once_all_pass() {
    let lab = Lab::new();
    let mut clients: Vec<TcpStream> = (0..100).map(|_| lab.connect()).collect();
    let mut nodes: Vec<TcpStream> = (0..100).map(|_| lab.accept()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.write_all(&(i as u32).to_le_bytes()).unwrap();
    }
    let mut numbers: Vec<u32> = Vec::new();
    for node in &mut nodes {
        let mut number = [0; 4];
        node.read_exact(&mut number).unwrap();
        node.write_all(&number).unwrap();
        numbers.push(u32::from_le_bytes(number));
    }
    for (i, client) in clients.iter_mut().enumerate() {
        receive(client, &(i as u32).to_le_bytes());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<u32>>());
    assert_eq!(lab.connections(), 100);
    drop(clients);
    drop(nodes);
    wait_until(|| lab.connections() == 0);
}

#[test]
fn with_the_relay_its_connections_end() {
    let lab = Lab::new();
    let (mut client, mut node) = lab.pair();
    let Lab { relay, net, .. } = lab;
    drop(relay);
    assert!(is_at_end(&mut client));
    assert!(is_at_end(&mut node));
    let refused = TcpStream::connect(net.public(0, NodeKind::Server)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
