//! Scripts that run for too long: what others get meanwhile, and how such a script ends.

use crate::harness::*;

const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// A script that ends when a client of the name `go` is there.
const UNTIL_GO: &str = "redis.call('LPUSH', KEYS[1], 'first') \
     while not string.find(redis.call('CLIENT', 'LIST'), 'name=go ') do end \
     redis.call('LPUSH', KEYS[1], 'second') return 'done'";

fn server() -> Options {
    Options::ours().config("busy-reply-threshold 5")
}

fn text(value: &Value) -> String {
    value.to_string()
}

/// Has a script run, and waits until others are told of it.
#[track_caller]
fn begin(server: &Server, words: &[&str]) -> Conn {
    let mut runs = server.connect();
    runs.send(&encode(words));
    let mut other = server.connect();
    wait_until("the server is busy", || other.ask("GET x").contains(BUSY));
    runs
}

fn assert_killed(reply: &Value) {
    let reply = text(reply);
    assert!(
        reply.contains("ERR Script killed by user with SCRIPT KILL"),
        "{reply}"
    );
}

#[test]
fn a_script_without_an_end_can_be_killed_whatever_it_catches() {
    let server = server().start();
    for script in [
        "while true do end",
        "while true do redis.call('PING') end",
        "local f = function() while true do redis.pcall('PING') end end while true do pcall(f) end",
        "while true do pcall(function() while true do pcall(error) end end) end",
        "local f = function() while true do end end while true do xpcall(f, f) end",
        "while true do coroutine.wrap(function() while true do \
           pcall(coroutine.wrap(function() while true do end end)) end end)() end",
        "local t = {} for i = 1, 100 do t[i] = i end \
         local slow = function(a, b) for i = 1, 1000 do end return a < b end \
         while true do pcall(table.sort, t, slow) end",
        "while true do string.gsub('aaaaaaaaaa', 'a', function() for i = 1, 1000 do end end) end",
        "return setmetatable({}, {__index = function() while true do end end}).x",
    ] {
        let mut runs = begin(&server, &["EVAL", script, "0"]);
        // What stands behind the script in its own connection waits for it.
        runs.send(b"PING\r\n");
        assert_eq!(server.connect().ask("SCRIPT KILL"), "OK", "{script}");
        assert_killed(&runs.read_value().expect("a reply"));
        assert_eq!(text(&runs.read_value().expect("a reply")), "PONG");
        assert!(server.ask("SCRIPT KILL").contains("NOTBUSY"), "{script}");
    }
    assert_eq!(
        server.log_count("Slow script detected: still in execution"),
        9
    );
    assert_eq!(server.log_count("Lua script killed by user"), 9);
    assert_eq!(text(&server.command(&["EVAL", "return 7", "0"])), "7");
}

#[test]
fn while_a_script_runs_for_too_long_others_get_replies_in_order() {
    let server = server().start();
    let mut queued = server.connect();
    queued.call("MULTI");
    queued.call("SET a 1");
    let mut runs = begin(&server, &["EVAL", "while true do end", "0"]);
    let mut others = [server.connect(), server.connect()];
    for (conn, protocol) in others.iter_mut().zip(["2", "3"]) {
        assert!(conn.ask("AUTH x").contains("ERR AUTH"));
        conn.call(&format!("HELLO {protocol}"));
        let asked = [
            "GET x",
            "MULTI",
            "WATCH x",
            "DISCARD",
            "WATCH x",
            "UNWATCH",
            "MULTI",
            "SET b 1",
            "EXEC",
            "PING",
            "SHUTDOWN",
            "SHUTDOWN SAVE",
            "INFO",
            "NOSUCH",
            "RESET",
        ];
        let lines: String = asked.iter().map(|line| format!("{line}\r\n")).collect();
        conn.send(lines.as_bytes());
        let replies: Vec<String> = (asked.iter())
            .map(|_| text(&conn.read_value().expect("a reply")))
            .collect();
        let begins = [
            BUSY,
            "OK",
            "ERR WATCH inside MULTI",
            "OK",
            "OK",
            "OK",
            "OK",
            BUSY,
            "EXECABORT Transaction discarded because of: BUSY",
            BUSY,
            BUSY,
            BUSY,
            BUSY,
            "ERR unknown command",
            "RESET",
        ];
        for ((asked, reply), begin) in asked.iter().zip(&replies).zip(begins) {
            assert!(reply.contains(begin), "{asked}: {reply}");
        }
    }
    assert!(queued.ask("EXEC").contains("EXECABORT"));
    // Many come and go; who has gone takes no place.
    for _ in 0..100 {
        assert!(server.connect().ask("PING").contains(BUSY));
    }
    assert_eq!(others[0].ask("SCRIPT KILL"), "OK");
    assert_killed(&runs.read_value().expect("a reply"));
    assert_eq!(text(&others[1].command(&["EXISTS", "a", "b"])), "0");
    wait_until("those who have gone are forgotten", || {
        server.info_number("connected_clients") < 10
    });
}

#[test]
fn a_script_that_has_written_is_not_killed_and_nothing_of_it_is_kept_by_a_hard_shutdown() {
    let mut server = server().config("appendonly yes").start();
    server.call("SET before 1");
    let script = "redis.call('SET', KEYS[1], 'y') while true do end";
    let _runs = begin(&server, &["EVAL", script, "1", "half"]);
    let mut other = server.connect();
    assert!(
        other
            .ask("SCRIPT KILL")
            .contains("UNKILLABLE Sorry the script")
    );
    assert!(other.ask("SHUTDOWN").contains(BUSY));
    assert!(other.ask("PING").contains(BUSY));
    other.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(other.read_raw().is_err());
    let late = std::net::TcpStream::connect(("127.0.0.1", server.port));
    assert!(
        late.is_err(),
        "whoever asked for the end was told too early"
    );
    let exit = server.wait_exit();
    assert_eq!(exit.code(), 0, "{}", exit.log);
    assert!(exit.log.contains("ready to exit"), "{}", exit.log);
    server.start_again();
    assert_eq!(server.ask("EXISTS before half"), "1");
}

#[test]
fn who_waits_for_a_key_gets_it_when_the_script_is_through() {
    let server = server().config("appendonly yes").start();
    let mut pops = server.connect();
    pops.send(b"BLPOP list 0\r\n");
    let mut overdue = server.connect();
    overdue.send(b"BLPOP other 0.001\r\n");
    let mut hears = server.connect();
    hears.call("SUBSCRIBE news");
    wait_until("a client waits", || {
        server.info_number("blocked_clients") >= 1
    });
    server.call("DEBUG SET-DISABLE-DENY-SCRIPTS 1");
    let script = UNTIL_GO.replace("while", "redis.call('PUBLISH', 'news', 'x') while");
    let mut runs = begin(&server, &["EVAL", &script, "1", "list"]);
    let mut other = server.connect();
    assert!(other.ask("UNWATCH").contains("OK"));
    other.call("HELLO 3 SETNAME go");
    assert_eq!(text(&runs.read_value().expect("a reply")), "done");
    let popped = pops.read_value().expect("a reply");
    assert_eq!(text(&popped.items()[1]), "second");
    assert_eq!(overdue.read_value().expect("a reply"), Value::Null);
    assert_eq!(
        text(&hears.read_value().expect("a message").items()[2]),
        "x"
    );
    assert_eq!(server.ask("LRANGE list 0 -1"), "[first]");
    server.call("DEBUG LOADAOF");
    assert_eq!(server.ask("LRANGE list 0 -1"), "[first]");
}

#[test]
fn links_of_replication_outlast_a_script_that_takes_long() {
    let master = server().start();
    let replica = server().start();
    follow(&replica, master.port);
    wait_link_up(&replica);
    // On the replica: what the master sends waits.
    let mut runs = begin(&replica, &["EVAL", "while true do end", "0"]);
    for number in 0..100 {
        master.call(&format!("SET k{number} {number}"));
    }
    assert!(replica.connect().ask("GET k1").contains(BUSY));
    assert_eq!(replica.connect().ask("SCRIPT KILL"), "OK");
    assert_killed(&runs.read_value().expect("a reply"));
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("GET k99"), "99");
    // On the master: what was written before goes out, what the script writes when it is through.
    master.call("DEBUG SET-DISABLE-DENY-SCRIPTS 1");
    let mut runs = begin(&master, &["EVAL", UNTIL_GO, "1", "list"]);
    assert_eq!(replica.ask("EXISTS list"), "0");
    let mut other = master.connect();
    other.call("HELLO 2 SETNAME go");
    assert_eq!(text(&runs.read_value().expect("a reply")), "done");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("LLEN list"), "2");
    assert_eq!(replica.log_count("Connection with master lost"), 0);
}

#[test]
fn a_script_outlives_its_client_and_a_signal_waits_for_it() {
    let mut server = server().start();
    drop(begin(&server, &["EVAL", "while true do end", "0"]));
    assert!(server.connect().ask("PING").contains(BUSY));
    server.signal(libc::SIGTERM);
    server.wait_log("Received SIGTERM scheduling shutdown");
    assert!(server.connect().ask("PING").contains(BUSY));
    assert_eq!(server.connect().ask("SCRIPT KILL"), "OK");
    assert_eq!(server.wait_exit().code(), 0);
}

#[test]
fn a_file_with_a_script_that_takes_long_is_loaded() {
    let mut server = server().config("appendonly yes").start();
    server.call("SET x 1");
    server.kill();
    let script = "redis.call('SET', KEYS[1], 'y') for i = 1, 3e7 do end";
    let file = increment_of(&server);
    let mut content = std::fs::read(&file).expect("the file");
    content.extend(encode(&["EVAL", script, "1", "x"]));
    std::fs::write(&file, content).expect("the file");
    server.start_again();
    wait_until("all is loaded", || server.ask("GET x") == "y");
    assert_eq!(server.log_count("Slow script detected"), 1);
}
