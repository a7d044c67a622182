//! Replies as values of Lua, and values of Lua as replies.
//!
//! Both ways are the reference's. A script sees what a command replied as plain values where Lua
//! has such, and as a table with one telling field where it has not (`ok`, `err`, `map`, …); the
//! same tables, returned by a script, become such replies again.

use memchr::memchr;
use mlua::{Lua, LuaString, Table, Value};

use crate::base::numbers::{parse_f64, parse_i64};
use crate::commands::stats::Stats;
use crate::resp::writer::{Aggregate, Protocol, Reply};

/// Tables within tables are followed so far.
const NESTING_MAX: usize = 1000;

/// The names of telling fields, made once.
pub struct Names {
    pub ok: LuaString,
    pub err: LuaString,
    /// An error with this field was counted before.
    pub counted: LuaString,
    pub source: LuaString,
    pub line: LuaString,
    double: LuaString,
    big_number: LuaString,
    verbatim_string: LuaString,
    string: LuaString,
    format: LuaString,
    map: LuaString,
    set: LuaString,
}

impl Names {
    pub fn new(lua: &Lua) -> mlua::Result<Names> {
        Ok(Names {
            ok: lua.create_string("ok")?,
            err: lua.create_string("err")?,
            counted: lua.create_string("ignore_error_stats_update")?,
            source: lua.create_string("source")?,
            line: lua.create_string("line")?,
            double: lua.create_string("double")?,
            big_number: lua.create_string("big_number")?,
            verbatim_string: lua.create_string("verbatim_string")?,
            string: lua.create_string("string")?,
            format: lua.create_string("format")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
        })
    }
}

/// An error as scripts see it.
pub fn error_table(lua: &Lua, names: &Names, text: &[u8], counted: bool) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set(&names.err, lua.create_string(text)?)?;
    if counted {
        table.raw_set(&names.counted, true)?;
    }
    Ok(table)
}

/// Takes an error text apart that a script or a reply gives: with a dash in front, its first word
/// is the code; otherwise it has none, and gets the plain one.
pub fn error_text(text: &[u8]) -> Vec<u8> {
    let trimmed = text.trim_ascii_end();
    match trimmed.strip_prefix(b"-") {
        Some(rest) if rest.contains(&b' ') => rest.to_vec(),
        Some(rest) => [b"ERR ", rest].concat(),
        None => [b"ERR ", trimmed].concat(),
    }
}

// ---- From a reply ----

/// Turns a reply of ours into a value.
pub struct ReplyReader<'a> {
    lua: &'a Lua,
    names: &'a Names,
    rest: &'a [u8],
}

impl<'a> ReplyReader<'a> {
    /// Of a whole reply, which is as our writer writes it.
    pub fn read(lua: &'a Lua, names: &'a Names, reply: &'a [u8]) -> mlua::Result<Value> {
        let rest = reply;
        ReplyReader { lua, names, rest }.value()
    }

    fn line(&mut self) -> &'a [u8] {
        let end = memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let bytes = &self.rest[..length];
        self.rest = &self.rest[length + 2..];
        bytes
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let line = self.line();
        let Some((kind, text)) = line.split_first() else {
            return Ok(Value::Nil);
        };
        let number = || parse_i64(text).unwrap_or_default();
        match kind {
            b':' => Ok(Value::Integer(number())),
            b'$' => match usize::try_from(number()) {
                Ok(length) => self.string(length),
                Err(_) => Ok(Value::Boolean(false)),
            },
            b'*' | b'>' => match usize::try_from(number()) {
                Ok(length) => self.array(length),
                Err(_) => Ok(Value::Boolean(false)),
            },
            b'+' => self.tagged(&self.names.ok, self.lua.create_string(text)?),
            b'-' => error_table(self.lua, self.names, text, true).map(Value::Table),
            b'#' => Ok(Value::Boolean(text == b"t")),
            b',' => self.tagged(&self.names.double, parse_f64(text).unwrap_or(f64::NAN)),
            b'(' => self.tagged(&self.names.big_number, self.lua.create_string(text)?),
            b'=' => self.verbatim(number() as usize),
            b'%' => self.map(number() as usize),
            b'~' => self.set(number() as usize),
            b'|' => {
                for _ in 0..2 * number() {
                    self.value()?;
                }
                self.value()
            }
            _ => Ok(Value::Nil),
        }
    }

    fn tagged(&self, name: &LuaString, value: impl mlua::IntoLua) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn string(&mut self, length: usize) -> mlua::Result<Value> {
        let bytes = self.bytes(length);
        self.lua.create_string(bytes).map(Value::String)
    }

    fn array(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(length, 0)?;
        for at in 1..=length {
            let value = self.value()?;
            table.raw_set(at, value)?;
        }
        Ok(Value::Table(table))
    }

    fn verbatim(&mut self, length: usize) -> mlua::Result<Value> {
        let bytes = self.bytes(length);
        let (format, text) = bytes.split_at(bytes.len().min(4));
        let table = self.lua.create_table_with_capacity(0, 2)?;
        let string = self.lua.create_string(text)?;
        table.raw_set(&self.names.string, string)?;
        let format = self.lua.create_string(&format[..format.len().min(3)])?;
        table.raw_set(&self.names.format, format)?;
        self.tagged(&self.names.verbatim_string, table)
    }

    fn map(&mut self, pairs: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, pairs)?;
        for _ in 0..pairs {
            let key = self.value()?;
            let value = self.value()?;
            if !key.is_nil() {
                table.raw_set(key, value)?;
            }
        }
        self.tagged(&self.names.map, table)
    }

    fn set(&mut self, members: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, members)?;
        for _ in 0..members {
            let member = self.value()?;
            if !member.is_nil() {
                table.raw_set(member, true)?;
            }
        }
        self.tagged(&self.names.set, table)
    }
}

// ---- To a reply ----

/// Writes what a script returned as the reply of its command.
pub struct ReplyOf<'a> {
    pub names: &'a Names,
    /// Where it goes.
    pub reply: &'a mut Reply,
    /// Where errors are counted.
    pub stats: &'a mut Stats,
    /// The protocol that the script has asked for.
    pub protocol: Protocol,
}

impl ReplyOf<'_> {
    /// Writes a value.
    pub fn write(&mut self, value: &Value) -> mlua::Result<()> {
        self.nested(value, 0)
    }

    fn nested(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.reply.bulk(&*text.as_bytes()),
            Value::Integer(number) => self.reply.int(*number),
            Value::Number(number) => self.reply.int(truncated(*number)),
            Value::Boolean(truth) => match (self.protocol, truth) {
                (Protocol::Resp3, _) => self.reply.bool(*truth),
                (Protocol::Resp2, true) => self.reply.int(1),
                (Protocol::Resp2, false) => self.reply.null(),
            },
            Value::Table(_) if depth >= NESTING_MAX => {
                let text = b"ERR reached lua stack limit";
                self.reply.error(text);
                self.stats.count_error(text);
            }
            Value::Table(table) => return self.table(table, depth + 1),
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let names = self.names;
        if let Value::String(text) = table.raw_get(&names.err)? {
            let text = text.as_bytes();
            self.reply.error(&*text);
            match table.raw_get::<bool>(&names.counted).unwrap_or_default() {
                true => self.stats.note_failure(),
                false => self.stats.count_error(&text),
            }
            return Ok(());
        }
        if let Value::String(text) = table.raw_get(&names.ok)? {
            self.reply.simple(without_line_ends(&text.as_bytes()));
            return Ok(());
        }
        match table.raw_get(&names.double)? {
            Value::Number(number) => {
                self.reply.double(number);
                return Ok(());
            }
            Value::Integer(number) => {
                self.reply.double(number as f64);
                return Ok(());
            }
            _ => {}
        }
        if let Value::String(text) = table.raw_get(&names.big_number)? {
            self.reply.big_number(&without_line_ends(&text.as_bytes()));
            return Ok(());
        }
        if let Value::Table(verbatim) = table.raw_get(&names.verbatim_string)?
            && let Value::String(format) = verbatim.raw_get(&names.format)?
            && let Value::String(text) = verbatim.raw_get(&names.string)?
        {
            self.reply
                .verbatim(&format.to_string_lossy(), &text.as_bytes());
            return Ok(());
        }
        if let Value::Table(map) = table.raw_get(&names.map)? {
            return self.pairs(&map, Aggregate::Map, depth);
        }
        if let Value::Table(set) = table.raw_get(&names.set)? {
            return self.pairs(&set, Aggregate::Set, depth);
        }
        self.array(table, depth)
    }

    fn pairs(&mut self, table: &Table, kind: Aggregate, depth: usize) -> mlua::Result<()> {
        let header = self.reply.begin(kind);
        let mut count = 0;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            count += 1;
            self.nested(&key, depth)?;
            if kind == Aggregate::Map {
                self.nested(&value, depth)?;
            }
        }
        self.reply.end(header, count);
        Ok(())
    }

    /// A sequence ends where the first nil is.
    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let header = self.reply.begin_array();
        let mut count = 0;
        loop {
            let value: Value = table.raw_get(count + 1)?;
            if value.is_nil() {
                break;
            }
            self.nested(&value, depth)?;
            count += 1;
        }
        self.reply.end(header, count);
        Ok(())
    }
}

/// A number as an integer: towards zero, and the least there is where it has no place.
fn truncated(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    match (-BOUND..BOUND).contains(&number) {
        true => number as i64,
        false => i64::MIN,
    }
}

fn without_line_ends(text: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| match b {
        b'\r' | b'\n' => b' ',
        other => *other,
    };
    text.iter().map(plain).collect()
}
