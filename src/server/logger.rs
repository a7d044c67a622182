//! The log, line for line in the form that users of Redis grep for:
//!
//! ```text
//! 4711:M 21 Nov 2026 23:12:45.123 * Ready to accept connections tcp
//! ```
//!
//! Process id, role (`M` master, `S` replica, `C` snapshot child, `X` sentinel), local time, a sign
//! for the level, the message. The signs are `.` debug, `-` verbose, `*` notice, `#` warning; they
//! are carried by the `log` crate's levels trace, debug, info and warn. `env_logger` does the rest.
//!
//! The log file is opened for each line, as the reference does, so that rotating it by renaming
//! needs no signal.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use log::{Level, LevelFilter};

use crate::config::{LogLevel, SyslogFacility};
use crate::sys::syslog::{Severity, Syslog};
use crate::sys::{clock, crash};

/// Where lines go; shared between the logger and the handle that redirects it.
#[derive(Default)]
struct Target {
    /// The file; standard output when there is none.
    file: Option<PathBuf>,
    /// The system's log, which gets the messages as well.
    syslog: Option<Syslog>,
}

/// The handle by which the server changes role letter, level and target.
#[derive(Clone)]
pub struct Logger {
    role: Arc<AtomicU8>,
    target: Arc<Mutex<Target>>,
}

struct Sink(Arc<Mutex<Target>>);

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let file = match self.0.lock() {
            Ok(target) => target.file.clone(),
            Err(_) => None,
        };
        match file {
            Some(path) => {
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)?
                    .write_all(line)?;
            }
            None => io::stdout().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        let logger = Logger {
            role: Arc::new(AtomicU8::new(b'C')),
            target: Arc::new(Mutex::new(Target::default())),
        };
        let role = Arc::clone(&logger.role);
        let target = Arc::clone(&logger.target);
        let own = |target: &str| target.starts_with("tanist");
        let _ = env_logger::Builder::new()
            .filter_level(LevelFilter::Trace)
            .format(move |out, record| {
                // Libraries below us log too; their lines are no business of our users.
                if !own(record.target()) {
                    return Ok(());
                }
                if let Ok(target) = target.lock()
                    && let Some(syslog) = &target.syslog
                {
                    syslog.send(severity(record.level()), &record.args().to_string());
                }
                let role = char::from(role.load(Ordering::Relaxed));
                let pid = std::process::id();
                let time = clock::local_time_text();
                writeln!(
                    out,
                    "{pid}:{role} {time} {} {}",
                    sign(record.level()),
                    record.args()
                )
            })
            .target(env_logger::Target::Pipe(Box::new(Sink(Arc::clone(
                &logger.target,
            )))))
            .try_init();
        log::set_max_level(LevelFilter::Info);
        logger
    }

    /// Sets the role letter.
    pub fn set_role(&self, letter: u8) {
        self.role.store(letter, Ordering::Relaxed);
    }

    /// Sets what is logged.
    pub fn set_level(&self, level: LogLevel) {
        log::set_max_level(filter(level));
    }

    /// The target, for text that is no line of the log.
    pub fn raw(&self) -> impl Write {
        Sink(Arc::clone(&self.target))
    }

    /// Sends messages to the system's log too, from now on.
    ///
    /// # Errors
    ///
    /// There is no descriptor left.
    pub fn add_syslog(&self, ident: &str, facility: SyslogFacility) -> io::Result<()> {
        let syslog = Syslog::new(ident, facility_number(facility))?;
        if let Ok(mut target) = self.target.lock() {
            target.syslog = Some(syslog);
        }
        Ok(())
    }

    /// Sends lines to a file from now on, or to standard output for an empty path.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending.
    pub fn set_file(&self, path: &Path) -> io::Result<()> {
        let file = if path.as_os_str().is_empty() {
            None
        } else {
            OpenOptions::new().append(true).create(true).open(path)?;
            Some(path.to_path_buf())
        };
        crash::set_log_file(file.as_deref());
        if let Ok(mut target) = self.target.lock() {
            target.file = file;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_have_the_numbers_of_the_protocol() {
        use SyslogFacility::{Local0, Local3, Local7, User};
        assert_eq!(
            [User, Local0, Local3, Local7].map(facility_number),
            [1, 16, 19, 23]
        );
    }
}
