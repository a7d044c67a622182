//! The lineage guard: a master that comes back without its data does not take its replicas' data.

use crate::harness::*;

const KEYS: usize = 50;

/// A master that keeps nothing on disk, with data.
fn forgetful(options: Options) -> Server {
    let master = options.start();
    for n in 0..KEYS {
        master.ask(&format!("SET k:{n} {n}"));
    }
    master
}

/// The master dies and is started again, and so has lost what it had.
fn lose_everything(master: &mut Server) {
    master.kill();
    // A sync by way of the disk leaves a file.
    let _ = std::fs::remove_file(master.path("dump.rdb"));
    master.start_again();
    assert_eq!(master.call("DBSIZE"), Value::Int(0));
}

fn wait_refused(replica: &Server) {
    let state = || replica.info("replica_guard");
    wait_for(
        "a full sync is refused",
        || (state() == "refused").then_some(()),
        || {
            format!(
                "{}\n{}",
                replica.ask("INFO replication"),
                replica.log_tail()
            )
        },
    );
}

fn assert_keeps(replica: &Server) {
    assert_eq!(replica.call("DBSIZE"), Value::Int(KEYS as i64));
    assert_eq!(replica.ask("GET k:7"), "7");
}

fn assert_empties(replica: &Server) {
    wait_link_up(replica);
    assert_eq!(replica.call("DBSIZE"), Value::Int(0));
    assert_eq!(replica.info("replica_guard"), "on");
}

#[test]
fn replicas_of_a_master_that_lost_its_data_keep_theirs_in_every_way_of_transfer() {
    for make in [Options::stock as fn() -> Options, Options::ours] {
        for diskless in ["yes", "no"] {
            let mut master = forgetful(make().config(format!("repl-diskless-sync {diskless}")));
            let replicas = ["disabled", "on-empty-db", "swapdb"]
                .map(|load| Server::ours(&[&format!("repl-diskless-load {load}")]));
            for replica in &replicas {
                follow(replica, master.port);
            }
            let before = replicas
                .each_ref()
                .map(|replica| (replica.info("master_replid"), offset_of(replica)));
            lose_everything(&mut master);
            for (replica, (id, offset)) in replicas.iter().zip(before) {
                wait_refused(replica);
                assert_keeps(replica);
                assert_eq!(replica.info("master_replid"), id);
                assert!(offset_of(replica) >= offset);
                assert_eq!(replica.info("master_link_status"), "down");
                let refused = replica.info("replica_guard_refused_replid");
                assert_eq!(refused, master.info("master_replid"));
                assert_eq!(replica.log_count("LINEAGE GUARD"), 1);
            }
            // A master that has something again has what its replicas are to have.
            master.ask("SET new 1");
            for replica in &replicas {
                wait_link_up(replica);
                assert_same_data(&master, replica);
            }
        }
    }
}

#[test]
fn replicaof_by_hand_lets_the_empty_set_through_once_and_that_of_a_sentinel_does_not() {
    let mut master = forgetful(Options::stock());
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    lose_everything(&mut master);
    wait_refused(&replica);
    let line = format!("REPLICAOF 127.0.0.1 {}", master.port);
    let mut sentinel = replica.connect();
    assert_eq!(sentinel.ask("CLIENT SETNAME sentinel-01234567-cmd"), "OK");
    assert_eq!(
        sentinel.ask(&line),
        "OK Already connected to specified master"
    );
    let refusals = replica.info_number("replica_guard_refusals");
    wait_until("it is refused again", || {
        replica.info_number("replica_guard_refusals") > refusals
    });
    assert_keeps(&replica);
    assert_eq!(
        replica.ask(&line),
        "OK Already connected to specified master"
    );
    assert_empties(&replica);
    // That was for once.
    for n in 0..KEYS {
        master.ask(&format!("SET k:{n} {n}"));
    }
    wait_equal_offsets(&[&master, &replica]);
    lose_everything(&mut master);
    wait_refused(&replica);
    assert_keeps(&replica);
}

#[test]
fn a_sentinel_does_not_make_a_replica_copy_another_master_without_data() {
    let master = forgetful(Options::ours());
    let empty = Server::stock(&[]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    let mut sentinel = replica.connect();
    sentinel.ask("CLIENT SETNAME sentinel-01234567-cmd");
    let line = format!("REPLICAOF 127.0.0.1 {}", empty.port);
    assert_eq!(sentinel.ask(&line), "OK");
    wait_refused(&replica);
    assert_keeps(&replica);
    // Back at its own master nothing is lost.
    sentinel.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    wait_link_up(&replica);
    assert_eq!(replica.info("replica_guard"), "on");
    assert_eq!(master.info_number("sync_full"), 1);
    // An operator may have it follow the other.
    assert_eq!(replica.ask(&line), "OK");
    assert_empties(&replica);
}

#[test]
fn switching_the_guard_off_lets_the_empty_set_through() {
    let mut master = forgetful(Options::ours());
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    lose_everything(&mut master);
    wait_refused(&replica);
    assert_eq!(replica.ask("CONFIG SET replica-lineage-guard no"), "OK");
    wait_link_up(&replica);
    assert_eq!(replica.call("DBSIZE"), Value::Int(0));
    assert_eq!(replica.info("replica_guard"), "off");
}

#[test]
fn a_strict_guard_refuses_another_history_with_data_too_and_one_without_data_takes_any() {
    let mut master = forgetful(Options::stock());
    let replica = Server::ours(&["replica-lineage-guard strict"]);
    follow(&replica, master.port);
    lose_everything(&mut master);
    master.ask("SET other 1");
    wait_refused(&replica);
    assert_keeps(&replica);
    assert_eq!(master.ask("GET other"), "1");
    let snapshots = replica.log_count("receiving");
    assert_eq!(snapshots, 1, "the second did not begin");
    assert_eq!(replica.ask("CONFIG SET replica-lineage-guard yes"), "OK");
    wait_link_up(&replica);
    assert_same_data(&master, &replica);
}

#[test]
fn a_living_master_may_be_emptied_and_the_replica_follows_after_a_full_sync_too() {
    for rule in ["yes", "strict"] {
        let master = forgetful(Options::ours().config("repl-backlog-size 16kb"));
        let replica = Server::ours(&[&format!("replica-lineage-guard {rule}")]);
        let link = Proxy::to(master.port);
        follow(&replica, link.port);
        link.sever();
        wait_link_down(&replica);
        master.command(&["SET", "large", &"v".repeat(100_000)]);
        master.ask("FLUSHALL");
        link.mend();
        wait_link_up(&replica);
        assert_eq!(master.info_number("sync_full"), 2);
        assert_eq!(replica.call("DBSIZE"), Value::Int(0));
        assert_eq!(replica.info("replica_guard_refusals"), "0");
    }
}

#[test]
fn a_chain_below_a_refusing_replica_goes_on_as_it_was() {
    let mut master = forgetful(Options::ours());
    let middle = Server::ours(&[]);
    let leaf = Server::ours(&[]);
    follow(&middle, master.port);
    follow(&leaf, middle.port);
    wait_equal_offsets(&[&master, &middle, &leaf]);
    let fulls = middle.info_number("sync_full");
    lose_everything(&mut master);
    wait_refused(&middle);
    assert_keeps(&middle);
    assert_keeps(&leaf);
    assert_eq!(leaf.info("master_link_status"), "up");
    assert_eq!(middle.info_number("sync_full"), fulls);
    // The middle one takes over, with its branch.
    assert_eq!(middle.ask("REPLICAOF NO ONE"), "OK");
    middle.ask("SET after 1");
    wait_link_up(&leaf);
    wait_equal_offsets(&[&middle, &leaf]);
    assert_eq!(middle.info_number("sync_full"), fulls);
    assert_same_data(&middle, &leaf);
    // The master that lost its data gets them back: it is told to follow, and has nothing to lose.
    assert_eq!(
        master.ask(&format!("REPLICAOF 127.0.0.1 {}", middle.port)),
        "OK"
    );
    wait_link_up(&master);
    wait_equal_offsets(&[&middle, &master]);
    assert_same_data(&middle, &master);
}

#[test]
fn a_refusing_replica_keeps_its_append_only_file_and_its_snapshot() {
    let mut master = forgetful(Options::stock());
    let mut replica = Server::ours(&["appendonly yes"]);
    follow(&replica, master.port);
    replica.ask("SAVE");
    let snapshot = std::fs::read(replica.path("dump.rdb")).expect("it was saved");
    let mut listener = replica.connect();
    listener.call("SUBSCRIBE __replica__:lineage-guard");
    lose_everything(&mut master);
    wait_refused(&replica);
    let told = listener.read_value().expect("a message");
    let id = master.info("master_replid");
    let port = master.port;
    let text = format!("refused 127.0.0.1 {port} {id} empty");
    let Value::Array(told) = told else {
        panic!("{told:?}");
    };
    assert_eq!(told.last(), Some(&Value::Bulk(text.into_bytes())));
    assert_eq!(
        std::fs::read(replica.path("dump.rdb")).expect("it is there"),
        snapshot
    );
    assert_eq!(replica.info("aof_enabled"), "1");
    // What it has lasts, and where it starts again it still refuses.
    replica.kill();
    replica.start_again();
    assert_keeps(&replica);
    assert_eq!(replica.info("role"), "master");
    let mut sentinel = replica.connect();
    sentinel.ask("CLIENT SETNAME sentinel-01234567-cmd");
    sentinel.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    wait_refused(&replica);
    assert_keeps(&replica);
}

#[test]
fn a_replica_that_is_started_with_data_refuses_the_empty_master_of_its_file() {
    let mut master = forgetful(Options::stock());
    let mut replica = Server::ours(&[&format!("replicaof 127.0.0.1 {}", master.port)]);
    wait_link_up(&replica);
    replica.ask("SAVE");
    replica.kill();
    lose_everything(&mut master);
    replica.start_again();
    wait_refused(&replica);
    assert_keeps(&replica);
}

#[test]
fn a_former_master_that_hands_over_is_not_held_back_by_a_strict_guard() {
    let strict = "replica-lineage-guard strict";
    let master = forgetful(Options::ours().config(strict));
    let replica = Server::ours(&[strict]);
    follow(&replica, master.port);
    wait_equal_offsets(&[&master, &replica]);
    assert_eq!(master.ask("FAILOVER"), "OK");
    wait_until("it has handed over", || master.info("role") == "slave");
    wait_link_up(&master);
    replica.ask("SET after 1");
    wait_equal_offsets(&[&replica, &master]);
    assert_same_data(&replica, &master);
    assert_eq!(master.info("replica_guard_refusals"), "0");
}
