//! Reads MessagePack.

use mlua::{Lua, MultiValue, Value};

use crate::commands::scripting::given::Given;

/// Arrays and maps are followed so deep. They come from anywhere.
const NESTING_MAX: usize = 1000;

/// All values of a text.
pub fn unpack(lua: &Lua, given: MultiValue) -> mlua::Result<MultiValue> {
    let given = Given::new(lua, "unpack", given);
    let values = read(lua, &given, 0.0, 0.0)?.1;
    Ok(MultiValue::from_vec(values))
}

/// The value at an offset, behind the offset of the next one.
pub fn unpack_one(lua: &Lua, given: MultiValue) -> mlua::Result<MultiValue> {
    let given = Given::new(lua, "unpack_one", given);
    let offset = given.number_or(1, 0.0)?;
    with_next(lua, &given, 1.0, offset)
}

/// So many values from an offset on, behind the offset of the next one.
pub fn unpack_limit(lua: &Lua, given: MultiValue) -> mlua::Result<MultiValue> {
    let given = Given::new(lua, "unpack_limit", given);
    let limit = given.number(1)?;
    let offset = given.number_or(2, 0.0)?;
    with_next(lua, &given, limit, offset)
}

fn with_next(lua: &Lua, given: &Given<'_>, limit: f64, offset: f64) -> mlua::Result<MultiValue> {
    let (next, values) = read(lua, given, limit.trunc(), offset.trunc())?;
    let next = next.map_or(-1.0, |at| at as f64);
    let mut results = MultiValue::from_vec(values);
    results.push_front(Value::Number(next));
    Ok(results)
}

/// Up to `limit` values, all if that is 0: where the next one is, if there is one, and they.
fn read(
    lua: &Lua,
    given: &Given<'_>,
    limit: f64,
    offset: f64,
) -> mlua::Result<(Option<usize>, Vec<Value>)> {
    let text = given.string(0)?;
    let text = text.as_bytes();
    if offset < 0.0 || limit < 0.0 {
        let text = format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            text.len()
        );
        return Err(given.fail(&text));
    }
    if offset > text.len() as f64 {
        let text = format!(
            "Start offset {offset} greater than input length {}.",
            text.len()
        );
        return Err(given.fail(&text));
    }
    let mut reader = Reader {
        lua,
        text: &text,
        at: offset as usize,
    };
    let mut values = Vec::new();
    while reader.at < text.len() && (limit == 0.0 || (values.len() as f64) < limit) {
        match reader.value(0)? {
            Ok(value) => values.push(value),
            Err(Broken::Short) => return Err(given.fail("Missing bytes in input.")),
            Err(Broken::Bad) => return Err(given.fail("Bad data format in input.")),
        }
    }
    let next = (reader.at < text.len()).then_some(reader.at);
    Ok((next, values))
}

/// What is wrong with a text.
enum Broken {
    Short,
    Bad,
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
}

/// A value; or what is wrong with the text; or an error of the interpreter.
type Read = mlua::Result<Result<Value, Broken>>;

impl Reader<'_> {
    fn take(&mut self, bytes: usize) -> Option<&[u8]> {
        let taken = self.text.get(self.at..)?.get(..bytes)?;
        self.at += bytes;
        Some(taken)
    }

    /// An unsigned number of so many bytes.
    fn unsigned(&mut self, bytes: usize) -> Option<u64> {
        let raw = self.take(bytes)?;
        Some(
            raw.iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        )
    }

    fn value(&mut self, depth: usize) -> Read {
        if depth > NESTING_MAX {
            return Ok(Err(Broken::Bad));
        }
        let Some(mark) = self.take(1).map(|taken| taken[0]) else {
            return Ok(Err(Broken::Short));
        };
        match mark {
            0x00..0x80 => Ok(Ok(Value::Integer(mark.into()))),
            0x80..0x90 => self.map((mark & 15).into(), depth),
            0x90..0xa0 => self.array((mark & 15).into(), depth),
            0xa0..0xc0 => self.bytes((mark & 31).into()),
            0xc0 => Ok(Ok(Value::Nil)),
            0xc2 | 0xc3 => Ok(Ok(Value::Boolean(mark == 0xc3))),
            0xe0.. => Ok(Ok(Value::Integer((mark as i8).into()))),
            0xca..=0xd3 => Ok(self.number(mark).ok_or(Broken::Short)),
            0xc4..=0xc6 | 0xd9..=0xdf => {
                let length_bytes = match mark {
                    0xc4 | 0xd9 => 1,
                    0xc5 | 0xda | 0xdc | 0xde => 2,
                    _ => 4,
                };
                let Some(length) = self.unsigned(length_bytes) else {
                    return Ok(Err(Broken::Short));
                };
                match mark {
                    0xdc | 0xdd => self.array(length as usize, depth),
                    0xde | 0xdf => self.map(length as usize, depth),
                    _ => self.bytes(length as usize),
                }
            }
            _ => Ok(Err(Broken::Bad)),
        }
    }

    fn number(&mut self, mark: u8) -> Option<Value> {
        Some(Value::Number(match mark {
            0xca => f64::from(f32::from_bits(self.unsigned(4)? as u32)),
            0xcb => f64::from_bits(self.unsigned(8)?),
            0xcc => self.unsigned(1)? as f64,
            0xcd => self.unsigned(2)? as f64,
            0xce => self.unsigned(4)? as f64,
            0xcf => self.unsigned(8)? as f64,
            0xd0 => f64::from(self.unsigned(1)? as i8),
            0xd1 => f64::from(self.unsigned(2)? as i16),
            0xd2 => f64::from(self.unsigned(4)? as i32),
            _ => self.unsigned(8)? as i64 as f64,
        }))
    }

    fn bytes(&mut self, length: usize) -> Read {
        let lua = self.lua;
        match self.take(length) {
            Some(bytes) => lua.create_string(bytes).map(|text| Ok(Value::String(text))),
            None => Ok(Err(Broken::Short)),
        }
    }

    fn array(&mut self, length: usize, depth: usize) -> Read {
        let table = self.lua.create_table()?;
        for at in 1..=length {
            match self.value(depth + 1)? {
                Ok(value) => table.raw_set(at, value)?,
                Err(broken) => return Ok(Err(broken)),
            }
        }
        Ok(Ok(Value::Table(table)))
    }

    fn map(&mut self, length: usize, depth: usize) -> Read {
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let key = match self.value(depth + 1)? {
                Ok(key) => key,
                Err(broken) => return Ok(Err(broken)),
            };
            let value = match self.value(depth + 1)? {
                Ok(value) => value,
                Err(broken) => return Ok(Err(broken)),
            };
            if key.is_nil() || matches!(key, Value::Number(number) if number.is_nan()) {
                return Ok(Err(Broken::Bad));
            }
            table.raw_set(key, value)?;
        }
        Ok(Ok(Value::Table(table)))
    }
}
