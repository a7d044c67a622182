//! A thread that does something until it is asked to stop.
//!
//! Whoever works on one looks at its [`Halt`] wherever it would go on for long, and sleeps nowhere
//! else than in [`Halt::pause`]; what blocks otherwise is a connection with a time limit. So a
//! thread ends soon, whatever its peers do, and nobody leaves one behind: who drops a [`Worker`]
//! waits for it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Locks what threads share. One that has panicked leaves nothing half done: what is shared is
/// changed by calls that do not panic.
pub(super) fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a thread is asked to stop.
#[derive(Debug, Default)]
pub(super) struct Halt {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Halt {
    /// Asks it to stop.
    pub fn ask(&self) {
        *lock(&self.asked) = true;
        self.changed.notify_all();
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        *lock(&self.asked)
    }

    /// Sleeps so long, or until it is asked to stop.
    pub fn pause(&self, length: Duration) {
        let deadline = Instant::now() + length;
        let mut asked = lock(&self.asked);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if *asked || left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(asked, left);
            asked = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running thread.
#[derive(Debug)]
pub(super) struct Worker {
    halt: Arc<Halt>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// The system has no room for one more.
    pub fn start(name: &str, work: impl FnOnce(&Halt) + Send + 'static) -> io::Result<Worker> {
        let halt = Arc::new(Halt::default());
        let theirs = Arc::clone(&halt);
        let builder = std::thread::Builder::new().name(name.to_owned());
        let thread = Some(builder.spawn(move || work(&theirs))?);
        Ok(Worker { halt, thread })
    }

    /// Asks it to stop and does not wait.
    pub fn halt(&self) {
        self.halt.ask();
    }

    /// Asks it to stop and waits until it has; says whether it still ran.
    pub fn join(&mut self) -> bool {
        self.halt.ask();
        let Some(thread) = self.thread.take() else {
            return false;
        };
        if thread.join().is_err() {
            log::warn!("a thread of the load has panicked");
        }
        true
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_when_it_is_over_or_when_the_thread_is_to_stop() {
        let begun = Instant::now();
        let mut worker = Worker::start("test", |halt| {
            halt.pause(Duration::from_millis(3));
            while !halt.is_asked() {
                halt.pause(Duration::from_secs(3600));
            }
        })
        .expect("a thread");
        assert!(worker.join());
        assert!(!worker.join());
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
