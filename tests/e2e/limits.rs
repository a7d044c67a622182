//! Everything has a limit, and reaching one hurts nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::*;

#[test]
fn clients_beyond_the_limit_are_told_and_dropped() {
    let server = Server::ours(&["maxclients 5"]);
    server.ask("PING");
    let mut held: Vec<Conn> = (0..4).map(|_| server.connect()).collect();
    for conn in &mut held {
        assert_eq!(conn.ask("PING"), "PONG");
    }
    let mut refused = server.connect();
    assert_eq!(
        refused.read_to_close(),
        b"-ERR max number of clients reached\r\n"
    );
    assert_eq!(server.info("rejected_connections"), "1");
    held.pop();
    wait_until("a place is free", || {
        let mut conn = server.connect();
        conn.try_command(&["PING"])
            .is_ok_and(|reply| reply.to_string() == "PONG")
    });
}

#[test]
fn ten_thousand_idle_clients_do_no_harm() {
    // Two descriptors a client are needed on one machine; take what the limit allows.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit and setrlimit only read and write the given struct.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    let wanted = 10_000.min(limit.rlim_cur.saturating_sub(1000)) as usize;
    let server = Server::ours(&["maxclients 10500", "tcp-backlog 511"]);
    let connect = |_| {
        let stream = TcpStream::connect(("127.0.0.1", server.port));
        stream.expect("the server accepts")
    };
    let mut idle: Vec<TcpStream> = (0..wanted).map(connect).collect();
    wait_until("all are connected", || {
        server.info("connected_clients").parse::<usize>().unwrap() > wanted
    });
    // The server still works, for a newcomer and for the first and last of the crowd.
    assert_eq!(server.ask("SET a 1"), "OK");
    for at in [0, wanted - 1] {
        idle[at].write_all(b"GET a\r\n").unwrap();
        let mut reply = [0; 7];
        idle[at].read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"$1\r\n1\r\n");
    }
    drop(idle);
    wait_until("all are gone", || server.info("connected_clients") == "1");
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = Server::ours(&["timeout 1"]);
    let mut idle = server.connect();
    assert_eq!(idle.ask("PING"), "PONG");
    assert_eq!(idle.read_to_close(), b"");
}

#[test]
fn a_client_that_reads_nothing_is_dropped_by_its_limit() {
    let server = Server::ours(&["client-output-buffer-limit normal 1mb 0 0"]);
    server.command(&["SET", "big", &"x".repeat(500_000)]);
    let mut greedy = server.connect();
    greedy
        .stream()
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    wait_until("it is dropped", || {
        let request = encode(&["GET", "big"]).repeat(10);
        greedy.stream().write_all(&request).is_err() || server.info("connected_clients") == "1"
    });
    server.wait_log("scheduled to be closed ASAP for overcoming of output buffer limits");
    wait_until("it is gone", || {
        greedy.is_closed() || server.info("connected_clients") == "1"
    });
    assert_eq!(server.call("STRLEN big").int(), 500_000);
}

#[test]
fn a_soft_limit_gives_some_time() {
    let server = Server::ours(&["client-output-buffer-limit normal 0 100kb 2"]);
    server.command(&["SET", "big", &"x".repeat(2_000_000)]);
    let mut slow = server.connect();
    // Far more than the kernel's socket buffers hold.
    slow.send(&encode(&["GET", "big"]).repeat(10));
    let start = std::time::Instant::now();
    server.wait_log("for overcoming of output buffer limits");
    assert!(
        start.elapsed() > Duration::from_millis(900),
        "dropped before its time"
    );
}

#[test]
fn a_query_buffer_has_a_limit() {
    let server = Server::ours(&["client-query-buffer-limit 1mb"]);
    let mut conn = server.connect();
    conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3000000\r\n");
    let piece = vec![b'x'; 100_000];
    wait_until("it is dropped", || {
        conn.stream().write_all(&piece).is_err() || conn.is_closed()
    });
    assert_eq!(server.ask("EXISTS a"), "0");
    server.wait_log("Closing client that reached max query buffer length");
}

#[test]
fn a_bulk_longer_than_allowed_is_a_protocol_error() {
    let server = Server::ours(&["proto-max-bulk-len 1mb"]);
    let mut conn = server.connect();
    conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n");
    assert_eq!(
        conn.read_to_close(),
        b"-ERR Protocol error: invalid bulk length\r\n"
    );
    assert_eq!(
        server.ask("SETRANGE a 1048576 x"),
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    );
    server.command(&["SET", "a", &"x".repeat(1_000_000)]);
    assert_eq!(
        server
            .command(&["APPEND", "a", &"x".repeat(100_000)])
            .to_string(),
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    );
}

#[test]
fn a_value_of_512_megabytes_is_taken_and_given_back() {
    const SIZE: usize = 512 * 1024 * 1024;
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let piece: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    conn.send(format!("*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n${SIZE}\r\n").as_bytes());
    for _ in 0..SIZE / piece.len() {
        conn.send(&piece);
    }
    conn.send(b"\r\n");
    assert_eq!(conn.read_value().unwrap().to_string(), "OK");
    assert_eq!(conn.call("STRLEN huge").int(), SIZE as i64);
    let far = format!("GETRANGE huge {} {}", SIZE - piece.len(), SIZE - 1);
    assert_eq!(conn.call(&far).bytes(), piece);
    // All of it comes back; count and compare it as it flows by.
    conn.send(&encode(&["GET", "huge"]));
    let mut stream = conn.stream();
    let mut header = vec![0; format!("${SIZE}\r\n").len()];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header, format!("${SIZE}\r\n").as_bytes());
    let mut got = vec![0; piece.len()];
    for _ in 0..SIZE / piece.len() {
        stream.read_exact(&mut got).unwrap();
        assert!(got == piece, "the value is not what was set");
    }
    stream.read_exact(&mut got[..2]).unwrap();
    assert_eq!(conn.ask("DEL huge"), "1");
}

#[test]
fn a_small_descriptor_limit_lowers_the_clients_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _end = ShutAtEnd(port);
    let log = folder.path().join("log");
    let script = format!(
        "ulimit -n 200; exec {} --port {port} --save '' --logfile {} --daemonize yes",
        subject_path().display(),
        log.display()
    );
    let started = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    wait_until("it listens", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("CONFIG GET maxclients"), "[maxclients 168]");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("Current maximum open files is 200"), "{text}");
    conn.send(b"SHUTDOWN NOSAVE\r\n");
    conn.read_to_close();
}

#[test]
fn clients_that_together_take_too_much_are_closed_the_largest_first() {
    let server = Server::ours(&["maxmemory-clients 2mb"]);
    let mut sheltered = server.connect();
    assert_eq!(sheltered.ask("CLIENT NO-EVICT ON"), "OK");
    let half_sent = |bytes: usize| {
        let mut conn = server.connect();
        conn.send(format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n").as_bytes());
        conn.send(&vec![b'x'; bytes]);
        conn
    };
    let mut small = half_sent(300_000);
    let mut large = half_sent(1_500_000);
    assert_eq!(server.info_number("evicted_clients"), 0);
    let _last = half_sent(400_000);
    wait_until("the largest is closed", || large.is_closed());
    assert_eq!(server.info_number("evicted_clients"), 1);
    server.wait_log("Evicting client: id=");
    small.send(b"\r\n");
    assert_eq!(small.read_value().unwrap().bytes().len(), 300_000);
    assert_eq!(sheltered.ask("PING"), "PONG");
}

#[test]
fn a_new_policy_holds_for_the_next_new_key() {
    let server = Server::ours(&["hz 1"]);
    let mut conn = server.connect();
    for _ in 0..5 {
        assert_eq!(conn.ask("CONFIG SET maxmemory-policy allkeys-lfu"), "OK");
        assert_eq!(conn.ask("SET used-often x"), "OK");
        assert_eq!(conn.ask("OBJECT FREQ used-often"), "5");
        assert_eq!(conn.ask("CONFIG SET maxmemory-policy allkeys-lru"), "OK");
        assert_eq!(conn.ask("DEL used-often"), "1");
        assert_eq!(conn.ask("SET used-late x"), "OK");
        assert_eq!(conn.ask("OBJECT IDLETIME used-late"), "0");
        assert_eq!(conn.ask("DEL used-late"), "1");
    }
}
