//! The interpreter of Lua without the detour of the safe interface, for what every script does:
//! being called with two lists of texts, and calling one function of ours again and again.
//!
//! The safe interface of `mlua` makes a handle of each value that passes, in a list that the
//! garbage collector knows. Here values are read where they lie on the interpreter's stack, and
//! put there at once ([`function`], [`run`]); whatever is not plain goes the other way.
//!
//! **Errors.** The interpreter is C, and raises an error by a jump over the frames in between.
//! So no call that may raise is made while a frame of ours holds anything that has to be dropped:
//! what is Rust's is done first, and only bytes and numbers are left when the interpreter is
//! called.

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use mlua::ffi;
use mlua::{Function, Lua, LuaString, RegistryKey, Value};

/// Memory for texts is kept up to this size.
const BYTES_KEPT_MAX: usize = 64 << 10;

/// An argument that a script gives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Argument<'a> {
    /// A text.
    Text(&'a [u8]),
    /// A number.
    Number(f64),
    /// Anything else.
    Other,
}

/// The arguments of a call. They are on the stack, so they stay as they are until it returns.
pub struct Arguments<'a> {
    state: *mut ffi::lua_State,
    count: usize,
    of_call: PhantomData<&'a ()>,
}

impl<'a> Arguments<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Argument<'a>> {
        (0..self.count).map(|before| {
            let at = before as c_int + 1;
            // SAFETY: the state is the one that the call gave, which is not over, and there are so
            // many values on its stack. What is asked of them changes nothing and raises nothing:
            // a text is asked for only where there is one already. Nobody pops it before the call
            // returns, so it stays where it is for `'a`.
            unsafe {
                match ffi::lua_type(self.state, at) {
                    ffi::LUA_TSTRING => Argument::Text(text_at(self.state, at)),
                    ffi::LUA_TNUMBER => Argument::Number(ffi::lua_tonumber(self.state, at)),
                    _ => Argument::Other,
                }
            }
        })
    }
}

/// The text at a place of the stack.
///
/// # Safety
///
/// There is a text there, and it stays on the stack for `'a`.
unsafe fn text_at<'a>(state: *mut ffi::lua_State, at: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: as the caller says; the interpreter gives where the text is and how long.
    unsafe {
        let start = ffi::lua_tolstring(state, at, &raw mut length);
        std::slice::from_raw_parts(start.cast::<u8>(), length)
    }
}

/// What a function gives back.
#[derive(Clone, Debug)]
pub enum Returned {
    /// `false`.
    False,
    /// A number.
    Number(f64),
    /// A text: these of the bytes that it has written.
    Text(Range<usize>),
    /// A table with such a text in one field.
    Tagged(Range<usize>),
    /// Whatever its other half makes of it.
    Rest,
}

/// A function of ours, and what it needs.
pub trait Native: 'static {
    /// It is called. Texts that it gives back are written to `out`, which is empty. It must not
    /// call the interpreter.
    fn call(&self, arguments: &Arguments<'_>, out: &mut Vec<u8>) -> Returned;
    /// Its other half: goes on where the first one has left off, by the safe interface.
    ///
    /// # Errors
    ///
    /// They are raised in the script.
    fn rest(&self, lua: &Lua) -> mlua::Result<Value>;
}

/// What the interpreter's function finds behind its pointer.
struct Behind<N> {
    native: N,
    out: Cell<Vec<u8>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// Keeps what is behind a function for as long as the function is there.
struct Keep<T>(#[expect(dead_code, reason = "it only has to be there")] Rc<T>);

/// Makes a function. `field` is the name of the field of [`Returned::Tagged`].
///
/// # Errors
///
/// There is no memory for it.
pub fn function<N: Native>(lua: &Lua, native: N, field: &LuaString) -> mlua::Result<Function> {
    let behind = Rc::new(Behind {
        native,
        out: Cell::default(),
        panic: Cell::default(),
    });
    let own = Rc::clone(&behind);
    let rest = lua.create_function(move |lua, ()| match own.panic.take() {
        Some(panic) => resume_unwind(panic),
        None => own.native.rest(lua),
    })?;
    let at = Rc::as_ptr(&behind).cast_mut();
    let keep = lua.create_any_userdata(Keep(behind))?;
    // SAFETY: the three values are on the stack, the pointer comes below them, and all four go into
    // the function. The closure holds nothing that has to be dropped, so that errors may jump out
    // of it; `exec_raw` has them caught.
    unsafe {
        lua.exec_raw((keep, rest, field), |state| {
            ffi::lua_pushlightuserdata(state, at.cast());
            ffi::lua_insert(state, 1);
            ffi::lua_pushcclosure(state, enter::<N>, 4);
        })
    }
}

/// What the interpreter calls. Its upvalues are the pointer, what keeps it valid, the other half,
/// and the name of the field.
unsafe extern "C-unwind" fn enter<N: Native>(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first upvalue is the pointer that `function` put there; the second one keeps what
    // it points to for as long as the function can be called. `call` has dropped all that is its
    // own when it returns, and what is left here has nothing to be dropped, so that whatever the
    // interpreter raises may jump over it. The bytes that are pushed stay where they are until
    // they are copied: only the next call writes there. A function finds room for twenty values.
    unsafe {
        let behind = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Behind<N>>();
        match call(&*behind, state) {
            Returned::False => ffi::lua_pushboolean(state, 0),
            Returned::Number(number) => ffi::lua_pushnumber(state, number),
            Returned::Text(range) => push_text(state, text_of(behind, range)),
            Returned::Tagged(range) => {
                ffi::lua_createtable(state, 0, 1);
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(4));
                push_text(state, text_of(behind, range));
                ffi::lua_rawset(state, -3);
            }
            Returned::Rest => {
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(3));
                ffi::lua_call(state, 0, 1);
            }
        }
    }
    1
}

/// The part of a call that is Rust's. A panic is kept for the other half.
fn call<N: Native>(behind: &Behind<N>, state: *mut ffi::lua_State) -> Returned {
    let mut out = behind.out.take();
    out.clear();
    out.shrink_to(BYTES_KEPT_MAX);
    // SAFETY: the state is the one of the call that is going on.
    let count = unsafe { ffi::lua_gettop(state) } as usize;
    let arguments = Arguments {
        state,
        count,
        of_call: PhantomData,
    };
    let call = || behind.native.call(&arguments, &mut out);
    let returned = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        behind.panic.set(Some(panic));
        Returned::Rest
    });
    behind.out.set(out);
    returned
}

/// The bytes of a text that was written.
///
/// # Safety
///
/// Nobody writes there for `'a`.
unsafe fn text_of<'a, N>(behind: *const Behind<N>, range: Range<usize>) -> &'a [u8] {
    // SAFETY: as the caller says; nothing but `call` takes the vector out of its cell.
    let out = unsafe { &*(*behind).out.as_ptr() };
    out.get(range).unwrap_or_default()
}

/// Pushes a text.
///
/// # Safety
///
/// There is room on the stack, and the caller's frames may be jumped over.
unsafe fn push_text(state: *mut ffi::lua_State, text: &[u8]) {
    // SAFETY: the pointer and the length are those of a slice.
    unsafe {
        ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
    }
}

/// Makes a function of another, to call it through a frame that is not Lua's. A function in Lua
/// that is called by `return` takes the place of its caller, whose line is lost to errors; one that
/// is not in Lua stands beside it.
///
/// # Errors
///
/// There is no memory for it.
pub fn framed(lua: &Lua, function: Function) -> mlua::Result<Function> {
    // SAFETY: the value is on the stack and goes into the function. The closure holds nothing that
    // has to be dropped, so that errors may jump out of it; `exec_raw` has them caught.
    unsafe { lua.exec_raw(function, |state| ffi::lua_pushcclosure(state, pass_on, 1)) }
}

/// Calls the function that is its upvalue as it was called itself.
unsafe extern "C-unwind" fn pass_on(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: a function finds room for twenty values beside its arguments, and nothing here has
    // to be dropped when an error is raised.
    unsafe {
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, ffi::lua_gettop(state) - 1, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}

/// Ends the collection of garbage that is going on, and has another one done; each stops after the
/// work that so many kilobytes are worth.
///
/// # Errors
///
/// A value could not be let go of.
pub fn collect(lua: &Lua, kilobytes: i32) -> mlua::Result<()> {
    // SAFETY: the closure holds nothing that has to be dropped, so that errors may jump out of it;
    // `exec_raw` has them caught.
    unsafe {
        lua.exec_raw((), |state| {
            for _ in 0..2 {
                ffi::lua_gc(state, ffi::LUA_GCSTEP, kilobytes);
            }
        })
    }
}

/// What a script gives back, or fails with.
#[derive(Clone, PartialEq, Debug)]
pub enum Ended {
    /// A text, in the bytes that were given for it.
    Text,
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// Any other value.
    Value(Value),
    /// The error that it failed with; where that was raised, [`Entry::take_place`] tells.
    Failed(Value),
    /// It ended where no error can be raised any more: there is no memory, or no stack.
    Broken(Value),
}

/// Where in a script an error was raised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The name of the chunk.
    pub source: Vec<u8>,
    /// The line, if it is known.
    pub line: Option<usize>,
}

/// Looks where an error is raised.
struct Witness {
    /// Chunks of this name are no script.
    skipped: &'static [u8],
    place: Cell<Option<Place>>,
}

/// How code is run.
pub struct Entry {
    /// Gets the lists ready and runs the code.
    runner: RegistryKey,
    /// Has the witness look, and lets the error pass.
    handler: RegistryKey,
    witness: Rc<Witness>,
}

impl Entry {
    /// Into an interpreter. Chunks named `skipped` are no script; `fields` is the table whose
    /// fields `KEYS` and `ARGV` are the lists, or nil if they are arguments.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new(lua: &Lua, skipped: &'static str, fields: Value) -> mlua::Result<Entry> {
        let witness = Rc::new(Witness {
            skipped: skipped.as_bytes(),
            place: Cell::default(),
        });
        let at = Rc::as_ptr(&witness).cast_mut();
        let keep = lua.create_any_userdata(Keep(Rc::clone(&witness)))?;
        // SAFETY: the values are on the stack, the pointer comes below the first of them, and both
        // go into the first function; the last one is left, and goes into the second. The closure
        // holds nothing that has to be dropped, so that errors may jump out of it; `exec_raw` has
        // them caught.
        let (runner, handler): (Function, Function) = unsafe {
            lua.exec_raw((fields, keep), |state| {
                ffi::lua_pushlightuserdata(state, at.cast());
                ffi::lua_insert(state, 2);
                ffi::lua_pushcclosure(state, witness_error, 2);
                ffi::lua_insert(state, 1);
                ffi::lua_pushcclosure(state, run_code, 1);
                ffi::lua_insert(state, 1);
            })
        }?;
        Ok(Entry {
            runner: lua.create_registry_value(runner)?,
            handler: lua.create_registry_value(handler)?,
            witness,
        })
    }

    /// Where the last error was raised, if that was in a script.
    pub fn take_place(&self) -> Option<Place> {
        self.witness.place.take()
    }
}

/// What the interpreter calls where an error is raised, with the error, which is left as it is. Its
/// upvalues are the pointer to the witness, and what keeps that valid.
unsafe extern "C-unwind" fn witness_error(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first upvalue is the pointer that `Entry::new` put there; the second one keeps
    // what it points to for as long as the function can be called. Nothing here raises an error.
    unsafe {
        let witness = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Witness>();
        let place = place_in_script(state, (*witness).skipped);
        (*witness).place.set(place);
    }
    1
}

/// Which line of a script is being run: of the innermost function that is written in Lua, not in a
/// chunk of the name given, and still remembered.
///
/// # Safety
///
/// The state is one in which a function of ours was called.
unsafe fn place_in_script(state: *mut ffi::lua_State, skipped: &[u8]) -> Option<Place> {
    // SAFETY: the interpreter fills the record of a level that there is, with texts that end with
    // a NUL and live as long as their function, which is on the stack. Neither call raises.
    unsafe {
        let mut frame: ffi::lua_Debug = std::mem::zeroed();
        for level in 1.. {
            if ffi::lua_getstack(state, level, &raw mut frame) == 0 {
                break;
            }
            ffi::lua_getinfo(state, c"Sl".as_ptr(), &raw mut frame);
            let what = CStr::from_ptr(frame.what).to_bytes();
            let source = CStr::from_ptr(frame.source).to_bytes();
            if !matches!(what, b"C" | b"tail") && source != skipped {
                return Some(Place {
                    source: source.to_vec(),
                    line: usize::try_from(frame.currentline).ok(),
                });
            }
        }
    }
    None
}

/// Texts for a script.
type Texts<'a, 't> = dyn ExactSizeIterator<Item = &'t [u8]> + 'a;

/// Code that is to be run, and what it gives back if that is plain.
struct Running<'a, 't> {
    code: c_int,
    keys: &'a mut Texts<'a, 't>,
    argv: &'a mut Texts<'a, 't>,
    ended: Ended,
    text: &'a mut Vec<u8>,
}

/// Runs code with these lists of texts. A text that it gives back goes to `text`.
///
/// # Panics
///
/// The code or the entry is another interpreter's.
pub fn run<'t>(
    lua: &Lua,
    entry: &Entry,
    code: &RegistryKey,
    mut keys: impl ExactSizeIterator<Item = &'t [u8]>,
    mut argv: impl ExactSizeIterator<Item = &'t [u8]>,
    text: &mut Vec<u8>,
) -> Ended {
    assert!(lua.owns_registry_value(code) && lua.owns_registry_value(&entry.runner));
    let mut running = Running {
        code: code.id(),
        keys: &mut keys,
        argv: &mut argv,
        ended: Ended::Value(Value::Nil),
        text,
    };
    let at = &raw mut running;
    // SAFETY: the state is the one that runs at present, and has room for a few values, which is
    // made sure of. Both functions are there, as the entry is this interpreter's. What is pushed
    // raises nothing, and what may do so is called in protected mode, with a pointer to what lives
    // until that has returned and is not touched meanwhile. If the error is a panic of ours, that
    // goes on when it is popped.
    let (status, left) = lua.exec_raw_lua(|raw| unsafe {
        let state = raw.state();
        assert!(ffi::lua_checkstack(state, 3) != 0, "there is no room");
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, entry.handler.id().into());
        let handler = ffi::lua_gettop(state);
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, entry.runner.id().into());
        ffi::lua_pushlightuserdata(state, at.cast());
        let status = ffi::lua_pcall(state, 1, 1, handler);
        ffi::lua_remove(state, handler);
        (status, raw.pop_value())
    });
    match (status, left) {
        (ffi::LUA_OK, Value::Nil) => running.ended,
        (ffi::LUA_OK, value) => Ended::Value(value),
        (ffi::LUA_ERRRUN, error) => Ended::Failed(error),
        (_, error) => Ended::Broken(error),
    }
}

/// What the interpreter calls to have code run, with the pointer to what there is to know. Its
/// upvalue is the table whose fields the lists are, or nil. It gives back what the code did, or
/// nothing if that was plain.
unsafe extern "C-unwind" fn run_code(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: `run` gave the pointer, and waits. There are twenty places on the stack. When the
    // interpreter may raise something, there is nothing here that has to be dropped, only
    // references. What the code gave back is read while it is on the stack, and reading it raises
    // nothing.
    unsafe {
        let running = &mut *ffi::lua_touserdata(state, 1).cast::<Running<'_, '_>>();
        let code = running.code.into();
        let arguments = if ffi::lua_istable(state, ffi::lua_upvalueindex(1)) != 0 {
            set_list(state, b"KEYS", running.keys);
            set_list(state, b"ARGV", running.argv);
            ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, code);
            0
        } else {
            ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, code);
            push_list(state, running.keys);
            push_list(state, running.argv);
            2
        };
        ffi::lua_call(state, arguments, 1);
        match take_plain(state, &mut running.ended, running.text) {
            true => 0,
            false => 1,
        }
    }
}

/// Makes a list of texts the field of the table that is the first upvalue.
///
/// # Safety
///
/// There is such a table, there is room for three more, and the caller's frames may be jumped over.
unsafe fn set_list(state: *mut ffi::lua_State, name: &[u8], texts: &mut Texts<'_, '_>) {
    // SAFETY: as the caller says.
    unsafe {
        push_text(state, name);
        push_list(state, texts);
        ffi::lua_rawset(state, ffi::lua_upvalueindex(1));
    }
}

/// Pushes a list of texts.
///
/// # Safety
///
/// There is room for two values, and the caller's frames may be jumped over.
unsafe fn push_list(state: *mut ffi::lua_State, texts: &mut Texts<'_, '_>) {
    // SAFETY: as the caller says.
    unsafe {
        ffi::lua_createtable(state, texts.len().min(1 << 20) as c_int, 0);
        let mut at: ffi::lua_Integer = 0;
        for text in texts {
            at += 1;
            push_text(state, text);
            ffi::lua_rawseti(state, -2, at);
        }
    }
}

/// Takes the value on the top of the stack if it is plain.
///
/// # Safety
///
/// There is a value.
unsafe fn take_plain(state: *mut ffi::lua_State, ended: &mut Ended, text: &mut Vec<u8>) -> bool {
    // SAFETY: as the caller says; each is asked for what it is.
    unsafe {
        *ended = match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING => {
                text.extend_from_slice(text_at(state, -1));
                Ended::Text
            }
            ffi::LUA_TNUMBER => Ended::Number(ffi::lua_tonumber(state, -1)),
            ffi::LUA_TBOOLEAN => Ended::Boolean(ffi::lua_toboolean(state, -1) != 0),
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests;
