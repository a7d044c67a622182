//! Eighty-bit floating point, for `INCRBYFLOAT` and `HINCRBYFLOAT`, and for timeouts in seconds.
//!
//! The reference computes these in C's `long double`, which on x86 has a 64-bit mantissa,
//! and prints the sum with 17 digits behind the point. Rust has no such type, and `f64` gives
//! visibly other sums (3 + 1.1 would not be 4.1), which would then differ between a master and a
//! replica of the other kind. So the few operations needed are done here in integers: parse,
//! add, format, each rounded once, to nearest with ties to even, as the hardware does.
//!
//! A finite value is `mantissa * 2^exponent`. Invariants: the mantissa's top bit is set, unless the
//! exponent is the smallest there is (`EXPONENT_MIN`: zero and the denormal numbers);
//! `EXPONENT_MIN <= exponent <= EXPONENT_MAX`.

mod natural;

use natural::{Natural, Top};

use super::numbers::{parse_hex_float, split_sign};

/// Exponent of the smallest normal numbers and of all denormal ones.
const EXPONENT_MIN: i64 = -16445;
/// Exponent of the largest numbers.
const EXPONENT_MAX: i64 = 16320;

/// The reference refuses texts of this length and more.
const TEXT_BYTES_MAX: usize = 5 * 1024;

/// Digits behind the point when a number is formatted, and ten to that power.
const FRACTION_DIGITS: usize = 17;
const FRACTION_SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);

/// Where the leading digit of a number may be; beyond, it is infinite or zero.
const DECIMAL_POINT_MAX: i64 = 4_940;
const DECIMAL_POINT_MIN: i64 = -4_960;

/// An extended-precision number; never "not a number".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i64 },
    Infinite,
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> LongDouble {
        round(value < 0, u128::from(value.unsigned_abs()), 0, false)
    }
}

impl LongDouble {
    /// Parses a number as C's `strtold` would, refusing what the reference refuses: leftovers,
    /// blanks, `nan`, values that are too large, and values so small that they become zero.
    /// `inf` is accepted; see [`LongDouble::is_finite`].
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, magnitude) = split_sign(text);
        if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble {
                negative,
                magnitude: Magnitude::Infinite,
            });
        }
        let value = if let [b'0', b'x' | b'X', digits @ ..] = magnitude {
            let hex = parse_hex_float(digits)?;
            let value = round(negative, hex.mantissa, hex.exponent, hex.sticky);
            (hex.mantissa == 0 || !value.is_zero()).then_some(value)?
        } else {
            Decimal::parse(magnitude)?.to_long_double(negative)?
        };
        value.is_finite().then_some(value)
    }

    /// Whether the number is not infinite.
    pub fn is_finite(&self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    fn is_zero(&self) -> bool {
        matches!(self.magnitude, Magnitude::Finite { mantissa: 0, .. })
    }

    /// The sum, rounded once; `None` where it is infinite or not a number.
    pub fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        let (
            Magnitude::Finite {
                mantissa: am,
                exponent: ae,
            },
            Magnitude::Finite {
                mantissa: bm,
                exponent: be,
            },
        ) = (self.magnitude, other.magnitude)
        else {
            return None;
        };
        if ae < be {
            return other.checked_add(self);
        }
        // Both mantissas on the scale of the first, with 62 bits below for what the second loses
        // and two above for the carry and the sign.
        const ROOM: u32 = 62;
        let first = u128::from(am) << ROOM;
        let second = u128::from(bm) << ROOM;
        let shift = u32::try_from(ae - be).unwrap_or(u32::MAX);
        let shifted = second.checked_shr(shift).unwrap_or(0);
        let lost = shifted.checked_shl(shift) != Some(second) && second != 0;
        let exponent = ae - i64::from(ROOM);
        let sum = if self.negative == other.negative {
            round(self.negative, first + shifted, exponent, lost)
        } else if first >= shifted {
            // What was lost of the second makes the difference smaller by less than one unit.
            let difference = first - shifted - u128::from(lost);
            let negative = self.negative && (difference != 0 || lost);
            round(negative, difference, exponent, lost)
        } else {
            round(other.negative, shifted - first, exponent, lost)
        };
        sum.is_finite().then_some(sum)
    }

    /// A thousand times the number, rounded up to an integer; `None` where that is more than an
    /// `i64` holds. What is less becomes the smallest `i64`.
    pub fn thousandfold(self) -> Option<i64> {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return self.negative.then_some(i64::MIN);
        };
        let product = round(self.negative, u128::from(mantissa) * 1000, exponent, false);
        let (whole, rest) = match product.magnitude {
            Magnitude::Finite { mantissa, exponent } if exponent < 0 => {
                let places = exponent.unsigned_abs() as u32;
                let whole = mantissa.checked_shr(places).unwrap_or(0);
                (
                    whole,
                    whole.checked_shl(places) != Some(mantissa) && mantissa != 0,
                )
            }
            Magnitude::Finite { mantissa: 0, .. } => (0, false),
            // Not less than 2^63, as the mantissa's top bit is set.
            _ => (u64::MAX, false),
        };
        if self.negative {
            return Some(0i64.checked_sub_unsigned(whole).unwrap_or(i64::MIN));
        }
        i64::try_from(whole.checked_add(u64::from(rest))?).ok()
    }

    /// Appends the number with up to 17 digits behind the point, no trailing zeros, and all digits
    /// in front of it; never in scientific notation.
    pub fn format(&self, out: &mut Vec<u8>) {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            return;
        };
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        if exponent >= 0 {
            Natural::from(mantissa)
                .shifted_left(exponent as usize)
                .format(out);
        } else {
            let (whole, fraction) = split_at_point(mantissa, (-exponent) as u32);
            out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
            push_fraction(fraction, out);
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }
}

/// Splits `mantissa / 2^places` into whole part and fraction in units of 10^-17, rounding the
/// latter to even; the whole part takes the carry.
fn split_at_point(mantissa: u64, places: u32) -> (u64, u64) {
    let mask = 1u64.checked_shl(places).map_or(u64::MAX, |bit| bit - 1);
    let whole = mantissa.checked_shr(places).unwrap_or(0);
    // At most 64 + 57 bits.
    let scaled = u128::from(mantissa & mask) * FRACTION_SCALE;
    let fraction = scaled.checked_shr(places).unwrap_or(0);
    let up = places < 128 && {
        let rest = scaled - (fraction << places);
        let half = 1u128 << (places - 1);
        rest > half || (rest == half && fraction & 1 == 1)
    };
    match fraction + u128::from(up) {
        FRACTION_SCALE => (whole + 1, 0),
        fraction => (whole, fraction as u64),
    }
}

fn push_fraction(fraction: u64, out: &mut Vec<u8>) {
    if fraction == 0 {
        return;
    }
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(fraction).as_bytes();
    out.push(b'.');
    out.resize(out.len() + FRACTION_DIGITS - digits.len(), b'0');
    let used = digits
        .iter()
        .rposition(|&c| c != b'0')
        .map_or(0, |last| last + 1);
    out.extend_from_slice(&digits[..used]);
}

/// The number nearest to `wide * 2^exponent`, or to a little more if `sticky`. With `sticky`,
/// `wide` must have at least 66 bits or be zero, so that the little more is below the rounded bit.
fn round(negative: bool, wide: u128, exponent: i64, sticky: bool) -> LongDouble {
    let bits = i64::from(128 - wide.leading_zeros());
    let drop = (bits - 64).max(EXPONENT_MIN - exponent);
    if wide == 0 || drop > bits {
        let magnitude = Magnitude::Finite {
            mantissa: 0,
            exponent: EXPONENT_MIN,
        };
        return LongDouble {
            negative,
            magnitude,
        };
    }
    let mut exponent = exponent + drop;
    let mut kept = if drop <= 0 {
        wide << -drop
    } else {
        wide.checked_shr(drop as u32).unwrap_or(0)
    };
    if drop > 0 {
        let half = 1u128 << (drop - 1);
        let rest = wide & (half | (half - 1));
        if rest > half || (rest == half && (sticky || kept & 1 == 1)) {
            kept += 1;
        }
    }
    if kept >> 64 != 0 {
        kept >>= 1;
        exponent += 1;
    }
    let magnitude = if exponent > EXPONENT_MAX {
        Magnitude::Infinite
    } else {
        Magnitude::Finite {
            mantissa: kept as u64,
            exponent,
        }
    };
    LongDouble {
        negative,
        magnitude,
    }
}

/// A decimal number without its sign: `digits * 10^exponent`, no zeros at either end.
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Parses digits, perhaps with a point, perhaps with an exponent.
    fn parse(text: &[u8]) -> Option<Decimal> {
        let mark = text.iter().position(|c| matches!(c, b'e' | b'E'));
        let (number, exponent) = match mark {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let point = number
            .iter()
            .position(|&c| c == b'.')
            .unwrap_or(number.len());
        let fraction = number.get(point + 1..).unwrap_or_default();
        let mut digits = [&number[..point], fraction].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut exponent = exponent - fraction.len() as i64;
        let used = digits
            .iter()
            .rposition(|&c| c != b'0')
            .map_or(0, |last| last + 1);
        exponent += (digits.len() - used) as i64;
        digits.truncate(used);
        digits.drain(..digits.iter().take_while(|&&c| c == b'0').count());
        Some(Decimal { digits, exponent })
    }

    /// The nearest number; `None` where it is infinite, or zero without being zero.
    fn to_long_double(&self, negative: bool) -> Option<LongDouble> {
        if self.digits.is_empty() {
            return Some(round(negative, 0, 0, false));
        }
        let point = self.digits.len() as i64 + self.exponent;
        if !(DECIMAL_POINT_MIN..=DECIMAL_POINT_MAX).contains(&point) {
            return None;
        }
        let value = match self.short() {
            Some(top) => top,
            None => self.any(),
        };
        let value = round(negative, value.bits, value.exponent, value.sticky);
        (!value.is_zero()).then_some(value)
    }

    /// The usual case, a few digits with the point among them or near, in 128 bits.
    fn short(&self) -> Option<Top> {
        if self.digits.len() > 19 || !(-18..=0).contains(&self.exponent) {
            return None;
        }
        let digits = self
            .digits
            .iter()
            .fold(0, |n, c| n * 10 + u128::from(c - b'0'));
        let shift = digits.leading_zeros();
        // The dividend has 128 bits and the divisor at most 60: the quotient has 68 or more.
        let dividend = digits << shift;
        let divisor = 10u128.pow(self.exponent.unsigned_abs() as u32);
        Some(Top {
            bits: dividend / divisor,
            exponent: -i64::from(shift),
            sticky: dividend % divisor != 0,
        })
    }

    fn any(&self) -> Top {
        let digits = Natural::from_digits(&self.digits);
        let power = Natural::power_of_ten(self.exponent.unsigned_abs() as usize);
        if self.exponent >= 0 {
            digits.times(&power).top()
        } else {
            digits.divided_by(power)
        }
    }
}

/// A signed decimal exponent, clamped: beyond a million only "far too large" matters.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |n, c| (n * 10 + i64::from(c - b'0')).min(1_000_000));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
