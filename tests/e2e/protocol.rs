//! What the server makes of bytes that no client library would send.

use crate::harness::*;

/// Sends bytes and expects this reply and then a closed connection.
#[track_caller]
fn refused(server: &Server, bytes: &[u8], reply: &str) {
    let mut conn = server.connect();
    conn.send(bytes);
    let got = conn.read_to_close();
    assert_eq!(
        String::from_utf8_lossy(&got),
        reply,
        "after {:?}",
        String::from_utf8_lossy(bytes)
    );
    assert_eq!(server.ask("PING"), "PONG", "another client is served on");
}

#[test]
fn protocol_errors_are_named_and_close_that_client_alone() {
    let server = Server::ours(&[]);
    let cases: &[(&[u8], &str)] = &[
        (
            b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
            "expected '$', got 'f'",
        ),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (
            b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n",
            "invalid bulk length",
        ),
        (
            b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n",
            "invalid bulk length",
        ),
        (b"*1\r\n$blabla\r\n", "invalid bulk length"),
        (b"*20000000000\r\n", "invalid multibulk length"),
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"set x \"unbalanced\r\n", "unbalanced quotes in request"),
        (b"set x 'a'b\r\n", "unbalanced quotes in request"),
    ];
    for (bytes, reason) in cases {
        refused(
            &server,
            bytes,
            &format!("-ERR Protocol error: {reason}\r\n"),
        );
    }
}

#[test]
fn a_client_that_wants_no_replies_is_told_of_no_protocol_error() {
    let server = Server::ours(&[]);
    let ping = "+PONG\r\n";
    let cases: &[(&[u8], &str)] = &[
        (b"CLIENT REPLY OFF\r\n*x\r\n", ""),
        (b"PING\r\nCLIENT REPLY SKIP\r\n*x\r\n", ping),
        (
            b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\nCLIENT REPLY OFF\r\n*x\r\n",
            ping,
        ),
    ];
    for (bytes, reply) in cases {
        refused(&server, bytes, reply);
    }
}

#[test]
fn empty_requests_are_passed_over() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    conn.send(b"\r\n*0\r\n*-10\r\n\n\r\nPING\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"+PONG\r\n");
}

#[test]
fn endless_lines_are_cut_off() {
    let server = Server::ours(&[]);
    let mut long = vec![b'a'; 70 * 1024];
    refused(
        &server,
        &long,
        "-ERR Protocol error: too big inline request\r\n",
    );
    long[0] = b'*';
    long[1..].fill(b'1');
    refused(
        &server,
        &long,
        "-ERR Protocol error: too big mbulk count string\r\n",
    );
    let mut bulk = b"*1\r\n$".to_vec();
    bulk.resize(70 * 1024, b'1');
    refused(
        &server,
        &bulk,
        "-ERR Protocol error: too big bulk count string\r\n",
    );
}

#[test]
fn strangers_get_little_before_they_have_authenticated() {
    let server = Server::ours(&["requirepass secret"]);
    assert_eq!(server.ask("AUTH secret"), "OK");
    refused(
        &server,
        b"*11\r\n",
        "-ERR Protocol error: unauthenticated multibulk length\r\n",
    );
    refused(
        &server,
        b"*1\r\n$16385\r\n",
        "-ERR Protocol error: unauthenticated bulk length\r\n",
    );
}

#[test]
fn web_requests_are_dropped_without_an_answer() {
    let server = Server::ours(&[]);
    for request in [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET stolen 1\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET stolen 1\r\n",
    ] {
        let mut conn = server.connect();
        conn.send(request.as_bytes());
        let reply = conn.read_to_close();
        assert!(
            !String::from_utf8_lossy(&reply).contains("+OK"),
            "{reply:?}"
        );
    }
    assert_eq!(server.ask("EXISTS stolen"), "0");
    server.wait_log("Possible SECURITY ATTACK detected");
}

#[test]
fn inline_commands_take_quotes_and_escapes() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    conn.send(
        b"SET \"a key\" \"\\x41\\n\\t\\\"\"\r\nSET b 'it\\'s'\nGET 'a key'\r\n  get   b  \r\n",
    );
    assert_eq!(conn.read_raw().unwrap(), b"+OK\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"+OK\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"$4\r\nA\n\t\"\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"$4\r\nit's\r\n");
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let mut request = encode(&["SET", "slow", "0123456789"]);
    request.extend_from_slice(&encode(&["GET", "slow"]));
    for byte in request {
        conn.send(&[byte]);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(conn.read_raw().unwrap(), b"+OK\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"$10\r\n0123456789\r\n");
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let count = 20_000;
    let mut sender = conn.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for n in 0..count {
            let request = encode(&["ECHO", &n.to_string()]);
            std::io::Write::write_all(&mut sender, &request).unwrap();
        }
    });
    for n in 0..count {
        assert_eq!(conn.read_value().unwrap().to_string(), n.to_string());
    }
    sending.join().unwrap();
}

#[test]
fn big_arguments_come_back_whole() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    let mut rng = Rng::new(7);
    for size in [
        0, 1, 15, 16_383, 16_384, 32_767, 32_768, 32_769, 65_536, 3_000_000,
    ] {
        let value = rng.bytes(size);
        assert_eq!(
            conn.command(&[b"SET".as_slice(), b"big", &value])
                .to_string(),
            "OK"
        );
        assert_eq!(conn.call("STRLEN big").int(), size as i64);
        assert_eq!(conn.call("GET big").bytes(), value);
    }
}

#[test]
fn unknown_commands_and_wrong_arities_are_told() {
    let server = Server::ours(&[]);
    assert_eq!(
        server.ask("NOSUCH one two"),
        "-ERR unknown command 'NOSUCH', with args beginning with: 'one' 'two' "
    );
    assert_eq!(
        server.ask("GET"),
        "-ERR wrong number of arguments for 'get' command"
    );
    assert_eq!(
        server.ask("CONFIG GET"),
        "-ERR wrong number of arguments for 'config|get' command"
    );
    assert_eq!(
        server.ask("CONFIG NOSUCH"),
        "-ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."
    );
    let long = format!("NOSUCH {}", "x".repeat(500));
    let shown = server.ask(&long);
    assert!(shown.len() < 220, "{shown}");
}
