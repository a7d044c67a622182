//! What registers hold, whichever way they are kept, and that no bytes are too strange.

use super::*;
use crate::base::rng::Rng;

const SPARSE_MAX: usize = 3000;

fn registers(bytes: &[u8]) -> Vec<u8> {
    let mut union = Union::default();
    let hll = HllRef::open(bytes).expect("a HyperLogLog");
    union.add(hll).expect("sound runs");
    union.0.to_vec()
}

fn add(bytes: &mut Vec<u8>, element: &[u8], max: usize) -> bool {
    let mut hll = Hll::open(bytes).expect("a HyperLogLog");
    hll.add(element, max).expect("sound runs")
}

#[test]
fn an_empty_value_is_eighteen_bytes() {
    let bytes = new();
    assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    let hll = HllRef::open(&bytes).expect("a HyperLogLog");
    assert_eq!(hll.cached(), Some(0));
    assert_eq!(hll.estimate(), Ok(0));
    assert_eq!(hll.runs_as_text(), b"Z:16384");
}

#[test]
fn sparse_and_dense_registers_are_the_same_and_follow_the_model() {
    for seed in 0..8 {
        let mut rng = Rng::from_seed(seed);
        let (mut sparse, mut dense) = (new(), new());
        Hll::open(&mut dense)
            .and_then(|mut hll| hll.make_dense())
            .expect("sound runs");
        let mut model = [0u8; REGISTERS];
        // Few registers, so that runs of values meet and join.
        let spread = 1 + rng.below(60) as usize;
        for _ in 0..3_000 {
            let mark = Mark {
                register: rng.below(REGISTERS as u64) as usize / spread,
                value: 1 + rng.below(4) as u8,
            };
            let raised = mark.value > model[mark.register];
            model[mark.register] = model[mark.register].max(mark.value);
            for bytes in [&mut sparse, &mut dense] {
                let mut hll = Hll::open(bytes).expect("a HyperLogLog");
                assert_eq!(hll.raise(mark, usize::MAX), Ok(raised));
            }
        }
        assert_eq!(registers(&sparse), model);
        assert_eq!(registers(&dense), model);
        let estimate = |bytes: &[u8]| HllRef::open(bytes).and_then(HllRef::estimate);
        assert_eq!(estimate(&sparse), estimate(&dense));
        let mut converted = sparse.clone();
        Hll::open(&mut converted)
            .and_then(|mut hll| hll.make_dense())
            .expect("sound runs");
        assert_eq!(converted[HEADER_BYTES..], dense[HEADER_BYTES..]);
    }
}

#[test]
fn runs_become_dense_when_they_are_too_long_or_a_value_too_large() {
    let mut bytes = new();
    let mut number = 0u32;
    while HllRef::open(&bytes).expect("one").encoding() == HllEncoding::Sparse {
        assert!(bytes.len() <= SPARSE_MAX);
        add(&mut bytes, &number.to_le_bytes(), SPARSE_MAX);
        number += 1;
    }
    assert_eq!(bytes.len(), DENSE_BYTES);
    let mut bytes = new();
    let mark = Mark {
        register: 9,
        value: 33,
    };
    let mut hll = Hll::open(&mut bytes).expect("one");
    assert_eq!(hll.raise(mark, SPARSE_MAX), Ok(true));
    assert_eq!(hll.encoding, HllEncoding::Dense);
    assert_eq!(registers(&bytes)[9], 33);
}

#[test]
fn estimates_are_those_of_the_reference() {
    // A million decimal numbers; the counts were read off a stock server.
    let mut bytes = new();
    for (upto, estimate) in [(10u32, 10u64), (1_000, 1_001), (100_000, 99_565)] {
        for number in 0..upto {
            add(&mut bytes, number.to_string().as_bytes(), SPARSE_MAX);
        }
        let hll = HllRef::open(&bytes).expect("one");
        assert_eq!(hll.estimate(), Ok(estimate), "{upto}");
    }
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(&mut Rng::from_seed(3), SPARSE_MAX), Ok(()));
}

#[test]
fn strange_bytes_are_refused_or_survived() {
    let mut rng = Rng::from_seed(5);
    for _ in 0..20_000 {
        let mut bytes = new();
        for number in 0..rng.below(20) {
            add(&mut bytes, &number.to_le_bytes(), SPARSE_MAX);
        }
        for _ in 0..1 + rng.below(4) {
            let at = HEADER_BYTES as u64 + rng.below((bytes.len() - HEADER_BYTES + 1) as u64);
            match rng.below(3) {
                0 => bytes.truncate(at as usize),
                1 if at < bytes.len() as u64 => bytes[at as usize] = rng.next_u64() as u8,
                _ => bytes.insert(at as usize, rng.next_u64() as u8),
            }
        }
        let hll = HllRef::open(&bytes).expect("the header is as it was");
        hll.runs_as_text();
        assert_eq!(hll.estimate().is_ok(), Union::default().add(hll).is_ok());
        for number in 0..5u64 {
            let mut hll = Hll::open(&mut bytes).expect("the header is as it was");
            let max = [0, 40, SPARSE_MAX][rng.below(3) as usize];
            let _ = hll.add(&rng.next_u64().to_le_bytes()[..number as usize], max);
        }
    }
    for hostile in [
        &b""[..],
        b"HYLL",
        b"HYLL\0\0\0\0\0\0\0\0\0\0\0\0",
        b"HYLL\x02............",
    ] {
        assert!(HllRef::open(hostile).is_err());
    }
}
