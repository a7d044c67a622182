//! Splitting a line into arguments and quoting bytes so that the split gives them back.
//!
//! Three places speak this small language: lines of a configuration file, inline commands on a
//! connection, and the lines that `CONFIG REWRITE` and the monitor feed write. Arguments stand
//! apart by blanks; double quotes take `\n \r \t \a \b \xHH` and `\` before any other byte, single
//! quotes take `\'` only. A closing quote must end its argument, but an opening one may stand
//! anywhere: `foo"bar baz"` is one argument.
//!
//! Invariants: a NUL byte ends the line wherever it stands unescaped, as in the reference, whose
//! lines are C strings; `split_args(quote(x))` gives back `x` alone for all bytes `x`.

/// What the bytes being read belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Bare,
    Double,
    Single,
}

/// Splits `line` into arguments, or `None` where quotes do not balance.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = &line[..line.iter().position(|&b| b == 0).unwrap_or(line.len())];
    let mut args = Vec::new();
    let mut rest = line;
    loop {
        rest = &rest[rest
            .iter()
            .position(|&b| !is_space(b))
            .unwrap_or(rest.len())..];
        if rest.is_empty() {
            return Some(args);
        }
        let (arg, after) = take_arg(rest)?;
        args.push(arg);
        rest = after;
    }
}

/// Reads one argument off the front of `line`, which does not begin with a blank.
fn take_arg(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut arg = Vec::new();
    let mut within = Within::Bare;
    let mut rest = line;
    loop {
        rest = match (within, rest) {
            (Within::Bare, []) => return Some((arg, rest)),
            (Within::Bare, [b' ' | b'\n' | b'\r' | b'\t', after @ ..]) => {
                return Some((arg, after));
            }
            (Within::Bare, [b'"', after @ ..]) => {
                within = Within::Double;
                after
            }
            (Within::Bare, [b'\'', after @ ..]) => {
                within = Within::Single;
                after
            }
            (Within::Double | Within::Single, []) => return None,
            (Within::Double, [b'"', after @ ..]) | (Within::Single, [b'\'', after @ ..]) => {
                let ends = after.first().is_none_or(|&b| is_space(b));
                return ends.then_some((arg, after));
            }
            (Within::Double, [b'\\', b'x', high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                arg.push(hex_value(*high) << 4 | hex_value(*low));
                after
            }
            (Within::Double, [b'\\', escaped, after @ ..]) => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            (Within::Single, [b'\\', b'\'', after @ ..]) => {
                arg.push(b'\'');
                after
            }
            (_, [byte, after @ ..]) => {
                arg.push(*byte);
                after
            }
        };
    }
}

/// Appends `bytes` to `out` in double quotes, everything unprintable escaped.
pub fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
    out.push(b'"');
}

/// Blanks as C's `isspace` knows them.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The value of one hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_stand_apart_by_blanks_and_quotes_hold_them_together() {
        type Words<'a> = Option<&'a [&'a [u8]]>;
        let cases: &[(&[u8], Words)] = &[
            (b"", Some(&[])),
            (b"  \t\x0b ", Some(&[])),
            (b"a b\tc", Some(&[b"a", b"b", b"c"])),
            (b" a  b ", Some(&[b"a", b"b"])),
            (b"save \"\"", Some(&[b"save", b""])),
            (b"set 'a b' \"c d\"", Some(&[b"set", b"a b", b"c d"])),
            (b"foo\"bar baz\"", Some(&[b"foobar baz"])),
            (
                b"\"\\x41\\n\\r\\t\\a\\b\\q\\\\\"",
                Some(&[b"A\n\r\t\x07\x08q\\"]),
            ),
            (b"\"\\xZZ\"", Some(&[b"xZZ"])),
            (b"'it\\'s' '\\n'", Some(&[b"it's", b"\\n"])),
            (b"a\0b c", Some(&[b"a"])),
            (b"\"\\x00\"", Some(&[b"\0"])),
            (b"'a'b", None),
            (b"\"a\"b", None),
            (b"\"a", None),
            (b"\"a\\", None),
            (b"'a", None),
        ];
        for (line, expected) in cases {
            let got = split_args(line);
            let got = got
                .as_ref()
                .map(|args| args.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(
                got.as_deref(),
                *expected,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn quoting_escapes_what_is_not_printable() {
        let mut out = Vec::new();
        quote(b"a\"\\\n\r\t\x07\x08\0\xff~ ", &mut out);
        assert_eq!(out, b"\"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff~ \"");
    }

    proptest! {
        #[test]
        fn a_quoted_value_splits_back_into_itself(bytes: Vec<u8>) {
            let mut line = Vec::new();
            quote(&bytes, &mut line);
            prop_assert_eq!(split_args(&line), Some(vec![bytes]));
        }

        #[test]
        fn any_line_is_split_or_refused(line: Vec<u8>) {
            let _ = split_args(&line);
        }
    }
}
