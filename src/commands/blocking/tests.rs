//! Who is woken by what, in which order, and how a wait ends. What `BLPOP` and the others give is
//! told in the tests of their families; here they stand for any command that waits.

use super::*;
use crate::commands::testing::Rig;

#[test]
fn timeouts_are_read_as_the_reference_reads_them() {
    let seconds = |word: &str| Timeout::parse_seconds(word.as_bytes(), 1_000);
    assert_eq!(seconds("0"), Ok(Timeout::Never));
    assert_eq!(seconds("1.5"), Ok(Timeout::AfterMs(1_500)));
    assert_eq!(seconds("0.0001"), Ok(Timeout::AfterMs(1)));
    let refused = |word: &str| seconds(word).expect_err(word).text().into_owned();
    assert_eq!(refused("x"), b"ERR timeout is not a float or out of range");
    assert_eq!(refused("-1"), b"ERR timeout is negative");
    assert_eq!(
        refused("0x7FFFFFFFFFFFFFFF"),
        b"ERR timeout is out of range"
    );
    assert_eq!(refused("1e300"), b"ERR timeout is out of range");
    // Seconds have more digits and larger exponents than a double.
    for word in [
        "1e309",
        "1e400",
        "inf",
        "9223372036854775.807",
        "9223372036854776",
    ] {
        assert_eq!(refused(word), b"ERR timeout is out of range", "{word}");
    }
    for word in ["-1e400", "-inf", "-9223372036854775808", "-0.002"] {
        assert_eq!(refused(word), b"ERR timeout is negative", "{word}");
    }
    for word in ["1e5000", "1e-5000", "nan", "", " 1", "1 ", "0x"] {
        let refusal = b"ERR timeout is not a float or out of range";
        assert_eq!(refused(word), refusal, "{word}");
    }
    for (word, ms) in [
        ("1e-400", 1),
        ("0x1.8", 1500),
        ("1.0000000000000001", 1001),
        ("9223372036854774.8065", 9_223_372_036_854_774_807),
    ] {
        assert_eq!(seconds(word), Ok(Timeout::AfterMs(ms)), "{word}");
    }
    for word in ["0", "-0", "0.0", "-1e-400", "-0.0001", "-0.001"] {
        assert_eq!(seconds(word), Ok(Timeout::Never), "{word}");
    }
    let ms = |word: &str| Timeout::parse_ms(word.as_bytes(), 1_000);
    assert_eq!(ms("20"), Ok(Timeout::AfterMs(20)));
    let refused = |word: &str| ms(word).expect_err(word).text().into_owned();
    assert_eq!(
        refused("1.5"),
        b"ERR timeout is not an integer or out of range"
    );
    assert_eq!(
        refused("9223372036854775807"),
        b"ERR timeout is out of range"
    );
}

const LIST: Type = Type::List;

fn waiter(client: u64, wants: Type) -> Waiter {
    Waiter {
        client,
        wants,
        on_deletion: false,
    }
}

fn park(waiters: &mut Waiters, client: u64, until: Option<u64>, keys: &[&[u8]]) -> u64 {
    let ticket = waiters.draw_ticket();
    waiters.park(waiter(client, LIST), ticket, until, 0, keys.iter().copied());
    ticket
}

/// The clients that a ready key would serve, in order.
fn served(waiters: &Waiters, db: usize, key: &[u8], holds: Option<Type>) -> Vec<u64> {
    let mut clients = Vec::new();
    let mut after = 0;
    let last = waiters.last_ticket();
    while let Some((ticket, client)) = waiters.next(db, key, after..=last, holds) {
        after = ticket;
        clients.push(client);
    }
    clients
}

#[test]
fn a_key_serves_those_who_want_its_type_in_the_order_in_which_they_came() {
    let mut waiters = Waiters::default();
    park(&mut waiters, 30, None, &[b"a", b"b", b"a"]);
    park(&mut waiters, 20, None, &[b"b"]);
    let ticket = waiters.draw_ticket();
    waiters.park(waiter(10, Type::ZSet), ticket, None, 0, [b"b".as_slice()]);
    let ticket = waiters.draw_ticket();
    let eager = Waiter {
        on_deletion: true,
        ..waiter(5, Type::Stream)
    };
    waiters.park(eager, ticket, None, 0, [b"b".as_slice()]);
    assert_eq!(served(&waiters, 0, b"b", Some(LIST)), [30, 20, 5]);
    assert_eq!(served(&waiters, 0, b"b", Some(Type::ZSet)), [10, 5]);
    assert_eq!(served(&waiters, 0, b"b", None), [5]);
    assert_eq!((waiters.keys(), waiters.keys_on_deletion()), (2, 1));
    waiters.remove(30);
    assert_eq!(served(&waiters, 0, b"b", Some(LIST)), [20, 5]);
    assert_eq!((waiters.keys(), waiters.len()), (1, 3));
}

#[test]
fn a_key_is_ready_once_however_often_it_changes_and_only_if_somebody_waits() {
    let mut waiters = Waiters::default();
    park(&mut waiters, 1, None, &[b"a", b"b"]);
    waiters.signal(0, b"b");
    waiters.signal(0, b"a");
    waiters.signal(0, b"b");
    waiters.signal(0, b"c");
    waiters.signal(1, b"a");
    let taken = |waiters: &mut Waiters| waiters.take_ready().map(|(_, key)| key.into_vec());
    assert_eq!(taken(&mut waiters).as_deref(), Some(&b"b"[..]));
    waiters.signal(0, b"b");
    assert_eq!(taken(&mut waiters).as_deref(), Some(&b"a"[..]));
    assert_eq!(taken(&mut waiters).as_deref(), Some(&b"b"[..]));
    assert!(!waiters.has_ready());
    waiters.signal_all(0);
    waiters.remove(1);
    while waiters.take_ready().is_some() {}
    assert!(waiters.is_empty());
}

#[test]
fn deadlines_come_in_order() {
    let mut waiters = Waiters::default();
    park(&mut waiters, 1, Some(300), &[b"a"]);
    park(&mut waiters, 2, Some(100), &[b"a"]);
    park(&mut waiters, 3, None, &[b"a"]);
    assert_eq!(
        (waiters.next_deadline(), waiters.with_deadline()),
        (Some(100), 2)
    );
    assert_eq!((waiters.overdue(99), waiters.overdue(100)), (None, Some(2)));
    waiters.remove(2);
    assert_eq!(waiters.next_deadline(), Some(300));
    waiters.remove(1);
    assert_eq!(waiters.next_deadline(), None);
}

#[test]
fn nobody_waits_in_a_transaction_or_for_our_master() {
    let mut rig = Rig::new();
    let block = || Block {
        wants: LIST,
        timeout: Timeout::Never,
        on_deletion: false,
        argv: None,
    };
    let mut reply = crate::resp::writer::Reply::default();
    let mut ctx = Ctx {
        env: &mut rig.env,
        session: &mut rig.session,
        reply: &mut reply,
        table: rig.table,
        host: &mut rig.host,
    };
    assert!(!ctx.nested(|ctx| ctx.block(block(), [b"a".as_slice()])));
    ctx.session.kind = crate::commands::session::Kind::Master;
    assert!(!ctx.block(block(), [b"a".as_slice()]));
    assert!(ctx.env.waiters.is_empty());
}

/// The clients that were served since the last call, with the last line of what each got.
fn got(rig: &mut Rig) -> Vec<(u64, String)> {
    let last = |reply: String| reply.trim_end().rsplit("\r\n").next().map(str::to_owned);
    let served = rig.served().into_iter();
    served
        .map(|(client, reply)| (client, last(reply).unwrap_or_default()))
        .collect()
}

fn pair(client: u64, text: &str) -> (u64, String) {
    (client, text.to_owned())
}

#[test]
fn what_comes_goes_to_those_who_came_first_and_the_others_go_on_waiting() {
    let mut rig = Rig::new();
    for (client, line) in [(3, "BLPOP a b 0"), (2, "BLPOP b 0"), (4, "BLPOP b a 0")] {
        assert_eq!(rig.run_as(client, line), "", "{line}");
    }
    rig.run("RPUSH b 1 2");
    assert_eq!(got(&mut rig), [pair(3, "1"), pair(2, "2")]);
    rig.run("RPUSH a 3");
    assert_eq!(got(&mut rig), [pair(4, "3")]);
    assert!(rig.env.waiters.is_empty());
}

#[test]
fn a_client_woken_in_vain_keeps_its_place_and_its_deadline() {
    let mut rig = Rig::new();
    rig.run("XADD s 1-1 f v");
    rig.run_as(2, "XREAD BLOCK 100 STREAMS s 9");
    rig.run_as(3, "XREAD BLOCK 0 STREAMS s 1-1");
    rig.advance_ms(60);
    rig.run("XADD s 2-1 f v");
    assert_eq!(got(&mut rig), [pair(3, "v")]);
    rig.advance_ms(39);
    assert!(rig.served().is_empty());
    rig.advance_ms(1);
    assert_eq!(rig.served(), [(2, "*-1\r\n".to_owned())]);
}

#[test]
fn every_way_in_which_a_list_comes_wakes_who_waits_for_it() {
    for come in [
        "RPUSH a 1",
        "RENAME source a",
        "COPY source a",
        "LMOVE source a LEFT LEFT",
        "SORT source STORE a",
        "SWAPDB 0 1",
    ] {
        let mut rig = Rig::new();
        rig.run("SELECT 1");
        rig.run("RPUSH a 1");
        rig.run("SELECT 0");
        rig.run("RPUSH source 1");
        rig.run_as(2, "BLPOP a 0");
        rig.run("ZADD a 1 other");
        assert!(rig.served().is_empty(), "{come}");
        rig.run("DEL a");
        rig.run(come);
        assert_eq!(got(&mut rig), [pair(2, "1")], "{come}");
    }
}

#[test]
fn a_transaction_wakes_when_it_has_ended_and_replicas_see_that_order() {
    let mut rig = Rig::new();
    rig.run_as(2, "BLPOP a 0");
    rig.run_as(3, "BLMOVE a b LEFT LEFT 0");
    rig.run_as(4, "BRPOP b 0");
    rig.propagated();
    for line in ["MULTI", "RPUSH a 1", "DEL a", "RPUSH a 2 3", "EXEC"] {
        rig.run(line);
    }
    assert_eq!(got(&mut rig), [pair(2, "2"), pair(3, "3"), pair(4, "3")]);
    let stream = rig.propagated();
    let transaction = [
        "MULTI",
        "SELECT 0",
        "RPUSH a 1",
        "DEL a",
        "RPUSH a 2 3",
        "EXEC",
    ];
    assert_eq!(stream[..6], transaction);
    assert_eq!(stream[6..], ["LPOP a", "LMOVE a b LEFT LEFT", "RPOP b"]);
}

#[test]
fn a_command_counts_once_however_often_it_was_run() {
    let mut rig = Rig::new();
    rig.run_as(2, "XREAD BLOCK 0 STREAMS s 5");
    let calls = |rig: &Rig| {
        let id = rig.table.by_name(b"xread").expect("a command").id;
        rig.env.stats.commands[id].calls
    };
    rig.run("XADD s 1-1 f v");
    rig.run("XADD s 2-1 f v");
    assert_eq!(calls(&rig), 0);
    rig.run("XADD s 6-1 f v");
    assert_eq!((calls(&rig), rig.served().len()), (1, 1));
}
