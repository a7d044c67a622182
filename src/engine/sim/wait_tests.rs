//! Clients that wait for replicas: how those are asked, and when the clients go on.

use super::stage::{Peer, Stage, command};

const SNAPSHOT_MS_MAX: u64 = 60_000;

/// A server with a replica in step, which acknowledges what the test says.
fn with_replica() -> (Stage, Peer) {
    let mut stage = Stage::new(|settings| {
        settings.repl_diskless_sync = false;
        settings.repl_ping_replica_period = 3600;
    });
    let replica = online_replica(&mut stage);
    (stage, replica)
}

fn online_replica(stage: &mut Stage) -> Peer {
    let mut replica = stage.connect();
    replica.say("REPLCONF capa eof capa psync2");
    stage.settle();
    replica.say("PSYNC ? -1");
    let deadline_ms = stage.cluster.now_ms() + SNAPSHOT_MS_MAX;
    let online = |stage: &mut Stage| stage.info("slave0").contains("state=online");
    while !online(stage) {
        assert!(stage.cluster.now_ms() < deadline_ms, "no snapshot comes");
        stage.advance_ms(100);
    }
    replica.say("REPLCONF ACK 0");
    stage.settle();
    replica.take();
    replica
}

const GETACK: &str = "*3 $8 REPLCONF $6 GETACK $1 *";

/// How often the replica was asked how far it is since the last call.
fn asked(replica: &mut Peer) -> usize {
    replica.heard().matches(GETACK).count()
}

#[test]
fn replicas_are_asked_once_a_tick_behind_what_the_tick_has_written() {
    let (mut stage, mut replica) = with_replica();
    let mut clients: Vec<Peer> = (0..3).map(|_| stage.connect()).collect();
    for client in &mut clients {
        client.say("SET a 1");
        client.say("WAIT 1 0");
    }
    let before = stage.offset();
    stage.tick();
    let heard = replica.heard();
    assert_eq!(heard.matches(GETACK).count(), 1, "{heard}");
    assert!(heard.ends_with(GETACK), "{heard}");
    let end = stage.offset();
    let getack = command("REPLCONF GETACK *").len() as u64;
    assert!(end > before + getack, "the question is part of the stream");
    // Of the three writes, the last one ends where the question begins.
    replica.say(&format!("REPLCONF ACK {}", end - getack - 1));
    stage.settle();
    let told: Vec<String> = clients.iter_mut().map(Peer::heard).collect();
    assert_eq!(told, ["+OK :1", "+OK :1", "+OK"]);
    replica.say(&format!("REPLCONF ACK {}", end - getack));
    stage.settle();
    assert_eq!(clients[2].heard(), ":1");
    assert_eq!(asked(&mut replica), 0);
}

#[test]
fn what_stands_behind_a_wait_runs_in_the_tick_that_ends_it() {
    let (mut stage, mut replica) = with_replica();
    let mut client = stage.connect();
    for line in ["SET a 1", "WAIT 1 0", "INCR a", "WAIT 1 0", "GET a"] {
        client.say(line);
    }
    stage.settle();
    assert_eq!(client.heard(), "+OK");
    assert_eq!(asked(&mut replica), 1);
    let acked = stage.offset();
    replica.say(&format!("REPLCONF ACK {acked}"));
    stage.tick();
    assert_eq!(client.heard(), ":1 :2");
    assert_eq!(asked(&mut replica), 1, "in the same tick");
    replica.say(&format!("REPLCONF ACK {}", stage.offset()));
    stage.settle();
    assert_eq!(client.heard(), ":1 $1 2");
}

#[test]
fn a_wait_ends_at_its_time_and_not_with_the_next_round_of_periodic_work() {
    let mut stage = Stage::new(|settings| settings.hz = 1);
    let mut client = stage.connect();
    client.say("WAIT 1 70");
    stage.settle();
    assert_eq!(stage.info("blocked_clients"), "1");
    stage.advance_ms(69);
    assert_eq!(client.heard(), "");
    stage.advance_ms(1);
    assert_eq!(client.heard(), ":0");
    assert_eq!(stage.info("blocked_clients"), "0");
}

#[test]
fn the_first_question_is_counted_even_where_nobody_is_to_hear_it() {
    let mut stage = Stage::new(|_| {});
    assert_eq!(stage.info("master_repl_offset"), "0");
    let mut client = stage.connect();
    client.say("WAIT 1 10");
    stage.settle();
    assert_eq!(stage.info("master_repl_offset"), "1");
}

#[test]
fn a_pause_puts_the_question_off() {
    for mode in ["WRITE", "ALL"] {
        let (mut stage, mut replica) = with_replica();
        let mut client = stage.connect();
        client.say("SET a 1");
        stage.settle();
        replica.take();
        stage.ask(&format!("CLIENT PAUSE 5000 {mode}"));
        let before = stage.offset();
        client.say("WAIT 1 0");
        stage.advance_ms(4000);
        assert_eq!(stage.offset(), before, "{mode}");
        assert_eq!(asked(&mut replica), 0, "{mode}");
        stage.advance_ms(1000);
        assert_eq!(asked(&mut replica), 1, "{mode}");
        replica.say(&format!("REPLCONF ACK {before}"));
        stage.settle();
        assert_eq!(client.heard(), "+OK :1", "{mode}");
    }
}

#[test]
fn a_shutdown_asks_before_it_holds_writes_back() {
    let (mut stage, mut replica) = with_replica();
    stage.ask("SET a 1");
    replica.take();
    let mut admin = stage.connect();
    admin.say("SHUTDOWN NOSAVE");
    stage.settle();
    assert_eq!(asked(&mut replica), 1);
    stage.ask("SHUTDOWN ABORT");
    assert_eq!(stage.ask("CLIENT PAUSE 100000 WRITE"), "+OK");
    admin.say("SHUTDOWN NOSAVE");
    stage.advance_ms(2000);
    assert_eq!(
        asked(&mut replica),
        0,
        "nothing is added while a pause holds"
    );
}

#[test]
fn a_server_that_becomes_a_replica_lets_nobody_wait() {
    let (mut stage, _replica) = with_replica();
    let mut clients: Vec<Peer> = (0..2).map(|_| stage.connect()).collect();
    clients[0].say("SET a 1");
    clients[0].say("WAIT 1 0");
    clients[1].say("SET a 1");
    clients[1].say("WAITAOF 0 1 0");
    clients[1].say("PING");
    stage.settle();
    assert_eq!(stage.ask("REPLICAOF n1 6379"), "+OK");
    let text = "-UNBLOCKED force unblock from blocking operation, instance state changed (master \
                -> replica?)";
    for client in &mut clients {
        assert_eq!(client.heard(), format!("+OK {text}"));
    }
    assert!(clients.iter_mut().all(Peer::is_closed));
    assert_eq!(stage.info("blocked_clients"), "0");
}

#[test]
fn a_client_that_goes_is_waited_for_by_nobody() {
    let (mut stage, mut replica) = with_replica();
    for leave in [drop, Peer::reset] {
        let mut client = stage.connect();
        client.say("SET a 1");
        client.say("WAIT 1 0");
        stage.settle();
        assert_eq!(stage.info("blocked_clients"), "1");
        leave(client);
        stage.settle();
        assert_eq!(stage.info("blocked_clients"), "0");
        replica.say(&format!("REPLCONF ACK {}", stage.offset()));
        stage.settle();
    }
}

#[test]
fn a_replica_that_comes_into_step_counts() {
    let (mut stage, first) = with_replica();
    let mut client = stage.connect();
    client.say("WAIT 2 0");
    stage.settle();
    assert_eq!(client.heard(), "");
    let second = online_replica(&mut stage);
    stage.advance_ms(1000);
    assert_eq!(client.heard(), ":2", "it has written nothing");
    drop((first, second));
}

#[test]
fn writes_are_refused_from_the_moment_on_at_which_a_replica_is_missing() {
    let (mut stage, replica) = with_replica();
    let line = "CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 3";
    assert_eq!(stage.ask(line), "+OK");
    const REFUSED: &str = "-NOREPLICAS Not enough good replicas to write.";
    assert_eq!(stage.ask("SET a 1"), "+OK");
    stage.advance_ms(5000);
    assert_eq!(stage.ask("SET a 2"), REFUSED, "it says nothing");
    assert_eq!(stage.info("min_slaves_good_slaves"), "0");
    assert_eq!(stage.ask("GET a"), "$1 1");
    assert_eq!(stage.ask("CONFIG SET min-replicas-max-lag 0"), "+OK");
    assert_eq!(stage.ask("SET a 3"), "+OK");
    assert_eq!(stage.ask("CONFIG SET min-replicas-max-lag 1000"), "+OK");
    assert_eq!(stage.ask("SET a 4"), "+OK");
    drop(replica);
    let mut clients = [stage.connect(), stage.connect()];
    clients[0].say("MULTI");
    clients[0].say("SET a 5");
    clients[0].say("EXEC");
    stage.settle();
    let heard = clients[0].heard();
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(heard, format!("+OK {REFUSED} {aborted}"));
    assert_eq!(stage.ask("CONFIG SET min-replicas-to-write 0"), "+OK");
    clients[1].say("MULTI");
    clients[1].say("SET a 6");
    stage.settle();
    clients[1].take();
    assert_eq!(stage.ask("CONFIG SET min-replicas-to-write 1"), "+OK");
    clients[1].say("EXEC");
    stage.settle();
    let why = REFUSED.trim_start_matches('-');
    let aborted = format!("-EXECABORT Transaction discarded because of: {why}");
    assert_eq!(clients[1].heard(), aborted);
    assert_eq!(stage.ask("GET a"), "$1 4");
}

#[test]
fn a_command_that_waited_is_refused_when_replicas_are_missing_by_then() {
    let mut stage = Stage::new(|_| {});
    let mut popping = stage.connect();
    popping.say("BLPOP l 0");
    let mut reading = stage.connect();
    reading.say("XREAD BLOCK 0 STREAMS s $");
    stage.settle();
    let mut client = stage.connect();
    for line in [
        "MULTI",
        "RPUSH l 1",
        "XADD s 1-1 f v",
        "CONFIG SET min-replicas-to-write 1",
        "EXEC",
    ] {
        client.say(line);
    }
    stage.settle();
    assert_eq!(
        popping.heard(),
        "-NOREPLICAS Not enough good replicas to write."
    );
    assert_eq!(
        reading.heard(),
        "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 f $1 v",
        "it only reads"
    );
    assert_eq!(stage.ask("LLEN l"), ":1");
}
