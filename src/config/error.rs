//! Why a configuration does not load, told so that the operator finds the place.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::value::Reason;
use super::value::os_text;
use crate::base::version::REDIS_VERSION;

/// Where a directive was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The file; none for standard input and the command line.
    pub file: Option<Rc<Path>>,
    /// Its line, counted from 1 over file, standard input and command line together.
    pub line: usize,
    /// The line itself, without blanks around it.
    pub text: Vec<u8>,
}

impl SourceLine {
    /// An error about what stands at this place.
    pub fn error(&self, reason: impl Into<Reason>) -> ConfigError {
        ConfigError::Directive {
            place: self.clone(),
            reason: reason.into(),
        }
    }
}

/// Why a configuration does not load.
#[derive(Debug)]
pub enum ConfigError {
    /// A line is wrong.
    Directive {
        /// Which line.
        place: SourceLine,
        /// What is wrong with it.
        reason: Reason,
    },
    /// All lines are understood, but together they cannot work.
    Whole(Reason),
    /// A file cannot be read.
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let headline = format_args!("\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***");
        match self {
            ConfigError::Directive { place, reason } => {
                writeln!(f, "{headline}")?;
                writeln!(f, "Reading the configuration file, at line {}", place.line)?;
                writeln!(f, ">>> '{}'", String::from_utf8_lossy(&place.text))?;
                write!(f, "{reason}")?;
                match &place.file {
                    Some(file) => write!(f, "\nIn the file {}", file.display()),
                    None => Ok(()),
                }
            }
            ConfigError::Whole(reason) => write!(f, "{headline}\n{reason}"),
            ConfigError::Unreadable { file, error } => write!(
                f,
                "Fatal error, can't open config file '{}': {}",
                file.display(),
                os_text(error)
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
