//! The report of a crash: what an engineer needs, in the log, before the process aborts.
//!
//! A panic is a bug of ours. Its hook writes the message and the backtrace while the stack still
//! stands; the loop, which catches it, adds what the server was doing; then the process aborts, so
//! that a core is left and nobody goes on with data that may be half changed. Crashes by a signal
//! leave their report in `sys/crash.rs`.
//!
//! A forked child that panics says so and aborts on the spot. It must not unwind, since the loop
//! that would catch the panic is the parent's; nor take a backtrace, since another thread may have
//! been about to take one when the child was made, and holds the lock for ever.

use std::backtrace::Backtrace;
use std::panic::{self, AssertUnwindSafe};

use super::logger::Logger;
use super::reactor::Server;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use crate::config::crash_report_lines;
use crate::sys::crash::{REPORT_START, end_report, last_command, report_crashes};

/// Makes panics report themselves in the log.
pub fn install_hook(logger: Logger) {
    panic::set_hook(Box::new(move |info| {
        if logger.is_child() {
            log::error!("Tanist {TANIST_VERSION}: a child process crashed: {info}");
            std::process::abort();
        }
        log::error!("{REPORT_START}");
        log::error!("Tanist {TANIST_VERSION} (Redis {REDIS_VERSION}) crashed: {info}");
        for line in Backtrace::force_capture().to_string().lines() {
            log::error!("{line}");
        }
    }));
}

/// Runs the server; a panic ends in a report and an abort.
pub fn run_guarded(server: &mut Server) -> i32 {
    match panic::catch_unwind(AssertUnwindSafe(|| server.run())) {
        Ok(status) => status,
        Err(_) => {
            log::error!("Last command begun: {}", last_command());
            log::error!(
                "Clients: {}, keys: {}",
                server.engine.connections(),
                server.engine.env().keyspace.len()
            );
            let settings = crash_report_lines(&server.engine.env().config);
            for line in String::from_utf8_lossy(&settings).lines() {
                log::error!("{line}");
            }
            end_report();
            // The report is written; the abort needs none of its own.
            let _ = report_crashes(false);
            std::process::abort()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::log_file::LogFile;
    use crate::sys::process::{self, Exit, ForkResult};

    /// The life of a server whose child panics; returns its exit code.
    fn server_with_a_child_that_panics(logger: Logger) -> i32 {
        logger.put_in_force();
        logger.set_role(b'M');
        install_hook(logger);
        match process::fork().unwrap() {
            ForkResult::Child => panic!("of all things"),
            ForkResult::Parent { child } => {
                let exit = process::wait_for(child).unwrap();
                i32::from(exit != Exit::Signal(libc::SIGABRT))
            }
        }
    }

    #[test]
    fn a_child_that_panics_says_so_and_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let file: &'static LogFile = Box::leak(Box::default());
        file.set(&log).unwrap();
        let logger = Logger::to(file);
        let server = match process::fork().unwrap() {
            ForkResult::Child => process::exit_now(server_with_a_child_that_panics(logger)),
            ForkResult::Parent { child } => child,
        };
        assert_eq!(process::wait_for(server).unwrap(), Exit::Code(0));
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.contains(":C "), "{said}");
        assert!(
            said.contains("a child process crashed: panicked at"),
            "{said}"
        );
        assert!(said.ends_with("of all things\n"), "{said}");
        assert!(!said.contains(REPORT_START), "{said}");
    }
}
