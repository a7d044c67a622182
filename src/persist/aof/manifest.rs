//! The manifest: the list of the files that make up an append-only file.
//!
//! One line for each file, in the order in which they are loaded, behind the base those that are
//! only waiting to be removed:
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.3.incr.aof seq 3 type h
//! file appendonly.aof.4.incr.aof seq 4 type i
//! ```
//!
//! A [`Manifest`] is a value. Who changes one makes the change on a copy, persists that, and only
//! then lets it take the place of the old one, so that what is in memory is never ahead of what is
//! on disk. Base and increments are numbered independently, each upwards from 1.
//!
//! The parser takes what the reference takes, neither more nor less: pairs of a key and a value in
//! any order, keys that it does not know, comments, numbers with leftovers.

use thiserror::Error;

use crate::base::numbers;
use crate::base::quoting;

/// How the name of an increment ends.
const INCREMENT_SUFFIX: &[u8] = b".incr.aof";
/// The same of a base: a snapshot, or commands.
const BASE_SUFFIXES: [&[u8]; 2] = [b".base.rdb", b".base.aof"];
/// A line is read in pieces of at most so many bytes.
const LINE_BYTES_MAX: usize = 1024;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// All data as it was at some time.
    Base,
    /// What was written since.
    Increment,
    /// A file that another has taken the place of, to be removed.
    History,
}

impl FileKind {
    fn letter(self) -> u8 {
        match self {
            FileKind::Base => b'b',
            FileKind::Increment => b'i',
            FileKind::History => b'h',
        }
    }
}

/// How a base is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFormat {
    /// A snapshot.
    Rdb,
    /// Commands.
    Commands,
}

/// A file of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name in the folder.
    pub name: Vec<u8>,
    /// Its number among those of its kind.
    pub seq: i64,
}

impl FileInfo {
    /// Whether it is a base that was written as a snapshot, as its name tells.
    pub fn is_snapshot(&self) -> bool {
        self.name.ends_with(BASE_SUFFIXES[0])
    }
}

/// The name of the manifest of an append-only file called `file`.
pub fn manifest_name(file: &[u8]) -> Vec<u8> {
    [file, b".manifest"].concat()
}

/// The name of a manifest that is being written.
pub fn temporary_manifest_name(file: &[u8]) -> Vec<u8> {
    [b"temp-", file, b".manifest"].concat()
}

/// The name of an increment that is in no manifest yet: what is written while the file is being
/// switched on goes there, and nothing of it counts until the first base is whole.
pub fn temporary_increment_name(file: &[u8]) -> Vec<u8> {
    [b"temp-", file, b".incr"].concat()
}

/// The name of a base that process `pid` is writing, in the working folder.
pub fn temporary_base_name(pid: u32) -> Vec<u8> {
    format!("temp-rewriteaof-bg-{pid}.aof").into_bytes()
}

/// Whether a file is an increment, by its name.
pub fn is_increment(name: &[u8]) -> bool {
    name.ends_with(INCREMENT_SUFFIX)
}

/// Why a manifest cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum ManifestFault {
    #[error("Found an empty AOF manifest")]
    Empty,
    #[error("The AOF manifest file contains too long line")]
    LineTooLong,
    #[error("Invalid AOF manifest file format")]
    InvalidFormat,
    #[error("File can't be a path, just a filename")]
    NameIsPath,
    #[error("Found duplicate base file information")]
    SecondBase,
    #[error("Found a non-monotonic sequence number")]
    NotMonotonic,
    #[error("Unknown AOF file type")]
    UnknownType,
}

/// Where and why a manifest cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The line, counted from 1, and its text without blanks around it; none if it is not a line
    /// that is to blame, or the line could not be read as one.
    pub line: Option<(usize, Vec<u8>)>,
    /// Why.
    pub fault: ManifestFault,
}

impl ManifestError {
    /// The messages to log, in order. The line is shown as it came, whether or not it is text.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let mut messages = vec![b"\n*** FATAL AOF MANIFEST FILE ERROR ***\n".to_vec()];
        if let Some((number, text)) = &self.line {
            let line = format!("Reading the manifest file, at line {number}\n");
            messages.push(line.into_bytes());
            messages.push([b">>> '", &text[..], b"'\n"].concat());
        }
        messages.push(format!("{}\n", self.fault).into_bytes());
        messages
    }
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.line {
            Some((number, _)) => write!(f, "line {number}: {}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

impl std::error::Error for ManifestError {}

/// The list. See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    base: Option<FileInfo>,
    increments: Vec<FileInfo>,
    history: Vec<FileInfo>,
    /// The number of the last base that there was.
    base_seq: i64,
    /// The number of the last increment that there was.
    increment_seq: i64,
    dirty: bool,
}

impl Manifest {
    /// Reads the text of a manifest.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        if text.is_empty() {
            return Err(ManifestError {
                line: None,
                fault: ManifestFault::Empty,
            });
        }
        for (index, piece) in pieces(text).enumerate() {
            if piece.starts_with(b"#") {
                continue;
            }
            let Some(line) = whole_line(piece) else {
                return Err(ManifestError {
                    line: None,
                    fault: ManifestFault::LineTooLong,
                });
            };
            let line = trim(line);
            let added = parse_line(line).and_then(|(kind, info)| manifest.add(kind, info));
            added.map_err(|fault| ManifestError {
                line: Some((index + 1, line.to_vec())),
                fault,
            })?;
        }
        manifest.skip_names_of_history();
        Ok(manifest)
    }

    /// The name of a file that waits to be removed must not be given to another one.
    fn skip_names_of_history(&mut self) {
        for info in &self.history {
            let is = |suffix| info.name.ends_with(suffix);
            if is(INCREMENT_SUFFIX) {
                self.increment_seq = info.seq.max(self.increment_seq);
            } else if BASE_SUFFIXES.into_iter().any(is) {
                self.base_seq = info.seq.max(self.base_seq);
            }
        }
    }

    /// Gives no new file of `file` the name of one that was found in the folder. Returns how many
    /// there are behind those that are named. This is for a folder whose manifest is lost, or cut:
    /// what nobody can load any more may be all that somebody has.
    pub fn skip_names<'a>(&mut self, file: &[u8], found: impl Iterator<Item = &'a [u8]>) -> usize {
        let (named_bases, named_increments) = (self.base_seq, self.increment_seq);
        let mut behind = 0;
        for name in found {
            let number = |suffix| {
                let digits = name.strip_prefix(file)?.strip_prefix(b".")?;
                numbers::parse_i64(digits.strip_suffix(suffix)?)
            };
            if let Some(seq) = number(INCREMENT_SUFFIX) {
                self.increment_seq = seq.max(self.increment_seq);
                behind += usize::from(seq > named_increments);
            } else if let Some(seq) = BASE_SUFFIXES.into_iter().find_map(number) {
                self.base_seq = seq.max(self.base_seq);
                behind += usize::from(seq > named_bases);
            }
        }
        behind
    }

    fn add(&mut self, kind: FileKind, info: FileInfo) -> Result<(), ManifestFault> {
        match kind {
            FileKind::Base => {
                if self.base.is_some() {
                    return Err(ManifestFault::SecondBase);
                }
                self.base_seq = info.seq;
                self.base = Some(info);
            }
            FileKind::History => self.history.push(info),
            FileKind::Increment => {
                if info.seq <= self.increment_seq {
                    return Err(ManifestFault::NotMonotonic);
                }
                self.increment_seq = info.seq;
                self.increments.push(info);
            }
        }
        Ok(())
    }

    /// The text of the manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let base = self.base.iter().map(|info| (FileKind::Base, info));
        let history = self.history.iter().map(|info| (FileKind::History, info));
        let increments = self.increments.iter();
        let increments = increments.map(|info| (FileKind::Increment, info));
        let mut text = Vec::new();
        for (kind, info) in base.chain(history).chain(increments) {
            write_line(kind, info, &mut text);
        }
        text
    }

    /// The base, if there is one.
    pub fn base(&self) -> Option<&FileInfo> {
        self.base.as_ref()
    }

    /// The increments in the order in which they are loaded.
    pub fn increments(&self) -> &[FileInfo] {
        &self.increments
    }

    /// The files that wait to be removed.
    pub fn history(&self) -> &[FileInfo] {
        &self.history
    }

    /// The files to load, in order: the base and the increments.
    pub fn files(&self) -> impl Iterator<Item = (FileKind, &FileInfo)> {
        let base = self.base.iter().map(|info| (FileKind::Base, info));
        let increments = self.increments.iter();
        base.chain(increments.map(|info| (FileKind::Increment, info)))
    }

    /// Whether there is nothing to load.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// Whether it was changed since it was read or persisted.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// It may be in place, but nobody knows whether it would survive a loss of power: whoever
    /// persisted it may have ended before the last step.
    pub fn note_unsynced(&mut self) {
        self.dirty = true;
    }

    /// It is on disk as it is now.
    pub fn note_persisted(&mut self) {
        self.dirty = false;
    }

    /// Puts a new base of `file` in the place of the old one, which becomes history. Returns its
    /// name.
    pub fn start_base(&mut self, file: &[u8], format: BaseFormat) -> &[u8] {
        if let Some(old) = self.base.take() {
            self.history.insert(0, old);
        }
        self.base_seq = self.base_seq.saturating_add(1);
        let suffix: &[u8] = match format {
            BaseFormat::Rdb => BASE_SUFFIXES[0],
            BaseFormat::Commands => BASE_SUFFIXES[1],
        };
        self.dirty = true;
        let base = self.base.insert(numbered(file, self.base_seq, suffix));
        &base.name
    }

    /// Adds a new increment of `file` behind the others. Returns its name.
    pub fn start_increment(&mut self, file: &[u8]) -> &[u8] {
        self.increment_seq = self.increment_seq.saturating_add(1);
        let info = numbered(file, self.increment_seq, INCREMENT_SUFFIX);
        self.dirty = true;
        &self.increments.push_mut(info).name
    }

    /// The name of the increment to write to: the last one, or the first if there is none yet.
    pub fn last_or_new_increment(&mut self, file: &[u8]) -> &[u8] {
        if self.increments.is_empty() {
            self.start_increment(file);
        }
        let last = self.increments.last();
        &last.expect("one was just made if there was none").name
    }

    /// Makes history of the increments that a new base holds: all but the last `kept`, which is 1
    /// while the last is being written to, and 0 when none is.
    pub fn retire_increments(&mut self, kept: usize) {
        let retired = self.increments.len().saturating_sub(kept);
        if self.increments.is_empty() {
            return;
        }
        self.history.splice(0..0, self.increments.drain(..retired));
        self.dirty = true;
    }

    /// Drops the history and returns the names of its files, which can be removed once the
    /// manifest without them is on disk, or before: nobody loads them.
    pub fn drop_history(&mut self) -> Vec<Vec<u8>> {
        if !self.history.is_empty() {
            self.dirty = true;
        }
        let history = std::mem::take(&mut self.history);
        history.into_iter().map(|info| info.name).collect()
    }

    /// Whether an old-style file of the working folder, named `file`, is to be taken over: there is
    /// nothing else to load, or it was already decided to take it over (`is_in_folder` tells
    /// whether a file of that name stands in the folder), but the file was not moved yet.
    pub fn awaits_old_file(&self, file: &[u8], is_in_folder: bool) -> bool {
        match &self.base {
            None => self.increments.is_empty(),
            Some(base) => self.increments.is_empty() && base.name == file && !is_in_folder,
        }
    }

    /// Makes an old-style file the base. It is to be moved into the folder when the manifest is on
    /// disk; see [`Manifest::awaits_old_file`] for what happens when it is not.
    pub fn take_over_old_file(&mut self, file: &[u8]) {
        self.base = Some(FileInfo {
            name: file.to_vec(),
            seq: 1,
        });
        self.base_seq = self.base_seq.max(1);
        self.dirty = true;
    }
}

fn numbered(file: &[u8], seq: i64, suffix: &[u8]) -> FileInfo {
    let name = [file, b".", seq.to_string().as_bytes(), suffix].concat();
    FileInfo { name, seq }
}

/// Cuts a text behind each line end, and where a line becomes too long.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let limit = rest.len().min(LINE_BYTES_MAX);
        let line = memchr::memchr(b'\n', &rest[..limit]);
        let (piece, behind) = rest.split_at(line.map_or(limit, |at| at + 1));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A piece that has its line end, and no byte in front of it that would end a C string.
fn whole_line(piece: &[u8]) -> Option<&[u8]> {
    let line = piece.strip_suffix(b"\n")?;
    (!line.contains(&0)).then_some(line)
}

fn trim(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|byte| !is_blank(byte));
    let end = line.iter().rposition(|byte| !is_blank(byte));
    match (start, end) {
        (Some(start), Some(end)) => &line[start..=end],
        _ => b"",
    }
}

/// What a C string of these bytes is.
fn c_string(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, bytes);
    &bytes[..end.unwrap_or(bytes.len())]
}

fn parse_line(line: &[u8]) -> Result<(FileKind, FileInfo), ManifestFault> {
    let words = quoting::split_args(line).ok_or(ManifestFault::InvalidFormat)?;
    // There may be more than the three pairs; later versions may add some.
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(ManifestFault::InvalidFormat);
    }
    let (mut name, mut seq, mut letter) = (None, 0, 0);
    for pair in words.chunks_exact(2) {
        let (key, value) = (c_string(&pair[0]), c_string(&pair[1]));
        if key.eq_ignore_ascii_case(b"file") {
            if value.contains(&b'/') || value.contains(&b'\\') {
                return Err(ManifestFault::NameIsPath);
            }
            name = Some(value.to_vec());
        } else if key.eq_ignore_ascii_case(b"seq") {
            seq = numbers::leading_i64(value).0;
        } else if key.eq_ignore_ascii_case(b"type") {
            letter = value.first().copied().unwrap_or(0);
        }
    }
    let (Some(name), 1.. | ..=-1, 1..) = (name, seq, letter) else {
        return Err(ManifestFault::InvalidFormat);
    };
    let kind = match letter {
        b'b' => FileKind::Base,
        b'i' => FileKind::Increment,
        b'h' => FileKind::History,
        _ => return Err(ManifestFault::UnknownType),
    };
    Ok((kind, FileInfo { name, seq }))
}

fn write_line(kind: FileKind, info: &FileInfo, text: &mut Vec<u8>) {
    text.extend_from_slice(b"file ");
    // The reference leaves apostrophes and empty names bare, and cannot read them back.
    let is_plain = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'\\' | b'"' | b'\'');
    if !info.name.is_empty() && info.name.iter().all(is_plain) {
        text.extend_from_slice(&info.name);
    } else {
        quoting::quote(&info.name, text);
    }
    text.extend_from_slice(b" seq ");
    numbers::format_i64(info.seq, text);
    text.extend_from_slice(b" type ");
    text.extend_from_slice(&[kind.letter(), b'\n']);
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
