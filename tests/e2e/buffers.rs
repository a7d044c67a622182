//! Read buffers: an active client has one, an idle client has none, and the figures are true.

use std::io::Write;

use crate::harness::*;

/// A number in the line of `CLIENT LIST` of the client with this name.
#[track_caller]
fn field(server: &Server, name: &str, field: &str) -> usize {
    let list = server.ask("CLIENT LIST");
    let mark = format!(" name={name} ");
    let line = list.lines().find(|line| line.contains(&mark));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{list}"));
    let prefix = format!("{field}=");
    let value = line.split(' ').find_map(|word| word.strip_prefix(&prefix));
    let value = value.unwrap_or_else(|| panic!("no {field} in {line}"));
    value.parse().expect("a number")
}

/// What the buffer of a client takes, used and unused.
#[track_caller]
fn buffer(server: &Server, name: &str) -> usize {
    field(server, name, "qbuf") + field(server, name, "qbuf-free")
}

#[track_caller]
fn connect_as(server: &Server, name: &str) -> Conn {
    let mut conn = server.connect();
    assert_eq!(conn.ask(&format!("CLIENT SETNAME {name}")), "OK");
    conn
}

#[test]
fn an_active_client_has_a_read_buffer_and_an_idle_one_has_none() {
    let server = Server::ours(&["hz 100"]);
    let _conn = connect_as(&server, "tester");
    let active = buffer(&server, "tester");
    assert!((16_384..32_768).contains(&active), "{active}");
    assert_eq!(field(&server, "tester", "qbuf"), 0, "all of it was run");
    let total = field(&server, "tester", "tot-mem");
    assert!(total > active, "{total}");
    wait_until("the buffer is given back", || {
        buffer(&server, "tester") == 0
    });
    let total_idle = field(&server, "tester", "tot-mem");
    assert!(total_idle <= total - active, "{total_idle} of {total}");
}

#[test]
fn the_client_that_asks_sees_its_own_buffer() {
    let server = Server::ours(&[]);
    let mut conn = connect_as(&server, "asker");
    let request = encode(&["CLIENT", "LIST"]);
    let line = conn.ask("CLIENT LIST");
    let expected = format!(" qbuf={} ", request.len());
    assert!(line.contains(&expected), "{line}");
    let free = format!(" qbuf-free={} ", 16_384 - request.len());
    assert!(line.contains(&free), "{line}");
}

#[test]
fn idle_clients_are_no_burden_in_info() {
    let server = Server::ours(&["hz 100"]);
    let mut crowd: Vec<Conn> = (0..50).map(|_| server.connect()).collect();
    let before = server.info_number("mem_clients_normal");
    for conn in &mut crowd {
        assert_eq!(conn.ask("PING"), "PONG");
    }
    let active = server.info_number("mem_clients_normal");
    assert!(active >= before + 50 * 16_384, "{before}, {active}");
    wait_until("the largest buffer is noted", || {
        server.info_number("client_recent_max_input_buffer") >= 16_384
    });
    wait_until("the buffers are given back", || {
        server.info_number("mem_clients_normal") <= before
    });
}

#[test]
fn after_a_fat_argument_room_for_the_next_is_kept_while_it_is_of_use() {
    let server = Server::ours(&["hz 100"]);
    let mut conn = connect_as(&server, "tester");
    server.ask("DEBUG PAUSE-CRON 1");
    let fat = "A".repeat(400_000);
    assert_eq!(conn.command(&["SET", "x", &fat]).to_string(), "OK");
    let large = buffer(&server, "tester");
    assert!(large > 400_000, "{large}");
    server.ask("DEBUG PAUSE-CRON 0");
    wait_until("the room is given back", || {
        assert_eq!(conn.ask("SET x small"), "OK");
        let now = buffer(&server, "tester");
        assert_ne!(now, 0, "it is active");
        now < large
    });
}

#[test]
fn an_announced_argument_has_room_that_goes_when_nothing_comes() {
    let server = Server::ours(&["hz 100"]);
    let mut conn = connect_as(&server, "tester");
    conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n");
    wait_until("there is room for it", || {
        buffer(&server, "tester") >= 1_000_000
    });
    wait_until("the room is given back", || {
        buffer(&server, "tester") < 20_000
    });
    let value: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let (first, second) = value.split_at(600_000);
    conn.send(first);
    wait_until("only what came is kept", || {
        field(&server, "tester", "qbuf") >= 600_000 && buffer(&server, "tester") < 620_000
    });
    conn.send(second);
    conn.send(b"\r\n");
    assert_eq!(conn.read_raw().unwrap(), b"+OK\r\n");
    assert_eq!(conn.call("GET a").bytes(), value);
}

#[test]
fn a_command_cut_where_a_read_ends_is_finished_later() {
    let server = Server::ours(&[]);
    let mut conn = connect_as(&server, "tester");
    let echo = encode(&["ECHO", &"e".repeat(1000)]);
    // What the first read takes, and the first and the second one together.
    for size in [16_384, 16_384 + 65_536] {
        let whole = size / echo.len();
        let mut stream = echo.repeat(whole + 1);
        let late = stream.split_off(size);
        conn.send(&stream);
        for _ in 0..whole {
            assert_eq!(conn.read_value().unwrap().bytes().len(), 1000);
        }
        wait_until("the beginning of the last one is kept", || {
            field(&server, "tester", "qbuf") == size - whole * echo.len()
        });
        conn.send(&late);
        assert_eq!(conn.read_value().unwrap().bytes().len(), 1000);
    }
}

#[test]
fn a_long_command_of_short_arguments_is_limited_by_what_was_sent() {
    let server = Server::ours(&["client-query-buffer-limit 1mb"]);
    let word = b"$1\r\na\r\n";
    let mut conn = connect_as(&server, "tester");
    let mut command = b"*80001\r\n$4\r\nMSET\r\n".to_vec();
    command.extend_from_slice(&word.repeat(80_000));
    let (first, second) = command.split_at(command.len() - 10);
    conn.send(first);
    wait_until("most of it has arrived", || {
        field(&server, "tester", "qbuf") == first.len()
    });
    conn.send(second);
    assert_eq!(conn.read_value().unwrap().to_string(), "OK");

    conn.send(b"*1000000\r\n$4\r\nMSET\r\n");
    let piece = word.repeat(1000);
    wait_until("it is dropped", || {
        conn.stream().write_all(&piece).is_err() || conn.is_closed()
    });
    server.wait_log("Closing client that reached max query buffer length");
    assert_eq!(server.ask("GET a"), "a");
}
