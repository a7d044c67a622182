//! Numbers as text, exactly as strict and exactly as spelled as the reference.
//!
//! Whether a value *is* an integer decides its encoding, what `INCR` accepts and what a length on
//! the wire means, so one strict rule serves all of them: an optional `-`, no spaces, no `+`, no
//! leading zeros. Floats follow C's `strtod` over the whole argument: `inf`, hexadecimal floats and
//! exponents pass; `nan`, blanks around the number, overflow and underflow to zero do not.

mod hex;

pub use hex::{HexFloat, parse_hex_float};

/// The longest text of an `i64` or `u64`.
pub const INTEGER_TEXT_BYTES_MAX: usize = 20;

/// Parses a decimal integer that is spelled the one canonical way.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_nonzero(digits)?;
            (magnitude <= 1 << 63).then(|| (magnitude as i64).wrapping_neg())
        }
        b"0" => Some(0),
        _ => i64::try_from(parse_nonzero(text)?).ok(),
    }
}

/// Parses an unsigned decimal integer that is spelled the one canonical way.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text == b"0" {
        Some(0)
    } else {
        parse_nonzero(text)
    }
}

/// Digits that begin with 1 to 9, up to `u64::MAX`.
#[inline]
fn parse_nonzero(digits: &[u8]) -> Option<u64> {
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.len() > INTEGER_TEXT_BYTES_MAX {
        return None;
    }
    let mut value = 0u64;
    // Nineteen digits always fit; only a twentieth can overflow.
    let (safe, last) = digits.split_at(digits.len().min(19));
    for &c in safe {
        let digit = c.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    for &c in last {
        let digit = c.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Appends `value` in decimal.
#[inline]
pub fn format_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `value` in decimal.
#[inline]
pub fn format_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Parses a float as C's `strtod` would, refusing what the reference refuses: leftovers, blanks,
/// `nan`, values too large for a double, and values so small that they become zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = split_sign(text);
    if let [b'0', b'x' | b'X', digits @ ..] = magnitude {
        let value = parse_hex_float(digits)?.to_f64()?;
        return Some(if negative { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let spelled_infinite = matches!(magnitude.first(), Some(b'i' | b'I'));
    let underflow = value == 0.0 && has_nonzero_digit(magnitude);
    if value.is_nan() || (value.is_infinite() && !spelled_infinite) || underflow {
        return None;
    }
    Some(value)
}

/// Splits one leading sign off; tells whether it was a minus.
pub(crate) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Whether a decimal float has a digit other than zero in front of its exponent.
fn has_nonzero_digit(text: &[u8]) -> bool {
    text.iter()
        .take_while(|c| !matches!(c, b'e' | b'E'))
        .any(|c| matches!(c, b'1'..=b'9'))
}

/// Appends `value` the way doubles are spelled in replies and stored scores: `inf`, `-inf`, `nan`,
/// `-0`, integers without a point, everything else with the fewest digits that read back as the
/// same double, in scientific notation where it is much shorter.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if let Some(integer) = exact_i64(value) {
        format_i64(integer, out);
    } else {
        if value < 0.0 {
            out.push(b'-');
        }
        let (digits, count, exponent) = shortest_digits(value.abs());
        spell_digits(&digits[..count], exponent, value < 0.0, out);
    }
}

/// The integer that `value` is, where its magnitude leaves no doubt (below 2^62).
pub fn exact_i64(value: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    if !(-LIMIT..=LIMIT).contains(&value) {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// The shortest decimal digits of a positive finite double and the power of ten of the last one.
fn shortest_digits(value: f64) -> ([u8; 17], usize, i32) {
    use std::io::Write as _;
    let mut text = [0u8; 32];
    let mut rest = &mut text[..];
    write!(rest, "{value:e}").expect("seventeen digits and an exponent fit");
    let used = 32 - rest.len();
    let mark = text[..used]
        .iter()
        .position(|&c| c == b'e')
        .expect("{:e} writes an exponent");
    let mut digits = [0u8; 17];
    let mut count = 0;
    for &c in text[..mark].iter().filter(|c| c.is_ascii_digit()) {
        digits[count] = c;
        count += 1;
    }
    let exponent: i32 = std::str::from_utf8(&text[mark + 1..used])
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("{:e} writes a decimal exponent");
    (digits, count, exponent - (count as i32 - 1))
}

/// Spells `digits * 10^exponent` in the notation that the reference would choose.
fn spell_digits(digits: &[u8], exponent: i32, negative: bool, out: &mut Vec<u8>) {
    let count = digits.len() as i32;
    let scientific = exponent + count - 1;
    if exponent >= 0 && scientific.abs() < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + exponent as usize, b'0');
    } else if exponent < 0 && (exponent > -7 || scientific.abs() < 4) {
        let whole = count + exponent;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-whole) as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            let (whole, fraction) = digits.split_at(whole as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    } else {
        let digits = &digits[..digits.len().min(18 - usize::from(negative))];
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if scientific < 0 { b"e-" } else { b"e+" });
        format_i64(i64::from(scientific.abs()), out);
    }
}

#[cfg(test)]
mod tests;
