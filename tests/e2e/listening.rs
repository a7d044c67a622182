//! Listening anew: `CONFIG SET port` and `bind`, and what a refusal leaves behind.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::*;

/// Does `work` while somebody tries to take the port of the server, and somebody else to talk to
/// it; says how often the one could, and the other could not.
fn during_attacks(port: u16, work: impl FnOnce()) -> (u32, u32) {
    let stop = AtomicBool::new(false);
    let count = |is_event: &dyn Fn() -> bool| {
        let mut events = 0;
        while !stop.load(Ordering::Relaxed) {
            events += u32::from(is_event());
        }
        events
    };
    let steal = || TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Whoever is answered waits no longer than the server, so connections do not pile up.
    let talk = || Conn::to(port).and_then(|mut conn| conn.try_command(&["PING"]));
    std::thread::scope(|scope| {
        let thief = scope.spawn(|| count(&steal));
        let visitor = scope.spawn(|| count(&|| talk().is_err()));
        work();
        stop.store(true, Ordering::Relaxed);
        (thief.join().unwrap(), visitor.join().unwrap())
    })
}

#[test]
fn a_refused_change_of_addresses_never_gives_the_old_ones_up() {
    let server = Server::ours(&[]);
    let taken = free_port();
    let _taken = TcpListener::bind(("127.0.0.2", taken)).unwrap();
    let bind = "127.0.0.1 127.0.0.2";
    let new_port = taken.to_string();
    let mut conn = server.connect();
    let (stolen, refused) = during_attacks(server.port, || {
        for _ in 0..200 {
            // The second address is the one that is taken.
            let reply = conn.command(&["CONFIG", "SET", "bind", bind, "port", &new_port]);
            assert_eq!(
                reply.to_string(),
                "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind \
                 to specified addresses."
            );
        }
    });
    assert_eq!((stolen, refused), (0, 0));
    for text in [
        format!(
            "# Warning: Could not create server TCP listening socket 127.0.0.2:{taken}: bind: \
             Address already in use"
        ),
        "# Failed applying new configuration. Possibly related to new bind setting. Restoring \
         previous settings."
            .to_owned(),
    ] {
        assert!(
            server.log().contains(&text),
            "no {text:?}\n{}",
            server.log_tail()
        );
    }
    assert!(TcpStream::connect(("127.0.0.1", taken)).is_err());
    assert_eq!(
        server.ask("CONFIG GET port"),
        format!("[port {}]", server.port)
    );
}

#[test]
fn an_address_that_stays_is_never_given_up() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let (stolen, refused) = during_attacks(server.port, || {
        for bind in ["127.0.0.1 127.0.0.2", "127.0.0.1 -192.0.2.77"].repeat(50) {
            assert_eq!(
                conn.command(&["CONFIG", "SET", "bind", bind]).to_string(),
                "OK"
            );
        }
    });
    assert_eq!((stolen, refused), (0, 0));
}

#[test]
fn a_change_that_another_directive_spoils_is_taken_back() {
    let server = Server::ours(&[]);
    let new_port = free_port().to_string();
    let mut conn = server.connect();
    let (stolen, _) = during_attacks(server.port, || {
        for _ in 0..100 {
            let words = [
                "CONFIG",
                "SET",
                "port",
                &new_port,
                "maxclients",
                "4000000000",
            ];
            let reply = conn.command(&words).to_string();
            assert!(reply.contains("'maxclients'"), "{reply}");
        }
    });
    assert_eq!(stolen, 0);
    assert!(TcpListener::bind(("127.0.0.1", new_port.parse().unwrap())).is_ok());
    assert_eq!(conn.ask("PING"), "PONG");
}

#[test]
fn a_new_port_is_served_and_shown_and_the_old_one_is_closed() {
    let server = Server::ours(&["unixsocket own.sock"]);
    let mut conn = server.connect();
    let port = free_port();
    assert_eq!(conn.ask(&format!("CONFIG SET port {port}")), "OK");
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
    assert_eq!(Conn::to(port).unwrap().ask("PING"), "PONG");
    let title = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    let title = String::from_utf8_lossy(&title).into_owned();
    assert!(title.contains(&format!("127.0.0.1:{port}")), "{title}");
    assert!(std::os::unix::net::UnixStream::connect(server.path("own.sock")).is_ok());
}

#[test]
fn each_way_of_listening_is_announced_once() {
    let server = Server::ours(&["bind 127.0.0.1 127.0.0.2", "unixsocket own.sock"]);
    server.wait_log("Ready to accept connections unix");
    assert_eq!(server.log_count("Ready to accept connections tcp"), 1);
}
