//! Peers that the tests play themselves: what a master or a replica may say beside data.

use std::net::TcpListener;

use crate::harness::*;

/// A snapshot without keys; the zeros say that it has no checksum.
const SNAPSHOT: &[u8] = b"REDIS0011\xff\0\0\0\0\0\0\0\0";

/// A master that answers as it is told to, one replica after the other.
struct ScriptedMaster {
    listener: TcpListener,
    port: u16,
}

impl ScriptedMaster {
    fn new() -> ScriptedMaster {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        ScriptedMaster { listener, port }
    }

    /// Waits for a replica and answers its handshake up to `PSYNC`, whose words it returns.
    fn greet(&self) -> (Conn, String) {
        let (stream, _) = self.listener.accept().expect("a replica");
        let mut replica = Conn::over(stream).expect("a connection");
        loop {
            let words = words(&mut replica);
            match words.split(' ').next() {
                Some("PING") => replica.send(b"+PONG\r\n"),
                Some("REPLCONF") => replica.send(b"+OK\r\n"),
                Some("PSYNC") => return (replica, words),
                _ => panic!("no handshake: {words}"),
            }
        }
    }

    /// Has `server` follow, from offset 100 of a history whose name is forty times `a`.
    fn lead(&self, server: &Server) -> Conn {
        let line = format!("REPLICAOF 127.0.0.1 {}", self.port);
        assert_eq!(server.ask(&line), "OK");
        let (mut replica, _) = self.greet();
        replica.send(format!("+FULLRESYNC {} 100\r\n", "a".repeat(40)).as_bytes());
        replica.send(format!("${}\r\n", SNAPSHOT.len()).as_bytes());
        replica.send(SNAPSHOT);
        wait_link_up(server);
        replica
    }
}

/// The next command of a peer.
fn words(conn: &mut Conn) -> String {
    let command = conn.read_value().expect("a command").to_string();
    command.trim_matches(['[', ']']).to_owned()
}

/// The next offset that a replica acknowledges and that is not `skip`, which it tells each second.
fn next_ack(conn: &mut Conn, skip: u64) -> String {
    loop {
        let ack = words(conn);
        if ack != format!("REPLCONF ACK {skip}") {
            return ack;
        }
    }
}

#[test]
fn a_master_that_asks_how_far_we_are_hears_of_what_stands_before_the_question() {
    let server = Server::ours(&[]);
    let mut replica = ScriptedMaster::new().lead(&server);
    let set = encode(&["SET", "k", "v"]);
    let question = encode(&["REPLCONF", "GETACK", "*"]);
    replica.send(&[&set[..], &question].concat());
    assert_eq!(next_ack(&mut replica, 100), "REPLCONF ACK 127");
    let after = 127 + question.len() as u64;
    assert_eq!(next_ack(&mut replica, 127), format!("REPLCONF ACK {after}"));
    // Half a transaction is nothing yet.
    let (multi, exec) = (encode(&["MULTI"]), encode(&["EXEC"]));
    let whole = [&multi[..], &set, &question, &exec].concat();
    replica.send(&[&whole[..], &set].concat());
    let ack = words(&mut replica);
    assert_eq!(ack, format!("REPLCONF ACK {after}"));
    let end = after + (whole.len() + set.len()) as u64;
    assert_eq!(next_ack(&mut replica, after), format!("REPLCONF ACK {end}"));
    // Somebody else may have it acknowledge, too, and is told nothing himself.
    let mut client = server.connect();
    client.send(&[&question[..], b"PING\r\n"].concat());
    assert_eq!(client.read_value().expect("a reply").to_string(), "PONG");
}

#[test]
fn a_newline_in_the_stream_counts_with_the_command_behind_it() {
    let server = Server::ours(&[]);
    let mut replica = ScriptedMaster::new().lead(&server);
    let question = encode(&["REPLCONF", "GETACK", "*"]);
    // Each second we say how far we are; the questions tell when we have seen what is before them.
    replica.send(&[&b"\n\r\n"[..], &question, b"\n", &question].concat());
    let first = 103 + question.len() as u64;
    assert_eq!(next_ack(&mut replica, 100), format!("REPLCONF ACK {first}"));
    let second = first + 1 + question.len() as u64;
    assert_eq!(
        next_ack(&mut replica, first),
        format!("REPLCONF ACK {second}")
    );
    replica.send(b"\n");
    let set = encode(&["SET", "k", "v"]);
    replica.send(&[&set[..], b"\n"].concat());
    wait_until("it was run", || server.ask("GET k") == "v");
    assert_eq!(offset_of(&server) as u64, second + 1 + set.len() as u64);
}

#[test]
fn a_master_that_says_goodbye_is_found_again() {
    let server = Server::ours(&[]);
    let master = ScriptedMaster::new();
    let mut replica = master.lead(&server);
    let quit = encode(&["QUIT"]);
    replica.send(&[&quit[..], &encode(&["SET", "k", "v"])].concat());
    let (_again, request) = master.greet();
    let next = 101 + quit.len();
    assert_eq!(request, format!("PSYNC {} {next}", "a".repeat(40)));
    assert_eq!(server.ask("EXISTS k"), "0");
}

#[test]
fn a_master_that_talks_like_a_person_is_not_continued() {
    let server = Server::ours(&[]);
    let master = ScriptedMaster::new();
    let mut replica = master.lead(&server);
    replica.send(b"SET k v\r\n");
    let (_again, request) = master.greet();
    assert_eq!(request, "PSYNC ? -1");
    assert_eq!(server.ask("EXISTS k"), "0");
    let log = server.log();
    for text in [
        "WARNING: Receiving inline protocol from master, master stream corruption?",
        "Protocol error (Master using the inline protocol. Desync?) from client: id=",
        "Query buffer during protocol error: 'SET k v",
    ] {
        assert!(log.contains(text), "no {text:?} in\n{log}");
    }
}

#[test]
fn what_a_master_should_not_have_sent_is_logged_with_what_came_before() {
    let server = Server::ours(&[]);
    let mut replica = ScriptedMaster::new().lead(&server);
    let set = encode(&["SET", "k", "v"]);
    let push = encode(&["LPUSH", "k", "x"]);
    replica.send(&[&set[..], &push, &encode(&["SET", "k", "w"])].concat());
    wait_until("it goes on behind it", || server.ask("GET k") == "w");
    let log = server.log();
    let error = "WRONGTYPE Operation against a key holding the wrong kind of value' after \
                 processing the command 'lpush'";
    assert!(log.contains(error), "{log}");
    let before = r#"Latest backlog is: '"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"'"#;
    assert!(log.contains(before), "{log}");
}

#[test]
fn a_replica_that_breaks_the_protocol_is_told_nothing() {
    let master = Server::ours(&["repl-diskless-sync no"]);
    let mut replica = master.connect();
    assert_eq!(replica.ask("REPLCONF capa eof capa psync2"), "OK");
    let answer = replica.ask("PSYNC ? -1");
    assert!(answer.starts_with("FULLRESYNC "), "{answer}");
    replica.skip_snapshot();
    assert_eq!(master.ask("SET k v"), "OK");
    while words(&mut replica) != "SET k v" {}
    replica.send(b"*x\r\n");
    let rest = replica.read_to_close();
    let ping = encode(&["PING"]);
    assert_eq!(rest.len() % ping.len(), 0, "{}", rest.escape_ascii());
    assert_eq!(master.info("unexpected_error_replies"), "1");
}
