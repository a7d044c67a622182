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
    // Another one, with settings of its own.
    let new = lua.create_function(|lua, _: MultiValue| open(lua))?;
    library.raw_set("new", new)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    set_numbers(lua, &library, &shared)?;
    set_switches(lua, &library, &shared)?;
    Ok(library)
}

/// The arguments of a function that takes at most so many.
fn at_most<'a>(
    lua: &'a Lua,
    name: &'static str,
    most: usize,
    given: MultiValue,
) -> mlua::Result<Given<'a>> {
    let given = Given::new(lua, name, given);
    match given.len() > most {
        true => Err(given.bad(most, "found too many arguments")),
        false => Ok(given),
    }
}

/// An integer of 32 bits within bounds, if it is given.
fn setting(given: &Given<'_>, at: usize, least: i64, most: i64) -> mlua::Result<Option<i64>> {
    if given.value(at).is_nil() {
        return Ok(None);
    }
    let number = i64::from(given.number(at)? as i64 as i32);
    if !(least..=most).contains(&number) {
        let text = format!("expected integer between {least} and {most}");
        return Err(given.bad(at, &text));
    }
    Ok(Some(number))
}

/// Which of some options is given, if one is; truth values stand for the first two.
fn option(given: &Given<'_>, at: usize, options: &[&str]) -> mlua::Result<Option<usize>> {
    match given.value(at) {
        Value::Nil => return Ok(None),
        Value::Boolean(on) => return Ok(Some(usize::from(*on))),
        _ => {}
    }
    let text = given.string(at)?;
    let text = text.as_bytes();
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    match options.iter().position(|known| known.as_bytes() == text) {
        Some(found) => Ok(Some(found)),
        None => {
            let text = String::from_utf8_lossy(text);
            Err(given.bad(at, &format!("invalid option '{text}'")))
        }
    }
}

/// Whether something is switched on or off, if it is.
fn switch(given: &Given<'_>, at: usize) -> mlua::Result<Option<bool>> {
    Ok(option(given, at, &["off", "on"])?.map(|on| on == 1))
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
            let given = at_most(lua, name, 1, given)?;
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
        let given = at_most(lua, "encode_sparse_array", 3, given)?;
        let mut settings = own.get();
        settings.sparse_convert = switch(&given, 0)?.unwrap_or(settings.sparse_convert);
        own.set(settings);
        let most = i64::from(i32::MAX);
        settings.sparse_ratio = setting(&given, 1, 0, most)?.unwrap_or(settings.sparse_ratio);
        own.set(settings);
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
    let keep_buffer = lua.create_function(move |lua, given: MultiValue| {
        let given = at_most(lua, "encode_keep_buffer", 1, given)?;
        keep.set(switch(&given, 0)?.unwrap_or(keep.get()));
        Ok(keep.get())
    })?;
    library.raw_set("encode_keep_buffer", keep_buffer)?;
    let own = Rc::clone(shared);
    let encode_invalid = lua.create_function(move |lua, given: MultiValue| {
        let given = at_most(lua, "encode_invalid_numbers", 1, given)?;
        let mut settings = own.get();
        settings.encode_invalid = match option(&given, 0, &["off", "on", "null"])? {
            None => settings.encode_invalid,
            Some(0) => InvalidNumbers::Refuse,
            Some(1) => InvalidNumbers::Write,
            Some(_) => InvalidNumbers::Null,
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
    let decode_invalid = lua.create_function(move |lua, given: MultiValue| {
        let given = at_most(lua, "decode_invalid_numbers", 1, given)?;
        let mut settings = own.get();
        settings.decode_invalid = switch(&given, 0)?.unwrap_or(settings.decode_invalid);
        own.set(settings);
        Ok(settings.decode_invalid)
    })?;
    library.raw_set("decode_invalid_numbers", decode_invalid)
}
