//! The scripts that are known, and the interpreter that has them.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;
use sha1::{Digest as _, Sha1};

use super::api::hex;
use super::busy::{BusyScript, ScriptKind};
use super::shebang::{Head, ScriptFlags};
use super::vm::{Kept, Vm};
use crate::commands::error::CmdError;
use crate::commands::row::Flags;
use crate::resp::args::Args;

/// The name of a script: the hexadecimal digits of its hash.
pub type ScriptName = [u8; 40];

/// A script that is known.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub name: ScriptName,
    /// What it says of itself, if it does.
    pub flags: Option<ScriptFlags>,
    /// What runs.
    pub function: Kept,
}

impl Script {
    /// The name as text.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).expect("digits are text")
    }
}

/// All scripts. There is no interpreter before the first.
#[derive(Debug, Default)]
pub struct Scripts {
    vm: Option<Rc<Vm>>,
    /// Memory for the replies of a script's commands.
    pub reply_bytes: Vec<u8>,
    scripts: HashMap<ScriptName, Rc<Script>, RandomState>,
    /// The same by their texts, which clients repeat.
    by_text: HashMap<Box<[u8]>, Rc<Script>, RandomState>,
    /// Bytes of the texts of all.
    text_bytes: usize,
    /// What is not meant for scripts is not refused to them; tests ask for that (`DEBUG`).
    pub may_call_all: bool,
    /// The one that runs, once it has run for too long.
    pub busy: Option<BusyScript>,
}

impl Scripts {
    /// Starts the interpreter if it does not run yet; its chance begins with `seed`.
    pub fn vm(&mut self, seed: impl FnOnce() -> u64) -> Result<Rc<Vm>, CmdError> {
        if let Some(vm) = &self.vm {
            return Ok(Rc::clone(vm));
        }
        let vm = Vm::new(ScriptKind::Script, seed()).map_err(|error| {
            CmdError::err(format!("The script interpreter cannot be started: {error}"))
        })?;
        let vm = Rc::new(vm);
        self.vm = Some(Rc::clone(&vm));
        Ok(vm)
    }

    /// The script of this name.
    pub fn find(&self, name: &[u8]) -> Option<&Rc<Script>> {
        let digits = <ScriptName>::try_from(name).ok()?;
        let script = self.scripts.get(&digits);
        script.or_else(|| self.scripts.get(&digits.map(|b| b.to_ascii_lowercase())))
    }

    /// Whether exactly this is the name of one.
    pub fn contains(&self, name: &[u8]) -> bool {
        <ScriptName>::try_from(name).is_ok_and(|name| self.scripts.contains_key(&name))
    }

    /// The script with this text, which is compiled if it is new.
    pub fn learn(&mut self, vm: &Vm, body: &[u8]) -> Result<Rc<Script>, CmdError> {
        if let Some(script) = self.by_text.get(body) {
            return Ok(Rc::clone(script));
        }
        let name = hex(&Sha1::digest(body).into());
        let head = Head::of(body)?;
        let script = Rc::new(Script {
            name,
            flags: head.flags,
            function: compile(vm, &body[head.length..]).map_err(|why| {
                CmdError::err(format!("Error compiling script (new function): {why}"))
            })?,
        });
        self.text_bytes += body.len();
        self.scripts.insert(name, Rc::clone(&script));
        self.by_text.insert(body.into(), Rc::clone(&script));
        Ok(script)
    }

    /// What a command is that runs the script named or written out in its arguments.
    pub fn refine(&self, command: Flags, args: &Args<'_>) -> Flags {
        let Some(script) = args.get(1) else {
            return command;
        };
        let flags = match self.find(script) {
            Some(known) => known.flags,
            None => Head::of(script).ok().and_then(|head| head.flags),
        };
        flags.map_or(command, |flags| flags.refine(command))
    }

    /// Forgets all, with whatever they left behind.
    pub fn flush(&mut self) {
        *self = Scripts::default();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.scripts.len()
    }

    /// Bytes that the interpreter uses.
    pub fn vm_memory(&self) -> usize {
        self.vm.as_ref().map_or(0, |vm| vm.memory())
    }

    /// Bytes that the scripts use outside of it.
    pub fn memory(&self) -> usize {
        let by_name = size_of::<(ScriptName, Rc<Script>)>();
        let by_text = size_of::<(Box<[u8]>, Rc<Script>)>();
        let entry = by_name + by_text + size_of::<Script>();
        self.text_bytes + self.scripts.len() * entry
    }
}

fn compile(vm: &Vm, body: &[u8]) -> Result<Kept, String> {
    let function = vm.compile(body)?;
    vm.keep(&function).map_err(|error| error.to_string())
}
