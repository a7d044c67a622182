//! Changing the addresses at which the server listens: what stays open, and what a refusal leaves.

use std::io::Read;
use std::net::{TcpListener as Taken, TcpStream as Client};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as UnixClient;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::Poll;
use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::config::BindAddresses;
use crate::engine::world::{Accepted, Socket as _};
use crate::server::socket::OsSocket;
use crate::server::tls::Tls;

fn settings(bind: &str, port: u16) -> Settings {
    let addresses = bind.split_whitespace().map(str::to_owned).collect();
    Settings {
        bind: BindAddresses(addresses),
        port,
        ..Settings::default()
    }
}

/// A port that nobody has, at any address of this machine.
fn free_port() -> u16 {
    let socket = Taken::bind("0.0.0.0:0").unwrap();
    socket.local_addr().unwrap().port()
}

struct Rig {
    poll: Poll,
    listeners: Listeners,
}

impl Rig {
    fn new(bind: &str, port: u16) -> Rig {
        let mut rig = Rig {
            poll: Poll::new().unwrap(),
            listeners: Listeners::default(),
        };
        rig.must_replace(&settings(bind, port));
        rig
    }

    fn replace(&mut self, settings: &Settings) -> Result<(), String> {
        self.listeners.replace(self.poll.registry(), settings)
    }

    /// A change that must succeed. Other tests of this process fork, and until their children end
    /// these keep sockets open that are closed here, so an address may be taken for a moment.
    fn must_replace(&mut self, settings: &Settings) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while let Err(refusal) = self.replace(settings) {
            assert!(Instant::now() < give_up, "{refusal}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The same, and nobody takes it back.
    fn must_change(&mut self, settings: &Settings) {
        self.must_replace(settings);
        self.listeners.settle();
    }

    /// A change that nobody takes back.
    fn change(&mut self, settings: &Settings) -> Result<(), String> {
        let result = self.replace(settings);
        self.listeners.settle();
        result
    }

    /// The descriptors in use, in the order of their numbers.
    fn descriptors(&self) -> Vec<i32> {
        let in_use = self.listeners.sockets.iter().filter(|(_, s)| s.watched);
        let fd = |listener: &Listener| match listener {
            Listener::Tcp(l) | Listener::Tls(l) => l.as_raw_fd(),
            Listener::Unix(l) => l.as_raw_fd(),
        };
        in_use.map(|(_, s)| fd(&s.listener)).collect()
    }

    fn accept_any(&self) -> Accepted<OsSocket> {
        let keys = self.listeners.keys(|_, _| true);
        let mut accepted = keys.iter().filter_map(|key| {
            let (listener, _) = self.listeners.get(*key)?;
            listener.accept(&Tls::default()).ok()
        });
        accepted.next().expect("somebody has connected")
    }
}

fn reachable(address: &str, port: u16) -> bool {
    Client::connect((address, port)).is_ok()
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let (old, new) = (free_port(), free_port());
    let mut rig = Rig::new("127.0.0.1 127.0.0.3", old);
    let before = rig.descriptors();
    let _taken = Taken::bind(("127.0.0.2", new)).unwrap();
    let mut waiting = Client::connect(("127.0.0.1", old)).unwrap();
    let refusal = rig.change(&settings("127.0.0.1 127.0.0.2", new));
    let text = format!("Failed listening on port {new} (tcp), aborting.");
    assert_eq!(refusal, Err(text));
    assert_eq!(rig.descriptors(), before);
    assert!(!reachable("127.0.0.1", new));
    // Whoever waited to be accepted still does.
    assert_eq!(rig.accept_any().socket.write(b"here").unwrap(), 4);
    let mut heard = String::new();
    waiting.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "here");
}

#[test]
fn addresses_in_both_sets_keep_their_sockets() {
    let port = free_port();
    let mut rig = Rig::new("127.0.0.1 127.0.0.2", port);
    let before = rig.descriptors();
    rig.must_change(&settings("127.0.0.3 127.0.0.2", port));
    let after = rig.descriptors();
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[1]) && !after.contains(&before[0]));
    assert!(reachable("127.0.0.2", port) && reachable("127.0.0.3", port));
    assert!(!reachable("127.0.0.1", port));
}

#[test]
fn one_address_takes_over_from_all_and_gives_back_without_a_gap() {
    let port = free_port();
    let mut rig = Rig::new("*", port);
    for bind in ["127.0.0.1", "127.0.0.2 127.0.0.1", "*"].repeat(10) {
        rig.must_replace(&settings(bind, port));
        assert!(reachable("127.0.0.1", port));
        rig.listeners.settle();
        assert!(reachable("127.0.0.1", port));
        assert!(Taken::bind(("127.0.0.1", port)).is_err());
    }
    // Nobody else may share the port from now on.
    for (_, open) in &rig.listeners.sockets {
        let Listener::Tcp(socket) = &open.listener else {
            panic!("there is no other kind")
        };
        assert!(!SockRef::from(socket).reuse_port().unwrap());
    }
}

/// Stops somebody when it goes, even because the test has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has somebody connect all the time while `change` works on the listeners; returns how often
/// nobody was there.
fn refusals_during(port: u16, change: impl FnOnce()) -> u32 {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let knocking = scope.spawn(|| {
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                refused += u32::from(!reachable("127.0.0.1", port));
            }
            refused
        });
        let stopped = Stop(&stop);
        change();
        drop(stopped);
        knocking.join().unwrap()
    })
}

#[test]
fn an_address_that_stays_can_be_reached_at_any_time() {
    let (port, taken) = (free_port(), free_port());
    let mut rig = Rig::new("127.0.0.1", port);
    let _taken = Taken::bind(("127.0.0.2", taken)).unwrap();
    let refused = refusals_during(port, || {
        for _ in 0..100 {
            assert!(rig.change(&settings("127.0.0.1 127.0.0.2", taken)).is_err());
            for bind in ["127.0.0.2 127.0.0.1", "127.0.0.1 127.0.0.3"] {
                rig.must_change(&settings(bind, port));
            }
            while rig
                .listeners
                .sockets
                .iter()
                .any(|(_, s)| s.listener.accept(&Tls::default()).is_ok())
            {}
        }
    });
    assert_eq!(refused, 0);
}

#[test]
fn a_change_that_is_undone_finds_the_old_sockets() {
    let (old, new) = (free_port(), free_port());
    let mut rig = Rig::new("127.0.0.1", old);
    let before = rig.descriptors();
    rig.must_replace(&settings("127.0.0.1", new));
    assert_ne!(rig.descriptors(), before);
    assert!(Taken::bind(("127.0.0.1", old)).is_err(), "it is kept");
    rig.must_change(&settings("127.0.0.1", old));
    assert_eq!(rig.descriptors(), before);
    assert!(reachable("127.0.0.1", old) && !reachable("127.0.0.1", new));
}

#[test]
fn addresses_that_overlap_are_refused_even_while_an_old_one_goes() {
    let port = free_port();
    let mut rig = Rig::new("127.0.0.2", port);
    for bind in [
        "* 127.0.0.1",
        "127.0.0.1 *",
        "127.0.0.1 127.0.0.1",
        "127.0.0.2 *",
    ] {
        assert!(rig.change(&settings(bind, port)).is_err(), "{bind}");
        assert!(reachable("127.0.0.2", port));
    }
}

#[test]
fn only_what_is_marked_as_optional_may_be_missing() {
    let port = free_port();
    let mut rig = Rig::new("127.0.0.1 -192.0.2.77", port);
    assert_eq!(rig.descriptors().len(), 1);
    assert!(rig.change(&settings("192.0.2.77", port)).is_err());
    rig.must_change(&settings("-192.0.2.77", port));
    assert!(rig.listeners.kinds().is_empty());
    let taken = free_port();
    let _taken = Taken::bind(("127.0.0.1", taken)).unwrap();
    assert!(rig.change(&settings("-127.0.0.1", taken)).is_err());
}

#[test]
fn names_stand_for_an_address_and_port_zero_for_none() {
    let port = free_port();
    let mut rig = Rig::new("localhost", port);
    assert!(reachable("127.0.0.1", port));
    assert!(rig.change(&settings("no-such-name.invalid", port)).is_err());
    assert!(reachable("127.0.0.1", port));
    rig.must_change(&settings("localhost", 0));
    assert!(rig.listeners.kinds().is_empty() && !reachable("127.0.0.1", port));
}

#[test]
fn a_unix_socket_stays_through_every_change_of_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.sock");
    let (old, new) = (free_port(), free_port());
    let with_path = |port| Settings {
        unixsocket: Some(path.to_str().unwrap().into()),
        ..settings("127.0.0.1", port)
    };
    let mut rig = Rig::new("127.0.0.1", old);
    rig.must_change(&with_path(old));
    assert_eq!(rig.listeners.kinds(), ["tcp", "unix"]);
    let client = UnixClient::connect(&path).unwrap();
    let _taken = Taken::bind(("127.0.0.1", new)).unwrap();
    assert!(rig.change(&with_path(new)).is_err());
    rig.must_change(&with_path(0));
    assert_eq!(rig.listeners.kinds(), ["unix"]);
    assert_eq!(rig.accept_any().socket.write(b"here").unwrap(), 4);
    let mut heard = String::new();
    (&client).read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "here");
}

#[test]
fn a_path_that_is_too_long_is_told_with_its_length() {
    let mut rig = Rig::new("127.0.0.1", free_port());
    let settings = Settings {
        unixsocket: Some(vec![b'x'; 108]),
        ..settings("127.0.0.1", 0)
    };
    let text = "Failed opening Unix socket: unix socket path too long (108), must be under 108";
    assert_eq!(rig.change(&settings), Err(text.to_owned()));
}

#[test]
fn listening_sockets_carry_their_mark_where_that_is_allowed() {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let allowed = socket().set_mark(1).is_ok();
    let settings = Settings {
        socket_mark_id: 77,
        ..settings("127.0.0.1", free_port())
    };
    let mut rig = Rig::new("127.0.0.1", 0);
    rig.must_change(&settings);
    let (_, open) = rig.listeners.sockets.iter().next().unwrap();
    let Listener::Tcp(listener) = &open.listener else {
        panic!("there is no other kind")
    };
    let expected = if allowed { 77 } else { 0 };
    assert_eq!(SockRef::from(listener).mark().unwrap(), expected);
}
