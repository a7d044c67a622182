//! The replication tutorial: roles, links, refusals, what INFO and ROLE show.

use crate::harness::*;

#[test]
fn a_replica_copies_its_master_and_follows_its_writes() {
    let master = Server::ours(&[]);
    for n in 0..100 {
        master.ask(&format!("SET old:{n} {n}"));
    }
    master.ask("SET fleeting v EX 1000");
    let replica = Server::ours(&[]);
    replica.ask("SET local gone");
    assert_eq!(
        replica.ask(&format!("SLAVEOF 127.0.0.1 {}", master.port)),
        "OK"
    );
    wait_link_up(&replica);
    assert_eq!(replica.ask("EXISTS local"), "0", "its own data give way");
    master.ask("SET new 1");
    master.ask("INCR new");
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(replica.ask("GET new"), "2");
    assert_same_data(&master, &replica);
    assert_eq!(
        replica.ask(&format!("SLAVEOF 127.0.0.1 {}", master.port)),
        "OK Already connected to specified master"
    );
}

#[test]
fn info_replication_shows_every_field_in_the_known_order() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_equal_offsets(&[&master, &replica]);
    wait_until("the replica is online", || {
        master.info("slave0").contains("state=online")
    });
    let names = |text: &str| -> Vec<String> {
        let fields = text.lines().filter(|line| !line.starts_with('#'));
        fields
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    };
    let tail = [
        "master_failover_state",
        "master_replid",
        "master_replid2",
        "master_repl_offset",
        "second_repl_offset",
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ];
    let mut expected = vec!["role", "connected_slaves", "slave0"];
    expected.extend(tail);
    // What only we show stands behind it.
    let shown = names(&master.ask("INFO replication"));
    assert_eq!(shown[..expected.len()], expected);
    let mut expected = vec![
        "role",
        "master_host",
        "master_port",
        "master_link_status",
        "master_last_io_seconds_ago",
        "master_sync_in_progress",
        "slave_read_repl_offset",
        "slave_repl_offset",
        "slave_priority",
        "slave_read_only",
        "replica_announced",
        "connected_slaves",
    ];
    expected.extend(tail);
    let shown = names(&replica.ask("INFO replication"));
    assert_eq!(shown[..expected.len()], expected);
    let slave = master.info("slave0");
    let start = format!("ip=127.0.0.1,port={},state=online,offset=", replica.port);
    assert!(slave.starts_with(&start), "{slave}");
    assert!(slave.contains(",lag="), "{slave}");
    assert_eq!(master.info("master_replid"), replica.info("master_replid"));
    assert_eq!(master.info("master_replid2"), "0".repeat(40));
    assert_eq!(master.info("second_repl_offset"), "-1");
    assert_eq!(replica.info("slave_priority"), "100");
    assert_eq!(replica.info("slave_read_only"), "1");
    assert_eq!(replica.info("replica_announced"), "1");
    assert_eq!(replica.info("master_port"), master.port.to_string());
}

#[test]
fn role_tells_the_place_in_the_tree() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    assert_eq!(master.ask("ROLE"), "[master 0 []]");
    follow(&replica, master.port);
    master.ask("SET a 1");
    wait_equal_offsets(&[&master, &replica]);
    let offset = offset_of(&master);
    wait_until("the replica has acknowledged", || {
        let expected = format!("[master {offset} [[127.0.0.1 {} {offset}]]]", replica.port);
        master.ask("ROLE") == expected || offset_of(&master) != offset
    });
    let shown = replica.ask("ROLE");
    let expected = format!("[slave 127.0.0.1 {} connected ", master.port);
    assert!(shown.starts_with(&expected), "{shown}");
}

#[test]
fn a_replica_refuses_writes_and_takes_them_only_when_told() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    let below = Server::ours(&[]);
    follow(&replica, master.port);
    follow(&below, replica.port);
    assert_eq!(
        replica.ask("SET a 1"),
        "-READONLY You can't write against a read only replica."
    );
    assert_eq!(replica.ask("CONFIG SET slave-read-only no"), "OK");
    assert_eq!(replica.ask("SET mine 1"), "OK");
    assert_eq!(replica.ask("SET mine-too 1 EX 1000"), "OK");
    assert_eq!(replica.ask("SET brief 1 PX 10"), "OK");
    wait_until("it expires", || replica.ask("DBSIZE") == "2");
    assert_eq!(replica.info("slave_expires_tracked_keys"), "1");
    master.ask("SET a 1");
    wait_equal_offsets(&[&master, &replica, &below]);
    assert_eq!(
        below.ask("EXISTS mine mine-too"),
        "0",
        "local writes stay local"
    );
    assert_eq!(master.ask("EXISTS mine mine-too"), "0");
    assert_eq!(below.ask("GET a"), "1");
}

#[test]
fn a_config_file_and_the_command_line_give_the_role_too() {
    let master = Server::ours(&[]);
    master.ask("SET a 1");
    for name in ["slaveof", "replicaof"] {
        let replica = Options::ours()
            .config(format!("{name} 127.0.0.1 {}", master.port))
            .start();
        wait_link_up(&replica);
        assert_eq!(replica.ask("GET a"), "1");
    }
    let port = master.port.to_string();
    let replica = Options::ours()
        .args(&["--replicaof", "127.0.0.1", &port])
        .start();
    wait_link_up(&replica);
    assert_eq!(replica.ask("GET a"), "1");
}

#[test]
fn a_master_does_not_wait_at_its_end_for_replicas_without_data() {
    let mut master = Server::ours(&["rdb-key-save-delay 10000000", "shutdown-timeout 600"]);
    master.ask("DEBUG POPULATE 10");
    let replica = Server::ours(&[]);
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    wait_until("it waits for a snapshot", || {
        master.info("slave0").contains("state=wait_bgsave")
    });
    assert_eq!(master.shutdown("NOSAVE").code(), 0);
}

#[test]
fn a_dead_master_changes_no_role_and_is_found_again() {
    let mut master = Server::ours(&["save 3600 1"]);
    let replica = Server::ours(&[]);
    let other = Server::ours(&[]);
    master.ask("SET a 1");
    follow(&replica, master.port);
    follow(&other, master.port);
    assert_eq!(master.shutdown("").code(), 0);
    for server in [&replica, &other] {
        wait_link_down(server);
        assert_eq!(server.info("role"), "slave");
        assert!(server.info_number("master_link_down_since_seconds") >= 0);
        assert_eq!(server.ask("GET a"), "1", "reads go on");
        assert!(server.ask("SET a 2").starts_with("-READONLY"));
    }
    master.start_again();
    for server in [&replica, &other] {
        wait_link_up(server);
        assert_eq!(server.info("sync_full"), "0");
    }
    assert_eq!(
        master.info_number("sync_partial_ok"),
        2,
        "the snapshot saved its history\n{}",
        master.log_tail()
    );
    master.ask("SET a 3");
    wait_equal_offsets(&[&master, &replica, &other]);
    assert_eq!(other.ask("GET a"), "3");
}

#[test]
fn a_dead_replica_changes_nothing_for_anyone_else() {
    let master = Server::ours(&[]);
    let mut dying = Server::ours(&[]);
    let living = Server::ours(&[]);
    follow(&dying, master.port);
    follow(&living, master.port);
    dying.kill();
    wait_until("the master noticed", || {
        master.info("connected_slaves") == "1"
    });
    assert_eq!(master.ask("SET a 1"), "OK");
    wait_equal_offsets(&[&master, &living]);
    assert_eq!(living.ask("GET a"), "1");
    assert_eq!(living.info("master_link_status"), "up");
}

#[test]
fn every_node_of_a_chain_sees_the_same_stream() {
    let nodes: Vec<Server> = (0..4).map(|_| Server::ours(&[])).collect();
    for pair in nodes.windows(2) {
        follow(&pair[1], pair[0].port);
    }
    let load = Writer::start(nodes[0].port, 3);
    wait_until("some writes happened", || load.acknowledged() > 5000);
    load.stop();
    let all: Vec<&Server> = nodes.iter().collect();
    wait_equal_offsets(&all);
    for node in &nodes[1..] {
        assert_same_data(&nodes[0], node);
    }
    assert_eq!(nodes[1].info("role"), "slave");
    assert_eq!(nodes[1].info("connected_slaves"), "1");
}

#[test]
fn writes_reach_replicas_as_their_effects() {
    let master = Server::ours(&[]);
    let mut spy = master.connect();
    // A replica that is only a connection: everything the master says can be read here.
    spy.send(b"PING\r\nREPLCONF listening-port 1\r\nREPLCONF capa eof capa psync2\r\n");
    for expected in ["PONG", "OK", "OK"] {
        assert_eq!(spy.read_value().unwrap().to_string(), expected);
    }
    spy.send(b"PSYNC ? -1\r\n");
    let mut stream = ReplicaStream::after_full_resync(&mut spy, &master);
    let mut conn = master.connect();
    conn.ask("SET a 1");
    assert_eq!(stream.next_line(), "SELECT 0");
    assert_eq!(stream.next_line(), "SET a 1");
    conn.ask("INCRBYFLOAT float 1.5");
    assert_eq!(stream.next_line(), "SET float 1.5 KEEPTTL");
    conn.ask("GETDEL a");
    assert_eq!(stream.next_line(), "DEL a");
    conn.ask("SELECT 3");
    conn.ask("SET b 1 EX 100");
    assert_eq!(stream.next_line(), "SELECT 3");
    let line = stream.next_line();
    assert!(line.starts_with("SET b 1 PXAT 1"), "{line}");
    conn.ask("EXPIRE b 200");
    let line = stream.next_line();
    assert!(line.starts_with("PEXPIREAT b 1"), "{line}");
    conn.ask("GETEX b PERSIST");
    assert_eq!(stream.next_line(), "PERSIST b");
    conn.ask("EXPIRE b -1");
    assert_eq!(stream.next_line(), "DEL b");
    conn.ask("DEL missing");
    conn.ask("GET missing");
    conn.ask("SET c 1 PX 50");
    assert!(stream.next_line().starts_with("SET c 1 PXAT "));
    assert_eq!(stream.next_line(), "DEL c", "expiry is told");
    conn.ask("FLUSHALL");
    assert_eq!(stream.next_line(), "FLUSHALL");
}

/// Reads the commands that a master streams to a replica, without its pings.
struct ReplicaStream<'a>(&'a mut Conn);

impl ReplicaStream<'_> {
    fn after_full_resync<'a>(conn: &'a mut Conn, master: &Server) -> ReplicaStream<'a> {
        let answer = conn.read_value().unwrap().to_string();
        assert!(answer.starts_with("FULLRESYNC "), "{answer}");
        conn.skip_snapshot();
        // An acknowledgement from a replica that is not online yet starts no stream.
        wait_until("the replica is online", || {
            master.info("slave0").contains("state=online")
        });
        conn.send(&encode(&["REPLCONF", "ACK", "0"]));
        ReplicaStream(conn)
    }

    fn next_line(&mut self) -> String {
        loop {
            let command = self.0.read_value().unwrap();

            let words: Vec<String> = command.items().iter().map(Value::to_string).collect();
            if words[0] != "PING" && words[0] != "ping" && words[0] != "REPLCONF" {
                let name = words[0].to_uppercase();
                return [&[name], &words[1..]].concat().join(" ");
            }
        }
    }
}

#[test]
fn a_replica_hides_expired_keys_and_waits_for_its_master_to_delete_them() {
    let master = Server::ours(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    master.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    master.ask("SET short v PX 100");
    wait_equal_offsets(&[&master, &replica]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(replica.ask("GET short"), "(nil)");
    assert_eq!(replica.ask("EXISTS short"), "0");
    assert_eq!(replica.ask("DBSIZE"), "1", "it is hidden, not deleted");
    assert_eq!(master.ask("GET short"), "(nil)");
    wait_until("the deletion arrives", || replica.ask("DBSIZE") == "0");
}

#[test]
fn passwords_are_asked_and_given() {
    let master = Server::ours(&["requirepass secret"]);
    assert_eq!(master.ask("AUTH secret"), "OK");
    master.ask("SET a 1");
    let replica = Options::ours().config("masterauth wrong").start();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    replica.wait_log("Unable to AUTH to MASTER: -WRONGPASS");
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.ask("CONFIG SET masterauth secret"), "OK");
    wait_link_up(&replica);
    assert_eq!(replica.ask("GET a"), "1");
    let without = Server::ours(&[]);
    without.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    without.wait_log("NOAUTH");
    assert_eq!(without.ask("PING"), "PONG");
}

#[test]
fn a_replica_without_its_master_may_refuse_stale_reads() {
    let mut master = Server::ours(&[]);
    let replica = Server::ours(&["replica-serve-stale-data no"]);
    master.ask("SET a 1");
    follow(&replica, master.port);
    assert_eq!(replica.ask("GET a"), "1");
    master.kill();
    wait_until("it knows", || {
        replica.try_ask("GET a").is_some_and(|r| r.starts_with('-'))
    });
    assert_eq!(
        replica.ask("GET a"),
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
    );
    assert_eq!(replica.info("role"), "slave");
}

#[test]
fn too_few_good_replicas_stop_writes_where_that_is_asked_for() {
    let master = Server::ours(&["min-replicas-to-write 1", "min-replicas-max-lag 2"]);
    assert_eq!(
        master.ask("SET a 1"),
        "-NOREPLICAS Not enough good replicas to write."
    );
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    wait_until("writes are taken", || master.ask("SET a 1") == "OK");
    replica.freeze();
    wait_until("the lag shows", || {
        master.ask("SET a 2").starts_with("-NOREPLICAS")
    });
    replica.thaw();
    wait_until("writes are taken again", || master.ask("SET a 3") == "OK");
}

#[test]
fn the_announced_address_is_what_the_master_shows() {
    let master = Server::ours(&[]);
    let settings = [
        "replica-announce-ip 192.0.2.9",
        "replica-announce-port 4321",
    ];
    let replica = Server::ours(&settings);
    follow(&replica, master.port);
    let shown = master.info("slave0");
    assert!(
        shown.starts_with("ip=192.0.2.9,port=4321,state="),
        "{shown}"
    );
}

#[test]
fn a_replica_told_to_stops_rather_than_to_differ_from_its_master() {
    let master = Server::ours(&[]);
    let replicas = ["panic", "panic-on-replicas", "ignore"].map(|behavior| {
        let replica = Server::ours(&[&format!("propagation-error-behavior {behavior}")]);
        follow(&replica, master.port);
        replica
    });
    assert_eq!(master.ask("DEBUG REPLICATE no-such-command"), "OK");
    let [mut stops, mut stops_too, goes_on] = replicas;
    for replica in [&mut stops, &mut stops_too] {
        let exit = replica.wait_exit();
        let text = "This replica panicked sending an error to its master after processing";
        assert!(exit.log.contains(text), "{}", exit.log);
    }
    goes_on.wait_log("== CRITICAL == This replica is sending an error to its master");
    wait_equal_offsets(&[&master, &goes_on]);
}
