//! `redis-check-aof`: reads an append-only file to its end, tells what it finds, and cuts off what
//! is broken if it is told to.
//!
//! It is given a manifest, and checks all files that it names; or a file of commands, perhaps with
//! a snapshot in front of them, as they were before there were manifests. Lines and exit codes are
//! those of the reference, since scripts read them:
//!
//! ```text
//! Start checking Multi Part AOF
//! Start to check BASE AOF (RDB format).
//! [offset 0] Checking RDB file appendonlydir/appendonly.aof.1.base.rdb
//! …
//! RDB preamble is OK, proceeding with AOF tail...
//! AOF analyzed: filename=appendonly.aof.1.base.rdb, size=88, ok_up_to=88, ok_up_to_line=1, diff=0
//! BASE AOF appendonly.aof.1.base.rdb is valid
//! Start to check INCR files.
//! AOF analyzed: filename=appendonly.aof.1.incr.aof, size=52, ok_up_to=52, ok_up_to_line=12, diff=0
//! INCR AOF appendonly.aof.1.incr.aof is valid
//! All AOF files and manifest are valid
//! ```
//!
//! Only the end of the last file is ever cut: what is missing elsewhere would be missing in the
//! middle. One thing is not as in the reference, which takes any file for a manifest that has a
//! line beginning with `file`: here a file that begins with a command or a snapshot is none,
//! whatever values it holds.

mod walk;

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use self::walk::parse_seconds;
use self::walk::{End, Input, Walker};
use super::manifest::{FileKind, Manifest};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::persist::rdb::check::check_front;
use crate::persist::rdb::dialect::is_snapshot;

/// A file is read in pieces of so many bytes.
const READ_BYTES: usize = 1024 * 1024;
/// A line of a manifest is read in pieces of at most so many bytes.
const MANIFEST_LINE_BYTES_MAX: usize = 1024;
/// A file with fewer bytes has no snapshot in it.
const SNAPSHOT_HEADER_BYTES: u64 = 8;
/// The log cuts its messages to so many bytes.
const MESSAGE_BYTES_MAX: usize = 1023;

/// What to do beside telling what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Report,
    /// Cut off what is broken at the end of the last file, when the operator says yes.
    Fix,
    /// Cut off what was written later than this, in seconds since 1970. 0 is nothing.
    CutAfter(i64),
}

/// The surroundings of a check.
pub struct Checker<'a, D, O, A> {
    /// Where the files are.
    pub disk: &'a mut D,
    /// Where the report goes.
    pub out: O,
    /// Where the operator's answers come from.
    pub answers: A,
    /// What is in front of a message of the log: process, time and level.
    pub log_prefix: String,
    /// The time, which tells which keys have expired, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Why a check ends early.
enum Stop {
    /// Because of what the report says.
    Failed,
    /// Because the report cannot be written.
    Report(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Report(error)
    }
}

/// What became of a file.
enum Verdict {
    Sound,
    Empty,
    Cut,
    CutAtTime,
}

/// A file to be checked.
struct Part<'a> {
    /// What it is called in the report.
    name: &'a [u8],
    path: &'a [u8],
    /// Whether nothing is loaded behind it, so that its end may be cut off.
    is_last: bool,
    /// Whether it begins with a snapshot.
    has_snapshot: bool,
}

/// A file as it is at first sight.
enum Sight {
    Manifest,
    Snapshot,
    Commands,
}

impl<D: Disk, O: Write, A: Read> Checker<'_, D, O, A> {
    /// Checks the file of this name. Returns whether all is well now; an error is one of writing
    /// the report.
    pub fn check(&mut self, path: &[u8], mode: Mode) -> io::Result<bool> {
        let cut_after_s = match mode {
            Mode::CutAfter(seconds) if seconds != 0 => Some(seconds),
            _ => None,
        };
        let walker = Walker::new(cut_after_s);
        let checked = self.check_whatever(path, mode, walker);
        self.out.flush()?;
        match checked {
            Ok(()) => Ok(true),
            Err(Stop::Failed) => Ok(false),
            Err(Stop::Report(error)) => Err(error),
        }
    }

    fn check_whatever(&mut self, path: &[u8], mode: Mode, mut walker: Walker) -> Result<(), Stop> {
        let has_snapshot = match self.look_at(path, true)? {
            Sight::Manifest => return self.check_all(path, mode, walker),
            sight => matches!(sight, Sight::Snapshot),
        };
        self.say(&[b"Start checking Old-Style AOF"])?;
        let part = Part {
            name: path,
            path,
            is_last: true,
            has_snapshot,
        };
        let verdict = self.check_part(&part, mode, &mut walker)?;
        self.tell(&verdict, b"AOF", path, &walker)
    }

    /// Checks the files that a manifest names.
    fn check_all(&mut self, path: &[u8], mode: Mode, mut walker: Walker) -> Result<(), Stop> {
        self.say(&[b"Start checking Multi Part AOF"])?;
        let manifest = self.read_manifest(path)?;
        let last = manifest.files().count();
        let mut increments_announced = false;
        for (index, (kind, info)) in manifest.files().enumerate() {
            let path = [folder_of(path), b"/", &info.name].concat();
            let mut has_snapshot = false;
            let what: &[u8] = if kind == FileKind::Base {
                has_snapshot = matches!(self.look_at(&path, false)?, Sight::Snapshot);
                let format: &[u8] = if has_snapshot { b"RDB" } else { b"RESP" };
                self.say(&[b"Start to check BASE AOF (", format, b" format)."])?;
                b"BASE AOF"
            } else {
                if !std::mem::replace(&mut increments_announced, true) {
                    self.say(&[b"Start to check INCR files."])?;
                }
                b"INCR AOF"
            };
            let part = Part {
                name: &info.name,
                path: &path,
                is_last: index + 1 == last,
                has_snapshot,
            };
            let verdict = self.check_part(&part, mode, &mut walker)?;
            self.tell(&verdict, what, &info.name, &walker)?;
        }
        self.say(&[b"All AOF files and manifest are valid"])
    }

    /// Looks what a file is, without checking it.
    fn look_at(&mut self, path: &[u8], may_be_manifest: bool) -> Result<Sight, Stop> {
        let opened = self.disk.open(path_of(path));
        let (size, file) = match opened.and_then(|file| Ok((file.size()?, file))) {
            Ok((0, _)) => return Ok(Sight::Commands),
            Ok(opened) => opened,
            Err(e) => {
                let text = os_text(&e);
                return self.fail(&[b"Cannot open file ", path, b": ", text.as_bytes()]);
            }
        };
        let source = BufReader::with_capacity(READ_BYTES, file);
        match see(source, size, may_be_manifest) {
            Ok(sight) => Ok(sight),
            // Whoever only asks for a snapshot hears of the trouble when the file is checked.
            Err(_) if !may_be_manifest => Ok(Sight::Commands),
            Err(_) => self.fail(&[b"Cannot read file: ", path]),
        }
    }

    fn read_manifest(&mut self, path: &[u8]) -> Result<Manifest, Stop> {
        let mut text = Vec::new();
        let read = self.disk.open(path_of(path));
        let read = read.and_then(|mut file| file.read_to_end(&mut text));
        if let Err(e) = read {
            let error = os_text(&e);
            let start = b"Fatal error: can't open the AOF manifest file ";
            let message = [start, path, b" for reading: ", error.as_bytes()].concat();
            self.log(&message)?;
            return Err(Stop::Failed);
        }
        match Manifest::parse(&text) {
            Ok(manifest) => Ok(manifest),
            Err(error) => {
                for message in error.messages() {
                    self.log(&message)?;
                }
                Err(Stop::Failed)
            }
        }
    }

    /// Checks one file.
    fn check_part(
        &mut self,
        part: &Part<'_>,
        mode: Mode,
        walker: &mut Walker,
    ) -> Result<Verdict, Stop> {
        let opened = self.disk.open(path_of(part.path));
        // It is opened to be written to even if it will not be: that is found out now.
        let opened = opened.and_then(|file| {
            let size = file.size()?;
            Ok((file, size, self.disk.open_append(path_of(part.path))?))
        });
        let (mut file, size, mut to_cut) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                let reason = format!(": {}, aborting...", os_text(&e));
                return self.fail(&[b"Cannot open file ", part.path, reason.as_bytes()]);
            }
        };
        if size == 0 {
            return Ok(Verdict::Empty);
        }
        let (ahead, offset) = self.check_snapshot(part, &mut file)?;
        let source = BufReader::with_capacity(READ_BYTES, ahead.chain(file));
        let walked = walker.walk(&mut Input::new(source, offset), part.path);
        let Ok((end, sound)) = walked else {
            return self.fail(&[b"Failed to read from AOF ", part.name, b", aborting..."]);
        };
        match end {
            End::Stopped(None) => {}
            End::Stopped(Some(line)) => self.say(&[&line])?,
            End::NoRecord => self.say(&[b"AOF ", part.name, b" format error"])?,
            End::BadTimestamp => return self.fail(&[b"Invalid timestamp annotation"]),
            End::Late(at) => return self.cut_at_time(part, at, walker, &mut to_cut),
        }
        self.judge(part, mode, walker, (size, sound), &mut to_cut)
    }

    /// Checks the snapshot that a file begins with, if it does. Returns what was read of what is
    /// behind it, and where that stands.
    fn check_snapshot(
        &mut self,
        part: &Part<'_>,
        file: &mut D::File,
    ) -> Result<(io::Cursor<Vec<u8>>, u64), Stop> {
        if !part.has_snapshot {
            return Ok((io::Cursor::default(), 0));
        }
        self.say(&[b"[offset 0] Checking RDB file ", part.path])?;
        match check_front(file, self.now_ms, &mut self.out)? {
            Some((rest, end)) => {
                self.say(&[b"RDB preamble is OK, proceeding with AOF tail..."])?;
                Ok((io::Cursor::new(rest), end))
            }
            None => self.fail(&[b"RDB preamble of AOF file is not sane, aborting."]),
        }
    }

    /// Cuts off what is behind `at`, where the first comment stands that tells of too late a time.
    fn cut_at_time(
        &mut self,
        part: &Part<'_>,
        at: u64,
        walker: &Walker,
        to_cut: &mut D::File,
    ) -> Result<Verdict, Stop> {
        let seconds = walker.cut_after_s.unwrap_or(0).to_string();
        let (path, seconds) = (part.path, seconds.as_bytes());
        if at == 0 {
            let start: &[u8] = b" has nothing before timestamp ";
            return self.fail(&[b"AOF ", path, start, seconds, b", aborting..."]);
        }
        let failed: [&[u8]; 4] = [b"Failed to truncate AOF ", path, b" to timestamp ", seconds];
        if !part.is_last {
            let offset = format!(" to offset {at} because it is not the last file.");
            self.say(&[&failed[..], &[offset.as_bytes()]].concat())?;
            return self.fail(&[
                b"If you insist, please delete all files after this file according to the \
                  manifest file and delete the corresponding records in manifest file manually. \
                  Then re-run redis-check-aof.",
            ]);
        }
        match to_cut.truncate(at).and_then(|()| to_cut.sync()) {
            Ok(()) => Ok(Verdict::CutAtTime),
            Err(_) => self.fail(&failed),
        }
    }

    /// Tells how much of a file is sound, and cuts off the rest if that is asked for.
    fn judge(
        &mut self,
        part: &Part<'_>,
        mode: Mode,
        walker: &Walker,
        (size, sound): (u64, u64),
        to_cut: &mut D::File,
    ) -> Result<Verdict, Stop> {
        let name = part.name;
        let rest = size.saturating_sub(sound);
        if let (0, Some(seconds)) = (rest, walker.cut_after_s) {
            let seconds = seconds.to_string();
            let start: &[u8] = b"Truncate nothing in AOF ";
            self.say(&[start, name, b" to timestamp ", seconds.as_bytes()])?;
            return Ok(Verdict::Sound);
        }
        let line = walker.line;
        let figures = format!(", size={size}, ok_up_to={sound}, ok_up_to_line={line}, diff={rest}");
        self.say(&[b"AOF analyzed: filename=", name, figures.as_bytes()])?;
        if rest == 0 {
            return Ok(Verdict::Sound);
        }
        if mode != Mode::Fix {
            let advice: &[u8] = b" is not valid. Use the --fix option to try fixing it.";
            return self.fail(&[b"AOF ", name, advice]);
        }
        let failed: [&[u8]; 2] = [b"Failed to truncate AOF ", name];
        if !part.is_last {
            let reason: &[u8] = b" because it is not the last file";
            return self.fail(&[&failed[..], &[reason]].concat());
        }
        let change = format!(" from {size} bytes, with {rest} bytes, to {sound} bytes");
        self.say(&[b"This will shrink the AOF ", name, change.as_bytes()])?;
        if !self.may_go_on()? {
            return self.fail(&[b"Aborting..."]);
        }
        match to_cut.truncate(sound).and_then(|()| to_cut.sync()) {
            Ok(()) => Ok(Verdict::Cut),
            Err(_) => self.fail(&failed),
        }
    }

    /// Asks the operator.
    fn may_go_on(&mut self) -> io::Result<bool> {
        self.out.write_all(b"Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = [0];
        let answered = self.answers.read_exact(&mut answer).is_ok();
        Ok(answered && answer.eq_ignore_ascii_case(b"y"))
    }

    fn tell(
        &mut self,
        verdict: &Verdict,
        what: &[u8],
        name: &[u8],
        walker: &Walker,
    ) -> Result<(), Stop> {
        match verdict {
            Verdict::Sound => self.say(&[what, b" ", name, b" is valid"]),
            Verdict::Empty => self.say(&[what, b" ", name, b" is empty"]),
            Verdict::Cut => self.say(&[b"Successfully truncated AOF ", name]),
            Verdict::CutAtTime => {
                let seconds = walker.cut_after_s.unwrap_or(0).to_string();
                let (start, seconds) = (b"Successfully truncated AOF ", seconds.as_bytes());
                self.say(&[start, name, b" to timestamp ", seconds])
            }
        }
    }

    fn say(&mut self, parts: &[&[u8]]) -> Result<(), Stop> {
        self.out.write_all(&parts.concat())?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn fail<T>(&mut self, parts: &[&[u8]]) -> Result<T, Stop> {
        self.say(parts)?;
        Err(Stop::Failed)
    }

    fn log(&mut self, message: &[u8]) -> Result<(), Stop> {
        let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
        let prefix = self.log_prefix.clone();
        self.say(&[prefix.as_bytes(), message])
    }
}

/// What a file of `size` bytes is, going by how it begins and by its lines.
fn see(source: impl io::BufRead, size: u64, may_be_manifest: bool) -> io::Result<Sight> {
    let mut input = Input::new(source, 0);
    let mut piece = Vec::new();
    input.line(MANIFEST_LINE_BYTES_MAX, &mut piece)?;
    if size >= SNAPSHOT_HEADER_BYTES && is_snapshot(&piece) {
        return Ok(Sight::Snapshot);
    }
    let mut may_be_manifest = may_be_manifest;
    let mut only_comments = true;
    while may_be_manifest && !piece.is_empty() {
        if piece.starts_with(b"file") {
            return Ok(Sight::Manifest);
        }
        may_be_manifest = !(only_comments && piece.starts_with(b"*"));
        only_comments &= piece.starts_with(b"#");
        input.line(MANIFEST_LINE_BYTES_MAX, &mut piece)?;
    }
    Ok(Sight::Commands)
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The folder of a file as C's `dirname` tells it.
fn folder_of(path: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', path) {
        None => b".",
        Some(last) => match path[..last].iter().rposition(|byte| *byte != b'/') {
            None => &path[..1],
            Some(end) => &path[..=end],
        },
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
