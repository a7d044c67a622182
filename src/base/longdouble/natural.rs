//! Natural numbers of any size, as far as converting between decimal and binary needs them.
//!
//! Sizes are modest (a few hundred words at the very most), so the methods are those of school.

use std::cmp::Ordering;

/// Limbs of 64 bits, the least significant first; the last one is not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural {
    limbs: Vec<u64>,
}

/// The leading bits of a number: `bits * 2^exponent`, and a little more if `sticky`.
pub(super) struct Top {
    pub(super) bits: u128,
    pub(super) exponent: i64,
    pub(super) sticky: bool,
}

/// The largest power of ten in a limb, and its exponent.
const TEN_19: u64 = 10_000_000_000_000_000_000;
const TEN_19_EXPONENT: usize = 19;

impl From<u64> for Natural {
    fn from(value: u64) -> Natural {
        Natural {
            limbs: if value == 0 { vec![] } else { vec![value] },
        }
    }
}

impl Natural {
    /// The number that these decimal digits spell.
    pub(super) fn from_digits(digits: &[u8]) -> Natural {
        let mut number = Natural::from(0);
        for chunk in digits.chunks(TEN_19_EXPONENT) {
            let value = chunk.iter().fold(0, |n, c| n * 10 + u64::from(c - b'0'));
            number.multiply_add(10u64.pow(chunk.len() as u32), value);
        }
        number
    }

    /// Ten to the power of `exponent`.
    pub(super) fn power_of_ten(exponent: usize) -> Natural {
        let mut number = Natural::from(10u64.pow((exponent % TEN_19_EXPONENT) as u32));
        for _ in 0..exponent / TEN_19_EXPONENT {
            number.multiply_add(TEN_19, 0);
        }
        number
    }

    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    pub(super) fn times(&self, other: &Natural) -> Natural {
        let mut limbs = vec![0u64; self.limbs.len() + other.limbs.len()];
        for (shift, a) in self.limbs.iter().enumerate() {
            let mut carry = 0u64;
            for (b, slot) in other.limbs.iter().zip(&mut limbs[shift..]) {
                let product =
                    u128::from(*a) * u128::from(*b) + u128::from(*slot) + u128::from(carry);
                *slot = product as u64;
                carry = (product >> 64) as u64;
            }
            limbs[shift + other.limbs.len()] = carry;
        }
        Natural { limbs }.trimmed()
    }

    pub(super) fn shifted_left(&self, bits: usize) -> Natural {
        let mut limbs = vec![0; bits / 64];
        let shift = bits % 64;
        let mut carry = 0;
        for &limb in &self.limbs {
            limbs.push(limb << shift | carry);
            carry = limb.checked_shr(64 - shift as u32).unwrap_or(0);
        }
        limbs.push(carry);
        Natural { limbs }.trimmed()
    }

    /// The leading 128 bits, or all if there are fewer.
    pub(super) fn top(&self) -> Top {
        let drop = self.bit_len().saturating_sub(128);
        let bits = (0..128)
            .rev()
            .fold(0u128, |bits, i| bits << 1 | u128::from(self.bit(drop + i)));
        let sticky = (0..drop).any(|i| self.bit(i));
        Top {
            bits,
            exponent: drop as i64,
            sticky,
        }
    }

    /// The quotient to 66 or 67 bits; `sticky` tells whether the division left a rest.
    pub(super) fn divided_by(&self, divisor: Natural) -> Top {
        const STEPS: usize = 67;
        // Bring the dividend one bit below the divisor, so that it is smaller but not by much.
        let (have, want) = (self.bit_len(), divisor.bit_len() - 1);
        let mut rest = self.shifted_left(want.saturating_sub(have));
        let divisor = divisor.shifted_left(have.saturating_sub(want));
        let mut bits = 0u128;
        for _ in 0..STEPS {
            rest.double();
            bits <<= 1;
            if rest.compare(&divisor) != Ordering::Less {
                rest.subtract(&divisor);
                bits |= 1;
            }
        }
        let exponent = have as i64 - want as i64 - STEPS as i64;
        Top {
            bits,
            exponent,
            sticky: !rest.limbs.is_empty(),
        }
    }

    /// Appends the decimal digits.
    pub(super) fn format(mut self, out: &mut Vec<u8>) {
        let mut groups = Vec::new();
        while !self.limbs.is_empty() {
            groups.push(self.divide_small(TEN_19));
        }
        let mut groups = groups.iter().rev();
        let first = groups.next().copied().unwrap_or(0);
        out.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
        for group in groups {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(*group).as_bytes();
            out.resize(out.len() + TEN_19_EXPONENT - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
    }

    /// Divides in place; gives the remainder.
    fn divide_small(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0u64;
        for limb in self.limbs.iter_mut().rev() {
            let dividend = u128::from(remainder) << 64 | u128::from(*limb);
            *limb = (dividend / u128::from(divisor)) as u64;
            remainder = (dividend % u128::from(divisor)) as u64;
        }
        self.trim();
        remainder
    }

    fn double(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs {
            let top = *limb >> 63;
            *limb = *limb << 1 | carry;
            carry = top;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    /// Subtracts a number that is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        let others = other.limbs.iter().copied().chain(std::iter::repeat(0));
        for (limb, other) in self.limbs.iter_mut().zip(others) {
            let (difference, under) = limb.overflowing_sub(other);
            let (difference, again) = difference.overflowing_sub(u64::from(borrow));
            *limb = difference;
            borrow = under || again;
        }
        debug_assert!(!borrow, "the difference is negative");
        self.trim();
    }

    fn compare(&self, other: &Natural) -> Ordering {
        let by_len = self.limbs.len().cmp(&other.limbs.len());
        by_len.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    fn bit_len(&self) -> usize {
        self.limbs.last().map_or(0, |top| {
            self.limbs.len() * 64 - top.leading_zeros() as usize
        })
    }

    fn bit(&self, index: usize) -> bool {
        self.limbs
            .get(index / 64)
            .is_some_and(|limb| limb >> (index % 64) & 1 == 1)
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn trimmed(mut self) -> Natural {
        self.trim();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(number: Natural) -> String {
        let mut out = Vec::new();
        number.format(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_are_read_and_written() {
        let long = "1234567890".repeat(12);
        for text in [
            "0",
            "7",
            "18446744073709551616",
            "10000000000000000000",
            &long,
        ] {
            assert_eq!(digits(Natural::from_digits(text.as_bytes())), text);
        }
    }

    #[test]
    fn powers_products_and_shifts_agree() {
        let product = Natural::power_of_ten(20).times(&Natural::power_of_ten(33));
        assert_eq!(product, Natural::power_of_ten(53));
        assert_eq!(
            digits(Natural::from(1).shifted_left(64)),
            "18446744073709551616"
        );
        assert_eq!(digits(Natural::from(3).shifted_left(0)), "3");
        assert_eq!(
            digits(Natural::from(u64::MAX).shifted_left(1)),
            "36893488147419103230"
        );
    }

    #[test]
    fn quotients_have_enough_bits() {
        let third = Natural::from(1).divided_by(Natural::from(3));
        assert!(third.sticky && third.bits >> 65 != 0);
        let value = third.bits as f64 * 2f64.powi(third.exponent as i32);
        assert!((value - 1.0 / 3.0).abs() < 1e-15);
        let exact = Natural::from(12).divided_by(Natural::from(4));
        assert!(!exact.sticky);
        assert_eq!(exact.bits as f64 * 2f64.powi(exact.exponent as i32), 3.0);
    }

    #[test]
    fn leading_bits_know_of_what_follows() {
        let top = Natural::power_of_ten(50).top();
        assert!(top.bits >> 127 == 1 && !top.sticky);
        let mut number = Natural::from(1).shifted_left(300);
        number.limbs[0] = 1;
        assert!(number.top().sticky);
    }
}
