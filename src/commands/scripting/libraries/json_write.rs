//! Writes JSON.

use mlua::{Lua, LuaString, Table, Value};

use super::json_settings::{InvalidNumbers, Settings};
use crate::commands::scripting::given::Given;

/// Tables are followed no deeper than this, whatever a script sets: the stack has an end.
const NESTING_MAX: usize = 2000;

/// The argument as JSON.
pub fn encode(lua: &Lua, given: &Given<'_>, settings: Settings) -> mlua::Result<LuaString> {
    let mut writer = Writer {
        given,
        settings,
        out: Vec::new(),
    };
    writer.value(given.value(0), 0)?;
    lua.create_string(writer.out)
}

struct Writer<'a> {
    given: &'a Given<'a>,
    settings: Settings,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn refuse(&self, type_name: &str, why: &str) -> mlua::Error {
        self.given
            .fail(&format!("Cannot serialise {type_name}: {why}"))
    }

    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.text(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Table(table) => return self.table(table, depth + 1),
            Value::Nil => self.out.extend_from_slice(b"null"),
            null if null.is_null() => self.out.extend_from_slice(b"null"),
            other => return Err(self.refuse(other.type_name(), "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            return match self.settings.encode_invalid {
                InvalidNumbers::Refuse => Err(self.refuse("number", "must not be NaN or Inf")),
                InvalidNumbers::Null => {
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
                InvalidNumbers::Write => {
                    let text: &[u8] = match number {
                        f64::INFINITY => b"inf",
                        f64::NEG_INFINITY => b"-inf",
                        _ => b"nan",
                    };
                    self.out.extend_from_slice(text);
                    Ok(())
                }
            };
        }
        put_significant(number, self.settings.precision, &mut self.out);
        Ok(())
    }

    fn text(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for byte in text {
            let short = match byte {
                b'"' | b'\\' | b'/' => *byte,
                0x08 => b'b',
                0x09 => b't',
                0x0a => b'n',
                0x0c => b'f',
                0x0d => b'r',
                0..0x20 | 0x7f => {
                    self.out.extend(format!("\\u{byte:04x}").into_bytes());
                    continue;
                }
                other => {
                    self.out.push(*other);
                    continue;
                }
            };
            self.out.extend([b'\\', short]);
        }
        self.out.push(b'"');
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if depth > self.settings.encode_depth_max.min(NESTING_MAX) {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(self.given.fail(&text));
        }
        match self.array_length(table)? {
            Some(length) => self.array(table, length, depth),
            None => self.object(table, depth),
        }
    }

    /// How long the table is if it is an array. An empty one is none.
    fn array_length(&self, table: &Table) -> mlua::Result<Option<i64>> {
        let (mut largest, mut members, mut is_array) = (0, 0, true);
        table.for_each(|key: Value, _: Value| {
            match key {
                Value::Integer(at) if at > 0 => largest = largest.max(at),
                _ => is_array = false,
            }
            members += 1;
            Ok(())
        })?;
        if !is_array || largest == 0 {
            return Ok(None);
        }
        let settings = &self.settings;
        let has_holes = settings.sparse_ratio > 0
            && largest > members * settings.sparse_ratio
            && largest > settings.sparse_safe;
        match (has_holes, settings.sparse_convert) {
            (false, _) => Ok(Some(largest)),
            (true, true) => Ok(None),
            (true, false) => Err(self.refuse("table", "excessively sparse array")),
        }
    }

    fn array(&mut self, table: &Table, length: i64, depth: usize) -> mlua::Result<()> {
        self.out.push(b'[');
        for at in 1..=length {
            if at > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(at)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        self.out.push(b'{');
        let mut first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !first {
                self.out.push(b',');
            }
            first = false;
            match key {
                Value::String(text) => self.text(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.value(&key, depth)?;
                    self.out.push(b'"');
                }
                other => {
                    let why = "table key must be a number or string";
                    return Err(self.refuse(other.type_name(), why));
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// Writes a number with so many significant digits at most, as C's `%.*g` does.
fn put_significant(number: f64, digits: usize, out: &mut Vec<u8>) {
    if number == 0.0 {
        let text: &[u8] = if number.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        };
        return out.extend_from_slice(text);
    }
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').expect("an exponent was asked for");
    let exponent: i32 = exponent.parse().expect("exponents are small numbers");
    if (-4..digits as i32).contains(&exponent) {
        let places = (digits as i32 - 1 - exponent).max(0) as usize;
        return out.extend_from_slice(without_zeros(&format!("{number:.places$}")).as_bytes());
    }
    out.extend_from_slice(without_zeros(mantissa).as_bytes());
    let sign = if exponent < 0 { '-' } else { '+' };
    out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
}

fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::put_significant;

    #[test]
    fn numbers_have_fourteen_digits_at_most() {
        for (number, text) in [
            (100.0, "100"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e13, "10000000000000"),
            (1e14, "1e+14"),
            (123_456_789_012_345_678.0, "1.2345678901235e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.5e-300, "-1.5e-300"),
        ] {
            let mut out = Vec::new();
            put_significant(number, 14, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }
}
