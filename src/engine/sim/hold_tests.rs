//! Clients that a pause holds back, or that wait: they are noticed when they leave, and they and
//! what they sent go on in order when nothing holds them any more.

use super::stage::{Peer, Stage, command};

fn paused() -> Stage {
    let mut stage = Stage::new(|_| {});
    assert_eq!(stage.ask("CLIENT PAUSE 60000 WRITE"), "+OK");
    stage
}

/// A client whose command is held back, or waits.
fn held(stage: &mut Stage, line: &str) -> Peer {
    let mut client = stage.connect();
    client.say(line);
    stage.settle();
    assert_eq!(client.heard(), "", "{line} is held back");
    client
}

#[test]
fn a_write_of_a_client_that_has_gone_is_not_done() {
    for leave in [drop, Peer::reset] {
        let mut stage = paused();
        let clients = stage.info("connected_clients");
        let gone = held(&mut stage, "SET b 1");
        assert_eq!(stage.info("blocked_clients"), "1");
        leave(gone);
        stage.settle();
        assert_eq!(stage.info("connected_clients"), clients);
        assert_eq!(stage.info("blocked_clients"), "0");
        assert_eq!(stage.ask("CLIENT UNPAUSE"), "+OK");
        stage.advance_ms(1000);
        assert_eq!(stage.ask("EXISTS b"), ":0");
    }
}

#[test]
fn the_end_of_a_client_is_seen_behind_all_that_it_has_sent() {
    let mut stage = paused();
    let clients = stage.info("connected_clients");
    let mut gone = stage.connect();
    gone.say("SET b 1");
    gone.send(&command("SET b another-value-that-takes-some-room").repeat(5000));
    drop(gone);
    stage.settle();
    assert_eq!(stage.info("connected_clients"), clients);
    stage.ask("CLIENT UNPAUSE");
    stage.advance_ms(1000);
    assert_eq!(stage.ask("EXISTS b"), ":0");
}

#[test]
fn a_client_that_is_held_back_is_shown_with_its_command() {
    let mut stage = paused();
    let mut client = stage.connect();
    client.say("CLIENT ID");
    stage.settle();
    let id = client.heard().trim_start_matches(':').to_owned();
    client.say("SET b 1");
    stage.settle();
    let shown = stage.ask(&format!("CLIENT LIST ID {id}"));
    assert!(shown.contains(" flags=b "), "{shown}");
    assert!(shown.contains(" cmd=set "), "{shown}");
    assert!(!shown.contains(" argv-mem=0 "), "{shown}");
    assert_eq!(
        stage.ask(&format!("CLIENT UNBLOCK {id}")),
        ":0",
        "nobody can talk a client out of a pause"
    );
}

#[test]
fn what_was_held_back_first_runs_first() {
    let mut stage = Stage::new(|_| {});
    let mut clients: Vec<Peer> = (0..4).map(|_| stage.connect()).collect();
    stage.ask("CLIENT PAUSE 60000 WRITE");
    for number in [2, 0, 3, 1] {
        clients[number].say(&format!("RPUSH l {number}"));
        stage.settle();
    }
    stage.ask("CLIENT UNPAUSE");
    assert_eq!(stage.ask("LRANGE l 0 -1"), "*4 $1 2 $1 0 $1 3 $1 1");
}

#[test]
fn the_end_of_a_pause_lets_clients_go_on_though_nobody_knocks() {
    let mut stage = Stage::new(|settings| settings.hz = 1);
    stage.ask("CLIENT PAUSE 60000 WRITE");
    let mut client = held(&mut stage, "SET a 1");
    client.say("GET a");
    let mut admin = stage.connect();
    admin.say("CLIENT UNPAUSE");
    stage.settle();
    assert_eq!(admin.heard(), "+OK");
    assert_eq!(client.heard(), "+OK $1 1");
}

#[test]
fn a_pause_ends_at_its_time_and_not_with_the_next_round_of_periodic_work() {
    let mut stage = Stage::new(|settings| settings.hz = 1);
    stage.ask("CLIENT PAUSE 30 WRITE");
    let mut client = held(&mut stage, "SET a 1");
    stage.advance_ms(29);
    assert_eq!(client.heard(), "");
    stage.advance_ms(1);
    assert_eq!(client.heard(), "+OK");
}

#[test]
fn a_client_is_not_idle_while_it_is_held_back() {
    let mut stage = Stage::new(|settings| settings.timeout = 5);
    stage.ask("CLIENT PAUSE 20000 WRITE");
    let mut client = held(&mut stage, "SET a 1");
    stage.advance_ms(20_000);
    assert_eq!(client.heard(), "+OK");
    stage.advance_ms(4000);
    assert!(!client.is_closed());
    stage.advance_ms(3000);
    assert!(client.is_closed());
}

#[test]
fn a_big_argument_waits_behind_a_held_command_or_is_held_back_itself() {
    let value = "x".repeat(300_000);
    let big = [command(&format!("SET b {value}")), command("STRLEN b")].concat();
    for bytes in [big.clone(), [command("SET a 1"), big].concat()] {
        let mut stage = paused();
        let mut client = stage.connect();
        for piece in bytes.chunks(7000) {
            client.send(piece);
            stage.tick();
        }
        stage.settle();
        assert_eq!(client.heard(), "");
        stage.ask("CLIENT UNPAUSE");
        stage.settle();
        let heard = client.heard();
        assert!(heard.ends_with("+OK :300000"), "{heard}");
    }
}

#[test]
fn a_pipeline_may_be_cut_anywhere_by_a_pause() {
    let lines = ["SET a 1", "INCR a", "GET a", "SET b 2", "INCR b", "PING"];
    let pipeline = lines.map(command).concat();
    for cut in 1..pipeline.len() {
        let mut stage = paused();
        let mut client = stage.connect();
        client.send(&pipeline[..cut]);
        stage.settle();
        assert_eq!(client.heard(), "");
        if cut % 2 == 0 {
            client.send(&pipeline[cut..]);
            stage.settle();
            stage.ask("CLIENT UNPAUSE");
        } else {
            stage.ask("CLIENT UNPAUSE");
            client.send(&pipeline[cut..]);
            stage.settle();
        }
        assert_eq!(client.heard(), "+OK :2 $1 2 +OK :3 +PONG", "cut at {cut}");
    }
}

#[test]
fn a_client_that_is_killed_while_it_is_held_back_does_nothing_more() {
    let mut stage = paused();
    let mut client = held(&mut stage, "SET a 1");
    assert_eq!(stage.ask("CLIENT KILL TYPE normal SKIPME yes"), ":1");
    assert!(client.is_closed());
    assert_eq!(stage.info("blocked_clients"), "0");
    stage.ask("CLIENT UNPAUSE");
    stage.advance_ms(1000);
    assert_eq!(stage.ask("EXISTS a"), ":0");
}

#[test]
fn what_is_held_back_counts_against_the_limit_of_input() {
    let mut stage = Stage::new(|settings| settings.client_query_buffer_limit = 1 << 20);
    stage.ask("CLIENT PAUSE 60000 WRITE");
    let mut client = held(&mut stage, "SET a 1");
    let write = command(&format!("SET b {}", "x".repeat(30_000)));
    client.send(&write.repeat(40));
    stage.settle();
    assert!(client.is_closed());
    stage.ask("CLIENT UNPAUSE");
    stage.advance_ms(1000);
    assert_eq!(stage.ask("EXISTS a b"), ":0");
}

#[test]
fn reads_go_on_when_only_writes_are_held_back_any_more() {
    let mut stage = Stage::new(|settings| {
        settings.shutdown_timeout = 600;
        settings.repl_diskless_sync_delay = 0;
    });
    let mut replica = stage.connect();
    replica.say("PSYNC ? -1");
    stage.advance_ms(5000);
    stage.ask("SET a 1");
    // It waits for the replica, which acknowledges nothing, and holds writes back meanwhile.
    let _leaving = held(&mut stage, "SHUTDOWN NOSAVE");
    assert_eq!(stage.ask("CLIENT PAUSE 1000 ALL"), "+OK");
    let mut reader = held(&mut stage, "GET a");
    let mut writer = held(&mut stage, "SET a 2");
    stage.advance_ms(1000);
    assert_eq!(reader.heard(), "$1 1");
    assert_eq!(writer.heard(), "");
    assert_eq!(stage.ask("SHUTDOWN ABORT"), "+OK");
    assert_eq!(writer.heard(), "+OK");
}
