//! Shows somebody at a terminal what is missing, while a request takes its time.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::talk::{self, Failure, plain};
use crate::lab::request::{Ask, Request};

/// What is missing is told so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A line that is longer would not be wiped away whole.
const LINE_CHARS_MAX: usize = 78;

/// Asks the keeper for something that is answered by text. To a terminal, a request that takes long
/// tells what it waits for, on one line that goes again; to a file it tells nothing.
pub fn ask(folder: &Path, request: &Request) -> Result<String, Failure> {
    if !io::stderr().is_terminal() {
        return talk::ask(folder, request);
    }
    let (ended, end) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            let mut has_told = false;
            while end.recv_timeout(TELL_EVERY) == Err(RecvTimeoutError::Timeout) {
                let missing = talk::ask(folder, &plain(Ask::Missing)).unwrap_or_default();
                tell(&format!(
                    "{} s: {}",
                    begun.elapsed().as_secs(),
                    missing.trim_end()
                ));
                has_told = true;
            }
            if has_told {
                tell("");
            }
        });
        let answer = talk::ask(folder, request);
        drop(ended);
        answer
    })
}

/// Puts a line in the place of the one that stands there.
fn tell(text: &str) {
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(LINE_CHARS_MAX)
        .collect();
    let mut out = io::stderr().lock();
    // A terminal that has gone is no reason to end.
    let _ = write!(out, "\r\x1b[K{line}").and_then(|()| out.flush());
}
