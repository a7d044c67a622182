//! TLS: clients, replication both ways, Sentinels, `MIGRATE`, and those who are not let in.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::*;

/// A server of ours or of stock, also on a TLS port.
fn start(certificates: &Certificates, options: Options) -> (Server, u16) {
    let tls_port = free_port();
    (certificates.on(tls_port, options).start(), tls_port)
}

fn ours(certificates: &Certificates) -> (Server, u16) {
    start(certificates, Options::ours().readable_by_stock())
}

/// Makes a server follow a TLS port, and waits until both hold the same.
fn follow_over_tls(replica: &Server, master: &Server, tls_port: u16) {
    follow(replica, tls_port);
    wait_same_data(&[master, replica]);
}

#[test]
fn the_real_client_works_over_tls() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let cli = |args: &[&str]| certificates.cli(port, args).trim().to_owned();
    assert_eq!(cli(&["SET", "k", "v"]), "OK");
    assert_eq!(cli(&["GET", "k"]), "v");
    assert_eq!(server.ask("GET k"), "v");
    let listens = cli(&["INFO", "server"]);
    assert!(
        listens.contains(&format!("name=tls,bind=127.0.0.1,port={port}")),
        "{listens}"
    );
    let big = "x".repeat(100_000);
    for _ in 0..50 {
        server.ask(&format!("APPEND big {big}"));
    }
    assert_eq!(cli(&["GET", "big"]).len(), 5_000_000);
    // Who speaks without encryption on this port is not spoken to.
    let plain = redis_cli(port, &["PING"]);
    assert!(plain.contains("Server closed the connection"), "{plain}");
    server.wait_log("the client does not speak TLS");
}

#[test]
fn pipelines_and_large_values_pass_in_both_directions() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let mut client = TlsConn::new(port, &certificates.client(Some("own")));
    let mut batch = Vec::new();
    for at in 0..20_000 {
        batch.extend(encode(&[
            "SET",
            &format!("key:{at}"),
            &format!("value:{at}"),
        ]));
    }
    client.send(&batch).unwrap();
    let mut replies = vec![0; 5 * 20_000];
    client.read_exact(&mut replies).unwrap();
    assert_eq!(replies, b"+OK\r\n".repeat(20_000));
    assert_eq!(server.ask("GET key:19999"), "value:19999");
    // Large enough for the paths of big arguments and replies, and no multiple of a record.
    let value: Vec<u8> = (0..9_000_001).map(|at: u32| (at % 251) as u8).collect();
    client
        .send(&encode(&[&b"SET"[..], b"big", &value]))
        .unwrap();
    client.expect("", "+OK\r\n");
    client.expect("GET big", "$9000001\r\n");
    let mut got = vec![0; value.len() + 2];
    client.read_exact(&mut got).unwrap();
    assert!(got[..value.len()] == value && got.ends_with(b"\r\n"));
}

#[test]
fn a_slow_reader_gets_all_before_the_connection_is_closed() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let mut client = TlsConn::new(port, &certificates.client(Some("own")));
    client.expect("SETRANGE big 20000000 x", ":20000001\r\n");
    client.send(b"GET big\r\nQUIT\r\n").unwrap();
    // The server has long filled every buffer between the two when somebody begins to read.
    wait_until("the reply waits", || {
        server.ask("CLIENT LIST").lines().any(|line| {
            line.contains("cmd=quit") || line.contains("cmd=get") && !line.contains("omem=0")
        })
    });
    let all = client.read_to_end().expect("the server says goodbye");
    assert_eq!(
        all.len(),
        "$20000001\r\n".len() + 20_000_001 + "\r\n+OK\r\n".len()
    );
    assert!(all.ends_with(b"x\r\n+OK\r\n"));
}

#[test]
fn replication_works_over_tls_in_every_combination() {
    let certificates = Certificates::new();
    let stock = || start(&certificates, Options::stock());
    for (master, replica) in [
        (ours(&certificates), ours(&certificates)),
        (stock(), ours(&certificates)),
        (ours(&certificates), stock()),
    ] {
        let ((master, port), (replica, replica_port)) = (master, replica);
        populate(&mut master.connect(), &mut Rng::new(7));
        follow_over_tls(&replica, &master, port);
        for at in 0..200 {
            master.ask(&format!("SET after:{at} {at}"));
        }
        wait_same_data(&[&master, &replica]);
        // More at once than a socket takes, and than is encrypted in one turn.
        let value = "x".repeat(1000);
        let mut burst = Vec::new();
        for at in 0..4_000 {
            burst.extend(encode(&["SET", &format!("burst:{at}"), &value]));
        }
        let mut writer = master.connect();
        writer.send(&burst);
        for _ in 0..4_000 {
            assert_eq!(writer.read_value().unwrap().to_string(), "OK");
        }
        wait_equal_offsets(&[&master, &replica]);
        wait_same_data(&[&master, &replica]);
        // It is found where it can be followed in the same way.
        let named = master.info("slave0");
        assert!(named.contains(&format!("port={replica_port}")), "{named}");
        // A link that was cut goes on where it was.
        let partial = master.info("sync_partial_ok");
        master.ask("CLIENT KILL TYPE replica");
        wait_until("the replica has come back", || {
            master.info("sync_partial_ok") != partial && master.info("connected_slaves") == "1"
        });
        master.ask("SET last word");
        wait_same_data(&[&master, &replica]);
        assert_eq!(master.info("sync_full"), "1");
    }
}

#[test]
fn a_replica_that_asks_for_tls_does_not_take_less() {
    let certificates = Certificates::new();
    let (replica, _) = ours(&certificates);
    let plain = Server::ours(&[]);
    assert_eq!(
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", plain.port)),
        "OK"
    );
    replica.wait_log("Error condition on socket for SYNC");
    assert_eq!(replica.info("master_link_status"), "down");
    // And a master whose certificate somebody else has signed is not followed.
    let strangers = Certificates::new();
    let (master, port) = ours(&strangers);
    assert_eq!(replica.ask(&format!("REPLICAOF 127.0.0.1 {port}")), "OK");
    replica.wait_log("UnknownIssuer");
    assert_eq!(master.info("connected_slaves"), "0");
}

#[test]
fn those_who_may_not_come_in_are_named_in_the_log() {
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let (server, port) = ours(&certificates);
    certificates.sign("expired", 2001);
    let refused = |config: &std::sync::Arc<rustls::ClientConfig>, why: &str| {
        let mut client = TlsConn::new(port, config);
        assert!(client.try_line("PING").is_err(), "{why}");
        server.wait_log(why);
    };
    refused(&certificates.client(None), "peer sent no certificates");
    refused(&certificates.client(Some("expired")), "certificate expired");
    // It does not trust us, and says so.
    refused(
        &strangers.client(Some("own")),
        "received fatal alert: UnknownCA",
    );
    let mut own = TlsConn::new(port, &certificates.client(Some("own")));
    own.expect("CONFIG SET tls-auth-clients optional", "+OK\r\n");
    TlsConn::new(port, &certificates.client(None)).expect("PING", "+PONG\r\n");
    refused(&certificates.client(Some("expired")), "certificate expired");
    own.expect("CONFIG SET tls-auth-clients no", "+OK\r\n");
    TlsConn::new(port, &certificates.client(Some("expired"))).expect("PING", "+PONG\r\n");
    own.expect("CONFIG SET tls-auth-clients yes", "+OK\r\n");
    let mut nobody = TlsConn::new(port, &certificates.client(None));
    assert!(nobody.try_line("PING").is_err());
    let failed: u64 = server.info("handshakes_failed").parse().unwrap();
    assert!(failed >= 4, "{failed}");
}

#[test]
fn handshakes_that_never_end_keep_nobody_out() {
    let certificates = Certificates::new();
    let options = Options::ours().config("maxclients 40");
    let (server, port) = start(&certificates, options);
    let config = certificates.client(Some("own"));
    let mut known = TlsConn::new(port, &config);
    known.expect("PING", "+PONG\r\n");
    // Some say nothing, some begin to say something, on either port or none.
    let mut strangers = Vec::new();
    for at in 0..200 {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
        if at % 2 == 0 {
            stranger.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
        }
        strangers.push(stranger);
    }
    wait_until("they are there", || {
        server.info("handshakes_pending").parse::<usize>().unwrap() >= 35
    });
    for _ in 0..50 {
        TlsConn::new(port, &config).expect("PING", "+PONG\r\n");
        assert_eq!(server.connect().ask("PING"), "PONG");
    }
    known.expect("PING", "+PONG\r\n");
    assert_eq!(server.info("rejected_connections"), "0");
    // Those that had to go see that.
    strangers[0].set_read_timeout(Some(PATIENCE)).unwrap();
    let mut end = Vec::new();
    let _ = strangers[0].read_to_end(&mut end);
    assert!(
        server
            .log()
            .contains("this one has been opening for longest")
    );
    drop(strangers);
    wait_until("they are gone", || server.info("handshakes_pending") == "0");
}

#[test]
fn certificates_are_exchanged_without_dropping_anybody() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let config = certificates.client(Some("own"));
    let mut early = TlsConn::new(port, &config);
    early.expect("PING", "+PONG\r\n");
    // A renewed certificate under the same name, as tools for that write it.
    certificates.sign("own", 2090);
    let same = certificates.file("own.crt");
    // The key on disk is not that of the old certificate any more, so both are read at once.
    early.expect(&format!("CONFIG SET tls-cert-file {same}"), "+OK\r\n");
    let mut late = TlsConn::new(port, &certificates.client(Some("own")));
    late.expect("PING", "+PONG\r\n");
    assert_ne!(late.shown(), early.shown());
    early.expect("PING", "+PONG\r\n");
    // What cannot be used changes nothing.
    let refusal = server.ask("CONFIG SET tls-cert-file /nowhere");
    assert!(refusal.contains("Unable to update TLS configuration. Check server logs."));
    server.wait_log("Failed to load certificate: /nowhere: No such file or directory");
    TlsConn::new(port, &certificates.client(Some("own"))).expect("PING", "+PONG\r\n");
    assert_eq!(
        server.ask("CONFIG SET tls-ciphers AES128-SHA tls-protocols TLSv1.2"),
        "-ERR CONFIG SET failed (possibly related to argument 'tls-ciphers') - Unable to update \
         TLS configuration. Check server logs."
    );
}

#[test]
fn the_ports_are_changed_at_run_time() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let config = certificates.client(Some("own"));
    let mut early = TlsConn::new(port, &config);
    early.expect("CONFIG SET tls-port 0", "+OK\r\n");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let plain = server.port;
    // The same port speaks another way from one moment to the next.
    early.expect(&format!("CONFIG SET port 0 tls-port {plain}"), "+OK\r\n");
    TlsConn::new(plain, &config).expect("PING", "+PONG\r\n");
    early.expect(&format!("CONFIG SET tls-port 0 port {plain}"), "+OK\r\n");
    assert_eq!(server.connect().ask("PING"), "PONG");
    // One that is taken is refused, and all stays as it was.
    let other = Server::ours(&[]);
    let refusal = server.ask(&format!("CONFIG SET tls-port {}", other.port));
    assert!(
        refusal.contains("Unable to listen on this port"),
        "{refusal}"
    );
    assert_eq!(server.ask("CONFIG GET tls-port"), "[tls-port 0]");
}

#[test]
fn sessions_are_resumed_while_that_is_allowed() {
    let certificates = Certificates::new();
    let (server, port) = ours(&certificates);
    let config = certificates.client(Some("own"));
    let connect = || {
        let mut client = TlsConn::new(port, &config);
        client.expect("PING", "+PONG\r\n");
        client.is_resumed()
    };
    assert!(!connect());
    assert!(connect());
    assert_eq!(server.ask("CONFIG SET tls-session-caching no"), "OK");
    // What was given out before is not taken any more, either.
    assert!(!connect());
    assert!(!connect());
    assert_eq!(server.ask("CONFIG SET tls-session-caching yes"), "OK");
    assert_eq!(server.ask("CONFIG SET tls-protocols TLSv1.2"), "OK");
    assert!(!connect());
    assert!(connect());
}

#[test]
fn keys_migrate_over_tls() {
    let certificates = Certificates::new();
    let (from, _) = start(&certificates, Options::ours().config("tls-cluster yes"));
    let (to, port) = ours(&certificates);
    let value = "v".repeat(300_000);
    assert_eq!(from.ask(&format!("SET big {value}")), "OK");
    assert_eq!(from.ask("SET small 1"), "OK");
    let line = format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS big small");
    assert_eq!(from.connect().command(&words(&line)).to_string(), "OK");
    assert_eq!(to.ask("GET big"), value);
    assert_eq!(
        (from.ask("DBSIZE"), to.ask("DBSIZE")),
        ("0".to_owned(), "2".to_owned())
    );
    // To a port without TLS it fails within its time.
    assert_eq!(from.ask("SET k v"), "OK");
    let line = format!("MIGRATE 127.0.0.1 {} k 0 2000", to.port);
    let refusal = from.ask(&line);
    assert!(refusal.contains("IOERR"), "{refusal}");
    assert_eq!(from.ask("GET k"), "v");
}

fn words(line: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches('"').to_owned();
    line.split(' ').map(word).collect()
}

/// A master, two replicas and three Sentinels that know each other by their TLS ports only.
fn fail_over(makes: [Make; 3]) {
    let certificates = Certificates::new();
    let node = |make: Make| start(&certificates, make.server());
    let (mut master, master_port) = node(Make::Ours);
    let replicas = [node(makes[0]), node(Make::Ours)];
    for (replica, _) in &replicas {
        follow_over_tls(replica, &master, master_port);
    }
    let sentinels = makes.map(|make| {
        let options = make.sentinel();
        let options = options
            .config(format!(
                "sentinel monitor {MASTER} 127.0.0.1 {master_port} 2"
            ))
            .config(format!("sentinel down-after-milliseconds {MASTER} 1000"))
            .config(format!("sentinel failover-timeout {MASTER} 6000"));
        Sentinel::start(certificates.on(free_port(), options))
    });
    for sentinel in &sentinels {
        wait_until("the Sentinel knows everybody", || {
            sentinel.replicas().len() == 2 && sentinel.sentinels().len() == 2
        });
    }
    if makes == [Make::Ours; 3] {
        // A Sentinel's certificate is exchanged while it runs, too.
        certificates.sign("renewed", 2090);
        for sentinel in &sentinels {
            let line = format!(
                "SENTINEL CONFIG SET tls-cert-file {} tls-key-file {}",
                certificates.file("renewed.crt"),
                certificates.file("renewed.key")
            );
            assert_eq!(sentinel.ask(&line), "OK");
        }
    }
    master.kill();
    let new = wait_for(
        "another master",
        || {
            let port = sentinels[0].master_port()?;
            (port != master_port).then_some(port)
        },
        || sentinels[0].log_tail(),
    );
    let find = |is_master: bool| {
        let found = replicas
            .iter()
            .find(|(_, port)| (*port == new) == is_master);
        &found.expect("it is one of the two").0
    };
    let (leader, follower) = (find(true), find(false));
    wait_until("it leads", || leader.info("role") == "master");
    wait_until("the other one follows", || {
        follower.info("master_port") == new.to_string()
            && follower.info("master_link_status") == "up"
    });
    assert_eq!(certificates.cli(new, &["SET", "after", "1"]).trim(), "OK");
    wait_same_data(&[leader, follower]);
}

#[test]
fn sentinels_fail_over_over_tls() {
    fail_over([Make::Ours; 3]);
}

#[test]
fn sentinels_fail_over_over_tls_beside_stock_ones() {
    fail_over([Make::Stock, Make::Ours, Make::Ours]);
}

#[test]
fn a_server_that_lacks_what_tls_needs_does_not_start() {
    let certificates = Certificates::new();
    let exit = Options::ours().config("tls-port 1").start_and_fail();
    assert_eq!(exit.code(), 1);
    assert!(
        exit.log.contains("No tls-cert-file configured!"),
        "{}",
        exit.log
    );
    assert!(exit.log.contains("Failed to configure TLS"), "{}", exit.log);
    let options = certificates.on(free_port(), Options::ours());
    let exit = options.config("tls-protocols TLSv1.1").start_and_fail();
    assert!(
        exit.log.contains("Invalid tls-protocols specified"),
        "{}",
        exit.log
    );
}

#[test]
fn a_busy_script_does_not_hold_up_handshakes() {
    let certificates = Certificates::new();
    let options = Options::ours().config("busy-reply-threshold 50");
    let (server, port) = start(&certificates, options);
    let mut looping = server.connect();
    looping.send(&encode(&["EVAL", "while true do end", "0"]));
    let config = certificates.client(Some("own"));
    wait_until("others are served meanwhile", || {
        let mut client = TlsConn::new(port, &config);
        client.send(b"PING\r\n").unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).is_ok() && byte == *b"-"
    });
    TlsConn::new(port, &config).expect("SCRIPT KILL", "+OK\r\n");
    let killed = looping.read_value().unwrap().to_string();
    assert!(killed.contains("Script killed by user"), "{killed}");
}
