//! What a command line asks for: the program by the name it is called by, and options that are no
//! directives.
//!
//! An option of the server is only one if it is the very first word: everything behind it, and all
//! other words, belong to the configuration (`config/sources.rs`), where a word like `-h` may well
//! be a value. So `getopts` reads that one word, and what it does not know is a directive:
//!
//! ```text
//! redis-server --version --port 1       the version
//! redis-server --port 1 --version       a server with a directive that there is none of
//! redis-server --check-system=no        likewise
//! ```

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use getopts::{Matches, Options};

use crate::persist::aof::check::{self, Mode};

/// Passes of a memory test that is not told how many.
const PASSES: u32 = 50;
/// What the names of all programs begin with: the usual word, and one beside a stock installation.
const FAMILIES: [&str; 2] = ["redis", "tanist"];

/// What a process is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Serve.
    Serve,
    /// Watch over servers.
    Sentinel,
    /// Say what this program is.
    Version,
    /// Say how it is used.
    Help,
    /// Test the memory of the machine.
    TestMemory {
        /// How much of it.
        megabytes: usize,
        /// How often.
        passes: u32,
    },
    /// The same, but nobody knows how much.
    TestNoMemory,
    /// Look for what slows a server down on this machine.
    CheckSystem,
    /// Check a snapshot file.
    CheckRdb {
        /// Its name.
        file: Vec<u8>,
    },
    /// Say what the checker of snapshot files is.
    CheckRdbVersion,
    /// Say how it is used.
    CheckRdbHelp,
    /// Check an append-only file.
    CheckAof {
        /// Its name, or that of its manifest.
        file: Vec<u8>,
        /// What to do beside that.
        mode: Mode,
    },
    /// Print ledgers of lost writes.
    ShowLost {
        /// Their names, at least one.
        files: Vec<Vec<u8>>,
    },
    /// Say that the time to cut an append-only file at is none.
    CheckAofBadTimestamp,
    /// Say how the checker of append-only files is used.
    CheckAofHelp,
    /// Experiment with failovers.
    Lab,
}

/// The program that a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Program {
    Server,
    Sentinel,
    CheckRdb,
    CheckAof,
    Lab,
}

impl Program {
    /// A name says it wherever it is in the last part of the path, as in `redis-check-rdb-7.2`.
    fn from_name(name: &[u8]) -> Program {
        let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        let last = String::from_utf8_lossy(last);
        let is = |program: &str| {
            let called = |family| last.contains(&format!("{family}-{program}"));
            FAMILIES.iter().any(called)
        };
        if is("lab") {
            Program::Lab
        } else if is("check-rdb") {
            Program::CheckRdb
        } else if is("check-aof") {
            Program::CheckAof
        } else if is("sentinel") {
            Program::Sentinel
        } else {
            Program::Server
        }
    }
}

impl Request {
    /// Reads a command line; `name` is the word by which the process was called.
    pub fn read(name: &[u8], args: &[Vec<u8>]) -> Request {
        match Program::from_name(name) {
            Program::CheckRdb => check_rdb(args),
            Program::CheckAof => check_aof(args),
            Program::Lab => Request::Lab,
            program => serve(program, args),
        }
    }
}

/// The options of the server.
fn server_options() -> Options {
    let mut options = Options::new();
    options
        .optflag("v", "version", "tell the version")
        .optflag("h", "help", "tell how it is used")
        .optflag(
            "",
            "test-memory",
            "test so many megabytes of memory, fifty times unless told otherwise: \
             --test-memory <megabytes> [passes]",
        )
        .optflag(
            "",
            "check-system",
            "look for what slows a server down on this machine",
        );
    options
}

/// How the server is used.
pub fn server_usage() -> String {
    let brief = "Usage: redis-server [/path/to/redis.conf] [options] [-]\n       \
                 redis-server /path/to/sentinel.conf --sentinel\n\n\
                 '-' as the first or the last word reads more of the configuration from standard \
                 input.\nEvery directive of redis.conf is an option as well, and has the last \
                 word:\n\n       \
                 redis-server --port 7777 --replicaof 127.0.0.1 8888\n       \
                 redis-server /etc/redis/6379.conf --loglevel verbose\n       \
                 echo 'maxmemory 128mb' | redis-server -\n\n\
                 What follows is only an option as the very first word.";
    server_options().usage(brief)
}

/// What a word alone is to these options, unless it is wrong.
fn read_word(options: &Options, word: &[u8]) -> Option<Matches> {
    // `getopts` takes a letter behind two dashes for the same as behind one.
    let is_letter = word.len() == 3 && word.starts_with(b"--");
    let matches = options.parse([OsStr::from_bytes(word)]).ok();
    matches.filter(|_| !is_letter)
}

/// The one option that the first word is, if it is one.
fn first_option(args: &[Vec<u8>]) -> Option<&'static str> {
    let matches = read_word(&server_options(), args.first()?)?;
    let mut present = ["version", "help", "test-memory", "check-system"]
        .into_iter()
        .filter(|name| matches.opt_present(name));
    // Several letters behind one dash are no option: `-hv` is a strange directive.
    present.next().filter(|_| present.next().is_none())
}

fn serve(program: Program, args: &[Vec<u8>]) -> Request {
    match first_option(args) {
        Some("version") => Request::Version,
        Some("help") => Request::Help,
        Some("test-memory") => test_memory(&args[1..]),
        Some("check-system") => Request::CheckSystem,
        _ if program == Program::Sentinel || args.iter().any(|arg| arg == b"--sentinel") => {
            Request::Sentinel
        }
        _ => Request::Serve,
    }
}

fn test_memory(args: &[Vec<u8>]) -> Request {
    let number = |word: &Vec<u8>| str::from_utf8(word).ok()?.parse::<u32>().ok();
    let (megabytes, passes) = match args {
        [megabytes] => (number(megabytes), Some(PASSES)),
        [megabytes, passes] => (number(megabytes), number(passes)),
        _ => (None, None),
    };
    match (megabytes, passes) {
        (Some(megabytes @ 1..), Some(passes @ 1..)) => Request::TestMemory {
            megabytes: megabytes as usize,
            passes,
        },
        _ => Request::TestNoMemory,
    }
}

/// One word, which is a file unless it asks for the version.
fn check_rdb(args: &[Vec<u8>]) -> Request {
    let [word] = args else {
        return Request::CheckRdbHelp;
    };
    let mut options = Options::new();
    options.optflag("v", "version", "");
    match read_word(&options, word) {
        Some(matches) if matches.opt_present("version") => Request::CheckRdbVersion,
        _ => Request::CheckRdb { file: word.clone() },
    }
}

/// A file, behind at most one option. The last word is the file whatever it looks like. Only
/// ledgers of lost writes may be many.
fn check_aof(args: &[Vec<u8>]) -> Request {
    if let [option, files @ ..] = args
        && option == b"--show-lost"
        && !files.is_empty()
    {
        let files = files.to_vec();
        return Request::ShowLost { files };
    }
    let (mode, file) = match args {
        [file] => (Some(Mode::Report), file),
        [option, file] if option == b"--fix" => (Some(Mode::Fix), file),
        [option, seconds, file] if option == b"--truncate-to-timestamp" => {
            (check::parse_seconds(seconds).map(Mode::CutAfter), file)
        }
        _ => return Request::CheckAofHelp,
    };
    let file = file.clone();
    mode.map_or(Request::CheckAofBadTimestamp, |mode| Request::CheckAof {
        file,
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(line: &str, expected: Request) {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.into()).collect();
        assert_eq!(Request::read(&words[0], &words[1..]), expected, "{line}");
    }

    #[test]
    fn the_name_chooses_the_program() {
        for name in ["redis-server", "/opt/redis-sentinel/bin/tanist", "./x"] {
            expect(name, Request::Serve);
        }
        expect("/usr/bin/redis-sentinel", Request::Sentinel);
        expect("redis-server a.conf --sentinel", Request::Sentinel);
        let file = b"a".to_vec();
        expect("./redis-check-rdb-7.2 a", Request::CheckRdb { file });
        let (file, mode) = (b"a".to_vec(), Mode::Report);
        expect("redis-check-aof a", Request::CheckAof { file, mode });
        expect("/opt/bin/redis-lab kill m1", Request::Lab);
        expect("tanist-server", Request::Serve);
        expect("/usr/bin/tanist-sentinel", Request::Sentinel);
        expect("tanist-lab", Request::Lab);
        expect("tanist-check-rdb -v", Request::CheckRdbVersion);
        expect("tanist-check-aof", Request::CheckAofHelp);
    }

    #[test]
    fn an_option_is_the_first_word_and_nothing_but_one() {
        for words in ["-v", "--version", "-v --port 1", "--version --sentinel"] {
            expect(&format!("redis-server {words}"), Request::Version);
            expect(&format!("redis-sentinel {words}"), Request::Version);
        }
        for words in ["-h", "--help", "-h x", "--help --version"] {
            expect(&format!("redis-server {words}"), Request::Help);
        }
        for words in ["--check-system", "--check-system x"] {
            expect(&format!("redis-server {words}"), Request::CheckSystem);
        }
        for words in [
            "a.conf -v",
            "--port 1 --version",
            "--version=1",
            "--help=",
            "-hv",
            "-vv",
            "-help",
            "--h",
            "--v",
            "--vers",
            "-",
            "--",
            "-x",
            "--test-memory=4",
            "--port",
            "",
        ] {
            expect(&format!("redis-server {words}"), Request::Serve);
        }
        assert_eq!(
            Request::read(b"redis-server", &[b"-\xff".to_vec()]),
            Request::Serve
        );
        assert_eq!(Request::read(b"", &[]), Request::Serve);
    }

    #[test]
    fn a_memory_test_wants_a_size() {
        let test = |megabytes, passes| Request::TestMemory { megabytes, passes };
        expect("redis-server --test-memory 64", test(64, 50));
        expect("redis-server --test-memory 64 2", test(64, 2));
        for words in ["", " 0", " x", " -1", " 1 0", " 1 2 3", " --port 1"] {
            let line = format!("redis-server --test-memory{words}");
            expect(&line, Request::TestNoMemory);
        }
    }

    #[test]
    fn the_checkers_take_a_file_and_few_words_more() {
        expect("redis-check-rdb -v", Request::CheckRdbVersion);
        expect("redis-check-rdb --version", Request::CheckRdbVersion);
        for line in [
            "redis-check-rdb",
            "redis-check-rdb a b",
            "redis-check-rdb -v a",
        ] {
            expect(line, Request::CheckRdbHelp);
        }
        for word in ["-h", "--help", "-x", "-", "--v", "-vv"] {
            let file = word.into();
            expect(
                &format!("redis-check-rdb {word}"),
                Request::CheckRdb { file },
            );
        }
        for (words, file, mode) in [
            ("a", "a", Mode::Report),
            ("-v", "-v", Mode::Report),
            ("--fix", "--fix", Mode::Report),
            ("--fix a", "a", Mode::Fix),
            ("--fix --fix", "--fix", Mode::Fix),
            ("--truncate-to-timestamp 17 a", "a", Mode::CutAfter(17)),
            ("--truncate-to-timestamp -1 a", "a", Mode::CutAfter(-1)),
            ("--truncate-to-timestamp  a", "a", Mode::CutAfter(0)),
        ] {
            let line = format!("redis-check-aof {words}");
            let file = file.into();
            expect(&line, Request::CheckAof { file, mode });
        }
        let files = vec![b"a".to_vec(), b"b".to_vec()];
        expect(
            "redis-check-aof --show-lost a b",
            Request::ShowLost { files },
        );
        for seconds in ["1x", "x", "9223372036854775808", "-"] {
            let line = format!("redis-check-aof --truncate-to-timestamp {seconds} a");
            expect(&line, Request::CheckAofBadTimestamp);
        }
        for words in [
            "a b",
            "--fux a",
            "--fix a b",
            "--truncate-to-timestamp 17",
            "--truncate-to-timestamp=17 a",
            "--fix --truncate-to-timestamp 17 a",
        ] {
            expect(&format!("redis-check-aof {words}"), Request::CheckAofHelp);
        }
        assert_eq!(
            Request::read(b"redis-check-aof", &[]),
            Request::CheckAofHelp
        );
    }

    #[test]
    fn the_usage_tells_every_option() {
        let usage = server_usage();
        for part in [
            "-v, --version",
            "-h, --help",
            "--test-memory",
            "--check-system",
        ] {
            assert!(usage.contains(part), "no {part:?} in\n{usage}");
        }
    }
}
