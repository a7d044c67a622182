//! Runs that mostly wait, side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `one` for each of the items, so many at a time. Servers that it starts end with it.
///
/// # Panics
///
/// A run fails; the others of its kind are finished first, and no more are begun.
pub fn run_side_by_side<T: Sync>(items: &[T], at_once: usize, one: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                let failed = StopOnPanic(&next, items.len());
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    one(item);
                }
                drop(failed);
            });
        }
    });
}

/// Lets nobody begin another run when one has failed.
struct StopOnPanic<'a>(&'a AtomicUsize, usize);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(self.1, Ordering::SeqCst);
        }
    }
}
