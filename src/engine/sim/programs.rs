//! The programs that there are on a simulated machine, each of which does nothing but end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::sys::process::Exit;

/// How a program ends.
#[derive(Clone, Copy)]
pub struct Ending {
    /// How.
    pub exit: Exit,
    /// After so many microseconds.
    pub after_us: u64,
}

/// A run of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

#[derive(Default)]
struct Inside {
    known: BTreeMap<PathBuf, Ending>,
    runs: Vec<Run>,
}

/// See the module's head. A copy is the same.
#[derive(Clone, Default)]
pub struct Programs(Rc<RefCell<Inside>>);

impl Programs {
    /// Puts a program there.
    pub fn put(&self, path: &str, ending: Ending) {
        self.0.borrow_mut().known.insert(path.into(), ending);
    }

    /// Takes a program away.
    pub fn remove(&self, path: &str) {
        self.0.borrow_mut().known.remove(Path::new(path));
    }

    /// Those that were run since the last call.
    pub fn take_runs(&self) -> Vec<Run> {
        std::mem::take(&mut self.0.borrow_mut().runs)
    }

    /// Runs a program. How it will end, if nobody kills it.
    pub fn run(&self, path: &Path, args: &[String]) -> io::Result<Ending> {
        let mut inside = self.0.borrow_mut();
        let ending = *inside.known.get(path).ok_or(ErrorKind::NotFound)?;
        inside.runs.push(Run {
            path: path.to_owned(),
            args: args.to_vec(),
        });
        Ok(ending)
    }
}
