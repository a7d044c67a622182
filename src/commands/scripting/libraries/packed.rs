//! `struct`: values as the bytes of C structures, and back.
//!
//! A format is a sequence of letters, one for a value, some with a size behind them; `<`, `>` and
//! `=` choose the order of bytes, `!` the alignment.

use mlua::{Lua, MultiValue, Table, Value};

use crate::commands::scripting::given::Given;

/// An integer has at most so many bytes.
const INTEGER_BYTES_MAX: usize = 32;

/// The alignment that `!` alone stands for.
const ALIGNMENT_DEFAULT: usize = 8;

/// Makes the library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    library.raw_set("size", lua.create_function(size)?)?;
    Ok(library)
}

/// What a letter of a format stands for.
#[derive(Clone, Copy, PartialEq)]
enum Item {
    Padding,
    Integer {
        bytes: usize,
        signed: bool,
    },
    /// So many characters; 0 is as many as the value before says, or all of it.
    Chars(usize),
    /// Up to a zero byte.
    Text,
    Float,
    Double,
    /// It says how others are to be read.
    Nothing,
}

struct Format<'a> {
    given: &'a Given<'a>,
    rest: &'a [u8],
    little: bool,
    alignment: usize,
}

impl<'a> Format<'a> {
    fn new(given: &'a Given<'a>, text: &'a [u8]) -> Format<'a> {
        Format {
            given,
            rest: text.split(|b| *b == 0).next().unwrap_or_default(),
            little: true,
            alignment: 1,
        }
    }

    /// Letters and digits that stand for nothing have no size.
    fn skip_unknown_letters(&mut self) {
        while let [letter, rest @ ..] = self.rest
            && letter.is_ascii_alphanumeric()
            && !b"bBhHlLTiIfdxcs".contains(letter)
        {
            self.rest = rest;
        }
    }

    fn number(&mut self, otherwise: usize) -> mlua::Result<usize> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(otherwise);
        }
        let (text, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = text.iter().try_fold(0i32, |number, digit| {
            number.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
        });
        match number {
            Some(number) => Ok(number as usize),
            None => Err(self.given.fail("integral size overflow")),
        }
    }

    /// The next item, with the padding that its alignment needs behind `offset` bytes.
    fn next(&mut self, offset: usize) -> mlua::Result<Option<(Item, usize)>> {
        let Some((letter, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let integer = |bytes, signed| Item::Integer { bytes, signed };
        let item = match letter {
            b'b' => integer(1, true),
            b'B' => integer(1, false),
            b'h' => integer(2, true),
            b'H' => integer(2, false),
            b'l' => integer(8, true),
            b'L' | b'T' => integer(8, false),
            b'i' | b'I' => {
                let bytes = self.number(4)?;
                if bytes > INTEGER_BYTES_MAX {
                    let text = format!(
                        "integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}"
                    );
                    return Err(self.given.fail(&text));
                }
                integer(bytes, *letter == b'i')
            }
            b'f' => Item::Float,
            b'd' => Item::Double,
            b'x' => Item::Padding,
            b'c' => Item::Chars(self.number(1)?),
            b's' => Item::Text,
            b' ' => Item::Nothing,
            b'<' | b'>' => {
                self.little = *letter == b'<';
                Item::Nothing
            }
            b'=' => {
                self.little = true;
                Item::Nothing
            }
            b'!' => {
                let alignment = self.number(ALIGNMENT_DEFAULT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(self.given.fail(&text));
                }
                self.alignment = alignment;
                Item::Nothing
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(*other));
                return Err(self.given.bad(0, &text));
            }
        };
        let bytes = item.bytes();
        let aligns = matches!(item, Item::Integer { .. } | Item::Float | Item::Double);
        let unit = bytes.min(self.alignment);
        let padding = match aligns && unit > 1 {
            true => (unit - (offset & (unit - 1))) & (unit - 1),
            false => 0,
        };
        Ok(Some((item, padding)))
    }
}

impl Item {
    fn bytes(self) -> usize {
        match self {
            Item::Padding => 1,
            Item::Integer { bytes, .. } => bytes,
            Item::Chars(bytes) => bytes,
            Item::Float => 4,
            Item::Double => 8,
            Item::Text | Item::Nothing => 0,
        }
    }
}

// ---- Packing ----

fn pack(lua: &Lua, given: MultiValue) -> mlua::Result<mlua::LuaString> {
    let given = Given::new(lua, "pack", given);
    let text = given.string(0)?;
    let text = text.as_bytes();
    let mut format = Format::new(&given, &text);
    let mut out = Vec::new();
    let mut at = 1;
    while let Some((item, padding)) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        at += pack_item(&given, at, item, format.little, &mut out)?;
    }
    lua.create_string(out)
}

/// Adds an item; gives how many arguments it took.
fn pack_item(
    given: &Given<'_>,
    at: usize,
    item: Item,
    little: bool,
    out: &mut Vec<u8>,
) -> mlua::Result<usize> {
    match item {
        Item::Nothing => return Ok(0),
        Item::Padding => {
            out.push(0);
            return Ok(0);
        }
        Item::Integer { bytes, .. } => {
            let number = given.number(at)?;
            let value = match number < 0.0 {
                true => number as i64 as u64,
                false => number as u64,
            };
            put(&extended(value, bytes), little, out);
        }
        Item::Float => put(&(given.number(at)? as f32).to_le_bytes(), little, out),
        Item::Double => put(&given.number(at)?.to_le_bytes(), little, out),
        Item::Chars(_) | Item::Text => {
            let text = given.string(at)?;
            let text = text.as_bytes();
            let length = match item {
                Item::Chars(length) if length > 0 => length,
                _ => text.len(),
            };
            let Some(chars) = text.get(..length) else {
                return Err(given.bad(at, "string too short"));
            };
            out.extend_from_slice(chars);
            if item == Item::Text {
                out.push(0);
            }
        }
    }
    Ok(1)
}

/// The lowest bytes of an integer, as many as wanted: beyond what it has they are zero.
fn extended(value: u64, bytes: usize) -> Vec<u8> {
    let mut all = value.to_le_bytes().to_vec();
    all.resize(bytes, 0);
    all
}

fn put(little_endian: &[u8], little: bool, out: &mut Vec<u8>) {
    match little {
        true => out.extend_from_slice(little_endian),
        false => out.extend(little_endian.iter().rev()),
    }
}

// ---- Unpacking ----

fn unpack(lua: &Lua, given: MultiValue) -> mlua::Result<MultiValue> {
    let given = Given::new(lua, "unpack", given);
    let (text, data) = (given.string(0)?, given.string(1)?);
    let (text, data) = (text.as_bytes(), data.as_bytes());
    let start = given.number_or(2, 1.0)?;
    if start < 1.0 {
        return Err(given.bad(2, "offset must be 1 or greater"));
    }
    let mut format = Format::new(&given, &text);
    let mut at = start as usize - 1;
    let mut values: Vec<Value> = Vec::new();
    let too_short = || given.bad(1, "data string too short");
    while let Some((item, padding)) = format.next(at)? {
        at = at.checked_add(padding).ok_or_else(too_short)?;
        let rest = data.get(at..).ok_or_else(too_short)?;
        let mut bytes = item.bytes();
        if item == Item::Text {
            let end = rest.iter().position(|b| *b == 0);
            let Some(end) = end else {
                return Err(given.fail("unfinished string in data"));
            };
            values.push(Value::String(lua.create_string(&rest[..end])?));
            at += end + 1;
            continue;
        }
        if item == Item::Chars(0) {
            let size = values.pop().and_then(|value| match value {
                Value::Integer(size) => usize::try_from(size).ok(),
                Value::Number(size) if size >= 0.0 => Some(size as usize),
                _ => None,
            });
            let Some(size) = size else {
                return Err(given.fail("format 'c0' needs a previous size"));
            };
            bytes = size;
        }
        let raw = rest.get(..bytes).ok_or_else(too_short)?;
        at += bytes;
        match item {
            Item::Nothing | Item::Padding | Item::Text => {}
            Item::Chars(_) => values.push(Value::String(lua.create_string(raw)?)),
            Item::Integer { signed, .. } => values.push(integer(raw, format.little, signed)),
            Item::Float => {
                let raw = in_order::<4>(raw, format.little);
                values.push(Value::Number(f64::from(f32::from_le_bytes(raw))));
            }
            Item::Double => {
                let raw = in_order::<8>(raw, format.little);
                values.push(Value::Number(f64::from_le_bytes(raw)));
            }
        }
    }
    values.push(Value::Number((at + 1) as f64));
    Ok(MultiValue::from_vec(values))
}

/// The bytes with the lowest first; those that are missing are zero, those too many left out.
fn in_order<const N: usize>(raw: &[u8], little: bool) -> [u8; N] {
    let mut bytes = [0; N];
    for (at, slot) in bytes.iter_mut().enumerate().take(raw.len()) {
        *slot = match little {
            true => raw[at],
            false => raw[raw.len() - 1 - at],
        };
    }
    bytes
}

fn integer(raw: &[u8], little: bool, signed: bool) -> Value {
    let value = u64::from_le_bytes(in_order::<8>(raw, little));
    let unused = 64 - 8 * raw.len().min(8) as u32;
    Value::Number(match signed {
        true if unused < 64 => ((value << unused) as i64 >> unused) as f64,
        _ => value as f64,
    })
}

fn size(lua: &Lua, given: MultiValue) -> mlua::Result<usize> {
    let given = Given::new(lua, "size", given);
    let text = given.string(0)?;
    let text = text.as_bytes();
    let mut format = Format::new(&given, &text);
    let mut total = 0usize;
    loop {
        format.skip_unknown_letters();
        let Some((item, padding)) = format.next(total)? else {
            break;
        };
        match item {
            Item::Text => return Err(given.bad(0, "option 's' has no fixed size")),
            Item::Chars(0) => return Err(given.bad(0, "option 'c0' has no fixed size")),
            _ => {}
        }
        total = total.saturating_add(padding).saturating_add(item.bytes());
    }
    Ok(total)
}
