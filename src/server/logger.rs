//! The log, line for line in the form that users of Redis grep for:
//!
//! ```text
//! 4711:M 21 Nov 2026 23:12:45.123 * Ready to accept connections tcp
//! ```
//!
//! Process id, role (`M` master, `S` replica, `X` sentinel; `C` a child, and the server before it
//! is one), local time, a sign for the level, the message. The signs are `.` debug, `-` verbose,
//! `*` notice, `#` warning; they are carried by the `log` crate's levels trace, debug, info and
//! warn. `env_logger` decides which lines there are.
//!
//! Every thread may log at any time, and so may a forked child, which has a copy of all memory but
//! none of the other threads: a lock that one of them held at the fork would stay locked for ever.
//! So no lock is taken here. What a line needs to know is in atomics and in cells that are set
//! once; the line is made on the stack and leaves with one `write` (`sys/log_file.rs`). That is why
//! `env_logger` writes nothing itself: it would do so under a lock.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::base::line::Line;
use crate::base::local_time::LocalTime;
use crate::config::{LogLevel, SyslogFacility};
use crate::sys::log_file::LogFile;
use crate::sys::syslog::{Severity, Syslog};
use crate::sys::{clock, crash};

/// The letter of a Sentinel.
pub const SENTINEL_LETTER: u8 = b'X';
/// What is said by a process that is no server: not yet, or only its child.
const NO_SERVER: u8 = b'C';

/// What every line depends on.
struct Lines {
    /// Chooses by who speaks: libraries below us log too, which is no business of our users.
    choice: env_logger::Logger,
    /// Where lines go.
    file: &'static LogFile,
    /// The system's log, which gets the messages as well.
    syslog: OnceLock<Syslog>,
    /// The server's letter.
    role: AtomicU8,
    /// The process that has it; zero while none does.
    server: AtomicU32,
    /// Seconds that local time is ahead of UTC.
    ahead_of_utc_s: AtomicI32,
}

/// The handle by which the server changes role letter, level and target.
#[derive(Clone)]
pub struct Logger(Arc<Lines>);

impl Lines {
    fn new(file: &'static LogFile) -> Lines {
        Lines {
            choice: env_logger::Builder::new()
                .filter_module("tanist", LevelFilter::Trace)
                .build(),
            file,
            syslog: OnceLock::new(),
            role: AtomicU8::new(NO_SERVER),
            server: AtomicU32::new(0),
            ahead_of_utc_s: AtomicI32::new(clock::ahead_of_utc_s()),
        }
    }

    fn is_server(&self) -> bool {
        self.server.load(Ordering::Relaxed) == std::process::id()
    }

    fn now(&self) -> LocalTime {
        let ahead_s = self.ahead_of_utc_s.load(Ordering::Relaxed);
        LocalTime::new(clock::now().unix_us, ahead_s)
    }
}

/// The side that lines come in by.
struct Door(Arc<Lines>);

impl Log for Door {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.choice.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let lines = &*self.0;
        if !lines.choice.matches(record) {
            return;
        }
        let role = if lines.is_server() {
            lines.role.load(Ordering::Relaxed)
        } else {
            NO_SERVER
        };
        let time = lines.now();
        let mut line = Line::of(format_args!(
            "{}:{} {time} {} {}",
            std::process::id(),
            char::from(role),
            sign(record.level()),
            record.args()
        ));
        lines.file.append(line.ended());
        if let Some(syslog) = lines.syslog.get() {
            syslog.send(severity(record.level()), time, *record.args());
        }
    }

    fn flush(&self) {}
}

fn sign(level: Level) -> char {
    match level {
        Level::Error | Level::Warn => '#',
        Level::Info => '*',
        Level::Debug => '-',
        Level::Trace => '.',
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error | Level::Warn => Severity::Warning,
        Level::Info => Severity::Notice,
        Level::Debug => Severity::Info,
        Level::Trace => Severity::Debug,
    }
}

/// The number of a facility in the protocol of the system's log.
fn facility_number(facility: SyslogFacility) -> u8 {
    match facility {
        SyslogFacility::User => 1,
        local => 16 + (local as u8 - SyslogFacility::Local0 as u8),
    }
}

/// The filter that a `loglevel` stands for.
fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Nothing => LevelFilter::Off,
    }
}

impl Logger {
    /// Installs the process's logger, writing to standard output at level notice.
    pub fn install() -> Logger {
        let logger = Logger::to(crash::log_file());
        logger.put_in_force();
        logger
    }

    /// A logger that writes to this file.
    pub(super) fn to(file: &'static LogFile) -> Logger {
        Logger(Arc::new(Lines::new(file)))
    }

    /// Makes it the one that everybody logs to.
    pub(super) fn put_in_force(&self) {
        // There is none before us; and if there were, our lines would be its business.
        let _ = log::set_boxed_logger(Box::new(Door(Arc::clone(&self.0))));
        log::set_max_level(LevelFilter::Info);
    }

    /// Makes this process the server, with this letter as its role.
    pub fn set_role(&self, letter: u8) {
        self.0.role.store(letter, Ordering::Relaxed);
        self.0.server.store(std::process::id(), Ordering::Relaxed);
    }

    /// Whether this process is a child of the server.
    pub fn is_child(&self) -> bool {
        let there_is_one = self.0.server.load(Ordering::Relaxed) != 0;
        there_is_one && !self.0.is_server()
    }

    /// Sets what is logged.
    pub fn set_level(&self, level: LogLevel) {
        log::set_max_level(filter(level));
    }

    /// Looks again how far local time is ahead of UTC, which the seasons change. The C library
    /// takes a lock for that, so it is done by the thread that forks, and by no other.
    pub fn note_time_zone(&self) {
        let ahead_s = clock::ahead_of_utc_s();
        self.0.ahead_of_utc_s.store(ahead_s, Ordering::Relaxed);
    }

    /// Writes text that is no line of the log where the lines go.
    pub fn write_raw(&self, text: &[u8]) {
        self.0.file.append(text);
    }

    /// Sends messages to the system's log too, from now on.
    ///
    /// # Errors
    ///
    /// The system's log has a name that cannot be one.
    pub fn add_syslog(&self, ident: &str, facility: SyslogFacility) -> io::Result<()> {
        let syslog = Syslog::new(ident, facility_number(facility))?;
        let added = self.0.syslog.set(syslog);
        added.map_err(|_| io::ErrorKind::AlreadyExists.into())
    }

    /// Sends lines to a file from now on. A relative name is looked up for every line anew.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending, or there is one already.
    pub fn set_file(&self, path: &Path) -> io::Result<()> {
        self.0.file.set(path)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sys::process::{self, Exit, ForkResult};

    /// A logger of its own that writes to a file.
    fn logger(path: &Path) -> Logger {
        let file: &'static LogFile = Box::leak(Box::default());
        file.set(path).unwrap();
        Logger::to(file)
    }

    fn say(logger: &Logger, level: Level, target: &str, message: &str) {
        Door(Arc::clone(&logger.0)).log(
            &Record::builder()
                .level(level)
                .target(target)
                .args(format_args!("{message}"))
                .build(),
        );
    }

    /// Role, sign and message of a line; what stands between must have its form.
    fn parts(line: &str) -> (char, char, &str) {
        let (pid, rest) = line.split_once(':').unwrap();
        assert!(pid.parse::<u32>().is_ok(), "{line}");
        let time = "21 Nov 2026 23:12:45.123".len();
        let (role, sign) = (rest.as_bytes()[0], rest.as_bytes()[time + 3]);
        (role.into(), sign.into(), &rest[time + 5..])
    }

    #[test]
    fn lines_show_who_speaks_and_how_loud() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let logger = logger(&path);
        say(&logger, Level::Info, "tanist::server", "before");
        logger.set_role(b'S');
        assert!(!logger.is_child());
        say(&logger, Level::Warn, "tanist::server", "after");
        say(&logger, Level::Warn, "mio", "not ours");
        say(&logger, Level::Trace, "tanist", "quiet");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(parts).collect();
        let expected = [
            ('C', '*', "before"),
            ('S', '#', "after"),
            ('S', '.', "quiet"),
        ];
        assert_eq!(lines, expected);
    }

    /// Waits for the end of a child; one that hangs is killed.
    fn end_of(child: i32) -> Exit {
        let begun = Instant::now();
        loop {
            if let Some(exit) = process::reap_child(child).unwrap() {
                return exit;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                process::send_signal(child, libc::SIGKILL).unwrap();
                return process::wait_for(child).unwrap();
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn children_log_whatever_other_threads_do_at_the_fork() {
        const CHILDREN: usize = 300;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let logger = logger(&path);
        logger.set_role(b'M');
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        say(&logger, Level::Info, "tanist", "a thread");
                        // Threads that free or resolve names use the heap all the time.
                        drop(std::hint::black_box(vec![0u8; 100]));
                    }
                });
            }
            for _ in 0..CHILDREN {
                let exit = match process::fork().unwrap() {
                    ForkResult::Parent { child } => end_of(child),
                    ForkResult::Child => {
                        if !logger.is_child() {
                            process::exit_now(1);
                        }
                        for _ in 0..3 {
                            say(&logger, Level::Warn, "tanist", &format!("{} child", "a"));
                        }
                        process::exit_now(0)
                    }
                };
                if exit != Exit::Code(0) {
                    stop.store(true, Ordering::Relaxed);
                }
                assert_eq!(exit, Exit::Code(0));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut of_threads, mut of_children) = (0, 0);
        for line in text.lines() {
            match parts(line) {
                ('M', '*', "a thread") => of_threads += 1,
                ('C', '#', "a child") => of_children += 1,
                _ => panic!("a torn line: {line}"),
            }
        }
        assert_eq!(of_children, 3 * CHILDREN);
        assert!(of_threads > 0);
    }

    #[test]
    fn facilities_have_the_numbers_of_the_protocol() {
        use SyslogFacility::{Local0, Local3, Local7, User};
        assert_eq!(
            [User, Local0, Local3, Local7].map(facility_number),
            [1, 16, 19, 23]
        );
    }
}
