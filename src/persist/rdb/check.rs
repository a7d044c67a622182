//! `redis-check-rdb`: reads a file to its end and tells what it finds on the way.
//!
//! Lines and exit codes are those of the reference, since scripts read them:
//!
//! ```text
//! [offset 0] Checking RDB file dump.rdb
//! [offset 26] AUX FIELD redis-ver = '7.2.4'
//! [offset 79] Selecting DB ID 0
//! [offset 107] Checksum OK
//! [offset 107] \o/ RDB looks OK! \o/
//! [info] 1 keys read
//! [info] 0 expires
//! [info] 0 already expired
//! ```
//!
//! It is the decoder of the loader that reads the file, and it makes every value that a load would
//! make, so what passes here can be loaded. Data of modules alone is only passed over.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::decoder::{Decoder, DecoderOptions, Purpose};
use super::error::{RdbError, RdbErrorKind, Stage};
use super::item::{ChecksumVerdict, Item, KeyItem};

/// A file is read in pieces of at least this size.
const READ_BYTES: usize = 1024 * 1024;

#[derive(Default)]
struct Counts {
    keys: u64,
    expires: u64,
    already_expired: u64,
}

/// Checks a file, with the report going to `out`. `now_ms` tells which keys have expired. Returns
/// whether the file is sound; an error is one of writing the report.
pub fn check_file(path: &Path, now_ms: i64, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "[offset 0] Checking RDB file {}", path.display())?;
    match File::open(path) {
        Ok(file) => check(file, now_ms, out),
        Err(_) => Ok(false),
    }
}

/// As [`check_file`], for what can be read from `source`.
pub fn check(mut source: impl Read, now_ms: i64, out: &mut impl Write) -> io::Result<bool> {
    let checked = check_front(&mut source, now_ms, out)?;
    Ok(checked.is_some())
}

/// As [`check`], for what `source` begins with. Returns what was read of the bytes behind it, and
/// the offset of the first of those; none if the report tells of an error.
pub fn check_front(
    source: &mut impl Read,
    now_ms: i64,
    out: &mut impl Write,
) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut decoder = Decoder::new(DecoderOptions::usual(Purpose::Check));
    let mut counts = Counts::default();
    let mut buffer = Vec::new();
    while !decoder.is_done() {
        // Reads at least what the decoder wants, but grows with what comes, not with what is said.
        let wanted = (decoder.wanted() - buffer.len()).max(READ_BYTES);
        // A disk that fails has no more to give, which is all that the report can say.
        let count = source
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut buffer)
            .unwrap_or(0);
        if count == 0 {
            report(&decoder, &decoder.unexpected_end(), &counts, out)?;
            return Ok(None);
        }
        if buffer.len() < decoder.wanted() {
            continue;
        }
        match check_piece(&mut decoder, &buffer, now_ms, &mut counts, out)? {
            Ok(used) => drop(buffer.drain(..used)),
            Err(error) => {
                report(&decoder, &error, &counts, out)?;
                return Ok(None);
            }
        }
    }
    writeln!(out, "[offset {}] \\o/ RDB looks OK! \\o/", decoder.offset())?;
    write_counts(&counts, out)?;
    Ok(Some((buffer, decoder.offset())))
}

fn check_piece(
    decoder: &mut Decoder,
    piece: &[u8],
    now_ms: i64,
    counts: &mut Counts,
    out: &mut impl Write,
) -> io::Result<Result<usize, RdbError>> {
    let mut feed = decoder.feed(piece);
    loop {
        let mut line = Vec::new();
        match feed.next() {
            Ok(Some(item)) => describe(item, now_ms, counts, &mut line)?,
            Ok(None) => return Ok(Ok(feed.finish())),
            Err(error) => return Ok(Err(error)),
        }
        if !line.is_empty() {
            write!(out, "[offset {}] ", feed.offset())?;
            out.write_all(&line)?;
            writeln!(out)?;
        }
    }
}

/// Counts an item and writes what there is to say of it.
fn describe(
    item: Item<'_>,
    now_ms: i64,
    counts: &mut Counts,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    match item {
        Item::Key(KeyItem { attributes, .. }) => {
            counts.keys += 1;
            if let Some(time_ms) = attributes.expire_at_ms {
                counts.expires += 1;
                counts.already_expired += u64::from(time_ms < now_ms);
            }
        }
        Item::Aux { name, value } => {
            line.extend_from_slice(b"AUX FIELD ");
            line.extend_from_slice(name);
            line.extend_from_slice(b" = '");
            line.extend_from_slice(value);
            line.push(b'\'');
        }
        Item::SelectDb(db) => write!(line, "Selecting DB ID {db}")?,
        Item::ModuleAux { module } => write!(line, "MODULE AUX for: {module}")?,
        Item::End(ChecksumVerdict::Correct) => line.extend_from_slice(b"Checksum OK"),
        Item::End(ChecksumVerdict::Disabled) => line
            .extend_from_slice(b"RDB file was saved with checksum disabled: no check performed."),
        Item::End(ChecksumVerdict::Absent | ChecksumVerdict::NotVerified)
        | Item::ResizeDb { .. }
        | Item::SlotImport
        | Item::Function(_) => {}
    }
    Ok(())
}

fn report(
    decoder: &Decoder,
    error: &RdbError,
    counts: &Counts,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "--- RDB ERROR DETECTED ---")?;
    write!(out, "[offset {}] ", error.offset)?;
    match (&error.kind, error.stage) {
        (RdbErrorKind::UnexpectedEnd, Stage::ReadFunctions) => {
            writeln!(
                out,
                "Failed loading library, Failed loading library payload"
            )?;
        }
        (kind, _) => writeln!(out, "{kind}")?,
    }
    writeln!(out, "[additional info] While doing: {}", error.stage)?;
    let mut counts = Counts { ..*counts };
    if let Some(key) = decoder.unfinished_key() {
        // A key counts as read before its value does.
        counts.keys += u64::from(error.stage == Stage::ReadValue);
        out.write_all(b"[additional info] Reading key '")?;
        out.write_all(key)?;
        out.write_all(b"'\n")?;
    }
    if let Some(value_type) = decoder.unfinished_type() {
        let (id, name) = (value_type.id(), value_type.name());
        writeln!(out, "[additional info] Reading type {id} ({name})")?;
    }
    write_counts(&counts, out)
}

fn write_counts(counts: &Counts, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "[info] {} keys read", counts.keys)?;
    writeln!(out, "[info] {} expires", counts.expires)?;
    writeln!(out, "[info] {} already expired", counts.already_expired)
}
