//! Errors that functions of ours raise in scripts, on their way through the interpreter.

use mlua::{Lua, Table, Value};

use super::values::{Names, error_table, error_text};

/// An error that a function of ours raises.
#[derive(Clone, Debug)]
pub struct Raised {
    /// What it says.
    pub text: Vec<u8>,
    /// It was counted when it occurred.
    pub counted: bool,
    /// It is a mere text to scripts, as errors of the language are; others are tables, and their
    /// texts begin with a code word.
    pub plain: bool,
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Raised {}

impl Raised {
    /// One with a code word, the plain one if the text has none.
    pub fn new(text: &str) -> Raised {
        Raised {
            text: error_text(text.as_bytes()),
            counted: false,
            plain: false,
        }
    }

    /// One that is a mere text.
    pub fn plain(text: String) -> Raised {
        Raised {
            text: text.into_bytes(),
            counted: false,
            plain: true,
        }
    }

    /// What an error of the interpreter was raised as.
    pub fn of(error: &mlua::Error) -> Raised {
        match error.downcast_ref::<Raised>() {
            Some(raised) => raised.clone(),
            None => Raised::plain(innermost(error)),
        }
    }

    /// As clients are told of it.
    pub fn coded(&self) -> Vec<u8> {
        match self.plain {
            true => [b"ERR ", &self.text[..]].concat(),
            false => self.text.clone(),
        }
    }

    /// As a table, with its code word.
    pub fn table(&self, lua: &Lua, names: &Names) -> mlua::Result<Table> {
        error_table(lua, names, &self.coded(), self.counted)
    }

    /// As scripts see it.
    pub fn shown(&self, lua: &Lua, names: &Names) -> mlua::Result<Value> {
        match self.plain {
            true => lua.create_string(&self.text).map(Value::String),
            false => self.table(lua, names).map(Value::Table),
        }
    }
}

/// Raises an error with a code word, the plain one if the text has none.
pub fn raise<T>(text: &str) -> mlua::Result<T> {
    Err(mlua::Error::external(Raised::new(text)))
}

/// The text of what an error was caused by, without where that was.
fn innermost(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => innermost(cause),
        mlua::Error::RuntimeError(text) => {
            let text = text.split("\nstack traceback:").next();
            text.unwrap_or_default().to_owned()
        }
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        other => other.to_string(),
    }
}
