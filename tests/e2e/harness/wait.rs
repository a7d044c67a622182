//! Waiting for something that another process does: poll until it holds, or say what was awaited.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for a thing that normally takes well under a second. Machines that run
/// the tests may be slow and shared; only a failing test ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(40);

const POLL_EVERY: Duration = Duration::from_millis(10);

/// Polls until `probe` yields a value. On giving up, panics with `what` and what `state` says.
#[track_caller]
pub fn wait_for<T>(
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
    state: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        if Instant::now() > deadline {
            panic!("waited {PATIENCE:?} in vain until {what}\n{}", state());
        }
        sleep(POLL_EVERY);
    }
}

/// Polls until `holds`.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()), String::new);
}
