//! Writes the record down while it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::lab::model::{Entry, Event, UnixUs, What, write_entry};

/// Marks of logs that a record takes; a node that complains for ever must not fill the disk.
const LOGGED_MAX: usize = 20_000;

/// The record of a run that goes on. What cannot be written is told at the next
/// [`Recorder::flush`].
pub struct Recorder {
    file: BufWriter<File>,
    failed: Option<io::Error>,
    logged: usize,
}

impl Recorder {
    /// Begins a record.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub fn begin(path: &Path) -> io::Result<Recorder> {
        Ok(Recorder {
            file: BufWriter::new(File::create(path)?),
            failed: None,
            logged: 0,
        })
    }

    /// Notes an entry.
    pub fn note(&mut self, entry: Entry) {
        if let Err(e) = write_entry(&entry, &mut self.file) {
            self.failed.get_or_insert(e);
        }
    }

    /// Notes an event.
    pub fn event(&mut self, at_us: UnixUs, what: What) {
        if let What::Logged { .. } = what {
            self.logged += 1;
            if self.logged > LOGGED_MAX {
                return;
            }
        }
        self.note(Entry::Event(Event { at_us, what }));
    }

    /// Hands to the operating system all that was noted.
    ///
    /// # Errors
    ///
    /// Something that was noted since the last call could not be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(e) => Err(e),
            None => self.file.flush(),
        }
    }
}
