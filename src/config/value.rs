//! How a setting's type is read from arguments and written back: flags, numbers and text.
//!
//! Each type has two written forms. `show` is what `CONFIG GET` answers (memory in bytes, text
//! bare); `saved` is what stands in a file (memory with units, text quoted), so that reading the
//! saved lines gives the same value again. Choices among names live in `choice.rs`, types of a
//! single directive in `special.rs`.

use super::row::{NumberFormat, Occasion, Reason, Row};
pub(super) use crate::base::errno::os_text;
use crate::base::{memsize, numbers, quoting};

/// The type of a setting.
pub trait Value {
    /// Takes the value that the arguments say.
    fn set(&mut self, args: &[Vec<u8>], row: &Row, occasion: Occasion) -> Result<(), Reason>;

    /// The value as `CONFIG GET` shows it.
    fn show(&self, row: &Row) -> Vec<u8>;

    /// What stands behind the directive's name, line by line, in a file that is to give this value
    /// again; no line where absence says it.
    fn saved(&self, row: &Row) -> Vec<Vec<u8>> {
        vec![self.show(row)]
    }
}

/// The single argument of a directive that takes one.
pub(super) fn only_arg(args: &[Vec<u8>]) -> Result<&[u8], Reason> {
    match args {
        [arg] => Ok(arg),
        _ => Err("wrong number of arguments".into()),
    }
}

/// An argument as it stands in a file: quoted only where it would not read back bare.
pub(super) fn bare_or_quoted(arg: &[u8]) -> Vec<u8> {
    let is_bare = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    if !arg.is_empty() && arg.iter().all(is_bare) {
        arg.to_vec()
    } else {
        quoted(arg)
    }
}

/// An argument in quotes.
pub(super) fn quoted(arg: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    quoting::quote(arg, &mut out);
    out
}

/// Reads digits as C's `strtoll` reads a whole argument: blanks and a sign may stand before them,
/// none at all are zero, and numbers too large become the largest.
pub(super) fn lenient_i64(arg: &[u8]) -> Option<i64> {
    let arg = numbers::skip_blanks(arg);
    let (negative, digits) = match arg {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return (arg.len() == digits.len()).then_some(0);
    }
    let mut number: i64 = 0;
    for byte in digits {
        let digit = i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(if negative { -number } else { number })
}

impl Value for bool {
    fn set(&mut self, args: &[Vec<u8>], _: &Row, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        *self = match arg {
            _ if arg.eq_ignore_ascii_case(b"yes") => true,
            _ if arg.eq_ignore_ascii_case(b"no") => false,
            _ => return Err("argument must be 'yes' or 'no'".into()),
        };
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        if *self {
            b"yes".to_vec()
        } else {
            b"no".to_vec()
        }
    }
}

impl Value for Vec<u8> {
    fn set(&mut self, args: &[Vec<u8>], _: &Row, _: Occasion) -> Result<(), Reason> {
        *self = only_arg(args)?.to_vec();
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.clone()
    }

    fn saved(&self, _: &Row) -> Vec<Vec<u8>> {
        vec![quoted(self)]
    }
}

/// Text for which an empty argument means that there is none.
impl Value for Option<Vec<u8>> {
    fn set(&mut self, args: &[Vec<u8>], _: &Row, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        *self = (!arg.is_empty()).then(|| arg.to_vec());
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.clone().unwrap_or_default()
    }

    fn saved(&self, _: &Row) -> Vec<Vec<u8>> {
        self.iter().map(|text| quoted(text)).collect()
    }
}

/// Reads a number in the row's unit and holds it to the row's bounds.
fn parse_number(args: &[Vec<u8>], row: &Row) -> Result<i128, Reason> {
    let arg = only_arg(args)?;
    let number: i128 = match row.number_format {
        NumberFormat::Plain => numbers::parse_i64(arg)
            .ok_or("argument couldn't be parsed into an integer")?
            .into(),
        NumberFormat::Memory => memsize::parse(arg)
            .ok_or("argument must be a memory value")?
            .into(),
        NumberFormat::Octal => std::str::from_utf8(arg)
            .ok()
            .and_then(|text| i64::from_str_radix(text, 8).ok())
            .ok_or("argument couldn't be parsed as an octal number")?
            .into(),
    };
    check_bounds(number, row)?;
    Ok(row
        .clamp
        .map_or(number, |(least, greatest)| number.clamp(least, greatest)))
}

/// Refuses numbers outside of the row's bounds.
pub(super) fn check_bounds(number: i128, row: &Row) -> Result<(), Reason> {
    let (least, greatest) = row.bounds;
    if (least..=greatest).contains(&number) {
        return Ok(());
    }
    Err(match row.number_format {
        NumberFormat::Octal => {
            format!("argument must be between {least:o} and {greatest:o} inclusive")
        }
        _ => format!("argument must be between {least} and {greatest} inclusive"),
    }
    .into())
}

macro_rules! number_values {
    ($($number:ty),*) => {$(
        impl Value for $number {
            fn set(&mut self, args: &[Vec<u8>], row: &Row, _: Occasion) -> Result<(), Reason> {
                *self = <$number>::try_from(parse_number(args, row)?)
                    .expect("a row's bounds fit the type of its setting");
                Ok(())
            }

            fn show(&self, row: &Row) -> Vec<u8> {
                match row.number_format {
                    NumberFormat::Plain | NumberFormat::Memory => self.to_string(),
                    NumberFormat::Octal => format!("{self:o}"),
                }
                .into_bytes()
            }

            fn saved(&self, row: &Row) -> Vec<Vec<u8>> {
                match (row.number_format, u64::try_from(*self)) {
                    (NumberFormat::Memory, Ok(bytes)) => vec![memsize::format(bytes).into_bytes()],
                    _ => vec![self.show(row)],
                }
            }
        }
    )*};
}

number_values!(u16, u32, u64, usize, i32, i64);
