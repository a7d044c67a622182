//! What a Sentinel asks the world for: connections, a file that is kept, programs, answers.
//!
//! The machine is the real one, so a test sees what its driver has told it by what it does then.

use std::path::Path;

use super::disk::SimDisk;
use super::net::{NOBODY, address_of};
use super::node::SENTINEL_FILE;
use super::programs::{Ending, Run};
use super::stage::{MASTER, Peer, Stage};
use crate::sentinel::{Answer, Verdict};
use crate::sys::process::Exit;

const SECOND_US: u64 = 1_000_000;
/// Something that can be run. On a simulated machine it is what a test makes of it.
const PROGRAM: &str = "/bin/true";

/// A Sentinel's file that watches the master `m` at a host.
fn watching(host: usize) -> String {
    format!(
        "# mine\nsentinel monitor m {} 6379 1\nsentinel down-after-milliseconds m 1000\n",
        address_of(host).ip()
    )
}

fn file(stage: &Stage) -> String {
    let bytes = stage.disk().content(Path::new(SENTINEL_FILE));
    String::from_utf8(bytes).expect("tests speak UTF-8")
}

fn put_file(stage: &Stage, text: &str) {
    let path = Path::new(SENTINEL_FILE);
    stage.disk().put(path, text.as_bytes().to_vec(), true);
}

fn prepared(text: &str) -> Stage {
    let mut stage = Stage::prepared(SimDisk::default(), |_| {});
    put_file(&stage, text);
    stage.server().is_sentinel = true;
    stage
}

/// A Sentinel that has started, and somebody who hears of everything from then on.
fn started(text: &str) -> (Stage, Peer) {
    let mut stage = prepared(text);
    stage.start();
    let mut listener = stage.connect();
    listener.say("PSUBSCRIBE *");
    stage.settle();
    listener.take();
    (stage, listener)
}

/// What `INFO` says of the master that a test plays, with a replica at another host.
fn info(replica: usize, padding: usize) -> Vec<u8> {
    let text = format!(
        "# Server\r\nrun_id:{}\r\n{}role:master\r\n\
         slave0:ip={},port=6379,state=online,offset=1,lag=0\r\n",
        "a".repeat(40),
        "x:0123456789\r\n".repeat(padding),
        address_of(replica).ip()
    );
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// The first connection to the master that a test plays: greeted, pinged and asked for all.
fn greeted(stage: &mut Stage) -> Peer {
    let mut master = stage.dialled().expect("it connects");
    stage.settle();
    let heard = master.heard();
    for word in ["SETNAME", "-cmd", "PING", "INFO"] {
        assert!(heard.contains(word), "{word} is missing in {heard}");
    }
    master
}

#[test]
fn replies_are_heard_in_whatever_pieces_they_come() {
    let (mut stage, mut listener) = started(&watching(MASTER));
    let mut master = greeted(&mut stage);
    let replies = [b"+OK\r\n+PONG\r\n".to_vec(), info(60, 0)].concat();
    for piece in replies.chunks(7) {
        assert_eq!(listener.heard(), "");
        master.send(piece);
        stage.settle();
    }
    let heard = listener.heard();
    assert!(
        heard.contains("slave 10.0.0.61:6379 10.0.0.61 6379 @ m 10.0.0.2 6379"),
        "{heard}"
    );
    let mut messages = stage.dialled().expect("it listens, too");
    stage.settle();
    let heard = messages.heard();
    assert!(
        heard.contains("SUBSCRIBE") && heard.contains("-pubsub"),
        "{heard}"
    );
    stage.advance_ms(2500);
    assert!(master.heard().contains("PUBLISH"), "it says who it is");
}

#[test]
fn no_peer_takes_a_whole_tick_for_itself() {
    let (mut stage, mut listener) = started(&watching(MASTER));
    let mut master = greeted(&mut stage);
    master.send(b"+OK\r\n+PONG\r\n");
    master.send(&info(60, 20_000));
    stage.tick();
    assert_eq!(listener.heard(), "", "not all was read");
    stage.settle();
    assert!(listener.heard().contains("slave 10.0.0.61:6379"));
}

#[test]
fn what_is_no_reply_ends_the_connection_and_another_one_is_made() {
    let (mut stage, _listener) = started(&watching(MASTER));
    let mut master = greeted(&mut stage);
    master.send(b"+OK\r\nwhat?\r\n");
    stage.settle();
    assert!(master.is_closed());
    let _messages = stage.dialled().expect("it has listened, too");
    drop(greeted(&mut stage));
    greeted(&mut stage).reset();
    greeted(&mut stage);
}

#[test]
fn a_master_where_nobody_listens_is_down_soon() {
    let (mut stage, mut listener) = started(&watching(NOBODY));
    stage.advance_ms(150);
    assert!(!listener.heard().contains("+sdown"));
    stage.advance_ms(250);
    let heard = listener.heard();
    assert!(heard.contains("$6 +sdown $"), "{heard}");
    assert!(heard.contains("master m 10.0.0.201 6379"), "{heard}");
}

#[test]
fn a_master_that_is_nowhere_is_given_up_and_down_later() {
    let text = watching(NOBODY).replace("10.0.0.201", "10.1.0.1");
    let (mut stage, mut listener) = started(&text);
    stage.advance_ms(900);
    assert!(!listener.heard().contains("+sdown"));
    stage.advance_ms(5000);
    assert!(listener.heard().contains("+sdown"));
}

#[test]
fn a_name_is_looked_up() {
    let text = format!("sentinel resolve-hostnames yes\n{}", watching(MASTER));
    let (mut stage, _listener) = started(&text.replace("10.0.0.2", "n1"));
    greeted(&mut stage);
}

// ---- The file ----

#[test]
fn the_file_is_written_by_the_side_and_keeps_what_is_not_ours() {
    let mut stage = prepared(&watching(MASTER));
    stage.start();
    stage.advance_ms(50);
    let id = |text: &str| {
        let id = text.split("sentinel myid ").nth(1);
        id.map(|rest| rest[..40].to_owned())
    };
    let old = file(&stage);
    let own = id(&old).expect("it has written down who it is");
    stage.disk().set_sync_time(500_000..500_001);
    stage.connect().say("SENTINEL SET m quorum 2");
    stage.advance_ms(100);
    assert_eq!(stage.ask("PING"), "+PONG", "nobody waits for the disk");
    assert_eq!(file(&stage), old);
    stage.advance_ms(1000);
    let new = file(&stage);
    assert!(
        new.starts_with("# mine\nsentinel monitor m 10.0.0.2 6379 2\n"),
        "{new}"
    );
    stage.restart();
    stage.advance_ms(2000);
    assert_eq!(id(&file(&stage)), Some(own), "and is the same again");
}

#[test]
fn a_file_that_cannot_be_written_stays_and_is_tried_again() {
    let old = watching(MASTER);
    let mut stage = prepared(&old);
    // That of its id, and that of the save that follows.
    stage.disk().fail_syncs(2);
    stage.start();
    let mut listener = stage.connect();
    listener.say("PSUBSCRIBE *");
    stage.advance_ms(500);
    assert!(listener.heard().contains("+config-not-saved"));
    assert_eq!(file(&stage), old);
    stage.advance_ms(1500);
    assert!(listener.heard().contains("-config-not-saved"));
    assert!(file(&stage).contains("sentinel myid"));
}

#[test]
fn whenever_power_is_lost_the_file_is_the_old_one_or_the_new_one() {
    let old = watching(MASTER);
    let mut stage = prepared(&old);
    stage.server().loses_power = true;
    let (mut kept, mut replaced) = (0, 0);
    for round in 0..200 {
        put_file(&stage, &old);
        stage.disk().set_sync_time(500..5000);
        stage.disk().end_process_after(Some(round % 8));
        stage.start();
        stage.advance_ms(50);
        if stage.server().is_up() {
            let net = std::rc::Rc::clone(&stage.cluster.net);
            stage.server().lose_power(&net);
        }
        match file(&stage) {
            text if text == old => kept += 1,
            text => {
                assert!(text.starts_with(&old) && text.ends_with('\n'), "{text}");
                assert!(text.contains("sentinel current-epoch 0\n"), "{text}");
                replaced += 1;
            }
        }
    }
    assert!(kept > 20 && replaced > 20, "{kept} and {replaced}");
}

// ---- Programs ----

fn with_program(exit: Exit, after_us: u64) -> (Stage, Peer) {
    let text = format!(
        "{}sentinel notification-script m {PROGRAM}\n",
        watching(NOBODY)
    );
    let mut stage = prepared(&text);
    stage
        .server()
        .programs
        .put(PROGRAM, Ending { exit, after_us });
    stage.start();
    let mut listener = stage.connect();
    listener.say("PSUBSCRIBE *");
    stage.settle();
    (stage, listener)
}

fn runs_of(stage: &mut Stage, event: &str) -> Vec<Run> {
    let mut runs = stage.server().programs.take_runs();
    runs.retain(|run| run.args.first().is_some_and(|first| first == event));
    runs
}

#[test]
fn a_program_is_told_of_events_and_its_end_is_heard_of() {
    let (mut stage, mut listener) = with_program(Exit::Code(0), 5000);
    stage.advance_ms(500);
    let expected = Run {
        path: PROGRAM.into(),
        args: vec!["+sdown".to_owned(), "master m 10.0.0.201 6379".to_owned()],
    };
    assert_eq!(runs_of(&mut stage, "+sdown"), [expected]);
    stage.advance_ms(60_000);
    assert_eq!(runs_of(&mut stage, "+sdown"), []);
    assert!(!listener.heard().contains("-script-error"));
}

#[test]
fn a_program_that_asks_for_it_is_run_again() {
    let (mut stage, _listener) = with_program(Exit::Code(1), 5000);
    stage.advance_ms(500);
    assert_eq!(runs_of(&mut stage, "+sdown").len(), 1);
    stage.advance_ms(29_000);
    assert_eq!(runs_of(&mut stage, "+sdown").len(), 0);
    stage.advance_ms(2000);
    assert_eq!(runs_of(&mut stage, "+sdown").len(), 1);
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let (mut stage, mut listener) = with_program(Exit::Code(0), 1000 * SECOND_US);
    stage.advance_ms(59_000);
    assert!(!listener.heard().contains("-script-timeout"));
    stage.advance_ms(3000);
    assert!(listener.heard().contains("-script-timeout"));
    stage.advance_ms(100_000);
    assert!(
        runs_of(&mut stage, "+sdown").len() >= 2,
        "it was killed, and is run again"
    );
}

#[test]
fn a_program_that_is_not_there_does_no_harm() {
    let (mut stage, _listener) = with_program(Exit::Code(0), 0);
    stage.server().programs.remove(PROGRAM);
    stage.advance_ms(1000);
    assert_eq!(stage.ask("PING"), "+PONG");
}

// ---- Answers ----

#[test]
fn a_client_that_waits_for_an_answer_gets_it_and_goes_on() {
    let mut stage = Stage::new(|_| {});
    let vote = Verdict {
        down: true,
        vote: Some(("abc".to_owned(), 7)),
    };
    for (answer, expected) in [
        (Answer::Ok, "+OK :1"),
        (
            Answer::Error("NOGOODSLAVE none".to_owned()),
            "-NOGOODSLAVE none :1",
        ),
        (Answer::Verdict(vote), "*3 :1 $3 abc :7 :1"),
        (Answer::Verdict(Verdict::default()), "*3 :0 $1 * :0 :1"),
    ] {
        let mut client = stage.connect();
        // Any command that waits will do.
        client.say("WAIT 1 0");
        client.say("EXISTS a");
        stage.ask("SET a 1");
        let id = stage.server().expect_answer();
        assert_eq!(stage.ask(&format!("CLIENT UNBLOCK {id}")), ":0");
        assert_eq!(client.heard(), "");
        stage.server().answer(id + 1000, &answer);
        stage.server().answer(id, &answer);
        stage.server().answer(id, &answer);
        stage.tick();
        assert_eq!(client.heard(), expected);
        assert_eq!(stage.info("blocked_clients"), "0");
    }
}

#[test]
fn a_client_that_goes_is_answered_by_nobody() {
    let mut stage = Stage::new(|_| {});
    for leave in [drop, Peer::reset] {
        let mut client = stage.connect();
        client.say("WAIT 1 0");
        stage.settle();
        let id = stage.server().expect_answer();
        leave(client);
        stage.settle();
        assert_eq!(stage.info("blocked_clients"), "0");
        stage.server().answer(id, &Answer::Ok);
        assert_eq!(stage.ask("PING"), "+PONG");
    }
}
