//! Functions: the same libraries to ours and to stock Redis, and how they are kept: in files and at
//! replicas, both ways.
//!
//! Debian ships Redis 7.0 where we follow 7.2; for what is asked here the two say the same.

use crate::harness::*;

const COUNTER: &str = "#!lua name=counter\n\
     redis.register_function('count', function(keys, argv) \
       return redis.call('INCRBY', keys[1], argv[1]) end)\n\
     redis.register_function{function_name='counted', flags={'no-writes'}, \
       description='what was counted', callback=function(keys) \
       return redis.call('GET', keys[1]) end}";

const ECHO: &str = "#!lua name=echo\n\
     redis.register_function('echo', function(keys, argv) return {keys, argv} end)";

/// What is said to both servers, after libraries were loaded.
const DIALOGUE: &[&[&str]] = &[
    &["FUNCTION", "LOAD", COUNTER],
    &["FUNCTION", "LOAD", COUNTER],
    &["FUNCTION", "LOAD", "REPLACE", COUNTER],
    &["FUNCTION", "LOAD", "AGAIN", COUNTER],
    &["FUNCTION", "LOAD", "return 1"],
    &["FUNCTION", "LOAD", "#!lua name=a-b\nreturn 1"],
    &["FUNCTION", "LOAD", "#!lua name=x\nreturn 1"],
    &["FUNCTION", "LOAD", "#!lua name=x y=z\nreturn 1"],
    &["FUNCTION", "LOAD", "#!lua\nreturn 1"],
    &["FUNCTION", "LOAD", "#!tcl name=x\nreturn 1"],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=x\nredis.register_function()",
    ],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=x\nredis.register_function('f', 1)",
    ],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=x\nredis.register_function{function_name='f'}",
    ],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=x\nredis.register_function('COUNT', function() end)",
    ],
    &["FCALL", "count", "1", "k", "5"],
    &["FCALL", "COUNT", "1", "k", "5"],
    &["FCALL_RO", "counted", "1", "k"],
    &["FCALL_RO", "count", "1", "k", "1"],
    &["FCALL", "nothing", "0"],
    &["FCALL", "count", "x"],
    &["FCALL", "count", "-1"],
    &["FCALL", "count", "2", "k"],
    &["FCALL", "count"],
    &["FUNCTION", "LIST", "LIBRARYNAME", "none"],
    &["FUNCTION", "LIST", "LIBRARYNAME"],
    &["FUNCTION", "LIST", "WITHCODE", "WITHCODE"],
    &["FUNCTION", "STATS"],
    &["FUNCTION", "KILL"],
    &["FUNCTION", "DELETE", "none"],
    &["FUNCTION", "DELETE", "counter"],
    &["FCALL", "count", "1", "k", "5"],
    &["FUNCTION", "LOAD", ECHO],
    &["FCALL", "echo", "1", "k", "a", "b"],
    &["FUNCTION", "LIST", "WITHCODE"],
    &["FUNCTION", "DUMP"],
    &["FUNCTION", "RESTORE", "nonsense"],
    &["FUNCTION", "RESTORE", "nonsense", "MERGE"],
    &["FUNCTION", "RESTORE", "a", "FLUSH", "b"],
    &["FUNCTION", "FLUSH", "SOON"],
    &["FUNCTION", "FLUSH", "ASYNC"],
    &["FUNCTION", "LIST"],
    &["FUNCTION", "NOTHING"],
];

fn load(server: &Server, code: &str) {
    let reply = server
        .connect()
        .command(&["FUNCTION", "LOAD", "REPLACE", code]);
    assert!(!reply.to_string().contains("ERR"), "{reply}");
}

/// The names of the libraries of a server, in their order.
fn libraries(server: &Server) -> Vec<String> {
    let list = server.call("FUNCTION LIST");
    let name = |library: &Value| library.items()[1].to_string();
    let mut names: Vec<String> = list.items().iter().map(name).collect();
    names.sort();
    names
}

fn assert_echoes(server: &Server) {
    let reply = server
        .connect()
        .command(&["FCALL_RO", "counted", "1", "none"]);
    assert_eq!(reply.to_string(), "(nil)", "{}", server.port);
    assert_eq!(libraries(server), ["counter", "echo"]);
}

#[test]
fn libraries_are_as_those_of_stock_servers_are() {
    // Payloads name the version of snapshots that they are for.
    let ours = Options::ours().readable_by_stock().start();
    let stock = Server::stock(&[]);
    let mut differences = String::new();
    for hello in ["HELLO 2", "HELLO 3"] {
        let mut pair = [ours.connect(), stock.connect()];
        for conn in &mut pair {
            conn.call("FLUSHALL");
            conn.call("FUNCTION FLUSH");
            conn.call(hello);
        }
        for words in DIALOGUE {
            let [our_reply, their_reply] = pair.each_mut().map(|conn| {
                conn.send(&encode(words));
                let raw = conn.read_raw().expect("a reply");
                raw.escape_ascii().to_string()
            });
            if our_reply != their_reply {
                differences +=
                    &format!("{hello} {words:?}\n  {our_reply:?}\n  not {their_reply:?}\n");
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn payloads_are_exchanged_with_stock_servers() {
    let ours = Options::ours().readable_by_stock().start();
    let stock = Server::stock(&[]);
    for (from, to) in [(&ours, &stock), (&stock, &ours)] {
        from.call("FUNCTION FLUSH");
        load(from, COUNTER);
        load(from, ECHO);
        let payload = from.call("FUNCTION DUMP");
        let mut client = to.connect();
        let restore = [b"FUNCTION", &b"RESTORE"[..], payload.bytes(), b"FLUSH"];
        assert_eq!(client.command(&restore).to_string(), "OK");
        assert_echoes(to);
    }
}

#[test]
fn files_keep_libraries() {
    for preamble in ["yes", "no"] {
        let mut server = Options::ours()
            .config("appendonly yes")
            .config(format!("aof-use-rdb-preamble {preamble}"))
            .start();
        load(&server, COUNTER);
        server.call("FLUSHALL");
        rewrite(&server);
        load(&server, ECHO);
        for command in ["DEBUG RELOAD", "DEBUG LOADAOF"] {
            assert_eq!(server.ask(command), "OK");
            assert_echoes(&server);
        }
        server.kill();
        server.start_again();
        assert_echoes(&server);
        assert_eq!(
            info_field(&server.ask("INFO memory"), "number_of_functions"),
            "3"
        );
    }
}

#[test]
fn a_snapshot_keeps_libraries_and_one_that_cannot_be_loaded_stops_the_start() {
    let mut server = Server::ours(&[]);
    load(&server, COUNTER);
    load(&server, ECHO);
    assert_eq!(server.ask("SAVE"), "OK");
    server.kill();
    server.start_again();
    assert_echoes(&server);
    assert_eq!(server.ask("DEBUG RELOAD NOSAVE MERGE"), "OK");
    let reply = server.ask("DEBUG RELOAD NOSAVE NOFLUSH");
    assert!(
        reply.contains("ERR Error trying to load the RDB dump"),
        "{reply}"
    );
    wait_until("the reason is in the log", || {
        server
            .log()
            .contains("Failed loading library, Library 'counter' already exists")
    });
}

#[test]
fn replicas_get_libraries_in_full_syncs_and_in_the_stream() {
    for diskless in ["yes", "no"] {
        let make = |options: Options| {
            options
                .config(format!("repl-diskless-sync {diskless}"))
                .config("repl-diskless-sync-delay 0")
                .start()
        };
        let masters = [
            make(Options::ours().readable_by_stock()),
            make(Options::stock()),
        ];
        for (master, loads) in masters.iter().zip(["disabled", "swapdb"]) {
            load(master, COUNTER);
            let replicas = [
                Server::ours(&[&format!("repl-diskless-load {loads}")]),
                Server::stock(&[]),
            ];
            for replica in &replicas {
                load(
                    replica,
                    "#!lua name=own\nredis.register_function('own', function() end)",
                );
                follow(replica, master.port);
                wait_link_up(replica);
                assert_eq!(libraries(replica), ["counter"]);
            }
            load(master, ECHO);
            let count = ["FCALL", "count", "1", "k", "5"];
            master.connect().command(&count);
            for replica in &replicas {
                wait_equal_offsets(&[master, replica]);
                assert_echoes(replica);
                assert_eq!(replica.ask("GET k"), "5");
                let refused = replica.connect().command(&count).to_string();
                assert!(
                    refused.starts_with("ERR") || refused.contains("READONLY"),
                    "{refused}"
                );
            }
            master.call("FUNCTION FLUSH");
            for replica in &replicas {
                wait_equal_offsets(&[master, replica]);
                assert!(libraries(replica).is_empty());
            }
        }
    }
}

#[test]
fn the_real_client_fetches_libraries_alone() {
    let server = Options::ours().readable_by_stock().start();
    load(&server, COUNTER);
    load(&server, ECHO);
    server.call("SET k v");
    let file = server.path("functions.rdb");
    redis_cli(
        server.port,
        &["--functions-rdb", &file.display().to_string()],
    );
    for make in [Options::ours(), Options::stock()] {
        let mut other = Server::prepare(make);
        std::fs::copy(&file, other.data_path("dump.rdb")).expect("a copy");
        assert!(other.start_or_exit().is_none());
        assert_echoes(&other);
        assert_eq!(other.ask("DBSIZE"), "0");
    }
}

#[test]
fn a_function_without_an_end_is_shown_and_killed() {
    let server = Options::ours().config("busy-reply-threshold 5").start();
    let endless = "#!lua name=endless\nredis.register_function{function_name='endless', \
                   flags={'no-writes'}, callback=function() while true do end end}";
    load(&server, endless);
    let mut runs = server.connect();
    runs.send(&encode(&["FCALL", "endless", "0", "word"]));
    let mut other = server.connect();
    wait_until("the server is busy", || {
        other.ask("GET x").contains(
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN \
             NOSAVE.",
        )
    });
    assert!(other.ask("SCRIPT KILL").contains("BUSY"));
    let stats = other.call("FUNCTION STATS");
    let running = stats.items()[1].items();
    assert_eq!(running[1].to_string(), "endless");
    let words: Vec<String> = running[3].items().iter().map(Value::to_string).collect();
    assert_eq!(words, ["FCALL", "endless", "0", "word"]);
    assert!(running[5].int() >= 5);
    assert_eq!(other.ask("FUNCTION KILL"), "OK");
    let reply = runs.read_value().expect("a reply").to_string();
    assert!(reply.contains("ERR Script killed by user"), "{reply}");
    assert_eq!(other.ask("PING"), "PONG");
}
