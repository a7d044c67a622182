//! `cjson`: JSON, and what of it can be set.
//!
//! [`super::json_write`] writes it and [`super::json_read`] reads it. The settings hold for all
//! scripts from the one on that makes them, until the scripts are flushed.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use super::json_settings::{DEFAULTS, InvalidNumbers, Settings};
use super::{json_read, json_write};
use crate::commands::scripting::given::Given;

type Shared = Rc<Cell<Settings>>;

/// Makes the library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let shared: Shared = Rc::new(Cell::new(DEFAULTS));
    let own = Rc::clone(&shared);
    let encode = lua.create_function(move |lua, given: MultiValue| {
        let given = Given::new(lua, "encode", given);
        if given.len() != 1 {
            return Err(given.bad(0, "expected 1 argument"));
        }
        json_write::encode(lua, &given, own.get())
    })?;
    library.raw_set("encode", encode)?;
    let own = Rc::clone(&shared);
    let decode = lua.create_function(move |lua, given: MultiValue| {
        let given = Given::new(lua, "decode", given);
        if given.len() != 1 {
            return Err(given.bad(0, "expected 1 argument"));
        }
        json_read::decode(lua, &given, own.get())
    })?;
    library.raw_set("decode", decode)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    set_numbers(lua, &library, &shared)?;
    set_switches(lua, &library, &shared)?;
    Ok(library)
}

/// An integer within bounds, if it is given.
fn setting(given: &Given<'_>, at: usize, least: i64, most: i64) -> mlua::Result<Option<i64>> {
    if given.value(at).is_nil() {
        return Ok(None);
    }
    let number = given.number(at)? as i64;
    if !(least..=most).contains(&number) {
        let text = format!("expected integer between {least} and {most}");
        return Err(given.bad(at, &text));
    }
    Ok(Some(number))
}

type NumberRow = (
    &'static str,
    i64,
    i64,
    fn(&mut Settings, i64),
    fn(&Settings) -> i64,
);

const NUMBERS: [NumberRow; 3] = [
    (
        "encode_max_depth",
        1,
        i32::MAX as i64,
        |settings, depth| settings.encode_depth_max = depth as usize,
        |settings| settings.encode_depth_max as i64,
    ),
    (
        "decode_max_depth",
        1,
        i32::MAX as i64,
        |settings, depth| settings.decode_depth_max = depth as usize,
        |settings| settings.decode_depth_max as i64,
    ),
    (
        "encode_number_precision",
        1,
        14,
        |settings, digits| settings.precision = digits as usize,
        |settings| settings.precision as i64,
    ),
];

fn set_numbers(lua: &Lua, library: &Table, shared: &Shared) -> mlua::Result<()> {
    for (name, least, most, set, get) in NUMBERS {
        let own = Rc::clone(shared);
        let function = lua.create_function(move |lua, given: MultiValue| {
            let given = Given::new(lua, name, given);
            let mut settings = own.get();
            if let Some(number) = setting(&given, 0, least, most)? {
                set(&mut settings, number);
                own.set(settings);
            }
            Ok(get(&settings))
        })?;
        library.raw_set(name, function)?;
    }
    Ok(())
}

fn set_switches(lua: &Lua, library: &Table, shared: &Shared) -> mlua::Result<()> {
    let own = Rc::clone(shared);
    let sparse = lua.create_function(move |lua, given: MultiValue| {
        let given = Given::new(lua, "encode_sparse_array", given);
        let mut settings = own.get();
        if let Value::Boolean(convert) = given.value(0) {
            settings.sparse_convert = *convert;
        }
        let most = i64::from(i32::MAX);
        settings.sparse_ratio = setting(&given, 1, 0, most)?.unwrap_or(settings.sparse_ratio);
        settings.sparse_safe = setting(&given, 2, 0, most)?.unwrap_or(settings.sparse_safe);
        own.set(settings);
        Ok((
            settings.sparse_convert,
            settings.sparse_ratio,
            settings.sparse_safe,
        ))
    })?;
    library.raw_set("encode_sparse_array", sparse)?;
    // There is no such buffer; the choice is taken and told.
    let keep = Cell::new(true);
    let keep_buffer = lua.create_function(move |_, choice: Option<bool>| {
        keep.set(choice.unwrap_or(keep.get()));
        Ok(keep.get())
    })?;
    library.raw_set("encode_keep_buffer", keep_buffer)?;
    let own = Rc::clone(shared);
    let encode_invalid = lua.create_function(move |lua, given: MultiValue| {
        let given = Given::new(lua, "encode_invalid_numbers", given);
        let mut settings = own.get();
        settings.encode_invalid = match given.value(0) {
            Value::Nil => settings.encode_invalid,
            Value::Boolean(true) => InvalidNumbers::Write,
            Value::Boolean(false) => InvalidNumbers::Refuse,
            _ => match &given.string(0)?.as_bytes()[..] {
                b"null" => InvalidNumbers::Null,
                b"on" => InvalidNumbers::Write,
                b"off" => InvalidNumbers::Refuse,
                _ => return Err(given.bad(0, "invalid option")),
            },
        };
        own.set(settings);
        Ok(match settings.encode_invalid {
            InvalidNumbers::Refuse => Value::Boolean(false),
            InvalidNumbers::Write => Value::Boolean(true),
            InvalidNumbers::Null => Value::String(lua.create_string("null")?),
        })
    })?;
    library.raw_set("encode_invalid_numbers", encode_invalid)?;
    let own = Rc::clone(shared);
    let decode_invalid = lua.create_function(move |_, choice: Option<bool>| {
        let mut settings = own.get();
        settings.decode_invalid = choice.unwrap_or(settings.decode_invalid);
        own.set(settings);
        Ok(settings.decode_invalid)
    })?;
    library.raw_set("decode_invalid_numbers", decode_invalid)
}
