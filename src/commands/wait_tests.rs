//! `WAIT` and `WAITAOF`: who has to wait, and what everybody is told. How acknowledgements come in
//! and are asked for is seen on the stage of the simulator.

use crate::commands::host::Host;
use crate::commands::testing::Rig;
use crate::replication::{Facts, RunningChild, SyncClient, SyncReply, SyncRequest};

const REPLICA: u64 = 70;

fn facts(rig: &Rig) -> Facts {
    Facts {
        now: rig.env.now,
        child: RunningChild::None,
        dataset_empty: false,
        fsynced_offset: None,
    }
}

/// A replica that is in step from the beginning, but has acknowledged nothing.
fn attach(rig: &mut Rig, client: u64) {
    let id = rig.env.replication.identity().id();
    let next = (rig.env.replication.offset() + 1).to_string();
    let client = SyncClient {
        id: client,
        ip: Some("10.0.0.9"),
        description: "a replica",
        has_pending_output: false,
    };
    let request = SyncRequest::Psync {
        id: id.as_bytes(),
        offset: next.as_bytes(),
        option: None,
    };
    let facts = facts(rig);
    let replication = &mut rig.env.replication;
    let reply = replication.on_sync(&client, request, facts, &mut Vec::new());
    assert_eq!(reply, SyncReply::Accepted);
}

/// A replica says how far it is; those who waited for that are served.
fn ack(rig: &mut Rig, client: u64, words: &str) -> Vec<(u64, String)> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let facts = facts(rig);
    let replication = &mut rig.env.replication;
    replication.on_replconf(client, &words, facts, &mut Vec::new());
    serve(rig)
}

fn serve(rig: &mut Rig) -> Vec<(u64, String)> {
    for served in rig.env.served_by_acks() {
        let refusal = served.in_vain.then_some(&super::NO_FILE);
        assert!(rig.host.unblock(&mut rig.env, served.client, refusal));
    }
    rig.served()
}

fn offset(rig: &Rig) -> u64 {
    rig.env.replication.offset()
}

#[test]
fn what_makes_no_sense_is_refused() {
    const NUMBER: &str = "ERR value is not an integer or out of range";
    const RANGE: &str = "ERR value is out of range, value must between 0 and 1";
    const COUNT: &str = "ERR value is out of range, must be positive";
    let mut rig = Rig::new();
    rig.expect_refusals(&[
        ("WAIT x 0", NUMBER),
        ("WAIT 1 x", "ERR timeout is not an integer or out of range"),
        (
            "WAIT 1 1.5",
            "ERR timeout is not an integer or out of range",
        ),
        ("WAIT 1 -1", "ERR timeout is negative"),
        ("WAIT 1", "ERR wrong number of arguments for 'wait' command"),
        ("WAITAOF 2 1 0", RANGE),
        ("WAITAOF -1 1 0", RANGE),
        ("WAITAOF x 1 0", NUMBER),
        ("WAITAOF 0 x 0", COUNT),
        ("WAITAOF 0 -1 0", COUNT),
        ("WAITAOF 0 0 -1", "ERR timeout is negative"),
        (
            "WAITAOF 1 0 0",
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ),
    ]);
    rig.become_replica();
    let wait = "ERR WAIT cannot be used with replica instances. Please also note that since Redis \
                4.0 if a replica is configured to be writable (which is not the default) writes to \
                replicas are just local and are not propagated.";
    let wait_aof = "ERR WAITAOF cannot be used with replica instances. Please also note that \
                    writes to replicas are just local and are not propagated.";
    rig.expect_refusals(&[
        ("WAIT x y", wait),
        ("WAITAOF x 0 0", NUMBER),
        ("WAITAOF 1 0 0", wait_aof),
    ]);
}

#[test]
fn who_needs_nobody_does_not_wait() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("SET a 1", "+OK\r\n"),
        ("WAIT 0 0", ":0\r\n"),
        ("WAIT -5 0", ":0\r\n"),
        ("WAITAOF 0 0 0", "*2\r\n:0\r\n:0\r\n"),
    ]);
    attach(&mut rig, REPLICA);
    rig.expect(&[("WAIT 0 0", ":0\r\n")]);
    let now = offset(&rig);
    ack(&mut rig, REPLICA, &format!("ack {now} fack {now}"));
    rig.expect(&[
        ("WAIT 1 0", ":1\r\n"),
        ("WAIT 0 0", ":1\r\n"),
        ("WAITAOF 0 1 0", "*2\r\n:0\r\n:1\r\n"),
    ]);
}

#[test]
fn a_client_waits_for_its_own_last_write() {
    let mut rig = Rig::new();
    attach(&mut rig, REPLICA);
    rig.run_as(2, "SET a 1");
    let of_2 = offset(&rig);
    rig.run_as(3, "SET a 2");
    let of_3 = offset(&rig);
    // Reads, and writes that change nothing, do not move it.
    rig.run_as(2, "GET a");
    rig.run_as(2, "DEL nothing");
    assert_eq!(
        rig.run_as(4, "WAIT 1 0"),
        ":1\r\n",
        "it has written nothing"
    );
    assert_eq!(rig.run_as(2, "WAIT 1 0"), "");
    assert_eq!(rig.run_as(3, "WAIT 1 0"), "");
    let behind = of_2 - 1;
    assert_eq!(ack(&mut rig, REPLICA, &format!("ack {behind}")), []);
    let served = ack(&mut rig, REPLICA, &format!("ack {of_2}"));
    assert_eq!(served, [(2, ":1\r\n".to_owned())]);
    let served = ack(&mut rig, REPLICA, &format!("ack {of_3}"));
    assert_eq!(served, [(3, ":1\r\n".to_owned())]);
    assert!(rig.env.waiters.is_empty());
}

#[test]
fn a_transaction_moves_it_and_nobody_waits_within_one() {
    let mut rig = Rig::new();
    attach(&mut rig, REPLICA);
    rig.expect(&[
        ("MULTI", "+OK\r\n"),
        ("INCR a", "+QUEUED\r\n"),
        ("WAIT 1 0", "+QUEUED\r\n"),
        ("WAITAOF 0 7 0", "+QUEUED\r\n"),
        ("INCR a", "+QUEUED\r\n"),
        ("EXEC", "*4\r\n:1\r\n:1\r\n*2\r\n:0\r\n:1\r\n:2\r\n"),
    ]);
    assert_eq!(rig.session.write_offset, offset(&rig));
}

#[test]
fn as_many_replicas_as_are_wanted_have_to_be_there_and_those_there_are_are_counted() {
    let mut rig = Rig::new();
    for replica in [REPLICA, REPLICA + 1, REPLICA + 2] {
        attach(&mut rig, replica);
    }
    rig.run_as(2, "SET a 1");
    rig.run_as(3, "SET a 1");
    let now = offset(&rig);
    for (client, line) in [(2, "WAIT 2 0"), (3, "WAIT 1 0"), (4, "WAIT 3 0")] {
        rig.run_as(client, line);
    }
    assert_eq!(rig.env.waiters.len(), 2, "one has nothing to wait for");
    // Three at once, in the order in which they began.
    rig.env.replication.on_replconf(
        REPLICA,
        &[b"ack", now.to_string().as_bytes()],
        facts(&rig),
        &mut Vec::new(),
    );
    let served = ack(&mut rig, REPLICA + 1, &format!("ack {now}"));
    assert_eq!(served, [(2, ":2\r\n".to_owned()), (3, ":2\r\n".to_owned())]);
}

#[test]
fn time_runs_out_with_what_there_is() {
    let mut rig = Rig::new();
    attach(&mut rig, REPLICA);
    rig.run_as(2, "SET a 1");
    let now = offset(&rig);
    rig.run_as(2, "WAIT 2 100");
    rig.run_as(3, "SET a 1");
    rig.run_as(3, "WAITAOF 0 1 150");
    assert_eq!(ack(&mut rig, REPLICA, &format!("ack {now}")), []);
    rig.advance_ms(99);
    assert_eq!(rig.served(), []);
    rig.advance_ms(1);
    assert_eq!(rig.served(), [(2, ":1\r\n".to_owned())]);
    rig.advance_ms(50);
    assert_eq!(rig.served(), [(3, "*2\r\n:0\r\n:0\r\n".to_owned())]);
    let calls = |rig: &mut Rig, name: &str| {
        let info = rig.run("INFO commandstats");
        let line = info.lines().find(|line| line.starts_with(name));
        line.expect(name)
            .split([':', ','])
            .nth(1)
            .map(str::to_owned)
    };
    assert_eq!(calls(&mut rig, "cmdstat_wait:"), Some("calls=1".into()));
    assert_eq!(calls(&mut rig, "cmdstat_waitaof:"), Some("calls=1".into()));
}

#[test]
fn a_file_here_and_files_there_are_waited_for() {
    let mut rig = Rig::new();
    rig.env.config.appendonly = true;
    attach(&mut rig, REPLICA);
    rig.run_as(2, "SET a 1");
    let now = offset(&rig);
    rig.run_as(2, "WAITAOF 1 1 0");
    rig.run_as(3, "SET b 1");
    rig.run_as(3, "WAITAOF 1 0 0");
    rig.run_as(4, "SET b 1");
    rig.run_as(4, "WAITAOF 0 1 0");
    assert_eq!(
        ack(&mut rig, REPLICA, "ack 100000"),
        [],
        "run is not stored"
    );
    rig.env.persistence.fsynced_offset = Some(now);
    assert_eq!(serve(&mut rig), []);
    let served = ack(&mut rig, REPLICA, &format!("ack 100000 fack {now}"));
    assert_eq!(served, [(2, "*2\r\n:1\r\n:1\r\n".to_owned())]);
    rig.env.persistence.fsynced_offset = Some(offset(&rig));
    let served = serve(&mut rig);
    assert_eq!(served, [(3, "*2\r\n:1\r\n:0\r\n".to_owned())]);
    let served = ack(&mut rig, REPLICA, "ack 100000 fack 100000");
    assert_eq!(served, [(4, "*2\r\n:1\r\n:1\r\n".to_owned())]);
}

#[test]
fn nobody_goes_on_waiting_for_a_file_that_is_given_up() {
    let mut rig = Rig::new();
    rig.env.config.appendonly = true;
    for client in [2, 3] {
        rig.run_as(client, "SET a 1");
    }
    rig.run_as(2, "WAITAOF 1 0 0");
    rig.run_as(3, "WAITAOF 0 1 0");
    rig.env.config.appendonly = false;
    let refusal = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(serve(&mut rig), [(2, format!("{refusal}\r\n"))]);
    assert_eq!(rig.env.waiters.len(), 1);
}

#[test]
fn a_write_counts_for_a_file_where_nothing_is_kept_for_replicas() {
    let mut rig = Rig::new();
    rig.env.replication = crate::replication::Replication::new(
        crate::replication::ReplicationSettings::default(),
        crate::base::rng::Rng::from_seed(1),
        rig.env.now,
    );
    rig.env.replication.feed(Some(0), b"as for a file");
    assert_eq!(offset(&rig), 1);
}

#[test]
fn who_wants_no_replies_gets_none_here_either() {
    let mut rig = Rig::new();
    attach(&mut rig, REPLICA);
    rig.run_as(2, "CLIENT REPLY OFF");
    rig.run_as(2, "SET a 1");
    rig.run_as(2, "WAIT 1 100");
    rig.advance_ms(100);
    assert_eq!(rig.served(), []);
    assert!(rig.env.waiters.is_empty());
}

#[test]
fn another_client_may_end_the_wait() {
    let mut rig = Rig::new();
    rig.run_as(2, "SET a 1");
    rig.run_as(2, "WAIT 1 0");
    assert_eq!(rig.run("CLIENT UNBLOCK 2"), ":1\r\n");
    assert_eq!(rig.served(), [(2, ":0\r\n".to_owned())]);
    rig.run_as(2, "WAIT 1 0");
    assert_eq!(rig.run("CLIENT UNBLOCK 2 ERROR"), ":1\r\n");
    let text = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
    assert_eq!(rig.served(), [(2, text.to_owned())]);
}
