//! From registers to a number of elements.
//!
//! The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches" (arXiv:1702.01284): all it needs is how often each value of a register occurs, and it
//! is right for few elements as for many. Every server must get the same number out of the same
//! registers, so the order of the floating point operations is part of the format.

use super::register::{INDEX_BITS, REGISTERS};

/// The largest value that a hash can ask of a register.
const VALUE_MAX: usize = (u64::BITS - INDEX_BITS) as usize + 1;

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How often each value occurs among the registers. Registers of six bits can hold values that no
/// hash asks for; they are kept apart and count for nothing.
pub(super) struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 64])
    }
}

impl Histogram {
    /// Counts so many registers with a value.
    pub(super) fn add(&mut self, value: u8, registers: u32) {
        let count = &mut self.0[usize::from(value) % 64];
        *count = count.wrapping_add(registers);
    }

    /// The number of elements.
    pub(super) fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let count = |value: usize| f64::from(self.0[value]);
        let mut z = m * tau((m - count(VALUE_MAX)) / m);
        for value in (1..VALUE_MAX).rev() {
            z += count(value);
            z *= 0.5;
        }
        z += m * sigma(count(0) / m);
        let estimate = (ALPHA * m * m / z).round();
        if estimate.is_finite() {
            estimate as u64
        } else {
            // What a conversion of infinity gives on the machines that the reference runs on.
            1 << 63
        }
    }
}

/// Corrects for registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// Corrects for registers that cannot rise any more.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
