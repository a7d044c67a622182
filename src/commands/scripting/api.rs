//! The table `redis` of scripts, and what else of the interpreter is ours.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use memchr::memchr;
use mlua::chunk::ChunkMode;
use mlua::{HookTriggers, Lua, MultiValue, Table, Value, VmState};
use sha1::{Digest as _, Sha1};

use super::busy::Verdict;
use super::given::Given;
use super::host::{Caller, LentCaller};
use super::raised::{Raised, raise};
use super::values::{Names, ReplyReader, error_table, error_text};
use crate::base::numbers::{DOUBLE_TEXT_BYTES_MAX, parse_i64, write_f64};
use crate::commands::unit::operations::Audience;
use crate::resp::args::{ArgRanges, array_header, bulk};
use crate::resp::writer::Protocol;
use crate::sys::lend::Loan;
use crate::sys::lua::{self, Argument, Arguments, Native, Returned};

/// The version of the reference whose behaviour scripts may rely on.
const VERSION: &str = "7.2.4";
const VERSION_NUMBER: u32 = 0x0007_0204;

/// Levels of the log, by the numbers that scripts have for them.
const LEVELS: [(&str, log::Level); 4] = [
    ("LOG_DEBUG", log::Level::Debug),
    ("LOG_VERBOSE", log::Level::Debug),
    ("LOG_NOTICE", log::Level::Info),
    ("LOG_WARNING", log::Level::Warn),
];

/// Who hears of changes, by the numbers that scripts have for them.
const AUDIENCES: [(&str, Audience); 5] = [
    ("REPL_NONE", Audience::NOBODY),
    ("REPL_AOF", Audience::FILE),
    ("REPL_SLAVE", Audience::REPLICAS),
    ("REPL_REPLICA", Audience::REPLICAS),
    ("REPL_ALL", Audience::ALL),
];

/// How often a script is asked whether it may go on, in instructions.
const INSTRUCTIONS_BETWEEN_INTERRUPTS: u32 = 100_000;

/// What a function is told that is called while no script runs.
const NOBODY_RUNS: &str = "redis commands can only be called from a running script";

/// The compiler counts in 32 bits.
const CHUNK_BYTES_MAX: usize = 1 << 30;

/// Memory for arguments is kept up to this size.
const ARGUMENT_BYTES_KEPT_MAX: usize = 64 << 10;

/// What the interpreter's functions share.
pub struct Shared {
    /// Whoever runs the script that runs, if one does.
    pub caller: Loan<LentCaller>,
    pub names: Names,
    /// The arguments of the command that is called.
    words: RefCell<Words>,
    /// The state of the generator behind `math.random`.
    random: Cell<u64>,
    /// The script that runs is to end, for this reason.
    is_stopped: Cell<Option<&'static str>>,
    /// Why the command that is called was refused.
    refusal: Cell<Option<Raised>>,
}

#[derive(Default)]
struct Words {
    ranges: ArgRanges,
    bytes: Vec<u8>,
}

/// What a script is given that calls a command which fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnError {
    /// An error (`redis.call`).
    Raise,
    /// A table that tells of it (`redis.pcall`).
    Return,
}

/// Calls commands for scripts.
struct CallsCommands {
    shared: Rc<Shared>,
    on_error: OnError,
}

impl Native for CallsCommands {
    fn call(&self, arguments: &Arguments<'_>, out: &mut Vec<u8>) -> Returned {
        let shared = &*self.shared;
        let mut words = shared.words.take();
        let called = words.gather(arguments.iter()).and_then(|()| {
            let called = shared.caller.with(|caller| {
                let mut args = words.ranges.args(&words.bytes);
                let called = caller.0.call(&mut args);
                called.map(|()| plain_reply(caller.0.reply(), out))
            });
            let called = called.ok_or_else(|| Raised::new(NOBODY_RUNS))?;
            called.map_err(|text| Raised {
                text,
                counted: true,
                plain: false,
            })
        });
        words.ranges.release();
        if words.bytes.capacity() <= ARGUMENT_BYTES_KEPT_MAX {
            shared.words.replace(words);
        }
        called.unwrap_or_else(|raised| {
            shared.refusal.set(Some(raised));
            Returned::Rest
        })
    }

    fn rest(&self, lua: &Lua) -> mlua::Result<Value> {
        let names = &self.shared.names;
        let refused = match self.shared.refusal.take() {
            Some(raised) => raised,
            None => {
                let read = |caller: &mut Caller<'_>| match caller.0.reply() {
                    [b'-', text @ ..] => Ok(Err(Raised {
                        text: text.trim_ascii_end().to_vec(),
                        counted: true,
                        plain: false,
                    })),
                    reply => ReplyReader::read(lua, names, reply).map(Ok),
                };
                match self.shared.ask(read)?? {
                    Ok(value) => return Ok(value),
                    Err(raised) => raised,
                }
            }
        };
        match self.on_error {
            OnError::Raise => Err(mlua::Error::external(refused)),
            OnError::Return => refused.table(lua, names).map(Value::Table),
        }
    }
}

/// What a reply is to a script, if that is plain.
#[inline]
fn plain_reply(reply: &[u8], out: &mut Vec<u8>) -> Returned {
    let Some((kind, rest)) = reply.split_first() else {
        return Returned::Rest;
    };
    let end = memchr(b'\r', rest).unwrap_or(rest.len());
    let line = &rest[..end];
    match kind {
        b'+' => {
            out.extend_from_slice(line);
            Returned::Tagged(0..out.len())
        }
        b':' => Returned::Number(parse_i64(line).unwrap_or_default() as f64),
        b'$' => match parse_i64(line).map(usize::try_from) {
            Some(Ok(length)) => {
                out.extend_from_slice(&rest[end + 2..][..length]);
                Returned::Text(0..length)
            }
            _ => Returned::False,
        },
        _ => Returned::Rest,
    }
}

/// The argument of a function that takes one.
fn only(given: MultiValue) -> Option<Value> {
    match given.len() {
        1 => given.into_iter().next(),
        _ => None,
    }
}

impl Shared {
    /// For an interpreter; chance begins at `seed`.
    pub fn new(lua: &Lua, seed: u64) -> mlua::Result<Rc<Shared>> {
        Ok(Rc::new(Shared {
            caller: Loan::default(),
            names: Names::new(lua)?,
            words: RefCell::default(),
            random: Cell::new(seed),
            is_stopped: Cell::new(None),
            refusal: Cell::default(),
        }))
    }

    /// Asks whoever runs the script.
    fn ask<R>(&self, ask: impl FnOnce(&mut Caller<'_>) -> R) -> mlua::Result<R> {
        match self.caller.with(ask) {
            Some(answer) => Ok(answer),
            None => raise(NOBODY_RUNS),
        }
    }

    /// The next number of the generator that `drand48` uses as well: 31 bits.
    fn next_random(&self) -> u32 {
        const FACTOR: u64 = 0x5_DEEC_E66D;
        let state = self.random.get().wrapping_mul(FACTOR).wrapping_add(0xB) & ((1 << 48) - 1);
        self.random.set(state);
        (state >> 17) as u32
    }

    fn seed(&self, seed: i64) {
        self.random.set((seed as u64 & 0xFFFF_FFFF) << 16 | 0x330E);
    }
}

impl Words {
    /// Puts the arguments of a command together, as they would come from a client.
    #[inline]
    fn gather<'a>(
        &mut self,
        given: impl ExactSizeIterator<Item = Argument<'a>>,
    ) -> Result<(), Raised> {
        if given.len() == 0 {
            let text = "Please specify at least one argument for this redis lib call";
            return Err(Raised::new(text));
        }
        let Words { ranges, bytes } = self;
        ranges.clear();
        bytes.clear();
        array_header(given.len(), bytes);
        let mut number_text = [0; DOUBLE_TEXT_BYTES_MAX];
        for argument in given {
            let text = match argument {
                Argument::Text(text) => text,
                Argument::Number(number) => {
                    let length = write_f64(number, &mut number_text);
                    &number_text[..length]
                }
                Argument::Other => {
                    let text = "Lua redis lib command arguments must be strings or integers";
                    return Err(Raised::new(text));
                }
            };
            bulk(text, bytes);
            let end = bytes.len() - 2;
            ranges.push(end - text.len()..end);
        }
        ranges.set_canonical(bytes.len());
        Ok(())
    }
}

/// What the prelude needs of us.
pub fn native(lua: &Lua, shared: &Rc<Shared>, environment: &Table) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    let own = Rc::clone(shared);
    let shown = lua.create_function(move |lua, value: Value| match value {
        Value::Error(error) => Raised::of(&error).shown(lua, &own.names),
        other => Ok(other),
    })?;
    native.raw_set("error_table", shown)?;
    let own = Rc::clone(shared);
    let is_stopped = lua.create_function(move |_, ()| Ok(own.is_stopped.get().is_some()))?;
    native.raw_set("is_stopped", is_stopped)?;
    let framed = lua.create_function(lua::framed)?;
    native.raw_set("framed", framed)?;
    let environment = environment.clone();
    let load = lua.create_function(
        move |lua, (text, name): (mlua::LuaString, mlua::LuaString)| {
            if text.as_bytes().first() == Some(&0x1b) {
                let why = "attempt to load a binary chunk";
                return Ok((Value::Nil, Some(why.to_owned())));
            }
            if text.as_bytes().len() > CHUNK_BYTES_MAX {
                return Ok((Value::Nil, Some("chunk is too long".to_owned())));
            }
            let name = name.to_string_lossy();
            let name = name.split('\0').next().unwrap_or_default();
            // The compiler does not hold on to the name itself, and may collect garbage.
            let _held = lua.create_string(name)?;
            let chunk = lua.load(text.as_bytes().to_vec()).set_name(name);
            let chunk = chunk
                .set_mode(ChunkMode::Text)
                .set_environment(environment.clone());
            Ok(match chunk.into_function() {
                Ok(function) => (Value::Function(function), None),
                Err(error) => (Value::Nil, Some(syntax(&error))),
            })
        },
    )?;
    native.raw_set("load", load)?;
    Ok(native)
}

/// What is wrong with a text, in the words of the compiler.
pub fn syntax(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => Raised::of(other).to_string(),
    }
}

/// Makes the table `redis`.
pub fn redis_table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let redis = library_table(lua, shared)?;
    let names = &shared.names;
    for (name, on_error) in [("call", OnError::Raise), ("pcall", OnError::Return)] {
        let shared = Rc::clone(shared);
        let call = CallsCommands { shared, on_error };
        redis.raw_set(name, lua::function(lua, call, &names.ok)?)?;
    }
    for (name, audience) in AUDIENCES {
        redis.raw_set(name, audience.bits())?;
    }
    set_replies(lua, &redis, shared)?;
    set_run_options(lua, &redis, shared)?;
    Ok(redis)
}

/// Makes what of the table `redis` is there when no script runs, either: for code that registers
/// functions.
pub fn library_table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    redis.raw_set("REDIS_VERSION", VERSION)?;
    redis.raw_set("REDIS_VERSION_NUM", VERSION_NUMBER)?;
    for (number, (name, _)) in LEVELS.iter().enumerate() {
        redis.raw_set(*name, number)?;
    }
    let own = Rc::clone(shared);
    let log = lua.create_function(move |lua, given: MultiValue| own.log(lua, given))?;
    redis.raw_set("log", log)?;
    Ok(redis)
}

/// What makes values.
fn set_replies(lua: &Lua, redis: &Table, shared: &Rc<Shared>) -> mlua::Result<()> {
    let own = Rc::clone(shared);
    let error_reply = lua.create_function(move |lua, given: MultiValue| {
        let names = &own.names;
        let Some(Value::String(text)) = only(given) else {
            return error_table(lua, names, WRONG_ARGUMENTS, false);
        };
        let text = text.as_bytes();
        let dashed = match text.starts_with(b"-") {
            true => text.to_vec(),
            false => [b"-", &*text].concat(),
        };
        error_table(lua, names, &error_text(&dashed), false)
    })?;
    redis.raw_set("error_reply", error_reply)?;
    let own = Rc::clone(shared);
    let status_reply = lua.create_function(move |lua, given: MultiValue| {
        let names = &own.names;
        let Some(Value::String(text)) = only(given) else {
            return error_table(lua, names, WRONG_ARGUMENTS, false);
        };
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(&names.ok, text)?;
        Ok(table)
    })?;
    redis.raw_set("status_reply", status_reply)?;
    let sha1hex = lua.create_function(|lua, given: MultiValue| {
        let Some(value) = only(given) else {
            return raise("wrong number of arguments");
        };
        let text = lua.coerce_string(value)?;
        let hash = match &text {
            Some(text) => Sha1::digest(&*text.as_bytes()),
            None => Sha1::digest(b""),
        };
        lua.create_string(hex(&hash.into()))
    })?;
    redis.raw_set("sha1hex", sha1hex)
}

const WRONG_ARGUMENTS: &[u8] = b"ERR wrong number or type of arguments";

/// The digits of a hash.
pub fn hex(hash: &[u8; 20]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// A text, or a number as text.
fn as_text(value: &Value) -> Option<Vec<u8>> {
    let number = match value {
        Value::String(text) => return Some(text.as_bytes().to_vec()),
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => return None,
    };
    let mut text = [0; DOUBLE_TEXT_BYTES_MAX];
    let length = write_f64(number, &mut text);
    Some(text[..length].to_vec())
}

/// What says how the script runs.
fn set_run_options(lua: &Lua, redis: &Table, shared: &Rc<Shared>) -> mlua::Result<()> {
    let own = Rc::clone(shared);
    let setresp = lua.create_function(move |lua, given: MultiValue| {
        let Some(version) = only(given) else {
            return raise("redis.setresp() requires one argument.");
        };
        let protocol = match lua.coerce_number(version)?.map(|n| n as i64) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            _ => return raise("RESP version must be 2 or 3."),
        };
        own.ask(|caller| caller.0.set_protocol(protocol))
    })?;
    redis.raw_set("setresp", setresp)?;
    let own = Rc::clone(shared);
    let set_repl = lua.create_function(move |lua, given: MultiValue| {
        let Some(flags) = only(given) else {
            return raise("redis.set_repl() requires one argument.");
        };
        let bits = lua.coerce_number(flags)?.unwrap_or_default() as i64;
        let audience = u8::try_from(bits).ok().and_then(Audience::from_bits);
        let Some(audience) = audience else {
            return raise(
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            );
        };
        own.ask(|caller| caller.0.set_audience(audience))
    })?;
    redis.raw_set("set_repl", set_repl)?;
    let own = Rc::clone(shared);
    let acl_check_cmd = lua.create_function(move |_, given: MultiValue| {
        let texts: Vec<_> = given.iter().map(as_text).collect();
        let arguments = texts.iter().map(|text| match text {
            Some(text) => Argument::Text(text),
            None => Argument::Other,
        });
        let mut words = Words::default();
        let gathered = words.gather(arguments);
        gathered.map_err(mlua::Error::external)?;
        let may = own.ask(|caller| caller.0.may_run(&words.ranges.args(&words.bytes)))?;
        match may {
            Some(may) => Ok(may),
            None => raise("Invalid command passed to redis.acl_check_cmd()"),
        }
    })?;
    redis.raw_set("acl_check_cmd", acl_check_cmd)?;
    // Changes always go out as commands; and there is no debugger that could stop.
    redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)
}

impl Shared {
    fn log(&self, lua: &Lua, given: MultiValue) -> mlua::Result<()> {
        let values = given.into_vec();
        let [level, words @ ..] = &values[..] else {
            return raise("redis.log() requires two arguments or more.");
        };
        if words.is_empty() {
            return raise("redis.log() requires two arguments or more.");
        }
        let Some(number) = lua.coerce_number(level.clone())? else {
            return raise("First argument must be a number (log level).");
        };
        let level = LEVELS.get(number as usize).filter(|_| number > -1.0);
        let Some((_, level)) = level else {
            return raise("Invalid debug level.");
        };
        let mut text = String::new();
        for (at, word) in words.iter().enumerate() {
            let Some(word) = lua.coerce_string(word.clone())? else {
                continue;
            };
            if at > 0 {
                text.push(' ');
            }
            text.push_str(&word.to_string_lossy());
        }
        self.ask(|caller| caller.0.log(*level, &text))
    }
}

/// Has whoever runs a script asked, every now and then, whether it may go on.
pub fn watch(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<()> {
    interrupt_every(lua, shared, INSTRUCTIONS_BETWEEN_INTERRUPTS)
}

fn interrupt_every(lua: &Lua, shared: &Rc<Shared>, instructions: u32) -> mlua::Result<()> {
    let own = Rc::clone(shared);
    let triggers = HookTriggers::new().every_nth_instruction(instructions);
    lua.set_global_hook(triggers, move |lua, _| interrupt(lua, &own))
}

/// A script may go on, or ends. Whatever catches the error of one that ends gets the next error at
/// its next instruction.
fn interrupt(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<VmState> {
    if shared.is_stopped.get().is_none() {
        match shared.caller.with(|caller| caller.0.interrupt()) {
            Some(Verdict::Stop(why)) => shared.is_stopped.set(Some(why)),
            Some(Verdict::GoOn) | None => return Ok(VmState::Continue),
        }
    }
    interrupt_every(lua, shared, 1)?;
    raise(shared.is_stopped.get().unwrap_or_default())
}

/// A script has ended: the next one may run.
pub fn watch_again(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<()> {
    match shared.is_stopped.take() {
        Some(_) => watch(lua, shared),
        None => Ok(()),
    }
}

/// Puts chance of ours in the place of the library's.
pub fn set_random(lua: &Lua, math: &Table, shared: &Rc<Shared>) -> mlua::Result<()> {
    let own = Rc::clone(shared);
    let random = lua.create_function(move |lua, given: MultiValue| {
        let share = f64::from(own.next_random()) / f64::from(1u32 << 31);
        let given = Given::new(lua, "random", given);
        let empty = |at| Err(given.bad(at, "interval is empty"));
        match given.len() {
            0 => Ok(share),
            1 => match given.number(0)?.trunc() {
                most if most < 1.0 => empty(0),
                most => Ok((share * most).floor() + 1.0),
            },
            2 => match (given.number(0)?.trunc(), given.number(1)?.trunc()) {
                (least, most) if most < least => empty(1),
                (least, most) => Ok((share * (most - least + 1.0)).floor() + least),
            },
            _ => Err(given.fail("wrong number of arguments")),
        }
    })?;
    math.raw_set("random", random)?;
    let own = Rc::clone(shared);
    let randomseed = lua.create_function(move |lua, given: MultiValue| {
        own.seed(Given::new(lua, "randomseed", given).number(0)? as i64);
        Ok(())
    })?;
    math.raw_set("randomseed", randomseed)
}
