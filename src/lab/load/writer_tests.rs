//! Writers against servers that do what they should not, and the way from there to a verdict.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake::{Answer, Fake, Memory, array, reply, wait_until};
use super::worker::lock;
use super::*;
use crate::lab::model::Verdict;
use crate::lab::wire::Wire;

const TIMEOUT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(20);

type Shared = Arc<Mutex<Memory>>;

fn plan(kind: Kind, route: Route, timeout: Duration) -> WriterPlan {
    WriterPlan {
        name: "w".to_owned(),
        kind,
        route,
        rate: Some(2000),
        from: Ipv4Addr::new(127, 0, 0, 77).into(),
        timeout,
    }
}

/// A server with this memory, whose answers go through `alter`: it has the command, whether it is
/// the n-th `RPUSH` (from 1; 0 if it is none), and the memory that may do it.
fn server(
    memory: &Shared,
    mut alter: impl FnMut(&[Vec<u8>], u64, &mut Memory) -> Answer + Send + 'static,
) -> Fake {
    let memory = Arc::clone(memory);
    let mut pushes = 0;
    Fake::start(move |argv| {
        let is_push = argv.first().is_some_and(|name| name == b"RPUSH");
        pushes += u64::from(is_push);
        alter(argv, if is_push { pushes } else { 0 }, &mut lock(&memory))
    })
}

/// A server that does all that it should.
fn sound(memory: &Shared) -> Fake {
    server(memory, |argv, _, memory| memory.answer(argv))
}

fn memory(of: Memory) -> Shared {
    Arc::new(Mutex::new(of))
}

/// A Sentinel that names this server.
fn sentinel(names: &Arc<Mutex<SocketAddr>>) -> Fake {
    let names = Arc::clone(names);
    Fake::start(move |argv| {
        assert_eq!(argv[0], b"SENTINEL");
        assert_eq!(argv[2], b"mymaster");
        let address = *lock(&names);
        let parts = [address.ip().to_string(), address.port().to_string()];
        Answer::Reply(array(&parts.map(String::into_bytes)))
    })
}

fn by_sentinels(sentinels: &[&Fake]) -> Route {
    Route::Sentinels {
        addresses: sentinels.iter().map(|fake| fake.address()).collect(),
        master_name: "mymaster".to_owned(),
    }
}

/// An address at which nobody is, now or later.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 78], 1))
}

/// Writes until so many were accepted, and says what the server has of it.
fn run(plan: WriterPlan, accepted: u64, memory: &Shared) -> (Outcomes, Verdict) {
    let mut writer = Writer::start(plan).expect("a thread");
    wait_until(|| writer.counts().acknowledged >= accepted);
    let outcomes = writer.stop();
    let last = writer.last_accepted().expect("there are some");
    assert_eq!(last.count, writer.counts().acknowledged);
    let buckets = writer.take_buckets();
    let sum = |of: fn(&crate::lab::model::Writes) -> u32| {
        buckets
            .iter()
            .map(|bucket| u64::from(of(bucket)))
            .sum::<u64>()
    };
    assert_eq!(sum(|b| b.accepted), writer.counts().acknowledged);
    assert_eq!(sum(|b| b.accepted + b.failed), outcomes.list.len() as u64);
    assert_eq!(writer.stop(), outcomes, "once more");
    assert_eq!(writer.take_buckets(), []);
    let whole = sound(memory);
    let mut wire = Wire::connect(whole.address(), None, LONG).expect("it is there");
    let found = fetch(&mut wire, "w").expect("it answers");
    let verdict = check(&outcomes, &found, None);
    (outcomes, verdict)
}

#[test]
fn what_is_written_is_found_over_several_lists() {
    let memory = memory(Memory::master());
    let fake = sound(&memory);
    let kind = Kind::Pipeline { depth: 300 };
    let mut plan = plan(kind, Route::Fixed(fake.address()), LONG);
    plan.rate = None;
    let (outcomes, verdict) = run(plan, 2500, &memory);
    assert_eq!(verdict.present, outcomes.list.len() as u64);
    assert_eq!((verdict.sent, verdict.lost), (verdict.present, 0));
    assert_eq!(
        (verdict.reordered, verdict.duplicated, verdict.foreign),
        (0, 0, 0)
    );
    assert!(verdict.longest_gap.is_some());
    assert_eq!(verdict.kind, "pipeline of 300");
    assert_eq!(verdict.route, format!("stays with {}", fake.address()));
    assert_eq!(
        lock(&memory).lists.len() as u64,
        verdict.sent.div_ceil(1000)
    );
}

#[test]
fn a_connection_that_ends_leaves_its_write_unknown_and_the_number_is_not_used_again() {
    let memory = memory(Memory::master());
    // The 3rd is not done, the 5th is; of neither comes a reply.
    let fake = server(&memory, |argv, push, memory| match push {
        3 => Answer::Close,
        5 => {
            memory.answer(argv);
            Answer::Close
        }
        _ => memory.answer(argv),
    });
    let plan = plan(Kind::Plain, Route::Fixed(fake.address()), LONG);
    let (outcomes, verdict) = run(plan, 6, &memory);
    assert_eq!([outcomes.list[2], outcomes.list[4]], [Outcome::Unknown; 2]);
    assert_eq!((verdict.unknown, verdict.unacknowledged_present), (2, 1));
    assert_eq!(
        (verdict.lost, verdict.duplicated, verdict.reordered),
        (0, 0, 0)
    );
}

#[test]
fn a_reply_that_comes_too_late_is_no_reply_to_the_next_write() {
    let memory = memory(Memory::master());
    // The 2nd is done, and its reply comes late; what the 3rd gets is its own refusal.
    let fake = server(&memory, |argv, push, memory| match push {
        2 => {
            memory.answer(argv);
            Answer::Late(TIMEOUT * 2, b":2\r\n".to_vec())
        }
        3 => reply("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
        _ => memory.answer(argv),
    });
    let plan = plan(Kind::Plain, Route::Fixed(fake.address()), TIMEOUT);
    let (outcomes, verdict) = run(plan, 3, &memory);
    use Outcome::{Acknowledged, Refused, Unknown};
    assert_eq!(
        outcomes.list[..4],
        [Acknowledged, Unknown, Refused, Acknowledged]
    );
    assert_eq!((verdict.unacknowledged_present, verdict.lost), (1, 0));
    let (_, gap_us) = verdict.longest_gap.expect("there is one");
    assert!(gap_us >= TIMEOUT.as_micros() as u64, "{gap_us}");
}

#[test]
fn the_replies_that_came_before_a_pipeline_broke_count() {
    let memory = memory(Memory::master());
    let fake = server(&memory, |argv, push, memory| match push {
        4 => reply("-ERR no\r\n"),
        7 => Answer::Close,
        _ => memory.answer(argv),
    });
    let kind = Kind::Pipeline { depth: 10 };
    let plan = plan(kind, Route::Fixed(fake.address()), LONG);
    let (outcomes, verdict) = run(plan, 8, &memory);
    use Outcome::{Acknowledged, Refused, Unknown};
    assert_eq!(outcomes.list[..3], [Acknowledged; 3]);
    assert_eq!(outcomes.list[3..6], [Refused, Acknowledged, Acknowledged]);
    assert_eq!(outcomes.list[6..10], [Unknown; 4]);
    assert_eq!((verdict.present, verdict.lost), (verdict.acknowledged, 0));
}

#[test]
fn a_write_is_promised_when_enough_replicas_have_it() {
    let memory = memory(Memory::master());
    let mut waits = 0;
    let fake = server(&memory, move |argv, _, memory| {
        if argv[0] != b"WAIT" {
            return memory.answer(argv);
        }
        assert_eq!(argv[1..], [b"2".to_vec(), b"5000".to_vec()]);
        waits += 1;
        match waits {
            1 => reply(":2\r\n"),
            2 => reply(":1\r\n"),
            3 => reply("-UNBLOCKED force unblock from blocking operation\r\n"),
            // Later than any other reply may come, and yet in time.
            4 => Answer::Late(TIMEOUT * 2, b":3\r\n".to_vec()),
            5 => Answer::Close,
            _ => reply(":2\r\n"),
        }
    });
    let limit = Duration::from_secs(5);
    let kind = Kind::Wait { replicas: 2, limit };
    let plan = plan(kind, Route::Fixed(fake.address()), TIMEOUT);
    let (outcomes, verdict) = run(plan, 6, &memory);
    use Outcome::{Acknowledged, Promised};
    let want = [
        Promised,
        Acknowledged,
        Acknowledged,
        Promised,
        Acknowledged,
        Promised,
    ];
    assert_eq!(outcomes.list[..6], want);
    assert_eq!((verdict.kind.as_str(), verdict.lost), ("WAIT 2", 0));
    assert_eq!(verdict.promised, verdict.acknowledged - 3);
}

#[test]
fn a_writer_follows_the_sentinels_to_the_new_master() {
    let (old, new) = (memory(Memory::master()), memory(Memory::replica()));
    let (first, second) = (sound(&old), sound(&new));
    let names = Arc::new(Mutex::new(first.address()));
    let sentinel = sentinel(&names);
    let route = by_sentinels(&[&sentinel]);
    let mut writer = Writer::start(plan(Kind::Plain, route, LONG)).expect("a thread");
    wait_until(|| writer.counts().acknowledged >= 5);
    assert_eq!(writer.connected_to(), Some(first.address()));
    // It becomes a replica, and the Sentinel does not know yet: no number is spent on asking.
    *lock(&old) = Memory::replica();
    wait_until(|| {
        writer
            .trouble()
            .is_some_and(|words| words.contains("no master"))
    });
    let refused = writer.counts().refused;
    *lock(&new) = Memory::master();
    *lock(&names) = second.address();
    wait_until(|| writer.connected_to() == Some(second.address()));
    wait_until(|| writer.trouble().is_none());
    assert_eq!((refused, writer.counts().refused), (1, 1));
    let outcomes = writer.stop();
    assert_eq!(
        (outcomes.route.as_str(), writer.connected_to()),
        ("asks the Sentinels", None)
    );
}

#[test]
fn a_sentinel_that_is_silent_gone_or_wrong_is_not_the_last_word() {
    let (memory, wrong) = (memory(Memory::master()), memory(Memory::replica()));
    let (master, replica) = (sound(&memory), sound(&wrong));
    let silent = Fake::start(|_| Answer::Silent);
    let ignorant = Fake::start(|_| reply("*-1\r\n"));
    let names_replica = sentinel(&Arc::new(Mutex::new(replica.address())));
    let names_nobody = sentinel(&Arc::new(Mutex::new(nobody())));
    let right = sentinel(&Arc::new(Mutex::new(master.address())));
    let fakes = [&silent, &ignorant, &names_replica, &names_nobody, &right];
    let Route::Sentinels {
        mut addresses,
        master_name,
    } = by_sentinels(&fakes)
    else {
        unreachable!("it is one by Sentinels")
    };
    addresses.insert(0, nobody());
    let route = Route::Sentinels {
        addresses,
        master_name,
    };
    let (_, verdict) = run(plan(Kind::Plain, route, TIMEOUT), 5, &memory);
    assert_eq!((verdict.sent, verdict.lost), (verdict.present, 0));
    assert!(lock(&wrong).lists.is_empty());
}

#[test]
fn one_that_asks_nobody_stays_where_it_is_refused() {
    let memory = memory(Memory::replica());
    let fake = sound(&memory);
    let route = Route::Fixed(fake.address());
    let mut writer = Writer::start(plan(Kind::Plain, route, LONG)).expect("a thread");
    wait_until(|| writer.counts().refused >= 5);
    assert_eq!(writer.connected_to(), Some(fake.address()));
    assert!(
        writer
            .trouble()
            .is_some_and(|words| words.starts_with("READONLY"))
    );
    *lock(&memory) = Memory::master();
    wait_until(|| writer.counts().acknowledged >= 5);
    let outcomes = writer.stop();
    assert!(outcomes.list.is_sorted(), "first refused, then accepted");
}

#[test]
fn a_writer_ends_though_its_server_does_not_answer() {
    let fake = Fake::start(|argv| match &argv[0][..] {
        b"PING" => reply("+PONG\r\n"),
        _ => Answer::Silent,
    });
    let route = Route::Fixed(fake.address());
    let mut writer = Writer::start(plan(Kind::Plain, route, TIMEOUT)).expect("a thread");
    wait_until(|| writer.counts().unknown >= 2);
    let begun = Instant::now();
    let outcomes = writer.stop();
    assert!(begun.elapsed() < LONG);
    assert!(
        outcomes
            .list
            .iter()
            .all(|outcome| *outcome == Outcome::Unknown)
    );
    assert_eq!((outcomes.longest_gap, writer.last_accepted()), (None, None));
}

#[test]
fn without_a_server_no_number_is_used() {
    let route = by_sentinels(&[]);
    let mut writer = Writer::start(plan(Kind::Plain, route, TIMEOUT)).expect("a thread");
    wait_until(|| writer.trouble().is_some());
    assert!(writer.stop().list.is_empty());
    // As a relay does, in front of a server that is gone.
    let closes = Fake::start(|_| Answer::Close);
    let silent = Fake::start(|_| Answer::Silent);
    for address in [closes.address(), silent.address()] {
        let route = Route::Fixed(address);
        let mut writer = Writer::start(plan(Kind::Plain, route, TIMEOUT)).expect("a thread");
        wait_until(|| writer.trouble().is_some());
        assert!(writer.stop().list.is_empty());
    }
    let route = Route::Fixed(nobody());
    let mut writer = Writer::start(plan(Kind::Plain, route, TIMEOUT)).expect("a thread");
    wait_until(|| writer.trouble().is_some());
    wait_until(|| {
        writer
            .take_buckets()
            .iter()
            .any(|bucket| bucket.accepted + bucket.failed == 0)
    });
    assert!(writer.stop().list.is_empty());
}

#[test]
fn lists_are_read_piece_by_piece_and_errors_are_passed_on() {
    let memory = memory(Memory::master());
    let copies: Vec<Vec<u8>> = (0..2500)
        .map(|n| (1 + n % 1000).to_string().into_bytes())
        .collect();
    lock(&memory).lists.insert(b"lab:w:0".to_vec(), copies);
    lock(&memory)
        .lists
        .insert(b"lab:w:9".to_vec(), vec![b"9001".to_vec()]);
    lock(&memory)
        .lists
        .insert(b"lab:wx:0".to_vec(), vec![b"7".to_vec()]);
    let fake = sound(&memory);
    let mut wire = Wire::connect(fake.address(), None, LONG).expect("it is there");
    let found = fetch(&mut wire, "w").expect("it answers");
    assert_eq!(found.len(), 2501);
    let told = Outcomes {
        list: vec![Outcome::Acknowledged; 1000],
        ..Outcomes::default()
    };
    let verdict = check(&told, &found, None);
    assert_eq!(
        (verdict.present, verdict.duplicated, verdict.foreign),
        (1000, 1000, 1)
    );

    let loading = Fake::start(|_| reply("-LOADING wait\r\n"));
    let mut wire = Wire::connect(loading.address(), None, LONG).expect("it is there");
    let error = fetch(&mut wire, "w").expect_err("it does not answer");
    assert_eq!(error.to_string(), "LOADING wait");
    for nonsense in [
        ":1\r\n",
        "*1\r\n$1\r\n0\r\n",
        "*2\r\n*0\r\n*0\r\n",
        "*2\r\n$1\r\n0\r\n:1\r\n",
    ] {
        let fake = Fake::start(move |_| reply(nonsense));
        let mut wire = Wire::connect(fake.address(), None, LONG).expect("it is there");
        assert!(fetch(&mut wire, "w").is_err(), "{nonsense}");
    }
}
