//! Amounts of memory as people write them: `512mb`, `1g`, `100`.
//!
//! `k`, `m`, `g` are powers of ten, `kb`, `mb`, `gb` powers of two; `b` or nothing is bytes; case
//! does not matter; only digits may stand before the unit. As in the reference, no digits at all
//! are zero, a number that does not fit 64 bits is the largest that does, and a very long one is
//! refused. With a unit, an amount that does not fit is refused, where the reference would wrap
//! around.

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// No number has more digits.
const DIGITS_MAX: usize = 127;

/// Parses an amount of memory into bytes.
pub fn parse(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return None;
    }
    let (digits, unit) = text.split_at(digits);
    let unit_bytes = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => KIB,
        b"m" => 1_000_000,
        b"mb" => MIB,
        b"g" => 1_000_000_000,
        b"gb" => GIB,
        _ => return None,
    };
    let amount = digits.iter().try_fold(0u64, |amount, digit| {
        let digit = u64::from(digit - b'0');
        amount.checked_mul(10)?.checked_add(digit)
    });
    amount.unwrap_or(u64::MAX).checked_mul(unit_bytes)
}

/// Writes an amount with the largest unit that divides it, as configuration files show it.
pub fn format(bytes: u64) -> String {
    let units = [(GIB, "gb"), (MIB, "mb"), (KIB, "kb")];
    match units
        .iter()
        .find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_decimal_without_b_and_binary_with_it() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("100", Some(100)),
            ("100b", Some(100)),
            ("1k", Some(1_000)),
            ("1Kb", Some(1_024)),
            ("2M", Some(2_000_000)),
            ("2mB", Some(2 << 20)),
            ("3g", Some(3_000_000_000)),
            ("3GB", Some(3 << 30)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("18446744073709551616b", Some(u64::MAX)),
            ("18446744073709551616k", None),
            (&format!("{:0127}", 7), Some(7)),
            (&format!("{:0128}", 7), None),
            ("17179869184gb", None),
            ("", Some(0)),
            ("kb", Some(0)),
            ("-1", None),
            ("+1", None),
            ("1.5gb", None),
            ("1 gb", None),
            ("1tb", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), *expected, "{text}");
        }
    }

    #[test]
    fn amounts_are_written_with_the_largest_unit_that_divides_them() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (1024, "1kb"),
            (5 << 20, "5mb"),
            (1 << 30, "1gb"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(format(bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: u64) {
            prop_assert_eq!(parse(format(bytes).as_bytes()), Some(bytes));
        }
    }
}
