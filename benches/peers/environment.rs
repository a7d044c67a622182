//! Choices of a run, read from environment variables.

use std::fmt::Debug;
use std::str::FromStr;

/// A variable, empty if it is not set.
pub fn text(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The first `redis-server` in PATH, as an entry of `PEERS`; nothing if there is none.
pub fn stock_in_path() -> String {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join("redis-server"))
        .find(|path| path.is_file());
    found.map_or_else(String::new, |path| format!("redis={}", path.display()))
}

/// A text, or another where it is empty.
pub fn or(text: String, default: &str) -> String {
    if text.is_empty() {
        default.to_owned()
    } else {
        text
    }
}

/// A variable that is a number.
pub fn number<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    match text(name).as_str() {
        "" => default,
        given => given
            .parse()
            .unwrap_or_else(|e| panic!("{name}={given}: {e:?}")),
    }
}

/// A variable that is a list of numbers.
pub fn list(name: &str, default: &str) -> Vec<usize> {
    let given = or(text(name), default);
    given
        .split_whitespace()
        .map(|n| n.parse().expect("a list of numbers"))
        .collect()
}
