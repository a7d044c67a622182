//! Any history against a plain vector, and where nodes are cut against the reference.

use super::*;
use proptest::prelude::*;

fn limits(max_listpack_size: i32, compress_depth: u32) -> ListLimits {
    ListLimits {
        max_listpack_size,
        compress_depth,
        ..ListLimits::default()
    }
}

fn texts(list: &Quicklist) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    let _ = list.visit(0, Side::After, |element| {
        texts.push(element.to_vec());
        ControlFlow::Continue(())
    });
    texts
}

fn counts(list: &Quicklist) -> Vec<usize> {
    list.nodes.iter().map(Node::count).collect()
}

/// A list of the numbers from 0 on, at most `fill` in a node.
fn numbers(fill: i32, n: usize) -> Quicklist {
    let mut list = Quicklist::new(&limits(fill, 0));
    for number in 0..n {
        list.push(End::Tail, number.to_string().as_bytes(), usize::MAX);
    }
    list
}

fn insert(list: &mut Quicklist, index: usize, side: Side) {
    list.insert(index, side, b"new", usize::MAX);
    list.check_invariants();
}

#[test]
fn the_header_of_a_node_is_as_small_as_the_story_says() {
    assert!(size_of::<Node>() <= 48);
}

#[test]
fn limits_mean_bytes_when_negative_and_elements_otherwise() {
    for (setting, limit) in [
        (-1, Limit::Bytes(4096)),
        (-2, Limit::Bytes(8192)),
        (-5, Limit::Bytes(65536)),
        (-6, Limit::Bytes(65536)),
        (i32::MIN, Limit::Bytes(65536)),
        (0, Limit::Count(1)),
        (128, Limit::Count(128)),
    ] {
        assert_eq!(Limit::of(setting), limit, "{setting}");
    }
    assert!(!Limit::Bytes(4096).is_exceeded_by(4096, 100_000));
    assert!(Limit::Bytes(4096).is_exceeded_by(4097, 1));
    assert!(!Limit::Count(4).is_exceeded_by(8192, 4));
    assert!(Limit::Count(4).is_exceeded_by(8193, 1));
    assert!(Limit::Count(4).is_exceeded_by(20, 5));
    assert!(Limit::Count(4).takes_back(9000, 2, true));
    assert!(!Limit::Count(4).takes_back(20, 3, true));
    assert!(Limit::Count(4).takes_back(20, 4, false));
    assert!(!Limit::Bytes(4096).takes_back(2049, 1, true));
}

#[test]
fn a_node_takes_elements_up_to_the_limit() {
    assert_eq!(counts(&numbers(4, 10)), [4, 4, 2]);
    let mut list = Quicklist::new(&limits(-1, 0));
    for _ in 0..90 {
        list.push(End::Head, &[b'x'; 100], usize::MAX);
    }
    // 103 bytes each, but reckoned with 108: 39 of them in 4096 bytes.
    assert_eq!(counts(&list), [12, 39, 39]);
    list.push(End::Head, &[b'x'; 5000], usize::MAX);
    list.push(End::Head, b"1", usize::MAX);
    assert_eq!(counts(&list), [1, 1, 12, 39, 39]);
}

#[test]
fn an_insertion_into_a_full_node_uses_its_neighbour_or_splits() {
    // At the edge of a full node: the neighbour has room, or there is a new node.
    let mut list = numbers(4, 10);
    insert(&mut list, 7, Side::After);
    assert_eq!(counts(&list), [4, 4, 3]);
    insert(&mut list, 4, Side::Before);
    assert_eq!(counts(&list), [4, 1, 4, 3]);
    insert(&mut list, 3, Side::After);
    assert_eq!(counts(&list), [4, 2, 4, 3]);
    // In the middle of a full node: it is split, and the parts that fit are merged.
    let mut list = numbers(4, 12);
    insert(&mut list, 5, Side::After);
    assert_eq!(counts(&list), [4, 2, 3, 4]);
    insert(&mut list, 1, Side::Before);
    assert_eq!(counts(&list), [2, 3, 2, 3, 4]);
    insert(&mut list, 3, Side::Before);
    assert_eq!(counts(&list), [2, 4, 2, 3, 4]);
}

#[test]
fn large_elements_are_nodes_alone() {
    let mut list = Quicklist::new(&limits(-2, 0));
    let push = |list: &mut Quicklist, text: &[u8]| list.push(End::Tail, text, 10);
    for text in [&b"a"[..], b"b", b"large element", b"c"] {
        push(&mut list, text);
    }
    assert_eq!(counts(&list), [2, 1, 1]);
    assert!(matches!(
        list.nodes().nth(1),
        Some(NodeRef::Plain(b"large element"))
    ));
    // A small one in place of a large one joins the next node.
    list.replace(2, b"small", 10);
    list.check_invariants();
    assert_eq!(counts(&list), [2, 2]);
    // A large one in place of a small one cuts the node.
    list.replace(0, b"large once more", 10);
    list.check_invariants();
    assert_eq!(counts(&list), [1, 1, 2]);
    list.replace(0, b"large as before", 10);
    list.insert(2, Side::After, b"large in between", 10);
    list.check_invariants();
    assert_eq!(counts(&list), [1, 1, 1, 1, 1]);
    let expected = ["large as before", "b", "small", "large in between", "c"];
    assert_eq!(texts(&list), expected.map(|text| text.as_bytes().to_vec()));
    assert_eq!(
        list.pop(End::Head, |e| e.to_vec()).unwrap(),
        b"large as before"
    );
    assert_eq!(list.remove_equal(b"large in between", End::Tail, 9), 1);
    list.check_invariants();
    assert_eq!(counts(&list), [1, 1, 1]);
}

#[test]
fn nodes_beyond_the_depth_are_compressed_and_read_without_a_change() {
    let mut list = Quicklist::new(&limits(-1, 1));
    for number in 0..2000 {
        let text = format!("element number {number}");
        list.push(End::Tail, text.as_bytes(), usize::MAX);
    }
    list.check_invariants();
    let compressed = |list: &Quicklist| -> Vec<bool> {
        list.nodes()
            .map(|node| matches!(node, NodeRef::Compressed { .. }))
            .collect()
    };
    let states = compressed(&list);
    let inner = &states[1..states.len() - 1];
    assert!(states.len() > 5 && inner.iter().all(|&is| is), "{states:?}");
    assert!(list.allocated_bytes(usize::MAX) < list.uncompressed_bytes());
    assert_eq!(
        list.with_index(1000, |e| e.to_vec()).unwrap(),
        b"element number 1000"
    );
    assert_eq!(compressed(&list), states);
    // A change in the middle leaves the node compressed again.
    list.replace(1000, b"another", usize::MAX);
    list.check_invariants();
    assert_eq!(compressed(&list), states);
    assert_eq!(list.remove_equal(b"another", End::Head, 1), 1);
    assert_eq!(compressed(&list), states);
    while list.pop(End::Head, |_| ()).is_some() {
        if list.len().is_multiple_of(100) {
            list.check_invariants();
        }
    }
}

#[test]
fn a_list_that_shrank_gives_the_room_for_its_nodes_back() {
    let mut list = numbers(1, 10_000);
    assert_eq!(list.nodes.len(), 10_000);
    list.remove_range(10, 9_980);
    list.check_invariants();
    assert_eq!(list.len(), 20);
    assert!(list.nodes.capacity() <= 100, "{}", list.nodes.capacity());
}

/// One step of a random history; places are taken modulo the length.
#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<u8>),
    Pop(End),
    Insert(usize, Side, Vec<u8>),
    Replace(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(usize, End, usize),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0i64..10).prop_map(|n| n.to_string().into_bytes()),
        2 => "[a-c]{0,3}".prop_map(String::into_bytes),
        2 => "[a-c]{60,90}".prop_map(String::into_bytes),
        1 => "[a-c]{1500,1600}".prop_map(String::into_bytes),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Before), Just(Side::After)]
}

fn step() -> impl Strategy<Value = Step> {
    let place = any::<usize>();
    prop_oneof![
        8 => (end(), text()).prop_map(|(end, text)| Step::Push(end, text)),
        2 => end().prop_map(Step::Pop),
        4 => (place, side(), text()).prop_map(|(at, side, text)| Step::Insert(at, side, text)),
        2 => (place, text()).prop_map(|(at, text)| Step::Replace(at, text)),
        1 => (place, 0usize..12).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (place, end(), 0usize..4).prop_map(|(at, end, max)| Step::RemoveEqual(at, end, max)),
    ]
}

/// Takes one step with both; a step that needs an element does nothing without one.
fn take(step: Step, list: &mut Quicklist, model: &mut Vec<Vec<u8>>, plain_from: usize) {
    let place = |at: usize| (!model.is_empty()).then(|| at % model.len());
    match step {
        Step::Push(end, text) => {
            list.push(end, &text, plain_from);
            let at = if end == End::Head { 0 } else { model.len() };
            model.insert(at, text);
        }
        Step::Pop(end) => {
            let expected = match end {
                End::Head if !model.is_empty() => Some(model.remove(0)),
                End::Head => None,
                End::Tail => model.pop(),
            };
            assert_eq!(list.pop(end, |e| e.to_vec()), expected);
        }
        Step::Insert(at, side, text) => {
            let Some(at) = place(at) else { return };
            list.insert(at, side, &text, plain_from);
            model.insert(at + usize::from(side == Side::After), text);
        }
        Step::Replace(at, text) => {
            let Some(at) = place(at) else { return };
            list.replace(at, &text, plain_from);
            model[at] = text;
        }
        Step::RemoveRange(at, count) => {
            let Some(at) = place(at) else { return };
            let removed = model.drain(at..model.len().min(at + count)).count();
            assert_eq!(list.remove_range(at, count), removed);
        }
        Step::RemoveEqual(at, end, max) => {
            let Some(at) = place(at) else { return };
            let text = model[at].clone();
            let removed = list.remove_equal(&text, end, max);
            let mut left = max;
            let mut stays = |other: &Vec<u8>| {
                let goes = left > 0 && *other == text;
                left -= usize::from(goes);
                !goes
            };
            match end {
                End::Head => model.retain(&mut stays),
                End::Tail => {
                    model.reverse();
                    model.retain(&mut stays);
                    model.reverse();
                }
            }
            assert_eq!(removed, max - left);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_history_gives_what_a_vector_gives(
        fill in prop_oneof![Just(-1), Just(-2), 0i32..6],
        depth in 0u32..3,
        plain_from in prop_oneof![Just(usize::MAX), Just(70)],
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut list = Quicklist::new(&limits(fill, depth));
        let mut model: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            take(step, &mut list, &mut model, plain_from);
            list.check_invariants();
            prop_assert_eq!(list.len(), model.len());
        }
        prop_assert_eq!(&texts(&list), &model);
        prop_assert_eq!(&texts(&list.clone()), &model);
        let mut backwards = Vec::new();
        let _ = list.visit(model.len().wrapping_sub(1), Side::Before, |element| {
            backwards.push(element.to_vec());
            ControlFlow::Continue(())
        });
        backwards.reverse();
        prop_assert_eq!(&backwards, &model);
        for (index, text) in model.iter().enumerate() {
            let found = list.with_index(index, |e| e.to_vec());
            prop_assert_eq!(found.as_ref(), Some(text));
        }
        prop_assert!(list.with_index(model.len(), |_| ()).is_none());
    }
}
