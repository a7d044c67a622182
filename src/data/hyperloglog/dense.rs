//! Registers of six bits, packed from the least significant bits of each byte upwards: four
//! registers in three bytes.

use super::estimate::Histogram;
use super::register::{Mark, REGISTERS};

/// Bits of a register.
const BITS: usize = 6;

/// The largest value of a register.
pub(super) const VALUE_MAX: u8 = (1 << BITS) - 1;

/// Bytes of all registers.
pub(super) const BYTES: usize = REGISTERS * BITS / 8;

/// The value of a register.
pub(super) fn get(registers: &[u8], register: usize) -> u8 {
    let (at, shift) = place(register);
    (pair(registers, at) >> shift) as u8 & VALUE_MAX
}

/// Raises a register; tells whether it was smaller.
pub(super) fn raise(registers: &mut [u8], mark: Mark) -> bool {
    let (at, shift) = place(mark.register);
    let old = pair(registers, at);
    if mark.value <= (old >> shift) as u8 & VALUE_MAX {
        return false;
    }
    let others = old & !(u16::from(VALUE_MAX) << shift);
    let new = others | u16::from(mark.value & VALUE_MAX) << shift;
    let [low, high] = new.to_le_bytes();
    registers[at] = low;
    if let Some(next) = registers.get_mut(at + 1) {
        *next = high;
    }
    true
}

/// Visits all registers.
pub(super) fn for_each_register(registers: &[u8], mut visit: impl FnMut(Mark)) {
    let (groups, _) = registers.as_chunks::<3>();
    for (group, [a, b, c]) in groups.iter().enumerate() {
        let four = u32::from_le_bytes([*a, *b, *c, 0]);
        for nth in 0..4 {
            visit(Mark {
                register: group * 4 + nth,
                value: (four >> (nth * BITS)) as u8 & VALUE_MAX,
            });
        }
    }
}

/// How often each value occurs.
pub(super) fn histogram(registers: &[u8]) -> Histogram {
    let mut histogram = Histogram::default();
    for_each_register(registers, |mark| histogram.add(mark.value, 1));
    histogram
}

/// The byte in which a register begins, and at which of its bits.
fn place(register: usize) -> (usize, usize) {
    (register * BITS / 8, register * BITS % 8)
}

/// Two neighbouring bytes; behind the last there is a zero, which no register reaches into.
fn pair(registers: &[u8], at: usize) -> u16 {
    let next = registers.get(at + 1).copied().unwrap_or(0);
    u16::from_le_bytes([registers[at], next])
}
