//! The interpreter: Lua 5.1 with nothing in it that reaches out of the server.
//!
//! It is made when the first script comes. What a script finds there is the language's own library
//! without files, processes and bytecode, the table `redis` ([`super::api`]) and our libraries;
//! `prelude.lua` hides all of it behind tables that nobody can write to.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use super::api::{self, Shared};
use super::host::Caller;
use super::libraries;
use super::raised::Raised;
use super::values::{Names, ReplyOf};
use crate::commands::error::CmdError;

const PRELUDE: &str = include_str!("prelude.lua");

/// Under which name errors know the prelude.
const PRELUDE_NAME: &str = "=prelude";

/// Under which name errors know a script.
const SCRIPT_NAME: &str = "@user_script";

/// Of the language's library, what is left out: files, and what would write to standard output.
const LEFT_OUT: [&str; 5] = ["dofile", "loadfile", "print", "require", "module"];

/// The interpreter.
pub struct Vm {
    lua: Lua,
    shared: Rc<Shared>,
    /// What scripts find under the names of globals.
    globals: Table,
    /// What they take for the table of globals.
    environment: Table,
    /// Calls a function and hands its error to a handler.
    protected: Function,
    /// Notes in an error where it came from.
    on_error: Function,
}

/// Why a script ended early.
pub struct Failure {
    /// What its client is told, code word first.
    pub text: Vec<u8>,
    /// It was counted when it occurred.
    pub counted: bool,
}

impl Vm {
    /// An interpreter; its chance begins at `seed`.
    ///
    /// # Errors
    ///
    /// There is no memory for one.
    pub fn new(seed: u64) -> mlua::Result<Vm> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let globals = lua.globals();
        let protected: Function = globals.raw_get("xpcall")?;
        for name in LEFT_OUT {
            globals.raw_set(name, Value::Nil)?;
        }
        let shared = Shared::new(&lua, seed)?;
        globals.raw_set("redis", api::redis_table(&lua, &shared)?)?;
        api::set_random(&lua, &globals.raw_get("math")?, &shared)?;
        libraries::open(&lua, &globals)?;
        let environment = lua.create_table()?;
        let native = api::native(&lua, &shared, &environment)?;
        let prelude = lua.load(PRELUDE).set_name(PRELUDE_NAME);
        prelude.call::<()>((native, &globals, &environment))?;
        lua.set_globals(environment.clone())?;
        let own = Rc::clone(&shared);
        let on_error =
            lua.create_function(move |lua, error: Value| with_place(lua, &own, error))?;
        Ok(Vm {
            lua,
            shared,
            globals,
            environment,
            protected,
            on_error,
        })
    }

    /// Makes a function of a script.
    ///
    /// # Errors
    ///
    /// It is no Lua.
    pub fn compile(&self, body: &[u8]) -> Result<Function, CmdError> {
        // Bytes that the compiler would take for its own product.
        let body = match body.first() {
            Some(0x1b) => b"\0",
            _ => body,
        };
        let chunk = self.lua.load(body).set_name(SCRIPT_NAME);
        let chunk = chunk
            .set_mode(ChunkMode::Text)
            .set_environment(self.environment.clone());
        chunk.into_function().map_err(|error| {
            let why = api::syntax(&error);
            CmdError::err(format!("Error compiling script (new function): {why}"))
        })
    }

    /// Runs a script: what it returns, for [`ReplyOf`] to write.
    ///
    /// # Errors
    ///
    /// It raised an error. `name` is how its client knows it.
    pub fn run<'k>(
        &self,
        script: &Function,
        name: &str,
        keys: impl Iterator<Item = &'k [u8]>,
        argv: impl Iterator<Item = &'k [u8]>,
        caller: &mut Caller<'_>,
    ) -> Result<Value, Failure> {
        let run = || -> mlua::Result<(bool, Value)> {
            self.set_list("KEYS", keys)?;
            self.set_list("ARGV", argv)?;
            self.protected.call((script, &self.on_error))
        };
        match self.shared.caller.lend(caller, run) {
            Ok((true, value)) => Ok(value),
            Ok((false, error)) => Err(self.failure(name, &error)),
            Err(error) => Err(Failure {
                text: Raised::of(&error).coded(),
                counted: false,
            }),
        }
    }

    fn set_list<'k>(&self, name: &str, words: impl Iterator<Item = &'k [u8]>) -> mlua::Result<()> {
        let list = self.lua.create_table()?;
        for (at, word) in words.enumerate() {
            list.raw_set(at + 1, self.lua.create_string(word)?)?;
        }
        self.globals.raw_set(name, list)
    }

    /// What a client is told of an error that no script caught.
    fn failure(&self, name: &str, error: &Value) -> Failure {
        let names = &self.shared.names;
        let Value::Table(table) = error else {
            let text = self.text_of(error).unwrap_or_default();
            let why = match text.is_empty() {
                true => b"execution failure",
                false => &text[..text.len().min(100)],
            };
            return Failure {
                text: [b"ERR Error running script ", name.as_bytes(), b", ", why].concat(),
                counted: false,
            };
        };
        let field = |name| table.raw_get(name).ok().and_then(|v| self.text_of(&v));
        let mut text = field(&names.err).unwrap_or_else(|| b"ERR unknown error".to_vec());
        if let (Some(source), Some(line)) = (field(&names.source), field(&names.line)) {
            let parts: [&[u8]; 7] = [
                b" script: ",
                name.as_bytes(),
                b", on ",
                &source,
                b":",
                &line,
                b".",
            ];
            text.extend(parts.concat());
        }
        let counted = table.raw_get(&names.counted).unwrap_or_default();
        Failure { text, counted }
    }

    /// A text or a number as text.
    fn text_of(&self, value: &Value) -> Option<Vec<u8>> {
        let text = self.lua.coerce_string(value.clone()).ok()??;
        Some(text.as_bytes().to_vec())
    }

    /// How replies are read and written.
    pub fn names(&self) -> &Names {
        &self.shared.names
    }

    /// Bytes in use.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }
}

/// Notes in an error which line it came from: that of the script, not that of a function that it
/// called and that is not written in Lua.
fn with_place(lua: &Lua, shared: &Shared, error: Value) -> mlua::Result<Value> {
    let names = &shared.names;
    let table = match error {
        Value::Table(table) => table,
        Value::Error(error) => Raised::of(&error).table(lua, names)?,
        other => {
            let text = [b"ERR ", other.to_string()?.as_bytes()].concat();
            super::values::error_table(lua, names, &text, false)?
        }
    };
    let mut level = 1;
    while let Some(place) = lua.inspect_stack(level, |frame| {
        let source = frame.source();
        let source_name = source.source.unwrap_or_default();
        let is_ours = source.what == "C" || source_name == PRELUDE_NAME;
        (!is_ours).then(|| (source_name.into_owned(), frame.current_line()))
    }) {
        if let Some((source, line)) = place {
            table.raw_set(&names.source, source)?;
            table.raw_set(&names.line, line)?;
            break;
        }
        level += 1;
    }
    Ok(Value::Table(table))
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").finish_non_exhaustive()
    }
}

impl ReplyOf<'_> {
    /// Writes what a script returned; what cannot be written is an error.
    pub fn write_or_fail(&mut self, value: &Value) {
        let start = self.reply.len();
        if let Err(error) = self.write(value) {
            self.reply.truncate(start);
            self.reply.error(Raised::of(&error).coded());
        }
    }
}
