//! Who is woken by what, in which order, and how a wait ends. The commands that wait here are
//! stand-ins, run through the dispatcher's own path: what `BLPOP` and the others give is told in
//! the tests of their families.

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
    rig.session.deny_blocking = true;
    let block = || Block {
        wants: LIST,
        timeout: Timeout::Never,
        on_deletion: false,
        words: None,
    };
    let mut reply = crate::resp::writer::Reply::default();
    let mut ctx = Ctx {
        env: &mut rig.env,
        session: &mut rig.session,
        reply: &mut reply,
        host: &mut rig.host,
    };
    assert!(!ctx.block(block(), [b"a".as_slice()]));
    ctx.session.deny_blocking = false;
    ctx.session.kind = crate::commands::session::Kind::Master;
    assert!(!ctx.block(block(), [b"a".as_slice()]));
    assert!(ctx.env.waiters.is_empty());
}
