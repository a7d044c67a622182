//! `cmsgpack`: MessagePack. This is how values are written; [`super::msgpack_read`] reads them.
//!
//! A number that is whole is an integer, of the fewest bytes; another is a double, or a float where
//! that loses nothing. A table whose keys are 1 to n is an array. What has no such form is nil.

use mlua::{Lua, MultiValue, Table, Value};

use super::msgpack_read;
use crate::commands::scripting::given::Given;

/// Tables that are nested deeper are written as nil.
const NESTING_MAX: usize = 16;

/// Makes the library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(msgpack_read::unpack)?)?;
    library.raw_set("unpack_one", lua.create_function(msgpack_read::unpack_one)?)?;
    let unpack_limit = lua.create_function(msgpack_read::unpack_limit)?;
    library.raw_set("unpack_limit", unpack_limit)?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "")?;
    library.raw_set("_DESCRIPTION", "MessagePack for scripts")?;
    Ok(library)
}

fn pack(lua: &Lua, given: MultiValue) -> mlua::Result<mlua::LuaString> {
    let given = Given::new(lua, "pack", given);
    if given.len() == 0 {
        let text = "bad argument #0 to 'pack' (MessagePack pack needs input.)";
        return Err(given.fail(text));
    }
    let mut out = Vec::new();
    for value in given.values() {
        put(value, 0, &mut out)?;
    }
    lua.create_string(out)
}

fn put(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            put_text_header(text.len(), out);
            out.extend_from_slice(&text);
        }
        Value::Boolean(truth) => out.push(0xc2 + u8::from(*truth)),
        Value::Integer(number) => put_integer(*number, out),
        Value::Number(number) => put_number(*number, out),
        Value::Table(table) if depth < NESTING_MAX => return put_table(table, depth + 1, out),
        _ => out.push(0xc0),
    }
    Ok(())
}

fn put_text_header(length: usize, out: &mut Vec<u8>) {
    match length {
        0..32 => out.push(0xa0 | length as u8),
        32..0x100 => out.extend([0xd9, length as u8]),
        0x100..0x1_0000 => {
            out.push(0xda);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdb);
            out.extend((length as u32).to_be_bytes());
        }
    }
}

fn put_number(number: f64, out: &mut Vec<u8>) {
    let whole = number as i64;
    if whole as f64 == number && whole != i64::MAX {
        return put_integer(whole, out);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend(short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend(number.to_be_bytes());
    }
}

fn put_integer(number: i64, out: &mut Vec<u8>) {
    match number {
        0..0x80 => out.push(number as u8),
        0x80..0x100 => out.extend([0xcc, number as u8]),
        0x100..0x1_0000 => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(number.to_be_bytes());
        }
        -32..0 => out.push(number as i8 as u8),
        -0x80..-32 => out.extend([0xd0, number as i8 as u8]),
        -0x8000..-0x80 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
    }
}

fn put_table(table: &Table, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let (mut largest, mut pairs) = (0, 0usize);
    let mut is_array = true;
    table.for_each(|key: Value, _: Value| {
        match key {
            Value::Integer(at) if at > 0 => largest = largest.max(at),
            _ => is_array = false,
        }
        pairs += 1;
        Ok(())
    })?;
    if is_array && largest == pairs as i64 {
        put_header(pairs, [0x90, 0xdc, 0xdd], out);
        for at in 1..=pairs {
            put(&table.raw_get(at)?, depth, out)?;
        }
        return Ok(());
    }
    put_header(pairs, [0x80, 0xde, 0xdf], out);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        put(&key, depth, out)?;
        put(&value, depth, out)?;
    }
    Ok(())
}

/// The header of an array or a map, by the marks of its short, middle and long forms.
fn put_header(length: usize, marks: [u8; 3], out: &mut Vec<u8>) {
    match length {
        0..16 => out.push(marks[0] | length as u8),
        16..0x1_0000 => {
            out.push(marks[1]);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(marks[2]);
            out.extend((length as u32).to_be_bytes());
        }
    }
}
