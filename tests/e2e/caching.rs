//! Clients that keep what they have read, and are told when it changes.

use crate::harness::*;

/// Everything that one client is sent by these commands of its own and of another one, who speaks
/// where a line begins with `>`.
fn dialogue(server: &Server, lines: &[&str]) -> Vec<String> {
    let mut own = server.connect();
    let mut other = server.connect();
    for line in lines {
        match line.strip_prefix('>') {
            Some(line) => drop(other.call(line)),
            None => own.send(&encode(&line.split(' ').collect::<Vec<_>>())),
        }
        if line.starts_with('>') {
            continue;
        }
        // The other one must not overtake what is still on its way.
        wait_until("the command has run", || {
            let name = line.split(' ').next().unwrap_or_default().to_lowercase();
            other.ask("CLIENT LIST").contains(&format!("cmd={name}"))
        });
    }
    own.send(&encode(&["ECHO", "end"]));
    let next = || {
        let reply = own.read_raw().expect("a reply");
        String::from_utf8_lossy(&reply).into_owned()
    };
    let all: Vec<String> = std::iter::repeat_with(next)
        .take_while(|reply| !reply.contains("end\r\n"))
        .collect();
    all.into_iter()
        .filter(|reply| !reply.starts_with('%'))
        .collect()
}

fn compare(lines: &[&str]) {
    let ours = dialogue(&Server::ours(&[]), lines);
    let stock = dialogue(&Server::stock(&[]), lines);
    assert_eq!(ours, stock, "{lines:?}");
}

#[test]
fn a_client_is_told_what_stock_redis_tells_it() {
    compare(&[
        "HELLO 3",
        "CLIENT TRACKING ON",
        "MGET a b c",
        ">SET a 1",
        ">SET a 2",
        "SET b 1",
        "GET a",
        "MULTI",
        "SET a 3",
        "SET d 1",
        "EXEC",
        "EXISTS c",
        ">MSET c 1 d 1",
        "GET c",
        ">FLUSHALL",
        "FLUSHDB",
        "CLIENT TRACKINGINFO",
    ]);
}

#[test]
fn choices_hold_as_in_stock_redis() {
    compare(&[
        "HELLO 3",
        "CLIENT TRACKING ON OPTIN NOLOOP",
        "GET a",
        "CLIENT CACHING YES",
        "GET b",
        "GET c",
        ">MSET a 1 b 1 c 1",
        "CLIENT CACHING YES",
        "MULTI",
        "GET a",
        "GET b",
        "EXEC",
        "GET c",
        "SET a 2",
        ">MSET a 1 b 1 c 1",
        "CLIENT TRACKING ON OPTOUT",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON OPTOUT",
        "CLIENT CACHING NO",
        "GET a",
        "GET b",
        ">MSET a 1 b 1 c 1",
    ]);
}

#[test]
fn prefixes_are_heard_of_as_in_stock_redis() {
    compare(&[
        "HELLO 3",
        "CLIENT TRACKING ON BCAST PREFIX a PREFIX b",
        ">MSET a1 1 b1 1 c1 1 a2 1",
        "SET a3 1",
        "CLIENT TRACKING ON BCAST PREFIX ab",
        "CLIENT TRACKING ON BCAST NOLOOP PREFIX c",
        "SET c2 1",
        ">DEL a1 nosuch",
        ">FLUSHALL",
    ]);
}

#[test]
fn a_client_of_the_old_protocol_has_another_one_told() {
    for server in [Server::ours(&[]), Server::stock(&[])] {
        let mut listener = server.connect();
        let id = listener.ask("CLIENT ID");
        listener.ask("SUBSCRIBE __redis__:invalidate");
        let mut client = server.connect();
        assert_eq!(
            client.ask(&format!("CLIENT TRACKING ON REDIRECT {id}")),
            "OK"
        );
        assert_eq!(client.ask("CLIENT GETREDIR"), id);
        let listed = client.ask("CLIENT INFO");
        assert!(listed.contains(" flags=t ") && listed.contains(&format!(" redir={id} ")));
        client.ask("GET a");
        client.ask("SET a 1");
        let mut next = || listener.read_value().expect("a message").to_string();
        assert_eq!(next(), "[message __redis__:invalidate [a]]");
        assert_eq!(server.info("tracking_clients"), "1");
        client.ask("GET a");
        assert_eq!(server.info("tracking_total_keys"), "1");
        assert_eq!(server.info("tracking_total_items"), "1");
        client.ask("FLUSHALL");
        let all = next();
        assert!(all.starts_with("[message __redis__:invalidate "), "{all}");
        assert_eq!(server.info("tracking_total_keys"), "0");
        drop(client);
        wait_until("nobody tracks", || server.info("tracking_clients") == "0");
    }
}

#[test]
fn who_had_another_one_told_hears_that_it_is_gone() {
    for server in [Server::ours(&[]), Server::stock(&[])] {
        let mut listener = server.connect();
        let id = listener.ask("CLIENT ID");
        let mut client = server.connect();
        client.call("HELLO 3");
        assert_eq!(
            client.ask(&format!("CLIENT TRACKING ON REDIRECT {id}")),
            "OK"
        );
        client.ask("GET a");
        listener.send(&encode(&["QUIT"]));
        wait_until("it is gone", || server.info("connected_clients") == "2");
        server.ask("SET a 1");
        let told = client.read_value().expect("a push").to_string();
        assert_eq!(told, format!(">tracking-redir-broken {id}<"));
        assert!(
            client
                .call("CLIENT TRACKINGINFO")
                .to_string()
                .contains("broken_redirect")
        );
        assert!(client.ask("CLIENT INFO").contains(" flags=tR "));
    }
}

#[test]
fn the_memory_for_keys_that_were_read_is_bounded() {
    let server = Server::ours(&["tracking-table-max-keys 100"]);
    let mut client = server.connect();
    client.call("HELLO 3");
    assert_eq!(client.ask("CLIENT TRACKING ON"), "OK");
    let all: Vec<String> = (0..1000).map(|n| format!("key{n}")).collect();
    let mut command = vec!["MGET"];
    command.extend(all.iter().map(String::as_str));
    client.send(&encode(&command));
    let mut told = 0;
    while told < 900 {
        let next = client.read_value().expect("a reply").to_string();
        told += usize::from(next.starts_with(">invalidate [key"));
    }
    assert_eq!(server.info("tracking_total_keys"), "100");
}

#[test]
fn of_a_script_what_it_reads_is_remembered_and_not_what_keys_it_is_given() {
    let lines = [
        "HELLO 3",
        "CLIENT TRACKING ON",
        "EVAL_RO return(redis.call('ping')) 1 a",
        "EVAL redis.call('set',KEYS[1],'x') 1 b",
        ">MSET a 1 b 1",
        "PING",
        "EVAL_RO return(redis.call('get','c')) 1 a",
        ">MSET a 2 c 2",
    ];
    let told = dialogue(&Server::ours(&[]), &lines);
    let told: Vec<&String> = told.iter().filter(|reply| reply.starts_with('>')).collect();
    assert_eq!(told, [">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nc\r\n"]);
}

#[test]
fn keys_that_are_evicted_do_not_make_others_go_by_what_clients_are_told() {
    let server = Server::ours(&["maxmemory-policy allkeys-lru", "save \"\""]);
    let mut own = server.connect();
    own.ask("CONFIG SET maxmemory-eviction-tenacity 100");
    let mut readers: Vec<Conn> = (0..10).map(|_| server.connect()).collect();
    for reader in &mut readers {
        reader.call("HELLO 3");
        assert_eq!(reader.ask("CLIENT TRACKING ON"), "OK");
    }
    for n in 0..300 {
        let key = format!("{n}{}", "x".repeat(1000));
        assert_eq!(own.ask(&format!("SET {key} v")), "OK");
        for reader in &mut readers {
            assert_eq!(reader.ask(&format!("GET {key}")), "v");
        }
    }
    let number = |field| server.info(field).parse::<u64>().expect("a number");
    let used = number("used_memory");
    own.ask(&format!("CONFIG SET maxmemory {}", used - 40_000));
    wait_until("some keys were evicted", || number("evicted_keys") > 0);
    for _ in 0..20 {
        own.ask("PING");
    }
    let evicted = number("evicted_keys");
    assert!((10..=80).contains(&evicted), "{evicted}");
    // What the readers are told of these is still there to be read.
    let told = readers[0].read_value().expect("a push").to_string();
    assert!(told.starts_with(">invalidate "), "{told}");
}
