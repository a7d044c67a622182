//! A stream against a plain vector of entries, and against payloads that the reference dumped.

use proptest::prelude::*;

use super::*;

const LIMITS: StreamLimits = StreamLimits {
    node_max_bytes: 4096,
    node_max_entries: 100,
};

type Words = Vec<Vec<u8>>;

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

fn add(stream: &mut Stream, at: NewId, words: &[&str], limits: StreamLimits) -> StreamId {
    let words = words.iter().map(|word| word.as_bytes());
    let added = stream.log_mut().append(at, words, 1000, limits);
    added.expect("the entry can be added")
}

fn words_of(entry: &Entry<'_>) -> Words {
    let pairs = entry.fields();
    pairs
        .flat_map(|(field, value)| [field.to_vec(), value.to_vec()])
        .collect()
}

fn ids(log: &Log) -> Vec<StreamId> {
    log.range(StreamId::MIN, StreamId::MAX)
        .map(|entry| entry.id)
        .collect()
}

fn numbered(count: u64, per_node: u64) -> Stream {
    let limits = StreamLimits {
        node_max_entries: per_node,
        ..LIMITS
    };
    let mut stream = Stream::new();
    for n in 1..=count {
        add(&mut stream, NewId::Exact(id(n, 0)), &["f", "v"], limits);
    }
    stream
}

#[test]
fn ids_are_chosen_as_asked() {
    let mut stream = Stream::new();
    let mut add = |at| {
        let words = [&b"f"[..], b"v"].into_iter();
        stream.log_mut().append(at, words, 1000, LIMITS)
    };
    assert_eq!(add(NewId::AutoSeq(0)), Ok(id(0, 1)));
    assert_eq!(add(NewId::Auto), Ok(id(1000, 0)));
    assert_eq!(add(NewId::Auto), Ok(id(1000, 1)));
    assert_eq!(add(NewId::AutoSeq(1000)), Ok(id(1000, 2)));
    assert_eq!(add(NewId::AutoSeq(999)), Err(AppendError::IdTooSmall));
    assert_eq!(add(NewId::Exact(id(1000, 2))), Err(AppendError::IdTooSmall));
    assert_eq!(add(NewId::AutoSeq(2000)), Ok(id(2000, 0)));
    assert_eq!(
        add(NewId::Exact(id(2000, u64::MAX))),
        Ok(id(2000, u64::MAX))
    );
    assert_eq!(add(NewId::AutoSeq(2000)), Err(AppendError::IdTooSmall));
    assert_eq!(add(NewId::Auto), Ok(id(2001, 0)));
    assert_eq!(add(NewId::Exact(StreamId::MAX)), Ok(StreamId::MAX));
    assert_eq!(add(NewId::Auto), Err(AppendError::IdTooSmall));
}

#[test]
fn entries_of_other_fields_share_a_node_and_keep_them() {
    let mut stream = Stream::new();
    let entries: [&[&str]; 5] = [
        &["a", "1", "b", "two"],
        &["a", "-5", "b", ""],
        &["b", "1", "a", "2"],
        &["a", "1"],
        &["7", "x", "007", "y", "z", "99999999999"],
    ];
    for words in entries {
        add(&mut stream, NewId::Auto, words, LIMITS);
    }
    assert_eq!(stream.log().nodes().len(), 1);
    let forward: Vec<_> = stream.log().range(StreamId::MIN, StreamId::MAX).collect();
    for (entry, words) in forward.iter().zip(entries) {
        assert_eq!(
            words_of(entry),
            words.iter().map(|w| w.as_bytes()).collect::<Vec<_>>()
        );
    }
    let mut back: Vec<_> = stream
        .log()
        .range_back(StreamId::MIN, StreamId::MAX)
        .map(|entry| (entry.id, words_of(&entry)))
        .collect();
    back.reverse();
    let forward = forward.iter().map(|entry| (entry.id, words_of(entry)));
    assert_eq!(back, forward.collect::<Vec<_>>());
}

#[test]
fn nodes_have_the_bytes_of_the_reference() {
    let mut stream = Stream::new();
    let exact = |ms, seq| NewId::Exact(id(ms, seq));
    add(&mut stream, exact(1, 1), &["a", "1", "b", "two"], LIMITS);
    add(&mut stream, exact(1, 2), &["a", "-5000", "b", ""], LIMITS);
    add(&mut stream, exact(5, 1), &["b", "1", "a", "2"], LIMITS);
    let long = "x".repeat(70);
    add(
        &mut stream,
        exact(1_700_000_000_000, 0),
        &["a", &long],
        LIMITS,
    );
    stream.log_mut().delete(&[id(1, 2)]);
    // From a DUMP of the reference.
    let before =
        b"\xa5\x00\x00\x00\x22\x00\x03\x01\x01\x01\x02\x01\x81\x61\x02\x81\x62\x02\x00\x01\
        \x02\x01\x00\x01\x00\x01\x01\x01\x83\x74\x77\x6f\x04\x05\x01\x03\x01\x00\x01\x01\
        \x01\xf1\x78\xec\x03\x80\x01\x05\x01\x00\x01\x04\x01\x00\x01\x02\x01\x81\x62\x02\
        \x01\x01\x81\x61\x02\x02\x01\x08\x01\x00\x01\xf4\xff\x67\xe5\xcf\x8b\x01\x00\x00\
        \x09\xdf\xff\x02\x01\x01\x81\x61\x02\xe0\x46";
    let after = b"\x48\x06\x01\xff";
    let nodes = stream.log().nodes();
    let nodes: Vec<_> = nodes.map(|(id, pack)| (id, pack.to_framed())).collect();
    let expected = [&before[..], long.as_bytes(), after].concat();
    assert_eq!(nodes, [(id(1, 1), expected)]);
}

#[test]
fn a_node_is_full_at_either_limit() {
    assert_eq!(numbered(10, 3).log().nodes().len(), 4);
    assert_eq!(numbered(300, 0).log().nodes().len(), 1);
    let mut stream = Stream::new();
    for _ in 0..10 {
        let limits = StreamLimits {
            node_max_bytes: 200,
            node_max_entries: 0,
        };
        add(&mut stream, NewId::Auto, &["f", &"x".repeat(60)], limits);
    }
    assert_eq!(stream.log().nodes().len(), 5);
}

#[test]
fn trimming_by_node_leaves_the_rest_of_the_node() {
    let trim = |to, by_node, limit| {
        let mut stream = numbered(10, 3);
        let trim = Trim { to, by_node, limit };
        let removed = stream.log_mut().trim(&trim);
        assert_eq!(stream.log().len(), 10 - removed);
        (removed, stream.log().first_id().ms)
    };
    assert_eq!(trim(TrimTo::Len(5), true, 0), (3, 4));
    assert_eq!(trim(TrimTo::Len(5), false, 0), (5, 6));
    assert_eq!(trim(TrimTo::Len(4), true, 0), (6, 7));
    assert_eq!(trim(TrimTo::Len(1), true, 5), (3, 4));
    assert_eq!(trim(TrimTo::Len(0), true, 0), (10, 0));
    assert_eq!(trim(TrimTo::Len(20), false, 0), (0, 1));
    assert_eq!(trim(TrimTo::Id(id(6, 0)), true, 0), (3, 4));
    assert_eq!(trim(TrimTo::Id(id(6, 0)), false, 0), (5, 6));
    assert_eq!(trim(TrimTo::Id(id(6, 1)), true, 0), (6, 7));
    assert_eq!(trim(TrimTo::Id(StreamId::MAX), true, 0), (10, 0));
}

#[test]
fn deletion_is_remembered_where_it_spoils_counting() {
    let mut stream = numbered(5, 100);
    let log = stream.log_mut();
    assert_eq!(log.entries_up_to(id(5, 0)), Some(5));
    assert_eq!(log.entries_up_to(id(1, 0)), Some(1));
    assert_eq!(log.entries_up_to(id(3, 0)), None);
    assert_eq!(log.entries_up_to(id(6, 0)), None);
    assert_eq!(log.delete(&[id(3, 0), id(3, 0), id(9, 9)]), 1);
    assert_eq!(log.max_deleted_id(), id(3, 0));
    assert_eq!(log.entries_up_to(id(1, 0)), None);
    assert_eq!(log.delete(&[id(1, 0), id(2, 0)]), 2);
    assert_eq!(log.first_id(), id(4, 0));
    assert_eq!(log.first_recorded_id(), Some(id(1, 0)));
    // Everything deleted is before the first entry, so counting works again.
    assert_eq!(log.entries_up_to(id(4, 0)), Some(4));
    assert_eq!(log.delete(&[id(4, 0), id(5, 0)]), 2);
    assert_eq!((log.len(), log.nodes().len()), (0, 0));
    assert_eq!(log.first_id(), StreamId::MIN);
    assert_eq!(log.entries_up_to(id(2, 0)), Some(5));
}

#[test]
fn a_group_knows_how_far_behind_it_is() {
    let mut stream = numbered(5, 100);
    stream.create_group(b"g", Group::new(StreamId::MIN, None));
    let lag = |stream: &Stream| stream.group(b"g").unwrap().lag(stream.log());
    let read = |stream: &mut Stream, ms| {
        let (log, group) = stream.group_mut(b"g").unwrap();
        group.advance(log, id(ms, 0))
    };
    assert_eq!(lag(&stream), Some(5));
    assert!(read(&mut stream, 1));
    assert_eq!(stream.group(b"g").unwrap().entries_read, Some(1));
    assert!(read(&mut stream, 2));
    assert!(!read(&mut stream, 2));
    assert_eq!(lag(&stream), Some(3));
    stream.log_mut().delete(&[id(4, 0)]);
    assert_eq!(lag(&stream), None);
    read(&mut stream, 3);
    assert_eq!(stream.group(b"g").unwrap().entries_read, None);
    read(&mut stream, 5);
    assert_eq!(stream.group(b"g").unwrap().entries_read, Some(5));
    assert_eq!(lag(&stream), Some(0));
}

#[test]
fn pending_entries_change_hands() {
    let mut group = Group::new(StreamId::MIN, None);
    let alice = group.create_consumer(b"alice", 1).unwrap();
    let bob = group.create_consumer(b"bob", 1).unwrap();
    assert_eq!(group.create_consumer(b"bob", 1), None);
    for ms in 1..=3 {
        group.deliver(id(ms, 0), alice, 10);
    }
    let claim = Claim {
        delivered_ms: 20,
        deliveries: Deliveries::CountOne,
    };
    let claimed = group.claim(id(2, 0), bob, claim, 25);
    assert_eq!((claimed.deliveries, claimed.owner), (2, bob));
    assert_eq!(group.consumer(alice).pending_len(), 2);
    assert_eq!(group.consumer(bob).active_ms, Some(25));
    group.deliver(id(1, 0), bob, 30);
    let of_bob = group.consumer(bob).pending_from(StreamId::MIN);
    assert_eq!(of_bob.collect::<Vec<_>>(), [id(1, 0), id(2, 0)]);
    assert!(group.acknowledge(id(2, 0)).is_some());
    assert!(group.acknowledge(id(2, 0)).is_none());
    assert_eq!(group.pending_bounds(), Some((id(1, 0), id(3, 0))));
    assert_eq!(group.remove_consumer(b"bob"), Some(1));
    assert_eq!(group.remove_consumer(b"bob"), None);
    assert_eq!(group.pending_len(), 1);
    let carol = group.create_consumer(b"carol", 1).unwrap();
    group.deliver(id(3, 0), carol, 40);
    assert_eq!(group.consumer(alice).pending_len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, Words),
    Delete(usize),
    Trim { len: usize, by_node: bool },
    TrimId { nth: usize, by_node: bool },
    Range(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let word = prop_oneof![
        Just(b"field".to_vec()),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    let words = prop::collection::vec((Just(b"f".to_vec()), word), 1..4)
        .prop_map(|pairs| pairs.into_iter().flat_map(|(f, w)| [f, w]).collect());
    prop_oneof![
        8 => (prop_oneof![Just(0u64), 1..300u64, any::<u64>()], words)
            .prop_map(|(gap, words)| Step::Add(gap, words)),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => (0..60usize, any::<bool>()).prop_map(|(len, by_node)| Step::Trim { len, by_node }),
        1 => (0..60usize, any::<bool>()).prop_map(|(nth, by_node)| Step::TrimId { nth, by_node }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Step::Range(a, b)),
    ]
}

/// The stream as a vector, with the node that each entry went to, since trimming shows it.
#[derive(Default)]
struct Model(Vec<(StreamId, Words)>);

impl Model {
    fn pick(&self, n: usize) -> StreamId {
        match self.0.len() {
            0 => id(n as u64, 0),
            len => self.0[n % len].0,
        }
    }

    fn drop_front(&mut self, removed: u64, goes_at_most: usize, exactly: bool) {
        let removed = removed as usize;
        assert!(removed <= goes_at_most);
        assert!(!exactly || removed == goes_at_most);
        self.0.drain(..removed);
    }
}

fn run(stream: &mut Stream, model: &mut Model, step: Step, limits: StreamLimits) {
    match step {
        Step::Add(gap, words) => {
            let last = stream.log().last_id();
            let wanted = match gap % 3 {
                0 => NewId::Auto,
                1 => NewId::AutoSeq(last.ms),
                _ => NewId::Exact(id(last.ms.wrapping_add(gap), gap)),
            };
            let given = words.iter().map(|word| &word[..]);
            if let Ok(id) = stream.log_mut().append(wanted, given, 1000, limits) {
                assert!(id > last);
                model.0.push((id, words));
            }
        }
        Step::Delete(n) => {
            let gone = model.pick(n);
            let was_there = model.0.iter().any(|(id, _)| *id == gone);
            assert_eq!(stream.log_mut().delete(&[gone]), u64::from(was_there));
            model.0.retain(|(id, _)| *id != gone);
        }
        Step::Trim { len, by_node } => {
            let to = TrimTo::Len(len as u64);
            let removed = stream.log_mut().trim(&Trim {
                to,
                by_node,
                limit: 0,
            });
            model.drop_front(removed, model.0.len().saturating_sub(len), !by_node);
        }
        Step::TrimId { nth, by_node } => {
            let from = model.pick(nth);
            let to = TrimTo::Id(from);
            let removed = stream.log_mut().trim(&Trim {
                to,
                by_node,
                limit: 0,
            });
            let below = model.0.iter().filter(|(id, _)| *id < from).count();
            model.drop_front(removed, below, !by_node);
        }
        Step::Range(a, b) => {
            let (start, end) = (model.pick(a), model.pick(b));
            let expected = model.0.iter().filter(|(id, _)| (start..=end).contains(id));
            let expected: Vec<_> = expected.cloned().collect();
            let of = |entry: Entry<'_>| (entry.id, words_of(&entry));
            let found: Vec<_> = stream.log().range(start, end).map(of).collect();
            let mut back: Vec<_> = stream.log().range_back(start, end).map(of).collect();
            back.reverse();
            assert_eq!((&found, &back), (&expected, &expected));
        }
    }
}

/// What a snapshot would hold of the entries, put together again.
fn restored(log: &Log) -> Result<Stream, RestoreError> {
    let mut restore = Restore::new();
    for (id, listpack) in log.nodes() {
        restore.node(&id.to_bytes(), listpack.to_framed())?;
    }
    restore.counters(Counters {
        len: log.len(),
        last_id: log.last_id(),
        history: Some((log.max_deleted_id(), log.entries_added())),
    })?;
    restore.finish()
}

proptest! {
    #[test]
    fn a_stream_does_what_a_vector_does(
        steps in prop::collection::vec(step(), 1..120),
        node_max_entries in 0u64..12,
        node_max_bytes in prop_oneof![Just(0usize), 100..600usize],
    ) {
        let limits = StreamLimits { node_max_bytes, node_max_entries };
        let mut stream = Stream::new();
        let mut model = Model::default();
        for step in steps {
            run(&mut stream, &mut model, step, limits);
            let log = stream.log();
            prop_assert_eq!(log.len() as usize, model.0.len());
            let first = model.0.first().map_or(StreamId::MIN, |(id, _)| *id);
            prop_assert_eq!(log.first_id(), first);
            prop_assert_eq!(log.last_entry_id(), model.0.last().map(|(id, _)| *id));
        }
        let log = stream.log();
        prop_assert_eq!(ids(log), model.0.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        for (id, words) in &model.0 {
            prop_assert_eq!(&words_of(&log.get(*id).unwrap()), words);
        }
        let again = restored(log).expect("our own nodes are good");
        prop_assert_eq!(ids(again.log()), ids(log));
        prop_assert_eq!(again.log().first_id(), log.first_id());
    }

    /// Whatever is changed in a node's bytes, what passes the check can be used without a panic.
    #[test]
    fn broken_nodes_are_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        same in any::<bool>(),
    ) {
        let mut stream = numbered(4, 100);
        let other: &[&str] = if same { &["f", "w"] } else { &["g", "300", "h", "-1"] };
        add(&mut stream, NewId::Exact(id(300, 70000)), other, LIMITS);
        stream.log_mut().delete(&[id(2, 0)]);
        let (node_id, pack) = stream.log().nodes().next().unwrap();
        let mut bytes = pack.to_framed();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut restore = Restore::new();
        if restore.node(&node_id.to_bytes(), bytes).is_ok() {
            use_everything(restore);
        }
    }
}

fn use_everything(mut restore: Restore) {
    for len in 0..8 {
        let counters = Counters {
            len,
            last_id: StreamId::MAX.previous().unwrap(),
            history: None,
        };
        if restore.counters(counters).is_ok() {
            break;
        }
    }
    let mut stream = restore.finish().unwrap();
    for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
        words_of(&entry);
    }
    let back = stream.log().range_back(StreamId::MIN, StreamId::MAX);
    let there: Vec<_> = back.map(|entry| entry.id).collect();
    assert_eq!(there.len() as u64, stream.log().len());
    stream.log_mut().delete(&there[..1.min(there.len())]);
    for to in [TrimTo::Id(id(2, 5)), TrimTo::Len(1)] {
        let by_node = false;
        stream.log_mut().trim(&Trim {
            to,
            by_node,
            limit: 0,
        });
    }
    let _ = stream
        .log_mut()
        .append(NewId::Auto, [&b"f"[..], b"v"].into_iter(), 1, LIMITS);
}
