//! Numbers as text, exactly as strict and exactly as spelled as the reference.
//!
//! Whether a value *is* an integer decides its encoding, what `INCR` accepts and what a length on
//! the wire means, so one strict rule serves all of them: an optional `-`, no spaces, no `+`, no
//! leading zeros. Floats follow C's `strtod` over the whole argument: `inf`, hexadecimal floats and
//! exponents pass; `nan`, blanks around the number, overflow and underflow to zero do not.

mod double;
mod fixed;
mod hex;
mod sign;

pub use double::write_f64_shorter;
pub use double::{DOUBLE_TEXT_BYTES_MAX, exact_i64, format_f64, format_f64_shorter, write_f64};
pub use fixed::format_f64_17;
pub use hex::{HexFloat, parse_hex_float};
pub(crate) use sign::split_sign;

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

/// Reads the integer at the start of a text as C's `atoi` does: blanks and a sign may stand before
/// it, anything behind it, no digits at all are 0, and of more than 32 bits the lower ones count.
pub fn atoi(text: &[u8]) -> i32 {
    leading_i64(text).0 as i32
}

/// Reads the integer at the start of a text as C's `strtol` does, and tells what stands behind it:
/// blanks and a sign may stand before it, numbers too large become the largest. Without digits it
/// is 0, and all of the text stands behind it.
pub fn leading_i64(text: &[u8]) -> (i64, &[u8]) {
    let (negative, digits) = split_sign(skip_blanks(text));
    let count = digits.iter().take_while(|c| c.is_ascii_digit()).count();
    if count == 0 {
        return (0, text);
    }
    let (digits, rest) = digits.split_at(count);
    let value = digits.iter().fold(0i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        let digit = if negative { -digit } else { digit };
        value.saturating_mul(10).saturating_add(digit)
    });
    (value, rest)
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

/// Reads a float where the reference calls `strtod` itself and only looks for leftovers and `nan`:
/// blanks may stand in front, nothing at all is zero, what is too large is infinite, and what is
/// too small is zero.
pub fn parse_f64_lenient(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let text = skip_blanks(text);
    let (negative, magnitude) = split_sign(text);
    let value = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => {
            let value = parse_hex_float(digits)?.nearest_f64();
            if negative { -value } else { value }
        }
        _ => std::str::from_utf8(text).ok()?.parse().ok()?,
    };
    (!value.is_nan()).then_some(value)
}

/// What stands behind the blanks at the start of a text, going by C's `isspace`.
pub fn skip_blanks(text: &[u8]) -> &[u8] {
    let is_blank = |c: &u8| matches!(c, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(|c| is_blank(c)).count();
    &text[blanks..]
}

/// Whether a decimal float has a digit other than zero in front of its exponent.
fn has_nonzero_digit(text: &[u8]) -> bool {
    text.iter()
        .take_while(|c| !matches!(c, b'e' | b'E'))
        .any(|c| matches!(c, b'1'..=b'9'))
}

#[cfg(test)]
mod tests;
