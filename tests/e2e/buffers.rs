//! Buffers of clients: one to read into while a client is active, none while it is idle; the
//! figures are true; and who makes them grow has to go before others suffer.

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
fn a_client_sees_itself_as_large_as_others_see_it() {
    let server = Server::ours(&[]);
    let mut client = connect_as(&server, "self");
    let line = client.ask("CLIENT INFO");
    let own = line
        .split(' ')
        .find_map(|word| word.strip_prefix("tot-mem="));
    let own: usize = own.expect("a size").parse().expect("a number");
    assert_eq!(field(&server, "self", "tot-mem"), own);
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
    // What the first read takes, and the first and the second one together; and how much of that
    // is no argument yet.
    for (size, unparsed) in [(16_384, 2), (16_384 + 65_536, 59)] {
        let whole = size / echo.len();
        let mut stream = echo.repeat(whole + 1);
        let late = stream.split_off(size);
        conn.send(&stream);
        for _ in 0..whole {
            assert_eq!(conn.read_value().unwrap().bytes().len(), 1000);
        }
        wait_until("the beginning of the last one is kept", || {
            field(&server, "tester", "qbuf") == unparsed
        });
        conn.send(&late);
        assert_eq!(conn.read_value().unwrap().bytes().len(), 1000);
    }
}

#[test]
fn a_long_command_of_short_arguments_is_limited_by_what_was_sent() {
    let server = Server::ours(&["client-query-buffer-limit 1mb"]);
    let word = b"$1\r\na\r\n";
    // Where an argument is in what was sent.
    let place = 2 * size_of::<usize>();
    let mut conn = connect_as(&server, "tester");
    let mut command = b"*80001\r\n$4\r\nMSET\r\n".to_vec();
    command.extend_from_slice(&word.repeat(80_000));
    let (first, second) = command.split_at(command.len() - 10);
    conn.send(first);
    wait_until("most of it has arrived", || {
        field(&server, "tester", "argv-mem") >= first.len() - word.len() + 79_999 * place
    });
    assert!(field(&server, "tester", "qbuf") < word.len());
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

#[test]
fn a_big_argument_that_is_arriving_is_all_there_is_to_be_parsed() {
    let server = Server::ours(&[]);
    let mut conn = connect_as(&server, "tester");
    conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n");
    conn.send(&[b'x'; 600_000]);
    wait_until("what came of it is counted, and nothing else", || {
        field(&server, "tester", "qbuf") == 600_000
    });
    assert!(field(&server, "tester", "argv-mem") >= "SETa".len());
}

/// A server with twenty keys of a megabyte and room for few such replies.
fn small_server() -> Server {
    let server = Server::ours(&[
        "maxmemory 32mb",
        "maxmemory-policy allkeys-random",
        "maxmemory-clients 4mb",
    ]);
    for n in 0..20 {
        server.ask(&format!("SETRANGE key:{n} 999999 x"));
    }
    server
}

#[track_caller]
fn assert_only_clients_went(server: &Server) {
    wait_until("a client is evicted", || {
        server.info_number("evicted_clients") > 0
    });
    assert_eq!(server.info_number("evicted_keys"), 0);
    assert_eq!(server.ask("DBSIZE"), "20");
}

#[test]
fn a_client_that_does_not_read_its_pipeline_goes_before_keys_do() {
    let server = small_server();
    let mut greedy = server.connect();
    greedy.send(&encode(&["GET", "key:0"]).repeat(64));
    assert_only_clients_went(&server);
    assert_eq!(server.info_number("evicted_clients"), 1);
}

#[test]
fn clients_that_ask_for_much_at_the_same_time_go_before_keys_do() {
    let server = small_server();
    let mut crowd: Vec<Conn> = (0..24).map(|_| server.connect()).collect();
    for conn in &mut crowd {
        assert_eq!(conn.ask("PING"), "PONG");
    }
    server.freeze();
    for conn in &mut crowd {
        conn.send(&encode(&["GET", "key:0"]));
    }
    server.thaw();
    assert_only_clients_went(&server);
}

#[test]
fn subscribers_that_do_not_read_go_before_keys_do() {
    let server = small_server();
    // A message fits every pattern, and comes with the pattern: more than a megabyte together.
    let mut slow = server.connect();
    for n in 0..1500 {
        slow.call(&format!("PSUBSCRIBE news{}", "*".repeat(n)));
    }
    let mut publisher = server.connect();
    publisher.send(&encode(&["PUBLISH", "news", "m"]).repeat(64));
    assert_only_clients_went(&server);
}

#[test]
fn nothing_more_is_run_for_a_client_over_its_output_limit() {
    let server = Server::ours(&["client-output-buffer-limit normal 1mb 0 0"]);
    server.ask("SETRANGE large 1999999 x");
    let mut conn = server.connect();
    let mut pipeline = encode(&["INCR", "run"]);
    pipeline.extend(encode(&["GET", "large"]));
    pipeline.extend(encode(&["INCR", "run"]));
    conn.send(&pipeline);
    wait_until("it is closed", || conn.is_closed());
    assert_eq!(server.ask("GET run"), "1");
}

#[test]
fn the_room_for_replies_follows_their_use() {
    let server = Server::ours(&["enable-debug-command yes"]);
    let mut client = server.connect();
    client.ask("CLIENT SETNAME reader");
    let room = |what| field(&server, "reader", what);
    assert_eq!(room("rbs"), 16 * 1024);
    server.ask("DEBUG REPLYBUFFER PEAK-RESET-TIME 10");
    wait_until("an idle client has little room", || room("rbs") == 1024);
    assert!(server.info_number("reply_buffer_shrinks") > 0);
    server.ask("DEBUG REPLYBUFFER PEAK-RESET-TIME NEVER");
    server.ask(&format!("SET big {}", "x".repeat(20_000)));
    wait_until("a busy client has much", || {
        assert_eq!(client.ask("GET big").len(), 20_000);
        // It grows before what is sent next can fill it.
        room("rbs") == 16 * 1024 && room("rbp") == 16 * 1024
    });
    assert!(server.info_number("reply_buffer_expands") >= 4);
    server.ask("DEBUG REPLYBUFFER RESIZING 0");
    server.ask("DEBUG REPLYBUFFER PEAK-RESET-TIME RESET");
}
