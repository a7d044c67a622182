//! Every type, in every encoding, through snapshots and through the link.

use crate::harness::*;

fn ours() -> Options {
    Options::ours().readable_by_stock()
}

fn digest(server: &Server) -> String {
    server.ask("DEBUG DIGEST")
}

/// A server that starts with every type, and the source of chance that filled it.
fn filled(options: Options) -> (Server, Rng) {
    let (mut rng, seed) = Rng::from_env();
    println!("seed {seed}");
    let server = options.start();
    populate(&mut server.connect(), &mut rng);
    (server, rng)
}

/// Syncs the chain, lets all types flow through it over links that break, and compares its ends.
fn stream_through(master: &Server, others: &[&Server], rng: &mut Rng) {
    let mut links = Vec::new();
    let mut above = master;
    for server in others {
        let link = Proxy::to(above.port);
        follow(server, link.port);
        links.push(link);
        above = server;
    }
    let all: Vec<&Server> = [master].iter().chain(others).copied().collect();
    wait_same_data(&all);
    let load = Writer::of_all_types(master.port, rng.next());
    for link in &links {
        let before = load.acknowledged();
        wait_until("writes go on", || load.acknowledged() > before + 4000);
        link.cut();
    }
    let before = load.acknowledged();
    wait_until("writes go on", || load.acknowledged() > before + 4000);
    load.stop();
    for server in others {
        wait_link_up(server);
    }
    wait_same_data(&all);
}

#[test]
fn all_types_flow_from_ours_to_stock() {
    for diskless in ["yes", "no"] {
        let (master, mut rng) = filled(ours().config(format!("repl-diskless-sync {diskless}")));
        stream_through(&master, &[&Server::stock(&[])], &mut rng);
    }
}

#[test]
fn all_types_flow_from_stock_to_ours() {
    for load in ["disabled", "swapdb"] {
        let (master, mut rng) = filled(Options::stock());
        let replica = ours().config(format!("repl-diskless-load {load}")).start();
        stream_through(&master, &[&replica], &mut rng);
    }
}

#[test]
fn all_types_flow_through_a_mixed_chain() {
    let (first, mut rng) = filled(Options::stock());
    let (second, third, fourth) = (ours().start(), ours().start(), Server::stock(&[]));
    stream_through(&first, &[&second, &third, &fourth], &mut rng);
}

#[test]
fn evicted_and_expired_keys_vanish_on_stock_replicas_too() {
    for policy in ["allkeys-lru", "volatile-lru", "allkeys-random"] {
        let (master, mut rng) = filled(ours().config(format!("maxmemory-policy {policy}")));
        let full = master.info_number("used_memory");
        assert_eq!(master.ask(&format!("CONFIG SET maxmemory {full}")), "OK");
        stream_through(&master, &[&Server::stock(&[])], &mut rng);
        assert!(master.info_number("evicted_keys") > 0, "{policy}");
    }
}

#[test]
fn keys_that_are_restored_copied_and_migrated_reach_replicas() {
    let (master, _) = filled(ours());
    let (replica, stock, target) = (ours().start(), Server::stock(&[]), ours().start());
    follow(&replica, master.port);
    follow(&stock, master.port);
    let (before, keys) = (digest(&master), master.call("KEYS *"));
    for key in keys.items() {
        let payload = master.command(&[b"DUMP", key.bytes()]);
        let restored = [b"restored:", key.bytes()].concat();
        let words = [b"RESTORE", &restored[..], b"1000000", payload.bytes()];
        assert_eq!(master.command(&words).to_string(), "OK");
        master.ask(&format!("COPY {key} copied:{key}"));
        let migrate = format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port);
        assert_eq!(master.ask(&migrate), "OK");
    }
    wait_same_data(&[&master, &replica, &stock]);
    let gone = keys.items().iter().map(Value::to_string);
    assert!(
        gone.clone()
            .all(|key| stock.ask(&format!("EXISTS {key}")) == "0")
    );
    // Back again, under the names that they had: nothing is lost on the way.
    for key in gone {
        let back = format!("MIGRATE 127.0.0.1 {} {key} 0 5000", master.port);
        assert_eq!(target.ask(&back), "OK");
        assert_eq!(master.ask(&format!("DEL restored:{key} copied:{key}")), "2");
    }
    assert_eq!(digest(&master), before);
    wait_same_data(&[&master, &replica, &stock]);
}

#[test]
fn a_reload_and_a_restart_keep_all_types() {
    for compression in ["yes", "no"] {
        let options = Options::ours()
            .config("save 3600 1")
            .config(format!("rdbcompression {compression}"));
        let (mut server, _) = filled(options);
        let (before, data) = (digest(&server), dump(&server));
        assert_eq!(server.ask("DEBUG RELOAD"), "OK");
        assert_eq!(digest(&server), before);
        assert_eq!(server.terminate().code(), 0);
        server.start_again();
        assert_eq!(digest(&server), before);
        assert!(
            dump(&server) == data,
            "the digest is equal, the data are not"
        );
    }
}

#[test]
fn scores_are_computed_alike_by_ours_and_stock() {
    for (master, replica) in [
        (ours().start(), Server::stock(&[])),
        (Server::stock(&[]), ours().start()),
    ] {
        follow(&replica, master.port);
        master.ask("GEOADD places 13.361389 38.115556 a 15.087269 37.502669 b 14.1 37.9 c");
        master.ask("GEOSEARCHSTORE near places FROMLONLAT 15 37 BYRADIUS 300 km STOREDIST");
        master.ask("GEOSEARCHSTORE box places FROMMEMBER a BYBOX 900 900 mi STOREDIST");
        for n in 1..200 {
            master.ask(&format!("ZADD thirds {} m:{n}", f64::from(n) / 3.0));
            master.ask(&format!("ZINCRBY thirds 0.1 m:{}", n / 2));
            master.ask("INCRBYFLOAT float 0.1");
            master.ask(&format!("HINCRBYFLOAT floats {} 1.1e-5", n % 7));
        }
        master.ask("ZUNIONSTORE weighted 2 thirds near WEIGHTS 0.7 1e-9");
        master.ask("ZADD edges 1e300 a -1e-300 b 5e-324 c inf d -inf e 123456789012345678 f");
        wait_equal_offsets(&[&master, &replica]);
        assert_same_data(&master, &replica);
    }
}
