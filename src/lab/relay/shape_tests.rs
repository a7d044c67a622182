//! One direction of a connection, with the time in the test's hands.

use proptest::prelude::*;

use super::*;

const MS: u64 = 1000;
const S: u64 = 1_000_000;

fn link(delay_us: u64, bytes_per_s: u64) -> Link {
    let mut link = Link::default();
    let state = LinkState {
        cut: false,
        delay_us,
        bytes_per_s,
    };
    link.set(state, 0);
    link
}

/// Cuts or heals a link and leaves all else.
fn set_cut(link: &mut Link, cut: bool, now_us: u64) {
    let state = LinkState {
        cut,
        ..link.state()
    };
    link.set(state, now_us);
}

/// Lets all leave that may at an instant.
fn drain(queue: &mut Queue, link: &mut Link, now_us: u64) -> (Vec<u8>, Vec<Mark>) {
    let (mut bytes, mut marks) = (Vec::new(), Vec::new());
    loop {
        match queue.next(link, now_us) {
            Next::Bytes(some) => {
                assert!(!some.is_empty());
                bytes.extend_from_slice(some);
                let count = some.len();
                queue.bytes_left(count);
            }
            Next::Mark(mark) => {
                marks.push(mark);
                queue.mark_left();
            }
            Next::Nothing | Next::Cut | Next::At(_) => return (bytes, marks),
        }
    }
}

#[test]
fn over_a_calm_link_all_leaves_at_once_and_in_order() {
    let (mut queue, mut link) = (Queue::default(), Link::default());
    assert!(link.is_calm());
    queue.send(b"one", 5);
    queue.send(b" two", 6);
    queue.send(b"", 6);
    queue.send_mark(Mark::Finish, 6);
    let (bytes, marks) = drain(&mut queue, &mut link, 6);
    assert_eq!(bytes, b"one two");
    assert_eq!(marks, [Mark::Finish]);
    assert!(queue.is_empty());
    assert_eq!(queue.next(&mut link, 7), Next::Nothing);
}

#[test]
fn bytes_and_the_end_leave_when_their_delay_is_over() {
    let (mut queue, mut link) = (Queue::default(), link(250 * MS, 0));
    queue.send(b"a", 10);
    queue.send(b"b", 20);
    queue.send_mark(Mark::Reset, 30);
    assert_eq!(queue.next(&mut link, 10), Next::At(250 * MS + 10));
    assert_eq!(queue.next(&mut link, 250 * MS + 10), Next::Bytes(b"a"));
    queue.bytes_left(1);
    assert_eq!(
        queue.next(&mut link, 250 * MS + 10),
        Next::At(250 * MS + 20)
    );
    assert_eq!(queue.next(&mut link, 250 * MS + 25), Next::Bytes(b"b"));
    queue.bytes_left(1);
    assert_eq!(
        queue.next(&mut link, 250 * MS + 25),
        Next::At(250 * MS + 30)
    );
    assert_eq!(queue.next(&mut link, S), Next::Mark(Mark::Reset));
}

#[test]
fn a_lowered_delay_holds_for_what_is_on_its_way_and_keeps_the_order() {
    let (mut queue, mut link) = (Queue::default(), link(S, 0));
    queue.send(b"slow", 0);
    link.set(LinkState::default(), 10);
    queue.send(b"fast", 10);
    assert_eq!(drain(&mut queue, &mut link, 10).0, b"slowfast");
}

#[test]
fn nothing_passes_a_cut_and_what_waited_takes_the_whole_delay_afterwards() {
    let (mut queue, mut link) = (Queue::default(), link(100 * MS, 0));
    queue.send(b"before", 0);
    set_cut(&mut link, true, 50 * MS);
    queue.send(b"within", 60 * MS);
    queue.send_mark(Mark::Finish, 70 * MS);
    assert_eq!(queue.next(&mut link, 3600 * S), Next::Cut);
    set_cut(&mut link, false, 4000 * S);
    let due = 4000 * S + 100 * MS;
    assert_eq!(queue.next(&mut link, 4000 * S), Next::At(due));
    let (bytes, marks) = drain(&mut queue, &mut link, due);
    assert_eq!(bytes, b"beforewithin");
    assert_eq!(marks, [Mark::Finish]);
}

#[test]
fn a_slow_link_sends_a_burst_and_then_at_its_rate() {
    let (mut queue, mut link) = (Queue::default(), link(0, 100_000));
    queue.send(&[7; 50_000], S);
    // 20 ms of 100,000 bytes a second.
    let first = drain(&mut queue, &mut link, S).0.len();
    assert_eq!(
        first, 1500,
        "one grant leaves of the burst of 2000, the next is too large"
    );
    let Next::At(due) = queue.next(&mut link, S) else {
        panic!("the bucket is empty");
    };
    assert_eq!(due, S + 10 * MS);
    let (mut now, mut sum) = (due, first);
    while !queue.is_empty() {
        sum += drain(&mut queue, &mut link, now).0.len();
        if let Next::At(due) = queue.next(&mut link, now) {
            now = due;
        }
    }
    assert_eq!(sum, 50_000);
    assert_eq!(now, S + 480 * MS, "48,000 bytes had to wait");
}

#[test]
fn queues_on_a_slow_link_take_turns() {
    let mut link = link(0, 1_000_000);
    let mut queues = [Queue::default(), Queue::default()];
    for queue in &mut queues {
        queue.send(&[1; 200_000], 0);
    }
    let mut passed = [0, 0];
    for step in 0..200 {
        let now = step * MS;
        for (queue, passed) in queues.iter_mut().zip(&mut passed) {
            *passed += drain(queue, &mut link, now).0.len();
        }
    }
    let all: usize = passed.iter().sum();
    assert!((190_000..=225_000).contains(&all), "{passed:?}");
    assert!(passed[0].abs_diff(passed[1]) <= 25_000, "{passed:?}");
}

#[test]
fn another_rate_or_a_heal_makes_old_grants_void() {
    let (mut queue, mut link) = (Queue::default(), link(0, 1));
    queue.send(&[1; 10_000], 0);
    assert_eq!(drain(&mut queue, &mut link, 0).0.len(), 1500);
    let Next::At(due) = queue.next(&mut link, 0) else {
        panic!("a byte a second is slow");
    };
    assert_eq!(due, 1500 * S);
    link.set(LinkState::default(), 1);
    assert_eq!(drain(&mut queue, &mut link, 1).0.len(), 8500);
}

#[test]
fn a_queue_is_bounded_and_longer_where_bytes_are_long_on_their_way() {
    let calm = Link::default();
    let mut queue = Queue::default();
    let mut now = 0;
    while queue.has_room(&calm, 64) {
        queue.send(&[0; 64], now);
        now += 1;
    }
    assert!(queue.bytes.len() <= BUFFER_BYTES);
    assert!(
        queue.bytes.len() > BUFFER_BYTES / 3,
        "notes are counted, and are small"
    );
    let far = link(10 * S, 1_000_000);
    assert!(queue.has_room(&far, 9_000_000));
    let farther = link(u64::MAX, u64::MAX);
    assert!(!queue.has_room(&farther, 20_000_000));
    queue.clear();
    assert!(queue.is_empty());
}

#[test]
fn extreme_settings_overflow_nothing() {
    let (mut queue, mut link) = (Queue::default(), link(u64::MAX, u64::MAX));
    queue.send(b"x", 1);
    assert_eq!(queue.next(&mut link, 1), Next::At(u64::MAX));
    let mut fast = self::link(0, u64::MAX);
    assert_eq!(drain(&mut queue, &mut fast, 2).0, b"x");
    let mut slow = self::link(0, 1);
    queue.send(b"x", u64::MAX - 1);
    drain(&mut queue, &mut slow, u64::MAX - 1);
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Mark,
    Wait(u64),
    Set(LinkState),
    /// Lets pieces leave, each at most so long.
    Leave(usize),
}

fn states() -> impl Strategy<Value = LinkState> {
    let delay = prop_oneof![Just(0), 0..200 * MS];
    let rate = prop_oneof![Just(0), 1000..5_000_000u64];
    (prop::bool::weighted(0.3), delay, rate).prop_map(|(cut, delay_us, bytes_per_s)| LinkState {
        cut,
        delay_us,
        bytes_per_s,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3000usize).prop_map(Step::Send),
        1 => Just(Step::Mark),
        4 => (0..50 * MS).prop_map(Step::Wait),
        1 => states().prop_map(Step::Set),
        4 => (1..5000usize).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..80)
}

/// Bytes that count up from the first.
fn numbers(first: u8, count: usize) -> Vec<u8> {
    (0..count).map(|i| first.wrapping_add(i as u8)).collect()
}

/// All that was sent and not yet seen: a byte or a mark each, and when.
#[derive(Default)]
struct Model {
    sent: VecDeque<(Option<u8>, u64)>,
    healed_us: u64,
    counter: u8,
}

impl Model {
    /// One unit has left; whether it was the right one, and not too early.
    fn left(&mut self, unit: Option<u8>, link: &Link, now_us: u64) {
        assert!(!link.is_cut());
        let (expected, sent_us) = self.sent.pop_front().expect("nothing is invented");
        assert_eq!(unit, expected);
        assert!(now_us >= sent_us.max(self.healed_us) + link.state().delay_us);
    }

    fn leave(&mut self, queue: &mut Queue, link: &mut Link, now_us: u64, at_most: usize) {
        loop {
            match queue.next(link, now_us) {
                Next::Bytes(bytes) => {
                    let count = bytes.len().min(at_most);
                    for &byte in &bytes[..count] {
                        self.left(Some(byte), link, now_us);
                    }
                    queue.bytes_left(count);
                }
                Next::Mark(_) => {
                    self.left(None, link, now_us);
                    queue.mark_left();
                }
                Next::At(due_us) => return assert!(due_us > now_us),
                Next::Cut => return assert!(link.is_cut()),
                Next::Nothing => return assert!(self.sent.is_empty()),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_leaves_once_in_order_and_not_before_its_time(steps in steps()) {
        let (mut queue, mut link, mut model) = <(Queue, Link, Model)>::default();
        let mut now_us = 1;
        for step in steps {
            match step {
                Step::Send(count) => {
                    let bytes = numbers(model.counter, count);
                    model.counter = model.counter.wrapping_add(count as u8).wrapping_add(3);
                    model.sent.extend(bytes.iter().map(|&byte| (Some(byte), now_us)));
                    queue.send(&bytes, now_us);
                }
                Step::Mark => {
                    model.sent.push_back((None, now_us));
                    queue.send_mark(Mark::Finish, now_us);
                }
                Step::Wait(us) => now_us += us,
                Step::Set(state) => {
                    if link.is_cut() && !state.cut {
                        model.healed_us = now_us;
                    }
                    link.set(state, now_us);
                }
                Step::Leave(at_most) => model.leave(&mut queue, &mut link, now_us, at_most),
            }
        }
        // In the end all is healed, and whatever is asked when it says that it is due has left.
        if link.is_cut() {
            model.healed_us = now_us;
        }
        link.set(LinkState { cut: false, ..link.state() }, now_us);
        let mut turns = 0;
        while !queue.is_empty() {
            model.leave(&mut queue, &mut link, now_us, usize::MAX);
            if let Next::At(due_us) = queue.next(&mut link, now_us) {
                now_us = due_us;
            }
            turns += 1;
            prop_assert!(turns < 10_000, "it comes to an end");
        }
        prop_assert!(model.sent.is_empty());
    }

    #[test]
    fn a_rate_is_kept_over_every_stretch_of_time(
        rate in 1000..10_000_000u64,
        waits in prop::collection::vec(0..20 * MS, 1..100),
    ) {
        let (mut queue, mut link) = (Queue::default(), link(0, rate));
        queue.send(&vec![0; 2_000_000], 0);
        let mut now_us = 0;
        let mut left: Vec<(u64, u64)> = Vec::new();
        for wait in waits {
            now_us += wait;
            let count = drain(&mut queue, &mut link, now_us).0.len() as u64;
            left.push((now_us, count));
        }
        let burst = link.burst_bytes();
        let grant = (burst / GRANTS_PER_BURST).max(BURST_BYTES_MIN);
        for (i, &(from_us, _)) in left.iter().enumerate() {
            let mut sum = 0;
            for &(to_us, count) in &left[i..] {
                sum += count;
                let allowed = rate * (to_us - from_us) / S + burst + grant;
                prop_assert!(sum <= allowed, "{sum} of {allowed} within {}", to_us - from_us);
            }
        }
    }
}
