//! The arguments that a script gives to a function of ours, and the errors about them, which are
//! worded as those of the language's own library.

use mlua::{Lua, LuaString, MultiValue, Value};

use super::raised::Raised;

/// The arguments of a call.
pub struct Given<'a> {
    lua: &'a Lua,
    /// The function's name.
    name: &'static str,
    values: Vec<Value>,
}

impl<'a> Given<'a> {
    /// Of a function with this name.
    pub fn new(lua: &'a Lua, name: &'static str, values: MultiValue) -> Given<'a> {
        let values = values.into_vec();
        Given { lua, name, values }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// All of them.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The argument at a place, nil if there are not so many.
    pub fn value(&self, at: usize) -> &Value {
        self.values.get(at).unwrap_or(&Value::Nil)
    }

    /// A number, or a text that is one.
    pub fn number(&self, at: usize) -> mlua::Result<f64> {
        match self.value(at) {
            Value::Number(number) => Ok(*number),
            Value::Integer(number) => Ok(*number as f64),
            other => match self.lua.coerce_number(other.clone())? {
                Some(number) => Ok(number),
                None => Err(self.mistyped(at, "number")),
            },
        }
    }

    /// The same, where it may be left out.
    pub fn number_or(&self, at: usize, otherwise: f64) -> mlua::Result<f64> {
        match self.value(at) {
            Value::Nil => Ok(otherwise),
            _ => self.number(at),
        }
    }

    /// A text, or a number as text.
    pub fn string(&self, at: usize) -> mlua::Result<LuaString> {
        match self.lua.coerce_string(self.value(at).clone())? {
            Some(text) => Ok(text),
            None => Err(self.mistyped(at, "string")),
        }
    }

    fn mistyped(&self, at: usize, wanted: &str) -> mlua::Error {
        let got = match self.values.get(at) {
            None => "no value",
            Some(Value::Integer(_)) => "number",
            Some(Value::Error(_)) => "userdata",
            Some(other) => other.type_name(),
        };
        self.bad(at, &format!("{wanted} expected, got {got}"))
    }

    /// An argument is not as it has to be.
    pub fn bad(&self, at: usize, why: &str) -> mlua::Error {
        let name = self.name;
        self.fail(&format!("bad argument #{} to '{name}' ({why})", at + 1))
    }

    /// An error, which tells the line of the script that called.
    pub fn fail(&self, text: &str) -> mlua::Error {
        let place = self.lua.inspect_stack(1, |frame| {
            let line = frame.current_line()?;
            let source = frame.source().short_src.unwrap_or_default();
            Some(format!("{source}:{line}: "))
        });
        let place = place.flatten().unwrap_or_default();
        mlua::Error::external(Raised::plain(format!("{place}{text}")))
    }
}
