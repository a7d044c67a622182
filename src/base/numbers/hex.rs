//! Hexadecimal floats (`0x1.8p3`), which `strtod` and `strtold` read and so clients may send.
//!
//! The text is reduced to its leading 128 significant bits, one sticky bit for all that followed,
//! and a power of two. Both float widths round from there, so the digits are read once.

/// A positive binary number: `mantissa * 2^exponent`, and a little more if `sticky`.
///
/// The mantissa has its top bit set, unless the number is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HexFloat {
    /// The leading 128 significant bits.
    pub mantissa: u128,
    /// Whether bits other than zero were dropped behind the mantissa.
    pub sticky: bool,
    /// Power of two of the mantissa's lowest bit.
    pub exponent: i64,
}

/// Parses what follows `0x`: digits, perhaps with a point, perhaps with a binary exponent.
pub fn parse_hex_float(text: &[u8]) -> Option<HexFloat> {
    let (digits, exponent) = match text.iter().position(|c| matches!(c, b'p' | b'P')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let mut wide = 0u128;
    let (mut sticky, mut exponent) = (false, exponent);
    let (mut any, mut point) = (false, false);
    for &c in digits {
        if c == b'.' && !point {
            point = true;
            continue;
        }
        let digit = (c as char).to_digit(16)?;
        any = true;
        // Beyond 128 bits, digits only count as scale.
        if wide >> 124 == 0 {
            wide = wide << 4 | u128::from(digit);
            exponent -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if point { 0 } else { 4 };
        }
    }
    if !any {
        return None;
    }
    let shift = wide.leading_zeros() % 128;
    wide <<= shift;
    Some(HexFloat {
        mantissa: wide,
        sticky,
        exponent: exponent - i64::from(shift),
    })
}

/// A signed decimal exponent, clamped: beyond a billion only "far too large" matters.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = super::sign::split_sign(text);
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for &c in digits {
        if !c.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i64::from(c - b'0')).min(1_000_000_000);
    }
    Some(if negative { -value } else { value })
}

impl HexFloat {
    /// The nearest double; `None` where it would be infinite, or zero without being zero.
    pub fn to_f64(self) -> Option<f64> {
        let value = self.nearest_f64();
        let is_zero = self.mantissa == 0;
        (value.is_finite() && (value != 0.0 || is_zero)).then_some(value)
    }

    /// The nearest double, ties to even: infinite where it is too large, zero where too small.
    pub fn nearest_f64(self) -> f64 {
        if self.mantissa == 0 {
            return 0.0;
        }
        // The value is 1.m * 2^scale. A normal double keeps 53 bits, a subnormal one fewer.
        let scale = self.exponent + 127;
        let kept = match scale {
            1024.. => return f64::INFINITY,
            -1022.. => 53,
            _ => 53 - (-1022 - scale),
        };
        if kept < 0 {
            return 0.0;
        }
        let dropped = 128 - kept as u32;
        let half = 1u128 << (dropped - 1);
        let mut bits = self.mantissa.checked_shr(dropped).unwrap_or(0) as u64;
        let rest = self.mantissa & (half | (half - 1));
        if rest > half || (rest == half && (self.sticky || bits & 1 == 1)) {
            bits += 1;
        }
        // `bits` is at most 2^53 and so exact as a double; scaling by a power of two is exact too,
        // in two steps because the power alone may lie outside a double's range.
        scale_by_power_of_two(bits as f64, scale + 1 - kept)
    }
}

/// `value * 2^power` for an integer `value` that already has the precision of the result.
fn scale_by_power_of_two(value: f64, power: i64) -> f64 {
    let half = power / 2;
    value * exact_power(half) * exact_power(power - half)
}

/// `2^power` for `-1022 <= power <= 1023`.
fn exact_power(power: i64) -> f64 {
    f64::from_bits(((power + 1023) as u64) << 52)
}
