//! What those may not do who are not trusted: docs/security.md names these tests.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::*;

/// What anybody may say before logging in.
const OPEN_TO_ALL: [&str; 4] = ["auth", "hello", "quit", "reset"];

#[test]
fn strangers_may_log_in_and_nothing_else() {
    let server = Server::ours(&["requirepass secret"]);
    let mut known = server.connect();
    assert_eq!(known.ask("AUTH secret"), "OK");
    let all = known.call("COMMAND LIST");
    let names: BTreeSet<String> = all.items().iter().map(ToString::to_string).collect();
    assert!(names.len() > 200);
    let mut stranger = server.connect();
    for name in &names {
        if OPEN_TO_ALL.contains(&name.as_str()) {
            continue;
        }
        // Enough arguments for anything.
        for given in 0..6 {
            let words = [name.split('|').collect(), vec!["a"; given]].concat();
            let reply = stranger.command(&words).to_string();
            let reply = reply.replace("EXECABORT Transaction discarded because of: ", "ERR ");
            if reply.starts_with("-ERR wrong number") || reply.starts_with("-ERR unknown sub") {
                continue;
            }
            // Commands that the configuration closes are closed to everybody.
            let refused = reply.ends_with("NOAUTH Authentication required.")
                || reply.contains(" command not allowed. If the enable-");
            assert!(refused, "{words:?}: {reply}");
        }
    }
    assert_eq!(known.ask("DBSIZE"), "0");
}

#[test]
fn strangers_that_read_nothing_are_dropped() {
    let server = Server::ours(&["requirepass secret"]);
    let mut known = server.connect();
    assert_eq!(known.ask("AUTH secret"), "OK");
    let mut stranger = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let patience = Some(Duration::from_secs(20));
    stranger.set_write_timeout(patience).unwrap();
    let requests = b"PING\r\n".repeat(10_000);
    let mut sent = 0;
    // Far more than sockets keep; whoever is dropped cannot send any more.
    while sent < 400 << 20 && stranger.write_all(&requests).is_ok() {
        sent += requests.len();
    }
    assert!(sent < 400 << 20, "it may send without end");
    server.wait_log("for overcoming of output buffer limits");
    assert_eq!(known.ask("PING"), "PONG");
    let peak: u64 = server_peak_bytes(&mut known);
    assert!(peak < 64 << 20, "{peak} bytes");
}

fn server_peak_bytes(conn: &mut Conn) -> u64 {
    let info = conn.ask("INFO memory");
    let line = info
        .lines()
        .find_map(|l| l.strip_prefix("used_memory_peak:"));
    line.expect("the peak is told").trim().parse().unwrap()
}

#[test]
fn strangers_that_read_get_a_reply_for_each_request() {
    let server = Server::ours(&["requirepass secret"]);
    let mut stranger = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let patience = Some(Duration::from_secs(20));
    stranger.set_read_timeout(patience).unwrap();
    stranger.write_all(&b"PING\r\n".repeat(1000)).unwrap();
    let expected = b"-NOAUTH Authentication required.\r\n".repeat(1000);
    let mut replies = vec![0; expected.len()];
    stranger.read_exact(&mut replies).unwrap();
    assert_eq!(replies, expected);
}

#[test]
fn a_narrow_user_finds_no_way_around() {
    let server = Server::ours(&[]);
    let mut admin = server.connect();
    for line in [
        "ACL SETUSER bob on >pw ~mine:* +@all -@admin -@dangerous",
        "SET other secret",
        "RPUSH mine:list 1",
        "HSET other:1 f secret",
    ] {
        assert!(!admin.ask(line).starts_with('-'), "{line}");
    }
    let mut bob = server.connect();
    assert_eq!(bob.ask("AUTH bob pw"), "OK");
    for line in [
        "GET other",
        "COPY other mine:copy",
        "EVAL return(redis.call('GET','other')) 0",
        "EVAL return(redis.call('GET',KEYS[1])) 1 other",
        "EVAL return(redis.call('KEYS','*')) 0",
        "EVAL return(redis.pcall('GET','other').err..redis.call('GET','other')) 0",
        "SORT mine:list BY nosort GET other:*->f",
        "BITOP AND mine:x other",
        "SUNIONSTORE mine:x other",
        "XREAD STREAMS mine:x other 0 0",
        "OBJECT ENCODING other",
        "WATCH other",
        "SUBSCRIBE news",
        "PUBLISH news x",
        "MONITOR",
        "CONFIG GET requirepass",
        "ACL SETUSER bob allkeys",
        "ACL LIST",
        "SLOWLOG GET",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "DEBUG OBJECT other",
        "MIGRATE 127.0.0.1 1 other 0 10",
        "REPLICAOF 127.0.0.1 1",
        "PSYNC ? -1",
        "SHUTDOWN NOSAVE",
        "KEYS *",
        "FLUSHALL",
        "SWAPDB 0 1",
        "RESTORE other 0 x",
        "SAVE",
    ] {
        let reply = bob.ask(line);
        assert!(reply.starts_with('-'), "{line}: {reply}");
        let reply = reply.to_lowercase();
        assert!(
            reply.contains("no permissions") || reply.contains("noperm"),
            "{line}: {reply}"
        );
    }
    assert_eq!(bob.ask("MULTI"), "OK");
    assert!(bob.ask("GET other").starts_with("-NOPERM"));
    assert!(bob.ask("EXEC").starts_with("-EXECABORT"));
    assert_eq!(bob.ask("SET mine:x 1"), "OK");
    assert_eq!(admin.ask("GET other"), "secret");
}

#[test]
fn a_script_reaches_nothing_outside() {
    let server = Server::ours(&[]);
    let mut conn = server.connect();
    for name in [
        "io", "debug", "package", "require", "dofile", "loadfile", "print", "newproxy", "module",
    ] {
        let reply = conn
            .command(&["EVAL", &format!("return {name}"), "0"])
            .to_string();
        assert!(
            reply.contains("nonexistent global variable"),
            "{name}: {reply}"
        );
    }
    for script in [
        "return os.execute('true')",
        "return os.getenv('PATH')",
        "return os.remove('x')",
        "return os.exit()",
        "return string.dump(function() end) and loadstring(string.dump(function() end))()",
        "return redis.call('DEBUG', 'SEGFAULT')",
        "return redis.call('SHUTDOWN')",
        "return redis.call('CONFIG', 'SET', 'dir', '/')",
        "return redis.call('REPLICAOF', 'NO', 'ONE')",
        "return redis.call('AUTH', 'x')",
        "return redis.call('ACL', 'WHOAMI', 'x')",
        "return redis.call('MONITOR')",
    ] {
        let reply = conn.command(&["EVAL", script, "0"]).to_string();
        assert!(reply.starts_with('-'), "{script}: {reply}");
    }
    assert_eq!(conn.ask("PING"), "PONG");
}
