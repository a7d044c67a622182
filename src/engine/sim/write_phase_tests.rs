//! Nothing leaves before the write phase, on whatever path it comes about.
//!
//! That nothing is written before the end of a tick is asserted in every tick of a simulated
//! server; here are the paths that need a reason to write at all, and the order within the phase:
//! what replicas are offered, then replies.

use super::net::{HostId, nowhere};
use super::stage::{NO_LIMIT, Peer, Stage, command};

/// A child of the simulator has saved within this time.
const SNAPSHOT_MS_MAX: u64 = 60_000;

fn server() -> Stage {
    Stage::new(|settings| settings.repl_diskless_sync = false)
}

/// A replica that has got its snapshot.
fn online_replica(stage: &mut Stage) -> Peer {
    let mut replica = stage.connect();
    replica.say("REPLCONF capa eof capa psync2");
    stage.settle();
    replica.say("PSYNC ? -1");
    let deadline_ms = stage.cluster.now_ms() + SNAPSHOT_MS_MAX;
    while !stage.info("slave0").contains("state=online") {
        assert!(stage.cluster.now_ms() < deadline_ms, "no snapshot comes");
        stage.advance_ms(100);
        replica.say("REPLCONF ACK 0");
    }
    let heard = replica.heard();
    assert!(heard.contains("+FULLRESYNC"), "{heard}");
    replica
}

/// Whom the server wrote to in its last tick, each once.
fn written(stage: &mut Stage) -> Vec<HostId> {
    let mut written = stage.server().written.clone();
    written.dedup();
    written
}

#[test]
fn replies_of_a_client_that_is_continued_wait_for_the_write_phase() {
    let mut stage = server();
    let mut client = stage.connect();
    client.send(&command("INCR a").repeat(20_000));
    stage.settle();
    assert!(client.heard().ends_with(":19999 :20000"));
}

#[test]
fn a_socket_that_takes_bytes_again_is_written_to_in_the_write_phase() {
    let mut stage = server();
    let mut client = stage.connect();
    client.say(&format!("SET a {}", "x".repeat(100_000)));
    client.say("GET a");
    stage.limit_pipes(100);
    stage.settle();
    assert_eq!(client.take().len(), 100);
    let mut other = stage.connect();
    other.say("PING");
    client.say("PING");
    stage.tick();
    assert_eq!(client.take().len(), 100);
    assert_eq!(other.heard(), "+PONG");
    stage.limit_pipes(NO_LIMIT);
    stage.settle();
    assert!(client.heard().ends_with("x +PONG"));
}

#[test]
fn replicas_are_offered_a_write_before_its_client_hears_of_it() {
    let mut stage = server();
    let mut clients = [stage.connect(), stage.connect()];
    let mut replica = online_replica(&mut stage);
    for client in &mut clients {
        client.say("SET a 1");
    }
    stage.tick();
    let hosts = [replica.host, clients[0].host, clients[1].host];
    assert_eq!(written(&mut stage), hosts);
    assert!(replica.heard().ends_with("SET $1 a $1 1"));
}

#[test]
fn a_slow_replica_keeps_no_client_waiting() {
    let mut stage = server();
    let mut replica = online_replica(&mut stage);
    let mut client = stage.connect();
    client.say(&format!("SET a {}", "x".repeat(1000)));
    stage.limit_pipes(100);
    stage.settle();
    assert_eq!(client.heard(), "+OK");
    assert_eq!(replica.take().len(), 100);
    stage.limit_pipes(NO_LIMIT);
    stage.settle();
    assert!(replica.heard().ends_with("xxx"));
}

#[test]
fn a_client_beyond_the_limit_of_its_output_gets_nothing_more() {
    let mut stage = Stage::new(|settings| {
        settings.client_output_buffer_limit.normal.hard = 100_000;
    });
    let mut client = stage.connect();
    client.say(&format!("SET a {}", "x".repeat(30_000)));
    stage.settle();
    client.take();
    client.send(&command("GET a").repeat(10));
    stage.settle();
    assert!(client.is_closed());
    assert_eq!(client.take().len(), 0);
    let stats = &stage.env().stats;
    assert_eq!(stats.output_buffer_limit_disconnections, 1);
}

#[test]
fn messages_wait_for_the_write_phase() {
    let mut stage = server();
    let mut subscriber = stage.connect();
    subscriber.say("SUBSCRIBE news");
    stage.settle();
    subscriber.take();
    let mut publisher = stage.connect();
    publisher.send(&command("PUBLISH news x").repeat(300));
    stage.tick();
    assert_eq!(publisher.heard(), ":1 ".repeat(300).trim_end());
    assert_eq!(subscriber.heard().matches("$4 news $1 x").count(), 300);
}

#[test]
fn a_client_that_is_killed_gets_no_reply_of_this_tick() {
    let mut stage = server();
    let mut victim = stage.connect();
    let mut killer = stage.connect();
    victim.say("PING");
    killer.say("CLIENT KILL TYPE normal SKIPME yes");
    stage.tick();
    assert!(victim.is_closed());
    assert_eq!(victim.heard(), "");
    assert_eq!(killer.heard(), ":1");
}

#[test]
fn nonsense_is_refused_in_the_write_phase_behind_what_made_sense() {
    let mut stage = server();
    let mut client = stage.connect();
    client.send(&[command("PING"), b"*x\r\n".to_vec(), command("PING")].concat());
    stage.tick();
    let refusal = "-ERR Protocol error: invalid multibulk length";
    assert_eq!(client.heard(), format!("+PONG {refusal}"));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_leaves_politely_gets_all_replies() {
    let mut stage = server();
    let mut client = stage.connect();
    for line in ["PING", "QUIT", "SET a 1"] {
        client.say(line);
    }
    stage.limit_pipes(1);
    stage.settle();
    assert_eq!(client.heard(), "+");
    stage.limit_pipes(NO_LIMIT);
    stage.settle();
    assert_eq!(client.heard(), "PONG +OK");
    assert!(client.is_closed());
    assert_eq!(stage.ask("EXISTS a"), ":0");
}

#[test]
fn a_replica_that_is_refused_hears_why_in_the_write_phase() {
    let mut stage = server();
    stage.ask(&format!("REPLICAOF {} 6379", nowhere().ip()));
    let mut replica = stage.connect();
    replica.say("PSYNC ? -1");
    stage.tick();
    assert!(replica.heard().starts_with("-NOMASTERLINK"));
}

#[test]
fn those_who_wait_are_served_in_the_tick_that_makes_their_key_ready() {
    let mut stage = server();
    let mut waiting: Vec<Peer> = (0..3).map(|_| stage.connect()).collect();
    for client in &mut waiting {
        client.say("BLMOVE a b LEFT RIGHT 0");
        stage.settle();
    }
    let mut replica = online_replica(&mut stage);
    let mut pusher = stage.connect();
    pusher.say("RPUSH a 1 2 3");
    stage.tick();
    assert_eq!(written(&mut stage).len(), 5);
    assert_eq!(pusher.heard(), ":3");
    for (number, client) in waiting.iter_mut().enumerate() {
        assert_eq!(client.heard(), format!("$1 {}", number + 1));
    }
    assert_eq!(replica.heard().matches("$5 LMOVE").count(), 3);
}
