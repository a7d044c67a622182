//! The programs that this one binary is, by what the command line asks for.
//!
//! What is asked for goes to standard output; how a program is used, when it was not used so, to
//! standard error, with exit code 1. Both are as those who call it from scripts expect.

use std::io::{self, BufWriter, Write};

use super::options::Request;
pub use super::options::server_usage;
use super::{machine, memory_test, startup};
use crate::base::local_time::LocalTime;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use crate::commands::table;
use crate::engine::path_of;
use crate::lab::front;
use crate::persist::aof::check::{Checker, Mode};
use crate::persist::ledger::show;
use crate::persist::rdb::check;
use crate::sys;
use crate::sys::disk::OsDisk;

/// Runs what the command line asks for; `name` is the word by which the process was called.
/// Returns the exit code.
pub fn run(name: &[u8], args: &[Vec<u8>]) -> u8 {
    let shown = String::from_utf8_lossy(name);
    match Request::read(name, args) {
        Request::Serve => startup::serve(name, args, table::Mode::Server),
        Request::Sentinel => startup::serve(name, args, table::Mode::Sentinel),
        Request::Version => say(&version()),
        Request::Help => {
            eprint!("{}", server_usage());
            1
        }
        Request::TestMemory { megabytes, passes } => {
            memory_test::run(megabytes, passes, &mut io::stdout(), &mut io::stderr())
        }
        Request::TestNoMemory => {
            eprint!(
                "Please specify the amount of memory to test in megabytes.\nExample: redis-server \
                 --test-memory 4096\n\n"
            );
            1
        }
        Request::CheckSystem => match machine::check(&mut io::stdout()) {
            Ok(true) => 0,
            Ok(false) | Err(_) => 1,
        },
        Request::CheckRdb { file } => check_rdb(&file),
        Request::CheckRdbVersion => say(&format!("redis-check-rdb {REDIS_VERSION}")),
        Request::CheckRdbHelp => {
            eprintln!("{}", check_rdb_usage(&shown));
            1
        }
        Request::CheckAof { file, mode } => check_aof(&file, mode),
        Request::ShowLost { files } => show_lost(&files),
        Request::CheckAofBadTimestamp => {
            say("Invalid timestamp, aborting...");
            1
        }
        Request::Lab => front::run(args),
        Request::CheckAofHelp => {
            say(&check_aof_usage(&shown));
            1
        }
    }
}

/// How the checker of snapshot files is used, when it is called by this name.
pub fn check_rdb_usage(name: &str) -> String {
    format!("Usage: {name} <rdb-file-name>")
}

/// How the checker of append-only files is used, when it is called by this name.
pub fn check_aof_usage(name: &str) -> String {
    format!(
        "Usage: {name} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n       \
         {name} --show-lost <lost-writes-file>..."
    )
}

/// Writes a line to standard output; whether anybody reads it is no error.
fn say(line: &str) -> u8 {
    let _ = writeln!(io::stdout(), "{line}");
    0
}

/// The line by which scripts recognise a server.
fn version() -> String {
    let bits = usize::BITS;
    let allocator = sys::memory::allocator_name();
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc={allocator} bits={bits} build=0 \
         tanist={TANIST_VERSION}"
    )
}

fn check_rdb(file: &[u8]) -> u8 {
    let now_ms = sys::clock::now().unix_ms();
    let mut out = io::stdout().lock();
    match check::check_file(&path_of(file), now_ms, &mut out) {
        Ok(true) => 0,
        Ok(false) | Err(_) => 1,
    }
}

/// Prints all files, however bad those before were.
fn show_lost(files: &[Vec<u8>]) -> u8 {
    let ahead_s = sys::clock::ahead_of_utc_s();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut status = 0;
    for file in files {
        let shown = show::show(&mut OsDisk, &path_of(file), ahead_s, &mut out);
        if !shown.unwrap_or(false) {
            status = 1;
        }
    }
    if out.flush().is_err() {
        return 1;
    }
    status
}

fn check_aof(file: &[u8], mode: Mode) -> u8 {
    let now = sys::clock::now();
    let time = LocalTime::new(now.unix_us, sys::clock::ahead_of_utc_s());
    let mut checker = Checker {
        disk: &mut OsDisk,
        out: io::stdout().lock(),
        answers: io::stdin().lock(),
        log_prefix: format!("{}:C {time} # ", std::process::id()),
        now_ms: now.unix_ms(),
    };
    match checker.check(file, mode) {
        Ok(true) => 0,
        Ok(false) | Err(_) => 1,
    }
}
