//! How the code of a library registers its functions.
//!
//! Code of a library runs once, when it is loaded, and all that it finds then is a table `redis`
//! with `register_function` and what it needs to write to the log. The globals of the interpreter
//! are out of its sight meanwhile; its functions find them when they are called.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, RegistryKey, Table, Value};

use super::api::{Shared, library_table};
use super::raised::raise;
use super::shebang::ScriptFlags;

/// What both libraries and functions may be called.
const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and \
                        must be at least one character long";

/// A function that the code of a library registered.
#[derive(Debug)]
pub struct Registered {
    /// Its name, a good one.
    pub name: Vec<u8>,
    /// What it is good for, if it says so.
    pub description: Option<Vec<u8>>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// What runs. Of values that are held directly the interpreter has only some thousand.
    pub code: RegistryKey,
}

/// The functions that code has registered so far.
#[derive(Default)]
struct Finds {
    functions: Vec<Registered>,
    /// Their names.
    names: HashSet<Vec<u8>>,
}

/// What was registered since the code that does it began; none while there is none.
type Found = Rc<RefCell<Option<Finds>>>;

/// What code finds while it registers functions.
pub struct Registration {
    /// In place of the globals.
    library: Table,
    globals: Table,
    /// Says where names are looked up.
    lookup: Table,
    found: Found,
}

/// Whether a library or a function may have this name.
///
/// # Errors
///
/// It may not; the text says so.
pub fn check_name(name: &[u8]) -> Result<(), &'static str> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    match !name.is_empty() && name.iter().all(is_part) {
        true => Ok(()),
        false => Err(BAD_NAME),
    }
}

impl Registration {
    /// In an interpreter. `seal` makes what code finds of a table `redis`; `environment` is what
    /// code takes for the globals.
    pub fn new(
        lua: &Lua,
        shared: &Rc<Shared>,
        seal: &Function,
        environment: &Table,
        globals: &Table,
    ) -> mlua::Result<Registration> {
        let found = Found::default();
        let redis = library_table(lua, shared)?;
        let own = Rc::clone(&found);
        let register = lua.create_function(move |lua, given: MultiValue| {
            let mut found = own.borrow_mut();
            let Some(found) = &mut *found else {
                return raise(
                    "redis.register_function can only be called on FUNCTION LOAD command",
                );
            };
            let function = read(lua, given)?;
            check_name(&function.name).or_else(raise)?;
            if !found.names.insert(function.name.clone()) {
                return raise("Function already exists in the library");
            }
            found.functions.push(function);
            Ok(())
        })?;
        redis.raw_set("register_function", register)?;
        Ok(Registration {
            library: seal.call(redis)?,
            globals: globals.clone(),
            lookup: environment.metatable().expect("what scripts see is hidden"),
            found,
        })
    }

    /// Runs code, and gathers what it registers.
    pub fn collect(&self, code: &Function) -> mlua::Result<Vec<Registered>> {
        self.found.replace(Some(Finds::default()));
        self.lookup.raw_set("__index", &self.library)?;
        let result = code.call::<()>(());
        self.lookup.raw_set("__index", &self.globals)?;
        let found = self.found.take().unwrap_or_default();
        result.map(|()| found.functions)
    }
}

/// The arguments of `register_function`: a name and a function, or a table with all there is to
/// say of one.
fn read(lua: &Lua, given: MultiValue) -> mlua::Result<Registered> {
    let mut given = given.into_iter();
    match (given.next(), given.next(), given.next()) {
        (Some(Value::Table(named)), None, None) => Draft::of(lua, &named)?.finish(lua),
        (Some(_), None, None) => raise(
            "calling redis.register_function with a single argument is only applicable to Lua \
             table (representing named arguments).",
        ),
        (Some(name), Some(function), None) => {
            let why = "first argument to redis.register_function must be a string";
            let name = text(lua, name, why)?;
            let Value::Function(function) = function else {
                return raise("second argument to redis.register_function must be a function");
            };
            Ok(Registered {
                name,
                description: None,
                flags: ScriptFlags::empty(),
                code: lua.create_registry_value(function)?,
            })
        }
        _ => raise("wrong number of arguments to redis.register_function"),
    }
}

fn text(lua: &Lua, value: Value, why: &str) -> mlua::Result<Vec<u8>> {
    match lua.coerce_string(value)? {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => raise(why),
    }
}

/// A function whose arguments are being read.
#[derive(Default)]
struct Draft {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
    function: Option<Function>,
}

impl Draft {
    fn of(lua: &Lua, named: &Table) -> mlua::Result<Draft> {
        let mut draft = Draft::default();
        for pair in named.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let why = "named argument key given to redis.register_function is not a string";
            let key = text(lua, key, why)?.to_ascii_lowercase();
            draft.set(lua, &key, value)?;
        }
        Ok(draft)
    }

    fn set(&mut self, lua: &Lua, key: &[u8], value: Value) -> mlua::Result<()> {
        match key {
            b"function_name" => {
                let why =
                    "function_name argument given to redis.register_function must be a string";
                self.name = Some(text(lua, value, why)?);
            }
            b"description" => {
                let why = "description argument given to redis.register_function must be a string";
                self.description = Some(text(lua, value, why)?);
            }
            b"callback" => {
                let Value::Function(function) = value else {
                    return raise(
                        "callback argument given to redis.register_function must be a function",
                    );
                };
                self.function = Some(function);
            }
            b"flags" => {
                let Value::Table(names) = value else {
                    return raise(
                        "flags argument to redis.register_function must be a table representing \
                         function flags",
                    );
                };
                self.flags = flags(lua, &names)?;
            }
            _ => return raise("unknown argument given to redis.register_function"),
        }
        Ok(())
    }

    fn finish(self, lua: &Lua) -> mlua::Result<Registered> {
        let Some(name) = self.name else {
            return raise("redis.register_function must get a function name argument");
        };
        let Some(function) = self.function else {
            return raise("redis.register_function must get a callback argument");
        };
        Ok(Registered {
            name,
            description: self.description,
            flags: self.flags,
            code: lua.create_registry_value(function)?,
        })
    }
}

/// The flags that a list names, which ends where the first nil is.
fn flags(lua: &Lua, names: &Table) -> mlua::Result<ScriptFlags> {
    let mut flags = ScriptFlags::empty();
    for at in 1.. {
        let name = names.raw_get(at)?;
        if matches!(name, Value::Nil) {
            break;
        }
        let name = text(lua, name, "unknown flag given")?.to_ascii_lowercase();
        match ScriptFlags::named(&name) {
            Some(flag) => flags |= flag,
            None => return raise("unknown flag given"),
        }
    }
    Ok(flags)
}
