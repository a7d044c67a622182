//! What a test has failed with, to be told again behind the log of its servers.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has panics of all threads noted from now on.
pub fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text: String = info.to_string().chars().take(1000).collect();
            LAST.with(|last| *last.borrow_mut() = text);
            usual(info);
        }));
    });
}

/// What this thread has panicked with last.
pub fn last_panic() -> String {
    LAST.with(|last| last.borrow().clone())
}
