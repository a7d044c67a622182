//! Accepted and refused spellings, one table per function.

use super::*;

#[test]
fn integers_are_spelled_one_way_only() {
    for (text, expected) in [
        ("0", 0),
        ("1", 1),
        ("-1", -1),
        ("1234567890", 1_234_567_890),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(parse_i64(text.as_bytes()), Some(expected), "{text}");
    }
    for text in [
        "",
        "-",
        "+1",
        "-0",
        "00",
        "01",
        "-01",
        " 1",
        "1 ",
        "1a",
        "a",
        "1.0",
        "0x1",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999",
        "100000000000000000000",
        "1234567890123456789a",
    ] {
        assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn unsigned_integers_reach_the_full_range() {
    assert_eq!(parse_u64(b"0"), Some(0));
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    for text in [
        "18446744073709551616",
        "-1",
        "",
        "01",
        "99999999999999999999",
    ] {
        assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn floats_are_read_as_strtod_reads_them() {
    for (text, expected) in [
        ("0", 0.0),
        ("3.0", 3.0),
        ("+1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        ("inf", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
        ("0x10", 16.0),
        ("-0x1.8p1", -3.0),
        ("0x.8", 0.5),
        ("0x0", 0.0),
        ("0x1p-1074", 5e-324),
        ("0x1p1023", 2f64.powi(1023)),
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("0x10000000000000000000000000000", 2f64.powi(112)),
        ("0x1.00000000000008p0", 1.0),
        ("0x1.000000000000081p0", 1.0000000000000002),
        ("0x1.00000000000018p0", 1.0000000000000004),
        ("0x1.8p-1074", 1e-323),
        ("4.9e-324", 5e-324),
        ("0e-400", 0.0),
    ] {
        assert_eq!(parse_f64(text.as_bytes()), Some(expected), "{text}");
    }
    assert!(parse_f64(b"-0").is_some_and(|value| value.is_sign_negative()));
}

#[test]
fn floats_that_the_reference_refuses() {
    for text in [
        "",
        " 1",
        "1 ",
        "nan",
        "-nan",
        "1e",
        "1e400",
        "-1e400",
        "1e-400",
        "abc",
        "1.2.3",
        "+",
        "-",
        ".",
        "0x",
        "0xg",
        "0x1p",
        "0x1p2000",
        "0x1p-2000",
        "0x1.fffffffffffff8p1023",
        "1_0",
        "1\0",
        "--1",
        "+-1",
        "infin",
    ] {
        assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
    }
    assert_eq!(parse_f64(b"\xff1"), None);
}

#[test]
fn some_floats_are_read_leniently() {
    let inf = f64::INFINITY;
    for (text, expected) in [
        ("", 0.0),
        ("1.5", 1.5),
        (" \t\n\x0b\x0c\r-2", -2.0),
        ("1e999", inf),
        ("-1e999", -inf),
        ("1e-999", 0.0),
        ("0x1p1024", inf),
        ("-0x1p99999999999", -inf),
        ("0x1.fffffffffffff8p1023", inf),
        ("0x1p-1074", 5e-324),
        ("0x1p-1076", 0.0),
        ("0x1p-9999999", 0.0),
        ("-inf", -inf),
    ] {
        assert_eq!(
            parse_f64_lenient(text.as_bytes()),
            Some(expected),
            "{text:?}"
        );
    }
    for text in [" ", "1 ", "nan", "-nan", "x", "1x", "0x", "0x1p", "1e"] {
        assert_eq!(parse_f64_lenient(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn floats_are_spelled_as_the_reference_spells_them() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (-3.0, "-3"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
        (0.1, "0.1"),
        (-0.1, "-0.1"),
        (2.5625, "2.5625"),
        (1234567.125, "1234567.125"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (0.00012345, "1.2345e-4"),
        (1.5e-9, "1.5e-9"),
        (4611686018427387904.0, "4611686018427387904"),
        (1e18, "1000000000000000000"),
        (1e19, "1e+19"),
        (1e20, "1e+20"),
        (1.5e300, "1.5e+300"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (-2.2250738585072014e-308, "-2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        (1.2345678901234567e25, "1.2345678901234566e+25"),
        (12345678901234567000000.0, "12345678901234568000000"),
    ] {
        let mut out = Vec::new();
        format_f64(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn integers_are_spelled_shorter_where_digits_are_few() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (10_000_000.0, "10000000"),
        (100_000_000.0, "1e+8"),
        (-5_000_000_000.0, "-5e+9"),
        (4_999_999_999.0, "4999999999"),
        (1.25e10, "1.25e+10"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (0.5, "0.5"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        let mut out = b"x".to_vec();
        format_f64_shorter(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("x{expected}"));
    }
}

#[test]
fn integers_are_read_from_the_start_of_a_text() {
    for (text, expected) in [
        ("", 0),
        ("x", 0),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        (" \t\n\x0b\x0c\r007x8", 7),
        ("- 7", 0),
        ("--7", 0),
        ("1.9", 1),
        ("0x10", 0),
        ("2147483648", i32::MIN),
        ("4294967297", 1),
        ("9223372036854775807", -1),
        ("99999999999999999999", -1),
        ("-99999999999999999999", 0),
    ] {
        assert_eq!(atoi(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn an_integer_at_the_start_is_read_and_what_stands_behind_it_told() {
    let cases: &[(&[u8], i64, &[u8])] = &[
        (b"12\r\n", 12, b"\r\n"),
        (b" \t-7x", -7, b"x"),
        (b"+0", 0, b""),
        (b" x", 0, b" x"),
        (b"-", 0, b"-"),
        (b"", 0, b""),
        (b"9223372036854775808!", i64::MAX, b"!"),
        (b"-99999999999999999999", i64::MIN, b""),
    ];
    for (text, value, rest) in cases {
        assert_eq!(leading_i64(text), (*value, *rest), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn integers_round_trip(value: i64) {
        let mut out = Vec::new();
        format_i64(value, &mut out);
        proptest::prop_assert_eq!(parse_i64(&out), Some(value));
    }

    #[test]
    fn unsigned_integers_round_trip(value: u64) {
        let mut out = Vec::new();
        format_u64(value, &mut out);
        proptest::prop_assert_eq!(parse_u64(&out), Some(value));
    }

    #[test]
    fn floats_round_trip(bits: u64) {
        let value = f64::from_bits(bits);
        let mut out = Vec::new();
        format_f64(value, &mut out);
        proptest::prop_assert!(
            value.is_nan() || parse_f64(&out).is_some_and(|back| back.to_bits() == bits)
        );
        out.clear();
        format_f64_shorter(value, &mut out);
        proptest::prop_assert!(
            value.is_nan() || parse_f64(&out).is_some_and(|back| back.to_bits() == bits)
        );
    }

    #[test]
    fn garbage_never_panics(text: Vec<u8>, hex in "0x[0-9a-fp.+-]{0,24}") {
        let _ = (parse_i64(&text), parse_u64(&text), parse_f64(&text), parse_f64(hex.as_bytes()));
    }
}
