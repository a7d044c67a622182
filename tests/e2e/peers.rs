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
