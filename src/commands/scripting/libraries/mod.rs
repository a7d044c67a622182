//! The libraries that scripts find beside the language's own: `bit`, `struct`, `cmsgpack` and
//! `cjson`.
//!
//! They read and write the same bytes as the libraries of these names that the reference has, and
//! fail with the same words.

mod bit;
mod json;
mod json_read;
mod json_settings;
mod json_write;
mod msgpack;
mod msgpack_read;
mod packed;

use mlua::{Lua, Table};

/// Puts all of them among the globals.
pub fn open(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    globals.raw_set("bit", bit::open(lua)?)?;
    globals.raw_set("struct", packed::open(lua)?)?;
    globals.raw_set("cmsgpack", msgpack::open(lua)?)?;
    globals.raw_set("cjson", json::open(lua)?)
}

#[cfg(test)]
mod tests;
