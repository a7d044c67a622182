//! Libraries of functions, and the interpreter that has them.
//!
//! Libraries are data: they are saved, copied to replicas, and replaced as a whole when a data set
//! is. Functions of all libraries share one space of names, in which case does not matter.
//!
//! Whatever is to be added is made ready first, so that what is there stays as it is if that fails.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::metadata::Metadata;
use crate::commands::row::Flags;
use crate::commands::scripting::busy::{ScriptKind, Verdict};
use crate::commands::scripting::host::{Caller, ScriptHost};
use crate::commands::scripting::registration::{Registered, check_name};
use crate::commands::scripting::shebang::ScriptFlags;
use crate::commands::scripting::vm::{Kept, Vm};
use crate::commands::unit::operations::Audience;
use crate::resp::args::Args;
use crate::resp::writer::Protocol;
use crate::sys::clock::CycleClock;

/// The one engine there is.
pub const ENGINE: &str = "LUA";

/// Names up to this length are looked for without an allocation.
const SHORT_NAME_BYTES_MAX: usize = 64;

/// Why libraries are not as somebody wants them, as clients are told of it, without a code word.
pub type Refusal = Vec<u8>;

/// A function.
#[derive(Debug)]
pub struct LibraryFunction {
    /// Its name, as it was registered.
    pub name: String,
    /// What it is good for, if it says so.
    pub description: Option<Vec<u8>>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// What runs.
    pub code: Kept,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its text.
    pub code: Vec<u8>,
    /// What it registered, in this order.
    pub functions: Vec<Rc<LibraryFunction>>,
}

/// All libraries. There is no interpreter before the first.
#[derive(Debug, Default)]
pub struct Libraries {
    vm: Option<Rc<Vm>>,
    libraries: BTreeMap<Vec<u8>, Library>,
    /// The functions of all, by their names in lower case.
    functions: HashMap<Vec<u8>, Rc<LibraryFunction>, RandomState>,
}

/// What becomes of a library whose name is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is refused.
    Refuse,
    /// It takes the other's place.
    Replace,
}

/// How long a library may take to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Tells the time.
    pub clock: CycleClock,
    /// When its time is up, by the clock.
    pub until_ns: u64,
}

/// What there is to know to load a library.
pub struct LoadOptions {
    /// If there is one of its name.
    pub taken: Taken,
    /// How long it may take.
    pub limit: Option<Limit>,
    /// Chance of the interpreter begins here, if it does not run yet.
    pub seed: u64,
}

impl Libraries {
    /// Loads a library from its text, and gives its name.
    ///
    /// # Errors
    ///
    /// It cannot be, and nothing has changed.
    pub fn load(&mut self, code: &[u8], options: &LoadOptions) -> Result<Vec<u8>, Refusal> {
        let (name, library) = self.make(code, options)?;
        self.check_names(&library.functions, self.libraries.get(&name).into_iter())?;
        self.delete(&name);
        self.add(name.clone(), library);
        Ok(name)
    }

    /// Loads a library that was saved, however long it takes.
    ///
    /// # Errors
    ///
    /// It cannot be loaded, and nothing has changed.
    pub fn load_saved(&mut self, code: &[u8], taken: Taken, seed: u64) -> Result<(), String> {
        let limit = None;
        let options = LoadOptions { taken, limit, seed };
        match self.load(code, &options) {
            Ok(_) => Ok(()),
            Err(why) => Err(String::from_utf8_lossy(&why).into_owned()),
        }
    }

    /// Makes a library of its text.
    fn make(&mut self, code: &[u8], options: &LoadOptions) -> Result<(Vec<u8>, Library), Refusal> {
        let metadata = Metadata::of(code)?;
        check_name(&metadata.name)?;
        if !metadata.engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
            return Err([b"Engine '", &metadata.engine[..], b"' not found"].concat());
        }
        let name = metadata.name;
        if options.taken == Taken::Refuse && self.libraries.contains_key(&name) {
            return Err([b"Library '", &name[..], b"' already exists"].concat());
        }
        let vm = self.vm(options.seed)?;
        let body = &code[metadata.length..];
        let mut loading = Loading {
            limit: options.limit,
        };
        let found = vm.register(body, &mut Caller(&mut loading))?;
        if found.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        let mut names = HashSet::new();
        let mut functions = Vec::with_capacity(found.len());
        for function in found {
            let function = LibraryFunction::from(function);
            if !names.insert(function.key()) {
                return Err(exists(&function.name));
            }
            functions.push(Rc::new(function));
        }
        let code = code.to_vec();
        Ok((name, Library { code, functions }))
    }

    /// Whether there would be no two functions of one name if these came in the place of those of
    /// the libraries `replaced`.
    fn check_names<'a>(
        &self,
        added: impl IntoIterator<Item = &'a Rc<LibraryFunction>>,
        replaced: impl Iterator<Item = &'a Library>,
    ) -> Result<(), Refusal> {
        let replaced: HashSet<_> = replaced
            .flat_map(|library| library.functions.iter().map(Rc::as_ptr))
            .collect();
        for function in added {
            let stays = |found: &Rc<_>| !replaced.contains(&Rc::as_ptr(found));
            if self.functions.get(&function.key()).is_some_and(stays) {
                return Err(exists(&function.name));
            }
        }
        Ok(())
    }

    fn vm(&mut self, seed: u64) -> Result<Rc<Vm>, Refusal> {
        if let Some(vm) = &self.vm {
            return Ok(Rc::clone(vm));
        }
        let vm = Vm::new(ScriptKind::Function, seed)
            .map_err(|error| format!("The script interpreter cannot be started: {error}"))?;
        let vm = Rc::new(vm);
        self.vm = Some(Rc::clone(&vm));
        Ok(vm)
    }

    fn add(&mut self, name: Vec<u8>, library: Library) {
        for function in &library.functions {
            self.functions.insert(function.key(), Rc::clone(function));
        }
        self.libraries.insert(name, library);
    }

    /// Deletes a library; false if there is none of this name.
    pub fn delete(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else {
            return false;
        };
        for function in &library.functions {
            self.functions.remove(&function.key());
        }
        true
    }

    /// Loads libraries from their texts and takes them to those that are there, all or none.
    ///
    /// # Errors
    ///
    /// One cannot be loaded, or taken; nothing has changed.
    pub fn restore<'a>(
        &mut self,
        codes: impl Iterator<Item = &'a [u8]>,
        taken: Taken,
        seed: u64,
    ) -> Result<(), Refusal> {
        let added = self.beside(codes, seed)?;
        if taken == Taken::Refuse
            && let Some(name) = added
                .libraries
                .keys()
                .find(|name| self.libraries.contains_key(*name))
        {
            return Err([b"Library ", &name[..], b" already exists"].concat());
        }
        let replaced = added
            .libraries
            .keys()
            .filter_map(|name| self.libraries.get(name));
        self.check_names(added.functions.values(), replaced)?;
        for (name, library) in added.libraries {
            self.delete(&name);
            self.add(name, library);
        }
        Ok(())
    }

    /// Loads libraries from their texts, and puts them in the place of those that are there.
    ///
    /// # Errors
    ///
    /// One cannot be loaded; nothing has changed.
    pub fn replace<'a>(
        &mut self,
        codes: impl Iterator<Item = &'a [u8]>,
        seed: u64,
    ) -> Result<(), Refusal> {
        *self = self.beside(codes, seed)?;
        Ok(())
    }

    /// Others, in the same interpreter.
    fn beside<'a>(
        &mut self,
        codes: impl Iterator<Item = &'a [u8]>,
        seed: u64,
    ) -> Result<Libraries, Refusal> {
        let mut others = Libraries {
            vm: Some(self.vm(seed)?),
            ..Libraries::default()
        };
        let options = LoadOptions {
            taken: Taken::Refuse,
            limit: None,
            seed,
        };
        for code in codes {
            others.load(code, &options)?;
        }
        Ok(others)
    }

    /// Forgets all, with the interpreter and whatever they left behind there.
    pub fn clear(&mut self) {
        *self = Libraries::default();
    }

    /// The function of this name, in upper or lower case.
    pub fn find(&self, name: &[u8]) -> Option<&Rc<LibraryFunction>> {
        let as_given = self.functions.get(name);
        as_given.or_else(|| self.find_lower(name))
    }

    fn find_lower(&self, name: &[u8]) -> Option<&Rc<LibraryFunction>> {
        let mut short = [0; SHORT_NAME_BYTES_MAX];
        let Some(lower) = short.get_mut(..name.len()) else {
            return self.functions.get(&name.to_ascii_lowercase());
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.functions.get(&*lower)
    }

    /// What a command is that calls the function named in its arguments.
    pub fn refine(&self, command: Flags, args: &Args<'_>) -> Flags {
        let function = args.get(1).and_then(|name| self.find(name));
        function.map_or(command, |function| function.flags.refine(command))
    }

    /// The interpreter, if there is one.
    pub fn interpreter(&self) -> Option<&Rc<Vm>> {
        self.vm.as_ref()
    }

    /// All libraries with their names, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Library)> {
        self.libraries
            .iter()
            .map(|(name, library)| (&name[..], library))
    }

    /// The texts of all libraries.
    pub fn codes(&self) -> impl Iterator<Item = &[u8]> {
        self.libraries.values().map(|library| &library.code[..])
    }

    /// How many libraries there are.
    pub fn count(&self) -> usize {
        self.libraries.len()
    }

    /// How many functions there are.
    pub fn functions_count(&self) -> usize {
        self.functions.len()
    }

    /// Bytes that the interpreter uses.
    pub fn vm_memory(&self) -> usize {
        self.vm.as_ref().map_or(0, |vm| vm.memory())
    }

    /// Bytes that the libraries use outside of it.
    pub fn memory(&self) -> usize {
        let of_function = |function: &Rc<LibraryFunction>| {
            let texts = function.description.as_ref().map_or(0, Vec::len) + 2 * function.name.len();
            texts + size_of::<LibraryFunction>() + size_of::<(Vec<u8>, Rc<LibraryFunction>)>()
        };
        let of_library = |(name, library): (&[u8], &Library)| {
            let functions: usize = library.functions.iter().map(of_function).sum();
            name.len() + library.code.len() + size_of::<(Vec<u8>, Library)>() + functions
        };
        self.iter().map(of_library).sum()
    }
}

impl LibraryFunction {
    /// Its name as [`Libraries::functions`] has it.
    fn key(&self) -> Vec<u8> {
        self.name.to_ascii_lowercase().into_bytes()
    }
}

impl From<Registered> for LibraryFunction {
    fn from(registered: Registered) -> LibraryFunction {
        LibraryFunction {
            name: String::from_utf8(registered.name).expect("the name was checked"),
            description: registered.description,
            flags: registered.flags,
            code: Kept::from(registered.code),
        }
    }
}

fn exists(function: &str) -> Refusal {
    format!("Function {function} already exists").into_bytes()
}

/// What code of a library finds in place of a server while it is loaded: a log.
struct Loading {
    limit: Option<Limit>,
}

impl ScriptHost for Loading {
    fn call(&mut self, _: &mut Args<'_>) -> Result<(), Vec<u8>> {
        Err(b"ERR redis.call can only be called inside a script invocation".to_vec())
    }

    fn reply(&self) -> &[u8] {
        &[]
    }

    fn may_run(&mut self, _: &Args<'_>) -> Option<bool> {
        None
    }

    fn set_protocol(&mut self, _: Protocol) {}

    fn set_audience(&mut self, _: Audience) {}

    fn interrupt(&mut self) -> Verdict {
        match self.limit {
            Some(limit) if limit.clock.ns() > limit.until_ns => {
                Verdict::Stop("FUNCTION LOAD timeout")
            }
            _ => Verdict::GoOn,
        }
    }

    fn log(&self, level: log::Level, text: &str) {
        log::log!(level, "{text}");
    }
}
