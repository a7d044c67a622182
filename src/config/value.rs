//! How a setting's type is read from arguments and written back: flags, numbers and text.
//!
//! Each type has two written forms. `show` is what `CONFIG GET` answers (memory in bytes, text
//! bare); `saved` is what stands in a file (memory with units, text quoted), so that reading the
//! saved lines gives the same value again. Choices among names live in `choice.rs`, types of a
//! single directive in `special.rs`.

use std::borrow::Cow;

pub(super) use crate::base::errno::os_text;
use crate::base::{memsize, numbers, quoting};

/// Why a value is not accepted, in the words the operator or client will read.
pub type Reason = Cow<'static, str>;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    /// Decimal digits.
    Plain,
    /// An amount of memory, with units.
    Memory,
    /// Octal digits, for permissions.
    Octal,
}

/// What a number may be, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct NumberRule {
    /// How it is written.
    pub format: NumberFormat,
    /// Least and greatest number accepted.
    pub bounds: (i128, i128),
    /// Numbers accepted beyond these limits are pulled to the nearest one.
    pub clamp: Option<(i128, i128)>,
}

impl NumberRule {
    /// Of a directive that is no number.
    pub const NONE: NumberRule = NumberRule {
        format: NumberFormat::Plain,
        bounds: (0, 0),
        clamp: None,
    };
}

/// Where a value comes from, for directives that add up over the lines of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The first line of this start that names the directive: it replaces the default.
    FirstLine,
    /// A further line: it may add to the first.
    LaterLine,
    /// `CONFIG SET`: it replaces what was there.
    Command,
}

/// The type of a setting. What is said of numbers is for types that hold some.
pub trait Value {
    /// Takes the value that the arguments say.
    fn set(
        &mut self,
        args: &[Vec<u8>],
        rule: &NumberRule,
        occasion: Occasion,
    ) -> Result<(), Reason>;

    /// The value as `CONFIG GET` shows it.
    fn show(&self, rule: &NumberRule) -> Vec<u8>;

    /// What stands behind the directive's name, line by line, in a file that is to give this value
    /// again; no line where absence says it.
    fn saved(&self, rule: &NumberRule) -> Vec<Vec<u8>> {
        vec![self.show(rule)]
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
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        *self = match arg {
            _ if arg.eq_ignore_ascii_case(b"yes") => true,
            _ if arg.eq_ignore_ascii_case(b"no") => false,
            _ => return Err("argument must be 'yes' or 'no'".into()),
        };
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        if *self {
            b"yes".to_vec()
        } else {
            b"no".to_vec()
        }
    }
}

impl Value for Vec<u8> {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        *self = only_arg(args)?.to_vec();
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        self.clone()
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        vec![quoted(self)]
    }
}

/// Text for which an empty argument means that there is none.
impl Value for Option<Vec<u8>> {
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let arg = only_arg(args)?;
        *self = (!arg.is_empty()).then(|| arg.to_vec());
        Ok(())
    }

    fn show(&self, _: &NumberRule) -> Vec<u8> {
        self.clone().unwrap_or_default()
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        self.iter().map(|text| quoted(text)).collect()
    }
}

/// Reads a number as its rule says it is written and holds it to the bounds.
fn parse_number(args: &[Vec<u8>], rule: &NumberRule) -> Result<i128, Reason> {
    let arg = only_arg(args)?;
    let number: i128 = match rule.format {
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
    check_bounds(number, rule)?;
    Ok(rule
        .clamp
        .map_or(number, |(least, greatest)| number.clamp(least, greatest)))
}

/// Refuses numbers outside of the bounds.
pub(super) fn check_bounds(number: i128, rule: &NumberRule) -> Result<(), Reason> {
    let (least, greatest) = rule.bounds;
    if (least..=greatest).contains(&number) {
        return Ok(());
    }
    Err(match rule.format {
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
            fn set(
                &mut self,
                args: &[Vec<u8>],
                rule: &NumberRule,
                _: Occasion,
            ) -> Result<(), Reason> {
                *self = <$number>::try_from(parse_number(args, rule)?)
                    .expect("a row's bounds fit the type of its setting");
                Ok(())
            }

            fn show(&self, rule: &NumberRule) -> Vec<u8> {
                match rule.format {
                    NumberFormat::Plain | NumberFormat::Memory => self.to_string(),
                    NumberFormat::Octal => format!("{self:o}"),
                }
                .into_bytes()
            }

            fn saved(&self, rule: &NumberRule) -> Vec<Vec<u8>> {
                match (rule.format, u64::try_from(*self)) {
                    (NumberFormat::Memory, Ok(bytes)) => vec![memsize::format(bytes).into_bytes()],
                    _ => vec![self.show(rule)],
                }
            }
        }
    )*};
}

number_values!(u16, u32, u64, usize, i32, i64);
