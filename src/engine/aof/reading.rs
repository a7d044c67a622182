//! The files of an append-only file on their way into the keyspace.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::file::Places;
use crate::base::disk::DiskFile;
use crate::base::errno::os_text;
use crate::base::time::Now;
use crate::commands::session::{Kind, Session};
use crate::engine::batch::Batch;
use crate::persist::aof::records::{FormatError, Records};
use crate::persist::rdb::RdbError;
use crate::persist::rdb::decoder::DecoderOptions;
use crate::persist::rdb::dialect::is_snapshot;
use crate::persist::rdb::load::StreamLoader;
use crate::replication::Retrace;

/// Bytes read from a file at once.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// The number of the session that replays; it is nobody's.
const SESSION_ID: u64 = 0;

/// Which part a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Base,
    Increment,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Base => "base",
            Part::Increment => "incr",
        }
    }
}

/// A file that is to be loaded.
pub(super) struct ToLoad<F> {
    pub(super) file: F,
    pub(super) path: PathBuf,
    pub(super) part: Part,
    pub(super) bytes: u64,
}

/// What the file that is read holds at the place where we are.
pub(super) enum Content {
    /// Its first bytes have not come.
    Unknown,
    Snapshot(Box<StreamLoader>),
    Commands(Box<Records>),
}

/// The file that is read.
pub(super) struct Reading<F> {
    pub(super) of: ToLoad<F>,
    pub(super) content: Content,
    /// Where the transaction begins that is not complete.
    pub(super) transaction_at: Option<u64>,
    pub(super) began: Now,
}

/// The files of an append-only file on their way into the keyspace.
pub struct Replay<F> {
    pub(super) files: VecDeque<ToLoad<F>>,
    pub(super) reading: Option<Reading<F>>,
    /// In whose name the commands run; lent out while they do.
    pub(super) session: Option<Box<Session>>,
    /// Room to read into.
    pub(super) buf: Vec<u8>,
    pub(super) batch: Box<Batch>,
    pub(super) total_bytes: u64,
    /// Bytes of the files that are loaded.
    pub(super) done_bytes: u64,
    /// Commands that were run.
    pub commands: u64,
    /// Where in the replication stream they are.
    pub(super) retrace: Retrace,
}

impl<F: DiskFile> Replay<F> {
    pub(super) fn new(files: VecDeque<ToLoad<F>>, backlog_bytes: u64) -> Replay<F> {
        Replay {
            total_bytes: files.iter().map(|file| file.bytes).sum(),
            files,
            reading: None,
            session: Some(Box::new(Session::new(SESSION_ID, Kind::Internal))),
            buf: vec![0; READ_BYTES],
            batch: Box::default(),
            done_bytes: 0,
            commands: 0,
            retrace: Retrace::new(backlog_bytes),
        }
    }

    /// Where in the replication stream the files have ended.
    pub fn into_retrace(self) -> Retrace {
        self.retrace
    }

    /// Bytes in all files.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Bytes loaded so far.
    pub fn loaded_bytes(&self) -> u64 {
        self.done_bytes + self.reading.as_ref().map_or(0, Reading::loaded_bytes)
    }
}

impl<F: DiskFile> Reading<F> {
    pub(super) fn new(of: ToLoad<F>, now: Now) -> Reading<F> {
        Reading {
            of,
            content: Content::Unknown,
            transaction_at: None,
            began: now,
        }
    }

    pub(super) fn shown(&self) -> String {
        Places::shown(&self.of.path)
    }

    pub(super) fn loaded_bytes(&self) -> u64 {
        match &self.content {
            Content::Unknown => 0,
            Content::Snapshot(loader) => loader.offset(),
            Content::Commands(records) => records.offset(),
        }
    }

    /// Whatever went wrong when the file was read.
    pub(super) fn unreadable(&self, e: &io::Error) -> String {
        let name = self.shown();
        format!(
            "Unrecoverable error reading the append only file {name}: {}",
            os_text(e)
        )
    }

    /// Reads into a buffer; 0 is the end of the file.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, String> {
        loop {
            match self.of.file.read(buf) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(|e| self.unreadable(&e)),
            }
        }
    }

    /// Looks at what the file begins with.
    pub(super) fn recognize(&mut self, beginning: &[u8], options: DecoderOptions) {
        self.content = if is_snapshot(beginning) {
            match self.of.part {
                Part::Base => log::info!("Reading RDB base file on AOF loading..."),
                Part::Increment => log::info!("Reading RDB preamble from AOF file..."),
            }
            Content::Snapshot(Box::new(StreamLoader::new(options)))
        } else {
            Content::Commands(Box::default())
        };
    }

    pub(super) fn bad_snapshot(&self, e: &RdbError) -> String {
        let what = match self.of.part {
            Part::Base => "RDB file",
            Part::Increment => "RDB preamble of the AOF file",
        };
        format!(
            "Error reading the {what} {}, AOF loading aborted: {e}",
            self.shown()
        )
    }
}

pub(super) fn bad_format(name: &str, e: &FormatError) -> String {
    format!(
        "Bad file format reading the append only file {name}: {e}: make a backup of your AOF file, \
         then use ./redis-check-aof --fix <filename.manifest>"
    )
}

/// What a server that is started with `appendonly yes` has to load.
pub enum AofAtStart<F> {
    /// There is nothing: it begins with no keys.
    Nothing {
        /// There is no manifest either, so there has been no such file before.
        is_new: bool,
    },
    /// These files.
    Files(Box<Replay<F>>),
}
