//! Sums as the reference computes them: each row was taken from a running 7.2.4 by setting a key
//! to the first number and incrementing it by the second.

use super::*;

fn sum(a: &str, b: &str) -> Result<String, &'static str> {
    let parse = |s: &str| LongDouble::parse(s.as_bytes()).ok_or("NotFloat");
    let total = parse(a)?.checked_add(parse(b)?).ok_or("NotFinite")?;
    Ok(text(total))
}

fn text(value: LongDouble) -> String {
    let mut out = Vec::new();
    value.format(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_thousandfold_is_rounded_up_and_fits_64_bits() {
    let thousandfold = |s: &str| LongDouble::parse(s.as_bytes()).unwrap().thousandfold();
    for (text, expected) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("1", Some(1000)),
        ("0.001", Some(1)),
        ("0.0010000000000001", Some(2)),
        ("1e-4940", Some(1)),
        ("-0.0019", Some(-1)),
        ("-1e-4940", Some(0)),
        ("9223372036854775.807", Some(i64::MAX)),
        ("9223372036854775.8075", None),
        ("9223372036854775.808", None),
        ("-9223372036854775.8085", Some(i64::MIN)),
        ("-9223372036854775.809", Some(i64::MIN)),
        ("1e19", None),
        ("1e4932", None),
        ("-1e4932", Some(i64::MIN)),
        ("inf", None),
        ("-inf", Some(i64::MIN)),
    ] {
        assert_eq!(thousandfold(text), expected, "{text}");
    }
}

#[rustfmt::skip]
const SUMS: &[(&str, &str, &str)] = &[
    ("3", "1.1", "4.1"),
    ("3.0e3", "200", "3200"),
    ("10.50", "0.1", "10.6"),
    ("5.0e3", "2.0e2", "5200"),
    ("0.1", "0.2", "0.3"),
    ("1.23", "-1.23", "0"),
    ("-0", "-0", "0"),
    ("-0.1", "0.1", "0"),
    ("1", "0.00000000000000001", "1.00000000000000001"),
    ("1", "0.000000000000000004", "1"),
    ("0.5", "-0.000000000000000005", "0.5"),
    ("-0.000000000000000001", "0", "0"),
    ("0.000000000000000005", "0", "0"),
    ("0.000000000000000015", "0", "0.00000000000000002"),
    ("2.5e-17", "0", "0.00000000000000002"),
    ("17179869184", "1", "17179869185"),
    ("17179869184.123", "0.877", "17179869185"),
    ("9223372036854775807", "1", "9223372036854775808"),
    ("18446744073709551615", "1", "18446744073709551616"),
    ("18446744073709551616", "1", "18446744073709551616"),
    ("18446744073709551616", "3", "18446744073709551620"),
    ("1e30", "1", "1000000000000000000024696061952"),
    ("1e40", "1e20", "9999999999999999999783686092270256259072"),
    ("-1e25", "1e25", "0"),
    ("123456789012345678901234567890", "0.5", "123456789012345678899921813504"),
    ("99999999999999999999", "0.1", "100000000000000000000"),
    ("0.30000000000000004", "0", "0.30000000000000004"),
    ("1.00000000000000000054", "0", "1"),
    ("1.0000000000000000000542101086242752217003726400434970855712890625", "0", "1"),
    ("1.00000000000000000005421010862427522170037264004349708557128906251", "0", "1"),
    ("1.0000000000000000001626303258728256651011179201304912567138671875", "0", "1"),
    ("0.12345678901234567890123456789", "0", "0.12345678901234568"),
    ("1e-4940", "0", "0"),
    ("3.6451995318824746025e-4951", "0", "0"),
    ("1e-4950", "1e-4950", "0"),
    ("0x1p-16445", "1", "1"),
    (".5", "5.", "5.5"),
    ("+1", "1E2", "101"),
    ("0x10", "0X.8p1", "17"),
    ("-0x1.8p3", "0", "-12"),
    ("0x1.00000000000000018p0", "0", "1"),
    ("0x123456789abcdef012345", "1", "1375488932539311398715392"),
    ("nan", "1", "NotFloat"),
    ("inf", "1", "NotFinite"),
    ("-infinity", "1", "NotFinite"),
    ("1e5000", "1", "NotFloat"),
    ("1e-5000", "1", "NotFloat"),
    ("1.18973149535723176508e4932", "1.18973149535723176508e4932", "NotFloat"),
    ("1.1897314953572317651e4932", "0", "NotFloat"),
    ("0x1p-16447", "0", "NotFloat"),
    ("", "1", "NotFloat"),
    (" 1", "1", "NotFloat"),
    ("1 ", "1", "NotFloat"),
    ("1e", "1", "NotFloat"),
    ("0x", "1", "NotFloat"),
    ("1_0", "1", "NotFloat"),
    ("--1", "1", "NotFloat"),
    ("0e99999", "1", "1"),
    ("1", "abc", "NotFloat"),
    ("4.35", "1.15", "5.5"),
    ("100.01", "200.02", "300.03"),
    ("5.0", "-200", "-195"),
    ("0.1", "1e-19", "0.1"),
    ("1e17", "0.1", "100000000000000000.1015625"),
    ("1152921504606846976", "0.0625", "1152921504606846976"),
    ("1152921504606846976", "0.03125", "1152921504606846976"),
    ("-1152921504606846977", "0.09375", "-1152921504606846976.875"),
];

#[test]
fn sums_agree_with_the_reference() {
    for (a, b, expected) in SUMS {
        let got = sum(a, b).unwrap_or_else(str::to_owned);
        assert_eq!(got, *expected, "{a:?} + {b:?}");
        if LongDouble::parse(b.as_bytes()).is_some() {
            assert_eq!(sum(b, a), sum(a, b), "{b:?} + {a:?}");
        }
    }
}

#[test]
fn the_largest_number_prints_all_its_digits() {
    let largest = LongDouble::parse(b"0x1.fffffffffffffffep16383").unwrap();
    let digits = text(largest);
    assert_eq!(digits.len(), 4933);
    assert!(digits.starts_with("118973149535723176502126385303"));
    assert_eq!(LongDouble::parse(digits.as_bytes()), Some(largest));
    assert_eq!(LongDouble::parse(b"0x1p16384"), None);
    assert_eq!(largest.checked_add(largest), None);
}

#[test]
fn denormal_numbers_are_kept_down_to_the_last_bit() {
    let smallest = LongDouble::parse(b"0x1p-16445").unwrap();
    assert!(!smallest.is_zero());
    assert_eq!(
        LongDouble::parse(b"3.6451995318824746025e-4951"),
        Some(smallest)
    );
    let twice = smallest.checked_add(smallest);
    assert_eq!(twice, LongDouble::parse(b"0x1p-16444"));
    assert_eq!(
        twice
            .unwrap()
            .checked_add(LongDouble::parse(b"-0x1p-16445").unwrap()),
        Some(smallest)
    );
    assert_eq!(LongDouble::parse(b"1e-4951"), None);
}

#[test]
fn texts_longer_than_the_reference_takes_are_refused() {
    let zeros = |n: usize| format!("1.{}", "0".repeat(n - 2));
    assert!(LongDouble::parse(zeros(TEXT_BYTES_MAX - 1).as_bytes()).is_some());
    assert!(LongDouble::parse(zeros(TEXT_BYTES_MAX).as_bytes()).is_none());
}

#[test]
fn integers_are_exact() {
    for value in [0, 1, -1, i64::MAX, i64::MIN] {
        assert_eq!(text(LongDouble::from(value)), value.to_string());
        assert_eq!(
            LongDouble::parse(value.to_string().as_bytes()),
            Some(LongDouble::from(value))
        );
    }
}

#[test]
fn infinity_is_a_number_that_cannot_be_added() {
    let infinite = LongDouble::parse(b"-INF").unwrap();
    assert!(!infinite.is_finite());
    assert_eq!(text(infinite), "-inf");
    assert_eq!(infinite.checked_add(LongDouble::from(1)), None);
    assert_eq!(LongDouble::from(1).checked_add(infinite), None);
}

proptest::proptest! {
    /// Eighths are exact in binary as well, and so are their sums.
    #[test]
    fn sums_of_eighths_are_exact(a in -(1i64 << 50)..1 << 50, b in -(1i64 << 50)..1 << 50) {
        let eighths = |n: i64| {
            let sign = if n < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:03}", n.abs() / 8, n.abs() % 8 * 125);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        proptest::prop_assert_eq!(sum(&eighths(a), &eighths(b)).unwrap(), eighths(a + b));
    }

    #[test]
    fn garbage_never_panics(
        text in "[-+0-9.eExXpPa-f]{0,30}",
        number in "-?[0-9]{0,40}[.][0-9]{0,40}(e-?[0-9]{1,4})?",
    ) {
        let _ = sum(&text, &number);
    }
}
