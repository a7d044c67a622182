//! Doubles as text with a fixed number of digits.
//!
//! Some replies spell a double with 17 significant digits whatever it takes, as C's `%.17g` does:
//! enough to read back the same double, but rarely the shortest text.

use std::io::Write;

/// Significant digits.
const DIGITS: i32 = 17;

/// The smallest power of ten that is written without an exponent.
const EXPONENT_MIN: i32 = -4;

/// Appends `value` with up to 17 significant digits, as C's `%.17g` spells it.
pub fn format_f64_17(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return super::format_f64(value, out);
    }
    let text = format!("{value:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = text.split_once('e').expect("an exponent was asked for");
    let exponent: i32 = exponent.parse().expect("exponents are small numbers");
    let start = out.len();
    if (EXPONENT_MIN..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent) as usize;
        write!(out, "{value:.decimals$}").expect("writing to a vector");
        strip_zeros(out, start);
    } else {
        out.extend_from_slice(mantissa.as_bytes());
        strip_zeros(out, start);
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).expect("writing to a vector");
    }
}

/// Takes the zeros at the end of a fraction away, and the point if nothing else is left.
fn strip_zeros(out: &mut Vec<u8>, start: usize) {
    if !out[start..].contains(&b'.') {
        return;
    }
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_printf() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (3.3, "3.2999999999999998"),
            (100.0, "100"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut out = b"x".to_vec();
            format_f64_17(value, &mut out);
            assert_eq!(out, [b"x", text.as_bytes()].concat(), "{value}");
        }
    }
}
