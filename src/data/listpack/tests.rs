//! The format against vectors of the reference, everything else against a plain vector of strings.

use super::*;
use crate::base::rng::Rng;
use proptest::prelude::*;

fn pack<'e>(elements: impl IntoIterator<Item = &'e [u8]>) -> Listpack {
    let mut pack = Listpack::new();
    for element in elements {
        pack.push_back(element);
    }
    pack
}

fn texts(view: ListpackRef<'_>) -> Vec<Vec<u8>> {
    view.iter().map(Element::to_vec).collect()
}

fn framed(pack: &Listpack) -> Vec<u8> {
    pack.as_ref().to_framed()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bytes_are_those_that_the_reference_writes() {
    // What DUMP of a list tells, without its frame.
    let vectors: &[(&[&str], &str)] = &[
        (&[], "070000000000ff"),
        (
            &[
                "0", "127", "128", "-1", "4095", "4096", "-4096", "-4097", "32767", "32768",
                "-32768", "-32769",
            ],
            "310000000c0000017f01c08002dfff02cfff02f1001003d00002f1ffef03f1ff7f03f200800004f1008003\
             f2ff7fff04ff",
        ),
        (
            &[
                "8388607",
                "8388608",
                "-8388608",
                "-8388609",
                "2147483647",
                "2147483648",
                "-2147483648",
                "-2147483649",
                "9223372036854775807",
                "-9223372036854775808",
            ],
            "510000000a00f2ffff7f04f30000800005f200008004f3ffff7fff05f3ffffff7f05f40000008000000000\
             09f30000008005f4ffffff7fffffffff09f4ffffffffffffff7f09f4000000000000008009ff",
        ),
        (
            &[
                "",
                "a",
                "9223372036854775808",
                "-9223372036854775809",
                "-0",
                "+1",
                "01",
                "1.5",
                "-",
            ],
            "4b00000009008001816102933932323333373230333638353437373538303814942d393232333337323033\
             3638353437373538303915822d3003822b31038230310383312e3504812d02ff",
        ),
    ];
    for (elements, bytes) in vectors {
        let pack = pack(elements.iter().map(|text| text.as_bytes()));
        assert_eq!(hex(&framed(&pack)), *bytes, "{elements:?}");
        let back = texts(ListpackRef::validate(&framed(&pack)).unwrap());
        assert_eq!(
            back,
            elements.iter().map(|e| e.as_bytes()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn lengths_of_strings_and_of_entries_step_where_the_reference_steps() {
    // Length of a string; head and tail of its listpack.
    let vectors: &[(usize, &str, &str)] = &[
        (63, "4800000001" /* 6 + 1 + 63 + 1 + 1 */, "7a40ff"),
        (64, "4a00000001", "7a42ff"),
        (125, "8700000001", "7a7fff"),
        (126, "8900000001", "0180ff"),
        (128, "8b00000001", "0182ff"),
        (4095, "0a10000001", "2081ff"),
        (4096, "0e10000001", "2085ff"),
        (16377, "0740000001", "7ffeff"),
        (16378, "0940000001", "ffffff"),
        (16380, "0b40000001", "8081ff"),
    ];
    for (len, head, tail) in vectors {
        let text = vec![b'z'; *len];
        let pack = pack([&text[..]]);
        let bytes = framed(&pack);
        assert_eq!(hex(&bytes[..5]), *head, "{len}");
        assert_eq!(hex(&bytes[bytes.len() - 3..]), *tail, "{len}");
        assert_eq!(bytes.len(), 7 + entry_bytes(&text[..]), "{len}");
        assert_eq!(pack.as_ref().index(-1).unwrap(), &text[..]);
        assert!(ListpackRef::validate(&bytes).is_ok(), "{len}");
    }
}

#[test]
fn an_index_counts_from_either_end() {
    let pack = pack([&b"a"[..], b"1", b"c", b"4000", b"e"]);
    let view = pack.as_ref();
    for (index, text) in [(0, "a"), (1, "1"), (2, "c"), (3, "4000"), (4, "e")] {
        assert_eq!(view.index(index).unwrap(), text.as_bytes());
        assert_eq!(view.index(index - 5).unwrap(), text.as_bytes());
    }
    for outside in [5, -6, i64::MAX, i64::MIN] {
        assert_eq!(view.seek(outside), None);
    }
    assert_eq!(Listpack::new().as_ref().seek(0), None);
}

#[test]
fn finding_compares_texts_and_passes_over_values() {
    let pack = pack([&b"a"[..], b"b", b"b", b"12", b"12", b"a"]);
    let view = pack.as_ref();
    let first = view.first().unwrap();
    assert_eq!(view.find(first, b"b", 0), view.seek(1));
    assert_eq!(view.find(first, b"b", 1), view.seek(2));
    assert_eq!(view.find(first, b"12", 0), view.seek(3));
    assert_eq!(view.find(first, b"12", 1), view.seek(4));
    assert_eq!(view.find(first, b"012", 0), None);
    assert_eq!(view.find(view.seek(1).unwrap(), b"a", 0), view.seek(5));
    assert_eq!(view.find(first, b"12", 3), view.seek(4));
    assert_eq!(view.find(first, b"12", 4), None);
}

#[test]
fn text_that_spells_a_number_is_found_in_packs_of_others() {
    let mut pack = Listpack::new();
    pack.push_back(Element::Bytes(b"12"));
    let first = pack.as_ref().first().unwrap();
    assert_eq!(pack.as_ref().find(first, b"12", 0), Some(first));
    assert_eq!(pack.as_ref().get(first), Element::Int(12));
    assert_ne!(pack.as_ref().get(first), Element::Int(13));
}

#[test]
fn more_elements_than_the_count_can_tell_are_counted() {
    let mut pack = Listpack::new();
    for n in 0..65_540i64 {
        pack.push_back(n % 100);
    }
    assert_eq!(framed(&pack)[4..6], [0xff, 0xff]);
    assert_eq!(pack.len(), 65_540);
    assert!(pack.as_ref().seek(65_539).is_some() && pack.as_ref().seek(65_540).is_none());
    assert!(pack.as_ref().seek(-65_540).is_some() && pack.as_ref().seek(-65_541).is_none());
    assert!(ListpackRef::validate(&framed(&pack)).is_ok());
    assert_eq!(pack.remove_range(-6, 100), 6);
    assert_eq!(framed(&pack)[4..6], [0xfe, 0xff]);
    assert_eq!(pack.len(), 65_534);
}

#[test]
fn a_queue_reuses_the_room_that_its_head_leaves() {
    let mut pack = Listpack::new();
    for n in 0..100_000i64 {
        pack.push_back(n);
        if n >= 100 {
            let first = pack.as_ref().first().unwrap();
            assert_eq!(pack.as_ref().get(first), Element::Int(n - 100));
            pack.remove(first);
        }
    }
    assert_eq!(pack.len(), 100);
    assert!(pack.allocated_bytes() < 1024, "{}", pack.allocated_bytes());
}

#[test]
fn chance_draws_every_group_and_only_groups() {
    let mut pack = Listpack::new();
    for n in 0..10i64 {
        pack.push_back(n);
        pack.push_back(100 + n);
    }
    let mut rng = Rng::from_seed(3);
    let value = |pos| match pack.as_ref().get(pos) {
        Element::Int(value) => value,
        Element::Bytes(_) => unreachable!("only integers were pushed"),
    };
    let mut seen = [[0; 10]; 3];
    for _ in 0..300 {
        let single = pack.as_ref().random(2, &mut rng).unwrap();
        seen[0][value(single) as usize] += 1;
        let repeating = pack.as_ref().random_repeating(2, 25, &mut rng);
        assert_eq!(repeating.len(), 25);
        for pos in repeating {
            seen[1][value(pos) as usize] += 1;
        }
        let distinct = pack.as_ref().random_distinct(2, 4, &mut rng);
        assert_eq!(distinct.len(), 4);
        assert!(distinct.windows(2).all(|pair| pair[0] < pair[1]));
        for pos in distinct {
            seen[2][value(pos) as usize] += 1;
        }
    }
    for (counts, least) in seen.iter().zip([10, 600, 80]) {
        assert!(counts.iter().all(|&count| count > least), "{counts:?}");
    }
    assert_eq!(pack.as_ref().random_distinct(2, 99, &mut rng).len(), 10);
    assert!(Listpack::new().as_ref().random(1, &mut rng).is_none());
}

#[test]
fn a_frame_or_a_count_that_lies_is_refused() {
    let good = framed(&pack([&b"a"[..], b"1000", &[b'x'; 200]]));
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        ListpackRef::validate(&bytes).map(ListpackRef::len)
    };
    assert_eq!(broken(0, good[0]), Ok(3));
    assert_eq!(broken(0, good[0] + 1), Err(ListpackError::Size));
    assert_eq!(broken(4, 2), Err(ListpackError::Count));
    assert_eq!(broken(good.len() - 1, 0), Err(ListpackError::End));
    assert_eq!(broken(6, 0xf9), Err(ListpackError::Entry(6)));
    assert_eq!(broken(6, 0xff), Err(ListpackError::Entry(6)));
    assert_eq!(broken(8, 3), Err(ListpackError::Entry(6)));
    assert_eq!(
        ListpackRef::validate(&good[..6]).map(ListpackRef::len),
        Err(ListpackError::Short)
    );
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Before(usize, Vec<u8>),
    After(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(i64, usize),
    RemoveSome(Vec<bool>),
    Append(Vec<Vec<u8>>),
    ReserveFront(usize),
    SplitOff(usize),
    Refit,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        4 => (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => proptest::collection::vec(any::<u8>(), 60..200),
        1 => proptest::collection::vec(any::<u8>(), 4000..4200),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0usize..64;
    prop_oneof![
        4 => text().prop_map(Step::PushBack),
        4 => text().prop_map(Step::PushFront),
        2 => (place.clone(), text()).prop_map(|(at, text)| Step::Before(at, text)),
        2 => (place.clone(), text()).prop_map(|(at, text)| Step::After(at, text)),
        2 => (place.clone(), text()).prop_map(|(at, text)| Step::Replace(at, text)),
        4 => place.clone().prop_map(Step::Remove),
        1 => (-20i64..20, 0usize..8).prop_map(|(from, count)| Step::RemoveRange(from, count)),
        1 => proptest::collection::vec(any::<bool>(), 30).prop_map(Step::RemoveSome),
        1 => proptest::collection::vec(text(), 0..8).prop_map(Step::Append),
        1 => place.prop_map(Step::SplitOff),
        1 => Just(Step::Refit),
        2 => (0usize..600).prop_map(Step::ReserveFront),
    ]
}

/// Takes one step with both; a step that needs an element does nothing without one.
fn take(step: Step, pack: &mut Listpack, model: &mut Vec<Vec<u8>>) {
    let place = |at: usize| (!model.is_empty()).then(|| at % model.len());
    let seek = |pack: &Listpack, at: usize| pack.as_ref().seek(at as i64).unwrap();
    match step {
        Step::PushBack(text) => {
            let pos = pack.push_back(&text);
            assert_eq!(pack.as_ref().last(), Some(pos));
            model.push(text);
        }
        Step::PushFront(text) => {
            let pos = pack.push_front(&text);
            assert_eq!(pack.as_ref().first(), Some(pos));
            model.insert(0, text);
        }
        Step::Before(at, text) => {
            let Some(at) = place(at) else { return };
            let pos = pack.insert_before(seek(pack, at), &text);
            assert_eq!(pack.as_ref().get(pos), &text[..]);
            model.insert(at, text);
        }
        Step::After(at, text) => {
            let Some(at) = place(at) else { return };
            let pos = pack.insert_after(seek(pack, at), &text);
            assert_eq!(pack.as_ref().get(pos), &text[..]);
            model.insert(at + 1, text);
        }
        Step::Replace(at, text) => {
            let Some(at) = place(at) else { return };
            let pos = pack.replace(seek(pack, at), &text);
            assert_eq!(pack.as_ref().get(pos), &text[..]);
            model[at] = text;
        }
        Step::Remove(at) => {
            let Some(at) = place(at) else { return };
            let next = pack.remove(seek(pack, at));
            model.remove(at);
            assert_eq!(next, pack.as_ref().seek(at as i64));
        }
        Step::RemoveRange(from, count) => {
            let len = model.len() as i64;
            let first = if from < 0 { from + len } else { from };
            let removed = pack.remove_range(from, count);
            let whole = if (0..len).contains(&first) {
                first as usize..(first as usize + count).min(model.len())
            } else {
                0..0
            };
            assert_eq!(removed, model.drain(whole).count());
        }
        Step::RemoveSome(mask) => {
            let chosen = |at: &usize| mask.get(*at).copied().unwrap_or(false);
            let places: Vec<Pos> = pack
                .as_ref()
                .entries()
                .enumerate()
                .filter(|(at, _)| chosen(at))
                .map(|(_, (pos, _))| pos)
                .collect();
            pack.remove_all(&places);
            let mut at = 0..;
            model.retain(|_| !chosen(&at.next().unwrap()));
        }
        Step::Append(texts) => {
            let other = self::pack(texts.iter().map(|text| &text[..]));
            pack.append(other.as_ref());
            model.extend(texts);
        }
        Step::SplitOff(at) => {
            let Some(at) = place(at) else { return };
            let tail = pack.split_off(seek(pack, at));
            assert!(ListpackRef::validate(&framed(&tail)).is_ok());
            assert_eq!(texts(tail.as_ref()), model.split_off(at));
        }
        Step::ReserveFront(bytes) => pack.reserve_front(bytes),
        Step::Refit => {
            pack.shrink_to_fit();
            *pack = Listpack::from_framed(framed(pack));
        }
    }
}

#[test]
fn elements_added_together_are_as_those_added_one_by_one() {
    let texts = [
        &b"v"[..],
        b"",
        b"-9223372036854775808",
        b"127",
        &[b'x'; 5000],
    ];
    let bytes = texts.iter().map(|text| text.len()).sum();
    let (mut together, mut apart) = (Listpack::new(), Listpack::new());
    for _ in 0..3 {
        let elements = texts.iter().map(|text| Element::from(*text));
        together.extend_back(elements, texts.len(), bytes);
        texts.iter().for_each(|text| {
            apart.push_back(*text);
        });
        assert_eq!(together, apart);
        assert!(ListpackRef::validate(&framed(&together)).is_ok());
    }
}

proptest! {
    #[test]
    fn any_history_gives_what_a_vector_gives(
        steps in proptest::collection::vec(step(), 0..120)
    ) {
        let mut pack = Listpack::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            take(step, &mut pack, &mut model);
            let framed = framed(&pack);
            let view = ListpackRef::validate(&framed).unwrap();
            prop_assert_eq!(view.len(), model.len());
            prop_assert_eq!(view.is_empty(), model.is_empty());
        }
        prop_assert_eq!(&texts(pack.as_ref()), &model);
        let mut backwards: Vec<_> = pack.as_ref().iter().rev().map(Element::to_vec).collect();
        backwards.reverse();
        prop_assert_eq!(&backwards, &model);
        // However it came about, the bytes are those of the same elements pushed in order.
        let fresh = self::pack(model.iter().map(|text| &text[..]));
        prop_assert_eq!(&pack, &fresh);
        prop_assert_eq!(&pack.clone(), &fresh);
    }

    #[test]
    fn no_bytes_make_the_check_panic_and_what_passes_can_be_walked(
        elements in proptest::collection::vec(text(), 0..6),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = framed(&pack(elements.iter().map(|text| &text[..])));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(view) = ListpackRef::validate(&bytes) {
            let forwards: Vec<_> = view.entries().map(|(pos, _)| pos).collect();
            let mut backwards: Vec<_> = view.entries().rev().map(|(pos, _)| pos).collect();
            backwards.reverse();
            prop_assert_eq!(forwards, backwards);
        }
    }
}
