//! The interpreter: Lua 5.1 with nothing in it that reaches out of the server.
//!
//! It is made when the first script comes. What a script finds there is the language's own library
//! without files, processes and bytecode, the table `redis` ([`super::api`]) and our libraries;
//! `prelude.lua` hides all of it behind tables that nobody can write to.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, LuaString, RegistryKey, StdLib, Table, Value};

use super::api::{self, Shared};
use super::busy::ScriptKind;
use super::host::Caller;
use super::libraries;
use super::raised::Raised;
use super::registration::{Registered, Registration};
use super::values::{Names, ReplyOf};
use crate::sys::lua::{self, Ended, Entry, Place};

const PRELUDE: &str = include_str!("prelude.lua");

/// Under which name errors know the prelude.
const PRELUDE_NAME: &str = "=prelude";

impl ScriptKind {
    /// Under which name errors know the code.
    fn source_name(self) -> &'static str {
        match self {
            ScriptKind::Script => "@user_script",
            ScriptKind::Function => "@user_function",
        }
    }

    /// What of the table `redis` is not for this code.
    fn left_out(self) -> &'static [&'static str] {
        match self {
            ScriptKind::Script => &[],
            ScriptKind::Function => &["breakpoint", "debug", "replicate_commands"],
        }
    }
}

/// Of the language's library, what is left out: files, what would write to standard output, and
/// values with a function that the next collection of garbage runs, in whoever's script that is.
const LEFT_OUT: [&str; 6] = [
    "dofile", "loadfile", "print", "require", "module", "newproxy",
];

/// Memory for a text that a script gives back is kept up to this size.
const TEXT_BYTES_KEPT_MAX: usize = 64 << 10;

/// After so many runs garbage is collected, so that of an interpreter's memory most is in use. By
/// itself it would let that double first.
const RUNS_PER_COLLECTION: u32 = 1000;

/// How much work that may be: a small interpreter is done with it.
const COLLECTED_KILOBYTES: i32 = 256;

/// The interpreter.
pub struct Vm {
    lua: Lua,
    /// What it runs.
    kind: ScriptKind,
    shared: Rc<Shared>,
    /// What they take for the table of globals.
    environment: Table,
    /// What the code of a library finds while it is loaded.
    registration: Registration,
    /// How code is run.
    entry: Entry,
    /// What the last code gave back, if that was a text.
    text: RefCell<Vec<u8>>,
    /// Runs since the last collection.
    runs: Cell<u32>,
    /// The compiler does not hold on to the name of what it compiles.
    _source_name: LuaString,
}

/// Code that is kept, to be run later. Of values that are held directly the interpreter has only
/// some thousand.
#[derive(Debug)]
pub struct Kept(RegistryKey);

impl From<RegistryKey> for Kept {
    fn from(code: RegistryKey) -> Kept {
        Kept(code)
    }
}

/// Why a script ended early.
pub struct Failure {
    /// What its client is told, code word first.
    pub text: Vec<u8>,
    /// It was counted when it occurred.
    pub counted: bool,
}

impl Vm {
    /// An interpreter for scripts or functions; its chance begins at `seed`.
    ///
    /// # Errors
    ///
    /// There is no memory for one.
    pub fn new(kind: ScriptKind, seed: u64) -> mlua::Result<Vm> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let globals = lua.globals();
        for name in LEFT_OUT {
            globals.raw_set(name, Value::Nil)?;
        }
        let shared = Shared::new(&lua, seed)?;
        let redis = api::redis_table(&lua, &shared)?;
        for name in kind.left_out() {
            redis.raw_set(*name, Value::Nil)?;
        }
        globals.raw_set("redis", redis)?;
        api::set_random(&lua, &globals.raw_get("math")?, &shared)?;
        libraries::open(&lua, &globals)?;
        let environment = lua.create_table()?;
        let native = api::native(&lua, &shared, &environment)?;
        let prelude = lua.load(PRELUDE).set_name(PRELUDE_NAME);
        let library: Function = prelude.call((native, &globals, &environment))?;
        let registration = Registration::new(&lua, &shared, &library, &environment, &globals)?;
        lua.set_globals(environment.clone())?;
        api::watch(&lua, &shared)?;
        let fields = match kind {
            ScriptKind::Script => Value::Table(globals),
            ScriptKind::Function => Value::Nil,
        };
        let entry = Entry::new(&lua, PRELUDE_NAME, fields)?;
        let source_name = lua.create_string(kind.source_name())?;
        Ok(Vm {
            lua,
            kind,
            shared,
            environment,
            registration,
            entry,
            text: RefCell::default(),
            runs: Cell::default(),
            _source_name: source_name,
        })
    }

    /// Makes a function of a text.
    ///
    /// # Errors
    ///
    /// It is no Lua; the text says why.
    pub fn compile(&self, body: &[u8]) -> Result<Function, String> {
        // Bytes that the compiler would take for its own product.
        let body = match body.first() {
            Some(0x1b) => b"\0",
            _ => body,
        };
        let chunk = self.lua.load(body).set_name(self.kind.source_name());
        let chunk = chunk
            .set_mode(ChunkMode::Text)
            .set_environment(self.environment.clone());
        chunk.into_function().map_err(|error| api::syntax(&error))
    }

    /// Keeps code for later.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn keep(&self, code: &Function) -> mlua::Result<Kept> {
        self.let_go();
        self.lua.create_registry_value(code).map(Kept)
    }

    /// Lets go of code that nobody keeps any more.
    fn let_go(&self) {
        self.lua.expire_registry_values();
    }

    /// Has the code of a library register its functions.
    ///
    /// # Errors
    ///
    /// It is no Lua, or it fails. The text says what and why.
    pub fn register(
        &self,
        body: &[u8],
        caller: &mut Caller<'_>,
    ) -> Result<Vec<Registered>, Vec<u8>> {
        self.let_go();
        let code = self
            .compile(body)
            .map_err(|why| format!("Error compiling function: {why}").into_bytes())?;
        let run = || self.registration.collect(&code);
        self.lend(caller, run).map_err(|error| {
            let why = Raised::of(&error).coded();
            [b"Error registering functions: ", &why[..]].concat()
        })
    }

    /// Runs a script or a function; [`ReplyOf::write_end`] writes what it gives back.
    ///
    /// # Errors
    ///
    /// It raised an error. `name` is how its client knows it.
    pub fn run<'k>(
        &self,
        code: &Kept,
        name: &str,
        keys: impl ExactSizeIterator<Item = &'k [u8]>,
        argv: impl ExactSizeIterator<Item = &'k [u8]>,
        caller: &mut Caller<'_>,
    ) -> Result<Ended, Failure> {
        let mut text = self.text.borrow_mut();
        text.clear();
        text.shrink_to(TEXT_BYTES_KEPT_MAX);
        let run = || lua::run(&self.lua, &self.entry, &code.0, keys, argv, &mut text);
        let ended = self.lend(caller, run);
        self.count_run();
        match ended {
            Ended::Failed(error) => Err(self.failure(name, &error, self.entry.take_place())),
            Ended::Broken(error) => Err(self.breakdown(name, &error)),
            ended => Ok(ended),
        }
    }

    fn count_run(&self) {
        self.runs.set(self.runs.get() + 1);
        if self.runs.get() == RUNS_PER_COLLECTION {
            self.runs.set(0);
            // What cannot be let go of now is left to the next collection.
            let _ = lua::collect(&self.lua, COLLECTED_KILOBYTES);
        }
    }

    /// Has code run that asks something of `caller`.
    fn lend<R>(&self, caller: &mut Caller<'_>, run: impl FnOnce() -> R) -> R {
        let ended = self.shared.caller.lend(caller, run);
        // Without memory for that the next code is the one that is stopped.
        let _ = api::watch_again(&self.lua, &self.shared);
        ended
    }

    /// What a client is told of an error that no script caught.
    fn failure(&self, name: &str, error: &Value, place: Option<Place>) -> Failure {
        let names = &self.shared.names;
        let (mut text, mut counted, mut place_told) = (Vec::new(), false, None);
        match error {
            Value::Table(table) => {
                let field = |name| table.raw_get(name).ok().and_then(|v| self.text_of(&v));
                text = field(&names.err).unwrap_or_else(|| b"ERR unknown error".to_vec());
                counted = table.raw_get(&names.counted).unwrap_or_default();
                place_told = field(&names.source).zip(field(&names.line));
            }
            Value::Error(error) => {
                let raised = Raised::of(error);
                (text, counted) = (raised.coded(), raised.counted);
            }
            other => {
                let words = self.text_of(other);
                let shown = || other.to_string().unwrap_or_default().into_bytes();
                text.extend([b"ERR ", &words.unwrap_or_else(shown)[..]].concat());
            }
        }
        correct_place(&mut text, place.as_ref());
        let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        text.truncate(end);
        let place = match place {
            Some(place) => Some(place.source).zip(place.line.map(|n| n.to_string().into_bytes())),
            None => place_told,
        };
        if let Some((source, line)) = place {
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
        Failure { text, counted }
    }

    /// What a client is told where a script could not even fail.
    fn breakdown(&self, name: &str, error: &Value) -> Failure {
        let text = self.text_of(error).unwrap_or_default();
        let why = match text.is_empty() {
            true => b"execution failure",
            false => &text[..text.len().min(100)],
        };
        Failure {
            text: [b"ERR Error running script ", name.as_bytes(), b", ", why].concat(),
            counted: false,
        }
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

    /// What it runs.
    pub fn kind(&self) -> ScriptKind {
        self.kind
    }

    /// Bytes in use.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }
}

/// An error that seems to come from the prelude came from the script that called it.
fn correct_place(text: &mut Vec<u8>, place: Option<&Place>) {
    let Some(rest) = text.strip_prefix(b"ERR prelude:") else {
        return;
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let why = rest[digits..].strip_prefix(b": ").unwrap_or_default();
    let corrected = match place {
        Some(Place {
            source,
            line: Some(line),
        }) => {
            let source = source.strip_prefix(b"@").unwrap_or(source);
            [b"ERR ", source, format!(":{line}: ").as_bytes(), why].concat()
        }
        _ => [b"ERR ", why].concat(),
    };
    *text = corrected;
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").finish_non_exhaustive()
    }
}

impl ReplyOf<'_> {
    /// Writes what a script gave back.
    pub fn write_end(&mut self, vm: &Vm, ended: &Ended) {
        match ended {
            Ended::Text => self.reply.bulk(&**vm.text.borrow()),
            Ended::Number(number) => self.write_or_fail(&Value::Number(*number)),
            Ended::Boolean(truth) => self.write_or_fail(&Value::Boolean(*truth)),
            Ended::Value(value) | Ended::Failed(value) | Ended::Broken(value) => {
                self.write_or_fail(value);
            }
        }
    }

    /// Writes what a script returned; what cannot be written is an error.
    pub fn write_or_fail(&mut self, value: &Value) {
        let start = self.reply.len();
        if let Err(error) = self.write(value) {
            self.reply.truncate(start);
            self.reply.error(Raised::of(&error).coded());
        }
    }
}
