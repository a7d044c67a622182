//! The report of a crash: what an engineer needs, in the log, before the process aborts.
//!
//! A panic is a bug of ours. Its hook writes the message and the backtrace while the stack still
//! stands; the loop, which catches it, adds what the server was doing; then the process aborts, so
//! that a core is left and nobody goes on with data that may be half changed. Crashes by a signal
//! leave their report in `sys/crash.rs`.

use std::backtrace::Backtrace;
use std::panic::{self, AssertUnwindSafe};

use super::Server;
use crate::base::version::{REDIS_VERSION, TANIST_VERSION};
use crate::config::crash_report_lines;
use crate::sys::crash::{REPORT_END, REPORT_START, last_command, report_crashes};

/// Makes panics report themselves in the log.
pub fn install_hook() {
    panic::set_hook(Box::new(|info| {
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
            log::error!("{REPORT_END}");
            // The report is written; the abort needs none of its own.
            let _ = report_crashes(false);
            std::process::abort()
        }
    }
}
