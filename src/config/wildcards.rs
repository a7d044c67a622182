//! Paths with wildcards, for `include conf.d/*.conf`.
//!
//! `*`, `?` and `[…]` stand for names within one directory, never across a slash, and match a
//! leading dot only where the pattern has it too. What cannot be read matches nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::base::glob::glob_match;

/// Whether the path has a wildcard in it.
pub(super) fn has_any(path: &Path) -> bool {
    is_pattern(path.as_os_str())
}

fn is_pattern(part: &OsStr) -> bool {
    part.as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The existing paths that the pattern stands for, sorted; `most` of them at the utmost.
pub(super) fn expand(pattern: &Path, most: usize) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.components() {
        paths = match part {
            Component::Normal(name) if is_pattern(name) => paths
                .iter()
                .flat_map(|path| matching(path, name.as_bytes()))
                .take(most)
                .collect(),
            part => paths.iter().map(|path| path.join(part)).collect(),
        };
    }
    paths.retain(|path| path.exists());
    paths
}

/// The entries of a directory whose names match, sorted.
fn matching(directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let is_match = |name: &OsStr| {
        let hidden = name.as_bytes().starts_with(b".") && !pattern.starts_with(b".");
        !hidden && glob_match(pattern, name.as_bytes(), false)
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut paths: Vec<PathBuf> = names
        .filter(|name| is_match(name))
        .map(|name| directory.join(name))
        .collect();
    paths.sort();
    paths
}
