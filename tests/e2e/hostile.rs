//! Peers and names that are wrong, silent or mad: the server says why, tries again, serves on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

/// A listener that plays a master: for each line of the handshake it sends what `answer` gives;
/// none closes the connection.
pub struct FakeMaster {
    pub port: u16,
    ended: Arc<AtomicBool>,
}

impl FakeMaster {
    pub fn answering(answer: fn(&str) -> Option<Vec<u8>>) -> FakeMaster {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        thread::spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => play(stream, answer),
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
        });
        FakeMaster { port, ended }
    }
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

fn play(mut stream: TcpStream, answer: fn(&str) -> Option<Vec<u8>>) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    let mut piece = [0; 4096];
    while let Ok(got) = stream.read(&mut piece) {
        if got == 0 {
            return;
        }
        let request = String::from_utf8_lossy(&piece[..got]).into_owned();
        match answer(&request) {
            Some(reply) if stream.write_all(&reply).is_ok() => {}
            _ => return,
        }
    }
}

/// An obedient master up to PSYNC, where it answers `last`.
pub fn until_psync(request: &str, last: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    if request.contains("PSYNC") {
        return Some(last.as_ref().to_vec());
    }
    // The capabilities may come in one write with what precedes them.
    let replies = request.matches("REPLCONF").count().max(1);
    let reply = if request.contains("PING") {
        "+PONG\r\n"
    } else {
        "+OK\r\n"
    };
    Some(reply.repeat(replies).into_bytes())
}

/// Points a replica at a bad master and expects a reason in the log, tries that go on, and a
/// server that answers quickly and keeps its data all the while.
#[track_caller]
fn endures(port: u16, reason: &str) -> Server {
    let replica = Server::ours(&["repl-timeout 3"]);
    replica.ask("SET mine 1");
    replica.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    replica.wait_log(reason);
    wait_until("it tries again", || {
        replica.log_count("MASTER <-> REPLICA sync started") >= 2
    });
    serves_quickly(&replica);
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.ask("GET mine"), "1");
    replica
}

/// No command waits for a connect or a timeout (`repl-timeout` is 3 s), over a while of retries.
#[track_caller]
fn serves_quickly(server: &Server) {
    let mut conn = server.connect();
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        let start = Instant::now();
        assert_eq!(conn.ask("PING"), "PONG");
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "PING took {took:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_refused_connection_is_retried_every_second() {
    let port = free_port();
    let replica = endures(
        port,
        "Error condition on socket for SYNC: Connection refused",
    );
    let master = Options::ours().start();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    wait_link_up(&replica);
}

#[test]
fn a_name_that_does_not_resolve_does_no_harm() {
    let replica = Server::ours(&[]);
    replica.ask("SET mine 1");
    assert_eq!(replica.ask("REPLICAOF no-such-host.invalid 6379"), "OK");
    replica.wait_log("Unable to connect to MASTER:");
    serves_quickly(&replica);
    assert_eq!(replica.info("master_host"), "no-such-host.invalid");
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.ask("GET mine"), "1");
    assert_eq!(replica.ask("REPLICAOF NO ONE"), "OK");
    assert_eq!(replica.ask("SET mine 2"), "OK");
}

#[test]
fn a_master_that_says_nothing_is_given_up_after_the_timeout() {
    let silent = FakeMaster::answering(|_| Some(Vec::new()));
    endures(silent.port, "Timeout connecting to the MASTER...");
}

#[test]
fn a_master_that_talks_nonsense_is_refused() {
    let fake = FakeMaster::answering(|_| Some(b"220 mail.example.org ESMTP\r\n".to_vec()));
    endures(
        fake.port,
        "Error reply to PING from master: '220 mail.example.org ESMTP'",
    );
}

#[test]
fn a_master_that_closes_is_asked_again() {
    let fake = FakeMaster::answering(|_| None);
    endures(fake.port, "MASTER <-> REPLICA sync started");
}

#[test]
fn a_web_server_is_no_master() {
    let fake = FakeMaster::answering(|_| {
        Some(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    endures(
        fake.port,
        "Error reply to PING from master: 'HTTP/1.1 400 Bad Request'",
    );
}

#[test]
fn a_master_that_refuses_psync_strangely_is_asked_for_a_plain_sync() {
    let fake = FakeMaster::answering(|request| {
        if request.contains("PSYNC") || request.contains("SYNC") {
            return Some(b"-WHAT is this\r\n".to_vec());
        }
        until_psync(request, "")
    });
    endures(
        fake.port,
        "Unexpected reply to PSYNC from master: -WHAT is this",
    );
}

#[test]
fn a_snapshot_that_is_garbage_is_not_loaded() {
    let fake = FakeMaster::answering(|request| {
        let id = "a".repeat(40);
        until_psync(
            request,
            format!("+FULLRESYNC {id} 1\r\n$20\r\nthis is no snapshot!"),
        )
    });
    let replica = Server::ours(&["repl-timeout 3"]);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", fake.port));
    replica.wait_log("Failed trying to load the MASTER synchronization DB");
    wait_until("it tries again", || {
        replica.log_count("MASTER <-> REPLICA sync started") >= 2
    });
    serves_quickly(&replica);
    assert_eq!(replica.info("master_link_status"), "down");
}

#[test]
fn a_snapshot_header_that_is_garbage_is_refused() {
    let fake = FakeMaster::answering(|request| {
        let id = "b".repeat(40);
        until_psync(request, format!("+FULLRESYNC {id} 1\r\nhello there\r\n"))
    });
    endures(
        fake.port,
        "Bad protocol from MASTER, the first byte is not '$'",
    );
}

#[test]
fn a_snapshot_that_stops_halfway_is_given_up_after_the_timeout() {
    let fake = FakeMaster::answering(|request| {
        let id = "c".repeat(40);
        until_psync(
            request,
            format!("+FULLRESYNC {id} 1\r\n$1000000\r\nREDIS0011"),
        )
    });
    endures(fake.port, "Timeout receiving bulk data from MASTER...");
}

#[test]
fn a_snapshot_that_ends_with_another_mark_than_announced_is_refused_at_once() {
    let fake = FakeMaster::answering(|request| {
        let (id, announced, sent) = ("d".repeat(40), "e".repeat(40), "f".repeat(40));
        let head = format!("+FULLRESYNC {id} 1\r\n$EOF:{announced}\r\nREDIS0011");
        // The end of the data, and a checksum that is not to be compared.
        let end = b"\xff\0\0\0\0\0\0\0\0";
        until_psync(request, [head.as_bytes(), end, sent.as_bytes()].concat())
    });
    let replica = Server::ours(&["repl-diskless-load swapdb"]);
    replica.ask("SET mine 1");
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", fake.port));
    replica.wait_log("Replication stream EOF marker is broken");
    wait_until("it tries again", || {
        replica.log_count("MASTER <-> REPLICA sync started") >= 2
    });
    serves_quickly(&replica);
    assert_eq!(replica.ask("GET mine"), "1");
}

#[test]
fn a_server_told_to_follow_itself_or_a_loop_stays_up() {
    let one = Server::ours(&[]);
    let other = Server::ours(&[]);
    one.ask(&format!("REPLICAOF 127.0.0.1 {}", one.port));
    serves_quickly(&one);
    one.ask(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    other.ask(&format!("REPLICAOF 127.0.0.1 {}", one.port));
    serves_quickly(&one);
    serves_quickly(&other);
    assert_eq!(one.ask("REPLICAOF NO ONE"), "OK");
    wait_link_up(&other);
    assert_eq!(one.ask("SET a 1"), "OK");
    wait_equal_offsets(&[&one, &other]);
}

#[test]
fn clients_that_misuse_the_replica_commands_are_refused() {
    let server = Server::ours(&[]);
    for line in [
        "PSYNC",
        "PSYNC x",
        "PSYNC ? notanumber",
        "REPLCONF listening-port",
        "REPLCONF listening-port abc",
        "REPLCONF nosuch option",
        "REPLICAOF host notaport",
        "REPLICAOF host 70000",
        "REPLICAOF one",
        "SLAVEOF",
        "FAILOVER TO",
    ] {
        let mut conn = server.connect();
        let reply = conn.ask(line);
        assert!(reply.starts_with("-ERR"), "{line}: {reply}");
    }
    assert_eq!(server.info("role"), "master");
    assert_eq!(server.info("connected_slaves"), "0");
}

#[test]
fn a_replica_that_sends_garbage_hurts_only_itself() {
    let master = Server::ours(&[]);
    let good = Server::ours(&[]);
    follow(&good, master.port);
    for garbage in [
        "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\nabc\r\n",
        "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$19\r\n9223372036854775807\r\n",
        "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n-5\r\n",
        "*1\r\n$-7\r\n",
        "PSYNC ? -1\r\nPSYNC ? -1\r\nSYNC\r\n",
        "SET sneaky 1\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut bad = master.connect();
        bad.send(b"PSYNC ? -1\r\n");
        let answer = bad.read_value().unwrap().to_string();
        assert!(answer.starts_with("FULLRESYNC "), "{answer}");
        bad.skip_snapshot();
        bad.send(garbage.as_bytes());
        assert_eq!(master.ask("SET a 1"), "OK");
    }
    wait_until("they are gone", || master.info("connected_slaves") == "1");
    wait_equal_offsets(&[&master, &good]);
    assert_same_data(&master, &good);
}

#[test]
fn random_bytes_never_bring_the_server_down() {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let server = Server::ours(&["proto-max-bulk-len 1mb"]);
    let bits: &[&str] = &[
        "*3\r\n",
        "$3\r\n",
        "SET",
        "\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "GET a\r\n",
        "$1000\r\n",
        "\n",
        "*1\r\n$4\r\nPING\r\n",
        "\"",
        "'",
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        " ",
        "*1000\r\n",
        "HELLO 3\r\n",
        "$0\r\n\r\n",
    ];
    for _ in 0..400 {
        let Ok(mut conn) = Conn::to(server.port) else {
            panic!("it no longer listens")
        };
        conn.stream()
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        for _ in 0..rng.below(12) {
            let piece = if rng.chance(60) {
                rng.pick(bits).as_bytes().to_vec()
            } else {
                let length = rng.below(200) as usize;
                rng.bytes(length)
            };
            if conn.stream().write_all(&piece).is_err() {
                break;
            }
        }
        conn.drain();
    }
    assert_eq!(server.ask("PING"), "PONG", "seed {seed}");
}

#[test]
fn half_commands_left_behind_are_forgotten_with_their_clients() {
    let server = Server::ours(&[]);
    for n in 0..200 {
        let mut conn = server.connect();
        let request = encode(&["SET", "half", "0123456789"]);
        conn.send(&request[..n % (request.len() - 1)]);
    }
    wait_until("they are gone", || server.info("connected_clients") == "1");
    assert_eq!(server.ask("EXISTS half"), "0");
}
