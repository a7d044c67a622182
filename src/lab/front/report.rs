//! Reports of the run so far.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::talk::{Failure, ask, plain, say};
use crate::lab::keeper::RECORD_FILE;
use crate::lab::model::Record;
use crate::lab::report;
use crate::lab::request::Ask;

/// Where reports go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The page.
    pub html: Option<PathBuf>,
    /// The same for programs.
    pub json: Option<PathBuf>,
}

impl Outputs {
    /// Takes the options that name them out of the words in front of everything else.
    ///
    /// # Errors
    ///
    /// An option has no value.
    pub fn take(words: &mut Vec<String>) -> Result<Outputs, Failure> {
        let mut outputs = Outputs::default();
        while let Some(word) = words.first() {
            let output = match word.as_str() {
                "--html" => &mut outputs.html,
                "--json" => &mut outputs.json,
                _ => break,
            };
            let Some(path) = words.get(1) else {
                return Err(format!("{word} wants a file"));
            };
            *output = Some(path.into());
            words.drain(..2);
        }
        Ok(outputs)
    }

    /// Makes the files empty, so that one that cannot be written is told before the work.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn prepare(&self) -> Result<(), Failure> {
        self.write(String::new, String::new)
    }

    /// Writes those that are wanted.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write(
        &self,
        html: impl FnOnce() -> String,
        json: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            write(path, &html())?;
        }
        if let Some(path) = &self.json {
            write(path, &json())?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The record of a lab as far as it has come.
pub fn read_record(folder: &Path) -> Result<Record, Failure> {
    // A lab that has ended has written everything down.
    let _ = ask(folder, &plain(Ask::Flush));
    let path = folder.join(RECORD_FILE);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = File::open(&path).map_err(failed)?;
    Record::read(BufReader::new(file)).map_err(failed)
}

/// `report [--html FILE] [--json FILE]`.
pub fn report(folder: &Path, words: &[String]) -> Result<(), Failure> {
    let mut words = words.to_vec();
    let outputs = Outputs::take(&mut words)?;
    if let Some(word) = words.first() {
        return Err(format!("report does not take '{word}'"));
    }
    let record = read_record(folder)?;
    match outputs == Outputs::default() {
        true => say(&report::line(&record)),
        false => outputs.write(|| report::html(&record), || report::json(&record)),
    }
}
