//! `redis-check-aof --show-lost FILE…`: prints ledgers of lost writes for people to read.
//!
//! ```text
//! lost-….aof: writes of history …, behind offset 500, up to 700
//! Kept 21 Nov 2026 23:12:45.123, when 10.0.0.1:6379 (history …) became the master.
//! Complete: … . Exact: … .
//! [0] "SET" "k" "v"
//! 1 commands, 1 keys
//! ```
//!
//! The number in front of a command is its database. A file that is no ledger, or is damaged, is
//! said to be so, and the result is that of a bad file.

use std::io::{self, Write};
use std::path::Path;

use super::{Head, Tail};
use crate::base::disk::Disk;
use crate::base::errno::os_text;
use crate::base::local_time::LocalTime;
use crate::base::{numbers, quoting};
use crate::persist::aof::records::{End, Item, Records};
use crate::resp::args::Args;

/// A file is read in pieces of so many bytes.
const READ_BYTES: usize = 256 * 1024;

/// What is known while a ledger is printed.
#[derive(Default)]
struct Shown {
    has_head: bool,
    tail: Option<Tail>,
    db: u64,
}

/// Prints a ledger. `ahead_s` says how many seconds local time is ahead of UTC. Returns whether it
/// is one, and whole.
///
/// # Errors
///
/// What was found cannot be written.
pub fn show<D: Disk>(
    disk: &mut D,
    path: &Path,
    ahead_s: i32,
    out: &mut impl Write,
) -> io::Result<bool> {
    let name = path.display();
    let mut file = match disk.open(path) {
        Ok(file) => file,
        Err(e) => {
            writeln!(out, "{name}: cannot be opened: {}", os_text(&e))?;
            return Ok(false);
        }
    };
    let mut records = Records::new(0);
    let mut shown = Shown::default();
    loop {
        match records.next_item() {
            Ok(Some(Item::Command { args, .. })) => {
                if !shown.has_head {
                    let text = args.get(1).filter(|_| is(&args, b"echo"));
                    let Some(head) = text.and_then(Head::parse) else {
                        return no_ledger(path, out);
                    };
                    print_head(path, &head, ahead_s, out)?;
                    shown.has_head = true;
                    continue;
                }
                print_command(&args, &mut shown, out)?;
            }
            Ok(Some(_)) => {}
            Ok(None) => match records.read_from(&mut file, READ_BYTES) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) => {
                    writeln!(out, "{name}: cannot be read: {}", os_text(&e))?;
                    return Ok(false);
                }
            },
            Err(_) if !shown.has_head => return no_ledger(path, out),
            Err(e) => {
                writeln!(out, "{name}: {e}")?;
                return Ok(false);
            }
        }
    }
    match (shown.tail, records.end()) {
        _ if !shown.has_head => no_ledger(path, out),
        (Some(tail), End::Whole) => {
            writeln!(out, "{} commands, {} keys", tail.commands, tail.keys)?;
            Ok(true)
        }
        _ => {
            writeln!(out, "{name}: the file is cut short at {}", records.offset())?;
            Ok(false)
        }
    }
}

fn no_ledger(path: &Path, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "{}: not a ledger of lost writes", path.display())?;
    Ok(false)
}

fn is(args: &Args<'_>, name: &[u8]) -> bool {
    args.get(0)
        .is_some_and(|word| word.eq_ignore_ascii_case(name))
}

fn print_head(path: &Path, head: &Head, ahead_s: i32, out: &mut impl Write) -> io::Result<()> {
    let time = LocalTime::new(head.unix_s.saturating_mul(1_000_000), ahead_s);
    writeln!(
        out,
        "{}: writes of history {}, behind offset {}, up to {}",
        path.display(),
        head.id,
        head.after,
        head.end
    )?;
    writeln!(
        out,
        "Kept {time}, when {} (history {}) became the master.",
        head.master, head.new_id
    )?;
    out.write_all(match head.is_complete {
        true => b"Complete: every write behind that offset is here. ",
        false => b"Not complete: older writes were lost with the room for them. ",
    })?;
    out.write_all(match head.is_exact {
        true => b"Exact: the new master has none of them.\n",
        false => b"Not exact: the new master may have some of them.\n",
    })
}

fn print_command(args: &Args<'_>, shown: &mut Shown, out: &mut impl Write) -> io::Result<()> {
    if is(args, b"echo")
        && let Some(tail) = args.get(1).and_then(Tail::parse)
    {
        shown.tail = Some(tail);
        return Ok(());
    }
    if is(args, b"select") {
        let db = args.get(1).and_then(numbers::parse_u64);
        shown.db = db.unwrap_or(shown.db);
        return Ok(());
    }
    let mut line = format!("[{}]", shown.db).into_bytes();
    for word in args.iter() {
        line.push(b' ');
        quoting::quote(word, &mut line);
    }
    line.push(b'\n');
    out.write_all(&line)
}
