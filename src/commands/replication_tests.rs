//! `REPLICAOF`, `ROLE`, and clients that are replicas.

use super::super::session::Kind;
use super::super::testing::Rig;

#[test]
fn replicaof_names_a_master_or_none() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("REPLICAOF host 6380", "+OK\r\n"),
        ("SLAVEOF no ONE", "+OK\r\n"),
        ("SLAVEOF no two", "-ERR Invalid master port\r\n"),
        ("REPLICAOF host 65536", "-ERR Invalid master port\r\n"),
        ("REPLICAOF host -1", "-ERR Invalid master port\r\n"),
        (
            "REPLICAOF host",
            "-ERR wrong number of arguments for 'replicaof' command\r\n",
        ),
    ]);
    let wishes = [
        "replicaof Some(MasterAddress { host: \"host\", port: 6380 })",
        "replicaof None",
    ];
    assert_eq!(rig.host.wishes, wishes);
    rig.session.kind = Kind::Replica;
    rig.run("REPLICAOF host 6380");
    let logged = rig.host.logged.borrow();
    assert!(logged[0].contains("'ERR Command is not valid when client is a replica.'"));
}

#[test]
fn a_replica_that_makes_us_reply_has_to_go() {
    for (line, error) in [
        ("PING", None),
        ("NOSUCH", Some("ERR unknown command 'NOSUCH'")),
        (
            "GET k",
            Some("ERR Replica can't interact with the keyspace"),
        ),
    ] {
        let mut rig = Rig::new();
        rig.session.kind = Kind::Replica;
        rig.host.clients = b"id=1 addr=here\n".to_vec();
        assert_eq!(rig.run(line), "");
        assert!(rig.session.activity.is_over(), "{line}");
        let logged = rig.host.logged.borrow();
        let last = logged.last().expect("a line");
        assert!(last.starts_with("Replica generated a reply to command"));
        assert!(
            last.ends_with(", disconnecting it: id=1 addr=here"),
            "{last}"
        );
        assert_eq!(logged.len(), 1 + usize::from(error.is_some()));
        assert!(error.is_none_or(|error| logged[0].contains(error)));
        assert_eq!(
            rig.env.stats.unexpected_error_replies,
            u64::from(error.is_some())
        );
    }
}

/// A replica whose snapshots fail, with its master speaking.
fn replica_without_disk() -> Rig {
    let mut rig = Rig::new();
    rig.env.gates.replica = true;
    rig.env.gates.snapshots_fail = true;
    assert!(rig.run("PING").starts_with("-MISCONF"));
    assert!(rig.run("SET k v").starts_with("-MISCONF"));
    rig.session.kind = Kind::Master;
    rig
}

#[test]
fn a_replica_without_disk_may_go_on_after_its_master() {
    let mut rig = replica_without_disk();
    assert_eq!(rig.run("PING"), "+PONG\r\n");
    rig.env.config.replica_ignore_disk_write_errors = true;
    assert_eq!(rig.run("SET k v"), "+OK\r\n");
}

#[test]
#[should_panic(expected = "Replica was unable to write command to disk.")]
fn a_replica_without_disk_stops_where_it_must_not_go_on() {
    replica_without_disk().run("SET k v");
}

#[test]
fn role_is_told_with_its_place_in_the_stream() {
    let mut rig = Rig::new();
    let offset = rig.env.replication.identity().offset();
    assert_eq!(
        rig.run("ROLE"),
        format!("*3\r\n$6\r\nmaster\r\n:{offset}\r\n*0\r\n")
    );
    rig.become_replica();
    let expected = "*5\r\n$5\r\nslave\r\n$6\r\nmaster\r\n:6379\r\n$10\r\nconnecting\r\n:-1\r\n";
    assert_eq!(rig.run("ROLE"), expected);
}

#[test]
fn info_shows_the_role_field_by_field() {
    let mut rig = Rig::new();
    let names = |text: &str| -> Vec<String> {
        let name = |line: &str| line.split_once(':').map(|(name, _)| name.to_owned());
        text.lines().skip(2).filter_map(name).collect()
    };
    let place = [
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
    let text = rig.run("INFO replication");
    assert!(
        text.contains("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"),
        "{text}"
    );
    // What only we show stands behind it.
    assert_eq!(names(&text)[2..][..place.len()], place);
    rig.become_replica();
    let text = rig.run("INFO replication");
    let link = [
        "role",
        "master_host",
        "master_port",
        "master_link_status",
        "master_last_io_seconds_ago",
        "master_sync_in_progress",
        "slave_read_repl_offset",
        "slave_repl_offset",
        "master_link_down_since_seconds",
        "slave_priority",
        "slave_read_only",
        "replica_announced",
        "connected_slaves",
    ];
    assert_eq!(names(&text)[..link.len()], link, "{text}");
    assert_eq!(names(&text)[link.len()..][..place.len()], place);
    for line in [
        "role:slave",
        "master_link_status:down",
        "master_last_io_seconds_ago:-1",
    ] {
        assert!(
            text.contains(&format!("\r\n{line}\r\n")),
            "{line} in {text}"
        );
    }
}
