//! Registers as runs of equal ones, in one or two bytes each:
//!
//! ```text
//! 00nnnnnn            n + 1 registers of zero, 1 to 64
//! 01nnnnnn nnnnnnnn   n + 1 registers of zero, 1 to 16384
//! 1vvvvvnn            n + 1 registers of v + 1: 1 to 4 of them, values 1 to 32
//! ```
//!
//! Raising a register splits the run that covers it into up to three, and then joins neighbours of
//! equal value where they fit one run; zeros are never joined, as no register ever falls. Which
//! neighbours are looked at decides the bytes that come out, so it is the reference's choice.

use super::estimate::Histogram;
use super::register::{HEADER_BYTES, HllError, Mark, REGISTERS};

/// The largest value of a run.
const VALUE_MAX: u8 = 32;

/// The longest run of a value.
const VALUE_RUN_MAX: usize = 4;

/// The longest run of zeros in one byte.
const SHORT_ZEROS_MAX: usize = 64;

/// Of how many runs, from the one before the change on, each is tried with its neighbour.
const JOIN_RUNS: usize = 5;

/// One run: its value and length, and the bytes it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    value: u8,
    registers: usize,
    bytes: usize,
}

impl Run {
    /// The run that begins with these bytes; none if they end within it.
    fn first(bytes: &[u8]) -> Option<Run> {
        let (value, registers, bytes) = match *bytes.first()? {
            head @ 0x80.. => ((head >> 2 & 0x1f) + 1, usize::from(head & 3), 1),
            head @ 0x40.. => {
                let low = usize::from(*bytes.get(1)?);
                (0, usize::from(head & 0x3f) << 8 | low, 2)
            }
            head => (0, usize::from(head), 1),
        };
        Some(Run {
            value,
            registers: registers + 1,
            bytes,
        })
    }
}

/// What became of an attempt to raise a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    /// It was large enough.
    No,
    /// It has the value now.
    Yes,
    /// Nothing has changed: the value is too large for a run, or the runs would take too many
    /// bytes.
    NoRoom,
}

/// Where a register's run stands.
struct Found {
    run: Run,
    /// Where the run before it begins, or this one if it is the first.
    before: usize,
    at: usize,
    /// The first register of the run.
    first: usize,
}

/// What one run becomes when a register within it is raised: at most two runs of zeros in long
/// form around one register.
#[derive(Default)]
struct Split {
    bytes: [u8; 5],
    len: usize,
}

impl Split {
    fn push(&mut self, value: u8, registers: usize) {
        match (value, registers) {
            (_, 0) => {}
            (0, 1..=SHORT_ZEROS_MAX) => self.push_bytes(&[registers as u8 - 1]),
            (0, _) => self.push_bytes(&long_zeros(registers)),
            _ => self.push_bytes(&[value_run(value, registers)]),
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// A run of zeros in its long form.
pub(super) fn long_zeros(registers: usize) -> [u8; 2] {
    let n = registers - 1;
    [0x40 | (n >> 8) as u8, n as u8]
}

fn value_run(value: u8, registers: usize) -> u8 {
    0x80 | (value - 1) << 2 | (registers - 1) as u8
}

/// Raises a register in a whole value, header included.
pub(super) fn raise(bytes: &mut Vec<u8>, mark: Mark, bytes_max: usize) -> Result<Raised, HllError> {
    if mark.value > VALUE_MAX {
        return Ok(Raised::NoRoom);
    }
    let found = find(bytes, mark.register).ok_or(HllError::Corrupt)?;
    let old = found.run;
    if old.value >= mark.value {
        return Ok(Raised::No);
    }
    let before = mark.register - found.first;
    let mut split = Split::default();
    split.push(old.value, before);
    split.push(mark.value, 1);
    split.push(old.value, old.registers - before - 1);
    if split.len > old.bytes && bytes.len() + split.len - old.bytes > bytes_max {
        return Ok(Raised::NoRoom);
    }
    let new = split.bytes.into_iter().take(split.len);
    bytes.splice(found.at..found.at + old.bytes, new);
    join(bytes, found.before);
    Ok(Raised::Yes)
}

/// The run that covers a register.
fn find(bytes: &[u8], register: usize) -> Option<Found> {
    let (mut before, mut at, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
    loop {
        let run = Run::first(&bytes[at..])?;
        if register < first + run.registers {
            return Some(Found {
                run,
                before,
                at,
                first,
            });
        }
        before = at;
        at += run.bytes;
        first += run.registers;
    }
}

/// Joins runs of equal values, from the one at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        let Some(run) = bytes.get(at..).and_then(Run::first) else {
            return;
        };
        let next = bytes.get(at + run.bytes..).and_then(Run::first);
        match next {
            Some(next)
                if run.value > 0
                    && run.value == next.value
                    && run.registers + next.registers <= VALUE_RUN_MAX =>
            {
                bytes[at + 1] = value_run(run.value, run.registers + next.registers);
                bytes.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}

/// Visits the registers that are not zero.
pub(super) fn for_each_register(runs: &[u8], mut visit: impl FnMut(Mark)) -> Result<(), HllError> {
    for_each_run(runs, |first, run| {
        if run.value > 0 {
            (first..first + run.registers).for_each(|register| {
                visit(Mark {
                    register,
                    value: run.value,
                });
            });
        }
    })
}

/// How often each value occurs.
pub(super) fn histogram(runs: &[u8]) -> Result<Histogram, HllError> {
    let mut histogram = Histogram::default();
    for_each_run(runs, |_, run| {
        histogram.add(run.value, run.registers as u32)
    })?;
    Ok(histogram)
}

/// Visits all runs, each with its first register; they must cover every register.
fn for_each_run(runs: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), HllError> {
    let (mut at, mut first) = (0, 0);
    while at < runs.len() {
        let run = Run::first(&runs[at..]).ok_or(HllError::Corrupt)?;
        if first + run.registers > REGISTERS {
            return Err(HllError::Corrupt);
        }
        visit(first, run);
        at += run.bytes;
        first += run.registers;
    }
    if first == REGISTERS {
        Ok(())
    } else {
        Err(HllError::Corrupt)
    }
}

/// The runs as text, up to where they end or make no sense.
pub(super) fn as_text(mut runs: &[u8]) -> Vec<u8> {
    let mut words = Vec::new();
    while let Some(run) = Run::first(runs) {
        words.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{}", run.registers),
            (0, _) => format!("Z:{}", run.registers),
            (value, _) => format!("v:{value},{}", run.registers),
        });
        runs = &runs[run.bytes..];
    }
    words.join(" ").into_bytes()
}
