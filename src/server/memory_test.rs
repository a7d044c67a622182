//! `redis-server --test-memory`: whether the memory of the machine keeps what is written to it.
//!
//! A server whose data lives in memory is the first to find a bad cell, and the last to understand
//! it. The test writes and reads a region over and over. A pass is four rounds, each with another
//! idea of what a word should hold, and each round inverts the region twice, word by word:
//!
//! ```text
//! fill, upwards         pattern
//! check and invert, upwards        → !pattern      a write must not change the words to come
//! check and invert, downwards      → pattern       nor those that were passed
//! check, upwards
//! ```
//!
//! The patterns: the number of the word, so that no two addresses stand for one cell; zeros and
//! ones; alternating bits; and noise, new in each pass. Every cell holds both values, next to both.
//!
//! The region is much larger than the caches of the processor if the test is to mean anything, and
//! it must really be read and written: hence atomic words, which the compiler leaves alone.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys;

/// A word that did not keep what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The number of the word in the region.
    index: usize,
    wanted: u64,
    found: u64,
}

/// Memory to be tested, word by word.
trait Region {
    /// The number of words.
    fn words(&self) -> usize;
    fn read(&self, index: usize) -> u64;
    fn write(&self, index: usize, value: u64);
}

impl Region for [AtomicU64] {
    fn words(&self) -> usize {
        self.len()
    }

    fn read(&self, index: usize) -> u64 {
        self[index].load(Ordering::Relaxed)
    }

    fn write(&self, index: usize, value: u64) {
        self[index].store(value, Ordering::Relaxed);
    }
}

/// The name of a pattern, and what it has in a word, given its number and that of the pass.
type Pattern = (&'static str, fn(usize, u32) -> u64);

const PATTERNS: [Pattern; 4] = [
    ("addresses", |index, _| index as u64),
    ("solid", |_, _| 0),
    ("alternating", |index, _| {
        0x5555_5555_5555_5555 << (index % 2)
    }),
    ("noise", |index, pass| {
        mix(index as u64 ^ u64::from(pass) << 40)
    }),
];

/// Spreads every bit of a number over all bits of the result.
fn mix(number: u64) -> u64 {
    let mut n = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    n = (n ^ n >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    n = (n ^ n >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    n ^ n >> 32
}

/// Tests a region with one pattern.
fn round<R: Region + ?Sized>(region: &R, value: impl Fn(usize) -> u64) -> Result<(), Fault> {
    let words = region.words();
    let check = |index: usize, wanted: u64| match region.read(index) {
        found if found == wanted => Ok(()),
        found => Err(Fault {
            index,
            wanted,
            found,
        }),
    };
    for index in 0..words {
        region.write(index, value(index));
    }
    for index in 0..words {
        check(index, value(index))?;
        region.write(index, !value(index));
    }
    for index in (0..words).rev() {
        check(index, !value(index))?;
        region.write(index, value(index));
    }
    (0..words).try_for_each(|index| check(index, value(index)))
}

/// Tests the memory and tells how it goes on `out`, what stops it on `err`. Returns the exit code.
pub fn run(megabytes: usize, passes: u32, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let region = match allocate(megabytes) {
        Ok(region) => region,
        Err(reason) => {
            let _ = writeln!(err, "Unable to allocate {megabytes} megabytes: {reason}");
            return 1;
        }
    };
    match test(&*region, passes, out) {
        Ok(None) => {
            let _ = writeln!(
                out,
                "\nYour memory passed this test.\nA fault may hide from it: one that shows with \
                 heat or time, or in memory that the system kept. In doubt, let a tester that is \
                 booted instead of the system run for a night."
            );
            0
        }
        Ok(Some(fault)) => {
            let _ = writeln!(
                out,
                "\n*** MEMORY ERROR: word {} holds {:#018x} instead of {:#018x}",
                fault.index, fault.found, fault.wanted
            );
            1
        }
        // Nobody listens any more.
        Err(_) => 1,
    }
}

/// All passes, until one finds a fault.
fn test<R: Region + ?Sized>(
    region: &R,
    passes: u32,
    out: &mut impl Write,
) -> io::Result<Option<Fault>> {
    for pass in 1..=passes {
        write!(out, "Pass {pass} of {passes}:")?;
        for (name, value) in PATTERNS {
            write!(out, " {name}")?;
            out.flush()?;
            if let Err(fault) = round(region, |index| value(index, pass)) {
                return Ok(Some(fault));
            }
        }
        writeln!(out, ", fine")?;
    }
    Ok(None)
}

/// Room for the test, if the machine has it: to take more would only test its disk.
fn allocate(megabytes: usize) -> Result<Vec<AtomicU64>, String> {
    let bytes = megabytes << 20;
    if let Some(there) = sys::facts::memory_bytes()
        && bytes as u64 > there
    {
        return Err(format!("the machine has {} megabytes", there >> 20));
    }
    let words = bytes / size_of::<u64>();
    let mut region = Vec::new();
    region
        .try_reserve_exact(words)
        .map_err(|_| "Cannot allocate memory".to_owned())?;
    region.resize_with(words, AtomicU64::default);
    Ok(region)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Memory with a defect, which sees every write: word and value.
    struct Broken<F> {
        words: RefCell<Vec<u64>>,
        defect: F,
    }

    impl<F: Fn(&mut [u64], usize, u64)> Region for Broken<F> {
        fn words(&self) -> usize {
            self.words.borrow().len()
        }

        fn read(&self, index: usize) -> u64 {
            self.words.borrow()[index]
        }

        fn write(&self, index: usize, value: u64) {
            let mut words = self.words.borrow_mut();
            words[index] = value;
            (self.defect)(&mut words, index, value);
        }
    }

    fn finds(defect: impl Fn(&mut [u64], usize, u64)) -> bool {
        let region = Broken {
            words: RefCell::new(vec![0; 512]),
            defect,
        };
        test(&region, 1, &mut io::sink()).unwrap().is_some()
    }

    #[test]
    fn sound_memory_passes_and_defects_are_found() {
        assert!(!finds(|_, _, _| {}));
        // A bit that is always set, or never.
        assert!(finds(|words, index, value| {
            if index == 77 {
                words[77] = value | 1 << 40;
            }
        }));
        assert!(finds(|words, index, value| {
            if index == 77 {
                words[77] = value & !(1 << 3);
            }
        }));
        // Two addresses of one cell.
        assert!(finds(|words, index, value| words[index ^ 256] = value));
        // A write that spills over to the next word, or to the one before.
        assert!(finds(|words, index, value| {
            if index == 100 {
                words[101] ^= value & 2;
            }
        }));
        assert!(finds(|words, index, value| {
            if index == 100 {
                words[99] ^= value & 2;
            }
        }));
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let words: Vec<AtomicU64> = (0..8).map(AtomicU64::new).collect();
        let fault = round(&words[..], |_| 5);
        assert_eq!(fault, Ok(()));
        let region = Broken {
            words: RefCell::new(vec![0; 16]),
            defect: |words: &mut [u64], index: usize, _: u64| {
                if index == 3 {
                    words[3] = 7;
                }
            },
        };
        let fault = round(&region, |_| 0).unwrap_err();
        let expected = Fault {
            index: 3,
            wanted: 0,
            found: 7,
        };
        assert_eq!(fault, expected);
    }

    #[test]
    fn a_test_says_how_it_goes_and_ends_well() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(1, 2, &mut out, &mut err), 0);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("Pass 1 of 2: addresses solid alternating noise, fine\nPass 2 of 2:"),
            "{text}"
        );
        assert!(text.contains("\nYour memory passed this test.\n"), "{text}");
        assert!(err.is_empty());
    }

    #[test]
    fn more_than_the_machine_has_is_refused() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(1 << 30, 1, &mut out, &mut err), 1);
        let text = String::from_utf8(err).unwrap();
        let start = "Unable to allocate 1073741824 megabytes: the machine has ";
        assert!(text.starts_with(start), "{text}");
        assert!(out.is_empty());
    }
}
